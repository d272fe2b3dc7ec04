"""Servers under measurement: the site as its custodian starts it, and the floors, with as many workers."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from beacon.app import run_loop
from beacon.settings import Mongo
from tests.perf import floor

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0
COMMAND = "import sys; from beacon.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, what stands before every path, and its worker processes."""

    port: int
    root: str
    workers: tuple[int, ...]


@contextmanager
def site(uri: str, database: str, workers: int, folder: Path) -> Iterator[Server]:
    """Serve the site of a database: ``skerry serve``, with nothing set but that nobody asks too often."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "site.toml"
    config.write_text(
        f'id = "bench"\n[mongo]\nuri = "{uri}"\ndatabase = "{database}"\n'
        f"[listen]\nport = {port}\n[rate]\nper_second = 0\n[audit]\ndir = 'audit'\n"
    )
    command = [sys.executable, "-c", COMMAND, "serve", "--config", str(config), "--workers", str(workers)]
    with running(command, folder / "site.log") as process:
        wait_until_open(port, process, folder / "site.log")
        yield Server(port, "/api", _children(process.pid) if workers > 1 else (process.pid,))


@contextmanager
def floors(uri: str, database: str, workers: int, folder: Path) -> Iterator[Server]:
    """Serve the floors over the same database, on the event loop that the site has."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        number = listener.fileno()
        os.set_inheritable(number, True)
        command = [sys.executable, "-m", "tests.perf.serving", str(number), uri, database, str(workers)]
        with running(command, folder / "floors.log", number) as process:
            port = listener.getsockname()[1]
            wait_until_open(port, process, folder / "floors.log")
            yield Server(port, "", _children(process.pid))


@contextmanager
def running(
    command: list[str], log: Path, *inherited: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, its output in a file; end it with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            pass_fds=inherited,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()


def wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody answers an HTTP request, be it with a refusal."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            if connection.recv(100):
                return
        time.sleep(0.05)
    raise SystemExit(f"A server did not start: see {log}.")


def _children(process: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


async def _serve_floors(listener: socket.socket, uri: str, database: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = await floor.make_app(uri, database, Mongo().pool_size)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await stop.wait()
    await runner.cleanup()


def memory(process: int) -> float:
    """Return the proportional set size of a process in MB (Linux)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    raise OSError(f"no Pss of process {process}")


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return the processor time that processes have used so far, all their threads together (Linux)."""
    total = 0
    for process in processes:
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):  # it has just ended
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def mongod_of(folder: Path) -> tuple[int, ...]:
    """Return the processes of the embedded MongoDB that keeps its data in a folder (Linux)."""
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdigit() and (place / "cwd").samefile(folder / "mongo"):
                found.append(int(place.name))
    return tuple(found)


class MemoryWatch:
    """The largest memory of any worker, looked at every 100 ms while in the context by a thread of its own."""

    def __init__(self, workers: tuple[int, ...]) -> None:
        self.workers = workers
        self.most = 0.0
        self.samples = 0

    def look(self) -> None:
        """Take one sample."""
        self.most = max(self.most, *(memory(worker) for worker in self.workers))
        self.samples += 1

    async def watch(self) -> None:
        """Take a sample every 100 ms until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.to_thread(self.look)
            await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - began)))


def _main() -> None:
    """Serve the floors in as many processes as told, until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=int)
    parser.add_argument("uri")
    parser.add_argument("database")
    parser.add_argument("workers", type=int)
    given = parser.parse_args()
    with socket.socket(fileno=given.socket) as listener:
        listener.setblocking(False)
        workers = []
        for _ in range(given.workers):
            if (worker := os.fork()) == 0:
                run_loop(_serve_floors(listener, given.uri, given.database))
                os._exit(0)
            workers.append(worker)

        def end(*_: object) -> None:
            for worker in workers:
                os.kill(worker, signal.SIGTERM)

        signal.signal(signal.SIGTERM, end)
        for worker in workers:
            os.waitpid(worker, 0)


if __name__ == "__main__":
    _main()
