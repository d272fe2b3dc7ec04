"""Loading a reference sequence: a FASTA file, plain or packed, whose sequences are an assembly's chromosomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from beacon.errors import LoadError
from beacon.model import genome
from beacon.store.admin import Admin
from loaders.files import pieces
from loaders.report import Progress
from loaders.words import counted, visible

_CODES = b"ACGTRYSWKMBDHVN"
_SPACE = b"\r\n\t "
_MITOCHONDRION = "MT"


@dataclass(slots=True)
class ReferenceReport:
    """What came of loading a reference: chromosomes and other contigs by name, alleles by number."""

    assembly: str
    loaded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    named: int = 0
    unnamed: int = 0

    def render(self) -> str:
        """Return the report as text for a terminal."""
        found = [f"{counted(len(self.loaded), 'sequence')} of {self.assembly} loaded"]
        if self.unchanged:
            found.append(f"{len(self.unchanged)} there already")
        lines = [", ".join(found) + "."]
        if self.named or self.unnamed:
            lines.append(f"Gave VRS ids to {counted(self.named, 'allele')} that the site had already.")
        if self.unnamed:
            lines.append(
                f"No VRS id for {counted(self.unnamed, 'allele')} with other bases than this sequence has there, or "
                "very many. A large number of these means that a VCF was made with another reference."
            )
        lines += self.notes
        if self.missing:
            lines.append(
                f"Still without sequence: {', '.join(self.missing)}. VRS ids can be asked for once all chromosomes are "
                "there, HGVS and SPDI names of indels on those that are."
            )
        return "\n".join(map(visible, lines))


def load_reference(
    admin: Admin, path: Path, assembly: str, *, partial: bool = False, progress: Progress | None = None
) -> ReferenceReport:
    """Store the sequences of a FASTA as those of an assembly, and name the alleles that lie on them.

    Every chromosome must have the length that it has in the assembly, unless ``partial``: that is for small
    sequences in tests. Sequences under other names are kept under those. Raises ``LoadError``; the sequences before the
    one that is wrong stay loaded, each is right in itself.
    """
    known = genome.assembly_name(assembly)
    if known is None:
        raise LoadError(f"the assembly {assembly!r} is not known here; known are {', '.join(genome.ASSEMBLIES)}")
    progress = progress or Progress(quiet=True)
    report = ReferenceReport(known)
    lengths = genome.ASSEMBLIES[known].lengths
    seen: set[str] = set()
    fresh: list[genome.Reference] = []
    with progress.task(f"Loading {path.name} as {known}", unit="sequence") as advance:
        for name, bases in sequences(path):
            chrom = _chromosome(path, name, known)
            if chrom in seen:
                raise LoadError(f"{path} has two sequences of chromosome {chrom}", where=name)
            seen.add(chrom)
            try:
                found, new = admin.store_sequence(
                    known, chrom, bases, None if partial else lengths.get(chrom), path.name
                )
            except LoadError as error:
                if chrom != _MITOCHONDRION or error.where != chrom:
                    raise
                # UCSC's hg19 has an older mitochondrion than everybody else's GRCh37.
                report.notes.append(f"Left out: {error.message}.")
                continue
            (report.loaded if new else report.unchanged).append(chrom)
            if not found.indexed:
                fresh.append(found)
            advance(1)
    if not seen:
        raise LoadError(f"{path} has no sequence in it", where=str(path))
    with progress.task("Naming the alleles that are there", unit="allele") as advance:
        for found in fresh:
            named, unnamed = admin.name_alleles(found, advance)
            report.named += named
            report.unnamed += unnamed
    held = {reference.chrom for reference in admin.references(known)}
    report.missing = [chrom for chrom in genome.CHROMOSOMES if chrom not in held]
    return report


def _chromosome(path: Path, name: str, assembly: str) -> str:
    told = genome.named_by(name)
    if told is not None and told[0] not in (None, assembly):
        raise LoadError(f"{path} is not {assembly}: its sequence {name} belongs to {told[0]}", where=name)
    return genome.chromosome(name)


def sequences(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield (name, pieces of upper-case bases) of each sequence; the pieces have to be used up before the next.

    Raises ``LoadError`` for a file that is no FASTA or has other letters than those of bases.
    """
    tokens = _tokens(path)
    name = next(tokens, None)
    if name is None:
        return
    if isinstance(name, bytes):
        raise LoadError(f"{path} is no FASTA: it does not begin with '>' and a name", where=str(path))
    following: list[str] = [name]

    def part(current: str) -> Iterator[bytes]:
        for token in tokens:
            if isinstance(token, str):
                following.append(token)
                return
            yield _bases(path, current, token)

    while following:
        current = following.pop()
        bases = part(current)
        yield current, bases
        for _ in bases:
            pass


def _tokens(path: Path) -> Iterator[str | bytes]:
    """Yield names as text and what lies between them as bytes."""
    header: bytes | None = None
    fresh = True
    for piece in pieces(path):
        rest = piece
        while rest:
            if header is not None:
                head, newline, rest = rest.partition(b"\n")
                header += head
                if newline:
                    yield _name(path, header)
                    header, fresh = None, True
            elif fresh and rest.startswith(b">"):
                header, rest = b"", rest[1:]
            else:
                end = rest.find(b"\n>") + 1 or len(rest)
                yield rest[:end]
                fresh, rest = rest[:end].endswith(b"\n"), rest[end:]
    if header is not None:
        yield _name(path, header)


def _name(path: Path, header: bytes) -> str:
    words = header.decode("utf-8", "replace").split()
    if not words:
        raise LoadError(f"{path} has a sequence without a name", where=str(path))
    # Older files of NCBI: gi|568336023|gb|NC_000001.11|
    return next((part for part in words[0].split("|") if part.startswith("NC_")), words[0])


def _bases(path: Path, name: str, text: bytes) -> bytes:
    bases = text.translate(None, _SPACE).upper().replace(b"U", b"T")
    if other := bases.translate(None, _CODES):
        raise LoadError(f"{path}: sequence {name} has {chr(other[0])!r} in it, which is no base", where=name)
    return bases
