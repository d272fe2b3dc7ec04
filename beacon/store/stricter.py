"""Whose records need a higher level than their dataset, while they withdraw and come again.

The stored policy names such people by id, so that a purge has to take the name from it. The level then waits with
their tombstone, and so does that of a policy applied after they withdrew: whoever is readmitted is named again before
any load can bring them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from pymongo.database import Database

from beacon.errors import LoadError
from beacon.model.access import DatasetPolicy, Level, StricterRecords
from beacon.store import freshness
from beacon.store.documents import Document, decode_policy, decode_rows, encode_policy, encode_rows
from beacon.store.ordinals import give_ordinals
from beacon.store.publish import Home
from beacon.store.tombstones import Tombstones

_LEVELS = tuple(Level)


def levels_of(db: Database[Document], home: Home, id: str) -> set[Level]:
    """Return the levels that a policy has for a person now: by name, or as the member of a cohort."""
    document = _document(db, home)
    found = db["people"].find_one({"d": home.people, "k": "individual", "i": id})
    cohorts = {
        part["id"] for part in document["cohorts"] if found is not None and found["o"] in decode_rows(part["members"])
    }
    rules = decode_policy(document["policy"]).stricter
    return {rule.level for rule in rules if id in rule.individuals or not cohorts.isdisjoint(rule.cohorts)}


def without_withdrawn(policy: DatasetPolicy, tombstones: Tombstones) -> DatasetPolicy:
    """Return a policy that names nobody who withdrew; their levels are kept with their tombstones."""
    named = {id for rule in policy.stricter for id in rule.individuals}
    is_gone = tombstones.reader() if named else None
    gone = frozenset(id for id in named if is_gone is not None and is_gone("individual", id))
    for id in gone:
        tombstones.remember(id, {rule.level for rule in policy.stricter if id in rule.individuals}, ())
    return _without(policy, gone)


def write(db: Database[Document], home: Home, policy: DatasetPolicy, revision: int | None = None) -> bool:
    """Replace a dataset's policy, only if the dataset has this revision, where one is given; return whether it was."""
    named: Document = {}
    for level in Level:
        # People who are not there yet get their ordinals now, so that they are covered from their first day.
        people = sorted({one for rule in policy.stricter if rule.level is level for one in rule.individuals})
        if people:
            named[level.value] = encode_rows(give_ordinals(db, home, "individual", people).values())
    change = {
        "$set": {"policy": encode_policy(policy), "stricter": named, "updated": datetime.now(UTC)},
        "$inc": {"revision": 1},
    }
    same = {"_id": home.dataset, "people": home.people} | ({} if revision is None else {"revision": revision})
    written = bool(db["datasets"].update_one(same, change).matched_count)
    freshness.wait()
    return written


def forget(db: Database[Document], home: Home, id: str) -> None:
    """Take a person's name from the policy, and nothing else."""
    _change(db, home, lambda policy: _without(policy, frozenset([id])))


def name_again(db: Database[Document], home: Home, id: str, level: Level) -> None:
    """Let the policy ask for at least this level for a person's records."""
    enough = _LEVELS[_LEVELS.index(level) :]

    def named(policy: DatasetPolicy) -> DatasetPolicy:
        if any(id in rule.individuals and rule.level in enough for rule in policy.stricter):
            return policy
        return replace(policy, stricter=(*policy.stricter, StricterRecords(level, frozenset([id]))))

    _change(db, home, named)


def _change(db: Database[Document], home: Home, edit: Callable[[DatasetPolicy], DatasetPolicy]) -> None:
    while True:
        document = _document(db, home)
        policy = decode_policy(document["policy"])
        changed = edit(policy)
        if changed == policy or write(db, home, changed, document["revision"]):
            return


def _without(policy: DatasetPolicy, ids: frozenset[str]) -> DatasetPolicy:
    rules = (replace(rule, individuals=rule.individuals - ids) for rule in policy.stricter)
    return replace(policy, stricter=tuple(rule for rule in rules if rule.individuals or rule.cohorts))


def _document(db: Database[Document], home: Home) -> Document:
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people})
    if document is None:
        raise LoadError.no_dataset(home.dataset)
    return document
