"""How long loading takes, as ratios to floors that are measured in the same run; ``make bench-load SIZE=medium``.

A VCF's floor is what nobody can do without: its lines through pysam's BGZF reader, for each ALT the numbers of its
carriers as a numpy array, and the documents that the load made, inserted as they are. Phenopackets' floor is orjson and
the same inserts. Every measurement is made in a process of its own, which also tells how much memory it took at most;
time is the processor's, of that process and its children and of MongoDB, beside that of the clock on the wall. The
database, its indexes and HPO are there before: a site has them when its first dataset is made.

``make bench-load SIZE=million`` loads 1,000,000 records and watches how much memory each process takes meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson
import pysam
from bson.raw_bson import RawBSONDocument
from numpy.typing import NDArray
from pymongo import MongoClient

from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from loaders.pipeline import load_phenopackets
from loaders.synthetic_people import make_people, phenopacket
from loaders.terms import site_ontologies
from loaders.vcf import Manner, load_vcf
from loaders.workers import Workers, fitting, working

SAMPLES = 2504
DATABASE = "bench_load"
BATCH_BYTES = 8_000_000
MEMORY_MB = 400
_ROWS = 400
_CALLS = ("0/0", "0/1", "1/1")
_DEPTHS = [f"{d},{d // 2}:{d + d // 2}:{q}:0,{q},{q * 9}" for d in range(12, 42) for q in (21, 60, 99)]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is loaded: records of a GT-only VCF, of one with GT:AD:DP:GQ:PL, and phenopackets.

    ``watched`` are those of a GT-only VCF of which only the memory that loading it takes is told.
    """

    genotypes: int = 0
    likelihoods: int = 0
    packets: int = 0
    watched: int = 0


SIZES = {
    "tiny": Size(150, 40, 60), "small": Size(5_000, 800, 1_000), "medium": Size(60_000, 10_000, 5_000),
    "large": Size(200_000, 20_000, 50_000), "watched": Size(watched=100_000), "million": Size(watched=1_000_000),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What one measurement took: seconds on the wall, of processors, and MB at most of one process."""

    wall: float
    cpu: float
    memory: float


def write_vcf(
    path: Path, records: int, *, likelihoods: bool, samples: int = SAMPLES, seed: int = 1, level: int = 6
) -> None:
    """Write a VCF of biallelic SNVs with frequencies as rare as in real ones, packed with bgzip.

    Its genotypes are drawn from ``_ROWS`` rows, further apart than bgzip looks back.
    """
    rng = np.random.default_rng(seed)
    names = "\t".join(f"S{number:05d}" for number in range(samples))
    header = (
        "##fileformat=VCFv4.3\n##contig=<ID=1,length=248956422>\n"
        f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    )
    make = _likelihoods if likelihoods else _genotypes
    rows = [make(rng, rng.binomial(2, min(0.5, rng.beta(0.2, 6)), samples)) for _ in range(min(records, _ROWS))]
    mode: Any = f"wb{level}"
    with pysam.BGZFile(str(path), mode, None) as file:
        file.write(header.encode())
        for number, row in enumerate(rng.integers(0, len(rows), records).tolist()):
            file.write(b"1\t%d\t.\tA\tG\t50\tPASS\tDP=9\t%b\n" % (10_000 + 33 * number, rows[row]))


def _genotypes(rng: np.random.Generator, copies: NDArray[np.int64]) -> bytes:
    del rng
    return b"GT\t" + np.frombuffer(b"0|0\t0|1\t1|1\t", "<u4")[copies].tobytes()[:-1]


def _likelihoods(rng: np.random.Generator, copies: NDArray[np.int64]) -> bytes:
    chosen = rng.integers(0, len(_DEPTHS), len(copies)).tolist()
    cells = [f"{_CALLS[call]}:{_DEPTHS[depth]}" for call, depth in zip(copies.tolist(), chosen, strict=True)]
    return b"GT:AD:DP:GQ:PL\t" + "\t".join(cells).encode()


def vcf_floor(path: Path) -> int:
    """Read a VCF's lines and find the carriers of every ALT; return how many there are."""
    found = 0
    with pysam.BGZFile(str(path), "rb", None) as file:
        for line in _split(file):
            if line.startswith(b"#"):
                continue
            fixed, cells = line.split(b"\t", 9)[:9], line[_ninth(line) :]
            data = np.frombuffer(cells, np.uint8)
            starts = np.concatenate([[0], np.flatnonzero(data == 9) + 1])
            one, two = data[starts], data[starts + 2]
            for alt in range(1, fixed[4].count(b",") + 2):
                found += len(np.flatnonzero((one == 48 + alt) | (two == 48 + alt)))
    return found


def _ninth(line: bytes) -> int:
    place = -1
    for _ in range(9):
        place = line.index(b"\t", place + 1)
    return place + 1


def _split(file: Any) -> Iterator[bytes]:
    rest = b""
    while chunk := file.read(1 << 20):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def kept_documents(uri: str, database: str) -> list[tuple[str, list[list[RawBSONDocument]]]]:
    """Return all documents of a database that loads make as bytes, by collection, in batches."""
    found = []
    with MongoClient(uri, document_class=RawBSONDocument) as client:
        for name in set(client[database].list_collection_names()) - {"ontologies", "terms"}:
            batches: list[list[RawBSONDocument]] = [[]]
            size = 0
            for document in client[database][name].find():
                if size > BATCH_BYTES or len(batches[-1]) >= 2_000:
                    batches.append([])
                    size = 0
                batches[-1].append(document)
                size += len(document.raw)
            found.append((name, batches))
    return found


def measured(uri: str, work: str, *arguments: str) -> Cost:
    """Do one piece of work in a process of its own; the dataset of a load is made before, by another."""
    if not work.endswith(("floor", "prepare")):
        measured(uri, "prepare", arguments[0])
    done = subprocess.run(_command(uri, work, *arguments), check=True, stdout=subprocess.PIPE, env=os.environ)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _command(uri: str, work: str, *arguments: str) -> list[str]:
    # Not by -m: the processes that it begins would import this module first, as those of ``skerry`` need not.
    program = "import sys; from tests.perf.loading import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", program, "--do", work, "--uri", uri, *arguments]


def _do(work: str, uri: str, rest: list[str]) -> Cost:
    """Do a piece of work in this process and in those that help, and say what it took."""
    server = _server(uri)
    kept = kept_documents(uri, DATABASE) if work.endswith("floor") else []
    module = {"vcf": "loaders.vcf_parallel", "packets": "loaders.examining"}.get(work, "")
    with working(int(rest[2]) - 1 if module else 0, module) as workers:
        if workers is not None:
            workers.begun()  # the clock starts when this process has begun and imported all it needs, so with these too
        before = _times(server)
        begun = time.perf_counter()
        match work:
            case "prepare":
                with Admin.open(uri, DATABASE) as admin:
                    admin.create_dataset(rest[0])
                    site_ontologies(admin).store(admin)  # as ``skerry dataset create`` does
            case "vcf":
                _load(uri, rest[0], Path(rest[1]), workers)
            case "vcf-floor":
                vcf_floor(Path(rest[0]))
            case "packets":
                _load_packets(uri, rest[0], Path(rest[1]), workers)
            case "packets-floor":
                _parse(Path(rest[0]))
        _insert(uri, kept)
        wall = time.perf_counter() - begun
    own = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(wall, _times(server) - before, max(own) / 1024)


def _load(uri: str, dataset: str, path: Path, workers: Workers | None) -> None:
    with Admin.open(uri, DATABASE) as admin:
        report = load_vcf(admin, path, dataset, manner=Manner("GRCh38", workers=workers))
        assert not report.problems, report.render()


def _load_packets(uri: str, dataset: str, path: Path, workers: Workers | None) -> None:
    with Admin.open(uri, DATABASE) as admin:
        report = load_phenopackets(admin, [path], dataset, workers=workers)
        assert not report.errors, report.render()


def _parse(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(len(orjson.loads(archive.read(name))) for name in archive.namelist())


def _insert(uri: str, documents: list[tuple[str, list[list[RawBSONDocument]]]]) -> None:
    with MongoClient[Any](uri) as client:
        for name, batches in documents:
            for batch in filter(None, batches):
                client[f"{DATABASE}_floor"][name].insert_many(batch, ordered=False)


def _server(uri: str) -> int:
    """Return the process id of MongoDB, which runs on this machine."""
    with MongoClient[Any](uri) as client:
        return int(client.admin.command("serverStatus")["pid"])


def _times(server: int) -> float:
    """Return the processor seconds of this process, of its children that have ended, and of MongoDB (Linux)."""
    own = os.times()
    theirs = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return own.user + own.system + own.children_user + own.children_system + sum(map(int, theirs[11:13])) / _TICKS


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a ratio (or MB), and what it must not exceed, or not fall below where ``at_least``."""

    name: str
    value: float
    bound: float
    at_least: bool = False
    beside: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as promised."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def watch(records: int, uri: str, folder: Path) -> Iterator[Figure]:
    """Load a large VCF in two processes, and tell how much memory each of them takes at most, shared pages divided."""
    path = folder / "watched.vcf.gz"
    write_vcf(path, records, likelihoods=False, level=1)
    measured(uri, "prepare", "watched")
    begun = time.perf_counter()
    found: dict[int, list[float]] = {}
    with subprocess.Popen(_command(uri, "vcf", "watched", str(path), "2"), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            for one in (process.pid, *_children(process.pid)):
                found.setdefault(one, []).append(_memory(one))
            time.sleep(0.25)
    if process.returncode:
        raise SystemExit("the load that was watched failed")
    rate = f"{records / (time.perf_counter() - begun):,.0f} records/s"
    for id, sizes in found.items():
        name = "writer" if id == process.pid else "process that reads or helps"
        yield Figure(f"VCF of {records:,} records: MB of the {name}", max(sizes), MEMORY_MB, beside=rate)
        half = len(sizes) // 2
        grown = max(sizes[half:]) / max(sizes[: half or 1])
        yield Figure("  in the second half of the time over the first", grown, 1.5)


def _children(process: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:  # it has ended
        return []


def _memory(process: int) -> float:
    """Return the proportional set size of a process in MB, 0 where it has ended (Linux)."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")), 0.0)


def measure(size: Size, uri: str, folder: Path, turns: int = 1) -> Iterator[Figure]:
    """Measure everything of one size; of what is compared, the median ratio of so many turns, one after the other."""
    if size.watched:
        yield from watch(size.watched, uri, folder)
        return
    for name, records, likelihoods in (("GT", size.genotypes, False), ("GT:AD:DP:GQ:PL", size.likelihoods, True)):
        path = folder / f"{'likelihoods' if likelihoods else 'genotypes'}.vcf.gz"
        write_vcf(path, records, likelihoods=likelihoods)
        ones, floors, twos = [], [], []
        for _ in range(turns):
            _clear(uri)
            ones.append(measured(uri, "vcf", "one", str(path), "1"))
            floors.append(measured(uri, "vcf-floor", str(path)))
            _clear(uri)
            twos.append(measured(uri, "vcf", "two", str(path), "2"))
        yield from _over_floor(f"VCF {name}", ones, floors, 2.0, records, "records")
        walls = [one.wall / two.wall for one, two in zip(ones, twos, strict=True)]
        yield Figure(f"VCF {name}: one worker over two, wall", median(walls), 1.4, at_least=True, beside=_listed(walls))
        yield Figure(f"VCF {name}: MB of one process", max(one.memory for one in (*ones, *twos)), MEMORY_MB)
    quarter = folder / "quarter.vcf.gz"
    write_vcf(quarter, max(1, size.genotypes // 4), likelihoods=False)
    _clear(uri)
    few = measured(uri, "vcf", "few", str(quarter), "1")
    _clear(uri)
    many = measured(uri, "vcf", "many", str(folder / "genotypes.vcf.gz"), "1")
    yield Figure("VCF GT: MB for four times as many records", many.memory / few.memory, 1.25)
    packets = write_packets(folder, size.packets)
    loads, floors = [], []
    for _ in range(turns):
        _clear(uri)
        loads.append(measured(uri, "packets", "packets", str(packets), str(fitting([packets]))))
        floors.append(measured(uri, "packets-floor", str(packets)))
    yield from _over_floor("phenopackets", loads, floors, 4.0, size.packets, "packets")


def _over_floor(
    name: str, loads: list[Cost], floors: list[Cost], most: float, number: int, what: str
) -> Iterator[Figure]:
    pairs = list(zip(loads, floors, strict=True))
    cpus, walls = ([getattr(one, of) / getattr(floor, of) for one, floor in pairs] for of in ("cpu", "wall"))
    rate = f"{number / median(one.wall for one in loads):,.0f} {what}/s"
    beside = f"{_listed(walls)}  {rate}; of processor time {median(cpus):.2f}".lstrip()
    yield Figure(f"{name}: load over floor, wall", median(walls), most, beside=beside)


def _listed(ratios: list[float]) -> str:
    return " ".join(f"{ratio:.2f}" for ratio in ratios) if len(ratios) > 1 else ""


def write_packets(folder: Path, number: int) -> Path:
    """Write an archive of phenopackets of synthetic people."""
    path = folder / "packets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for person in make_people(2026, 1, number):
            archive.writestr(f"{person.id}.json", phenopacket(person))
    return path


def _clear(uri: str) -> None:
    with MongoClient[Any](uri) as client:
        for name in (DATABASE, f"{DATABASE}_floor"):
            client.drop_database(name)


def main(arguments: list[str]) -> int:
    """Measure and print; returns 1 where a figure was missed."""
    parser = argparse.ArgumentParser(prog="make bench-load", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--turns", type=int, default=1, help="how often everything that is compared is measured")
    parser.add_argument("--do", help=argparse.SUPPRESS)
    parser.add_argument("--uri", help=argparse.SUPPRESS)
    given, rest = parser.parse_known_args(arguments)
    if given.do:
        cost = _do(given.do, given.uri, rest)
        print(json.dumps({"wall": cost.wall, "cpu": cost.cpu, "memory": cost.memory}))
        return 0
    missed = 0
    with tempfile.TemporaryDirectory(prefix="skerry-bench-load-") as name, mongodb(Mongo(data_dir=Path(name))) as uri:
        load = os.getloadavg()[0]
        print(f"size {given.size}, {os.cpu_count()} processors, load average {load:.1f}")
        for figure in measure(SIZES[given.size], uri, Path(name), given.turns):
            missed += not figure.met
            bound = f"{'at least' if figure.at_least else 'at most'} {figure.bound:g}"
            verdict = "" if figure.met else "  MISSED"
            print(f"{figure.name:<48} {figure.value:8.2f}  ({bound}){verdict}  {figure.beside}".rstrip(), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
