"""What a node signs, and with which keys."""

from __future__ import annotations

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from beacon.auth import assertion
from beacon.auth.keys import parse_jwks
from beacon.errors import ConfigurationError
from beacon.model.access import Person

PERSON = Person("https://login.example.org", "rosa")


@pytest.mark.parametrize("key", [ECKey.generate_key("P-256"), RSAKey.generate_key(2048)], ids=["EC", "RSA"])
def test_a_key_goes_out_and_comes_in_again(key: ECKey | RSAKey) -> None:
    read = assertion.signing_key(key.as_bytes("PEM", private=True))
    published = assertion.public_jwks(read)
    assert "d" not in published["keys"][0]
    (public,) = parse_jwks(orjson.loads(orjson.dumps(published)))
    signed = assertion.sign_assertion(read, "net", "site", PERSON, 1000.9, seconds=60)
    verified = jws.deserialize_compact(signed, public, algorithms=[assertion.algorithm(read)])
    claims = orjson.loads(verified.payload)
    assert verified.headers()["kid"] == public.kid
    assert (claims["iat"], claims["exp"]) == (1000, 1060)
    assert (claims["iss"], claims["aud"]) == ("net", "site")
    assert assertion.asserted_person(claims, frozenset({PERSON.issuer})) == PERSON


def test_no_two_assertions_are_the_same() -> None:
    key = ECKey.generate_key("P-256")
    first, second = (
        orjson.loads(
            jws.deserialize_compact(
                assertion.sign_assertion(key, "net", "site", PERSON, 0), key, algorithms=["ES256"]
            ).payload
        )
        for _ in range(2)
    )
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize("seconds", [0, -1, 301])
def test_a_lifetime_that_no_peer_accepts_is_not_signed(seconds: int) -> None:
    with pytest.raises(ValueError, match="1 to 300"):
        assertion.sign_assertion(ECKey.generate_key("P-256"), "net", "site", PERSON, 0, seconds=seconds)


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
