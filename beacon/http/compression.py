"""Unpacking bodies, and compressing answers for clients that say they accept it (RFC 9110, sections 8.4 and 12.5.3).

Lengths of compressed answers could tell a listener what is in them, were somebody able to put guesses into another
person's answers and to have that person ask again and again (BREACH). Nobody is: a browser sends no credentials here by
itself, since a bearer token is no cookie. Counts, yes or no, and errors are too small to be compressed at all.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Final

from aiohttp import web

from beacon.errors import BadRequest, TooLarge

_LEVEL: Final = 3
"""About 4 MB in 30 ms; level 6 takes several times as long for a tenth less."""
_ASIDE_BYTES: Final = 256_000
"""From here on compressing would hold up other requests for more than about two milliseconds."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_CODINGS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
"""How zlib is told what it reads."""
_MEMBERS: Final = 100
"""How many parts a body of gzip may have (RFC 1952, section 2.2): empty ones take time, too."""


def unpacked(request: web.Request, body: bytes, most: int) -> bytes:
    """Return the content of a request's body, from which its ``Content-Encoding`` is taken off.

    Raises ``BadRequest`` for one that is not taken, or that is not the body's, and ``TooLarge`` above ``most`` bytes.
    """
    coding = ",".join(request.headers.getall("Content-Encoding", [])).strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in _CODINGS:
        raise BadRequest("The body's Content-Encoding is not taken here: send gzip or deflate, or leave it out.")
    # Some clients send deflate bare, without the zlib format around it that the name stands for.
    bare = coding == "deflate" and body[0] & 0x0F != zlib.DEFLATED
    form = -zlib.MAX_WBITS if bare else _CODINGS[coding]
    content = b""
    for _ in range(_MEMBERS if form == _GZIP else 1):
        unpack = zlib.decompressobj(form)
        try:
            content += unpack.decompress(body, most + 1 - len(content))
        except zlib.error:
            raise mismatch() from None
        if len(content) > most:
            raise too_large(most)
        if not unpack.eof:  # the end, with its checksum, did not come
            raise mismatch()
        if not (body := unpack.unused_data):
            return content
    raise mismatch()


def mismatch() -> BadRequest:
    """Return the error for a body that its headers say something else of."""
    return BadRequest("The body is not what its headers say (its length, its chunks or its compression).")


def too_large(most: int) -> TooLarge:
    """Return the error for a body above ``most`` bytes."""
    return TooLarge(f"The body is above {most} bytes, the most that is read here.")


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
