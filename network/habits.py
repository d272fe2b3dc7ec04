"""How a beacon of another make takes one asker's questions: what its documents say, and what trying it out has shown.

A site of our own make refuses what it does not know, so nothing has to be tried. Of any other beacon it is not taken on
trust that a filter was heeded: one that is ignored would make a yes out of nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import CustomFilter, Filter, OntologyFilter, Pagination, Query, VariantQuery
from network.outcomes import CANNOT_ANSWER, HIT, InvalidAnswer, Reply, Verdict, classify, document, recognised
from network.reading import entries
from network.wording import PLAIN, Style, worded

Send = Callable[[str, bytes | None], Awaitable[Reply]]
"""Sends a request: path below the Beacon's root, and a body where it is a POST."""


class Filters(StrEnum):
    """What becomes of a filter that the beacon does not know."""

    REFUSED = "refused"
    LISTED = "listed"  # it is ignored or finds nothing, so only those that the beacon lists are asked
    IGNORED = "ignored"  # so are those that it does know


@dataclass(frozen=True, slots=True)
class Habits:
    """What is known of one beacon. ``skerry``: it is of our own make, and everything else is as we do it.

    ``terms`` are the ids that it lists, ``paths`` its entry types' paths where it gives a map. ``variants``: it heeds
    request parameters in this style. ``skip`` None: nobody knows what it counts.
    """

    skerry: bool = False
    filters: Filters = Filters.REFUSED
    style: Style = PLAIN
    variants: bool = True
    skip: str | None = "pages"
    terms: frozenset[str] = frozenset()
    paths: Mapping[str, str] | None = None

    def facts(self) -> dict[str, Any]:
        """Return them for whoever wants the plan explained."""
        if self.skerry:
            return {"make": "skerry"}
        return {
            "make": "other",
            "unknownFilters": self.filters,
            "method": "POST" if self.style.post else "GET",
            "requestParameters": ("nested" if self.style.nested else "flat") if self.variants else "not heeded",
            "skip": self.skip or "unknown",
            "terms": len(self.terms),
        }

    def size(self) -> int:
        """Return about how many bytes of memory they take, which is up to the beacon."""
        texts = [*self.terms, *(self.paths or {}).values()]
        return sum(map(len, texts)) + _TEXT_BYTES * len(texts)


SKERRY: Final = Habits(skerry=True)
_TEXT_BYTES: Final = 100
"""What a text and its place in a set take beside its characters, about."""
_NONSENSE: Final = OntologyFilter("SKERRY:0000000")
_NOWHERE: Final = VariantQuery("GRCh38", "22", (50_818_460,), (), "A", "A")
"""An allele that is none, near the end of a chromosome."""
_STYLES: Final = (PLAIN, Style(nested=False), Style(post=False, nested=False))


@dataclass(slots=True)
class _Trial:
    """One beacon being tried out."""

    send: Send
    may_be: Callable[[str], bool]
    style: Style = PLAIN
    paths: Mapping[str, str] | None = None

    async def finding(self, query: Query, style: Style | None = None) -> Verdict:
        path, body = worded(query, style or self.style, self.paths)
        return recognised(classify(await self.send(path, body), entries(query)), self.may_be)

    async def seen(self, query: Query, style: Style | None = None) -> object:
        """Return what can be compared: (exists, number), or None where it did not answer."""
        verdict = await self.finding(query, style)
        return (verdict.finding.exists, verdict.finding.count) if verdict.kind.answered else None


async def scout(send: Send, root: str, may_be: Callable[[str], bool]) -> Habits | Verdict:
    """Try a beacon out; a verdict is why nothing can be learnt of it now.

    ``root`` is its address, ``may_be`` says whether a name can be its own. Raises what ``send`` raises.
    """
    trial = _Trial(send, may_be)
    trial.paths = _paths(await _document(send, "/map"), root)
    anybody = Query("individual", granularity=Granularity.COUNT, pagination=Pagination(0, 1))
    base = await trial.finding(anybody)
    if not base.kind.answered:
        trial.style = _STYLES[-1]
        again = await trial.finding(anybody)
        if not again.kind.answered:
            return base
        base = again
    told = (base.finding.exists, base.finding.count)
    terms = _terms(await _document(send, "/filtering_terms"))
    variants = await _variants(trial)
    return Habits(
        filters=await _filters(trial, anybody, told, terms),
        style=trial.style,
        variants=variants,
        skip=await _skip(trial),
        terms=frozenset(terms),
        paths=trial.paths,
    )


async def _filters(trial: _Trial, anybody: Query, told: object, terms: Mapping[str, str]) -> Filters:
    def asked(item: Filter) -> Query:
        return Query("individual", filters=(item,), granularity=Granularity.COUNT, pagination=anybody.pagination)

    verdict = await trial.finding(asked(_NONSENSE))
    if not verdict.kind.answered:
        return Filters.REFUSED
    if (verdict.finding.exists, verdict.finding.count) != told:
        return Filters.LISTED
    for id, kind in list(terms.items())[:3]:
        item: Filter = OntologyFilter(id) if kind == "ontologyTerm" else CustomFilter(id)
        if kind != "alphanumeric" and await trial.seen(asked(item)) not in (None, told):
            return Filters.LISTED
    return Filters.IGNORED


async def _variants(trial: _Trial) -> bool:
    """Find the style in which an allele that does not exist is not found; say whether there is one."""
    any_variant = Query("genomicVariant", granularity=Granularity.BOOLEAN, pagination=Pagination(0, 1))
    nowhere = Query("genomicVariant", variant=_NOWHERE, granularity=Granularity.BOOLEAN, pagination=Pagination(0, 1))
    styles = [style for style in _STYLES if style.post == trial.style.post]
    for style in styles:
        if (await trial.finding(any_variant, style)).kind is HIT and await trial.seen(nowhere, style) == (False, 0):
            trial.style = style
            return True
    return False


async def _skip(trial: _Trial) -> str | None:
    """Find out whether ``skip`` counts pages or records, where records are given."""

    async def ids(skip: int, limit: int) -> list[object]:
        query = Query("individual", granularity=Granularity.RECORD, pagination=Pagination(skip, limit))
        sets = (await trial.finding(query)).finding.sets
        return [record.get("id") for record in (sets[0].results or ())] if sets else []

    first, second = await ids(0, 3), await ids(1, 2)
    if len(first) == 3 and len(set(map(str, first))) == 3 and second:
        return {str(first[2]): "pages", str(first[1]): "records"}.get(str(second[0]))
    return None


async def _document(send: Send, path: str) -> Mapping[str, Any]:
    reply = await send(path, None)
    try:
        response = document(reply.body).get("response") if reply.status == 200 else None
    except InvalidAnswer:
        return {}
    return response if isinstance(response, dict) else {}


def _paths(response: Mapping[str, Any], root: str) -> Mapping[str, str] | None:
    """Return the path of each entry type below the root; only of those that are there, on the same server."""
    sets = response.get("endpointSets")
    if not isinstance(sets, dict):
        return None
    begin = urlsplit(root).path.rstrip("/")
    found = {}
    for row in sets.values():
        match row:
            case {"entryType": str(kind), "rootUrl": str(url)} if kind in ENTRY_TYPES:
                path = urlsplit(url).path
                if path.startswith(f"{begin}/") and path.isascii() and path.isprintable():
                    found[kind] = path.removeprefix(begin).rstrip("/")
            case _:
                continue
    return found or None


def _terms(response: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids that the beacon lists as filters, with their kinds."""
    rows = response.get("filteringTerms")
    found: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else ():
        match row:
            case {"id": str(id), "type": str(kind)} if id:
                found[id] = kind
            case _:
                continue
    return found


def unfit(reason: str) -> Verdict:
    """Make the outcome of a member that is not asked, since it would not take the question as it is meant."""
    return Verdict(CANNOT_ANSWER, reason, code="cannot_answer")
