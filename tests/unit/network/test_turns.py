"""Everybody gets a turn at a member, and nobody all of them."""

from __future__ import annotations

import asyncio

import pytest

from network.turns import Turns


class Desk:
    """Questions that wait for their turn at one member; each is let in and out by hand."""

    def __init__(self, most: int) -> None:
        self.turns = Turns(most)
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.done: dict[str, asyncio.Event] = {}

    async def ask(self, asker: str, name: str) -> None:
        async def hold() -> None:
            async with self.turns.turn("member", asker):
                self.inside.append(name)
                await self.done[name].wait()
            self.inside.remove(name)

        self.done[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(hold())
        await asyncio.sleep(0)

    async def finish(self, name: str) -> None:
        self.done[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)


async def test_one_asker_has_half_of_the_places_and_others_find_one_free() -> None:
    desk = Desk(4)
    for number in range(10):
        await desk.ask("greedy", f"g{number}")
    assert desk.inside == ["g0", "g1"]
    await desk.ask("modest", "m0")
    assert desk.inside == ["g0", "g1", "m0"]
    await desk.finish("g0")
    assert desk.inside == ["g1", "m0", "g2"]
    for task in desk.tasks.values():
        task.cancel()
    await asyncio.gather(*desk.tasks.values(), return_exceptions=True)


async def test_who_waits_is_served_in_turn_by_asker() -> None:
    desk = Desk(2)
    for asker in "ab":
        for number in range(3):
            await desk.ask(asker, f"{asker}{number}")
    await desk.ask("c", "c0")
    assert desk.inside == ["a0", "b0"]
    await desk.finish("a0")
    await desk.finish("b0")
    assert sorted(desk.inside) == ["a1", "b1"] or "c0" in desk.inside
    for name in list(desk.inside):
        await desk.finish(name)
    assert "c0" in desk.inside or desk.tasks["c0"].done()
    while desk.inside:
        await desk.finish(desk.inside[0])
    assert all(task.done() for task in desk.tasks.values())


async def test_who_leaves_while_waiting_takes_no_place_with_them() -> None:
    desk = Desk(1)
    await desk.ask("a", "a0")
    await desk.ask("b", "b0")
    await desk.ask("c", "c0")
    desk.tasks["b0"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await desk.tasks["b0"]
    await desk.finish("a0")
    assert desk.inside == ["c0"]
    desk.tasks["c0"].cancel()
    await asyncio.gather(desk.tasks["c0"], return_exceptions=True)
    async with asyncio.timeout(1), desk.turns.turn("member", "d"):
        pass
