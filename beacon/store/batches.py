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
    """Collects and sends documents; their order is not kept. ``close`` it, whatever happens."""

    def __init__(self, db: Database[Document]) -> None:
        self._db = db
        self._waiting: defaultdict[str, list[Document]] = defaultdict(list)
        self._bytes: defaultdict[str, int] = defaultdict(int)
        self._senders = ThreadPoolExecutor(_SENDERS, "skerry-sending")
        self._sent: deque[Future[object]] = deque()

    def add(self, collection: str, document: Document, size: int = 0) -> None:
        """Add a document with ``size`` bytes in its large fields; raises what went wrong with any batch before."""
        if self._bytes[collection] + size > MOST_BYTES and self._waiting[collection]:
            self._send(collection)
        waiting = self._waiting[collection]
        waiting.append(document)
        self._bytes[collection] += size
        if len(waiting) >= MOST_DOCUMENTS:
            self._send(collection)

    def flush(self) -> None:
        """Send what is left and wait until all is written; raises what went wrong."""
        for collection in list(self._waiting):
            self._send(collection)
        while self._sent:
            self._sent.popleft().result()

    def close(self) -> None:
        """Drop what was not sent and wait for what is under way; after it nothing is written any more."""
        self._waiting.clear()
        self._senders.shutdown(cancel_futures=True)

    def _send(self, collection: str) -> None:
        documents = self._waiting.pop(collection)
        self._bytes[collection] = 0
        while self._sent and (len(self._sent) >= _UNDER_WAY or self._sent[0].done()):
            self._sent.popleft().result()
        self._sent.append(self._senders.submit(insert, self._db[collection], documents))


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
