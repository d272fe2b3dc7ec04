"""The lines of a VCF file, as bytes, whatever it is packed in; and what is wrong where it was cut.

Plain text, gzip, BGZF (bgzip) and BCF are told apart by their first bytes, never by the file's name. BCF comes
as the text lines that it stands for, so that everything after this module knows one notation only.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pysam

from beacon.errors import LoadError
from beacon.model import genome
from loaders import bgzf
from loaders.report import Problem, Severity, Share

CHUNK = 1 << 18
MAX_LINE = 1 << 28
"""No record is longer: a million samples with 250 bytes each would still fit."""
MOST = 2**31 - 1
INDEXES = (".csi", ".tbi")
_REGION = re.compile(r"(.+?)(?::([\d,]+)(?:-([\d,]+))?)?")


class Damaged(Exception):
    """The file cannot be read on; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def numbered_lines(path: Path, share: Share | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end). Raises ``Damaged``, after the lines before the damage.

    ``share`` is told how much of the file has been read, save of a BCF, of which the numbers are those of its text.
    ``OSError`` is raised where the file cannot be opened.
    """
    number = 0
    try:
        for line in _lines(path, share or Share()):
            number += 1
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, number + 1, f"The file is cut short or damaged after line {number} ({error}).") from error
    except _Broken as error:
        raise damaged(path, number + 1, str(error)) from error


def region_lines(path: Path, regions: Sequence[str]) -> Iterator[tuple[int, bytes]]:
    """Yield the header's lines and those of the records that begin in one of some regions, found through the index.

    A region is ``chr1``, ``chr1:1000`` or ``chr1:1,000-2,000``, from 1 and inclusive; a record belongs to the region
    that its POS is in, so that two neighbouring regions have no record in common. Lines count those that are read.
    Raises ``Damaged``, and ``LoadError`` where there is no index or no such contig.
    """
    wanted = [_region(text) for text in regions]
    number = 0
    for number, line in numbered_lines(path):
        if not line.startswith(b"##"):
            yield number, line
            break
        yield number, line
    try:
        for line in _indexed(path, wanted):
            number += 1
            yield number, line
    except (OSError, ValueError) as error:
        raise damaged(path, number + 1, f"The file is damaged, or its index is of another file ({error}).") from error


def _region(text: str) -> tuple[str, int, int]:
    """Return (contig, first, last), both from 1. Raises ``LoadError``."""
    match = _REGION.fullmatch(text.strip())
    if not match:
        raise LoadError(f"{text!r} is no region; write one as chr1, chr1:1000 or chr1:1000-2000", where="--region")
    first, last = (int(part.replace(",", "")) if part else None for part in match.groups()[1:])
    found = (match[1], first or 1, last or MOST)
    if not 0 < found[1] <= found[2]:
        raise LoadError(f"the region {text!r} ends before it begins", where="--region")
    return found


def _indexed(path: Path, wanted: Sequence[tuple[str, int, int]]) -> Iterator[bytes]:
    with quiet():
        if _is_bcf(path):
            with pysam.VariantFile(str(path)) as file:
                contigs = [str(contig) for contig in file.header.contigs]
                if not any(Path(f"{path}{ending}").exists() for ending in INDEXES):
                    raise _no_index(path)
                for contig, first, last in _merged(wanted, contigs):
                    for record in file.fetch(contig, first - 1, last):
                        if first <= record.pos <= last:
                            yield str(record).rstrip("\n").encode()
            return
        try:
            # Latin-1 gives every byte back as it was, whatever it stands for.
            table = pysam.TabixFile(str(path), encoding="latin-1")
        except OSError as error:
            raise _no_index(path) from error
        with table:
            for contig, first, last in _merged(wanted, table.contigs):
                for row in table.fetch(contig, first - 1, last):
                    pos = row.split("\t", 2)[1]
                    if not pos.isdigit() or first <= int(pos) <= last:
                        yield row.encode("latin-1")


def _merged(wanted: Sequence[tuple[str, int, int]], contigs: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield regions in the order of the file, those that touch joined. Raises ``LoadError`` for an unknown contig."""
    places: dict[str, list[tuple[int, int]]] = {}
    names = {genome.chromosome(contig): contig for contig in contigs}
    for contig, first, last in wanted:
        known = contig if contig in contigs else names.get(genome.chromosome(contig))
        if known is None:
            raise LoadError(f"the file has no records of {contig!r}", where="--region")
        places.setdefault(known, []).append((first, last))
    for contig in contigs:
        begin, end = 0, -1
        for first, last in sorted(places.get(contig, ())):
            if first > end + 1:
                if end > 0:
                    yield contig, begin, end
                begin, end = first, last
            end = max(end, last)
        if end > 0:
            yield contig, begin, end


def _no_index(path: Path) -> LoadError:
    return LoadError(
        f"{path} has no index, which --region needs; make one with: tabix -p vcf {path} (a BCF: bcftools index)",
        where="--region",
    )


def _is_bcf(path: Path) -> bool:
    with gzip.open(path) as file:
        try:
            return file.read(3) == b"BCF"
        except (OSError, EOFError, zlib.error):
            return False


def damaged(path: Path, line: int | None, message: str, rule: str = "file-damaged") -> Damaged:
    """Return the error of a file that ends, or breaks, at a line."""
    hint = "Fetch or make the file again; nothing of it was loaded."
    return Damaged(Problem(path.name, line, None, rule, Severity.ERROR, message, None, hint))


class _Broken(Exception):
    """Where and how the bytes end too early, without the line, which the caller knows."""


def _lines(path: Path, share: Share) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.read(18)
        size = file.seek(0, 2)
    if start.startswith(b"BCF"):
        return _bcf_lines(path)
    if not start.startswith(b"\x1f\x8b"):
        return _split(_plain_chunks(path, size, share))
    if start[12:14] != b"BC":
        return _split(_gzip_chunks(path, size, share))
    chunks = _bgzf_chunks(path, size, share)
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


def _plain_chunks(path: Path, size: int, share: Share) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            share.read = file.tell() / size
            yield chunk


def _gzip_chunks(path: Path, size: int, share: Share) -> Iterator[bytes]:
    with path.open("rb") as packed, gzip.open(packed) as file:
        while chunk := file.read(CHUNK):
            share.read = packed.tell() / size
            yield chunk


def _bgzf_chunks(path: Path, size: int, share: Share) -> Generator[bytes, None, None]:
    with path.open("rb", CHUNK) as file:
        try:
            for text in bgzf.texts(file):
                share.read = file.tell() / size
                yield text
        except bgzf.Unreadable as error:
            raise _Broken(str(error)) from error
        file.seek(max(0, size - len(bgzf.END)))
        if file.read() != bgzf.END:
            raise _Broken("The file is cut short: the block that ends every bgzip file is missing.")


def _bcf_lines(path: Path) -> Iterator[bytes]:
    with quiet():
        try:
            with pysam.VariantFile(str(path)) as file:
                yield from str(file.header).rstrip("\n").encode().split(b"\n")
                for record in file:
                    yield str(record).rstrip("\n").encode()
        except (OSError, ValueError) as error:
            raise _Broken(f"The BCF is cut short or damaged ({error}).") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep htslib from writing its own messages beside ours."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)
