"""Every path of the Beacon as a table, made from the entry types: routes, map and OpenAPI document all read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from beacon.model.entry_types import ENTRY_TYPES

OWN_TERMS = ("individual", "dataset", "cohort")
"""Entry types of which a single record has filtering terms of its own."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path below the Beacon's root that is asked by GET and POST.

    ``terms``: it lists filtering terms; else it lists entries of ``entry_type``. ``entry_type`` None means terms of
    all of them. ``anchor_type`` is the entry type of the path's ``{id}``, None where the path has none.
    """

    path: str
    entry_type: str | None
    anchor_type: str | None = None
    terms: bool = False

    @property
    def single(self) -> bool:
        """Whether the path is one record's own."""
        return not self.terms and self.anchor_type is not None and self.anchor_type == self.entry_type


def endpoints() -> Iterator[Endpoint]:
    """Yield all; literal paths before those with an id that would match them too."""
    yield Endpoint("/filtering_terms", None, terms=True)
    for row in ENTRY_TYPES.values():
        yield Endpoint(f"/{row.path}/filtering_terms", row.id, terms=True)
        if row.id in OWN_TERMS:
            yield Endpoint(f"/{row.path}/{{id}}/filtering_terms", None, row.id, terms=True)
    for row in ENTRY_TYPES.values():
        yield Endpoint(f"/{row.path}", row.id)
        yield Endpoint(f"/{row.path}/{{id}}", row.id, row.id)
        for kind in row.crosses:
            yield Endpoint(f"/{row.path}/{{id}}/{ENTRY_TYPES[kind].path}", kind, row.id)
