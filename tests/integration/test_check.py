"""``skerry check``: a curator, or a build, learns everything that is wrong, and nothing changes."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from beacon.cli import main
from beacon.store.admin import Admin


def skerry(*arguments: str, code: int = 0) -> str:
    """Run a command that must end with this exit code; what it prints."""
    said, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(errors):
        ended = main(arguments)
    assert ended == code, said.getvalue() + errors.getvalue()
    return said.getvalue()


def problems(*arguments: str) -> list[dict[str, Any]]:
    """Check, and return the problems in JSON lines."""
    *found, last = map(json.loads, skerry("check", *arguments, "--format", "jsonl", "--quiet", code=1).splitlines())
    assert len(found) == last["errors"] + last["warnings"]
    return found


def test_each_known_defect_is_reported_at_its_line_and_pointer_with_its_severity(shared: Path) -> None:
    folder = shared / "data" / "phenopackets"
    said = defaultdict(list)
    for problem in problems("phenopackets", str(folder / "defects.jsonl.gz")):
        assert problem["file"].endswith("defects.jsonl.gz")
        said[problem["line"]].append((problem["severity"], problem["pointer"]))
    expected = json.loads((folder / "defects_expected.json").read_text("utf-8"))["lines"]
    assert len(expected) == 33
    for line in expected:
        here = said.pop(line["line"], [])
        if line["severity"] in {"valid", "ignored"}:
            assert here == [], line
        else:
            assert {severity for severity, _ in here} == {line["severity"]}, (line, here)
            assert any(pointer.startswith(line["json_pointer"]) for _, pointer in here), (line, here)
    assert said == {}


@pytest.mark.parametrize(
    ("name", "rule", "column"),
    [
        ("bad_ref", "vcf-ref", "REF"),
        ("contig_not_in_header", "vcf-contig", "CHROM"),
        ("pos_not_integer", "vcf-pos", "POS"),
        ("gt_index_out_of_range", "vcf-genotype", "F1/GT"),
        ("short_record", "vcf-columns", None),
        ("too_few_samples", "vcf-columns", None),
    ],
)
def test_each_invalid_vcf_is_an_error_at_its_column_and_line(
    shared: Path, name: str, rule: str, column: str | None
) -> None:
    path = shared / "data" / "vcf" / "edge" / "invalid" / f"{name}.vcf"
    lines = path.read_text().splitlines()
    (found,) = [one for one in problems("vcf", str(path), "--assembly", "GRCh38") if one["severity"] == "error"]
    assert (found["file"], found["rule"], found["pointer"]) == (f"{name}.vcf", rule, column)
    assert found["line"] > next(number for number, line in enumerate(lines, 1) if line.startswith("#CHROM"))


def test_real_phenopackets_have_no_error_and_the_lines_of_their_warnings_are_those_of_the_file(
    shared: Path, tmp_path: Path
) -> None:
    archives = sorted(str(path) for path in (shared / "data" / "phenopackets").glob("cohorts_*.zip"))
    report = json.loads(skerry("check", "phenopackets", *archives, "--json", "--quiet"))
    assert report["errors"] == 0
    assert report["counts"]["individual"] == 2016
    assert {rule["rule"] for rule in report["rules"]} == {
        "term-label", "term-swapped", "time-after-last", "vcf-symbolic",
    }  # fmt: skip
    assert all(problem["line"] > 1 for problem in report["problems"])


def test_a_check_needs_no_database_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case.json").write_text('{\n "id": "a"\n}\n')
    text = skerry("check", "phenopackets", "case.json", code=1)
    assert "Checked 1 document; nothing was changed." in text
    assert "case.json:1 /subject: 'subject' is missing." in text
    assert "<testsuites>" in skerry("check", "phenopackets", "case.json", "--format", "junit", code=1)
    assert json.loads(skerry("check", "phenopackets", "case.json", "--format", "sarif", code=1))["runs"]
    stopped = skerry("check", "phenopackets", "case.json", "--max-errors", "1", code=1)
    assert "After 1 error nothing more was read" in stopped
    assert [path.name for path in tmp_path.iterdir()] == ["case.json"]


def test_a_dry_run_compares_with_the_dataset_and_changes_nothing(
    mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    meta = {"created": "2024-05-31T12:00:00Z", "createdBy": "a curator", "phenopacketSchemaVersion": "2.0"}
    for person in ("a", "b"):
        packet = {"id": person, "subject": {"id": person}, "biosamples": [{"id": "sample"}], "metaData": meta}
        (tmp_path / f"{person}.json").write_text(json.dumps(packet))
    config = tmp_path / "site.toml"
    config.write_text(f'[mongo]\nuri = "{mongo_uri}"\ndatabase = "{database_name}"\n')
    options = ("--dataset", "d", "--config", str(config), "--quiet")
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("d")
        skerry("load", "phenopackets", str(tmp_path / "a.json"), *options)
        before = admin.dataset("d")
        said = skerry("load", "phenopackets", str(tmp_path / "b.json"), *options, "--dry-run")
        assert "biosample-id-taken" in said
        assert said == skerry("check", "phenopackets", str(tmp_path / "b.json"), *options)
        assert "biosample-id-taken" not in skerry("check", "phenopackets", str(tmp_path / "b.json"))
        assert admin.dataset("d") == before
