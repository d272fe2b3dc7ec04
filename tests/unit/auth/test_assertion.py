"""What a node signs, and with which keys."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from beacon.auth import assertion
from beacon.auth.keys import parse_jwks
from beacon.errors import ConfigurationError, Unauthenticated
from beacon.model.access import Assertion, Granularity, Level, Person, Principal

PERSON = Person("https://login.example.org", "rosa")
ROSA = Principal(PERSON)
REQUEST = assertion.request_digest("POST", "/individuals", b"{}")


@pytest.mark.parametrize("key", [ECKey.generate_key("P-256"), RSAKey.generate_key(2048)], ids=["EC", "RSA"])
def test_a_key_goes_out_and_comes_in_again(key: ECKey | RSAKey) -> None:
    read = assertion.signing_key(key.as_bytes("PEM", private=True))
    published = assertion.public_jwks(read)
    assert "d" not in published["keys"][0]
    (public,) = parse_jwks(orjson.loads(orjson.dumps(published)))
    signed = assertion.sign_assertion(read, "net", "site", ROSA, REQUEST, 1000.9, seconds=60)
    verified = jws.deserialize_compact(signed, public, algorithms=[assertion.algorithm(read)])
    claims = orjson.loads(verified.payload)
    assert verified.headers()["kid"] == public.kid
    assert (claims["iat"], claims["exp"]) == (1000.9, 1060.9)
    assert (claims["iss"], claims["aud"]) == ("net", "site")
    asker = asserted(claims)
    assert (asker.person, asker.node) == (PERSON, "net")
    assert (asker.ceiling, asker.max_granularity) == (Level.REGISTERED, Granularity.COUNT)
    assert asker.assertion == Assertion(claims["jti"], REQUEST, 1000.9, 1060.9)


def asserted(claims: dict[str, Any]) -> Principal:
    return assertion.asserted(claims, "net", frozenset({PERSON.issuer}), Level.REGISTERED, Granularity.COUNT)


def claims_of(asker: Principal, **changes: Any) -> dict[str, Any]:
    key = ECKey.generate_key("P-256")
    signed = assertion.sign_assertion(key, "net", "site", asker, REQUEST, 0)
    return orjson.loads(jws.deserialize_compact(signed, key, algorithms=["ES256"]).payload) | changes  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": None},
        {"request": None},
        {"sub": ""},
        {"person_issuer": "https://other.example.org"},
        {"exp": 301},
        {"max_level": "all"},
        {"max_granularity": 7},
    ],
)
def test_an_assertion_that_lacks_something_is_refused(changes: dict[str, Any]) -> None:
    asserted(claims_of(ROSA))
    with pytest.raises(Unauthenticated):
        asserted(claims_of(ROSA, **changes))


def test_what_another_node_may_say_goes_along_and_only_lowers() -> None:
    least = Principal(PERSON, node="far", ceiling=Level.PUBLIC, max_granularity=Granularity.BOOLEAN)
    claims = claims_of(least)
    assert claims["act"] == {"sub": "far"}
    assert (asserted(claims).ceiling, asserted(claims).max_granularity) == (Level.PUBLIC, Granularity.BOOLEAN)
    most = claims_of(Principal(PERSON, node="far"))
    assert (asserted(most).ceiling, asserted(most).max_granularity) == (Level.REGISTERED, Granularity.COUNT)


def test_the_digest_is_of_method_target_and_body() -> None:
    others = [("GET", "/individuals", b"{}"), ("POST", "/individuals?a", b"{}"), ("POST", "/individuals", b"{ }")]
    assert len({REQUEST, *(assertion.request_digest(*one) for one in others)}) == 4


def test_nobody_in_particular_cannot_be_asserted() -> None:
    with pytest.raises(ValueError, match="person"):
        claims_of(Principal())


def test_no_two_assertions_are_the_same() -> None:
    key = ECKey.generate_key("P-256")
    first, second = (
        orjson.loads(
            jws.deserialize_compact(
                assertion.sign_assertion(key, "net", "site", ROSA, REQUEST, 0), key, algorithms=["ES256"]
            ).payload
        )
        for _ in range(2)
    )
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize("seconds", [0, -1, 301])
def test_a_lifetime_that_no_peer_accepts_is_not_signed(seconds: int) -> None:
    with pytest.raises(ValueError, match="1 to 300"):
        assertion.sign_assertion(ECKey.generate_key("P-256"), "net", "site", ROSA, REQUEST, 0, seconds=seconds)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"secret",
        ECKey.generate_key("P-256").as_bytes("PEM", private=False),
        ECKey.generate_key("P-384").as_bytes("PEM", private=True),
        ECKey.generate_key("P-256").as_bytes("PEM", private=True, password="secret"),
    ],
    ids=["empty", "text", "public", "P-384", "with a password"],
)
def test_a_key_that_cannot_sign_is_refused_by_its_place(pem: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^node\.pem: must be a private key"):
        assertion.signing_key(pem, place="node.pem")
