"""``python -m tests.perf.adding [PEOPLE]``: what adding 10 phenopackets costs in a large dataset and in an empty one.

Both are loaded through the loader, by turns, terms and counters included; the figure is the ratio of the medians, at
most 2 in a dataset of 100,000. The large dataset is made of copies of synthetic phenopackets under new ids.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from loaders.pipeline import load_phenopackets
from loaders.synthetic_people import make_people, phenopacket

ROUNDS = 7
MOST = 2.0
_DISTINCT = 2_000


def ratio(uri: str, people: int, folder: Path) -> tuple[float, float]:
    """Return the medians of the seconds that adding 10 takes in a dataset of so many people and in an empty one."""
    with Admin.open(uri, "adding", grace=0) as admin:
        admin.create_dataset("large")
        load_phenopackets(admin, [_file(folder / "large.jsonl", people, "p")], "large")
        large: list[float] = []
        empty: list[float] = []
        for number in range(ROUNDS):
            file = _file(folder / f"ten{number}.jsonl", 10, f"ten{number}-")
            admin.create_dataset(f"empty{number}")
            for dataset, spent in (("large", large), (f"empty{number}", empty)):
                begun = time.perf_counter()
                assert load_phenopackets(admin, [file], dataset).counts["individual"] == 10
                spent.append(time.perf_counter() - begun)
        assert admin.dataset("large").counts["individual"] == people + 10 * ROUNDS
    return statistics.median(large), statistics.median(empty)


def _file(path: Path, people: int, prefix: str) -> Path:
    with path.open("wb") as file:
        for line in _packets(people, prefix):
            file.write(line + b"\n")
    return path


def _packets(people: int, prefix: str) -> Iterator[bytes]:
    patterns = [orjson.loads(phenopacket(person)) for person in make_people(5, 0, min(people, _DISTINCT))]
    for number in range(people):
        body = patterns[number % len(patterns)]
        yield orjson.dumps(body | {"id": f"{prefix}{number}", "biosamples": []})


def main(arguments: list[str]) -> int:
    """Measure, print, and return 1 where the figure is missed."""
    people = int(arguments[0]) if arguments else 100_000
    with tempfile.TemporaryDirectory() as folder, mongodb(Mongo(data_dir=Path(folder), cache_gb=0.5)) as uri:
        large, empty = ratio(uri, people, Path(folder))
    print(
        f"adding 10 phenopackets: {large * 1000:.0f} ms to {people:,} people, {empty * 1000:.0f} ms to none: "
        f"{large / empty:.2f} x (at most {MOST})"
    )
    return int(large > MOST * empty)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
