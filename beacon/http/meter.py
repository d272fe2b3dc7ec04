"""Counting requests, in cells that all workers of a server share.

What is counted is laid out before the first request: every route template that the server has, every method and
status of the lists below. No label can come from a request or from data, since there is no cell for one. Each worker
writes a row of its own, so that nobody waits for anybody, and whichever worker is asked tells the sum.
"""

from __future__ import annotations

import bisect
import mmap
import time
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

METHODS: Final = ("GET", "POST", "HEAD", "OPTIONS", "other")
STATUSES: Final = (
    "200", "204", "307", "400", "401", "403", "404", "405", "408", "413", "414", "417", "429", "499", "500", "502",
    "503", "504", "508", "other",
)  # fmt: skip
"""499: the client hung up before the answer."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TEMPLATES: Final = 256
_METHOD: Final = {name: place for place, name in enumerate(METHODS)}
_STATUS: Final = {int(name): place for place, name in enumerate(STATUSES[:-1])}
GAUGES: Final = ("in_flight", "running", "waiting", "connections", "starts")
_CONNECTIONS: Final = GAUGES.index("connections")
STATES: Final = len(METHODS) * len(STATUSES)
TIMES: Final = len(SECONDS) + 2  # the last two: slower than all, and the sum
_CELLS: Final = len(GAUGES) + TEMPLATES * (STATES + TIMES)


class Board:
    """The cells of all workers. Make it before they are forked; then each writes its own row and reads all."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        # One row more, for the process that looks after the workers.
        self._bytes = mmap.mmap(-1, (workers + 1) * _CELLS * 8)
        self._memory = memoryview(self._bytes).cast("d")
        self.began = time.time()

    def row(self, worker: int) -> memoryview[float]:
        """Return one worker's cells."""
        return self._memory[worker * _CELLS : (worker + 1) * _CELLS]

    def set_alive(self, alive: int) -> None:
        """Note how many workers there are now; said by whoever looks after them."""
        self._memory[self.workers * _CELLS] = alive

    @property
    def alive(self) -> int:
        """How many workers there are now."""
        return int(self._memory[self.workers * _CELLS])

    def sums(self) -> NDArray[np.float64]:
        """Return every cell, summed over the workers."""
        cells = np.frombuffer(self._bytes, np.float64).reshape(self.workers + 1, _CELLS)
        total: NDArray[np.float64] = cells[: self.workers].sum(axis=0)
        return total


class Meter:
    """Counts the requests of one process."""

    def __init__(self, board: Board | None = None, worker: int = 0) -> None:
        self._board = board or Board()
        self._worker = worker
        self._row = self._board.row(worker)
        self._places: dict[str, int] = {}
        for gauge in range(_CONNECTIONS + 1):  # what a worker that was killed left behind
            self._row[gauge] = 0.0
        self._row[_CONNECTIONS + 1] += 1

    def know(self, templates: Iterable[str]) -> None:
        """Give every route template its cells; all workers must be given the same. "" is a path that there is not."""
        self._places = {template: place for place, template in enumerate(labels(templates))}

    def connected(self, change: int) -> None:
        """Count a connection that was made (1) or lost (-1)."""
        self._row[_CONNECTIONS] += change

    @property
    def crowded(self) -> bool:
        """Whether another worker has fewer connections than this one."""
        mine = self._row[_CONNECTIONS]
        others = range(self._board.workers)
        return any(self._board.row(one)[_CONNECTIONS] < mine for one in others if one != self._worker)

    def begin(self) -> None:
        """Count a request that begins."""
        self._row[0] += 1

    def end(self, template: str, method: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        row = self._row
        row[0] -= 1
        at = len(GAUGES) + self._places.get(template, 0) * (STATES + TIMES)
        method_at = _METHOD.get(method, len(METHODS) - 1)
        row[at + method_at * len(STATUSES) + _STATUS.get(status, len(STATUSES) - 1)] += 1
        at += STATES
        row[at + bisect.bisect_left(SECONDS, seconds)] += 1
        row[at + TIMES - 1] += seconds

    def database(self, running: int, waiting: int) -> None:
        """Note how many operations of this process the database has now, and how many wait for their turn."""
        self._row[1] = running
        self._row[2] = waiting


def labels(templates: Iterable[str]) -> tuple[str, ...]:
    """Return the route label of each place; what has none is counted under the first, the empty one."""
    return ("", *sorted(set(templates) - {""}))[:TEMPLATES]
