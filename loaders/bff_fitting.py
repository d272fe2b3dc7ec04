"""Putting the records of Beacon files into the standard's shape, and telling what could not be as it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from loaders.bff_files import Entry
from loaders.bff_variants import without_extension
from loaders.elements import Json
from loaders.report import Report, Severity
from loaders.shapes import Fitter, Misfit, Shape

OWN = ("_id", "datasetId")
"""Members that databases and tools add to every record."""


@dataclass(slots=True)
class Fitting:
    """Fits the records of one load and tells ``report``; ``seen`` is a digest of every record, by kind and id.

    ``misfits`` are those (kind, id) of which there is none, for they have no shape.
    """

    report: Report
    seen: dict[tuple[str, str], bytes] = field(default_factory=dict)
    misfits: set[tuple[str, str]] = field(default_factory=set)

    def fitted(self, kind: str, shape: Shape, entry: Entry) -> Json | None:
        """Return a record in the standard's shape; None, told of, where it cannot be, or was there before."""
        record = without_extension({name: value for name, value in entry.body.items() if name not in OWN})

        def taken_out(pointer: str, expected: str, value: Any) -> None:
            kept = "" if value is None else "; what is there is kept under info.bff"
            message = f"Expected is {expected}{kept}."
            self.warn(entry, "bff-shape", message, pointer, value)

        try:
            body = Fitter(taken_out).fit(shape, record)
        except Misfit as error:
            self.misfits.add((kind, str(record.get("id"))))
            hint = f"Beacon's model demands it of every {kind}."
            self.set_aside(entry, "bff-required", f"Expected is {error}.", "", hint)
            return None
        content = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
        before = self.seen.get((kind, body["id"]))
        if before is None:
            self.seen[kind, body["id"]] = content
            return body
        if before == content:
            self.warn(entry, "bff-repeated", "The same record was there before; it is loaded once.", "/id", body["id"])
        else:
            message = f"Another {kind} has this id, with other content; that one is loaded."
            self.set_aside(entry, "bff-id-taken", message, "/id", "Give each record an id of its own.", body["id"])
        return None

    def warn(self, entry: Entry, rule: str, message: str, pointer: str = "", value: Any = None) -> None:
        """Tell of what was loaded otherwise than it stands there."""
        self.report.add(entry.problem(rule, message, Severity.WARNING, pointer, value))

    def set_aside(
        self, entry: Entry, rule: str, message: str, pointer: str, hint: str | None = None, value: Any = None
    ) -> None:
        """Tell of a record that is not loaded."""
        self.report.count("set-aside record")
        self.report.add(entry.problem(rule, message, Severity.ERROR, pointer, value, hint))
