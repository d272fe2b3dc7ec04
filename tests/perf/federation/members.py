"""Simulated members: as many beacons as wanted in one process, each with a latency of its own, that cost little.

``python -m tests.perf.federation.members`` reads one line of JSON that says what to serve, writes one with the ports,
and serves until its standard input ends. It needs the standard library alone, so that it starts quickly.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Mapping
from typing import Any, cast

HOST = "127.0.0.1"
ID = "@ID@"
"""Stands for the member's id in what all of them say."""


class _Connection(asyncio.Protocol):
    """Speaks just enough HTTP: one request after the other, each with a Content-Length or no body."""

    def __init__(self, id: str, seconds: float, hangs_at: str, said: Mapping[str, str]) -> None:
        self._id = id
        self._seconds = seconds
        self._hangs_at = hangs_at
        self._said = said
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        lines = bytes(self._data[:head])
        length = lines.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(self._data) < head + 4 + int(length or b"0"):
            return
        self._data.clear()
        name = lines.split(b" ", 2)[1].decode().partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
        if name in self._said:
            self._write(self._said[name])
        elif name != self._hangs_at:
            asyncio.get_running_loop().call_later(self._seconds, self._write, self._said[""])

    def _write(self, text: str) -> None:
        body = text.replace(ID, self._id).encode()
        if self._transport is not None and not self._transport.is_closing():
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def _serve(wanted: Mapping[str, Any]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # every member is two open files or more
    loop = asyncio.get_running_loop()
    ports = []
    for one in wanted["members"]:

        def made(one: Mapping[str, Any] = one) -> _Connection:
            return _Connection(one["id"], one["seconds"], one["hangs_at"], wanted["said"])

        server = await loop.create_server(made, HOST, one["port"])
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.stdin.readline())))
