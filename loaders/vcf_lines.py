"""The lines of a VCF file, as bytes, whatever it is packed in; and what is wrong where it was cut.

Plain text, gzip, BGZF (bgzip) and BCF are told apart by their first bytes, never by the file's name. BCF comes
as the text lines that it stands for, so that everything after this module knows one notation only.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pysam

from loaders.report import Problem, Severity

CHUNK = 1 << 20
MAX_LINE = 1 << 28
"""No record is longer: a million samples with 250 bytes each would still fit."""
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every BGZF file (SAM specification, 4.1.2)."""


class Damaged(Exception):
    """The file cannot be read on; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end). Raises ``Damaged``, after the lines before the damage.

    For a BCF the numbers are those of its text form. ``OSError`` is raised where the file cannot be opened.
    """
    number = 0
    try:
        for line in _lines(path):
            number += 1
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, number + 1, f"The file is cut short or damaged after line {number} ({error}).") from error
    except _Broken as error:
        raise damaged(path, number + 1, str(error)) from error


def damaged(path: Path, line: int | None, message: str, rule: str = "file-damaged") -> Damaged:
    """Return the error of a file that ends, or breaks, at a line."""
    hint = "Fetch or make the file again; nothing of it was loaded."
    return Damaged(Problem(path.name, line, None, rule, Severity.ERROR, message, None, hint))


class _Broken(Exception):
    """Where and how the bytes end too early, without the line, which the caller knows."""


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.read(18)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(BGZF_END)))
        end = file.read()
    if start.startswith(b"BCF"):
        return _bcf_lines(path)
    if not start.startswith(b"\x1f\x8b"):
        return _split(_plain_chunks(path))
    if start[12:14] != b"BC":
        return _split(_gzip_chunks(path))
    chunks = _bgzf_chunks(path, size, whole=end == BGZF_END)
    first = next(chunks, b"")
    if first.startswith(b"BCF"):
        chunks.close()
        return _bcf_lines(path)
    return _split(chain([first], chunks))


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split chunks at line ends; a last line without its end means that the file was cut."""
    rest: list[bytes] = []
    held = 0
    for chunk in chunks:
        lines = chunk.split(b"\n")
        if len(lines) == 1:
            held += len(chunk)
            if held > MAX_LINE:
                raise _Broken(f"The line is longer than {MAX_LINE >> 20} MB, which no VCF record is.")
            rest.append(chunk)
            continue
        lines[0] = b"".join([*rest, lines[0]])
        rest = [lines.pop()]
        held = len(rest[0])
        for line in lines:
            yield line[:-1] if line.endswith(b"\r") else line
    if b"".join(rest):
        raise _Broken(
            "The last line has no line end, so the file may be cut short; if it is whole, end it with a line break."
        )


def _plain_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _gzip_chunks(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _bgzf_chunks(path: Path, size: int, *, whole: bool) -> Generator[bytes, None, None]:
    with _quiet():
        file = pysam.BGZFile(str(path), "rb", None)
        try:
            while chunk := file.read(CHUNK):
                yield chunk
            if not whole:
                raise _Broken("The file is cut short: the block that ends every bgzip file is missing.")
            if (file.tell() >> 16) + len(BGZF_END) < size:
                raise _Broken("The file has an end block in its middle; unpack it and compress it with bgzip again.")
        except OSError as error:
            raise _Broken("The file is cut short or damaged: a bgzip block cannot be unpacked.") from error
        finally:
            _close(file)


def _bcf_lines(path: Path) -> Iterator[bytes]:
    with _quiet():
        try:
            with pysam.VariantFile(str(path)) as file:
                yield from str(file.header).rstrip("\n").encode().split(b"\n")
                for record in file:
                    yield str(record).rstrip("\n").encode()
        except (OSError, ValueError) as error:
            raise _Broken(f"The BCF is cut short or damaged ({error}).") from error


def _close(file: pysam.BGZFile) -> None:
    try:
        file.close()
    except OSError:  # a damaged file cannot be closed in order; what is wrong was said when it was read
        return


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep htslib from writing its own messages beside ours."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)
