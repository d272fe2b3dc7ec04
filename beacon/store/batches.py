"""Documents on their way into collections, sent in batches by threads of their own while the next ones are made."""

from __future__ import annotations

from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DocumentTooLarge

Document = dict[str, Any]

MOST_DOCUMENTS: Final = 2_000
MOST_BYTES: Final = 8_000_000
"""In the large fields of a batch, unless one document alone has more; MongoDB takes commands of up to 16 MB."""
_SENDERS: Final = 2
_UNDER_WAY: Final = 4
"""Batches that wait or are being sent; whoever is faster than MongoDB waits for it here."""


class Batches:
    """Collects and sends documents. ``close`` it, whatever happens.

    Their order is not kept, but what was added as ``apart`` comes to lie side by side, so that reading many of those
    takes few pages of the disk and of MongoDB's memory.
    """

    def __init__(self, db: Database[Document]) -> None:
        self._db = db
        self._waiting: defaultdict[tuple[str, bool], list[Document]] = defaultdict(list)
        self._bytes: defaultdict[tuple[str, bool], int] = defaultdict(int)
        self._senders = ThreadPoolExecutor(_SENDERS, "skerry-sending")
        self._sent: deque[Future[object]] = deque()

    def add(self, collection: str, document: Document, size: int = 0, *, apart: bool = False) -> None:
        """Add a document with ``size`` bytes in its large fields; raises what went wrong with any batch before."""
        place = collection, apart
        if self._bytes[place] + size > MOST_BYTES and self._waiting[place]:
            self._send(place)
        waiting = self._waiting[place]
        waiting.append(document)
        self._bytes[place] += size
        if len(waiting) >= MOST_DOCUMENTS:
            self._send(place)

    def flush(self) -> None:
        """Send what is left and wait until all is written; raises what went wrong."""
        for place in list(self._waiting):
            self._send(place)
        while self._sent:
            self._sent.popleft().result()

    def close(self) -> None:
        """Drop what was not sent and wait for what is under way; after it nothing is written any more."""
        self._waiting.clear()
        self._senders.shutdown(cancel_futures=True)

    def _send(self, place: tuple[str, bool]) -> None:
        documents = self._waiting.pop(place)
        self._bytes[place] = 0
        while self._sent and (len(self._sent) >= _UNDER_WAY or self._sent[0].done()):
            self._sent.popleft().result()
        self._sent.append(self._senders.submit(insert, self._db[place[0]], documents))


def insert(collection: Collection[Document], documents: list[Document]) -> None:
    """Insert documents by one command, in any order.

    What ``insert_many`` does for each document before, an id and its place in a report of failures, takes four times as
    long as writing it as BSON; MongoDB gives ids too. In return nothing is tried again where a replica set elects
    another primary meanwhile: whoever inserts begins anew. Raises ``BulkWriteError`` and what the driver raises.
    """
    command: Document = {"insert": collection.name, "documents": documents, "ordered": False}
    if not collection.write_concern.is_server_default:
        command["writeConcern"] = collection.write_concern.document
    try:
        told = collection.database.command(command)
    except DocumentTooLarge:
        collection.insert_many(documents, ordered=False)
        return
    if told.get("writeErrors") or told.get("writeConcernError"):
        concerns = [told["writeConcernError"]] if "writeConcernError" in told else []
        raise BulkWriteError({"writeErrors": told.get("writeErrors", []), "writeConcernErrors": concerns})
