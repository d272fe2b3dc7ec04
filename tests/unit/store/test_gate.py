"""Nobody starves in front of MongoDB, and nobody who gives up keeps a place."""

from __future__ import annotations

import asyncio
import statistics
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from beacon.errors import Overloaded
from beacon.store.gate import Gate

POOL = 8


async def test_no_request_starves_at_four_times_the_pool_size(mongo_uri: str, database_name: str) -> None:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(mongo_uri, maxPoolSize=POOL)
    people = client[database_name]["people"]
    await people.insert_many([{"_id": n, "text": "x" * 200} for n in range(1000)])
    gate = Gate(POOL)
    end = time.monotonic() + 2.0

    async def ask(task: int) -> list[float]:
        waits: list[float] = []
        while (began := time.monotonic()) < end:
            async with gate:
                await people.find_one({"_id": (task * 31 + len(waits)) % 1000})
            waits.append(time.monotonic() - began)
        return waits

    waits = await asyncio.gather(*(ask(task) for task in range(4 * POOL)))
    await client.close()
    done = [len(w) for w in waits]
    assert min(done) >= 0.8 * statistics.median(done)
    typical = statistics.median(wait for task in waits for wait in task)
    assert max(wait for task in waits for wait in task) < max(0.5, 10 * typical)


@settings(max_examples=50, deadline=None)
@given(places=st.integers(1, 5), turns=st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_whoever_comes_first_goes_first_and_never_more_than_there_are_places(places: int, turns: list[int]) -> None:
    async def run() -> tuple[list[int], int]:
        gate, order, inside, most = Gate(places), list[int](), 0, 0

        async def visit(number: int, length: int) -> None:
            nonlocal inside, most
            async with gate:
                order.append(number)
                inside += 1
                most = max(most, inside)
                for _ in range(length):
                    await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(visit(number, length) for number, length in enumerate(turns)))
        return order, most

    order, most = asyncio.run(run())
    assert order == sorted(order)
    assert most <= places


async def test_a_cancelled_task_gives_its_place_back_whether_waiting_or_inside() -> None:
    gate = Gate(1)

    async def hold() -> None:
        async with gate:
            await asyncio.sleep(60)

    inside, waiting = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert gate.waiting == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert gate.waiting == 0
    inside.cancel()
    await asyncio.gather(inside, return_exceptions=True)
    async with asyncio.timeout(1), gate:
        pass


async def test_a_place_that_is_freed_for_a_task_that_gives_up_at_that_moment_goes_to_the_next() -> None:
    gate = Gate(1)
    passed = asyncio.Event()

    async def visit(done: asyncio.Event | None = None) -> None:
        async with gate:
            if done is not None:
                done.set()

    await gate.__aenter__()
    first, second = asyncio.create_task(visit()), asyncio.create_task(visit(passed))
    await asyncio.sleep(0)
    await gate.__aexit__(None, None, None)
    first.cancel()
    await asyncio.wait_for(passed.wait(), 1)
    await asyncio.gather(first, second, return_exceptions=True)


async def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    gate = Gate(1, max_waiting=2)
    leave = asyncio.Event()

    async def hold() -> None:
        async with gate:
            await leave.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="ask again"):
        async with gate:
            pass
    leave.set()
    await asyncio.gather(*tasks)
    async with gate:
        pass
