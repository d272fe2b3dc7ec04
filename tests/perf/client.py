"""Clients that cost little themselves: a blocking one for medians, many on one event loop for throughput.

Both send bytes that were made before the clock started, and read answers with a Content-Length; what an answer
says is looked at only after the run.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: which request it is to, its status and body, and how long it took in seconds."""

    request: int
    status: int
    body: bytes
    seconds: float


def get(path: str) -> bytes:
    """Write a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Write a POST request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.index(b"\r\ncontent-length:") + 17
    return int(lowered[at : lowered.index(b"\r\n", at)])


class OneClient:
    """A client with one connection, one request at a time; a context manager."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, number: int, request: bytes) -> Answer:
        """Send one request and wait for the whole answer."""
        began = time.perf_counter()
        self._socket.sendall(request)
        data = bytearray()
        head = -1
        while head < 0:
            data += self._receive()
            head = data.find(b"\r\n\r\n")
        end = head + 4 + _length(bytes(data[: head + 2]))
        while len(data) < end:
            data += self._receive()
        took = time.perf_counter() - began
        return Answer(number, int(data[9:12]), bytes(data[head + 4 : end]), took)

    def _receive(self) -> bytes:
        part = self._socket.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed the connection")
        return part


@dataclass(slots=True)
class _Crowd:
    """What many clients share: the requests that are left, and the answers."""

    requests: Iterator[tuple[int, bytes]]
    until: float
    answers: list[Answer] = field(default_factory=list)
    busy: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str = ""


class _Client(asyncio.Protocol):
    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._number = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._crowd.busy += 1

    def begin(self) -> None:
        """Send the next request, if there is one and time is left."""
        assert self._transport is not None
        following = next(self._crowd.requests, None)
        if following is None or time.perf_counter() >= self._crowd.until:
            self._transport.close()
            return
        self._number, request = following
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        end = head + 4 + _length(bytes(self._data[: head + 2]))
        if len(self._data) < end:
            return
        took = time.perf_counter() - self._began
        self._crowd.answers.append(Answer(self._number, int(self._data[9:12]), bytes(self._data[head + 4 : end]), took))
        self._data.clear()
        self._began = 0.0
        self.begin()

    def connection_lost(self, error: Exception | None) -> None:
        if self._began:
            self._crowd.problem = f"a connection broke during a request: {error}"
        self._crowd.busy -= 1
        if not self._crowd.busy:
            self._crowd.done.set()


async def crowd(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> tuple[list[Answer], float]:
    """Ask with many clients at once until requests or time run out; returns answers and the seconds it took.

    Raises ``ConnectionError`` where a connection broke.
    """
    loop = asyncio.get_running_loop()
    shared = _Crowd(iter(enumerate(requests)), 0.0)
    made = [await loop.create_connection(lambda: _Client(shared), "127.0.0.1", port) for _ in range(clients)]
    began = time.perf_counter()
    shared.until = began + seconds
    for _, client in made:
        client.begin()
    await shared.done.wait()
    if shared.problem:
        raise ConnectionError(shared.problem)
    return shared.answers, time.perf_counter() - began
