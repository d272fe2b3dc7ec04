"""Rare variants, who carries them, and pages: told alike with the outline in memory and by blocks alone."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.entry_types import FREQUENCY, ZYGOSITY
from beacon.model.query import AlphanumericFilter, Filter, OntologyFilter, Pagination, Query, VariantQuery
from beacon.model.result import DatasetResult
from beacon.model.variant import from_vcf
from beacon.query.execute import execute
from beacon.store import ahead
from beacon.store.admin import Admin
from beacon.store.base import Dataset
from beacon.store.mongo import MongoStore
from beacon.store.reading import Reader
from tests.world import EFFECT, FEATURE, Facts, Load, Packet, Sequenced, Site, World, open_world

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="outlines are in memory that is Linux's")

PEOPLE = 70
TERMS = ("HP:0000002", "HP:0000003", "HP:0000004")
EFFECTS = ("SO:0001583", "SO:0001587")
GENES = ("FBN1", "BRCA1")
ZYGOSITIES = ("GENO:0000135", "GENO:0000136", "GENO:0000134")


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 900 alleles were very many: there is an outline, no room for heads, and none is at hand for long."""
    monkeypatch.setattr(Reader, "has", lambda *_: False)
    monkeypatch.setattr(ahead, "LARGE", 1)
    monkeypatch.setattr(ahead, "_HEAD_BYTES", 1_000_000)


def sequenced(luck: Random) -> tuple[Load, Load]:
    """Seventy people with up to three features; 900 alleles on two chromosomes, most of them rare."""
    people = [f"p{at}" for at in range(PEOPLE)]
    packets = tuple(
        Packet(
            id,
            Facts(frozenset((FEATURE, term) for term in luck.sample(TERMS, luck.randint(0, 3)))),
        )
        for id in people
    )
    sites = []
    for at in range(900):
        chrom, position = ("1", 1_000 + 7 * (at // 2)) if at < 600 else ("X", 500 + 3 * at)
        many = luck.choice([0, 1, 1, 1, 2, 2, 3, 20])
        calls = [luck.choice(["0/0", "0/0", "0/0", "./.", "0"]) if at % 5 == 0 else "0/0" for _ in people]
        for carrier in luck.sample(range(PEOPLE), many):
            calls[carrier] = luck.choice(["0/1", "0/1", "0/1", "1/1", "1", "./1"])
        alt = "G" if at % 2 else luck.choice(["T", "C", "ATT"])
        allele = from_vcf("GRCh38", chrom, position, "A", alt)
        effects = tuple(luck.sample(EFFECTS, luck.randint(0, 2)))
        genotypes = tuple(calls) if luck.random() < 0.97 else None
        sites.append(Site(allele, genotypes, (luck.choice(GENES),), effects=effects))
    samples = tuple(Sequenced(id, f"{id}-s", None, None) for id in people)
    return Load(packets), Load(sequenced=samples, sites=tuple(sites))


@pytest.fixture(scope="module")
def dataset(world: World) -> Dataset:
    id = world.load(*sequenced(Random(3)))
    return world.run(world.store.datasets())[id]


def questions(luck: Random, many: int) -> list[Query]:
    """Questions about people with rare variants and about rare variants of such people, and some of other kinds."""
    found = []
    for _ in range(many):
        if luck.random() < 0.3:
            found.append(page(luck))
            continue
        limit = luck.choice(["0.01", "0.015", "0.0072", "0", "0.015625"])
        filters: list[Filter] = [AlphanumericFilter(FREQUENCY, luck.choice(["<=", "<", "="]), limit)]
        if luck.random() < 0.2:
            filters.append(AlphanumericFilter(FREQUENCY, luck.choice([">", "!"]), "0.0072"))
        if luck.random() < 0.2:
            filters.append(AlphanumericFilter(EFFECT, luck.choice(["=", "=", "!"]), luck.choice(EFFECTS)))
        if luck.random() < 0.7:
            filters.append(OntologyFilter(luck.choice(TERMS), scope="individual"))
        if luck.random() < 0.3:
            filters.append(AlphanumericFilter(ZYGOSITY, "=", luck.choice(ZYGOSITIES)))
        start = luck.randrange(500, 4_000)
        asked = luck.choice(
            [
                VariantQuery(gene=luck.choice(GENES)),
                VariantQuery(gene=luck.choice(GENES), variant_type="SNP"),
                VariantQuery(chrom="1", assembly="GRCh38", start=(start,), end=(start + luck.choice([1, 50, 2_000]),)),
                VariantQuery(chrom="X", assembly="GRCh38", start=(start,), end=(start + 1_000,)),
                VariantQuery(chrom="1", assembly="GRCh38", start=(0, start), end=(start, 5_000)),
                None,
            ]
        )
        kind = luck.choice(["individual", "genomicVariant", "biosample"])
        depth = luck.choice([Granularity.BOOLEAN, Granularity.COUNT, Granularity.COUNT, Granularity.RECORD])
        found.append(Query(kind, filters=tuple(filters), variant=asked, granularity=depth))
    return found


def page(luck: Random) -> Query:
    """A page of variants, with everybody who carries them; many begin and end at the same place as others."""
    begin = luck.randrange(500, 4_000)
    asked = luck.choice(
        [
            VariantQuery(chrom="1", assembly="GRCh38", start=(begin,), end=(begin + luck.choice([1, 30, 900]),)),
            VariantQuery(chrom="1", assembly="GRCh38", start=(900, begin), end=(900, 4_000)),
            VariantQuery(gene=luck.choice(GENES)),
            None,
        ]
    )
    pages = Pagination(skip=luck.choice([0, 0, 1, 2, 7, 80]), limit=luck.choice([1, 3, 10, 100]))
    return Query("genomicVariant", variant=asked, granularity=Granularity.RECORD, pagination=pages)


async def answers(
    world: World, dataset: Dataset, asked: Sequence[Query], threshold: int, *, outlined: bool
) -> list[DatasetResult]:
    store = await MongoStore.open(world.uri, world.database)
    try:
        now = (await store.datasets())[dataset.id]
        if outlined:
            await ahead.read_ahead(store._reader, now.segments)
            outlines = [store._reader.outline(segment.id) for segment in now.segments if segment.variants]
            assert [outline and outline.tells_rare for outline in outlines] == [True]
        asker = Asker.REGISTERED if threshold else Asker.GRANTED
        found: list[DatasetResult] = []
        for query in asked:
            decision = Decision(dataset.id, Granularity.RECORD, asker, Level.REGISTERED, threshold)
            found += await execute(store, query, [decision])
        return found
    finally:
        await store.close()


@pytest.mark.parametrize("threshold", [0, 5])
def test_questions_about_rare_variants_are_answered_alike(world: World, dataset: Dataset, threshold: int) -> None:
    asked = questions(Random(threshold), 250)
    told = world.run(answers(world, dataset, asked, threshold, outlined=True))
    expected = world.run(answers(world, dataset, asked, threshold, outlined=False))
    for query, one, other in zip(asked, told, expected, strict=True):
        assert one == other, query
    assert sum(result.exists for result in told) > 80
    assert sum(not result.exists for result in told) > 20


def test_they_are_answered_alike_when_somebody_has_withdrawn(world: World, tmp_path: Path) -> None:
    id = world.load(*sequenced(Random(4)))
    with Admin.open(world.uri, world.database, grace=0, key_file=tmp_path / "key") as admin:
        for person in ("p3", "p40"):
            admin.withdraw(id, person, "me")
    dataset = world.run(world.store.datasets())[id]
    asked = questions(Random(9), 80)
    told = world.run(answers(world, dataset, asked, 0, outlined=True))
    assert told == world.run(answers(world, dataset, asked, 0, outlined=False))


@pytest.mark.parametrize("outlined", [True, False])
def test_with_an_outline_no_block_is_read_to_count_them(
    world: World, dataset: Dataset, outlined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    part_bytes = Reader._part_bytes

    async def counted(reader: Reader, ids: Collection[str]) -> dict[str, bytes]:
        read.extend(ids)
        return await part_bytes(reader, ids)

    rare: Filter = AlphanumericFilter(FREQUENCY, "<=", "0.01")
    ill: Filter = OntologyFilter("HP:0000003", scope="individual")
    places = (VariantQuery(chrom="1", assembly="GRCh38", start=(0,), end=(3_000,)), VariantQuery(gene="FBN1"))
    asked = [
        Query(kind, filters=(rare, ill), variant=place, granularity=Granularity.COUNT)
        for kind in ("individual", "genomicVariant")
        for place in places
    ]

    async def ask() -> None:
        store = await MongoStore.open(world.uri, world.database)
        try:
            if outlined:
                await ahead.read_ahead(store._reader, (await store.datasets())[dataset.id].segments)
            monkeypatch.setattr(Reader, "_part_bytes", counted)
            for query in asked:
                decision = Decision(dataset.id, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0)
                (result,) = await execute(store, query, [decision])
                assert result.count
        finally:
            await store.close()

    world.run(ask())
    assert bool(read) is not outlined
