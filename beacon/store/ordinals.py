"""Ordinals: the dense numbers that people and samples of a dataset have, given once and never to another."""

from __future__ import annotations

from pymongo.database import Database
from pymongo.errors import BulkWriteError

from beacon.errors import LoadError
from beacon.store.batches import insert
from beacon.store.documents import Document
from beacon.store.publish import Home

BATCH = 2_000
DUPLICATE_KEY = 11000


def give_ordinal(db: Database[Document], home: Home, kind: str, id: str) -> int:
    """Return the ordinal of one person or sample of a dataset."""
    return give_ordinals(db, home, kind, [id])[id]


def give_ordinals(db: Database[Document], home: Home, kind: str, ids: list[str]) -> dict[str, int]:
    """Return ordinals by id, giving out new ones, dense and in order, to those that have none yet."""
    people = db["people"]
    found: dict[str, int] = {}
    for begin in range(0, len(ids), BATCH):
        part = ids[begin : begin + BATCH]
        found |= {row["i"]: row["o"] for row in people.find({"d": home.people, "k": kind, "i": {"$in": part}})}
    new = [id for id in ids if id not in found]
    if new:
        state = db["datasets"].find_one_and_update(
            {"_id": home.dataset, "people": home.people}, {"$inc": {f"next.{kind}": len(new)}}
        )
        if state is None:
            raise LoadError(f"dataset {home.dataset!r} was deleted while it was loaded into", where=home.dataset)
        first = int(state.get("next", {}).get(kind, 0))
        found |= {id: first + offset for offset, id in enumerate(new)}
        for begin in range(0, len(new), BATCH):
            some = new[begin : begin + BATCH]
            try:
                insert(people, [{"d": home.people, "k": kind, "i": id, "o": found[id]} for id in some])
            except BulkWriteError as error:
                # Another load gave out some of these ids just now: its ordinals stand, ours stay unused.
                if any(failure["code"] != DUPLICATE_KEY for failure in error.details["writeErrors"]):
                    raise
                found |= {row["i"]: row["o"] for row in people.find({"d": home.people, "k": kind, "i": {"$in": some}})}
    return found
