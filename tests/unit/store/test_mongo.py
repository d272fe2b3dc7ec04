"""Reading: what cannot be found by accident, what is kept in memory, and what a lost database looks like."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.errors import StoreUnavailable
from beacon.model.variant import from_vcf, unplaced
from beacon.store import freshness, postings
from beacon.store.base import AllelePredicate, Bound, Range, Segment
from beacon.store.heads import KINDS
from beacon.store.kept import Kept
from beacon.store.mongo import MongoStore
from tests.integration.plain_model import like
from tests.world import Case, Facts, Load, Packet, Sequenced, Site, World, info, open_world

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
DELETED = from_vcf("GRCh38", "1", 201, "ATT", "A")
NOWHERE = unplaced("GRCh38", "FBN1", "SO:1000029", "exon 3")
AGE = "ageAtLastEncounter"


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def segment_of(world: World, dataset: str) -> Segment:
    return world.run(world.store.datasets())[dataset].segments[0]


def found(world: World, segment: Segment, predicate: AllelePredicate) -> int:
    return len(world.run(world.store.heads(segment, predicate)))


TEXTS = (
    "ALIVE", "", "a.b", "a+b", "(a)", "[a]", "a\\b", "a^b$", "a=b", "a\nb", "a\n", "äöü", "a b-c#d&e~f", "%", "100%",
)  # fmt: skip


@pytest.fixture(scope="module")
def texts(world: World) -> Segment:
    """People whose vital status is each of the texts, in that order."""
    packets = [Packet(f"p{at}", Facts(texts=(("vitalStatus", text),))) for at, text in enumerate(TEXTS)]
    return segment_of(world, world.load(Load(packets=tuple(packets))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from((*TEXTS, "a", "b", ".", "*", "(", "\\")), max_size=3))
def test_a_pattern_means_its_own_characters_and_nothing_else(world: World, texts: Segment, pieces: list[str]) -> None:
    pattern = "%".join(pieces)
    rows = world.run(world.store.text_posting(texts, "individual", "vitalStatus", pattern))
    assert [TEXTS[row] for row in rows] == [text for text in TEXTS if like(text, pattern)]


def test_a_pattern_stays_within_its_field(world: World, texts: Segment) -> None:
    assert len(world.run(world.store.text_posting(texts, "individual", "vitalStatus", "%"))) == len(TEXTS)
    for field in ("vital", "vitalStatu.", "", "karyotypicSex"):
        assert not world.run(world.store.text_posting(texts, "individual", field, "%"))


@pytest.fixture(scope="module")
def ages(world: World) -> Segment:
    """People of 0 to 9 days, then twenty of 100 days: several documents of numbers, some with one value only."""
    dataset = world.load()
    with pytest.MonkeyPatch.context() as patch, world.admin.begin(dataset, info(), lambda _: ()) as writer:
        patch.setattr(postings, "NUMBERS_PER_DOCUMENT", 7)
        for number in range(30):
            age = f"P{number}D" if number < 10 else "P100D"
            writer.individual({"id": f"p{number}", "info": {"timeAtLastEncounter": {"iso8601duration": age}}})
        writer.publish()
    return segment_of(world, dataset)


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [
        (None, None, 30),
        (Bound(3, True), Bound(5, True), 3),
        (Bound(3, False), Bound(5, False), 1),
        (Bound(3, True), Bound(3, True), 1),
        (Bound(3, False), Bound(3, True), 0),
        (Bound(5, True), Bound(3, True), 0),
        (Bound(100, True), None, 20),
        (Bound(100, False), None, 0),
        (None, Bound(100, False), 10),
        (Bound(9, True), Bound(100, True), 21),
    ],
)
def test_a_range_of_numbers_holds_its_bounds_or_not_over_all_documents(
    world: World, ages: Segment, low: Bound | None, high: Bound | None, number: int
) -> None:
    assert len(world.run(world.store.between(ages, "individual", AGE, low, high))) == number


def test_what_has_no_place_is_found_by_gene_and_type_and_never_by_position_or_bases(world: World) -> None:
    case = Case(NOWHERE, None, "het", ("FBN1",))
    segment = segment_of(world, world.load(Load(packets=(Packet("ana", Facts(), (), (case,)),))))
    for predicate in (
        AllelePredicate(),
        AllelePredicate(gene="FBN1"),
        AllelePredicate(types=frozenset({"DEL"}), assembly="GRCh38"),
        AllelePredicate(ids=(NOWHERE.id,)),
    ):
        assert found(world, segment, predicate) == 1
    for chrom in (None, "1", "X"):
        for predicate in (
            AllelePredicate(chrom=chrom, overlap=(0, 1)),
            AllelePredicate(chrom=chrom, overlap=(-1, 1)),
            AllelePredicate(chrom=chrom, overlap=(-1, 1), gene="FBN1"),
            AllelePredicate(chrom=chrom, bracket=(0, 0, 0, 0)),
            AllelePredicate(chrom=chrom, sequence=(0, "", "")),
            AllelePredicate(chrom=chrom, start_bases=(0, None, "")),
            AllelePredicate(chrom=chrom, gene="FBN1", alternate_bases=""),
            AllelePredicate(chrom=chrom, gene="FBN1", reference_bases="", alternate_bases=""),
        ):
            assert found(world, segment, predicate) == 0, predicate


def test_a_wildcard_stands_for_bases_and_not_for_symbols(world: World) -> None:
    alleles = [SNV, from_vcf("GRCh38", "1", 101, "A", "*"), from_vcf("GRCh38", "1", 101, "A", "<DEL>", end=110)]
    cases = tuple(Case(allele, None, "het") for allele in alleles)
    segment = segment_of(world, world.load(Load(packets=(Packet("ana", Facts(), (), cases),))))
    for alternate in ("N", "NNNNN", "NNN"):
        predicate = AllelePredicate(None, "GRCh38", "1", start_bases=(100, None, alternate))
        assert found(world, segment, predicate) == (1 if alternate == "N" else 0)


def test_alleles_too_long_for_an_index_key_are_found_as_a_whole_and_not_by_half(world: World) -> None:
    long = from_vcf("GRCh38", "1", 101, "A", "A" + "CG" * 5_000)
    segment = segment_of(world, world.load(Load(packets=(Packet("ana", Facts(), (), (Case(long, None, "het"),)),))))
    for start, ref, alt in ((100, "A", long.alt), (101, "", "CG" * 5_000), (99, "TA", "T" + long.alt)):
        assert found(world, segment, AllelePredicate(None, "GRCh38", "1", sequence=(start, ref, alt))) == 1
    assert found(world, segment, AllelePredicate(None, "GRCh38", "1", sequence=(100, "A", long.alt[:-2]))) == 0


def test_what_was_fetched_twice_at_once_is_kept_and_weighed_once() -> None:
    kept = Kept(100)
    for _ in range(3):
        for key in ("a", "b"):
            assert kept.put(key, "value", 40) == "value"
    assert kept._size == 80


def test_the_least_used_is_dropped_when_memory_is_full() -> None:
    kept = Kept(100)
    made: list[str] = []
    for id in ("a", "b", "a", "c", "a", "b"):
        if kept.get(id) is None:
            kept.put(id, id, 50)
            made += [id]
    assert made == ["a", "b", "c", "b"]


def test_a_database_that_is_gone_is_one_clear_error(world: World) -> None:
    async def ask() -> Any:
        store = await MongoStore.open(world.uri, world.database)
        await store.close()
        return await store.datasets()

    with pytest.raises(StoreUnavailable):
        world.run(ask())


def test_all_who_ask_at_once_wait_for_one_reading_which_nobody_takes_from_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[float] = []

    async def ask() -> list[Any]:
        store = await MongoStore.open(world.uri, world.database)
        learn = store._learner.learn

        async def counted() -> None:
            readings.append(time.monotonic())
            await learn()

        monkeypatch.setattr(store._learner, "learn", counted)
        asking = [asyncio.create_task(store.datasets()) for _ in range(20)]
        await asyncio.sleep(0)
        asking[0].cancel()
        told = await asyncio.gather(*asking, return_exceptions=True)
        await store.close()
        return told

    world.load()
    hung_up, *others = world.run(ask())
    assert isinstance(hung_up, asyncio.CancelledError)
    assert len(others) == 19
    assert all(one is others[0] and one for one in others)
    assert len(readings) == 1


def test_who_comes_while_an_outdated_reading_ends_gets_one_of_their_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "SECONDS", 0.0)

    async def ask() -> int:
        store = await MongoStore.open(world.uri, world.database)
        first = asyncio.create_task(store.datasets())
        await asyncio.sleep(0)
        others = [store.datasets() for _ in range(5)]
        async with asyncio.timeout(20):
            told = await asyncio.gather(first, *others)
        await store.close()
        return len(told)

    assert world.run(ask()) == 6


def test_a_reading_that_fails_is_told_to_all_who_wait_for_it_and_the_next_one_is_made_anew(world: World) -> None:
    async def ask() -> tuple[list[Any], Any]:
        store = await MongoStore.open(world.uri, world.database)
        read = store._learner.read_datasets

        async def failing(listed: object) -> Any:
            raise StoreUnavailable("It is away.")

        store._learner.read_datasets = failing  # type: ignore[method-assign]
        told = await asyncio.gather(*(store.datasets() for _ in range(5)), return_exceptions=True)
        store._learner.read_datasets = read  # type: ignore[method-assign]
        after = await store.datasets()
        await store.close()
        return told, after

    told, after = world.run(ask())
    assert [type(one) for one in told] == [StoreUnavailable] * 5
    assert isinstance(after, dict)


@pytest.fixture(scope="module")
def shares(world: World) -> Segment:
    """Alleles that from none to all of seventy people carry."""
    people = [f"q{at}" for at in range(70)]
    sites = tuple(
        Site(allele, tuple("0/1" if at < many else "0/0" for at in range(70)), (f"G{many % 3}",))
        for many, allele in zip(
            (0, 1, 2, 3, 35, 70, 1, 0, 2),
            [from_vcf("GRCh38", "1", 101 + 10 * (at // 2), "A", alt) for at, alt in enumerate("GTGTGTGT")] + [DELETED],
            strict=True,
        )
    )
    sequenced = tuple(Sequenced(person, person, None, None) for person in people)
    return segment_of(world, world.load(Load(sequenced=sequenced, sites=sites)))


@pytest.mark.parametrize(
    "asked",
    [
        AllelePredicate(assembly="GRCh38", chrom="1", overlap=(100, 125)),
        AllelePredicate(gene="G1"),
        AllelePredicate(ids=(from_vcf("GRCh38", "1", 111, "A", "G").id,)),
        AllelePredicate(assembly="GRCh38", chrom="1", bracket=(100, 130, 101, 140)),
        AllelePredicate(assembly="GRCh38", chrom="1", sequence=(100, "A", "T")),
        AllelePredicate(types=frozenset({"DEL"})),
        AllelePredicate(min_length=2),
        AllelePredicate(max_length=1),
    ],
    ids=lambda asked: " ".join(name for name in asked.__slots__ if getattr(asked, name)),
)
@pytest.mark.parametrize("high", [0.008, 0.5])
def test_alleles_whose_calls_are_read_along_are_the_same(
    world: World, shares: Segment, asked: AllelePredicate, high: float
) -> None:
    asked = replace(asked, frequency=(Range(high=Bound(high, inclusive=True)),))

    async def told(*, calls: bool) -> list[list[Any]]:
        store = await MongoStore.open(world.uri, world.database)
        try:
            heads = await store.heads(shares, asked, calls=calls)
            held = await store.calls(shares, heads)
            carried = [held[block].carriers(row).tolist() for block, row in zip(heads.block, heads.row, strict=True)]
            return [*(heads.array(name).tolist() for name in KINDS), carried]
        finally:
            await store.close()

    along = world.run(told(calls=True))
    assert along == world.run(told(calls=False))
    assert along[-1]
