"""The measured runs over a network: the zoo, a crowd of members, ever more members, and nodes that are killed.

Every answer is checked. A run's ``Finding`` says what was measured and what was wrong; a figure that was missed is
wrong too, unless the effort says that figures are not looked at.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from network.zoo import ANIMALS, HEALTHY
from tests.perf.federation import nodes
from tests.perf.federation.nodes import HANGS_AT, PEOPLE, Node, Plan, Simulated
from tests.perf.serving import MemoryWatch, cpu_seconds, memory
from tests.ports import free_port

SLACK_SECONDS = 0.2
FIRST_SECONDS = 0.15
MOST_RATIO = 1.15
MOST_GROWTH_MB = 50.0
_DEPTHS = ("boolean", "count", "record")
MOST_STEEPER = 1.3
"""How much more a member may cost among the most members than among a hundred."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is asked, and the members' deadline in seconds. Without ``timed`` nobody looks at times."""

    rounds: int
    members: int
    hanging: int
    scale: tuple[int, ...]
    kills: int
    deadline: float = 2.0
    peer_bytes: int = 10_000_000
    timed: bool = True


EFFORTS: Mapping[str, Effort] = {
    "tiny": Effort(
        rounds=1, members=12, hanging=2, scale=(3,), kills=2, deadline=4.0, peer_bytes=2_000_000, timed=False
    ),
    "small": Effort(rounds=5, members=100, hanging=10, scale=(10, 100, 300), kills=8),
    "full": Effort(rounds=20, members=100, hanging=10, scale=(1, 10, 30, 100, 300, 1000), kills=50),
}


@dataclass(slots=True)
class Finding:
    """What one run found: lines for people, numbers for programs, and what was wrong."""

    run: str
    lines: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, true: bool, otherwise: str) -> None:
        """Note what is wrong, unless it is true."""
        if not true:
            self.wrong.append(otherwise)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how long it took in seconds."""

    status: int
    body: Mapping[str, Any]
    seconds: float

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of each member."""
        return {row["peer"]: row["outcome"] for row in self.body.get("info", {}).get("outcomes", ())}

    @property
    def interval(self) -> list[int | None]:
        """The total."""
        found: list[int | None] = self.body.get("info", {}).get("interval", [])
        return found


@asynccontextmanager
async def asking() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that neither waits for nor limits anything by itself."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120)
    ) as session:
        yield session


def question(granularity: str = "count") -> dict[str, Any]:
    """Return the body that everybody is asked: all individuals."""
    query = {"requestedGranularity": granularity, "includeResultsetResponses": "ALL"}
    return {"meta": {"apiVersion": "v2.0"}, "query": query}


async def ask(session: aiohttp.ClientSession, url: str, granularity: str = "count") -> Reply:
    """Ask for individuals once."""
    began = time.perf_counter()
    async with session.post(f"{url}/individuals", json=question(granularity)) as response:
        content = await response.read()
    return Reply(response.status, orjson.loads(content), time.perf_counter() - began)


async def zoo(effort: Effort, folder: Path) -> Finding:
    """Ask the whole zoo at once, beside two healthy members, at every granularity."""
    finding, deadline = Finding("zoo"), effort.deadline
    with ExitStack() as stack:
        peers, authority = stack.enter_context(nodes.zoo(folder))
        trusting = {"SSL_CERT_FILE": str(authority)}
        limits = {"deadline_seconds": deadline, "max_peer_bytes": effort.peer_bytes}
        node = stack.enter_context(nodes.node("net", peers, folder, limits, environment=trusting))
        async with asking() as session:
            if effort.timed:
                for depth in _DEPTHS:
                    await ask(session, node.url, depth)
            before = memory(node.process.pid)
            watch = MemoryWatch((node.process.pid,))
            async with _watching(watch):
                replies = [(depth, await ask(session, node.url, depth)) for depth in _DEPTHS * effort.rounds]
    for depth, reply in replies:
        expected = dict.fromkeys(HEALTHY, "hit") | {name: one.expected(depth) for name, one in ANIMALS.items()}
        for name in expected | reply.outcomes:
            said = reply.outcomes.get(name)
            finding.expect(said == expected.get(name), f"{name} was {said} at {depth}, not {expected.get(name)}")
        held = {(name, key): len(rows) for name, sets in HEALTHY.items() for key, rows in sets.items()}
        listed = {(row["beaconId"], row["id"]): row for row in reply.body.get("response", {}).get("resultSets", ())}
        for place, number in held.items():
            row = listed.get(place, {})
            finding.expect(row.get("exists") is True, f"{place} was left out at {depth}")
            finding.expect(depth == "boolean" or row.get("resultsCount") == number, f"{place} counted wrongly")
            finding.expect(depth != "record" or len(row.get("results", ())) == number, f"{place} lost records")
    longest = max(reply.seconds for _, reply in replies)
    growth = watch.most - before
    _in_time(finding, effort, longest - deadline, SLACK_SECONDS, "after the deadline")
    finding.expect(growth < MOST_GROWTH_MB, f"memory grew by {growth:.0f} MB")
    finding.numbers = {"questions": len(replies), "overtime": longest - deadline, "growth_mb": growth}
    finding.lines = [
        f"zoo: {len(ANIMALS)} animals and {len(HEALTHY)} healthy members, {len(replies)} questions: the slowest answer "
        f"{longest - deadline:+.3f} s after the deadline (at most {SLACK_SECONDS}), memory {growth:+.1f} MB over "
        f"{before:.0f} MB (at most {MOST_GROWTH_MB:.0f}, {watch.samples} samples)"
    ]
    return finding


async def crowd(effort: Effort, folder: Path) -> Finding:
    """Ask many members with realistic latencies: all healthy against the slowest alone, then with some that hang."""
    finding, deadline = Finding("crowd"), effort.deadline
    with ExitStack() as stack:
        members, _ = stack.enter_context(nodes.simulated(Plan(effort.members, hanging=effort.hanging)))
        node = stack.enter_context(_over(members, folder, deadline_seconds=deadline))
        async with asking() as session:
            await ask(session, node.url)
            await _all_healthy(finding, effort, members, session, node.url)
            await _some_hanging(finding, effort, members, session, node.url, deadline)
    return finding


async def _all_healthy(
    finding: Finding, effort: Effort, members: Sequence[Simulated], session: aiohttp.ClientSession, url: str
) -> None:
    slowest = max(members, key=lambda one: one.seconds)
    joined, alone = [], []
    for _ in range(effort.rounds):  # by turns: whatever else the machine does weighs on both
        joined.append(await ask(session, url))
        alone.append((await ask(session, slowest.url)).seconds)
    for reply in joined:
        _all_hit(finding, reply, members)
    ours, its = statistics.median(reply.seconds for reply in joined), statistics.median(alone)
    _in_time(finding, effort, ours / its, MOST_RATIO, "times the slowest member's own time")
    finding.numbers |= {"joined_ms": ours * 1000, "slowest_ms": its * 1000, "ratio": ours / its}
    finding.lines.append(
        f"crowd: {len(members)} healthy members: {ours * 1000:.0f} ms, the slowest member alone {its * 1000:.0f} ms, "
        f"ratio {ours / its:.3f} (at most {MOST_RATIO})"
    )


async def _some_hanging(
    finding: Finding,
    effort: Effort,
    members: Sequence[Simulated],
    session: aiohttp.ClientSession,
    url: str,
    deadline: float,
) -> None:
    streams = [await _stream(session, url) for _ in range(effort.rounds)]
    expected = {one.id: "timeout" if one.hangs else "hit" for one in members}
    for _, reply in streams:
        finding.expect(reply.outcomes == expected, f"outcomes of a stream: {_differences(reply.outcomes, expected)}")
        finding.expect(reply.interval == [PEOPLE * (len(members) - effort.hanging), None], f"total {reply.interval}")
    first = max(began for began, _ in streams) - min(one.seconds for one in members if not one.hangs)
    longest = max(reply.seconds for _, reply in streams) - deadline
    _in_time(finding, effort, first, FIRST_SECONDS, "s after the fastest member came the first event")
    _in_time(finding, effort, longest, SLACK_SECONDS, "s after the deadline")
    finding.numbers |= {"first_event_ms": first * 1000, "overtime": longest}
    finding.lines.append(
        f"crowd: {effort.hanging} of {len(members)} hang: the first event at most {first * 1000:.0f} ms after the "
        f"fastest member (at most {FIRST_SECONDS * 1000:.0f}), the end {longest:+.3f} s after the deadline "
        f"(at most {SLACK_SECONDS})"
    )


async def _stream(session: aiohttp.ClientSession, url: str) -> tuple[float, Reply]:
    """Ask for a stream about what some hang at; gives seconds until the first member's event, and the last event."""
    began = time.perf_counter()
    first = 0.0
    last: dict[str, Any] = {}
    headers = {"Accept": "application/x-ndjson"}
    async with session.post(f"{url}/{HANGS_AT}", json=question(), headers=headers) as response:
        rest = b""
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                last = orjson.loads(line)
                if last["event"] == "member" and not first:
                    first = time.perf_counter() - began
    return first, Reply(int(last.get("status", 0)), last, time.perf_counter() - began)


async def scale(effort: Effort, folder: Path) -> Finding:
    """Ask ever more members: what one costs stays the same."""
    finding = Finding("scale")
    finding.lines.append(
        "scale: members, answer in ms, the node's processor time in ms per question and per member, MB"
    )
    costs: dict[int, float] = {}
    for number in effort.scale:
        with ExitStack() as stack:
            members, _ = stack.enter_context(nodes.simulated(Plan(number)))
            node = stack.enter_context(_over(members, folder, deadline_seconds=30))
            process = node.process.pid
            async with asking() as session:
                for _ in range(2):
                    await ask(session, node.url)
                used = -cpu_seconds((process,))
                replies = [await ask(session, node.url) for _ in range(effort.rounds)]
                used += cpu_seconds((process,))
            size = memory(process)
        for reply in replies:
            _all_hit(finding, reply, members)
        took = statistics.median(reply.seconds for reply in replies) * 1000
        work = used * 1000 / len(replies)
        costs[number] = work / number
        finding.numbers[str(number)] = {"ms": took, "cpu_ms": work, "cpu_ms_per_member": work / number, "mb": size}
        finding.lines.append(f"scale: {number:>5} {took:>8.0f} {work:>8.1f} {work / number:>7.3f} {size:>6.0f}")
    most = max(costs)
    like = min(costs, key=lambda number: abs(number - 100))
    _in_time(finding, effort, costs[most] / costs[like], MOST_STEEPER, f"times the cost of a member among {like}")
    return finding


async def kill(effort: Effort, folder: Path) -> Finding:
    """Kill any node in mid-query, again and again: an entrance over two members and a network of one."""
    finding, deadline, made = Finding("kill"), effort.deadline, random.Random(2026)
    longest = 0.0
    with ExitStack() as stack:
        ring = _Ring(folder, deadline, stack)
        async with asking() as session:
            for turn in range(effort.kills):
                victim = _Ring.NAMES[turn % len(_Ring.NAMES)]
                whole = await ask(session, ring.entrance)
                finding.expect(whole.interval == [3 * PEOPLE] * 2, f"{turn}: before, the total was {whole.interval}")
                pending = asyncio.create_task(ask(session, ring.entrance))
                await asyncio.sleep(made.uniform(0.05, 0.2))
                ring.kill(victim)
                began = time.perf_counter()
                await _after_the_kill(finding, turn, victim, pending, session, ring)
                longest = max(longest, time.perf_counter() - began)
                if turn + 1 < effort.kills:
                    ring.start(victim)
    _in_time(finding, effort, longest - deadline, SLACK_SECONDS, "s after the deadline")
    finding.numbers = {"kills": effort.kills, "longest_seconds": longest}
    finding.lines = [
        f"kill: {effort.kills} nodes killed in mid-query: the rest answered every time, "
        f"{longest:.2f} s after the kill at the latest"
    ]
    return finding


async def _after_the_kill(
    finding: Finding,
    turn: int,
    victim: str,
    pending: asyncio.Task[Reply],
    session: aiohttp.ClientSession,
    ring: _Ring,
) -> None:
    if victim == "entrance":
        with suppress(aiohttp.ClientError):
            await pending
            finding.wrong.append(f"{turn}: an entrance answered that was killed")
        reply = await ask(session, ring.inner)
        finding.expect(
            reply.interval == [PEOPLE] * 2, f"{turn}: without its entrance, the network said {reply.interval}"
        )
        return
    reply = await pending
    fell = "inner" if victim == "c" else victim  # what stands behind a network falls with what it could have said
    expected = {name: "unreachable" if name == fell else "hit" for name in ("a", "b", "inner")}
    finding.expect(reply.outcomes == expected, f"{turn}: {victim} killed: {reply.outcomes}")
    finding.expect(reply.interval == [2 * PEOPLE, None], f"{turn}: {victim} killed: total {reply.interval}")


class _Ring:
    """An entrance that asks a, b and an inner network, which asks c; each can be killed and started again."""

    NAMES = ("a", "inner", "c", "entrance", "b")

    def __init__(self, folder: Path, deadline: float, stack: ExitStack) -> None:
        self._folder = folder
        self._deadline = deadline
        self._ports = {name: free_port() for name in self.NAMES}
        self._running: dict[str, ExitStack] = {}
        self._kill: dict[str, Callable[[], None]] = {}
        stack.callback(self._stop)
        for name in self.NAMES:
            self.start(name)

    @property
    def entrance(self) -> str:
        """The root of the entrance's API."""
        return self._url("entrance")

    @property
    def inner(self) -> str:
        """The root of the inner network's API."""
        return self._url("inner")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}/api"

    def start(self, name: str) -> None:
        """Start one node."""
        stack = self._running[name] = ExitStack()
        port = self._ports[name]
        if peers := {"entrance": ("a", "b", "inner"), "inner": ("c",)}.get(name):
            urls = {one: self._url(one) for one in peers}
            process = stack.enter_context(
                nodes.node(name, urls, self._folder, {"deadline_seconds": self._deadline}, port=port)
            ).process
        else:
            plan = Plan(1, median_seconds=0.4, spread=0.0, first_port=port, prefix=f"{name}-")
            _, process = stack.enter_context(nodes.simulated(plan))
        self._kill[name] = process.kill

    def _stop(self) -> None:
        for one in self._running.values():
            one.close()

    def kill(self, name: str) -> None:
        """Kill one node, at once."""
        self._kill[name]()
        self._running.pop(name).close()


def _over(members: Sequence[Simulated], folder: Path, *, deadline_seconds: float) -> AbstractContextManager[Node]:
    return nodes.node("net", {one.id: one.url for one in members}, folder, {"deadline_seconds": deadline_seconds})


def _all_hit(finding: Finding, reply: Reply, members: Sequence[Simulated]) -> None:
    expected = dict.fromkeys((one.id for one in members), "hit")
    finding.expect(reply.outcomes == expected, f"of {len(members)}: {_differences(reply.outcomes, expected)}")
    finding.expect(reply.interval == [PEOPLE * len(members)] * 2, f"of {len(members)}: total {reply.interval}")


def _differences(found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    listed = [f"{name} {found.get(name)}" for name, outcome in expected.items() if found.get(name) != outcome]
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _in_time(finding: Finding, effort: Effort, value: float, most: float, what: str) -> None:
    if effort.timed:
        finding.expect(value <= most, f"{value:.3f} {what}; at most {most}")


@asynccontextmanager
async def _watching(watch: MemoryWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Run = Callable[[Effort, Path], Coroutine[Any, Any, Finding]]
RUNS: Mapping[str, Run] = {"zoo": zoo, "crowd": crowd, "scale": scale, "kill": kill}
