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
from typing import Any

import orjson

from beacon.errors import SkerryError
from beacon.http import envelope
from beacon.model.query import Query
from network import pages
from network.answers import answer
from network.fanout import Ask
from network.merge import join, member_part, partial, tally
from network.outcomes import Outcome
from network.pages import Places


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
    places, more = dict(pages.read_places(query) or {}), False
    async with aclosing(coming) as each:
        async for outcome in each:
            found[outcome.peer] = outcome
            so_far = partial(query, tuple(found.values()), asked=len(asks))
            shown = outcome
            if pages.placed(query) and outcome.kind.answered:
                shown, places[outcome.peer], further = pages.sent(query, queries[outcome.peer], outcome)
                more = more or further
            yield {"event": "member", **member_part(query, shown), "soFar": so_far}
    outcomes = tuple(found[ask.member.id] for ask in asks)
    yield _end(beacon_id, query, outcomes, places if more else None, anonymous=anonymous)


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
