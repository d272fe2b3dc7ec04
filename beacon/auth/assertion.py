"""What a network node says to one peer: "this person asks, I have checked who it is".

A JWT signed with the node's key, made for one peer and valid for minutes:

    header  typ  skerry-assertion+jwt    so that nothing else a node signs can pass for one
    claims  iss  the node's id           aud  the peer's beacon id
            sub  the person's subject    person_issuer  the issuer that knows the person by it
            iat, exp                     at most 5 minutes apart
            jti  a random id

For an anonymous asker a node sends no token. The peer decides by its own entry for the node whose people it
may speak for, and how far that reaches (``Principal``).
"""

from __future__ import annotations

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
from beacon.model.access import Person

TYPE: Final = "skerry-assertion+jwt"
PERSON_ISSUER: Final = "person_issuer"
MAX_SECONDS: Final = 300

SigningKey = RSAKey | ECKey


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


def sign_assertion(key: SigningKey, node: str, audience: str, person: Person, now: float, *, seconds: int = 60) -> str:
    """Sign that ``person`` asks, for the one peer ``audience``; ``now`` is in seconds since 1970.

    Raises ``ValueError`` for a lifetime that no peer would accept (above 300 s).
    """
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"An assertion is valid for 1 to {MAX_SECONDS} seconds, not {seconds}.")
    key.ensure_kid()
    header = {"alg": algorithm(key), "typ": TYPE, "kid": key.kid}
    claims = {
        "iss": node,
        "aud": audience,
        "sub": person.subject,
        PERSON_ISSUER: person.issuer,
        "iat": int(now),
        "exp": int(now) + seconds,
        "jti": secrets.token_urlsafe(16),
    }
    return jws.serialize_compact(header, orjson.dumps(claims), key, algorithms=[algorithm(key)])


def asserted_person(claims: Mapping[str, Any], issuers: frozenset[str]) -> Person:
    """Take the person out of an assertion whose signature, audience and times have been checked.

    ``issuers`` are those whose people the node may speak for. Raises ``Unauthenticated``.
    """
    if number_claim(claims, "exp") - number_claim(claims, "iat") > MAX_SECONDS:
        raise refused(f"is valid for longer than the {MAX_SECONDS} seconds that an assertion may be")
    text_claim(claims, "jti")
    issuer = text_claim(claims, PERSON_ISSUER)
    if issuer not in issuers:
        raise refused("speaks for people of an issuer for which this node may not speak")
    return Person(issuer, text_claim(claims, "sub"))


def _fits(key: SigningKey) -> bool:
    if isinstance(key, RSAKey):
        return key.raw_value.key_size >= 2048
    return key.curve_name == "P-256"
