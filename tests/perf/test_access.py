"""The benchmark of authorization and audit asks what it says; how long that takes is not looked at."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import drop
from tests.perf.access import TURN, fill, measure


def test_both_servers_answer_rightly_and_one_of_them_writes_its_audit(mongo_uri: str, tmp_path: Path) -> None:
    drop(mongo_uri, "bench_access")
    try:
        fill(mongo_uri, "bench_access", 40)
        found = measure(mongo_uri, "bench_access", tmp_path, TURN, 40)
    finally:
        drop(mongo_uri, "bench_access")
    assert found.open_ms > 0 and found.closed_ms > 0
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"audit"}
