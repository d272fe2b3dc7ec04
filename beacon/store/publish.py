"""The one update that makes a load visible, and what it takes from older segments."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.store.base import COLUMN, WIDE_KINDS
from beacon.store.documents import Document, decode_links, decode_rows, encode_rows

Live = dict[str, BitMap]
"""Live rows by kind."""


def publish(db: Database[Document], dataset: str, summary: Document, cohort: str | None) -> tuple[Live, int]:
    """List a finished segment in its dataset; return its live rows and how many individuals it replaced.

    Loads into one dataset may finish at the same time: whoever comes second works out its change anew. Raises
    ``LoadError`` where the dataset was deleted meanwhile, be it that another has its id now.
    """
    while True:
        document = db["datasets"].find_one({"_id": dataset})
        # Deleting a dataset deletes the segments that are being written for it too.
        if document is None or db["segments"].find_one({"_id": summary["id"]}, {"_id": 1}) is None:
            raise LoadError(f"dataset {dataset!r} was deleted while it was loaded into", where=dataset)
        segments, live, replaced = _replace(db, document["segments"], summary)
        change: Document = {
            "segments": segments,
            "updated": datetime.now(UTC),
            "revision": document["revision"] + 1,
        }
        if cohort is not None:
            change["cohorts"] = _with_members(
                document["cohorts"], cohort, decode_rows(summary["live"].get("individual", encode_rows(())))
            )
        same = {"_id": dataset, "created": document["created"], "revision": document["revision"]}
        if db["datasets"].update_one(same, {"$set": change}).matched_count:
            return live, replaced


def _replace(db: Database[Document], older: list[Document], summary: Document) -> tuple[list[Document], Live, int]:
    """Return the dataset's segments with the new one, each record live in exactly one of them."""
    parts = [*older, summary]
    lives = [{kind: decode_rows(rows) for kind, rows in part["live"].items()} for part in parts]
    derived = [{kind: decode_rows(rows) for kind, rows in part["derived"].items()} for part in parts]
    live = lives[-1]
    withdrawn = BitMap()
    replaced = 0
    for part, held, held_derived in zip(older, lives, derived, strict=False):
        for kind in WIDE_KINDS:
            both = held.get(kind, BitMap()) & live.get(kind, BitMap())
            # A record that was only derived gives way to any other, and never takes another's place.
            stays = both & derived[-1].get(kind, BitMap())
            goes = both - stays
            if kind in live:
                live[kind] -= stays
            if kind in held:
                held[kind] -= goes
            if kind == "individual":
                replaced += len(goes)
                withdrawn |= _withdraw(db, part["id"], held, goes - held_derived.get(kind, BitMap()))
    for part, held, held_derived in zip(parts, lives, derived, strict=True):
        # A derived sample that had given way stands again where the other went and its genotypes stayed.
        gone = withdrawn - BitMap().union(*(rows.get("biosample", BitMap()) for rows in lives))
        if back := gone & held_derived.get("biosample", BitMap()):
            held["biosample"] |= back & _sampled(db, part["id"], held)
    kept = []
    for part, held, held_derived in zip(parts, lives, derived, strict=True):
        if part is summary or part["variants"] or any(held.values()):
            kept.append(_changed(db, part, held, held_derived))
    return kept, live, replaced


def _changed(db: Database[Document], part: Document, held: Live, held_derived: Live) -> Document:
    """Return a segment with these live rows; ``intact`` while every record that is not derived is live."""
    before = {kind: decode_rows(rows) for kind, rows in part["live"].items()}
    if held == before:
        return part
    lost = (before[kind] - rows - held_derived.get(kind, BitMap()) for kind, rows in held.items())
    return part | {
        "live": {kind: encode_rows(rows) for kind, rows in held.items()},
        "whole": part["whole"] and _complete(db, part["id"], held),
        "intact": part["intact"] and not any(lost),
    }


def _withdraw(db: Database[Document], segment: str, live: Live, persons: BitMap) -> BitMap:
    """Take everything that came with these people's own records out of a segment's live rows; return the samples."""
    withdrawn = BitMap()
    if not persons:
        return withdrawn
    gone = np.array(persons, np.uint32)
    for document in db["arrays"].find({"s": segment, "k": {"$in": ["biosample", "run", "analysis", COLUMN]}}):
        links = decode_links(document["data"])
        rows = BitMap(links.rows[np.isin(links.persons, gone)]) & live[document["k"]]
        live[document["k"]] -= rows
        if document["k"] == "biosample":
            withdrawn |= rows
    return withdrawn


def _sampled(db: Database[Document], segment: str, live: Live) -> BitMap:
    """Return the samples of a segment's live columns."""
    document = db["arrays"].find_one({"s": segment, "k": COLUMN})
    if document is None:
        return BitMap()
    links = decode_links(document["data"])
    return BitMap(links.samples[np.array(live[COLUMN], np.uint32)])


def _complete(db: Database[Document], segment: str, live: Live) -> bool:
    document = db["arrays"].find_one({"s": segment, "k": COLUMN})
    return document is None or len(decode_links(document["data"]).rows) == len(live.get(COLUMN, ()))


def _with_members(cohorts: list[Document], id: str, members: BitMap) -> list[Document]:
    for part in cohorts:
        if part["id"] == id:
            joined = decode_rows(part["members"]) | members
            return [other if other is not part else part | {"members": encode_rows(joined)} for other in cohorts]
    return [*cohorts, {"id": id, "name": id, "members": encode_rows(members)}]
