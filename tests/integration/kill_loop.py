"""``make kill-loop TIMES=20``: loads killed at random moments, and what the same command makes of them afterwards.

Each time a dataset is made anew, a load that replaces and adds begins as a process of its own and is killed (SIGKILL)
at a random moment of its length; then the same command runs to its end. The logical content of the database must be
that of a load that nobody disturbed, nothing may be left over, and whoever asked meanwhile must have seen the old
state or the new one, in that order, and nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from pymongo import MongoClient
from pymongo.database import Database

from beacon.auth.policy import policy_for
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.query import OntologyFilter, Query
from beacon.query.execute import execute
from beacon.settings import Mongo
from beacon.store.admin import Admin
from beacon.store.base import COLUMN, WIDE_KINDS
from beacon.store.documents import SEGMENT_COLLECTIONS, decode_links, decode_rows
from beacon.store.embedded import mongodb
from beacon.store.mongo import MongoStore
from beacon.store.packing import unpack
from beacon.store.parts import Part
from beacon.store.segments import alleles_of, calls_of, read_layout
from loaders.pipeline import load_phenopackets
from loaders.synthetic_people import make_people, phenopacket
from loaders.vcf import load_vcf

ROOT = Path(__file__).parents[2]
DATASET = "cases"
FEMALE = "NCIT:C16576"
Say = Callable[[str], None]


def run(uri: str, times: int, seed: int, say: Say, kinds: tuple[str, ...] = ("phenopackets", "vcf")) -> None:
    """Kill that many loads, the kinds by turns; an ``AssertionError`` says what went wrong."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, database(uri) as name:
        files = Files(Path(folder), uri, name)
        expected, lasted = {}, {}
        for kind in kinds:
            files.begin()
            began = time.monotonic()
            files.load(kind).wait()
            lasted[kind] = time.monotonic() - began
            expected[kind] = content(uri, name)
        for number in range(times):
            kind = kinds[number % len(kinds)]
            files.begin()
            after = chance.uniform(0, lasted[kind])
            with Reader(uri, name) as reader:
                process = files.load(kind)
                try:
                    process.wait(after)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                killed = process.wait() == -signal.SIGKILL
                assert files.load(kind).wait() == 0, "the same command, given again, must end well"
            reader.check()
            assert content(uri, name) == expected[kind], f"load of {kind} killed after {after:.3f} s: other content"
            ended = "killed" if killed else "was done"
            say(f"{number + 1:3} {kind:12} {ended} after {after:.2f} of {lasted[kind]:.2f} s; {reader.asked} answers")


@contextmanager
def database(uri: str) -> Iterator[str]:
    """A database of one's own, dropped in the end."""
    name = f"kill_{secrets.token_hex(6)}"
    try:
        yield name
    finally:
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(name)


class Files:
    """What is loaded: an old and a new state of one file of phenopackets, and of one VCF, and commands to load it."""

    def __init__(self, folder: Path, uri: str, name: str) -> None:
        self._uri, self._name, self._folder = uri, name, folder
        people = [orjson.loads(phenopacket(person)) for person in make_people(7, 0, 160)]
        self._packets = folder / "cases.jsonl"
        self._old_packets = _lines(people[:40])
        for one in people[:30]:
            one["subject"]["sex"] = "FEMALE" if one["subject"].get("sex") != "FEMALE" else "MALE"
        self._new_packets = _lines(people)
        self._vcf = folder / "calls.vcf"
        samples = [one["id"] for one in people[:6]]
        self._old_vcf, self._new_vcf = _vcf(samples, 50, "G"), _vcf(samples, 2_000, "T")
        self._settings = folder / "site.toml"
        self._settings.write_text(f'[mongo]\nuri = "{uri}"\ndatabase = "{name}"\n')

    def begin(self) -> None:
        """Make the dataset anew in its old state; the files are then in their new one."""
        with MongoClient[dict[str, Any]](self._uri) as client:
            client.drop_database(self._name)
        self._packets.write_bytes(self._old_packets)
        self._vcf.write_bytes(self._old_vcf)
        with Admin.open(self._uri, self._name, grace=0) as admin:
            admin.create_dataset(DATASET, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
            load_phenopackets(admin, [self._packets], DATASET, cohort="old")
            load_vcf(admin, self._vcf, DATASET)
        self._packets.write_bytes(self._new_packets)
        self._vcf.write_bytes(self._new_vcf)

    def load(self, kind: str) -> subprocess.Popen[bytes]:
        """Begin to load one of the files as a process of its own."""
        file = self._packets if kind == "phenopackets" else self._vcf
        command = [sys.executable, "-m", "beacon.cli", "load", kind, str(file), "--dataset", DATASET, "--cohort", "new"]
        command += ["--workers", "2", "--quiet", "--config", str(self._settings)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _lines(people: list[Any]) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in people)


def _vcf(samples: list[str], records: int, alt: str) -> bytes:
    header = "##fileformat=VCFv4.3\n##reference=GRCh38\n##fileDate=20260101\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(samples)
    calls = ("0/1", "0/0", "1/1", "./.", "0|1", "0/0", "0/0")
    rows = (
        "\t".join(["1", str(1_000 + 10 * n), ".", "A", alt, ".", "PASS", ".", "GT", *(
            calls[(n + at) % len(calls)] for at in range(len(samples))
        )])
        for n in range(records)
    )  # fmt: skip
    return (header + columns + "\n" + "\n".join(rows) + "\n").encode()


class Reader:
    """Somebody who asks the same three questions over and over, in a thread, while the block runs."""

    def __init__(self, uri: str, name: str) -> None:
        self.asked = 0
        self._seen: list[list[int]] = [[], [], []]
        self._failed: list[BaseException] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask(uri, name)))

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Every question had one answer, or first the old one and then the new one."""
        assert not self._failed, self._failed
        assert self.asked > 0
        for answers in self._seen:
            assert len(answers) <= 2, f"a mixture was seen: {answers}"

    async def _ask(self, uri: str, name: str) -> None:
        store = await MongoStore.open(uri, name)
        decision = Decision(DATASET, Granularity.COUNT, Asker.GRANTED, Level.PUBLIC, 0)
        questions = (
            Query("individual", granularity=Granularity.COUNT),
            Query("individual", granularity=Granularity.COUNT, filters=(OntologyFilter(FEMALE),)),
            Query("genomicVariant", granularity=Granularity.COUNT),
        )
        try:
            while not self._ended.is_set():
                for query, seen in zip(questions, self._seen, strict=True):
                    (result,) = await execute(store, query, [decision])
                    assert result.count is not None
                    if not seen or seen[-1] != result.count:
                        seen.append(result.count)
                    self.asked += 1
                await asyncio.sleep(0.05)
        except BaseException as error:
            self._failed.append(error)
            raise
        finally:
            await store.close()


def content(uri: str, name: str) -> str:
    """Return a hash of all that a database says, without ordinals, times and ids of loads; nothing may be left over."""
    with Admin.open(uri, name, grace=0) as admin, MongoClient[dict[str, Any]](uri) as client:
        assert admin.sweep() == 0
        db = client[name]
        listed = {part["id"] for dataset in db["datasets"].find() for part in dataset["segments"]}
        assert {part["_id"] for part in db["segments"].find()} == listed
        for collection in SEGMENT_COLLECTIONS:
            assert set(db[collection].distinct("s")) <= listed, f"{collection} holds what no dataset lists"
        told = [line for dataset in db["datasets"].find().sort("_id", 1) for line in _dataset(db, dataset)]
        told += [["term", term["_id"], term["label"]] for term in db["terms"].find().sort("_id", 1)]
        encoded = sorted(orjson.dumps(line, option=orjson.OPT_SORT_KEYS) for line in told)
    return hashlib.sha256(b"\n".join(encoded)).hexdigest()


def _dataset(db: Database[dict[str, Any]], dataset: dict[str, Any]) -> Iterator[list[Any]]:
    names = {(row["k"], row["o"]): row["i"] for row in db["people"].find({"d": dataset["people"]})}
    yield ["names", dataset["_id"], sorted([kind, id] for (kind, _), id in names.items())]
    for cohort in dataset["cohorts"]:
        members = sorted(names["individual", ordinal] for ordinal in _bitmap(cohort["members"]))
        yield ["cohort", dataset["_id"], cohort["id"], members, *(repr(cohort.get(one)) for one in ("name", "body"))]
    yield ["dataset", dataset["_id"], *(repr(dataset.get(one)) for one in ("name", "description", "stated"))]
    for document in dataset["segments"]:
        yield from _segment(db, Part.of(document), names)


def _segment(db: Database[dict[str, Any]], part: Part, names: dict[tuple[str, int], str]) -> Iterator[list[Any]]:
    yield ["segment", {kind: len(rows) for kind, rows in part.live.items()}, part.document["variants"]]
    ids: dict[str, dict[int, str]] = {}
    for record in db["records"].find({"s": part.id}):
        ids.setdefault(record["k"], {})[record["r"]] = record["i"]
        body = hashlib.sha256(record["b"]).hexdigest()
        yield ["record", record["k"], record["i"], body, record.get("n"), record.get("h", b"").hex()]
    columns = db["arrays"].find_one({"s": part.id, "k": COLUMN})
    if columns is not None:
        ids[COLUMN] = {
            at: names["biosample", sample] for at, sample in enumerate(decode_links(columns["data"]).samples)
        }
    layout = read_layout(db, part.id)
    found = list(alleles_of(db, part.id, layout, layout.runs))
    ids["genomicVariant"] = ids["allele"] = {at: stored.id for at, stored in enumerate(found)}
    for kind, rows in part.live.items():
        of = {row: names[kind, row] for row in rows} if kind in WIDE_KINDS else ids[kind]
        yield ["live", kind, sorted(of[row] for row in rows)]
    for posting in db["postings"].find({"s": part.id}):
        at = ids.get(posting["k"], {})
        yield [
            "posting",
            posting["k"],
            posting["key"],
            posting["label"],
            sorted(str(at.get(r, r)) for r in _bitmap(posting["rows"])),
        ]
    for numbers in db["numbers"].find({"s": part.id}):
        arrays = unpack(numbers["data"])
        pairs = zip(arrays["values"].tolist(), (ids[numbers["k"]][row] for row in arrays["rows"].tolist()), strict=True)
        yield ["numbers", numbers["k"], numbers["f"], sorted(pairs)]
    sample = ids.get(COLUMN, {})
    for block in range(len(layout.low)):
        calls = calls_of(db, part.id, layout, block)
        for stored in (one for one in found if one.block == block):
            groups = {name: sorted(sample[int(c)] for c in calls.group(name, stored.row)) for name in ("het", "hom")}
            missing = sorted(sample[column] for column in calls.shared("missing", stored.row))
            counts = [stored.carriers, stored.allele_count, stored.allele_number]
            yield ["allele", stored.id, stored.body.decode(), groups, missing, counts]
    for case in db["cases"].find({"s": part.id}):
        yield ["case", case["v"], sample[case["c"]], case["b"].decode()]


def _bitmap(data: bytes) -> list[int]:
    return list(decode_rows(data))


def main(arguments: list[str]) -> int:
    """Run the loop against a MongoDB of its own."""
    times = int(arguments[0]) if arguments else 20
    seed = int(arguments[1]) if len(arguments) > 1 else secrets.randbelow(1_000_000)
    print(f"{times} loads killed at random moments (seed {seed})", flush=True)
    with tempfile.TemporaryDirectory() as folder, mongodb(Mongo(data_dir=Path(folder), cache_gb=0.25)) as uri:
        run(uri, times, seed, lambda line: print(line, flush=True))
    print("Each time the content was that of a load that nobody disturbed, and no reader saw a mixture.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
