"""Segments written anew: answers stay, what was erased is nowhere, and an interruption loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import bson
import orjson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from beacon.errors import LoadError
from beacon.model.access import Granularity
from beacon.model.query import AlphanumericFilter, Anchor, OntologyFilter, Pagination, Query, VariantQuery
from beacon.model.variant import from_vcf
from beacon.store import compact
from beacon.store.admin import Admin
from beacon.store.loading import LoadInfo
from tests.world import (
    RELEVANCE,
    Case,
    Facts,
    Load,
    Packet,
    Sample,
    Sequenced,
    Site,
    World,
    ancestors,
    info,
    write,
    write_packet,
)  # fmt: skip

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
OWN = from_vcf("GRCh38", "1", 201, "C", "T")
UNPLACED = from_vcf("GRCh38", "2", 301, "CAT", "C")
MALE, FEMALE = "NCIT:C20197", "NCIT:C16576"
SECRET = "person-7f3a9c"


@pytest.fixture(scope="module")
def db(world: World, mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[world.database]


def cases(admin: Admin, dataset: str, *people: str, source: str = "cases", sex: str = MALE) -> str:
    """Load people as phenopackets are; each has a variant in common with all, and their own in gene or allele."""
    load: LoadInfo = replace(info(), format="phenopackets", source=source)
    with admin.begin(dataset, load, ancestors) as writer:
        for person in people:
            found = (
                Case(SNV, f"{person}-s", "het", (f"G{len(person)}",)),
                Case(OWN if person.startswith("a") else UNPLACED, None, "hom"),
            )
            facts = Facts(terms=frozenset({("sex", sex)}), years=(("onset", 3),))
            write_packet(writer, Packet(person, facts, (Sample(f"{person}-s", Facts()),), found))
        writer.publish()
    return writer.id


def answers(world: World, dataset: str) -> dict[str, Any]:
    """Everything that a dataset shows, whatever the order of its records."""
    told: dict[str, Any] = {}

    def ask(name: str, query: Query) -> None:
        result = world.ask(dataset, query)
        records = map(orjson.loads, result.records or ())
        told[name] = sorted(orjson.dumps(record, option=orjson.OPT_SORT_KEYS) for record in records)

    page = Pagination(limit=0)
    for kind in ("individual", "biosample", "run", "analysis", "genomicVariant"):
        query = Query(kind, granularity=Granularity.RECORD, pagination=page)
        ask(kind, query)
        ask(f"{kind} of a", replace(query, anchor=Anchor("individual", "a")))
        ask(f"{kind} male", replace(query, filters=(OntologyFilter(MALE),)))
        ask(f"{kind} carriers", replace(query, variant=VariantQuery("GRCh38", "1", (100,), (101,))))
    dataset_ = world.run(world.store.datasets())[dataset]
    terms: dict[tuple[str, str], int] = {}
    for segment in dataset_.segments:
        for term in world.run(world.store.terms(segment)):
            if term.kind != "genomicVariant":
                terms[term.kind, term.key] = terms.get((term.kind, term.key), 0) + len(term.rows)
    return told | {"terms": terms, "summary": (counted := world.admin.dataset(dataset)).counts, "c": counted.cohorts}


def test_many_small_loads_become_one_and_every_answer_stays(world: World, admin: Admin) -> None:
    dataset = world.load()
    loads = [cases(admin, dataset, name, f"b{name}") for name in ("a", "aa", "c", "cc", "d", "dd", "e", "ee")]
    write(admin, dataset, Load(sequenced=(Sequenced("a", "a-wes", Facts(), None),), sites=(Site(SNV, ("1/1",)),)))
    cases(admin, dataset, "a", sex=FEMALE)
    admin.delete_people(dataset, ["baa"], "")
    before = answers(world, dataset)
    assert len(before["individual"]) == 15
    assert admin.compact(dataset, ancestors, "ada") == 7
    assert answers(world, dataset) == before
    assert len(world.run(world.store.datasets())[dataset].segments) == 3
    assert {one.load.id for one in admin.where("e") if one.load} == {loads[6]}
    admin.delete_load(dataset, loads[6], "")
    assert len(answers(world, dataset)["individual"]) == 13
    assert admin.compact(dataset, ancestors, "ada", everything=True) == 0


def test_what_was_told_of_carriers_stays_with_each_of_several_alleles_in_one_place(world: World, admin: Admin) -> None:
    dataset = world.load()
    told = {"G": "pathogenic", "T": "benign", "C": "likely pathogenic"}
    for base, relevance in told.items():
        case = Case(from_vcf("GRCh38", "1", 101, "A", base), None, "het", relevance=relevance)
        with admin.begin(dataset, replace(info(), format="phenopackets"), ancestors) as writer:
            write_packet(writer, Packet(base, Facts(), (), (case,)))
            writer.publish()

    def who() -> dict[str, list[str]]:
        found = {}
        for relevance in told.values():
            asked = Query(
                "individual",
                filters=(AlphanumericFilter(RELEVANCE, "=", relevance),),
                granularity=Granularity.RECORD,
            )
            found[relevance] = [orjson.loads(record)["id"] for record in world.ask(dataset, asked).records or ()]
        return found

    before = who()
    assert before == {relevance: [base] for base, relevance in told.items()}
    assert admin.compact(dataset, ancestors, "ada", everything=True) == 2
    assert who() == before


def test_few_loads_stay_as_they_are_unless_asked_for(world: World, admin: Admin) -> None:
    dataset = world.load()
    for name in ("a", "b", "c"):
        cases(admin, dataset, name)
    before = answers(world, dataset)
    assert admin.compact(dataset, ancestors, "") == 0
    assert admin.compact(dataset, ancestors, "", everything=True) == 2
    assert answers(world, dataset) == before


def test_a_withdrawal_in_the_middle_of_compacting_wins(
    world: World, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = world.load()
    for name in ("a", "b"):
        cases(admin, dataset, name)
    written = compact._write_alleles

    def interrupted(*arguments: Any) -> None:
        admin.withdraw(dataset, "a", "")
        written(*arguments)

    monkeypatch.setattr(compact, "_write_alleles", interrupted)
    with pytest.raises(LoadError, match="changed meanwhile"):
        admin.compact(dataset, ancestors, "", everything=True)
    assert len(answers(world, dataset)["individual"]) == 1


def traces(db: Database[dict[str, Any]], text: str) -> list[str]:
    """Return the collections in which a text occurs anywhere, in keys, values or bytes."""
    return [
        name
        for name in db.list_collection_names()
        if any(text.encode() in bson.encode(document) for document in db[name].find())
    ]


def _interrupt(seconds: float) -> None:
    raise KeyboardInterrupt


def test_after_a_purge_that_was_interrupted_and_done_again_no_collection_has_the_person_and_everybody_else_is_as_before(
    world: World, admin: Admin, db: Database[dict[str, Any]]
) -> None:
    dataset = world.load()
    cases(admin, dataset, "a", "b", SECRET, source=f"{SECRET}.json")
    sequenced = tuple(Sequenced(person, f"{person}-wes", Facts(), Facts()) for person in ("a", SECRET, "x"))
    calls = Load(sequenced=sequenced, sites=(Site(SNV, ("0/1", "1/1", "./.")), Site(OWN, ("0/0", "0/1", "0"))))
    write(admin, dataset, calls)
    with admin.begin(dataset, info(cohort="family"), ancestors) as writer:
        writer.individual({"id": "sister", "info": {"pedigree": {"members": [SECRET, "sister"]}}})
        writer.publish()
    assert {"records", "people", "loads", "arrays", "datasets"} <= set(traces(db, SECRET))
    with pytest.raises(LoadError, match="withdraw them first"):
        admin.purge(dataset, SECRET, ancestors, "ada")
    admin.withdraw(dataset, SECRET, "ada")
    before = answers(world, dataset)
    key = admin._key_file
    with (
        Admin.open(world.uri, world.database, grace=3600, key_file=key) as patient,
        pytest.raises(KeyboardInterrupt),
    ):
        patient.purge(dataset, SECRET, ancestors, "ada", wait=_interrupt)
    assert traces(db, SECRET) != []
    assert admin.purge(dataset, SECRET, ancestors, "ada", wait=lambda seconds: None) == 0
    assert traces(db, SECRET) == []
    after = answers(world, dataset)
    sister = next(orjson.loads(one) for one in after.pop("individual") if b"sister" in one)
    assert sister["info"]["pedigree"]["members"] == ["withdrawn", "sister"]
    before.pop("individual")
    for name in [name for name in before if name.startswith("individual")]:
        assert len(after.pop(name)) == len(before.pop(name))
    assert after == before
    assert ("purge an individual", "ada") in [(one.what, one.who) for one in admin.loads(dataset)]
    write(admin, dataset, calls)
    cases(admin, dataset, SECRET, source="again")
    assert traces(db, SECRET) == []
    assert admin.purge(dataset, SECRET, ancestors, "ada", wait=lambda seconds: None) == 0


def test_what_each_load_names_genes_by_is_known_after_they_became_one_segment_while_anybody_is_in_it(
    world: World, admin: Admin
) -> None:
    def load(person: str, *genes: str, cases: bool = True) -> None:
        origin: LoadInfo = replace(info(), format="phenopackets", source=person)
        found = (Case(SNV if genes else OWN, None, "het", genes),) if cases else ()
        with admin.begin(dataset, origin, ancestors) as writer:
            write_packet(writer, Packet(person, Facts(), cases=found))
            writer.publish()

    def asked() -> tuple[int | None, bool]:
        told = world.ask(dataset, query)
        return told.count, told.caveat is not None

    dataset = world.load()
    query = Query("individual", variant=VariantQuery(gene="FBN1"), granularity=Granularity.COUNT)
    load("a", "FBN1")
    load("b")
    assert asked() == (1, True)
    assert admin.compact(dataset, ancestors, "ada", everything=True) == 1
    assert len(world.run(world.store.datasets())[dataset].segments) == 1
    assert asked() == (1, True)
    load("b", "FBN1")  # somebody looked: the load that did not say has nobody left
    assert asked() == (2, False)
    load("c")
    assert asked() == (2, True)
    admin.withdraw(dataset, "c", "ada")
    assert asked() == (2, False)
    load("d", cases=False)
    for gone in ("a", "b", "c"):
        admin.withdraw(dataset, gone, "ada")
        admin.purge(dataset, gone, ancestors, "ada")
    assert asked() == (0, False)
