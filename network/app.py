"""The composition root of a network node: settings, members and keys become a running server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from typing import Any, Final

from aiohttp import web
from joserfc.jwk import ECKey

from beacon.app import Shared, run_loop, templates
from beacon.auth.assertion import MAX_SECONDS, SigningKey, public_jwks, signing_key
from beacon.auth.oidc import Verifier
from beacon.errors import ConfigurationError
from beacon.http import account, health
from beacon.http.handlers import ROOT
from beacon.http.meter import Board, Meter
from beacon.http.middleware import guard
from beacon.http.routes import explaining, routes
from beacon.http.server import accepting, address, bind, tls_context
from beacon.http.site import DOOR, Door
from beacon.settings import NetworkSettings, SiteSettings
from network.breaker import Breaker
from network.client import Client, session
from network.credentials import Exchanger, Signer
from network.files import make_room
from network.handlers import CLIENT, NODE, Node, entries, explain, jwks, terms
from network.registry import Registry
from network.scan import Caps
from network.turns import Turns

_log = logging.getLogger("skerry")

JOINING_SECONDS: Final = 10.0
"""Beyond the members' deadline, for checking the token before and joining after it."""


PREFIX: Final = "/network"
"""Where the federated Beacon of a site stands; its own is at the server's root."""


def mount(app: web.Application, site: SiteSettings, shared: Shared | None = None) -> None:
    """Put the network role of a site beside its own Beacon, under ``/network/api``.

    It takes the site's listener, issuers, limits and rates. Raises ``ConfigurationError`` as ``create_network``.
    """
    assert site.network is not None
    role = {item.name: getattr(site.network, item.name) for item in fields(site.network)}
    settings = NetworkSettings(
        **role,
        environment=site.environment,
        organization=site.organization,
        listen=site.listen,
        issuers=site.issuers,
        limits=site.limits,
        rate=site.rate,
        audit=replace(site.audit, dir=site.audit_dir.with_name(f"{site.audit_dir.name}-network")),
    )
    door = app[DOOR]
    once = {"once": shared.role[0], "questions": shared.role[1]} if shared else {}
    made = create_network(settings, meter=door.meter, prefix=PREFIX, traffic=door.traffic, buckets=door.buckets, **once)
    app.add_subapp(PREFIX, made)


def create_network(
    settings: NetworkSettings, *, meter: Meter | None = None, prefix: str = "", **shared: Any
) -> web.Application:
    """Put one network node together; ``shared`` are parts of its ``Door`` that it has in common with others.

    Raises ``ConfigurationError`` for peers or keys that cannot be used.
    """
    key = _signing_key(settings)
    app = web.Application(middlewares=[guard], client_max_size=settings.limits.max_body_bytes)
    door = app[DOOR] = Door(
        _as_site(settings),
        Verifier(settings.issuers, settings.nodes, beacon_id=settings.id),
        meter=meter or Meter(),
        prefix=prefix,
        **shared,
    )
    keys = public_jwks(key) if key else {"keys": []}
    registry = Registry(settings.peers, settings.id)
    app[NODE] = Node(registry, settings.deadline_seconds, settings.max_hops, keys)
    account.keep(app, settings)
    sign = Signer(
        key or ECKey.generate_key("P-256"),
        settings.id,
        settings.assertion_seconds,
        Exchanger(settings.issuers),
        vouching=key is not None,
    )

    async def connections(app: web.Application) -> AsyncIterator[None]:
        make_room(len(settings.peers), settings.peer_requests)
        async with session(settings.peer_requests) as opened:
            app[CLIENT] = Client(
                opened,
                caps=Caps(settings.max_peer_bytes, settings.max_peer_depth, settings.max_peer_rows),
                breaker=Breaker(settings.rest_after, settings.rest_seconds),
                turns=Turns(settings.peer_requests),
                signer=sign,
                patience=settings.deadline_seconds,
            )
            yield
        await app[DOOR].verifier.close()

    app.cleanup_ctx.append(connections)
    app.add_routes(routes(entries, terms))
    app.add_routes(explaining(explain))
    app.add_routes(health.routes())
    app.router.add_get("/.well-known/jwks.json", jwks)
    door.meter.know(templates(app))
    return app


@contextlib.asynccontextmanager
async def running(settings: NetworkSettings) -> AsyncIterator[str]:
    """Serve one network node while the context lasts; yields the address of its Beacon.

    Raises ``ConfigurationError`` for an address, certificate, key or peer that cannot be used.
    """
    board = Board()
    app, site = create_network(settings, meter=Meter(board)), _as_site(settings)
    tls = tls_context(settings.listen)
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(bind(settings.listen.host, settings.listen.port))
        if settings.metrics.port is not None:
            from beacon.http.metrics import create_metrics

            numbers = stack.enter_context(bind(settings.metrics.host, settings.metrics.port))
            await stack.enter_async_context(accepting(create_metrics(board, templates(app)), numbers, site))
        await stack.enter_async_context(accepting(app, listening, site, tls))
        yield address(settings.listen, listening) + ROOT


def run(settings: NetworkSettings) -> int:
    """Serve one network node until SIGINT or SIGTERM; return the exit code. Raises as ``running``."""
    run_loop(serve(settings))
    return 0


async def serve(settings: NetworkSettings) -> None:
    """Serve one network node until SIGINT or SIGTERM. Raises as ``running``."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings) as url:
            _log.info("%s answers at %s", settings.name, url)
            await stop.wait()
            _log.info("ending, after the requests under way")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _as_site(settings: NetworkSettings) -> SiteSettings:
    """A network introduces itself, and guards its door, as any beacon does."""
    seconds = max(settings.limits.query_seconds, settings.deadline_seconds + JOINING_SECONDS)
    return SiteSettings(
        id=settings.id,
        name=settings.name,
        description=settings.description,
        environment=settings.environment,
        organization=settings.organization,
        listen=settings.listen,
        limits=replace(settings.limits, query_seconds=seconds),
        rate=settings.rate,
        audit=replace(settings.audit, dir=settings.audit_dir),
        nodes=settings.nodes,
    )


def _signing_key(settings: NetworkSettings) -> SigningKey | None:
    path = settings.signing_key_file
    if path is None:
        return None
    if settings.assertion_seconds > MAX_SECONDS:
        raise ConfigurationError(
            f"assertion_seconds is {settings.assertion_seconds}; peers accept at most {MAX_SECONDS}.",
            where="assertion_seconds",
        )
    try:
        return signing_key(path.read_bytes(), place=str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
