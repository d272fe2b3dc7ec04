"""A server of the zoo while it runs, and the requests that reached it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

HOST = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that reached a server; ``path`` as it came, percent-encoded."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Running:
    """A running server: the root of its API, the requests it got, and whether a client left it waiting."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(
    handler: Handler, *, port: int = 0, tls: ssl.SSLContext | None = None, remember: int = 1000
) -> AsyncIterator[Running]:
    """Serve every path with one handler, on a free port unless told; the first ``remember`` requests are kept."""
    running = Running("")

    async def record(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if len(running.seen) < remember:
            running.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        try:
            return await handler(request)
        except (asyncio.CancelledError, ConnectionError):
            running.gone.set()
            raise

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
        running.url = f"{'https' if tls else 'http'}://{HOST}:{runner.addresses[0][1]}/api"
        yield running
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(reply: bytes, *, port: int = 0) -> AsyncIterator[Running]:
    """Answer every connection with these bytes, whatever they are, and close it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(handle, HOST, port)
    async with server:
        yield Running(f"http://{HOST}:{server.sockets[0].getsockname()[1]}/api")


def stopped(port: int = 0) -> Running:
    """Give an address where nobody listens."""
    with socket.create_server((HOST, port)) as free:
        return Running(f"http://{HOST}:{free.getsockname()[1]}/api")
