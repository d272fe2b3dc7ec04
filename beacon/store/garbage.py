"""Clearing away what no dataset lists any more, once nobody can still be reading it.

A request answers from the dataset's document as it stood when the request began. So a segment that a dataset lists no
more is kept for the ``grace``, the longest time that a request may take, and the ids of a deleted dataset's people too.
What a dead loader wrote was never listed and goes at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pymongo.database import Database

from beacon.store import freshness
from beacon.store.documents import PEOPLE, READY, SEGMENT_COLLECTIONS, WRITING, Document


def hide_dataset(db: Database[Document], id: str) -> bool:
    """Take a dataset from readers; False where there is none. ``sweep`` clears its documents away in time."""
    now = datetime.now(UTC)
    document = db["datasets"].find_one({"_id": id}, {"people": 1, "created": 1})
    if document is None:
        return False
    # Written first: whoever dies here leaves a dataset that stands, and its marker goes with the next sweep.
    people = document["people"]
    db["segments"].replace_one({"_id": people}, {"d": id, "state": PEOPLE, "gone": now}, upsert=True)
    gone = db["datasets"].delete_one({"_id": id, "people": people}).deleted_count
    freshness.wait()
    # Loads under way find that they cannot publish any more.
    db["segments"].update_many({"d": id, "state": WRITING}, {"$set": {"state": READY}})
    db["segments"].update_many({"d": id, "gone": None}, {"$set": {"gone": now}})
    return bool(gone)


def sweep(db: Database[Document], grace: float) -> float:
    """Delete what nobody reads any more; return how many seconds remain until the rest may go, 0 where nothing is left.

    ``grace`` is in seconds.
    """
    # In this order: what is published meanwhile is seen as listed.
    parts = list(db["segments"].find({"state": {"$ne": WRITING}}, {"d": 1, "state": 1, "gone": 1}))
    listed: set[str] = set()
    for document in db["datasets"].find({}, {"segments.id": 1, "people": 1}):
        listed |= {document["people"], *(part["id"] for part in document["segments"])}
    now = datetime.now(UTC)
    remaining = 0.0
    for part in parts:
        if part["_id"] in listed:
            if part.get("gone"):
                db["segments"].update_one({"_id": part["_id"]}, {"$unset": {"gone": ""}})
            continue
        gone = part.get("gone")
        if gone is None:
            gone = now
            db["segments"].update_one({"_id": part["_id"]}, {"$set": {"gone": now}})
        left = (gone + timedelta(seconds=grace) - now).total_seconds()
        if left > 0:
            # Of an empty dataset nothing has to be waited for, but a load that was under way may still name people.
            empty = part["state"] == PEOPLE and not db["people"].find_one({"d": part["_id"]}, {"_id": 1})
            remaining = remaining if empty else max(remaining, left)
        elif part["state"] == PEOPLE:
            db["people"].delete_many({"d": part["_id"]})
            db["segments"].delete_one({"_id": part["_id"]})
        else:
            remove_segment(db, part["_id"])
    return remaining


def roll_back(db: Database[Document], dataset: str) -> int:
    """Delete what dead loaders left in a dataset whose lease the caller holds; return how many loads that were."""
    left = [part["_id"] for part in db["segments"].find({"d": dataset, "state": WRITING}, {"_id": 1})]
    for segment in left:
        remove_segment(db, segment)
    return len(left)


def remove_segment(db: Database[Document], segment: str) -> None:
    """Delete every document of a segment that is not, or no longer, visible."""
    for collection in SEGMENT_COLLECTIONS:
        db[collection].delete_many({"s": segment})
    db["segments"].delete_one({"_id": segment})
