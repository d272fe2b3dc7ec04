"""What every handler needs, and what the middleware has found out about a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from beacon.auth.hop import Hop
from beacon.auth.oidc import Verifier
from beacon.http.meter import Meter
from beacon.http.once import Once
from beacon.http.rate import Buckets
from beacon.model.access import Principal
from beacon.model.query import Query
from beacon.settings import SiteSettings
from beacon.store.base import Store

QUESTIONS = 32_768
"""How many questions are remembered, so that each is answered once, however many ways it comes by."""


class Traffic:
    """The requests under way in this process, so that it can end after them."""

    def __init__(self) -> None:
        self.ending = False
        self._under_way = 0
        self._none = asyncio.Event()
        self._none.set()

    def begin(self) -> None:
        """A request begins."""
        self._under_way += 1
        self._none.clear()

    def end(self) -> None:
        """A request has its answer, or nobody waits for it any more."""
        self._under_way -= 1
        if not self._under_way:
            self._none.set()

    async def ended(self, seconds: float) -> bool:
        """Wait until nothing is under way, ``seconds`` at most; say whether that came."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True


def no_database() -> tuple[int, int]:
    """The load of a server that has no database."""
    return 0, 0


async def nothing_to_reach() -> bool:
    """A server that has no database never waits for one."""
    return True


@dataclass(frozen=True, slots=True)
class Door:
    """What stands before every handler, of a site or of a network: who we are, who asks, how much and how often.

    ``load`` gives the operations that the database has, and those that wait for it; ``reachable`` whether it gives
    a sign of life. ``prefix`` is the path below which its Beacon stands, where that is not the server's root. ``once``
    remembers assertions, ``questions`` those that other nodes have asked.
    """

    settings: SiteSettings
    verifier: Verifier
    load: Callable[[], tuple[int, int]] = no_database
    reachable: Callable[[], Awaitable[bool]] = nothing_to_reach
    meter: Meter = field(default_factory=Meter)
    buckets: Buckets = field(default_factory=Buckets)
    once: Once = field(default_factory=Once)
    questions: Once = field(default_factory=lambda: Once(QUESTIONS))
    prefix: str = ""
    traffic: Traffic = field(default_factory=Traffic)


@dataclass(frozen=True, slots=True)
class Site:
    """One site: its settings and its data."""

    settings: SiteSettings
    store: Store


DOOR = web.AppKey("door", Door)
SITE = web.AppKey("site", Site)

PRINCIPAL = web.RequestKey("principal", Principal)
"""Who asks; set before any handler runs."""
BODY = web.RequestKey("body", bytes)
"""The body, read and unpacked, before any handler runs; empty where there is none."""
HOP = web.RequestKey("hop", Hop)
"""Where the question has been, where it comes from a node."""
VISAS: web.RequestKey[tuple[str, ...]] = web.RequestKey("visas", tuple)
"""Visas that a node sends along for the person, unchecked."""
DEADLINE = web.RequestKey("deadline", float)
"""When whoever asks stops waiting (time of the event loop's clock), where they say so (``Skerry-Deadline``)."""
QUERY = web.RequestKey("query", Query)
"""The question, once it is read, so that a refusal can repeat it."""
ENTRY_TYPE = web.RequestKey("entry_type", str)
"""The entry type of the path, known before the question is."""
