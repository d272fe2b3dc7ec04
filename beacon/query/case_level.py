"""Who carries the variants of a page: case-level entries and counts, from one segment or from several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.query.bodies import Body, Place, Spelling, bodies, counted
from beacon.query.carrying import columns_called
from beacon.query.joins import Selection
from beacon.store.base import COLUMN, Dataset, Links, Segment, Store, StoredAllele
from beacon.store.bitmaps import bitmap_of, mask_of, numbers_in
from beacon.store.calls import TILE, Calls, Carriers, is_common, tiles_of
from beacon.store.fragments import Encoded, Entries
from beacon.store.heads import Heads

MAX_CASES: Final = 1_000
"""At most this many case-level entries are written per variant; how many there are is always stated."""

_NOBODY: Final = np.empty(0, np.int64)


class Samples(NamedTuple):
    """Carriers of an allele, each sample of each person once: columns, ascending, their groups, and who they are."""

    columns: NDArray[np.int64]
    groups: NDArray[np.int64]
    who: NDArray[np.uint64]

    @classmethod
    def of(cls, carriers: Sequence[Carriers], links: Links) -> Samples:
        """Return the samples of some columns; of two columns of one, the one that tells more."""
        columns = np.concatenate([_NOBODY, *(held.astype(np.int64) + tile * TILE for tile, _, held in carriers)])
        groups = np.repeat([group for _, group, _ in carriers], [len(held) for _, _, held in carriers]).astype(np.int64)
        who = links.persons[columns].astype(np.uint64) << np.uint64(32) | links.samples[columns]
        order = np.lexsort((columns, groups, who))
        which = order[np.append(True, np.diff(who[order]) != 0)] if len(order) else order
        which = which[np.argsort(columns[which])]
        return cls(columns[which], groups[which], who[which])

    def without(self, seen: NDArray[np.uint64]) -> Samples:
        """Return those who are not among the ones seen."""
        fresh = ~np.isin(self.who, seen)
        return Samples(self.columns[fresh], self.groups[fresh], self.who[fresh])

    def first(self, many: int) -> list[Carriers]:
        """Return the first so many columns, by tile and group."""
        columns, groups = self.columns[:many], self.groups[:many]
        found = []
        for tile, group in sorted(set(zip((columns // TILE).tolist(), groups.tolist(), strict=True))):
            held = columns[(columns // TILE == tile) & (groups == group)]
            found.append(Carriers(tile, group, held - tile * TILE))
        return found


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """What is needed to write the alleles of one page that lie in one segment, in the order of ``places``.

    ``simple``: nobody is gone from the segment, every column is another person, and no other segment has any of
    these alleles; what was counted at loading stands then, only the columns to be listed are read, and there are
    ``bodies`` and, as many as are written, ``listed`` columns, ``totals`` says of how many. Else there are ``alleles``
    and all ``samples``, which there are also of an allele with ``details``: what was told of single carriers, by
    column. ``called`` are the columns of people who have a live one in any segment.
    """

    segment: Segment
    places: list[Place]
    alleles: dict[Place, StoredAllele]
    bodies: dict[Place, Body]
    calls: dict[int, Calls]
    links: Links
    simple: bool
    listed: dict[Place, Sequence[Carriers]]
    samples: dict[Place, Samples]
    totals: dict[Place, int]
    entries: Mapping[tuple[int, int], Entries]
    details: dict[Place, dict[int, list[dict[str, Any]]]]
    called: BitMap

    @classmethod
    async def fetch(
        cls,
        store: Store,
        dataset: Dataset,
        number: int,
        heads: Heads,
        columns: Selection | None,
        spelling: Spelling,
        *,
        only: bool,
    ) -> SegmentPage:
        """Read what the records of alleles of one segment, by its number, need; ``only``: no other has any of them.

        Raises ``StoreUnavailable``.
        """
        segment = dataset.segments[number]
        places = list(zip(heads.block.tolist(), heads.row.tolist(), strict=True))
        links = await store.links(segment, COLUMN)
        live = segment.live.get(COLUMN, BitMap())
        allowed = live if columns is None else columns.get(segment.id, BitMap())
        simple = only and segment.whole and links.alone
        if not simple:
            calls = await store.calls(segment, heads, sets=True, texts=True)
            every = _listed(calls, places, allowed)
        elif list(allowed[:2]) == [heads.of]:
            calls, every = {}, _own(heads, places)
        elif columns is None:
            calls, every = await _first(store, segment, heads, places, allowed)
        else:
            calls = await store.calls(segment, heads, columns=allowed, texts=True)
            every = _listed(calls, places, allowed)
        alleles: dict[Place, StoredAllele] = {}
        told: dict[Place, Body] = {}
        listed: dict[Place, Sequence[Carriers]] = {}
        samples: dict[Place, Samples] = {}
        totals: dict[Place, int] = {}
        if simple:
            told = await bodies(store, segment, places, spelling)
            carriers = heads.carriers.tolist() if columns is None else [_size(every[place]) for place in places]
            totals = {place: max(many, 0) for place, many in zip(places, carriers, strict=True)}
            listed = {place: _written(some) for place, some in every.items()}
            shown = {(tile, group) for some in listed.values() for tile, group, _ in some}
        else:
            alleles = {(one.block, one.row): one for one in await store.alleles(segment, places)}
            samples = {place: Samples.of(some, links) for place, some in every.items()}
            shown = {(tile, group) for some in samples.values() for tile, group, _ in some.first(MAX_CASES)}
        details: dict[Place, dict[int, list[dict[str, Any]]]] = {}
        # Of carriers among counted genotypes hardly any segment tells more.
        if (await store.layout(segment)).detailed or not (heads.number >= 0).all():
            place_of = {one.id: place for place, one in (told or alleles).items()}
            for (id, column), cases in (await store.cases(segment, list(place_of))).items():
                details.setdefault(place_of[id], {})[column] = cases
        for place, of in details.items() if simple else ():
            totals[place] += sum(len(cases) - 1 for column, cases in of.items() if column in allowed)
            samples[place] = Samples.of(listed[place], links)
        entries = await store.entries(segment, shown)
        called = BitMap() if segment.whole else await columns_called(store, dataset, segment)
        return cls(
            segment, places, alleles, told, calls, links, simple, listed, samples, totals, entries, details, called
        )

    @property
    def live(self) -> BitMap:
        """The segment's live columns."""
        return self.segment.live.get(COLUMN, BitMap())

    def holds(self, place: Place) -> bool:
        """Whether somebody live carries the allele here, or nobody ever did."""
        return self.segment.whole or not (carriers := self._carriers(place)) or not carriers.isdisjoint(self.live)

    def counts(self, place: Place) -> bool:
        """Whether those who were called here count for the allele; see ``carrying.counted_in``."""
        if not self.calls[place[0]].counted(place[1]):
            return self.holds(place)
        everybody = self.segment.whole or self.segment.uncarried
        return everybody or not self._carriers(place).isdisjoint(self.called)

    def _carriers(self, place: Place) -> BitMap:
        block, row = place
        return bitmap_of(self.calls[block].carriers(row))

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
    mask = mask_of(allowed, width)
    masks = {tile: mask[tile * TILE : (tile + 1) * TILE] for tile in tiles_of(allowed)}
    return {
        place: [
            Carriers(tile, group, held)
            for tile, group, columns in some
            if tile in masks and len(held := columns[masks[tile][columns]])
        ]
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


def case_level(parts: Sequence[tuple[SegmentPage, Place]]) -> tuple[int, Sequence[Encoded]]:
    """Return how many case-level entries a variant has, and as many as are written, each with a comma behind it.

    ``parts`` are the segments that have it, those first that tell most of somebody who is in several.
    """
    page, place = parts[0]
    if page.simple and place not in page.details:
        return page.totals[place], _encoded(page, page.listed[place])
    cases = _Cases()
    for part in parts:
        cases.add(*part)
    return cases.total, cases.entries


def _encoded(page: SegmentPage, carriers: Iterable[Carriers]) -> list[Encoded]:
    """Return the entries of some carriers, each with a comma behind it."""
    return [page.entries[tile, group].joined(columns) for tile, group, columns in carriers]


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
    """The case-level entries of one variant: each sample of each person once, as many ``entries`` as are written."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[Encoded] = []
        self._room = MAX_CASES
        self._seen = np.empty(0, np.uint64)

    def add(self, page: SegmentPage, place: Place) -> None:
        """Add what one segment knows of the variant's carriers."""
        details = page.details.get(place, {})
        samples = page.samples[place]
        if page.simple:
            self.total += page.totals[place]
        else:
            samples = samples.without(self._seen)
            self._seen = np.union1d(self._seen, samples.who)
            self.total += len(samples.who)
            self.total += sum(len(details[column]) - 1 for column in samples.columns.tolist() if column in details)
        if not details:
            self.entries += _encoded(page, samples.first(self._room))
            self._room -= min(len(samples.who), self._room)
            return
        for column, group in zip(samples.columns.tolist(), samples.groups.tolist(), strict=True):
            if not self._room:
                return
            (entry,) = _encoded(page, [Carriers(column // TILE, group, np.array([column % TILE]))])
            some = details.get(column, [{}])[: self._room]
            told = orjson.loads(bytes(entry[:-1]))
            self.entries += [b"%b," % orjson.dumps(told | one) if one else entry for one in some]
            self._room -= len(some)


def counts(parts: Sequence[tuple[SegmentPage, Place]]) -> dict[str, Any]:
    """Return what a variant's record says of how many carry it, each person counted in one segment only."""
    counts = _Counts()
    for part in parts:
        counts.add(*part)
    if not counts.genotyped:
        return {}
    number = counts.number if counts.counted else None
    return counted((*counts.groups.values(), counts.missing), counts.count, number)


class _Counts:
    """Carriers, allele count and number of one variant over its segments, each person in one of them only."""

    def __init__(self) -> None:
        self.groups = dict.fromkeys(GROUPS, 0)
        self.count = self.number = self.missing = 0
        self.genotyped = self.counted = False
        self._carriers = BitMap()
        self._counted = BitMap()
        self._missing = BitMap()

    def add(self, page: SegmentPage, place: Place) -> None:
        """Add what one segment knows."""
        if page.alleles[place].genotypes is None:
            return
        self.genotyped = True
        block, row = place
        calls = page.calls[block]
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
