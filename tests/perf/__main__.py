"""``python -m tests.perf``: make a cohort, ask the site and the floors, print a table and write JSON."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from tests.perf.build import cohort
from tests.perf.measure import HEADING, Effort, Findings, measure, table
from tests.perf.questions import QUESTIONS
from tests.perf.sizes import SIZES


def main(arguments: list[str]) -> int:
    """Run the benchmarks; returns 1 where a figure was missed or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", default="small", help=f"one or several of {', '.join(SIZES)}, separated by commas")
    parser.add_argument("--questions", default="", help=f"some of {', '.join(QUESTIONS)}; all where none is named")
    parser.add_argument("--data", type=Path, default=Path("/tmp/skerry-bench"), help="where cohorts are kept")
    parser.add_argument("--json", type=Path, help="where the findings go (default: bench.json in the data folder)")
    parser.add_argument("--requests", type=int, default=Effort().requests, help="requests per question")
    parser.add_argument("--seconds", type=float, default=Effort().seconds, help="how long many clients ask, in all")
    parser.add_argument("--workers", type=int, default=Effort().workers)
    parser.add_argument("--keep", action="store_true", help="take a cohort that an older store wrote as it is")
    parser.add_argument("--only-fill", action="store_true", help="make the cohort and measure nothing")
    given = parser.parse_args(arguments)
    sizes, names = _split(given.size), _split(given.questions)
    if unknown := [name for name in sizes if name not in SIZES]:
        parser.error(f"there is no size {', '.join(unknown)}; there are {', '.join(SIZES)}")
    effort = Effort(given.requests, given.seconds, workers=given.workers)
    given.data.mkdir(parents=True, exist_ok=True)
    found: list[Findings] = []
    for name in sizes:
        with cohort(SIZES[name], given.data, _say, keep=given.keep) as made:
            if not given.only_fill:
                _say(HEADING)
                found.append(measure(made, names, effort, given.data / name, _say))
                print(f"\n{table(found[-1])}\n", flush=True)
    place = given.json or given.data / "bench.json"
    place.write_bytes(orjson.dumps(_report(found), option=orjson.OPT_INDENT_2))
    _say(f"written to {place}")
    return 0 if all(findings.passed for findings in found) else 1


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _report(found: list[Findings]) -> dict[str, Any]:
    listed = []
    for findings in found:
        one = dataclasses.asdict(findings) | {"passed": findings.passed}
        one["medians"] = [
            dataclasses.asdict(median) | {"ratio": median.ratio, "passed": median.passed} for median in findings.medians
        ]
        listed.append(one)
    return {"made": datetime.now(UTC).isoformat(), "cohorts": listed}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
