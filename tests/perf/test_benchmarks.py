"""The benchmarks' questions, put to a small cohort: every answer is right. How long they take is not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from pymongo import MongoClient

from beacon.auth.policy import decide
from beacon.model.access import ANONYMOUS
from beacon.store.admin import Admin
from tests.integration.conftest import drop
from tests.perf import serving
from tests.perf.alleles import RARE, Places, batches
from tests.perf.build import DATASET, Cohort, fill, write_carried
from tests.perf.client import OneClient, crowd, get, post
from tests.perf.measure import find_rare_filter
from tests.perf.questions import QUESTIONS, RARE_FILTERS, Asking, unlike
from tests.perf.serving import Server, memory
from tests.perf.sizes import SIZES
from tests.perf.truth import Truth

SIZE = SIZES["tiny"]
_ASKED = 5
_NEEDS_FREQUENCY = {"ill-gene", "ill-range", "rare-of-ill"}


@pytest.fixture(scope="module")
def database(mongo_uri: str) -> Iterator[tuple[str, str, Truth]]:
    """The tiny cohort in a database of its own."""
    name = "bench_tiny"
    drop(mongo_uri, name)
    yield mongo_uri, name, fill(SIZE, mongo_uri, name, lambda text: None)
    drop(mongo_uri, name)


@pytest.fixture(scope="module")
def site(database: tuple[str, str, Truth], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site that serves it, in a process of its own."""
    uri, name, _ = database
    with serving.site(uri, name, 1, tmp_path_factory.mktemp("site")) as server:
        yield server


@pytest.fixture(scope="module")
def floor(database: tuple[str, str, Truth], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The bare server over the same data."""
    uri, name, _ = database
    with serving.floors(uri, name, 2, tmp_path_factory.mktemp("floors")) as server:
        yield server


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_timed_question_is_answered_rightly(name: str, database: tuple[str, str, Truth], site: Server) -> None:
    known = find_rare_filter(site)
    if name in _NEEDS_FREQUENCY and known is None:
        pytest.skip("this site knows no filter on allele frequency")
    asking = Asking(database[2], np.random.default_rng(7), known or RARE_FILTERS[0])
    asked = unlike(QUESTIONS[name], asking, _ASKED)
    assert len({one.key for one in asked}) == len(asked) > 1
    with OneClient(site.port) as client:
        for number, one in enumerate(asked):
            answer = client.ask(number, post(site.root + one.path, one.body))
            assert one.wrong(answer.status, answer.body) is None


def test_a_wrong_answer_is_noticed(database: tuple[str, str, Truth], site: Server) -> None:
    asking = Asking(database[2], np.random.default_rng(8))
    for name in QUESTIONS.keys() - _NEEDS_FREQUENCY:
        one, other = unlike(QUESTIONS[name], asking, 2)
        with OneClient(site.port) as client:
            answer = client.ask(0, post(site.root + one.path, one.body))
        if QUESTIONS[name].floor == "B":  # pages differ, where counts may agree by chance
            assert other.wrong(answer.status, answer.body), name
        else:
            assert one.wrong(200, answer.body.replace(b'"exists":', b'"exists":!')), name
        assert one.wrong(500, answer.body), name


async def test_many_clients_get_every_answer_once(database: tuple[str, str, Truth], site: Server) -> None:
    asked = unlike(QUESTIONS["allele-count"], Asking(database[2], np.random.default_rng(9)), 60)
    answers, _ = await crowd(site.port, [post(site.root + one.path, one.body) for one in asked], 8, 60.0)
    assert sorted(answer.request for answer in answers) == list(range(60))
    assert [text for a in answers if (text := asked[a.request].wrong(a.status, a.body))] == []


def test_the_floors_find_the_same_documents(database: tuple[str, str, Truth], floor: Server) -> None:
    truth = database[2]
    ids = [truth.places.allele(at).id for at in range(10)]
    people = [truth.people.id(person) for person in range(100)]
    with OneClient(floor.port) as client:
        assert client.ask(0, get(f"/a/variant/{ids[3]}")).body == b'{"exists":true}'
        assert client.ask(0, get("/a/variant/GRCh38-22-1-A-C")).body == b'{"exists":false}'
        assert client.ask(0, get(f"/a/individual/{people[3]}")).body == b'{"exists":true}'
        for kind, listed in (("variant", ids), ("individual", people)):
            assert len(client.ask(0, post("/b", f"{kind} 5000 {','.join(listed)}".encode())).body) == 5000


def test_a_floor_finds_the_very_case_level_data_that_the_site_sends(
    database: tuple[str, str, Truth], site: Server, floor: Server
) -> None:
    uri, name, truth = database
    asked = unlike(QUESTIONS["variant-page"], Asking(truth, np.random.default_rng(12)), _ASKED)
    write_carried(Cohort(SIZE, uri, name, truth), [at for one in asked for at in one.carried])
    with MongoClient[dict[str, Any]](uri) as client:
        kept = {document["_id"]: document["caseLevelData"] for document in client[name]["floor_carried"].find()}
    with OneClient(site.port) as client:
        answers = [client.ask(0, post(site.root + one.path, one.body)) for one in asked]
    sent = {
        record["variantInternalId"]: record.get("caseLevelData", [])
        for answer in answers
        for part in orjson.loads(answer.body)["response"]["resultSets"]
        for record in part["results"]
    }
    assert sum(map(len, sent.values())) > 0
    for id, cases in sent.items():
        assert sorted(cases, key=_biosample) == sorted(kept[id], key=_biosample)
    assert asked[0].records is not None
    _, ids = asked[0].records
    with OneClient(floor.port) as client:
        answer = client.ask(0, post("/b", f"carried 7000 {','.join(ids)}".encode()))
    assert answer.status == 200 and len(answer.body) == 7000


def _biosample(case: dict[str, Any]) -> str:
    return str(case["biosampleId"])


def test_the_cohort_has_the_spectrum_that_it_claims(database: tuple[str, str, Truth]) -> None:
    truth = database[2]
    assert np.mean(truth.frequency <= 0.005) == pytest.approx(0.76, abs=0.05)
    assert np.mean(truth.frequency > 0.05) == pytest.approx(0.10, abs=0.03)
    listed = np.diff(truth.rare_at)
    assert (
        not listed[truth.count > RARE * truth.number].any() and listed[truth.rare_among(np.arange(SIZE.alleles))].all()
    )
    sizes = np.bincount(truth.people.disease[truth.people.disease >= 0])
    assert sizes[:-1].min() >= 20 and sizes.max() <= 200


def test_a_cohort_is_the_same_whenever_it_is_made() -> None:
    once, again = (Places.make(SIZE) for _ in range(2))
    assert np.array_equal(once.start, again.start) and np.array_equal(once.change, again.change)
    assert len({once.allele(at).id for at in range(len(once))}) == len(once)
    for one, other in zip(batches(SIZE), batches(SIZE), strict=True):
        assert np.array_equal(one.het, other.het) and np.array_equal(one.hom_at, other.hom_at)
        for row in range(len(one)):
            calls = one.calls(row)
            everyone = np.concatenate([calls.het, calls.hom, calls.missing])
            assert len(np.unique(everyone)) == len(everyone)


def test_a_workers_memory_can_be_told(site: Server) -> None:
    assert 10 < memory(site.workers[0]) < 1_000


def test_the_cohort_answers_everybody_with_records(database: tuple[str, str, Truth]) -> None:
    with Admin.open(*database[:2]) as admin:
        policy = admin.dataset(DATASET).policy
    (decision,) = decide({DATASET: policy}, ANONYMOUS, wanted=None)
    assert decision.granularity.label == "record"


@pytest.mark.parametrize("name", sorted(_NEEDS_FREQUENCY))
def test_the_truth_about_rare_alleles_is_what_counting_one_by_one_gives(
    name: str, database: tuple[str, str, Truth]
) -> None:
    truth = database[2]
    carried = np.zeros((SIZE.alleles, SIZE.people), np.bool_)
    for at in range(SIZE.alleles):
        calls = truth.calls(at)
        carried[at, calls.het] = carried[at, calls.hom] = True
    found = []
    for one in unlike(QUESTIONS[name], Asking(truth, np.random.default_rng(11)), 12):
        query = orjson.loads(one.body)["query"]
        place = query["requestParameters"]["g_variant"]
        ill = truth.people.disease == int(query["filters"][0]["id"].removeprefix("OMIM:9"))
        if "geneId" in place:
            gene = next(gene for gene in truth.places.genes if gene.symbol == place["geneId"])
            there = np.isin(np.arange(SIZE.alleles), np.arange(gene.first, gene.stop))
        else:
            there = (truth.places.start < place["end"][0]) & (truth.places.end > place["start"][0])
        chosen = carried[there & (truth.count / truth.number <= RARE)][:, ill]
        number = int(chosen.any(axis=0 if "ill" in name.split("-", maxsplit=1)[0] else 1).sum())
        found.append(number)
        assert one.check({"responseSummary": {"exists": number > 0, "numTotalResults": number}}) is None
    assert max(found) > 0
