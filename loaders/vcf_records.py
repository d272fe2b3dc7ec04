"""From one line of a VCF to its alleles: every ALT with its place, its description and its calls."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from beacon.model import genome, variant
from beacon.model.calls import Calls
from beacon.model.variant import Allele
from beacon.store.heads import Spelled
from loaders.annotations import Annotator, Info, Json, alternative_ids
from loaders.genotypes import GenotypeError, Genotypes, WrongColumns, count_columns, decode, usual_calls
from loaders.report import Problem, Severity
from loaders.vcf_header import Header, of_another
from loaders.vcf_normal import LEFT, TRIMMED, Sequences, can_move
from loaders.words import counted, plural

MAX_POSITION = 2**31 - 1
TOGETHER = 16
"""Records whose genotypes are read together; what they take should stay in the processor's cache."""
SHOWN = 40
"""Bases that a message repeats."""
_REF = re.compile(r"[ACGTUNRYSWKMBDHVacgtunryswkmbdhv]+")
_BASES = r"[ACGTUNRYSWKMBDHVacgtunryswkmbdhv]"
_PLACE = r"(?:<[^<>\s,]+>|[^<>\[\]\s,:]+)(?::\d+)?"
_ALT = re.compile(
    rf"{_BASES}+|\*|<[^<>\s,]+>|\.{_BASES}+|{_BASES}+\.|"
    rf"{_BASES}+(?:\[{_PLACE}\[|\]{_PLACE}\])|(?:\[{_PLACE}\[|\]{_PLACE}\]){_BASES}+"
)
"""Symbolic alleles that reach as far as SVLEN says where there is no END."""


class Unusable(Exception):
    """A record that cannot be loaded; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Site(NamedTuple):
    """One ALT of one record. ``calls`` is None where the record has no genotypes. Columns are sample numbers."""

    line: int
    allele: Allele
    spelled: Spelled
    calls: Calls | None

    @property
    def body(self) -> Json:
        """What the record tells of it, as a body to be changed."""
        return dict(orjson.loads(self.spelled.body))


class Record(NamedTuple):
    """One line: its contig as written, its chromosome as stored, its 1-based position, and its alleles.

    There are no alleles where it tells of the reference alone. ``doubts`` are warnings: what is loaded although
    somebody should look at it.
    """

    line: int
    contig: str
    chrom: str
    pos: int
    sites: tuple[Site, ...]
    doubts: tuple[Problem, ...] = ()


Outcome = Record | Problem
_BLANK = "vcf-blank"


def without_blank_end(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield what lines are, save empty ones at the end, which say nothing; elsewhere something may be lost."""
    blank: list[Outcome] = []
    for one in outcomes:
        if isinstance(one, Problem) and one.rule == _BLANK:
            blank.append(one)
            continue
        if blank:
            yield from blank
            blank.clear()
        yield one


@dataclass(slots=True)
class RecordReader:
    """Reads the records of one file."""

    header: Header
    assembly: str
    file: str
    annotator: Annotator
    sequences: Sequences | None
    _chromosomes: dict[str, str]
    _ends: dict[str, int]
    """Lengths of contigs, in the header, else in the assembly, as far as they were met."""
    _doubts: tuple[Problem, ...] = ()

    @classmethod
    def build(cls, header: Header, assembly: str, file: str, sequences: Sequences | None = None) -> RecordReader:
        """Prepare to read records under a header; with ``sequences`` REF is compared and indels are left-aligned."""
        return cls(header, assembly, file, Annotator.build(header, file), sequences, {}, {})

    def read(self, line: int, raw: bytes) -> Record:
        """Read one line. Raises ``Unusable`` with the first thing that is wrong with it."""
        return self._read(line, raw, raw.split(b"\t", 9), None)

    def read_all(self, first: int, lines: Sequence[bytes]) -> Iterator[Outcome]:
        """Yield what each of some consecutive lines is; ``first`` is the number of the first."""
        for begin in range(0, len(lines), TOGETHER):
            some = [(raw, raw.split(b"\t", 9)) for raw in lines[begin : begin + TOGETHER]]
            usual = self._usual_calls([parts for _, parts in some])
            for number, (raw, parts) in enumerate(some):
                try:
                    yield self._read(first + begin + number, raw, parts, usual.get(number))
                except Unusable as error:
                    yield error.problem

    def _usual_calls(self, records: Sequence[list[bytes]]) -> dict[int, Calls]:
        """Return the calls of those records that have one ALT and usual genotypes, by their place."""
        fit = [at for at, parts in enumerate(records) if len(parts) == 10 and b"," not in parts[4]]
        fit = [at for at in fit if records[at][4] != b"." and (records[at][8] + b":").startswith(b"GT:")]
        if not fit:
            return {}
        found = usual_calls([records[at][9] for at in fit], len(self.header.samples))
        return {at: calls for at, calls in zip(fit, found, strict=True) if calls is not None}

    def _read(self, line: int, raw: bytes, parts: list[bytes], usual: Calls | None) -> Record:
        self._check_width(line, raw, parts)
        try:
            contig, pos_text, id, ref, alt_text, qual, filters, info_text = [part.decode() for part in parts[:8]]
        except UnicodeDecodeError:
            raise self._unusable(line, None, "encoding", "The record is not in UTF-8.", None) from None
        chrom = self._chromosome(line, contig)
        pos = self._position(line, contig, pos_text)
        if not _REF.fullmatch(ref):
            hint = "REF takes A, C, G, T and N."
            raise self._unusable(line, "REF", "ref", f"REF is {ref!r}, which are no bases.", ref, hint)
        alts = () if alt_text == "." else tuple(alt_text.split(","))
        for alt in alts:
            self._check_alt(line, ref, alt)
        if self.sequences is not None and (there := self.sequences.contradicts(chrom, pos - 1, ref)) is not None:
            message = f"REF is {_short(ref)}, but the reference sequence has {_short(there) or 'nothing'} there."
            hint = "Is this the FASTA that the file was made with? Many such records mean that it is not."
            raise self._unusable(line, "REF", "ref-mismatch", message, ref, hint)
        calls = self._calls(line, parts, len(alts)) if usual is None else [usual]
        if all(map(variant.is_unspecified, alts)):
            return Record(line, contig, chrom, pos, ())
        described = self._describe(line, contig, pos, id, ref, qual, filters)
        info = _Fields(info_text)
        self._doubts = ()
        sites = [
            self._site(line, chrom, pos, ref, alts, index, info, described, called)
            for index, called in enumerate(calls)
            if not variant.is_unspecified(alts[index])
        ]
        return Record(line, contig, chrom, pos, tuple(sites), self._doubts)

    def _site(
        self,
        line: int,
        chrom: str,
        pos: int,
        ref: str,
        alts: tuple[str, ...],
        index: int,
        info: _Fields,
        described: Json,
        calls: Calls | None,
    ) -> Site:
        alt = alts[index]
        if variant.is_sequence(alt):
            allele = variant.from_vcf(self.assembly, chrom, pos, ref, alt)
        else:
            allele = self._without_bases(line, described, ref, alts, index, info.values)
        about: Json = {"alt": alt, "altIndex": index + 1}
        if can_move(allele):
            moved = self.sequences.leftmost(allele) if self.sequences is not None else None
            about["normalization"] = TRIMMED if moved is None else LEFT
            allele = moved or allele
        body: Json = {"info": {"vcf": described | about}}
        identifiers: Json = {}
        if self.annotator.annotations:
            molecular, identifiers = self.annotator.molecular(info.values, ref, alts, index)
            if molecular:
                body["molecularAttributes"] = molecular
        if alternatives := alternative_ids(described.get("id", "")):
            identifiers["variantAlternativeIds"] = alternatives
        if identifiers:
            body["identifiers"] = identifiers
        if (
            calls is None
            and self.annotator.frequencies
            and (populations := self.annotator.populations(info.values, index))
        ):
            body["frequencyInPopulations"] = populations
        return Site(line, allele, Spelled.of(allele, body), calls)

    def _check_width(self, line: int, raw: bytes, parts: list[bytes]) -> None:
        expected = self.header.columns
        # Of the samples, which are all in the last part, ``decode`` counts the columns.
        if len(parts) != min(expected, 10):
            if not raw:
                hint = "Only the end of a file may have such lines."
                raise self._unusable(line, None, "blank", "The line is empty.", None, hint)
            raise self._width(line, raw.count(b"\t") + 1)

    def _width(self, line: int, found: int) -> Unusable:
        message = f"The record has {counted(found, 'column')}, the header {self.header.columns}."
        hint = "Columns are separated by single tabs; the line may have been cut."
        return self._unusable(line, None, "columns", message, found, hint)

    def _chromosome(self, line: int, contig: str) -> str:
        known = self._chromosomes.get(contig)
        if known is None:
            if self.header.contigs and contig not in self.header.contigs:
                message = f"The header has no contig {contig!r}."
                hint = "Add its ##contig line, or correct CHROM."
                raise self._unusable(line, "CHROM", "contig", message, contig, hint)
            if not contig or any(character.isspace() for character in contig):
                raise self._unusable(line, "CHROM", "contig", f"CHROM is {contig!r}, which is no name.", contig)
            if other := of_another(contig, self.assembly):
                message = f"{contig} is a sequence of {other}, not of {self.assembly}."
                raise self._unusable(line, "CHROM", "assembly", message, contig, "Say which it is with --assembly.")
            known = self._chromosomes[contig] = self.header.chromosome(contig)
            told = self.header.contigs.get(contig)
            # hg19's own mitochondrion is another one than GRCh37's, and longer.
            lengths = {} if known == "MT" else genome.ASSEMBLIES[self.assembly].lengths
            end = (told and told.length) or lengths.get(known)
            if end is not None:
                self._ends[contig] = end
        return known

    def _position(self, line: int, contig: str, text: str) -> int:
        pos = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
        if not 0 < pos <= MAX_POSITION:
            hint = "POS counts from 1, in whole numbers."
            raise self._unusable(line, "POS", "pos", f"POS is {text!r}, which is no position.", text, hint)
        if pos > self._ends.get(contig, pos):
            raise self._beyond(line, "POS", "pos", contig, pos)
        return pos

    def _beyond(self, line: int, column: str, rule: str, contig: str, place: int) -> Unusable:
        end = self._ends[contig]
        says = "leads to" if column == "INFO/SVLEN" else "is"
        message = f"{column} {says} {place}, but {contig} has {end} {plural('base', end)}."
        hint = f"Is {self.assembly} the right assembly? Correct it, the ##contig line, or {column}."
        return self._unusable(line, column, rule, message, place, hint)

    def _check_alt(self, line: int, ref: str, alt: str) -> None:
        if not _ALT.fullmatch(alt):
            hint = "ALT takes bases, *, <NAME> and breakends, separated by commas, or a single dot."
            raise self._unusable(line, "ALT", "alt", f"ALT has {alt!r}, which is no allele.", alt, hint)
        if variant.in_dna(alt) == variant.in_dna(ref):
            hint = "Leave such a record out, or write ALT as a dot."
            raise self._unusable(line, "ALT", "alt", f"ALT is the same as REF ({ref}).", alt, hint)

    def _calls(self, line: int, parts: list[bytes], alts: int) -> list[Calls | None]:
        """Return who carries each ALT, None where nobody knows."""
        genotypes = self._genotypes(line, parts, alts)
        return [None if genotypes is None else genotypes.calls(number) for number in range(1, alts + 1)]

    def _genotypes(self, line: int, parts: list[bytes], alts: int) -> Genotypes | None:
        samples = len(self.header.samples)
        if not samples:
            return None
        keys = parts[8].split(b":")
        try:
            if b"GT" not in keys:
                count_columns(parts[9], samples)
                return None
            return decode(parts[9], samples, keys.index(b"GT"), alts)
        except WrongColumns as error:
            raise self._width(line, 9 + int(error.args[0])) from None
        except GenotypeError as error:
            name = self.header.samples[error.sample]
            hint = "Alleles are numbered 0 for REF, then ALT from 1; a dot was not called."
            raise self._unusable(line, f"{name}/GT", "genotype", error.message, error.text, hint) from None

    def _describe(self, line: int, contig: str, pos: int, id: str, ref: str, qual: str, filters: str) -> Json:
        """Return what ``info.vcf`` of each ALT says: the record as the file has it."""
        described: Json = {"chrom": contig, "pos": pos, "ref": ref, "filter": filters}
        if id != ".":
            described["id"] = id
        if qual != ".":
            try:
                number = float(qual)
            except ValueError:
                hint = "QUAL takes a number or a dot."
                message = f"QUAL is {qual!r}, which is no number."
                raise self._unusable(line, "QUAL", "qual", message, qual, hint) from None
            if math.isfinite(number):
                described["qual"] = number
        return described

    def _without_bases(
        self, line: int, described: Json, ref: str, alts: Sequence[str], index: int, info: Info
    ) -> Allele:
        """Return an allele that is not written in bases, which reaches as far, or leads where, INFO says."""
        chrom, pos, alt, mate = described["chrom"], described["pos"], alts[index], info.get("CHR2")
        end = self._integer(line, info, "END", 0)
        mate_pos = int(place) if (place := info.get("POS2", "")).isdecimal() and len(place) <= 10 else None
        if variant.ends_elsewhere(chrom, mate):
            end, mate_pos = None, mate_pos or end
        lengths = info.get("SVLEN", "").split(",")
        length = self._integer(line, info, "SVLEN", index if len(lengths) == len(alts) else 0)
        if variant.spans(alt):
            if end is not None and end < pos:
                message = f"END is {end}, which lies before POS {pos}."
                raise self._unusable(line, "INFO/END", "end", message, end, "END is the last position of the allele.")
            if length and len(lengths) == len(alts) > 1:
                end = None  # that of the longest ALT
            self._doubt_extent(line, pos, end, length, info)
        column = "INFO/SVLEN" if end is None else "INFO/END"
        end, length = variant.extent(pos, alt, end, length)
        allele = variant.from_vcf(
            self.assembly, chrom, pos, ref, alt, end=end, length=length, mate=mate, mate_pos=mate_pos
        )
        if variant.spans(alt) and allele.end > self._ends.get(chrom, allele.end):
            raise self._beyond(line, column, "beyond-end", chrom, allele.end)
        return allele

    def _doubt_extent(self, line: int, pos: int, end: int | None, length: int | None, info: Info) -> None:
        """Doubt a region of two lengths, unless the caller says that it guesses.

        One base more or less is a way of counting.
        """
        if end is None or not length or "IMPRECISE" in info or abs(end - pos - abs(length)) <= 1:
            return
        message = f"From POS to END there are {end - pos} bases, but SVLEN is {length}."
        taken = "END is taken, for the place and for the length"
        if end == pos:
            taken = "END is taken for the place, and SVLEN for the length"
        hint = f"{taken}; correct END, or SVLEN."
        doubt = Problem(self.file, line, "INFO/SVLEN", "vcf-extent", Severity.WARNING, message, length, hint)
        self._doubts = (*self._doubts, doubt)

    def _integer(self, line: int, info: Info, key: str, index: int) -> int | None:
        text = info.get(key, "").split(",")[index]
        if text in ("", "."):
            return None
        if not re.fullmatch(r"-?[0-9]{1,10}", text):
            message = f"{key} is {text!r}, which is no whole number."
            raise self._unusable(line, f"INFO/{key}", "info", message, text)
        return int(text)

    def _unusable(
        self, line: int, column: str | None, rule: str, message: str, value: Any, hint: str | None = None
    ) -> Unusable:
        return Unusable(Problem(self.file, line, column, f"vcf-{rule}", Severity.ERROR, message, value, hint))


def _short(bases: str) -> str:
    return bases if len(bases) <= SHOWN else f"{bases[:SHOWN]}... ({len(bases)} bases)"


class _Fields:
    """A record's INFO, taken apart only when somebody asks."""

    __slots__ = ("_text", "_values")

    def __init__(self, text: str) -> None:
        self._text = text
        self._values: Mapping[str, str] | None = None

    @property
    def values(self) -> Mapping[str, str]:
        if self._values is None:
            pairs = (part.partition("=") for part in self._text.split(";"))
            self._values = {key: value for key, _, value in pairs}
        return self._values
