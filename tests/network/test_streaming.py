"""Results as they come: the same outcomes as in the one-shot answer, each when its member has answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from network.zoo.answers import people
from network.zoo.behaviour import hanging, healthy, replying
from tests.network.conftest import Network, Start
from tests.network.members import Group

HIT = healthy({"ds1": people("P1", "P2"), "ds2": people("P3")})
MISS = healthy({"ds1": []})
FORMS = ("application/x-ndjson", "text/event-stream")


async def stream(
    network: Network, form: str, path: str = "/individuals", **query: Any
) -> AsyncIterator[dict[str, Any]]:
    asked = {"requestedGranularity": "count", "includeResultsetResponses": "ALL"} | query
    body = {"meta": {"apiVersion": "v2.0"}, "query": asked}
    url = f"{network.url}/api{path}"
    async with network.session.post(url, json=body, headers={"Accept": f"{form}, */*;q=0.1"}) as response:
        assert response.headers["Content-Type"].startswith(form)
        assert response.headers["X-Request-Id"]
        name = None
        async for line in response.content:
            text = line.strip()
            if form == FORMS[1]:
                if text.startswith(b"event: "):
                    name = text.removeprefix(b"event: ").decode()
                if not text.startswith(b"data: "):
                    continue
                text = text.removeprefix(b"data: ")
            event = orjson.loads(text)
            assert name in (None, event["event"])
            yield event


@pytest.mark.parametrize("form", FORMS)
async def test_each_member_is_told_of_when_it_answers_and_the_end_is_the_one_shot_answer(
    form: str, members: Group, start: Start
) -> None:
    await members.add("slow", healthy({"ds": people("P9")}, seconds=0.4))
    await members.add("fast", HIT)
    await members.add("broken", replying(b"<html>"))
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=20)
    events = [event async for event in stream(network, form)]
    assert [event["event"] for event in events] == ["begin", "member", "member", "member", "end"]
    begin, *told, end = events
    assert [one["peer"] for one in begin["asked"]] == ["slow", "fast", "broken"]
    assert told[-1]["outcome"]["peer"] == "slow"
    by_peer = {event["outcome"]["peer"]: event for event in told}
    assert by_peer["broken"]["outcome"]["outcome"] == "invalid"
    assert "resultSets" not in by_peer["broken"]
    assert [row["resultsCount"] for row in by_peer["fast"]["resultSets"]] == [2, 1]
    assert told[-1]["soFar"] == {"asked": 3, "ended": 3, "answered": 2, "exists": True, "interval": [4, 4]}
    one_shot = await network.ask(granularity="count")
    assert end["responseSummary"] == one_shot.body["responseSummary"]
    assert end["meta"] == one_shot.body["meta"]
    assert (end["info"]["interval"], end["info"]["answered"]) == (one_shot.body["info"]["interval"], 2)
    assert [row for event in told for row in event.get("resultSets", ())] == [
        one_shot.sets["fast", "ds1"], one_shot.sets["fast", "ds2"], one_shot.sets["slow", "ds"],
    ]  # fmt: skip


async def test_nobody_waits_for_a_member_that_hangs_to_hear_of_the_others(members: Group, start: Start) -> None:
    await members.add("hanging", hanging)
    await members.add("fast", HIT)
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=30)
    coming = stream(network, FORMS[0])
    assert (await anext(coming))["event"] == "begin"
    first = await anext(coming)
    assert first["outcome"]["peer"] == "fast"
    assert first["soFar"]["exists"] is True
    await coming.aclose()  # type: ignore[attr-defined]  # a client that leaves
    async with asyncio.timeout(10):
        await members.members["hanging"].gone.wait()


async def test_what_would_be_an_error_is_one_at_the_end_with_its_status(members: Group, start: Start) -> None:
    await members.add("hanging", hanging)
    await members.add("no", MISS)
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=0.5)
    *_, end = [event async for event in stream(network, FORMS[0])]
    assert (end["event"], end["status"], end["error"]["skerryCode"]) == ("end", 504, "network_timeout")
    assert end["info"]["answered"] == 1
    assert all("exists" not in event.get("soFar", {}) for event in [end])


async def test_a_bad_question_is_refused_before_any_stream_begins(members: Group, start: Start) -> None:
    await members.add("a", HIT)
    network = await start({"a": members.members["a"].url})
    url = f"{network.url}/api/individuals?colour=red"
    async with network.session.get(url, headers={"Accept": FORMS[0]}) as response:
        assert response.status == 400
        assert "error" in await response.json()


async def test_members_are_told_how_long_they_have_and_whoever_asks_may_want_it_sooner(
    members: Group, start: Start
) -> None:
    await members.add("hanging", hanging)
    network = await start({"hanging": members.members["hanging"].url}, deadline_seconds=20)
    began = time.perf_counter()
    async with network.session.get(f"{network.url}/api/individuals", headers={"Skerry-Deadline": "0.5"}) as response:
        assert response.status == 504
        assert (await response.json())["error"]["skerryCode"] in ("network_timeout", "query_timeout")
    assert time.perf_counter() - began < 10
    assert 0 < float(members.members["hanging"].seen[0].headers["Skerry-Deadline"]) <= 0.5
    async with network.session.get(f"{network.url}/api/individuals", headers={"Skerry-Deadline": "soon"}) as response:
        assert response.status == 400


async def test_whoever_wants_it_sooner_gets_what_came_in_time(members: Group, start: Start) -> None:
    await members.add("hanging", hanging)
    await members.add("quick", HIT)
    urls = {name: member.url for name, member in members.members.items()}
    network = await start(urls, deadline_seconds=20)
    for seconds in ("1", "2"):
        headers = {"Skerry-Deadline": seconds}
        async with network.session.get(f"{network.url}/api/individuals", headers=headers) as response:
            assert response.status == 200
            body = await response.json()
        assert {one["peer"]: one["outcome"] for one in body["info"]["outcomes"]} == {
            "hanging": "timeout", "quick": "hit",
        }  # fmt: skip


async def test_a_member_that_keeps_failing_is_rested_and_shown_so(members: Group, start: Start) -> None:
    await members.add("a", replying(b"Internal Server Error", 500))
    await members.add("b", HIT)
    urls = {name: member.url for name, member in members.members.items()}
    network = await start(urls, rest_after=2, deadline_seconds=20)
    for _ in range(2):
        assert (await network.ask()).outcomes == {"a": "invalid", "b": "hit"}
    asked = len(members.members["a"].seen)
    reply = await network.ask()
    row = next(one for one in reply.body["info"]["outcomes"] if one["peer"] == "a")
    assert (row["outcome"], row["resting"]) == ("invalid", True)
    assert "2 times in a row" in row["reason"]
    assert len(members.members["a"].seen) == asked


async def test_whoever_waits_for_too_little_does_not_have_a_member_rested_for_others(
    members: Group, start: Start
) -> None:
    member = await members.add("a", healthy({"ds": people("P1")}, seconds=0.5))
    network = await start({"a": member.url}, rest_after=1)
    while not member.seen:  # the first may take all its time to be read
        async with network.session.get(
            f"{network.url}/api/individuals", headers={"Skerry-Deadline": "0.3"}
        ) as response:
            assert response.status == 504
    assert (await network.ask()).outcomes == {"a": "hit"}


async def test_a_member_that_uses_anothers_name_is_an_impostor(members: Group, start: Start) -> None:
    await members.add("a", healthy({"ds": people("P1")}, beacon_id="audience.of.b"))
    await members.add("b", healthy({"ds": []}, beacon_id="audience.of.b"))
    await members.add("c", healthy({"ds": people("P1")}, beacon_id="test.network"))
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=20)
    reply = await network.ask()
    assert reply.outcomes == {"a": "impostor", "b": "no_hit", "c": "impostor"}
    assert (reply.status, reply.body["error"]["skerryCode"]) == (502, "network_failed")
