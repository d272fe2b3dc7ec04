"""Tokens in, principals out: good ones are accepted, and nothing bad is ever anonymous."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from beacon.auth import assertion
from beacon.auth.oidc import Verifier
from beacon.errors import ConfigurationError, IdentityUnavailable, Unauthenticated
from beacon.model.access import ANONYMOUS, Granularity, Level, Person, Principal
from beacon.settings import Issuer, Node

ISSUER = "https://login.example.org"
OTHER_ISSUER = "https://login.example.net"
SITE = "org.example.site"
NODE = "org.example.network"
NOW = int(time.time())

EC = ECKey.generate_key("P-256", parameters={"kid": "ec"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
OTHER_EC = ECKey.generate_key("P-256", parameters={"kid": "other"})
STRANGER = ECKey.generate_key("P-256", parameters={"kid": "ec"})
STRANGER_RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
P384 = ECKey.generate_key("P-384", parameters={"kid": "ec"})
NODE_KEY = ECKey.generate_key("P-256", parameters={"kid": "node"})

GOOD: Mapping[str, Any] = {"iss": ISSUER, "aud": SITE, "sub": "rosa", "exp": NOW + 7_200, "iat": NOW}
HEADER: Mapping[str, Any] = {"typ": "at+jwt", "alg": "ES256", "kid": "ec"}


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    folder = tmp_path_factory.mktemp("keys")
    return Verifier(
        [
            Issuer(ISSUER, (SITE, "client-7"), jwks_file=_key_file(folder / "one.json", EC, RSA)),
            Issuer(
                OTHER_ISSUER,
                (SITE,),
                jwks_file=_key_file(folder / "two.json", OTHER_EC),
                algorithms=("ES256",),
            ),
        ],
        [
            Node(
                NODE,
                (ISSUER,),
                jwks=assertion.public_jwks(NODE_KEY),
                max_level="registered",
                max_granularity="count",
            )
        ],
        beacon_id=SITE,
        clock=lambda: NOW,
    )


def _key_file(path: Path, *keys: ECKey | RSAKey) -> Path:
    path.write_bytes(orjson.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
    return path


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: object, claims: object, sign: Callable[[bytes], bytes]) -> str:
    """Put a token together by hand, since no library would help to forge one."""
    body = f"{b64(orjson.dumps(header))}.{b64(orjson.dumps(claims))}"
    return f"{body}.{b64(sign(body.encode()))}"


def signer(key: ECKey | RSAKey, algorithm: str) -> Callable[[bytes], bytes]:
    return lambda data: jws.JWSRegistry.algorithms[algorithm].sign(data, key)


def token(header: Mapping[str, Any] = HEADER, key: ECKey | RSAKey = EC, **claims: Any) -> str:
    """Sign ``GOOD`` with ``claims`` over it (``...`` removes one)."""
    body = {name: value for name, value in {**GOOD, **claims}.items() if value is not ...}
    algorithm = {"RSA": "RS256", "EC": "ES384" if key is P384 else "ES256"}[key.key_type]
    return compact(header, body, signer(key, algorithm))


def asserted(key: ECKey | RSAKey = NODE_KEY, **claims: Any) -> str:
    body: dict[str, Any] = {
        "iss": NODE,
        "aud": SITE,
        "sub": "rosa",
        "person_issuer": ISSUER,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "one",
        **claims,
    }
    header = {"typ": assertion.TYPE, "alg": "ES256", "kid": "node"}
    return compact(header, {n: v for n, v in body.items() if v is not ...}, signer(key, "ES256"))


def without(header: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in header.items() if name not in names}


def with_secret(secret: bytes, algorithm: str = "HS256") -> str:
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm]
    return compact({**HEADER, "alg": algorithm}, GOOD, lambda data: hmac.new(secret, data, digest).digest())


def public_pem(key: ECKey | RSAKey) -> bytes:
    return key.as_bytes("PEM", private=False)


def flipped(text: str, part: int) -> str:
    parts = text.split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    return ".".join(parts)


def nested(depth: int) -> str:
    deep = b'{"alg":"ES256","typ":"JWT","x":' + b"[" * depth + b"]" * depth + b"}"
    return f"{b64(deep)}.{b64(orjson.dumps(GOOD))}.{b64(bytes(64))}"


def raw(header: bytes, claims: bytes) -> str:
    body = f"{b64(header)}.{b64(claims)}"
    return f"{body}.{b64(signer(EC, 'ES256')(body.encode()))}"


OWN_JWK = STRANGER.as_dict(private=False)

BAD_TOKENS: dict[str, str] = {
    # times
    "expired": token(exp=NOW - 31),
    "expired long ago": token(exp=0),
    "expiry missing": token(exp=...),
    "expiry null": token(exp=None),
    "expiry as text": token(exp=str(NOW + 600)),
    "expiry true": token(exp=True),
    "expiry list": token(exp=[NOW + 600]),
    "not valid yet": token(nbf=NOW + 31),
    "not before as text": token(nbf="0"),
    "issued in the future": token(iat=NOW + 3600),
    # audience and issuer
    "another audience": token(aud="org.example.elsewhere"),
    "no audience": token(aud=...),
    "empty list of audiences": token(aud=[]),
    "audience in part": token(aud=SITE + ".evil"),
    "audience as number": token(aud=7),
    "audience among numbers": token(aud=[SITE, 7]),
    "audience in upper case": token(aud=SITE.upper()),
    "unknown issuer": token(iss="https://evil.example.org"),
    "issuer with a slash": token(iss=ISSUER + "/"),
    "issuer in upper case": token(iss=ISSUER.upper()),
    "no issuer": token(iss=...),
    "issuer as list": token(iss=[ISSUER]),
    "one issuer's key for the other's people": token(iss=OTHER_ISSUER),
    "one issuer's key under the other's key id": token({**HEADER, "kid": "other"}, iss=OTHER_ISSUER),
    "algorithm not allowed for this issuer": token({**HEADER, "alg": "RS256"}, RSA, iss=OTHER_ISSUER),
    # subject
    "no subject": token(sub=...),
    "empty subject": token(sub=""),
    "blank subject": token(sub="  "),
    "subject as number": token(sub=7),
    "subject null": token(sub=None),
    "subject with a line break": token(sub="rosa\nadmin"),
    "very long subject": token(sub="r" * 256),
    # type and critical headers
    "an ID token by type": token({**HEADER, "typ": "id_token"}),
    "a logout token": token({**HEADER, "typ": "logout+jwt"}),
    "type missing": token(without(HEADER, "typ")),
    "type as list": token({**HEADER, "typ": ["JWT"]}),
    "critical extension": token({**HEADER, "crit": ["exp"], "exp": 1}),
    "empty critical list": token({**HEADER, "crit": []}),
    "unencoded payload": token({**HEADER, "b64": False, "crit": ["b64"]}),
    # algorithms
    "algorithm none": compact({**HEADER, "alg": "none"}, GOOD, lambda _: b""),
    "algorithm None with a signature": compact({**HEADER, "alg": "None"}, GOOD, lambda _: b"x" * 64),
    "algorithm nOnE": compact({**HEADER, "alg": "nOnE"}, GOOD, lambda _: b"x"),
    "no algorithm": token(without(HEADER, "alg")),
    "algorithm as list": token({**HEADER, "alg": ["ES256"]}),
    "HS256 with the public RSA key": with_secret(public_pem(RSA)),
    "HS256 with the public EC key": with_secret(public_pem(EC)),
    "HS256 with the public key as JSON": with_secret(orjson.dumps(EC.as_dict(private=False))),
    "HS512 with the public key": with_secret(public_pem(RSA), "HS512"),
    "HS256 with an empty secret": with_secret(b""),
    "RS256 named, ES256 signed": token({**HEADER, "alg": "RS256", "kid": "rsa"}),
    "ES256 named, RS256 signed": token(HEADER, RSA),
    "RS512": compact({**HEADER, "alg": "RS512", "kid": "rsa"}, GOOD, signer(RSA, "RS512")),
    "PS256": compact({**HEADER, "alg": "PS256", "kid": "rsa"}, GOOD, signer(RSA, "PS256")),
    "ES384": token({**HEADER, "alg": "ES384"}, P384),
    "ES256 named, P-384 signed": token(HEADER, P384),
    # keys and signatures
    "a stranger's key under our key id": token(HEADER, STRANGER),
    "a stranger's RSA key": token({**HEADER, "alg": "RS256", "kid": "rsa"}, STRANGER_RSA),
    "unknown key id": token({**HEADER, "kid": "nobody"}),
    "key id as number": token({**HEADER, "kid": 1}),
    "key id as a path": token({**HEADER, "kid": "../../dev/null"}),
    "embedded key": token({**HEADER, "jwk": OWN_JWK}, STRANGER),
    "embedded key without key id": token({**without(HEADER, "kid"), "jwk": OWN_JWK}, STRANGER),
    "key address": token({**HEADER, "jku": "https://evil.example.org/jwks"}, STRANGER),
    "certificate address": token({**HEADER, "x5u": "https://evil.example.org/cert"}, STRANGER),
    "signature changed": flipped(token(), 2),
    "claims changed": flipped(token(), 1),
    "header changed": flipped(token(), 0),
    "signature of zeros": compact(HEADER, GOOD, lambda _: bytes(64)),
    "signature cut": token()[:-10],
    "signature doubled": token() + token().split(".")[2],
    "signature of another token": ".".join([*token().split(".")[:2], token(sub="tomas").split(".")[2]]),
    "signature missing": ".".join([*token().split(".")[:2], ""]),
    "signature in DER": compact(HEADER, GOOD, lambda data: b"0D" + signer(EC, "ES256")(data)),
    # shape
    "not a token": "rosa",
    "dots alone": "..",
    "two parts": ".".join(token().split(".")[:2]),
    "five parts, as encrypted": token() + ".a.b",
    "header is no object": compact(["alg"], GOOD, signer(EC, "ES256")),
    "header is a text with alg": compact("alg", GOOD, signer(EC, "ES256")),
    "claims are no object": compact(HEADER, [GOOD], signer(EC, "ES256")),
    "claims are null": compact(HEADER, None, signer(EC, "ES256")),
    "claims are not JSON": raw(orjson.dumps(HEADER), b"{"),
    "claims are not text": raw(orjson.dumps(HEADER), b"\xff\xfe"),
    "expiry not a number": raw(orjson.dumps(HEADER), orjson.dumps(GOOD)[:-1] + b',"exp":NaN}'),
    "expiry infinite": raw(orjson.dumps(HEADER), orjson.dumps(GOOD)[:-1] + b',"exp":1e999}'),
    "deeply nested header": nested(900),
    "very deeply nested header": nested(5000),
    "with padding": token() + "==",
    "too long": token(padding="x" * 16_384),
    # assertions of nodes
    "assertion for another peer": asserted(aud="org.example.elsewhere"),
    "assertion for another issuer's people": asserted(person_issuer=OTHER_ISSUER),
    "assertion without the person's issuer": asserted(person_issuer=...),
    "assertion without a person": asserted(sub=...),
    "assertion expired": asserted(iat=NOW - 120, exp=NOW - 60),
    "assertion valid for long": asserted(exp=NOW + 301),
    "assertion without issue time": asserted(iat=...),
    "assertion without id": asserted(jti=...),
    "assertion with an empty id": asserted(jti=""),
    "assertion of an unknown node": asserted(iss="org.example.evil"),
    "assertion signed by a stranger": asserted(STRANGER),
    "assertion signed with an issuer's key": asserted(EC),
    "access token signed by a node": token({**HEADER, "kid": "node"}, NODE_KEY),
    "access token in a node's name": token({**HEADER, "kid": "node"}, NODE_KEY, iss=NODE),
    "assertion in an issuer's name": asserted(iss=ISSUER),
    "assertion by an issuer with its own key": token({**HEADER, "typ": assertion.TYPE}),
}

BAD_HEADERS: dict[str, str] = {
    "empty": "",
    "blank": "   ",
    "Basic": "Basic cm9zYTpwYXNz",
    "Digest": 'Digest username="rosa"',
    "the word alone": "Bearer",
    "empty bearer": "Bearer ",
    "no word": token(),
    "two tokens": f"Bearer {token()} {token()}",
    "two headers joined": f"Bearer {token()}, Bearer {token()}",
    "glued": f"Bearer{token()}",
    "tab between": f"Bearer\t{token()}",
    "quoted": f'Bearer "{token()}"',
    "line break": f"Bearer {token()}\nX: y",
    "not ASCII": "Bearer ünïcode.a.b",
    "NUL": f"Bearer {token()}\0",
    "huge": "Bearer " + "a" * 100_000,
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_bad_token_is_refused_and_never_anonymous(verifier: Verifier, name: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await verifier.principal(f"Bearer {BAD_TOKENS[name]}")
    assert caught.value.where == "Authorization"
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("name", BAD_HEADERS)
async def test_a_malformed_header_is_refused_and_never_anonymous(verifier: Verifier, name: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.principal(BAD_HEADERS[name])


def test_many_bad_tokens_are_tried() -> None:
    assert len(set(BAD_TOKENS.values())) >= 60


@given(st.text(max_size=200))
async def test_no_text_whatever_becomes_a_principal(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await Verifier(beacon_id=SITE).principal(text)


async def test_no_header_is_anonymous(verifier: Verifier) -> None:
    assert await verifier.principal(None) is ANONYMOUS


@pytest.mark.parametrize(
    ("good", "subject"),
    [
        (token(), "rosa"),
        (token({**HEADER, "typ": "JWT"}), "rosa"),
        (token({**HEADER, "typ": "application/AT+JWT"}), "rosa"),
        (token(without(HEADER, "kid")), "rosa"),
        (token({**HEADER, "alg": "RS256", "kid": "rsa"}, RSA), "rosa"),
        (token(aud=["elsewhere", "client-7"]), "rosa"),
        (token(exp=NOW - 29), "rosa"),
        (token(nbf=NOW + 29, iat=NOW + 29), "rosa"),
        (token(iat=...), "rosa"),
        (token(exp=NOW + 600.5), "rosa"),
        (token(sub="Rosa Müller"), "Rosa Müller"),
        (token({**HEADER, "jwk": OWN_JWK, "jku": "https://evil.example.org", "x5t": "abc"}), "rosa"),
    ],
)
async def test_a_good_token_names_its_person(verifier: Verifier, good: str, subject: str) -> None:
    assert await verifier.principal(f"Bearer {good}") == Principal(Person(ISSUER, subject))


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_word_bearer_is_read_in_any_case(verifier: Verifier, word: str) -> None:
    assert (await verifier.principal(f"{word} {token()}")).person == Person(ISSUER, "rosa")


async def test_a_claim_never_grants_anything(verifier: Verifier) -> None:
    boastful = token(
        roles=["admin"],
        scope="beacon:controlled",
        level="controlled",
        granularity="record",
        node=NODE,
        person_issuer=OTHER_ISSUER,
        ga4gh_passport_v1=["x"],
    )
    assert await verifier.principal(f"Bearer {boastful}") == Principal(Person(ISSUER, "rosa"))


async def test_a_nodes_word_reaches_as_far_as_this_site_set_for_it(verifier: Verifier) -> None:
    signed = assertion.sign_assertion(NODE_KEY, NODE, SITE, Principal(Person(ISSUER, "tomas")), "digest", NOW)
    asker = await verifier.principal(f"Bearer {signed}")
    assert (asker.person, asker.node) == (Person(ISSUER, "tomas"), NODE)
    assert (asker.ceiling, asker.max_granularity) == (Level.REGISTERED, Granularity.COUNT)
    assert asker.assertion
    assert asker.assertion.request == "digest"


async def test_a_node_may_sign_with_rsa_too(tmp_path: Path) -> None:
    node = Node(NODE, (ISSUER,), jwks_file=_key_file(tmp_path / "node.json", RSA))
    signed = assertion.sign_assertion(RSA, NODE, SITE, Principal(Person(ISSUER, "rosa")), "digest", NOW)
    principal = await Verifier(nodes=[node], beacon_id=SITE, clock=lambda: NOW).principal(f"Bearer {signed}")
    assert (principal.ceiling, principal.max_granularity) == (Level.PUBLIC, Granularity.BOOLEAN)


async def test_keys_that_cannot_be_fetched_make_another_refusal_than_a_bad_token() -> None:
    issuer = Issuer(ISSUER, (SITE,), jwks_uri="http://127.0.0.1:9/jwks")
    verifier = Verifier([issuer], beacon_id=SITE, clock=lambda: NOW)
    with pytest.raises(IdentityUnavailable, match=ISSUER) as caught:
        await verifier.principal(f"Bearer {token()}")
    assert (caught.value.status, caught.value.code) == (503, "identity_unavailable")
    await verifier.close()


def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for content, problem in [
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON Web Key Set"),
        (b'{"keys": []}', "has no public RSA"),
        (orjson.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), "has no public RSA"),
        (orjson.dumps({"keys": [EC.as_dict(private=True)]}), "has no public RSA"),
    ]:
        path = tmp_path / "keys.json"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=problem) as caught:
            Verifier([Issuer(ISSUER, (SITE,), jwks_file=path)], beacon_id=SITE)
        assert str(path) in caught.value.message
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Verifier([Issuer(ISSUER, (SITE,), jwks_file=tmp_path / "none.json")], beacon_id=SITE)


def test_one_name_for_an_issuer_and_a_node_is_refused() -> None:
    node = Node(ISSUER, (ISSUER,), jwks=assertion.public_jwks(NODE_KEY))
    with pytest.raises(ConfigurationError, match="twice"):
        Verifier([Issuer(ISSUER, (SITE,), jwks_uri="http://127.0.0.1:9/jwks")], [node], beacon_id=SITE)


async def test_a_token_is_remembered_for_seconds_and_never_beyond_its_end(tmp_path: Path) -> None:
    moment = [float(NOW)]
    known = Issuer(ISSUER, (SITE,), jwks_file=_key_file(tmp_path / "keys.json", EC, RSA))
    verifier = Verifier((known,), beacon_id="b", clock=lambda: moment[0])
    short = f"Bearer {token(exp=NOW + 10)}"
    assert (await verifier.principal(short)).person == Person(ISSUER, "rosa")
    assert await verifier.principal(short) is await verifier.principal(short)
    moment[0] = NOW + 10 + 31
    with pytest.raises(Unauthenticated):
        await verifier.principal(short)
