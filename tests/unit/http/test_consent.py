"""Consent over HTTP: what people agreed to, and what a request says that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from beacon.auth.policy import policy_for
from beacon.cli import main
from beacon.model.access import Consent, Granularity, Level
from beacon.store.admin import Admin
from tests.unit.http.conftest import Client, site

AORTA, MARFAN, FLU = "MONDO:0005160", "MONDO:0007947", "MONDO:0005812"


@pytest.fixture
async def asked(mongo_uri: str, database_name: str) -> AsyncIterator[Client]:
    """A site with an empty dataset for research on diseases of the aorta without commerce, and MONDO."""
    consent = Consent(frozenset({"DUO:0000007", "DUO:0000046"}), frozenset({AORTA}), Granularity.BOOLEAN)
    policy = policy_for(Level.PUBLIC, Granularity.COUNT)
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("hearts", policy=replace(policy, consent=consent))
        terms = {AORTA: "aortic disease", MARFAN: "Marfan syndrome", FLU: "influenza"}
        admin.store_ontology({"namespacePrefix": "MONDO", "version": "1"}, terms, above={MARFAN: (AORTA,)})
    async with site(mongo_uri, database_name) as client:
        yield client


async def test_the_purpose_of_a_request_is_matched_with_what_people_agreed_to(asked: Client) -> None:
    for purpose, granularity, outcome, because in (
        ([MARFAN, "DUO:0000046"], "count", "permitted", ["DUO:0000007", "DUO:0000046"]),
        ([AORTA, "DUO:0000018"], "count", "permitted", ["DUO:0000007", "DUO:0000046"]),
        ([MARFAN], "boolean", "undecided", ["DUO:0000046"]),
        ([], "boolean", "undecided", ["purpose"]),
        ([MARFAN, "DUO:0000099"], "boolean", "undecided", ["DUO:0000099"]),
    ):
        by_get = {"purpose": ",".join(purpose)} if purpose else {}
        for answer in (
            await asked.get("/individuals", "individual", includeResultsetResponses="ALL", **by_get),
            await asked.post("/individuals", "individual", includeResultsetResponses="ALL", purpose=purpose),
        ):
            told = answer.sets["hearts"]["info"]
            assert told["returnedGranularity"] == granularity
            assert told["consent"] == {"outcome": outcome, "because": because}


async def test_another_purpose_finds_the_dataset_no_more_than_one_that_is_not_there(asked: Client) -> None:
    refused = [
        await asked.get("/individuals", datasets=name, purpose=f"{FLU},DUO:0000046") for name in ("hearts", "none")
    ]
    assert [answer.status for answer in refused] == [401, 401]
    assert refused[0].body["error"] == refused[1].body["error"]


async def test_a_purpose_is_declared_on_the_command_line(asked: Client, capsys: pytest.CaptureFixture[str]) -> None:
    for purpose, told in (([MARFAN, "DUO:0000046"], "all: 0"), ([], "all: no")):
        options = [option for term in purpose for option in ("--purpose", term)]
        arguments = ["query", "count", f"{asked.root}/api", "individuals", "--format", "table", *options]
        assert await asyncio.to_thread(main, arguments) == 0
        assert told in capsys.readouterr().out
    terms = ["query", "terms", f"{asked.root}/api", "--purpose", "heart disease"]
    assert await asyncio.to_thread(main, terms) == 2
    assert "purpose" in capsys.readouterr().err


async def test_a_purpose_that_is_no_list_of_terms_is_refused_by_name(asked: Client) -> None:
    answer = await asked.get("/individuals", purpose="heart disease")
    assert (answer.status, answer.body["error"]["where"]) == (400, "purpose")
