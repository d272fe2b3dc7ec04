"""What authorization and audit add to a count query: ``python -m tests.perf.access``.

Two servers over one database, asked by turns: one answers from an open dataset, with a journal that writes nothing; the
other from a controlled dataset with the same people in it, for a grantee who sends a token, and writes its audit as
always. Only this benchmark can have the former: it is put together here, and nothing that an operator can set does it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from beacon.app import create_app, run_loop
from beacon.audit.heads import signing_key
from beacon.audit.journal import Journal
from beacon.audit.place import Place
from beacon.audit.verify import verify
from beacon.auth.oidc import Verifier
from beacon.auth.policy import policy_for
from beacon.http.server import accepting, bind
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level, Person
from beacon.settings import Audit, Issuer, Listen, Mongo, Rate, SiteSettings
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from beacon.store.mongo import MongoStore
from network.issuer import DemonstrationIssuer
from tests.perf.client import OneClient
from tests.perf.serving import cpu_seconds, running, wait_until_open
from tests.world import Facts, Load, Packet, write

MOST = 1.15
"""The figure: authorization and audit add at most 15 %."""
OPEN, CLOSED = "open", "closed"
ISSUER, AUDIENCE = "https://login.example", "bench"
TURN = 20


class Nowhere:
    """A journal that writes nothing."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Forget a line."""

    def check(self) -> None:
        """There is room."""

    async def settle(self) -> None:
        """Nothing has to be waited for."""


@asynccontextmanager
async def nowhere() -> AsyncIterator[Journal]:
    yield Nowhere()


def settings(folder: Path, database: str) -> SiteSettings:
    known = Issuer(ISSUER, (AUDIENCE,), jwks_file=folder / "keys.json")
    return SiteSettings(
        id="bench", listen=Listen(port=0), mongo=Mongo(database=database), issuers=(known,), rate=Rate(per_second=0),
        audit=Audit(dir=folder / "audit"),
    )  # fmt: skip


async def serve(kind: str, uri: str, database: str, folder: Path, port: int) -> None:
    """Serve the database until SIGTERM, with the audit as always (closed) or without one (open)."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    chosen = settings(folder, database)
    store = await MongoStore.open(uri, database)
    verifier = Verifier(chosen.issuers, beacon_id=chosen.id)
    app = create_app(chosen, store, verifier, keeping=nowhere if kind == OPEN else None)
    with bind("127.0.0.1", port) as listening:
        async with accepting(app, listening, chosen):
            await stop.wait()
    await verifier.close()
    await store.close()


def fill(uri: str, database: str, people: int) -> None:
    """Load the same people into an open and a controlled dataset."""
    term = ("phenotypicFeatures.featureType", "HP:0001250")
    nothing = {Asker.STRANGER: Granularity.NONE, Asker.REGISTERED: Granularity.NONE, Asker.GRANTED: Granularity.RECORD}
    controlled = DatasetPolicy(Level.CONTROLLED, nothing, granted=frozenset({Person(ISSUER, "tomas")}))
    with Admin.open(uri, database) as admin:
        for dataset, policy in ((OPEN, policy_for(Level.PUBLIC, Granularity.RECORD)), (CLOSED, controlled)):
            admin.create_dataset(dataset, policy=policy)
            facts = (Facts(frozenset({term})) if number % 2 else Facts(frozenset()) for number in range(people))
            packets = tuple(Packet(f"{dataset}-{number}", one) for number, one in enumerate(facts))
            write(admin, dataset, Load(packets))


@contextmanager
def server(kind: str, uri: str, database: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Run one server in a process of its own; yields its port and process."""
    with bind("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    command = [
        sys.executable,
        "-m",
        "tests.perf.access",
        "--serve",
        json.dumps([kind, uri, database, str(folder), port]),
    ]
    with running(command, folder / f"{kind}.log") as process:
        wait_until_open(port, process, folder / f"{kind}.log")
        yield port, process.pid


@dataclass(frozen=True, slots=True)
class Found:
    """Medians and processor time per request in ms, of both servers, and how much more the controlled one took."""

    open_ms: float
    closed_ms: float
    open_cpu_ms: float
    closed_cpu_ms: float

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return self.closed_ms / self.open_ms

    @property
    def cpu_ratio(self) -> float:
        """Of the processor time, which a busy machine does not disturb."""
        return self.closed_cpu_ms / self.open_cpu_ms


def measure(uri: str, database: str, folder: Path, requests: int, people: int) -> Found:
    """Ask both servers ``requests`` counts by turns. Raises ``AssertionError`` for an answer that is wrong."""
    issuer = DemonstrationIssuer(ISSUER, algorithm="RS256")
    (folder / "keys.json").write_bytes(orjson.dumps(issuer.jwks()))
    token = issuer.token("tomas", AUDIENCE)
    asked = {OPEN: request(OPEN), CLOSED: request(CLOSED, token)}
    seconds: dict[str, list[float]] = {OPEN: [], CLOSED: []}
    cpu = dict.fromkeys(seconds, 0.0)
    with server(OPEN, uri, database, folder) as first, server(CLOSED, uri, database, folder) as second:
        servers = {OPEN: first, CLOSED: second}
        with OneClient(first[0]) as one, OneClient(second[0]) as other:
            clients = {OPEN: one, CLOSED: other}
            for turn in range(-3, requests // TURN):
                for kind, client in clients.items():
                    before = cpu_seconds((servers[kind][1],))
                    answers = [client.ask(number, asked[kind]) for number in range(TURN)]
                    spent = cpu_seconds((servers[kind][1],)) - before
                    for answer in answers:
                        assert answer.status == 200, answer.body
                        assert orjson.loads(answer.body)["responseSummary"]["numTotalResults"] == people // 2
                    if turn >= 0:  # what came before has warmed both up
                        cpu[kind] += spent
                        seconds[kind] += [answer.seconds for answer in answers]
    place = Place(folder / "audit", folder / "audit" / "heads", folder / "audit" / "key.pem")
    found = verify(place, signing_key(place.key).public_key())
    assert not found.faults and found.lines >= len(seconds[CLOSED]), found
    number = len(seconds[OPEN])
    return Found(
        1000 * statistics.median(seconds[OPEN]), 1000 * statistics.median(seconds[CLOSED]),
        1000 * cpu[OPEN] / number, 1000 * cpu[CLOSED] / number,
    )  # fmt: skip


def request(dataset: str, token: str | None = None) -> bytes:
    """Write a count query of one dataset."""
    path = f"/api/individuals?filters=HP:0001250&requestedGranularity=count&datasets={dataset}"
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{authorization}\r\n".encode()


def main(arguments: list[str]) -> int:
    """Measure and print; returns 1 where the figure was missed."""
    parser = argparse.ArgumentParser(prog="make bench-access", description=__doc__)
    parser.add_argument("--requests", type=int, default=4000, help="to each server")
    parser.add_argument("--people", type=int, default=2000, help="in each dataset")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.serve:
        kind, uri, database, folder, port = json.loads(given.serve)
        run_loop(serve(kind, uri, database, Path(folder), port))
        return 0
    with tempfile.TemporaryDirectory(prefix="skerry-bench-") as name:
        folder = Path(name)
        with mongodb(Mongo(data_dir=folder / "data", cache_gb=0.25)) as uri:
            fill(uri, "bench", given.people)
            found = measure(uri, "bench", folder, given.requests, given.people)
    print(
        f"open dataset, no audit:          median {found.open_ms:.3f} ms, {found.open_cpu_ms:.3f} ms of processor time"
    )
    print(f"controlled, token and audit:     median {found.closed_ms:.3f} ms, {found.closed_cpu_ms:.3f} ms")
    print(f"ratio of medians {found.ratio:.3f}, of processor time {found.cpu_ratio:.3f} (at most {MOST})")
    return 0 if found.ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
