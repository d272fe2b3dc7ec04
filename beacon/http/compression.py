"""Compressing answers for clients that say they accept it (gzip, RFC 9110 section 12.5.3).

Lengths of compressed answers could tell a listener what is in them, were somebody able to put guesses into another
person's answers and to have that person ask again and again (BREACH). Nobody is: a browser sends no credentials here by
itself, since a bearer token is no cookie. Counts, yes or no, and errors are too small to be compressed at all.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import Final

from aiohttp import web

_LEVEL: Final = 3
"""About 4 MB in 30 ms; level 6 takes several times as long for a tenth less."""
_ASIDE_BYTES: Final = 256_000
"""From here on compressing would hold up other requests for more than about two milliseconds."""


async def compress(request: web.Request, response: web.StreamResponse, from_bytes: int) -> None:
    """Compress a successful answer of at least ``from_bytes`` (0: none) where the client accepts gzip."""
    if not isinstance(response, web.Response) or response.status != 200 or request.method == "HEAD":
        return
    body = response.body
    if not isinstance(body, bytes) or not 0 < from_bytes <= len(body) or not accepts_gzip(request):
        return
    if len(body) < _ASIDE_BYTES:
        response.body = _packed(body)
    else:
        response.body = await asyncio.to_thread(_packed, body)
    response.headers["Content-Encoding"] = "gzip"


def accepts_gzip(request: web.Request) -> bool:
    """Read ``Accept-Encoding``: gzip by name, or anything, and not with the quality 0."""
    qualities: dict[str, bool] = {}
    for part in ",".join(request.headers.getall("Accept-Encoding", [])).lower().split(","):
        coding, _, parameter = part.partition(";")
        quality = parameter.strip().removeprefix("q=").strip()
        qualities[coding.strip()] = quality.strip("0.") != "" if quality else True
    return qualities.get("gzip", qualities.get("*", False))


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
