"""The variants of a dataset as Beacon files have them: each allele once, with its carriers from all of its loads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import ZYGOSITIES
from beacon.model.records import unite
from beacon.model.variant import Allele, variation
from beacon.store.base import AllelePredicate, Dataset, Segment, Store, StoredAllele
from beacon.store.calls import Calls
from beacon.store.heads import Heads
from loaders.bff_variants import EXTENSION, written
from loaders.elements import Json

AT_ONCE = 256
_ZYGOSITY = {group: {"id": id, "label": ZYGOSITIES[id]} for id, group in GROUP_OF_ZYGOSITY.items()}
Numbers = NDArray[np.int64]


@dataclass(slots=True)
class Names:
    """The numbered samples of an export. ``numbers`` gives, by segment and column, a sample's number, or -1."""

    samples: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    runs: list[str | None] = field(default_factory=list)
    analyses: list[str | None] = field(default_factory=list)
    numbers: dict[str, Numbers] = field(default_factory=dict)
    _known: dict[tuple[str, str | None, str | None], int] = field(default_factory=dict)

    def add(self, sample: str, person: str, run: str | None, analysis: str | None) -> int:
        """Return the number of a sample of a run and analysis, which may be there already."""
        number = self._known.setdefault((sample, run, analysis), len(self.samples))
        if number == len(self.samples):
            self.samples.append(sample)
            self.people.append(person)
            self.runs.append(run)
            self.analyses.append(analysis)
        return number

    def of(self, segment: Segment, columns: Any) -> Numbers:
        """Return the numbers of those of a segment's columns that are live; of some segments none is left."""
        listed = np.asarray(columns, np.int64)
        if not len(listed) or segment.id not in self.numbers:
            return np.empty(0, np.int64)
        found = self.numbers[segment.id][listed]
        return found[found >= 0]

    def entry(self, number: int, group: str) -> Json:
        """Return the case-level entry of a sample."""
        links = {
            "biosampleId": self.samples[number], "individualId": self.people[number], "runId": self.runs[number],
            "analysisId": self.analyses[number], "zygosity": _ZYGOSITY.get(group),
        }  # fmt: skip
        return {name: value for name, value in links.items() if value is not None}


Together = list[tuple[int, int]]
"""Where one allele lies: in which segment (its number), and at which place of that segment's heads."""


@dataclass(frozen=True, slots=True)
class Part:
    """One allele as one segment has it; ``details`` are what was told of single carriers, by column."""

    segment: Segment
    stored: StoredAllele
    calls: Calls
    details: dict[int, list[Json]]


def _together(heads: Sequence[tuple[Segment, Heads]], *, placed: bool) -> Iterator[Together]:
    """Yield where each allele lies, by chromosome and place."""
    for chrom in sorted({name for _, one in heads for name in one.names}):
        if bool(chrom) != placed:
            continue
        rows = []
        for number, (_, one) in enumerate(heads):
            if chrom in one.names:
                at = np.flatnonzero(one.chrom == one.names.index(chrom))
                rows.append((one.start[at], one.end[at], one.key[at], np.full(len(at), number), at))
        start, end, key, numbers, places = (np.concatenate(part) for part in zip(*rows, strict=True))
        order = np.lexsort((numbers, key, end, start))
        numbers, places = numbers[order].tolist(), places[order].tolist()
        begins = [0, *(np.flatnonzero(np.diff(key[order]) != 0) + 1).tolist(), len(order)]
        for begin, stop in pairwise(begins):
            if begin < stop:
                yield list(zip(numbers[begin:stop], places[begin:stop], strict=True))


@dataclass(slots=True)
class Variants:
    """The variants of one dataset, on their way into a file."""

    store: Store
    dataset: Dataset
    names: Names
    _entries: dict[str, list[bytes]] = field(default_factory=dict)

    async def records(self) -> AsyncIterator[bytes]:
        """Yield encoded variants, by assembly, chromosome and place; those without a place come last."""
        predicates = [AllelePredicate(assembly=assembly) for assembly in self.dataset.assemblies]
        for predicate in (*predicates, AllelePredicate(chrom="")):
            heads = [(segment, await self.store.heads(segment, predicate)) for segment in self.dataset.segments]
            alleles = list(_together(heads, placed=predicate.chrom is None))
            for begin in range(0, len(alleles), AT_ONCE):
                async for record in self._page(heads, alleles[begin : begin + AT_ONCE]):
                    yield record

    async def _page(self, heads: Sequence[tuple[Segment, Heads]], alleles: list[Together]) -> AsyncIterator[bytes]:
        parts: dict[tuple[int, int], Part] = {}
        for number in sorted({number for together in alleles for number, _ in together}):
            segment, all_heads = heads[number]
            at = sorted({place for together in alleles for other, place in together if other == number})
            here = all_heads.pick(np.array(at))
            calls = await self.store.calls(segment, here, sets=True)
            stored = await self.store.alleles(segment, list(zip(here.block.tolist(), here.row.tolist(), strict=True)))
            told: dict[str, dict[int, list[Json]]] = {}
            for (variant, column), details in (await self.store.cases(segment, [one.id for one in stored])).items():
                told.setdefault(variant, {})[column] = details
            for place, one in zip(at, stored, strict=True):
                parts[number, place] = Part(segment, one, calls[one.block], told.get(one.id, {}))
        for together in alleles:
            kept = [part for place in together if self._holds(part := parts[place])]
            if kept:
                yield self._encode(kept)

    def _holds(self, part: Part) -> bool:
        """Whether somebody live carries the allele, or nobody ever did."""
        carriers = part.calls.carriers(part.stored.row)
        return not len(carriers) or len(self.names.of(part.segment, carriers)) > 0

    def _encode(self, parts: list[Part]) -> bytes:
        stored = parts[0].stored
        body: Json = {}
        gathered = _Gathered(self.names)
        for part in parts:
            unite(body, orjson.loads(part.stored.body))
            gathered.add(part)
        kept: Json = {"allele": _described(stored.allele)}
        if (calls := gathered.calls()) is not None:
            kept["calls"] = calls
        body["info"] = body.get("info", {}) | {EXTENSION: kept}
        record: Json = {"variantInternalId": stored.id, "variation": variation(stored.allele)} | body
        if entries := [entry for group in GROUPS for entry in self._cases(gathered, group)]:
            record["caseLevelData"] = orjson.Fragment(b"[" + b",".join(entries) + b"]")
        return orjson.dumps(record)

    def _cases(self, gathered: _Gathered, group: str) -> Iterator[bytes]:
        numbers = gathered.carriers(group)
        if len(numbers) and group not in self._entries:
            everybody = range(len(self.names.samples))
            self._entries[group] = [orjson.dumps(self.names.entry(number, group)) for number in everybody]
        for number in numbers.tolist():
            if number not in gathered.details:
                yield self._entries[group][number]
                continue
            entry = self.names.entry(number, group)
            yield from (orjson.dumps(entry | detail) for detail in gathered.details[number])


class _Gathered:
    """The calls of one allele from all its segments, by the samples' numbers.

    A sample that no segment with counted genotypes has was not called, so it is missing; a carrier whom only a case
    report names counts for nothing in AC and AN, which an exception of no copies among no alleles says.
    """

    def __init__(self, names: Names) -> None:
        total = len(names.samples)
        self.details: dict[int, list[Json]] = {}
        self._names = names
        self._genotyped = self._counted = False
        self._group = np.zeros(total, np.int8)  # 0: no carrier; else the place in ``GROUPS``, from 1
        self._covered, self._haploid = np.zeros(total, np.bool_), np.zeros(total, np.bool_)
        self._exceptions: dict[int, tuple[int, int]] = {}

    def carriers(self, group: str) -> Numbers:
        """Return the numbers of the carriers of a group, ascending."""
        return np.flatnonzero(self._group == GROUPS.index(group) + 1)

    def add(self, part: Part) -> None:
        """Add what one segment says."""
        segment, row, calls = part.segment, part.stored.row, part.calls
        if not calls.genotyped(row):
            return
        self._genotyped = True
        for place, group in enumerate(GROUPS, start=1):
            mine = self._names.of(segment, calls.group(group, row))
            self._group[mine[self._group[mine] == 0]] = place
        for column, told in part.details.items():
            for number in self._names.of(segment, [column]).tolist():
                self.details.setdefault(number, []).extend(told)
        if calls.counted(row):
            self._counted = True
            numbers = self._names.numbers.get(segment.id, np.empty(0, np.int64))
            called = np.zeros(len(self._covered), np.bool_)
            called[numbers[numbers >= 0]] = True
            called[self._names.of(segment, list(calls.shared("missing", row)))] = False
            self._covered |= called
            self._haploid[self._names.of(segment, list(calls.shared("haploid", row)))] = True
            for column, copies, alleles in calls.exceptions(row):
                for number in self._names.of(segment, [column]).tolist():
                    self._exceptions[number] = (copies, alleles)

    def calls(self) -> Json | None:
        """Return what ``info.skerry.calls`` says; None where there are no genotypes."""
        if not self._genotyped:
            return None
        found: Json = {"counted": self._counted}
        if self.details:
            found["details"] = True
        named = {group: self.carriers(group) for group in GROUPS}
        if self._counted:
            # The carrier of a case report counts for nothing here, and an exception is what says so.
            reported = np.flatnonzero((self._group > 0) & ~self._covered)
            self._exceptions |= dict.fromkeys(reported.tolist(), (0, 0))
            named["missing"] = np.flatnonzero(~self._covered & (self._group == 0))
            named["haploid"] = np.flatnonzero(self._haploid)
        found |= {name: written(numbers) for name, numbers in named.items() if len(numbers)}
        if self._exceptions:
            found["exceptions"] = [[number, *self._exceptions[number]] for number in sorted(self._exceptions)]
        return found


def _described(allele: Allele) -> Json:
    """Return an allele so that ``bff_variants.allele`` makes the very same one of it."""
    told = {
        "assembly": allele.assembly, "chrom": allele.chrom, "start": allele.start, "end": allele.end,
        "ref": allele.ref, "alt": allele.alt, "types": list(allele.types), "length": allele.length,
        "label": allele.label or None, "mate": allele.mate or None,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}
