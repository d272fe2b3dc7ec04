"""Writing a cohort into a database through the loaders' writer, a batch of genotypes at a time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pymongo import MongoClient

from beacon.auth.policy import policy_for
from beacon.model import indexing
from beacon.model.access import Granularity, Level
from beacon.model.entry_types import ZYGOSITIES
from beacon.model.variant import Allele
from beacon.query.case_level import MAX_CASES
from beacon.settings import Mongo
from beacon.store import blocks, calls, documents, heads, layout, writer
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from beacon.store.loading import LoadInfo
from beacon.store.writer import SegmentWriter
from loaders.terms import ancestors
from tests.perf import alleles, floor, people
from tests.perf.alleles import ASSEMBLY, RARE, Batch, Places, batches
from tests.perf.people import People
from tests.perf.sizes import Size
from tests.perf.truth import Truth

DATASET = "cohort"
_OPEN = policy_for(Level.PUBLIC, Granularity.RECORD)
_STEP = 5_000
_EFFECT = {"id": "SO:0001627", "label": "intron_variant"}
_SAMPLE_STATUS = {"id": "EFO:0009654", "label": "reference sample"}
_SAMPLE_ORIGIN = {"id": "UBERON:0000178", "label": "blood"}
_HETEROZYGOUS, _HOMOZYGOUS = ({"id": id, "label": ZYGOSITIES[id]} for id in ("GENO:0000135", "GENO:0000136"))
_SOURCE = {"id": "GENEPIO:0001966", "label": "genomic source"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort in a database, and what is true of it."""

    size: Size
    uri: str
    database: str
    truth: Truth


@contextmanager
def cohort(size: Size, folder: Path, say: Say, *, keep: bool = False) -> Iterator[Cohort]:
    """Start the MongoDB of a size below ``folder``, and fill it unless it holds this very cohort already.

    With ``keep``, one that an older version of the store wrote is taken as it is.
    """
    place = folder / size.name
    place.mkdir(parents=True, exist_ok=True)
    mark = place / "made.json"
    with mongodb(Mongo(data_dir=place, cache_gb=size.cache_gb)) as uri:
        made = json.loads(mark.read_text()) if mark.exists() else {}
        if made.get("by") != _version() and not (made and keep):
            mark.unlink(missing_ok=True)
            with MongoClient[dict[str, Any]](uri) as client:
                client.drop_database("bench")
            fill(size, uri, "bench", say).save(place / "truth.npz")
            mark.write_text(json.dumps({"by": _version()}))
        yield Cohort(size, uri, "bench", Truth.load(size, place / "truth.npz"))


def fill(size: Size, uri: str, database: str, say: Say) -> Truth:
    """Write a cohort into an empty database and return what is true of it."""
    everybody, places = People.make(size), Places.make(size)
    load = LoadInfo(size.name, "0" * 64, "synthetic", "benchmarks", datetime.now(UTC), "", ASSEMBLY)
    with Admin.open(uri, database) as admin:
        admin.create_dataset(DATASET, policy=_OPEN)
        with admin.begin(DATASET, load, ancestors) as segment:
            clock = time.perf_counter()
            _write_people(segment, everybody, sampled=size.alleles > 0)
            say(f"{size.people:,} people written in {time.perf_counter() - clock:.1f} s")
            clock = time.perf_counter()
            counts = [_write_batch(segment, places, batch) for batch in batches(size)]
            took = time.perf_counter() - clock
            say(f"{size.alleles:,} alleles written in {took:.1f} s, {size.alleles / max(took, 1e-9):,.0f} per second")
            clock = time.perf_counter()
            segment.publish()
            say(f"published in {time.perf_counter() - clock:.1f} s")
    _write_floor(places, uri, database)
    if not counts:
        nothing = np.empty(0, np.int64)
        return Truth(size, everybody, places, nothing, nothing, nothing.astype(np.uint32), np.zeros(1, np.int64))
    count, number, rare, many = (np.concatenate(parts) for parts in zip(*counts, strict=True))
    return Truth(size, everybody, places, count, number, rare, np.concatenate([[0], np.cumsum(many)]))


def _write_floor(places: Places, uri: str, database: str) -> None:
    """Write variants as the floors find them: one plain document each."""
    with MongoClient[dict[str, Any]](uri) as client:
        for begin in range(0, min(len(places), floor.MOST), _STEP):
            some = [places.allele(at) for at in range(begin, min(begin + _STEP, len(places), floor.MOST))]
            client[database][floor.COLLECTIONS["variant"]].insert_many(map(_plain, some))


def write_carried(made: Cohort, wanted: Iterable[int]) -> None:
    """Write the documents in which a floor finds these alleles with their carriers, and no others."""
    with MongoClient[dict[str, Any]](made.uri) as client:
        carried = client[made.database][floor.COLLECTIONS[floor.CARRIED]]
        carried.drop()
        for at in sorted(set(wanted)):
            told = {"caseLevelData": _case_level(made.truth, at)}
            carried.insert_one(_plain(made.truth.places.allele(at)) | told)


def _plain(one: Allele) -> dict[str, Any]:
    return {
        "_id": one.id, "assembly": one.assembly, "chrom": one.chrom, "start": one.start, "end": one.end,
        "ref": one.ref, "alt": one.alt, "types": list(one.types), "effects": [_EFFECT],
        "vcf": {"pos": one.start + 1, "filter": "PASS", "qual": 100, "alt": one.alt, "altIndex": 1},
    }  # fmt: skip


def _case_level(truth: Truth, at: int) -> list[dict[str, Any]]:
    """Return the entries of an allele's first carriers, as many as a page lists."""
    calls = truth.calls(at)
    how = dict.fromkeys(calls.het.tolist(), _HETEROZYGOUS) | dict.fromkeys(calls.hom.tolist(), _HOMOZYGOUS)
    listed = []
    for who in sorted(how)[:MAX_CASES]:
        sample = truth.people.sample(who)
        whose = {"biosampleId": sample, "individualId": truth.people.id(who), "runId": sample, "analysisId": sample}
        listed.append(whose | {"zygosity": how[who]})
    return listed


def _write_people(segment: SegmentWriter, everybody: People, *, sampled: bool) -> None:
    for begin in range(0, everybody.size.people, _STEP):
        part = range(begin, min(begin + _STEP, everybody.size.people))
        segment.reserve("individual", map(everybody.id, part))
        if sampled:
            segment.reserve("biosample", map(everybody.sample, part))
        for person in part:
            segment.individual(everybody.body(person))
            if sampled:
                _write_sample(segment, everybody.id(person), everybody.sample(person))


def _write_sample(segment: SegmentWriter, person: str, sample: str) -> None:
    whose = {"id": sample, "individualId": person}
    segment.record(
        "biosample",
        whose | {"biosampleStatus": _SAMPLE_STATUS, "sampleOriginType": _SAMPLE_ORIGIN},
        individual=person,
    )
    run = {"librarySource": _SOURCE, "platform": "synthetic", "biosampleId": sample}
    segment.record("run", whose | run, individual=person)
    segment.record("analysis", whose | {"pipelineName": "synthetic", "biosampleId": sample}, individual=person)
    segment.column(person, sample, sample, sample)


Facts = tuple[Any, Any, Any, Any]
"""Of a batch: allele counts, allele numbers, carriers of its rare alleles, and how many each allele has of those."""


def _write_batch(segment: SegmentWriter, places: Places, batch: Batch) -> Facts:
    symbols = [gene.symbol for gene in places.genes]
    gene_of = places.gene_of[batch.first : batch.first + len(batch)].tolist()
    for row, gene in enumerate(gene_of):
        allele = places.allele(batch.first + row)
        described: dict[str, Any] = {
            "chrom": allele.chrom, "pos": allele.start + 1, "ref": allele.ref, "filter": "PASS", "qual": 100,
            "alt": allele.alt, "altIndex": 1,
        }  # fmt: skip
        body: dict[str, Any] = {"info": {"vcf": described}}
        if gene >= 0:
            body["molecularAttributes"] = {"geneIds": [symbols[gene]], "molecularEffects": [_EFFECT]}
        segment.allele(allele, body, batch.calls(row))
    count, number = batch.counts
    rows = np.arange(len(batch))
    row_of = np.concatenate([np.repeat(rows, np.diff(at)) for at in (batch.het_at, batch.hom_at)])
    column = np.concatenate([batch.het, batch.hom])
    rare = (count <= RARE * number)[row_of]
    order = np.lexsort((column[rare], row_of[rare]))
    return count, number, column[rare][order], np.bincount(row_of[rare], minlength=len(batch))


def _version() -> str:
    """Return what a database was made by: the text of everything that decides its contents."""
    modules = (alleles, people, indexing, blocks, calls, documents, heads, layout, writer, floor)
    texts = [Path(str(module.__file__)).read_bytes() for module in modules] + [Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
