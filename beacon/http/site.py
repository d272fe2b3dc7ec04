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
class Door:
    """What stands before every handler, of a site or of a network: who we are, and who can tell who asks."""

    settings: SiteSettings
    verifier: Verifier


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its settings and its data."""

    settings: SiteSettings
    store: Store


DOOR = web.AppKey("door", Door)
SITE = web.AppKey("site", Site)

PRINCIPAL = web.RequestKey("principal", Principal)
"""Who asks; set before any handler runs."""
QUERY = web.RequestKey("query", Query)
"""The question, once it is read, so that a refusal can repeat it."""
ENTRY_TYPE = web.RequestKey("entry_type", str)
"""The entry type of the path, known before the question is."""
