"""How answers are shown: the same rows as a table for people and as CSV or JSON for programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

import orjson

from beacon.client import Found, Outcome, ResultSet
from beacon.client.answers import plain

COLUMNS: Final = ("beacon", "dataset", "outcome", "exists", "count", "ms", "reason")
_WIDTHS: Final = (20, 20, 14, 7, 12, 7)
PLAN_COLUMNS: Final = ("beacon", "asked", "method", "path", "outcome", "reason")
Row = tuple[Any, ...]


def rows_of(outcomes: Iterable[Outcome], sets: Iterable[ResultSet]) -> list[Row]:
    """Return a row for each result set, and for each member that has none, in the order of the members."""
    by_beacon: dict[str, list[ResultSet]] = {}
    for one in sets:
        by_beacon.setdefault(one.beacon, []).append(one)
    rows: list[Row] = []
    for outcome in outcomes:
        found = by_beacon.pop(outcome.peer, None)
        rows += [_set_row(one, outcome) for one in found] if found else [outcome_row(outcome)]
    return rows + [_set_row(one, None) for found in by_beacon.values() for one in found]


def _set_row(one: ResultSet, outcome: Outcome | None) -> Row:
    said = "withheld" if one.withheld else "hit" if one.exists else "no_hit"
    count = one.count if one.count is None or one.precision == "exact" else f"{one.count} ({one.precision})"
    return (one.beacon, one.id, said, one.exists, count, outcome and outcome.milliseconds, None)


def outcome_row(one: Outcome) -> Row:
    """Return the row of a member without result sets."""
    return (one.peer, None, one.outcome, None, None, one.milliseconds, one.reason or None)


class RowWriter:
    """Writes rows in one format, the names of the columns first."""

    def __init__(
        self, form: str, file: TextIO | None = None, *, columns: Sequence[str] = COLUMNS, steady: bool = False
    ) -> None:
        """``steady``: rows of ``COLUMNS`` come one by one, so that widths cannot depend on them."""
        self._form = form
        self._columns = columns
        self._file = file or sys.stdout
        self._steady = steady
        self._begun = False

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        rows = list(rows)
        if self._form == "json":
            for row in rows:
                self._file.write(orjson.dumps(dict(zip(self._columns, row, strict=True))).decode() + "\n")
        else:
            shown = rows if self._begun else [tuple(self._columns), *rows]
            self._begun = True
            if self._form == "csv":
                write_csv(self._file, shown)
            else:
                self._file.writelines(self._table(shown))
        self._file.flush()

    def _table(self, rows: Sequence[Row]) -> list[str]:
        texts = [[_shown(value) for value in row] for row in rows]
        widths = list(_WIDTHS)
        if not self._steady:
            widths = [min(max(len(text[at]) for text in texts), 60) for at in range(len(self._columns) - 1)]
        return [" ".join([*map(_fit, text[: len(widths)], widths), text[-1]]).rstrip() + "\n" for text in texts]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return ""
    return plain(f"{value:,}" if isinstance(value, int) else str(value))


def _fit(text: str, width: int) -> str:
    text = plain(text)
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def write_csv(file: TextIO, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV (RFC 4180, lines ended by a newline)."""
    csv.writer(file, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    """Return a value for a spreadsheet: true and false in small letters, and no stranger's text as a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    if isinstance(value, bool):
        return str(value).lower()
    return value


def write_records(form: str, found: Sequence[Found]) -> None:
    """Write records to standard output, as ``csv`` or ``table``: one row each, members of objects by dotted names."""
    flat = [{"beacon": one.beacon, "dataset": one.dataset, **_flat(one.record)} for one in found]
    if form == "csv":
        names = list(dict.fromkeys(name for row in flat for name in row)) or ["beacon", "dataset"]
        write_csv(sys.stdout, (names, *([row.get(name, "") for name in names] for row in flat)))
        return
    for row in flat:
        beacon, dataset, *rest = row.items()
        shown = ", ".join(f"{name} {plain(str(value))}" for name, value in rest)
        print(f"{_fit(beacon[1], _WIDTHS[0])} {_fit(dataset[1], _WIDTHS[1])} {shown[:200]}")


def _flat(record: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Return a record as columns: members of objects by dotted names, lists as JSON."""
    row: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            row |= _flat(value, f"{place}{name}.")
        else:
            row[place + name] = orjson.dumps(value).decode() if isinstance(value, list) else value
    return row
