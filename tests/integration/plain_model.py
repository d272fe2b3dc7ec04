"""A dataset and its answers in plain Python: lists, loops and no index, to compare the real ones with.

``Model`` takes the same loads as the store and answers the same questions, in the most literal way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from beacon.model.entry_types import CLOSED_TERMS, ENTRY_TYPES, FREQUENCY, RECORD_TYPES, ZYGOSITY, FieldKind
from beacon.model.query import AlphanumericFilter, Filter, OntologyFilter, Query, VariantQuery
from beacon.model.variant import Allele, matching_types
from tests.world import CALLS, EFFECT, ORIGIN, RELEVANCE, STATED, VALUE, Case, Facts, Load, Sequenced, ancestors

GROUP = {"GENO:0000135": "het", "GENO:0000136": "hom", "GENO:0000134": "hemi"}
GROUPS = ("het", "hom", "hemi", "other")
TOLD = (EFFECT, ORIGIN, RELEVANCE, STATED)
"""Fields of variants and of their carriers."""
UNITS = {"UO:0000009": ("g", 1000.0), "UO:0000021": ("g", 1.0), "kg": ("g", 1000.0), "g": ("g", 1.0),
         "UO:0000015": ("m", 0.01), "cm": ("m", 0.01), "m": ("m", 1.0),
         "UCUM:mmol/L": ("mol/L", 0.001), "mmol/L": ("mol/L", 0.001),
         "UCUM:mg/dL": ("g/L", 0.01), "mg/dL": ("g/L", 0.01)}  # fmt: skip
SIMILAR: Mapping[str, Mapping[str, float]] = {
    "HP:0000003": {"HP:0000004": 0.9, "HP:0000009": 0.8, "HP:0000001": 0.7},
    "HP:0000009": {"HP:0000003": 0.8},
    "HP:0000004": {"HP:0000003": 0.9, "HP:0000002": 0.66},
}
"""How similar the terms of the small world are said to be; others are not."""
LEAST = {"high": 0.85, "medium": 0.75, "low": 0.65}
CODES = {"N": "ACGT", "R": "AG", "Y": "CT", "W": "AT"}


@dataclass(eq=False)
class Row:
    """A record, or a column (then ``id`` is its number)."""

    kind: str
    load: int
    id: str
    person: str
    sample: str | None
    facts: Facts = field(default_factory=Facts)
    derived: bool = False
    live: bool = True
    run: str | None = None
    analysis: str | None = None


@dataclass(eq=False)
class Part:
    """One allele in one load; ``calls`` by column None for a site without genotypes."""

    allele: Allele
    load: int
    genes: set[str]
    changes: set[str]
    groups: dict[Row, str]
    called: dict[Row, tuple[int, int]] | None
    """(copies, alleles called) by column; None where they are not counted."""
    genotyped: bool = True
    effects: set[str] = field(default_factory=set)
    stated: tuple[float, ...] = ()
    details: list[tuple[Row, Case]] = field(default_factory=list)
    """What was recorded of single carriers."""


@dataclass(frozen=True)
class Answer:
    """``ids`` sorted; ``people`` the number behind them; ``variants`` what records say of each variant.

    ``members`` is how many of each cohort are asked for.
    """

    ids: tuple[str, ...]
    people: int | None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)

    def guarded(self, threshold: int) -> Answer:
        """Return what of an answer about cohorts is left where each must have so many who are asked for."""
        found = {id: many for id, many in self.members.items() if many >= threshold}
        return Answer(tuple(sorted(found)), min(found.values(), default=0), members=found)


class Model:
    """The loads of one dataset, in order, and what they add up to."""

    def __init__(self, id: str, loads: Iterable[Load]) -> None:
        self.id = id
        self.rows: list[Row] = []
        self.parts: list[Part] = []
        self.cohorts: dict[str, set[str]] = {}
        for number, load in enumerate(loads):
            self._take(number, load)

    def live(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row.kind == kind and row.live]

    def _take(self, number: int, load: Load) -> None:
        withdrawn = set()
        for packet in load.packets:
            for old in self.live("individual"):
                if old.id == packet.id:
                    old.live = False
                    if not old.derived:
                        for row in self.rows:
                            if row.load == old.load and row.person == packet.id and row.live:
                                row.live = False
                                withdrawn |= {row.id} if row.kind == "biosample" else set()
            self.rows.append(Row("individual", number, packet.id, packet.id, None, packet.facts))
            for sample in packet.samples:
                self._add_sample(Row("biosample", number, sample.id, packet.id, sample.id, sample.facts))
            if any(case.sample is None for case in packet.cases):
                name = f"{packet.id}-sample"
                self._add_sample(Row("biosample", number, name, packet.id, name, derived=True))
            for case in packet.cases:
                self._take_case(number, packet.id, case)
        columns = [self._take_sequenced(number, one) for one in load.sequenced]
        for site in load.sites:
            calls = {} if site.calls is None else {c: CALLS[call] for c, call in zip(columns, site.calls, strict=True)}
            self.parts.append(
                Part(
                    site.allele, number, set(site.genes), set(site.changes),
                    {column: call[0] for column, call in calls.items() if call[0]},
                    None if site.calls is None else {column: call[1:3] for column, call in calls.items()},
                    site.calls is not None,
                    set(site.effects),
                    site.stated,
                )
            )  # fmt: skip
        for id in sorted(withdrawn - {row.id for row in self.live("biosample")}):
            held = {row.load for row in self.live("column") if row.sample == id}
            again = [r for r in self.rows if r.kind == "biosample" and r.id == id and r.derived and r.load in held]
            if again:
                again[0].live = True
        if load.cohort is not None:
            members = {packet.id for packet in load.packets} | {one.person for one in load.sequenced}
            self.cohorts.setdefault(load.cohort, set()).update(members)

    def _add_sample(self, row: Row) -> None:
        for old in self.live("biosample"):
            if old.id == row.id:
                if row.derived:
                    row.live = False
                else:
                    old.live = False
        self.rows.append(row)

    def _take_case(self, number: int, person: str, case: Case) -> None:
        sample = case.sample or f"{person}-sample"
        column = self._column(Row("column", number, "", person, sample))
        part = next((p for p in self.parts if p.load == number and p.allele.id == case.allele.id), None)
        if part is None:
            part = Part(case.allele, number, set(), set(), {}, None)
            self.parts.append(part)
        part.genes |= set(case.genes)
        part.changes |= set(case.changes)
        part.groups.setdefault(column, case.group)
        part.details.append((column, case))

    def _take_sequenced(self, number: int, one: Sequenced) -> Row:
        if one.person not in {row.id for row in self.live("individual")}:
            facts = Facts(terms=frozenset({("sex", "NCIT:C17998")}))
            self.rows.append(Row("individual", number, one.person, one.person, None, facts, derived=True))
        self._add_sample(Row("biosample", number, one.sample, one.person, one.sample, derived=True))
        ids: dict[str, str | None] = {"run": None, "analysis": None}
        for kind, said in (("run", one.run), ("analysis", one.analysis)):
            if said is not None:
                ids[kind] = f"{one.sample}-{kind}"
                sample = one.sample if one.run_names_sample else None
                self.rows.append(Row(kind, number, f"{one.sample}-{kind}", one.person, sample, said))
        return self._column(Row("column", number, "", one.person, one.sample, run=ids["run"], analysis=ids["analysis"]))

    def _column(self, row: Row) -> Row:
        for old in self.rows:
            if (old.kind, old.load, old.sample, old.run, old.analysis) == (
                row.kind, row.load, row.sample, row.run, row.analysis
            ):  # fmt: skip
                return old
        self.rows.append(row)
        return row

    # --- answering --------------------------------------------------------------------------------------------

    def answer(self, query: Query, fewest: int = 1) -> Answer:
        """Answer a question from the live rows; what fewer than ``fewest`` people have changes no meaning."""
        if self._is_of_another(query):
            return Answer((), 0)
        if query.entry_type == "genomicVariant":
            return self._variants(replace(query, filters=tuple(self._decided(item, fewest) for item in query.filters)))
        if query.entry_type in ("dataset", "cohort"):
            return self._collections(query)
        rows = self.select(query, query.entry_type)
        return Answer(tuple(sorted(row.id for row in rows)), len({row.person for row in rows}))

    def _decided(self, item: Filter, fewest: int) -> Filter:
        """Return what a term without a scope is about where variants are asked for: people's, if so many have it."""
        if not isinstance(item, OntologyFilter) or item.scope or item.excluded or item.similarity != "exact":
            return item
        if _is_zygosity(item) or item.id in CLOSED_TERMS or _is_told(item):
            return item
        having = {row.person for kind in RECORD_TYPES for row in self.live(kind) if _holds(row.facts, item)}
        return item if len(having) >= fewest else replace(item, scope="genomicVariant")

    def may_refuse(self, query: Query) -> bool:
        """Whether it can be that of no variant it is told what is asked for (genes, frequency), or units are others."""
        seen, shown = self._loads(query)
        return self._has_other_units(query) or any(seen <= silent and shown & silent for silent in self._silent(query))

    def must_refuse(self, query: Query) -> bool:
        """Whether it must be so."""
        seen, shown = self._loads(query)
        return self._has_other_units(query) or any(seen and shown <= silent for silent in self._silent(query))

    def may_have_caveat(self, query: Query) -> bool:
        """Whether it can be that some loads tell that and others do not."""
        _, shown = self._loads(query)
        return any(shown & silent and shown - silent for silent in self._silent(query))

    def must_have_caveat(self, query: Query) -> bool:
        """Whether it must be so; of a question that is about another dataset nothing is said."""
        seen, _ = self._loads(query)
        return not self._is_of_another(query) and any(seen & silent and seen - silent for silent in self._silent(query))

    def _loads(self, query: Query) -> tuple[set[int], set[int]]:
        """Return the loads that have variants of somebody where it is meant and those that have some and somebody."""
        assembly = query.variant.assembly if query.variant else None
        parts = [p for p in self.parts if assembly is None or (p.allele.placed and p.allele.assembly == assembly)]
        meant = {part.load for part in parts}
        seen = {p.load for p in self.parts if not p.groups or any(column.live for column in p.groups)} & meant
        return seen, seen | ({column.load for column in self.live("column")} & meant)

    def _is_of_another(self, query: Query) -> bool:
        return query.anchor is not None and query.anchor.entry_type == "dataset" and query.anchor.id != self.id

    def _has_other_units(self, query: Query) -> bool:
        """Whether a value of what is compared in a unit is recorded in one that cannot be converted to it."""
        compared = [item for item in query.filters if isinstance(item, AlphanumericFilter) and item.id[:6] == "LOINC:"]
        asked = {(item.id, _base(item.value)) for item in compared}
        return any(
            id == assay and base not in ("", UNITS[unit][0])
            for row in self.live("individual")
            for assay, _, unit in row.facts.measures
            for id, base in asked
        )

    def _silent(self, query: Query) -> Iterator[set[int]]:
        """Yield, for each thing that the question asks of variants, the loads of which no variant tells it."""
        everywhere = {part.load for part in self.parts}
        for told in _asked_of(self.parts, query):
            yield everywhere - {p.load for p, one in zip(self.parts, told, strict=True) if one}
        if any(item.id == FREQUENCY and not _is_negated(item) for item in query.filters):
            people = {column.load for column in self.live("column")}
            yield everywhere - {part.load for part in self.parts if part.called is not None and part.load in people}

    def _collections(self, query: Query) -> Answer:
        people = {row.person for row in self.select(query, "individual")}
        narrowed = self._narrowed(query) or self._asks_variants(query)
        if query.entry_type == "dataset":
            sites = self._asks_variants(query) and not self._narrowed(query) and bool(self._variants(query).ids)
            return Answer((self.id,), len(people)) if people or sites or not narrowed else Answer((), 0)
        anchor = query.anchor.id if query.anchor and query.anchor.entry_type == "cohort" else None
        found = {
            id: len(members & people)
            for id, members in self.cohorts.items()
            if anchor in (None, id) and (not narrowed or members & people)
        }
        return Answer(tuple(sorted(found)), min(found.values(), default=0), members=found)

    def _variants(self, query: Query) -> Answer:
        allowed = set(self.select(query, "column", carriers=False)) if self._narrowed(query) else None
        wanted = _groups(query.filters)
        found: dict[str, list[Part]] = {}
        for id, parts in self.matching(query).items():
            carriers = {(c, g) for part in parts for c, g in part.groups.items() if c.live and _meant(c, parts, query)}
            if allowed is not None:
                carriers = {(column, group) for column, group in carriers if column in allowed}
            everybody = all(_says(parts, item) for item in _positive(query))
            if (allowed is None and wanted == [GROUPS] and everybody) or all(
                any(g in w for _, g in carriers) for w in wanted
            ):
                found[id] = parts
        people = None
        if self.live("column"):
            named = {group for groups in wanted for group in groups}
            people = len(
                {
                    column.person
                    for parts in found.values()
                    for part in parts
                    for column, group in part.groups.items()
                    if column.live and group in named and (allowed is None or column in allowed)
                    if _meant(column, parts, query)
                }
            )
        return Answer(tuple(sorted(found)), people, {id: _told(parts, allowed) for id, parts in found.items()})

    def _asks_variants(self, query: Query) -> bool:
        anchored = query.anchor is not None and query.anchor.entry_type == "genomicVariant"
        of_alleles = any(item.id == FREQUENCY or _is_told(item) for item in query.filters)
        return query.variant is not None or anchored or of_alleles or _groups(query.filters) != [GROUPS]

    def _narrowed(self, query: Query) -> bool:
        """Whether anything but the variant itself chooses people, samples or genotypes."""
        anchored = query.anchor is not None and query.anchor.entry_type not in ("dataset", "genomicVariant")
        return anchored or _groups(query.filters) != [GROUPS] or bool(_record_filters(query.filters))

    def matching(self, query: Query) -> dict[str, list[Part]]:
        """Return the parts of each variant asked for; parts whose carriers have all gone do not exist."""
        parts: dict[str, list[Part]] = {}
        for part in self.parts:
            if not part.groups or any(column.live for column in part.groups):
                parts.setdefault(part.allele.id, []).append(part)
        for item in query.filters:
            if isinstance(item, AlphanumericFilter) and item.id == FREQUENCY:
                parts = {id: held for id, held in parts.items() if _is_as_frequent(held, item)}
            elif isinstance(item, AlphanumericFilter) and _is_told(item) and _is_negated(item):
                equal = replace(item, operator="=")
                parts = {id: p for id, p in parts.items() if not (_says(p, equal) or _details(p, equal))}
        for wanted in _positive(query):
            parts = {id: held for id, held in parts.items() if _says(held, wanted) or _details(held, wanted)}
        if query.anchor and query.anchor.entry_type == "genomicVariant":
            return {id: held for id, held in parts.items() if id == query.anchor.id}
        asked = query.variant or VariantQuery()
        return {
            id: held
            for id, held in parts.items()
            if is_meant(held[0].allele, asked)
            and (asked.gene is None or any(asked.gene in part.genes for part in held))
            and (asked.aminoacid_change is None or any(asked.aminoacid_change in part.changes for part in held))
        }

    def select(self, query: Query, target: str, *, carriers: bool = True) -> list[Row]:
        """Return the live rows of a kind for which everything asked holds."""
        tests = [(related, negated) for related, negated in self._related(query, target)]
        if carriers and self._asks_variants(query):
            for groups in _groups(query.filters):
                columns = [
                    column
                    for parts in self.matching(query).values()
                    for part in parts
                    for column, group in part.groups.items()
                    if group in groups and column.live and _meant(column, parts, query)
                ]
                tests.append((columns, False))
        return [
            row
            for row in self.live(target)
            if all(any(_belongs(row, other) for other in others) != negated for others, negated in tests)
        ]

    def _related(self, query: Query, target: str) -> Iterator[tuple[list[Row], bool]]:
        ranges: dict[tuple[str, str | None, str], list[AlphanumericFilter]] = {}
        for item in _record_filters(query.filters):
            if isinstance(item, AlphanumericFilter) and item.operator in ("<", ">", "<=", ">="):
                ranges.setdefault((item.id, item.scope, _base(item.value)), []).append(item)
            else:
                kinds = _kinds(item, target)
                rows = [row for kind in kinds for row in self.live(kind) if _holds(row.facts, item)]
                yield rows, isinstance(item, AlphanumericFilter) and item.operator == "!"
        for bounds in ranges.values():
            kinds = _kinds(bounds[0], target)
            yield [row for kind in kinds for row in self.live(kind) if _within(row.facts, bounds)], False
        anchor = query.anchor
        if anchor is not None and anchor.entry_type == "cohort":
            members = self.cohorts.get(anchor.id, set())
            yield [row for row in self.live("individual") if row.id in members], False
        elif anchor is not None and anchor.entry_type in RECORD_TYPES:
            yield [row for row in self.live(anchor.entry_type) if row.id == anchor.id], False


def _asked_of(parts: list[Part], query: Query) -> Iterator[list[set[str]]]:
    asked = query.variant or VariantQuery()
    if asked.gene is not None:
        yield [part.genes for part in parts]
    if asked.aminoacid_change is not None:
        yield [part.changes for part in parts]


def _belongs(row: Row, other: Row) -> bool:
    """Whether two rows hang together: by person, by genotype column, else by sample."""
    if row.kind == other.kind:
        return row is other
    if "individual" in (row.kind, other.kind):
        return row.person == other.person
    for column, one in ((row, other), (other, row)):
        if column.kind == "column" and one.kind in ("run", "analysis"):
            return column.load == one.load and getattr(column, one.kind) == one.id
    return row.sample is not None and row.sample == other.sample


def _is_zygosity(item: Filter) -> bool:
    if isinstance(item, AlphanumericFilter):
        return item.id == ZYGOSITY
    return item.id in GROUP and item.scope in (None, "genomicVariant")


def _groups(filters: Sequence[Filter]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [
        (GROUP[item.value if isinstance(item, AlphanumericFilter) else item.id],)
        for item in filters
        if _is_zygosity(item)
    ]
    return found or [GROUPS]


def _record_filters(filters: Sequence[Filter]) -> list[Filter]:
    return [item for item in filters if not _is_zygosity(item) and item.id != FREQUENCY and not _is_told(item)]


def _is_told(item: Filter) -> bool:
    """Whether a filter is on what is told of variants or of their carriers."""
    if isinstance(item, AlphanumericFilter):
        return item.id in TOLD
    closed = not item.scope and item.id.startswith(("SO:", "GENO:"))
    return not _is_zygosity(item) and (item.scope == "genomicVariant" or closed)


def _is_negated(item: Filter) -> bool:
    return isinstance(item, AlphanumericFilter) and item.operator == "!"


def _positive(query: Query) -> list[Filter | list[AlphanumericFilter]]:
    """Return what must be told: each filter, and the bounds on stated frequencies together."""
    told = [item for item in query.filters if _is_told(item) and not _is_negated(item)]
    bounds = [item for item in told if isinstance(item, AlphanumericFilter) and item.operator != "="]
    found: list[Filter | list[AlphanumericFilter]] = [item for item in told if item not in bounds]
    return [*found, bounds] if bounds else found


def _says(parts: list[Part], item: Filter | list[AlphanumericFilter]) -> bool:
    """Whether any of a variant's records tells it of the variant."""
    if isinstance(item, list):
        return any(all(_compare(one, bound.operator, float(bound.value)) for bound in item) for part in parts
                   for one in part.stated)  # fmt: skip
    if isinstance(item, AlphanumericFilter):
        if item.id == STATED:
            return any(float(item.value) in part.stated for part in parts)
        return item.id == EFFECT and any(like(effect, item.value) for part in parts for effect in part.effects)
    assert isinstance(item, OntologyFilter)
    return not item.excluded and any(item.id in part.effects for part in parts)


def _details(parts: list[Part], item: Filter | list[AlphanumericFilter]) -> list[Row]:
    """Return the live carriers of a variant of whom it is told."""
    if isinstance(item, list):
        return []
    found = []
    for column, case in ((column, case) for part in parts for column, case in part.details):
        if isinstance(item, AlphanumericFilter):
            value = {ORIGIN: case.origin, RELEVANCE: case.relevance}.get(item.id)
            said = value is not None and like(value, item.value)
        else:
            assert isinstance(item, OntologyFilter)
            said = not item.excluded and case.origin == item.id
        if said and column.live:
            found.append(column)
    return found


def _meant(column: Row, parts: list[Part], query: Query) -> bool:
    """Whether a carrier of a variant is one of whom everything asked is told."""
    return all(_says(parts, item) or column in _details(parts, item) for item in _positive(query))


def _compare(value: float, operator: str, limit: float) -> bool:
    tests = {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit, "=": value == limit}
    return tests[operator]


def _is_as_frequent(parts: list[Part], item: AlphanumericFilter) -> bool:
    """Whether copies among calls are as many as asked; without calls there is no frequency, which only ``!`` finds."""
    told = _told(parts, None)
    if not told.get("number"):
        return item.operator == "!"
    share, asked = told["count"] / told["number"], float(item.value)
    tests = {"=": share == asked, "!": share != asked, "<": share < asked, ">": share > asked}
    return bool((tests | {"<=": share <= asked, ">=": share >= asked})[item.operator])


def _kinds(item: Filter, target: str) -> tuple[str, ...]:
    if item.scope is not None:
        return (item.scope,)
    if isinstance(item, AlphanumericFilter):
        holders = tuple(k for k in RECORD_TYPES if item.id in {f.id for f in ENTRY_TYPES[k].fields})
        if not holders:
            return ("individual", "biosample")
        return (target,) if target in holders else holders
    return (CLOSED_TERMS[item.id][0],) if item.id in CLOSED_TERMS else RECORD_TYPES


_EVERYDAY = {(kind, row.id) for kind in RECORD_TYPES for row in ENTRY_TYPES[kind].fields if row.everyday}
_KIND_OF = {row.id: row.kind for kind in RECORD_TYPES for row in ENTRY_TYPES[kind].fields}


def _holds(facts: Facts, item: Filter) -> bool:
    if isinstance(item, OntologyFilter):
        closed = CLOSED_TERMS.get(item.id)
        terms = {
            (name, term)
            for name, term in (facts.absent if item.excluded else facts.terms)
            if any((kind, name) in _EVERYDAY for kind in RECORD_TYPES)
            and (closed is None or item.scope not in (None, closed[0]) or name == closed[1])
        }
        least = LEAST.get(item.similarity, 2)
        if any(SIMILAR.get(item.id, {}).get(term, 0) >= least for _, term in terms):
            return True
        if item.excluded or not item.descendants:
            return any(term == item.id for _, term in terms)
        return any(item.id == term or item.id in ancestors(term) for _, term in terms)
    assert isinstance(item, AlphanumericFilter)
    kind = _KIND_OF.get(item.id, FieldKind.QUANTITY)
    if kind is FieldKind.QUANTITY:
        return bool(_measured(facts, item) & {_number(item.value)})
    if kind is FieldKind.ONTOLOGY:
        return (item.id, item.value) in facts.terms
    if kind is FieldKind.TEXT:
        return any(name == item.id and like(text, item.value) for name, text in facts.texts)
    if kind is FieldKind.DATE:
        return (item.id, item.value) in facts.dates
    return any(name == item.id and f"P{years}Y" == item.value for name, years in facts.years)


def like(text: str, pattern: str) -> bool:
    """Whether a text matches a pattern in which ``%`` stands for anything."""
    if "%" not in pattern:
        return text == pattern
    head, *middle, tail = pattern.split("%")
    if not text.startswith(head) or not text[len(head) :].endswith(tail):
        return False
    rest = text[len(head) : len(text) - len(tail)]
    for piece in middle:
        if piece not in rest:
            return False
        rest = rest.split(piece, 1)[1] if piece else rest
    return True


def _base(value: str) -> str:
    """Return what the unit of a comparison's value is measured in; nothing for values without a unit."""
    return UNITS[value.split()[1]][0] if " " in value else ""


def _number(value: str) -> float:
    number, *unit = value.split()
    return round(float(number) * UNITS[unit[0]][1] if unit else float(number), 9)


def _measured(facts: Facts, item: AlphanumericFilter) -> set[float]:
    """Return the values that a comparison is about, in the unit of its kind where it has one."""
    base = _base(item.value)
    return {
        round(value * UNITS[unit][1] if base else value, 9)
        for assay, value, unit in facts.measures
        if item.id in (VALUE, assay) and base in ("", UNITS[unit][0])
    }


def _within(facts: Facts, bounds: list[AlphanumericFilter]) -> bool:
    values: list[Any] = [years for name, years in facts.years if name == bounds[0].id]
    limits: list[tuple[str, Any]]
    if bounds[0].id not in _KIND_OF or bounds[0].id == VALUE:
        values = sorted(_measured(facts, bounds[0]))
        limits = [(item.operator, _number(item.value)) for item in bounds]
    elif _KIND_OF[bounds[0].id] is FieldKind.DATE:
        values = [date for name, date in facts.dates if name == bounds[0].id]
        limits = [(item.operator, item.value) for item in bounds]
    else:
        limits = [(item.operator, int(item.value[1:-1])) for item in bounds]
    tests = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
    return any(all(tests[operator](value, limit) for operator, limit in limits) for value in values)


# --- variants -----------------------------------------------------------------------------------------------------


def _told(parts: list[Part], allowed: set[Row] | None) -> dict[str, Any]:
    """Return what a variant's record says of those who carry it."""
    ordered = sorted(parts, key=lambda part: part.called is None)
    numbers = dict.fromkeys(GROUPS, 0)
    carriers: set[str] = set()
    counted: set[str] = set()
    missing: set[str] = set()
    count = number = 0
    cases: dict[tuple[str, str | None], str] = {}
    for part in ordered:
        for group in GROUPS:
            people = {column.person for column, held in part.groups.items() if held == group and column.live} - carriers
            numbers[group] += len(people)
            carriers |= people
        calls = {c: call for c, call in (part.called or {}).items() if c.live and c.person not in counted}
        count += sum(copies for copies, _ in calls.values())
        number += sum(called for _, called in calls.values())
        silent = {column.person for column, (_, called) in calls.items() if not called}
        missing |= silent
        counted |= {column.person for column, (_, called) in calls.items() if called}
        for group in GROUPS:
            for column, held in part.groups.items():
                if held == group and column.live and (allowed is None or column in allowed):
                    cases.setdefault((column.person, column.sample), group)
    told: dict[str, Any] = {
        "placed": parts[0].allele.placed,
        "genes": set().union(*(part.genes for part in parts)),
        "cases": {(person, str(sample), group) for (person, sample), group in cases.items()},
    }
    if any(part.genotyped for part in parts):
        told |= {"carriers": len(carriers), "groups": numbers}
    if any(part.called is not None for part in parts):
        told |= {"count": count, "number": number, "missing": len(missing - counted)}
    return told


def is_meant(allele: Allele, asked: VariantQuery) -> bool:
    """Whether the allele itself (genes and effects apart) is one that a question asks for."""
    if asked.assembly not in (None, allele.assembly):
        return False
    placed = asked.chrom is not None or asked.start or asked.reference_bases is not None
    if (placed or asked.alternate_bases is not None) and not allele.chrom:
        return False
    if asked.chrom not in (None, allele.chrom):
        return False
    if asked.variant_type is not None and not (matching_types(asked.variant_type) or set()) & set(allele.types):
        return False
    for limit, sign in ((asked.min_length, 1), (asked.max_length, -1)):
        if limit is not None and (allele.length is None or sign * allele.length < sign * limit):
            return False
    start: int | None = None
    match len(asked.start), len(asked.end):
        case 2, 2:
            if not asked.start[0] <= allele.start <= asked.start[1] or not asked.end[0] <= allele.end <= asked.end[1]:
                return False
        case 1, 1:
            if not set(range(asked.start[0], asked.end[0])) & set(range(allele.start, allele.end)):
                return False
        case 1, 0:
            start = asked.start[0]
            if asked.reference_bases is None and asked.alternate_bases is None:
                return allele.start <= start < allele.end
    if asked.reference_bases is None and asked.alternate_bases is None:
        return True
    return _written_so(allele, start, asked.reference_bases, asked.alternate_bases)


def _written_so(allele: Allele, start: int | None, ref: str | None, alt: str | None) -> bool:
    bare = _bare(allele.start, allele.ref, allele.alt)
    if ref is None or alt is None:
        forms = [(allele.start, allele.ref, allele.alt), bare]
        return any(
            start in (None, at) and (ref is None or r in _expand(ref)) and (alt is None or t in _expand(alt))
            for at, r, t in forms
        )
    wild = bool(set(ref + alt) & set(CODES))
    for one, other in product(_expand(ref), _expand(alt)):
        forms = list(_trimmings(0, one, other)) if wild else [_bare(0, one, other)]
        for at, r, t in forms:
            if (r, t) == bare[1:] and (start is None or start + at == bare[0]):
                return True
    return False


def _expand(bases: str) -> set[str]:
    return {"".join(letters) for letters in product(*(CODES.get(base, base) for base in bases))}


def _bare(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    if not set(alt) <= set("ACGT"):
        return start, ref, alt
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        start, ref, alt = start + 1, ref[1:], alt[1:]
    return start, ref, alt


def _trimmings(start: int, ref: str, alt: str) -> Iterator[tuple[int, str, str]]:
    """Yield every form that comes of removing shared bases from either end."""
    yield start, ref, alt
    if ref and alt and ref[-1] == alt[-1]:
        yield from _trimmings(start, ref[:-1], alt[:-1])
    if ref and alt and ref[0] == alt[0]:
        yield from _trimmings(start + 1, ref[1:], alt[1:])
