"""Reading the records of a VCF in several processes, in the order of the file.

One process writes to the database; the others turn lines into alleles and calls, which is about half of the work, and
unpack the file themselves where it is one that allows this. While the first one would wait for them it reads too. A few
pieces are under way for each process, so that memory does not grow with the file.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from beacon.errors import LoadError
from loaders.bgzf import Unreadable
from loaders.vcf_header import Header
from loaders.vcf_lines import Damaged, damaged
from loaders.vcf_normal import opened
from loaders.vcf_pieces import Piece, pack, renumbered, unpack
from loaders.vcf_ranges import Stretch, is_whole, stretches
from loaders.vcf_ranges import lines as stretch_lines
from loaders.vcf_records import TOGETHER, Outcome, RecordReader

PIECE_BYTES = 2_000_000
PIECE_LINES = 500
WAITING = 64
"""Pieces under way for each process, of up to ``FEW`` samples: as many as it reads while the first one writes them."""
FEW = 2_504
"""Samples, as many as phase 3 of the 1000 Genomes Project has. Of more of them fewer pieces wait, which are larger."""
MOST_WORKERS = 64

Lines = Iterator[tuple[int, bytes]]


class Task(NamedTuple):
    """A piece of a file that another process was asked to read, and how to read it here, numbered from 1."""

    asked: Future[Piece]
    here: Callable[[], Iterator[Outcome]]


@contextmanager
def reading(
    reader: RecordReader, lines: Lines, workers: int = 1, fasta: Path | None = None, path: Path | None = None
) -> Iterator[Iterator[Outcome]]:
    """Yield what each line is: a record, or the problem that it has. To iterate raises what reading the lines raises.

    With more than one of the ``workers`` all but one read records in processes of their own, each with its own
    ``fasta``, which ``reader`` has open for itself; they begin at once. Where the lines are all those of the file at
    ``path``, packed with bgzip, these processes unpack it too. The block ends with ``LoadError`` where one is killed.
    """
    if workers == 1:
        yield outcomes(reader, lines)
        return
    # Not forked: the driver of the database has threads, which a fork would leave behind in the middle of something.
    pool = ProcessPoolExecutor(
        workers - 1,
        multiprocessing.get_context("spawn"),
        _Worker.begin,
        (reader.header, reader.assembly, reader.file, fasta),
    )
    try:
        first, lines = _peeked(lines)
        waiting = max(2, WAITING * FEW // max(FEW, len(reader.header.samples))) * (workers - 1)
        if first and path is not None and is_whole(path):
            tasks = (_of_stretch(pool, reader, path, stretch) for stretch in stretches(path))
            yield _of_pieces(_Ahead(tasks, waiting), reader.file, 1, first)
        else:
            tasks = (_of_lines(pool, reader, piece) for _, piece in _pieces(lines, PIECE_LINES))
            yield _of_pieces(_Ahead(tasks, waiting), reader.file, first, first)
    except BrokenProcessPool as error:
        raise LoadError("a process that read records was killed; is there too little memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)


def outcomes(reader: RecordReader, lines: Lines) -> Iterator[Outcome]:
    """Yield what each line is, read in this process. Raises what reading the lines raises."""
    for first, piece in _pieces(lines, TOGETHER):  # so few that they are read while the processor's cache has them
        yield from reader.read_all(first, piece)


def _peeked(lines: Lines) -> tuple[int, Lines]:
    """Return the number of the first of some lines, 0 where there is none, and all of them."""
    first = next(lines, None)
    return (0, lines) if first is None else (first[0], chain([first], lines))


def _of_stretch(pool: ProcessPoolExecutor, reader: RecordReader, path: Path, stretch: Stretch) -> Task:
    asked = pool.submit(_Worker.work_stretch, path, stretch)
    return Task(asked, lambda: outcomes(reader, enumerate(stretch_lines(path, stretch), 1)))


def _of_lines(pool: ProcessPoolExecutor, reader: RecordReader, lines: list[bytes]) -> Task:
    return Task(pool.submit(_Worker.work, lines), lambda: reader.read_all(1, lines))


class _Ahead:
    """What becomes of tasks, in their order, with some of them under way; what ends them is raised after the last."""

    def __init__(self, tasks: Iterator[Task], waiting: int) -> None:
        self._tasks = tasks
        self._under_way: deque[Task] = deque()
        self._read: dict[int, list[Outcome] | Unreadable] = {}
        self._first = 0
        self._damage: Damaged | None = None
        self._begin(waiting)

    def __iter__(self) -> Iterator[Piece | list[Outcome]]:
        """Yield what pieces are: of those that were read here the outcomes, numbered from 1. Raises ``Unreadable``."""
        while self._under_way:
            task = self._under_way[0]
            while self._first not in self._read and not task.asked.done() and self._read_one():
                pass
            self._under_way.popleft()
            found = self._read.pop(self._first, None)
            self._first += 1
            self._begin(1)
            if isinstance(found, Unreadable):
                raise found
            yield task.asked.result() if found is None else found
        if self._damage is not None:
            raise self._damage

    def _read_one(self) -> bool:
        """Read the first piece that no other process has taken up; False where there is none."""
        for place, task in enumerate(self._under_way, self._first):
            if place not in self._read and task.asked.cancel():
                try:
                    self._read[place] = list(task.here())
                except Unreadable as error:
                    self._read[place] = error
                return True
        return False

    def _begin(self, some: int) -> None:
        try:
            self._under_way.extend(islice(self._tasks, some))
        except Damaged as error:
            self._damage = error


def _of_pieces(pieces: _Ahead, file: str, number: int, start: int) -> Iterator[Outcome]:
    """Yield what the lines of all pieces are from line ``start`` on; ``number`` is that of the first."""
    try:
        for piece in pieces:
            found = unpack(piece, number) if isinstance(piece, Piece) else renumbered(piece, number - 1)
            for outcome in found:
                if number >= start:
                    yield outcome
                number += 1
    except Unreadable as error:
        raise damaged(Path(file), number, str(error)) from error


def _pieces(lines: Lines, most: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield at most so many consecutive lines, with the number of the first; what reading raises comes at the end."""
    first, piece, size = 0, list[bytes](), 0
    try:
        for number, line in lines:
            if not piece:
                first = number
            piece.append(line)
            size += len(line)
            if size >= PIECE_BYTES or len(piece) >= most:
                yield first, piece
                piece, size = [], 0
    except Damaged:
        if piece:
            yield first, piece
        raise
    if piece:
        yield first, piece


class _Worker:
    """What a process that reads records keeps for itself, made once when it begins."""

    reader: RecordReader
    held = ExitStack()

    @classmethod
    def begin(cls, header: Header, assembly: str, file: str, fasta: Path | None) -> None:
        """Prepare this process. Ctrl-C is for the process that all others work for; this one ends where that does."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        sequences = None if fasta is None else cls.held.enter_context(opened(fasta))
        cls.reader = RecordReader.build(header, assembly, file, sequences)

    @classmethod
    def work(cls, lines: list[bytes]) -> Piece:
        """Read some lines, numbered from 1."""
        return pack(cls.reader.read_all(1, lines))

    @classmethod
    def work_stretch(cls, path: Path, stretch: Stretch) -> Piece:
        """Read the lines of a stretch, numbered from 1. Raises ``Unreadable``."""
        return pack(outcomes(cls.reader, enumerate(stretch_lines(path, stretch), 1)))


def _end_with_parent() -> None:
    """End this process where the one that it works for was killed, instead of waiting for work without end."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only processes that were begun by another work for one"
    parent.join()
    os._exit(1)
