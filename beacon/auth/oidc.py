"""Who asks: the ``Authorization`` header of a request becomes a ``Principal``, or a refusal.

Two kinds of bearer token are believed: access tokens of configured OpenID Connect issuers (RFC 9068 and the
common JWT form), and assertions of configured network nodes (``beacon.auth.assertion``). Both say only who
asks. What that person may see is the policy's business: no claim grants anything. Visas are fetched and checked
beside (``beacon.auth.passports``, ``beacon.auth.visas``), each by its own issuer's word.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from beacon.auth import assertion, hop, tokens
from beacon.auth.hop import Hop, read_hop
from beacon.auth.keys import FetchedKeys, FixedKeys, PublicKey, parse_jwks
from beacon.auth.passports import Passports, read_secret
from beacon.auth.visas import Verdict, VisaVerifier, bona_fide
from beacon.errors import ConfigurationError
from beacon.model.access import ANONYMOUS, Granularity, IgnoredVisa, Level, Person, Principal
from beacon.settings import REGISTERED_ACCESS, Issuer, Node, VisaIssuer

REMEMBERED: Final = 30.0
"""For so many seconds, but never beyond its end, a person's token that was checked is believed without a new check."""
MOST_REMEMBERED: Final = 4_096

_ASSERTIONS: Final = frozenset({assertion.TYPE})
_HOPS: Final = frozenset({hop.TYPE})


@dataclass(frozen=True, slots=True)
class _Believed:
    """Who sent a checked token: believed ``until`` then (monotonic), and before it ``expires`` (wall clock)."""

    principal: Principal
    until: float
    expires: float


class Verifier:
    """Checks bearer tokens for one site; made once, used by all requests of one event loop."""

    def __init__(
        self,
        issuers: Sequence[Issuer] = (),
        nodes: Sequence[Node] = (),
        *,
        beacon_id: str,
        visa_issuers: Sequence[VisaIssuer] = (),
        registered_access: Sequence[str] = (REGISTERED_ACCESS,),
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare for these issuers and nodes; ``beacon_id`` is the audience of nodes' assertions.

        ``registered_access`` are the values of visas that make a registered researcher. ``clock`` gives seconds
        since 1970. Raises ``ConfigurationError`` where a key file cannot be used, or where one name stands for two
        parties.
        """
        names = [i.issuer for i in issuers] + [n.id for n in nodes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"{twice[0]} is configured twice among issuers and nodes.", where=twice[0])
        self._clock = clock
        self._fetched: list[FetchedKeys] = []
        self._visas = VisaVerifier(visa_issuers, clock=clock, monotonic=monotonic)
        self._passports = Passports(self._visas, clock=clock)
        self._registered_access = tuple(registered_access)
        self._issuers: dict[str, tuple[Issuer, tokens.Terms]] = {}
        for issuer in issuers:
            keys: FixedKeys | FetchedKeys
            if issuer.jwks_file is not None:
                keys = FixedKeys(parse_keys(read_jwks(issuer.jwks_file), str(issuer.jwks_file)))
            else:
                keys = FetchedKeys(issuer.issuer, issuer.jwks_uri, clock=monotonic)
                self._fetched.append(keys)
            if issuer.client_secret_file is not None:
                read_secret(issuer.client_secret_file)  # so that what is missing is told now
            terms = tokens.Terms(
                keys,
                frozenset(issuer.audiences),
                issuer.algorithms,
                frozenset(issuer.types),
                by_client=issuer.audience == "client",
                scopes=frozenset(issuer.scopes),
            )
            self._issuers[issuer.issuer] = issuer, terms
        self._monotonic = monotonic
        self._believed: dict[bytes, _Believed] = {}
        self._nodes = {n.id: (n, _node_terms(n, beacon_id)) for n in nodes}

    async def principal(self, authorization: str | None) -> Principal:
        """Say who asks; ``authorization`` is the header's value, None where the request has none.

        Raises ``Unauthenticated`` for anything present that is not one valid token of a known issuer (never
        "anonymous"), ``IdentityUnavailable`` where its issuer's keys cannot be had.
        """
        if authorization is None:
            return ANONYMOUS
        # By digest, so that no token lies in memory longer than its request.
        key = hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
        held = self._believed.get(key)
        if held is not None and self._monotonic() < held.until and self._clock() < held.expires:
            return held.principal
        token = tokens.read(tokens.bearer(authorization))
        issuer = token.claims.get("iss")
        if isinstance(issuer, str):
            if issuer in self._issuers:
                return await self._believe(key, issuer, token)
            if issuer in self._nodes:
                node, terms = self._nodes[issuer]
                claims = await tokens.check(token, terms, self._clock())
                return assertion.asserted(
                    claims,
                    node.id,
                    frozenset(node.issuers),
                    Level(node.max_level),
                    Granularity.parse(node.max_granularity),
                )
        raise tokens.refused("is from an issuer that this site does not know")

    async def _believe(self, key: bytes, issuer: str, token: tokens.Token) -> Principal:
        """Check a person's token, and remember it: its signature costs as much as a small question."""
        now = self._monotonic()
        principal = (await self._person(issuer, token))[0]
        expires = min(float(token.claims["exp"]), *(visa.expires for visa in principal.visas), math.inf)
        self._believed.pop(key, None)
        self._believed[key] = _Believed(principal, now + REMEMBERED, expires)
        while len(self._believed) > MOST_REMEMBERED:
            del self._believed[next(iter(self._believed))]
        return principal

    async def passport(self, authorization: str) -> tuple[str, ...]:
        """Return the visas of whoever logged in with this header, as they came and unchecked, to pass them on.

        Raises as ``principal``; whoever does not come from an issuer has none.
        """
        token = tokens.read(tokens.bearer(authorization))
        issuer = token.claims.get("iss")
        return (await self._person(issuer, token))[1] if isinstance(issuer, str) and issuer in self._issuers else ()

    async def with_visas(self, principal: Principal, texts: Iterable[object]) -> Principal:
        """Give a person the visas among ``texts`` (compact JWS) that count; how far they reach stays as it was."""
        if principal.person is None:
            return principal
        return self._holding(principal, await self._visas.verify(texts, principal.person))

    async def hop(self, text: str) -> Hop:
        """Read where a question has been (header ``Skerry-Question``).

        Raises ``Unauthenticated`` where it claims to be of a known node and is not, or is not for this beacon,
        ``BadRequest`` where it is nothing of the kind.
        """
        token = tokens.read(text)
        sender = token.claims.get("iss")
        if not isinstance(sender, str) or sender not in self._nodes:
            return read_hop(token.claims, known=False)
        terms = replace(self._nodes[sender][1], types=_HOPS)
        return read_hop(await tokens.check(token, terms, self._clock()), known=True)

    async def close(self) -> None:
        """Stop fetches that are under way."""
        await self._passports.close()
        await asyncio.gather(self._visas.close(), *(keys.close() for keys in self._fetched))

    async def _person(self, name: str, token: tokens.Token) -> tuple[Principal, tuple[str, ...]]:
        issuer, terms = self._issuers[name]
        claims = await tokens.check(token, terms, self._clock())
        person = Person(name, tokens.text_claim(claims, "sub"))
        principal = Principal(person, purpose=_purpose(claims, issuer.purpose_claim))
        if issuer.visas == "none":
            return principal, ()
        held = await self._passports.of(issuer, terms, token, person)
        return self._holding(principal, held.verdict), held.texts

    def _holding(self, principal: Principal, verdict: Verdict) -> Principal:
        now = self._clock()
        visas = tuple(visa for visa in verdict.visas if visa.expires > now)
        expired = (
            IgnoredVisa("expired", visa.person.issuer, visa.type) for visa in verdict.visas if visa.expires <= now
        )
        return replace(
            principal,
            visas=visas,
            bona_fide=bona_fide(visas, self._registered_access),
            identities=verdict.identities,
            ignored=(*verdict.ignored, *expired),
        )


def _purpose(claims: Mapping[str, Any], name: str | None) -> frozenset[str]:
    """Return the terms that people declared at login: a list, or one text with blanks between them."""
    declared = claims.get(name) if name is not None else None
    listed = declared.split() if isinstance(declared, str) else declared
    return frozenset(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else frozenset()


def read_jwks(path: Path) -> Any:
    """Read a JSON file of keys. Raises ``ConfigurationError`` naming the file."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
    except ValueError:
        raise ConfigurationError(f"{path}: is not JSON.", where=str(path)) from None


def parse_keys(document: Any, place: str) -> tuple[PublicKey, ...]:
    """Read a key set that configuration gives. Raises ``ConfigurationError`` naming ``place``."""
    try:
        return parse_jwks(document)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}.", where=place) from None


def _node_terms(node: Node, beacon_id: str) -> tokens.Terms:
    if node.jwks_file is not None:
        keys = FixedKeys(parse_keys(read_jwks(node.jwks_file), str(node.jwks_file)))
    else:
        keys = FixedKeys(parse_keys(node.jwks, f"nodes: {node.id}: jwks"))
    return tokens.Terms(keys, frozenset({beacon_id}), tokens.ALGORITHMS, _ASSERTIONS)
