"""People in spreadsheets become phenopackets, and what is wrong is said at file, line and column."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from loaders.document import Document
from loaders.dry_run import check_phenopackets
from loaders.report import Problem
from loaders.sources import documents
from tests.unit.loaders.packets import read

MAPPING = """
[about]
created = 2026-11-26
created_by = "a clinic"
[individuals]
file = "people.csv"
id = "who"
sex = "sex"
age = "age"
[features]
file = "people.csv"
individual = "who"
term = "terms"
separator = ";"
"""
PEOPLE = "who,sex,age,terms\nA,FEMALE,7,HP:0001250;HP:0001166\nB,male,,\n"


def folder(path: Path, mapping: str = MAPPING, people: str | bytes = PEOPLE, name: str = "people.csv") -> Path:
    """Write a mapping and a table; the mapping's path."""
    (path / name).write_bytes(people.encode() if isinstance(people, str) else people)
    (path / "map.toml").write_text(mapping)
    return path / "map.toml"


def bodies(mapping: Path) -> list[dict[str, Any]]:
    found, problems, _ = read(*documents([mapping]))
    assert problems == []
    return [one.body for one in found]


def said(mapping: Path) -> list[tuple[str, str, int | None, str | None]]:
    report = check_phenopackets([mapping])
    return [(one.rule, Path(one.file).name, one.line, one.pointer) for one in report.problems]


def test_the_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "curating.md").read_text("utf-8")
    files = dict(re.findall(r"`(people\.toml|people\.csv|features\.tsv)`:\n\n```\w+\n(.*?)```", text, re.DOTALL))
    assert len(files) == 3
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    one, other = bodies(tmp_path / "people.toml")
    assert one["subject"] == {
        "id": "P-1", "sex": "FEMALE", "timeAtLastEncounter": {"age": {"iso8601duration": "P7Y6M"}},
        "dateOfBirth": "2019-03-02T00:00:00Z",
    }  # fmt: skip
    assert one["diseases"] == [{"term": {"id": "OMIM:154700", "label": "Marfan syndrome"}}]
    assert one["phenotypicFeatures"] == [
        {"type": {"id": "HP:0001166", "label": "Arachnodactyly"}, "onset": {"age": {"iso8601duration": "P5Y"}}},
        {"type": {"id": "HP:0001250", "label": "Seizure"}, "excluded": True},
    ]
    assert {row["namespacePrefix"] for row in one["metaData"]["resources"]} == {"HP", "OMIM"}
    assert other["subject"]["timeAtLastEncounter"]["age"]["iso8601duration"] == "P3Y2M"
    assert other["phenotypicFeatures"][0]["onset"] == {
        "ontologyClass": {"id": "HP:0003593", "label": "Infantile onset"}
    }
    assert "diseases" not in other


def test_a_cell_may_hold_several_terms_and_a_table_be_packed(tmp_path: Path) -> None:
    packed = folder(tmp_path, MAPPING.replace("people.csv", "p.csv.gz"), gzip.compress(PEOPLE.encode()), "p.csv.gz")
    one, other = bodies(packed)
    assert [row["type"]["id"] for row in one["phenotypicFeatures"]] == ["HP:0001250", "HP:0001166"]
    assert (other["subject"]["sex"], "phenotypicFeatures" in other) == ("MALE", False)


def test_the_same_tables_are_the_same_documents(tmp_path: Path) -> None:
    mapping = folder(tmp_path)
    assert list(documents([mapping])) == list(documents([mapping]))


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ("who,sex,age,terms\nA,f,,\nB,,,\n", [("table-value", "people.csv", 2, "sex")]),
        ("who,sex,age,terms\nA,,old,\n", [("table-value", "people.csv", 2, "age")]),
        ("who,sex,age,terms\n,,,HP:0001250\n", [("table-value", "people.csv", 2, "who"),
                                               ("table-person", "people.csv", 2, "who")]),
        ("who,sex,age,terms\nA,,,\nA,,,\n", [("table-repeated", "people.csv", 3, "who")]),
        ("who,sex,age,terms\nA,,,HP:0001250;nothing\n", [("schema-pattern", "people.csv", 2, "terms")]),
        ("who,sex,age,terms\nA,,,HP:9999999\n", [("term-unknown", "people.csv", 2, "terms"),
                                                ("term-label-missing", "people.csv", 2, "terms")]),
        ("who,sex,age,terms\nA,,500,\n", [("age-impossible", "people.csv", 2, "age")]),
        ('who,sex,age,terms\n"A\nB",,,\nC,,500,\n', [("age-impossible", "people.csv", 4, "age")]),
        ("who,sex,age,terms\nA,,\n", [("table-row", "people.csv", 2, None)]),
        ('who,sex,age,terms\nA,,,"x"y\n', [("table-row", "people.csv", 2, None)]),
        ("who,sex,terms\nA,,\n", [("table-column", "people.csv", 1, "age")]),
        ("who,sex,age,terms,sex\nA,,,,\n", [("table-column", "people.csv", 1, "sex")]),
        (b"who,sex,age,terms\nA\xff,,,\n", [("table-row", "people.csv", 2, None)]),
        ("", [("table-column", "people.csv", 1, "who")]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_is_said_at_its_line_and_column(
    tmp_path: Path, people: str | bytes, expected: list[tuple[str, str, int | None, str | None]]
) -> None:
    assert sorted(said(folder(tmp_path, people=people)), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('id = "who"\n', "", "needs id"),
        ('sex = "sex"', 'sx = "sex"', "but not sx"),
        ("[about]", "[abut]", "[about] is missing"),
        ("[about]", "[more]\n[about]", "not more"),
        ("2026-11-26", '"yesterday"', "not a date"),
        ('age = "age"', "age = 7", "individuals.age is not a text"),
        ('age = "age"', 'age = "age"\nsexes = { f = "woman" }', "individuals.sexes"),
        ('";"', '";;"', "single character"),
        ("[about]", "about", "no TOML"),
        ('"people.csv"', '"absent.csv"', "cannot be read"),
    ],
)
def test_a_mapping_that_is_wrong_is_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    (problem,) = documents([folder(tmp_path, MAPPING.replace(old, new))])
    assert isinstance(problem, Problem)
    assert says in problem.message


def test_a_mapping_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (problem,) = documents([tmp_path / "absent.toml"])
    assert isinstance(problem, Problem)
    assert problem.rule == "file-unreadable"


def test_a_folder_is_searched_for_phenopackets_alone(tmp_path: Path) -> None:
    folder(tmp_path)
    assert not [item for item in documents([tmp_path]) if isinstance(item, Document)]
