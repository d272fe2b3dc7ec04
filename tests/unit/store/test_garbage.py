"""What a dataset shows no more stays for whoever is reading it, and goes afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level
from beacon.model.query import Query
from beacon.model.variant import from_vcf
from beacon.query.execute import execute
from beacon.store.admin import Admin
from tests.world import Case, Facts, Load, Packet, World, open_world, write

SNV = from_vcf("GRCh38", "1", 101, "A", "G")


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture(scope="module")
def db(world: World, mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[world.database]


def people(*names: str) -> Load:
    return Load(packets=tuple(Packet(name, Facts(), (), (Case(SNV, None, "het"),)) for name in names))


class Snapshot:
    """A store whose datasets stay as they were: what a request sees that began then."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self._datasets = world.run(world.store.datasets())

    async def datasets(self) -> Any:
        return self._datasets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def answer(world: World, store: Any, dataset: str, entry_type: str) -> int:
    decision = Decision(dataset, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0)
    query = Query(entry_type, granularity=Granularity.RECORD)
    (result,) = world.run(execute(store, query, [decision]))
    assert len(result.records or ()) == result.count
    return int(result.count or 0)


def test_a_request_that_began_before_a_dataset_was_deleted_is_answered_whole(world: World) -> None:
    dataset = world.load(people("ana", "ben"))
    before = Snapshot(world)
    with Admin.open(world.uri, world.database, grace=3600) as admin:
        admin.delete_dataset(dataset)
        admin.create_dataset(dataset, policy=DatasetPolicy())
        write(admin, dataset, people("cas"))
        assert 3500 < admin.sweep() <= 3600
    for kind, number in (("individual", 2), ("biosample", 2), ("genomicVariant", 1)):
        assert answer(world, before, dataset, kind) == number
    assert answer(world, world.store, dataset, "individual") == 1


def test_replaced_segments_go_when_nobody_can_be_reading_them_and_not_before(
    world: World, db: Database[dict[str, Any]]
) -> None:
    dataset = world.load(people("ana"))
    before = Snapshot(world)
    (old,) = before._datasets[dataset].segments
    with Admin.open(world.uri, world.database, grace=3600) as patient:
        write(patient, dataset, people("ana"))
        assert patient.sweep() > 0
    assert answer(world, before, dataset, "individual") == 1
    assert world.admin.sweep() == 0
    assert db["records"].count_documents({"s": old.id}) == db["segments"].count_documents({"_id": old.id}) == 0
    assert answer(world, world.store, dataset, "individual") == 1


def test_a_load_that_becomes_visible_while_others_are_cleared_away_stays(
    world: World, db: Database[dict[str, Any]]
) -> None:
    dataset = world.load(people("ana"))
    db["segments"].update_one({"d": dataset}, {"$set": {"gone": world.admin.dataset(dataset).created}})
    assert world.admin.sweep() == 0
    assert "gone" not in (db["segments"].find_one({"d": dataset}) or {})
    assert answer(world, world.store, dataset, "individual") == 1
