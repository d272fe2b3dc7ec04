"""Beacons of other makes: asked in the words that they take, and not at all where they would take them otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web

from beacon.settings import Peer
from network.zoo.answers import answer, document, people
from network.zoo.behaviour import healthy
from network.zoo.running import Running
from tests.network.conftest import Network, Start
from tests.network.members import Group, of_our_make

FEMALE = "NCIT:C16576"


@dataclass(frozen=True)
class Other:
    """A beacon of another make: six people, of whom P1 and P2 are female; two alleles at 1:100."""

    unknown_filters: str = "refuse"  # refuse, ignore, find nothing, ignore all
    terms: tuple[str, ...] = (FEMALE,)
    get_only: bool = False
    nested: bool = True
    skip: str = "pages"
    code: int = 400
    paths: Mapping[str, str] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        base = f"{request.scheme}://{request.host}/api"
        if name == "filtering_terms":
            rows = [{"id": id, "type": "ontologyTerm", "label": id} for id in self.terms]
            meta = {"beaconId": "other", "apiVersion": "v2.0", "returnedSchemas": []}
            return web.json_response({"meta": meta, "response": {"filteringTerms": rows}})
        if name in ("map", "info", "service-info"):
            return web.Response(body=document(name, "other", base), content_type="application/json")
        if self.get_only and request.method == "POST":
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        asked = self.read(request, await request.read())
        self.seen.append({"method": request.method, "path": request.path, **asked})
        return self.answer(request.path, asked)

    def read(self, request: web.Request, body: bytes) -> dict[str, Any]:
        if request.method == "GET":
            given = dict(request.query)
            filters = [one for one in given.pop("filters", "").split(",") if one]
            page = {"skip": int(given.pop("skip", 0)), "limit": int(given.pop("limit", 10))}
            granularity = given.pop("requestedGranularity", "boolean")
            return {"filters": filters, "page": page, "granularity": granularity, "parameters": given}
        query = orjson.loads(body)["query"]
        return {
            "filters": [one["id"] for one in query["filters"]],
            "page": query["pagination"],
            "granularity": query["requestedGranularity"],
            "parameters": query["requestParameters"],
        }

    def answer(self, path: str, asked: Mapping[str, Any]) -> web.StreamResponse:
        variants = path.endswith("g_variants")
        records = [{"variantInternalId": "v1"}, {"variantInternalId": "v2"}] if variants else people(*PEOPLE)
        for one in asked["filters"]:
            if self.unknown_filters == "ignore all":
                continue
            if one in self.terms:
                records = records[:2]
            elif self.unknown_filters == "refuse":
                error = {"errorCode": self.code, "errorMessage": f"Unknown filter {one}"}
                return web.json_response({"meta": {"beaconId": "other"}, "error": error}, status=self.code)
            elif self.unknown_filters == "find nothing":
                records = []
        place = asked["parameters"].get("g_variant", {}) if self.nested else asked["parameters"]
        if variants and place.get("start") and "100" not in str(place["start"]):
            records = []
        skip, limit = asked["page"]["skip"], asked["page"]["limit"]
        kind = "genomicVariant" if variants else "individual"
        body = answer({"ds": records}, granularity=asked["granularity"], entry_type=kind, beacon_id="other", limit=0)
        if asked["granularity"] == "record":
            begin = skip * limit if self.skip == "pages" else skip
            body["response"]["resultSets"][0]["results"] = records[begin : begin + limit]
        return web.json_response(body)


PEOPLE = ("P1", "P2", "P3", "P4", "P5", "P6")


async def begin(start: Start, members: Group, other: Other, **peer: Any) -> tuple[Network, Running]:
    member = await members.add("other", other.handle)
    return await start({}, peers=(Peer("other", member.url, **peer),)), member


async def outcome(network: Network, **query: Any) -> tuple[str, Any]:
    """Ask, and return the outcome and the number, or the reason."""
    granularity = query.pop("granularity", "count")
    reply = await network.ask(query.pop("path", "/individuals"), granularity, **query)
    (row,) = reply.body["info"]["outcomes"]
    if row["outcome"] == "hit":
        return "hit", reply.body["responseSummary"]["numTotalResults"]
    return row["outcome"], row.get("reason", "")


async def test_one_that_refuses_unknown_filters_cannot_answer_them(start: Start, members: Group) -> None:
    network, _ = await begin(start, members, Other())
    assert await outcome(network, filters=[{"id": FEMALE}]) == ("hit", 2)
    kind, reason = await outcome(network, filters=[{"id": "HP:0001250"}])
    assert kind == "cannot_answer"
    assert "Unknown filter HP:0001250" in reason


@pytest.mark.parametrize("habit", ["ignore", "find nothing"])
async def test_one_that_does_not_refuse_them_is_asked_with_those_it_lists_alone(
    habit: str, start: Start, members: Group
) -> None:
    other = Other(unknown_filters=habit)
    network, _ = await begin(start, members, other)
    assert await outcome(network, filters=[{"id": FEMALE}]) == ("hit", 2)
    asked = len(other.seen)
    kind, reason = await outcome(network, filters=[{"id": "HP:0001250"}])
    assert (kind, reason) == ("cannot_answer", "It does not list the filter HP:0001250, and would not refuse it.")
    assert len(other.seen) == asked


async def test_one_that_ignores_filters_is_never_asked_with_them(start: Start, members: Group) -> None:
    other = Other(unknown_filters="ignore all")
    network, _ = await begin(start, members, other)
    for term in (FEMALE, "HP:0001250"):
        kind, reason = await outcome(network, filters=[{"id": term}])
        assert (kind, reason) == ("cannot_answer", "It ignores filters, so it is never asked with any.")
    assert await outcome(network) == ("hit", 6)


@pytest.mark.parametrize(
    "spelling", ["NCIT_C16576", "http://purl.obolibrary.org/obo/NCIT_C16576", "ncit:C16576", "PATO:0000383"]
)
async def test_the_same_term_is_asked_in_the_beacons_own_spelling(spelling: str, start: Start, members: Group) -> None:
    network, _ = await begin(start, members, Other(unknown_filters="ignore", terms=(spelling,)))
    assert await outcome(network, filters=[{"id": FEMALE}]) == ("hit", 2)


async def test_one_that_takes_get_alone_is_asked_by_get(start: Start, members: Group) -> None:
    other = Other(get_only=True, nested=False)
    network, _ = await begin(start, members, other)
    assert await outcome(network, filters=[{"id": FEMALE}]) == ("hit", 2)
    assert other.seen[-1]["method"] == "GET"
    assert await outcome(network, path="/g_variants", requestParameters=PLACE) == ("hit", 2)
    kind, _ = await outcome(network, filters=[{"id": "ageAtLastEncounter", "operator": ">", "value": "P10Y"}])
    assert kind == "cannot_answer"


PLACE = {"g_variant": {"assemblyId": "GRCh38", "referenceName": "1", "start": [100], "alternateBases": "T"}}
ELSEWHERE = {"g_variant": {"assemblyId": "GRCh38", "referenceName": "1", "start": [900], "alternateBases": "T"}}


@pytest.mark.parametrize("nested", [True, False])
async def test_genomic_parameters_go_where_the_beacon_looks_for_them(
    nested: bool, start: Start, members: Group
) -> None:
    other = Other(nested=nested)
    network, _ = await begin(start, members, other, assemblies=("hg38",))
    assert await outcome(network, path="/g_variants", requestParameters=PLACE) == ("hit", 2)
    assert (await outcome(network, path="/g_variants", requestParameters=ELSEWHERE))[0] == "no_hit"
    last = other.seen[-1]["parameters"]
    assert (last.get("g_variant", {}) if nested else last)["assemblyId"] == "hg38"
    other_assembly = {"g_variant": PLACE["g_variant"] | {"assemblyId": "GRCh37"}}
    kind, reason = await outcome(network, path="/g_variants", requestParameters=other_assembly)
    assert (kind, reason) == ("cannot_answer", "It has no assembly GRCh37.")


@pytest.mark.parametrize("skip", ["pages", "records"])
async def test_pages_are_the_same_however_the_beacon_counts_them(skip: str, start: Start, members: Group) -> None:
    network, _ = await begin(start, members, Other(skip=skip))
    pages = [await network.ask(pagination={"skip": number, "limit": 2}) for number in range(3)]
    found = [[row["id"] for row in reply.sets["other", "ds"]["results"]] for reply in pages]
    assert found == [["P1", "P2"], ["P3", "P4"], ["P5", "P6"]]


async def test_the_plan_says_what_would_be_asked_and_why_not(start: Start, members: Group) -> None:
    other = Other(unknown_filters="ignore", terms=("PATO:0000383",))
    network, _ = await begin(start, members, other)
    asked = await network.ask("/explain/individuals", filters=[{"id": FEMALE}])
    (plan,) = asked.body["response"]["plan"]
    assert (plan["peer"], plan["asked"], plan["method"], plan["path"]) == ("other", True, "POST", "/individuals")
    assert [one["id"] for one in plan["body"]["query"]["filters"]] == ["PATO:0000383"]
    assert plan["habits"]["unknownFilters"] == "listed"
    asked = await network.ask("/explain/individuals", filters=[{"id": "HP:0001250"}])
    (plan,) = asked.body["response"]["plan"]
    assert (plan["asked"], plan["outcome"]) == (False, "cannot_answer")


async def test_a_purpose_goes_to_our_own_make_alone(start: Start, members: Group) -> None:
    ours = await members.add("ours", of_our_make(healthy({"ds": people("P1")})))
    other = await members.add("other", healthy({"ds": people("P2")}))
    network = await start({"ours": ours.url, "other": other.url})
    for _ in range(2):
        assert set((await network.ask(purpose=["DUO:0000042"])).outcomes.values()) == {"hit"}
    assert [orjson.loads(one.seen[-1].body)["query"].get("purpose") for one in (ours, other)] == [["DUO:0000042"], None]


async def test_one_of_our_own_make_is_known_behind_a_proxy_that_calls_itself_the_server(
    start: Start, members: Group
) -> None:
    held = await members.add("held", healthy({"ds": people("P1")}))
    site = await start({"held": held.url}, id="site.behind.a.proxy")

    async def forward(request: web.Request) -> web.StreamResponse:
        kept = {name: value for name, value in request.headers.items() if name != "Host"}
        url = site.url + request.path_qs
        async with site.session.request(request.method, url, headers=kept, data=await request.read()) as reply:
            headers = {name: value for name, value in reply.headers.items() if name not in HOP_BY_HOP}
            return web.Response(status=reply.status, body=await reply.read(), headers=headers | {"Server": "proxy/1.0"})

    proxy = await members.add("proxy", forward)
    network = await start({"site": proxy.url})
    excluded = [{"id": FEMALE, "excluded": True}]  # which nobody else has
    reply = await network.ask("/explain/individuals", filters=excluded)
    (plan,) = reply.body["response"]["plan"]
    assert (plan["asked"], plan["habits"]) == (True, {"make": "skerry"})
    assert await outcome(network) == ("hit", 1)


HOP_BY_HOP = ("Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive")


async def test_a_bare_400_is_no_cannot_answer_of_one_that_was_not_seen_to_refuse(start: Start, members: Group) -> None:
    async def broken(_request: web.Request) -> web.StreamResponse:
        error = {"errorCode": 400, "errorMessage": "Something."}
        return web.json_response({"meta": {}, "error": error}, status=400)

    member = await members.add("other", broken)
    network = await start({"other": member.url})
    assert (await outcome(network, filters=[{"id": FEMALE}]))[0] == "invalid"


@pytest.mark.parametrize("habit", ["refuse", "ignore", "ignore all"])
async def test_one_with_another_name_than_its_own_is_an_impostor_with_filters_too(
    habit: str, start: Start, members: Group
) -> None:
    network, _ = await begin(start, members, Other(unknown_filters=habit), beacon_id="somebody.else")
    for asked in ([], [{"id": FEMALE}], [{"id": "HP:0001250"}]):
        assert (await outcome(network, filters=asked))[0] == "impostor"


async def test_a_site_known_by_its_name_may_say_that_it_has_no_such_record(start: Start, members: Group) -> None:
    async def handle(_request: web.Request) -> web.StreamResponse:
        error = {"errorCode": 404, "errorMessage": "No such record.", "skerryCode": "not_found"}
        return web.json_response({"meta": {"beaconId": "other"}, "error": error}, status=404)

    member = await members.add("other", of_our_make(handle))
    network = await start({}, peers=(Peer("other", member.url, beacon_id="other"),))
    reply = await network.ask("/individuals/nobody")
    assert (reply.status, reply.outcomes) == (404, {"other": "no_hit"})
