"""Every allele gets its names, whichever of sequence and allele comes first, and nothing is left lying about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from beacon.errors import LoadError
from beacon.model import vrs
from beacon.model.genome import Reference
from beacon.model.variant import from_vcf
from beacon.store import reference
from beacon.store.reference import chunk_ids, cut, decode_reference, index_alleles, store_sequence, sweep
from tests.stored import alleles
from tests.world import Load, Site, World, info, open_world, write

SEQUENCE = "CCGAAAACC" + "ACGT" * 50
INSERTION = from_vcf("GRCh38", "22", 3, "G", "GA")
WRONG = from_vcf("GRCh38", "22", 5, "GTT", "G")
LARGE = from_vcf("GRCh38", "22", 5, "N", "<DEL>", end=9)
ALLELES = Load(sites=tuple(Site(allele, None, (), ()) for allele in (INSERTION, WRONG, LARGE)))
NAME = vrs.allele_id(vrs.sha512t24u(SEQUENCE.encode()), 3, 7, "AAAAA")


@pytest.fixture
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as opened:
        yield opened


@pytest.fixture
def db(mongo_uri: str, world: World) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[world.database]


def load_sequence(world: World, bases: str, *, index: bool = True) -> Reference:
    found, _ = world.admin.store_sequence("GRCh38", "22", [bases.encode()], None, "test")
    if index:
        world.admin.name_alleles(found, lambda number: None)
    return found


def names(db: Database[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """What every allele in the database is called, by its id."""
    return {one.id: (one.vrs, one.moves) for one in alleles(db)}


EXPECTED = {INSERTION.id: (NAME, (0, 4)), WRONG.id: (None, None), LARGE.id: (None, None)}


def test_alleles_are_named_whether_the_sequence_comes_before_or_after(
    world: World, db: Database[dict[str, Any]]
) -> None:
    world.load(ALLELES)
    assert set(names(db).values()) == {(None, None)}
    found, new = world.admin.store_sequence("GRCh38", "22", [SEQUENCE.encode()], None, "test")
    assert new
    assert not found.indexed
    assert world.admin.name_alleles(found, lambda number: None) == (1, 1)
    assert names(db) == EXPECTED
    assert [part.indexed for part in world.admin.references("GRCh38")] == [True]
    db["datasets"].delete_many({})
    db["segments"].delete_many({})
    world.load(ALLELES)
    assert names(db) == EXPECTED


def test_a_sequence_that_comes_during_a_load_names_its_alleles_too(world: World, db: Database[dict[str, Any]]) -> None:
    world.admin.create_dataset("during", policy=None)
    with world.admin.begin("during", info(), lambda term: ()) as writer:
        for site in ALLELES.sites:
            writer.allele(site.allele, {}, None)
        load_sequence(world, SEQUENCE)  # finds none of these: they are not written yet
        assert names(db) == {}
        writer.publish()
    assert names(db) == EXPECTED


def test_alleles_are_named_anew_after_another_sequence(world: World, db: Database[dict[str, Any]]) -> None:
    world.load(ALLELES)
    load_sequence(world, SEQUENCE)
    other = "CCGACAACC" + "ACGT" * 50
    load_sequence(world, other)
    moved = vrs.allele_id(vrs.sha512t24u(other.encode()), 3, 4, "AA")
    assert names(db)[INSERTION.id] == (moved, (0, 1))
    load_sequence(world, "TTTTTTTTT")
    assert names(db)[INSERTION.id][1] is not None
    load_sequence(world, "TT")
    assert names(db)[INSERTION.id] == (None, None)


def test_bases_are_cut_from_their_chunks(
    world: World, db: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "CHUNK", 7)
    pieces = [SEQUENCE[begin : begin + 3].encode() for begin in range(0, len(SEQUENCE), 3)]
    found, _ = store_sequence(db, "GRCh38", "1", pieces, len(SEQUENCE), "test")
    assert (found.length, found.digest) == (len(SEQUENCE), vrs.sha512t24u(SEQUENCE.encode()))
    for start, end in ((0, 0), (0, 1), (6, 8), (7, 7), (7, 14), (3, 200), (len(SEQUENCE), len(SEQUENCE))):
        ids = chunk_ids(found, start, end)
        chunks = {part["_id"]: part["b"] for part in db["bases"].find({"_id": {"$in": ids}})}
        if start < len(SEQUENCE):
            assert cut(chunks, found, start, end) == SEQUENCE[start:end]
        assert world.run(world.store.bases(found, start, end)) in (SEQUENCE[start:end], None)
    assert cut({}, found, 0, 5) is None


def test_a_sequence_of_the_wrong_length_leaves_nothing_and_changes_nothing(
    world: World, db: Database[dict[str, Any]]
) -> None:
    held = load_sequence(world, SEQUENCE)
    before = db["bases"].count_documents({})
    with pytest.raises(LoadError, match="has 4 bases in test, but 5 in GRCh38"):
        store_sequence(db, "GRCh38", "22", [b"ACGT"], 5, "test")
    assert db["bases"].count_documents({}) == before
    assert world.run(world.store.bases(held, 0, 9)) == SEQUENCE[:9]
    assert world.run(world.store.reference("GRCh38", "21")) is None


def test_chunks_of_a_killed_loader_go_after_a_day(world: World, db: Database[dict[str, Any]]) -> None:
    held = load_sequence(world, SEQUENCE)
    db["bases"].update_many({}, {"$currentDate": {"t": True}})
    some = db["bases"].find_one({})
    assert some is not None
    old = some["t"] - timedelta(days=2)
    db["bases"].insert_many(
        [{"_id": "left:0", "t": old, "b": b"A"}, {"_id": "left:1", "t": old, "b": b"A"},
         {"_id": "new:0", "t": some["t"], "b": b"A"}]
    )  # fmt: skip
    db["bases"].update_one({"_id": f"{held.key}:0"}, {"$set": {"t": old}})
    sweep(db)
    assert {part["_id"] for part in db["bases"].find({})} == {f"{held.key}:0", "new:0"}


def test_a_sequence_whose_naming_was_cut_short_is_named_the_next_time(
    world: World, db: Database[dict[str, Any]]
) -> None:
    world.load(ALLELES)
    load_sequence(world, SEQUENCE, index=False)
    again, new = world.admin.store_sequence("GRCh38", "22", [SEQUENCE.encode()], None, "test")
    assert not new
    assert not again.indexed
    index_alleles(db, again, lambda number: None)
    held = db["references"].find_one({})
    assert held is not None and decode_reference(held).indexed
    assert names(db) == EXPECTED
    write(world.admin, world.load(), ALLELES)
    assert names(db) == EXPECTED
