"""Who carries the variants of a page: case-level entries and counts, from one segment or from several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.query.joins import Selection
from beacon.store.base import COLUMN, Links, Segment, Store, StoredAllele
from beacon.store.bitmaps import bitmap_of, mask_of, numbers_in
from beacon.store.calls import TILE, Calls, Carriers, is_common, tiles_of
from beacon.store.fragments import Entries
from beacon.store.heads import Heads

MAX_CASES: Final = 1_000
"""At most this many case-level entries are written per variant; how many there are is always stated."""

Place = tuple[int, int]
"""Block and row of an allele in its segment."""
_NOBODY: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """What is needed to write the alleles of one page that lie in one segment.

    ``simple``: nobody is gone from the segment, every column is another person, and no other segment has any of
    these alleles; what was counted at loading stands then, and only the columns to be listed are read. ``listed``
    holds those by place, ``totals`` how many entries there could be.
    """

    segment: Segment
    alleles: dict[Place, StoredAllele]
    calls: dict[int, Calls]
    links: Links
    simple: bool
    listed: dict[Place, list[Carriers]]
    totals: dict[Place, int]
    entries: Mapping[tuple[int, int], Entries]
    details: dict[str, dict[int, list[dict[str, Any]]]]

    @classmethod
    async def fetch(
        cls, store: Store, segment: Segment, heads: Heads, columns: Selection | None, *, only: bool
    ) -> SegmentPage:
        """Read what these alleles' records need; ``only`` says that no other segment has any of them."""
        places = list(zip(heads.block.tolist(), heads.row.tolist(), strict=True))
        links = await store.links(segment, COLUMN)
        live = segment.live.get(COLUMN, BitMap())
        allowed = live if columns is None else columns.get(segment.id, BitMap())
        simple = only and segment.whole and links.alone
        if not simple:
            calls = await store.calls(segment, heads, sets=True, texts=True)
            listed = _listed(calls, places, allowed)
        elif list(allowed[:2]) == [heads.of]:
            calls, listed = {}, _own(heads, places)
        elif columns is None:
            calls, listed = await _first(store, segment, heads, places, allowed)
        else:
            calls = await store.calls(segment, heads, columns=allowed, texts=True)
            listed = _listed(calls, places, allowed)
        stored = {(one.block, one.row): one for one in await store.alleles(segment, places)}
        if simple and columns is None:
            totals = {place: stored[place].carriers or 0 for place in places}
        else:
            totals = {place: _size(listed[place]) for place in places}
        entries = await store.entries(segment, {(tile, group) for some in listed.values() for tile, group, _ in some})
        details: dict[str, dict[int, list[dict[str, Any]]]] = {}
        # Of carriers among counted genotypes hardly any segment tells more.
        detailed = (await store.layout(segment)).detailed
        if detailed or not (heads.number >= 0).all():
            for (id, column), told in (await store.cases(segment, [one.id for one in stored.values()])).items():
                details.setdefault(id, {})[column] = told
        for place, one in stored.items():
            totals[place] += sum(len(told) - 1 for column, told in details.get(one.id, {}).items() if column in allowed)
        return cls(segment, stored, calls, links, simple, listed, totals, entries, details)

    @property
    def live(self) -> BitMap:
        """The segment's live columns."""
        return self.segment.live.get(COLUMN, BitMap())

    def chromosomes(self) -> set[tuple[str, str]]:
        """Return assembly and chromosome of all alleles that have a place."""
        return {(one.allele.assembly, one.allele.chrom) for one in self.alleles.values() if one.allele.placed}

    def holds(self, stored: StoredAllele) -> bool:
        """Whether somebody live carries the allele here, or nobody ever did."""
        if self.segment.whole:
            return True
        carriers = BitMap(self.calls[stored.block].carriers(stored.row).tolist())
        return not carriers or bool(carriers & self.live)

    def people(self, columns: BitMap) -> BitMap:
        """Return the ordinals of the people these columns are samples of."""
        return bitmap_of(self.links.persons[numbers_in(columns)])

    def columns_of_others(self, people: BitMap) -> BitMap:
        """Return the live columns of everybody but these people."""
        columns = numbers_in(self.live)
        return bitmap_of(columns[~np.isin(self.links.persons[columns], numbers_in(people))])


def _size(carriers: Sequence[Carriers]) -> int:
    return sum(len(columns) for _, _, columns in carriers)


def _listed(calls: dict[int, Calls], places: list[Place], allowed: BitMap) -> dict[Place, list[Carriers]]:
    """Return which of the allowed columns carry each allele, and how."""
    listed = {(block, row): calls[block].listed(row) for block, row in places}
    width = max((one.columns for one in calls.values()), default=0)
    if len(allowed) == width:
        return listed
    masks = {tile: mask_of(allowed, width)[tile * TILE : (tile + 1) * TILE] for tile in tiles_of(allowed)}
    return {
        place: [Carriers(tile, group, columns[masks[tile][columns]]) for tile, group, columns in some if tile in masks]
        for place, some in listed.items()
    }


def _own(heads: Heads, places: list[Place]) -> dict[Place, list[Carriers]]:
    """Return the one column that carries all of these alleles."""
    assert heads.of is not None
    tile, place = divmod(heads.of, TILE)
    alone = np.array([place])
    return {at: [Carriers(tile, group, alone)] for at, group in zip(places, heads.how.tolist(), strict=True)}


async def _first(
    store: Store, segment: Segment, heads: Heads, places: list[Place], allowed: BitMap
) -> tuple[dict[int, Calls], dict[Place, list[Carriers]]]:
    """Return the first carriers of each allele, as many as are written: common ones need few tiles for that."""
    width = (await store.layout(segment)).columns
    common = is_common(heads.carriers, width).tolist()
    upto = TILE
    while True:
        calls = await store.calls(segment, heads, columns=BitMap(range(min(upto, width))), texts=True)
        listed = _listed(calls, places, allowed)
        enough = all(_size(listed[place]) >= MAX_CASES for place, many in zip(places, common, strict=True) if many)
        if enough or upto >= width:
            return calls, listed
        upto *= 2


def case_level(parts: Sequence[tuple[SegmentPage, StoredAllele]]) -> tuple[int, bytes]:
    """Return how many case-level entries a variant has, and the encoded list of as many as are written.

    ``parts`` are the segments that have it, those first that tell most of somebody who is in several.
    """
    (page, stored), *others = parts
    if page.simple and not others and stored.id not in page.details:
        place = stored.block, stored.row
        found = [page.entries[tile, group].joined(columns) for tile, group, columns in _written(page.listed[place])]
        return page.totals[place], b"[%b]" % b"".join(found)[:-1]
    cases = _Cases()
    for part in parts:
        cases.add(*part)
    return cases.total, b"[%b]" % b",".join(cases.entries)


def _written(carriers: Sequence[Carriers]) -> Sequence[Carriers]:
    """Return as many carriers as are written, those of the first columns."""
    if _size(carriers) <= MAX_CASES:
        return carriers
    found: list[Carriers] = []
    for _, alike in groupby(sorted(carriers, key=lambda one: one.tile), key=lambda one: one.tile):
        some = list(alike)
        room = MAX_CASES - _size(found)
        if _size(some) > room:
            last = np.sort(np.concatenate([columns for _, _, columns in some]))[room - 1] if room else -1
            some = [Carriers(tile, group, columns[columns <= last]) for tile, group, columns in some]
        found += some
    return found


class _Cases:
    """The case-level entries of one variant: each sample of each person once, ``entries`` as many as are written."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[bytes] = []
        self._seen = np.empty(0, np.uint64)

    def add(self, page: SegmentPage, stored: StoredAllele) -> None:
        """Add what one segment knows of the variant's carriers."""
        place = stored.block, stored.row
        details = page.details.get(stored.id, {})
        listed = page.listed[place]
        columns = np.concatenate([_NOBODY, *(held.astype(np.int64) + tile * TILE for tile, _, held in listed)])
        groups = np.repeat([group for _, group, _ in listed], [len(held) for _, _, held in listed])
        if page.simple:
            self.total += page.totals[place]
        else:
            fresh = self._fresh(page, columns, groups)
            columns, groups = columns[fresh], groups[fresh]
            self.total += len(columns)
            self.total += sum(len(details[column]) - 1 for column in columns.tolist() if column in details)
        room = max(MAX_CASES - len(self.entries), 0)
        for column, group in zip(columns[:room].tolist(), groups[:room].tolist(), strict=True):
            entry = page.entries[column // TILE, group].joined(np.array([column % TILE]))[:-1]
            for told in details.get(column, [{}]):
                self.entries.append(orjson.dumps(orjson.loads(entry) | told) if told else entry)
        del self.entries[MAX_CASES:]

    def _fresh(self, page: SegmentPage, columns: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the places of samples not yet listed; of two columns of one, the one that tells more."""
        who = page.links.persons[columns].astype(np.uint64) << np.uint64(32) | page.links.samples[columns]
        order = np.lexsort((columns, groups, who))
        first = order[np.append(True, np.diff(who[order]) != 0)] if len(order) else order
        fresh = np.sort(first[~np.isin(who[first], self._seen)])
        self._seen = np.union1d(self._seen, who[fresh])
        return fresh


def counts(parts: Sequence[tuple[SegmentPage, StoredAllele]]) -> dict[str, Any]:
    """Return what a variant's record says of how many carry it, each person counted in one segment only."""
    (page, stored), *others = parts
    if page.simple and not others:
        called = stored.genotypes
        if called is None:
            return {}
        return _told(called, stored.allele_count, stored.allele_number)
    counts = _Counts()
    for part in parts:
        counts.add(*part)
    if not counts.genotyped:
        return {}
    number = counts.number if counts.counted else None
    return _told((*counts.groups.values(), counts.missing), counts.count, number)


def _told(genotypes: tuple[int, ...], count: int | None, number: int | None) -> dict[str, Any]:
    het, hom, hemi, other, missing = genotypes
    told = {"heterozygous": het, "homozygous": hom, "hemizygous": hemi}
    if other:
        told["zygosityNotStated"] = other
    info: dict[str, Any] = {"carriers": het + hom + hemi + other, "genotypes": told}
    if number is not None:
        told["missing"] = missing
        info["alleleCount"], info["alleleNumber"] = count, number
    return info


class _Counts:
    """Carriers, allele count and number of one variant over its segments, each person in one of them only."""

    def __init__(self) -> None:
        self.groups = dict.fromkeys(GROUPS, 0)
        self.count = self.number = self.missing = 0
        self.genotyped = self.counted = False
        self._carriers = BitMap()
        self._counted = BitMap()
        self._missing = BitMap()

    def add(self, page: SegmentPage, stored: StoredAllele) -> None:
        """Add what one segment knows."""
        if stored.genotypes is None:
            return
        self.genotyped = True
        calls, row = page.calls[stored.block], stored.row
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
            self.missing = len(self._missing - self._counted)
