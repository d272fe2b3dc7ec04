"""Opening a database: what cannot be used is refused with a sentence, and nothing is left open behind it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
from pymongo import MongoClient

from beacon.cli import main
from beacon.errors import ConfigurationError, StoreUnavailable
from beacon.store.admin import Admin
from beacon.store.embedded import find_mongod
from beacon.store.mongo import MongoStore
from tests.ports import free_port


async def test_a_database_of_another_data_model_is_refused_and_closed(mongo_uri: str, database_name: str) -> None:
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client[database_name]["meta"].insert_one({"_id": "model", "version": 99})
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(ConfigurationError, match="data model 99"):
            await MongoStore.open(mongo_uri, database_name)
        gc.collect()
    assert [str(one.message) for one in caught if "Client" in str(one.message)] == []


async def test_the_gate_counts_what_the_database_has(mongo_uri: str, database_name: str) -> None:
    store = await MongoStore.open(mongo_uri, database_name, pool_size=1)
    try:
        async with store.gate:
            waiting = asyncio.create_task(store.ontologies())
            await asyncio.sleep(0)
            assert (store.gate.running, store.gate.waiting) == (1, 1)
        await waiting
        assert (store.gate.running, store.gate.waiting) == (0, 0)
    finally:
        await store.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("admin", "mongo"):
        monkeypatch.setattr(f"beacon.store.{module}.SELECTION_MS", 300)


@pytest.fixture
async def web_server() -> AsyncIterator[int]:
    """The port of something that is no MongoDB."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a MongoDB that wants a password: that of ``root`` is ``right``, and so is that of ``guest``."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "db").mkdir()
    command = [find_mongod(), "--auth", "--dbpath", str(folder / "db"), "--bind_ip", str(folder / "m.sock"), "--quiet"]
    command += ["--unixSocketPrefix", str(folder), "--wiredTigerCacheSizeGB", "0.25", "--logpath", str(folder / "log")]
    host = str(folder / "m.sock").replace("/", "%2F")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            with MongoClient[dict[str, object]](f"mongodb://{host}") as client:
                client.admin.command("createUser", "root", pwd="right", roles=["root"])
            with MongoClient[dict[str, object]](f"mongodb://root:right@{host}") as client:
                client.admin.command("createUser", "guest", pwd="right", roles=[])
            yield host
        finally:
            server.kill()


@contextmanager
def sockets_left() -> Iterator[None]:
    """The driver leaves a socket open that it is just connecting when it is told to close."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


async def refusal(uri: str) -> str:
    """Why a server and a command cannot use a database; it must be the same."""
    with sockets_left(), pytest.raises(StoreUnavailable) as at_serving:
        await MongoStore.open(uri, "skerry")
    with pytest.raises(StoreUnavailable) as at_loading:
        await asyncio.to_thread(Admin.open, uri, "skerry")
    assert at_serving.value.message == at_loading.value.message
    return at_serving.value.message


@pytest.mark.usefixtures("impatient")
async def test_whoever_cannot_reach_a_database_is_told_where_and_why(web_server: int, tmp_path: Path) -> None:
    closed = free_port()
    socket = str(tmp_path / "no.sock")
    for address, host, reason in (
        (f"127.0.0.1:{closed}", f"127.0.0.1:{closed}", "Connection refused"),
        (
            f"127.0.0.1:{web_server}",
            f"127.0.0.1:{web_server}",
            "what answers there is no MongoDB, or one that wants TLS",
        ),
        (f"[::1]:{closed}", f"[::1]:{closed}", "Connection refused"),
        (socket.replace("/", "%2F"), socket, "No such file or directory"),
    ):
        said = await refusal(f"mongodb://user:s3cret@{address}/")
        assert said == f"the MongoDB at {host} cannot be used: {reason}"
    two = await refusal(f"mongodb://user:s3cret@127.0.0.1:{closed},localhost:{closed}/?replicaSet=rs0")
    assert f"127.0.0.1:{closed}: Connection refused" in two and f"localhost:{closed}: Connection refused" in two


async def test_a_name_that_cannot_be_looked_up_is_no_wrong_address() -> None:
    uri = "mongodb+srv://user:s3cret@nowhere.invalid/?connectTimeoutMS=500"
    for opening in (MongoStore.open(uri, "skerry"), asyncio.to_thread(Admin.open, uri, "skerry")):
        with pytest.raises(StoreUnavailable, match=r"^the MongoDB at nowhere\.invalid cannot be used: [^@]+$"):
            await opening


@pytest.mark.usefixtures("impatient")
async def test_whatever_closes_the_connection_is_no_mongodb_whoever_is_quicker() -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        said = await refusal(f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert said.endswith("what answers there is no MongoDB, or one that wants TLS")


@pytest.mark.usefixtures("impatient")
async def test_a_member_of_another_replica_set_is_named(mongo_uri: str) -> None:
    host = mongo_uri.removeprefix("mongodb://").partition("/")[0]
    said = await refusal(f"mongodb://{host}/?replicaSet=other")
    assert said.startswith(f"the MongoDB at {unquote(host)} cannot be used: ") and "other" in said


@pytest.mark.parametrize("options", ["tlsCAFile=/nope", "tls=true&tlsCertificateKeyFile=/nope"])
async def test_a_file_of_certificates_that_cannot_be_read_is_named(options: str) -> None:
    uri = f"mongodb://user:s3cret@127.0.0.1/?{options}"
    for opening in (MongoStore.open(uri, "skerry"), asyncio.to_thread(Admin.open, uri, "skerry")):
        with pytest.raises(
            ConfigurationError, match=r"^the file /nope, which mongo\.uri names, cannot be used: No such"
        ):
            await opening


@pytest.mark.usefixtures("impatient")
async def test_an_option_that_the_driver_does_not_know_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await refusal(f"mongodb://127.0.0.1:{free_port()}/?nonsense=1")
    assert [one.message[:34] for one in caplog.records] == ["mongo.uri: Unknown option: nonsens"] * 2


@pytest.mark.parametrize(
    ("user", "reason"),
    [("root:s3cret@", "it does not accept"), ("", "names none such"), ("guest:right@", "names none such")],
)
async def test_whoever_may_not_use_a_database_is_told_so(guarded: str, user: str, reason: str) -> None:
    said = await refusal(f"mongodb://{user}{guarded}")
    assert reason in said and "m.sock cannot be used" in said
    assert "s3cret" not in said and "Topology" not in said and "{" not in said


def test_what_could_not_be_written_is_told_without_the_document(mongo_uri: str, database_name: str) -> None:
    refused = pytest.raises(StoreUnavailable, match="cannot be used: E11000 duplicate key")
    with refused as told, Admin.open(mongo_uri, database_name) as admin:
        admin._db["terms"].insert_many([{"_id": 1, "label": "long"}, {"_id": 1, "label": "long"}])
    assert "long" not in told.value.message


@pytest.mark.usefixtures("impatient")
def test_commands_print_that_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKERRY_MONGODB_URI", f"mongodb://user:s3cret@127.0.0.1:{free_port()}")
    for command in (["dataset", "list"], ["serve"]):
        with sockets_left():
            assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("skerry: the MongoDB at 127.0.0.1:") and line.endswith("Connection refused")
