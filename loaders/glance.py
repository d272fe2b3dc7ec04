"""A glance at a phenopacket's text, which tells of which rules there is nothing to be found in it.

Terms, days, ages and points in time are written the same wherever they stand, so the text shows them all without a
walk through the packet, and one that was sound before is known again. A glance errs to one side: what it takes for
sound is sound; where it finds anything else, the rules look for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from loaders import times

T = TypeVar("T")

MOST = 20_000
"""Texts of a kind that are known again; beyond that all are forgotten."""
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_LABEL = rf'"label":(?:{_STRING}|null)'
_TERM = re.compile(rf'\{{(?<!"subject":\{{)(?:"id":{_STRING}(?:,{_LABEL})?|{_LABEL},"id":{_STRING})\}}')
_DAY = re.compile(r'-(?<="\d{4}-)\d{2}-\d{2}T\d{2}:')
_AGE = re.compile(r'"iso8601duration":"([^"]*)"')
_MOMENTS = {name: re.compile(f'"{name}":"([^"]*)"') for name in ("timestamp", "created", "dateOfBirth")}
_SPANS = tuple(f'"{name}":{{' for name in ("gestationalAge", "ageRange", "interval", "referenceRange"))


@dataclass(frozen=True, slots=True)
class Glance:
    """What of a packet is sound: its terms and their resources, its days, its ages and points in time."""

    terms: bool = False
    days: bool = False
    times: bool = False


NOT_LOOKED = Glance()


class _Readings(dict[str, T]):
    """What texts are read as; each is read once."""

    def __init__(self, read: Callable[[str], T]) -> None:
        self._read = read

    def __missing__(self, text: str) -> T:
        if len(self) >= MOST:
            self.clear()
        found = self[text] = self._read(text)
        return found


class Glances:
    """Looks at packets one after the other; ``is_sound`` tells whether the rules find nothing in a term."""

    def __init__(self, is_sound: Callable[[Mapping[str, Any]], bool]) -> None:
        def prefix(text: str) -> str | None:
            term = orjson.loads(text)
            return str(term["id"]).partition(":")[0].casefold() if is_sound(term) else None

        self._prefixes = _Readings(prefix)
        self._days = _Readings(times.is_day)
        self._ages = _Readings(times.is_age)
        self._moments = _Readings(times.moment)

    def at(self, packet: Mapping[str, Any], text: str, now: datetime) -> Glance:
        """Look at a packet that fits the schema; ``text`` is its JSON as orjson writes it, without spaces."""
        return Glance(
            self._terms_are_sound(packet, text),
            all(self._days[text[day.start() - 4 : day.end() - 4]] for day in _DAY.finditer(text)),
            self._times_are_sound(text, now),
        )

    def _terms_are_sound(self, packet: Mapping[str, Any], text: str) -> bool:
        used = {self._prefixes[term] for term in _TERM.findall(text)}
        return used <= {row["namespacePrefix"].casefold() for row in packet["metaData"].get("resources") or ()}

    def _times_are_sound(self, text: str, now: datetime) -> bool:
        if any(span in text for span in _SPANS) or not all(map(self._ages.__getitem__, _AGE.findall(text))):
            return False
        found = {
            name: [moment for one in pattern.findall(text) if (moment := self._moments[one]) is not None]
            for name, pattern in _MOMENTS.items()
            if name in text
        }
        if any(moment > now for moments in found.values() for moment in moments):
            return False
        births = found.get("dateOfBirth")
        return not births or all(max(births) <= moment for moment in found.get("timestamp", ()))
