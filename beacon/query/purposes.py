"""What an asker declares, with what the site's ontologies know about it."""

from __future__ import annotations

from beacon.auth.consent import diseases
from beacon.model.access import Purpose
from beacon.store.base import Store


async def purposes(store: Store, terms: frozenset[str]) -> Purpose:
    """Return a purpose with all that is above its diseases.

    Asked of the ontologies whatever datasets there are, so that the time this takes tells nothing of them.
    """
    return Purpose(terms, {term: await store.terms_above(term) for term in sorted(diseases(terms))})
