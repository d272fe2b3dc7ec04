"""The one update that changes what a dataset shows: a new segment, and what goes from older ones.

Every change is worked out over the dataset's document as it stands, and accepted only if nobody changed it meanwhile;
else it is worked out anew. The rule in all of them: a record is live in exactly one segment; one that was only
*derived* gives way to any other, and stands again where genotypes still need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.store import freshness
from beacon.store.base import COLUMN, WIDE_KINDS
from beacon.store.documents import READY, Document, decode_links, decode_rows, encode_rows
from beacon.store.parts import Live, Part, take_people

Edit = Callable[[list[Part]], None]
"""What a change does to a dataset's segments; the new one, where there is one, comes last."""


@dataclass(frozen=True, slots=True)
class Home:
    """The dataset that a change is for, as it was found: ``people`` tells it from another that has its id later.

    ``token`` is that of the lease under which the change is made, None where there is none.
    """

    dataset: str
    people: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Joining:
    """People (ordinals) who join a cohort, and what the load says of that."""

    members: BitMap
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a change does beside bringing a segment: other edits, and people (ordinals) who join its cohort.

    ``joining`` are further cohorts with those who join them.
    ``withdrawn`` are people whom no load that is under way may bring back, ``returning`` those who may come again.
    """

    edits: Sequence[Edit] = ()
    cohort: str | None = None
    members: BitMap = field(default_factory=BitMap)
    joining: Mapping[str, Joining] = field(default_factory=dict)
    withdrawn: BitMap = field(default_factory=BitMap)
    returning: BitMap = field(default_factory=BitMap)


NOTHING = Amendment()


def find_home(db: Database[Document], dataset: str, token: str | None = None) -> Home:
    """Return a dataset as it is now. Raises ``LoadError`` where there is none of that id."""
    found = db["datasets"].find_one({"_id": dataset}, {"people": 1})
    if found is None:
        raise LoadError(
            f"there is no dataset {dataset!r}; make it with: skerry dataset create {dataset}", where=dataset
        )
    return Home(dataset, found["people"], token)


def publish(
    db: Database[Document], home: Home, summary: Document, cohort: str | None, amendment: Amendment = NOTHING
) -> tuple[Live, int]:
    """List a finished segment in its dataset; return its live rows and how many individuals it replaced.

    Loads into one dataset may finish at the same time: whoever comes second works out its change anew. Raises
    ``LoadError`` where the dataset was deleted meanwhile, be it that another has its id now, and where the lease
    was lost.
    """
    brought = decode_rows(summary["live"].get("individual", encode_rows(())))
    joining = replace(
        amendment,
        edits=[*amendment.edits, lambda parts: _replace(db, parts)],
        cohort=cohort,
        members=amendment.members | brought,
    )
    before, after = change(db, home, joining, summary)
    new = after[-1]
    replaced = sum(len(part.before_of("individual") & new.rows("individual")) for part in before)
    return new.live, replaced


def change(
    db: Database[Document], home: Home, amendment: Amendment, summary: Document | None = None
) -> tuple[list[Part], list[Part]]:
    """Change a dataset at once, for all readers; return its segments, older ones and all.

    Raises ``LoadError`` where the dataset was deleted, or the lease lost, meanwhile.
    """
    while True:
        document = db["datasets"].find_one({"_id": home.dataset, "people": home.people})
        if document is None or (summary is not None and not _stands(db, summary["id"])):
            raise LoadError(f"dataset {home.dataset!r} was deleted while it was loaded into", where=home.dataset)
        if home.token is not None and (document.get("lock") or {}).get("token") != home.token:
            message = f"another command has taken over dataset {home.dataset!r}; nothing was changed; do it again"
            raise LoadError(message, where=home.dataset)
        older = [Part.of(part) for part in document["segments"]]
        parts = older if summary is None else [*older, Part.of(summary)]
        for edit in amendment.edits:
            edit(parts)
        withdrawn = (
            decode_rows(document.get("withdrawn", encode_rows(()))) | amendment.withdrawn
        ) - amendment.returning
        if summary is not None:
            take_people(db, parts[-1], withdrawn)
        _stand_again(db, parts)
        gone = _gone(parts, "individual")
        cohorts = [
            part | {"members": encode_rows(decode_rows(part["members"]) - gone)} for part in document["cohorts"]
        ]  # fmt: skip
        if amendment.cohort is not None:
            cohorts = _with_members(cohorts, amendment.cohort, amendment.members - withdrawn)
        for id, joining in amendment.joining.items():
            cohorts = _with_members(cohorts, id, joining.members - withdrawn, {"info": dict(joining.info)})
        kept = [part for part in parts if not part.empty]
        same = {"_id": home.dataset, "people": home.people, "revision": document["revision"]}
        if home.token is not None:
            same["lock.token"] = home.token
        now = datetime.now(UTC)
        updated: Document = {
            "segments": [part.encode(db) for part in kept],
            "cohorts": cohorts,
            "withdrawn": encode_rows(withdrawn),
            "updated": now,
            "revision": document["revision"] + 1,
        }
        if db["datasets"].update_one(same, {"$set": updated}).matched_count:
            freshness.wait()
            dropped = [part.id for part in parts if part.empty]
            db["segments"].update_many({"_id": {"$in": dropped}}, {"$set": {"gone": now}})
            return older, parts


def _stands(db: Database[Document], segment: str) -> bool:
    return db["segments"].find_one({"_id": segment, "state": READY}, {"_id": 1}) is not None


def _gone(parts: list[Part], kind: str) -> BitMap:
    """Return the rows of a kind that were live in any segment and are in none now."""
    before = BitMap().union(*(part.before_of(kind) for part in parts))
    return before - BitMap().union(*(part.rows(kind) for part in parts))


def _replace(db: Database[Document], parts: list[Part]) -> None:
    """Let the records of the last segment take the place of those of the same id in older ones."""
    new = parts[-1]
    for part in parts[:-1]:
        for kind in WIDE_KINDS:
            both = part.rows(kind) & new.rows(kind)
            # A record that was only derived gives way to any other, and never takes another's place.
            stays = both & new.derived_of(kind)
            new.take(kind, stays)
            goes = both - stays
            part.take(kind, goes)
            if kind == "individual":
                take_people(db, part, goes - part.derived_of(kind))


def _stand_again(db: Database[Document], parts: list[Part]) -> None:
    """Let derived records stand that had given way to others which have gone, where live columns are of theirs."""
    missing = {kind: _gone(parts, kind) for kind in WIDE_KINDS}
    if not any(missing.values()):
        return
    for part in parts:
        columns = np.array(part.rows(COLUMN), np.uint32)
        wanted = [kind for kind in WIDE_KINDS if part.derived_of(kind) & missing[kind]]
        if not wanted or not len(columns):
            continue
        found = db["arrays"].find_one({"s": part.id, "k": COLUMN})
        assert found is not None, "a segment with columns says whose they are"
        links = decode_links(found["data"])
        for kind in wanted:
            of = links.persons if kind == "individual" else links.samples
            back = part.derived_of(kind) & missing[kind] & BitMap(of[columns])
            part.live[kind] |= back
            missing[kind] -= back


def _with_members(cohorts: list[Document], id: str, members: BitMap, about: Document | None = None) -> list[Document]:
    about = about or {}
    for part in cohorts:
        if part["id"] == id:
            joined = {"members": encode_rows(decode_rows(part["members"]) | members)}
            return [other if other is not part else part | joined | about for other in cohorts]
    return [*cohorts, {"id": id, "name": id, "members": encode_rows(members)} | about]
