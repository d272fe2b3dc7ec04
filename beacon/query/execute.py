"""From a question and decisions to findings: one ``DatasetResult`` per dataset that may answer.

Every kind of question is the same few steps: filters choose rows, variants choose carriers, the anchor
chooses one record; all are turned into rows of the wanted kind and intersected as bitmaps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import orjson
from pyroaring import BitMap

from beacon.model.access import Decision, Granularity
from beacon.model.calls import GROUPS
from beacon.model.query import Query
from beacon.model.representations import VRS, representation
from beacon.model.result import DatasetResult
from beacon.privacy.rules import needed, protect, threshold_applies
from beacon.query import joins, own, variants
from beacon.query.index import keys_of
from beacon.query.joins import Selection
from beacon.query.plan import Plan, plan
from beacon.query.relatives import without_unseen
from beacon.query.rows import decided, fewest, left, refuse_unknown, selected
from beacon.query.settle import settled, with_terms
from beacon.query.sides import SIDES, cohort_record, dataset_record, meets
from beacon.query.variant_records import write
from beacon.query.variants import Found
from beacon.query.visible import visible, within, zygosity_withheld
from beacon.store import alleles
from beacon.store.base import COLUMN, Cohort, Dataset, Store

MAX_PAGE = 1_000
"""Records on a page where ``limit`` is 0, and the most that ``limit`` may ask for."""


async def execute(
    store: Store, query: Query, decisions: Sequence[Decision], datasets: Mapping[str, Dataset] | None = None
) -> tuple[DatasetResult, ...]:
    """Answer a question from every dataset that may answer it, in the order of ``decisions``.

    ``datasets`` are those that were decided about, as they stood then: whatever becomes of one meanwhile, a decision
    never reaches data that came later, perhaps under another policy. Without them they are those of now.

    Each is looked at no deeper than the question and its decision allow. An anchor id that a dataset does not
    hold finds nothing there: whether a record exists is itself an answer, so it is never told by an error.

    Raises ``UnknownFilter`` and ``CannotAnswer`` where the question has a part that means nothing here.
    """
    asked = plan(query)
    if datasets is None:
        datasets = await store.datasets()
    answering = [(decision, datasets[decision.dataset]) for decision in decisions if decision.dataset in datasets]
    answering = [
        (decision, await visible(store, dataset, decision.reach))
        for decision, dataset in answering
        if decision.granularity > Granularity.NONE
    ]
    asked = await with_terms(store, asked)
    asked = await settled(
        store,
        asked,
        [dataset for decision, dataset in answering if _is_about(within(asked, decision.withheld), dataset)],
    )
    wanted = keys_of(asked.indexed) | (set() if asked.alleles is None else alleles.keys_of(asked.alleles))
    await store.prepare([segment for _, dataset in answering for segment in dataset.segments], wanted)
    await refuse_unknown(store, asked, answering)
    results = []
    for decision, dataset in answering:
        meant = await _with_name(store, await decided(store, asked, decision, dataset), query, decision, dataset)
        results.append(await _Evaluation(store, dataset, meant, query, decision).result())
    # Too few to be told of are as good as none: the refusal must not tell them apart.
    found = zip(answering, results, strict=True)
    if asked.refusal and not any(protect(query, decision, result).exists for (decision, _), result in found):
        raise asked.refusal
    return tuple(results)


def _is_about(asked: Plan, dataset: Dataset) -> bool:
    """Whether the conditions on datasets, as far as an asker may put them, leave this one."""
    conditions = asked.about("dataset")
    return not conditions or meets("dataset", dataset_record(dataset), conditions)


async def _with_name(store: Store, asked: Plan, query: Query, decision: Decision, dataset: Dataset) -> Plan:
    """Decide what a name means in one dataset: what it says or, where there is none of that, what a file calls so.

    Whatever else is asked has no part in it, and what too few people have for this asker to be told is as good as none.
    """
    if asked.called is None or asked.alleles is None:
        return asked
    alone = replace(asked, target="genomicVariant", anchor=None, conditions=(), groups=(GROUPS,), called=None)
    alone = replace(alone, alleles=asked.alleles.alone)
    anything = replace(query, entry_type="genomicVariant", granularity=Granularity.BOOLEAN)
    found = await _Evaluation(store, dataset, alone, anything, decision).result()
    named = protect(anything, decision, found).exists
    return replace(asked, alleles=asked.alleles if named else asked.called, called=None)


class _Evaluation:
    """One question put to one dataset."""

    def __init__(self, store: Store, dataset: Dataset, asked: Plan, query: Query, decision: Decision) -> None:
        self.store = store
        self.dataset = dataset
        self.plan = within(asked, decision.withheld)
        if asked.target == "dataset":
            self.plan = left(self.plan, "dataset", dataset_record(dataset), decision.withheld)
        self.query = query
        self.depth = needed(query.granularity, decision)
        self.people_matter = threshold_applies(decision)
        self.fewest = fewest(decision)
        self.withheld = decision.withheld
        self.answerable = asked.groups == (GROUPS,) or not zygosity_withheld(decision)

    async def result(self) -> DatasetResult:
        """Return the findings, no deeper than the answer or its protection needs."""
        if not self._meant():
            return replace(self._made(0, (), 0), caveat=None)  # whatever its files could not tell
        if self.plan.target in SIDES:
            return await self._collections()
        if self.plan.target == "genomicVariant":
            return await self._variants()
        return await self._records()

    def _meant(self) -> bool:
        """Whether the question is about this dataset, and one that its asker may put to it."""
        anchor = self.plan.anchor
        if anchor and anchor.entry_type == "dataset" and anchor.id != self.dataset.id:
            return False
        return self.answerable and _is_about(self.plan, self.dataset)

    async def _records(self) -> DatasetResult:
        kind = self.plan.target
        rows = await self.selected(kind)
        if rows is None:
            rows = joins.everything(self.dataset, kind)
        people = await self._people(kind, rows)
        records = await self._page(kind, rows) if self.depth is Granularity.RECORD else None
        return self._made(joins.size(rows), records, people)

    async def _people(self, kind: str, rows: Selection) -> int | None:
        """Return how many people the rows are of, where a threshold needs to know."""
        return len(await joins.persons(self.store, self.dataset, kind, rows)) if self.people_matter else None

    async def _page(self, kind: str, rows: Selection) -> tuple[bytes, ...]:
        begin, stop = self.bounds()
        page: list[bytes] = []
        for segment in self.dataset.segments:
            held = rows.get(segment.id, BitMap())
            wanted = list(held[max(begin, 0) : max(stop, 0)])
            page += await self.store.records(segment, kind, wanted)
            begin, stop = begin - len(held), stop - len(held)
        return tuple(await without_unseen(self.store, self.dataset, page) if kind == "individual" else page)

    async def _variants(self) -> DatasetResult:
        columns = await self.selected(COLUMN)
        quick = self.depth is not Granularity.RECORD and not self.people_matter
        if quick and columns is None:
            count = await variants.count(self.store, self.dataset, self.plan)
            if count is not None:
                return self._made(count, None, None)
        if not self.people_matter and columns is not None:
            upto = self.bounds()[1] if self.depth is Granularity.RECORD else 0
            held = await own.variants(self.store, self.dataset, self.plan, columns, upto)
            if held is not None:
                return self._made(held.total, await self._written(held.found, columns), None)
        if self.depth is Granularity.RECORD and not self.people_matter and columns is None:
            page = await variants.page(self.store, self.dataset, self.plan, *self.bounds())
            if page is not None:
                return self._made(page[1], await self._written(page[0], None, (0, len(page[0]))), None)
        listed = self.depth is Granularity.RECORD
        found = await variants.find(self.store, self.dataset, self.plan, columns, listed=listed)
        people = None
        if self.people_matter and any(segment.live.get(COLUMN) for segment in self.dataset.segments):
            bearers = await variants.bearers(self.store, self.dataset, found, self.plan.groups, columns)
            people = await self._people(COLUMN, bearers)
        return self._made(len(found), await self._written(found, columns), people)

    async def _written(
        self, found: Found, columns: Selection | None, bounds: tuple[int, int] | None = None
    ) -> tuple[bytes, ...] | None:
        if self.depth is not Granularity.RECORD:
            return None
        as_vrs = representation("genomicVariant", self.query.requested_schemas) is VRS
        return await write(self.store, self.dataset, found, *(bounds or self.bounds()), columns, as_vrs=as_vrs)

    async def _collections(self) -> DatasetResult:
        everyone = BitMap().union(*joins.everything(self.dataset, "individual").values())
        if self.plan.target == "dataset":
            people = await self._asked_for(self.plan)
            held = people is None or bool(people) or await self._sites()
            found = [dataset_record(self.dataset)] if held else []
            smallest = len(everyone if people is None else people)
        else:
            cohorts = [one async for one in self._cohorts(everyone)]
            found = [cohort_record(cohort, everyone) for cohort, _ in cohorts]
            # Each cohort that is listed says something of its own members.
            smallest = min((len(members) for _, members in cohorts), default=0)
        begin, stop = self.bounds()
        return self._made(len(found), tuple(map(orjson.dumps, found[begin:stop])), smallest if found else 0)

    async def _cohorts(self, everyone: BitMap) -> AsyncIterator[tuple[Cohort, BitMap]]:
        """Yield the cohorts that are listed, each with those of its members who are asked for."""
        anchor = self.plan.anchor
        wanted = anchor.id if anchor and anchor.entry_type == "cohort" else None
        asked_for: dict[object, BitMap | None] = {}
        for cohort in self.dataset.cohorts:
            record = cohort_record(cohort, BitMap())
            if wanted not in (None, cohort.id) or not meets("cohort", record, self.plan.about("cohort")):
                continue
            asked = left(self.plan, "cohort", record, self.withheld)
            if asked.conditions not in asked_for:
                asked_for[asked.conditions] = await self._asked_for(asked)
            people = asked_for[asked.conditions]
            members = cohort.members & (everyone if people is None else people)
            if self._is_shown(members, people is None):
                yield cohort, members

    async def _asked_for(self, asked: Plan) -> BitMap | None:
        """Return the people whom a plan selects; None where nothing narrows them."""
        people = await self.selected("individual", asked)
        return None if people is None else BitMap().union(*people.values())

    def _is_shown(self, members: BitMap, everybody: bool) -> bool:
        """Whether a cohort is listed with so many who are asked for: too few are as good as none."""
        return len(members) >= self.fewest or (everybody and not self.people_matter)

    async def _sites(self) -> bool:
        """Whether the question is about variants alone and finds some, be it that nobody is known to carry them."""
        if self.plan.alleles is None or self.plan.groups != (GROUPS,) or await self.selected(COLUMN) is not None:
            return False
        return len(await variants.find(self.store, self.dataset, self.plan, None)) > 0

    async def selected(self, target: str, asked: Plan | None = None) -> Selection | None:
        """Return the rows of ``target`` that everything asked selects; None where nothing narrows them."""
        choosing = (asked or self.plan).choosing
        parts = [await selected(self.store, self.dataset, one, target, self.withheld) for one in choosing]
        parts += await self._anchored(target)
        if self.plan.alleles is not None and target != COLUMN:
            # Whoever else is asked for narrows whose genotypes are looked at.
            columns = await self._columns(target, reduce(joins.both, parts)) if parts else None
            for carrying in await variants.carriers(self.store, self.dataset, self.plan, columns):
                parts.append(await joins.convert(self.store, self.dataset, COLUMN, carrying, target))
        return reduce(joins.both, parts) if parts else None

    async def _columns(self, kind: str, rows: Selection) -> Selection:
        return await joins.convert(self.store, self.dataset, kind, rows, COLUMN)

    async def _anchored(self, target: str) -> list[Selection]:
        anchor = self.plan.anchor
        if anchor is None or anchor.entry_type in ("dataset", "genomicVariant"):
            return []
        if anchor.entry_type == "cohort":
            members = next((cohort.members for cohort in self.dataset.cohorts if cohort.id == anchor.id), BitMap())
            held = {segment.id: members & segment.live.get("individual", BitMap()) for segment in self.dataset.segments}
            return [await joins.convert(self.store, self.dataset, "individual", held, target)]
        held = {}
        for segment in self.dataset.segments:
            row = await self.store.row_of(segment, anchor.entry_type, anchor.id)
            held[segment.id] = BitMap() if row is None else BitMap([row])
        return [await joins.convert(self.store, self.dataset, anchor.entry_type, held, target)]

    def bounds(self) -> tuple[int, int]:
        """Return the first record of the page and the one after its last."""
        limit = self.query.pagination.limit or MAX_PAGE
        begin = self.query.pagination.skip * limit
        return begin, begin + limit

    def _made(self, count: int, records: tuple[bytes, ...] | None, people: int | None) -> DatasetResult:
        return DatasetResult(
            self.dataset.id,
            count > 0,
            count if self.depth is not Granularity.BOOLEAN else None,
            records if self.depth is Granularity.RECORD else None,
            {"people": people} if self.people_matter and people is not None else {},
            self.plan.caveats.get(self.dataset.id),
        )
