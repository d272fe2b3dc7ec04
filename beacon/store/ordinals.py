"""Ordinals: the dense numbers that people and samples of a dataset have, given once and never to another."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from pymongo.database import Database
from pymongo.errors import BulkWriteError

from beacon.errors import LoadError
from beacon.store.base import WIDE_KINDS
from beacon.store.batches import insert
from beacon.store.documents import Document
from beacon.store.publish import Home

BATCH = 2_000
DUPLICATE_KEY = 11000


class Ordinals:
    """The ordinals that a load into a dataset needs, each looked up once; ``close`` it in the end.

    Many can be reserved: that is done while the caller goes on. The first of the kind that is needed waits for it, and
    raises what went wrong.
    """

    def __init__(self, db: Database[Document], home: Home) -> None:
        self._db = db
        self._home = home
        self._known: dict[tuple[str, str], int] = {}
        self._reserving = ThreadPoolExecutor(len(WIDE_KINDS), "skerry-reserving")
        self._reserved: dict[str, Future[dict[str, int]]] = {}

    def of(self, kind: str, id: str) -> int:
        """Return the ordinal of a person or sample, giving out a new one where there is none."""
        known = self._known.get((kind, id))
        if known is None and kind in self._reserved:
            self._settle(kind)
            known = self._known.get((kind, id))
        if known is None:
            known = self._known[kind, id] = give_ordinals(self._db, self._home, kind, [id])[id]
        return known

    def reserve(self, kind: str, ids: Iterable[str]) -> None:
        """Look up or give out the ordinals of many."""
        self._settle(kind)
        wanted = [id for id in dict.fromkeys(ids) if (kind, id) not in self._known]
        if wanted:
            self._reserved[kind] = self._reserving.submit(give_ordinals, self._db, self._home, kind, wanted)

    def close(self) -> None:
        """End looking up; what is under way is waited for."""
        self._reserving.shutdown(cancel_futures=True)

    def _settle(self, kind: str) -> None:
        if kind in self._reserved:
            found = self._reserved.pop(kind).result()
            self._known.update({(kind, id): ordinal for id, ordinal in found.items()})


def give_ordinals(db: Database[Document], home: Home, kind: str, ids: list[str]) -> dict[str, int]:
    """Return ordinals by id, giving out new ones, dense and in order, to those that have none yet."""
    people = db["people"]
    found: dict[str, int] = {}
    for begin in range(0, len(ids), BATCH):
        part = ids[begin : begin + BATCH]
        found |= {row["i"]: row["o"] for row in people.find({"d": home.people, "k": kind, "i": {"$in": part}})}
    new = [id for id in ids if id not in found]
    if new:
        state = db["datasets"].find_one_and_update(
            {"_id": home.dataset, "people": home.people}, {"$inc": {f"next.{kind}": len(new)}}
        )
        if state is None:
            raise LoadError(f"dataset {home.dataset!r} was deleted while it was loaded into", where=home.dataset)
        first = int(state.get("next", {}).get(kind, 0))
        found |= {id: first + offset for offset, id in enumerate(new)}
        for begin in range(0, len(new), BATCH):
            some = new[begin : begin + BATCH]
            try:
                insert(people, [{"d": home.people, "k": kind, "i": id, "o": found[id]} for id in some])
            except BulkWriteError as error:
                # Another load gave out some of these ids just now: its ordinals stand, ours stay unused.
                if any(failure["code"] != DUPLICATE_KEY for failure in error.details["writeErrors"]):
                    raise
                found |= {row["i"]: row["o"] for row in people.find({"d": home.people, "k": kind, "i": {"$in": some}})}
    return found
