"""Reading from MongoDB, asynchronously: the one implementation of ``Store``.

Every call passes a first-in first-out gate, because the driver's own pool lets requests starve. What cannot
change (a segment's links) is kept in memory, up to a bound; what an answer says is read anew each time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pyroaring import BitMap

from beacon.errors import StoreUnavailable
from beacon.model.genome import Gene, Reference
from beacon.model.indexing import RECORDED
from beacon.store.admin import check_version, not_an_address
from beacon.store.alleles import find_alleles
from beacon.store.base import AllelePredicate, Bound, Dataset, Links, Segment, StoredAllele, Term
from beacon.store.blocks import Calls, Heads, unpack
from beacon.store.documents import (
    Document,
    decode_allele,
    decode_dataset,
    decode_links,
    decode_rows,
    no_links,
)
from beacon.store.gate import Gate
from beacon.store.genes import decode_gene, gene_ids
from beacon.store.reference import chunk_ids, cut, decode_reference, reference_id

T = TypeVar("T")


class _Kept:
    """The most recently used values, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()

    async def get(self, key: tuple[str, str], make: Callable[[], Awaitable[tuple[T, int]]]) -> T:
        if key in self._values:
            self._values.move_to_end(key)
            held: T = self._values[key][0]
            return held
        value, size = await make()
        if key in self._values:  # somebody else fetched it meanwhile
            return value
        self._values[key] = (value, size)
        self._size += size
        while self._size > self._limit and len(self._values) > 1:
            _, (_, dropped) = self._values.popitem(last=False)
            self._size -= dropped
        return value


class MongoStore:
    """Datasets in one MongoDB database. Open it with ``open``, close it with ``close``."""

    def __init__(
        self, client: AsyncMongoClient[Document], database: str, gate: Gate, *, kept_bytes: int = 64_000_000
    ) -> None:
        self._client = client
        self._db = client[database]
        self._gate = gate
        self._kept = _Kept(kept_bytes)
        self._decoded: dict[str, tuple[tuple[datetime, int], Dataset]] = {}

    @classmethod
    async def open(cls, uri: str, database: str, *, pool_size: int = 12, max_waiting: int | None = None) -> MongoStore:
        """Connect and check the data model. Raises ``StoreUnavailable`` or ``ConfigurationError``."""
        # One connection more than the gate lets through, for ``ping``.
        try:
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri, maxPoolSize=pool_size + 1, serverSelectionTimeoutMS=10_000, tz_aware=True
            )
        except (PyMongoError, ValueError) as error:
            raise not_an_address() from error
        store = cls(client, database, Gate(pool_size, max_waiting))
        try:
            async with store._asking():
                check_version(await store._db["meta"].find_one({"_id": "model"}))
        except BaseException:
            await client.close()
            raise
        return store

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    @property
    def gate(self) -> Gate:
        """The queue in front of the database."""
        return self._gate

    async def ping(self) -> None:
        """Ask the database for a sign of life, past the gate. Raises ``StoreUnavailable``."""
        try:
            await self._db.command("ping")
        except PyMongoError as error:
            raise StoreUnavailable("the site's database does not answer") from error

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        async with self._gate:
            try:
                yield
            except PyMongoError as error:
                raise StoreUnavailable("the site's database does not answer") from error

    async def datasets(self) -> Mapping[str, Dataset]:
        """Return all datasets with their visible segments, by id; unchanged ones are not fetched again."""
        async with self._asking():
            # A dataset may be deleted and made anew under its old id, so the revision alone does not tell.
            states = {
                row["_id"]: (row["created"], row["revision"])
                async for row in self._db["datasets"].find({}, {"created": 1, "revision": 1}).sort("_id", 1)
            }
            stale = [id for id, state in states.items() if id not in self._decoded or self._decoded[id][0] != state]
            if stale:
                async for document in self._db["datasets"].find({"_id": {"$in": stale}}):
                    state = (document["created"], document["revision"])
                    self._decoded[document["_id"]] = (state, decode_dataset(document))
        return {id: self._decoded[id][1] for id in states if id in self._decoded}

    async def posting(self, segment: Segment, kind: str, keys: Sequence[str]) -> BitMap:
        """Return the live rows found under any of these index keys."""
        return await self._postings(segment, kind, {"$in": list(keys)})

    async def text_posting(self, segment: Segment, kind: str, field: str, pattern: str) -> BitMap:
        """Return the live rows whose text matches a pattern with ``%`` wildcards."""
        prefix = re.escape(f"{field}{RECORDED}")
        return await self._postings(
            segment, kind, {"$regex": rf"^{prefix}{'.*'.join(map(re.escape, pattern.split('%')))}\z", "$options": "s"}
        )

    async def _postings(self, segment: Segment, kind: str, key: Document) -> BitMap:
        rows = BitMap()
        if live := segment.live.get(kind):
            async with self._asking():
                async for part in self._db["postings"].find(
                    {"s": segment.id, "k": kind, "key": key}, {"rows": 1, "_id": 0}
                ):
                    rows |= decode_rows(part["rows"])
            rows &= live
        return rows

    async def between(self, segment: Segment, kind: str, field: str, low: Bound | None, high: Bound | None) -> BitMap:
        """Return the live rows that have a number in this range in ``field``."""
        where: Document = {"s": segment.id, "k": kind, "f": field}
        if low is not None:
            where["high"] = {"$gte": low.value}
        if high is not None:
            where["low"] = {"$lte": high.value}
        rows = BitMap()
        async with self._asking():
            async for part in self._db["numbers"].find(where, {"data": 1, "_id": 0}):
                arrays = unpack(part["data"])
                values = arrays["values"]
                begin = 0 if low is None else np.searchsorted(values, low.value, "left" if low.inclusive else "right")
                stop = (
                    len(values)
                    if high is None
                    else np.searchsorted(values, high.value, "right" if high.inclusive else "left")
                )
                rows |= BitMap(arrays["rows"][begin:stop])
        return rows & segment.live.get(kind, BitMap())

    async def links(self, segment: Segment, kind: str) -> Links:
        """Return to whom this kind's rows belong."""
        if kind not in segment.live:
            return no_links()
        arrays = await self._array(segment, kind)
        return decode_links(arrays) if arrays else no_links()

    async def column_rows(self, segment: Segment, kind: str) -> NDArray[np.int64]:
        """Return, by column, the row of its run or analysis; -1 where it has none."""
        data = await self._array(segment, "column_rows")
        rows: NDArray[np.int64] = unpack(data)[kind] if data else np.empty(0, np.int64)
        return rows

    async def _array(self, segment: Segment, kind: str) -> bytes:
        async def fetch() -> tuple[bytes, int]:
            async with self._asking():
                found = await self._db["arrays"].find_one({"s": segment.id, "k": kind}, {"data": 1})
            data = bytes(found["data"]) if found else b""
            return data, len(data)

        return await self._kept.get((segment.id, kind), fetch)

    async def row_of(self, segment: Segment, kind: str, id: str) -> int | None:
        """Return the live row of the record with this id."""
        async with self._asking():
            found = await self._db["records"].find_one({"s": segment.id, "k": kind, "i": id}, {"r": 1, "_id": 0})
        return int(found["r"]) if found and found["r"] in segment.live.get(kind, ()) else None

    async def records(self, segment: Segment, kind: str, rows: Sequence[int]) -> list[bytes]:
        """Return encoded records in the order of ``rows``."""
        found = await self._by_row(segment, kind, rows, "b")
        return [bytes(found[row]) for row in rows]

    async def record_ids(self, segment: Segment, kind: str, rows: Iterable[int]) -> dict[int, str]:
        """Return the ids of these rows of runs or analyses."""
        return await self._by_row(segment, kind, list(rows), "i")

    async def names(self, people: str, kind: str, ordinals: Iterable[int]) -> dict[int, str]:
        """Return the ids of these individuals or biosamples of a dataset (its ``people``), by ordinal."""
        where = {"d": people, "k": kind, "o": {"$in": list(ordinals)}}
        async with self._asking():
            return {part["o"]: part["i"] async for part in self._db["people"].find(where, {"o": 1, "i": 1, "_id": 0})}

    async def _by_row(self, segment: Segment, kind: str, rows: Sequence[int], wanted: str) -> dict[int, Any]:
        if not rows:
            return {}
        where = {"s": segment.id, "k": kind, "r": {"$in": list(rows)}}
        async with self._asking():
            return {
                part["r"]: part[wanted] async for part in self._db["records"].find(where, {"r": 1, wanted: 1, "_id": 0})
            }

    async def heads(self, segment: Segment, predicate: AllelePredicate) -> Heads:
        """Return positions and places of the alleles that match, in position order."""
        async with self._asking():
            return await find_alleles(self._db, segment.id, predicate)

    async def calls(self, segment: Segment, blocks: Sequence[int]) -> dict[int, Calls]:
        """Return the genotypes of these blocks."""
        where = {"s": segment.id, "n": {"$in": list(blocks)}}
        async with self._asking():
            return {
                part["n"]: Calls(part["calls"]) async for part in self._db["blocks"].find(where, {"n": 1, "calls": 1})
            }

    async def alleles(self, segment: Segment, places: Sequence[tuple[int, int]]) -> list[StoredAllele]:
        """Return the alleles at these (block, row) places, in that order."""
        if not places:
            return []
        where = {"s": segment.id, "$or": [{"n": block, "row": row} for block, row in places]}
        async with self._asking():
            found = {(part["n"], part["row"]): part async for part in self._db["alleles"].find(where)}
        return [_stored(segment.id, found[place]) for place in places]

    async def cases(self, segment: Segment, ids: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
        """Return what was recorded of single carriers, by (variant id, column)."""
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        async with self._asking():
            async for part in self._db["cases"].find({"s": segment.id, "v": {"$in": list(ids)}}):
                found.setdefault((part["v"], part["c"]), []).append(orjson.loads(part["b"]))
        return found

    async def references(self) -> list[Reference]:
        """Return all reference sequences that are there."""
        async with self._asking():
            return [decode_reference(part) async for part in self._db["references"].find()]

    async def reference(self, assembly: str, chrom: str) -> Reference | None:
        """Return the reference sequence of a chromosome, None where it is not there."""
        async with self._asking():
            held = await self._db["references"].find_one({"_id": reference_id(assembly, chrom)})
        return decode_reference(held) if held else None

    async def bases(self, reference: Reference, start: int, end: int) -> str | None:
        """Return bases [start, end) of a sequence, upper case; None where another has just taken its place."""
        async with self._asking():
            found = self._db["bases"].find({"_id": {"$in": chunk_ids(reference, start, end)}})
            return cut({part["_id"]: part["b"] async for part in found}, reference, start, end)

    async def gene(self, name: str) -> Gene | None:
        """Return what the tables of genes say of this symbol or id, None where they say nothing."""
        async with self._asking():
            return decode_gene([part async for part in self._db["genes"].find({"_id": {"$in": gene_ids(name)}})])

    async def terms(self, segment: Segment) -> list[Term]:
        """Return every filter under which this segment has live rows."""
        listed = []
        where = {"s": segment.id, "key": {"$regex": RECORDED}}
        async with self._asking():
            async for part in self._db["postings"].find(where, {"_id": 0, "s": 0}):
                rows = decode_rows(part["rows"]) & segment.live.get(part["k"], BitMap())
                if rows:
                    listed.append(Term(part["k"], part["key"], part["label"], rows))
        return listed

    async def known_term(self, term: str) -> bool | None:
        """Say whether an ontology stored here has this term; None where its ontology is not stored."""
        async with self._asking():
            if await self._db["terms"].find_one({"_id": term}, {"_id": 1}):
                return True
            held = await self._db["ontologies"].find_one({"_id": term.partition(":")[0]}, {"_id": 1})
        return False if held else None

    async def terms_above(self, term: str) -> frozenset[str] | None:
        """Return a term and all that is above it in its ontology; None where what is stored does not tell."""
        async with self._asking():
            found = await self._db["terms"].find_one({"_id": term}, {"above": 1})
        return frozenset(found["above"]) | {term} if found and "above" in found else None

    async def ontologies(self) -> list[dict[str, Any]]:
        """Return the stored ontologies as Phenopackets resources."""
        async with self._asking():
            return [part["resource"] async for part in self._db["ontologies"].find().sort("_id", 1)]


def _stored(segment: str, document: Document) -> StoredAllele:
    return StoredAllele(
        segment=segment,
        allele=decode_allele(document),
        id=document["i"],
        block=document["n"],
        row=document["row"],
        carriers=document.get("nc"),
        allele_count=document.get("ac"),
        allele_number=document.get("an"),
        body=bytes(document["body"]),
        vrs=document.get("v"),
        moves=tuple(document["sh"]) if "sh" in document else None,
    )
