"""What loads brought that a dataset still shows: asked before another load changes it, and by curators afterwards."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from pymongo.database import Database

from beacon.store import journal
from beacon.store.base import COLUMN, Came
from beacon.store.blocks import part_id, text_part
from beacon.store.documents import Document, decode_links, decode_rows, encode_rows
from beacon.store.heads import identity
from beacon.store.segments import heads_in, read_layout, read_parts, stored_alleles

_NONE = encode_rows(())
_KINDS = ("individual", "biosample", "run", "analysis")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one record came from. ``file`` and ``line`` (1-based) are None where the load does not tell."""

    dataset: str
    kind: str
    id: str
    load: journal.Entry | None
    file: str | None
    line: int | None


def where(db: Database[Document], dataset: Document, id: str) -> list[Provenance]:
    """Return where the records of this id came from that a dataset shows."""
    found = []
    for part in dataset["segments"]:
        for record in db["records"].find({"s": part["id"], "k": {"$in": list(_KINDS)}, "i": id}, {"b": 0}):
            if record["r"] in decode_rows(part["live"].get(record["k"], _NONE)):
                load = journal.find(db, record.get("l", ""))
                file = record.get("f") or (load.source if load else None)
                found.append(Provenance(dataset["_id"], record["k"], id, load, file, record.get("n")))
        for came in _alleles(db, part["id"], id):
            for load_id in [came.load] if came.load is not None else [load["id"] for load in part["loads"]]:
                load = journal.find(db, load_id)
                file = came.file or (load.source if load else None)
                found.append(Provenance(dataset["_id"], "genomicVariant", id, load, file, came.line))
    return found


def _alleles(db: Database[Document], segment: str, id: str) -> list[Came]:
    """Return where a variant came from, as often as a segment has it."""
    layout, key = read_layout(db, segment), identity(id)
    found = []
    for block, head in heads_in(db, segment, layout):
        if rows := np.flatnonzero(head["key"] == key).tolist():
            names = {text_part(row): part_id(segment, block, text_part(row)) for row in rows}
            held = read_parts(db, names.values())
            texts = {name: held[part] for name, part in names.items()}
            found += [one.came for one in stored_alleles(segment, layout, block, rows, head, texts)]
    return found


def digests(db: Database[Document], dataset: Document, ids: list[str]) -> dict[str, bytes]:
    """Return the digests of the contents of individuals that are shown, by id; derived ones are left out.

    The digest is empty where the load took none.
    """
    found: dict[str, bytes] = {}
    for part in dataset["segments"]:
        live = decode_rows(part["live"].get("individual", _NONE)) - decode_rows(
            part["derived"].get("individual", _NONE)
        )
        query = {"s": part["id"], "k": "individual", "i": {"$in": ids}}
        for record in db["records"].find(query, {"i": 1, "r": 1, "h": 1}) if live else ():
            if record["r"] in live:
                found[record["i"]] = bytes(record.get("h", b""))
    return found


def others(db: Database[Document], dataset: Document, loads: Set[str], seen: Set[str]) -> list[str]:
    """Return the ids of individuals that these loads brought, that are still shown and not among those seen."""
    found: list[str] = []
    for part in dataset["segments"]:
        if loads.isdisjoint(load["id"] for load in part["loads"]):
            continue
        live = decode_rows(part["live"].get("individual", _NONE)) - decode_rows(
            part["derived"].get("individual", _NONE)
        )
        query = {"s": part["id"], "k": "individual", "l": {"$in": sorted(loads)}}
        records = db["records"].find(query, {"i": 1, "r": 1})
        found += [record["i"] for record in records if record["r"] in live and record["i"] not in seen]
    return sorted(found)


def other_samples(db: Database[Document], dataset: Document, loads: Set[str], seen: Set[str]) -> list[str]:
    """Return the ids of samples of whom these loads' calls are shown, except those seen."""
    found: set[str] = set()
    for part in dataset["segments"]:
        for load in part["loads"]:
            if load["id"] not in loads or COLUMN not in part["live"]:
                continue
            columns = decode_rows(part["live"][COLUMN])
            if len(part["loads"]) > 1:
                columns &= decode_rows(load["columns"])
            links = db["arrays"].find_one({"s": part["id"], "k": COLUMN})
            assert links is not None, "a segment with columns says whose they are"
            samples = decode_links(links["data"]).samples[np.array(columns, np.uint32)]
            where = {"d": dataset["people"], "k": "biosample", "o": {"$in": samples.tolist()}}
            found |= {row["i"] for row in db["people"].find(where)}
    return sorted(found - seen)
