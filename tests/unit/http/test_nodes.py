"""Requests of other nodes at a site: an assertion is for one request, once; a question comes by one way."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pytest
from joserfc.jwk import ECKey

from beacon.auth import hop
from beacon.auth.assertion import public_jwks, request_digest, sign_assertion
from beacon.auth.hop import Hop, digests, draft, sign_hop
from beacon.model.access import Person, Principal
from beacon.settings import NetworkRole, Node, Peer
from network.issuer import GRANT
from tests.contract import official
from tests.unit.http.conftest import Answer, Client, site

KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
SITE, NODE = "test.site", "test.node"
COUNT = orjson.dumps({"meta": {"apiVersion": "v2.0"}, "query": {"requestedGranularity": "record"}})
Level = Literal["public", "registered", "controlled"]


@dataclass(frozen=True, slots=True)
class Asking:
    """A node that asks the site."""

    client: Client

    def sign(self, person: str, body: bytes = COUNT, *, key: ECKey = KEY, audience: str = SITE, **more: Any) -> str:
        asker = Principal(Person(self.client.issuer.url, person))
        digest = request_digest("POST", "/individuals", body)
        return sign_assertion(key, NODE, audience, asker, digest, more.pop("now", time.time()), **more)

    async def ask(self, assertion: str, body: bytes = COUNT, path: str = "/individuals", visas: str = "") -> Answer:
        headers = {"Authorization": f"Bearer {assertion}", "Content-Type": "application/json"}
        headers |= {hop.VISAS: visas} if visas else {}
        return await self.client.send("POST", f"/api{path}", data=body, headers=headers)


@asynccontextmanager
async def asking(uri: str, database: str, level: Level, granularity: Any = "record") -> AsyncIterator[Asking]:
    node = Node(NODE, ("https://made.example",), jwks=public_jwks(KEY), max_level=level, max_granularity=granularity)
    async with site(uri, database, node=node) as client:
        yield Asking(client)


@pytest.fixture
async def node(mongo_uri: str, filled: str) -> AsyncIterator[Asking]:
    async with asking(mongo_uri, filled, "registered") as made:
        yield made


async def test_an_assertion_is_good_once(node: Asking) -> None:
    assertion = node.sign("rosa")
    first = await node.ask(assertion)
    assert first.status == 200
    assert "asked" in first.sets
    again = await node.ask(assertion)
    assert again.status == 401
    assert "used before" in again.body["error"]["errorMessage"]


async def test_an_assertion_is_for_one_peer_one_request_and_a_few_minutes(node: Asking) -> None:
    now = time.time()
    other_body = COUNT.replace(b"record", b"count")
    refused = {
        "another peer": await node.ask(node.sign("rosa", audience="another.site")),
        "another body": await node.ask(node.sign("rosa"), other_body),
        "another path": await node.ask(node.sign("rosa"), path="/biosamples"),
        "another query": await node.ask(node.sign("rosa"), path="/individuals?limit=1"),
        "five minutes later": await node.ask(node.sign("rosa", now=now - 331, seconds=300)),
        "before this site began": await node.ask(node.sign("rosa", now=now - 60, seconds=300)),
        "from the future": await node.ask(node.sign("rosa", now=now + 60)),
        "another key": await node.ask(node.sign("rosa", key=OTHER)),
    }
    assert {why: answer.status for why, answer in refused.items()} == dict.fromkeys(refused, 401)
    assert (await node.ask(node.sign("rosa"))).status == 200


async def test_a_question_that_comes_from_two_sides_is_answered_once(node: Asking) -> None:
    async def bring(sender: str, key: ECKey, question: str) -> Answer:
        signed = sign_hop(key, SITE, draft(Hop(question, sender, 3, digests(["a"]), "r1"), time.time()))
        return await node.client.send("GET", "/api/individuals", headers={hop.HEADER: signed})

    question = "question-000000001"
    assert (await bring(NODE, KEY, question)).status == 200
    assert (await bring(NODE, KEY, question)).status == 200  # a page of it, or the same again
    loop = await bring("unknown.node", OTHER, question)
    assert (loop.status, loop.body["error"]["skerryCode"]) == (508, "loop")
    assert (await bring("unknown.node", OTHER, "question-000000002")).status == 200
    forged = await bring(NODE, OTHER, "question-000000003")
    assert (forged.status, forged.body["error"]["where"]) == (401, hop.HEADER)
    nonsense = await node.client.send("GET", "/api/individuals", headers={hop.HEADER: "a.b.c"})
    assert nonsense.status == 401


async def test_a_node_that_forges_persons_gains_nothing_above_its_ceiling(mongo_uri: str, filled: str) -> None:
    seen: dict[str, set[str]] = {}
    for level in ("public", "registered", "controlled"):
        async with asking(mongo_uri, filled, level) as node:
            forged = await node.ask(node.sign("tomas"))  # tomas is on the list of grantees of every dataset
            seen[level] = set(forged.sets)
            nobody = Principal(Person("https://evil.example", "tomas"))
            digest = request_digest("POST", "/individuals", COUNT)
            assert (await node.ask(sign_assertion(KEY, NODE, SITE, nobody, digest, time.time()))).status == 401
    assert seen == {
        "public": {"open", "counted"},
        "registered": {"open", "counted", "asked"},
        "controlled": {"open", "counted", "asked"},  # hidden is for grantees, and a node's word makes none
    }
    async with asking(mongo_uri, filled, "controlled", "count") as node:
        answer = await node.ask(node.sign("tomas"))
        assert answer.body["meta"]["returnedGranularity"] == "count"


async def test_a_grant_through_a_node_needs_a_visa_of_that_very_person(mongo_uri: str, filled: str) -> None:
    node = Node(
        NODE, ("https://made.example",), jwks=public_jwks(KEY), max_level="controlled", max_granularity="record"
    )
    async with site(mongo_uri, filled, node=node, grants=GRANT) as client:
        asks, issuer = Asking(client), client.issuer
        good = issuer.visa("tomas")
        with_visas = {
            "their own": await asks.ask(asks.sign("tomas"), visas=good),
            "among others": await asks.ask(asks.sign("tomas"), visas=f"x.y.z {issuer.visa('noor')} {good}"),
            "somebody else's": await asks.ask(asks.sign("noor"), visas=good),
            "for another dataset": await asks.ask(
                asks.sign("tomas"), visas=issuer.visa("tomas", "https://other.example/d")
            ),
            "expired": await asks.ask(asks.sign("tomas"), visas=issuer.visa("tomas", seconds=-1)),
            "changed": await asks.ask(asks.sign("tomas"), visas=f"{good[:-8]}AAAAAAAA"),
            "none": await asks.ask(asks.sign("tomas")),
        }
        assert {name: "hidden" in answer.sets for name, answer in with_visas.items()} == {
            "their own": True, "among others": True, "somebody else's": False, "for another dataset": False,
            "expired": False, "changed": False, "none": False,
        }  # fmt: skip
        # Nobody but a known node brings visas along.
        stranger = await client.send("GET", "/api/individuals", headers={hop.VISAS: good})
        assert "hidden" not in stranger.sets


async def test_a_site_with_a_network_role_is_two_beacons(mongo_uri: str, filled: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    peers = (Peer("home", f"http://127.0.0.1:{port}/api", audience=SITE, beacon_id=SITE),)
    role = NetworkRole("test.site.network", peers, deadline_seconds=20)
    async with site(mongo_uri, filled, port=port, network=role) as client:
        own = await client.get("/individuals", "individual", requestedGranularity="count")
        assert own.body["meta"]["beaconId"] == SITE
        assert "outcomes" not in own.body.get("info", {})
        joined = await client.send("GET", "/network/api/individuals?requestedGranularity=count", "individual")
        assert joined.body["meta"]["beaconId"] == "test.site.network"
        assert joined.body["info"]["outcomes"][0]["outcome"] == "hit"
        assert joined.summary["numTotalResults"] == own.summary["numTotalResults"]
        listed = await client.send("GET", "/network/api/map")
        roots = [one["rootUrl"] for one in listed.body["response"]["endpointSets"].values()]
        assert all(root.startswith(f"{client.root}/network/api/") for root in roots)
        terms = await client.send("GET", "/network/api/filtering_terms")
        assert terms.body["meta"]["beaconId"] == "test.site.network"
        assert all(term["beaconIds"] == ["home"] for term in terms.body["response"]["filteringTerms"])
        if official.shared_dir():
            official.assert_kind("map", listed.body)
            official.assert_kind("filtering_terms", terms.body)
        missing = await client.send("GET", "/network/api/nowhere")
        assert (missing.status, missing.body["meta"]["beaconId"]) == (404, "test.site.network")
        single = await client.send("GET", "/network/api/individuals/open-00", "individual")
        assert single.status == 200
