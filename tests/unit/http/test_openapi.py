"""The OpenAPI document says what the site does, all of it, and people can read it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from beacon.app import running
from beacon.errors import SkerryError
from beacon.http.handlers import ROOT
from beacon.http.meter import STATUSES as COUNTED
from beacon.http.openapi import document
from beacon.http.openapi_parts import STATUSES
from beacon.http.routes import routes
from beacon.model.entry_types import ENTRY_TYPES
from beacon.settings import Issuer, Limits, Listen, Mongo, SiteSettings
from beacon.store.admin import Admin
from network.issuer import running_issuer
from tests.contract.fuzz import every, fuzz, operations, steered
from tests.unit.http.conftest import DATABASE, Client, policies
from tests.unit.http.test_routes import SINGLES

CASES = int(os.environ.get("SKERRY_FUZZ", "120"))
STEP = 1 if "SKERRY_FUZZ" in os.environ else 4
"""Each of the two runs sends that many requests at least, to every fourth path; ``make fuzz`` thousands, to all."""
BASE = "https://beacon.example.org/api"
UNSAID = {"/", "/audit/mine", "/openapi.json", f"{ROOT}/openapi.json", f"{ROOT}/docs", ROOT}
"""Routes that are no part of the Beacon: its root's other name, the audit, the document itself, its page."""


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_it_names_every_route_and_no_other() -> None:
    said = {
        (method.upper(), ROOT + path)
        for path, item in document(SiteSettings(), BASE)["paths"].items()
        for method in item
    }
    app = web.Application()
    app.add_routes(routes())
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    served = {(method, path) for method, path in served if method != "HEAD" and path not in UNSAID}
    assert said == served
    assert len(said) == 140


def test_every_status_that_a_question_can_end_with_is_declared() -> None:
    def statuses(error: type[SkerryError]) -> set[int]:
        return {error.status}.union(*map(statuses, error.__subclasses__()))

    answered = statuses(SkerryError) - {500, 405}  # a fault of ours, and a method that a path does not have
    assert answered | {417} == set(STATUSES)  # which is refused before a question is read
    about = document(SiteSettings(), BASE)["paths"]["/info"]["get"]["responses"]
    assert {"401", "408", "413", "414", "417", "429"} < set(about)
    assert set(map(str, STATUSES)) | {"500", "405"} <= set(COUNTED)


def test_every_reference_leads_somewhere_inside_it() -> None:
    made = document(SiteSettings(), BASE)
    found = set(references(made))
    assert len(found) > 30
    for reference in found:
        assert reference.startswith("#/"), reference
        place: Any = made
        for step in reference[2:].split("/"):
            place = place[step]
        assert isinstance(place, dict)
    for described in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(described)


async def test_it_is_served_where_clients_look_for_it(client: Client) -> None:
    for path in ("/openapi.json", "/api/openapi.json"):
        answer = await client.send("GET", path)
        assert answer.status == 200
        assert answer.body == document(SiteSettings(), client.root + "/api")
    sets = (await client.get("/map")).body["response"]["endpointSets"]
    assert {one["openAPIEndpointsDefinition"] for one in sets.values()} == {f"{client.root}/api/openapi.json"}


@pytest.mark.parametrize("person", [None, "tomas"])
async def test_every_answer_fits_what_it_says_of_it(client: Client, person: str | None) -> None:
    asker = client.as_person(person) if person else client
    made = document(SiteSettings(), BASE)

    def check(name: str, answer: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": made["components"]}
        assert list(Draft202012Validator(schema).iter_errors(answer)) == []

    for kind, row in ENTRY_TYPES.items():
        for granularity in ("boolean", "count", "record"):
            query = {"requestedGranularity": granularity}
            check(f"{kind}Answer", (await asker.get(f"/{row.path}", kind, **query)).body)
        single = (await asker.get(f"/{row.path}/{SINGLES[kind]}", kind)).body
        check(f"{kind}Answer", single)
        check("Error", (await asker.get(f"/{row.path}", limit="x")).body)
    for path, name in (("/map", "Map"), ("/info", "Info"), ("/service-info", "ServiceInfo"),
                       ("/configuration", "Configuration"), ("/entry_types", "EntryTypes"),
                       ("/filtering_terms", "FilteringTerms")):  # fmt: skip
        check(name, (await asker.get(path)).body)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src", "action"):
                self.links.append(str(value))


async def test_the_page_stands_by_itself_and_every_link_in_it_leads_somewhere(client: Client) -> None:
    async with client.session.get(client.root + "/api/docs") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
        assert (response.status, response.content_type) == (200, "text/html")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    reader = _Reader()
    reader.feed(text)
    assert not reader.tags & {"script", "img", "link", "iframe", "form"}
    assert len(reader.ids) == len(set(reader.ids))
    assert {link for link in reader.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    for path in document(SiteSettings(), BASE)["paths"]:
        assert f"<code>{path}</code>" in text
    assert (await client.get("/openapi.json")).status == 200


async def test_a_name_that_is_code_is_only_text_on_the_page(mongo_uri: str, filled: str) -> None:
    from beacon.http import pages

    text = pages.page(document(SiteSettings(name="<script>alert(1)</script>", description="a & <b>"), BASE))
    assert "<script" not in text
    assert "&lt;script&gt;" in text and "a &amp; &lt;b&gt;" in text


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["as the document says", "steered to what the site knows"])
async def test_schemathesis_finds_no_5xx_and_nothing_undeclared(
    mongo_uri: str, filled: str, tmp_path: Path, kind: str
) -> None:
    async with running_issuer() as issuer:
        with Admin.open(mongo_uri, DATABASE) as admin:
            for dataset, policy in policies(issuer.url).items():
                admin.set_policy(dataset, policy)
        settings = SiteSettings(
            id="test.site", issuers=(Issuer(issuer.url, ("test",), jwks_uri=issuer.url + "/jwks"),),
            listen=Listen(port=0), mongo=Mongo(database=DATABASE), limits=Limits(),
        )  # fmt: skip
        async with running(settings, mongo_uri) as address, aiohttp.ClientSession() as session:
            async with session.get(re.sub(r"/api$", "/openapi.json", address)) as response:
                made = await response.json()
            token = None
            if kind.startswith("steered"):
                ids = {ENTRY_TYPES[entry_type].path: id for entry_type, id in SINGLES.items()}
                made, token = steered(made, ids), issuer.token("tomas", "test")
            made = every(made, STEP)
            came = await fuzz(made, address, tmp_path, cases=CASES, token=token)
    print(f"schemathesis, {kind}: {came.cases} cases, {came.operations} operations, {came.seconds:.0f} s")
    assert came.failures == ()
    assert came.operations == operations(made)
    assert came.operations == 140 or STEP > 1
    assert came.cases >= CASES
