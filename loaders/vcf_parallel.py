"""Reading the records of a VCF in several processes, in the order of the file.

One process writes to the database; the others turn lines into alleles and calls, which is about half of the work, and
unpack the file themselves where it is one that allows this. While the first one would wait for them it reads too. A few
pieces are under way for each process, so that memory does not grow with the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from loaders.bgzf import Unreadable
from loaders.vcf_header import Header
from loaders.vcf_lines import Damaged, damaged
from loaders.vcf_normal import opened
from loaders.vcf_pieces import Piece, pack, renumbered, unpack
from loaders.vcf_ranges import Stretch, is_whole, stretches
from loaders.vcf_ranges import lines as stretch_lines
from loaders.vcf_records import TOGETHER, Outcome, RecordReader
from loaders.workers import Workers

PIECE_BYTES = 2_000_000
PIECE_LINES = 500
WAITING = 64
"""Pieces under way for each process, of up to ``FEW`` samples: as many as it reads while the first one writes them."""
FEW = 2_504
"""Samples, as many as phase 3 of the 1000 Genomes Project has. Of more of them fewer pieces wait, which are larger."""

Lines = Iterator[tuple[int, bytes]]


class Task(NamedTuple):
    """A piece of a file that another process was asked to read, and how to read it here, numbered from 1."""

    asked: Future[Piece]
    here: Callable[[], Iterator[Outcome]]


def reading(
    reader: RecordReader,
    lines: Lines,
    workers: Workers | None = None,
    fasta: Path | None = None,
    path: Path | None = None,
) -> Iterator[Outcome]:
    """Return what each line is: a record, or the problem that it has. To iterate raises what reading the lines raises.

    Workers begin to read at once, each with its own ``fasta``, which ``reader`` has open for itself. Where the lines
    are all those of the file at ``path``, packed with bgzip, they unpack it too.
    """
    if workers is None:
        return outcomes(reader, lines)
    workers.first(_Worker.begin, reader.header, reader.assembly, reader.file, fasta)
    first, lines = _peeked(lines)
    waiting = max(2, WAITING * FEW // max(FEW, len(reader.header.samples))) * workers.number
    if first and path is not None and is_whole(path):
        tasks = (_of_stretch(workers, reader, path, stretch) for stretch in stretches(path))
        return _of_pieces(_Ahead(tasks, waiting), reader.file, 1, first)
    tasks = (_of_lines(workers, reader, piece) for _, piece in _pieces(lines, PIECE_LINES))
    return _of_pieces(_Ahead(tasks, waiting), reader.file, first, first)


def outcomes(reader: RecordReader, lines: Lines) -> Iterator[Outcome]:
    """Yield what each line is, read in this process. Raises what reading the lines raises."""
    for first, piece in _pieces(lines, TOGETHER):  # so few that they are read while the processor's cache has them
        yield from reader.read_all(first, piece)


def _peeked(lines: Lines) -> tuple[int, Lines]:
    """Return the number of the first of some lines, 0 where there is none, and all of them."""
    first = next(lines, None)
    return (0, lines) if first is None else (first[0], chain([first], lines))


def _of_stretch(workers: Workers, reader: RecordReader, path: Path, stretch: Stretch) -> Task:
    asked = workers.submit(_Worker.work_stretch, path, stretch)
    return Task(asked, lambda: outcomes(reader, enumerate(stretch_lines(path, stretch), 1)))


def _of_lines(workers: Workers, reader: RecordReader, lines: list[bytes]) -> Task:
    return Task(workers.submit(_Worker.work, lines), lambda: reader.read_all(1, lines))


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
    """What a process that helps to read records keeps for itself."""

    reader: RecordReader
    held = ExitStack()

    @classmethod
    def begin(cls, header: Header, assembly: str, file: str, fasta: Path | None) -> None:
        """Get ready for a file."""
        cls.held.close()
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
