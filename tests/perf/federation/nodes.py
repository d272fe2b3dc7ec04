"""Processes of a federation under measurement: members, the zoo, and network nodes as their operators start them."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from network.zoo.answers import answer, document, people
from tests.perf.federation.members import HOST, ID
from tests.perf.serving import COMMAND, ROOT, running, wait_until_open
from tests.ports import free_port

_START_SECONDS = 60.0


PEOPLE = 3
"""How many individuals every simulated member has."""
HANGS_AT = "biosamples"
_DOCUMENTS = ("api", "info", "service-info", "configuration", "entry_types", "map", "filtering_terms")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated: latencies are log-normal around ``median_seconds``, cut off at ``most_seconds``.

    The first ``hanging`` members never answer about ``HANGS_AT``. ``first_port`` 0 means any free ones. The same seed
    gives the same.
    """

    number: int
    hanging: int = 0
    median_seconds: float = 0.08
    spread: float = 0.6
    most_seconds: float = 0.5
    first_port: int = 0
    prefix: str = "sim-"
    seed: int = 2026

    def latencies(self) -> list[float]:
        """Return the seconds that each member takes."""
        made = random.Random(self.seed)
        drawn = [self.median_seconds * made.lognormvariate(0, self.spread) for _ in range(self.number)]
        return [min(one, self.most_seconds) for one in drawn]


@dataclass(frozen=True, slots=True)
class Simulated:
    """One running member; ``hangs``: about ``HANGS_AT``."""

    id: str
    port: int
    seconds: float
    hangs: bool

    @property
    def url(self) -> str:
        """The root of its API."""
        return f"http://{HOST}:{self.port}/api"


@dataclass(frozen=True, slots=True)
class Node:
    """A running server: the root of its API, and its process."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def simulated(plan: Plan) -> Iterator[tuple[tuple[Simulated, ...], subprocess.Popen[bytes]]]:
    """Serve simulated members in a process of their own."""
    listed = [
        Simulated(f"{plan.prefix}{at}", plan.first_port and plan.first_port + at, seconds, at < plan.hanging)
        for at, seconds in enumerate(plan.latencies())
    ]
    held = {"ds": people(*(f"{ID}-{number}" for number in range(PEOPLE)))}
    said = {"": orjson.dumps(answer(held, granularity="count", beacon_id=ID)).decode()}
    said |= {name: (document(name, ID, f"http://{HOST}/api") or b"").decode() for name in _DOCUMENTS}
    rows = [
        {"id": one.id, "port": one.port, "seconds": one.seconds, "hangs_at": HANGS_AT if one.hangs else ""}
        for one in listed
    ]
    command = [sys.executable, "-m", "tests.perf.federation.members"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(orjson.dumps({"said": said, "members": rows}) + b"\n")
            process.stdin.flush()
            ports = orjson.loads(process.stdout.readline())
            yield tuple(replace(one, port=port) for one, port in zip(listed, ports, strict=True)), process
        finally:
            process.kill()


@contextmanager
def node(
    id: str,
    peers: Mapping[str, str] | str,
    folder: Path,
    settings: Mapping[str, float],
    *,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Node]:
    """Serve a network node over peers by id and address, or over ``[[peers]]`` as they are written.

    Nobody asks it too often, and no member is rested, so that all are asked each time.
    """
    port = port or free_port()
    listed = peers if isinstance(peers, str) else written(peers)
    told = "".join(f"{name} = {value}\n" for name, value in {"rest_after": 0, **settings}.items())
    config = folder / f"{id}.toml"
    config.write_text(
        f'id = "{id}"\n{told}[listen]\nport = {port}\n[rate]\nper_second = 0\n[audit]\ndir = "{id}-audit"\n{listed}'
    )
    command = [sys.executable, "-c", COMMAND, "network", "serve", "--config", str(config)]
    log = folder / f"{id}.log"
    with running(command, log, environment=environment) as process:
        wait_until_open(port, process, log)
        yield Node(f"http://{HOST}:{port}/api", process)


def written(peers: Mapping[str, str]) -> str:
    """Write peers by id and address as settings."""
    return "".join(f'[[peers]]\nid = "{id}"\nurl = "{url}"\n' for id, url in peers.items())


@contextmanager
def zoo(folder: Path, names: Iterable[str] = ()) -> Iterator[tuple[str, Path]]:
    """Run the zoo in a process of its own; gives its ``[[peers]]``, and the authority of its TLS servers."""
    peers, authority, log = folder / "peers.toml", folder / "authority.pem", folder / "zoo.log"
    options = ["zoo", "--port", "0", "--peers", str(peers), "--authority", str(authority), *names]
    with running([sys.executable, "-c", COMMAND, *options], log) as process:
        until = time.monotonic() + _START_SECONDS
        while "Serving" not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"The zoo did not open: see {log}.")
            time.sleep(0.05)
        yield peers.read_text(), authority
