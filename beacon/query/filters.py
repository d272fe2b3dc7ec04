"""From filters to what an index can be asked: each filter becomes a ``Condition``, or a clear error.

Which entry type an unscoped filter speaks of never depends on the data, so that many sites asked the same
question mean the same thing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from beacon.errors import UnknownFilter
from beacon.model import ontology
from beacon.model.calls import GROUP_OF_ZYGOSITY
from beacon.model.entry_types import CLOSED_TERMS, ENTRY_TYPES, RECORD_TYPES, ZYGOSITY, Field, FieldKind, entry_type_id
from beacon.model.indexing import ABSENT, BELOW, RECORDED, as_number
from beacon.model.query import AlphanumericFilter, CustomFilter, Filter, OntologyFilter
from beacon.store.base import Bound, Range

_RANGES = ("<", ">", "<=", ">=")


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """Rows of any of ``kinds`` found under ``key``; ``term`` is what must be known for an empty answer to be a "no"."""

    kinds: tuple[str, ...]
    key: str
    term: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TextCondition:
    """Rows whose text in ``field`` matches a pattern with ``%`` wildcards."""

    kinds: tuple[str, ...]
    field: str
    pattern: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class NumberCondition:
    """Rows with one number in ``field`` between the bounds."""

    kinds: tuple[str, ...]
    field: str
    low: Bound | None
    high: Bound | None
    negated: bool = False

    @property
    def range(self) -> Range:
        """The numbers that are meant."""
        return Range(self.low, self.high, self.negated)


@dataclass(frozen=True, slots=True)
class ZygosityCondition:
    """Carriers of this group (het, hom, hemi); part of the variant question, not of the index."""

    group: str


Condition = KeyCondition | TextCondition | NumberCondition | ZygosityCondition


def conditions(filters: Iterable[Filter], target: str) -> list[Condition]:
    """Translate filters, all of which must hold. Raises ``UnknownFilter`` that names the first unusable one.

    Comparisons of one field are about one value: onset >= P1Y and onset < P5Y means one onset between the two.
    """
    found: list[Condition] = []
    ranges: dict[tuple[str, tuple[str, ...]], list[tuple[str, float]]] = {}
    for item in filters:
        if isinstance(item, AlphanumericFilter):
            field, kinds = _field(item, target)
            number = _comparable(item, field)
            if number is not None and item.operator in _RANGES:
                ranges.setdefault((field.id, kinds), []).append((item.operator, number))
            else:
                found.append(_alphanumeric(item, field, kinds, number))
        elif isinstance(item, OntologyFilter):
            found.append(_ontology(item))
        else:
            found.append(_custom(item))
    for (field_id, kinds), bounds in ranges.items():
        found.append(_range(kinds, field_id, bounds))
    return found


def _scope(item: Filter) -> str | None:
    if item.scope is None:
        return None
    kind = entry_type_id(item.scope)
    if kind is None or not ENTRY_TYPES[kind].fields:
        raise UnknownFilter(f"filter {item.id!r} has the scope {item.scope!r}, which no filter has here", where=item.id)
    return kind


def _ontology(item: OntologyFilter) -> Condition:
    if item.similarity != "exact":
        raise UnknownFilter(
            f"filter {item.id!r} asks for similarity {item.similarity!r}; only exact is answered here", where=item.id
        )
    scope = _scope(item)
    closed = CLOSED_TERMS.get(item.id)
    if closed and scope in (None, closed[0]):
        if closed[1] == ZYGOSITY:
            if item.excluded:
                raise UnknownFilter(f"filter {item.id!r} cannot be asked as excluded", where=item.id)
            return ZygosityCondition(GROUP_OF_ZYGOSITY[item.id])
        return KeyCondition((closed[0],), f"{closed[1]}{ABSENT if item.excluded else RECORDED}{item.id}", item.id)
    if scope == "genomicVariant":
        raise UnknownFilter(f"filter {item.id!r} cannot be asked of genomic variants", where=item.id)
    mark = ABSENT if item.excluded else BELOW if item.descendants else RECORDED
    return KeyCondition((scope,) if scope else RECORD_TYPES, f"{mark}{item.id}", item.id)


def _custom(item: CustomFilter) -> Condition:
    raise UnknownFilter(f"filter {item.id!r} is not known here; /filtering_terms lists those that are", where=item.id)


def _field(item: AlphanumericFilter, target: str) -> tuple[Field, tuple[str, ...]]:
    """Return the field that a filter names, and the kinds that have it: the asked-for type's own goes first."""
    scope = _scope(item)
    kinds = (scope,) if scope else (*RECORD_TYPES, "genomicVariant")
    holders = {kind: row for kind in kinds for row in ENTRY_TYPES[kind].fields if row.id == item.id}
    if not holders:
        place = f" of {scope}" if scope else ""
        raise UnknownFilter(f"{item.id!r} is not a field{place} that can be filtered here", where=item.id)
    if target in holders:
        return holders[target], (target,)
    return next(iter(holders.values())), tuple(holders)


def _comparable(item: AlphanumericFilter, field: Field) -> float | None:
    if field.kind in (FieldKind.TEXT, FieldKind.ONTOLOGY):
        if item.operator in _RANGES:
            raise UnknownFilter(f"{item.id!r} can be compared with = and ! only, not {item.operator}", where=item.id)
        return None
    value: object = item.value
    if field.kind is FieldKind.NUMBER:
        try:
            value = float(item.value)
        except ValueError:
            value = None
    number = as_number(field.kind, value)
    if number is None or not math.isfinite(number):
        raise UnknownFilter(
            f"{item.value!r} is not a {field.kind} that {item.id!r} can be compared with", where=item.id
        )
    return number


def _alphanumeric(item: AlphanumericFilter, field: Field, kinds: tuple[str, ...], number: float | None) -> Condition:
    negated = item.operator == "!"
    if number is not None:
        return NumberCondition(kinds, field.id, Bound(number, True), Bound(number, True), negated)
    if field.id == ZYGOSITY:
        if item.value not in GROUP_OF_ZYGOSITY or negated:
            raise UnknownFilter(f"{item.value!r} is not a zygosity that can be asked for", where=item.id)
        return ZygosityCondition(GROUP_OF_ZYGOSITY[item.value])
    if field.kind is FieldKind.ONTOLOGY:
        if ontology.prefix(item.value) is None:
            raise UnknownFilter(f"{item.id!r} holds ontology terms; {item.value!r} is not the id of one", where=item.id)
        return KeyCondition(kinds, f"{field.id}{RECORDED}{item.value}", item.value, negated)
    if "%" in item.value:
        return TextCondition(kinds, field.id, item.value, negated)
    return KeyCondition(kinds, f"{field.id}{RECORDED}{item.value}", None, negated)


def _range(kinds: tuple[str, ...], field: str, bounds: list[tuple[str, float]]) -> NumberCondition:
    lows = [Bound(value, operator == ">=") for operator, value in bounds if operator in (">", ">=")]
    highs = [Bound(value, operator == "<=") for operator, value in bounds if operator in ("<", "<=")]
    return NumberCondition(
        kinds,
        field,
        max(lows, key=lambda bound: (bound.value, not bound.inclusive), default=None),
        min(highs, key=lambda bound: (bound.value, bound.inclusive), default=None),
    )
