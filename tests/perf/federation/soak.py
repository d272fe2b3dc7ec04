"""``python -m tests.perf.federation.soak``: many questions at once over three sites, for minutes, every answer checked.

The sites and the network run as their operators start them, with the synthetic cohort in an embedded MongoDB. An answer
that is refused, wrong or not complete is a failure; so is memory that goes on growing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from loaders.pipeline import load_phenopackets
from loaders.report import Progress
from loaders.synthetic import Question, generate, write
from loaders.vcf import load_vcf
from tests.perf.federation import nodes
from tests.perf.serving import COMMAND, memory, running, wait_until_open
from tests.ports import free_port

AT_ONCE = 100
MOST_GROWTH = 0.03
MOST_GROWTH_MB = 4.0
"""What a process may have gained from the second fifth of the time to the last: a share of it, and MB on top."""
_DEADLINE = 30.0


@dataclass(slots=True)
class Soaked:
    """What was found: answers, failures, seconds of each answer, and memory in MB by process and second."""

    seconds: float
    taken: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory: dict[str, list[float]] = field(default_factory=dict)

    @property
    def growth(self) -> dict[str, tuple[float, float]]:
        """Memory of each process in the second fifth and in the last fifth of the time."""
        return {
            name: (statistics.median(samples[len(samples) // 5 : 2 * len(samples) // 5 + 1]),
                   statistics.median(samples[-(len(samples) // 5) - 1 :]))
            for name, samples in self.memory.items()
        }  # fmt: skip

    @property
    def grown(self) -> list[str]:
        """The processes whose memory goes on growing."""
        return [
            name for name, (before, after) in self.growth.items() if after > before * (1 + MOST_GROWTH) + MOST_GROWTH_MB
        ]

    def lines(self) -> Iterator[str]:
        """Say it."""
        ordered = sorted(self.taken) or [0.0]
        yield (
            f"soak: {len(self.taken)} answers in {self.seconds:.0f} s, {AT_ONCE} at once, {len(self.failures)} failed; "
            f"median {statistics.median(ordered):.2f} s, slowest {ordered[-1]:.2f} s"
        )
        for name, (before, after) in self.growth.items():
            yield f"soak: {name}: {before:.1f} MB, at the end {after:.1f} MB" + (" GROWS" if name in self.grown else "")
        yield from (f"soak: FAILED: {one}" for one in self.failures[:10])


@contextmanager
def federation(folder: Path, uri: str, people: int = 90) -> Iterator[tuple[str, Mapping[str, int], Sequence[Question]]]:
    """Serve three sites and a network over them; gives its address, the processes by name, and questions.

    The sites' databases are made in the MongoDB at ``uri`` as ``soak-`` and the site's id.
    """
    cohort = generate(people=people)
    write(cohort, folder / "cohort")
    with ExitStack() as stack:
        urls, processes = {}, {}
        for site in cohort.sites:
            _load(uri, site.id, folder / "cohort" / site.id)
            port = free_port()
            config, log = folder / f"{site.id}.toml", folder / f"{site.id}.log"
            config.write_text(
                f'id = "{site.id}"\n[mongo]\nuri = "{uri}"\ndatabase = "soak-{site.id}"\n'
                f"[listen]\nport = {port}\n[rate]\nper_second = 0\n[audit]\ndir = '{site.id}-audit'\n"
            )
            command = [sys.executable, "-c", COMMAND, "serve", "--config", str(config)]
            process = stack.enter_context(running(command, log))
            wait_until_open(port, process, log)
            processes[site.id] = process.pid
            urls[site.id] = f"http://127.0.0.1:{port}/api"
        node = stack.enter_context(nodes.node("network", urls, folder, {"deadline_seconds": _DEADLINE}))
        processes["network"] = node.process.pid
        yield node.url, processes, cohort.questions


def _load(uri: str, site: str, files: Path) -> None:
    with Admin.open(uri, f"soak-{site}") as admin:
        admin.create_dataset(site, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        load_phenopackets(admin, [files / "phenopackets"], site, progress=Progress(quiet=True))
        load_vcf(admin, files / "variants.vcf", site, progress=Progress(quiet=True))


async def soak(
    url: str, processes: Mapping[str, int], questions: Sequence[Question], seconds: float, sample_seconds: float = 1.0
) -> Soaked:
    """Ask for so long, ``AT_ONCE`` questions at a time."""
    found = Soaked(seconds, memory={name: [] for name in processes})
    until = time.perf_counter() + seconds
    turns = itertools.cycle(questions)
    timeout = aiohttp.ClientTimeout(total=2 * _DEADLINE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def asker() -> None:
            while time.perf_counter() < until:
                await _ask(session, url, next(turns), found)

        async def watch() -> None:
            while time.perf_counter() < until:
                for name, process in processes.items():
                    found.memory[name].append(await asyncio.to_thread(memory, process))
                await asyncio.sleep(sample_seconds)

        await asyncio.gather(watch(), *(asker() for _ in range(AT_ONCE)))
    return found


async def _ask(session: aiohttp.ClientSession, url: str, question: Question, found: Soaked) -> None:
    query = {
        "filters": list(question.filters),
        "requestParameters": dict(question.parameters),
        "requestedGranularity": "count",
    }
    began = time.perf_counter()
    try:
        async with session.post(
            f"{url}/{question.path}", json={"meta": {"apiVersion": "v2.0"}, "query": query}
        ) as response:
            body = orjson.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        found.failures.append(f"{question.id}: {type(error).__name__} {error}")
        return
    found.taken.append(time.perf_counter() - began)
    if wrong := _wrong(question, response.status, body):
        found.failures.append(f"{question.id}: {wrong}")


def _wrong(question: Question, status: int, body: Mapping[str, Any]) -> str | None:
    if status != 200:
        return f"HTTP {status} {str(body.get('error'))[:200]}"
    largest, together = max(question.sites.values()), sum(question.sites.values())
    expected = [together] * 2 if question.additive else [largest, together]
    if body["info"]["interval"] != expected:
        return f"{body['info']['interval']}, not {expected}"
    if failed := [row for row in body["info"]["outcomes"] if row["outcome"] not in ("hit", "no_hit")]:
        return f"{failed[0]}"
    return None


def main(arguments: list[str]) -> int:
    """Soak for so many seconds; 1 where an answer failed or memory grew."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="skerry-soak-") as name:
        folder = Path(name)
        mongo = Mongo(data_dir=folder / "data", cache_gb=0.25)
        with mongodb(mongo) as uri, federation(folder, uri) as served:
            found = asyncio.run(soak(*served, given.seconds))
    print("\n".join(found.lines()))
    return 1 if found.failures or found.grown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
