"""Visas: one that is in order counts; broken in any one place, from the signature to the last claim, it does not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, RSAKey

from beacon.auth.visas import MAX_VISAS, Verdict, VisaVerifier, bona_fide
from beacon.model.access import Person
from beacon.settings import REGISTERED_ACCESS
from tests.visas import GRANT, SOURCE, VisaOrigin, running_origin

STRANGER = ECKey.generate_key("P-256", parameters={"kid": "visas"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "visas"})
DAY = 86_400


@dataclass
class Desk:
    """Two trusted origins, one that is not, and whoever checks."""

    first: VisaOrigin
    second: VisaOrigin
    stranger: VisaOrigin
    verifier: VisaVerifier

    @property
    def rosa(self) -> Person:
        return Person(self.first.url, "rosa")

    async def judge(self, *texts: object, person: Person | None = None) -> Verdict:
        return await self.verifier.verify(texts, person or self.rosa)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        first, second, stranger = [await stack.enter_async_context(running_origin()) for _ in range(3)]
        settings = [first.settings(), second.settings()]
        verifier = VisaVerifier(settings, clock=time.time, monotonic=time.monotonic)
        stack.push_async_callback(verifier.close)
        yield Desk(first, second, stranger, verifier)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def resigned(visa: str, sign: Callable[[bytes], bytes], **header: Any) -> str:
    """Give a visa another header and another signature."""
    top, body, _ = visa.split(".")
    changed = orjson.loads(base64.urlsafe_b64decode(top + "==")) | header
    text = f"{b64(orjson.dumps(changed))}.{body}"
    return f"{text}.{b64(sign(text.encode()))}"


def with_public_key(origin: VisaOrigin) -> Callable[[bytes], bytes]:
    return lambda data: hmac.new(origin.key.as_bytes("PEM", private=False), data, hashlib.sha256).digest()


def with_claims_of(visa: str, other: str) -> str:
    parts = visa.split(".")
    return f"{parts[0]}.{other.split('.')[1]}.{parts[2]}"


def flipped(visa: str, part: int) -> str:
    parts = visa.split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    return ".".join(parts)


NOW = int(time.time())
MATRIX: dict[str, tuple[str, Callable[[Desk], str]]] = {
    # signature, key, algorithm
    "signature changed": ("signature", lambda d: flipped(d.first.visa("rosa"), 2)),
    "claims changed after signing": ("signature", lambda d: with_claims_of(
        d.first.visa("rosa"), d.first.visa("rosa", value="https://dac.example/datasets/8")
    )),
    "signature of another visa": ("signature", lambda d: ".".join(
        [*d.first.visa("rosa").split(".")[:2], d.first.visa("tomas").split(".")[2]]
    )),
    "a stranger's key under the key id": ("signature", lambda d: d.first.visa("rosa", key=STRANGER)),
    "another issuer's key": ("signature", lambda d: d.first.visa("rosa", key=d.second.key)),
    "an RSA key where the issuer has none": ("key", lambda d: d.first.visa("rosa", key=RSA)),
    "unsigned": ("algorithm", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x", alg="none")),
    "unsigned, with no signature": ("unreadable", lambda d: resigned(d.first.visa("rosa"), lambda _: b"", alg="none")),
    "HS256 with the public key": ("algorithm", lambda d: resigned(
        d.first.visa("rosa"), with_public_key(d.first), alg="HS256"
    )),
    "ES512": ("algorithm", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x" * 132, alg="ES512")),
    "no algorithm": ("algorithm", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x", alg=None)),
    "unknown key id": ("key", lambda d: d.first.visa("rosa", header={"kid": "other"})),
    "no key id": ("key_id", lambda d: d.first.visa("rosa", header={"kid": ...})),
    "key id a number": ("key_id", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x", kid=7)),
    "critical extension": ("critical", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x", crit=["exp"])),
    # header
    "type of an access token": ("type", lambda d: d.first.visa("rosa", header={"typ": "at+jwt"})),
    "type of a passport": ("type", lambda d: d.first.visa("rosa", header={"typ": "vnd.ga4gh.passport+jwt"})),
    "no type": ("type", lambda d: d.first.visa("rosa", header={"typ": ...})),
    "jku missing": ("jku", lambda d: d.first.visa("rosa", header={"jku": ...})),
    "jku elsewhere": ("jku", lambda d: d.first.visa("rosa", header={"jku": f"{d.stranger.url}/jwks"})),
    "jku of another trusted issuer": ("jku", lambda d: d.first.visa("rosa", header={"jku": d.second.jku})),
    "jku with a query": ("jku", lambda d: d.first.visa("rosa", header={"jku": f"{d.first.jku}?x"})),
    "jku with a slash": ("jku", lambda d: d.first.visa("rosa", header={"jku": f"{d.first.jku}/"})),
    "jku in upper case": ("jku", lambda d: d.first.visa("rosa", header={"jku": f"{d.first.url}/JWKS"})),
    "jku as a list": ("jku", lambda d: resigned(d.first.visa("rosa"), lambda _: b"x", jku=[d.first.jku])),
    # trust
    "an issuer that is not trusted": ("issuer", lambda d: d.stranger.visa("rosa")),
    "an issuer in part": ("issuer", lambda d: d.first.visa("rosa", claims={"iss": f"{d.first.url}/"})),
    "no issuer": ("issuer", lambda d: d.first.visa("rosa", claims={"iss": ...})),
    "issuer as a list": ("issuer", lambda d: d.first.visa("rosa", claims={"iss": [d.first.url]})),
    "a source that is not trusted": ("source", lambda d: d.first.visa("rosa", source="https://elsewhere.example")),
    "a source in part": ("source", lambda d: d.first.visa("rosa", source=f"{SOURCE}/department")),
    "a source in upper case": ("source", lambda d: d.first.visa("rosa", source=SOURCE.upper())),
    "no source": ("claims", lambda d: d.first.visa("rosa", source=...)),
    # times
    "expired": ("expired", lambda d: d.first.visa("rosa", claims={"exp": NOW - 1})),
    "no expiry": ("claims", lambda d: d.first.visa("rosa", claims={"exp": ...})),
    "expiry as text": ("claims", lambda d: d.first.visa("rosa", claims={"exp": str(NOW + 600)})),
    "issued in the future": ("not_yet", lambda d: d.first.visa("rosa", claims={"iat": NOW + 3600})),
    "no time of issue": ("claims", lambda d: d.first.visa("rosa", claims={"iat": ...})),
    "not valid yet": ("not_yet", lambda d: d.first.visa("rosa", claims={"nbf": NOW + 3600})),
    "not before as text": ("not_yet", lambda d: d.first.visa("rosa", claims={"nbf": "0"})),
    "asserted too long ago": ("asserted_age", lambda d: d.first.visa("rosa", asserted=NOW - 366 * DAY)),
    "asserted in the future": ("asserted", lambda d: d.first.visa("rosa", asserted=NOW + 3600)),
    "asserted in milliseconds": ("asserted", lambda d: d.first.visa("rosa", asserted=NOW * 1000)),
    "not asserted": ("claims", lambda d: d.first.visa("rosa", asserted=...)),
    # what it says
    "a type that decides nothing": ("not_needed", lambda d: d.first.visa("rosa", "https://example.org/visas/1")),
    "a type in lower case": ("not_needed", lambda d: d.first.visa("rosa", "controlledaccessgrants")),
    "no type of visa": ("claims", lambda d: d.first.visa("rosa", type=...)),
    "no visa in it": ("claims", lambda d: d.first.visa("rosa", claims={"ga4gh_visa_v1": ...})),
    "a list of visas in it": ("claims", lambda d: d.first.visa("rosa", claims={"ga4gh_visa_v1": [{}]})),
    "no value": ("value", lambda d: d.first.visa("rosa", value=...)),
    "a value of a list": ("value", lambda d: d.first.visa("rosa", value=[GRANT])),
    "a value above 255 characters": ("value", lambda d: d.first.visa("rosa", value=GRANT + "x" * 255)),
    "a grant by nobody": ("by", lambda d: d.first.visa("rosa", by=...)),
    "a grant to oneself": ("by", lambda d: d.first.visa("rosa", by="self")),
    "a grant by a system": ("by", lambda d: d.first.visa("rosa", by="system")),
    "a grant by an unknown word": ("by", lambda d: d.first.visa("rosa", by="DAC")),
    "a grant by a list": ("by", lambda d: d.first.visa("rosa", by=["dac"])),
    # whose it is
    "somebody else's": ("identity", lambda d: d.first.visa("tomas")),
    "another issuer's person of the same name": ("identity", lambda d: d.second.visa("rosa")),
    "no subject": ("claims", lambda d: d.first.visa("rosa", claims={"sub": ...})),
    "subject as a number": ("claims", lambda d: d.first.visa("rosa", claims={"sub": 7})),
    "meant for somebody": ("audience", lambda d: d.first.visa("rosa", claims={"aud": "elsewhere"})),
    "an access token": ("scope", lambda d: d.first.visa("rosa", claims={"scope": "openid ga4gh_passport_v1"})),
    # conditions
    "a condition that is not met": ("conditions", lambda d: d.first.visa("rosa", conditions=[
        [{"type": "AffiliationAndRole", "value": "const:faculty@example.org"}]
    ])),
    "a condition without a type": ("conditions", lambda d: d.first.visa("rosa", conditions=[[{"value": "const:x"}]])),
    "conditions that are no list": ("conditions", lambda d: d.first.visa("rosa", conditions={"type": "x"})),
    "an empty alternative": ("conditions", lambda d: d.first.visa("rosa", conditions=[[]])),
    # nesting
    "a passport in it": ("nested", lambda d: d.first.visa("rosa", claims={"ga4gh_passport_v1": []})),
    "a visa within the visa": ("nested", lambda d: d.first.visa("rosa", ga4gh_passport_v1=[d.first.visa("rosa")])),
    # shape
    "not a token": ("unreadable", lambda d: "rosa"),
    "two parts": ("unreadable", lambda d: ".".join(d.first.visa("rosa").split(".")[:2])),
    "above 16 kB": ("unreadable", lambda d: d.first.visa("rosa", claims={"padding": "x" * 17_000})),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRIX)
async def test_a_visa_broken_in_one_place_counts_for_nothing(desk: Desk, name: str) -> None:
    reason, make = MATRIX[name]
    verdict = await desk.judge(make(desk))
    assert verdict.visas == ()
    assert [one.reason for one in verdict.ignored] == [reason]


async def test_the_visa_that_all_those_are_made_from_counts(desk: Desk) -> None:
    verdict = await desk.judge(desk.first.visa("rosa"))
    (visa,) = verdict.visas
    assert (visa.type, visa.value, visa.by, visa.person) == ("ControlledAccessGrants", GRANT, "dac", desk.rosa)
    assert verdict.ignored == ()
    assert len(MATRIX) >= 60


async def test_broken_visas_do_no_harm_to_those_beside_them(desk: Desk) -> None:
    broken = [make(desk) for _, make in MATRIX.values()]
    verdict = await desk.judge(*broken, desk.first.visa("rosa"), 7, None, {})
    assert [visa.value for visa in verdict.visas] == [GRANT]
    assert len(verdict.ignored) == len(broken) + 3


async def test_an_address_in_a_visa_is_never_asked(desk: Desk) -> None:
    for name in ("jku elsewhere", "an issuer that is not trusted"):
        await desk.judge(MATRIX[name][1](desk))
    assert desk.stranger.asked == []


async def test_keys_are_fetched_once_for_many_visas(desk: Desk) -> None:
    async with running_origin() as origin:
        verifier = VisaVerifier([origin.settings()], clock=time.time, monotonic=time.monotonic)
        person = Person(origin.url, "rosa")
        verdicts = await asyncio.gather(*(verifier.verify([origin.visa("rosa")] * 5, person) for _ in range(20)))
        assert all(len(one.visas) == 5 for one in verdicts)
        assert origin.asked == ["/jwks"]
        await verifier.close()


async def test_a_visa_whose_keys_are_out_of_reach_is_looked_at_again(desk: Desk) -> None:
    async with running_origin() as origin:
        origin.status = 503
        verifier = VisaVerifier([origin.settings()], clock=time.time, monotonic=time.monotonic)
        verdict = await verifier.verify([origin.visa("rosa")], Person(origin.url, "rosa"))
        assert (verdict.visas, verdict.final) == ((), False)
        assert [one.reason for one in verdict.ignored] == ["keys_out_of_reach"]


async def test_an_issuer_may_name_people_as_a_login_does() -> None:
    async with running_origin() as origin:
        settings = origin.settings(subjects_of="https://login.example")
        verifier = VisaVerifier([settings], clock=time.time, monotonic=time.monotonic)
        texts = [origin.visa("rosa")]
        assert (await verifier.verify(texts, Person("https://login.example", "rosa"))).visas
        assert not (await verifier.verify(texts, Person("https://other.example", "rosa"))).visas
        assert not (await verifier.verify(texts, Person(origin.url, "rosa"))).visas


async def test_registered_access_takes_both_visas_of_one_version(desk: Desk) -> None:
    terms, status = desk.first.registered("rosa")
    other = desk.first.visa("rosa", "ResearcherStatus", "https://doi.org/10.1/other")
    by_oneself = desk.first.visa("rosa", "ResearcherStatus", REGISTERED_ACCESS, by="self")
    for texts, expected in (([terms, status], True), ([terms], False), ([status], False), ([terms, other], False),
                            ([terms, by_oneself], False), ([], False)):  # fmt: skip
        verdict = await desk.judge(*texts)
        assert bona_fide(verdict.visas, (REGISTERED_ACCESS,)) is expected
    assert not bona_fide((await desk.judge(terms, status)).visas, ("https://doi.org/10.1/other",))


async def test_identities_are_linked_by_a_trusted_visa_alone(desk: Desk) -> None:
    me, other = desk.rosa, Person(desk.second.url, "r.osa")
    grant = desk.second.visa("r.osa")
    for link in (desk.first.link("rosa", other), desk.second.link("r.osa", me), desk.second.link("third", me, other)):
        verdict = await desk.judge(grant, link)
        assert [visa.value for visa in verdict.visas if visa.type == "ControlledAccessGrants"] == [GRANT]
        assert other in verdict.identities
    for bad in (
        desk.stranger.link("rosa", me, other),
        desk.first.link("rosa", other, source="https://elsewhere.example"),
        desk.first.link("rosa", other, claims={"exp": NOW - 1}),
        desk.first.link("tomas", other),
        desk.first.link("rosa", Person(desk.second.url, "somebody")),
        desk.first.link("rosa", other, conditions=[[{"type": "AffiliationAndRole", "value": "const:x"}]]),
        desk.first.visa("rosa", "LinkedIdentities", f"r.osa,{desk.second.url},x", by="system"),
    ):
        verdict = await desk.judge(grant, bad)
        assert [visa for visa in verdict.visas if visa.type == "ControlledAccessGrants"] == []


async def test_links_are_followed_over_several_identities_and_hold_no_longer_than_each_link(desk: Desk) -> None:
    now = int(time.time())  # the suite may have begun long ago
    second, third = Person(desk.second.url, "r2"), Person(desk.second.url, "r3")
    texts = [
        desk.second.visa("r3"),
        desk.second.link("r2", third, claims={"exp": now + 200}),
        desk.first.link("rosa", second, claims={"exp": now + 100}),
    ]
    verdict = await desk.judge(*texts)
    (grant,) = [visa for visa in verdict.visas if visa.type == "ControlledAccessGrants"]
    assert grant.expires == now + 100
    assert verdict.identities == {second, third}
    assert not (await desk.judge(*texts[:2])).visas


async def test_a_grant_with_a_condition_holds_as_long_as_what_meets_it(desk: Desk) -> None:
    now = int(time.time())  # the suite may have begun long ago
    faculty = desk.first.visa("rosa", "AffiliationAndRole", "faculty@example.org", claims={"exp": now + 60}, by="so")
    condition = [[{"type": "AffiliationAndRole", "value": "pattern:faculty@*", "by": "const:so"}]]
    grant = desk.first.visa("rosa", conditions=condition)
    held = {visa.type: visa for visa in (await desk.judge(grant, faculty)).visas}
    assert held["ControlledAccessGrants"].expires == now + 60
    for wrong in (
        desk.first.visa("rosa", "AffiliationAndRole", "student@example.org", by="so"),
        desk.first.visa("rosa", "AffiliationAndRole", "faculty@example.org", by="self"),
        desk.first.visa("rosa", "AffiliationAndRole", "faculty@example.org", by=...),
        desk.first.visa("tomas", "AffiliationAndRole", "faculty@example.org", by="so"),
        desk.stranger.visa("rosa", "AffiliationAndRole", "faculty@example.org", by="so"),
        desk.first.visa("rosa", "AffiliationAndRole", "faculty@example.org", by="so", claims={"exp": now - 60}),
        desk.first.visa("rosa", "AffiliationAndRole", "faculty@example.org", by="so", conditions=condition),
    ):
        verdict = await desk.judge(grant, wrong)
        assert "ControlledAccessGrants" not in {visa.type for visa in verdict.visas}


async def test_only_so_many_visas_are_looked_at(desk: Desk) -> None:
    verdict = await desk.judge(*["x"] * MAX_VISAS, desk.first.visa("rosa"), "y")
    assert verdict.visas == ()
    assert [one.reason for one in verdict.ignored].count("too_many") == 1
