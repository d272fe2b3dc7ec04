"""Erasing the bytes of a person who withdrew: from every segment, from notes of where records came from, from names.

Withdrawing has taken them from every answer already. Here each segment that holds something of them is written anew
without it, others' records say no more of them than that there was somebody (``mentions``), and file names that contain
an id of theirs are blanked. Their name and their samples' go last, when no question can need them any more; until then
all can be done again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from pymongo.database import Database
from pyroaring import BitMap

from beacon.model.indexing import Ancestors
from beacon.store import stricter
from beacon.store.compact import rewrite
from beacon.store.documents import Document, decode_links
from beacon.store.mentions import Mentioned, names_in_families, namesakes
from beacon.store.parts import Part
from beacon.store.publish import Amendment, Home, publish
from beacon.store.tombstones import Tombstones

BLANK: Final = "(erased)"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to erase: id and ordinal, and the ids of their samples and theirs. No ordinal where the name is gone."""

    id: str
    ordinals: BitMap
    samples: tuple[str, ...]


def remember(db: Database[Document], home: Home, tombstones: Tombstones, id: str) -> None:
    """Keep with a person's tombstone what nobody could tell once their records are gone.

    That is the level that these need, and what their families call them.
    """
    own = map(orjson.loads, _records(db, home, {"k": "individual", "i": id}))
    tombstones.remember(id, stricter.levels_of(db, home, id), names_in_families(own))


def erase(
    db: Database[Document],
    home: Home,
    person: Person,
    is_called: Callable[[str, str], bool],
    ancestors: Ancestors,
    who: str,
) -> int:
    """Write every segment anew that holds something of a person, without it; return how many that were.

    ``is_called`` tells whether a family (its id) calls them by a name.
    """
    mentioned = _mentioned(db, home, person, is_called)
    touched = [segment for segment in _segments(db, home) if _touches(db, segment, person, mentioned)]
    for segment in touched:
        rewrite(db, home, [segment], ancestors, what="purge", who=who, scrub=mentioned.out_of)
    _blank_notes(db, home, person, mentioned)
    return len(touched)


def forget_names(db: Database[Document], home: Home, person: Person) -> None:
    """Delete the names, the person's last: without it nobody could go on here.

    After this nothing of the database tells who the ordinals were. A sample's name that somebody else's has now stays.
    """
    in_use = _samples_in_use(db, home)
    for sample in db["people"].find({"d": home.people, "k": "biosample", "i": {"$in": list(person.samples)}}):
        if sample["o"] not in in_use:
            db["people"].delete_one({"_id": sample["_id"]})
    db["people"].delete_many({"d": home.people, "k": "individual", "i": person.id})


def _samples_in_use(db: Database[Document], home: Home) -> BitMap:
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}) or {"segments": ()}
    used = BitMap()
    for part in map(Part.of, document["segments"]):
        used |= part.rows("biosample")
        for kind in ("run", "analysis", "column"):
            found = db["arrays"].find_one({"s": part.id, "k": kind}) if part.rows(kind) else None
            if found is not None:
                links = decode_links(found["data"])
                used |= BitMap(links.samples[np.isin(links.rows, np.array(part.rows(kind), np.uint32))])
    return used


def _touches(db: Database[Document], segment: str, person: Person, mentioned: Mentioned) -> bool:
    if db["records"].find_one({"s": segment, "k": "individual", "i": person.id}, {"_id": 1}):
        return True
    people = np.array(person.ordinals, np.uint32)
    linked = {"s": segment, "k": {"$in": ["individual", "biosample", "run", "analysis", "column"]}}
    if any(np.isin(decode_links(found["data"]).persons, people).any() for found in db["arrays"].find(linked)):
        return True
    records = (bytes(found["b"]) for found in db["records"].find({"s": segment}, {"b": 1}))
    return any(mentioned.out_of(record) != record for record in records)


def _mentioned(db: Database[Document], home: Home, person: Person, is_called: Callable[[str, str], bool]) -> Mentioned:
    """Return the person as others' records may name them, without the names that may mean somebody else there."""
    names = (person.id, *person.samples)
    shared = _samples_of_others(db, home, person)
    needles = [orjson.dumps(name) for name in names]
    individuals = _records(db, home, {"k": "individual", "i": {"$ne": person.id}})
    others = (orjson.loads(record) for record in individuals if any(needle in record for needle in needles))
    samples = frozenset(person.samples) - shared
    return Mentioned(person.id, samples, person.id in shared, is_called, namesakes(names, others))


def _samples_of_others(db: Database[Document], home: Home, person: Person) -> set[str]:
    """Return those of a person's names by which others' samples are called, or were written, before a person's id."""
    names = (person.id, *person.samples)
    written = tuple(f":{name}" for name in names)
    in_use = _samples_in_use(db, home)
    everything = db["people"].find({"d": home.people, "k": "biosample"}, {"i": 1, "o": 1})
    found = [(f":{row['i']}", row["o"]) for row in everything if f":{row['i']}".endswith(written)]
    others = [called for called, ordinal in found if called[1:] not in person.samples or ordinal in in_use]
    return {name for name in names if any(called.endswith(f":{name}") for called in others)}


def _records(db: Database[Document], home: Home, where: Document) -> Iterator[bytes]:
    """Yield encoded records of the dataset's segments, whether they are shown or not."""
    for segment in _segments(db, home):
        for found in db["records"].find({"s": segment} | where, {"b": 1}):
            yield bytes(found["b"])


def _segments(db: Database[Document], home: Home) -> list[str]:
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}) or {"segments": ()}
    return [part["id"] for part in document["segments"]]


def _blank_notes(db: Database[Document], home: Home, person: Person, mentioned: Mentioned) -> None:
    """Blank what names the person in the journal and in the dataset's own document."""
    names = (person.id, *person.samples)
    for entry in db["loads"].find({"d": home.dataset}, {"source": 1}):
        if _named(entry.get("source", ""), names):
            db["loads"].update_one({"_id": entry["_id"]}, {"$set": {"source": BLANK}})

    def blank(parts: list[Part]) -> None:
        for part in parts:
            loads = [load | {"source": BLANK} if _named(load["source"], names) else load for load in part.loads]
            part.document = part.document | {"loads": loads}

    publish(db, home, None, Amendment([blank]))
    while True:
        document = db["datasets"].find_one({"_id": home.dataset, "people": home.people})
        if document is None:
            return
        told = {name: document[name] for name in ("cohorts", "info", "stated") if name in document}
        blanked = {name: _blanked(name, value, mentioned) for name, value in told.items()}
        if blanked == told:
            return
        same = {"_id": home.dataset, "people": home.people, "revision": document["revision"]}
        if db["datasets"].update_one(same, {"$set": blanked, "$inc": {"revision": 1}}).matched_count:
            return


def _blanked(name: str, value: Any, mentioned: Mentioned) -> Any:
    """Return what the dataset's document says in one place, of the dataset or of its cohorts, without the person."""
    if name == "cohorts":
        told = ("info", "body")
        return [
            cohort | {part: _blanked(part, cohort[part], mentioned) for part in told if part in cohort}
            for cohort in value
        ]
    if isinstance(value, bytes):
        said = orjson.loads(value)
        out = mentioned.out_of_notes(said)
        return value if out == said else orjson.dumps(out)
    return mentioned.out_of_notes(value)


def _named(source: str, names: Sequence[str]) -> bool:
    # Patient 1 is not meant by chr1.vcf.gz, nor by a folder batch10.
    return any(re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", source) for name in names)
