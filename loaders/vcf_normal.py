"""Reference sequences beside a VCF: whether REF is what is there, and indels as far left as they go.

VCF (4.4, section 1.6.1) wants insertions and deletions left-aligned; not every caller does so. With the sequence at
hand two spellings of one allele meet; without it they are trimmed only, and marked so.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pysam
from pysam.utils import SamtoolsError

from beacon.errors import LoadError
from beacon.model import genome
from beacon.model.bases import may_agree
from beacon.model.edit import Contradiction, Edit, normal
from beacon.model.variant import Allele, is_sequence
from loaders.vcf_lines import quiet

CHUNK = 1 << 16
REACH = 10_000
"""Bases that an allele is moved at most. One in a longer repeat stays where it is written, since it could not be
put in order any more, and is marked as trimmed."""
LONGEST = 100_000
TRIMMED, LEFT = "trimmed", "left-aligned"


@dataclass(slots=True)
class Sequences:
    """The sequences of a FASTA file. ``names`` are its names by chromosome as this program stores it."""

    file: pysam.FastaFile
    names: dict[str, str]
    digest: str
    _place: tuple[str, int] = ("", -1)
    _chunk: str = ""
    _lengths: dict[str, int] = field(default_factory=dict)

    def length(self, chrom: str) -> int | None:
        """Return how many bases a chromosome has, None where the file does not have it."""
        if chrom not in self.names:
            return None
        if chrom not in self._lengths:
            self._lengths[chrom] = int(self.file.get_reference_length(self.names[chrom]))
        return self._lengths[chrom]

    def bases(self, chrom: str, start: int, end: int) -> str:
        """Return bases [start, end), upper case; fewer where the sequence ends before."""
        number = start // CHUNK
        if end > (number + 1) * CHUNK:
            return str(self.file.fetch(self.names[chrom], start, end)).upper()
        if self._place != (chrom, number):
            self._chunk = str(self.file.fetch(self.names[chrom], number * CHUNK, (number + 1) * CHUNK)).upper()
            self._place = (chrom, number)
        return self._chunk[start - number * CHUNK : end - number * CHUNK]

    def contradicts(self, chrom: str, start: int, ref: str) -> str | None:
        """Return the bases that are there where they cannot be ``ref``; None where they can, or nobody knows."""
        if chrom not in self.names:
            return None
        there = self.bases(chrom, start, start + len(ref))
        fits = len(there) == len(ref) and (there == ref.upper() or all(map(may_agree, ref.upper(), there)))
        return None if fits else there

    def leftmost(self, allele: Allele) -> Allele | None:
        """Return an allele as far left as it goes; None where nobody can tell, or it is too far."""
        start, ref, alt = allele.minimal
        if ref and alt:
            return allele
        length = self.length(allele.chrom)
        if length is None or len(ref) > LONGEST or start + len(ref) > length:
            return None
        asking = normal(Edit(start, start + len(ref), ref, alt), length)
        try:
            wanted = next(asking)
            while True:
                wanted = asking.send(self.bases(allele.chrom, *wanted))
        except StopIteration as done:
            found = done.value
        except (Contradiction, ValueError):
            return None
        if found.left > REACH:
            return None
        start, ref, alt = found.leftmost
        if start:
            before = self.bases(allele.chrom, start - 1, start)
            start, ref, alt = start - 1, before + ref, before + alt
        else:
            after = self.bases(allele.chrom, len(ref), len(ref) + 1)
            ref, alt = ref + after, alt + after
        return allele._replace(start=start, end=start + len(ref), ref=ref, alt=alt)


@contextmanager
def opened(path: Path) -> Iterator[Sequences]:
    """Open a FASTA, plain or packed with bgzip. An index that is not beside it is made for the time being.

    Raises ``LoadError`` where it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="skerry-fasta-") as folder, quiet():
        beside = Path(f"{path}.fai")
        try:
            if beside.exists():
                file = pysam.FastaFile(str(path))
            else:
                index = Path(folder) / "fai"
                places = Path(folder) / "gzi"
                pysam.faidx(str(path), "--fai-idx", str(index), "--gzi-idx", str(places))
                beside = index
                packed = {"filepath_index_compressed": str(places)} if places.exists() else {}
                file = pysam.FastaFile(str(path), filepath_index=str(index), **packed)
            digest = hashlib.sha256(beside.read_bytes()).hexdigest()
        except (OSError, ValueError, SamtoolsError) as error:
            raise LoadError(
                f"{path} cannot be read as FASTA; hand over a plain file, or one packed with bgzip", where=str(path)
            ) from error
        try:
            yield Sequences(file, {genome.chromosome(name): name for name in file.references}, digest)
        finally:
            file.close()


def can_move(allele: Allele) -> bool:
    """Whether an allele is an insertion or deletion written in bases, which may have several spellings."""
    return is_sequence(allele.alt) and "INDEL" in allele.types
