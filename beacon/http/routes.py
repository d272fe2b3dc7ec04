"""Every path of the Beacon, made from the table of entry types (Beacon v2: framework and default model)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from aiohttp import web

from beacon.http import info
from beacon.http.handlers import ROOT, Document, Handler, document, entries, terms, to_root
from beacon.model.entry_types import ENTRY_TYPES


class Entries(Protocol):
    """Makes the handler of an entry type, or of what belongs to the record ``{id}`` of ``anchor_type``."""

    def __call__(self, entry_type: str, anchor_type: str | None = None) -> Handler: ...


class Terms(Protocol):
    """Makes the handler of ``filtering_terms``: of all, of an entry type, of one dataset or cohort."""

    def __call__(self, scope: str | None = None, anchor_type: str | None = None) -> Handler: ...


DOCUMENTS: tuple[tuple[str, str, Document], ...] = (
    ("", "info", info.info),
    ("/", "info", info.info),
    ("/info", "info", info.info),
    ("/configuration", "configuration", info.configuration),
    ("/entry_types", "entry_types", info.entry_types),
    ("/map", "map", info.beacon_map),
)
"""Path, what its schema is called, and what makes it."""


def routes(entries: Entries = entries, terms: Terms = terms) -> list[web.RouteDef]:
    """Return all routes. Literal paths come first, so that ``filtering_terms`` is no id.

    ``entries`` and ``terms`` make the handlers of questions; a network passes its own.
    """
    made: list[web.RouteDef] = [
        web.get("/", to_root),
        web.get(f"{ROOT}/service-info", document("service-info", info.service_info, bare=True)),
    ]
    made += [web.get(ROOT + path, document(entity, make)) for path, entity, make in DOCUMENTS]
    made += [web.get(ROOT + path, handler) for path, handler in _terms(terms)]
    for path, handler in _entries(entries):
        made += [web.get(ROOT + path, handler), web.post(ROOT + path, handler)]
    return made


def _terms(terms: Terms) -> Iterator[tuple[str, Handler]]:
    yield "/filtering_terms", terms()
    for row in ENTRY_TYPES.values():
        if row.collection:
            yield f"/{row.path}/{{id}}/filtering_terms", terms(anchor_type=row.id)
        elif row.fields:
            yield f"/{row.path}/filtering_terms", terms(scope=row.id)


def _entries(entries: Entries) -> Iterator[tuple[str, Handler]]:
    for row in ENTRY_TYPES.values():
        yield f"/{row.path}", entries(row.id)
        yield f"/{row.path}/{{id}}", entries(row.id, row.id)
        for kind in row.crosses:
            yield f"/{row.path}/{{id}}/{ENTRY_TYPES[kind].path}", entries(kind, row.id)
