"""How frequent an allele is: counted among those who are there, over all loads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beacon.errors import UnknownFilter
from beacon.model.access import Granularity
from beacon.model.entry_types import FREQUENCY
from beacon.model.query import AlphanumericFilter, Pagination, Query
from beacon.model.variant import from_vcf
from beacon.query.plan import plan
from tests.world import Case, Facts, Load, Packet, Sequenced, Site, World, open_world

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


def test_a_phenopackets_cases_have_no_frequency(world: World) -> None:
    dataset = world.load(Load(packets=(Packet("a", Facts(), cases=(Case(SNP, None, "het"),)),)))
    assert found(world, dataset, "<=", "1") == set()


@pytest.mark.parametrize("value", ["often", "1%", "nan"])
def test_a_frequency_is_a_number(value: str) -> None:
    with pytest.raises(UnknownFilter) as raised:
        plan(Query("genomicVariant", filters=(AlphanumericFilter(FREQUENCY, "<=", value),)))
    assert raised.value.where == FREQUENCY
