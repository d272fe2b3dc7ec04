"""The table of animals: each way to misbehave, and the outcome that a careful network gives it.

The outcomes are those of docs/federating.md. A new way is a new row.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from beacon.settings import Peer
from network.zoo import behaviour
from network.zoo.answers import MALE, answer, people
from network.zoo.behaviour import documented, error, healthy, replying
from network.zoo.running import Handler, Running, raw, serving, stopped
from network.zoo.tls import Certificates, certificates

HEALTHY: Mapping[str, Mapping[str, list[dict[str, Any]]]] = {
    "healthy-a": {"ds1": people("P1", "P2"), "ds2": people("P3")},
    "healthy-b": {"ds1": people("P1", "P4")},
}
"""The two beacons in good order beside them: their individuals by dataset."""
SLOW_SECONDS = 0.3


def beacon_id(name: str) -> str:
    """Return the id that a member of the zoo has."""
    return f"org.example.zoo.{name}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an animal is put: its beacon id, its port (0: any free one), and what it needs of the zoo."""

    beacon_id: str
    port: int
    stranger: str
    certificates: Certificates


Serve = Callable[[Place], AbstractAsyncContextManager[Running]]


@dataclass(frozen=True, slots=True)
class Animal:
    """One row: its name, what it does in one sentence, and the outcome it must end in.

    ``at`` has the outcomes that are other ones where that granularity is asked, ``filtered`` is the one that is another
    where a question has filters, of those that it lists.
    """

    name: str
    does: str
    outcome: str
    serve: Serve
    at: Mapping[str, str] = field(default_factory=dict)
    filtered: str | None = None

    def expected(self, granularity: str, *, filtered: bool = False) -> str:
        """Give the outcome of a question at this granularity (boolean, count or record), with a filter or without."""
        return (self.filtered if filtered else None) or self.at.get(granularity, self.outcome)


@dataclass(frozen=True, slots=True)
class Zoo:
    """What runs: healthy and misbehaving servers by name, and the stranger, whom no request may ever reach."""

    members: Mapping[str, Running]
    stranger: Running
    authority: Path

    @property
    def peers(self) -> tuple[Peer, ...]:
        """All members as peers of a network's settings."""
        return tuple(
            Peer(name, one.url, audience=beacon_id(name), beacon_id=beacon_id(name))
            for name, one in self.members.items()
        )

    def written(self) -> str:
        """Write all members as ``[[peers]]`` of a network's settings (TOML)."""
        return "\n".join(
            f'[[peers]]\nid = "{one.id}"\nurl = "{one.url}"\n'
            f'audience = "{one.audience}"\nbeacon_id = "{one.beacon_id}"\n'
            for one in self.peers
        )


@asynccontextmanager
async def open_zoo(names: Iterable[str] | None = None, *, first_port: int = 0) -> AsyncIterator[Zoo]:
    """Run all animals, or those named, beside the two healthy ones, while the context lasts.

    With ``first_port`` every name keeps its port: the stranger has that one, the others follow in the order of
    the table. Raises ``KeyError`` for a name that is not in the table, ``OSError`` for a port that is taken.
    """
    chosen = [ANIMALS[name] for name in (ANIMALS if names is None else names)]
    ports = {name: number for number, name in enumerate(["stranger", *HEALTHY, *ANIMALS], first_port)}

    def port(name: str) -> int:
        return ports[name] if first_port else 0

    await asyncio.to_thread(bomb)  # takes a second, once; not while somebody waits for an answer
    async with AsyncExitStack() as stack:
        signed = stack.enter_context(certificates())
        stranger = await stack.enter_async_context(serving(healthy({"ds": people("P9")}), port=port("stranger")))
        members = {}
        for name, sets in HEALTHY.items():
            handler = healthy(sets, beacon_id=beacon_id(name))
            members[name] = await stack.enter_async_context(serving(handler, port=port(name)))
        for animal in chosen:
            place = Place(beacon_id(animal.name), port(animal.name), stranger.url, signed)
            members[animal.name] = await stack.enter_async_context(animal.serve(place))
        yield Zoo(members, stranger, signed.authority)


def _asked(handler: Handler) -> Serve:
    """Misbehave where data are asked for; the documents about the beacon are in good order."""
    return lambda place: serving(documented(handler, place.beacon_id), port=place.port)


def _always(handler: Handler) -> Serve:
    """Misbehave on every path."""
    return lambda place: serving(handler, port=place.port)


def _people(**more: Any) -> Serve:
    """A beacon with one person that is healthy but for ``more``."""
    return lambda place: serving(
        healthy(**({"sets": {"ds": people("P1")}, "beacon_id": place.beacon_id} | more)), port=place.port
    )


def _tls(which: str) -> Serve:
    return lambda place: serving(
        healthy(HEALTHY["healthy-b"], beacon_id=place.beacon_id),
        port=place.port,
        tls=getattr(place.certificates, which),
    )


def _to_stranger(place: Place) -> AbstractAsyncContextManager[Running]:
    return serving(behaviour.redirecting(place.stranger), port=place.port)


@cache
def bomb() -> bytes:
    """Return an answer of 100 MB that is 100 KB long as it is sent."""
    return gzip.compress(b'{"a": "' + b"0" * 100_000_000 + b'"}', 1)


async def _exploding(request: Any) -> Any:
    return await replying(bomb(), encoding="gzip")(request)


def _changed(summary: Mapping[str, Any] | None = None) -> dict[str, Any]:
    good = answer({"ds": people("someone")}, granularity="boolean")
    return {**good, "responseSummary": {**good["responseSummary"], **(summary or {})}}


def _twice() -> dict[str, Any]:
    good = answer({"ds": people("someone")}, granularity="boolean")
    return {**good, "response": {"resultSets": good["response"]["resultSets"] * 2}}


_HTML = b"<html><body>It works!</body></html>"

_TABLE = (
    Animal("slow", "answers rightly, after 0.3 s", "hit", _people(seconds=SLOW_SECONDS)),
    Animal("boolean-only", "never says more than yes or no", "hit", _people(most="boolean")),
    Animal("hanging", "takes the question and says nothing", "timeout", _always(behaviour.hanging)),
    Animal("one-byte-a-second", "sends a right answer one byte a second", "timeout",
           _asked(behaviour.one_byte_a_second)),
    Animal("own-timeout", "says itself that it was too slow (504)", "timeout", _asked(error(504, "query_timeout"))),
    Animal("spoofed-name", "calls itself by another member's name", "impostor",
           _people(beacon_id=beacon_id("healthy-a"))),
    Animal("server-error", "answers 500 with a text", "invalid",
           _always(replying(b"Internal Server Error", 500, "text/plain"))),
    Animal("html", "answers every question with a web page", "invalid", _always(replying(_HTML, 200, "text/html"))),
    Animal("html-as-json", "sends a web page and calls it JSON", "invalid", _asked(replying(_HTML))),
    Animal("cut-json", "sends JSON that ends in the middle", "invalid",
           _asked(replying(orjson.dumps(_changed())[:-20]))),
    Animal("empty", "sends an empty body", "invalid", _asked(replying(b""))),
    Animal("a-list", "sends a list where an object is due", "invalid", _asked(replying([]))),
    Animal("wrong-schema", "sends good JSON that is no Beacon answer", "invalid",
           _asked(replying({"result": "yes", "count": 3}))),
    Animal("exists-as-text", 'says "true" as a text', "invalid", _asked(replying(_changed({"exists": "true"})))),
    Animal("exists-false-as-text", 'says "false" as a text', "invalid",
           _asked(replying(_changed({"exists": "false"})))),
    Animal("count-as-text", "counts in a text", "invalid", _asked(replying(_changed({"numTotalResults": "3"})))),
    Animal("count-as-bool", "counts with true", "invalid", _asked(replying(_changed({"numTotalResults": True})))),
    Animal("count-below-zero", "counts -3", "invalid", _asked(replying(_changed({"numTotalResults": -3})))),
    Animal("count-beyond-reason", "counts a trillion millions", "invalid",
           _asked(replying(_changed({"numTotalResults": 10**18})))),
    Animal("set-twice", "lists one result set twice", "invalid", _asked(replying(_twice()))),
    Animal("records-unasked", "answers every question with records", "invalid", _people(least="record"),
           at={"record": "hit"}, filtered="invalid"),
    Animal("too-many-records", "sends more records than a page holds", "invalid",
           _asked(replying(answer({"ds": people(*map(str, range(50)))}, limit=0)))),
    Animal("deep", "nests objects 100,000 deep", "invalid", _asked(replying(b'{"meta":' * 100_000))),
    Animal("many-values", "sends few bytes that become very many values", "invalid",
           _asked(replying(b'{"meta": [' + b"0," * 400_000 + b"0]}"))),
    Animal("strange-encoding", "compresses in a way that was not asked for", "invalid",
           _asked(replying(b"xxxx", encoding="br"))),
    Animal("bare-400", "refuses without a reason that a program can read", "invalid", _asked(error(400, None))),
    Animal("unknown-filter", "does not know the filter", "cannot_answer", _asked(error(400, "unknown_filter"))),
    Animal("cannot-answer", "cannot answer such a question", "cannot_answer", _asked(error(400, "cannot_answer"))),
    Animal("closed", "asks for a login (401)", "denied", _asked(error(401, "unauthenticated"))),
    Animal("forbidding", "does not answer this asker (403)", "denied", _asked(error(403, "forbidden"))),
    Animal("huge", "sends 300 MB, and says so", "oversized", _asked(behaviour.huge)),
    Animal("without-end", "sends on and on", "oversized", _asked(behaviour.without_end)),
    Animal("bomb", "sends 100 KB that unpack to 100 MB", "oversized", _asked(_exploding)),
    Animal("breaking-off", "closes the connection in mid-body", "unreachable", _asked(behaviour.breaking_off)),
    Animal("reset", "resets the connection in mid-body", "unreachable", _asked(behaviour.resetting)),
    Animal("endless-redirects", "redirects to itself for ever", "invalid", _always(behaviour.redirecting_without_end)),
    Animal("redirect-to-a-stranger", "redirects to a server that nobody listed", "invalid", _to_stranger),
    Animal("wrong-name", "has a TLS certificate for another name", "unreachable", _tls("wrong_name")),
    Animal("expired", "has a TLS certificate of the day before yesterday", "unreachable", _tls("expired")),
    Animal("not-http", "speaks another protocol", "invalid", lambda place: raw(b"SSH-2.0-zoo\r\n", port=place.port)),
    Animal("closing", "closes every connection at once", "unreachable", lambda place: raw(b"", port=place.port)),
    Animal("stopped", "does not run", "unreachable", lambda place: nullcontext(stopped(place.port))),
    Animal("backslashes", "sends a text of a million backslashes", "invalid",
           _asked(replying(b'{"meta": "' + b"\\" * 1_000_000 + b'x"}'))),
    Animal("ignores-filters", "gives everybody, whatever is filtered for, though it lists filters", "hit",
           _people(sets={"ds": people("P1", sex=MALE)}, heeds_filters=False), filtered="cannot_answer"),
)  # fmt: skip

ANIMALS: Mapping[str, Animal] = {animal.name: animal for animal in _TABLE}
