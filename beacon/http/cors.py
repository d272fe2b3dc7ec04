"""Which web pages may ask from a browser (the Fetch standard's CORS protocol).

Credentials are bearer tokens, which a page has to send itself; cookies are never read. So
``Access-Control-Allow-Credentials`` is never sent, with no origin whatever.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from beacon.settings import Listen

_READABLE: Final = "Retry-After, WWW-Authenticate, X-Request-Id"
_SENDABLE: Final = "Authorization, Content-Type"
_KEPT_SECONDS: Final = 600


def headers(request: web.Request, listen: Listen, methods: str | None) -> dict[str, str]:
    """Return the headers that let a page of a configured origin read the answer; none for any other.

    ``methods`` are those of the path where the request is an ``OPTIONS``: a preflight is told them.
    """
    origin = request.headers.get("Origin")
    if origin is None or not listen.cors_origins:
        return {}
    if listen.cors_origins == ("*",):
        origin = "*"
    elif origin not in listen.cors_origins:
        return {}
    told = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _READABLE}
    if methods is not None and "Access-Control-Request-Method" in request.headers:
        told["Access-Control-Allow-Methods"] = methods
        told["Access-Control-Allow-Headers"] = _SENDABLE
        told["Access-Control-Max-Age"] = str(_KEPT_SECONDS)
    return told
