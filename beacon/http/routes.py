"""Every path of the Beacon, made from the table of entry types (Beacon v2: framework and default model)."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from beacon.http import info, mine
from beacon.http.endpoints import endpoints
from beacon.http.handlers import (
    ROOT,
    Document,
    Handler,
    document,
    entries,
    information,
    openapi_document,
    openapi_page,
    terms,
    to_root,
)


class Entries(Protocol):
    """Makes the handler of an entry type, or of what belongs to the record ``{id}`` of ``anchor_type``."""

    def __call__(self, entry_type: str, anchor_type: str | None = None) -> Handler: ...


class Terms(Protocol):
    """Makes the handler of ``filtering_terms``: of all, of an entry type, of one dataset, cohort or person."""

    def __call__(self, scope: str | None = None, anchor_type: str | None = None) -> Handler: ...


INFO = ("", "/", "/info")
DOCUMENTS: tuple[tuple[str, str, Document], ...] = (
    ("/configuration", "configuration", info.configuration),
    ("/entry_types", "entry_types", info.entry_types),
    ("/map", "map", info.beacon_map),
)
"""Path, what its schema is called, and what makes it."""

_ANY_ID = "{id:[^/]+}"
"""The framework's own pattern leaves out braces, and an id may hold any character."""


def _below(root: str, path: str) -> str:
    return root + path.replace("{id}", _ANY_ID)


def explaining(explain: Entries) -> list[web.RouteDef]:
    """Return the routes at which a network says what it would ask: those of all questions, below ``/explain``."""
    made: list[web.RouteDef] = []
    for one in endpoints():
        if not one.terms:
            handler, path = explain(str(one.entry_type), one.anchor_type), _below(f"{ROOT}/explain", one.path)
            made += [web.get(path, handler), web.post(path, handler)]
    return made


def routes(entries: Entries = entries, terms: Terms = terms) -> list[web.RouteDef]:
    """Return all routes. Literal paths come first, so that ``filtering_terms`` is no id.

    ``entries`` and ``terms`` make the handlers of questions; a network passes its own.
    """
    made: list[web.RouteDef] = [
        web.get("/", to_root),
        web.get("/openapi.json", openapi_document),
        web.get(mine.PATH, mine.answer),
        web.get(f"{ROOT}/openapi.json", openapi_document),
        web.get(f"{ROOT}/docs", openapi_page),
        web.get(f"{ROOT}/service-info", document("service-info", info.service_info, bare=True)),
    ]
    made += [web.get(ROOT + path, information) for path in INFO]
    made += [web.get(ROOT + path, document(entity, make)) for path, entity, make in DOCUMENTS]
    for one in endpoints():
        handler = terms(one.entry_type, one.anchor_type) if one.terms else entries(str(one.entry_type), one.anchor_type)
        path = _below(ROOT, one.path)
        made += [web.get(path, handler), web.post(path, handler)]
    return made
