"""Managing datasets: made once, found by name, deleted without a trace, refused where they do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from beacon.errors import ConfigurationError, LoadError, StoreUnavailable
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level, Person
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from beacon.store.mongo import MongoStore
from tests.world import Case, Facts, Load, Packet, Sample, Sequenced, Site, World, info, open_world

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
POLICY = DatasetPolicy(
    Level.REGISTERED,
    {Asker.STRANGER: Granularity.BOOLEAN, Asker.REGISTERED: Granularity.COUNT, Asker.GRANTED: Granularity.RECORD},
    frozenset({Person("https://issuer.example", "ana")}),
    frozenset({Person("https://issuer.example", "ben")}),
    7,
)


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def test_a_dataset_is_made_once_and_keeps_its_policy(world: World) -> None:
    world.admin.create_dataset("once", name="One", description="first", policy=POLICY)
    with pytest.raises(LoadError, match="there is a dataset 'once' already"):
        world.admin.create_dataset("once", policy=DatasetPolicy())
    summary = world.admin.dataset("once")
    assert (summary.name, summary.description, summary.policy) == ("One", "first", POLICY)
    assert "once" in [dataset.id for dataset in world.admin.datasets()]


def test_without_a_policy_a_dataset_answers_nobody_but_the_granted(world: World) -> None:
    world.admin.create_dataset("closed")
    policy = world.admin.dataset("closed").policy
    assert policy == DatasetPolicy()
    assert (policy.level, policy.ceilings[Asker.STRANGER]) == (Level.CONTROLLED, Granularity.NONE)
    assert not policy.granted


def test_what_is_not_there_is_named_with_what_to_do(world: World) -> None:
    for act in (world.admin.dataset, world.admin.delete_dataset):
        with pytest.raises(LoadError, match=r"there is no dataset 'nowhere'.*skerry dataset create nowhere$"):
            act("nowhere")
        with pytest.raises(LoadError, match=r"skerry dataset create 'no where'$"):
            act("no where")
    with pytest.raises(LoadError, match="there is no dataset 'nowhere'"):
        world.admin.set_policy("nowhere", POLICY)


def test_a_servers_next_look_sees_a_changed_policy(world: World) -> None:
    dataset = world.load()
    assert world.run(world.store.datasets())[dataset].policy == DatasetPolicy()
    world.admin.set_policy(dataset, POLICY)
    assert world.run(world.store.datasets())[dataset].policy == POLICY


def test_counts_are_of_live_records_and_of_distinct_variants(world: World) -> None:
    packet = Packet("ana", Facts(), (Sample("s1", Facts()),), (Case(SNV, "s1", "het"),))
    sequenced = (Sequenced("ana", "ana", Facts(), Facts()), Sequenced("ben", "ben", Facts(), None))
    dataset = world.load(
        Load(packets=(packet,)),
        Load(packets=(packet,)),
        Load(sequenced=sequenced, sites=(Site(SNV, ("0/1", "0/0")),)),
    )
    counts = world.admin.dataset(dataset).counts
    assert {kind: counts[kind] for kind in ("individual", "biosample", "run", "analysis")} == {
        "individual": 2, "biosample": 3, "run": 2, "analysis": 1,
    }  # fmt: skip
    assert counts["genomicVariant"] == 1


def test_a_deleted_dataset_leaves_nothing_of_itself_but_the_journal(world: World, mongo_uri: str) -> None:
    load = Load(packets=(Packet("ana", Facts(), (Sample("s1", Facts()),), (Case(SNV, "s1", "het"),)),))
    kept, gone = world.load(load), world.load(load, load)
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        db = client[world.database]
        segments = [part["_id"] for part in db["segments"].find({"d": gone})]
        assert len(segments) == 2
        people = world.run(world.store.datasets())[gone].people
        assert db["people"].count_documents({"d": people}) == 2
        world.admin.delete_dataset(gone)
        for name in db.list_collection_names():
            if name != "loads":
                where = {
                    "$or": [{"s": {"$in": segments}}, {"d": {"$in": [gone, people]}}, {"_id": {"$in": [gone, people]}}]
                }
                assert not db[name].count_documents(where), name
        assert db["records"].count_documents({"k": "individual", "i": "ana"}) > 0
    assert world.admin.dataset(kept).counts["individual"] == 1


def test_a_dataset_made_anew_under_an_old_id_is_never_answered_from_the_old_one(world: World) -> None:
    """Also where both changed equally often, so that their revisions are equal."""
    dataset = world.load(Load(packets=(Packet("old", Facts()), Packet("older", Facts()))))
    assert len(world.run(world.store.datasets())[dataset].segments[0].live["individual"]) == 2
    world.admin.delete_dataset(dataset)
    world.admin.create_dataset(dataset, policy=DatasetPolicy(threshold=9))
    with world.admin.begin(dataset, info(), lambda _: ()) as writer:
        writer.individual({"id": "new"})
        writer.publish()
    now = world.run(world.store.datasets())[dataset]
    assert now.policy.threshold == 9
    assert len(now.segments[0].live["individual"]) == 1


def test_samples_are_known_by_whose_they_are(world: World) -> None:
    sample = Sample("s1", Facts(texts=(("individualId", "ana"),)))
    dataset = world.load(Load(packets=(Packet("ana", Facts(), (sample,)),)))
    assert world.admin.owners(dataset, ["s1", "s2"]) == {"s1": "ana"}
    assert world.admin.owners(dataset, []) == {}


def test_a_database_of_another_data_model_is_refused_by_loaders_and_servers(world: World, mongo_uri: str) -> None:
    name = f"{world.database}_other"
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        client[name]["meta"].insert_one({"_id": "model", "version": 999})
        try:
            with pytest.raises(ConfigurationError, match="data model 999"):
                Admin.open(mongo_uri, name)
            with pytest.raises(ConfigurationError, match="data model 999"):
                world.run(MongoStore.open(mongo_uri, name))
        finally:
            client.drop_database(name)


@pytest.mark.parametrize("uri", ["", "http://localhost", "mongodb://", "mongodb://user:secret@:x:y"])
def test_an_address_that_is_none_is_one_sentence_without_the_password(world: World, uri: str) -> None:
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        Admin.open(uri)
    assert "secret" not in caught.value.message
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        world.run(MongoStore.open(uri, "skerry"))
    assert "secret" not in caught.value.message


def test_an_ontology_is_stored_once_per_version_and_tells_its_terms(world: World) -> None:
    resource = {"id": "hp", "namespacePrefix": "HP", "version": "1"}
    assert world.run(world.store.known_term("HP:0000001")) is None
    world.admin.store_ontology(resource, {"HP:0000001": "All"})
    world.admin.store_ontology(resource, {"HP:0000002": "never looked at"})
    assert world.run(world.store.known_term("HP:0000001")) is True
    assert world.run(world.store.known_term("HP:0000002")) is False
    assert world.run(world.store.known_term("OMIM:1")) is None
    assert world.run(world.store.ontologies()) == [resource]
