"""What an asker may not see is as if it were not there: people, their cohorts, their relatives' records, properties."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, StricterRecords
from beacon.model.entry_types import HGVS, OTHER_IDS
from beacon.model.query import AlphanumericFilter, Anchor, Filter, Query, VariantQuery
from beacon.model.variant import from_vcf
from beacon.query.bodies import Body, Spelling
from beacon.query.execute import execute
from beacon.store.admin import Admin
from beacon.store.base import StoredAllele
from loaders.pipeline import load_phenopackets
from tests.unit.loaders.packets import packet
from tests.world import Load, Sequenced, Site, World, open_world

SNP = from_vcf("GRCh38", "1", 101, "A", "G")
PLACE = VariantQuery("GRCh38", "1", (100,), (101,))


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def ask(
    world: World, dataset: str, query: Query, *withheld: str, asker: Asker = Asker.STRANGER
) -> list[dict[str, Any]]:
    """Ask a public dataset, of whose variants some properties are withheld."""
    kept = frozenset(("genomicVariant", name) for name in withheld)
    decision = Decision(dataset, Granularity.RECORD, asker, Level.PUBLIC, 0, withheld=kept)
    (result,) = world.run(execute(world.store, query, [decision]))
    return [orjson.loads(record) for record in result.records or ()]


def query(kind: str, anchor: Anchor | None = None, variant: VariantQuery | None = None, *filters: Filter) -> Query:
    return Query(kind, anchor, filters=filters, variant=variant, granularity=Granularity.RECORD)


@pytest.mark.parametrize(
    ("withheld", "variant", "filters"),
    [
        ("molecularAttributes", VariantQuery(gene="FBN1"), ()),
        ("molecularAttributes.geneIds", VariantQuery(gene="FBN1"), ()),
        ("molecularAttributes", VariantQuery(aminoacid_change="R1C"), ()),
        ("identifiers", None, (AlphanumericFilter(HGVS, "=", "NC_000001.11:g.101A>G"),)),
        ("identifiers.variantAlternativeIds", None, (AlphanumericFilter(OTHER_IDS, "=", "NC_000001.11:100:A:G"),)),
        ("identifiers.variantAlternativeIds", None, (AlphanumericFilter(OTHER_IDS, "=", "rs5"),)),
    ],
)
def test_a_property_that_is_withheld_cannot_be_asked_for_in_any_way(
    world: World, withheld: str, variant: VariantQuery | None, filters: tuple[Filter, ...]
) -> None:
    site = Site(SNP, ("0/1",), ("FBN1",), ("p.Arg1Cys",), hgvs="NC_000001.11:g.101A>G", ids=("dbSNP:rs5",))
    dataset = world.load(Load(sequenced=(Sequenced("a", "a", None, None),), sites=(site,)))
    for kind in ("genomicVariant", "individual"):
        asked = query(kind, None, variant, *filters)
        assert len(ask(world, dataset, asked)) == 1
        assert ask(world, dataset, asked, withheld) == []
        assert len(ask(world, dataset, query(kind, None, PLACE), withheld)) == 1


def test_who_carries_a_variant_is_not_told_by_another_way_either(world: World) -> None:
    people = tuple(Sequenced(name, name, None, None) for name in "ab")
    dataset = world.load(Load(sequenced=people, sites=(Site(SNP, ("0/1", "0/0")),)))
    kept = ("caseLevelData", "info.genotypes")
    assert len(ask(world, dataset, query("genomicVariant", None, PLACE), *kept)) == 1
    for asked in (
        query("individual", None, PLACE),
        query("biosample", Anchor("genomicVariant", SNP.id)),
        query("genomicVariant", Anchor("individual", "a")),
    ):
        assert len(ask(world, dataset, asked)) == 1
        assert ask(world, dataset, asked, *kept) == []


def test_what_another_beacon_counted_is_not_told_as_if_it_were_counted_here() -> None:
    """It may have counted people who are hidden here."""
    stored = StoredAllele("s", SNP, SNP.id, 0, 0, None, None, None, b"{}")
    counted = {"carriers": 2, "alleleCount": 4, "alleleNumber": 6, "genotypes": {}, "missing": 0, "caseLevelTotal": 2}
    body = Body.of(stored, {"info": {"note": "kept", **counted}}, {}, Spelling(as_vrs=False, references=()))
    assert orjson.loads(body.closed(0, []))["info"] == {"note": "kept", "placed": True}


def family(dataset: str) -> dict[str, Any]:
    """A family of an affected proband, who has a disease, and the mother."""
    ill = packet("pro", subject={"id": "pro"}, diseases=[{"term": {"id": "OMIM:154700", "label": "Marfan syndrome"}}])
    persons = [
        {"familyId": "f", "individualId": "pro", "maternalId": "mum", "sex": "MALE", "affectedStatus": "AFFECTED"},
        {"familyId": "f", "individualId": "mum", "sex": "FEMALE", "affectedStatus": "UNAFFECTED"},
    ]
    return {
        "id": f"family of {dataset}", "proband": ill, "relatives": [packet("mum", subject={"id": "mum"})],
        "metaData": ill["metaData"], "pedigree": {"persons": persons},
    }  # fmt: skip


@pytest.fixture
def admin(world: World, tmp_path: Path) -> Iterator[Admin]:
    """One that may take people out."""
    with Admin.open(world.uri, world.database, grace=0, key_file=tmp_path / "key") as opened:
        yield opened


def loaded(world: World, admin: Admin, folder: Path, *stricter: StricterRecords) -> str:
    """Load the family into a public dataset of its own, as members of a cohort."""
    dataset = world.load()
    admin.set_policy(dataset, DatasetPolicy(level=Level.PUBLIC, stricter=stricter))
    load(admin, folder, dataset, family(dataset))
    return dataset


def load(admin: Admin, folder: Path, dataset: str, body: dict[str, Any]) -> None:
    (folder / "family.json").write_text(json.dumps(body), "utf-8")
    assert load_phenopackets(admin, [folder / "family.json"], dataset, cohort="minors").errors == 0


def test_relatives_say_nothing_of_somebody_who_is_hidden(world: World, admin: Admin, tmp_path: Path) -> None:
    hidden = StricterRecords(Level.CONTROLLED, frozenset({"pro"}))
    dataset = loaded(world, admin, tmp_path, hidden)
    mother = query("individual", Anchor("individual", "mum"))
    (seen,) = ask(world, dataset, mother, asker=Asker.GRANTED)
    assert seen["pedigrees"] and seen["info"]["family"]
    (told,) = ask(world, dataset, mother)
    assert "pedigrees" not in told
    assert "family" not in told["info"]
    assert "OMIM:154700" not in json.dumps(told) and '"pro"' not in json.dumps(told)


def test_relatives_say_nothing_of_somebody_who_withdrew_whenever_they_are_loaded(
    world: World, admin: Admin, tmp_path: Path
) -> None:
    dataset = loaded(world, admin, tmp_path)
    mother = query("individual", Anchor("individual", "mum"))
    assert "pedigrees" in ask(world, dataset, mother)[0]
    admin.withdraw(dataset, "pro", "me")
    assert "pedigrees" not in ask(world, dataset, mother)[0]
    other = world.load()
    admin.withdraw(other, "pro", "me")
    load(admin, tmp_path, other, family(other))
    (told,) = ask(world, other, mother)
    assert "OMIM:154700" not in json.dumps(told) and '"pro"' not in json.dumps(told)
    assert [person["individualId"] for person in told["info"]["family"]["persons"]] == ["mum"]
    admin.readmit(other, "pro", (), "me")
    load(admin, tmp_path, other, family(other))
    (told,) = ask(world, other, mother)
    assert told["pedigrees"][0]["disease"]["diseaseCode"]["id"] == "OMIM:154700"


def test_a_cohort_of_whom_nobody_can_be_seen_is_none(world: World, admin: Admin, tmp_path: Path) -> None:
    hidden = StricterRecords(Level.CONTROLLED, cohorts=frozenset({"minors"}))
    dataset = loaded(world, admin, tmp_path, hidden)
    admin.say(dataset, [admin.cohort(dataset, "planned", "nobody yet", ()).saying])
    listed = [record["id"] for record in ask(world, dataset, query("cohort"))]
    assert listed == ["planned"]
    assert ask(world, dataset, query("cohort", Anchor("cohort", "minors"))) == []
    assert len(ask(world, dataset, query("cohort"), asker=Asker.GRANTED)) == 2
