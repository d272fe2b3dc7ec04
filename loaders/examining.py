"""Reading and checking phenopackets, some together: here, or in a process that helps.

That is a third of the work of a load, and needs nothing of the dataset but the ontologies of its site.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from beacon.store.admin import Admin
from loaders.phenopackets import Counts, Packet, Reader
from loaders.report import Problem, Severity
from loaders.sources import Document, documents
from loaders.terms import Vocabulary, site_ontologies
from loaders.workers import Workers

BATCH: Final = 500
"""Documents that are read together, and written; larger batches save round trips, smaller ones memory."""
_FIRST: Final = 100
"""Documents of the first batch; each one after it has up to twice as many, so that writing begins soon."""
FEW_COLLECTIONS: Final = 1_000_000
"""Objects made between two looks for cycles: documents and records have none, and looking took a sixth of a load."""
_AHEAD: Final = 2
"""Batches that are read or waiting while another one is written."""


class Batch(NamedTuple):
    """What some documents were: packets that may be loaded, problems, and the ids of all that had one.

    ``read`` is their number, ``counts`` those of all until here.
    """

    read: int
    packets: list[Packet]
    problems: list[Problem]
    seen: set[str]
    counts: Counts


def examined(items: Iterable[Document | Problem], terms: Vocabulary, most: int | None = None) -> Iterator[Batch]:
    """Read and check documents one after the other, until there are ``most`` errors, and yield what they are."""
    batch = _Batch(terms)
    for item in items:
        yield from batch.add(item)
        if most is not None and batch.errors >= most:
            break
    if batch.anything:
        yield batch.taken()


class _Batch:
    """What was read since the last batch was taken."""

    def __init__(self, terms: Vocabulary) -> None:
        self.errors = 0
        self._reader = Reader(terms, self._hear)
        self._packets: list[Packet] = []
        self._problems: list[Problem] = []
        self._taken = 0
        self._size = min(_FIRST, BATCH)

    def add(self, item: Document | Problem) -> Iterator[Batch]:
        """Read a document; yield what is together then where that is enough."""
        for packet in self._reader.packets((item,)):
            self._packets.append(packet)
            if len(self._packets) == self._size:
                yield self.taken()
        if self._reader.counts.read - self._taken >= self._size:
            yield self.taken()

    @property
    def anything(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._packets) or self._reader.counts.read > self._taken

    def taken(self) -> Batch:
        """Return what is together, and begin anew."""
        counts = replace(self._reader.counts)
        batch = Batch(counts.read - self._taken, self._packets, self._problems, self._reader.seen, counts)
        self._packets, self._problems, self._reader.seen, self._taken = [], [], set(), counts.read
        self._size = min(2 * self._size, BATCH)
        return batch

    def _hear(self, problem: Problem) -> None:
        self._problems.append(problem)
        self.errors += problem.severity is Severity.ERROR


def examined_apart(
    workers: Workers, admin: Admin, paths: Sequence[Path | str], most: int | None = None
) -> Iterator[Batch]:
    """Let a process read the documents under these paths, from now on; it yields what ``examined`` does.

    Raises ``ValueError`` for several workers: what a document is depends on all before it.
    """
    if workers.number != 1:
        raise ValueError(f"documents are read by one process, not by {workers.number}")
    workers.first(_Examiner.begin, *admin.address, tuple(paths), most)
    return _batches(workers, deque(workers.submit(_Examiner.next) for _ in range(_AHEAD)))


def _batches(workers: Workers, under_way: deque[Future[Batch | None]]) -> Iterator[Batch]:
    while (batch := under_way.popleft().result()) is not None:
        under_way.append(workers.submit(_Examiner.next))
        yield batch


class _Examiner:
    """What the process that helps keeps for itself. It looks up ontologies by a connection of its own."""

    held: ClassVar[ExitStack] = ExitStack()
    batches: ClassVar[Iterator[Batch]]

    @classmethod
    def begin(cls, uri: str, database: str, paths: Sequence[Path | str], most: int | None) -> None:
        """Get ready for some files. Raises ``StoreUnavailable``."""
        gc.set_threshold(FEW_COLLECTIONS)
        cls.held.close()
        terms = site_ontologies(cls.held.enter_context(Admin.open(uri, database)))
        cls.batches = examined(documents(paths), terms, most)

    @classmethod
    def next(cls) -> Batch | None:
        """Return the next batch, None after the last."""
        return next(cls.batches, None)
