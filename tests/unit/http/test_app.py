"""A whole site from its settings: on loopback unless told otherwise, with TLS when given a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beacon.app import running, serve
from beacon.errors import ConfigurationError
from beacon.settings import Listen, Log, SiteSettings

SETTINGS = SiteSettings(id="test.site", listen=Listen(port=0), log=Log(format="json"))


def with_database(settings: SiteSettings, name: str) -> SiteSettings:
    return replace(settings, mongo=replace(settings.mongo, database=name))


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, secret


async def test_a_site_listens_on_this_machine_only(mongo_uri: str, database_name: str) -> None:
    async with running(with_database(SETTINGS, database_name), mongo_uri) as address:
        assert address.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            assert (response.status, (await response.json())["response"]["id"]) == (200, "test.site")


async def test_a_long_address_is_read(mongo_uri: str, database_name: str) -> None:
    async with running(with_database(SETTINGS, database_name), mongo_uri) as address:
        url = f"{address}/individuals?filters={','.join(['HP:0001250'] * 2000)}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 413
            assert (await response.json())["error"]["where"] == "filters"


async def test_a_certificate_makes_it_https(mongo_uri: str, database_name: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    settings = with_database(replace(SETTINGS, listen=Listen(port=0, tls_cert=cert, tls_key=key)), database_name)
    trust = ssl.create_default_context(cafile=str(cert))
    async with running(settings, mongo_uri) as address:
        assert address.startswith("https://")
        async with aiohttp.ClientSession() as session, session.get(address, ssl=trust) as response:
            assert response.status == 200


async def test_whoever_speaks_no_tls_is_turned_away_and_others_are_answered(
    mongo_uri: str, database_name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = certificate(tmp_path)
    settings = with_database(replace(SETTINGS, listen=Listen(port=0, tls_cert=cert, tls_key=key)), database_name)
    trust = ssl.create_default_context(cafile=str(cert))
    async with running(settings, mongo_uri) as address, aiohttp.ClientSession() as session:
        port = int(address.rpartition(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await reader.read()
        writer.close()
        async with session.get(address, ssl=trust) as response:
            assert response.status == 200
    assert "Traceback" not in caplog.text


async def test_a_certificate_that_cannot_be_used_is_named(mongo_uri: str, database_name: str, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    listen = Listen(port=0, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem")
    with pytest.raises(ConfigurationError, match=r"cert\.pem"):
        async with running(with_database(replace(SETTINGS, listen=listen), database_name), mongo_uri):
            pass


async def test_a_port_that_is_taken_is_named(mongo_uri: str, database_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = with_database(replace(SETTINGS, listen=Listen(port=port)), database_name)
        with pytest.raises(ConfigurationError, match=f"port {port}"):
            async with running(settings, mongo_uri):
                pass


@pytest.fixture
def own_log() -> Iterator[None]:
    """A server's process sets up its log; this process is given its own back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("own_log")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(mongo_uri: str, database_name: str, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = with_database(replace(SETTINGS, listen=Listen(port=port)), database_name)
    serving = asyncio.create_task(serve(settings, mongo_uri))
    url = f"http://127.0.0.1:{port}/api/info"
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    assert response.status == 200
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
        os.kill(os.getpid(), number)
        await serving
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)
