"""What lies in a database, read past the servers."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from beacon.store.base import StoredAllele
from beacon.store.documents import READY
from beacon.store.segments import alleles_of, named, read_layout


def alleles(db: Database[dict[str, Any]]) -> list[StoredAllele]:
    """Return every allele of every published segment, with its names, in order."""
    found = []
    for segment in db["segments"].find({"state": READY}):
        layout = read_layout(db, segment["_id"])
        for at, stored in enumerate(alleles_of(db, segment["_id"], layout, layout.runs)):
            found.append(named(stored, db["names"].find_one({"s": segment["_id"], "x": at})))
    return found
