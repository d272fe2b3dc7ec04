"""Asks all members at once, under one deadline: the engine of one-shot and of streamed answers alike."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from beacon.auth.hop import Hop, digests
from beacon.errors import CannotAnswer
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Anchor, Query
from network import pages
from network.client import Client
from network.credentials import Behalf
from network.outcomes import HIT, LOOP, NO_HIT, NOTHING, WITHHELD, Outcome, Verdict
from network.reading import entries, filtering_terms, joined_sets
from network.registry import Member, Registry
from network.wording import Question, encode, request_path


@dataclass(frozen=True, slots=True)
class Ask:
    """What one member is asked; where ``known`` is there it is not asked, since that is what becomes of it."""

    member: Member
    question: Question
    known: Verdict | None = None
    more: tuple[Question, ...] = ()
    """What it takes further requests to ask: of variants, one for each result set that is not read to its end."""

    def queries(self) -> list[Query]:
        """Return what it is asked, request by request."""
        return [one.query for one in (self.question, *self.more) if one.query is not None]


def plan(registry: Registry, query: Query) -> tuple[Ask, ...]:
    """Say who is asked what, in the registry's order.

    Everybody is asked the same, except that a dataset or cohort named with its member (``site-a:cases``) is
    asked for there alone; a member of which nothing but other members' datasets are wanted is not asked at all.
    """
    anchor = query.anchor
    if anchor and (owner := _owner(registry, anchor)):
        return (Ask(owner[0], _question(replace(query, anchor=replace(anchor, id=owner[1])))),)
    if not query.datasets and not pages.placed(query):
        question = _question(query)
        return tuple(Ask(member, question) for member in registry.members)
    chosen: dict[str, list[str]] = {member.id: [] for member in registry.members}
    for dataset in query.datasets or ():
        owner = registry.owner(dataset)
        for member in registry.members if owner is None else (owner[0],):
            chosen[member.id].append(dataset if owner is None else owner[1])
    places = pages.read_places(query) if pages.placed(query) else None
    return tuple(
        _ask(member, replace(query, datasets=tuple(chosen[member.id])) if query.datasets else query, places)
        for member in registry.members
        if chosen[member.id] or not query.datasets
    )


def _ask(member: Member, query: Query, places: pages.Places | None) -> Ask:
    if not pages.placed(query):
        return Ask(member, _question(query))
    held = None if places is None else places.get(member.id)
    first, *rest = map(_question, pages.windows(query, held))
    return Ask(member, first, more=tuple(rest))


def _owner(registry: Registry, anchor: Anchor) -> tuple[Member, str] | None:
    """Split the name of one dataset or cohort into its member and what that calls it; None where none is named."""
    return registry.owner(anchor.id) if ENTRY_TYPES[anchor.entry_type].collection else None


def plan_terms(
    registry: Registry, path: str, purpose: Collection[str] = (), *, anchor: Anchor | None = None
) -> tuple[Ask, ...]:
    """Ask for all filtering terms at ``path`` (percent-encoded, ``/filtering_terms``), for this purpose.

    ``anchor`` is the record in the path, where there is one: as in ``plan``, a member named with it is asked alone.
    """
    members = registry.members
    if anchor and (owner := _owner(registry, anchor)):
        members = (owner[0],)
        path = f"/{ENTRY_TYPES[anchor.entry_type].path}/{quote(owner[1], safe='')}/filtering_terms"
    declared = f"&purpose={quote(','.join(sorted(purpose)), safe=':,')}" if purpose else ""
    question = Question(f"{path}?limit=0{declared}", filtering_terms, single=anchor is not None)
    return tuple(Ask(member, question) for member in members)


async def outcomes(client: Client, asks: Sequence[Ask], behalf: Behalf, deadline: float) -> AsyncGenerator[Outcome]:
    """Yield every member's outcome as it comes; ``deadline`` is a time of the event loop's clock.

    Use it within ``contextlib.aclosing``: whoever stops listening, or is cancelled, stops all members' requests.
    """
    known = [Outcome(ask.member.id, ask.known) for ask in asks if ask.known]
    asked = _in_turn(client, [ask for ask in asks if not ask.known])
    tasks: list[asyncio.Task[Outcome]] = []
    done: asyncio.Queue[asyncio.Task[Outcome]] = asyncio.Queue()

    async def send() -> None:
        for ask in asked:
            tasks.append(asyncio.create_task(_whole(client, ask, behalf, deadline)))
            tasks[-1].add_done_callback(done.put_nowait)
            await asyncio.sleep(0)  # it goes out before the next is begun

    sending = asyncio.create_task(send())
    try:
        for outcome in known:
            yield outcome
        for _ in asked:
            yield (await done.get()).result()
    finally:
        for task in (sending, *tasks):
            task.cancel()
        await asyncio.gather(sending, *tasks, return_exceptions=True)


def _in_turn(client: Client, asks: Sequence[Ask]) -> list[Ask]:
    """Say who is asked first, since to send takes time too.

    First goes whoever answered soonest last time, so that there is soon something to show, then whoever took longest,
    so that the whole does not wait for the slowest any longer than it must; last whoever did not answer.
    """
    slowest_first = sorted(asks, key=lambda ask: client.usual(ask.member), reverse=True)
    answered = sum(client.usual(ask.member) > 0 for ask in asks)
    quickest = max(answered - 1, 0)
    return [*slowest_first[quickest:answered], *slowest_first[:quickest], *slowest_first[answered:]]


async def _whole(client: Client, ask: Ask, behalf: Behalf, deadline: float) -> Outcome:
    if not ask.more:
        return await client.ask(ask.member, ask.question, behalf, deadline)
    questions = (ask.question, *ask.more)
    found = await asyncio.gather(*(client.ask(ask.member, one, behalf, deadline) for one in questions))
    return _combined(ask, found)


def _combined(ask: Ask, found: Sequence[Outcome]) -> Outcome:
    """Join what one member said of its result sets in several answers; it failed where one of them did."""
    failed = next((outcome for outcome in found if not outcome.kind.answered), None)
    longest = max(outcome.milliseconds for outcome in found)
    if failed is not None:
        return replace(failed, milliseconds=longest)
    sets = tuple(
        one
        for outcome, query in zip(found, ask.queries(), strict=True)
        for one in outcome.finding.sets
        if one.id in (query.datasets or ())
    )
    finding = joined_sets(sets, [outcome.finding for outcome in found], ask.queries()[0])
    kind = HIT if finding.exists else NO_HIT if finding.bounds == NOTHING else WITHHELD
    return replace(found[0], verdict=Verdict(kind, finding=finding), milliseconds=longest)


async def collect(client: Client, asks: Sequence[Ask], behalf: Behalf, deadline: float) -> tuple[Outcome, ...]:
    """Return every member's outcome, in the order of ``asks``."""
    found: dict[str, Outcome] = {}
    async with aclosing(outcomes(client, asks, behalf, deadline)) as coming:
        async for outcome in coming:
            found[outcome.peer] = outcome
    return tuple(found[ask.member.id] for ask in asks)


def without_visited(asks: Sequence[Ask], came: Hop | None) -> tuple[Ask, ...]:
    """Ask nobody whom the question reaches by another way."""
    if came is None:
        return tuple(asks)
    return tuple(replace(ask, known=_VISITED) if came.has_visited(ask.member.audience) else ask for ask in asks)


_VISITED: Final = Verdict(LOOP, "The question came through it, or another node asks it the same.")


def onward(came: Hop | None, node: str, asks: Sequence[Ask], *, max_hops: int, request: str) -> Hop:
    """Say where the question has been, for those who are asked next.

    Raises ``CannotAnswer`` where it has come through as many networks as it may.
    """
    if came is not None and came.hops < 1:
        raise CannotAnswer("The question came through as many networks as it may, so nobody else is asked.")
    seen = digests([node, *(ask.member.audience for ask in asks if not ask.known)])
    if came is None:
        return Hop(secrets.token_urlsafe(16), node, max_hops, seen, request)
    return Hop(came.question, node, min(came.hops - 1, max_hops), came.visited | seen, request)


async def explain(client: Client, asks: Sequence[Ask], behalf: Behalf, deadline: float) -> list[dict[str, Any]]:
    """Say of every member what it would be asked, or why not."""

    async def one(ask: Ask) -> dict[str, Any]:
        if ask.known is not None:
            told = {"asked": False, "outcome": ask.known.kind.name, "reason": ask.known.reason}
            return {"peer": ask.member.id, **told}
        return await client.explain(ask.member, ask.question, behalf, deadline)

    return list(await asyncio.gather(*map(one, asks)))


def _question(query: Query) -> Question:
    return Question(request_path(query), entries(query), encode(query), single=query.anchor is not None, query=query)
