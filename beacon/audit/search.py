"""Reading the audit: who asked about a dataset, and what one person asked.

Files are read one after another, newest days first; only lines in which the name occurs at all are parsed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson

from beacon.audit.place import Place
from beacon.errors import QueryTimeout
from beacon.model.access import Person


def about(place: Place, dataset: str, *, since: str = "") -> Iterator[dict[str, Any]]:
    """Yield the lines of all who asked for a dataset or were told something of it, newest day first.

    ``since`` is a day (UTC), YYYY-MM-DD.
    """
    for line in _with(place, dataset, since, None):
        if any(one["dataset"] == dataset for one in line.get("datasets", ())) or _named(line, dataset):
            yield line


def _named(line: dict[str, Any], dataset: str) -> bool:
    query = line.get("query") or {}
    anchor = query.get("anchor") or {}
    return dataset in query.get("datasets", ()) or (anchor.get("entry_type"), anchor.get("id")) == ("dataset", dataset)


def of_person(
    place: Place, person: Person, *, since: str = "", most: int = 1000, seconds: float | None = None
) -> list[dict[str, Any]]:
    """Return up to ``most`` lines of what one person asked, the latest first; by whichever node, or directly.

    Raises ``QueryTimeout`` after ``seconds``.
    """
    wanted = {"issuer": person.issuer, "subject": person.subject}
    deadline = None if seconds is None else time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    day = ""
    for line in _with(place, person.subject, since, deadline):
        if line.get("who") == wanted:
            if len(found) >= most and line["time"][:10] != day:
                break
            day = line["time"][:10]
            found.append(line)
    return sorted(found, key=lambda line: str(line["time"]), reverse=True)[:most]


def _with(place: Place, text: str, since: str, deadline: float | None) -> Iterator[dict[str, Any]]:
    """Yield all lines in which a text occurs, by days, newest first."""
    needle = orjson.dumps(text)
    for day, _, path in sorted(place.line_files(), key=lambda one: one[0], reverse=True):
        if day < since:
            return
        try:
            with path.open("rb") as file:
                while block := file.readlines(1 << 20):
                    if deadline is not None and time.monotonic() > deadline:
                        raise QueryTimeout("Reading the audit took too long; ask for fewer days.")
                    yield from (orjson.loads(line) for line in block if needle in line and line.endswith(b"\n"))
        except FileNotFoundError:  # pruned meanwhile
            continue
