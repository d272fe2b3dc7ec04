"""A dataset's segments while a change is worked out: live rows that may be taken, by person, by load, by column."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.database import Database
from pyroaring import BitMap

from beacon.store.base import COLUMN, WIDE_KINDS
from beacon.store.documents import Document, decode_links, decode_rows, encode_rows
from beacon.store.packing import unpack

Live = dict[str, BitMap]
"""Live rows by kind."""

_LINKED = ("biosample", "run", "analysis", COLUMN)
_OWN = ("run", "analysis")


@dataclass(slots=True)
class Part:
    """One segment: its entry in the dataset's document, and its live rows as the change leaves them."""

    document: Document
    live: Live
    derived: Live
    before: Live

    @classmethod
    def of(cls, document: Document) -> Part:
        """Read an entry."""
        live = {kind: decode_rows(rows) for kind, rows in document["live"].items()}
        derived = {kind: decode_rows(rows) for kind, rows in document["derived"].items()}
        return cls(document, live, derived, {kind: rows.copy() for kind, rows in live.items()})

    @property
    def id(self) -> str:
        """The segment's id."""
        return str(self.document["id"])

    @property
    def loads(self) -> list[Document]:
        """The loads whose records are in the segment: ``id``, ``sha256``, ``format``, ``source``, ``intact``."""
        listed: list[Document] = self.document["loads"]
        return listed

    @property
    def empty(self) -> bool:
        """Whether nothing of the segment can be seen any more: no record, and no allele that nobody ever carried."""
        return not any(self.live.values()) and not self.document.get("uncarried", self.document["variants"])

    def rows(self, kind: str) -> BitMap:
        """Return the live rows of a kind."""
        return self.live.get(kind, BitMap())

    def before_of(self, kind: str) -> BitMap:
        """Return the rows of a kind that were live before the change."""
        return self.before.get(kind, BitMap())

    def derived_of(self, kind: str) -> BitMap:
        """Return the rows of a kind that were derived, live or not."""
        return self.derived.get(kind, BitMap())

    def take(self, kind: str, rows: BitMap) -> None:
        """Take rows from the live ones."""
        if kind in self.live:
            self.live[kind] -= rows

    def clear(self) -> None:
        """Take everything, the alleles that nobody carried too."""
        self.live = {kind: BitMap() for kind in self.live}
        self.document = self.document | {"uncarried": 0}

    def encode(self, db: Database[Document]) -> Document:
        """Return the entry as the change leaves it; loads are ``intact`` while every record not derived is live."""
        if self.live == self.before:
            return self.document
        lost = any(rows - self.rows(kind) - self.derived_of(kind) for kind, rows in self.before.items())
        return self.document | {
            "live": {kind: encode_rows(rows) for kind, rows in self.live.items()},
            "whole": self.document["whole"] and self._complete(db),
            "loads": [load | {"intact": load["intact"] and not lost} for load in self.loads],
        }

    def _complete(self, db: Database[Document]) -> bool:
        found = db["arrays"].find_one({"s": self.id, "k": COLUMN})
        return found is None or len(decode_links(found["data"]).rows) == len(self.rows(COLUMN))


def take_people(db: Database[Document], part: Part, people: BitMap) -> None:
    """Take these people (ordinals) from a segment, with everything in it that is theirs."""
    if not people:
        return
    part.take("individual", people)
    gone = np.array(people, np.uint32)
    for found in db["arrays"].find({"s": part.id, "k": {"$in": list(_LINKED)}}):
        links = decode_links(found["data"])
        part.take(found["k"], BitMap(links.rows[np.isin(links.persons, gone)]))


def take_from(db: Database[Document], parts: list[Part], people: BitMap, *, only_last: bool = False) -> None:
    """Take these people from all segments, or from the last one only."""
    for part in parts[-1:] if only_last else parts:
        take_people(db, part, people)


def take_load(db: Database[Document], part: Part, load: str) -> None:
    """Take everything that one load brought."""
    held = next((one for one in part.loads if one["id"] == load), None)
    if held is None:
        return
    if len(part.loads) == 1:
        part.clear()
        return
    for kind in (*WIDE_KINDS, *_OWN):
        found = db["records"].find({"s": part.id, "k": kind, "l": load}, {"r": 1})
        part.take(kind, BitMap(record["r"] for record in found))
    part.take(COLUMN, decode_rows(held["columns"]))
    part.document = part.document | {"loads": [one for one in part.loads if one is not held]}


def supersede(db: Database[Document], parts: list[Part], loads: Set[str], *, entirely: bool = False) -> None:
    """Let the calls of the last segment take the place of those that these loads brought of the same samples.

    Where one of these loads has no calls of other samples left, or ``entirely``, nothing of it stays. A load of another
    format stays whole: it brought people, of whom the new segment knows nothing.
    """
    new = parts[-1]
    formats = {load["format"] for load in new.loads}
    samples = _samples(db, new)
    for part in parts[:-1]:
        for load in [one for one in part.loads if one["id"] in loads and one["format"] in formats]:
            columns = part.rows(COLUMN) if len(part.loads) == 1 else part.rows(COLUMN) & decode_rows(load["columns"])
            at = np.array(columns, np.uint32)
            theirs = BitMap(at[np.isin(_samples(db, part)[at], samples)]) if len(at) else BitMap()
            if entirely or theirs == columns:
                take_load(db, part, load["id"])
            else:
                _take_columns(db, part, theirs)


def _take_columns(db: Database[Document], part: Part, columns: BitMap) -> None:
    """Take genotype columns with their runs and analyses."""
    part.take(COLUMN, columns)
    found = db["arrays"].find_one({"s": part.id, "k": "column_rows"})
    if found is None:
        return
    arrays = unpack(found["data"])
    for kind in _OWN:
        rows = arrays[kind][np.array(columns, np.uint32)]
        part.take(kind, BitMap(rows[rows >= 0].astype(np.uint32)))


def _samples(db: Database[Document], part: Part) -> NDArray[Any]:
    """Return the sample of every column of a segment."""
    found = db["arrays"].find_one({"s": part.id, "k": COLUMN})
    return decode_links(found["data"]).samples if found else np.empty(0, np.uint32)
