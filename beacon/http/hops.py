"""Requests that come from other nodes: each for one use, and no question twice from two sides."""

from __future__ import annotations

import time
from typing import Final

from aiohttp import web

from beacon.auth import hop
from beacon.auth.assertion import request_digest
from beacon.auth.tokens import LEEWAY, refused
from beacon.errors import BadRequest, Loop, Overloaded, Unauthenticated
from beacon.http.site import BODY, DOOR, HOP, PRINCIPAL, VISAS, Door

_REMEMBERED_SECONDS: Final = 300.0
"""Longer than any deadline: within it, the same question is recognised."""


async def arrived(request: web.Request) -> None:
    """Check what came with a request whose body is read, before anything is done for it.

    Raises ``Unauthenticated`` for an assertion that is for another request or was used before, and ``Loop`` for a
    question that somebody else has brought already.
    """
    _once(request)
    await _visas(request)
    await _first(request)


def _once(request: web.Request) -> None:
    asserted = request[PRINCIPAL].assertion
    if asserted is None:
        return
    door = request.app[DOOR]
    target = request.raw_path.removeprefix(door.prefix).removeprefix("/api")
    if asserted.request != request_digest(request.method, target, request[BODY]):
        raise refused("is for another request")
    if asserted.issued < door.once.began:
        raise refused("was made before this server began, which cannot tell whether it has been used")
    if not door.once.first(f"assertion {request[PRINCIPAL].node} {asserted.id}", asserted.expires + LEEWAY):
        raise refused("has been used before")


async def _visas(request: web.Request) -> None:
    """Give a person for whom a node asks the visas that came along and count; nobody else sends any."""
    principal = request[PRINCIPAL]
    texts = tuple(" ".join(request.headers.getall(hop.VISAS, [])).split())
    if texts and principal.node is not None:
        request[VISAS] = texts
        request[PRINCIPAL] = await request.app[DOOR].verifier.with_visas(principal, texts)


async def _first(request: web.Request) -> None:
    texts = request.headers.getall(hop.HEADER, [])
    if not texts:
        return
    if len(texts) > 1:
        raise BadRequest(f"The header {hop.HEADER} was sent more than once; send it once.", where=hop.HEADER)
    door = request.app[DOOR]
    try:
        came = request[HOP] = await door.verifier.hop(texts[0])
    except Unauthenticated as error:
        raise Unauthenticated(error.message, where=hop.HEADER) from None
    if not is_first(door, came.question, came.sender):
        raise Loop("This question has come by another way already; that one is answered.")


def is_first(door: Door, question: str, sender: str) -> bool:
    """Say whether a question comes for the first time, or from whom it came first.

    Anybody can bring questions, so memory may run out: it is then taken as new, since nothing is at stake but work.
    """
    try:
        return door.questions.first(question, time.time() + _REMEMBERED_SECONDS, sender)
    except Overloaded:
        return True
