"""From sockets to an application: connections, what is no HTTP request at all, and ending without losing an answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong as TooLongALine

from beacon.audit.journal import Journal
from beacon.errors import AuditUnavailable, BadRequest, ConfigurationError, LineTooLong, SkerryError, TooOften
from beacon.http.account import JOURNAL, account_unread
from beacon.http.meter import Meter
from beacon.http.middleware import HEADERS, refusal
from beacon.http.proxies import client_address, trusted
from beacon.http.rate import charge_network
from beacon.http.site import DOOR, Door
from beacon.settings import Listen, SiteSettings

_log = logging.getLogger("skerry.error")

BACKLOG: Final = 1024
_LINGER_SECONDS: Final = 2.0
"""How long what a client still sends after its answer is read and thrown away, so that it sees the answer."""
_CLEAN_UP_SECONDS: Final = 1.0
_YIELD_SECONDS: Final = 0.001
_FULL_SECONDS: Final = 0.5
_SENDING_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 0.05
"""In which requests that had been sent before the end can still be seen to arrive."""


class Connection(web.RequestHandler):
    """One client's connection. What never becomes a request is refused like any other, as a Beacon error."""

    __slots__ = ("_beacon_id", "_door", "_journal", "_meter")

    def __init__(
        self, *args: Any, beacon_id: str, meter: Meter, door: Door | None, journal: Journal | None, **options: Any
    ) -> None:
        super().__init__(*args, auto_decompress=False, **options)  # the framework does not see a gzip that is cut
        self._beacon_id = beacon_id
        self._door = door
        self._journal = journal
        self._meter = meter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and be counted."""
        super().connection_made(transport)
        self._meter.connected(1)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, and be counted no more."""
        super().connection_lost(exc)
        self._meter.connected(-1)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it may repeat what was sent
    ) -> web.StreamResponse:
        """Answer where no handler could: bytes that are not HTTP, or too much of them in one line."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        if status >= 500:
            _log.error("outside of any request", exc_info=exc)
            return self._refusal(request, SkerryError("Something went wrong here."))
        if isinstance(exc, TooLongALine):
            most = self.max_line_size
            return self._refusal(
                request,
                LineTooLong(f"The address or a header is above {most} bytes; send the question by POST instead."),
            )
        return self._refusal(request, BadRequest("This is no HTTP request that can be read."))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; refusals that the framework makes before the application is asked become Beacon errors."""
        if isinstance(resp, web.HTTPException):
            error = BadRequest(f"This request cannot be answered: {resp.reason}.")
            error.status = resp.status
            error.code = "not_found" if resp.status == 404 else error.code
            resp = self._refusal(request, error)
        return await super().finish_response(request, resp, start_time)

    def _refusal(self, request: web.BaseRequest, error: SkerryError) -> web.Response:
        """Refuse what nobody has counted yet; a stranger sent it, whoever it may be."""
        error, repeated = self._charged(request, error)
        if not repeated:
            error = self._accounted(error)
        self._meter.begin()
        self._meter.end("", request.method, error.status, 0.0)
        response = refusal(self._beacon_id, error)
        response.headers.update(HEADERS)
        response.force_close()
        return response

    def _charged(self, request: web.BaseRequest, error: SkerryError) -> tuple[SkerryError, bool]:
        """Count it; return what to refuse it with, and whether so many came that this needs no line of its own."""
        if self._door is None:
            return error, False
        settings = self._door.settings
        # What is not HTTP has no headers, so that no proxy can say for whom it forwards it.
        address = client_address(request, settings.listen) if request.headers else request.remote or ""
        try:
            charge_network(self._door.buckets, "unread", address, settings.rate)
        except TooOften as instead:
            # A proxy forwards what others sent too: they are told what is wrong with theirs.
            return error if trusted(settings.listen, address) else instead, instead.repeated
        return error, False

    def _accounted(self, error: SkerryError) -> SkerryError:
        """Write its line; where that cannot be, the refusal is that instead."""
        if self._journal is not None:
            try:
                account_unread(self._journal, error)
            except AuditUnavailable as instead:
                return instead
        return error


class Acceptor:
    """Takes connections from a socket on which all workers listen, one at a time, leaving others their share.

    The event loops' own servers take all that wait at once, so that one worker can get most clients of a moment.
    """

    def __init__(
        self,
        listening: socket.socket,
        connection: Callable[[], Connection],
        meter: Meter,
        tls: ssl.SSLContext | None,
        handshake_seconds: float,
    ) -> None:
        self._listening = listening
        self._connection = connection
        self._meter = meter
        self._tls: dict[str, Any] = {"ssl": tls, "ssl_handshake_timeout": handshake_seconds} if tls else {}
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._yielded = False
        self._watch()

    def close(self) -> None:
        """Take no more, and stop listening."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _watch(self) -> None:
        self._loop.add_reader(self._listening, self._readable)

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._watch)

    def _readable(self) -> None:
        if self._meter.crowded and not self._yielded:
            self._yielded = True
            self._wait(_YIELD_SECONDS)
            return
        self._yielded = False
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker has it, or nobody waits
            return
        except OSError as error:  # no more open files or memory
            _log.error("no connection can be taken: %s", error.strerror)
            self._wait(_FULL_SECONDS)
            return
        accepted.setblocking(False)
        task = self._loop.create_task(self._begin(accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._connection, accepted, **self._tls)
        except OSError as error:  # no TLS, or gone before it began
            _log.debug("a connection was not made: %s", error)
            accepted.close()


def bind(host: str, port: int) -> socket.socket:
    """Listen on one address; connections wait until somebody accepts them. Raises ``ConfigurationError``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name may have several addresses: the one of IPv4, which everybody can reach.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
            listening.bind(address)
            listening.listen(BACKLOG)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.", where="listen"
        ) from None
    return listening


def tls_context(listen: Listen) -> ssl.SSLContext | None:
    """Return the TLS side of a listener, None where it has no certificate. Raises ``ConfigurationError``."""
    if listen.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(listen.tls_cert, listen.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificate {listen.tls_cert} with key {listen.tls_key} cannot be used: {error}.", where="tls_cert"
        ) from None
    return context


def address(listen: Listen, listening: socket.socket) -> str:
    """Return by what address the outside reaches what listens here, without a slash at its end."""
    if listen.public_url:
        return listen.public_url.rstrip("/")
    host, port = listening.getsockname()[:2]
    scheme = "http" if listen.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.asynccontextmanager
async def accepting(
    app: web.Application,
    listening: socket.socket,
    settings: SiteSettings,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Accept connections while the context lasts.

    On leaving, no new connections are taken. Requests that are under way then get their answers, and so do those that
    still come on open connections meanwhile; each of these answers is the last on its connection. What is not done
    once every deadline for one request has passed is cut off.
    """
    limits = settings.limits
    runner = web.AppRunner(
        app, handle_signals=False, access_log=None, shutdown_timeout=_CLEAN_UP_SECONDS,
        handler_cancellation=True,  # a client that hangs up frees its query
    )  # fmt: skip
    await runner.setup()
    meter = app[DOOR].meter if DOOR in app else Meter()
    connection = partial(
        Connection,
        runner.server,
        loop=asyncio.get_running_loop(),
        beacon_id=settings.id,
        meter=meter,
        door=app.get(DOOR),
        journal=app.get(JOURNAL),
        access_log=None,
        keepalive_timeout=settings.listen.idle_seconds,
        lingering_time=_LINGER_SECONDS,
        max_line_size=limits.max_line_bytes,
        max_field_size=limits.max_line_bytes,
    )
    try:
        acceptor = Acceptor(listening, connection, meter, tls, limits.read_seconds)
        try:
            yield
        finally:
            acceptor.close()
            await _ended(app, grace(settings))
    finally:
        await runner.cleanup()


async def _ended(app: web.Application, seconds: float) -> None:
    if DOOR in app:
        traffic = app[DOOR].traffic
        traffic.ending = True
        await asyncio.sleep(_QUIET_SECONDS)
        if not await traffic.ended(seconds):
            _log.warning("requests were cut off: they took longer than every limit allows")


def grace(settings: SiteSettings) -> float:
    """Return the seconds after which nothing that was under way can still be about to succeed."""
    return settings.limits.read_seconds + settings.limits.query_seconds + _SENDING_SECONDS
