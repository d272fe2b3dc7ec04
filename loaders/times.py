"""Rules about ages, dates and quantities that cannot be, or cannot be together."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from beacon.model.duration import days

Finding = tuple[str, str, str, Any, str | None]
"""rule, pointer, message, value, hint."""

OLDEST = 150
"""Years that nobody lives."""
_YEAR = 365.25


def findings(packet: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the times of a packet that fits the schema; ``now`` has a zone."""
    yield from _everywhere(packet, "", moment(packet["subject"].get("dateOfBirth")), now)


def order(packet: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what cannot have been in that order: features and diseases that ended, or began, too early or too late."""
    met = packet["subject"].get("timeAtLastEncounter")
    for name in ("phenotypicFeatures", "diseases"):
        for index, row in enumerate(packet.get(name) or ()):
            if "onset" not in row:
                continue
            pointer = f"/{name}/{index}"
            onset, resolution = row.get("onset"), row.get("resolution")
            if _before(resolution, onset):
                message = "It was resolved before it began."
                yield "time-order", f"{pointer}/resolution", message, _shown(resolution), None
            begun, last = _age(onset), _age(met)
            if begun is not None and last is not None and begun > last and not row.get("excluded"):
                message = f"It began at {_shown(onset)}, after the last encounter."
                yield "time-after-last", f"{pointer}/onset", message, _shown(onset), None


def _everywhere(value: Any, pointer: str, birth: datetime | None, now: datetime) -> Iterator[Finding]:
    """Walk a packet; look at every age, range, interval and point in time."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _everywhere(item, f"{pointer}/{index}", birth, now)
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        place = f"{pointer}/{name}"
        match name, item:
            case "iso8601duration", str() if not is_age(item):
                yield "age-impossible", place, f"Nobody is {item} old.", item, "An age is counted from birth."
            case "gestationalAge", {"days": int() | float() as more} if more > 6:
                yield (
                    "age-gestation",
                    f"{place}/days",
                    f"A week has not {more} days.",
                    more,
                    "Count whole weeks.",
                )
            case "ageRange", {"start": start, "end": end} if _longer(start, end):
                message = f"The range begins at {start['iso8601duration']} and ends at {end['iso8601duration']}."
                yield "time-reversed", place, message, start["iso8601duration"], "Exchange start and end."
            case "interval", {"start": str() as start, "end": str() as end} if _later(start, end):
                message = f"The interval begins at {start} and ends at {end}."
                yield "time-reversed", place, message, start, "Exchange start and end."
            case "referenceRange", dict() if item.get("low", 0) > item.get("high", 0):
                message = f"The range goes from {item.get('low', 0)} to {item.get('high', 0)}; it is left out."
                yield "range-reversed", place, message, item.get("low", 0), "Exchange low and high."
            case "timestamp" | "created" | "dateOfBirth", str() if (found := moment(item)) is not None:
                if found > now:
                    yield "date-future", place, f"{item} lies in the future.", item, None
                elif name == "timestamp" and birth is not None and found < birth and not pointer.startswith("/meta"):
                    yield "date-before-birth", place, f"{item} lies before the birth of the subject.", item, None
        yield from _everywhere(item, place, birth, now)


def moment(text: Any) -> datetime | None:
    """Return a point in time, None for what is none, such as the 30th of February, or one without a zone."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def is_day(text: str) -> bool:
    """Whether there is such a day (``2024-02-30`` is none)."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_age(text: str) -> bool:
    """Whether somebody may be so old; what is no duration is none of an impossible length."""
    length = _days(text)
    return length is None or length <= OLDEST * _YEAR


def _later(one: str, other: str) -> bool:
    first, second = moment(one), moment(other)
    return first is not None and second is not None and first > second


def _age(element: Any) -> float | None:
    """Return the age of a time element in days, where it is one."""
    if not isinstance(element, dict) or not isinstance(age := element.get("age"), dict):
        return None
    return _days(age["iso8601duration"])


@functools.lru_cache(4_096)
def _days(text: str) -> float | None:
    return days(text.replace(",", "."))


def _longer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    first, second = _age({"age": one}), _age({"age": other})
    return first is not None and second is not None and first > second


def _before(one: Any, other: Any) -> bool:
    """Whether a time element is certainly before another of the same kind."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    if "timestamp" in one and "timestamp" in other:
        return _later(other["timestamp"], one["timestamp"])
    return "age" in one and "age" in other and _longer(other["age"], one["age"])


def _shown(element: Any) -> str:
    value = next(iter(element.values()))
    return str(value["iso8601duration"] if isinstance(value, Mapping) else value)
