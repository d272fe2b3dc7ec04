"""GA4GH visas: each is checked by itself, and only then counts for a person (Passport 1.2, AAI 1.2 Clearinghouse).

Whatever is not fully in order is ignored, with a reason for the audit; a visa never makes a request fail:

    unreadable        not a signed JWT, or too long         nested       a passport, or a visa with visas inside
    type              header typ                            algorithm    none, or not one that is allowed
    critical          critical extensions                   issuer       of an issuer that is not configured
    jku               missing, or not the configured one    key_id       missing
    key               not one that the issuer has           signature    does not fit
    keys_out_of_reach cannot be checked now                 expired, not_yet, asserted, asserted_age
    claims            a required claim is missing           scope, audience   an access token, or for somebody else
    source, by        not by whom this site trusts          not_needed   of a type that decides nothing here
    value             not as the type wants it              conditions   not met
    identity          of somebody else                      too_many     more than are looked at
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

from beacon.auth import conditions, tokens
from beacon.auth.keys import FetchedKeys
from beacon.auth.tokens import LEEWAY, Token
from beacon.errors import IdentityUnavailable, Unauthenticated
from beacon.model.access import IgnoredVisa, Person, Visa
from beacon.settings import VisaIssuer

CLAIM: Final = "ga4gh_visa_v1"
PASSPORT: Final = "ga4gh_passport_v1"
TERMS, RESEARCHER, GRANT = "AcceptedTermsAndPolicies", "ResearcherStatus", "ControlledAccessGrants"
AFFILIATION, LINKS = "AffiliationAndRole", "LinkedIdentities"
MAX_VISAS: Final = 100
MAX_VALUE: Final = 4096

_HEADERS: Final = frozenset({"jwt", "vnd.ga4gh.visa+jwt"})
_VALUES: Final = {TERMS: 255, RESEARCHER: 255, GRANT: 255, AFFILIATION: 255, LINKS: MAX_VALUE}
"""The types that decide something, and the longest value of each (web addresses: 255)."""
_ANY: Final = frozenset({"self", "peer", "system", "so", "dac"})
_BY: Final[Mapping[str, frozenset[str | None]]] = {
    TERMS: _ANY,
    RESEARCHER: _ANY - {"self"},
    GRANT: frozenset({"dac"}),
    AFFILIATION: _ANY | {None},
    LINKS: _ANY | {None},
}
"""Who within the source may have asserted it. Nobody makes a researcher of himself; grants are a committee's."""
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Verdict:
    """The visas that count, what was ignored and why, the person's other names; ``final`` unless keys were missing."""

    visas: tuple[Visa, ...] = ()
    ignored: tuple[IgnoredVisa, ...] = ()
    identities: frozenset[Person] = frozenset()
    final: bool = True


class _Ignored(Exception):
    def __init__(self, reason: str, issuer: str | None = None, type_: str | None = None) -> None:
        super().__init__(reason)
        self.visa = IgnoredVisa(reason, issuer, type_)


@dataclass(frozen=True, slots=True)
class _Verified:
    visa: Visa
    conditions: object


class VisaVerifier:
    """Checks visas for one site, by the visa issuers that it trusts."""

    def __init__(
        self, issuers: Sequence[VisaIssuer], *, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """Prepare for these issuers; ``clock`` gives seconds since 1970."""
        self._clock = clock
        # Keys come from the configured address alone, so that no visa makes this site fetch anything else.
        self._issuers = {one.issuer: (one, FetchedKeys(one.issuer, one.jku, clock=monotonic)) for one in issuers}

    async def verify(self, texts: Iterable[object], person: Person) -> Verdict:
        """Check what a passport holds (compact JWS texts) for one person. Never raises for what a visa holds."""
        listed = list(texts)
        results = await asyncio.gather(*(self._one(text) for text in listed[:MAX_VISAS]))
        verified = [one for one in results if isinstance(one, _Verified)]
        ignored = [one for one in results if isinstance(one, IgnoredVisa)]
        if len(listed) > MAX_VISAS:
            ignored.append(IgnoredVisa("too_many"))
        known = _linked(person, [one.visa for one in verified if one.conditions in (None, [])])
        same = [one for one in verified if one.visa.person in known]
        ignored += [_because("identity", one.visa) for one in verified if one not in same]
        # What rests on a link between identities holds no longer than the link.
        until = [(replace(one.visa, expires=min(one.visa.expires, known[one.visa.person])), one) for one in same]
        plain = [visa for visa, one in until if one.conditions in (None, [])]
        counting = []
        for visa, one in until:
            rests_on = conditions.needed(one.conditions, plain)
            if rests_on is None:
                ignored.append(_because("conditions", visa))
            else:
                counting.append(replace(visa, expires=min([visa.expires, *(other.expires for other in rests_on)])))
        return Verdict(
            tuple(counting),
            tuple(ignored),
            frozenset(known) - {person},
            final=all(one.reason != "keys_out_of_reach" for one in ignored),
        )

    async def close(self) -> None:
        """Stop fetches that are under way."""
        await asyncio.gather(*(keys.close() for _, keys in self._issuers.values()))

    async def _one(self, text: object) -> _Verified | IgnoredVisa:
        try:
            return await self._checked(text)
        except _Ignored as ignored:
            return ignored.visa

    async def _checked(self, text: object) -> _Verified:
        if not isinstance(text, str):
            raise _Ignored("unreadable")
        try:
            token = tokens.read(text)
        except Unauthenticated:
            raise _Ignored("unreadable") from None
        claims = token.claims
        told = claims.get(CLAIM)
        issuer, type_ = _short(claims.get("iss")), _short(told.get("type") if isinstance(told, Mapping) else None)
        if PASSPORT in claims or (isinstance(told, Mapping) and PASSPORT in told):
            raise _Ignored("nested", issuer, type_)
        known = self._issuers.get(issuer or "")
        if known is None:
            raise _Ignored("issuer", issuer, type_)
        trusted, keys = known
        try:
            _check_header(token, trusted)
            visa, rests_on = _read(token, trusted, self._clock())
            await _check_signature(token, trusted, keys)
        except _Ignored as ignored:
            raise _Ignored(ignored.visa.reason, issuer, type_) from None
        return _Verified(visa, rests_on)


def _check_header(token: Token, trusted: VisaIssuer) -> None:
    header = token.header
    if "crit" in header or "b64" in header:
        raise _Ignored("critical")
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _HEADERS:
        raise _Ignored("type")
    if header.get("alg") not in trusted.algorithms:
        raise _Ignored("algorithm")
    if header.get("jku") != trusted.jku:
        raise _Ignored("jku")
    if not isinstance(header.get("kid"), str):
        raise _Ignored("key_id")


async def _check_signature(token: Token, trusted: VisaIssuer, keys: FetchedKeys) -> None:
    try:
        key = await keys.find(token.header["kid"], token.header["alg"])
    except IdentityUnavailable:
        raise _Ignored("keys_out_of_reach") from None
    if key is None:
        raise _Ignored("key")
    if not tokens.signed_with(token, key, trusted.algorithms):
        raise _Ignored("signature")


def _read(token: Token, trusted: VisaIssuer, now: float) -> tuple[Visa, object]:
    """Read and check the claims, all but to whom they belong and whether their conditions are met."""
    claims, told = token.claims, token.claims.get(CLAIM)
    try:
        subject = tokens.text_claim(claims, "sub")
        issued, expires = tokens.number_claim(claims, "iat"), tokens.number_claim(claims, "exp")
        if not isinstance(told, Mapping):
            raise _Ignored("claims")
        type_, source = tokens.text_claim(told, "type"), tokens.text_claim(told, "source")
        asserted = tokens.number_claim(told, "asserted")
    except Unauthenticated:
        raise _Ignored("claims") from None
    if "openid" in str(claims.get("scope", "")).split():
        raise _Ignored("scope")
    if "aud" in claims:
        raise _Ignored("audience")
    if expires <= now:  # no leeway: access that was given until then ends then
        raise _Ignored("expired")
    not_before = claims.get("nbf", issued)
    if isinstance(not_before, bool) or not isinstance(not_before, int | float) or not_before > now + LEEWAY:
        raise _Ignored("not_yet")
    if issued > now + LEEWAY:
        raise _Ignored("not_yet")
    if asserted > now + LEEWAY:
        raise _Ignored("asserted")
    stale = asserted + trusted.max_asserted_days * DAY_SECONDS
    if stale <= now:
        raise _Ignored("asserted_age")
    if type_ not in _VALUES:
        raise _Ignored("not_needed")
    if source not in trusted.sources:
        raise _Ignored("source")
    by = told.get("by")
    if by is not None and not isinstance(by, str):
        raise _Ignored("by")
    if by not in _BY[type_]:
        raise _Ignored("by")
    value = told.get("value")
    if not isinstance(value, str) or not 0 < len(value) <= _VALUES[type_] or not value.isprintable():
        raise _Ignored("value")
    # Some issuers name people as the login does, not in a way of their own.
    person = Person(trusted.subjects_of or trusted.issuer, subject)
    return Visa(type_, value, source, by, person, asserted, min(expires, stale)), told.get("conditions")


def _linked(person: Person, visas: Sequence[Visa]) -> dict[Person, float]:
    """Return the names of the same person, each with the time until which it is known to be that (seconds since 1970).

    Links are followed from the asker outward: a visa that links other people says nothing about this one.
    """
    groups = [(frozenset({visa.person, *_names(visa.value)}), visa.expires) for visa in visas if visa.type == LINKS]
    known = {person: float("inf")}
    changed = True
    while changed:
        changed = False
        for names, expires in groups:
            until = min(expires, max((known[name] for name in names if name in known), default=0))
            for name in names:
                if until > known.get(name, 0):
                    known[name] = until
                    changed = True
    return known


def _names(value: str) -> list[Person]:
    """Read ``sub,iss;sub,iss`` with both parts URI-encoded; entries of any other form are passed over."""
    pairs = (entry.split(",") for entry in value.split(";"))
    return [Person(unquote(pair[1]), unquote(pair[0])) for pair in pairs if len(pair) == 2 and all(pair)]


def bona_fide(visas: Iterable[Visa], values: Iterable[str]) -> bool:
    """Say whether visas give registered access: terms accepted and a researcher's status, both of one version."""
    held = {(visa.type, visa.value) for visa in visas}
    return any({(TERMS, value), (RESEARCHER, value)} <= held for value in values)


def _because(reason: str, visa: Visa) -> IgnoredVisa:
    return IgnoredVisa(reason, visa.person.issuer, visa.type)


def _short(value: Any) -> str | None:
    """Return a text that may go into a log."""
    return value if isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable() else None
