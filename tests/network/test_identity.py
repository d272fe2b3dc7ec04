"""Who asks: checked here, vouched for to one member at a time, and a person's own token never handed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import KeySet

from beacon.auth.oidc import Verifier
from beacon.errors import ConfigurationError, Unauthenticated
from beacon.model.access import Granularity, Level, Person
from beacon.settings import Issuer, NetworkSettings, Node, Peer
from network.app import create_network
from network.issuer import GRANT, DemonstrationIssuer, running_issuer
from network.zoo.answers import people
from network.zoo.behaviour import error, healthy, redirecting
from network.zoo.running import Handler
from tests.network.conftest import Network, Start
from tests.network.members import Group, of_our_make
from tests.network.test_other_makes import Other

AUDIENCE = "test.network"


@pytest.fixture
async def issuer() -> AsyncIterator[DemonstrationIssuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


async def begin(start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group) -> Network:
    urls = {name: member.url for name, member in members.members.items()}
    settings = Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks")
    return await start(urls, issuers=(settings,), signing_key_file=key_file)


async def test_each_member_gets_an_assertion_of_its_own_and_never_the_persons_token(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    for name in ("a", "b"):
        await members.add(name, healthy({"ds": people("P1")}))
    network = await begin(start, issuer, key_file, members)
    token = issuer.token("rosa", AUDIENCE)
    assert (await network.ask(token=token)).status == 200
    given = {name: member.seen[0].headers["Authorization"] for name, member in members.members.items()}
    assert given["a"] != given["b"]
    async with network.session.get(f"{network.url}/.well-known/jwks.json") as response:
        published = await response.json()
    for name, header in given.items():
        claims = orjson.loads(jws.deserialize_compact(header.split()[1], KeySet.import_key_set(published)).payload)
        assert claims["aud"] == f"audience.of.{name}"
        assert (claims["iss"], claims["sub"], claims["person_issuer"]) == ("test.network", "rosa", issuer.url)
        assert claims["exp"] - claims["iat"] <= 300
        # A member's own check accepts it, and nobody else's does.
        node = Node("test.network", (issuer.url,), jwks=published, max_level="controlled", max_granularity="count")
        principal = await Verifier((), (node,), beacon_id=f"audience.of.{name}").principal(header)
        assert principal.person == Person(issuer.url, "rosa")
        assert (principal.node, principal.ceiling) == ("test.network", Level.CONTROLLED)
        assert principal.max_granularity is Granularity.COUNT
        other = "audience.of.b" if name == "a" else "audience.of.a"
        with pytest.raises(Unauthenticated):
            await Verifier((), (node,), beacon_id=other).principal(header)
    everything = [
        value for member in members.members.values() for seen in member.seen for value in seen.headers.values()
    ]
    assert not any(token in value for value in everything)
    assert all(token.encode() not in seen.body for member in members.members.values() for seen in member.seen)


async def test_what_a_person_declared_at_login_goes_along_unless_the_question_declares_it(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    member = await members.add("a", of_our_make(healthy({"ds": people("P1")})))
    settings = Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks", purpose_claim="research_purpose")
    network = await start({"a": member.url}, issuers=(settings,), signing_key_file=key_file)
    token = issuer.token("rosa", AUDIENCE, research_purpose=["DUO:0000042"])
    await network.ask(token=token)
    await network.ask(token=token, purpose=["DUO:0000006"])
    await network.send("GET", "/filtering_terms", token=token)
    login, request, terms = member.seen
    declared = [orjson.loads(one.body)["query"]["purpose"] for one in (login, request)]
    assert declared == [["DUO:0000042"], ["DUO:0000006"]]
    assert terms.path.endswith("/filtering_terms?limit=0&purpose=DUO:0000042")


async def test_a_stranger_is_asked_for_as_a_stranger(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await begin(start, issuer, key_file, members)
    assert (await network.ask()).status == 200
    assert "Authorization" not in members.members["a"].seen[0].headers


async def test_a_bad_token_is_refused_and_nobody_is_asked(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await begin(start, issuer, key_file, members)
    for token in ("nonsense", issuer.token("rosa", "somebody.else"), issuer.token("rosa", AUDIENCE, seconds=-100)):
        reply = await network.ask(token=token)
        assert (reply.status, reply.body["error"]["skerryCode"]) == (401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert members.members["a"].seen == []


async def test_redirects_are_not_followed_and_the_canary_never_receives_anything(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    canary = await members.add("canary", healthy({"ds": people("P1")}))
    for status in (301, 302, 303, 307, 308):
        await members.add(f"moved{status}", redirecting(canary.url, status))
    members.members.pop("canary")
    network = await begin(start, issuer, key_file, members)
    token = issuer.token("rosa", AUDIENCE)
    for _ in range(2):
        reply = await network.ask(token=token)
        assert reply.status == 502
        assert set(reply.outcomes.values()) == {"invalid"}
    assert canary.seen == []
    assert all("Cookie" not in seen.headers for member in members.members.values() for seen in member.seen)


async def test_without_a_key_nobody_is_vouched_for(start: Start, issuer: DemonstrationIssuer, members: Group) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    settings = Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks")
    network = await start({"a": members.members["a"].url}, issuers=(settings,))
    assert (await network.ask(token=issuer.token("rosa", AUDIENCE))).status == 200
    assert "Authorization" not in members.members["a"].seen[0].headers
    async with network.session.get(f"{network.url}/.well-known/jwks.json") as response:
        assert await response.json() == {"keys": []}


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    start: Start, members: Group, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    canary = await members.add("canary", healthy({"ds": []}))
    await members.add("a", healthy({"ds": people("P1")}))
    members.members.pop("canary")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url.removesuffix("/api"))
    network = await start({"a": members.members["a"].url})
    assert (await network.ask()).outcomes == {"a": "hit"}
    assert canary.seen == []
    assert "Authorization" not in members.members["a"].seen[0].headers


async def test_answers_of_one_asker_never_reach_another(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        """Answer with a record that names whoever the assertion is about."""
        header = request.headers.get("Authorization")
        name = "nobody"
        if header:
            name = orjson.loads(jws.extract_compact(header.split()[1].encode()).payload)["sub"]
        return await healthy({"ds": people(name)})(request)

    await members.add("a", echo)
    network = await begin(start, issuer, key_file, members)
    tokens = {name: issuer.token(name, AUDIENCE) for name in ("noor", "rosa", "tomas")} | {"nobody": None}

    async def ask(name: str) -> tuple[str, str]:
        reply = await network.ask(token=tokens[name])
        return name, reply.sets["a", "ds"]["results"][0]["id"]

    asked = [list(tokens)[number % 4] for number in range(200)]
    for name, got in await asyncio.gather(*map(ask, asked)):
        assert name == got


async def test_what_failed_for_one_asker_is_told_to_strangers_by_its_kind_alone(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        words = f"Lookup of {request.path} failed in cohort HIV-positive"
        return await error(500, None, words)(request)

    await members.add("a", broken)
    network = await begin(start, issuer, key_file, members)
    token = issuer.token("rosa", AUDIENCE)
    for _ in range(5):
        (row,) = (await network.ask("/individuals/patient-17", token=token)).body["info"]["outcomes"]
        assert "HIV-positive" in row["reason"]  # to her it is told
    (row,) = (await network.ask()).body["info"]["outcomes"]
    (plan,) = (await network.ask("/explain/individuals")).body["response"]["plan"]
    for told in (row, plan):
        assert (told["outcome"], told["resting"]) == ("invalid", True)
        assert told["reason"].endswith("Last: What it sent is not an answer that can be trusted.")


def listing(to_strangers: Other, to_people: Other) -> Handler:
    """Make a beacon that is another one to people than to strangers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (to_people if "Authorization" in request.headers else to_strangers).handle(request)

    return handle


RARE = [{"id": "HP:0001250"}]
"""A filter that the beacon lists to people alone, and with which strangers find nothing."""


@pytest.mark.parametrize("first", ["rosa", None])
async def test_filters_that_a_member_lists_to_one_asker_are_neither_shown_nor_lost_to_another(
    first: str | None, start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    more = Other(unknown_filters="find nothing", terms=("NCIT:C16576", "HP:0001250"))
    await members.add("a", listing(Other(unknown_filters="find nothing"), more))
    network = await begin(start, issuer, key_file, members)
    tokens = {"rosa": issuer.token("rosa", AUDIENCE), None: None}
    for who in (first, *tokens, *tokens):
        reply = await network.ask(granularity="count", filters=RARE, token=tokens[who])
        assert reply.outcomes == {"a": "hit" if who else "cannot_answer"}
        asked = await network.ask("/explain/individuals", filters=RARE, token=tokens[who])
        (plan,) = asked.body["response"]["plan"]
        assert (plan["asked"], plan["habits"]["terms"]) == ((True, 2) if who else (False, 1))
    # Each was asked once for what it lists, however often they ask.
    listed = ["Authorization" in one.headers for one in members.members["a"].seen if "filtering_terms" in one.path]
    assert sorted(listed) == [False, True]


async def test_a_member_that_lets_no_stranger_in_can_be_tried_out_by_people(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    open_to_people, closed = Other(terms=("HP:0001250",)), error(401, None)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await (open_to_people.handle if "Authorization" in request.headers else closed)(request)

    await members.add("a", handle)
    network = await begin(start, issuer, key_file, members)
    token = issuer.token("rosa", AUDIENCE)
    asked = [await network.ask(granularity="count", filters=RARE, token=who) for who in (None, token, None, token)]
    assert [reply.outcomes["a"] for reply in asked] == ["denied", "hit", "denied", "hit"]
    assert sum("filtering_terms" in one.path for one in members.members["a"].seen) == 1


async def test_a_plain_question_goes_to_a_member_as_strangers_have_it_understood(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    await members.add("a", Other(get_only=True).handle)
    network = await begin(start, issuer, key_file, members)
    await network.ask(granularity="count", filters=[{"id": "NCIT:C16576"}])
    assert (await network.ask(token=issuer.token("rosa", AUDIENCE))).outcomes == {"a": "hit"}


@pytest.mark.parametrize(
    "settings",
    [
        NetworkSettings("n", (Peer("a", "http://a"),), signing_key_file=Path("/nowhere/key.pem")),
        NetworkSettings("n", (Peer("a", "http://a"),), signing_key_file=Path(__file__)),
        NetworkSettings("n", (Peer("a", "http://a"), Peer("a", "http://b"))),
        NetworkSettings("n", (Peer("a", "http://a"),), signing_key_file=Path(__file__), assertion_seconds=500),
    ],
)
def test_a_key_or_peer_that_cannot_be_used_is_said_at_the_start(settings: NetworkSettings) -> None:
    with pytest.raises(ConfigurationError):
        create_network(settings)


async def test_visas_travel_only_to_the_members_that_need_them(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group
) -> None:
    for name in ("needs", "needs-others", "needs-none"):
        await members.add(name, healthy({"ds": people("P1")}))
    wanted = {"needs": (GRANT,), "needs-others": ("https://other.example/d",), "needs-none": ()}
    peers = tuple(Peer(name, member.url, visas=wanted[name]) for name, member in members.members.items())
    known = Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks", visas="userinfo")
    network = await start({}, peers=peers, issuers=(known,), signing_key_file=key_file)
    for person in ("tomas", "rosa"):
        assert (await network.ask(token=issuer.token(person, AUDIENCE))).status == 200
    sent = {name: [seen.headers.get("Skerry-Visas") for seen in one.seen] for name, one in members.members.items()}
    assert sent["needs-others"] == sent["needs-none"] == [None, None]
    (visa, nothing) = sent["needs"]
    assert nothing is None
    assert visa
    assert orjson.loads(jws.extract_compact(visa.encode()).payload)["ga4gh_visa_v1"]["value"] == GRANT


async def test_a_member_may_get_a_token_that_the_issuer_gave_for_it_in_exchange(
    start: Start, issuer: DemonstrationIssuer, key_file: Path, members: Group, tmp_path: Path
) -> None:
    for name in ("exchanged", "asserted"):
        await members.add(name, healthy({"ds": people("P1")}))
    (tmp_path / "secret").write_text("secret")
    peers = (
        Peer("exchanged", members.members["exchanged"].url, audience="aud.exchanged", people="exchange"),
        Peer("asserted", members.members["asserted"].url),
    )
    known = Issuer(
        issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks", client_id="node", client_secret_file=tmp_path / "secret"
    )
    network = await start({}, peers=peers, issuers=(known,), signing_key_file=key_file)
    token = issuer.token("rosa", AUDIENCE)
    for _ in range(2):
        assert (await network.ask(token=token)).status == 200
    first, second = (seen.headers["Authorization"] for seen in members.members["exchanged"].seen)
    assert first == second != f"Bearer {token}"
    claims = orjson.loads(jws.extract_compact(first.split()[1].encode()).payload)
    assert (claims["iss"], claims["sub"], claims["aud"]) == (issuer.url, "rosa", "aud.exchanged")
    site = Verifier([Issuer(issuer.url, ("aud.exchanged",), jwks_uri=f"{issuer.url}/jwks")], beacon_id="aud.exchanged")
    principal = await site.principal(first)
    assert (principal.person, principal.node) == (Person(issuer.url, "rosa"), None)
    await site.close()
    # Where the issuer gives none, the member is not asked, and says why; the person's own token goes nowhere.
    without = Issuer(issuer.url, (AUDIENCE,), jwks_uri=f"{issuer.url}/jwks")
    network = await start({}, peers=peers, issuers=(without,), signing_key_file=key_file)
    reply = await network.ask(token=token)
    assert reply.outcomes == {"exchanged": "denied", "asserted": "hit"}
    assert len(members.members["exchanged"].seen) == 2
    for member in members.members.values():
        assert not any(token in value for seen in member.seen for value in seen.headers.values())
