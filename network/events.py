"""A question answered as the members answer: the same outcomes as in the one-shot answer, each when it comes.

    begin    who is asked, and how long it may take
    member   one for each of them: its outcome, its result sets or collections, and the sum of all so far
    end      what the one-shot answer would say, without the result sets that were sent already

Every event is a JSON object whose member ``event`` is its name. After ``end`` nothing comes; a stream without it
was cut off.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from beacon.errors import SkerryError
from beacon.http import envelope
from beacon.model.access import Granularity
from beacon.model.query import Query
from network import pages
from network.answers import answer
from network.fanout import Ask
from network.merge import join, member_part, tally
from network.outcomes import Outcome
from network.pages import Places
from network.totals import Total


@dataclass(slots=True)
class _SoFar:
    """The sum of the outcomes so far, each added once; ``total`` is of the members that have answered.

    ``exists`` is true once somebody says yes, and never false: that is known at the end alone.
    """

    total: Total
    asked: int
    ended: int = 0
    answered: int = 0
    exists: bool = False
    counted: bool = False

    def add(self, outcome: Outcome) -> None:
        self.ended += 1
        if outcome.kind.answered:
            self.answered += 1
            self.total.add(outcome.finding)
            self.exists = self.exists or bool(outcome.finding.exists)
            self.counted = self.counted or outcome.finding.granularity >= Granularity.COUNT

    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = {"asked": self.asked, "ended": self.ended, "answered": self.answered}
        if self.exists:
            said["exists"] = True
        if self.counted:
            bounds = self.total.bounds(exists=self.exists)
            said["interval"] = [bounds.low, bounds.high]
        return said


async def events(
    beacon_id: str,
    query: Query,
    asks: Sequence[Ask],
    coming: AsyncGenerator[Outcome],
    *,
    seconds: float,
    anonymous: bool,
) -> AsyncGenerator[Mapping[str, Any]]:
    """Yield the events of one question; ``coming`` are the outcomes of ``asks``, as they come."""
    peers = [{"peer": ask.member.id, "name": ask.member.name} for ask in asks]
    yield {"event": "begin", "beaconId": beacon_id, "asked": peers, "deadlineSeconds": round(seconds, 3)}
    found: dict[str, Outcome] = {}
    queries = {ask.member.id: ask.queries() for ask in asks}
    places, more, came = dict(pages.read_places(query) or {}), False, False
    so_far = _SoFar(Total(query), len(asks))
    async with aclosing(coming) as each:
        async for outcome in each:
            found[outcome.peer] = outcome
            so_far.add(outcome)
            shown = outcome
            if pages.placed(query) and outcome.kind.answered:
                held = places.get(outcome.peer, {})
                shown, places[outcome.peer], further = pages.sent(query, queries[outcome.peer], outcome, held)
                more = more or further
                came = came or any(one.results for one in shown.finding.sets)
            yield {"event": "member", **member_part(query, shown), "soFar": so_far.told()}
    outcomes = tuple(found[ask.member.id] for ask in asks)
    following = pages.onward(places, outcomes, came=came, more=more) if pages.placed(query) else None
    yield _end(beacon_id, query, outcomes, following, anonymous=anonymous)


def _end(
    beacon_id: str, query: Query, outcomes: Sequence[Outcome], following: Places | None, *, anonymous: bool
) -> dict[str, Any]:
    try:
        body = answer(beacon_id, query, join(query, outcomes, anonymous=anonymous), following)
        body.pop("response", None)
        return {"event": "end", "status": 200, **body}
    except SkerryError as problem:
        problem.info = tally(outcomes)
        return {"event": "end", "status": problem.status, **orjson.loads(envelope.error(beacon_id, problem, query))}
