"""``skerry zoo`` as people type it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from beacon.cli import main
from network.zoo import ANIMALS

ROOT = Path(__file__).parents[3]


def test_the_list_names_every_animal_and_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[one.name, one.outcome] for one in ANIMALS.values()]


@pytest.mark.parametrize("arguments", [["unicorn"], ["--port", "-1"], ["--port", "65530"]])
def test_what_cannot_be_opened_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_it_serves_until_it_is_told_to_end_and_says_who_followed_the_redirect(tmp_path: Path) -> None:
    peers = tmp_path / "peers.toml"
    command = [
        sys.executable,
        "-m",
        "beacon.cli",
        "zoo",
        "--port",
        "0",
        "--peers",
        str(peers),
        "redirect-to-a-stranger",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as zoo:
        assert zoo.stdout is not None
        while not (line := zoo.stdout.readline()).startswith("Serving"):
            assert line
        urls = {row["id"]: row["url"] for row in tomllib.loads(peers.read_text())["peers"]}
        request = urllib.request.Request(
            f"{urls['redirect-to-a-stranger']}/individuals", headers={"Authorization": "Bearer secret"}
        )
        with urllib.request.urlopen(request) as reply:  # a client that follows, and gives everything away
            assert reply.status == 200
        zoo.send_signal(signal.SIGINT)
        told = zoo.communicate(timeout=30)[0]
    assert zoo.returncode == 1
    assert "followed 1 time, 1 time with credentials" in told
