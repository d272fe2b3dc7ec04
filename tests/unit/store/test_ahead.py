"""Reading ahead: what is at hand then, how much memory it may take, and that nothing outdated stays."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import sys
from collections.abc import Collection, Iterator
from typing import NoReturn

import pytest
from pymongo import AsyncMongoClient

from beacon.errors import StoreUnavailable
from beacon.model.variant import from_vcf
from beacon.store import ahead
from beacon.store.ahead import read_ahead
from beacon.store.base import AllelePredicate, Segment
from beacon.store.commons import Commons, Piece
from beacon.store.gate import Gate
from beacon.store.mongo import MongoStore
from beacon.store.reading import Reader
from tests.world import Case, Facts, Load, Packet, World, open_world

ALLELES = [from_vcf("GRCh38", "1", 101 + 10 * at, "A", "G") for at in range(300)]
FIRST = AllelePredicate(assembly="GRCh38", chrom="1", sequence=(100, "A", "G"))
RANGE = AllelePredicate(assembly="GRCh38", chrom="1", overlap=(100, 1_000))


def packets(term: str) -> tuple[Packet, ...]:
    """Forty people, of whom each carries some alleles that hardly anybody else does."""
    return tuple(
        Packet(
            f"p{at}",
            Facts(frozenset({("diseases.diseaseCode", term)})),
            (),
            tuple(Case(allele, None, "het") for allele in ALLELES[at::40]),
        )
        for at in range(40)
    )


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture(scope="module")
def segment(world: World) -> Segment:
    dataset = world.load(Load(packets=packets("HP:0001250")))
    return world.run(world.store.datasets())[dataset].segments[0]


async def told(store: MongoStore, segment: Segment) -> tuple[int | None, ...]:
    people = await store.posting(segment, "individual", ["=HP:0001250"])
    heads = await store.heads(segment, RANGE)
    await store.calls(segment, heads)
    row = await store.row_of(segment, "individual", "p7")
    return len(people), await store.count(segment, FIRST), await store.count(segment, RANGE), len(heads), row


def test_what_was_read_ahead_is_told_without_the_database(world: World, segment: Segment) -> None:
    async def ask(*, ahead: bool) -> tuple[int | None, ...]:
        store = await MongoStore.open(world.uri, world.database)
        if ahead:
            await read_ahead(store._reader, [segment])
        await store.close()
        return await told(store, segment)

    with pytest.raises(StoreUnavailable):
        world.run(ask(ahead=False))
    assert world.run(ask(ahead=True)) == world.run(told(world.store, segment)) == (40, 1, 90, 90, 7)


@pytest.mark.skipif(sys.platform != "linux", reason="outlines are in memory that is Linux's")
def test_of_a_large_segment_the_outline_counts_as_the_heads_do(
    world: World, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LARGE", 1)
    alike = [AllelePredicate(assembly="GRCh38", chrom="1", sequence=(at, "A", "G")) for at in (100, 105, 110, 3_090)]
    ranges = [(0, 1), (100, 101), (99, 1_000), (500, 2_000), (0, 10_000), (3_090, 3_091), (3_091, 4_000), (5, 5)]
    asked = [*alike, *(AllelePredicate(assembly="GRCh38", chrom="1", overlap=one) for one in ranges)]

    async def ask() -> list[int | None]:
        store = await MongoStore.open(world.uri, world.database)
        await read_ahead(store._reader, [segment])
        assert store._reader.outline(segment.id) is not None
        await store.close()
        return [await store.count(segment, one) for one in asked]

    async def expected() -> list[int | None]:
        return [await world.store.count(segment, one) for one in asked]

    assert world.run(ask()) == world.run(expected())


def test_new_segments_are_read_when_they_are_seen(world: World, segment: Segment) -> None:
    async def ask() -> None:
        store = await MongoStore.open(world.uri, world.database)
        reading = asyncio.create_task(store.read_ahead())
        try:
            async with asyncio.timeout(20):
                before = await at_hand(store, 0)
                dataset = await asyncio.to_thread(world.load, Load(packets=packets("HP:0001263")))
                while dataset not in await store.datasets():
                    await asyncio.sleep(0.01)
                await at_hand(store, before)
        finally:
            reading.cancel()
            await store.close()

    async def at_hand(store: MongoStore, before: float) -> float:
        while store._reader._kept._size <= before:
            await asyncio.sleep(0.01)
        return store._reader._kept._size

    world.run(ask())


def test_what_is_gone_takes_no_memory(world: World, segment: Segment) -> None:
    dataset = world.load(Load(packets=packets("HP:0001252")))

    async def ask() -> tuple[float, float]:
        store = await MongoStore.open(world.uri, world.database)
        segments = (await store.datasets())[dataset].segments
        await read_ahead(store._reader, [segment])
        before = store._reader.room
        await read_ahead(store._reader, segments)
        assert store._reader.room < before
        await asyncio.to_thread(world.admin.delete_dataset, dataset)
        while dataset in await store.datasets():
            await asyncio.sleep(0.01)
        await store.close()
        return before, store._reader.room

    before, after = world.run(ask())
    assert before == after


def test_memory_is_filled_no_further_than_it_goes(world: World, segment: Segment) -> None:
    async def ask(kept_bytes: int) -> float:
        async with AsyncMongoClient[dict[str, object]](world.uri) as client:
            reader = Reader(client[world.database], Gate(4), kept_bytes)
            await read_ahead(reader, [segment])
            return reader.room

    assert all(0.1 <= world.run(ask(kept_bytes)) < 0.8 for kept_bytes in (9_000, 20_000, 40_000))
    assert 0.9 < world.run(ask(100_000_000)) < 1


def test_what_was_being_read_when_it_went_out_of_date_is_not_kept(world: World, segment: Segment) -> None:
    async def ask(*, outdated: bool) -> float:
        async with AsyncMongoClient[dict[str, object]](world.uri) as client:
            reader = Reader(client[world.database], Gate(4), 1_000_000)
            reading = asyncio.create_task(reader.postings([segment.id], [("individual", "=HP:0001250")]))
            await asyncio.sleep(0)
            if outdated:
                reader.forget()
            assert [len(rows) for rows in (await reading).values()] == [40]
            return reader.room

    assert world.run(ask(outdated=False)) < 1
    assert world.run(ask(outdated=True)) == 1


@pytest.mark.parametrize("missing", ["making", "sealed"])
def test_where_memory_cannot_be_shared_heads_and_carriers_are_read_as_before(
    world: World, segment: Segment, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, "not here")

    monkeypatch.setattr(ahead, "LARGE", 1)
    monkeypatch.setattr(Commons if missing == "making" else Piece, missing, refuse)

    async def ask() -> tuple[bool, int | None]:
        store = await MongoStore.open(world.uri, world.database)
        await read_ahead(store._reader, [segment])
        outlined = store._reader.outline(segment.id) is not None
        await store.close()
        return outlined, await store.count(segment, RANGE)

    assert world.run(ask()) == (False, 90)


@pytest.mark.skipif(sys.platform != "linux", reason="outlines are in memory that is Linux's")
def test_an_outline_does_without_rare_alleles_where_they_would_take_the_room_of_everything_else(
    world: World, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(kept_bytes: int) -> tuple[bool, float]:
        async with AsyncMongoClient[dict[str, object]](world.uri) as client:
            reader = Reader(client[world.database], Gate(4), kept_bytes)
            outline = await reader.read_outline(segment.id, await reader.layout(segment.id, needed=True), 0.1)
            assert outline is not None
            return outline.tells_rare, reader.room

    assert world.run(ask(1_000_000))[0]
    tells_rare, _ = world.run(ask(40_000))
    assert not tells_rare


@pytest.mark.skipif(sys.platform != "linux", reason="outlines are in memory that is Linux's")
def test_of_several_workers_one_reads_an_outline_and_all_have_it(
    world: World, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LARGE", 1)
    monkeypatch.setattr(ahead, "_HEAD_BYTES", 1_000_000)  # no room for heads, so that nothing else is read of blocks
    context = multiprocessing.get_context("fork")
    commons, told, done = Commons(3), context.Queue(), context.Event()

    async def work() -> tuple[int, int | None]:
        store = await MongoStore.open(world.uri, world.database, commons=commons)
        read: list[str] = []
        part_bytes = store._reader._part_bytes

        async def counted(ids: Collection[str]) -> dict[str, bytes]:
            read.extend(ids)
            return await part_bytes(ids)

        monkeypatch.setattr(store._reader, "_part_bytes", counted)
        await read_ahead(store._reader, [segment])
        found = await store.count(segment, RANGE)
        await store.close()
        return len(read), found

    def worker() -> None:
        told.put(asyncio.run(work()))
        done.wait(30)

    workers = [context.Process(target=worker) for _ in range(3)]
    for process in workers:
        process.start()
    answers = [told.get(timeout=30) for _ in workers]
    done.set()
    for process in workers:
        process.join()
    assert [found for _, found in answers] == [90, 90, 90]
    assert sorted(bool(read) for read, _ in answers) == [False, False, True]
