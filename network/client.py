"""Asks one member one question, over HTTP, and trusts nothing that comes back.

No redirect is followed, no cookie kept, no proxy of the environment used, and credentials go into the one
request that they were made for. Whatever happens ends in an ``Outcome``.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from beacon import __version__
from beacon.auth.assertion import SigningKey, sign_assertion
from beacon.model.access import Person
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import AlphanumericFilter, Filter, Include, OntologyFilter, Query, VariantQuery
from network.outcomes import ERRORS, InvalidAnswer, Outcome, Oversized, Reader, Reply, classify, failure
from network.registry import Member

CONNECTIONS_PER_MEMBER: Final = 32
_REQUEST_ID_LENGTH: Final = 128

Sign = Callable[[Member, Person], str]


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request to a member and how its answer is read.

    ``path`` is percent-encoded and begins with a slash, below the root of the member's API. A ``body`` makes
    it a POST. ``single``: it is about one record or what belongs to it.
    """

    path: str
    read: Reader
    body: bytes | None = None
    single: bool = False


class Client:
    """Asks members; made once, used by all requests of one event loop."""

    def __init__(self, session: aiohttp.ClientSession, *, max_bytes: int, sign: Sign | None = None) -> None:
        """Read at most ``max_bytes`` of an answer, decompressed. Without ``sign`` nobody is vouched for."""
        self._session = session
        self._max_bytes = max_bytes
        self._sign = sign

    async def ask(self, member: Member, question: Question, person: Person | None, deadline: float) -> Outcome:
        """Ask ``member`` on behalf of ``person``, until ``deadline`` (seconds of the event loop's clock)."""
        started = time.perf_counter()
        request_id = ""
        try:
            async with asyncio.timeout_at(deadline):
                reply = await self._exchange(member, question, person)
            request_id = reply.request_id
            if asyncio.get_running_loop().time() > deadline:  # others' answers took the time to read this one
                raise TimeoutError
            verdict = classify(reply, question.read, single=question.single)
        except ERRORS as error:
            verdict = failure(error)
        return Outcome(member.id, verdict, round((time.perf_counter() - started) * 1000), request_id)

    async def _exchange(self, member: Member, question: Question, person: Person | None) -> Reply:
        try:
            return await self._send(member, question, person)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError):
            # The member may have closed an idle connection just when it was used again; asking changes nothing there.
            return await self._send(member, question, person)

    async def _send(self, member: Member, question: Question, person: Person | None) -> Reply:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        if person is not None and self._sign is not None:
            headers["Authorization"] = f"Bearer {self._sign(member, person)}"
        async with self._session.request(
            "GET" if question.body is None else "POST",
            URL(f"{member.url}{question.path}", encoded=True),
            data=question.body,
            headers=headers,
            allow_redirects=False,
        ) as response:
            try:
                body = await self._read(response)
            except BaseException:
                response.close()  # the rest is not wanted: do not wait for it
                raise
            return Reply(response.status, body, _request_id(response.headers.get("X-Request-Id", "")))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self._max_bytes:
            raise Oversized
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", "deflate"}:
            raise InvalidAnswer("its answer is compressed in a way that was not asked for")
        unpack = None if encoding == "identity" else zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
        body = bytearray()
        async for chunk in response.content.iter_any():
            # One byte more than is allowed is enough to know, however much a compressed chunk would grow to.
            body += unpack.decompress(chunk, self._max_bytes - len(body) + 1) if unpack else chunk
            if len(body) > self._max_bytes:
                raise Oversized
        if unpack and not unpack.eof:
            raise InvalidAnswer("its compressed answer was cut short")
        return bytes(body)


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open the one session of a network node: no cookies, no proxies or passwords from the environment."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_MEMBER),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": f"Skerry/{__version__}"},
    ) as opened:
        yield opened


def signer(key: SigningKey, node: str, *, seconds: int, clock: Callable[[], float] = time.time) -> Sign:
    """Return what signs, for one member at a time, that the node ``node`` knows who asks."""

    def sign(member: Member, person: Person) -> str:
        return sign_assertion(key, node, member.audience, person, clock(), seconds=seconds)

    return sign


def request_path(query: Query) -> str:
    """Return the Beacon path of a query: ``/individuals``, ``/individuals/{id}``, ``/individuals/{id}/biosamples``."""
    if query.anchor is None:
        return f"/{ENTRY_TYPES[query.entry_type].path}"
    path = f"/{ENTRY_TYPES[query.anchor.entry_type].path}/{quote(query.anchor.id, safe='')}"
    return path if query.anchor.entry_type == query.entry_type else f"{path}/{ENTRY_TYPES[query.entry_type].path}"


def request_body(query: Query) -> dict[str, Any]:
    """Return the Beacon v2 POST body that asks ``query``.

    All result sets are asked for, whatever the asker wants to see of them: one that withholds says so only
    where it is listed.
    """
    parameters: dict[str, Any] = {}
    if query.variant is not None:
        parameters["g_variant"] = _variant_parameters(query.variant)
    if query.datasets is not None:
        parameters["datasets"] = {"datasetIds": list(query.datasets)}
    schemas = [{"entityType": entity, "schema": schema} for entity, schema in query.requested_schemas]
    return {
        "meta": {"apiVersion": query.api_version, "requestedSchemas": schemas},
        "query": {
            "requestedGranularity": query.granularity.label,
            "includeResultsetResponses": Include.ALL.value,
            "pagination": {"skip": query.pagination.skip, "limit": query.pagination.limit},
            "testMode": query.test_mode,
            "filters": [_filter(one) for one in query.filters],
            "requestParameters": parameters,
        },
    }


def encode(query: Query) -> bytes:
    """Return ``request_body`` as it goes over the wire."""
    return orjson.dumps(request_body(query))


_VARIANT_PARAMETERS: Final = {
    "assemblyId": "assembly",
    "referenceName": "chrom",
    "referenceBases": "reference_bases",
    "alternateBases": "alternate_bases",
    "variantType": "variant_type",
    "variantMinLength": "min_length",
    "variantMaxLength": "max_length",
    "geneId": "gene",
    "aminoacidChange": "aminoacid_change",
    "genomicAlleleShortForm": "short_form",
    "mateName": "mate",
}


def _variant_parameters(variant: VariantQuery) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        name: value
        for name, attribute in _VARIANT_PARAMETERS.items()
        if (value := getattr(variant, attribute)) is not None
    }
    if variant.start:
        parameters["start"] = list(variant.start)
    if variant.end:
        parameters["end"] = list(variant.end)
    return parameters


def _filter(one: Filter) -> dict[str, Any]:
    body: dict[str, Any] = {"id": one.id}
    match one:
        case OntologyFilter():
            body |= {"includeDescendantTerms": one.descendants, "similarity": one.similarity}
            if one.excluded:
                body["excluded"] = True
        case AlphanumericFilter():
            body |= {"operator": one.operator, "value": one.value}
    if one.scope is not None:
        body["scope"] = one.scope
    return body


def _request_id(text: str) -> str:
    return text[:_REQUEST_ID_LENGTH] if text.isprintable() else ""
