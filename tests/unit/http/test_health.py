"""Whether the process lives and whether it can answer, for machines that ask often and know nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from beacon.http import health
from beacon.settings import Limits, Mongo
from beacon.store import freshness
from beacon.store.embedded import find_mongod
from beacon.store.mongo import MongoStore
from tests.unit.http.conftest import Client, site


async def test_a_site_lives_and_is_ready(client: Client) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = await client.send("GET", path)
        assert (answer.status, answer.body) == (200, {"status": "ok"})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_health_is_not_a_path_of_the_beacon(client: Client) -> None:
    assert (await client.send("GET", "/api/health/live")).status == 404
    assert (await client.send("POST", "/health/live")).status == 405


async def test_a_bad_token_does_not_make_a_site_ill(client: Client) -> None:
    assert (await client.send("GET", "/health/ready", headers={"Authorization": "Bearer x"})).status == 200


@pytest.fixture
def own_mongod(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A MongoDB that a test may stop; not a replica set, which only loads need."""
    data = tmp_path / "db"
    data.mkdir()
    command = [find_mongod(), "--dbpath", str(data), "--bind_ip", str(tmp_path / "m.sock"), "--unixSocketPrefix"]
    command += [str(tmp_path), "--wiredTigerCacheSizeGB", "0.25", "--logpath", str(tmp_path / "log"), "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


async def test_a_site_whose_database_hangs_lives_but_is_not_ready(
    own_mongod: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_SECONDS", 0.3)
    uri = f"mongodb://{str(tmp_path / 'm.sock').replace('/', '%2F')}"
    try:
        with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=30_000) as waiting:
            await asyncio.to_thread(waiting.admin.command, "ping")
        async with site(uri, Mongo().database) as client:
            assert (await client.send("GET", "/health/ready")).status == 200
            own_mongod.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(os.waitpid, own_mongod.pid, os.WUNTRACED)  # a busy machine takes its time
            began = time.monotonic()
            answer = await client.send("GET", "/health/ready")
            assert (answer.status, answer.body) == (503, {"status": "unavailable"})
            assert time.monotonic() - began < 2
            assert (await client.send("GET", "/health/live")).status == 200
            own_mongod.send_signal(signal.SIGCONT)
            async with asyncio.timeout(20):
                while (await client.send("GET", "/health/ready")).status != 200:
                    await asyncio.sleep(0.1)
    finally:
        own_mongod.kill()
        own_mongod.wait()


async def test_a_database_that_is_gone_is_not_the_askers_fault_however_short_their_patience(
    own_mongod: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    uri = f"mongodb://{str(tmp_path / 'm.sock').replace('/', '%2F')}"
    try:
        async with site(uri, Mongo().database, limits=Limits(query_seconds=1)) as client:
            assert (await client.get("/filtering_terms")).status == 200
            own_mongod.kill()
            await asyncio.to_thread(own_mongod.wait)
            await asyncio.sleep(freshness.SECONDS)  # until then it need not be asked
            for headers in ({}, {"Skerry-Deadline": "0.5"}):
                answer = await client.send("GET", "/api/filtering_terms", headers=headers)
                assert (answer.status, answer.body["error"]["skerryCode"]) == (503, "store_unavailable")
                assert answer.headers["Retry-After"] == "1"
    finally:
        own_mongod.kill()
        own_mongod.wait()


async def test_a_database_that_hangs_is_not_the_askers_fault(
    own_mongod: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    uri = f"mongodb://{str(tmp_path / 'm.sock').replace('/', '%2F')}"
    try:
        async with site(uri, Mongo().database, limits=Limits(query_seconds=0.5)) as client:
            assert (await client.get("/filtering_terms")).status == 200
            own_mongod.send_signal(signal.SIGSTOP)
            await asyncio.to_thread(os.waitpid, own_mongod.pid, os.WUNTRACED)
            await asyncio.sleep(freshness.SECONDS)  # until then it need not be asked
            began = time.monotonic()
            answers = await asyncio.gather(*(client.get("/filtering_terms") for _ in range(30)))
            assert {(one.status, one.body["error"]["skerryCode"]) for one in answers} == {(503, "store_unavailable")}
            assert time.monotonic() - began < 5
    finally:
        own_mongod.kill()
        own_mongod.wait()


async def test_readiness_is_asked_past_the_queue(mongo_uri: str, database_name: str) -> None:
    store = await MongoStore.open(mongo_uri, database_name, pool_size=1)
    try:
        async with store.gate, asyncio.timeout(2):  # every place is taken
            await store.ping()
    finally:
        await store.close()
