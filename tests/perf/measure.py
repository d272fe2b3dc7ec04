"""Measuring: question and floor by turns, so that whatever else the machine does weighs on both alike."""

from __future__ import annotations

import asyncio
import gc
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import orjson
from pymongo import MongoClient

from tests.perf import serving
from tests.perf.alleles import ASSEMBLY
from tests.perf.build import Cohort, Say, write_carried
from tests.perf.client import Answer, OneClient, crowd, get, post
from tests.perf.floor import MOST
from tests.perf.questions import RARE_FILTERS, Asked, Asking, Question, chosen, unlike
from tests.perf.serving import MemoryWatch, Server, cpu_seconds, mongod_of

CLIENTS = 32
_TURN = 10
_WARM = 20
_LEAST_SHARE = 0.6
_WORST_SPREAD = 1.5
_MOST_MEMORY_MB = 300.0
_IDLE_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_IDLE_SHARE = 0.1
"""Of a processor: who uses less than that is idle."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is asked: requests per question, and seconds per run of many clients."""

    requests: int = 200
    seconds: float = 6.0
    rounds: int = 3
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Median:
    """One question with one client; times in milliseconds.

    ``work`` and ``bare_work`` are the processor time of server and MongoDB per request. Where a machine has other
    things to do, they say more than the medians, which are what the figures are about.
    """

    question: str
    says: str
    floor: str
    limit: float | None
    ours: float
    bare: float
    work: float
    bare_work: float
    asked: int
    wrong: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """Our median over the floor's."""
        return self.ours / self.bare if self.bare else 0.0

    @property
    def passed(self) -> bool:
        """Whether every answer was right, and fast enough."""
        return not self.wrong and (self.limit is None or self.ratio <= self.limit)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many clients at once: requests per second, and 99th percentile over median, ours and the floor's."""

    ours: float
    bare: float
    spread: float
    bare_spread: float
    asked: int
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every answer was right, and there were enough of them, evenly."""
        fast = self.ours >= _LEAST_SHARE * self.bare
        return not self.wrong and fast and self.spread <= _WORST_SPREAD * self.bare_spread


@dataclass(slots=True)
class Findings:
    """All that was measured of one cohort; memory is the largest of any worker, in MB."""

    size: str
    medians: list[Median] = field(default_factory=list)
    crowd: Crowd | None = None
    memory_alone: float = 0.0
    memory_crowd: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether everything kept within its figure."""
        memory = max(self.memory_alone, self.memory_crowd) <= _MOST_MEMORY_MB
        return memory and all(m.passed for m in self.medians) and (self.crowd is None or self.crowd.passed)


class _Work:
    """Adds up the processor time of some processes while in the context."""

    def __init__(self, processes: tuple[int, ...]) -> None:
        self.processes = processes
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.seconds -= cpu_seconds(self.processes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += cpu_seconds(self.processes)


@contextmanager
def _without_pauses() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def find_rare_filter(site: Server) -> str | None:
    """Return what the site calls the filter on allele frequency, None where it knows none."""
    with OneClient(site.port) as client:
        for name in RARE_FILTERS:
            query = {
                "requestParameters": {"assemblyId": ASSEMBLY, "referenceName": "22", "start": [0], "end": [1]},
                "filters": [{"id": name, "operator": "<=", "value": "0.01", "scope": "genomicVariant"}],
                "requestedGranularity": "boolean",
            }
            body = orjson.dumps({"meta": {"apiVersion": "v2.0"}, "query": query})
            if client.ask(0, post(f"{site.root}/g_variants", body)).status == 200:
                return name
    return None


def read_through(cohort: Cohort) -> None:
    """Have MongoDB read everything once, so that it knows the data as one in service does, whoever is first to ask."""
    with MongoClient[dict[str, object]](cohort.uri) as client:
        for name in ("floor", "records", "arrays", "numbers", "postings", "blocks"):
            assert not list(client[cohort.database][name].aggregate([{"$match": {"nothing": "there"}}]))


def wait_until_idle(site: Server) -> None:
    """Wait until workers that have just begun are through with what they do by themselves."""
    until = time.monotonic() + _IDLE_SECONDS
    used = cpu_seconds(site.workers)
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        before, used = used, cpu_seconds(site.workers)
        if used - before < _LOOK_SECONDS * _IDLE_SHARE:
            return


def measure(cohort: Cohort, names: Sequence[str], effort: Effort, folder: Path, say: Say) -> Findings:
    """Start site and floor, ask everything, and return what was found."""
    findings = Findings(cohort.size.name)
    arguments = cohort.uri, cohort.database, effort.workers, folder
    mongod = mongod_of(folder)
    with serving.site(*arguments) as site, serving.floors(*arguments) as floor:
        read_through(cohort)
        wait_until_idle(site)
        asking = Asking(cohort.truth, np.random.default_rng(), find_rare_filter(site) or RARE_FILTERS[0])
        watch = MemoryWatch(site.workers)
        for question in chosen(names, cohort.truth):
            median = one_client(question, asking, cohort, site, floor, mongod, effort, watch)
            findings.medians.append(median)
            say(line(median))
        findings.memory_alone = watch.most
        crowded = [question for question in chosen(names, cohort.truth) if question.name == "allele-count"]
        for question in crowded:
            watch = MemoryWatch(site.workers)
            findings.crowd = asyncio.run(many_clients(question, asking, site, floor, effort, watch))
            findings.memory_crowd = watch.most
    return findings


def one_client(
    question: Question,
    asking: Asking,
    cohort: Cohort,
    site: Server,
    floor: Server,
    mongod: tuple[int, ...],
    effort: Effort,
    watch: MemoryWatch,
) -> Median:
    """Ask one question with one client, and the floor by turns."""
    asked = unlike(question, asking, effort.requests + _WARM)
    write_carried(cohort, [at for one in asked for at in one.carried])
    ours = [post(site.root + one.path, one.body) for one in asked]
    with OneClient(site.port) as client, OneClient(floor.port) as bare, _without_pauses():
        warm = [client.ask(number, ours[number]) for number in range(min(_WARM, len(asked) // 5))]
        wrong = [*_wrong(asked, warm)]
        answers: list[Answer] = []
        times: list[float] = []
        ours_cpu, bare_cpu = _Work((*site.workers, *mongod)), _Work((*floor.workers, *mongod))
        sizes = [len(answer.body) for answer in warm]

        def floor_too(turn: range) -> None:
            pairs = zip(turn, itertools.cycle(sizes))
            requests = [_bare(question, asking, asked[number], size) for number, size in pairs]
            with bare_cpu:
                times.extend(bare.ask(number, request).seconds for number, request in enumerate(requests))

        for count, begin in enumerate(range(len(warm), len(asked), _TURN)):
            turn = range(begin, min(begin + _TURN, len(asked)))
            # Both read the same documents: whoever comes second finds them read.
            if floor_first := count % 2 == 1:
                floor_too(turn)
            with ours_cpu:
                given = [client.ask(number, ours[number]) for number in turn]
            sizes = [len(answer.body) for answer in given]
            if not floor_first:
                floor_too(turn)
            answers += given
            watch.look()
    wrong += _wrong(asked, answers)
    return Median(
        question.name,
        question.says,
        question.floor,
        question.limit,
        1000 * statistics.median(answer.seconds for answer in answers),
        1000 * statistics.median(times),
        1000 * ours_cpu.seconds / len(answers),
        1000 * bare_cpu.seconds / len(answers),
        len(answers),
        tuple(wrong),
    )


def _bare(question: Question, asking: Asking, asked: Asked, size: int) -> bytes:
    """Return the floor's request: A finds one document, B those of a page, and sends as many bytes."""
    if question.floor == "B" and asked.records is not None:
        kind, ids = asked.records
        return post("/b", f"{kind} {size} {','.join(ids)}".encode())
    return _single(asking)


def _single(asking: Asking) -> bytes:
    truth = asking.truth
    if len(truth.places):
        return get(f"/a/variant/{truth.places.allele(asking.whole(min(len(truth.places), MOST))).id}")
    return get(f"/a/individual/{truth.people.id(asking.whole(truth.size.people))}")


async def many_clients(
    question: Question, asking: Asking, site: Server, floor: Server, effort: Effort, watch: MemoryWatch
) -> Crowd:
    """Ask one question with many clients at once, and the floor by turns."""
    needed = int(3_000 * effort.seconds)
    asked = unlike(question, asking, needed)
    ours = [post(site.root + one.path, one.body) for one in asked]
    bare = [_single(asking) for _ in range(needed)]
    await crowd(site.port, ours[:200], CLIENTS, effort.seconds)
    await crowd(floor.port, bare[:200], CLIENTS, effort.seconds)
    rates: list[tuple[float, float, float, float]] = []
    wrong: list[str] = []
    total = 0
    watching = asyncio.create_task(watch.watch())
    share, seconds = len(ours) // effort.rounds, effort.seconds / effort.rounds
    for turn in range(effort.rounds):
        part = range(turn * share, (turn + 1) * share)
        with _without_pauses():
            answers, took = await crowd(
                site.port, ours[part.start : part.stop], CLIENTS, effort.seconds / effort.rounds
            )
            floors, bare_took = await crowd(floor.port, bare, CLIENTS, seconds)
        wrong += _wrong(asked[part.start : part.stop], answers)
        total += len(answers)
        rates.append((len(answers) / took, len(floors) / bare_took, _spread(answers), _spread(floors)))
    watching.cancel()
    ours_rate, bare_rate, spread, bare_spread = (statistics.median(column) for column in zip(*rates, strict=True))
    return Crowd(ours_rate, bare_rate, spread, bare_spread, total, tuple(wrong))


def _spread(answers: Iterable[Answer]) -> float:
    times = np.array([answer.seconds for answer in answers])
    return float(np.percentile(times, 99) / np.median(times))


def _wrong(asked: Sequence[Asked], answers: Iterable[Answer]) -> list[str]:
    found = (asked[answer.request].wrong(answer.status, answer.body) for answer in answers)
    return [text for text in found if text]


def line(median: Median) -> str:
    """Return one row of the table."""
    verdict = "ok" if median.passed else f"{len(median.wrong)} WRONG" if median.wrong else "slow"
    if median.wrong and all(text.startswith("status 4") for text in median.wrong):
        verdict = "refused"
    return (
        f"{median.says:<52} {median.ours:9.2f} {median.floor} {median.bare:7.2f} {median.ratio:8.2f}"
        f" {'-' if median.limit is None else f'{median.limit:.1f}':>6} {median.work:9.2f} {median.bare_work:9.2f}"
        f" {median.work / median.bare_work:6.2f}  {verdict}"
    )


HEADING = (
    f"{'question':<52} {'ours, ms':>9} {'floor, ms':>9} {'ratio':>8} {'limit':>6} {'CPU, ms':>9} {'floor':>9}"
    f" {'ratio':>6}"
)


def table(findings: Findings) -> str:
    """Return everything as a text."""
    lines = [f"cohort {findings.size}", HEADING, *map(line, findings.medians)]
    if (many := findings.crowd) is not None:
        lines.append(
            f"{CLIENTS} clients, exact allele: {many.ours:,.0f} per second, floor {many.bare:,.0f}; share"
            f" {many.ours / many.bare:.2f} (least {_LEAST_SHARE}); p99 over median {many.spread:.2f}, floor"
            f" {many.bare_spread:.2f}, ratio {many.spread / many.bare_spread:.2f} (most {_WORST_SPREAD});"
            f" {many.asked:,} answers, {len(many.wrong)} wrong"
        )
    lines.append(
        f"memory of a worker: {findings.memory_alone:.0f} MB one client, {findings.memory_crowd:.0f} MB many"
        f" (most {_MOST_MEMORY_MB:.0f})"
    )
    for median in findings.medians:
        lines += [f"  {median.question}: {text}" for text in median.wrong[:2]]
    if many is not None:
        lines += [f"  many clients: {text}" for text in many.wrong[:2]]
    return "\n".join(lines)
