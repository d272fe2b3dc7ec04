"""Fetching an issuer's keys: once for all who wait, seldom, small, and never from anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from joserfc.jwk import ECKey, RSAKey

from beacon.auth import keys
from beacon.auth.assertion import public_jwks
from beacon.auth.fetch import MAX_BODY
from beacon.auth.keys import FetchedKeys, parse_jwks
from beacon.auth.oidc import Verifier
from beacon.errors import IdentityUnavailable, Unauthenticated
from beacon.model.access import Person
from beacon.settings import Issuer
from network.issuer import DemonstrationIssuer

SITE = "org.example.site"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Served:
    """The real issuer, with a count of what it was asked and a brake."""

    def __init__(self, url: str) -> None:
        self.issuer = DemonstrationIssuer(url)
        self.asked: list[str] = []
        self.delay = 0.0
        self.status = 200

    @property
    def url(self) -> str:
        return self.issuer.url

    def app(self) -> web.Application:
        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append(request.path)
            await asyncio.sleep(self.delay)
            if self.status != 200:
                return web.Response(status=self.status)
            return await handler(request)

        app = self.issuer.app()
        app.middlewares.append(count)
        return app


@asynccontextmanager
async def listening(make: Callable[[str], web.Application]) -> AsyncIterator[str]:
    bound = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    runner = web.AppRunner(make(url), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    try:
        yield url
    finally:
        await runner.cleanup()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made: list[Served] = []

    def make(url: str) -> web.Application:
        made.append(Served(url))
        return made[0].app()

    async with listening(make):
        yield made[0]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def verifier_of(served: Served, clock: Clock, *, jwks_uri: bool = True) -> Verifier:
    uri = served.url + "/jwks" if jwks_uri else None
    return Verifier([Issuer(served.url, (SITE,), jwks_uri=uri)], beacon_id=SITE, monotonic=clock)


async def test_one_fetch_serves_all_that_wait(served: Served, clock: Clock) -> None:
    served.delay = 0.1
    verifier = verifier_of(served, clock)
    header = f"Bearer {served.issuer.token('rosa', SITE)}"
    principals = await asyncio.gather(*(verifier.principal(header) for _ in range(50)))
    assert {p.person for p in principals} == {Person(served.url, "rosa")}
    assert served.asked == ["/jwks"]


async def test_the_address_of_the_keys_is_discovered_where_it_is_not_given(served: Served, clock: Clock) -> None:
    verifier = verifier_of(served, clock, jwks_uri=False)
    principal = await verifier.principal(f"Bearer {served.issuer.token('tomas', SITE)}")
    assert principal.person == Person(served.url, "tomas")
    assert served.asked == ["/.well-known/openid-configuration", "/jwks"]


async def test_whoever_began_the_fetch_may_hang_up(served: Served, clock: Clock) -> None:
    served.delay = 0.2
    verifier = verifier_of(served, clock)
    header = f"Bearer {served.issuer.token('rosa', SITE)}"
    first = asyncio.create_task(verifier.principal(header))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(verifier.principal(header))
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second).person == Person(served.url, "rosa")
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert served.asked == ["/jwks"]


async def test_unknown_keys_make_a_fetch_at_most_every_30_seconds(served: Served, clock: Clock) -> None:
    verifier = verifier_of(served, clock)
    await verifier.principal(f"Bearer {served.issuer.token('rosa', SITE)}")
    forger = DemonstrationIssuer(served.url)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.principal(f"Bearer {forger.token('rosa', SITE)}")
    assert len(served.asked) == 1
    clock.now += 30
    for _ in range(20):
        forger.rotate()
        with pytest.raises(Unauthenticated):
            await verifier.principal(f"Bearer {forger.token('rosa', SITE)}")
    assert len(served.asked) == 2


async def test_a_new_key_of_the_issuer_is_found_and_the_old_one_forgotten(served: Served, clock: Clock) -> None:
    verifier = verifier_of(served, clock)
    old = f"Bearer {served.issuer.token('rosa', SITE)}"
    await verifier.principal(old)
    served.issuer.rotate()
    clock.now += 31
    new = f"Bearer {served.issuer.token('rosa', SITE)}"
    assert (await verifier.principal(new)).person == Person(served.url, "rosa")
    with pytest.raises(Unauthenticated):
        await verifier.principal(old)
    assert len(served.asked) == 2


async def test_keys_are_fetched_again_when_old_and_kept_a_while_where_that_fails(served: Served, clock: Clock) -> None:
    verifier = verifier_of(served, clock)
    header = f"Bearer {served.issuer.token('rosa', SITE)}"
    await verifier.principal(header)
    clock.now += keys.FRESH_SECONDS + 1
    await verifier.principal(header)
    assert len(served.asked) == 2
    served.status = 500
    clock.now += keys.FRESH_SECONDS + 1
    await verifier.principal(header)
    assert len(served.asked) == 3
    clock.now += keys.STALE_SECONDS
    with pytest.raises(IdentityUnavailable):
        await verifier.principal(header)


async def test_an_issuer_that_fails_is_asked_again_after_a_pause(served: Served, clock: Clock) -> None:
    served.status = 503
    verifier = verifier_of(served, clock)
    header = f"Bearer {served.issuer.token('rosa', SITE)}"
    for _ in range(20):
        with pytest.raises(IdentityUnavailable):
            await verifier.principal(header)
    assert len(served.asked) == 1
    served.status = 200
    clock.now += keys.RETRY_SECONDS
    assert (await verifier.principal(header)).person == Person(served.url, "rosa")


async def test_an_unknown_key_is_not_called_bad_while_the_issuer_is_out_of_reach(served: Served, clock: Clock) -> None:
    verifier = verifier_of(served, clock)
    await verifier.principal(f"Bearer {served.issuer.token('rosa', SITE)}")
    served.issuer.rotate()
    served.status = 500
    clock.now += 31
    with pytest.raises(IdentityUnavailable):
        await verifier.principal(f"Bearer {served.issuer.token('rosa', SITE)}")


async def test_a_hanging_issuer_costs_five_seconds_once_not_per_request(
    served: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.2)
    served.delay = 30
    verifier = verifier_of(served, clock)
    header = f"Bearer {served.issuer.token('rosa', SITE)}"
    async with asyncio.timeout(2):
        answers = await asyncio.gather(*(verifier.principal(header) for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {IdentityUnavailable}
    assert len(served.asked) == 1


async def test_closing_stops_a_fetch(served: Served, clock: Clock) -> None:
    served.delay = 30
    verifier = verifier_of(served, clock)
    waiting = asyncio.create_task(verifier.principal(f"Bearer {served.issuer.token('rosa', SITE)}"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await verifier.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


GOOD_KEYS = public_jwks(ECKey.generate_key("P-256"))


def _json(body: Any, **more: Any) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(body=data, content_type="application/json", **more)

    return handler


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b" " * 65_536)
    return response


@pytest.mark.parametrize(
    "handler",
    [
        _json({"keys": []}),
        _json([]),
        _json(b"<html>"),
        _json(b'{"keys": ['),
        _json(b"[" * 5000 + b"]" * 5000),
        _json({**GOOD_KEYS, "padding": "x" * MAX_BODY}),
        _json(gzip.compress(orjson.dumps(GOOD_KEYS)), headers={"Content-Encoding": "gzip"}),
        _json(GOOD_KEYS, status=404),
        _json(GOOD_KEYS, status=302, headers={"Location": "/good"}),
        _endless,
    ],
    ids=["empty", "list", "HTML", "cut", "deep", "large", "compressed", "missing", "redirect", "endless"],
)
async def test_a_strange_answer_gives_no_keys(handler: Handler, clock: Clock) -> None:
    def app(_url: str) -> web.Application:
        made = web.Application()
        made.router.add_get("/jwks", handler)
        made.router.add_get("/good", _json(GOOD_KEYS))
        return made

    async with listening(app) as url:
        with pytest.raises(IdentityUnavailable):
            await FetchedKeys(url, url + "/jwks", clock=clock).find(None, "ES256")
        assert await FetchedKeys(url, url + "/good", clock=clock).find(None, "ES256") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example.org"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://192.0.2.1/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["x"]},
    ],
)
async def test_a_discovery_document_is_believed_only_about_its_own_issuer(change: dict[str, Any], clock: Clock) -> None:
    def app(url: str) -> web.Application:
        made = web.Application()
        document = {"issuer": url, "jwks_uri": url + "/jwks", **change}
        made.router.add_get("/.well-known/openid-configuration", _json(document))
        made.router.add_get("/jwks", _json(GOOD_KEYS))
        return made

    async with listening(app) as url:
        with pytest.raises(IdentityUnavailable):
            await FetchedKeys(url, clock=clock).find(None, "ES256")


def test_only_public_signing_keys_of_good_size_are_kept() -> None:
    good = ECKey.generate_key("P-256", parameters={"kid": "good"}).as_dict(private=False)
    rsa = RSAKey.generate_key(2048, parameters={"kid": "rsa"}).as_dict(private=False)
    document = {
        "keys": [
            good,
            rsa,
            {**good, "use": "enc"},
            {**rsa, "n": rsa["n"][:100]},
            {**rsa, "n": 7},
            {**rsa, "n": "é"},
            {"kty": "RSA"},
            {"kty": "oct", "k": "c2VjcmV0"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {**good, "kty": "AKP"},
            {**good, "kid": 7},
            ECKey.generate_key("P-256").as_dict(private=True),
            ECKey.generate_key("P-384").as_dict(private=False),
            "key",
            None,
        ]
    }
    assert [key.kid for key in parse_jwks(document)] == ["good", "rsa"]


def test_where_two_keys_fit_none_is_guessed() -> None:
    both = parse_jwks({"keys": [ECKey.generate_key("P-256").as_dict(private=False) for _ in range(2)]})
    assert keys.pick(both, None, "ES256") is None
    assert keys.pick(both[:1], None, "ES256") is both[0]
    assert keys.pick(both[:1], None, "RS256") is None
