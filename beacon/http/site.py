"""What every handler needs, and what the middleware has found out about a request."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from beacon.auth.oidc import Verifier
from beacon.model.access import Principal
from beacon.model.query import Query
from beacon.settings import SiteSettings
from beacon.store.base import Store


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its settings, its data, and who can tell who asks."""

    settings: SiteSettings
    store: Store
    verifier: Verifier


SITE = web.AppKey("site", Site)

PRINCIPAL = web.RequestKey("principal", Principal)
"""Who asks; set before any handler runs."""
QUERY = web.RequestKey("query", Query)
"""The question, once it is read, so that a refusal can repeat it."""
ENTRY_TYPE = web.RequestKey("entry_type", str)
"""The entry type of the path, known before the question is."""
