"""Where the visas of a person who has logged in come from, and how long what was found of them is kept.

    userinfo   the issuer's userinfo endpoint, asked with the access token (AAI 1.2; OpenID Connect Core 5.3)
    exchange   the issuer's token endpoint gives a passport for the access token (RFC 8693), to this site as a client
    token      the bearer token holds them itself: a passport, or an access token with the passport claim

An issuer is asked once for each token, by whichever request comes first, and again after an hour (AAI 1.2 forbids
to ask more often). Verified visas count until they expire, however long they are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from beacon.auth import fetch, tokens
from beacon.auth.tokens import Terms, Token
from beacon.auth.visas import PASSPORT, Verdict, VisaVerifier
from beacon.errors import ConfigurationError, IdentityUnavailable, Unauthenticated
from beacon.model.access import Person
from beacon.settings import Issuer

KEPT_SECONDS: Final = 3600.0
MISSING_KEYS_SECONDS: Final = 30.0
MAX_KEPT: Final = 10_000
_EXCHANGE: Final = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "requested_token_type": "urn:ga4gh:params:oauth:token-type:passport",
    "scope": "openid ga4gh_passport_v1",
}
_PASSPORTS: Final = frozenset({"vnd.ga4gh.passport+jwt"})

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What one token gave: the visas as they came, and what they are worth; good until (seconds since 1970)."""

    texts: tuple[str, ...]
    verdict: Verdict
    until: float
    tried: float


class Passports:
    """The visas of whoever logs in at the configured issuers."""

    def __init__(self, verifier: VisaVerifier, *, clock: Callable[[], float]) -> None:
        """Keep what is found in memory, for this process; ``clock`` gives seconds since 1970."""
        self._verifier = verifier
        self._clock = clock
        self._held: OrderedDict[bytes, Held] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Held]] = {}

    async def of(self, issuer: Issuer, terms: Terms, token: Token, person: Person) -> Held:
        """Return what an accepted token's person has; ``terms`` are those that the token was checked with.

        Raises ``Unauthenticated`` where the issuer no longer accepts the token, ``IdentityUnavailable`` where it
        cannot be asked.
        """
        key = hashlib.sha256(token.text.encode()).digest()
        held = self._held.get(key)
        if held is not None and held.until > self._clock():
            self._held.move_to_end(key)
            return held
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask(key, issuer, terms, token, person))
        # Shielded: whoever began to ask may hang up, the others still wait for it.
        return await asyncio.shield(self._asking[key])

    async def close(self) -> None:
        """Stop what is being asked."""
        for task in list(self._asking.values()):
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values())

    async def _ask(self, key: bytes, issuer: Issuer, terms: Terms, token: Token, person: Person) -> Held:
        now = self._clock()
        older = self._held.get(key)
        try:
            if older is not None and now < older.tried + KEPT_SECONDS:
                texts, tried = older.texts, older.tried  # keys were missing; the issuer need not be asked for that
            else:
                texts, tried = await self._texts(issuer, terms, token, person), now
            verdict = await self._verifier.verify(texts, person)
            kept = KEPT_SECONDS if verdict.final else MISSING_KEYS_SECONDS
            until = min(now + kept, tried + KEPT_SECONDS, tokens.number_claim(token.claims, "exp"))
            held = self._held[key] = Held(texts, verdict, until, tried)
            self._held.move_to_end(key)
            if len(self._held) > MAX_KEPT:
                self._held.popitem(last=False)
            return held
        finally:
            del self._asking[key]

    async def _texts(self, issuer: Issuer, terms: Terms, token: Token, person: Person) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(fetch.FETCH_SECONDS):
                match issuer.visas:
                    case "userinfo":
                        return await _userinfo(issuer, token, person)
                    case "exchange":
                        return await self._exchange(issuer, terms, token, person)
                    case "token":
                        return _visas(token.claims)
            return ()
        except fetch.Refused as error:
            _LOG.warning("A token of %s is not accepted by its own issuer: %s", issuer.issuer, error)
            raise tokens.refused("is no longer accepted by its issuer") from None
        except fetch.FAILURES as error:
            _LOG.warning("The visas of %s cannot be fetched: %s", issuer.issuer, str(error) or type(error).__name__)
            raise IdentityUnavailable(
                f"Your visas cannot be had now: {issuer.issuer} does not give them; try again soon."
            ) from None

    async def _exchange(self, issuer: Issuer, terms: Terms, token: Token, person: Person) -> tuple[str, ...]:
        assert issuer.client_id is not None and issuer.client_secret_file is not None
        address = fetch.endpoint(await fetch.discovery(issuer.issuer), "token_endpoint")
        secret = read_secret(issuer.client_secret_file)
        answer = await fetch.json(
            address,
            form={**_EXCHANGE, "subject_token": token.text},
            basic=(issuer.client_id, secret),
            most=fetch.MAX_PASSPORT,
        )
        text = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or answer.get("issued_token_type") != _EXCHANGE["requested_token_type"]:
            raise ValueError(f"{address} answered without a passport")
        try:
            passport = tokens.read(text, most=fetch.MAX_PASSPORT)
            expected = replace(
                terms, types=_PASSPORTS, audiences=frozenset({issuer.client_id}), by_client=False, scopes=frozenset()
            )
            claims = await tokens.check(passport, expected, self._clock(), audience_needed=False)
        except Unauthenticated as error:
            raise ValueError(f"{address} answered with a passport that cannot be used: {error.message}") from None
        if (claims.get("iss"), claims.get("sub")) != (person.issuer, person.subject):
            raise ValueError(f"{address} answered with somebody else's passport")
        return _visas(claims)


async def _userinfo(issuer: Issuer, token: Token, person: Person) -> tuple[str, ...]:
    address = fetch.endpoint(await fetch.discovery(issuer.issuer), "userinfo_endpoint")
    answer = await fetch.json(address, bearer=token.text, most=fetch.MAX_PASSPORT)
    # OpenID Connect Core 5.3.2: without the same subject, nothing of it may be used.
    if not isinstance(answer, dict) or answer.get("sub") != person.subject:
        raise ValueError(f"{address} answered about somebody else")
    return _visas(answer)


def _visas(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts of the passport claim; an entry that is no text stays, as one that cannot be read."""
    listed = claims.get(PASSPORT, [])
    return tuple(one if isinstance(one, str) else "" for one in listed) if isinstance(listed, list) else ("",)


def read_secret(path: Path) -> str:
    """Read a client's secret from its file. Raises ``ConfigurationError``."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}).", where=str(path)) from None
