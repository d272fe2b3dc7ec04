"""``skerry load`` says what came of it, and what to do next where there is something to be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from beacon.cli import main
from beacon.store.admin import Admin
from tests.unit.loaders.packets import packet

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
    person = tmp_path / "p.json"
    person.write_text(json.dumps(packet("p")), "utf-8")
    calls = tmp_path / "calls.vcf"
    calls.write_text(
        "##fileformat=VCFv4.3\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp\n"
        "1\t100\t.\tA\tG\t.\tPASS\t.\tGT\t0/1\n"
    )
    people = tmp_path / "individuals.json"
    people.write_text(json.dumps([{"id": "q", "sex": {"id": "NCIT:C16576", "label": "female"}}]))
    for load in (("phenopackets", person), ("vcf", calls), ("bff", people)):
        assert NEXT not in typed("check", *load)
        assert NEXT in typed("load", *load)
        assert NEXT not in typed("load", *load)
    assert NEXT not in typed("load", "bff", tmp_path / "nothing.json", code=1)
    assert NEXT in typed("load", "vcf", calls, "--cohort", "c")
    assert NEXT not in typed("load", "vcf", calls, "--cohort", "c")
