"""What a Beacon v2 server said, read into values: strict where a wrong type could deceive, else tolerant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from beacon.errors import SkerryError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Total:
    """How many there are: at least ``low``, at most ``high`` (None: nobody knows), ``number`` being what was said.

    ``str`` of it is ``36``, ``4 to 7``, ``at least 4`` or, where a beacon only rounds, ``about 40``.
    """

    number: int
    low: int
    high: int | None

    @property
    def exact(self) -> bool:
        """Whether the number is known."""
        return self.low == self.high

    def __str__(self) -> str:
        if self.exact:
            return f"{self.low:,}"
        if self.high is not None:
            return f"{self.low:,} to {self.high:,}"
        return f"at least {self.low:,}" if self.low == self.number else f"about {self.number:,}"


@dataclass(frozen=True, slots=True)
class ResultSet:
    """What one dataset said; ``beacon`` is its member of the network, or the site itself.

    ``count`` is None where no number was given, ``precision`` is ``exact``, ``imprecise`` or ``rounded``.
    """

    beacon: str
    id: str
    exists: bool
    count: int | None = None
    precision: str = "exact"
    withheld: bool = False
    records: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one member of a network (the outcomes of docs/federating.md)."""

    peer: str
    outcome: str
    milliseconds: int | None = None
    reason: str = ""
    granularity: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one member of a network said, as soon as it said it."""

    outcome: Outcome
    sets: tuple[ResultSet, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a network would ask one member: the request, or the outcome and reason of not asking it."""

    peer: str
    asked: bool
    method: str = ""
    path: str = ""
    outcome: str = ""
    reason: str = ""
    body: Mapping[str, Any] | None = None
    habits: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One record, and where it is."""

    beacon: str
    dataset: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Term:
    """One filtering term; ``beacons`` are the members of a network that have it."""

    id: str
    label: str
    type: str
    scopes: tuple[str, ...] = ()
    beacons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``outcomes`` is empty where a single site answered; ``body`` is all of it, as it came.

    ``total`` is None at boolean granularity. ``next_page`` is the token of the page that follows, empty on the last
    one, None where the beacon has no such tokens.
    """

    beacon: str
    granularity: str
    exists: bool
    total: Total | None
    sets: tuple[ResultSet, ...]
    outcomes: tuple[Outcome, ...] = ()
    next_page: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def found(self) -> Iterator[Found]:
        """All records of this answer."""
        return (Found(one.beacon, one.id, record) for one in self.sets for record in one.records)

    @property
    def asked(self) -> int:
        """How many members were asked; 1 for a site."""
        return len(self.outcomes) or 1

    @property
    def answered(self) -> int:
        """How many of them said something about their data."""
        return sum(one.outcome in ANSWERED for one in self.outcomes) if self.outcomes else 1


ANSWERED = ("hit", "no_hit", "withheld")
FAILED = ("timeout", "unreachable", "invalid", "oversized", "impostor", "busy")


class NoAnswer(SkerryError):
    """There is no answer: the message says why in one sentence.

    ``status`` is the HTTP status, 0 where none came; ``code`` is the server's ``skerryCode``, if it has one;
    ``outcomes`` say what became of a network's members.
    """

    def __init__(
        self, message: str, *, status: int = 0, code: str = "no_answer", outcomes: tuple[Outcome, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.outcomes = outcomes


def decoded(content: bytes, place: str) -> Mapping[str, Any]:
    """Decode a JSON object. Raises ``NoAnswer``."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise NoAnswer(f"{place} did not answer with a JSON object; is that the root of a Beacon v2 API?")
    return body


def refusal(body: Mapping[str, Any], status: int, place: str) -> NoAnswer:
    """Make of an error body (Beacon v2 ``beaconErrorResponse``) what is raised."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    message, code = error.get("errorMessage"), error.get("skerryCode")
    said = message if isinstance(message, str) and message else "gave no reason"
    return NoAnswer(
        f"{place} refused (HTTP {status}): {plain(said)}",
        status=status,
        code=code if isinstance(code, str) else "no_answer",
        outcomes=outcomes(body),
    )


def answer(body: Mapping[str, Any]) -> Answer:
    """Read an answer (Beacon v2 boolean, count, resultsets or collections response). Raises ``NoAnswer``."""
    meta = _get(body, "meta", dict, {})
    summary = _get(body, "responseSummary", dict)
    response = _get(body, "response", dict, {})
    beacon = _get(meta, "beaconId", str, "")
    pages = _get(_get(meta, "receivedRequestSummary", dict, {}), "pagination", dict, {})
    return Answer(
        beacon=beacon,
        granularity=_get(meta, "returnedGranularity", str, ""),
        exists=_get(summary, "exists", bool),
        total=_total(summary, _get(body, "info", dict, {})),
        sets=_sets(response, beacon),
        outcomes=outcomes(body),
        next_page=_get(pages, "nextPage", str) if "nextPage" in pages else None,
        body=body,
    )


def outcomes(body: Mapping[str, Any]) -> tuple[Outcome, ...]:
    """Read what became of a network's members; empty for a site."""
    info = body.get("info")
    rows = _rows(info, "outcomes") if isinstance(info, dict) else ()
    return tuple(outcome(row) for row in rows)


def outcome(row: Mapping[str, Any]) -> Outcome:
    """Read what became of one member."""
    return Outcome(
        _get(row, "peer", str),
        _get(row, "outcome", str),
        _get(row, "milliseconds", int, None),
        plain(_get(row, "reason", str, "")),
        _get(row, "granularity", str, ""),
    )


def arrival(event: Mapping[str, Any]) -> Arrival:
    """Read one member's part of a streamed answer. Raises ``NoAnswer``."""
    one = outcome(_get(event, "outcome", dict))
    return Arrival(one, _sets(event, one.peer))


def terms(body: Mapping[str, Any]) -> tuple[Term, ...]:
    """Read an answer of ``/filtering_terms``. Raises ``NoAnswer``."""
    return tuple(
        Term(
            _get(row, "id", str),
            plain(_get(row, "label", str, None) or ""),
            _get(row, "type", str, ""),
            tuple(one for one in row.get("scopes") or () if isinstance(one, str)),
            tuple(one for one in row.get("beaconIds") or () if isinstance(one, str)),
        )
        for row in _rows(_get(body, "response", dict), "filteringTerms")
    )


def plan(body: Mapping[str, Any]) -> tuple[Planned, ...]:
    """Read what a network would ask its members. Raises ``NoAnswer``."""
    return tuple(
        Planned(
            _get(row, "peer", str),
            _get(row, "asked", bool),
            _get(row, "method", str, ""),
            _get(row, "path", str, ""),
            _get(row, "outcome", str, ""),
            plain(_get(row, "reason", str, "")),
            _get(row, "body", dict, None),
            _get(row, "habits", dict, None),
        )
        for row in _rows(_get(body, "response", dict), "plan")
    )


def _sets(where: Mapping[str, Any], beacon: str) -> tuple[ResultSet, ...]:
    """Result sets; collections, which belong to no dataset, are one set for each beacon."""
    sets = [_result_set(row, beacon) for row in _rows(where, "resultSets")]
    collections: dict[str, list[Mapping[str, Any]]] = {}
    for row in _rows(where, "collections"):
        collections.setdefault(_get(row, "beaconId", str, beacon), []).append(row)
    sets += [
        ResultSet(owner, "", exists=True, count=len(rows), records=tuple(rows)) for owner, rows in collections.items()
    ]
    return tuple(sets)


def _result_set(row: Mapping[str, Any], beacon: str) -> ResultSet:
    info = _get(row, "info", dict, None) or {}
    return ResultSet(
        beacon=_get(row, "beaconId", str, beacon),
        id=_get(row, "id", str),
        exists=_get(row, "exists", bool),
        count=_count(row, "resultsCount"),
        precision=_get(row, "countPrecision", str, "exact"),
        withheld=info.get("withheld") is True,
        records=_rows(row, "results"),
    )


def _total(summary: Mapping[str, Any], info: Mapping[str, Any]) -> Total | None:
    number = _count(summary, "numTotalResults")
    if number is None:
        return None
    match info.get("interval"):
        case [int(low), int() | None as high]:
            return Total(number, low, high)
    if _get(summary, "countPrecision", str, "exact") == "exact":
        return Total(number, number, number)
    return Total(number, 1 if summary["exists"] else 0, None)


def _count(where: Mapping[str, Any], key: str) -> int | None:
    number: int | None = _get(where, key, int, None)
    if number is not None and (number < 0 or isinstance(number, bool)):
        raise NoAnswer(f"The beacon's answer is no Beacon v2 answer: {key} is {number}.")
    return number


_REQUIRED: Any = object()


def _get(where: Mapping[str, Any], key: str, kind: type[T], default: Any = _REQUIRED) -> Any:
    """Return a member of this type; null counts as left out, where it may be left out."""
    value = where.get(key)
    if value is None and default is not _REQUIRED:
        return default
    if not isinstance(value, kind):
        said = "missing" if value is None else f"not of type {kind.__name__}"
        raise NoAnswer(f"The beacon's answer is no Beacon v2 answer: {key} is {said}.")
    return value


def _rows(where: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    rows = _get(where, key, list, [])
    if not all(isinstance(row, dict) for row in rows):
        raise NoAnswer(f"The beacon's answer is no Beacon v2 answer: {key} holds something that is not an object.")
    return tuple(rows)


def plain(text: str) -> str:
    """Return a stranger's text as one printable line: no control characters for somebody's terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
