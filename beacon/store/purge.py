"""Erasing the bytes of a person who withdrew: from every segment, from notes of where records came from, from names.

Withdrawing has taken them from every answer already. Here each segment that holds something of them is written anew
without it, what other records say of them by their id becomes "withdrawn", and file names that contain an id of theirs
are blanked. Their name and their samples' go last, when no question can need them any more; until then all can be
done again.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from beacon.store.parts import Part
from beacon.store.publish import Amendment, Home, publish
from beacon.store.tombstones import Tombstones

INSTEAD: Final = "withdrawn"
"""What other people's records say where they named the person by id."""
BLANK: Final = "(erased)"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to erase: id and ordinal, and the ids of their samples and theirs. No ordinal where the name is gone."""

    id: str
    ordinals: BitMap
    samples: tuple[str, ...]


def remember(db: Database[Document], home: Home, tombstones: Tombstones, id: str) -> None:
    """Keep with a person's tombstone the level that their records need."""
    tombstones.remember(id, stricter.levels_of(db, home, id), ())


def erase(db: Database[Document], home: Home, person: Person, ancestors: Ancestors, who: str) -> int:
    """Write every segment anew that holds something of a person, without it; return how many that were."""
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}) or {"segments": ()}
    needle = orjson.dumps(person.id)

    def scrub(record: bytes) -> bytes:
        return orjson.dumps(_respelled(orjson.loads(record), person.id)) if needle in record else record

    touched = [part["id"] for part in document["segments"] if _touches(db, part["id"], person, needle)]
    for segment in touched:
        rewrite(db, home, [segment], ancestors, what="purge", who=who, scrub=scrub)
    _blank_notes(db, home, person)
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


def _touches(db: Database[Document], segment: str, person: Person, needle: bytes) -> bool:
    if db["records"].find_one({"s": segment, "k": "individual", "i": person.id}, {"_id": 1}):
        return True
    people = np.array(person.ordinals, np.uint32)
    linked = {"s": segment, "k": {"$in": ["individual", "biosample", "run", "analysis", "column"]}}
    if any(np.isin(decode_links(found["data"]).persons, people).any() for found in db["arrays"].find(linked)):
        return True
    return any(needle in found["b"] for found in db["records"].find({"s": segment}, {"b": 1}))


def _respelled(value: Any, id: str) -> Any:
    if isinstance(value, dict):
        return {_respelled(name, id): _respelled(held, id) for name, held in value.items()}
    if isinstance(value, list):
        return [_respelled(held, id) for held in value]
    return INSTEAD if value == id else value


def _blank_notes(db: Database[Document], home: Home, person: Person) -> None:
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
        respelled = _respelled(told, person.id)
        for holder, name in ((respelled, "stated"), *((cohort, "body") for cohort in respelled["cohorts"])):
            if name in holder:
                holder[name] = orjson.dumps(_respelled(orjson.loads(holder[name]), person.id))
        if respelled == told:
            return
        same = {"_id": home.dataset, "people": home.people, "revision": document["revision"]}
        if db["datasets"].update_one(same, {"$set": respelled, "$inc": {"revision": 1}}).matched_count:
            return


def _named(source: str, names: Sequence[str]) -> bool:
    return any(name in source for name in names)
