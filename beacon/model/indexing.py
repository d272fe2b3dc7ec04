"""From one Beacon record to the keys under which an index finds it.

A key is ``field op term``: ``=`` as recorded, ``^`` the term or one below it, ``!`` recorded as absent. Keys with
an empty field are those of everyday terms, found by the term's id alone. Text is kept under ``=`` too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from beacon.model.duration import days
from beacon.model.entry_types import ENTRY_TYPES, EntryType, Field, FieldKind

Ancestors = Callable[[str], Iterable[str]]
"""Returns a term's ancestors, without the term itself; nothing for terms of unknown ontologies."""

RECORDED, BELOW, ABSENT = "=", "^", "!"


@dataclass(slots=True)
class Entries:
    """What one record is found by: ``keys`` with their labels, and ``numbers`` as (field id, value) pairs."""

    keys: dict[str, str] = field(default_factory=dict)
    numbers: list[tuple[str, float]] = field(default_factory=list)


def index_entries(entry_type: EntryType, record: Mapping[str, Any], ancestors: Ancestors) -> Entries:
    """Return the keys and numbers of a record; values of the wrong shape are left out, never guessed."""
    entries = Entries()
    for member, rows in _by_member(entry_type.id):
        if member in record:
            for row, path in rows:
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


@functools.cache
def _by_member(entry_type: str) -> tuple[tuple[str, tuple[tuple[Field, tuple[str, ...]], ...]], ...]:
    """Group an entry type's fields by the record's member they begin in: most records have few of them."""
    found: dict[str, list[tuple[Field, tuple[str, ...]]]] = {}
    for row in ENTRY_TYPES[entry_type].fields:
        member, *path = row.source.split(".")
        found.setdefault(member, []).append((row, tuple(path)))
    return tuple((member, tuple(rows)) for member, rows in found.items())


def _values(value: Any, path: tuple[str, ...], absent: bool = False) -> Iterator[tuple[Any, bool]]:
    """Walk a dotted path through objects and lists; says whether an element on the way was ``excluded``."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path, absent)
        return
    if isinstance(value, Mapping):
        absent = absent or value.get("excluded") is True
        if path:
            if path[0] in value:
                yield from _values(value[path[0]], path[1:], absent)
            return
    if not path:
        yield value, absent


def _add(entries: Entries, row: Field, value: Any, absent: bool, ancestors: Ancestors) -> None:
    if row.kind is FieldKind.ONTOLOGY:
        if isinstance(value, Mapping) and isinstance(value.get("id"), str):
            _add_term(entries, row, value["id"], str(value.get("label") or ""), absent, ancestors)
    elif not absent:
        if row.kind is FieldKind.TEXT:
            if isinstance(value, str):
                entries.keys[f"{row.id}{RECORDED}{value}"] = value
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


def as_number(kind: FieldKind, value: Any) -> float | None:
    """Return a number, a duration in days, or a date in days since 1970, for comparing; None where it is not one."""
    if kind is FieldKind.NUMBER:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if kind is FieldKind.DURATION:
        return days(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86400
