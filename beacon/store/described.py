"""What is said of a dataset, by its custodian and by files, and of its cohorts, and who is in these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.model.collections import without_counts
from beacon.store import freshness
from beacon.store.base import WIDE_KINDS
from beacon.store.documents import Document, decode_rows, encode_rows
from beacon.store.publish import Home, Saying
from beacon.store.tombstones import IsGone, nobody

_OWN = ("id", "name", "description")
"""Members of a dataset's record that its document has by themselves."""


def set_info(db: Database[Document], id: str, changes: Mapping[str, Any]) -> None:
    """Change what the custodian says of a dataset: members of a record of the default model ``datasets``.

    Those that are empty are taken away; what a file said in their place is told again, and the id as the name.
    Raises ``LoadError`` where there is no such dataset.
    """
    info = _document(db, id).get("info", {}) | {one: value for one, value in changes.items() if one not in _OWN}
    change: Document = {"info": {member: value for member, value in info.items() if value}}
    if "name" in changes:
        change["name"] = changes["name"] or id
    if "description" in changes:
        change["description"] = changes["description"] or None
    change["updated"] = datetime.now(UTC)
    db["datasets"].update_one({"_id": id}, {"$set": change, "$inc": {"revision": 1}})
    freshness.wait()


def stated(body: Mapping[str, Any]) -> Saying:
    """Keep what a file says of a dataset (a record of the default model ``datasets``) in place of what one said.

    Name and description it gets where it has none of its own. The policy stays as it is.
    """
    kept = orjson.dumps({member: value for member, value in body.items() if member not in _OWN})

    def say(document: Document) -> Document:
        change: Document = {"stated": kept}
        if (name := body.get("name")) and document["name"] == document["_id"]:
            change["name"] = name
        if (description := body.get("description")) and not document.get("description"):
            change["description"] = description
        return change

    return say


@dataclass(frozen=True, slots=True)
class Membership:
    """Who are to be a cohort's members: how many, those of them that nobody knows, and what makes them so."""

    size: int
    unknown: list[str]
    saying: Saying


def cohort(
    db: Database[Document],
    home: Home,
    is_gone: IsGone,
    id: str,
    name: str,
    members: Iterable[str] | None,
    body: Mapping[str, Any] | None = None,
) -> Membership:
    """Make individuals the members of a cohort, whoever was before; without ``members`` they stay who they are.

    ``body`` is what else is stated of it (a record of the default model ``cohorts``); what was counted in it is left
    out where somebody who withdrew may be among the counted: an individual, or one whose sample is named in their
    place.
    """
    wanted = list(dict.fromkeys(members or ()))
    known: dict[str, int] = {}
    for begin in range(0, len(wanted), 2_000):
        query = {"d": home.people, "k": "individual", "i": {"$in": wanted[begin : begin + 2_000]}}
        known |= {row["i"]: row["o"] for row in db["people"].find(query)}
    gone = members is None and is_gone is not nobody
    gone = gone or any(is_gone(kind, one) for one in wanted for kind in WIDE_KINDS)

    def chosen(document: Document) -> tuple[BitMap, BitMap]:
        """Return all who are named, and of these the members."""
        everybody = BitMap(known.values()) if members is not None else _members(document, id)
        return everybody, everybody - decode_rows(document.get("withdrawn", encode_rows(())))

    def say(document: Document) -> Document:
        everybody, people = chosen(document)
        part: Document = {"id": id, "name": name, "members": encode_rows(people)}
        if body:
            told = without_counts(body) if gone or people != everybody else body
            part |= {"body": orjson.dumps(told), "stated_of": part["members"], "ahead": not everybody}
        if part in document["cohorts"]:
            return {}
        return {"cohorts": [*(one for one in document["cohorts"] if one["id"] != id), part]}

    held = _document(db, home.dataset, people=home.people)
    return Membership(len(chosen(held)[1]), [one for one in wanted if one not in known], say)


def _members(document: Document, cohort: str) -> BitMap:
    return next((decode_rows(part["members"]) for part in document["cohorts"] if part["id"] == cohort), BitMap())


def _document(db: Database[Document], dataset: str, **same: str) -> Document:
    document = db["datasets"].find_one({"_id": dataset, **same})
    if document is None:
        raise LoadError(f"there is no dataset {dataset!r}", where=dataset)
    return document
