"""A cohort split over three sites by person: the network says what one site that holds everything says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from loaders.synthetic import Question
from tests.integration.cohort import OPEN, Databases, serve_network, site_settings
from tests.integration.conftest import Site, serve_site
from tests.ports import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Federation:
    """Sites by id, one that holds everything, and the network over the sites."""

    sites: dict[str, Site]
    pooled: Site
    network: Site
    questions: tuple[Question, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def federation(databases: Databases) -> AsyncIterator[Federation]:
    async with AsyncExitStack() as stack:
        sites = {}
        for part in (*databases.sites, "pooled"):
            databases.govern(part, {part: OPEN})
            context = serve_site(databases.uri, databases.name(part), site_settings(part))
            sites[part] = await stack.enter_async_context(context)
        pooled = sites.pop("pooled")
        network = await stack.enter_async_context(serve_network({name: site.url for name, site in sites.items()}))
        yield Federation(sites, pooled, network, databases.cohort.questions)


def query(question: Question, granularity: str, **more: Any) -> dict[str, Any]:
    return {
        "filters": list(question.filters),
        "requestParameters": dict(question.parameters),
        "requestedGranularity": granularity,
        **more,
    }


async def test_what_belongs_to_people_adds_up_to_the_pooled_count(federation: Federation) -> None:
    questions = [question for question in federation.questions if question.additive]
    assert {question.path for question in questions} == {"individuals", "biosamples", "runs", "analyses"}
    for question in questions:
        answer = await federation.network.post(f"/{question.path}", query(question, "count"))
        total = question.pooled
        assert answer["responseSummary"] == {
            "exists": total > 0, "numTotalResults": total, "countPrecision": "exact"
        }, question  # fmt: skip
        assert answer["info"]["interval"] == [total, total]
        assert outcomes(answer) == {name: "hit" if count else "no_hit" for name, count in question.sites.items()}
        sets = {one["beaconId"]: one["resultsCount"] for one in answer.get("response", {}).get("resultSets", ())}
        assert sets == {name: count for name, count in question.sites.items() if count}


async def test_distinct_variants_are_never_added_up(federation: Federation) -> None:
    for question in variants(federation):
        answer = await federation.network.post("/g_variants", query(question, "count"))
        largest, together = max(question.sites.values()), sum(question.sites.values())
        assert answer["info"]["interval"] == [largest, together], question
        assert largest <= question.pooled <= together
        sets = {one["beaconId"]: one["resultsCount"] for one in answer.get("response", {}).get("resultSets", ())}
        assert sets == {name: count for name, count in question.sites.items() if count}
        summary = answer["responseSummary"]
        assert summary["exists"] is (question.pooled > 0)
        assert summary["numTotalResults"] == largest
        assert summary["countPrecision"] == ("exact" if largest == together else "imprecise")


async def test_yes_or_no_about_variants_is_right(federation: Federation) -> None:
    for question in variants(federation):
        answer = await federation.network.post("/g_variants", query(question, "boolean"))
        assert answer["responseSummary"] == {"exists": question.pooled > 0}, question


async def test_records_of_variants_are_joined_into_the_pooled_number(federation: Federation) -> None:
    for question in variants(federation):
        page = {"skip": 0, "limit": 1000}
        answer = await federation.network.post("/g_variants", query(question, "record", pagination=page))
        assert answer["responseSummary"] == {
            "exists": question.pooled > 0, "numTotalResults": question.pooled, "countPrecision": "exact"
        }, question  # fmt: skip
        assert answer["info"]["interval"] == [question.pooled, question.pooled]


async def test_a_page_that_does_not_hold_everything_gives_an_interval_and_no_wrong_number(
    federation: Federation,
) -> None:
    question = next(one for one in federation.questions if one.id == "all-g_variants")
    for skip in (0, 1):
        page = {"skip": skip, "limit": 400}
        answer = await federation.network.post("/g_variants", query(question, "record", pagination=page))
        low, high = answer["info"]["interval"]
        assert low <= question.pooled <= high
        assert low < high
        assert answer["responseSummary"]["countPrecision"] == "imprecise"


def variants(federation: Federation) -> list[Question]:
    questions = [question for question in federation.questions if question.path == "g_variants"]
    assert sum(question.pooled < sum(question.sites.values()) for question in questions) > 50
    return questions


async def test_the_same_people_are_found_at_the_network_as_at_the_pooled_site(federation: Federation) -> None:
    for question in federation.questions[:: len(federation.questions) // 20]:
        path, page = f"/{question.path}", {"skip": 0, "limit": 1000}
        asked = query(question, "record", pagination=page)
        joined = await federation.network.post(path, asked)
        pooled = await federation.pooled.post(path, asked)
        assert ids(joined) == ids(pooled)


def ids(answer: dict[str, Any]) -> set[str]:
    """Return the ids of an answer's records; nobody and no sample is at two sites."""
    listed = [
        record.get("id") or record["variantInternalId"]
        for one in answer["response"]["resultSets"]
        for record in one["results"]
    ]
    assert len(set(listed)) == len(listed) or "variantInternalId" in str(answer)
    return set(listed)


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {row["peer"]: row["outcome"] for row in answer["info"]["outcomes"]}


async def test_a_site_that_is_killed_is_unreachable_and_never_a_no(databases: Databases, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "site-c.toml"
    mongo = f'[mongo]\nuri = "{databases.uri}"\ndatabase = "{databases.name("site-c")}"\n'
    config.write_text(f'id = "site-c"\n\n[listen]\nport = {port}\n\n{mongo}')
    mine = "/individuals/SYN-C-0001"
    count = {"requestedGranularity": "count"}
    everyone = databases.cohort.question("all-individuals")
    for name in databases.sites:
        databases.govern(name, {name: OPEN})
    async with AsyncExitStack() as stack:
        peers = {}
        for name in ("site-a", "site-b"):
            context = serve_site(databases.uri, databases.name(name), site_settings(name))
            peers[name] = (await stack.enter_async_context(context)).url
        process = stack.enter_context(serving(config, tmp_path / "site-c.log"))
        peers["site-c"] = f"http://127.0.0.1:{port}/api"
        network = await stack.enter_async_context(serve_network(peers))
        await answers(network.session, peers["site-c"], process)
        before = await network.post(mine, count)
        assert outcomes(before) == {"site-a": "no_hit", "site-b": "no_hit", "site-c": "hit"}
        process.kill()
        process.wait()
        silence = await network.post(mine, count, status=502)
        assert outcomes(silence) == {"site-a": "no_hit", "site-b": "no_hit", "site-c": "unreachable"}
        assert "responseSummary" not in silence
        rest = await network.post("/individuals", count)
    assert outcomes(rest) == {"site-a": "hit", "site-b": "hit", "site-c": "unreachable"}
    least = everyone.pooled - everyone.sites["site-c"]
    assert rest["responseSummary"] == {"exists": True, "numTotalResults": least, "countPrecision": "imprecise"}
    assert rest["info"]["interval"] == [least, None]
    assert {one["beaconId"] for one in rest["response"]["resultSets"]} == {"site-a", "site-b"}


@contextmanager
def serving(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a site as a command of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "beacon.cli", "serve", "--config", str(config)],
            cwd=config.parent, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def answers(session: aiohttp.ClientSession, url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    async with asyncio.timeout(30):
        while process.poll() is None:
            with suppress(aiohttp.ClientError):
                async with session.get(f"{url}/info") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    pytest.fail("the site ended")
