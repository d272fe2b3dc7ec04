"""Reading and checking phenopackets some together: whoever does it, the same is found and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.store.admin import Admin
from loaders import examining
from loaders.examining import Batch, examined, examined_apart
from loaders.pipeline import load_phenopackets
from loaders.report import Report
from loaders.sources import documents
from loaders.terms import hpo
from loaders.workers import working
from tests.integration.kill_loop import content, database
from tests.unit.loaders.packets import MARFAN, RECORD, SEIZURE, interpretation, packet


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Packets, some of them wrong, repeated or of a cohort, and two people with a sample of the same name."""
    path = tmp_path / "packets.jsonl"
    found: list[Any] = []
    for number in range(1_100):
        found.append(packet(f"p{number}", phenotypicFeatures=[{"type": SEIZURE}], biosamples=[{"id": f"s{number}"}]))
        if number % 50 == 0:
            found.append({"id": f"bad{number}"})
    found += [
        packet("p3"),
        packet("p8", biosamples=[{"id": "s9"}, {"id": "own"}]),
        packet("q", biosamples=[{"id": "s9"}]),
    ]
    found.append({"id": "c", "members": [packet("m", subject={"id": "A"})], "metaData": packet()["metaData"]})
    found.append(packet("v", interpretations=[interpretation({"vcfRecord": RECORD})], diseases=[{"term": MARFAN}]))
    path.write_bytes(b"\n".join(map(orjson.dumps, found)))
    return path


def told(batches: Iterator[Batch]) -> list[Any]:
    """What batches say, so that they can be compared."""
    return [
        (
            batch.read, batch.problems, batch.seen, batch.counts,
            [(one.document.place, one.body, one.text, one.content, one.group) for one in batch.packets],
        )
        for batch in batches
    ]  # fmt: skip


def test_a_process_that_helps_finds_what_is_found_here(admin: Admin, mixed: Path) -> None:
    here = told(examined(documents([mixed]), hpo()))
    with working(1, "loaders.examining") as workers:
        assert workers is not None
        assert told(examined_apart(workers, admin, [mixed])) == here
        assert told(examined_apart(workers, admin, [mixed], most=2)) == told(
            examined(documents([mixed]), hpo(), most=2)
        )
    assert len(here) == 4 and sum(len(batch[4]) for batch in here) == 1_103


def test_whoever_reads_the_same_is_loaded_and_reported(mongo_uri: str, mixed: Path) -> None:
    found = {}
    for number in (0, 1):
        with (
            working(number, "loaders.examining") as workers,
            database(mongo_uri) as name,
            Admin.open(mongo_uri, name) as admin,
        ):
            admin.create_dataset("d")
            report = load_phenopackets(admin, [mixed], "d", workers=workers)
            found[number] = content(mongo_uri, name), report.counts, report.problems, report.outcome
    assert found[0] == found[1]
    assert found[0][1]["individual"] == 1_103 and found[0][1]["set-aside document"] == 24


def test_nothing_is_read_beyond_the_most_errors(admin: Admin, mixed: Path) -> None:
    for number in (0, 1):
        with working(number, "loaders.examining") as workers:
            report = load_phenopackets(admin, [mixed], "d", report=Report(most=3), workers=workers)
        assert report.errors == 3 and "nothing was changed" in report.outcome
        assert report.counts["set-aside document"] == 2
        assert admin.dataset("d").counts["individual"] == 0


def test_batches_are_cut_within_a_document_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examining, "BATCH", 2)
    members = [packet(f"m{number}") for number in range(5)]
    (tmp_path / "c.json").write_bytes(orjson.dumps({"id": "c", "members": members, "metaData": packet()["metaData"]}))
    batches = list(examined(documents([tmp_path / "c.json"]), hpo()))
    assert [len(batch.packets) for batch in batches] == [2, 2, 1]
    assert sum(batch.read for batch in batches) == 1
