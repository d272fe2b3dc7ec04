"""The composition root of one site: settings, database and verifier become a running server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from beacon import workers
from beacon.auth.oidc import Verifier
from beacon.http import account, health
from beacon.http.handlers import ROOT
from beacon.http.meter import Board, Meter
from beacon.http.middleware import guard
from beacon.http.once import Once
from beacon.http.rate import Buckets
from beacon.http.routes import routes
from beacon.http.server import accepting, address, bind, grace, tls_context
from beacon.http.site import DOOR, QUESTIONS, SITE, Door, Site
from beacon.settings import SiteSettings
from beacon.store.commons import Commons
from beacon.store.mongo import MongoStore

_log = logging.getLogger("skerry")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers of a server have in common; made before they are forked."""

    listening: socket.socket
    metrics: socket.socket | None = None
    board: Board = field(default_factory=Board)
    buckets: Buckets = field(default_factory=Buckets)
    once: Once = field(default_factory=Once)
    questions: Once = field(default_factory=lambda: Once(QUESTIONS))
    commons: Commons = field(default_factory=Commons)
    role: tuple[Once, Once] = field(default_factory=lambda: (Once(), Once(QUESTIONS)))
    """The same two for a Beacon that stands beside the site's own."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, settings: SiteSettings) -> Iterator[Shared]:
        """Listen where the settings say. Raises ``ConfigurationError`` (address or certificate)."""
        tls_context(settings.listen)  # told now, and not by each worker
        with contextlib.ExitStack() as stack:
            listening = stack.enter_context(bind(settings.listen.host, settings.listen.port))
            metrics = None
            if settings.metrics.port is not None:
                metrics = stack.enter_context(bind(settings.metrics.host, settings.metrics.port))
            yield cls(listening, metrics, Board(settings.workers), commons=Commons(settings.workers))


def create_app(
    settings: SiteSettings,
    store: MongoStore,
    verifier: Verifier,
    *,
    meter: Meter | None = None,
    shared: Shared | None = None,
    keeping: account.Keeping | None = None,
    extend: Extend | None = None,
) -> web.Application:
    """Put one site together; nothing about a request outlives it but how often its asker has asked, and its audit.

    ``keeping`` opens another journal than that of the settings; ``extend`` puts another Beacon beside this one.
    """
    app = web.Application(middlewares=[guard], client_max_size=settings.limits.max_body_bytes)
    meter = meter or Meter()
    app[DOOR] = Door(
        settings,
        verifier,
        lambda: (store.gate.running, store.gate.waiting),
        store.reachable,
        meter,
        shared.buckets if shared else Buckets(),
        shared.once if shared else Once(),
        shared.questions if shared else Once(QUESTIONS),
    )
    app[SITE] = Site(settings, store)
    account.keep(app, settings, keeping)
    app.add_routes(routes())
    app.add_routes(health.routes(store.ping))
    if extend is not None:
        extend(app, settings, shared)
    meter.know(templates(app))
    return app


def templates(app: web.Application) -> tuple[str, ...]:
    """Return the templates of all routes, those of applications within it included."""
    return tuple(dict.fromkeys(route.resource.canonical for route in app.router.routes() if route.resource))


Extend = Callable[[web.Application, SiteSettings, Shared | None], None]
"""Puts another Beacon beside a site's own."""


@contextlib.asynccontextmanager
async def running(
    settings: SiteSettings,
    mongo_uri: str,
    shared: Shared | None = None,
    worker: int = 0,
    extend: Extend | None = None,
) -> AsyncIterator[str]:
    """Serve one site while the context lasts; yields the address of its Beacon.

    On leaving, no new connections are taken and requests under way may end, up to the query deadline. ``shared``
    is what a worker has in common with the others. Raises ``ConfigurationError`` (address or certificate) and
    ``StoreUnavailable``.
    """
    async with contextlib.AsyncExitStack() as stack:
        if shared is None:
            shared = stack.enter_context(Shared.open(settings))
        tls = tls_context(settings.listen)
        verifier = Verifier(
            settings.issuers,
            settings.nodes,
            beacon_id=settings.id,
            visa_issuers=settings.visa_issuers,
            registered_access=settings.registered_access,
        )
        stack.push_async_callback(verifier.close)
        mongo = settings.mongo
        store = await MongoStore.open(
            mongo_uri,
            mongo.database,
            pool_size=mongo.pool_size,
            max_waiting=mongo.max_waiting,
            keep_mb=mongo.keep_mb,
            commons=shared.commons,
        )
        stack.push_async_callback(store.close)
        app = create_app(settings, store, verifier, meter=Meter(shared.board, worker), shared=shared, extend=extend)
        if shared.metrics is not None:
            from beacon.http.metrics import create_metrics

            numbers = create_metrics(shared.board, templates(app))
            await stack.enter_async_context(accepting(numbers, shared.metrics, settings))
        await stack.enter_async_context(accepting(app, shared.listening, settings, tls))
        ahead = asyncio.create_task(store.read_ahead())
        stack.callback(ahead.cancel)
        yield address(settings.listen, shared.listening) + ROOT


async def serve(
    settings: SiteSettings,
    mongo_uri: str,
    shared: Shared | None = None,
    worker: int = 0,
    ready: Callable[[str], None] | None = None,
    extend: Extend | None = None,
) -> None:
    """Serve one site until SIGINT or SIGTERM; ``ready`` is told its address. Raises as ``running``."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings, mongo_uri, shared, worker, extend) as url:
            (ready or _announce(settings))(url)
            await stop.wait()
            _log.info("ending, after the requests under way")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def run(settings: SiteSettings, mongo_uri: str, extend: Extend | None = None) -> int:
    """Serve one site until SIGINT or SIGTERM, in as many processes as the settings say; return the exit code.

    Call it where no event loop and no other thread runs. Raises as ``running``.
    """
    if settings.workers == 1:
        run_loop(serve(settings, mongo_uri, extend=extend))
        return 0
    with Shared.open(settings) as shared:

        def work(worker: int, ready: Callable[[], None]) -> None:
            run_loop(serve(settings, mongo_uri, shared, worker, lambda _url: ready(), extend))

        def all_ready() -> None:
            _announce(settings)(address(settings.listen, shared.listening) + ROOT)

        return workers.supervise(
            settings.workers,
            work,
            grace_seconds=grace(settings),
            all_ready=all_ready,
            counted=shared.board.set_alive,
            release=lambda: _close(shared),
        )


def _close(shared: Shared) -> None:
    shared.listening.close()
    if shared.metrics is not None:
        shared.metrics.close()


def _announce(settings: SiteSettings) -> Callable[[str], None]:
    def announce(url: str) -> None:
        many = f" ({settings.workers} workers)" if settings.workers > 1 else ""
        _log.info("%s answers at %s%s; try: curl %s/individuals", settings.name, url, many, url)

    return announce


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run on the event loop of the extra ``fast`` where it is installed, else on Python's own."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)
