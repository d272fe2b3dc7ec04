"""What is remembered of variants' records: the same for everybody, and never out of date."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pymongo import MongoClient

from beacon.errors import StoreUnavailable
from beacon.model.access import Granularity
from beacon.model.query import Anchor, Query
from beacon.model.representations import VRS
from beacon.model.variant import from_vcf
from beacon.query import case_level
from beacon.store import fragments, freshness, reading
from loaders.reference import load_reference
from tests.world import Load, Sequenced, Site, World, ancestors, info, open_world

OTHER = from_vcf("GRCh38", "21", 31, "C", "T")
DELETION = from_vcf("GRCh38", "21", 11, "CA", "C")
PEOPLE = tuple(Sequenced(f"p{number}", f"s{number}", None, None, False) for number in range(3))
SITES = Load(sequenced=PEOPLE, sites=(Site(DELETION, ("0/1", "1/1", "0/0"), (), ()),))
VARIANTS = Query("genomicVariant", granularity=Granularity.RECORD)


@pytest.fixture
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def only(world: World, dataset: str, query: Query = VARIANTS) -> dict[str, Any]:
    """The one record that a question finds."""
    (record,) = world.ask(dataset, query).records or ()
    found: dict[str, Any] = orjson.loads(record)
    return found


def test_who_asks_about_one_person_sees_their_genotype_alone_whatever_was_asked_before(world: World) -> None:
    dataset = world.load(SITES)
    everybody = only(world, dataset)
    of_one = only(
        world, dataset, Query("genomicVariant", anchor=Anchor("individual", "p1"), granularity=Granularity.RECORD)
    )
    assert [case["individualId"] for case in of_one.pop("caseLevelData")] == ["p1"]
    assert of_one["info"].pop("caseLevelTotal") == 1
    assert {case["individualId"] for case in everybody.pop("caseLevelData")} == {"p0", "p1"}
    assert everybody["info"].pop("caseLevelTotal") == 2
    assert of_one == everybody == {**everybody, "variantInternalId": DELETION.id}


def test_a_record_that_was_written_before_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = world.load(SITES)
    first = only(world, dataset)
    read: list[Any] = []
    alleles = world.store.alleles

    async def watched(segment: Any, places: Any) -> Any:
        read.extend(places)
        return await alleles(segment, places)

    monkeypatch.setattr(world.store, "alleles", watched)
    assert only(world, dataset) == first
    assert read == []
    as_vrs = Query("genomicVariant", granularity=Granularity.RECORD, requested_schemas=(("g_variant", VRS.id),))
    assert only(world, dataset, as_vrs)["variantInternalId"] == DELETION.id
    assert read == [(0, 0)]


def test_a_sequence_that_comes_later_names_what_was_written_without(world: World, tmp_path: Path) -> None:
    dataset = world.load(SITES)
    assert "identifiers" not in only(world, dataset)
    fasta = tmp_path / "chr21.fa"
    fasta.write_text(">chr21\n" + "GATTACATTG" + "CAGG" * 20 + "\n")
    load_reference(world.admin, fasta, "GRCh38", partial=True)
    world.run(asyncio.sleep(2 * freshness.SECONDS))
    assert only(world, dataset)["identifiers"]["genomicHGVSId"].endswith(":g.12del")


def test_nobody_is_counted_who_has_gone_since(world: World) -> None:
    dataset = world.load(SITES)
    assert only(world, dataset)["info"]["carriers"] == 2
    world.admin.delete_people(dataset, ["p1"], "a test")
    left = only(world, dataset)
    assert (left["info"]["carriers"], [case["individualId"] for case in left["caseLevelData"]]) == (1, ["p0"])


def test_as_many_carriers_as_fit_are_those_of_the_first_samples_however_the_list_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tuple(Sequenced(f"p{number}", f"s{number}", None, None, False) for number in range(9))
    calls = ("1/1", "0/1", "0/0", "0/1", "./.", "1/1", "0/1", "0/1", "0/0")
    dataset = world.load(Load(sequenced=people, sites=(Site(DELETION, calls, (), ()),)))
    monkeypatch.setattr(case_level, "MAX_CASES", 4)
    for gone in ("p8", "p4"):  # nobody who carries it, but a segment from which somebody is gone is read another way
        found = only(world, dataset)
        assert {case["individualId"] for case in found["caseLevelData"]} == {"p0", "p1", "p3", "p5"}
        assert found["info"]["caseLevelTotal"] == 6
        world.admin.delete_people(dataset, [gone], "a test")


def test_what_a_file_said_of_carriers_elsewhere_is_not_repeated(world: World) -> None:
    dataset = world.load(SITES)
    told = {"info": {"caseLevelTotal": 77, "kept": 1}, "caseLevelData": [{"biosampleId": "elsewhere"}]}
    with world.admin.begin(dataset, info(), ancestors) as writer:
        writer.allele(OTHER, told, None)
        writer.publish()
    found = {one["variantInternalId"]: one for one in world.pages(dataset, VARIANTS)}[OTHER.id]
    assert (found["info"].get("caseLevelTotal"), found["info"]["kept"]) == (None, 1)
    assert "caseLevelData" not in found


def test_a_page_whose_people_are_half_removed_is_refused_and_names_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragments, "FRAGMENTS", 1)
    monkeypatch.setattr(fragments, "TILE", 4)
    monkeypatch.setattr(reading, "TILE", 4)
    dataset = world.load(SITES)
    with MongoClient[dict[str, Any]](world.uri) as client:
        client[world.database]["arrays"].delete_one({"k": fragments.fragments_kind(0)})
    with pytest.raises(StoreUnavailable, match="just been replaced"):
        world.ask(dataset, VARIANTS)
