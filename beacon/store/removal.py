"""Taking people, cohorts and loads from a dataset, and withdrawing consent: each at once and whole, for all readers."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.store import journal
from beacon.store.base import COLUMN
from beacon.store.documents import Document, decode_links, decode_rows
from beacon.store.parts import Part, take_from, take_load
from beacon.store.publish import Amendment, Done, Home, publish
from beacon.store.purge import Person
from beacon.store.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a withdrawal took from answers, and how many samples it covers beside the person."""

    counts: dict[str, int]
    samples: int


def delete_people(db: Database[Document], home: Home, ids: Iterable[str], who: str) -> dict[str, int]:
    """Take individuals with all that is theirs. Raises ``LoadError`` where one of them is not in the dataset."""
    wanted = list(dict.fromkeys(ids))
    shown = _shown(db, home)
    found = {id: ordinal for id, ordinal in _ordinals(db, home, wanted).items() if ordinal in shown}
    if missing := [id for id in wanted if id not in found]:
        raise LoadError(f"dataset {home.dataset!r} shows no individual {missing[0]!r}", where=missing[0])
    people = BitMap(found.values())
    return _done(db, home, "delete individuals", who, Amendment([partial(take_from, db, people=people)]))


def delete_cohort(db: Database[Document], home: Home, cohort: str, who: str) -> dict[str, int]:
    """Take a cohort, and its members with all that is theirs. Raises ``LoadError`` where there is none."""
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}) or {}
    members = {part["id"]: decode_rows(part["members"]) for part in document.get("cohorts", ())}
    if cohort not in members:
        raise LoadError(f"dataset {home.dataset!r} has no cohort {cohort!r}", where=cohort)
    amendment = Amendment([partial(take_from, db, people=members[cohort])], dissolved=frozenset([cohort]))
    return _done(db, home, f"delete cohort {cohort}", who, amendment)


def delete_load(db: Database[Document], home: Home, load: str, who: str) -> dict[str, int]:
    """Take what one load (its id) brought and is still shown. What it had replaced does not come back."""

    def edit(parts: list[Part]) -> None:
        for part in parts:
            take_load(db, part, load)

    return _done(db, home, f"delete load {load}", who, Amendment([edit]))


def withdraw(db: Database[Document], home: Home, tombstones: Tombstones, id: str, who: str) -> Withdrawn:
    """Take an individual from every answer at once, with all samples, and see to it that no load brings them back.

    Needs no lease: a load that is under way leaves them out when it becomes visible. An id that is not in the dataset
    is remembered all the same.
    """
    person = _ordinals(db, home, [id])
    people = BitMap(person.values())
    samples = _samples(db, home, people)
    tombstones.put([("individual", id), *(("biosample", sample) for sample in samples)])
    amendment = Amendment([partial(take_from, db, people=people)], withdrawn=people)
    lost = _done(db, home, "withdraw an individual", who, amendment)
    return Withdrawn(lost, len(samples))


def find_person(db: Database[Document], home: Home, tombstones: Tombstones, id: str) -> Person:
    """Return a person who withdrew, as they are to be erased. Raises ``LoadError`` where nobody of this id withdrew."""
    is_gone = tombstones.reader()
    if not is_gone("individual", id):
        message = f"nobody of the id {id!r} withdrew from dataset {home.dataset!r}; withdraw them first"
        raise LoadError(message, where=id)
    people = BitMap(_ordinals(db, home, [id]).values())
    # Where a purge was interrupted, no segment has their samples any more, but the tombstones know them.
    named = (row["i"] for row in db["people"].find({"d": home.people, "k": "biosample"}, {"i": 1}))
    samples = {*_samples(db, home, people), *(sample for sample in named if is_gone("biosample", sample))}
    return Person(id, people, tuple(sorted(samples)))


def readmit(
    db: Database[Document], home: Home, tombstones: Tombstones, id: str, samples: Iterable[str], who: str
) -> int:
    """Let an individual come again with the next load that has them; return how many tombstones were taken away.

    Samples that the database still knows as theirs may come again too; others are named by ``samples``.
    """
    people = BitMap(_ordinals(db, home, [id]).values())
    known = {*samples, *_samples(db, home, people)}
    lifted = tombstones.lift([("individual", id), *(("biosample", sample) for sample in known)])
    _done(db, home, "readmit an individual", who, Amendment([_load_again], returning=people))
    return lifted


def _load_again(parts: list[Part]) -> None:
    """Let no load say that it holds its files already: each may have left somebody out who may come now."""
    for part in parts:
        part.document = part.document | {"loads": [load | {"intact": False} for load in part.loads]}


def _done(db: Database[Document], home: Home, what: str, who: str, amendment: Amendment) -> dict[str, int]:
    id = uuid.uuid4().hex
    journal.begin(db, id, home, what, who, {})
    done = publish(db, home, None, amendment)
    counts = _lost(done)
    journal.end(db, id, counts)
    return counts


def _lost(done: Done) -> dict[str, int]:
    """Count what is shown no more, by kind, and the records in whose place derived ones stand again.

    Of loads without records it is their variants.
    """
    lost, again = Counter[str](), Counter[str]()
    for part in done.parts:
        for kind in part.before:
            told = "called sample" if kind == COLUMN else kind
            lost[told] += len(part.before_of(kind)) - len(part.rows(kind))
            again[f"{told} in whose place a derived one stands again"] += len(part.rows(kind) - part.before_of(kind))
        if part.empty and not any(part.before.values()):
            lost["genomicVariant"] += part.document["variants"]
    return {kind: number for kind, number in (lost | again).items() if number}


def _shown(db: Database[Document], home: Home) -> BitMap:
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}, {"segments": 1}) or {}
    return BitMap().union(*(Part.of(part).rows("individual") for part in document.get("segments", ())))


def _ordinals(db: Database[Document], home: Home, ids: list[str]) -> dict[str, int]:
    where = {"d": home.people, "k": "individual", "i": {"$in": ids}}
    return {row["i"]: row["o"] for row in db["people"].find(where)}


def _samples(db: Database[Document], home: Home, people: BitMap) -> list[str]:
    """Return the ids of all samples of people, shown or not."""
    if not people:
        return []
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}, {"segments.id": 1}) or {}
    segments = [part["id"] for part in document.get("segments", ())]
    found = BitMap()
    for array in db["arrays"].find({"s": {"$in": segments}, "k": {"$in": ["biosample", COLUMN]}}):
        links = decode_links(array["data"])
        found |= BitMap(links.samples[np.isin(links.persons, np.array(people, np.uint32))])
    where = {"d": home.people, "k": "biosample", "o": {"$in": list(found)}}
    return [row["i"] for row in db["people"].find(where)]
