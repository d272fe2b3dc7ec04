"""The demonstration runs to its end, and every number in its tables is the true one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loaders.synthetic import Question
from tests.integration.cohort import Databases

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
QUESTION = "individuals-HP:0001626"
SITES = {"Aurora Hospital": "site-a", "Borealis Biobank": "site-b", "Calyx Genome Project": "site-c"}
HEADER = ["site", "outcome", "allowed", "came back", "time"]
PERSONS = ("a stranger", "rosa", "tomas")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demonstration says, which ends by itself with exit code 0."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "beacon.cli", "demo", "--once"], cwd=folder, timeout=110, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


@pytest.fixture(scope="module")
def tables(said: str) -> dict[str, dict[str, list[str]]]:
    """The rows of each person's table by site: outcome, what is allowed, what came back, how long it took."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in said.split("Asked as ")[1:]:
        lines = part.splitlines()
        person = next(name for name in PERSONS if lines[0].startswith(name))
        assert re.split(r"\s{2,}", lines[1].strip()) == HEADER
        rows = [re.split(r"\s{2,}", line.strip()) for line in lines[2:5]]
        found[person] = {SITES[row[0]]: row[1:] for row in rows}
    return found


@pytest.fixture(scope="module")
def truth(databases: Databases) -> Question:
    return databases.cohort.question(QUESTION)


def test_three_people_are_shown_a_table_and_a_command_to_ask_again(
    said: str, tables: dict[str, dict[str, list[str]]]
) -> None:
    assert set(tables) == set(PERSONS)
    for rows in tables.values():
        assert set(rows) == set(SITES.values())
        assert all(re.fullmatch(r"\d+ ms", row[3]) for row in rows.values())
    again = re.findall(r"ask again: (curl -s .*)", said)
    assert len(again) == 3
    assert all("/api/individuals?filters=HP:0001626" in command for command in again)
    assert sum("-H @" in command for command in again) == 2
    assert "eyJ" not in said  # no token is shown


def test_a_stranger_gets_a_yes_a_count_and_nothing(
    said: str, tables: dict[str, dict[str, list[str]]], truth: Question
) -> None:
    rows = tables["a stranger"]
    assert rows["site-a"][:3] == ["hit", "boolean", "yes"]
    assert rows["site-b"][:3] == ["hit", "count", f"{truth.sites['site-b']} people"]
    assert rows["site-c"][:3] == ["denied", "-", "nothing"]
    assert totals(said)[0] == f"at least {truth.sites['site-b'] + 1} people"


def test_a_registered_researcher_gets_more_and_nothing_of_the_controlled_site(
    said: str, tables: dict[str, dict[str, list[str]]], truth: Question
) -> None:
    rows = tables["rosa"]
    assert rows["site-a"][:3] == ["hit", "count", f"{truth.sites['site-a']} people"]
    assert rows["site-b"][:3] == ["hit", "record", f"{truth.sites['site-b']} people, the first 10 in full"]
    assert rows["site-c"][:3] == ["denied", "-", "nothing"]
    assert totals(said)[1] == f"at least {truth.sites['site-a'] + truth.sites['site-b']} people"


def test_a_researcher_with_a_grant_gets_records_everywhere(
    said: str, tables: dict[str, dict[str, list[str]]], truth: Question
) -> None:
    for site, row in tables["tomas"].items():
        assert row[:3] == ["hit", "record", f"{truth.sites[site]} people, the first 10 in full"]
    assert totals(said)[2] == f"{truth.pooled} people"


def totals(said: str) -> list[str]:
    return re.findall(r"^  all: (.*), in \d+ ms$", said, re.MULTILINE)


def test_each_site_holds_what_the_cohort_has(said: str, databases: Databases) -> None:
    held = re.findall(r"^  (.+?)\s{2,}(\d+) people, (\d+) variants", said, re.MULTILINE)
    assert {SITES[name]: (int(people), int(variants)) for name, people, variants in held} == {
        site: (total["individual"], total["genomicVariant"])
        for site, total in databases.cohort.totals.items()
        if site != "pooled"
    }


def test_nothing_of_it_runs_on(said: str) -> None:
    ports = set(re.findall(r"http://127\.0\.0\.1:(\d+)/api", said))
    assert ports
    for _ in range(20):
        if not any(listened_on(int(port)) for port in ports):
            return
        time.sleep(0.1)
    pytest.fail(f"somebody listens on {ports}")


def listened_on(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
