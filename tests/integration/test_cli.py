"""The command as people type it: from an empty folder to a Beacon that answers, in three short commands."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.cli import main
from beacon.settings import Mongo
from beacon.store.embedded import mongodb
from tests.contract import official
from tests.integration.cohort import Databases, body
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in which commands are typed."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.path)}

    def command(self, *arguments: str) -> str:
        """Run a command as a process of its own, which must end well; what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "beacon.cli", *arguments], cwd=self.path, env=self.environment, timeout=60,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def skerry(self, *arguments: str, code: int = 0) -> str:
        """Run a command in this process, which is quicker; it must end with this exit code. What it says."""
        said = io.StringIO()
        with chdir(self.path), redirect_stdout(said), redirect_stderr(said):
            try:
                ended = main(arguments)
            except SystemExit as refused:  # by the parser of the command line
                ended = int(str(refused.code))
        assert ended == code, said.getvalue()
        return said.getvalue()

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Run ``skerry serve`` until it answers; yields the address of the Beacon. It must end well on Ctrl-C."""
        port = free_port()
        log = self.path / "serve.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "beacon.cli", "serve", "--port", str(port), *arguments],
                cwd=self.path, env=self.environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}/api"
            for _ in range(600):
                assert server.poll() is None, log.read_text()
                try:
                    ask(url, "/info")
                    break
                except urllib.error.URLError:
                    time.sleep(0.05)
            assert url in log.read_text()
            yield url
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            server.kill()
            server.wait()


def ask(url: str, path: str, query: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """Ask as curl does: by GET, or by POST where there is a query."""
    sent = None if query is None else orjson.dumps(body(query))
    headers = {"Content-Type": "application/json"} if sent else {}
    request = urllib.request.Request(url + path, data=sent, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            status, raw = response.status, response.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            status, raw = refusal.code, refusal.read()
    answer: dict[str, Any] = orjson.loads(raw)
    if official.shared_dir() is not None and ("error" in answer or "responseSummary" in answer):
        official.assert_answer(answer, "individual")
    return status, answer


def count(url: str) -> int:
    status, answer = ask(url, "/individuals", {"requestedGranularity": "count"})
    assert status == 200, answer
    return int(answer["responseSummary"]["numTotalResults"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """A folder whose embedded MongoDB keeps running, so that every command here joins it."""
    path = tmp_path_factory.mktemp("folder")
    with mongodb(Mongo(data_dir=path / "skerry-data", cache_gb=0.25)):
        yield Folder(path)


def test_three_short_commands_make_a_beacon_in_an_empty_folder(tmp_path: Path, databases: Databases) -> None:
    folder = Folder(tmp_path)
    files = databases.folder / "site-a"
    made = folder.command("dataset", "create", "cases", "--level", "public", "--granularity", "record")
    assert "skerry load phenopackets" in made and "--dataset cases" in made
    loaded = folder.command("load", "phenopackets", str(files / "phenopackets"), "--dataset", "cases")
    assert "90  individuals" in loaded and "skerry serve" in loaded
    with folder.serving() as url:
        status, answer = ask(url, "/individuals?filters=HP:0001626&requestedGranularity=record&limit=3")
        assert status == 200
        truth = databases.cohort.question("individuals-HP:0001626").sites["site-a"]
        assert answer["responseSummary"] == {"exists": True, "numTotalResults": truth, "countPrecision": "exact"}
        (one,) = answer["response"]["resultSets"]
        assert len(one["results"]) == 3
        # A second command joins the running MongoDB, and what it loads is there at the next request.
        total = databases.cohort.totals["site-a"]
        assert count(url) == 90 < total["individual"]
        joined = folder.command("load", "vcf", str(files / "variants.vcf"), "--dataset", "cases")
        assert f"{total['run']}  runs" in joined
        assert count(url) == total["individual"]
    assert {path.name for path in tmp_path.iterdir()} == {"skerry-data", "serve.log"}
    assert (tmp_path / "skerry-data" / "mongo").stat().st_mode & 0o077 == 0


def test_a_dataset_without_level_answers_nobody_and_the_command_says_how_to_open_it(folder: Folder) -> None:
    said = folder.skerry("dataset", "create", "closed")
    assert "controlled" in said and "answers nobody" in said
    command = re.search(r"skerry (dataset policy closed --file policy\.toml)", said)
    assert command
    policy = folder.path / "policy.toml"
    with folder.serving() as url:
        status, refusal = ask(url, "/individuals")
        assert (status, refusal["error"]["skerryCode"]) == (401, "unauthenticated")
        policy.write_text('level = "public"\n[granularity]\nstranger = "boolean"\n')
        folder.skerry(*command[1].split(), "--yes")
        status, answer = ask(url, "/individuals")
        assert (status, answer["responseSummary"]) == (200, {"exists": False})
    folder.skerry("dataset", "delete", "closed", "--yes")


def test_a_policy_is_applied_from_a_file_and_the_difference_is_shown_first(folder: Folder) -> None:
    folder.skerry("dataset", "create", "ruled", "--level", "public", "--granularity", "boolean")
    policy = folder.path / "ruled.toml"
    policy.write_text(
        'level = "registered"\nthreshold = 10\n[granularity]\nregistered = "count"\ngranted = "record"\n'
        '[[granted]]\nissuer = "https://login.example.org"\nsubject = "90125"\n'
    )
    before = folder.skerry("dataset", "policy", "ruled")
    shown = folder.skerry("dataset", "policy", "ruled", "--file", "ruled.toml", code=1)
    for line in (
        "level: public -> registered",
        "granularity for stranger: boolean -> none",
        "granularity for granted: boolean -> record",
        "threshold: 5 -> 10",
        "granted: + 90125 of https://login.example.org",
        "--yes",
    ):
        assert line in shown
    assert folder.skerry("dataset", "policy", "ruled") == before
    applied = folder.skerry("dataset", "policy", "ruled", "--file", "ruled.toml", "--yes")
    assert "Applied" in applied
    assert "registered; at most" in folder.skerry("dataset", "policy", "ruled")
    assert "already" in folder.skerry("dataset", "policy", "ruled", "--file", "ruled.toml")
    policy.write_text('level = "publik"\n[granularity]\n')
    wrong = folder.skerry("dataset", "policy", "ruled", "--file", "ruled.toml", "--yes", code=2)
    assert "ruled.toml" in wrong and "level" in wrong and "publik" in wrong
    folder.skerry("dataset", "delete", "ruled", "--yes")


def test_datasets_are_listed_shown_and_deleted(folder: Folder, databases: Databases) -> None:
    assert "no dataset yet" in folder.skerry("dataset", "list")
    folder.skerry("dataset", "create", "one", "--name", "The first one", "--description", "For a test.")
    assert "already" in folder.skerry("dataset", "create", "one", code=2)
    use = ("--data-use", "DUO:0000007=MONDO:0005148", "--data-use", "DUO:0000018")
    assert "decide nothing" in folder.skerry("dataset", "describe", "one", *use, "--data-version", "v1", "--url", "x")
    assert "DUO:0000007, DUO:0000018, MONDO:0005148" in folder.skerry("dataset", "show", "one")
    folder.skerry("dataset", "describe", "one", "--data-use", "", "--url", "")
    told = folder.skerry("dataset", "show", "one")
    assert "v1" in told and "DUO:" not in told and "url" not in told and "The first one" in told
    files = databases.folder / "site-b"
    folder.skerry("load", "vcf", str(files / "variants.vcf"), "--dataset", "one", "--cohort", "study", "--quiet")
    again = folder.skerry("load", "vcf", str(files / "variants.vcf"), "--dataset", "one", "--quiet")
    assert "nothing was changed" in again
    folder.skerry("load", "phenopackets", str(files / "phenopackets"), "--dataset", "one", "--quiet")
    total = databases.cohort.totals["site-b"]
    shown = folder.skerry("dataset", "show", "one")
    assert "The first one" in shown and "For a test." in shown and "study (60)" in shown and "controlled" in shown
    for line in (folder.skerry("dataset", "list"), shown):
        assert f"{total['individual']} individuals, {total['biosample']} biosamples" in line
        assert f"{total['genomicVariant']} genomic variants" in line
    kept = folder.skerry("dataset", "delete", "one", code=1)
    assert "--yes" in kept
    loaded = folder.skerry("loads", "list", "--dataset", "one").splitlines()
    assert [line.split("\t")[3:5] for line in loaded] == [["load vcf", "done"], ["load phenopackets", "done"]]
    assert "variants.vcf" in folder.skerry("loads", "show", loaded[0].split("\t")[0])
    person = min(files.glob("phenopackets/*.json")).stem
    assert "by " in folder.skerry("where", person)
    assert "1 individual" in folder.skerry("withdraw", person, "--dataset", "one")
    folder.skerry("where", person, code=1)
    assert "left out" in folder.skerry(
        "load", "phenopackets", str(files / "phenopackets"), "--dataset", "one", "--quiet"
    )
    assert "may come again" in folder.skerry("readmit", person, "--dataset", "one")
    assert "individual" in folder.skerry("delete", "--cohort", "study", "--dataset", "one")
    assert "study" not in folder.skerry("dataset", "show", "one")
    assert "skerry sweep" in folder.skerry("dataset", "delete", "one", "--yes", "--no-wait")
    assert "no dataset yet" in folder.skerry("dataset", "list")


def test_whatever_is_wrong_is_one_sentence_and_exit_code_2(folder: Folder, databases: Databases) -> None:
    packets = str(databases.folder / "site-b" / "phenopackets")
    for arguments, says in (
        (("dataset", "show", "nowhere"), "nowhere"),
        (("dataset", "delete", "nowhere", "--yes"), "nowhere"),
        (("load", "phenopackets", packets, "--dataset", "nowhere"), "skerry dataset create nowhere"),
        (("dataset", "create", "x", "--granularity", "count"), "--level"),
        (("dataset", "create", "x", "--data-use", "DUO:0000007"), "MONDO:0005148"),
        (("dataset", "create", "x", "--data-use", "research"), "Data Use Ontology"),
        (("dataset", "describe", "x"), "--data-use"),
        (("dataset", "list", "--config", "absent.toml"), "absent.toml"),
        (("dataset", "create", "x", "--level", "secret"), "secret"),
        (("serve", "--port", "99999999"), "port"),
        (("network", "serve", "--config", "absent.toml"), "absent.toml"),
        (("frobnicate",), "frobnicate"),
    ):
        said = folder.skerry(*arguments, code=2)
        assert says in said, (arguments, said)
        assert len(said.splitlines()) <= 12, said


def test_a_port_that_is_taken_is_said(folder: Folder) -> None:
    with folder.serving() as url:
        port = url.split(":")[2].split("/")[0]
        assert f"port {port}" in folder.skerry("serve", "--port", port, code=2)
