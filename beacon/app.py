"""The composition root of one site: settings, database and verifier become a running server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import AsyncIterator

from aiohttp import web

from beacon import telemetry
from beacon.auth.oidc import Verifier
from beacon.errors import ConfigurationError
from beacon.http.handlers import ROOT
from beacon.http.middleware import guard
from beacon.http.routes import routes
from beacon.http.site import DOOR, SITE, Door, Site
from beacon.settings import Listen, SiteSettings
from beacon.store.base import Store
from beacon.store.mongo import MongoStore

_log = logging.getLogger("skerry")

MAX_LINE = 65_536
"""Bytes of a request line or header; a GET with many filters is longer than the usual 8 KB."""


def create_app(settings: SiteSettings, store: Store, verifier: Verifier) -> web.Application:
    """Put one site together; nothing about a request outlives it."""
    app = web.Application(middlewares=[guard], client_max_size=settings.limits.max_body_bytes)
    app[DOOR] = Door(settings, verifier)
    app[SITE] = Site(settings, store)
    app.add_routes(routes())
    return app


@contextlib.asynccontextmanager
async def running(settings: SiteSettings, mongo_uri: str) -> AsyncIterator[str]:
    """Serve one site while the context lasts; yields the address of its Beacon.

    On leaving, no new connections are taken and requests under way may end, up to the query deadline. Raises
    ``ConfigurationError`` (address or certificate) and ``StoreUnavailable``.
    """
    listen = settings.listen
    tls = tls_context(listen)
    verifier = Verifier(settings.issuers, settings.nodes, beacon_id=settings.id)
    mongo = settings.mongo
    store = await MongoStore.open(mongo_uri, mongo.database, pool_size=mongo.pool_size, max_waiting=mongo.max_waiting)
    runner = web.AppRunner(
        create_app(settings, store, verifier),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=settings.limits.query_seconds,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
    )
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, listen.host, listen.port, ssl_context=tls).start()
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {listen.host} port {listen.port}: {error.strerror or error}.", where="listen"
            ) from None
        yield _address(listen, runner)
    finally:
        await runner.cleanup()
        await verifier.close()
        await store.close()


async def serve(settings: SiteSettings, mongo_uri: str) -> None:
    """Serve one site until SIGINT or SIGTERM. Raises as ``running``."""
    telemetry.set_up(settings.log)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings, mongo_uri) as address:
            _log.info("%s answers at %s; try: curl %s/individuals", settings.name, address, address)
            await stop.wait()
            _log.info("ending, after the requests under way")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


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


def _address(listen: Listen, runner: web.AppRunner) -> str:
    if listen.public_url:
        return listen.public_url.rstrip("/") + ROOT
    host, port = runner.addresses[0][:2]
    scheme = "http" if listen.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{ROOT}"
