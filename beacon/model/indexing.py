"""From one Beacon record to the keys under which an index finds it.

A key is ``field op term``: ``=`` as recorded, ``^`` the term or one below it, ``!`` recorded as absent. Keys with
an empty field are those of everyday terms, found by the term's id alone. Text is kept under ``=`` too. ``?`` says that
a field has any value at all, where its values are too many to look at each.

Numbers are kept by field. A quantity is kept as the bare number that was written, and, under ``field@unit``, in the
unit that its kind is compared in; each under the field's name and under the term of what was measured. Under
``term@#`` is kept which kinds of units the values of that term are in. Text that is found as a whole only is a number
too, under ``field#``: nearly every variant has a name of its own.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from beacon.model import units
from beacon.model.duration import days
from beacon.model.entry_types import ENTRY_TYPES, EntryType, Field, FieldKind

Ancestors = Callable[[str], Iterable[str]]
"""Returns a term's ancestors, without the term itself; nothing for terms of unknown ontologies."""

RECORDED, BELOW, ABSENT, HELD = "=", "^", "!", "?"
IN_UNIT, AS_WHOLE = "@", "#"
KIND_OF_UNIT = f"{IN_UNIT}{AS_WHOLE}"


@dataclass(slots=True)
class Entries:
    """What one record is found by: ``keys`` with their labels, and ``numbers`` as (field id, value) pairs."""

    keys: dict[str, str] = field(default_factory=dict)
    numbers: list[tuple[str, float]] = field(default_factory=list)


def index_entries(entry_type: EntryType, record: Mapping[str, Any], ancestors: Ancestors) -> Entries:
    """Return the keys and numbers of a record; values of the wrong shape are left out, never guessed."""
    entries = Entries()
    by_member = _by_member(entry_type.id)
    for member in by_member if len(record) > 1 else record:
        if member in record and member in by_member:
            for row, path in by_member[member]:
                for value, absent in _values(record[member], path):
                    _add(entries, row, value, absent, ancestors)
    return entries


def keys_above(key: str, ancestors: Ancestors) -> Iterator[str]:
    """Yield the keys under which an ancestor's records lie, for the key of a term "or one below it", else nothing.

    So a record that was indexed without ancestors can be found under them later.
    """
    name, below, term = key.partition(BELOW)
    if below and RECORDED not in name and ABSENT not in name:
        for ancestor in ancestors(term):
            yield f"{name}{BELOW}{ancestor}"


def told_keys(entry_type: EntryType, entries: Entries) -> Iterator[tuple[str, str]]:
    """Yield what is listed of a record's entries, as (key, label): terms and texts as recorded, the others as held."""
    held = {plain(name) for name, _ in entries.numbers}
    open_fields = {row.id for row in entry_type.fields if row.open}
    for key, label in entries.keys.items():
        name, mark, _ = key.partition(RECORDED)
        if mark and BELOW not in name and ABSENT not in name:
            if name in open_fields:
                held.add(name)
            else:
                yield key, label
    for name in sorted(held):
        yield f"{name}{HELD}", ""


def parts_of(entry_type: EntryType, record: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yield what a record's entries come from, as (member, part, whether other records tell the same).

    The entries of ``{member: part}``, for all parts together, are those of the record.
    """
    for member, shared in _shared(entry_type.id).items():
        if member in record:
            value = record[member]
            if isinstance(value, list):
                for part in value:
                    yield member, part, shared
            else:
                yield member, value, shared


def own_entries(entry_type: EntryType, member: str, value: Any) -> Entries:
    """Return what a part is found by that no other record shares, such as the id of whose it is."""
    names = _own_names(entry_type.id)[member]
    if names is None or not isinstance(value, str):
        return index_entries(entry_type, {member: value}, lambda _: ())
    keys = {f"{name}{RECORDED}{value}": value for name in names}
    return Entries(keys | {f"{name}{HELD}": "" for name in names})


@functools.cache
def _own_names(entry_type: str) -> dict[str, tuple[str, ...] | None]:
    """Return the fields of each member that is a text of an open field and nothing else, None for other members."""
    return {
        member: tuple(row.id for row, _ in rows)
        if all(row.open and not row.whole and row.kind is FieldKind.TEXT and not path for row, path in rows)
        else None
        for member, rows in _by_member(entry_type).items()
    }


def told_of(entry_type: EntryType, member: str, part: Any) -> Any:
    """Return those members of a part that entries come from: features that differ in their notes tell the same."""
    names = _told_names(entry_type.id)[member]
    if names is None or not isinstance(part, dict) or names.keys() >= part.keys():
        return part
    return {name: part[name] for name in names if name in part}


@functools.cache
def _told_names(entry_type: str) -> dict[str, dict[str, None] | None]:
    """Return the names of each member's own members that matter, None for all."""
    return {
        member: dict.fromkeys([*(path[0] for _, path in rows), "excluded"]) if all(path for _, path in rows) else None
        for member, rows in _by_member(entry_type).items()
    }


@functools.cache
def _shared(entry_type: str) -> dict[str, bool]:
    """Return whether values of each member recur in many records."""
    return {member: not all(row.open for row, _ in rows) for member, rows in _by_member(entry_type).items()}


@functools.cache
def members_of(entry_type: EntryType) -> tuple[str, ...]:
    """Return the members of a record that its entries come from."""
    return tuple(_by_member(entry_type.id))


@functools.cache
def _by_member(entry_type: str) -> dict[str, tuple[tuple[Field, tuple[str, ...]], ...]]:
    """Group an entry type's fields by the record's member they begin in: most records have few of them."""
    found: dict[str, list[tuple[Field, tuple[str, ...]]]] = {}
    for row in ENTRY_TYPES[entry_type].fields:
        for source in row.sources:
            member, *path = source.split(".")
            found.setdefault(member, []).append((row, tuple(path)))
    return {member: tuple(rows) for member, rows in found.items()}


def _values(value: Any, path: tuple[str, ...], absent: bool = False) -> list[tuple[Any, bool]]:
    """Walk a dotted path through objects and lists; says whether an element on the way was ``excluded``."""
    # Records are made of plain dicts; to ask for any mapping would take half of all the time.
    if isinstance(value, dict):
        absent = absent or value.get("excluded") is True
        if path:
            return _values(value[path[0]], path[1:], absent) if path[0] in value else []
    elif isinstance(value, list):
        return [found for one in value for found in _values(one, path, absent)]
    return [] if path else [(value, absent)]


def _add(entries: Entries, row: Field, value: Any, absent: bool, ancestors: Ancestors) -> None:
    if row.kind is FieldKind.ONTOLOGY:
        if id := _id(value):
            _add_term(entries, row, id, str(value.get("label") or ""), absent, ancestors)
    elif not absent:
        if row.kind is FieldKind.TEXT:
            if isinstance(value, str):
                if row.whole:
                    entries.numbers.append((f"{row.id}{AS_WHOLE}", as_whole(value)))
                else:
                    entries.keys[f"{row.id}{RECORDED}{value}"] = value
                    if row.open:
                        entries.keys[f"{row.id}{HELD}"] = ""
        elif row.kind is FieldKind.QUANTITY:
            if isinstance(value, dict):
                _add_quantities(entries, row, value)
        elif (number := as_number(row.kind, value)) is not None:
            entries.numbers.append((row.id, number))


def _add_term(entries: Entries, row: Field, term: str, label: str, absent: bool, ancestors: Ancestors) -> None:
    for name in ("", row.id) if row.everyday else (row.id,):
        if absent:
            entries.keys[f"{name}{ABSENT}{term}"] = label
            continue
        entries.keys[f"{name}{RECORDED}{term}"] = label
        entries.keys.setdefault(f"{name}{BELOW}{term}", label)
        for ancestor in ancestors(term):
            entries.keys.setdefault(f"{name}{BELOW}{ancestor}", "")


def _add_quantities(entries: Entries, row: Field, item: Mapping[str, Any]) -> None:
    """Add what was measured, by the field and by what it is a measure of (an assay, or the type of a part)."""
    measured = _id(item.get(row.named_by))
    for quantity, part in _quantities(item.get(row.within) if row.within else item):
        number = as_number(FieldKind.NUMBER, quantity.get("value"))
        if number is None:
            continue
        terms = [name for name in (measured, part) if name]
        names = [row.id, *terms]
        entries.numbers += [(name, number) for name in names]
        kind = ""
        if id := _id(quantity.get("unit")):
            known = units.recorded(id, str(quantity["unit"].get("label") or ""))
            kind, converted = known.base, units.comparable(number, known)
            entries.numbers += [(f"{name}{IN_UNIT}{kind}", converted) for name in names]
        entries.numbers += [(f"{term}{KIND_OF_UNIT}", as_whole(kind)) for term in terms]


def _quantities(value: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield a value's quantities, simple or of several parts, each with the id of the part's type."""
    if not isinstance(value, Mapping):
        return
    if "value" in value:
        yield value, ""
    elif isinstance(value.get("quantity"), Mapping):
        yield value["quantity"], ""
    elif isinstance(value.get("typedQuantities"), list):
        for part in value["typedQuantities"]:
            if isinstance(part, Mapping) and isinstance(part.get("quantity"), Mapping):
                yield part["quantity"], _id(part.get("quantityType"))


def plain(name: str) -> str:
    """Return the field, or the term of what was measured, that numbers are kept for under a name."""
    return name.partition(IN_UNIT)[0].removesuffix(AS_WHOLE)


def as_whole(text: str) -> float:
    """Return 52 bits that stand for a text, as a number."""
    return float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 12)


def _id(term: Any) -> str:
    return str(term["id"]) if isinstance(term, dict) and isinstance(term.get("id"), str) else ""


def as_number(kind: FieldKind, value: Any) -> float | None:
    """Return a number, a duration in days, or a date in days since 1970, for comparing; None where it is not one."""
    if kind in (FieldKind.NUMBER, FieldKind.QUANTITY):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else None
    if not isinstance(value, str):
        return None
    if kind is FieldKind.DURATION:
        return days(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86400
