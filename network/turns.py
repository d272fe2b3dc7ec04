"""Whose question goes to a member next: everybody in turn, however many one of them has waiting."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Member:
    running: Counter[str] = field(default_factory=Counter)
    waiting: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)


class Turns:
    """Lets ``most`` questions at a time go to one member, and at most half of these for one asker.

    Who waits is served in turn by asker, so that a thousand questions of one do not come before the first of
    another, and half of the places stay for the others while a member is slow.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(most // 2, 1)
        self._members: dict[str, _Member] = {}

    @asynccontextmanager
    async def turn(self, member: str, asker: str) -> AsyncIterator[None]:
        """Wait until it is this asker's turn at this member; it lasts as long as the context."""
        queue = self._members.setdefault(member, _Member())
        if self._free(queue, asker):
            queue.running[asker] += 1
        else:
            await self._wait(queue, asker)
        try:
            yield
        finally:
            self._end(queue, asker)

    def _free(self, queue: _Member, asker: str) -> bool:
        return queue.running.total() < self._most and queue.running[asker] < self._share

    async def _wait(self, queue: _Member, asker: str) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.waiting.setdefault(asker, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._end(queue, asker)  # its turn came at the moment when it left
            else:
                place.cancel()
            raise

    def _end(self, queue: _Member, asker: str) -> None:
        queue.running[asker] -= 1
        if not queue.running[asker]:
            del queue.running[asker]
        for other in list(queue.waiting):
            if self._free(queue, other):
                self._let(queue, other)

    def _let(self, queue: _Member, asker: str) -> None:
        places = queue.waiting.pop(asker)
        while places and places[0].done():
            places.popleft()
        if places:
            queue.running[asker] += 1
            places.popleft().set_result(None)
        if places:
            queue.waiting[asker] = places  # behind everybody else
