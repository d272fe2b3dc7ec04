from __future__ import annotations

import csv
import gzip
from pathlib import Path

from loaders.terms import Terms, ancestors, hpo


def test_a_term_has_all_its_ancestors_up_to_the_root_and_not_itself() -> None:
    assert hpo().ancestors("HP:0001250") == ("HP:0000001", "HP:0000118", "HP:0000707", "HP:0012638")
    assert hpo().ancestors("HP:0000001") == ()


def test_an_unknown_term_and_a_term_of_another_ontology_have_none() -> None:
    assert ancestors("HP:9999999") == ()
    assert ancestors("MONDO:0005027") == ()
    assert hpo().label("HP:9999999") is None


def test_an_obsolete_term_counts_as_its_replacement() -> None:
    assert hpo().replaced["HP:0000057"] == "HP:0008665"
    above = hpo().ancestors("HP:0000057")
    assert "HP:0008665" in above
    assert set(hpo().ancestors("HP:0008665")) < set(above)


def test_the_ontology_is_described_as_phenopackets_describe_resources() -> None:
    assert hpo().resource["namespacePrefix"] == "HP"
    assert hpo().resource["version"] == hpo().version
    assert hpo() is hpo()


def test_a_circle_of_terms_does_not_hang() -> None:
    circle = Terms("X", "1", {"X:1": "a", "X:2": "b"}, {"X:1": ("X:2",), "X:2": ("X:1",)}, {}, {})
    assert circle.ancestors("X:1") == ("X:2",)


def test_every_label_parent_and_ancestor_is_that_of_the_published_table(shared: Path) -> None:
    with gzip.open(shared / "data" / "ontologies" / "hp_2025-11-24_terms.tsv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    known = hpo()
    if known.version != "2025-11-24":
        import pytest

        pytest.skip(f"the table is of HPO 2025-11-24, the installed package has {known.version}")
    parents = {row["id"]: set(filter(None, row["parents"].split("|"))) for row in rows}
    assert known.labels == {row["id"]: row["label"] for row in rows}
    assert set(known.replaced) == {row["id"] for row in rows if row["obsolete"]}

    closures: dict[str, set[str]] = {}

    def closure(term: str) -> set[str]:
        if term not in closures:
            closures[term] = parents[term].union(*(closure(parent) for parent in parents[term]))
        return closures[term]

    for row in rows:
        if not row["obsolete"]:
            assert set(known.ancestors(row["id"])) == closure(row["id"]), row["id"]
