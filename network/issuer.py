"""A small OpenID Connect issuer for the demonstration and the tests: three people, one key, on loopback.

The key is made when it starts and never leaves the process, so its tokens open nothing elsewhere, and
nothing after it ends. It publishes what a site needs to check tokens (discovery document and keys), gives a
person's visas for their token (userinfo, GA4GH AAI 1.2), and for a token one for another audience (RFC 8693); there is
no login, the demonstration asks ``token`` for a person's.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, Literal

import orjson
from aiohttp import web
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from beacon.auth.assertion import public_jwks
from beacon.errors import ConfigurationError

PEOPLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "noor": "has a login and no more",
        "rosa": "a registered researcher",
        "tomas": "a researcher with a grant",
    }
)
"""Subject of each person, and what the demonstration makes of them."""


GRANT: Final = "https://demonstration.example/datasets/granted"
"""The value of the visa that tomas has."""
SOURCE: Final = "https://demonstration.example/committee"
_ACCESS: Final = "urn:ietf:params:oauth:token-type:access_token"


class DemonstrationIssuer:
    """Signs access tokens for ``PEOPLE``; ``url`` is its ``iss``."""

    def __init__(
        self,
        url: str,
        *,
        algorithm: Literal["ES256", "RS256"] = "ES256",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self._algorithm = algorithm
        self._clock = clock
        self._key = self._new_key()

    def token(self, person: str, audience: str, *, seconds: int = 3600, **claims: Any) -> str:
        """Sign an access token (RFC 9068) for one of ``PEOPLE``; ``claims`` add to it or replace.

        Raises ``KeyError`` for anybody else.
        """
        if person not in PEOPLE:
            raise KeyError(f"{person} is not one of {', '.join(PEOPLE)}")
        now = int(self._clock())
        header = {"typ": "at+jwt", "alg": self._algorithm, "kid": self._key.kid}
        body = {
            "iss": self.url,
            "sub": person,
            "aud": audience,
            "client_id": "skerry-demonstration",
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(16),
            **claims,
        }
        return jws.serialize_compact(header, orjson.dumps(body), self._key, algorithms=[self._algorithm])

    def visa(self, person: str, value: str = GRANT, *, seconds: int = 3600, **claims: Any) -> str:
        """Sign a ControlledAccessGrants visa (GA4GH Passport 1.2); ``claims`` add to it or replace."""
        now = int(self._clock())
        header = {
            "typ": "vnd.ga4gh.visa+jwt", "alg": self._algorithm, "kid": self._key.kid, "jku": self.url + "/jwks",
        }  # fmt: skip
        told = {"type": "ControlledAccessGrants", "value": value, "source": SOURCE, "by": "dac", "asserted": now}
        body = {"iss": self.url, "sub": person, "iat": now, "exp": now + seconds, "ga4gh_visa_v1": told, **claims}
        return jws.serialize_compact(header, orjson.dumps(body), self._key, algorithms=[self._algorithm])

    def visas(self, person: str) -> list[str]:
        """Return what ``userinfo`` gives a person."""
        return [self.visa(person)] if person == "tomas" else []

    def exchanged(self, form: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a token exchange (RFC 8693, section 2); None where it is refused. Any client may ask, here."""
        person = self._subject(str(form.get("subject_token", "")))
        audience = form.get("audience")
        if person is None or not isinstance(audience, str) or form.get("subject_token_type") != _ACCESS:
            return None
        token = self.token(person, audience, seconds=300)
        return {"access_token": token, "issued_token_type": _ACCESS, "token_type": "Bearer", "expires_in": 300}

    def rotate(self) -> None:
        """Take a new key; tokens signed with the old one are worth nothing from the next fetch on."""
        self._key = self._new_key()

    def discovery(self) -> dict[str, Any]:
        """Give the discovery document (OpenID Connect Discovery 1.0, section 3), as far as there is one."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + "/jwks",
            "userinfo_endpoint": self.url + "/userinfo",
            "token_endpoint": self.url + "/token",
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._algorithm],
        }

    def jwks(self) -> dict[str, Any]:
        """Give the public key, as a JSON Web Key Set."""
        return public_jwks(self._key)

    def app(self) -> web.Application:
        """Make the web application."""

        async def discovery(_request: web.Request) -> web.Response:
            return web.json_response(self.discovery())

        async def jwks(_request: web.Request) -> web.Response:
            return web.json_response(self.jwks())

        async def userinfo(request: web.Request) -> web.Response:
            person = self._subject(request.headers.get("Authorization", "").removeprefix("Bearer "))
            if person is None:
                raise web.HTTPUnauthorized
            return web.json_response({"sub": person, "ga4gh_passport_v1": self.visas(person)})

        async def token(request: web.Request) -> web.Response:
            answer = self.exchanged(await request.post())
            if answer is None:
                return web.json_response({"error": "invalid_request"}, status=400)
            return web.json_response(answer)

        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", discovery)
        app.router.add_get("/jwks", jwks)
        app.router.add_get("/userinfo", userinfo)
        app.router.add_post("/token", token)
        return app

    def _subject(self, token: str) -> str | None:
        """Return whose valid token of this issuer that is."""
        try:
            claims = orjson.loads(jws.deserialize_compact(token, self._key, algorithms=[self._algorithm]).payload)
        except (JoseError, ValueError):
            return None
        good = claims.get("iss") == self.url and claims.get("exp", 0) > self._clock()
        return claims["sub"] if good and claims.get("sub") in PEOPLE else None

    def _new_key(self) -> ECKey | RSAKey:
        if self._algorithm == "RS256":
            return RSAKey.generate_key(2048, auto_kid=True)
        return ECKey.generate_key("P-256", auto_kid=True)


@asynccontextmanager
async def running_issuer(
    port: int = 0, *, algorithm: Literal["ES256", "RS256"] = "ES256"
) -> AsyncIterator[DemonstrationIssuer]:
    """Serve an issuer on loopback (port 0: a free one) until the block ends.

    Raises ``ConfigurationError`` where the port is taken.
    """
    try:
        # Bound first, since the address is part of every token.
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise ConfigurationError(
            f"The demonstration's issuer cannot listen on port {port} ({error.strerror}); choose another.",
            where=f"port {port}",
        ) from None
    issuer = DemonstrationIssuer(f"http://127.0.0.1:{listening.getsockname()[1]}", algorithm=algorithm)
    runner = web.AppRunner(issuer.app(), access_log=None)
    try:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        yield issuer
    finally:
        await runner.cleanup()
        listening.close()
