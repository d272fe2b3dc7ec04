"""Asks one member one question, over HTTP, and trusts nothing that comes back.

No redirect is followed, no cookie kept, no proxy of the environment used, and credentials go into the one
request that they were made for. Whatever happens ends in an ``Outcome``.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final
from weakref import WeakValueDictionary

import aiohttp
import orjson
from yarl import URL

from beacon import __version__
from beacon.auth.assertion import request_digest
from beacon.http.middleware import HEADERS, MAKE
from network.breaker import Breaker
from network.credentials import Behalf, Signer
from network.habits import SKERRY, Habits, scout
from network.memory import STRANGER, Memory
from network.outcomes import (
    ERRORS,
    TIMEOUT,
    InvalidAnswer,
    NoTurn,
    Outcome,
    Oversized,
    Reply,
    Verdict,
    classify,
    failure,
    recognised,
)
from network.reading import filtering_terms
from network.registry import Member
from network.rewording import needs_care, reword
from network.scan import Caps, Scanner
from network.turns import Turns
from network.wording import Question

_REQUEST_ID_LENGTH: Final = 128
_ERROR_BYTES: Final = 65_536
_PIECE_BYTES: Final = 65_536
DEADLINE: Final = "Skerry-Deadline"
"""The header by which a member is told how many seconds it has."""
_RESERVE_SECONDS: Final = 0.1
"""What of a deadline is kept for the way there and back, at most half of it."""


def kept_short(seconds: float) -> float:
    """Return how many of some seconds to give on, so that what comes of it is there in time."""
    return max(seconds - _RESERVE_SECONDS, seconds / 2)


class Client:
    """Asks members; made once, used by all requests of one event loop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        caps: Caps,
        breaker: Breaker,
        turns: Turns,
        signer: Signer,
        patience: float,
    ) -> None:
        """``patience`` is how many seconds a member has where the asker is in no hurry."""
        self._session = session
        self._caps = caps
        self._breaker = breaker
        self._turns = turns
        self._signer = signer
        self._patience = patience
        self._memory = Memory()
        self._trials: WeakValueDictionary[tuple[str, bytes], asyncio.Lock] = WeakValueDictionary()
        self._usual: dict[str, float] = {}

    def usual(self, member: Member) -> float:
        """Return how many seconds ``member`` took when it was last asked; 0 where it did not answer or never was."""
        return self._usual.get(member.id, 0.0)

    async def ask(self, member: Member, question: Question, behalf: Behalf, deadline: float) -> Outcome:
        """Ask ``member``, until ``deadline`` (seconds of the event loop's clock)."""
        if (verdict := self._breaker.resting(member.id)) is not None:
            return Outcome(member.id, verdict, resting=True)
        started = time.perf_counter()
        hurried = deadline - asyncio.get_running_loop().time() < self._patience / 2
        heard = False
        try:
            verdict, request_id = await self._verdict(member, question, behalf, deadline)
            if not (hurried and verdict.kind is TIMEOUT):  # who waits for less only may not have it rested for others
                self._breaker.heard(member.id, verdict)
                heard = True
        finally:
            if not heard:
                self._breaker.left(member.id)
        took = time.perf_counter() - started
        self._usual[member.id] = took if verdict.kind.answered else 0.0
        return Outcome(member.id, verdict, round(took * 1000), request_id)

    async def _verdict(
        self, member: Member, question: Question, behalf: Behalf, deadline: float
    ) -> tuple[Verdict, str]:
        request_id, asked = "", False
        loop = asyncio.get_running_loop()
        try:
            try:
                async with asyncio.timeout_at(deadline), self._turns.turn(member.id, behalf.account):
                    asked = True
                    question, reply = await self._put(member, question, behalf, deadline)
            except TimeoutError:
                raise TimeoutError if asked else NoTurn from None
            if isinstance(reply, Verdict):
                return reply, ""
            request_id = reply.request_id
            if loop.time() > deadline:  # others' answers took the time to read this one
                raise TimeoutError
            verdict = classify(reply, question.read, single=question.single, refuses=question.refuses)
            return recognised(verdict, member.may_be), request_id
        except ERRORS as error:
            return failure(error), request_id

    async def explain(self, member: Member, question: Question, behalf: Behalf, deadline: float) -> dict[str, Any]:
        """Say what ``ask`` would send to ``member``, and why; nothing is asked, but for what it takes to know that."""
        plan: dict[str, Any] = {"peer": member.id}
        if (verdict := self._breaker.resting(member.id)) is not None:
            return plan | {"asked": False, "outcome": verdict.kind.name, "resting": True, "reason": verdict.reason}
        habits: Habits | Verdict
        try:
            async with asyncio.timeout_at(deadline), self._turns.turn(member.id, behalf.account):
                habits = self._known(member, behalf) or await self._learn(member, question, behalf, deadline)
        except ERRORS as error:
            habits = failure(error)
        finally:
            self._breaker.left(member.id)
        worded = habits if isinstance(habits, Verdict) else reword(question, habits, member.assemblies)
        if not isinstance(habits, Verdict):
            plan["habits"] = habits.facts()
        if isinstance(worded, Verdict):
            return plan | {"asked": False, "outcome": worded.kind.name, "reason": worded.reason}
        plan |= {"asked": True, "method": "GET" if worded.body is None else "POST", "path": worded.path}
        return plan if worded.body is None else plan | {"body": orjson.loads(worded.body)}

    async def _put(
        self, member: Member, question: Question, behalf: Behalf, deadline: float
    ) -> tuple[Question, Reply | Verdict]:
        """Ask in the words that this member takes; where it is not of our own make, find them out first."""
        loop = asyncio.get_running_loop()
        habits: Habits | Verdict | None = self._known(member, behalf)
        if habits is None:
            careful = question.query is not None and needs_care(question.query)
            question = question if careful else self._as_strangers(member, question)
            reply = await self._exchange(member, question, behalf, deadline - loop.time())
            if reply.skerry:
                self._keep(member, behalf, SKERRY)
            if reply.skerry or not careful:
                return question, reply
            habits = await self._tried(member, behalf, deadline)
        if isinstance(habits, Verdict):
            return question, habits
        worded = reword(question, habits, member.assemblies)
        if isinstance(worded, Verdict):
            return question, worded
        return worded, await self._exchange(member, worded, behalf, deadline - loop.time())

    def _as_strangers(self, member: Member, question: Question) -> Question:
        """Word a question that nobody mistakes as strangers have it understood, where that is known."""
        habits = self._memory.known(member.id, STRANGER)
        worded = question if habits is None else reword(question, habits, member.assemblies)
        return question if isinstance(worded, Verdict) else worded

    async def _learn(self, member: Member, question: Question, behalf: Behalf, deadline: float) -> Habits | Verdict:
        loop = asyncio.get_running_loop()
        about = Question("/service-info", question.read)
        if (await self._exchange(member, about, behalf, deadline - loop.time())).skerry:
            self._keep(member, behalf, SKERRY)
            return SKERRY
        return await self._tried(member, behalf, deadline)

    async def _tried(self, member: Member, behalf: Behalf, deadline: float) -> Habits | Verdict:
        """Try a member out on behalf of whoever asks; a verdict where it does not answer even the simplest question.

        Several questions of one asker wait for one trial; those of others, who may be shown something else, do not.
        """

        async def send(path: str, body: bytes | None) -> Reply:
            left = deadline - asyncio.get_running_loop().time()
            return await self._exchange(member, Question(path, filtering_terms, body), behalf, left)

        async with self._trials.setdefault((member.id, self._signer.asker(member, behalf)), asyncio.Lock()):
            if (known := self._known(member, behalf)) is not None:
                return known
            habits = await scout(send, str(member.url), member.may_be)
            if isinstance(habits, Habits):
                self._keep(member, behalf, habits)
            return habits

    def _known(self, member: Member, behalf: Behalf) -> Habits | None:
        return self._memory.known(member.id, self._signer.asker(member, behalf))

    def _keep(self, member: Member, behalf: Behalf, habits: Habits) -> None:
        self._memory.keep(member.id, self._signer.asker(member, behalf), habits)

    async def _exchange(self, member: Member, question: Question, behalf: Behalf, seconds: float) -> Reply:
        try:
            return await self._send(member, question, behalf, seconds)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError):
            # The member may have closed an idle connection just when it was used again; asking changes nothing there.
            return await self._send(member, question, behalf, seconds)

    async def _send(self, member: Member, question: Question, behalf: Behalf, seconds: float) -> Reply:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers[DEADLINE] = f"{kept_short(seconds):.3f}"
        if question.body is not None:
            headers["Content-Type"] = "application/json"
        method = "GET" if question.body is None else "POST"
        digest = request_digest(method, question.path, question.body or b"")
        headers |= await self._signer.headers(member, behalf, digest)
        async with self._session.request(
            method,
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
            request_id = _request_id(response.headers.get("X-Request-Id", ""))
            return Reply(response.status, body, request_id, skerry=response.headers.get(MAKE) == HEADERS[MAKE])

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        good = response.status == 200
        most = self._caps.bytes if good else min(self._caps.bytes, _ERROR_BYTES)
        if good and (response.content_length or 0) > most:
            raise Oversized
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", "deflate"}:
            raise InvalidAnswer("its answer is compressed in a way that was not asked for")
        scanner = Scanner(self._caps)
        body = bytearray()
        async with aclosing(_pieces(response, compressed=encoding != "identity")) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > most and not good:
                    response.close()
                    return b""  # the status says enough
                if len(body) > most:
                    raise Oversized
                if good:
                    scanner.feed(piece)
        return bytes(body)


async def _pieces(response: aiohttp.ClientResponse, *, compressed: bool) -> AsyncGenerator[bytes]:
    """Yield the body as it comes, decompressed; however much a chunk grows to, others have their turn in between."""
    if not compressed:
        async for chunk in response.content.iter_any():
            yield chunk
        return
    unpack = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    async for chunk in response.content.iter_any():
        piece = unpack.decompress(chunk, _PIECE_BYTES)
        yield piece
        while unpack.unconsumed_tail or len(piece) == _PIECE_BYTES:
            await asyncio.sleep(0)
            piece = unpack.decompress(unpack.unconsumed_tail, _PIECE_BYTES)
            yield piece
    if not unpack.eof:
        raise InvalidAnswer("its compressed answer was cut short")


@asynccontextmanager
async def session(connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the one session of a network node: no cookies, no proxies or passwords from the environment.

    ``connections`` is the most at a time to one member.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": f"Skerry/{__version__}"},
    ) as opened:
        yield opened


def _request_id(text: str) -> str:
    return text[:_REQUEST_ID_LENGTH] if text.isprintable() else ""
