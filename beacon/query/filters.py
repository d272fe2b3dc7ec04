"""From filters to what an index can be asked: each filter becomes a ``Condition``, or a clear error.

Which entry types an unscoped filter may speak of never depends on the data. A term speaks of records, and of the
cohorts, datasets or variants that are asked for; of variants only where no record has it
(``beacon.query.rows.decided``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from beacon.errors import UnknownFilter
from beacon.model import ontology, units
from beacon.model.calls import GROUP_OF_ZYGOSITY
from beacon.model.entry_types import (
    CLOSED_PREFIXES,
    CLOSED_TERMS,
    ENTRY_TYPES,
    FIELDS,
    HGVS,
    OTHER_IDS,
    RECORD_TYPES,
    SEXES,
    ZYGOSITIES,
    ZYGOSITY,
    Field,
    FieldKind,
    entry_type_id,
)  # fmt: skip
from beacon.model.indexing import ABSENT, AS_WHOLE, BELOW, IN_UNIT, RECORDED, as_number, as_whole
from beacon.model.query import AlphanumericFilter, CustomFilter, Filter, OntologyFilter
from beacon.model.similarity import LEVELS
from beacon.query import short_form
from beacon.store.base import Bound, KeyCondition, NumberCondition, TextCondition

_RANGES = ("<", ">", "<=", ">=")
_SIDES = ("dataset", "cohort")
"""Entry types of which there are few, each with one record that is looked at as it is."""
_AMBIGUOUS = ("id", "name")
"""Fields of these alone that whoever asks for other records may mean of those."""
_WORDS = {label: id for id, label in (SEXES | ZYGOSITIES).items()}
"""Words for the terms of closed fields, as custom filters name them."""


@dataclass(frozen=True, slots=True)
class SimilarCondition:
    """Rows of any of ``kinds`` with a term similar to this one, or, if ``descendants``, with it or one below it."""

    kinds: tuple[str, ...]
    term: str
    level: str
    descendants: bool


@dataclass(frozen=True, slots=True)
class ZygosityCondition:
    """Carriers of this group (het, hom, hemi); part of the variant question, not of the index."""

    group: str


@dataclass(frozen=True, slots=True)
class NameCondition:
    """Variants of this HGVS name, SPDI or VRS id, which is asked for as the request's short form would be.

    ``recorded``: those that a file calls so.
    """

    text: str
    recorded: NumberCondition


Condition = KeyCondition | TextCondition | NumberCondition | SimilarCondition | ZygosityCondition | NameCondition


def conditions(filters: Iterable[Filter], *targets: str) -> list[Condition]:
    """Translate filters, all of which must hold. Raises ``UnknownFilter`` that names the first unusable one.

    A field that several entry types have is that of the first of ``targets`` which has it, else of all.

    Comparisons of one field are about one value: onset >= P1Y and onset < P5Y means one onset between the two.
    """
    found: list[Condition] = []
    ranges: dict[_Compared, list[tuple[str, float]]] = {}
    for item in filters:
        if isinstance(item, OntologyFilter):
            found.append(_ontology(item, targets))
            continue
        if isinstance(item, CustomFilter):
            item = _custom(item)
        field, kinds = _field(item, targets)
        compared = _comparable(item, field, kinds)
        if compared is None:
            found.append(_equal(item, field, kinds))
        elif item.operator in _RANGES:
            what, number = compared
            ranges.setdefault(what, []).append((item.operator, number))
        else:
            what, number = compared
            bound = Bound(number, True)
            found.append(NumberCondition(what.kinds, what.name, bound, bound, item.operator == "!", what.measured))
    return found + [_range(what, bounds) for what, bounds in ranges.items()]


@dataclass(frozen=True, slots=True)
class _Compared:
    """A field whose numbers are compared; ``measured`` is the term of what was measured, where that names it."""

    name: str
    kinds: tuple[str, ...]
    measured: str | None


def _scope(item: Filter) -> str | None:
    if item.scope is None:
        return None
    kind = entry_type_id(item.scope)
    if kind is None:
        raise UnknownFilter(f"The filter {item.id!r} has the scope {item.scope!r}, which no filter has.", where=item.id)
    return kind


def _ontology(item: OntologyFilter, targets: Sequence[str]) -> Condition:
    scope = _scope(item)
    closed = CLOSED_TERMS.get(item.id)
    if item.similarity != "exact":
        return _similar(item, scope or CLOSED_PREFIXES.get(ontology.prefix(item.id) or ""))
    if closed and scope in (None, closed[0]):
        if closed[1] == ZYGOSITY:
            if item.excluded:
                raise UnknownFilter(f"The zygosity {item.id!r} cannot be asked for as excluded.", where=item.id)
            return ZygosityCondition(GROUP_OF_ZYGOSITY[item.id])
        return KeyCondition((closed[0],), f"{closed[1]}{ABSENT if item.excluded else RECORDED}{item.id}", item.id)
    mark = ABSENT if item.excluded else BELOW if item.descendants else RECORDED
    kind = scope or CLOSED_PREFIXES.get(ontology.prefix(item.id) or "")
    asked_for = tuple(one for one in targets[:1] if one not in RECORD_TYPES and not item.excluded)
    return KeyCondition((kind,) if kind else (*RECORD_TYPES, *asked_for), f"{mark}{item.id}", item.id)


def _similar(item: OntologyFilter, kind: str | None) -> Condition:
    if item.similarity not in LEVELS:
        raise UnknownFilter(
            f"The filter {item.id!r} has the similarity {item.similarity!r}; there are exact, high, medium and low.",
            where=item.id,
        )
    if kind not in (None, *RECORD_TYPES):
        raise UnknownFilter(
            f"The filter {item.id!r} asks for similar terms of the entry type {kind}, which are not compared here; ask "
            "for similarity exact.",
            where=item.id,
        )
    if item.excluded:
        raise UnknownFilter(
            f"The filter {item.id!r} asks for an excluded term and for similar ones; that something similar is absent "
            "says nothing, so ask for similarity exact.",
            where=item.id,
        )
    return SimilarCondition((kind,) if kind else RECORD_TYPES, item.id, item.similarity, item.descendants)


def _custom(item: CustomFilter) -> AlphanumericFilter:
    """Read ``field:value`` (``vitalStatus:DECEASED``, ``sex:female``) as ``field=value``, its one form here."""
    name, _, value = item.id.partition(":")
    named = [fields[name] for fields in FIELDS.values() if name in fields]
    if not value or not named:
        raise UnknownFilter(
            f"The filter {item.id!r} is not known here; /filtering_terms lists those that are.", where=item.id
        )
    value = next((_WORDS[value.lower()] for field in named if field.closed and value.lower() in _WORDS), value)
    return AlphanumericFilter(name, "=", value, item.scope)


def _field(item: AlphanumericFilter, targets: Sequence[str]) -> tuple[Field, tuple[str, ...]]:
    """Return the field that a filter names, and the kinds that have it: the asked-for type's own goes first."""
    scope = _scope(item)
    kinds = (scope,) if scope else (*RECORD_TYPES, "genomicVariant", *_SIDES)
    holders = {kind: FIELDS[kind][item.id] for kind in kinds if item.id in FIELDS[kind]}
    if not holders and ontology.prefix(item.id) is not None:
        # The term of what was measured names its values, on whatever it was measured.
        targets = ()
        holders = {kind: row for kind in kinds for row in ENTRY_TYPES[kind].fields if row.kind is FieldKind.QUANTITY}
    if not holders:
        place = f" of {scope}" if scope else ""
        raise UnknownFilter(
            f"The filter {item.id!r} names no field{place} that is known here; /filtering_terms lists those that are.",
            where=item.id,
        )
    for target in targets:
        if target in holders:
            return holders[target], (target,)
    if scope is None and item.id in _AMBIGUOUS:
        raise UnknownFilter(
            f"The filter {item.id!r} could be meant of what is asked for or of its dataset; ask for one record by its "
            "path, or give the filter the scope dataset or cohort.",
            where=item.id,
        )
    return next(iter(holders.values())), tuple(holders)


def _comparable(item: AlphanumericFilter, field: Field, kinds: tuple[str, ...]) -> tuple[_Compared, float] | None:
    """Return what is compared with which number; None for fields that hold text or terms."""
    if field.kind in (FieldKind.TEXT, FieldKind.ONTOLOGY):
        if item.operator in _RANGES:
            raise UnknownFilter(
                f"The field {item.id!r} can be compared with = and ! only, not {item.operator}.", where=item.id
            )
        return None
    if field.kind is FieldKind.QUANTITY:
        return _quantity(item, field, kinds)
    number = as_number(field.kind, _plain(item.value) if field.kind is FieldKind.NUMBER else item.value)
    if number is None:
        forms = {FieldKind.DURATION: "a duration, such as P40Y", FieldKind.DATE: "a date, such as 2020-01-31"}
        raise UnknownFilter(
            f"The field {item.id!r} is compared with {forms.get(field.kind, 'a number')}; {item.value!r} is none.",
            where=item.id,
        )
    return _Compared(field.id, kinds, None), number


def _quantity(item: AlphanumericFilter, field: Field, kinds: tuple[str, ...]) -> tuple[_Compared, float]:
    measured = item.id if item.id not in FIELDS[kinds[0]] else None
    name = measured or field.id
    bare = _plain(item.value)
    if bare is not None:
        return _Compared(name, kinds, measured), bare
    given = units.read(item.value)
    if given is None:
        raise UnknownFilter(
            f"The field {item.id!r} is compared with a number or a quantity, such as 25 kg/m2, and "
            f"{item.value!r} is neither.",
            where=item.id,
        )
    unit = units.unit(given[1])
    if unit is None:
        raise UnknownFilter(
            f"The unit {given[1]!r} is not known here, so nothing can be compared with it; use a UCUM code, such as "
            "mmol/L, or the unit's id as it is recorded.",
            where=item.id,
        )
    return _Compared(f"{name}{IN_UNIT}{unit.base}", kinds, measured), units.comparable(given[0], unit)


def _plain(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text.strip()) and math.isfinite(float(text)) else None


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _equal(item: AlphanumericFilter, field: Field, kinds: tuple[str, ...]) -> Condition:
    negated = item.operator == "!"
    if field.id == HGVS or (field.id == OTHER_IDS and short_form.is_computed(item.value)):
        if negated or "%" in item.value:
            raise UnknownFilter(
                f"The field {item.id!r} is asked for {item.value!r} with = and a whole name.", where=item.id
            )
        return NameCondition(item.value, _whole(item, field, kinds))
    if field.id == ZYGOSITY and item.value in GROUP_OF_ZYGOSITY:
        if negated:
            raise UnknownFilter(
                f"The field {item.id!r} is asked with =; name the zygosity that is wanted.", where=item.id
            )
        return ZygosityCondition(GROUP_OF_ZYGOSITY[item.value])
    if field.id == ZYGOSITY and "%" in item.value:
        raise UnknownFilter(f"The field {item.id!r} is asked with a whole term, not with a part.", where=item.id)
    if field.whole:
        if "%" in item.value:
            raise UnknownFilter(
                f"The field {item.id!r} is compared with whole values here, not with a part.", where=item.id
            )
        return _whole(item, field, kinds)
    if "%" in item.value:
        return TextCondition(kinds, field.id, item.value, negated)
    term = item.value if field.kind is FieldKind.ONTOLOGY else None
    if term is not None and ontology.prefix(term) is None:
        raise UnknownFilter(
            f"The field {item.id!r} holds ontology terms; {term!r} is not the id of one.", where=item.id
        )
    return KeyCondition(kinds, f"{field.id}{RECORDED}{item.value}", term, negated)


def _whole(item: AlphanumericFilter, field: Field, kinds: tuple[str, ...]) -> NumberCondition:
    first, *others = map(as_whole, _spellings(item.value) if field.id == OTHER_IDS else [item.value])
    same = Bound(first, True)
    return NumberCondition(kinds, f"{field.id}{AS_WHOLE}", same, same, item.operator == "!", others=tuple(others))


def _spellings(id: str) -> list[str]:
    """Return all ways to write an id: VCFs have dbSNP's numbers bare, records with the name of the database."""
    match = _DBSNP.fullmatch(id)
    return [id] if match is None else list(dict.fromkeys((id, match[1].lower(), f"dbSNP:{match[1].lower()}")))


_DBSNP = re.compile(r"(?:dbsnp:)?(rs[0-9]+)", re.IGNORECASE)


def _range(what: _Compared, bounds: list[tuple[str, float]]) -> NumberCondition:
    lows = [Bound(value, operator == ">=") for operator, value in bounds if operator in (">", ">=")]
    highs = [Bound(value, operator == "<=") for operator, value in bounds if operator in ("<", "<=")]
    return NumberCondition(
        what.kinds,
        what.name,
        max(lows, key=lambda bound: (bound.value, not bound.inclusive), default=None),
        min(highs, key=lambda bound: (bound.value, bound.inclusive), default=None),
        term=what.measured,
    )
