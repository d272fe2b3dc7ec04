"""Whether time tells that a hidden dataset exists: ``python -m tests.perf.hidden``.

A stranger asks for a dataset that is there and answers grantees alone, and for one that is not there, in random order.
The rank test of Mann and Whitney, in its normal approximation, says how likely such times are if nothing differs.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import orjson

from beacon.settings import Mongo
from beacon.store.embedded import mongodb
from network.issuer import DemonstrationIssuer
from tests.perf.access import CLOSED, ISSUER, fill, server
from tests.perf.client import OneClient, get

LEAST = 0.01
"""The figure: times differ by chance with at least this probability."""
ABSENT = CLOSED[::-1]
"""As long as the hidden one's name."""
PATHS: Mapping[str, str] = {
    "scope": "/api/individuals?filters=HP:0001250&requestedGranularity=count&datasets={}",
    "anchor": "/api/datasets/{}/individuals",
    "record": "/api/individuals/{}-1",
    "terms": "/api/datasets/{}/filtering_terms",
}


def chance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of the rank test; ties, which times hardly have, are not corrected for."""
    ranks = np.argsort(np.argsort([*one, *other])) + 1
    first, second = len(one), len(other)
    above = float(ranks[:first].sum()) - first * (first + 1) / 2
    spread = math.sqrt(first * second * (first + second + 1) / 12)
    return math.erfc(abs(above - first * second / 2) / spread / math.sqrt(2))


def measure(port: int, path: str, requests: int) -> float:
    """Ask both ``requests`` times; return the chance. Raises ``AssertionError`` where their answers differ."""
    times: dict[str, list[float]] = {CLOSED: [], ABSENT: []}
    order = [*times] * (requests + 20)
    random.shuffle(order)
    answers = set()
    with OneClient(port) as client:
        for number, name in enumerate(order):
            answer = client.ask(number, get(path.format(name)))
            answers.add((answer.status, len(answer.body)))
            if number >= 40:  # what came before has warmed both up
                times[name].append(answer.seconds)
    assert len(answers) == 1, answers
    return chance(times[CLOSED], times[ABSENT])


def main(arguments: list[str]) -> int:
    """Measure and print; returns 1 where time tells something."""
    parser = argparse.ArgumentParser(prog="make bench-access", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="for each dataset and path")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
        folder = Path(name)
        (folder / "keys.json").write_bytes(_keys())
        with mongodb(Mongo(data_dir=folder / "data", cache_gb=0.25)) as uri:
            fill(uri, "bench", 500)
            with server(CLOSED, uri, "bench", folder) as (port, _):
                found = {what: measure(port, path, given.requests) for what, path in PATHS.items()}
    for what, p in found.items():
        print(f"hidden or absent, by {what:8} p {p:.3f} (more than {LEAST})")
    return 0 if min(found.values()) > LEAST else 1


def _keys() -> bytes:
    return orjson.dumps(DemonstrationIssuer(ISSUER, algorithm="RS256").jwks())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
