"""How things lie in MongoDB: collections, indexes, and the encodings that reader and writer share.

meta       the data model's version
datasets   one document per dataset: policy, cohorts, and the list of visible segments with their live rows.
           Whatever is not listed there does not exist for a reader, so one update publishes a whole load.
people     (people of a dataset, kind, id) -> ordinal, given once
segments   one document per segment: its dataset, how far it got (states below), since when nobody lists it
loads      what was done to datasets, by whom and when (beacon.store.journal);  tombstones  who must not come back
arrays     links of rows to people and samples, and rows by id (beacon.store.rows), per segment and kind
records    encoded Beacon records and phenopackets, per (segment, kind, row), and their load, file and line
postings   (segment, kind, key) -> bitmap of rows
numbers    (segment, kind, field) -> sorted values and their rows
blocks     parts of the blocks of consecutive alleles (beacon.store.blocks), under the ids that name them
names      (segment, ordinal) -> VRS id of an allele, and how far it can be moved, where its sequence is known
cases      what was recorded of single carriers, per (segment, variant id, column)
terms      terms of stored ontologies;  ontologies  their versions
references, bases  reference sequences (beacon.store.reference);  genes  tables of genes (beacon.store.genes)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson
from pymongo import ASCENDING, IndexModel
from pyroaring import BitMap

from beacon.model.access import (
    Asker,
    Consent,
    DatasetPolicy,
    Granularity,
    Level,
    Person,
    StricterRecords,
    Withheld,
)
from beacon.store.base import Cohort, Dataset, Links, Naming, Segment
from beacon.store.packing import pack, unpack

MODEL_VERSION = 8
Document = dict[str, Any]

SEGMENT_COLLECTIONS = ("arrays", "records", "postings", "numbers", "blocks", "names", "cases")
"""Collections whose documents belong to one segment, named in their field ``s``."""

WRITING, READY, PEOPLE = "writing", "ready", "people"
"""States in ``segments``: being written and never listed, written, and (no segment) a deleted dataset's people."""

INDEXES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "people": (("d", "k", "i"), ("d", "k", "o")),
    "arrays": (("s", "k"),),
    "records": (("s", "k", "r"), ("s", "k", "i")),
    "postings": (("s", "k", "key"),),
    "numbers": (("s", "k", "f", "low"),),
    "blocks": (("s",),),
    "names": (("s", "v"), ("s", "x")),
    "cases": (("s", "v", "c"),),
}
UNIQUE = {
    ("people", ("d", "k", "i")),
    ("records", ("s", "k", "r")),
    ("postings", ("s", "k", "key")),
    ("names", ("s", "x")),
}


def index_models(collection: str) -> list[IndexModel]:
    """Return the indexes of one collection."""
    return [
        IndexModel([(name, ASCENDING) for name in fields], unique=(collection, fields) in UNIQUE)
        for fields in INDEXES[collection]
    ]


def encode_rows(rows: Iterable[int]) -> bytes:
    """Encode rows as a compact roaring bitmap."""
    bitmap = rows if isinstance(rows, BitMap) else BitMap(rows)  # the same rows, however they are laid out
    bitmap.run_optimize()
    return bitmap.serialize()


def decode_rows(data: bytes) -> BitMap:
    """Decode what ``encode_rows`` wrote."""
    return BitMap.deserialize(data)


def encode_links(links: Links) -> bytes:
    """Encode the three arrays of ``Links``."""
    return pack({"rows": links.rows, "persons": links.persons, "samples": links.samples})


def decode_links(data: bytes) -> Links:
    """Decode what ``encode_links`` wrote."""
    arrays = unpack(data)
    return Links(arrays["rows"], arrays["persons"], arrays["samples"])


def no_links() -> Links:
    """Return the links of a kind that a segment has none of."""
    nothing = np.empty(0, np.uint32)
    return Links(nothing, nothing, nothing)


def encode_policy(policy: DatasetPolicy) -> Document:
    """Encode a policy as it lies in its dataset's document."""
    return {
        "level": policy.level.value,
        "ceilings": {asker.value: granularity.label for asker, granularity in sorted(policy.ceilings.items())},
        "registered": [[person.issuer, person.subject] for person in sorted(policy.registered)],
        "granted": [[person.issuer, person.subject] for person in sorted(policy.granted)],
        "threshold": policy.threshold,
        "visas": sorted(policy.visas),
        "refused": [[person.issuer, person.subject] for person in sorted(policy.refused)],
        "withheld": [[one.entry_type, one.field, one.level and one.level.value] for one in policy.withheld],
        "stricter": [[one.level.value, sorted(one.individuals), sorted(one.cohorts)] for one in policy.stricter],
        "consent": _encode_consent(policy.consent),
    }


def _encode_consent(consent: Consent | None) -> Document | None:
    if consent is None:
        return None
    return {"codes": sorted(consent.codes), "diseases": sorted(consent.diseases), "fallback": consent.fallback.label}


def decode_policy(document: Document) -> DatasetPolicy:
    """Decode a stored policy; anything unreadable raises, so that nothing is opened by mistake."""
    return DatasetPolicy(
        level=Level(document["level"]),
        ceilings={Asker(name): Granularity.parse(value) for name, value in document["ceilings"].items()},
        registered=frozenset(Person(issuer, subject) for issuer, subject in document["registered"]),
        granted=frozenset(Person(issuer, subject) for issuer, subject in document["granted"]),
        threshold=int(document["threshold"]),
        # What databases had before these rules were known has none of them.
        visas=frozenset(document.get("visas", ())),
        refused=frozenset(Person(issuer, subject) for issuer, subject in document.get("refused", ())),
        withheld=frozenset(
            Withheld(entry_type, field, None if level is None else Level(level))
            for entry_type, field, level in document.get("withheld", ())
        ),
        stricter=tuple(
            StricterRecords(Level(level), frozenset(individuals), frozenset(cohorts))
            for level, individuals, cohorts in document.get("stricter", ())
        ),
        consent=_decode_consent(document.get("consent")),
    )


def _decode_consent(document: Document | None) -> Consent | None:
    if document is None:
        return None
    fallback = Granularity.parse(document["fallback"])
    return Consent(frozenset(document["codes"]), frozenset(document["diseases"]), fallback)


def decode_dataset(document: Document) -> Dataset:
    """Decode a dataset's document with its visible segments and cohorts."""
    policy = decode_policy(document["policy"])
    cohorts = tuple(
        Cohort(
            part["id"],
            part["name"],
            decode_rows(part["members"]),
            part.get("info", {}),
            decode_body(part.get("body")),
            decode_rows(part["stated_of"]) if "stated_of" in part else BitMap(),
        )
        for part in document["cohorts"]
    )
    return Dataset(
        id=document["_id"],
        name=document["name"],
        description=document.get("description"),
        created=document["created"],
        updated=document["updated"],
        info=document.get("info", {}),
        policy=policy,
        segments=tuple(
            Segment(
                id=part["id"],
                live={kind: decode_rows(rows) for kind, rows in part["live"].items()},
                whole=part["whole"],
                variants=part["variants"],
                uncarried=part["uncarried"] > 0,
                namings=tuple(_naming(load) for load in part["loads"] if "naming" in load),
            )
            for part in document["segments"]
        ),
        cohorts=cohorts,
        assemblies=tuple(sorted({a for part in document["segments"] for a in part["assemblies"]})),
        stricter=_stricter(policy, cohorts, document.get("stricter", {})),
        people=document.get("people") or document["_id"],
        stated=decode_body(document.get("stated")),
        stated_at=document.get("stated_at"),
        unseen=decode_rows(document["withdrawn"]) if "withdrawn" in document else BitMap(),
    )


def _naming(load: Document) -> Naming:
    columns = decode_rows(load["columns"]) if "columns" in load else None
    return Naming(frozenset(load["assemblies"]), frozenset(load["naming"]), columns)


def decode_body(data: bytes | None) -> dict[str, Any]:
    """Decode what was stated of a cohort or a dataset; it lies encoded, since any text may be a member's name in it."""
    body: dict[str, Any] = orjson.loads(data) if data else {}
    return body


def _stricter(policy: DatasetPolicy, cohorts: tuple[Cohort, ...], named: Document) -> dict[Level, BitMap]:
    """Return the people who need each level: those whom the policy names, and the members of cohorts as of now."""
    found: dict[Level, BitMap] = {Level(level): decode_rows(rows) for level, rows in named.items()}
    for rule in policy.stricter:
        for cohort in cohorts:
            if cohort.id in rule.cohorts:
                found[rule.level] = found.get(rule.level, BitMap()) | cohort.members
    return found
