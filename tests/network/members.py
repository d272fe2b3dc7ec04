"""Members of a test network that are started one by one; what they do comes from the zoo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from beacon.http.middleware import HEADERS, MAKE
from network.zoo.running import Handler, Running, serving


def of_our_make(handler: Handler) -> Handler:
    """Say of every answer that a Skerry site gives it, which is taken at its word."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = await handler(request)
        response.headers[MAKE] = HEADERS[MAKE]
        return response

    return handle


@dataclass(slots=True)
class Group:
    """Members by the name that the registry gives them."""

    stack: AsyncExitStack
    members: dict[str, Running] = field(default_factory=dict)

    async def add(self, name: str, handler: Handler) -> Running:
        """Start one."""
        self.members[name] = await self.stack.enter_async_context(serving(handler))
        return self.members[name]


@asynccontextmanager
async def group() -> AsyncIterator[Group]:
    """Start members by and by; all stop at the end of the block."""
    async with AsyncExitStack() as stack:
        yield Group(stack)
