"""Writing a segment: ordinals, rows, columns, carriers; and that nothing shows before it is published."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from beacon.errors import LoadError
from beacon.model.access import Granularity
from beacon.model.calls import Calls
from beacon.model.query import Pagination, Query
from beacon.model.variant import from_vcf
from beacon.store import writer as writer_module
from beacon.store.base import AllelePredicate
from beacon.store.documents import SEGMENT_COLLECTIONS
from beacon.store.ordinals import give_ordinals
from beacon.store.publish import find_home, publish
from tests.world import CALLS, Facts, Load, Packet, Sequenced, Site, World, info, open_world, write

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
MANY = [f"p{number}" for number in range(3_000)]
"""More than are sent to the database at once."""


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture
def db(world: World, mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[world.database]


def begin(world: World, dataset: str) -> writer_module.SegmentWriter:
    return world.admin.begin(dataset, info(), lambda _: ())


def left_of(db: Database[dict[str, Any]], segment: str) -> int:
    """How many documents of a segment there are, its own included."""
    of_it = sum(db[name].count_documents({"s": segment}) for name in SEGMENT_COLLECTIONS)
    return of_it + db["segments"].count_documents({"_id": segment})


def wait_for_some(db: Database[dict[str, Any]], segment: str) -> None:
    """Wait until the database has the first records of a load that is under way."""
    deadline = time.monotonic() + 30
    while left_of(db, segment) < 2_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count(world: World, dataset: str) -> int | None:
    return world.ask(dataset, Query("individual", granularity=Granularity.COUNT)).count


def test_a_load_that_stops_before_it_is_published_leaves_nothing_behind(
    world: World, db: Database[dict[str, Any]]
) -> None:
    dataset = world.load()
    with begin(world, dataset) as writer:
        writer.reserve("individual", MANY)
        for id in MANY:
            writer.individual({"id": id})
        wait_for_some(db, writer.id)
    assert left_of(db, writer.id) == 0
    assert count(world, dataset) == 0


def test_a_process_that_dies_while_it_writes_shows_nothing(world: World, db: Database[dict[str, Any]]) -> None:
    dataset = world.load()
    writer = begin(world, dataset)
    writer.reserve("individual", MANY)
    for id in MANY:
        writer.individual({"id": id})
    wait_for_some(db, writer.id)
    assert count(world, dataset) == 0
    world.admin.delete_dataset(dataset)
    assert left_of(db, writer.id) == 0


def test_an_interruption_after_publishing_does_not_take_the_data_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = world.load()

    def publish_and_stop(*arguments: Any) -> None:
        publish(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(writer_module, "publish", publish_and_stop)
    with begin(world, dataset) as writer:
        writer.individual({"id": "ana"})
        with pytest.raises(KeyboardInterrupt):
            writer.publish()
    records = world.ask(dataset, Query("individual", granularity=Granularity.RECORD)).records
    assert records is not None
    assert len(records) == 1


def test_the_same_record_twice_in_one_load_is_refused_and_named(world: World) -> None:
    with begin(world, world.load()) as writer:
        writer.individual({"id": "ana"})
        writer.individual({"id": "ana"}, derived=True)
        with pytest.raises(LoadError, match="'ana' occurs twice") as caught:
            writer.individual({"id": "ana"})
        assert caught.value.where == "ana"
        writer.record("biosample", {"id": "s1"}, individual="ana")
        with pytest.raises(LoadError, match="biosample 's1' occurs twice"):
            writer.record("biosample", {"id": "s1"}, individual="ana")


def test_one_sample_of_one_run_is_one_column(world: World) -> None:
    with begin(world, world.load()) as writer:
        assert writer.column("ana", "s1") == 0
        assert writer.column("ana", "s1", "run") == 1
        assert writer.column("ben", "s2") == 2
        assert writer.column("ana", "s1") == 0


def test_a_sample_that_comes_after_the_first_allele_is_refused_since_genotypes_would_miss_it(world: World) -> None:
    with begin(world, world.load()) as writer:
        column = writer.column("ana", "s1")
        writer.allele(SNV, {}, Calls(het=np.array([column], np.uint32)))
        with pytest.raises(ValueError, match="after the first allele"):
            writer.column("ben", "s2")


def test_bodies_of_one_allele_are_merged_and_the_callers_own_stay_as_they_were(world: World) -> None:
    dataset = world.load()
    shared = {"geneIds": ["FBN1"]}
    bodies = [{"molecularAttributes": shared}, {"molecularAttributes": {"geneIds": ["BRCA1"]}}]
    with begin(world, dataset) as writer:
        for number, body in enumerate(bodies):
            writer.individual({"id": f"p{number}"})
            writer.case(SNV, body, writer.column(f"p{number}", f"s{number}"), "het", None)
        writer.publish()
    assert shared == {"geneIds": ["FBN1"]}
    assert bodies[1] == {"molecularAttributes": {"geneIds": ["BRCA1"]}}
    segment = world.run(world.store.datasets())[dataset].segments[0]
    (stored,) = world.run(world.store.alleles(segment, [(0, 0)]))
    assert stored.body == b'{"molecularAttributes":{"geneIds":["FBN1","BRCA1"]}}'


def test_the_first_zygosity_given_for_a_carrier_stands(world: World) -> None:
    dataset = world.load()
    with begin(world, dataset) as writer:
        writer.individual({"id": "ana"})
        column = writer.column("ana", "s1")
        for group in ("hom", "het"):
            writer.case(SNV, {}, column, group, {"info": {"as": group}})
        writer.publish()
    segment = world.run(world.store.datasets())[dataset].segments[0]
    heads = world.run(world.store.heads(segment, AllelePredicate()))
    calls = world.run(world.store.calls(segment, heads))[0]
    assert (calls.group("hom", 0).tolist(), calls.group("het", 0).tolist()) == ([0], [])
    assert len(world.run(world.store.cases(segment, [SNV.id]))[SNV.id, 0]) == 2


def test_counts_kept_with_an_allele_are_those_of_its_calls(world: World) -> None:
    dice = random.Random(7)
    people = [f"p{number}" for number in range(12)]
    sites = [
        Site(from_vcf("GRCh38", "1", 100 + at, "A", "G"), tuple(dice.choice(sorted(CALLS)) for _ in people))
        for at in range(60)
    ]
    dataset = world.load(Load(sequenced=tuple(Sequenced(p, p, None, None) for p in people), sites=tuple(sites)))
    segment = world.run(world.store.datasets())[dataset].segments[0]
    heads = world.run(world.store.heads(segment, AllelePredicate()))
    places = list(zip(heads.block.tolist(), heads.row.tolist(), strict=True))
    stored = world.run(world.store.alleles(segment, places))
    assert len(stored) == len(sites)
    for one, site in zip(stored, sites, strict=True):
        calls = [CALLS[call] for call in site.calls or ()]
        assert one.carriers == sum(group is not None for group, *_ in calls)
        assert one.allele_count == sum(copies for _, copies, _, _ in calls)
        assert one.allele_number == sum(called for _, _, called, _ in calls)


def test_alleles_of_many_blocks_and_chromosomes_come_in_order_and_complete(world: World) -> None:
    dataset = world.load()
    alleles = [
        from_vcf(assembly, chrom, 10 + at, "A", "G")
        for assembly, chrom, size in (("GRCh37", "1", 3), ("GRCh38", "1", 2500), ("GRCh38", "2", 1))
        for at in range(size)
    ]
    with begin(world, dataset) as writer:
        for allele in alleles:
            writer.allele(allele, {}, None)
        writer.publish()
    query = Query("genomicVariant", granularity=Granularity.RECORD, pagination=Pagination(2, 1000))
    result = world.ask(dataset, query)
    assert (result.count, len(result.records or ())) == (2504, 504)


def test_people_get_dense_ordinals_once_however_many_loads_ask_at_the_same_time(
    world: World, db: Database[dict[str, Any]]
) -> None:
    dataset = world.load()
    ids = [f"p{number}" for number in range(300)]
    given: list[dict[str, int]] = []

    def give(seed: int) -> None:
        wanted = random.Random(seed).sample(ids, 200)
        given.append(give_ordinals(db, find_home(db, dataset), "individual", wanted))

    threads = [threading.Thread(target=give, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 8
    final = give_ordinals(db, find_home(db, dataset), "individual", ids)
    assert len(set(final.values())) == len(ids)
    for part in given:
        assert part == {id: final[id] for id in part}


def test_ordinals_of_one_loader_are_dense_and_stay_the_same(world: World, db: Database[dict[str, Any]]) -> None:
    dataset = world.load()
    first = give_ordinals(db, find_home(db, dataset), "individual", ["ana", "ben"])
    again = give_ordinals(db, find_home(db, dataset), "individual", ["ben", "cas", "ana"])
    assert first == {"ana": 0, "ben": 1}
    assert again == {"ana": 0, "ben": 1, "cas": 2}


def test_a_person_keeps_their_ordinal_when_their_phenopacket_is_loaded_anew(world: World) -> None:
    packet = Load(packets=(Packet("ana", Facts()),))
    dataset = world.load(Load(packets=(Packet("ben", Facts()),)), packet)
    people = world.run(world.store.datasets())[dataset].people
    before = world.run(world.store.names(people, "individual", range(5)))
    write(world.admin, dataset, packet)
    assert world.run(world.store.names(people, "individual", range(5))) == before == {0: "ben", 1: "ana"}
