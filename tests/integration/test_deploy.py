"""What deploy/ ships works: the examples load, and the very commands of the units and the compose file answer."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from beacon.settings import load_network, load_site
from beacon.store.embedded import find_mongod
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SKERRY = "/opt/skerry/.venv/bin/skerry"
START_S = 60.0


def unit(name: str) -> configparser.RawConfigParser:
    """A systemd unit; of repeated keys the last one counts, which suffices here."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((DEPLOY / name).read_text())
    return parser


def compose() -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def adapted(name: str, folder: Path, changes: Mapping[str, str]) -> Path:
    """Copy an example configuration, changed only where this machine differs; every change must apply once."""
    text = (DEPLOY / name).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def here(command: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    """The same command with this machine's program and files in place of the installed ones."""
    installed = Path(sys.executable).with_name("skerry")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "beacon.cli"]
    assert command[0] == SKERRY
    return [*program, *(str(files.get(part, part)) for part in command[1:])]


@contextmanager
def started(command: Sequence[str], port: int, environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run a server until its /api/info answers; afterwards it must end on SIGTERM, without complaint."""
    log = folder / f"{port}.log"
    address = f"http://127.0.0.1:{port}/api/info"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        )
        try:
            deadline = time.monotonic() + START_S
            while not answers(address):
                assert process.poll() is None, f"{command} ended: {log.read_text()}"
                assert time.monotonic() < deadline, f"{command} does not answer: {log.read_text()}"
                time.sleep(0.1)
            yield address
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=START_S) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200 and b'"beaconId"' in response.read())
    except (urllib.error.URLError, TimeoutError):
        return False


@contextmanager
def a_site(
    command: Sequence[str], mongo_uri: str, database: str, folder: Path
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Start a site's command on the example configuration; yields its port and environment."""
    port = free_port()
    config = adapted(
        "site.toml", folder, {"port = 5050": f"port = {port}", 'database = "skerry"': f'database = "{database}"'}
    )
    environment = {"SKERRY_MONGODB_URI": mongo_uri}
    with started(here(command, {"/etc/skerry/site.toml": config}), port, environment, folder):
        yield port, environment


# The examples.


def test_the_example_configurations_are_read_by_the_real_settings() -> None:
    site, network = load_site(DEPLOY / "site.toml", {}), load_network(DEPLOY / "network.toml")
    inside = load_network(DEPLOY / "compose.network.toml")
    assert (site.listen.host, site.listen.port) == ("127.0.0.1", 5050)
    assert (network.listen.host, network.listen.port) == ("127.0.0.1", 5060)
    assert [peer.id for peer in network.peers] == [peer.id for peer in inside.peers] == [site.id]
    assert inside.listen.port == network.listen.port


def test_the_compose_file_mounts_files_that_exist_and_publishes_on_this_machine_only() -> None:
    for name in ("site", "network"):
        service = compose()["services"][name]
        mounted, audit = service["volumes"]
        source, target, mode = mounted.split(":")
        assert (DEPLOY / source).is_file()
        assert target in service["command"]
        assert mode == "ro"
        assert audit == f"{name}-audit:/var/lib/skerry" and f"{name}-audit" in compose()["volumes"]
        assert "SKERRY_DATA_DIR=/var/lib/skerry\n" in (DEPLOY / "Containerfile").read_text()
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_mongodb_is_reached_by_the_site_alone() -> None:
    file = compose()
    assert file["networks"]["database"] == {"internal": True}
    for name, service in file["services"].items():
        assert ("database" in service["networks"]) is (name in {"mongo", "mongo-init", "site"})
        assert not (name.startswith("mongo") and "ports" in service)


def test_every_variable_of_the_compose_file_is_in_the_example_of_its_environment() -> None:
    example = (DEPLOY / "compose.env.example").read_text()
    for name in ("MONGO_ROOT_PASSWORD", "SKERRY_DB_PASSWORD"):
        assert f"${{{name}:?" in (DEPLOY / "compose.yaml").read_text()
        assert f"\n{name}=\n" in example


@pytest.mark.parametrize("name", ["skerry.service", "skerry-network.service"])
def test_systemd_finds_nothing_wrong_with_the_unit_and_little_exposed(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here, so nobody can say whether systemd understands the unit")
    text = (DEPLOY / name).read_text()
    copy = tmp_path / name
    copy.write_text(text.replace(SKERRY, sys.executable))  # what is installed elsewhere cannot be executable here
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert name not in verified.stderr, verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


# The commands.


def test_the_unit_of_a_site_starts_on_the_example_and_ends_when_told(
    mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    service = unit("skerry.service")["Service"]
    with a_site(shlex.split(service["ExecStart"]), mongo_uri, database_name, tmp_path):
        pass


def test_the_unit_of_a_network_starts_on_the_example_and_asks_a_site(
    mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    site = shlex.split(unit("skerry.service")["Service"]["ExecStart"])
    with a_site(site, mongo_uri, database_name, tmp_path) as (site_port, _):
        port = free_port()
        config = adapted(
            "network.toml",
            tmp_path,
            {"port = 5060": f"port = {port}", "http://127.0.0.1:5050/api": f"http://127.0.0.1:{site_port}/api"},
        )
        command = shlex.split(unit("skerry-network.service")["Service"]["ExecStart"])
        with started(here(command, {"/etc/skerry/network.toml": config}), port, {}, tmp_path):
            pass


def test_the_commands_and_health_checks_of_the_compose_file_work(
    mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    services = compose()["services"]
    container = (DEPLOY / "Containerfile").read_text()
    assert f'ENTRYPOINT ["{SKERRY}"]' in container
    site = [SKERRY, *services["site"]["command"]]
    with a_site(site, mongo_uri, database_name, tmp_path) as (site_port, _):
        line = next(line for line in container.splitlines() if line.strip().startswith("CMD [") and "python" in line)
        check = yaml.safe_load(line.strip().removeprefix("CMD "))
        assert healthy(check, 5050, site_port)
        port = free_port()
        config = adapted(
            "compose.network.toml",
            tmp_path,
            {"port = 5060": f"port = {port}", "http://site:5050/api": f"http://127.0.0.1:{site_port}/api"},
        )
        network = here([SKERRY, *services["network"]["command"]], {"/etc/skerry/network.toml": config})
        with started(network, port, {}, tmp_path):
            assert services["network"]["healthcheck"]["test"][0] == "CMD"
            assert healthy(services["network"]["healthcheck"]["test"][1:], 5060, port)
        assert not healthy(services["network"]["healthcheck"]["test"][1:], 5060, port)


def healthy(check: Sequence[str], said: int, port: int) -> bool:
    assert check[0] == "python"
    command = [sys.executable, *(part.replace(f":{said}/", f":{port}/") for part in check[1:])]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_image_starts_the_command_of_the_compose_file() -> None:
    last = (DEPLOY / "Containerfile").read_text().splitlines()[-1]
    assert yaml.safe_load(last.removeprefix("CMD ")) == compose()["services"]["site"]["command"]


# MongoDB with passwords, as compose.yaml and docs/operating.md set it up.


@pytest.fixture
def guarded_mongodb(tmp_path: Path) -> Iterator[str]:
    """A replica set of one that wants passwords; yields the URI of a user who may read and write one database."""
    key, port = tmp_path / "keyfile", free_port()
    key.write_text("A" * 64)
    key.chmod(0o600)
    data = tmp_path / "db"
    data.mkdir()
    command = [
        find_mongod(), "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket",
        "--replSet", "rs0", "--keyFile", str(key), "--wiredTigerCacheSizeGB", "0.25",
        "--logpath", str(tmp_path / "mongod.log"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        make_users(port)
        yield f"mongodb://skerry:s3cret@127.0.0.1:{port}/?replicaSet=rs0&authSource=admin"
    finally:
        process.terminate()
        process.wait(timeout=30)


def make_users(port: int) -> None:
    """What the service mongo-init does; the first user is made by the exception that MongoDB grants to localhost."""
    options: dict[str, Any] = {"directConnection": True, "serverSelectionTimeoutMS": 500}
    deadline = time.monotonic() + START_S
    with MongoClient[dict[str, Any]]("127.0.0.1", port, **options) as client:
        while True:
            try:
                member = {"_id": 0, "host": f"127.0.0.1:{port}"}
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                break
            except ConnectionFailure:
                assert time.monotonic() < deadline
        while not client.admin.command("hello")["isWritablePrimary"]:
            time.sleep(0.05)
            assert time.monotonic() < deadline
        client.admin.command("createUser", "root", pwd="r00t", roles=["root"])
    with MongoClient[dict[str, Any]]("127.0.0.1", port, username="root", password="r00t", **options) as client:
        roles = [{"role": "readWrite", "db": "skerry"}]
        client.admin.command("createUser", "skerry", pwd="s3cret", roles=roles)


def test_a_site_needs_no_more_than_to_read_and_write_its_own_database(guarded_mongodb: str, tmp_path: Path) -> None:
    said = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["mongo-init"]["command"][0]
    assert 'roles: [{role: "readWrite", db: "skerry"}]' in said
    command = shlex.split(unit("skerry.service")["Service"]["ExecStart"])
    with a_site(command, guarded_mongodb, "skerry", tmp_path) as (_, environment):
        config = tmp_path / "site.toml"
        made = subprocess.run(
            here([SKERRY, "dataset", "create", "cases", "--level", "public", "--config", str(config)], {}),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        assert "s3cret" not in made.stdout + made.stderr
    with MongoClient[dict[str, Any]](guarded_mongodb) as client, pytest.raises(OperationFailure):
        client["elsewhere"]["documents"].insert_one({})


def test_the_image_can_be_built() -> None:
    engine = next((name for name in ("docker", "podman") if shutil.which(name)), None)
    if engine is None or subprocess.run([engine, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no container engine runs here, so the image was not built")
    if "SKERRY_BUILD_IMAGE" not in os.environ:
        pytest.skip("building the image takes minutes and the network; SKERRY_BUILD_IMAGE=1 asks for it")
    build = [engine, "build", "--file", str(DEPLOY / "Containerfile"), "--tag", "skerry-test", str(ROOT)]
    assert subprocess.run(build, check=False).returncode == 0
    shown = subprocess.run([engine, "run", "--rm", "skerry-test", "--version"], capture_output=True, check=False)
    assert shown.returncode == 0
