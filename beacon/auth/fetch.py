"""Asking an issuer's own endpoints: small answers, no redirects, and not for long.

Everything here raises ``ValueError`` (a sentence's end), ``aiohttp.ClientError``, ``OSError`` or ``TimeoutError``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

FETCH_SECONDS: Final = 5.0
MAX_BODY: Final = 64 * 1024
MAX_PASSPORT: Final = 512 * 1024
"""A passport holds many visas; a key set or a discovery document is small."""
FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Refused(ValueError):
    """The endpoint answered that it does not accept what was sent (400, 401 or 403)."""


async def discovery(issuer: str) -> Mapping[str, Any]:
    """Return an issuer's discovery document (OpenID Connect Discovery 1.0), which must be its own."""
    document = await json(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise ValueError("the discovery document is not this issuer's")
    return document


def endpoint(document: Mapping[str, Any], name: str) -> str:
    """Return one address of a discovery document; plain HTTP never leaves this machine, whatever it says."""
    uri = document.get(name)
    parts = urlsplit(uri) if isinstance(uri, str) else None
    if parts and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return str(uri)
    raise ValueError(f"the discovery document has no usable {name}")


async def json(
    url: str,
    *,
    bearer: str | None = None,
    form: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
    most: int = MAX_BODY,
) -> Any:
    """Ask for a JSON document: with GET, or with POST where there is a form."""
    # No decompression, so that the limit is on what is parsed; a session of its own, as this is rare.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    if basic is not None:
        headers["Authorization"] = aiohttp.encode_basic_auth(*basic)
    async with (
        aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(
            "GET" if form is None else "POST", url, data=form, headers=headers, allow_redirects=False
        ) as response,
    ):
        if response.status in (400, 401, 403):
            raise Refused(f"{url} answered with status {response.status}")
        if response.status != 200:
            raise ValueError(f"{url} answered with status {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(8192):
            body += chunk
            if len(body) > most:
                raise ValueError(f"{url} answered with more than {most} bytes")
        return orjson.loads(body)
