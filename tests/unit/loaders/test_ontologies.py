"""A curator's ontology is read whole, and what is there is found by it as if it had been loaded afterwards."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from beacon.errors import LoadError
from beacon.store.admin import Admin
from beacon.store.documents import decode_rows
from loaders import terms
from loaders.dry_run import check_phenopackets
from loaders.ontologies import load_ontology, read_ontology
from loaders.pipeline import load_phenopackets
from loaders.terms import Terms, hpo, site_ontologies
from tests.unit.loaders.packets import packet

OBO = """format-version: 1.2
data-version: test/releases/{version}
ontology: test

[Term]
id: TEST:1
name: disease

[Term]
id: TEST:2
name: syndrome
alt_id: TEST:20
is_a: TEST:1 ! disease

[Term]
id: TEST:3
name: Marfan syndrome
is_a: TEST:{parent}

[Term]
id: TEST:4
name: obsolete Marfan's
is_obsolete: true
replaced_by: TEST:3

[Term]
id: OTHER:1
name: imported

[Typedef]
id: part_of
name: part of
"""
GRAPH = {
    "graphs": [
        {
            "id": "http://purl.obolibrary.org/obo/test.json",
            "meta": {
                "version": "http://purl.obolibrary.org/obo/test/releases/2026-01-01/test.json",
                "basicPropertyValues": [{"pred": "http://purl.org/dc/elements/1.1/title", "val": "Tests"}],
            },
            "nodes": [
                {"id": "http://purl.obolibrary.org/obo/TEST_1", "lbl": "disease", "type": "CLASS"},
                {"id": "http://purl.obolibrary.org/obo/TEST_2", "lbl": "syndrome", "type": "CLASS"},
                {"id": "http://purl.obolibrary.org/obo/TEST_3", "lbl": "Marfan syndrome", "type": "CLASS"},
                {
                    "id": "http://purl.obolibrary.org/obo/TEST_4", "lbl": "obsolete Marfan's", "type": "CLASS",
                    "meta": {"deprecated": True, "basicPropertyValues": [
                        {"pred": "http://purl.obolibrary.org/obo/IAO_0100001", "val": "TEST:3"}]},
                },
                {"id": "http://purl.obolibrary.org/obo/BFO_0000050", "lbl": "part of", "type": "PROPERTY"},
            ],
            "edges": [
                {"sub": "http://purl.obolibrary.org/obo/TEST_2", "pred": "is_a",
                 "obj": "http://purl.obolibrary.org/obo/TEST_1"},
                {"sub": "http://purl.obolibrary.org/obo/TEST_3", "pred": "is_a",
                 "obj": "http://purl.obolibrary.org/obo/TEST_2"},
                {"sub": "http://purl.obolibrary.org/obo/TEST_1", "obj": "http://purl.obolibrary.org/obo/TEST_3",
                 "pred": "http://purl.obolibrary.org/obo/BFO_0000050"},
            ],
        }
    ]
}  # fmt: skip


def obo(folder: Path, version: str = "2026-01-01", parent: int = 2) -> Path:
    path = folder / f"test-{version}.obo"
    path.write_text(OBO.format(version=version, parent=parent))
    return path


@pytest.fixture
def admin(mongo_uri: str, database_name: str) -> Iterator[Admin]:
    with Admin.open(mongo_uri, database_name) as opened:
        opened.create_dataset("before")
        yield opened


@pytest.fixture
def stored(mongo_uri: str, database_name: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[database_name]


def postings(stored: Any, dataset: str) -> dict[tuple[str, str], list[int]]:
    """A dataset's term index: rows by kind and key."""
    segments = [part["id"] for part in stored["datasets"].find_one({"_id": dataset})["segments"]]
    found = stored["postings"].find({"s": {"$in": segments}})
    return {(part["k"], part["key"]): sorted(decode_rows(part["rows"])) for part in found}


def people(folder: Path) -> Path:
    """Three people: one with the narrow term, one with its obsolete name, one with a broader one."""
    path = folder / "people.jsonl"
    terms = {"narrow": (3, "Marfan syndrome"), "old": (4, "obsolete Marfan's"), "broad": (2, "syndrome")}
    with path.open("wb") as file:
        for person, (number, label) in terms.items():
            disease = {"term": {"id": f"TEST:{number}", "label": label}}
            file.write(orjson.dumps(packet(person, diseases=[disease])) + b"\n")
    return path


@pytest.mark.parametrize("form", ["obo", "obo.gz", "json"])
def test_terms_labels_parents_and_replacements_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"test.{form}"
    text = orjson.dumps(GRAPH) if form == "json" else OBO.format(version="2026-01-01", parent=2).encode()
    path.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
    terms = read_ontology(path)
    assert (terms.prefix, terms.version) == ("TEST", "2026-01-01")
    assert {id: terms.label(id) for id in ("TEST:1", "TEST:3", "OTHER:1", "TEST:9")} == {
        "TEST:1": "disease", "TEST:3": "Marfan syndrome", "OTHER:1": None, "TEST:9": None,
    }  # fmt: skip
    assert terms.ancestors("TEST:3") == ("TEST:1", "TEST:2")
    assert terms.ancestors("TEST:4") == ("TEST:1", "TEST:2", "TEST:3")
    if form != "json":
        assert (terms.label("TEST:20"), terms.replaced["TEST:20"]) == ("syndrome", "TEST:2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[Term]\nid TEST:1\n", "test.x:2: this is neither OBO"),
        (b'{"graphs": [{"nodes": [{}]}]}', "lacks 'id'"),
        (b'{"graphs": 7}', "neither OBO"),
        (b'{"gra', "neither OBO"),
        (b"\x1f\x8b broken", "damaged"),
        (b"format-version: 1.2\ndata-version: 1\n", "no terms"),
        (b"format-version: 1.2\n\n[Term]\nid: TEST:1\nname: x\n", "--release"),
    ],
)
def test_what_is_no_ontology_is_refused_in_a_sentence(tmp_path: Path, text: bytes, says: str) -> None:
    path = tmp_path / "test.x"
    path.write_bytes(text)
    with pytest.raises(LoadError) as refused:
        read_ontology(path)
    assert says in str(refused.value)


def test_what_was_loaded_before_is_found_as_if_it_had_been_loaded_after(
    admin: Admin, stored: Any, tmp_path: Path
) -> None:
    path = people(tmp_path)
    load_phenopackets(admin, [path], "before")
    assert ("individual", "^TEST:1") not in postings(stored, "before")
    for version, parent, below in (("2026-01-01", 2, [0, 1, 2]), ("2026-02-02", 1, [2])):
        report = load_ontology(admin, obo(tmp_path, version, parent))
        assert (report.version, report.terms, report.obsolete) == (version, 5, 2)
        assert report.keys > 0
        admin.create_dataset(version)
        load_phenopackets(admin, [path], version)
        found = postings(stored, "before")
        assert found == postings(stored, version)
        assert found["individual", "^TEST:1"] == [0, 1, 2]
        assert found["individual", "^TEST:3"] == [0, 1]
        assert found["individual", "^TEST:2"] == below
        assert found["individual", "=TEST:3"] == [0]
        assert load_ontology(admin, obo(tmp_path, version, parent)).keys == 0


def test_input_is_checked_against_the_curators_ontology(admin: Admin, tmp_path: Path) -> None:
    load_ontology(admin, obo(tmp_path))
    path = tmp_path / "case.json"
    labels = {1: "Disease", 2: "no syndrome", 4: "obsolete Marfan's", 7: "?"}
    diseases = [{"term": {"id": f"TEST:{number}", "label": label}} for number, label in labels.items()]
    body = packet(diseases=diseases)
    body["metaData"]["resources"].append({"id": "test", "namespacePrefix": "TEST"})
    path.write_bytes(orjson.dumps(body))
    report = check_phenopackets([path], admin=admin, dataset="before")
    assert [(one.rule, one.pointer, one.hint) for one in report.problems] == [
        ("term-label", "/diseases/1/term/label", None),
        ("term-obsolete", "/diseases/2/term/id", "Use TEST:3 (Marfan syndrome)."),
        ("term-unknown", "/diseases/3/term/id", "It may be newer than that version, or mistyped."),
    ]
    assert check_phenopackets([path]).problems == []


def test_terms_that_a_later_version_gave_up_are_not_known_any_more(admin: Admin, tmp_path: Path) -> None:
    load_ontology(admin, obo(tmp_path))
    later = tmp_path / "later.obo"
    later.write_text("format-version: 1.2\n\n[Term]\nid: TEST:1\nname: disease\n")
    load_ontology(admin, later, version="2027")
    known = site_ontologies(admin)
    assert known.versions["TEST"] == "2027"
    terms = known.of("TEST:3")
    assert terms is not None
    assert dict(terms.labels) == {"TEST:1": "disease"}
    assert known.ancestors("HP:0001250")


def test_the_programs_own_hpo_is_read_back_from_the_site_as_the_package_has_it(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_ontologies(admin).store(admin)

    def never() -> Terms:
        raise AssertionError("it is stored, so the package need not be asked")

    monkeypatch.setattr(terms, "hpo", never)
    known = site_ontologies(admin)
    found, package = known.of("HP:0001250"), hpo()
    assert found == package
    assert known.versions == {"HP": package.version}
    assert all(found.ancestors(term) == package.ancestors(term) for term in list(package.labels)[::50])


def test_hpo_of_another_package_is_not_read_back_and_stored_anew(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    site_ontologies(admin).store(admin)
    monkeypatch.setattr(terms, "_PACKAGE", "hpo3 of tomorrow")
    newer = replace(hpo(), version="tomorrow", labels={"HP:0000001": "All"})
    monkeypatch.setattr(terms, "hpo", lambda: newer)
    known = site_ontologies(admin)
    assert known.versions == {"HP": "tomorrow"}
    known.store(admin)
    found = site_ontologies(admin).of("HP:0000001")
    assert found is not None and (found.version, found.labels) == ("tomorrow", newer.labels)
