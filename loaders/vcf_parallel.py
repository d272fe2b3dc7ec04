"""Reading the records of a VCF in several processes, in the order of the file.

One process writes to the database; the others turn lines into alleles and calls, which is about half of the work, and
unpack the file themselves where it is one that allows this. At most two pieces wait for each of them, so that memory
does not grow with the file.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from beacon.errors import LoadError
from loaders.report import Problem
from loaders.vcf_header import Header
from loaders.vcf_lines import Damaged, damaged
from loaders.vcf_normal import opened
from loaders.vcf_ranges import Stretch, Unreadable, is_whole, stretches
from loaders.vcf_ranges import lines as stretch_lines
from loaders.vcf_records import Outcome, RecordReader

PIECE_BYTES = 2_000_000
PIECE_LINES = 500
WAITING = 2
"""Pieces under way for each process."""
MOST_WORKERS = 64

Lines = Iterator[tuple[int, bytes]]


def outcomes(
    reader: RecordReader, lines: Lines, workers: int = 1, fasta: Path | None = None, path: Path | None = None
) -> Iterator[Outcome]:
    """Yield what each line is: a record, or the problem that it has. Raises what reading the lines raises.

    With more than one of the ``workers`` all but one read records in processes of their own, each with its own
    ``fasta``, which ``reader`` has open for itself. Where the lines are all those of the file at ``path``, packed with
    bgzip, these processes unpack it too. Raises ``LoadError`` where one of them is killed.
    """
    if workers == 1:
        for first, piece in _pieces(lines):
            yield from reader.read_all(first, piece)
        return
    # Not forked: the driver of the database has threads, which a fork would leave behind in the middle of something.
    pool = ProcessPoolExecutor(
        workers - 1,
        multiprocessing.get_context("spawn"),
        _Worker.begin,
        (reader.header, reader.assembly, reader.file, fasta),
    )
    waiting = WAITING * (workers - 1)
    try:
        if path is not None and is_whole(path):
            yield from _of_stretches(pool, path, lines, waiting)
        else:
            yield from _of_lines(pool, lines, waiting)
    except BrokenProcessPool as error:
        raise LoadError("a process that read records was killed; is there too little memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _of_lines(pool: Executor, lines: Lines, waiting: int) -> Iterator[Outcome]:
    """Hand lines to the processes."""
    under_way: deque[Future[list[Outcome]]] = deque()
    damage = None
    pieces = _pieces(lines)
    while True:
        try:
            piece = next(pieces, None)
        except Damaged as error:  # what came before is told first
            piece, damage = None, error
        if piece is None:
            break
        under_way.append(pool.submit(_Worker.work, *piece))
        if len(under_way) > waiting:
            yield from under_way.popleft().result()
    while under_way:
        yield from under_way.popleft().result()
    if damage is not None:
        raise damage


def _of_stretches(pool: Executor, path: Path, lines: Lines, waiting: int) -> Iterator[Outcome]:
    """Let the processes read the file. Of ``lines`` only the first is read, which tells where records begin."""
    first = next(lines, None)
    if first is None:
        return
    number = 0
    under_way: deque[Future[list[Outcome] | str]] = deque()
    places = stretches(path)
    while True:
        stretch = next(places, None)
        if stretch is not None:
            under_way.append(pool.submit(_Worker.work_stretch, path, stretch))
        while under_way and (stretch is None or len(under_way) > waiting):
            found = under_way.popleft().result()
            if isinstance(found, str):
                raise damaged(path, number + 1, found)
            for outcome in found:
                number += 1
                if number >= first[0]:
                    yield _numbered(outcome, number)
        if stretch is None:
            return


def _numbered(outcome: Outcome, number: int) -> Outcome:
    """Return what a line is under the line's number in the file; whoever read it knew its place in a stretch only."""
    if isinstance(outcome, Problem):
        return replace(outcome, line=number)
    return replace(outcome, line=number, sites=tuple(replace(site, line=number) for site in outcome.sites))


def _pieces(lines: Lines) -> Iterator[tuple[int, list[bytes]]]:
    """Yield consecutive lines together, with the number of the first; what reading raises comes after the last."""
    first, piece, size = 0, list[bytes](), 0
    try:
        for number, line in lines:
            if not piece:
                first = number
            piece.append(line)
            size += len(line)
            if size >= PIECE_BYTES or len(piece) >= PIECE_LINES:
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
        """Prepare this process. Ctrl-C is for the process that all others work for."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sequences = None if fasta is None else cls.held.enter_context(opened(fasta))
        cls.reader = RecordReader.build(header, assembly, file, sequences)

    @classmethod
    def work(cls, first: int, lines: list[bytes]) -> list[Outcome]:
        """Read some lines."""
        return list(cls.reader.read_all(first, lines))

    @classmethod
    def work_stretch(cls, path: Path, stretch: Stretch) -> list[Outcome] | str:
        """Read the lines of a stretch; return what is wrong with the file where that cannot be done."""
        try:
            return cls.work(1, stretch_lines(path, stretch))
        except Unreadable as error:
            return str(error)
