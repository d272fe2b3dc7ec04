"""`skerry serve --workers`: several processes on one socket and one embedded MongoDB, as a command of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from beacon.audit.heads import signing_key as audit_key
from beacon.audit.place import Place
from beacon.audit.verify import verify
from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
QUESTION = b'{"meta": {"apiVersion": "v2.0"}, "query": {"requestedGranularity": "count"}}'

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found by /proc here")


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    metrics: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/individuals?requestedGranularity=count"

    def workers(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an embedded MongoDB in which there is one empty public dataset."""
    folder = tmp_path_factory.mktemp("workers") / "skerry-data"
    with mongodb(Mongo(data_dir=folder, cache_gb=0.25)) as uri, Admin.open(uri) as admin:
        admin.create_dataset("open", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
    return folder


@contextmanager
def serving(data: Path, folder: Path, rate: str = "per_second = 0") -> Iterator[Server]:
    port, metrics = free_port(), free_port()
    config, log = folder / "site.toml", folder / "log"
    config.write_text(
        f'id = "test.site"\n[listen]\nport = {port}\n[metrics]\nport = {metrics}\n'
        f'[mongo]\ndata_dir = "{data}"\ncache_gb = 0.25\n[rate]\n{rate}\n'
    )
    command = [sys.executable, "-m", "beacon.cli", "serve", "--config", str(config), "--workers", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        )
    try:
        until = time.monotonic() + 60
        while "answers at" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Server(process, port, metrics, log)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGKILL), log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as one:
        yield one


async def test_requests_keep_being_answered_while_workers_are_killed(
    data: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    with serving(data, tmp_path) as server:
        ending = asyncio.Event()
        answered, broken = 0, 0

        async def ask() -> None:
            nonlocal answered, broken
            while not ending.is_set():
                try:
                    async with session.get(server.url) as response:
                        assert response.status == 200
                        assert (await response.json())["responseSummary"]["numTotalResults"] == 0
                        answered += 1
                except aiohttp.ClientConnectionError:  # it had just been given to the one that was killed
                    broken += 1

        asking = [asyncio.create_task(ask()) for _ in range(8)]
        first = await asyncio.to_thread(wait_for, server, 2)
        for victim in first:
            os.kill(victim, signal.SIGKILL)
            before = answered
            await asyncio.to_thread(wait_for, server, 2)
            await asyncio.sleep(1)
            assert answered > before
        ending.set()
        await asyncio.gather(*asking)
        assert first.isdisjoint(server.workers())
        assert broken <= 16  # of each worker at most those it had
        async with session.get(f"http://127.0.0.1:{server.metrics}/metrics") as response:
            text = await response.text()
        assert "\nskerry_workers 2.0\n" in text
        assert "\nskerry_worker_starts_total 4.0\n" in text
        counted = re.search(r'skerry_requests_total{method="GET",route="/api/individuals",status="200"} (\d+)', text)
        # Each of the two that were killed may have been so between an answer and counting it.
        assert counted is not None and answered - 2 <= int(counted[1]) <= answered + broken
    place = Place(data / "audit", data / "audit" / "heads", data / "audit" / "key.pem")
    audit = verify(place, audit_key(place.key).public_key())
    assert audit.faults == [] and audit.chains >= 4
    assert audit.lines >= answered and audit.uncovered == 0  # those of the killed are signed by those that followed


def wait_for(server: Server, count: int) -> set[int]:
    until = time.monotonic() + 20
    while len(workers := server.workers()) != count:
        assert time.monotonic() < until, server.log.read_text()
        time.sleep(0.01)
    return workers


async def test_a_slow_request_still_gets_its_answer_after_the_server_was_told_to_end(
    data: Path, tmp_path: Path
) -> None:
    with serving(data, tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"POST /api/individuals HTTP/1.1\r\nHost: x\r\nContent-Length: {len(QUESTION)}\r\n\r\n"
        writer.write(head.encode() + QUESTION[:20])
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.7)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert server.process.poll() is None
        writer.write(QUESTION[20:])
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"numTotalResults":0' in answer
        writer.close()
        assert await asyncio.to_thread(server.process.wait, 20) == 0


async def test_a_server_that_is_killed_leaves_neither_workers_nor_a_database_behind(data: Path, tmp_path: Path) -> None:
    with serving(data, tmp_path) as server:
        workers = server.workers()
        server.process.kill()
        await asyncio.to_thread(server.process.wait)
        async with asyncio.timeout(30):
            while any(Path(f"/proc/{worker}/stat").exists() for worker in workers) or database_runs(data):
                await asyncio.sleep(0.1)


def database_runs(data: Path) -> bool:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"mongod" in command.read_bytes() and (command.parent / "cwd").resolve() == (data / "mongo").resolve():
                return True
        except OSError:  # it has just ended
            continue
    return False


async def test_a_limit_counts_for_all_workers_together(
    data: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    with serving(data, tmp_path, rate="per_second = 0.01\nburst = 20") as server:
        statuses = []
        for _ in range(25):  # on connections of their own, which both workers take
            async with session.get(server.url) as response:
                statuses.append(response.status)
    assert statuses == [200] * 20 + [429] * 5
