"""``skerry policy explain`` says what a dataset would tell somebody, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from beacon.auth.policy_file import policy_from_toml
from beacon.cli import main
from beacon.store.admin import Admin
from tests.world import Facts, Load, Packet, write

SEIZURE = ("phenotypicFeatures.featureType", "HP:0001250")
POLICIES = {
    "open": 'level = "public"\ngranularity = {stranger = "count", registered = "count", granted = "record"}\n',
    "few": 'level = "registered"\nthreshold = 5\ngranularity = {registered = "count", granted = "record"}\n',
}


@pytest.fixture
def site(mongo_uri: str, database_name: str, tmp_path: Path) -> Path:
    """The settings of a site with two datasets of three people each."""
    with Admin.open(mongo_uri, database_name) as admin:
        for dataset, text in POLICIES.items():
            admin.create_dataset(dataset, policy=policy_from_toml(text))
            write(admin, dataset, Load(tuple(Packet(f"{dataset}-{n}", Facts(frozenset({SEIZURE}))) for n in range(3))))
    config = tmp_path / "site.toml"
    config.write_text(f'id = "org.example.site"\n[mongo]\nuri = "{mongo_uri}"\ndatabase = "{database_name}"\n')
    return config


def explained(capsys: pytest.CaptureFixture[str], site: Path, *words: str) -> list[str]:
    assert main(["policy", "explain", "--config", str(site), *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_stranger_is_told_what_lowers_the_answer(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = "/individuals?filters=HP:0001250&requestedGranularity=record"
    assert explained(capsys, site, "--dataset", "open", "--query", question) == [
        "asker: a stranger",
        "dataset: open, level public",
        "the asker is: stranger, by none",
        "asked: record; at most: count",
        "lowered by: ceiling:stranger=count",
        "answer: 3",
    ]


def test_what_may_not_be_known_of_is_said_to_look_like_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(capsys, site, "--dataset", "few")
    assert "lowered by: level:registered" in lines
    assert lines[-1] == "answer: as if there were no such dataset"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--dataset", "none"), "there is no dataset 'none'"),
        (("--dataset", "open", "--query", "/people"), "is no path of a Beacon"),
        (("--dataset", "open", "--token", "missing"), "--token missing cannot be read"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    site: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    assert main(["policy", "explain", "--config", str(site), *words]) != 0
    assert sentence in capsys.readouterr().err


def test_a_token_that_nobody_vouches_for_is_refused(
    site: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a.b.c")
    assert main(["policy", "explain", "--config", str(site), "--dataset", "open", "--token", str(tmp_path / "token")])
    assert "token" in capsys.readouterr().err
