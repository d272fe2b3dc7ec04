"""What a store must be able to do, and the values it speaks in; ``beacon.store.mongo`` is the one that exists.

A dataset is a list of immutable segments. Within a segment every kind of record has *rows*. The rows of
individuals and biosamples are ordinals of the whole dataset (given once, never reused); those of runs,
analyses and columns are the segment's own. A *column* is one sample in one segment's genotypes. Rows are held
in roaring bitmaps; each segment comes with the bitmaps of its rows that are live.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.access import DatasetPolicy, Level
from beacon.model.genome import Gene, Place, Reference
from beacon.model.variant import Allele
from beacon.store.bitmaps import bitmap_of, numbers_in
from beacon.store.calls import Calls
from beacon.store.fragments import Entries
from beacon.store.heads import Heads
from beacon.store.layout import Layout

COLUMN = "column"
WIDE_KINDS = ("individual", "biosample")
"""Kinds whose rows are ordinals of the whole dataset."""
KINDS = ("individual", "biosample", "run", "analysis", COLUMN)
WRITTEN = "allele"
"""Kind under which alleles are posted by what they are: their types, genes, protein changes and mates."""
ALLELE, CASE = "genomicVariant", "case"
"""Kinds that an index has rows of beside those of people: a segment's alleles by their order, and what its case-level
data say of single carriers. Which of them are live only genotypes tell."""

NO_SAMPLE = 0xFFFFFFFF
"""The sample of a row that belongs to none."""

Uints = NDArray[np.uint32]


@dataclass(frozen=True)
class Links:
    """To whom the rows of one kind in one segment belong: three arrays of the same length, by ascending row."""

    rows: Uints
    persons: Uints
    samples: Uints

    def of(self, rows: BitMap, by: str) -> Uints:
        """Return the ``persons`` or ``samples`` that these rows belong to."""
        wanted = numbers_in(rows)
        whose: Uints = getattr(self, by)
        if self._dense:
            return whose[wanted]
        return whose[np.isin(self.rows, wanted, assume_unique=True)]

    def having(self, whom: BitMap, by: str) -> BitMap:
        """Return the rows that belong to any of these ``persons`` or ``samples``."""
        wanted, whose = numbers_in(whom), getattr(self, by)
        if by == "persons" and self._by_person and len(wanted) == 1:
            first, last = whose.searchsorted(wanted[0]), whose.searchsorted(wanted[0], "right")
            return bitmap_of(self.rows[first:last])
        if by == "persons" and self._by_person and len(wanted) * 20 < len(whose):
            first = np.searchsorted(whose, wanted)
            many = np.searchsorted(whose, wanted, "right") - first
            at = np.repeat(first, many) + np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
            return bitmap_of(self.rows[at])
        return bitmap_of(self.rows[np.isin(whose, wanted)])

    @cached_property
    def alone(self) -> bool:
        """Whether no two rows belong to one person or to one sample."""
        sizes = len(np.unique(self.persons)), len(np.unique(self.samples))
        return sizes == (len(self.rows), len(self.rows))

    @cached_property
    def _dense(self) -> bool:
        return not len(self.rows) or int(self.rows[-1]) == len(self.rows) - 1

    @cached_property
    def _by_person(self) -> bool:
        return bool((self.persons[1:] >= self.persons[:-1]).all())


@dataclass(frozen=True, slots=True)
class Cases:
    """Whose a segment's case-level entries are: by row, the variant's key (``Heads.key``), the column, the allele."""

    variants: NDArray[np.uint64]
    columns: Uints
    alleles: Uints


class Naming(NamedTuple):
    """Variants that came with one load: the assemblies they are in ("" for those without a place), what they name genes
    by (``genome.naming``), and ``PROTEIN_CHANGES`` if they tell any; ``columns`` are the load's, None for all.
    """

    assemblies: frozenset[str]
    by: frozenset[str]
    columns: BitMap | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One visible segment: its live rows by kind, and whether all of its columns are live.

    ``variants`` is how many it has, ``uncarried`` says whether there are some that nobody ever carried, ``namings``
    what its loads' variants tell.
    """

    id: str
    live: Mapping[str, BitMap]
    whole: bool
    variants: int
    uncarried: bool = False
    namings: tuple[Naming, ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """People chosen within a dataset; ``members`` are ordinals, ``info`` what else is known of the cohort.

    ``body`` is what was stated of it as a record (default model ``cohorts``), of the people ``stated_of``.
    """

    id: str
    name: str
    members: BitMap
    info: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    stated_of: BitMap = field(default_factory=BitMap)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset as it stood when the request began; every part of an answer is read from this one value.

    ``stricter`` holds by level the ordinals of people whose records need that level. ``kept`` is room for what is
    worked out from this value again and again.
    ``people`` names its ordinals; a dataset that is made anew under an old id has others. ``info`` is what the
    custodian says of it as a record (default model ``datasets``), ``stated`` what its files said, at ``stated_at``.
    ``unseen`` are people who withdrew, and those whom an asker may not see.
    """

    id: str
    name: str
    description: str | None
    created: datetime
    updated: datetime
    info: Mapping[str, Any]
    policy: DatasetPolicy
    segments: tuple[Segment, ...]
    cohorts: tuple[Cohort, ...]
    assemblies: tuple[str, ...] = ()
    stricter: Mapping[Level, BitMap] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    people: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict)
    stated_at: datetime | None = None
    unseen: BitMap = field(default_factory=BitMap)


class Bound(NamedTuple):
    """One end of a range of numbers."""

    value: float
    inclusive: bool


class Range(NamedTuple):
    """Numbers between two bounds, each None where open; ``negated``: all others, and where there is no number."""

    low: Bound | None = None
    high: Bound | None = None
    negated: bool = False

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say of each value whether it is meant; NaN stands for no number."""
        found = ~np.isnan(values)
        if self.low is not None:
            found &= values >= self.low.value if self.low.inclusive else values > self.low.value
        if self.high is not None:
            found &= values <= self.high.value if self.high.inclusive else values < self.high.value
        return ~found if self.negated else found


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """Rows of any of ``kinds`` found under ``key`` or one of ``others``.

    ``term`` is what must be known for an empty answer to be a "no".
    """

    kinds: tuple[str, ...]
    key: str
    term: str | None = None
    negated: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextCondition:
    """Rows whose text in ``field`` matches a pattern with ``%`` wildcards."""

    kinds: tuple[str, ...]
    field: str
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class NumberCondition:
    """Rows with one number in ``field`` between the bounds, or one of ``others``; ``term`` as in ``KeyCondition``."""

    kinds: tuple[str, ...]
    field: str
    low: Bound | None
    high: Bound | None
    negated: bool = False
    term: str | None = None
    others: tuple[float, ...] = ()

    @property
    def range(self) -> Range:
        """The numbers that are meant."""
        return Range(self.low, self.high, self.negated)


@dataclass(frozen=True, slots=True)
class AllelePredicate:
    """Which alleles are meant, as conditions that must all hold. Coordinates 0-based half-open.

    A ``chrom`` of "" means alleles without a place. ``overlap`` (start, end): shares a base with it. ``sequence``
    (start, ref, alt): that very allele, in minimal form. ``start_bases``: (start, ref or None, alt or None) where
    only one side or wildcards are given. ``bracket`` (start min, start max, end min, end max), inclusive.
    ``types``: any of these variant types. ``mate``: chromosome of the other end of a breakend.

    ``leftmost``: another place for the allele of ``sequence`` (start, ref, alt, minimal). ``vrs``: its VRS id, which
    does as well; alone, the allele of that id. ``gene``: annotated with the gene under this name or one of
    ``gene_names``, or overlapping one of ``gene_places``.

    ``told``: what the index holds of the variant, or of the carriers that are meant. It may be told by any segment of
    the dataset, so ``Store.heads`` leaves it open (``beacon.query.told``). ``among``: one of these rows (``ALLELE``) of
    the one segment that is asked.

    ``frequency``: allele count over allele number lies in each of these ranges. That is a property of the variant in
    its whole dataset, counted over live columns only (``beacon.query.frequency``); ``Store.heads`` leaves it open.
    """

    ids: tuple[str, ...] | None = None
    assembly: str | None = None
    chrom: str | None = None
    overlap: tuple[int, int] | None = None
    bracket: tuple[int, int, int, int] | None = None
    sequence: tuple[int, str, str] | None = None
    start_bases: tuple[int, str | None, str | None] | None = None
    reference_bases: str | None = None
    alternate_bases: str | None = None
    types: frozenset[str] | None = None
    min_length: int | None = None
    max_length: int | None = None
    gene: str | None = None
    aminoacid_change: str | None = None
    mate: str | None = None
    vrs: str | None = None
    leftmost: tuple[int, str, str] | None = None
    gene_names: frozenset[str] = frozenset()
    gene_places: tuple[Place, ...] = ()
    told: tuple[KeyCondition | TextCondition | NumberCondition, ...] = ()
    among: BitMap | None = None
    frequency: tuple[Range, ...] = ()

    @property
    def placeless(self) -> bool:
        """Whether alleles without a place may match: neither place nor bases are asked for."""
        asked = (self.chrom, self.overlap, self.bracket, self.sequence, self.start_bases)
        return all(part is None for part in (*asked, self.reference_bases, self.alternate_bases))

    @property
    def alone(self) -> AllelePredicate:
        """The alleles of this place and these bases or of this id, whatever else is asked of them."""
        names = ("ids", "assembly", "chrom", "sequence", "leftmost", "start_bases", "bracket", "vrs")
        return AllelePredicate(**{name: getattr(self, name) for name in names})

    @property
    def positional(self) -> bool:
        """Whether position alone decides, so that block heads suffice."""
        return self == AllelePredicate(assembly=self.assembly, chrom=self.chrom, overlap=self.overlap)


class Came(NamedTuple):
    """Where an allele came from: line (1-based) and file, None where nothing is said, or all is in the load's one file.

    ``load`` is None where it is the one that its segment was written by.
    """

    line: int | None = None
    file: str | None = None
    load: str | None = None

    @property
    def known(self) -> int:
        """How many of these, from the first on, have to be written down."""
        return 3 if self.load is not None else 2 if self.file is not None else int(self.line is not None)


FROM_SOMEWHERE = Came()


class StoredAllele(NamedTuple):
    """One allele as one segment holds it. ``body`` is encoded JSON; counts are for the whole segment.

    ``allele_count`` and ``allele_number`` are None where genotypes are absent or mean nothing; ``genotypes`` are the
    numbers of columns in each of the ``GROUPS`` of carriers and, last, of missing ones, None without genotypes. A
    tuple, since a page makes one for each of its variants. ``vrs`` is the VRS id
    where the reference sequence is known, ``moves`` how many bases an insertion or deletion then could stand
    further left and right. ``came`` is where it came from.
    """

    segment: str
    allele: Allele
    id: str
    block: int
    row: int
    carriers: int | None
    allele_count: int | None
    allele_number: int | None
    body: bytes
    genotypes: tuple[int, ...] | None = None
    vrs: str | None = None
    moves: tuple[int, int] | None = None
    came: Came = FROM_SOMEWHERE


@dataclass(frozen=True, slots=True)
class Term:
    """A filter that the data hold: entry type, index key (``field op value``), label, number of rows."""

    kind: str
    key: str
    label: str
    rows: BitMap = field(compare=False)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the rows of one kind have in one field: two arrays of the same length."""

    kind: str
    field: str
    values: NDArray[np.float64]
    rows: Uints


class Store(Protocol):
    """Asynchronous reading. Every method may raise ``StoreUnavailable``."""

    async def datasets(self) -> Mapping[str, Dataset]:
        """Return all datasets with their visible segments, by id."""
        ...

    async def posting(self, segment: Segment, kind: str, keys: Sequence[str]) -> BitMap:
        """Return the live rows found under any of these index keys; of ``ALLELE`` and ``CASE`` all of them."""
        ...

    async def prepare(self, segments: Sequence[Segment], wanted: Collection[tuple[str, str]]) -> None:
        """Fetch the postings of several (kind, index key) at once, for ``posting`` to find them at hand."""
        ...

    async def text_posting(self, segment: Segment, kind: str, field: str, pattern: str) -> BitMap:
        """Return the live rows whose text in ``field`` matches a pattern with ``%`` wildcards."""
        ...

    async def between(self, segment: Segment, kind: str, field: str, low: Bound | None, high: Bound | None) -> BitMap:
        """Return the live rows that have a number in this range in ``field``."""
        ...

    async def links(self, segment: Segment, kind: str) -> Links:
        """Return to whom this kind's rows belong."""
        ...

    async def column_rows(self, segment: Segment, kind: str) -> NDArray[np.int64]:
        """Return, by column, the row of its ``run`` or ``analysis``; -1 where it has none."""
        ...

    async def cases_of(self, segment: Segment) -> Cases:
        """Return whose the case-level entries are."""
        ...

    async def numbers(self, segment: Segment) -> list[Numbers]:
        """Return all numbers of this segment's live rows."""
        ...

    async def neighbours(self, term: str, level: str) -> list[str] | None:
        """Return the terms similar to this one, itself left out; None where no measure of similarity is stored.

        ``level`` is high, medium or low (``beacon.model.similarity``).
        """
        ...

    async def row_of(self, segment: Segment, kind: str, id: str) -> int | None:
        """Return the live row of the record with this id."""
        ...

    async def records(self, segment: Segment, kind: str, rows: Sequence[int]) -> list[bytes]:
        """Return encoded records in the order of ``rows``."""
        ...

    async def record_ids(self, segment: Segment, kind: str, rows: Iterable[int]) -> dict[int, str]:
        """Return the ids of these rows of runs or analyses."""
        ...

    async def names(self, people: str, kind: str, ordinals: Iterable[int]) -> dict[int, str]:
        """Return the ids of these individuals or biosamples of a dataset (its ``people``), by ordinal."""
        ...

    async def ordinals(self, people: str, kind: str, ids: Iterable[str]) -> dict[str, int]:
        """Return the ordinals of those individuals or biosamples that a dataset (its ``people``) has ever known."""
        ...

    async def heads(
        self, segment: Segment, predicate: AllelePredicate, *, calls: bool = False, counting: bool = False
    ) -> Heads:
        """Return positions and places of the alleles that match, in position order.

        ``calls`` says that their calls will be asked for next, ``counting`` that they are counted, or whoever carries
        them is, but not listed. They may then come in any order, along with their calls and without identities, and
        those that are too frequent for ``predicate`` without count and number.
        """
        ...

    async def page(
        self, segment: Segment, predicate: AllelePredicate, begin: int, stop: int
    ) -> tuple[Heads, int] | None:
        """Return alleles ``begin`` to before ``stop`` of those that match, in the order of ``heads``, and how many do.

        None where that takes a look at more of them than these.
        """
        ...

    async def heads_of_column(
        self, segment: Segment, blocks: Sequence[int], column: int, enough: int
    ) -> tuple[Heads, int]:
        """Return the alleles of these blocks that a column carries, in position order, and how many blocks those are.

        The blocks that follow the one with which there are ``enough`` are not looked into.
        """
        ...

    async def count(self, segment: Segment, predicate: AllelePredicate) -> int | None:
        """Return how many alleles match, whoever carries them, where that is told without looking at each."""
        ...

    async def layout(self, segment: Segment) -> Layout:
        """Return where a segment's alleles lie."""
        ...

    async def calls(
        self, segment: Segment, heads: Heads, *, columns: BitMap | None = None, sets: bool = False, texts: bool = False
    ) -> dict[int, Calls]:
        """Return the calls of the blocks of these alleles, by block, as far as they are about these alleles.

        With ``columns``, as far as they are about these columns too. ``sets``: with what is needed to count again.
        ``texts``: these alleles will be asked for next.
        """
        ...

    async def totals(self, segment: Segment) -> NDArray[np.uint32]:
        """Return how many of the segment's alleles each column carries."""
        ...

    async def entries(self, segment: Segment, wanted: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Entries]:
        """Return the case-level entries of some tiles' columns, by tile and number of the group of carriers."""
        ...

    async def alleles(self, segment: Segment, places: Sequence[tuple[int, int]]) -> list[StoredAllele]:
        """Return the alleles at these (block, row) places, in that order."""
        ...

    async def cases(self, segment: Segment, ids: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
        """Return what was recorded of single carriers, by (variant id, column)."""
        ...

    def recall(self, segment: Segment, what: tuple[Any, ...]) -> Any:
        """Return what was remembered, None where it was not or has been given up."""
        ...

    def remember(self, segment: Segment, what: tuple[Any, ...], value: Any, size: int) -> None:
        """Keep something of so many bytes that was worked out of a segment's own data, as long as there is room."""
        ...

    async def references(self) -> Sequence[Reference]:
        """Return all reference sequences that are there."""
        ...

    async def reference(self, assembly: str, chrom: str) -> Reference | None:
        """Return the reference sequence of a chromosome, None where it is not there."""
        ...

    async def bases(self, reference: Reference, start: int, end: int) -> str | None:
        """Return bases [start, end) of a sequence, upper case; None where another has just taken its place."""
        ...

    async def gene(self, name: str) -> Gene | None:
        """Return what the tables of genes say of this symbol or id, None where they say nothing."""
        ...

    async def terms(self, segment: Segment) -> list[Term]:
        """Return what is listed of this segment's live rows, of alleles only where nobody was genotyped."""
        ...

    async def known_term(self, term: str) -> bool | None:
        """Say whether an ontology stored here has this term; None where its ontology is not stored."""
        ...

    async def successor(self, term: str) -> str | None:
        """Return what an ontology stored here has in place of a former or obsolete term; None where it has nothing."""
        ...

    async def terms_above(self, term: str) -> frozenset[str] | None:
        """Return a term and all that is above it in its ontology; None where what is stored does not tell."""
        ...

    async def ontologies(self) -> list[dict[str, Any]]:
        """Return the stored ontologies as Phenopackets resources."""
        ...
