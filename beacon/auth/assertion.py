"""What a network node says to one peer: "this person asks, I have checked who it is".

A JWT signed with the node's key, made for one peer and valid for minutes:

    header  typ  skerry-assertion+jwt    so that nothing else a node signs can pass for one
    claims  iss  the node's id           aud  the peer's beacon id
            sub  the person's subject    person_issuer  the issuer that knows the person by it
            iat, exp                     at most 5 minutes apart
            jti  a random id, accepted once
            request                      the digest of the one request that it is for
            act, max_level, max_granularity   where the node has this from another node: which one, and how far
                                         that one's word goes with it

For an anonymous asker a node sends no token. The peer decides by its own entry for the node whose people it
may speak for, and how far that reaches (``Principal``).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from beacon.auth.keys import PublicKey
from beacon.auth.tokens import number_claim, refused, text_claim
from beacon.errors import ConfigurationError
from beacon.model.access import Assertion, Granularity, Level, Person, Principal

TYPE: Final = "skerry-assertion+jwt"
PERSON_ISSUER: Final = "person_issuer"
MAX_SECONDS: Final = 300

SigningKey = RSAKey | ECKey
_LEVELS: Final = (Level.PUBLIC, Level.REGISTERED, Level.CONTROLLED)


def signing_key(pem: bytes, *, place: str = "signing key") -> SigningKey:
    """Read a private key (PEM; RSA of at least 2048 bits, or EC P-256).

    Raises ``ConfigurationError`` that names ``place``.
    """
    for kind in (ECKey, RSAKey):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if key.is_private and _fits(key):
            key.ensure_kid()
            return key
    raise ConfigurationError(
        f"{place}: must be a private key in PEM, RSA of 2048 bits or more or EC P-256, without a password.",
        where=place,
    )


def public_jwks(key: SigningKey) -> dict[str, Any]:
    """Give the JSON Web Key Set that peers need of a node: its public key, with id, use and algorithm."""
    key.ensure_kid()
    return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": algorithm(key)}]}


def algorithm(key: PublicKey) -> str:
    """Name the algorithm that goes with a key."""
    return "RS256" if isinstance(key, RSAKey) else "ES256"


def signed(key: SigningKey, kind: str, claims: bytes) -> str:
    """Sign claims (a JSON object) as a token of this ``typ``: a JWS in compact serialization (RFC 7515, section 7.1).

    A question to a thousand peers is signed a thousand times, so the text is put together here: to have our own header
    and key checked again each time would cost more than to sign.
    """
    key.ensure_kid()
    name = algorithm(key)
    text = _encoded(orjson.dumps({"alg": name, "typ": kind, "kid": key.kid})) + b"." + _encoded(claims)
    return (text + b"." + _encoded(jws.default_registry.get_alg(name).sign(text, key))).decode()


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def request_digest(method: str, target: str, body: bytes) -> str:
    """Return the digest of a request: ``target`` is the path below the Beacon's root, with its query, as it is sent."""
    text = b"\n".join([method.encode(), target.encode("utf-8", "surrogateescape"), body])
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip("=")


def sign_assertion(
    key: SigningKey, node: str, audience: str, asker: Principal, request: str, now: float, *, seconds: int = 60
) -> str:
    """Sign that ``asker``, a person, puts the request of this digest, to the one peer ``audience``.

    ``now`` is in seconds since 1970. Where another node vouches for the person here, its limits go along.

    Raises ``ValueError`` for a lifetime that no peer would accept (above 300 s).
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"An assertion is valid for 1 to {MAX_SECONDS} seconds, not {seconds}.")
    if asker.person is None:
        raise ValueError("An assertion is about a person.")
    claims: dict[str, Any] = {
        "iss": node,
        "aud": audience,
        "sub": asker.person.subject,
        PERSON_ISSUER: asker.person.issuer,
        "iat": round(now, 3),
        "exp": round(now + seconds, 3),
        "jti": secrets.token_urlsafe(16),
        "request": request,
    }
    if asker.node is not None:
        claims["act"] = {"sub": asker.node}
        claims["max_level"] = asker.ceiling.value
        claims["max_granularity"] = asker.max_granularity.label
    return signed(key, TYPE, orjson.dumps(claims))


def asserted(
    claims: Mapping[str, Any], node: str, issuers: frozenset[str], ceiling: Level, most: Granularity
) -> Principal:
    """Take the asker out of an assertion whose signature, audience and times have been checked.

    ``issuers`` are those whose people the node may speak for, ``ceiling`` and ``most`` how far its word goes here; what
    it says itself can only lower them. Raises ``Unauthenticated``.
    """
    issued, expires = number_claim(claims, "iat"), number_claim(claims, "exp")
    if expires - issued > MAX_SECONDS + 0.01:  # for what rounding makes of it
        raise refused(f"is valid for longer than the {MAX_SECONDS} seconds that an assertion may be")
    once = Assertion(text_claim(claims, "jti"), text_claim(claims, "request"), issued, expires)
    issuer = text_claim(claims, PERSON_ISSUER)
    if issuer not in issuers:
        raise refused("speaks for people of an issuer for which this node may not speak")
    try:
        ceiling = min(ceiling, Level(claims.get("max_level", ceiling)), key=_LEVELS.index)
        most = min(most, Granularity.parse(claims.get("max_granularity", most.label)))
    except ValueError:
        raise refused("sets limits that are not known here") from None
    return Principal(
        Person(issuer, text_claim(claims, "sub")), node=node, ceiling=ceiling, max_granularity=most, assertion=once
    )


def _fits(key: SigningKey) -> bool:
    if isinstance(key, RSAKey):
        return key.raw_value.key_size >= 2048
    return key.curve_name == "P-256"
