"""One signed token (JWS compact serialization, RFC 7515; JWT, RFC 7519): taken apart, then checked.

Nothing in a token chooses how it is checked. Its issuer's name selects a configured key source, its key id a
key of that source; algorithms, audiences and types are the site's. Embedded keys and key addresses
(``jwk``, ``jku``, ``x5u``, ``x5c``) are never looked at.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from beacon.auth.keys import KeySource, PublicKey
from beacon.errors import Unauthenticated

MAX_TOKEN: Final = 16 * 1024
MAX_SIGNED: Final = 512 * 1024
"""Of a passport that an issuer gives; what a request carries is far smaller."""
LEEWAY: Final = 30.0
ALGORITHMS: Final = ("RS256", "ES256")

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE | re.ASCII)


class _Registry(jws.JWSRegistry):
    """joserfc's checks, with room for the certificates that some issuers put into the header."""

    max_header_length = MAX_TOKEN
    max_payload_length = MAX_SIGNED


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart and not believed in anything."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms tokens of one issuer are believed; ``types`` are ``typ`` headers in lower case.

    With ``by_client`` the audiences are client ids: whom a token names as its client must be one of them too.
    All of ``scopes`` must be there.
    """

    keys: KeySource
    audiences: frozenset[str]
    algorithms: tuple[str, ...]
    types: frozenset[str]
    by_client: bool = False
    scopes: frozenset[str] = frozenset()


def bearer(authorization: str) -> str:
    """Take the token out of an ``Authorization`` header. Raises ``Unauthenticated``."""
    # The length first: nothing else is done with a huge header.
    if len(authorization) > MAX_TOKEN + len("Bearer "):
        raise refused("is longer than 16 kB")
    found = _BEARER.fullmatch(authorization.strip(" \t"))
    if found is None:
        raise Unauthenticated("The Authorization header must be the word Bearer and one token.", where=_WHERE)
    return found[1]


def read(text: str, *, most: int = MAX_TOKEN) -> Token:
    """Take a token of at most so many bytes apart. Raises ``Unauthenticated`` where it is no JWS in compact form."""
    parts = text.split(".")
    if len(text) > most or len(parts) != 3 or not all(parts):
        raise refused("is not a signed JWT")
    return Token(text, _json_object(parts[0]), _json_object(parts[1]))


async def check(token: Token, terms: Terms, now: float, *, audience_needed: bool = True) -> Mapping[str, Any]:
    """Check type, algorithm, signature, audience and times (30 s of leeway), and return the claims.

    ``now`` is in seconds since 1970. A token without any audience passes only where none is needed.
    Raises ``Unauthenticated``, or ``IdentityUnavailable`` where the issuer's keys cannot be had.
    """
    header, claims = token.header, token.claims
    if "crit" in header or "b64" in header:
        raise refused("has critical extensions, of which this site knows none")
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in terms.types:
        raise refused("is not of a type accepted here (header typ)")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in terms.algorithms:
        raise refused("is signed with an algorithm that is not accepted here")
    if audience_needed or "aud" in claims:
        _check_audience(claims.get("aud"), terms.audiences)
    if terms.by_client:
        _check_client(claims, terms.audiences)
    if not terms.scopes <= _scopes(claims.get("scope")):
        raise refused("lacks a scope that is needed here")
    # Of the same issuer, with the same audience and often the same type, but not meant to be shown to anybody else.
    if other := next((name for name in _NOT_ACCESS if name in claims), None):
        raise refused(f"is not an access token that a bearer may use (claim {other})")
    _check_times(claims, now)
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise refused("has a key id that is not a text")
    # After the cheap checks, so that rubbish does not make this site fetch keys.
    key = await terms.keys.find(kid, algorithm)
    if key is None:
        raise refused("is signed with a key that its issuer does not have")
    if not signed_with(token, key, terms.algorithms):
        raise refused("has no valid signature")
    return claims


def signed_with(token: Token, key: PublicKey, algorithms: Sequence[str]) -> bool:
    """Say whether a token's signature is that of this key."""
    try:
        registry = _Registry(algorithms=list(algorithms), strict_check_header=False)
        jws.deserialize_compact(token.text, key, registry=registry)
    except (JoseError, ValueError, TypeError, RecursionError):
        return False
    return True


def text_claim(claims: Mapping[str, Any], name: str) -> str:
    """Give a claim that must be a printable text of 1 to 255 characters. Raises ``Unauthenticated``."""
    value = claims.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 255 or not value.isprintable():
        raise refused(f"has no usable claim {name}")
    return value


def number_claim(claims: Mapping[str, Any], name: str) -> float:
    """Give a claim that must be a finite number (NumericDate). Raises ``Unauthenticated``."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(f"has no usable claim {name}")
    return value


def refused(problem: str) -> Unauthenticated:
    """Make the refusal of a token, from the end of its sentence."""
    return Unauthenticated(f"The bearer token {problem}; log in again to get another.", where=_WHERE)


_WHERE: Final = "Authorization"
_NOT_ACCESS: Final = ("nonce", "at_hash", "c_hash", "s_hash", "events", "cnf")
"""Claims of ID tokens and logout tokens, and of tokens that are bound to a key which a bearer does not prove."""


def _check_audience(value: object, audiences: frozenset[str]) -> None:
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise refused("names no audience")
    if audiences.isdisjoint(named):
        raise refused("is meant for another audience")


def _check_client(claims: Mapping[str, Any], clients: frozenset[str]) -> None:
    for name in ("client_id", "azp"):
        if name in claims and not (isinstance(claims[name], str) and claims[name] in clients):
            raise refused("was given to another client")


def _scopes(value: object) -> frozenset[str]:
    return frozenset(value.split()) if isinstance(value, str) else frozenset()


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if number_claim(claims, "exp") <= now - LEEWAY:
        raise refused("has expired")
    for name in ("nbf", "iat"):
        if name in claims and number_claim(claims, name) > now + LEEWAY:
            raise refused(f"is not valid yet (claim {name})")


def _json_object(segment: str) -> Mapping[str, Any]:
    try:
        data = base64.b64decode(segment + "=" * (-len(segment) % 4), b"-_", validate=True)
        value = orjson.loads(data)
    except (binascii.Error, ValueError):
        raise refused("is not a signed JWT") from None
    if not isinstance(value, dict):
        raise refused("is not a signed JWT")
    return value
