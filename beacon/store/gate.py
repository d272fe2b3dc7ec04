"""First come, first served: the queue in front of MongoDB's client.

The driver's connection pool wakes whoever happens to be next, so that under load some requests wait for
seconds while others pass again and again. With a FIFO gate as wide as the pool nobody ever waits inside it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from beacon.errors import Overloaded


class Gate:
    """``async with gate:`` around every operation; at most ``places`` run at a time, in order of arrival.

    With ``max_waiting`` set, whoever would have to queue behind that many gets ``Overloaded`` at once. A task that is
    cancelled, while waiting or inside, gives its place back. One gate belongs to one event loop.
    """

    def __init__(self, places: int, max_waiting: int | None = None) -> None:
        self._semaphore = asyncio.Semaphore(places)  # wakes waiters in order of arrival
        self._max_waiting = max_waiting
        self._waiting = 0
        self._running = 0

    @property
    def running(self) -> int:
        """How many tasks are inside at this moment."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many tasks queue at this moment."""
        return self._waiting

    async def __aenter__(self) -> None:
        if not self._semaphore.locked():
            await self._semaphore.acquire()  # without waiting
            self._running += 1
            return
        if self._max_waiting is not None and self._waiting >= self._max_waiting:
            raise Overloaded("This site has more questions than it can answer now; ask again in some seconds.")
        self._waiting += 1
        try:
            await self._semaphore.acquire()
            self._running += 1
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running -= 1
        self._semaphore.release()
