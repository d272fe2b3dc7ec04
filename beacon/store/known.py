"""What every question begins with: the datasets as they stand, the reference sequences, whether there are genes.

It is read at most once every ``freshness.SECONDS``, in one operation; of datasets only those that have changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from beacon.model.genome import Reference
from beacon.store import freshness
from beacon.store.base import Dataset
from beacon.store.documents import Document, decode_dataset
from beacon.store.reading import Reader
from beacon.store.reference import decode_reference

_STATE: Final[Sequence[Mapping[str, Any]]] = (
    {"$project": {"created": 1, "revision": 1}},
    {"$sort": {"_id": 1}},
    {"$unionWith": "references"},
    {"$unionWith": {"coll": "genes", "pipeline": [{"$limit": 1}, {"$project": {"names": 1}}]}},
)
"""One operation for all of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """All datasets, all reference sequences, whether there are tables of genes.

    It was read when it ``began`` and may be used ``until`` then (monotonic seconds).
    """

    datasets: Mapping[str, Dataset]
    references: tuple[Reference, ...]
    genes: bool
    began: float
    until: float


class Learner:
    """Reads it anew when the last reading is too old."""

    def __init__(
        self,
        db: AsyncDatabase[Document],
        reader: Reader,
        *,
        changed: Callable[[], None],
        outdated: Callable[[], None],
    ) -> None:
        """``changed`` is called when datasets have, ``outdated`` when what was read of segments is to be read anew."""
        self._db = db
        self._reader = reader
        self._changed = changed
        self._outdated = outdated
        self._expanded: dict[str, int] = {}
        self._decoded: dict[str, tuple[tuple[datetime, int], Dataset]] = {}
        self._known = Known({}, (), False, began=0.0, until=0.0)
        self._learning: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End a reading that is under way."""
        if self._learning is not None:
            self._learning.cancel()

    async def now(self) -> Known:
        """Return what every question begins with. Raises ``StoreUnavailable``.

        All who need it meanwhile wait for the same reading, and go on together when it is there.
        """
        asked = time.monotonic()
        while asked >= self._known.until and asked > self._known.began:
            if self._learning is None or self._learning.done():
                self._learning = asyncio.create_task(self.learn())
                self._learning.add_done_callback(_known_to_all)
            # Whoever hangs up takes the reading from nobody else.
            await asyncio.shield(self._learning)
        return self._known

    async def learn(self) -> None:
        """Read it, however young the last reading is. Raises ``StoreUnavailable``."""
        began = time.monotonic()
        async with self._reader.asking():
            found = await (await self._db["datasets"].aggregate(list(_STATE))).to_list()
            datasets = await self.read_datasets(part for part in found if "revision" in part)
        references = [decode_reference(part) for part in found if "digest" in part]
        genes = any("names" in part for part in found)
        self._known = Known(datasets, tuple(references), genes, began, began + freshness.SECONDS)

    async def read_datasets(self, listed: Iterable[Document]) -> Mapping[str, Dataset]:
        """Return all datasets by id; unchanged ones are not fetched again."""
        # A dataset may be deleted and made anew under its old id, so the revision alone does not tell.
        states = {part["_id"]: (part["created"], part["revision"]) for part in listed}
        stale = [id for id, state in states.items() if id not in self._decoded or self._decoded[id][0] != state]
        if stale:
            self._changed()
            async for document in self._db["datasets"].find({"_id": {"$in": stale}}):
                expanded = document.get("expanded", 0)
                if self._expanded.setdefault(document["_id"], expanded) != expanded:
                    # Segments never change, save that an ontology's new version makes their term indexes anew.
                    self._expanded[document["_id"]] = expanded
                    self._reader.forget()
                    self._outdated()
                state = (document["created"], document["revision"])
                self._decoded[document["_id"]] = (state, decode_dataset(document))
        deleted = self._decoded.keys() - states.keys()
        self._decoded = {id: self._decoded[id] for id in states if id in self._decoded}
        datasets = {id: dataset for id, (_, dataset) in self._decoded.items()}
        if stale or deleted:
            self._reader.keep_only({segment.id for dataset in datasets.values() for segment in dataset.segments})
        return datasets


def _known_to_all(reading: asyncio.Task[None]) -> None:
    """See how a reading ended, though everybody who waited for it may have hung up."""
    if not reading.cancelled():
        reading.exception()
