"""Joins what members said into one finding: pure functions, no member's word trusted beyond its own part.

Result sets stay apart under the registry's name of their member. What is said about all of them together
is never more than what follows: ``exists`` is false only where every asked member said no, and a total is
an interval that holds the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beacon.errors import (
    CannotAnswer,
    Forbidden,
    NetworkError,
    NotFound,
    QueryTimeout,
    SkerryError,
    Unauthenticated,
    UnknownFilter,
)
from beacon.model.access import Granularity
from beacon.model.query import Include, Query
from network.outcomes import Bounds, Kind, Outcome, ResultSet
from network.pages import Page
from network.reading import RESOURCE_KEYS
from network.totals import Total


class Inconclusive(NetworkError):
    """Nobody said yes and nobody failed, yet not all said no: some withheld, denied or could not answer."""

    code = "network_inconclusive"


class TooSlow(QueryTimeout):
    """Nobody said yes, and those who failed were too slow."""

    code = "network_timeout"


@dataclass(frozen=True, slots=True)
class Joined:
    """The network's finding; ``sets`` and ``collections`` are ready for the envelope, each with its ``beaconId``."""

    exists: bool
    bounds: Bounds
    granularity: Granularity
    sets: tuple[dict[str, Any], ...]
    collections: tuple[dict[str, Any], ...]
    outcomes: tuple[Outcome, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Return ``responseSummary``; ``numTotalResults`` is the lower bound, where counts were released."""
        summary: dict[str, Any] = {"exists": self.exists}
        if self.granularity >= Granularity.COUNT:
            summary["numTotalResults"] = self.bounds.low
            summary["countPrecision"] = "exact" if self.bounds.exact else "imprecise"
        return summary

    @property
    def info(self) -> dict[str, Any]:
        """Return the answer's ``info``: who answered, what became of each, and the interval of a count."""
        info = tally(self.outcomes)
        if self.granularity >= Granularity.COUNT:
            info["interval"] = [self.bounds.low, self.bounds.high]
        return info


def tally(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what every answer of a network says of its members, errors included."""
    return {
        "asked": len(outcomes),
        "answered": sum(outcome.kind.answered for outcome in outcomes),
        "outcomes": [outcome.describe() for outcome in outcomes],
    }


def join(query: Query, outcomes: Sequence[Outcome], *, anonymous: bool = True, page: Page | None = None) -> Joined:
    """Join all members' outcomes into one finding; ``page`` is what of their records is shown.

    Raises an error of ``beacon.errors`` where nobody said yes and not everybody said no: 504 where those
    that failed were too slow, 502 where they failed otherwise or where some only withheld or denied; 401 or
    403 where every member denied, 400 where none can answer the question, 404 where none knows the record.
    """
    exists = any(outcome.finding.exists for outcome in outcomes if outcome.kind.answered)
    if not exists and (problem := _problem(outcomes, anonymous=anonymous)):
        raise problem
    answers = [outcome for outcome in outcomes if outcome.kind.answered]
    shown = answers if page is None else [outcome for outcome in page.outcomes if outcome.kind.answered]
    return Joined(
        exists=exists,
        bounds=_total(query, outcomes, exists=exists),
        granularity=max((one.finding.granularity for one in answers), default=query.granularity) or query.granularity,
        sets=tuple(row for one in shown for row in _rows(query, one)),
        collections=tuple({**row, "beaconId": one.peer} for one in answers for row in one.finding.collections),
        outcomes=tuple(outcomes),
    )


def member_part(query: Query, outcome: Outcome) -> dict[str, Any]:
    """Return what one member's outcome is in a stream: the outcome, and its result sets or collections."""
    part: dict[str, Any] = {"outcome": outcome.describe()}
    if outcome.kind.answered:
        part["resultSets"] = list(_rows(query, outcome))
        if outcome.finding.collections:
            part["collections"] = [{**row, "beaconId": outcome.peer} for row in outcome.finding.collections]
    return part


def _problem(outcomes: Sequence[Outcome], *, anonymous: bool) -> SkerryError | None:
    """The error that is the answer where nobody said yes; None where everybody said no."""
    outcomes = [outcome for outcome in outcomes if not outcome.kind.elsewhere] or outcomes
    kinds = {outcome.kind for outcome in outcomes}
    if kinds and all(kind.certain for kind in kinds):
        unknown = all(outcome.verdict.code == NotFound.code for outcome in outcomes)
        return NotFound("No member of the network knows such a record.") if unknown else None
    if failed := {kind for kind in kinds if kind.failed}:
        slow = {kind.status for kind in failed} == {TooSlow.status}
        error = TooSlow if slow else NetworkError
        return error(f"No member said yes, and not all answered: {_told(outcomes)}.")
    if len(kinds) == 1 and (refusal := _refusal(kinds.pop(), outcomes, anonymous=anonymous)):
        return refusal
    return Inconclusive(f"No member said yes, and not all said no: {_told(outcomes)}.")


def _refusal(kind: Kind, outcomes: Sequence[Outcome], *, anonymous: bool) -> SkerryError | None:
    """What all members refuse, the network refuses as they do."""
    if kind.status == CannotAnswer.status:
        same = {outcome.verdict.code for outcome in outcomes} == {UnknownFilter.code}
        reason = outcomes[0].verdict.reason
        return (UnknownFilter if same else CannotAnswer)(f"No member can answer this. {outcomes[0].peer}: {reason}")
    if kind.status == Forbidden.status and anonymous:
        return Unauthenticated("No member answers this without a login; log in and send a bearer token.")
    if kind.status == Forbidden.status:
        return Forbidden("No member of the network answers this to you.")
    return None


def _told(outcomes: Sequence[Outcome]) -> str:
    """``2 no_hit, 1 timeout``, in the order of the outcomes."""
    names = [outcome.kind.name for outcome in outcomes]
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def _rows(query: Query, outcome: Outcome) -> Iterator[dict[str, Any]]:
    finding = outcome.finding
    sets = finding.sets
    if not sets and not finding.collections and finding.exists is not None:
        # A beacon that only sums up still gets its place among the result sets.
        whole = ResultSet(
            outcome.peer, "dataset", finding.exists, finding.bounds, finding.count, info={"wholeBeacon": True}
        )
        sets = (whole,)
    for one in sets:
        if _included(one, query.include):
            yield _row(outcome.peer, one)


def _included(one: ResultSet, include: Include) -> bool:
    match include:
        case Include.ALL:
            return True
        case Include.HIT:
            return one.exists
        case Include.MISS:
            return not one.exists
        case _:
            return False


def _row(peer: str, one: ResultSet) -> dict[str, Any]:
    row: dict[str, Any] = {"id": one.id, "beaconId": peer, "setType": one.set_type, "exists": one.exists}
    if one.count is not None:
        row["resultsCount"] = one.count
        row["countPrecision"] = one.precision or "exact"
    if one.adjusted_to is not None:
        row["countAdjustedTo"] = list(one.adjusted_to)
    if one.results is not None:
        row["results"] = list(one.results)
    row["info"] = dict(one.info or {})
    return row


def _total(query: Query, outcomes: Iterable[Outcome], *, exists: bool) -> Bounds:
    total = Total(query)
    for outcome in outcomes:
        if not outcome.kind.elsewhere:
            total.add(outcome.finding)
    return total.bounds(exists=exists)


def join_terms(
    outcomes: Sequence[Outcome], *, anonymous: bool = True
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Join members' filtering terms: (terms, resources), sorted by id, each with the members that have it.

    ``beaconIds`` names them. Scopes and values are united; of differing labels the first member's stays.
    Raises as ``join`` does where no member answered.
    """
    if not any(outcome.kind.answered for outcome in outcomes):
        problem = _problem(outcomes, anonymous=anonymous)
        raise problem or NetworkError("No member answered.")
    terms: dict[tuple[str, ...], _United] = {}
    resources: dict[tuple[str, ...], _United] = {}
    for outcome in outcomes:
        if outcome.finding.content is None:
            continue
        theirs, sources = outcome.finding.content
        for term in theirs:
            key: tuple[str, ...] = (term["id"], term["type"])
            mine = terms.get(key) or terms.setdefault(key, _united(term, ("id", "type", "label")))
            mine.add("scopes", term.get("scopes") or ())
            mine.add("values", term.get("values") or ())
            mine.add("beaconIds", (outcome.peer,))
        for source in sources:
            key = (source["id"], str(source.get("version", "")))
            known = resources.get(key) or resources.setdefault(key, _united(source, RESOURCE_KEYS))
            known.add("beaconIds", (outcome.peer,))
    return [terms[key].whole() for key in sorted(terms)], [resources[key].whole() for key in sorted(resources)]


@dataclass(frozen=True, slots=True)
class _United:
    """What several members say of the same thing; each text of its lists once, in the order in which it was told."""

    row: Mapping[str, Any]
    lists: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, key: str, texts: Iterable[str]) -> None:
        if new := dict.fromkeys(texts):
            self.lists.setdefault(key, {}).update(new)

    def whole(self) -> dict[str, Any]:
        return {**self.row, **{key: list(texts) for key, texts in self.lists.items()}}


def _united(row: Mapping[str, Any], keys: Iterable[str]) -> _United:
    return _United({key: row[key] for key in keys if row.get(key) is not None})
