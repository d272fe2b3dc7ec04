"""What a load of single records takes the place of: of records, those of the same ids; of calls, an earlier load's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Final, NamedTuple

import numpy as np
import orjson
from pymongo.database import Database
from pyroaring import BitMap

from beacon.store.base import COLUMN, Links
from beacon.store.documents import Document, decode_links
from beacon.store.parts import Part

_AT_ONCE: Final = 10_000
_OF_SAMPLES: Final = ("run", "analysis", COLUMN)
_OF_SOMEBODY: Final = ("biosample", "run", "analysis")


class Left(NamedTuple):
    """A record of somebody that an earlier load brought and a correction has no more."""

    kind: str
    id: str
    individual: str


def uncorrected(
    db: Database[Document], document: Document, loads: Set[str], seen: Set[tuple[str, str]]
) -> Iterator[Left]:
    """Yield the samples, runs and analyses that these loads of a dataset brought, that it shows and are not ``seen``.

    ``seen`` are kinds and ids. What was only derived is left out.
    """
    for part in map(Part.of, document["segments"]):
        if loads.isdisjoint(load["id"] for load in part.loads):
            continue
        for kind in _OF_SOMEBODY:
            shown = part.rows(kind) - part.derived_of(kind)
            brought = {"s": part.id, "k": kind, "l": {"$in": sorted(loads)}}
            for record in db["records"].find(brought).sort("i", 1) if shown else ():
                if record["r"] in shown and (kind, record["i"]) not in seen:
                    yield Left(kind, record["i"], str(orjson.loads(record["b"])["individualId"]))


def take_records(db: Database[Document], parts: list[Part], ids: Mapping[str, Sequence[str]]) -> None:
    """Take the records of these ids, by kind, from all segments but the last."""
    for kind, wanted in ids.items():
        for part in parts[:-1]:
            for begin in range(0, len(wanted) if part.rows(kind) else 0, _AT_ONCE):
                some = {"s": part.id, "k": kind, "i": {"$in": list(wanted[begin : begin + _AT_ONCE])}}
                part.take(kind, BitMap(record["r"] for record in db["records"].find(some, {"r": 1})))


def take_calls(db: Database[Document], parts: list[Part], loads: Set[str], *, entirely: bool) -> None:
    """Take the calls that these loads brought, all of them, or of the samples of whom the last segment has calls.

    Records stay, save for what was only derived from calls that went.
    """
    called = _whose(db, parts[-1], (COLUMN,), "samples")
    for part in parts[:-1]:
        if loads.isdisjoint(load["id"] for load in part.loads):
            continue
        links = _links(db, part, COLUMN)
        theirs = BitMap() if links is None else links.having(called, "samples")
        part.take(COLUMN, part.rows(COLUMN) if entirely else theirs)
        if not part.rows(COLUMN) and (entirely or theirs):
            loads_left = [load | {"intact": False} for load in part.loads]
            part.document = part.document | {"uncarried": 0, "whole": False, "loads": loads_left}
            _take_unneeded(db, part)


def _take_unneeded(db: Database[Document], part: Part) -> None:
    """Take derived samples and people of whom a segment shows nothing else."""
    part.take("biosample", part.derived_of("biosample") - _whose(db, part, _OF_SAMPLES, "samples"))
    part.take("individual", part.derived_of("individual") - _whose(db, part, ("biosample", *_OF_SAMPLES), "persons"))


def _whose(db: Database[Document], part: Part, kinds: Iterable[str], by: str) -> BitMap:
    """Return the samples or people that live rows of these kinds belong to."""
    found = BitMap()
    for kind in kinds:
        if part.rows(kind) and (links := _links(db, part, kind)) is not None:
            live = np.isin(links.rows, np.array(part.rows(kind), np.uint32))
            found |= BitMap(getattr(links, by)[live])
    return found


def _links(db: Database[Document], part: Part, kind: str) -> Links | None:
    found = db["arrays"].find_one({"s": part.id, "k": kind})
    return decode_links(found["data"]) if found else None
