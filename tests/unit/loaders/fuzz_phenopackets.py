"""Broken phenopackets for the reader, made from whole ones: no crash, no hang, nothing but problems and records.

``make fuzz-phenopackets MINUTES=15`` runs this file for so long; ``make test`` runs some files of fixed seeds. Whole
documents (a phenopacket, a family, a cohort with every member of the standard, and tables) are damaged in their values,
their structure, or their bytes; what the reader accepts is converted and indexed, and every report is written.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import gzip
import io
import json
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import index_entries
from loaders import checks
from loaders.dry_run import check_phenopackets
from loaders.formats import FORMATS
from loaders.glance import Glances
from loaders.mapping import SampleNames, convert
from loaders.messages import message, take_apart
from loaders.phenopackets import Reader, parse
from loaders.report import Problem, Report, Severity
from loaders.rules import about
from loaders.sources import Document, documents
from loaders.terms import hpo
from schemas import validator
from tests.unit.loaders.full import cohort, family, full
from tests.unit.loaders.packets import RECORD, interpretation, packet

MOST_SECONDS = 30.0
"""A document of some kilobytes that takes longer hangs."""

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64 - 1, -(2**63), 1e308, -0.0, 0.5, "", " ", "\0", "a" * 5000,
    "\u00e9\u2028", "HP:0001250", "HP:9999999", "HP:0000057", "hp:1", ":", "P", "P1Y", "P3Y6M", "P999999999999Y",
    "P1,5Y", "PT", "-P1Y", "2020-02-30T00:00:00Z", "2020-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "chr1", "MT", "chrX", "NC_000015.9",
    "GRCh37", "hg38", "<DEL>", "DEL", "N", "*", "A",
    "G]chr2:321]", "END=5;SVLEN=-9", "END=1", "END=" + "9" * 40, "NC_000015.10:g.48505037G>A",
    "NC_000015.10:48505036:G:A",
    ":g.", ":p.Arg1Ter", "FEMALE", "CAUSATIVE", "0", [], {}, [[]], [None], {"id": "HP:0001250"}, {"id": 1},
    {"age": {"iso8601duration": "P1Y"}}, {"timestamp": "2020-01-01T00:00:00Z"},
)  # fmt: skip
NAMES = (
    "id", "label", "excluded", "onset", "type", "subject", "proband", "members", "relatives", "variants", "__proto__",
    "",
)  # fmt: skip
PIECES = (
    b"\0", b"\xff", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"1e999", b"null", b"\n", b"\xef\xbb\xbf",
    b"\\ud800",
)  # fmt: skip
TABLES = {
    "map.toml": b'[about]\ncreated = 2026-01-01\ncreated_by = "x"\n[individuals]\nfile = "p.csv"\nid = "who"\n'
    b'sex = "sex"\nage = "age"\n[features]\nfile = "f.tsv"\nindividual = "who"\nterm = "hpo"\nexcluded = "absent"\n'
    b'onset = "since"\n',
    "p.csv": b'who,sex,age\nA,FEMALE,7.5\n"B, or C",male,P3Y\nD,,\n',
    "f.tsv": b"who\thpo\tabsent\tsince\nA\tHP:0001250\t\t5\nB, or C\tHP:0001166\tyes\tHP:0003593\n",
}


def place(rng: random.Random, document: Any) -> tuple[Any, Any] | None:
    """A container somewhere in a document, and a key or index of it."""
    found = None
    while isinstance(document, dict | list) and document:
        key = rng.choice(list(document) if isinstance(document, dict) else range(len(document)))
        found = document, key
        document = document[key]
        if rng.random() < 0.15:
            break
    return found


def damaged(rng: random.Random, document: Any) -> Any:
    """Change a document in some places: another value, none, twice, a part of elsewhere, another name, much deeper."""
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        if (found := place(rng, document)) is None:
            return document
        inside, key = found
        match rng.randrange(8):
            case 0 | 1 | 2:
                inside[key] = copy.deepcopy(rng.choice(ODD))
            case 3:
                del inside[key]
            case 4 if isinstance(inside, list):
                inside.insert(key, copy.deepcopy(inside[key]))
            case 5 if (other := place(rng, document)) is not None:
                inside[key] = copy.deepcopy(other[0][other[1]])
            case 6 if isinstance(inside, dict):
                inside[rng.choice(NAMES)] = inside.pop(key)
            case 7 if rng.random() < 0.2:
                for _ in range(rng.choice((5, 300))):
                    inside[key] = [inside[key]] if rng.random() < 0.5 else {rng.choice(NAMES): inside[key]}
    return document


def bytes_of(rng: random.Random, document: Any) -> bytes:
    """A document's bytes, some of them spoiled now and then."""
    data = json.dumps(document, indent=rng.choice((None, 1))).encode()
    for _ in range(rng.choice((0, 0, 0, 0, 1, 3))):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(PIECES) + data[at + rng.randrange(4) :]
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.03 else data


def small(rng: random.Random) -> dict[str, Any]:
    """A small phenopacket, of which a change is a larger part."""
    body = packet(f"case-{rng.randrange(3)}", interpretations=[interpretation({"id": "v", "vcfRecord": dict(RECORD)})])
    for name in ("phenotypicFeatures", "diseases", "measurements", "biosamples", "medicalActions"):
        rows = full()[name]
        body[name] = rng.sample(rows, min(len(rows), 1))
    return body


MAKERS: tuple[Callable[[random.Random], Any], ...] = (
    small, small, small, lambda rng: full(), lambda rng: family(), lambda rng: cohort(),
)  # fmt: skip


def files(rng: random.Random, folder: Path) -> Path:
    """Write documents, of one kind of file or another; the path to hand over."""
    if rng.random() < 0.15:
        for name, data in TABLES.items():
            for _ in range(rng.choice((0, 0, 1, 3))):
                at = rng.randrange(len(data) + 1)
                data = data[:at] + rng.choice((*PIECES, b"\t", b";", b"=", b"A", b"9")) + data[at + rng.randrange(4) :]
            (folder / name).write_bytes(data)
        return folder / "map.toml"
    made = [bytes_of(rng, damaged(rng, rng.choice(MAKERS)(rng))) for _ in range(rng.choice((1, 1, 2, 5)))]
    match rng.randrange(4):
        case 0:
            path, data = folder / "case.json", made[0]
        case 1:
            path, data = folder / "cases.jsonl", b"\n".join(one.replace(b"\n", b" ") for one in made)
        case 2:
            path, data = folder / "cases.jsonl.gz", gzip.compress(b"\n".join(one.replace(b"\n", b" ") for one in made))
        case _:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for number, one in enumerate(made):
                    archive.writestr(f"{number}.json", one)
            path, data = folder / "cases.zip", packed.getvalue()
    if path.suffix in (".gz", ".zip") and rng.random() < 0.2:
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(4) :]
    path.write_bytes(data)
    return path


def overlooked(document: Document) -> list[Problem]:
    """What the rules find in a document, or in a member of it, where a glance at it found nothing."""
    body = parse(document)
    if isinstance(body, Problem):
        return []
    found = message(body)
    members = [body] if found is None else [member for _, member in take_apart(found, body)[1]]
    glances = Glances(partial(checks.is_sound_term, terms=hpo()))
    missed: list[Problem] = []
    for member in members:
        if isinstance(member, dict) and validator("phenopacket").is_valid(member):
            glance = glances.at(member, orjson.dumps(member).decode(), datetime.now(UTC))
            seen = set(map(repr, checks.check(document, member, hpo(), glance)))
            missed += [one for one in checks.check(document, member, hpo()) if repr(one) not in seen]
    return missed


def run(seed: int, folder: Path) -> tuple[int, int]:
    """Read what a seed makes, as a check and as a load do; how many were accepted, and how many problems there were."""
    rng = random.Random(seed)
    path = files(rng, folder)
    report = check_phenopackets([path], report=Report())
    for problem in report.problems:
        told = problem.severity is about(problem.rule).severity
        assert told, f"seed {seed}: {problem.rule} is reported as {problem.severity}"
    for write in FORMATS.values():
        assert write(report).encode("utf-8", "surrogateescape") or report.outcome == ""
    problems: list[Problem] = []
    reader = Reader(hpo(), problems.append)
    names = SampleNames()
    accepted = 0
    for item in documents([path]):
        if isinstance(item, Document):
            assert not overlooked(item), f"seed {seed}: {overlooked(item)} was not seen at a glance"
    for one in reader.packets(documents([path])):
        made = convert(one.body, names.name, one.group)
        for kind, records in (("individual", [made.individual]), ("biosample", made.samples)):
            for record in records:
                assert orjson.loads(orjson.dumps(record)) is not None
                index_entries(ENTRY_TYPES[kind], record, hpo().ancestors)
        for _, case in made.cases:
            orjson.dumps([case.body, case.detail, case.allele.id, case.allele.start, case.allele.end])
            assert case.allele.start <= case.allele.end, f"seed {seed}: {case.allele}"
        accepted += 1
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    assert bool(reader.counts.set_aside) <= bool(errors), f"seed {seed}: something was set aside without a word"
    return accepted, len(problems)


def main() -> int:
    """Run for some minutes from a seed on; says at the end what was run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) * 1000)
    options = parser.parse_args()
    hpo()
    end = time.monotonic() + options.minutes * 60
    number = accepted = problems = 0
    slowest = (0.0, options.seed)
    while time.monotonic() < end:
        seed = options.seed + number
        faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                more, found = run(seed, Path(folder))
            except BaseException:
                print(f"seed {seed} ended badly; run({seed}, folder) does it again", file=sys.stderr)
                raise
        faulthandler.cancel_dump_traceback_later()
        slowest = max(slowest, (time.monotonic() - begun, seed))
        number, accepted, problems = number + 1, accepted + more, problems + found
    print(
        f"{number:,} files in {options.minutes:g} minutes: {accepted:,} phenopackets accepted, {problems:,} problems, "
        f"no crash; the slowest, seed {slowest[1]}, took {slowest[0]:.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
