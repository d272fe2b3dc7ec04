"""In test mode a network answers itself: no member is asked, and the public validators pass."""

from __future__ import annotations

from typing import Any

from beacon.model.sample_data import DATASET
from network.zoo.answers import people
from network.zoo.behaviour import healthy
from tests.contract import verifiers
from tests.network.conftest import Start
from tests.network.members import Group


async def test_no_member_is_asked_in_test_mode(members: Group, start: Start) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await start({"a": members.members["a"].url})
    for path in ("/individuals", "/individuals/test-individual-1/g_variants", "/datasets"):
        reply = await network.ask(path, testMode=True)
        assert (reply.status, reply.body["meta"]["testMode"]) == (200, True)
        assert reply.body["responseSummary"]["exists"] is True
    terms = await network.send("GET", "/filtering_terms?testMode=true")
    assert terms.body["meta"]["testMode"] is True
    assert members.members["a"].seen == []
    assert (await network.ask("/individuals", testMode=True)).body["response"]["resultSets"][0]["id"] == DATASET


async def test_the_validator_of_the_elixir_network_finds_nothing_at_a_network(
    members: Group, start: Start, shared: Any
) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await start({"a": members.members["a"].url})

    async def ask(method: str, address: str, body: Any) -> tuple[int, Any]:
        options = {} if body is None else {"json": body}
        reply = await network.send(method, address.removeprefix(network.url + "/api"), **options)
        return reply.status, reply.body

    assert await verifiers.neat(ask, network.url + "/api") == []


async def test_pages_of_terms_are_asked_for_by_post_too(members: Group, start: Start) -> None:
    await members.add("a", healthy({"ds": people("P1")}))
    network = await start({"a": members.members["a"].url})
    by_get = await network.send("GET", "/individuals/filtering_terms?limit=1")
    body = {"meta": {"apiVersion": "v2.0"}, "query": {"pagination": {"limit": 1}}}
    by_post = await network.send("POST", "/individuals/filtering_terms", json=body)
    assert by_get.body["response"] == by_post.body["response"]
