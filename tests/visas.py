"""An origin that signs visas and publishes its keys, for real; it counts what it is asked."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from beacon.auth.assertion import algorithm, public_jwks
from beacon.model.access import Person
from beacon.settings import REGISTERED_ACCESS, VisaIssuer

SOURCE = "https://university.example"
GRANT = "https://dac.example/datasets/7"


class VisaOrigin:
    """Signs visas as ``url``; ``asked`` are the paths that it was asked for, ``people`` hold visas by subject."""

    def __init__(self, url: str, key: ECKey | RSAKey | None = None) -> None:
        self.url = url
        self.jku = f"{url}/jwks"
        self.key = key or ECKey.generate_key("P-256", parameters={"kid": "visas"})
        self.asked: list[str] = []
        self.status = 200
        self.people: dict[str, list[str]] = {}

    def settings(self, **changes: Any) -> VisaIssuer:
        return VisaIssuer(**{"issuer": self.url, "jku": self.jku, "sources": (SOURCE,), **changes})

    def app(self) -> web.Application:
        async def jwks(request: web.Request) -> web.Response:
            self.asked.append(request.path)
            return web.Response(
                status=self.status, body=orjson.dumps(public_jwks(self.key)), content_type="application/json"
            )

        async def visas(request: web.Request) -> web.Response:
            return web.json_response(self.people.get(request.match_info["subject"], []))

        app = web.Application()
        app.router.add_get("/jwks", jwks)
        app.router.add_get("/visas/{subject}", visas)
        return app

    def visa(
        self,
        subject: str,
        type_: str = "ControlledAccessGrants",
        value: object = GRANT,
        *,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        key: ECKey | RSAKey | None = None,
        **told: Any,
    ) -> str:
        """Sign a visa that is in order, with changes over it (``...`` removes a member)."""
        now = int(time.time())
        signed_with = key or self.key
        by = {"ControlledAccessGrants": "dac", "AcceptedTermsAndPolicies": "self", "ResearcherStatus": "so"}
        top = {"alg": algorithm(signed_with), "typ": "vnd.ga4gh.visa+jwt", "kid": "visas", "jku": self.jku}
        told = {"type": type_, "asserted": now - 86_400, "value": value, "source": SOURCE, "by": by.get(type_), **told}
        body = {"iss": self.url, "sub": subject, "iat": now, "exp": now + 3600, "jti": secrets.token_hex(8)}
        body |= {"ga4gh_visa_v1": _without(told), **(claims or {})}
        return jws.serialize_compact(
            _without(top | dict(header or {})), orjson.dumps(_without(body)), signed_with, registry=_ANY
        )

    def registered(self, subject: str, **changes: Any) -> list[str]:
        """Sign the two visas of registered access."""
        return [
            self.visa(subject, type_, REGISTERED_ACCESS, **changes)
            for type_ in ("AcceptedTermsAndPolicies", "ResearcherStatus")
        ]

    def link(self, subject: str, *others: Person, **changes: Any) -> str:
        """Sign that ``subject`` and these others are one person."""
        value = ";".join(f"{one.subject},{one.issuer.replace('/', '%2F')}" for one in others)
        return self.visa(subject, "LinkedIdentities", value, **{"by": "system", **changes})


_ANY = jws.JWSRegistry(algorithms=["RS256", "ES256", "HS256"], strict_check_header=False)


def _without(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ... and value is not None}


@asynccontextmanager
async def running_origin(key: ECKey | RSAKey | None = None) -> AsyncIterator[VisaOrigin]:
    """Serve an origin on loopback while the context lasts."""
    bound = socket.create_server(("127.0.0.1", 0))
    origin = VisaOrigin(f"http://127.0.0.1:{bound.getsockname()[1]}", key)
    runner = web.AppRunner(origin.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    try:
        yield origin
    finally:
        await runner.cleanup()
