"""Small made-up datasets as values, written into a real MongoDB, and asked there.

``Load`` says what one load brings; ``World`` writes it as the loaders would, and asks ``execute`` about it.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import orjson
from pymongo import MongoClient

from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level
from beacon.model.calls import Calls
from beacon.model.query import Query
from beacon.model.result import DatasetResult
from beacon.model.variant import Allele
from beacon.query.execute import execute
from beacon.store.admin import Admin
from beacon.store.loading import LoadInfo
from beacon.store.mongo import MongoStore
from beacon.store.writer import SegmentWriter

T = TypeVar("T")

ONSET, AGE, COLLECTED = "diseases.ageOfOnset.iso8601duration", "ageAtLastEncounter", "collectionMoment"
FEATURE = "phenotypicFeatures.featureType"
VALUE = "measures.measurementValue.quantity.value"
EFFECT = "molecularAttributes.molecularEffects"
ORIGIN = "caseLevelData.alleleOrigin"
RELEVANCE = "caseLevelData.clinicalInterpretations.clinicalRelevance"
STATED = "frequencyInPopulations.frequencies.alleleFrequency"
PARENTS = {"HP:0000002": ("HP:0000001",), "HP:0000003": ("HP:0000002",), "HP:0000004": ("HP:0000002", "HP:0000001")}
# call: (group of carriers, copies, alleles called, ploidy)
CALLS: Mapping[str, tuple[str | None, int, int, int]] = {
    "0/0": (None, 0, 2, 2), "0/1": ("het", 1, 2, 2), "1/1": ("hom", 2, 2, 2), "./.": (None, 0, 0, 2),
    "0": (None, 0, 1, 1), "1": ("hemi", 1, 1, 1), ".": (None, 0, 0, 1), "./1": ("het", 1, 1, 2),
    "./0": (None, 0, 1, 2), "0/1/1": ("het", 2, 3, 3), "1/1/1": ("hom", 3, 3, 3), "0/0/0": (None, 0, 3, 3),
}  # fmt: skip


def ancestors(term: str) -> set[str]:
    """Return all terms above a term."""
    above = set(PARENTS.get(term, ()))
    return above.union(*map(ancestors, above))


@dataclass(frozen=True)
class Facts:
    """What a record says, by field id. ``terms`` and ``absent`` hold (field, term)."""

    terms: frozenset[tuple[str, str]] = frozenset()
    absent: frozenset[tuple[str, str]] = frozenset()
    texts: tuple[tuple[str, str], ...] = ()
    years: tuple[tuple[str, int], ...] = ()
    """Ages in whole years, by field."""
    dates: tuple[tuple[str, str], ...] = ()
    measures: tuple[tuple[str, float, str], ...] = ()
    """(assay, value, id of the unit)."""


@dataclass(frozen=True)
class Sample:
    id: str
    facts: Facts


@dataclass(frozen=True)
class Case:
    """One person's variant; ``sample`` None where it is not known in which sample."""

    allele: Allele
    sample: str | None
    group: str
    genes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    origin: str | None = None
    relevance: str | None = None


@dataclass(frozen=True)
class Packet:
    id: str
    facts: Facts
    samples: tuple[Sample, ...] = ()
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Sequenced:
    """One sample of a VCF, with its run and analysis."""

    person: str
    sample: str
    run: Facts | None
    analysis: Facts | None
    run_names_sample: bool = True


@dataclass(frozen=True)
class Site:
    """One allele of a VCF; ``calls`` None without genotypes, else one per sample."""

    allele: Allele
    calls: tuple[str, ...] | None
    genes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    stated: tuple[float, ...] = ()
    """Frequencies of the allele in other populations."""
    hgvs: str = ""
    ids: tuple[str, ...] = ()
    """What other databases call it."""


@dataclass(frozen=True)
class Load:
    packets: tuple[Packet, ...] = ()
    sequenced: tuple[Sequenced, ...] = ()
    sites: tuple[Site, ...] = ()
    cohort: str | None = None

    @property
    def format(self) -> str:
        """What a loader would call it: loads of people alone are phenopackets."""
        return "test" if self.sequenced or self.sites else "phenopackets"


def individual_body(packet: Packet) -> dict[str, Any]:
    facts = packet.facts
    ages = [years for name, years in facts.years if name == ONSET]
    codes = [{"diseaseCode": {"id": term}} for name, term in sorted(facts.terms) if name == "diseases.diseaseCode"]
    diseases = [
        code | ({"ageOfOnset": {"iso8601duration": f"P{ages[at]}Y"}} if at < len(ages) else {})
        for at, code in enumerate(codes)
    ]
    last = [years for name, years in facts.years if name == AGE]
    return {
        "id": packet.id,
        **{name: {"id": term} for name, term in facts.terms if name == "sex"},
        "phenotypicFeatures": [
            {"featureType": {"id": term}} for name, term in sorted(facts.terms) if name == FEATURE
        ] + [{"featureType": {"id": term}, "excluded": True} for _, term in sorted(facts.absent)],
        "diseases": diseases,
        "measures": [
            {"assayCode": {"id": assay}, "measurementValue": {"value": value, "unit": {"id": unit}}}
            for assay, value, unit in facts.measures
        ],
        "info": {
            "vitalStatus": {"status": dict(facts.texts).get("vitalStatus")},
            "timeAtLastEncounter": {"iso8601duration": f"P{last[0]}Y"} if last else None,
        },
    }  # fmt: skip


def record_body(id: str, facts: Facts, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"id": id, **more, **dict(facts.texts), **dict(facts.dates)}
    body |= {name: {"id": term} for name, term in facts.terms if name != FEATURE}
    body["phenotypicFeatures"] = [{"featureType": {"id": term}} for name, term in facts.terms if name == FEATURE]
    return body | {name: f"P{years}Y" for name, years in facts.years}


def variant_body(
    genes: tuple[str, ...], changes: tuple[str, ...], effects: tuple[str, ...] = (), stated: tuple[float, ...] = ()
) -> dict[str, Any]:
    return {
        "molecularAttributes": {
            "geneIds": list(genes),
            "aminoacidChanges": list(changes),
            "molecularEffects": [{"id": effect} for effect in effects],
        },
        "frequencyInPopulations": [{"frequencies": [{"alleleFrequency": one} for one in stated]}],
    }


def case_detail(case: Case) -> dict[str, Any]:
    detail: dict[str, Any] = {"info": {"seen": True}}
    if case.origin:
        detail["alleleOrigin"] = {"id": case.origin}
    if case.relevance:
        detail["clinicalInterpretations"] = [{"clinicalRelevance": case.relevance}]
    return detail


def write_packet(writer: SegmentWriter, packet: Packet) -> None:
    writer.individual(individual_body(packet))
    for sample in packet.samples:
        writer.record("biosample", record_body(sample.id, sample.facts), individual=packet.id)
    derived = f"{packet.id}-sample"
    if any(case.sample is None for case in packet.cases):
        writer.record("biosample", {"id": derived}, individual=packet.id, derived=True)
    for case in packet.cases:
        column = writer.column(packet.id, case.sample or derived)
        writer.case(case.allele, variant_body(case.genes, case.changes), column, case.group, case_detail(case))


def write_sequenced(writer: SegmentWriter, one: Sequenced) -> int:
    writer.individual({"id": one.person, "sex": {"id": "NCIT:C17998"}}, derived=True)
    writer.record("biosample", {"id": one.sample}, individual=one.person, derived=True)
    ids: dict[str, str | None] = {"run": None, "analysis": None}
    for kind, facts in (("run", one.run), ("analysis", one.analysis)):
        if facts is not None:
            ids[kind] = f"{one.sample}-{kind}"
            body = record_body(f"{one.sample}-{kind}", facts)
            writer.record(kind, body, individual=one.person, derived=True)  # type: ignore[arg-type, unused-ignore]
    return writer.column(one.person, one.sample, ids["run"], ids["analysis"])


def calls_of(site: Site, columns: list[int]) -> Calls | None:
    if site.calls is None:
        return None
    kinds = [(column, CALLS[call]) for column, call in zip(columns, site.calls, strict=True)]

    def chosen(test: Any) -> Any:
        return np.array(sorted(column for column, call in kinds if test(*call)), np.uint32)

    usual = {"het": 1, "hom": 2, "hemi": 1, None: 0}
    return Calls(
        het=chosen(lambda group, *_: group == "het"),
        hom=chosen(lambda group, *_: group == "hom"),
        hemi=chosen(lambda group, *_: group == "hemi"),
        missing=chosen(lambda group, copies, called, ploidy: not called),
        haploid=chosen(lambda group, copies, called, ploidy: ploidy == 1),
        exceptions=tuple(
            (column, copies, called)
            for column, (group, copies, called, ploidy) in kinds
            if called and (copies, called) != (usual[group], 1 if ploidy == 1 else 2)
        ),
    )


def info(*, sha256: str | None = None, cohort: str | None = None, format: str = "test") -> LoadInfo:
    """Where a load comes from: nowhere in particular, and never twice from the same place."""
    return LoadInfo("file", sha256 or secrets.token_hex(8), format, "0", datetime.now(UTC), "me", cohort=cohort)


def write(admin: Admin, dataset: str, load: Load) -> None:
    """Write one load and publish it."""
    with admin.begin(dataset, info(cohort=load.cohort, format=load.format), ancestors) as writer:
        for packet in load.packets:
            write_packet(writer, packet)
        columns = [write_sequenced(writer, one) for one in load.sequenced]
        for site in load.sites:
            body = variant_body(site.genes, site.changes, site.effects, site.stated)
            if site.hgvs:
                body["identifiers"] = {"genomicHGVSId": site.hgvs}
            if site.ids:
                body.setdefault("identifiers", {})["variantAlternativeIds"] = [{"id": one} for one in site.ids]
            writer.allele(site.allele, body, calls_of(site, columns))
        writer.publish()


@dataclass
class World:
    """A database, and a loop to ask it in."""

    uri: str
    database: str
    admin: Admin
    store: MongoStore
    runner: asyncio.Runner
    made: Iterator[int]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def load(self, *given: Load) -> str:
        id = f"d{next(self.made)}"
        self.admin.create_dataset(id, policy=DatasetPolicy())
        for load in given:
            write(self.admin, id, load)
        return id

    def ask(self, dataset: str, query: Query, *, threshold: int = 0) -> DatasetResult:
        asker = Asker.REGISTERED if threshold else Asker.GRANTED
        decision = Decision(dataset, Granularity.RECORD, asker, Level.REGISTERED, threshold)
        (result,) = self.run(execute(self.store, query, [decision]))
        return result

    def pages(self, dataset: str, query: Query) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for skip in itertools.count():
            asked = replace(query, pagination=replace(query.pagination, skip=skip))
            page = self.ask(dataset, asked).records or ()
            found += map(orjson.loads, page)
            if len(page) < query.pagination.limit:
                return found
        raise AssertionError


@contextmanager
def open_world(mongo_uri: str) -> Iterator[World]:
    """A world in a database of its own, dropped in the end."""
    database = f"test_{secrets.token_hex(8)}"
    with asyncio.Runner() as runner, Admin.open(mongo_uri, database, grace=0) as admin:
        store = runner.run(MongoStore.open(mongo_uri, database))
        try:
            yield World(mongo_uri, database, admin, store, runner, itertools.count())
        finally:
            runner.run(store.close())
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(database)
