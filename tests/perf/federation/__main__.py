"""``python -m tests.perf.federation``: the measured runs over a network; exit code 1 where something was wrong."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
import tempfile
from pathlib import Path

import orjson

from tests.perf.federation.runs import EFFORTS, RUNS


def main(arguments: list[str]) -> int:
    """Run what is named and say what was found."""
    parser = argparse.ArgumentParser(prog="make bench-network", description=__doc__)
    parser.add_argument("--runs", default=",".join(RUNS), help=f"some of {', '.join(RUNS)}, separated by commas")
    parser.add_argument("--size", default="small", choices=EFFORTS)
    parser.add_argument("--json", type=Path, help="where the findings go as JSON")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.runs.split(",") if name.strip()]
    if unknown := [name for name in names if name not in RUNS]:
        parser.error(f"there is no run {', '.join(unknown)}; there are {', '.join(RUNS)}")
    findings = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="skerry-bench-") as folder:
            finding = asyncio.run(RUNS[name](EFFORTS[given.size], Path(folder)))
        findings.append(finding)
        print("\n".join([*finding.lines, *(f"{name}: WRONG: {one}" for one in finding.wrong[:20])]), flush=True)
    if given.json:
        given.json.write_bytes(orjson.dumps([dataclasses.asdict(one) for one in findings], option=orjson.OPT_INDENT_2))
    return 1 if any(one.wrong for one in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
