"""ISO 8601 durations as numbers, so that ages can be compared.

A year is 12 months and a month 30.4375 days (a Julian year has 365.25), so that P12M equals P1Y.
"""

from __future__ import annotations

import re

_MONTH = 30.4375
_DURATION = re.compile(
    r"P(?!$)(?:(?P<years>\d+(?:\.\d+)?)Y)?(?:(?P<months>\d+(?:\.\d+)?)M)?(?:(?P<weeks>\d+(?:\.\d+)?)W)?"
    r"(?:(?P<days>\d+(?:\.\d+)?)D)?(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_DAYS = {
    "years": 12 * _MONTH, "months": _MONTH, "weeks": 7.0, "days": 1.0,
    "hours": 1 / 24, "minutes": 1 / 1440, "seconds": 1 / 86400,
}  # fmt: skip


def days(text: str) -> float | None:
    """Return a duration (``P3Y6M``) in days, or None where the text is not one."""
    match = _DURATION.fullmatch(text)
    if not match:
        return None
    return sum(float(value) * _DAYS[unit] for unit, value in match.groupdict().items() if value)


def duration(number: float) -> str | None:
    """Return the duration of so many days (``P3Y6M``), None where no text of years, months and days is exactly it."""
    months = int(number // _MONTH)
    rest = number - months * _MONTH
    parts = ((months // 12, "Y"), (months % 12, "M"), (int(rest), "D"))
    text = "P" + "".join(f"{size}{unit}" for size, unit in parts if size)
    return next((one for one in (text, "P0D") if days(one) == number), None)
