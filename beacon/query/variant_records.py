"""Variants as Beacon records: identifiers, counts, and the people who carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import ZYGOSITIES
from beacon.model.genome import Reference
from beacon.model.records import unite
from beacon.model.variant import variation
from beacon.query.carrying import as_mask
from beacon.query.identifiers import identifiers, in_vrs
from beacon.query.joins import Selection
from beacon.query.variants import Found
from beacon.store.base import COLUMN, Dataset, Segment, Store, StoredAllele
from beacon.store.blocks import Calls

MAX_CASES = 1_000
"""At most this many case-level entries are written per variant; how many there are is always stated."""

_ZYGOSITY_OF_GROUP = {group: {"id": id, "label": ZYGOSITIES[id]} for id, group in GROUP_OF_ZYGOSITY.items()}
_COUNTS = {"het": "heterozygous", "hom": "homozygous", "hemi": "hemizygous", "other": "zygosityNotStated"}

Place = tuple[int, int]
"""Block and row of an allele in its segment."""
References = Mapping[tuple[str, str], Reference | None]


async def write(
    store: Store,
    dataset: Dataset,
    found: Found,
    begin: int,
    stop: int,
    columns: Selection | None,
    *,
    as_vrs: bool = False,
) -> tuple[bytes, ...]:
    """Return a page of variants as encoded Beacon records, case-level data of ``columns`` (or of all) included.

    ``as_vrs`` asks for VRS 1.3 in place of the legacy form where the allele can be said in it exactly.
    """
    page = found.page(begin, stop)
    wanted: dict[int, list[Place]] = {}
    for places in page:
        for number, block, row in places:
            wanted.setdefault(number, []).append((block, row))
    writers = {
        number: await SegmentPage.fetch(store, dataset, dataset.segments[number], places, columns)
        for number, places in wanted.items()
    }
    references: dict[tuple[str, str], Reference | None] = {}
    if as_vrs:
        for place in {place for writer in writers.values() for place in writer.chromosomes()}:
            references[place] = await store.reference(*place)
    return tuple(
        _encode([(writers[number], writers[number].alleles[block, row]) for number, block, row in places], references)
        for places in page
    )


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """What is needed to write the alleles of one page that lie in one segment.

    ``listed`` holds, by place, the columns to be listed, ascending, and the number of each one's group. Names are
    those of the columns that can be written of it.
    """

    segment: Segment
    alleles: dict[Place, StoredAllele]
    calls: dict[int, Calls]
    live: BitMap
    listed: dict[Place, tuple[NDArray[np.uint32], NDArray[np.uint8]]]
    persons: NDArray[np.uint32]
    samples: NDArray[np.uint32]
    person_names: dict[int, str]
    sample_names: dict[int, str]
    own: dict[str, NDArray[np.int64]]
    own_names: dict[str, dict[int, str]]
    details: dict[str, dict[int, list[dict[str, Any]]]]

    @classmethod
    async def fetch(
        cls, store: Store, dataset: Dataset, segment: Segment, places: list[Place], columns: Selection | None
    ) -> SegmentPage:
        stored = {(one.block, one.row): one for one in await store.alleles(segment, places)}
        calls = await store.calls(segment, sorted({block for block, _ in places}))
        live = segment.live.get(COLUMN, BitMap())
        allowed = live if columns is None else columns.get(segment.id, BitMap())
        links = await store.links(segment, COLUMN)
        listed = {(block, row): _carriers(calls[block], row, allowed) for block, row in places}
        at = np.unique(np.concatenate([np.empty(0, np.uint32), *(part[:MAX_CASES] for part, _ in listed.values())]))
        own = {kind: await store.column_rows(segment, kind) for kind in ("run", "analysis")}
        own_names = {
            kind: await store.record_ids(segment, kind, [int(row) for row in rows[at] if row >= 0])
            for kind, rows in own.items()
        } if len(at) else {"run": {}, "analysis": {}}  # fmt: skip
        details: dict[str, dict[int, list[dict[str, Any]]]] = {}
        for (id, column), told in (await store.cases(segment, [one.id for one in stored.values()])).items():
            details.setdefault(id, {})[column] = told
        return cls(
            segment, stored, calls, live, listed, links.persons, links.samples,
            await store.names(dataset.people, "individual", np.unique(links.persons[at]).tolist()),
            await store.names(dataset.people, "biosample", np.unique(links.samples[at]).tolist()),
            own, own_names, details,
        )  # fmt: skip

    def chromosomes(self) -> set[tuple[str, str]]:
        """Return assembly and chromosome of all alleles that have a place."""
        return {(one.allele.assembly, one.allele.chrom) for one in self.alleles.values() if one.allele.placed}

    def holds(self, stored: StoredAllele) -> bool:
        """Whether somebody live carries the allele here, or nobody ever did."""
        carriers = BitMap(self.calls[stored.block].carriers(stored.row).tolist())
        return not carriers or bool(carriers & self.live)

    def people(self, columns: BitMap) -> BitMap:
        """Return the ordinals of the people these columns are samples of."""
        return BitMap(self.persons[np.array(columns, np.uint32)])

    def columns_of_others(self, people: BitMap) -> BitMap:
        """Return the live columns of everybody but these people."""
        columns = np.array(self.live, np.uint32)
        return BitMap(columns[~np.isin(self.persons[columns], np.array(people, np.uint32))])

    def entry(self, column: int, group: str) -> dict[str, Any]:
        """Return the case-level entry of a column, without details."""
        entry: dict[str, Any] = {
            "biosampleId": self.sample_names[int(self.samples[column])],
            "individualId": self.person_names[int(self.persons[column])],
        }
        for kind, rows in self.own.items():
            row = int(rows[column]) if len(rows) else -1
            if row >= 0:
                entry[f"{kind}Id"] = self.own_names[kind][row]
        if group in _ZYGOSITY_OF_GROUP:
            entry["zygosity"] = _ZYGOSITY_OF_GROUP[group]
        return entry


def _carriers(calls: Calls, row: int, allowed: BitMap) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the allowed columns that carry an allele, ascending, and the number of each one's group."""
    parts = [np.asarray(calls.group(group, row), np.uint32) for group in GROUPS]
    columns = np.concatenate(parts)
    groups = np.repeat(np.arange(len(GROUPS), dtype=np.uint8), [len(part) for part in parts])
    mine = as_mask(allowed, calls.columns)[columns]
    order = np.argsort(columns[mine], kind="stable")
    return columns[mine][order], groups[mine][order]


class _Cases:
    """The case-level entries of one variant: each sample of each person once, ``entries`` as many as are written."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[dict[str, Any]] = []
        self._seen = np.empty(0, np.uint64)

    def add(self, page: SegmentPage, stored: StoredAllele) -> None:
        columns, groups = page.listed[stored.block, stored.row]
        who = page.persons[columns].astype(np.uint64) << np.uint64(32) | page.samples[columns]
        # Two columns of one sample tell as much as the one that tells more.
        order = np.lexsort((columns, groups, who))
        first = order[np.append(True, np.diff(who[order]) != 0)] if len(order) else order
        fresh = np.sort(first[~np.isin(who[first], self._seen)])
        self._seen = np.union1d(self._seen, who[fresh])
        details = page.details.get(stored.id, {})
        self.total += len(fresh)
        if details:
            self.total += sum(len(details[column]) - 1 for column in columns[fresh].tolist() if column in details)
        for column, group in zip(columns[fresh].tolist(), groups[fresh].tolist(), strict=True):
            if len(self.entries) >= MAX_CASES:
                return
            entry = page.entry(column, GROUPS[group])
            self.entries += [entry | detail for detail in details.get(column, ({},))]


def _encode(parts: list[tuple[SegmentPage, StoredAllele]], references: References) -> bytes:
    """Write one variant from all segments that hold it: bodies united, each person counted once."""
    stored = parts[0][1]
    parts = [(page, part) for page, part in parts if page.holds(part)]
    body: dict[str, Any] = {}
    for _, part in parts:
        unite(body, orjson.loads(part.body))
    counts, cases = _Counts(), _Cases()
    # Counted genotypes first: where somebody is in several segments, they tell most.
    for page, part in sorted(parts, key=lambda item: not item[0].calls[item[1].block].counted(item[1].row)):
        counts.add(page, part)
        cases.add(page, part)
    info = body.setdefault("info", {}) | {"placed": stored.allele.placed} | counts.info()
    if cases.total:
        body["caseLevelData"] = cases.entries[:MAX_CASES]
        # Below the Beacon's root: a site does not always know the address that others see.
        info |= {"caseLevelTotal": cases.total, "caseLevelIndividuals": f"/g_variants/{stored.id}/individuals"}
    body["info"] = info
    if named := identifiers(stored, body.get("identifiers", {})):
        body["identifiers"] = named
    said = None
    if (place := (stored.allele.assembly, stored.allele.chrom)) in references:
        said = in_vrs(stored.allele, stored.moves, references[place], stored.vrs)
    said = said or variation(stored.allele)
    return orjson.dumps({"variantInternalId": stored.id, "variation": said} | body)


class _Counts:
    """Carriers, allele count and number of one variant over its segments, each person in one of them only."""

    def __init__(self) -> None:
        self.groups = dict.fromkeys(GROUPS, 0)
        self.count = self.number = 0
        self.genotyped = self.counted = False
        self._carriers = BitMap()
        self._counted = BitMap()
        self._missing = BitMap()

    def add(self, page: SegmentPage, stored: StoredAllele) -> None:
        calls, row = page.calls[stored.block], stored.row
        if not calls.genotyped(row):
            return
        self.genotyped = True
        for group in GROUPS:
            columns = BitMap(calls.group(group, row).tolist()) & page.live
            people = page.people(columns) - self._carriers
            self.groups[group] += len(people)
            self._carriers |= people
        if calls.counted(row):
            self.counted = True
            columns = page.columns_of_others(self._counted)
            _, count, number = calls.tally(row, columns)
            self.count += count
            self.number += number
            missing = calls.shared("missing", row) & columns
            self._missing |= page.people(missing)
            self._counted |= page.people(columns - missing)

    def info(self) -> dict[str, Any]:
        if not self.genotyped:
            return {}
        genotypes = {
            name: self.groups[group] for group, name in _COUNTS.items() if self.groups[group] or group != "other"
        }
        info: dict[str, Any] = {"carriers": sum(self.groups.values()), "genotypes": genotypes}
        if self.counted:
            genotypes["missing"] = len(self._missing - self._counted)
            info |= {"alleleCount": self.count, "alleleNumber": self.number}
        return info
