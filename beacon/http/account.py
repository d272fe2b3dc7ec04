"""One line of the audit for each answer, before it leaves; without the line there is no answer.

Refusals for asking too often have one line until their asker is answered again: they are all alike, and anybody could
fill the disk with them.

``guard`` calls ``account`` for every answer, whatever it is; who sends one piece by piece calls ``account_part`` too.
Handlers say with ``request[TOLD] = ...`` what each dataset told; the rest is known of every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from beacon.audit.journal import Journal, kept
from beacon.audit.lines import Told, canonical
from beacon.audit.place import Place
from beacon.errors import SkerryError
from beacon.http.site import HOP, PRINCIPAL, QUERY
from beacon.model.access import Decision, Granularity, Principal
from beacon.privacy.rules import Protected
from beacon.settings import NetworkSettings, SiteSettings

JOURNAL: web.AppKey[Journal] = web.AppKey("journal", Journal)
SEARCH = web.AppKey("search", asyncio.Semaphore)
"""Held while somebody's lines are looked for: one search at a time, since each reads many files."""
REQUEST_ID = web.RequestKey("request_id", str)
TOLD: web.RequestKey[tuple[Told, ...]] = web.RequestKey("told", tuple)
"""What each dataset told, once that is known."""
PROBLEM = web.RequestKey("problem", str)
"""The code of the refusal that the answer is."""
REPEATED = web.RequestKey("repeated", bool)
"""Whether that refusal has its line already."""

_MOST_IGNORED: Final = 50

Keeping = Callable[[], AbstractAsyncContextManager[Journal]]


def keep(app: web.Application, settings: SiteSettings | NetworkSettings, keeping: Keeping | None = None) -> None:
    """Give an application its journal for as long as it runs: that of its settings, unless told otherwise in code."""
    place = Place.of(settings)

    async def journal(app: web.Application) -> AsyncIterator[None]:
        async with keeping() if keeping else kept(place) as opened:
            app[JOURNAL] = opened
            app[SEARCH] = asyncio.Semaphore(1)
            yield

    app.cleanup_ctx.append(journal)


def template(request: web.Request) -> str:
    """Return the route's template, which nothing that was sent is part of; "" where there is no route."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""


async def account(request: web.Request, status: int) -> None:
    """Write down the answer that is about to leave with this status. Raises ``AuditUnavailable``."""
    if request.get(REPEATED):
        return
    journal = request.app[JOURNAL]
    journal.write(line(request, status))
    await journal.settle()


async def account_part(request: web.Request, told: tuple[Told, ...]) -> None:
    """Write down what a part of an answer tells that is sent piece by piece, before it. Raises ``AuditUnavailable``."""
    request[TOLD] = told
    journal = request.app[JOURNAL]
    journal.write(line(request, 200) | {"part": True})
    await journal.settle()


def account_unread(journal: Journal, problem: SkerryError) -> None:
    """Write down the refusal of something that never became a request. Raises ``AuditUnavailable``."""
    journal.write({"request": str(uuid4()), "status": problem.status, "error": problem.code})


def line(request: web.Request, status: int) -> dict[str, Any]:
    """Return what the audit says of an answer. Nothing of it comes from a header, but for who asks and which way."""
    query = request.get(QUERY)
    told = request.get(TOLD, ())
    said: dict[str, Any] = {
        "request": request[REQUEST_ID],
        **asker(request.get(PRINCIPAL)),
        "method": request.method,
        "path": template(request),
        "status": status,
    }
    if (hop := request.get(HOP)) is not None:
        said["hop"] = {"question": hop.question, "node": hop.sender, "request": hop.request, "verified": hop.known}
    if (problem := request.get(PROBLEM)) is not None:
        said["error"] = problem
    if query is not None:
        said |= {"query": canonical(query), "asked": query.granularity.label, "given": _deepest(told)}
    elif (id := request.match_info.get("id")) is not None:
        said["id"] = id
    if told:
        said["datasets"] = [one.facts() for one in told]
    return said


def asker(principal: Principal | None) -> dict[str, Any]:
    """Return who asks; ``who`` is None for a stranger, and absent where the token could not be believed."""
    if principal is None:
        return {}
    person = principal.person
    said: dict[str, Any] = {"who": person and {"issuer": person.issuer, "subject": person.subject}}
    if principal.node is not None:
        said["node"] = principal.node
    if principal.ignored:
        said["ignored_visas"] = [
            {"reason": one.reason, "issuer": one.issuer, "type": one.type} for one in principal.ignored[:_MOST_IGNORED]
        ]
    return said


def _deepest(told: Sequence[Told]) -> str:
    return max((Granularity.parse(one.given) for one in told), default=Granularity.NONE).label


def decided(decisions: Sequence[Decision]) -> tuple[Told, ...]:
    """Return what is known once it is decided, and before anything is told."""
    return tuple(_told(decision) for decision in decisions)


def answered(decisions: Sequence[Decision], protected: Sequence[Protected]) -> tuple[Told, ...]:
    """Return what datasets told."""
    by_id: Mapping[str, Protected] = {one.dataset: one for one in protected}
    return tuple(_told(decision, by_id.get(decision.dataset)) for decision in decisions)


def _told(decision: Decision, protected: Protected | None = None) -> Told:
    rule = f"{decision.level.value}:{decision.asker.value}={decision.granularity.label} by {decision.rule}"
    outcome = decision.consent
    consent = None if outcome is None else f"{outcome.agreement.value}={','.join(outcome.because)}"
    if protected is None:
        return Told(decision.dataset, rule, reasons=decision.reasons, consent=consent)
    return Told(
        decision.dataset,
        rule,
        protected.granularity.label,
        decision.reasons,
        exists=protected.exists,
        count=protected.count,
        records=None if protected.records is None else len(protected.records),
        withheld=protected.withheld,
        consent=consent,
    )
