"""The main job on one machine: three sites, three policies, a network, and one question put by three people.

Sites and network are the real servers, started as commands of their own with configuration files that
lie in a temporary folder; nothing here is a shortcut that a real network would not have.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from beacon.auth.assertion import public_jwks, signing_key
from beacon.auth.policy_file import policy_from_toml
from beacon.errors import ConfigurationError
from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from loaders.pipeline import load_phenopackets
from loaders.report import Problem, Progress
from loaders.sources import documents
from loaders.synthetic import generate, write
from loaders.vcf import load_vcf
from network.issuer import GRANT, SOURCE, DemonstrationIssuer, running_issuer

NETWORK = "demo.network"
AUDIENCE = "skerry-demo"
TERM = "HP:0001626"
LABEL = "abnormality of the cardiovascular system"
PERSONS = (
    (None, "a stranger, without a login"),
    ("rosa", "rosa, a registered researcher"),
    ("tomas", "tomas, a researcher with a grant"),
)


@dataclass(frozen=True, slots=True)
class DemoSite:
    """One site: what strangers, registered and granted people may see there, in its custodian's words."""

    id: str
    name: str
    rule: str
    level: str
    ceilings: Mapping[str, str]

    def policy(self, issuer: str) -> str:
        """Return the site's policy file."""
        ceilings = "\n".join(f'{asker} = "{granularity}"' for asker, granularity in self.ceilings.items())
        people = "".join(
            f'\n[[{kind}]]\nissuer = "{issuer}"\nsubject = "{subject}"\n'
            for kind, subject in (("registered", "rosa"), ("registered", "tomas"))
        )
        return f'level = "{self.level}"\nvisas = ["{GRANT}"]\n\n[granularity]\n{ceilings}\n{people}'


SITES = (
    DemoSite(
        "site-a", "Aurora Hospital", "strangers get yes or no", "public",
        {"stranger": "boolean", "registered": "count", "granted": "record"},
    ),
    DemoSite(
        "site-b", "Borealis Biobank", "strangers get counts", "public",
        {"stranger": "count", "registered": "record", "granted": "record"},
    ),
    DemoSite(
        "site-c", "Calyx Genome Project", "only those with a grant get anything", "controlled",
        {"granted": "record"},
    ),
)  # fmt: skip
REAL_VCF = {
    "site-a": ("1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz", "GRCh38"),
    "site-b": ("1000G_phase3_chr1_11.70-11.84Mb_GRCh37_2504samples.vcf.gz", "GRCh37"),
    "site-c": ("CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz", "GRCh37"),
}


def run(data: Path | None, *, once: bool, say: Callable[[str], None]) -> int:
    """Run the demonstration; serve on until interrupted, unless ``once``. Returns the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="skerry-demo-"))
    try:
        with mongodb(Mongo(data_dir=folder / "data", cache_gb=0.5)) as uri:
            return asyncio.run(_Demo(folder, uri, data, say).run(once=once))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Demo:
    def __init__(self, folder: Path, uri: str, data: Path | None, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.uri = uri
        self.data = data
        self.say = say
        self.ports = dict(zip([site.id for site in SITES], _free_ports(5051, len(SITES)), strict=True))
        (self.network_port,) = _free_ports(5060, 1)

    async def run(self, *, once: bool) -> int:
        begun = time.monotonic()
        async with running_issuer() as issuer:
            await asyncio.to_thread(self._load, issuer)
            self._configure(issuer)
            with self._servers() as servers:
                await self._ready(servers)
                self.say(f"\nThree sites and a network are running ({time.monotonic() - begun:.1f} s).\n")
                await self._ask(issuer)
                if not once:
                    await self._serve_on(servers)
        return 0

    def _load(self, issuer: DemonstrationIssuer) -> None:
        self.say("Loading three sites, each with a database of its own:")
        sources = _real(self.data, self.folder / "dealt") if self.data else _synthetic(self.folder / "cohort")
        for site in SITES:
            packets, vcf, assembly = sources[site.id]
            with Admin.open(self.uri, site.id) as admin:
                admin.create_dataset(site.id, name=site.name, policy=policy_from_toml(site.policy(issuer.url)))
                quiet = Progress(quiet=True)
                first = load_phenopackets(admin, packets, site.id, cohort=f"{site.id}-cases", progress=quiet)
                second = load_vcf(admin, vcf, site.id, assembly=assembly, progress=quiet)
                if first.errors or second.errors:
                    raise ConfigurationError(f"{site.id} did not load: {first.render()}\n{second.render()}")
                counts = admin.dataset(site.id).counts
            held = f"{counts['individual']:,} people, {counts['genomicVariant']:,} variants"
            self.say(f"  {site.name:<22} {held:<34} {site.rule}")

    def _configure(self, issuer: DemonstrationIssuer) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _private(self.folder / "network.pem", pem)
        jwks = self.folder / "network.jwks"
        jwks.write_bytes(orjson.dumps(public_jwks(signing_key(pem, place="network.pem"))))
        people = (
            f'\n[[issuers]]\nissuer = "{issuer.url}"\naudiences = ["{AUDIENCE}"]\njwks_uri = "{issuer.url}/jwks"\n'
            'visas = "userinfo"\n'
        )
        committee = f'\n[[visa_issuers]]\nissuer = "{issuer.url}"\njku = "{issuer.url}/jwks"\nsources = ["{SOURCE}"]\n'
        for site in SITES:
            (self.folder / f"{site.id}.toml").write_text(
                f'id = "{site.id}"\nname = "{site.name}"\n\n[listen]\nport = {self.ports[site.id]}\n'
                f'\n[mongo]\nuri = "{self.uri}"\ndatabase = "{site.id}"\n{people}{committee}'
                f'\n[[nodes]]\nid = "{NETWORK}"\njwks_file = "network.jwks"\nissuers = ["{issuer.url}"]\n'
                'max_level = "controlled"\nmax_granularity = "record"\n'
                f'\n[audit]\ndir = "audit/{site.id}"\n'
            )
        peers = "".join(
            f'\n[[peers]]\nid = "{site.id}"\nname = "{site.name}"\nurl = "http://127.0.0.1:{self.ports[site.id]}/api"\n'
            f'beacon_id = "{site.id}"\nvisas = ["{GRANT}"]\n'
            for site in SITES
        )
        (self.folder / "network.toml").write_text(
            f'id = "{NETWORK}"\nname = "Demonstration network"\nsigning_key_file = "network.pem"\n'
            f"\n[listen]\nport = {self.network_port}\n{people}{peers}\n[audit]\ndir = 'audit/network'\n"
        )

    @contextmanager
    def _servers(self) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        commands = {site.id: ["serve", "--config", str(self.folder / f"{site.id}.toml")] for site in SITES}
        commands["network"] = ["network", "serve", "--config", str(self.folder / "network.toml")]
        servers = {}
        try:
            for name, arguments in commands.items():
                log = (self.folder / f"{name}.log").open("wb")
                command = [sys.executable, "-m", "beacon.cli", *arguments]
                servers[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            yield servers
        finally:
            for server in servers.values():
                server.terminate()
            for server in servers.values():
                with suppress(subprocess.TimeoutExpired):
                    server.wait(10)
                    continue
                server.kill()

    async def _ready(self, servers: Mapping[str, subprocess.Popen[bytes]]) -> None:
        ports = {**self.ports, "network": self.network_port}
        async with aiohttp.ClientSession() as session:
            for name, server in servers.items():
                for _ in itertools.repeat(None, 600):
                    if server.poll() is not None:
                        log = (self.folder / f"{name}.log").read_text(errors="replace").strip()
                        raise ConfigurationError(
                            f"the server {name} ended: {log.splitlines()[-1] if log else 'no word'}"
                        )
                    with suppress(aiohttp.ClientError):
                        async with session.get(f"http://127.0.0.1:{ports[name]}/api/info") as answer:
                            if answer.status == 200:
                                break
                    await asyncio.sleep(0.05)
                else:
                    raise ConfigurationError(f"the server {name} did not answer within 30 s")

    async def _ask(self, issuer: DemonstrationIssuer) -> None:
        url = f"http://127.0.0.1:{self.network_port}/api/individuals?filters={TERM}"
        self.say(f"The question: people with {TERM}, {LABEL}, or a feature below it.")
        async with aiohttp.ClientSession() as session:
            for person, described in PERSONS:
                headers = {}
                again = f"curl -s '{url}'"
                if person is not None:
                    headers["Authorization"] = f"Bearer {issuer.token(person, AUDIENCE, seconds=86400)}"
                    header = self.folder / f"{person}.header"
                    _private(header, f"Authorization: {headers['Authorization']}\n".encode())
                    again = f"curl -s -H @{header} '{url}'"
                begun = time.monotonic()
                async with session.get(url, headers=headers) as response:
                    answer = await response.json()
                took = (time.monotonic() - begun) * 1000
                self.say(f"\nAsked as {described}:")
                self.say(_table(answer))
                self.say(f"  all: {_total(answer)}, in {took:.0f} ms\n  ask again: {again}")

    async def _serve_on(self, servers: Mapping[str, subprocess.Popen[bytes]]) -> None:
        self.say("\nServing until Ctrl-C:")
        for site in SITES:
            self.say(f"  {site.name:<22} http://127.0.0.1:{self.ports[site.id]}/api")
        self.say(f"  {'the network':<22} http://127.0.0.1:{self.network_port}/api")
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        while not stop.is_set() and all(server.poll() is None for server in servers.values()):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.5)


def _table(answer: Mapping[str, Any]) -> str:
    """Return one line per site: what was allowed, what came back, how long it took."""
    sets: dict[str, list[Mapping[str, Any]]] = {}
    for one in answer.get("response", {}).get("resultSets", []):
        sets.setdefault(one["beaconId"], []).append(one)
    lines = [f"  {'site':<22} {'outcome':<14} {'allowed':<10} {'came back':<34} time"]
    names = {site.id: site.name for site in SITES}
    for outcome in answer.get("info", {}).get("outcomes", []):
        peer = outcome["peer"]
        told = ", ".join(_told(one) for one in sets.get(peer, [])) or "nothing"
        allowed = outcome.get("granularity", "-")
        took = f"{outcome['milliseconds']} ms"
        lines.append(f"  {names.get(peer, peer):<22} {outcome['outcome']:<14} {allowed:<10} {told:<34} {took}")
    return "\n".join(lines)


def _told(one: Mapping[str, Any]) -> str:
    if "resultsCount" not in one:
        return "yes" if one["exists"] else "no"
    people = f"{one['resultsCount']:,} people"
    return f"{people}, the first {len(one['results'])} in full" if one.get("results") else people


def _total(answer: Mapping[str, Any]) -> str:
    if "error" in answer:
        return str(answer["error"]["errorMessage"])
    summary = answer["responseSummary"]
    if "numTotalResults" not in summary:
        return "yes" if summary["exists"] else "no"
    least = "" if summary.get("countPrecision", "exact") == "exact" else "at least "
    return f"{least}{summary['numTotalResults']:,} people"


Sources = dict[str, tuple[Sequence[Path], Path, str]]


def _synthetic(folder: Path) -> Sources:
    """Write the synthetic cohort, and return each site's files; the true answers lie in ``truth.json`` beside them."""
    write(generate(sites=len(SITES)), folder)
    return {
        site.id: ([folder / site.id / "phenopackets"], folder / site.id / "variants.vcf", "GRCh38") for site in SITES
    }


def _real(data: Path, dealt: Path) -> Sources:
    """Deal out real phenopackets by the digest of their file name, and one real VCF to each site."""
    folder = data / "data" if (data / "data").is_dir() else data
    packets = sorted((folder / "phenopackets").glob("cohorts_*.zip"))
    if not packets:
        raise ConfigurationError(
            f"{folder / 'phenopackets'} holds no cohorts_*.zip; leave out --data for synthetic people"
        )
    for document in documents(packets):
        if isinstance(document, Problem):
            raise ConfigurationError(str(document))
        number = int(hashlib.sha256(document.file.encode()).hexdigest(), 16) % len(SITES)
        place = dealt / SITES[number].id
        place.mkdir(parents=True, exist_ok=True)
        (place / Path(document.file.rpartition("!")[2]).name).write_bytes(document.data)
    return {id: ([dealt / id], folder / "vcf" / name, assembly) for id, (name, assembly) in REAL_VCF.items()}


def _private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _free_ports(first: int, count: int) -> list[int]:
    """Return free ports of this machine from ``first`` on."""
    found = []
    for port in range(first, first + 500):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise ConfigurationError(f"no free port from {first} to {first + 500} on this machine")
