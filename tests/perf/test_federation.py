"""The measured runs over a network, in small and all at once: every answer is right. Times are not looked at here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.perf.federation.nodes import Plan
from tests.perf.federation.runs import EFFORTS, RUNS
from tests.perf.federation.soak import Soaked, federation, soak

pytestmark = pytest.mark.timeout(300)

Folders = pytest.TempPathFactory


@pytest.fixture(scope="module")
def folders(tmp_path_factory: Folders) -> Folders:
    return tmp_path_factory


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """The runs wait for processes most of the time; side by side they take as long as the longest."""
    with ThreadPoolExecutor(len(RUNS) + 1) as threads:
        yield threads


@pytest.fixture(scope="module")
def soaking(pool: ThreadPoolExecutor, mongo_uri: str, folders: Folders) -> Iterator[Future[Soaked]]:
    folder = folders.mktemp("soak")

    def run() -> Soaked:
        with federation(folder, mongo_uri, people=12) as served:
            return asyncio.run(soak(*served, seconds=1.0, sample_seconds=0.2))

    yield pool.submit(run)
    with MongoClient[dict[str, object]](mongo_uri) as client:
        for name in client.list_database_names():
            if name.startswith("soak-"):
                client.drop_database(name)


@pytest.fixture(scope="module")
def findings(pool: ThreadPoolExecutor, soaking: object, folders: Folders) -> dict[str, Future[list[str]]]:
    def run(name: str, folder: Path) -> list[str]:
        return asyncio.run(RUNS[name](EFFORTS["tiny"], folder)).wrong

    return {name: pool.submit(run, name, folders.mktemp(name)) for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_every_answer_of_a_run_is_right(name: str, findings: dict[str, Future[list[str]]]) -> None:
    assert findings[name].result() == []


def test_a_hundred_questions_at_once_are_all_answered(soaking: Future[Soaked]) -> None:
    found = soaking.result()
    assert found.failures == []
    assert len(found.taken) >= 100
    assert set(found.memory) == {"site-a", "site-b", "site-c", "network"}


def test_memory_that_goes_on_growing_is_seen() -> None:
    steady = [60.0 + at % 3 for at in range(100)]
    assert Soaked(1.0, memory={"a": steady}).grown == []
    assert Soaked(1.0, memory={"a": [60.0 + 0.2 * at for at in range(100)], "b": steady}).grown == ["a"]
    assert Soaked(1.0, memory={"a": [20.0 + 4 * min(at, 10) for at in range(100)]}).grown == []


def test_latencies_are_realistic_and_the_same_every_time() -> None:
    latencies = Plan(100).latencies()
    assert latencies == Plan(100).latencies()
    assert 0.01 < min(latencies) < 0.06
    assert 0.3 < max(latencies) <= 0.5
