"""Pages of variants over members: in allele order, disjoint, complete, by token and by number alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aiohttp import web

from beacon.http.middleware import HEADERS, MAKE
from network.zoo.answers import answer
from tests.network.conftest import Network, Start
from tests.network.members import Group
from tests.network.test_streaming import FORMS, stream

ACCESSION = "refseq:NC_000001.11"


def variant(position: int) -> dict[str, Any]:
    interval = {
        "type": "SequenceInterval",
        "start": {"type": "Number", "value": position},
        "end": {"type": "Number", "value": position + 1},
    }
    location = {"type": "SequenceLocation", "sequence_id": ACCESSION, "interval": interval}
    said = {"referenceBases": "A", "alternateBases": "T", "variantType": "SNP", "location": location}
    return {"variantInternalId": f"GRCh38-1-{position}-A-T", "variation": said}


def person(number: int) -> dict[str, Any]:
    return {"id": f"P{number}", "sex": {"id": "NCIT:C17998"}}


class Variants:
    """A beacon whose datasets have variants at these positions, or people of these numbers.

    ``seen`` are the pages that it was asked for.
    """

    def __init__(self, held: Mapping[str, list[int]]) -> None:
        self.held = held
        self.seen: list[tuple[object, int, int]] = []
        self.broken = False
        self.entry_type = "genomicVariant"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = orjson.loads(await request.read())["query"]
        page, wanted = query["pagination"], query["requestParameters"].get("datasets", {}).get("datasetIds")
        self.seen.append((wanted, page["skip"], page["limit"]))
        if self.broken:
            return web.Response(status=500)
        record = variant if self.entry_type == "genomicVariant" else person
        sets = {
            name: [record(position) for position in sorted(positions)]
            for name, positions in self.held.items()
            if wanted is None or name in wanted
        }
        body = answer(sets, granularity=query["requestedGranularity"], entry_type=self.entry_type, **page)
        return web.json_response(body, headers={MAKE: HEADERS[MAKE]})


HELD = {
    "a": {"ds": list(range(60))},
    "b": {"ds": list(range(50, 70)), "few": [5, 65]},
    "c": {"ds": [0, 1000], "none": []},
}


async def begin(start: Start, members: Group) -> tuple[Network, dict[str, Variants]]:
    sites = {name: Variants(held) for name, held in HELD.items()}
    for name, site in sites.items():
        await members.add(name, site.handle)
    return await start({name: member.url for name, member in members.members.items()}), sites


def shown(answer: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    return [
        (record["variation"]["location"]["interval"]["start"]["value"], row["beaconId"], row["id"])
        for row in answer["response"]["resultSets"]
        for record in row.get("results", ())
    ]


def token(answer: Mapping[str, Any]) -> str:
    return str(answer["meta"]["receivedRequestSummary"]["pagination"]["nextPage"])


EVERYTHING = sorted(
    (position, peer, name) for peer, sets in HELD.items() for name, held in sets.items() for position in held
)


@pytest.mark.parametrize("limit", [1, 7, 25, 100])
async def test_pages_by_token_are_disjoint_complete_and_in_allele_order(
    limit: int, start: Start, members: Group
) -> None:
    network, _ = await begin(start, members)
    found: list[tuple[int, str, str]] = []
    page: dict[str, Any] = {"limit": limit}
    for _ in range(100):
        reply = await network.ask("/g_variants", pagination=page)
        assert reply.status == 200
        records = shown(reply.body)
        assert records
        assert all(len(row.get("results", ())) <= limit for row in reply.sets.values())
        assert not found or min(records)[0] > max(found)[0]
        found += records
        if not token(reply.body):
            break
        page = {"nextPage": token(reply.body)}
        low, high = reply.body["info"]["interval"]
        assert low <= len({position for position, _, _ in EVERYTHING}) <= high
    assert sorted(found) == EVERYTHING


async def test_pages_by_number_are_those_by_token(start: Start, members: Group) -> None:
    network, _ = await begin(start, members)
    page: dict[str, Any] = {"limit": 7}
    for number in range(4):
        by_token = await network.ask("/g_variants", pagination=page)
        by_number = await network.ask("/g_variants", pagination={"skip": number, "limit": 7})
        assert shown(by_number.body) == shown(by_token.body)
        page = {"nextPage": token(by_token.body)}
    far = await network.ask("/g_variants", pagination={"skip": 500, "limit": 7})
    assert (far.status, far.body["error"]["skerryCode"]) == (400, "cannot_answer")


async def test_the_number_is_exact_once_everything_was_read_at_once(start: Start, members: Group) -> None:
    network, _ = await begin(start, members)
    reply = await network.ask("/g_variants", pagination={"limit": 100})
    distinct = len({position for position, _, _ in EVERYTHING})
    assert reply.body["info"]["interval"] == [distinct, distinct]
    assert token(reply.body) == ""


async def test_a_member_that_fails_keeps_its_place(start: Start, members: Group) -> None:
    network, sites = await begin(start, members)
    first = await network.ask("/g_variants", pagination={"limit": 7})
    sites["a"].broken = True
    second = await network.ask("/g_variants", pagination={"nextPage": token(first.body)})
    assert second.outcomes["a"] == "invalid"
    sites["a"].broken = False
    found, page = shown(first.body) + shown(second.body), {"nextPage": token(second.body)}
    while page["nextPage"]:
        reply = await network.ask("/g_variants", pagination=page)
        found, page = found + shown(reply.body), {"nextPage": token(reply.body)}
    assert sorted(found) == EVERYTHING


async def test_a_stream_is_gone_on_with_by_the_token_at_its_end(start: Start, members: Group) -> None:
    network, _ = await begin(start, members)
    found: list[tuple[int, str, str]] = []
    page: dict[str, Any] = {"limit": 7}
    while True:
        *events, end = [
            event
            async for event in stream(network, FORMS[0], "/g_variants", requestedGranularity="record", pagination=page)
        ]
        for event in events[1:]:
            found += shown({"response": {"resultSets": event["resultSets"]}})
        if not token(end):
            break
        page = {"nextPage": token(end)}
    assert sorted(found) == EVERYTHING


async def test_tokens_of_other_questions_and_changed_ones_are_refused(start: Start, members: Group) -> None:
    network, _ = await begin(start, members)
    given = token((await network.ask("/g_variants", pagination={"limit": 7})).body)
    for text in (given[:-9] + "AAAAAAAAA", "AAAA"):
        assert (await network.ask("/g_variants", pagination={"nextPage": text})).status == 400
    assert (await network.ask("/individuals", pagination={"nextPage": given})).status == 400


async def people(start: Start, members: Group) -> tuple[Network, dict[str, Variants]]:
    network, sites = await begin(start, members)
    for site in sites.values():
        site.entry_type = "individual"
    return network, sites


PEOPLE = sorted((f"P{number}", peer, name) for number, peer, name in EVERYTHING)


def listed(answer: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (record["id"], row["beaconId"], row["id"])
        for row in answer["response"]["resultSets"]
        for record in row.get("results", ())
    ]


@pytest.mark.parametrize("away", [range(0), range(1), range(1, 3), range(2, 5), range(9, 11)])
async def test_no_person_is_lost_where_a_member_fails_for_a_while(start: Start, members: Group, away: range) -> None:
    network, sites = await people(start, members)
    found: list[tuple[str, str, str]] = []
    page: dict[str, Any] = {"limit": 7}
    for number in range(30):
        sites["a"].broken = number in away
        reply = await network.ask("/individuals", pagination=page)
        records = listed(reply.body)
        assert all(len([one for one in records if one[1:] == (peer, name)]) <= 7 for _, peer, name in PEOPLE)
        found += records
        if not token(reply.body):
            break
        page = {"nextPage": token(reply.body)}
    assert sorted(found) == PEOPLE


async def test_a_member_that_never_comes_back_ends_the_pages_after_a_few(start: Start, members: Group) -> None:
    network, sites = await people(start, members)
    sites["a"].broken = True
    page: dict[str, Any] = {"limit": 100}
    came = []
    while page.get("nextPage", True):
        reply = await network.ask("/individuals", pagination=page)
        came.append(len(listed(reply.body)))
        assert reply.outcomes["a"] in {"invalid", "busy"}
        page = {"nextPage": token(reply.body)}
    assert came == [len([one for one in PEOPLE if one[1] != "a"]), 0, 0, 0, 0]


async def test_people_of_a_page_by_number_are_those_by_token(start: Start, members: Group) -> None:
    network, _ = await people(start, members)
    page: dict[str, Any] = {"limit": 7}
    for number in range(4):
        by_token = await network.ask("/individuals", pagination=page)
        by_number = await network.ask("/individuals", pagination={"skip": number, "limit": 7})
        assert sorted(listed(by_number.body)) == sorted(listed(by_token.body))
        page = {"nextPage": token(by_token.body)}
