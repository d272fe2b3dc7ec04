"""Ontologies of a site: their terms with everything above them, and the indexes of data that follow from that.

ontologies  one document per prefix: the resource, and which obsolete terms were replaced by what; where the ontology
            comes with a package, all of it as one byte string instead, which loaders read back, and the
            replacements as ``former``
terms       one document per term: its label, and where the ontology was loaded from a file, all terms above it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.database import Database
from pyroaring import BitMap

from beacon.model.indexing import ABSENT, BELOW, RECORDED, Ancestors, keys_above
from beacon.store.documents import Document, decode_rows, encode_rows

_BATCH = 5_000


def replace_ontology(
    db: Database[Document],
    resource: Mapping[str, Any],
    labels: Mapping[str, str],
    above: Mapping[str, Iterable[str]],
    replaced: Mapping[str, str | None],
    near: Mapping[str, bytes],
) -> None:
    """Make these terms those of the resource's ``namespacePrefix``, and no others.

    ``near`` holds what is similar to each term (``beacon.model.similarity``), where that was measured.
    """
    prefix = resource["namespacePrefix"]
    held = {part["_id"] for part in db["terms"].find({"_id": {"$regex": f"^{prefix}:"}}, {"_id": 1})}
    writes: list[ReplaceOne[Document] | DeleteOne] = [
        ReplaceOne(
            {"_id": term},
            {"label": label, "above": sorted(above[term])} | ({"near": near[term]} if term in near else {}),
            upsert=True,
        )
        for term, label in labels.items()
    ]
    writes += [DeleteOne({"_id": term}) for term in sorted(held - labels.keys())]
    for begin in range(0, len(writes), _BATCH):
        db["terms"].bulk_write(writes[begin : begin + _BATCH], ordered=False)
    document = {"resource": dict(resource), "replaced": [[term, other] for term, other in sorted(replaced.items())]}
    db["ontologies"].replace_one({"_id": prefix}, document, upsert=True)


def read_ontologies(db: Database[Document]) -> list[tuple[dict[str, Any], dict[str, str | None]]]:
    """Return the ontologies that were loaded from files: resource, and obsolete terms with their replacements."""
    found = db["ontologies"].find({"replaced": {"$exists": True}}).sort("_id", 1)
    return [(part["resource"], dict(part["replaced"])) for part in found]


def keep_whole(
    db: Database[Document], prefix: str, package: str, data: bytes, replaced: Mapping[str, str | None]
) -> None:
    """Keep a stored ontology as its ``package`` has it, for loaders to read back, and for servers what it replaced."""
    former = [[term, other] for term, other in sorted(replaced.items()) if other]
    db["ontologies"].update_one({"_id": prefix}, {"$set": {"package": package, "whole": data, "former": former}})


def read_whole(db: Database[Document], prefix: str, package: str) -> bytes | None:
    """Return what ``keep_whole`` kept of this very package, None where there is nothing of it."""
    found = db["ontologies"].find_one({"_id": prefix, "package": package}, {"whole": 1})
    return None if found is None else bytes(found["whole"])


def read_terms(db: Database[Document], prefix: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Return labels, and everything above each term, of an ontology that was loaded from a file."""
    labels, above = {}, {}
    for part in db["terms"].find({"_id": {"$regex": f"^{prefix}:"}}):
        labels[part["_id"]], above[part["_id"]] = part["label"], tuple(part.get("above", ()))
    return labels, above


def expand(db: Database[Document], dataset: str, ancestors: Ancestors) -> int:
    """Find a dataset's records under the terms that are above theirs now; return how many index entries changed.

    Readers forget what they keep of indexes when the dataset's ``expanded`` has changed. Each entry changes at once: a
    question that is asked meanwhile is answered, term by term, by either version.
    """
    document = db["datasets"].find_one({"_id": dataset})
    changed = sum(_expand(db, part["id"], ancestors) for part in (document or {}).get("segments", ()))
    if changed:
        change = {"$inc": {"revision": 1, "expanded": 1}, "$set": {"updated": datetime.now(UTC)}}
        db["datasets"].update_one({"_id": dataset}, change)
    return changed


def _expand(db: Database[Document], segment: str, ancestors: Ancestors) -> int:
    recorded: dict[tuple[str, str], BitMap] = {}
    held: dict[tuple[str, str], tuple[Any, BitMap]] = {}
    for part in db["postings"].find({"s": segment}):
        name, mark, term = part["key"].partition(BELOW)
        if mark and RECORDED not in name and ABSENT not in name:
            held[part["k"], part["key"]] = part["_id"], decode_rows(part["rows"])
        elif ABSENT not in (name := part["key"].partition(RECORDED)[0]) and RECORDED in part["key"]:
            term = part["key"][len(name) + 1 :]
            recorded[part["k"], f"{name}{BELOW}{term}"] = decode_rows(part["rows"])
    # Text is recorded too, but never below anything.
    wanted = {place: rows.copy() for place, rows in recorded.items() if place in held}
    for (kind, key), rows in recorded.items():
        if (kind, key) in held:
            for higher in keys_above(key, ancestors):
                wanted.setdefault((kind, higher), BitMap()).update(rows)
    writes: list[InsertOne[Document] | UpdateOne | DeleteOne] = []
    for (kind, key), rows in wanted.items():
        if (kind, key) not in held:
            new = {"s": segment, "k": kind, "key": key, "label": "", "rows": encode_rows(rows)}
            writes.append(InsertOne(new))
        elif held[kind, key][1] != rows:
            writes.append(UpdateOne({"_id": held[kind, key][0]}, {"$set": {"rows": encode_rows(rows)}}))
    writes += [DeleteOne({"_id": id}) for place, (id, _) in held.items() if place not in wanted]
    for begin in range(0, len(writes), _BATCH):
        db["postings"].bulk_write(writes[begin : begin + _BATCH], ordered=False)
    return len(writes)
