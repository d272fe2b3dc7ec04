"""Answers that are sent piece by piece: server-sent events or NDJSON, whichever the client accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from enum import StrEnum
from typing import Any

import orjson
from aiohttp import web


class Stream(StrEnum):
    """The two forms, by media type."""

    EVENTS = "text/event-stream"
    LINES = "application/x-ndjson"

    def written(self, event: Mapping[str, Any]) -> bytes:
        """Return one event in bytes: a line of JSON, or a server-sent event named as its member ``event``."""
        data = orjson.dumps(event)
        if self is Stream.LINES:
            return data + b"\n"
        return b"event: " + str(event["event"]).encode() + b"\ndata: " + data + b"\n\n"


def accepted(request: web.Request) -> Stream | None:
    """Return the form that a client asks for by name in ``Accept``; None where it asks for neither."""
    named = {
        part.partition(";")[0].strip().lower() for part in ",".join(request.headers.getall("Accept", [])).split(",")
    }
    return next((form for form in Stream if form in named), None)


class StreamedAnswer(web.StreamResponse):
    """An answer whose events are made while it is being sent."""

    def __init__(self, form: Stream, events: AsyncGenerator[Mapping[str, Any]]) -> None:
        super().__init__(headers={"Content-Type": form.value, "X-Accel-Buffering": "no"})
        self._form = form
        self._events = events

    async def send(self, seconds: float) -> None:
        """Send every event as it comes, and tell whoever makes them to stop where the client goes.

        Raises ``TimeoutError`` where the client does not take one within ``seconds``.
        """
        async with aclosing(self._events) as events:
            async for event in events:
                async with asyncio.timeout(seconds):
                    await self.write(self._form.written(event))
