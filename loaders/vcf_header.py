"""What a VCF's header says: samples, contigs, assembly, date, and which INFO fields carry annotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath

from beacon.errors import LoadError
from beacon.model import genome

FIXED = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
EARLIEST_YEAR = 1990
_HAND_OVER = "Hand over a VCF (plain, .gz, .bgz) or a BCF."
_STRUCTURED = re.compile(r"<(.*)>\s*")
_PAIR = re.compile(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')
_YORUBA_MITOCHONDRION = ("NC_001807.4", 16571)
_PACKING = re.compile(r"(\.fasta|\.fa|\.fna)?(\.gz|\.bgz)?$")


class HeaderError(Exception):
    """A header that cannot be used; the line (from 1) and a sentence."""

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line, self.message, self.hint = line, message, hint


@dataclass(frozen=True, slots=True)
class Contig:
    """One ``##contig`` line; ``length`` in bases where given."""

    name: str
    length: int | None = None
    assembly: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A VCF header. ``columns`` is how many each record has; ``info`` maps INFO ids to their lines' attributes."""

    samples: tuple[str, ...]
    columns: int
    contigs: Mapping[str, Contig] = field(default_factory=dict)
    info: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    file_date: str | None = None
    reference: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def date(self) -> str | None:
        """The file's date in ISO 8601, where ``##fileDate`` can be read in one way only."""
        return iso_date(self.file_date or "")

    def chromosome(self, contig: str) -> str:
        """Return the name under which a contig is stored.

        hg19's own mitochondrion is another sequence than everybody else's, so it keeps its accession as its name.
        """
        name = genome.chromosome(contig)
        known = self.contigs.get(contig)
        accession, length = _YORUBA_MITOCHONDRION
        return accession if name == "MT" and known is not None and known.length == length else name


def parse_header(lines: Iterable[tuple[int, bytes]]) -> Header:
    """Read numbered lines up to and including ``#CHROM``; the rest is left unread. Raises ``HeaderError``."""
    contigs: dict[str, Contig] = {}
    info: dict[str, dict[str, str]] = {}
    single: dict[str, list[str]] = {"fileDate": [], "reference": [], "source": []}
    for number, raw in lines:
        text = _decode(number, raw)
        if number == 1 and not text.startswith("##fileformat=VCF"):
            raise HeaderError(1, "This is no VCF: it does not begin with ##fileformat=VCF.", _HAND_OVER)
        if not text.startswith("##"):
            return Header(
                _samples(number, text),
                text.count("\t") + 1,
                contigs,
                info,
                next(iter(single["fileDate"]), None),
                next(iter(single["reference"]), None),
                tuple(dict.fromkeys(single["source"])),
            )
        key, _, value = text[2:].partition("=")
        if key in single:
            single[key].append(value.strip())
        elif key in ("contig", "INFO"):
            attributes = _attributes(number, value)
            if key == "INFO":
                info[attributes["ID"]] = attributes
            else:
                contigs[attributes["ID"]] = _contig(number, attributes)
    raise HeaderError(1, "The file ends before its #CHROM line.", "Fetch or make the file again; it was cut short.")


def _decode(number: int, raw: bytes) -> str:
    try:
        # Windows' programs put a byte order mark before the first line.
        return raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        if number == 1:
            raise HeaderError(1, "This is no VCF: it is not text.", _HAND_OVER) from None
        raise HeaderError(number, "The line is not in UTF-8.", "Convert the file to UTF-8.") from None


def _attributes(number: int, value: str) -> dict[str, str]:
    inside = _STRUCTURED.fullmatch(value)
    found = {key.strip(): _unquote(text) for key, text in _PAIR.findall(inside[1])} if inside else {}
    if not found.get("ID"):
        raise HeaderError(number, "The header line names no ID.", "Write it as ##...=<ID=...,...>.")
    return found


def _unquote(text: str) -> str:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.strip()


def _contig(number: int, attributes: Mapping[str, str]) -> Contig:
    length = attributes.get("length", "")
    if length and not (length.isascii() and length.isdigit()):
        raise HeaderError(number, f"The contig's length {length!r} is not a number.", "Correct the ##contig line.")
    return Contig(attributes["ID"], int(length) if length else None, attributes.get("assembly"))


def _samples(number: int, text: str) -> tuple[str, ...]:
    names = text.split("\t")
    expected = ["#CHROM", *FIXED[1:]]
    if names[:8] != expected or (len(names) > 8 and names[8] != "FORMAT"):
        raise HeaderError(
            number,
            "The line that names the columns is missing or wrong.",
            "It is " + ", ".join(expected) + ", then FORMAT and the samples, separated by tabs.",
        )
    samples = names[9:]
    if any(not name.strip() for name in samples):
        raise HeaderError(number, "A sample has no name.", "Name every sample in the #CHROM line.")
    seen: set[str] = set()
    for name in samples:
        if name in seen:
            raise HeaderError(number, f"The sample {name!r} is there twice.", "Give each sample a name of its own.")
        seen.add(name)
    return tuple(samples)


def iso_date(text: str) -> str | None:
    """Return a ``##fileDate`` as ISO 8601 where it can be read in one way only, else None.

    The standard leaves the notation open. ISO dates come with or without hyphens; some files write day or month
    first, which counts only where the other order is no date.
    """
    match = re.match(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)", text)
    if match and (found := _date(int(match[1]), int(match[2]), int(match[3]))):
        return found
    match = re.match(r"(\d{2})[-/.]?(\d{2})[-/.]?(\d{4})(?!\d)", text)
    if not match:
        return None
    one, two, year = map(int, match.groups())
    readings = {_date(year, two, one), _date(year, one, two)} - {None}
    return readings.pop() if len(readings) == 1 else None


def _date(year: int, month: int, day: int) -> str | None:
    if year < EARLIEST_YEAR:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def decide_assembly(header: Header, stated: str | None, first: str = "") -> str:
    """Return the assembly of a file: the stated one, else the one that the header tells beyond doubt.

    The header tells by its contigs' lengths, else by their ``assembly`` or accessions, or by ``##reference`` where this
    is a name in use; so does the contig of the ``first`` record, where that is an accession. Raises ``LoadError`` where
    nothing tells, or where what tells disagrees.
    """
    chosen = _decided(header, stated, first)
    for contig in header.contigs:
        if other := of_another(contig, chosen):
            raise LoadError(
                f"the contig {contig} is a sequence of {other}, not of {chosen}; correct --assembly, "
                "or the file's ##contig lines",
                where="--assembly",
            )
    return chosen


def of_another(contig: str, assembly: str) -> str | None:
    """Return the assembly of whose sequence a contig's name is the accession, where it is another one than this."""
    known = genome.named_by(contig)
    return known[0] if known and known[0] != assembly else None


def _decided(header: Header, stated: str | None, first: str) -> str:
    lengths = [(contig.name, contig.length) for contig in header.contigs.values() if contig.length]
    by_length = genome.infer_assembly(lengths)
    fitting = _fitting(lengths)
    named = {name for name in map(genome.assembly_name, _names(header, first)) if name}
    known = ", ".join(genome.ASSEMBLIES)
    if stated is not None:
        chosen = genome.assembly_name(stated)
        if chosen is None:
            raise LoadError(f"{stated!r} is no assembly known here; --assembly takes {known}", where="--assembly")
        if fitting and chosen not in fitting:
            told = " or ".join(sorted(fitting))
            raise LoadError(
                f"--assembly says {chosen}, but the lengths of the file's contigs are those of {told}; "
                "leave --assembly out, or correct the file's ##contig lines",
                where="--assembly",
            )
        return chosen
    if by_length is not None:
        return by_length
    if len(named) == 1 and not lengths_contradict(lengths, next(iter(named))):
        return named.pop()
    raise LoadError(
        f"the file does not tell its assembly; say which one it is with --assembly ({known})", where="--assembly"
    )


def told_assembly(header: Header) -> str | None:
    """Return the assembly that the header tells by itself, None where it does not."""
    try:
        return decide_assembly(header, None)
    except LoadError:
        return None


def lengths_contradict(lengths: Iterable[tuple[str, int]], assembly: str) -> bool:
    """Whether a chromosome has another length than in this assembly; the mitochondrion does not count."""
    expected = genome.ASSEMBLIES[assembly].lengths
    named = ((genome.chromosome(name), length) for name, length in lengths)
    return any(chrom != "MT" and expected.get(chrom, length) != length for chrom, length in named)


def _fitting(lengths: Iterable[tuple[str, int]]) -> set[str]:
    """Return the assemblies of which any chromosome has the length that the file gives it."""
    found = set()
    for contig, length in lengths:
        chrom = genome.chromosome(contig)
        if chrom != "MT":
            found |= {name for name, one in genome.ASSEMBLIES.items() if one.lengths.get(chrom) == length}
    return found


def _names(header: Header, first: str) -> list[str]:
    """Return what the header calls its reference: whole values and file names, not words inside of them.

    Accessions of its contigs, and of that of the first record, are names of it too.
    """
    names = [contig.assembly for contig in header.contigs.values() if contig.assembly]
    names += [known[0] for contig in (*header.contigs, first) if (known := genome.named_by(contig)) and known[0]]
    if header.reference:
        names += [header.reference, _PACKING.sub("", PurePosixPath(header.reference).name)]
    return names
