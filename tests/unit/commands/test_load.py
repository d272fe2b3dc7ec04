"""``skerry load`` says what came of it, and ``skerry delete`` what went with one again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from beacon.cli import main
from beacon.store.admin import Admin
from tests.unit.loaders.packets import packet
from tests.unit.loaders.test_again import lines, vcf

Typed = Callable[..., str]
NEXT = "Next, serve it"


@pytest.fixture
def typed(mongo_uri: str, database_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types a command about the dataset ``d``; returns what it prints."""
    config = tmp_path / "site.toml"
    config.write_text(f'id = "org.example.site"\n[mongo]\nuri = "{mongo_uri}"\ndatabase = "{database_name}"\n')
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("d")

    def type_(*words: str | Path, code: int = 0) -> str:
        assert main([*map(str, words), "--dataset", "d", "--config", str(config)]) == code
        return capsys.readouterr().out

    return type_


def test_only_a_load_that_changed_something_says_to_serve_it(typed: Typed, tmp_path: Path) -> None:
    person, calls = lines(tmp_path / "p.jsonl", packet("p")), vcf(tmp_path / "calls.vcf", "p", "1 100 A G 0/1")
    people = tmp_path / "individuals.json"
    people.write_text(json.dumps([{"id": "q", "sex": {"id": "NCIT:C16576", "label": "female"}}]))
    for load in (("phenopackets", person), ("vcf", calls), ("bff", people)):
        assert NEXT not in typed("check", *load)
        assert NEXT in typed("load", *load)
        assert NEXT not in typed("load", *load)
    assert NEXT not in typed("load", "bff", tmp_path / "nothing.json", code=1)
    assert NEXT in typed("load", "vcf", calls, "--cohort", "c")
    assert NEXT not in typed("load", "vcf", calls, "--cohort", "c")


def test_deleting_a_load_says_what_went_and_what_stands_again(
    typed: Typed, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    sites = tmp_path / "sites.vcf"
    sites.write_text("##fileformat=VCFv4.3\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
                     "1\t100\t.\tA\tG\t.\tPASS\t.\n")  # fmt: skip
    typed("load", "vcf", vcf(tmp_path / "calls.vcf", "p", "1 100 A G 0/1"))
    typed("load", "phenopackets", lines(tmp_path / "p.jsonl", packet("p")))
    typed("load", "vcf", sites)
    with Admin.open(mongo_uri, database_name) as admin:
        _, people, variants = (one.id for one in admin.loads("d"))
    told = typed("delete", "--load", people)
    assert told == "Deleted from dataset d: 1 individual in whose place a derived one stands again.\n"
    assert typed("delete", "--load", variants) == "Deleted from dataset d: 1 genomic variant.\n"
    assert typed("delete", "--load", people) == "Deleted from dataset d: nothing that was still shown.\n"


def test_a_file_by_its_name_controls_no_terminal(typed: Typed, tmp_path: Path) -> None:
    told = typed("load", "phenopackets", lines(tmp_path / "\x1b[2J\n.jsonl", packet("p")))
    told += typed("loads", "list")
    assert "\\x1b[2J\\n.jsonl" in told
    assert "\x1b" not in told


def test_beacon_files_that_have_somebody_no_more_remove_them_on_request(typed: Typed, tmp_path: Path) -> None:
    path = tmp_path / "individuals.json"
    for ids, more, told in (("pq", (), "2  individuals"), ("p", ("--remove-vanished",), "1  removed individual")):
        path.write_text(json.dumps([{"id": id, "sex": {"id": "NCIT:C16576", "label": "female"}} for id in ids]))
        assert told in typed("load", "bff", path, *more, "--dry-run")
        assert told in typed("load", "bff", path, *more)
