"""One question to many beacons, healthy and not: the answer is joined, complete, in time, and never a false no."""

from __future__ import annotations

import asyncio
import gzip
import time

import orjson
import pytest
from aiohttp import web

from beacon.settings import Peer
from network.zoo import ANIMALS, HEALTHY, open_zoo
from network.zoo.answers import SEX, answer, people
from network.zoo.behaviour import error, hanging, healthy, replying
from network.zoo.running import Handler, serving
from tests.network.conftest import DEADLINE, PATIENCE, SLACK, Start
from tests.network.members import Group

HIT = healthy({"ds1": people("P1", "P2"), "ds2": people("P3")})
MISS = healthy({"ds1": []})


async def test_the_answers_of_all_members_are_joined_and_kept_apart(members: Group, start: Start) -> None:
    await members.add("a", HIT)
    await members.add("b", healthy({"ds1": people("P1")}))
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask()
    assert reply.status == 200
    assert reply.body["meta"]["beaconId"] == "test.network"
    assert reply.body["responseSummary"] == {"exists": True, "numTotalResults": 4, "countPrecision": "exact"}
    assert [row["id"] for row in reply.sets["a", "ds1"]["results"]] == ["P1", "P2"]
    assert [row["id"] for row in reply.sets["b", "ds1"]["results"]] == ["P1"]
    assert set(reply.sets) == {("a", "ds1"), ("a", "ds2"), ("b", "ds1")}
    info = reply.body["info"]
    assert (info["interval"], info["asked"], info["answered"]) == ([4, 4], 2, 2)
    assert {row["requestId"] for row in info["outcomes"]} == {"member-request-1"}
    assert {row["granularity"] for row in info["outcomes"]} == {"record"}


async def test_get_and_post_ask_the_same(members: Group, start: Start) -> None:
    await members.add("a", HIT)
    network = await start({"a": members.members["a"].url})
    by_get = await network.send("GET", "/individuals?requestedGranularity=count&includeResultsetResponses=ALL")
    by_post = await network.ask(granularity="count")
    assert by_get.body["responseSummary"] == by_post.body["responseSummary"]
    assert by_get.sets == by_post.sets
    first, second = members.members["a"].seen
    assert first.method == second.method == "POST"
    assert (first.path, first.body) == (second.path, second.body)


async def test_the_finest_granularity_that_was_released_is_the_answers(members: Group, start: Start) -> None:
    await members.add("yes-or-no", healthy({"ds": people("P1")}, most="boolean"))
    await members.add("counts", healthy({"ds": people("P1", "P2")}, most="count"))
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask()
    assert reply.body["meta"]["returnedGranularity"] == "count"
    assert reply.body["responseSummary"]["numTotalResults"] == 3
    assert reply.body["responseSummary"]["countPrecision"] == "imprecise"
    assert reply.body["info"]["interval"] == [3, None]
    assert "resultsCount" not in reply.sets["yes-or-no", "ds"]


async def test_all_members_that_misbehave_at_once_leave_the_healthy_answers_whole(start: Start) -> None:
    depths, deadline = ("boolean", "record"), 5.0
    async with open_zoo() as zoo:
        network = await start({}, peers=zoo.peers, deadline_seconds=deadline)
        began = time.perf_counter()
        replies = await asyncio.gather(*(network.ask(granularity=depth) for depth in depths))
        took = time.perf_counter() - began
    assert took < deadline + SLACK
    assert zoo.members["redirect-to-a-stranger"].seen
    assert zoo.stranger.seen == []
    for depth, reply in zip(depths, replies, strict=True):
        expected = {animal.name: animal.expected(depth) for animal in ANIMALS.values()}
        assert reply.outcomes == dict.fromkeys(HEALTHY, "hit") | expected
        listed = {key: row for key, row in reply.sets.items() if key[0] in HEALTHY}
        assert set(listed) == {(name, dataset) for name, sets in HEALTHY.items() for dataset in sets}
        for (name, dataset), row in listed.items():
            ids = [record["id"] for record in row.get("results", ())]
            assert ids == [record["id"] for record in HEALTHY[name][dataset] if depth == "record"]


async def test_a_question_with_filters_finds_out_who_ignores_them(start: Start) -> None:
    expected = {name: animal.expected("count", filtered=True) for name, animal in ANIMALS.items()}
    expected = {name: outcome for name, outcome in expected.items() if outcome != "timeout"}
    async with open_zoo(expected) as zoo:
        network = await start({}, peers=zoo.peers, deadline_seconds=PATIENCE)
        reply = await network.ask(granularity="count", filters=[{"id": SEX["id"]}])
    assert reply.outcomes == dict.fromkeys(HEALTHY, "hit") | expected
    assert reply.outcomes["ignores-filters"] == "cannot_answer"


@pytest.mark.parametrize("name", [name for name, animal in ANIMALS.items() if animal.expected("count") != "hit"])
async def test_a_member_that_failed_is_never_shown_as_no(name: str, members: Group, start: Start) -> None:
    await members.add("no", MISS)
    expected = ANIMALS[name].expected("count")
    # Whatever does not hang is told at once; a busy machine may take longer over it than a short deadline.
    deadline = DEADLINE if expected == "timeout" else PATIENCE
    async with open_zoo([name]) as zoo:
        peers = (Peer("no", members.members["no"].url), *(one for one in zoo.peers if one.id not in HEALTHY))
        reply = await (await start({}, peers=peers, deadline_seconds=deadline)).ask(granularity="count")
    assert reply.status == (504 if expected == "timeout" else 502)
    assert reply.body["error"]["errorCode"] == reply.status
    assert reply.outcomes == {"no": "no_hit", name: expected}
    assert "responseSummary" not in reply.body


async def test_no_is_said_where_every_member_said_no(members: Group, start: Start) -> None:
    await members.add("a", MISS)
    await members.add("b", MISS)
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask(granularity="boolean")
    assert reply.body["responseSummary"] == {"exists": False}
    assert reply.outcomes == {"a": "no_hit", "b": "no_hit"}


@pytest.mark.parametrize(
    ("handlers", "status", "code"),
    [
        ((error(401, "unauthenticated"), error(401, "unauthenticated")), 401, "unauthenticated"),
        ((error(401, "unauthenticated"), MISS), 502, "network_inconclusive"),
        ((error(400, "unknown_filter"), error(400, "unknown_filter")), 400, "unknown_filter"),
        ((error(404, "not_found"), error(404, "not_found")), 502, "network_failed"),
    ],
)
async def test_refusals_of_all_members_are_the_networks_own(
    handlers: tuple[object, ...], status: int, code: str, members: Group, start: Start
) -> None:
    for number, handler in enumerate(handlers):
        await members.add(f"m{number}", handler)  # type: ignore[arg-type]
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask()
    assert (reply.status, reply.body["error"]["skerryCode"]) == (status, code)
    assert len(reply.outcomes) == 2


async def test_a_record_that_no_member_knows_is_404_and_one_that_one_knows_is_found(
    members: Group, start: Start
) -> None:
    await members.add("a", error(404, "not_found"))
    await members.add("b", error(404, "not_found"))
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask("/individuals/P1")
    assert (reply.status, reply.body["error"]["skerryCode"]) == (404, "not_found")
    await members.add("c", replying(answer({"ds": people("P1")})))
    network = await start({name: member.url for name, member in members.members.items()})
    reply = await network.ask("/individuals/P1")
    assert reply.outcomes == {"a": "no_hit", "b": "no_hit", "c": "hit"}
    assert reply.body["info"]["interval"] == [1, 1]
    assert members.members["c"].seen[0].path == "/api/individuals/P1"


async def test_a_client_that_leaves_cancels_every_members_request(members: Group, start: Start) -> None:
    for name in ("a", "b", "c"):
        await members.add(name, hanging)
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=30)
    asking = asyncio.create_task(network.ask())
    async with asyncio.timeout(5):
        while not all(member.seen for member in members.members.values()):
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.gather(*(member.gone.wait() for member in members.members.values()))


async def test_hanging_members_do_not_add_up(members: Group, start: Start) -> None:
    for number in range(8):
        await members.add(f"m{number}", hanging)
    await members.add("healthy", HIT)
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=DEADLINE)
    began = time.perf_counter()
    reply = await network.ask()
    assert time.perf_counter() - began < DEADLINE + SLACK
    assert list(reply.outcomes.values()) == ["timeout"] * 8 + ["hit"]


async def test_long_answers_that_are_slow_to_read_do_not_break_the_deadline(members: Group, start: Start) -> None:
    dense = b'{"meta": {' + b",".join(b'"%d": [[[], {}, "text"]]' % number for number in range(60_000)) + b"}}"
    for number in range(12):
        await members.add(f"m{number}", replying(dense))
    await members.add("healthy", HIT)
    network = await start({name: member.url for name, member in members.members.items()}, deadline_seconds=0.4)
    began = time.perf_counter()
    reply = await network.ask()
    assert time.perf_counter() - began < 0.4 + SLACK
    assert set(reply.outcomes.values()) <= {"hit", "invalid", "timeout"}


async def test_paging_is_the_same_question_to_each_member(members: Group, start: Start) -> None:
    await members.add("a", healthy({"ds": people("P1", "P2", "P3")}))
    network = await start({"a": members.members["a"].url})
    reply = await network.ask(pagination={"skip": 1, "limit": 2})
    assert [row["id"] for row in reply.sets["a", "ds"]["results"]] == ["P3"]
    assert reply.body["responseSummary"]["numTotalResults"] == 3


async def test_bad_requests_are_refused_here_and_nobody_is_asked(members: Group, start: Start) -> None:
    await members.add("a", HIT)
    network = await start({"a": members.members["a"].url})
    for method, path, options in (
        ("POST", "/individuals", {"data": b"{"}),
        ("GET", "/individuals?limit=-1", {}),
        ("GET", "/individuals?colour=red", {}),
        ("GET", "/g_variants?start=1", {}),
        ("GET", "/nowhere", {}),
        ("DELETE", "/individuals", {}),
        ("POST", "/individuals", {"data": b"x" * 1_040_000}),
    ):
        reply = await network.send(method, path, **options)  # type: ignore[arg-type]
        assert 400 <= reply.status < 500
        assert reply.body["error"]["errorCode"] == reply.status
        assert reply.body["error"]["errorMessage"]
    assert members.members["a"].seen == []


async def test_every_answer_names_its_request(members: Group, start: Start) -> None:
    await members.add("a", HIT)
    network = await start({"a": members.members["a"].url})
    ids = {(await network.ask()).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


async def test_a_body_within_the_limit_is_read_and_one_beyond_is_not(members: Group, start: Start) -> None:
    long = people(*(f"P{number:04}" for number in range(900)))
    await members.add("a", healthy({"ds": long}))
    for limit, outcome in ((1_000_000, "hit"), (10_000, "oversized")):
        network = await start({"a": members.members["a"].url}, max_peer_bytes=limit)
        reply = await network.ask(pagination={"skip": 0, "limit": 1000})
        assert reply.outcomes == {"a": outcome}


async def test_members_that_come_and_go_are_asked_afresh(start: Start) -> None:
    async with serving(HIT) as member:
        url = member.url
        network = await start({"a": url})
        assert (await network.ask()).status == 200
    assert (await network.ask()).outcomes == {"a": "unreachable"}


async def test_the_quickest_is_asked_first_and_then_whoever_takes_longest(members: Group, start: Start) -> None:
    arrived: list[str] = []

    def named(name: str, seconds: float) -> Handler:
        answer = healthy({"ds": people("P1")}, seconds=seconds)

        async def handle(request: web.Request) -> web.StreamResponse:
            arrived.append(name)
            return await answer(request)

        return handle

    taking = {"middling": 0.2, "quick": 0.0, "slow": 0.4}
    for name, seconds in taking.items():
        await members.add(name, named(name, seconds))
    network = await start({name: member.url for name, member in members.members.items()})
    for _ in range(2):
        arrived.clear()
        await network.ask()
    assert arrived == ["quick", "slow", "middling"]


@pytest.mark.parametrize(("cut", "outcome"), [(0, "hit"), (1, "invalid"), (9, "invalid"), (1000, "invalid")])
async def test_a_compressed_answer_is_read_whole_or_not_at_all(
    cut: int, outcome: str, members: Group, start: Start
) -> None:
    """The member compresses unasked; what it sends unpacks to several pieces, the last one whole or not."""
    sent = answer({"ds": people("P1")}, granularity="count")
    sent["info"] = {"filler": "x" * (4 * 65_536 - len(orjson.dumps(sent)) - len(b',"info":{"filler":""}'))}
    packed = gzip.compress(orjson.dumps(sent), 1)
    assert len(orjson.dumps(sent)) == 4 * 65_536
    member = await members.add("a", replying(packed[: len(packed) - cut], encoding="gzip"))
    reply = await (await start({"a": member.url})).ask(granularity="count")
    assert reply.outcomes == {"a": outcome}
