"""How frequent an allele is: counted among those who are there, over all loads."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from beacon.errors import CannotAnswer, UnknownFilter
from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, StricterRecords
from beacon.model.entry_types import FREQUENCY
from beacon.model.query import AlphanumericFilter, Pagination, Query
from beacon.model.variant import from_vcf
from beacon.query.execute import execute
from beacon.query.plan import plan
from beacon.store.loading import Beside
from tests.world import (
    Case,
    Facts,
    Load,
    Packet,
    Sequenced,
    Site,
    World,
    ancestors,
    calls_of,
    info,
    open_world,
    variant_body,
    write_sequenced,
)  # fmt: skip

SNP = from_vcf("GRCh38", "1", 101, "A", "G")
RARE = from_vcf("GRCh38", "1", 201, "A", "G")
BARE = from_vcf("GRCh38", "1", 301, "A", "G")


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def sequenced(*people: str) -> tuple[Sequenced, ...]:
    return tuple(Sequenced(person, person, None, None) for person in people)


def found(world: World, dataset: str, operator: str, value: str, kind: str = "genomicVariant") -> set[str]:
    item = AlphanumericFilter(FREQUENCY, operator, value)
    query = Query(kind, filters=(item,), granularity=Granularity.RECORD, pagination=Pagination(limit=10))
    return {record.get("variantInternalId") or record["id"] for record in world.pages(dataset, query)}


def test_copies_are_counted_over_all_loads_and_nobody_twice(world: World) -> None:
    first = Load(sequenced=sequenced("a", "b"), sites=(Site(SNP, ("0/1", "0/0")), Site(RARE, ("0/1", "./."))))
    second = Load(sequenced=sequenced("b", "c"), sites=(Site(SNP, ("1/1", "1/1")), Site(BARE, None)))
    dataset = world.load(first, second)
    # One copy of a, none of b (the first load called b), two of c.
    assert found(world, dataset, "=", "0.5") == {SNP.id, RARE.id}
    assert found(world, dataset, "<", "0.5") == set()
    assert found(world, dataset, "!", "0.5") == {BARE.id}
    assert found(world, dataset, ">", "0.4", "individual") == {"a", "b", "c"}


def numbers(world: World, dataset: str, asker: Asker = Asker.GRANTED) -> dict[str, tuple[int, int]]:
    """Allele count and number of each variant, as its record says."""
    query = Query("genomicVariant", granularity=Granularity.RECORD)
    (result,) = world.run(execute(world.store, query, [Decision(dataset, Granularity.RECORD, asker, Level.PUBLIC, 0)]))
    records = [orjson.loads(record) for record in result.records or ()]
    return {
        record["variantInternalId"]: (record["info"]["alleleCount"], record["info"]["alleleNumber"])
        for record in records
    }


def test_who_was_called_still_counts_where_those_who_carry_it_were_loaded_again(world: World) -> None:
    dataset = world.load(Load(sequenced=sequenced("a", "b", "c"), sites=(Site(SNP, ("0/1", "0/0", "0/0")),)))
    (first,) = world.admin.loads(dataset)
    with world.admin.begin(dataset, info(), ancestors) as writer:
        column = write_sequenced(writer, *sequenced("a"))
        site = Site(SNP, ("0/1",))
        writer.allele(SNP, variant_body((), ()), calls_of(site, [column]))
        writer.publish(Beside(supersedes=frozenset([first.id])))
    assert numbers(world, dataset) == {SNP.id: (1, 6)}
    assert found(world, dataset, "<", "0.2") == {SNP.id}
    world.admin.delete_people(dataset, ["a"], "me")
    assert numbers(world, dataset) == {}


def test_deleting_people_leaves_nothing_of_them_in_the_numbers(world: World) -> None:
    dataset = world.load(
        Load(sequenced=sequenced("a", "b"), sites=(Site(SNP, ("0/1", "0/0")), Site(RARE, ("0/0", "0/1")))),
        Load(sequenced=sequenced("d"), sites=(Site(SNP, ("0/1",)),)),
    )
    assert numbers(world, dataset) == {SNP.id: (2, 6), RARE.id: (1, 4)}
    world.admin.delete_people(dataset, ["a"], "me")
    assert numbers(world, dataset) == {SNP.id: (1, 2), RARE.id: (1, 2)}


@pytest.mark.parametrize("known", [False, True])
def test_a_load_in_which_nobody_is_seen_to_carry_an_allele_is_as_if_it_did_not_have_it(
    world: World, *, known: bool
) -> None:
    """Else how many were called would tell of somebody hidden, unless the load lists alleles that nobody carries."""
    sites = (Site(SNP, ("0/1", "0/0"), ("FBN1",)), Site(RARE, ("0/1", "0/1")), Site(BARE, ("0/0", "0/0")))
    dataset = world.load(
        Load(sequenced=sequenced("a", "b"), sites=sites if known else sites[:2]),
        Load(sequenced=sequenced("d"), sites=(Site(SNP, ("0/1",)), Site(RARE, ("0/0",)))),
    )
    hidden = StricterRecords(Level.CONTROLLED, frozenset({"a"}))
    world.admin.set_policy(dataset, DatasetPolicy(level=Level.PUBLIC, stricter=(hidden,)))
    assert numbers(world, dataset) == {SNP.id: (2, 6), RARE.id: (2, 6)} | ({BARE.id: (0, 4)} if known else {})
    seen = numbers(world, dataset, Asker.STRANGER)
    assert seen == {SNP.id: (1, 4 if known else 2), RARE.id: (1, 4)} | ({BARE.id: (0, 2)} if known else {})


CASES = Load(packets=(Packet("a", Facts(), cases=(Case(SNP, None, "het"),)),))
SITES = Load(sites=(Site(SNP, None, stated=(0.5,)),))
CALLED = Load(sequenced=sequenced("b"), sites=(Site(RARE, ("0/1",)),))


@pytest.mark.parametrize("loads", [(CASES,), (SITES,), (CASES, SITES)])
@pytest.mark.parametrize("kind", ["individual", "genomicVariant", "dataset"])
def test_where_nobody_was_counted_a_frequency_is_refused_and_not_denied(
    world: World, loads: tuple[Load, ...], kind: str
) -> None:
    dataset = world.load(*loads)
    with pytest.raises(CannotAnswer, match=f"in {dataset} cannot be told") as raised:
        found(world, dataset, "<=", "1", kind)
    assert raised.value.where == FREQUENCY
    assert found(world, dataset, "!", "0.5") == {SNP.id}  # which finds what has none, too


def test_a_dataset_without_variants_has_none_of_any_frequency(world: World) -> None:
    assert found(world, world.load(Load(packets=(Packet("a", Facts()),))), "<=", "1") == set()


def test_an_answer_says_in_which_files_and_datasets_nobody_was_counted(world: World) -> None:
    mixed, called, silent = world.load(CASES, CALLED), world.load(CALLED), world.load(CASES)
    query = Query("genomicVariant", filters=(AlphanumericFilter(FREQUENCY, "<=", "1"),), granularity=Granularity.COUNT)
    assert world.ask(mixed, query).count == world.ask(called, query).count == 1
    some, none = "Some of its files have no genotypes", "Its files have no genotypes"
    assert (world.ask(mixed, query).caveat or "").startswith(some)
    assert world.ask(called, query).caveat is None
    # A dataset that can tell answers, whatever stands beside it.
    decisions = [Decision(one, Granularity.RECORD, Asker.GRANTED, Level.PUBLIC, 0) for one in (called, silent)]
    first, second = world.run(execute(world.store, query, decisions))
    assert (first.count, first.caveat) == (1, None)
    assert second.count == 0
    assert (second.caveat or "").startswith(none)


def test_people_who_cannot_be_seen_do_not_show_in_what_can_be_told(world: World) -> None:
    dataset = world.load(CASES, CALLED)
    query = Query("individual", filters=(AlphanumericFilter(FREQUENCY, "<=", "1"),), granularity=Granularity.COUNT)
    assert world.ask(dataset, query, threshold=1).count == 1
    world.admin.set_policy(dataset, DatasetPolicy(stricter=(StricterRecords(Level.CONTROLLED, frozenset("b")),)))
    assert world.ask(dataset, query).count == 1
    with pytest.raises(CannotAnswer, match="cannot be told"):
        world.ask(dataset, query, threshold=1)


@pytest.mark.parametrize("value", ["often", "1%", "nan"])
def test_a_frequency_is_a_number(value: str) -> None:
    with pytest.raises(UnknownFilter) as raised:
        plan(Query("genomicVariant", filters=(AlphanumericFilter(FREQUENCY, "<=", value),)))
    assert raised.value.where == FREQUENCY
