"""A question in the words that one beacon takes, or the reason why it has none for it.

Only what keeps the meaning is changed: another spelling of the same term, the path that its map gives, parameters where
it looks for them, the way in which it counts pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from beacon.model import genome
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import AlphanumericFilter, Filter, OntologyFilter, Query
from network.habits import Filters, Habits, unfit
from network.outcomes import Verdict
from network.wording import Question, worded

_OBO: Final = "http://purl.obolibrary.org/obo/"
_CURIE: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*)[:_]([A-Za-z0-9]+)")
SYNONYMS: Final = (
    frozenset({"NCIT:C16576", "PATO:0000383"}),  # female
    frozenset({"NCIT:C20197", "PATO:0000384"}),  # male
)
"""Ids of different ontologies that beacons use for the very same thing."""


def needs_care(query: Query) -> bool:
    """Say whether a beacon of another make may take this question for another one, or refuse what it need not know."""
    return bool(query.filters or query.variant or query.pagination.skip or query.purpose)


def reword(question: Question, habits: Habits, assemblies: Sequence[str] = ()) -> Question | Verdict:
    """Return the question as this beacon takes it; a verdict where it takes none that means the same.

    ``assemblies`` are the names of those that it has, where that is known.
    """
    query = question.query
    if query is None or habits.skerry:
        return question
    problem = _problem(query, habits)
    if problem is not None:
        return unfit(problem)
    filters = []
    for item in query.filters:
        spelled = _spelled(item, habits)
        if spelled is None:
            return unfit(f"It does not list the filter {item.id}, and would not refuse it.")
        filters.append(spelled)
    variant = query.variant
    if variant is not None and variant.assembly is not None and assemblies:
        named = next((name for name in assemblies if genome.assembly_name(name) == variant.assembly), None)
        if named is None:
            return unfit(f"It has no assembly {variant.assembly}.")
        variant = replace(variant, assembly=named)
    skip = query.pagination.skip * (query.pagination.limit if habits.skip == "records" else 1)
    page = replace(query.pagination, skip=skip)
    # A purpose decides what a site of ours lets out; the standard has none, so others would ignore or refuse it.
    asked = replace(query, filters=tuple(filters), variant=variant, pagination=page, purpose=frozenset())
    path, body = worded(asked, habits.style, habits.paths)
    return replace(question, path=path, body=body, refuses=habits.filters is Filters.REFUSED and bool(filters))


def _problem(query: Query, habits: Habits) -> str | None:
    kinds = [query.entry_type, *([query.anchor.entry_type] if query.anchor else [])]
    if habits.paths is not None and (missing := next((kind for kind in kinds if kind not in habits.paths), None)):
        return f"Its map has no {ENTRY_TYPES[missing].label or missing}."
    if query.filters and habits.filters is Filters.IGNORED:
        return "It ignores filters, so it is never asked with any."
    if query.variant and not habits.variants:
        return "It does not heed the parameters of a genomic question."
    if query.pagination.skip and habits.skip is None:
        return "It is not known whether it counts pages or records, so only its first page is asked."
    if any(isinstance(item, OntologyFilter) and item.excluded for item in query.filters):
        return "It has no filter for what was looked for and not found."
    if not habits.style.post and any(isinstance(item, AlphanumericFilter) for item in query.filters):
        return "It takes questions by GET alone, where a comparison has no certain form."
    return None


def _spelled(item: Filter, habits: Habits) -> Filter | None:
    """Return the filter in the beacon's spelling: None where it lists none, and does not refuse what it lacks."""
    for id in _spellings(item.id):
        if id in habits.terms:
            return replace(item, id=id)
    return item if habits.filters is Filters.REFUSED else None


def _spellings(id: str) -> Iterator[str]:
    """Yield the ids that mean the same, the given one first."""
    same = next((sorted(group) for group in SYNONYMS if id in group), [])
    for one in dict.fromkeys([id, *same]):
        yield one
        if (parts := _CURIE.fullmatch(one)) is not None:
            prefix, local = parts.groups()
            yield from (f"{prefix}:{local}", f"{prefix}_{local}", f"{_OBO}{prefix}_{local}")
            yield from (f"{prefix.lower()}:{local}", f"{prefix.upper()}:{local}")
