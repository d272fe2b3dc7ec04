"""The one update that changes what a dataset shows: a new segment, and what goes from older ones.

Every change is worked out over the dataset's document as it stands, and accepted only if nobody changed it meanwhile;
else it is worked out anew. The rule in all of them: a record is live in exactly one segment; one that was only
*derived* gives way to any other, and stands again where genotypes still need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

Saying = Callable[[Document], Document]
"""What a change says of a dataset and its cohorts: from its document as it is to be, the fields that become others."""


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
    """What a change does beside bringing a segment: other edits, and people (ordinals) who join a cohort.

    ``joining`` are further cohorts with those who join them, ``dissolved`` cohorts that end.
    ``instead_of`` are segments in whose place the new one is listed.
    ``withdrawn`` are people whom no load that is under way may bring back, ``returning`` those who may come again.
    ``sayings`` come last. ``by_record``: a person's new record takes the place of the old one alone.
    """

    edits: Sequence[Edit] = ()
    cohort: str | None = None
    members: BitMap = field(default_factory=BitMap)
    joining: Mapping[str, Joining] = field(default_factory=dict)
    dissolved: frozenset[str] = frozenset()
    instead_of: tuple[str, ...] = ()
    withdrawn: BitMap = field(default_factory=BitMap)
    returning: BitMap = field(default_factory=BitMap)
    sayings: Sequence[Saying] = ()
    by_record: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What a change came to: live rows of the new segment, how many older individuals it replaced, all segments.

    ``changed``: False where the dataset shows what it showed before.
    """

    live: Live
    replaced: int
    parts: list[Part]
    changed: bool


def find_home(db: Database[Document], dataset: str, token: str | None = None) -> Home:
    """Return a dataset as it is now. Raises ``LoadError`` where there is none of that id."""
    found = db["datasets"].find_one({"_id": dataset}, {"people": 1})
    if found is None:
        raise LoadError.no_dataset(dataset)
    return Home(dataset, found["people"], token)


def publish(db: Database[Document], home: Home, summary: Document | None, amendment: Amendment) -> Done:
    """Change a dataset at once, for all readers, and list a finished segment there if one is given.

    Loads into one dataset may finish at the same time: whoever comes second works out its change anew. Raises
    ``LoadError`` where the dataset was deleted meanwhile, be it that another has its id now, and where the lease
    was lost.
    """
    while True:
        document = db["datasets"].find_one({"_id": home.dataset, "people": home.people})
        if document is None or (summary is not None and not _stands(db, summary["id"])):
            raise LoadError(f"dataset {home.dataset!r} was deleted while it was loaded into", where=home.dataset)
        if home.token is not None and (document.get("lock") or {}).get("token") != home.token:
            message = f"another command has taken over dataset {home.dataset!r}; nothing was changed; do it again"
            raise LoadError(message, where=home.dataset)
        parts = [Part.of(part) for part in (*document["segments"], *([summary] if summary else ()))]
        for edit in amendment.edits:
            edit(parts)
        if summary is not None:
            _replace(db, parts, by_record=amendment.by_record)
        changed = _change(db, document, parts, amendment, summary is not None)
        live = parts[-1].live if summary else {}
        before = (part.before_of("individual") for part in parts[: -1 if summary else None])
        replaced = sum(len(rows & live.get("individual", BitMap())) for rows in before)
        if all(document.get(name) == value for name, value in changed.items()):
            return Done(live, replaced, parts, False)
        same = {"_id": home.dataset, "people": home.people, "revision": document["revision"]}
        if home.token is not None:
            same["lock.token"] = home.token
        now = datetime.now(UTC)
        changed |= {"updated": now, "revision": document["revision"] + 1}
        if "stated" in changed:
            changed["stated_at"] = now
        if db["datasets"].update_one(same, {"$set": changed}).matched_count:
            freshness.wait()
            dropped = [part.id for part in parts if part.empty]
            db["segments"].update_many({"_id": {"$in": dropped}}, {"$set": {"gone": now}})
            return Done(live, replaced, parts, True)


def _change(db: Database[Document], document: Document, parts: list[Part], amendment: Amendment, new: bool) -> Document:
    """Return the fields of the dataset's document that say what it shows, as they are to be."""
    nobody = encode_rows(())
    withdrawn = (decode_rows(document.get("withdrawn", nobody)) | amendment.withdrawn) - amendment.returning
    if new:
        take_people(db, parts[-1], withdrawn)
    _stand_again(db, parts)
    gone = _gone(parts, "individual")
    for part in parts:  # of whom a later record is gone, nothing stays of what an earlier one left
        take_people(db, part, left_of(part) & gone)
    cohorts = document["cohorts"]
    if gone:
        cohorts = [part | {"members": encode_rows(decode_rows(part["members"]) - gone)} for part in cohorts]
    if amendment.cohort is not None:
        cohorts = _with_members(cohorts, amendment.cohort, amendment.members - withdrawn)
    for id, joining in amendment.joining.items():
        cohorts = _with_members(cohorts, id, joining.members - withdrawn, {"info": dict(joining.info)})
    dropped = [part for part in cohorts if part["id"] not in amendment.dissolved]
    kept = [part.encode(db) for part in _ordered(parts, amendment.instead_of if new else ()) if not part.empty]
    changed: Document = {"segments": kept, "cohorts": dropped}
    changed |= {"withdrawn": encode_rows(withdrawn)} if withdrawn or "withdrawn" in document else {}
    for say in amendment.sayings:
        changed |= say(document | changed)
    return changed


def _ordered(parts: list[Part], instead_of: Sequence[str]) -> list[Part]:
    """Return segments in the order in which they are to be listed: a new one where those were that it stands for."""
    at = next((number for number, part in enumerate(parts) if part.id in instead_of), len(parts))
    return parts if at == len(parts) else [*parts[:at], parts[-1], *parts[at:-1]]


def _stands(db: Database[Document], segment: str) -> bool:
    return db["segments"].find_one({"_id": segment, "state": READY}, {"_id": 1}) is not None


def _gone(parts: list[Part], kind: str) -> BitMap:
    """Return the rows of a kind that were live in any segment and are in none now."""
    before = BitMap().union(*(part.before_of(kind) for part in parts))
    return before - BitMap().union(*(part.rows(kind) for part in parts))


def _replace(db: Database[Document], parts: list[Part], *, by_record: bool) -> None:
    """Let the records of the last segment take the place of those of the same id in older ones.

    With a person goes all that came with their record, unless ``by_record``: then it stays until somebody comes who
    takes the place of all.
    """
    new = parts[-1]
    people = new.rows("individual") - new.derived_of("individual")
    for part in parts[:-1]:
        for kind in WIDE_KINDS:
            both = part.rows(kind) & new.rows(kind)
            # A record that was only derived gives way to any other, and never takes another's place.
            stays = both & new.derived_of(kind)
            new.take(kind, stays)
            goes = both - stays
            part.take(kind, goes)
            if kind != "individual":
                continue
            left, own = left_of(part), goes - part.derived_of(kind)
            if not by_record:
                take_people(db, part, own | (left & people))
            elif own:
                part.document = part.document | {"left": encode_rows(left | own)}


def left_of(part: Part) -> BitMap:
    """Return the people whose records gave way to others, while what else came with them stayed."""
    return decode_rows(part.document.get("left", encode_rows(())))


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
            if part.get("ahead"):  # what was counted was said before anybody was there: it is of whoever comes
                joined["stated_of"] = encode_rows(decode_rows(part["stated_of"]) | members)
            return [other if other is not part else part | joined | about for other in cohorts]
    return [*cohorts, {"id": id, "name": id, "members": encode_rows(members)} | about]
