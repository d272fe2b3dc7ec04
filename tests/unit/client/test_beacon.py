"""The client asks real servers: sites, networks, old-fashioned beacons, and the whole zoo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from beacon.client import Answer, Arrival, Beacon, Found, NoAnswer, Total
from beacon.client.beacon import filter_of
from beacon.errors import ConfigurationError
from beacon.settings import Audit, Listen, NetworkSettings
from network.app import running as running_network
from network.zoo import ANIMALS, HEALTHY, open_zoo
from network.zoo.answers import answer, people
from network.zoo.behaviour import healthy, redirecting, replying
from network.zoo.running import Handler, serving


@pytest.fixture
async def network_of(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start the zoo and a network over it; gives the network's address."""
    async with AsyncExitStack() as stack:

        async def begin(*animals: str, seconds: float = 20.0) -> str:
            zoo = await stack.enter_async_context(open_zoo(animals))
            settings = NetworkSettings("test.network", zoo.peers, listen=Listen(port=0), deadline_seconds=seconds)
            settings = replace(settings, audit=Audit(dir=tmp_path / "audit"))
            return await stack.enter_async_context(running_network(settings))

        yield begin


async def test_a_site_says_yes_how_many_and_which() -> None:
    async with serving(healthy({"ds": people("P1", "P2"), "other": []})) as site, Beacon(site.url) as beacon:
        assert (await beacon.exists("individuals")).exists is True
        counted = await beacon.count("individuals", filters=["NCIT:C16576"])
        assert (counted.total, counted.granularity, counted.outcomes) == (Total(2, 2, 2), "count", ())
        assert [(one.id, one.exists, one.count) for one in counted.sets] == [("ds", True, 2), ("other", False, 0)]
        found = [one async for one in beacon.records("individuals")]
        assert found == [Found("org.example.member", "ds", record) for record in people("P1", "P2")]
        assert [(one.id, one.label, one.scopes) for one in await beacon.terms()] == [
            ("NCIT:C16576", "female", ("individual",))
        ]
        assert (await beacon.info())["id"] == "org.example.member"
        assert (await beacon.exists("biosamples")).exists is False


async def test_what_is_asked_reaches_the_server_in_the_standards_words() -> None:
    async with serving(replying(answer({"ds": []}))) as site, Beacon(site.url, token="t") as beacon:
        await beacon.count(
            "individuals/a b/g_variants",
            filters=["HP:0001250", "age:>=P18Y", {"id": "X:1", "similarity": "high"}],
            variant={"geneId": "SATB2"},
            datasets=["cases"],
        )
        await beacon.count(purpose=iter(["DUO:0000042", "MONDO:0007947"]))
        await beacon.terms(purpose=["DUO:0000042", "MONDO:0007947"])
        await beacon.terms()
        seen, declared, *listed = site.seen
    query = orjson.loads(seen.body)["query"]
    assert seen.path == "/api/individuals/a%20b/g_variants"
    assert seen.headers["Authorization"] == "Bearer t"
    assert query["filters"] == [
        {"id": "HP:0001250"},
        {"id": "age", "operator": ">=", "value": "P18Y"},
        {"id": "X:1", "similarity": "high"},
    ]
    assert query["requestParameters"] == {"g_variant": {"geneId": "SATB2"}, "datasets": {"datasetIds": ["cases"]}}
    assert query["requestedGranularity"] == "count"
    assert "purpose" not in query
    assert orjson.loads(declared.body)["query"]["purpose"] == ["DUO:0000042", "MONDO:0007947"]
    assert [one.path.partition("?")[2] for one in listed] == [
        "limit=0&purpose=DUO:0000042,MONDO:0007947", "limit=0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("HP:0001250", None),
        ("demographic.ethnicity:asian", None),
        ("age>P70Y", ("age", ">", "P70Y")),
        ("PATO_0000011:>=P70Y", ("PATO_0000011", ">=", "P70Y")),
        ("vitalStatus!DECEASED", ("vitalStatus", "!", "DECEASED")),
        ("libraryStrategy=W%", ("libraryStrategy", "=", "W%")),
    ],
)
def test_filters_are_written_as_one_word(text: str, parts: tuple[str, str, str] | None) -> None:
    assert filter_of(text) == (dict(zip(("id", "operator", "value"), parts, strict=True)) if parts else {"id": text})


async def test_a_network_says_what_became_of_each_member(network_of: Callable[..., Awaitable[str]]) -> None:
    async with Beacon(await network_of("html", "boolean-only")) as beacon:
        counted = await beacon.count("individuals")
        assert {one.peer: one.outcome for one in counted.outcomes} == {
            "healthy-a": "hit", "healthy-b": "hit", "boolean-only": "hit", "html": "invalid",
        }  # fmt: skip
        assert (counted.asked, counted.answered) == (4, 3)
        assert str(counted.total) == "at least 6"
        found: list[Found] = []

        async def read() -> None:
            async for one in beacon.records("individuals"):
                found[len(found) :] = [one]

        with pytest.raises(NoAnswer, match="not every member gave all of its own"):
            await read()
    assert sorted((one.beacon, one.dataset, one.record["id"]) for one in found) == sorted(
        (name, dataset, record["id"])
        for name, sets in HEALTHY.items()
        for dataset, rows in sets.items()
        for record in rows
    )


async def test_where_nobody_says_yes_the_outcomes_come_with_the_refusal(
    network_of: Callable[..., Awaitable[str]],
) -> None:
    async with Beacon(await network_of("html")) as beacon:
        with pytest.raises(NoAnswer) as refused:
            await beacon.count("biosamples")
        assert (refused.value.status, refused.value.code) == (502, "network_failed")
        assert {one.peer: one.outcome for one in refused.value.outcomes}["html"] == "invalid"
        with pytest.raises(NoAnswer) as streamed:
            assert [part async for part in beacon.stream("biosamples")]
        assert (streamed.value.status, len(streamed.value.outcomes)) == (502, 3)


async def test_members_are_shown_when_they_answer_and_the_answer_comes_last(
    network_of: Callable[..., Awaitable[str]],
) -> None:
    async with Beacon(await network_of("slow", "cut-json")) as beacon:
        parts = [part async for part in beacon.stream("individuals", "record")]
        *arrivals, last = parts
        assert [type(part) for part in parts] == [Arrival] * 4 + [Answer]
        assert isinstance(last, Answer)
        peers = [part.outcome.peer for part in arrivals if isinstance(part, Arrival)]
        assert sorted(peers[:3]) == ["cut-json", "healthy-a", "healthy-b"]
        assert peers[3] == "slow"
        joined = await beacon.count("individuals")
        assert {(one.peer, one.outcome) for one in last.outcomes} == {
            (one.peer, one.outcome) for one in joined.outcomes
        }
        assert len(list(last.found)) == 6
        assert last.total == joined.total


async def test_of_a_site_a_stream_is_the_answer_alone() -> None:
    async with serving(healthy({"ds": people("P1")})) as site, Beacon(site.url) as beacon:
        (part,) = [part async for part in beacon.stream("individuals")]
        assert isinstance(part, Answer) and str(part.total) == "1"


async def test_whoever_leaves_a_stream_leaves_the_server() -> None:
    async def begun(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(b'{"event":"member","outcome":{"peer":"a","outcome":"hit"}}\n')
        await asyncio.sleep(60)
        return response

    async with serving(begun) as site, Beacon(site.url) as beacon:
        async with aclosing(beacon.stream("individuals")) as parts:
            async for part in parts:
                assert isinstance(part, Arrival) and part.outcome.peer == "a"
                break
        await asyncio.wait_for(site.gone.wait(), 10)


async def test_a_stream_without_an_end_is_no_answer() -> None:
    lines = b'{"event":"begin"}\n{"event":"member","outcome":{"peer":"a","outcome":"hit"}}\n'
    async with serving(replying(lines, content_type="application/x-ndjson")) as site, Beacon(site.url) as beacon:
        with pytest.raises(NoAnswer, match="before it was whole"):
            assert [part async for part in beacon.stream("individuals")]


def paging(step: str, *, most: int = 1000, only: str = "POST", sets: int = 1) -> Handler:
    """A beacon with 7 records in each set, whose ``skip`` counts pages or records, or is not heeded."""
    held = [people(*(f"P{number}" for number in range(7)))] * sets

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method != only:
            raise web.HTTPMethodNotAllowed(request.method, [only])
        given: dict[str, Any] = dict(request.query)
        if only == "POST":
            given = orjson.loads(await request.read())["query"]["pagination"]
        limit = min(int(given["limit"]), most)
        first = {"pages": int(given["skip"]) * limit, "records": int(given["skip"]), "nothing": 0}[step]
        shown = {f"ds{number}": rows[first : first + limit] for number, rows in enumerate(held)}
        body = answer(shown, limit=0, total=7 * sets)
        body["responseSummary"]["countPrecision"] = "rounded"  # so that the total does not tell when all is read
        return web.json_response(body)

    return handle


@pytest.mark.parametrize("sets", [1, 3])
@pytest.mark.parametrize("only", ["POST", "GET"])
@pytest.mark.parametrize(("page", "most"), [(3, 1000), (7, 1000), (100, 1000), (100, 2)])
@pytest.mark.parametrize("step", ["pages", "records"])
async def test_every_record_comes_once_whatever_skip_counts(
    step: str, page: int, most: int, only: str, sets: int
) -> None:
    async with serving(paging(step, most=most, only=only, sets=sets)) as site, Beacon(site.url) as beacon:
        found = [one async for one in beacon.records("individuals", page=page)]
        assert sorted((one.dataset, one.record["id"]) for one in found) == [
            (f"ds{number}", f"P{person}") for number in range(sets) for person in range(7)
        ]
        assert len([one async for one in beacon.records("individuals", page=page, most=4)]) == 4


def failing(*script: str) -> Handler:
    """A network of which one member fails now and then: a page for each letter, ``f`` one without that member's record,
    ``x`` a refusal since nobody else has more, ``.`` the last record.
    """
    left = list(script)

    async def handle(request: web.Request) -> web.StreamResponse:
        del request
        step = left.pop(0)
        outcome = {"peer": "b", "outcome": "hit" if step == "." else "timeout"}
        info = {"outcomes": [{"peer": "a", "outcome": "hit"}, outcome]}
        if step == "x":
            problem = {"errorCode": 502, "errorMessage": "No member said yes, and not all answered."}
            return web.json_response({"error": problem, "info": info}, status=502)
        body = answer({"a": people("P1") if step == "1" else [], "b": people("P2") if step == "." else []}, total=2)
        body["meta"]["receivedRequestSummary"]["pagination"]["nextPage"] = "" if step == "." else "onward"
        body["responseSummary"] = {"exists": True}
        return web.json_response(body | {"info": info})

    return handle


@pytest.mark.parametrize("script", ["1.", "1f.", "1ff.", "1x.", "1xx.", "1xfx."])
async def test_a_member_that_fails_is_asked_again_for_its_records(script: str) -> None:
    async with serving(failing(*script)) as network, Beacon(network.url) as beacon:
        found = [one.record["id"] async for one in beacon.records("individuals")]
        assert found == ["P1", "P2"]


@pytest.mark.parametrize("script", ["1fffff", "1xxxxx"])
async def test_records_that_a_member_never_gave_are_said_to_be_missing(script: str) -> None:
    found: list[str] = []

    async def read(beacon: Beacon) -> None:
        async for one in beacon.records("individuals"):
            found[len(found) :] = [one.record["id"]]

    async with serving(failing(*script)) as network, Beacon(network.url) as beacon:
        with pytest.raises(NoAnswer, match="Not all records") as raised:
            await read(beacon)
    assert found == ["P1"]
    assert [one.outcome for one in raised.value.outcomes] == ["hit", "timeout"]


async def test_a_beacon_that_pages_nothing_is_found_out() -> None:
    async with serving(paging("nothing")) as site, Beacon(site.url) as beacon:
        with pytest.raises(NoAnswer, match="same records"):
            assert [one async for one in beacon.records("individuals", page=3)]


async def test_the_whole_zoo_gives_answers_or_refusals_and_never_a_false_no() -> None:
    async with open_zoo() as zoo:

        async def ask(name: str) -> str:
            url = zoo.members[name].url
            seconds = 0.5 if name in ANIMALS and ANIMALS[name].outcome == "timeout" else 30
            async with Beacon(url, token="secret", seconds=seconds, max_bytes=1_000_000) as beacon:
                try:
                    answered = await beacon.count("individuals")
                except NoAnswer as problem:
                    assert problem.message.startswith(f"{url} ") or "no Beacon v2 answer" in problem.message
                    return "refused"
            assert answered.exists is True
            return "answered"

        said = dict(zip(zoo.members, await asyncio.gather(*map(ask, zoo.members)), strict=True))
    # A client is told what it asked one beacon for; contradictions between members are for a network to see.
    tolerated = {
        "spoofed-name",
        "set-twice",
        "too-many-records",
        "records-unasked",
        "count-beyond-reason",
        "many-values",
    }
    for name, outcome in said.items():
        if name in HEALTHY or ANIMALS[name].outcome == "hit":
            assert outcome == "answered", name
        elif name not in tolerated:
            assert outcome == "refused", name
    assert zoo.stranger.seen == []


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with serving(redirecting("http://stranger.invalid")) as site, Beacon(site.url, token="secret") as beacon:
        with pytest.raises(NoAnswer, match="redirects to http://stranger"):
            await beacon.exists("individuals")


@pytest.mark.parametrize(
    "url", ["beacon.example.org", "ftp://a/api", "http://", "http://user@a/api", "http://a/api?x=1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not the address"):
        Beacon(url)


def test_a_token_never_travels_readably() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        Beacon("http://beacon.example.org/api", token="secret")
    Beacon("https://beacon.example.org/api", token="secret")
    Beacon("http://127.0.0.1:5050/api", token="secret")


@pytest.mark.parametrize(
    ("summary", "info", "told"),
    [
        ({"numTotalResults": 1234}, {}, "1,234"),
        ({"numTotalResults": 4, "countPrecision": "imprecise"}, {"interval": [4, 9]}, "4 to 9"),
        ({"numTotalResults": 4, "countPrecision": "imprecise"}, {"interval": [4, None]}, "at least 4"),
        ({"numTotalResults": 40, "countPrecision": "rounded"}, {}, "about 40"),
        ({}, {}, "None"),
    ],
)
async def test_totals_say_how_sure_they_are(summary: dict[str, Any], info: dict[str, Any], told: str) -> None:
    body = answer({"ds": people("P1")}, granularity="count")
    body["responseSummary"] = {"exists": True, **summary}
    async with serving(replying(body | {"info": info})) as site, Beacon(site.url) as beacon:
        assert str((await beacon.count("individuals")).total) == told
