"""What was done to datasets: every load, deletion, withdrawal and compaction, by whom, when, and what came of it.

Entries outlive the records that they tell of, so an entry never names a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pymongo.database import Database

from beacon.errors import LoadError
from beacon.store.documents import Document
from beacon.store.publish import Home

BEGUN, DONE, ROLLED_BACK = "begun", "done", "rolled back"
SHORT: Final = 8
"""Characters of a load's id that are shown, and mostly suffice to name it."""
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done. ``source`` is the files' names as they were given, ``sha256`` of what was in them.

    ``state``: "begun" (under way, or killed and not looked at since), "done", or "rolled back". Times are UTC.
    """

    id: str
    dataset: str
    what: str
    who: str
    time: datetime
    state: str
    source: str = ""
    sha256: str = ""
    format: str = ""
    loader: str = ""
    assembly: str | None = None
    cohort: str | None = None
    ontologies: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    ended: datetime | None = None


def begin(db: Database[Document], id: str, home: Home, what: str, who: str, facts: Mapping[str, object]) -> None:
    """Write that something begins; ``facts`` are further fields of ``Entry``."""
    told = {"time": datetime.now(UTC)} | dict(facts)
    db["loads"].insert_one(
        told | {"_id": id, "d": home.dataset, "people": home.people, "what": what, "who": who, "state": BEGUN}
    )


def end(db: Database[Document], id: str, counts: Mapping[str, int]) -> None:
    """Write that it is done, and what came of it."""
    done = {"state": DONE, "ended": datetime.now(UTC), "counts": {kind: n for kind, n in counts.items() if n}}
    db["loads"].update_one({"_id": id}, {"$set": done})


def forget(db: Database[Document], id: str) -> None:
    """Take the entry of something that changed nothing away."""
    db["loads"].delete_one({"_id": id})


def abandon(db: Database[Document], id: str) -> None:
    """Write that it was given up, without a change."""
    db["loads"].update_one({"_id": id}, {"$set": {"state": ROLLED_BACK, "ended": datetime.now(UTC)}})


def settle(db: Database[Document], dataset: str) -> int:
    """Write what became of entries whose process died; the caller holds the dataset's lease. Return how many."""
    found = db["datasets"].find_one({"_id": dataset}, {"segments.id": 1, "segments.loads.id": 1})
    parts = (found or {}).get("segments", ())
    listed = {part["id"] for part in parts} | {load["id"] for part in parts for load in part["loads"]}
    died = [entry["_id"] for entry in db["loads"].find({"d": dataset, "state": BEGUN}, {"_id": 1})]
    for id in died:
        db["loads"].update_one({"_id": id}, {"$set": {"state": DONE if id in listed else ROLLED_BACK}})
    return len(died)


def entries(db: Database[Document], dataset: str | None = None) -> list[Entry]:
    """Return what was done to one dataset or to all, oldest first."""
    return [_decode(found) for found in db["loads"].find({} if dataset is None else {"d": dataset}).sort("time", 1)]


def find(db: Database[Document], id: str) -> Entry | None:
    """Return the entry of exactly this id, None where there is none."""
    found = db["loads"].find_one({"_id": id})
    return _decode(found) if found else None


def entry(db: Database[Document], id: str) -> Entry:
    """Return the entry of this id, or whose id begins so. Raises ``LoadError`` where it is not exactly one."""
    wanted = id if len(id) < _FEWEST else {"$gte": id, "$lt": id + "\U0010ffff"}
    found = list(db["loads"].find({"_id": wanted}).sort("_id", 1).limit(2))
    if found and found[0]["_id"] == id:
        return _decode(found[0])
    if len(found) == 1:
        return _decode(found[0])
    many = "several loads have ids that begin with" if found else "there is no load"
    raise LoadError(f"{many} {id!r}; skerry loads list shows them all", where=id)


def _decode(found: Document) -> Entry:
    told = {name: found[name] for name in Entry.__slots__ if name in found}
    return Entry(id=found["_id"], dataset=found["d"], **told)
