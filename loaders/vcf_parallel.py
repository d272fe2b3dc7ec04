"""Reading the records of a VCF in several processes, in the order of the file.

One process reads lines and writes to the database; the others turn lines into alleles and calls, which is about half of
the work. At most two pieces wait for each of them, so that memory does not grow with the file.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path

from beacon.errors import LoadError
from loaders.report import Problem
from loaders.vcf_header import Header
from loaders.vcf_lines import Damaged
from loaders.vcf_normal import opened
from loaders.vcf_records import Record, RecordReader, Unusable

PIECE_BYTES = 2_000_000
PIECE_LINES = 500
WAITING = 2
"""Pieces under way for each process."""
MOST_WORKERS = 64

Lines = Iterator[tuple[int, bytes]]
Outcome = Record | Problem


def outcomes(reader: RecordReader, lines: Lines, workers: int = 1, fasta: Path | None = None) -> Iterator[Outcome]:
    """Yield what each line is: a record, or the problem that it has. Raises what reading the lines raises.

    With more than one of the ``workers`` all but one read records in processes of their own, each with its own
    ``fasta``, which ``reader`` has open for itself. Raises ``LoadError`` where one of them is killed.
    """
    if workers > 1:
        yield from _in_processes(reader, lines, workers - 1, fasta)
        return
    for number, line in lines:
        yield _read(reader, number, line)


def _read(reader: RecordReader, number: int, line: bytes) -> Outcome:
    try:
        return reader.read(number, line)
    except Unusable as error:
        return error.problem


def _in_processes(reader: RecordReader, lines: Lines, processes: int, fasta: Path | None) -> Iterator[Outcome]:
    # Not forked: the driver of the database has threads, which a fork would leave behind in the middle of something.
    pool = ProcessPoolExecutor(
        processes,
        multiprocessing.get_context("spawn"),
        _Worker.begin,
        (reader.header, reader.assembly, reader.file, fasta),
    )
    try:
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
            if len(under_way) > WAITING * processes:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
        if damage is not None:
            raise damage
    except BrokenProcessPool as error:
        raise LoadError("a process that read records was killed; is there too little memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)


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
        return [_read(cls.reader, number, line) for number, line in enumerate(lines, start=first)]
