"""The one update that makes a load visible, and what it takes from older segments."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.store.base import COLUMN, WIDE_KINDS
from beacon.store.documents import Document, decode_links, decode_rows, encode_rows


def publish(db: Database[Document], dataset: str, summary: Document, cohort: str | None) -> int:
    """List a finished segment in its dataset; return how many individuals it replaced.

    Loads into one dataset may finish at the same time: whoever comes second works out its change anew.
    """
    while True:
        document = db["datasets"].find_one({"_id": dataset})
        if document is None:
            raise LoadError(f"dataset {dataset!r} was deleted while it was loaded into", where=dataset)
        segments, replaced = _replace(db, document["segments"], summary)
        change: Document = {
            "segments": segments,
            "updated": datetime.now(UTC),
            "revision": document["revision"] + 1,
        }
        if cohort is not None:
            change["cohorts"] = _with_members(
                document["cohorts"], cohort, decode_rows(summary["live"].get("individual", encode_rows(())))
            )
        done = db["datasets"].update_one({"_id": dataset, "revision": document["revision"]}, {"$set": change})
        if done.matched_count:
            return replaced


def _replace(db: Database[Document], older: list[Document], summary: Document) -> tuple[list[Document], int]:
    """Return the dataset's segments with the new one, each record live in exactly one of them."""
    live = {kind: decode_rows(rows) for kind, rows in summary["live"].items()}
    derived = {kind: decode_rows(rows) for kind, rows in summary["derived"].items()}
    replaced = 0
    kept = []
    for part in older:
        held = {kind: decode_rows(rows) for kind, rows in part["live"].items()}
        held_derived = {kind: decode_rows(rows) for kind, rows in part["derived"].items()}
        before = sum(map(len, held.values()))
        for kind in WIDE_KINDS:
            both = held.get(kind, BitMap()) & live.get(kind, BitMap())
            # A record that was only derived gives way to any other, and never takes another's place.
            stays = both & derived.get(kind, BitMap())
            if kind in live:
                live[kind] -= stays
            goes = both - stays
            if kind == "individual":
                replaced += len(goes)
                _withdraw(db, part["id"], held, goes - held_derived.get(kind, BitMap()))
            if kind in held:
                held[kind] -= goes
        whole = part["whole"] and _complete(db, part["id"], held)
        if sum(map(len, held.values())) or part["variants"]:
            changed = before != sum(map(len, held.values()))
            kept.append(
                part | {"live": {k: encode_rows(r) for k, r in held.items()}, "whole": whole} if changed else part
            )
    return [*kept, summary | {"live": {kind: encode_rows(rows) for kind, rows in live.items()}}], replaced


def _withdraw(db: Database[Document], segment: str, live: dict[str, BitMap], persons: BitMap) -> None:
    """Take everything that came with these people's own records in a segment out of its live rows."""
    if not persons:
        return
    gone = np.array(persons, np.uint32)
    for document in db["arrays"].find({"s": segment, "k": {"$in": ["biosample", "run", "analysis", COLUMN]}}):
        links = decode_links(document["data"])
        live[document["k"]] -= BitMap(links.rows[np.isin(links.persons, gone)])


def _complete(db: Database[Document], segment: str, live: dict[str, BitMap]) -> bool:
    document = db["arrays"].find_one({"s": segment, "k": COLUMN})
    return document is None or len(decode_links(document["data"]).rows) == len(live.get(COLUMN, ()))


def _with_members(cohorts: list[Document], id: str, members: BitMap) -> list[Document]:
    for part in cohorts:
        if part["id"] == id:
            joined = decode_rows(part["members"]) | members
            return [other if other is not part else part | {"members": encode_rows(joined)} for other in cohorts]
    return [*cohorts, {"id": id, "name": id, "members": encode_rows(members)}]
