"""Reading from MongoDB, asynchronously: the one implementation of ``Store``.

Every call passes a first-in first-out gate, because the driver's own pool lets requests starve. What cannot
change (whatever lies in a segment, and what follows from that alone) is kept in memory, up to a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pyroaring import BitMap

from beacon.errors import Overloaded, StoreUnavailable
from beacon.model import similarity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.genome import Gene, Reference
from beacon.model.indexing import HELD, RECORDED
from beacon.store.admin import check_version
from beacon.store.ahead import read_ahead
from beacon.store.alleles import AlleleFinder
from beacon.store.base import (
    ALLELE,
    CASE,
    COLUMN,
    KINDS,
    WRITTEN,
    AllelePredicate,
    Bound,
    Cases,
    Dataset,
    Links,
    Numbers,
    Segment,
    StoredAllele,
    Term,
)  # fmt: skip
from beacon.store.bitmaps import bitmap_of, distinct, numbers_in
from beacon.store.blocks import TEXTS, BlockBuilder, by_block, text_part
from beacon.store.calls import TILE, Calls, is_common, tiles, tiles_of
from beacon.store.commons import Commons
from beacon.store.documents import Document, decode_links, decode_rows, no_links
from beacon.store.fragments import Entries
from beacon.store.gate import Gate
from beacon.store.genes import decode_gene, gene_ids
from beacon.store.heads import Heads, heads_of_column
from beacon.store.known import Learner
from beacon.store.layout import Layout
from beacon.store.packing import Arrays, unpack
from beacon.store.reading import Reader, gone, unpacked
from beacon.store.reference import chunk_ids, cut
from beacon.store.segments import named, stored_alleles
from beacon.store.unusable import SELECTION_MS, read_uri, unreadable, unusable

_log = logging.getLogger("skerry")

_LOOK_SECONDS: Final = 60.0
_SIGN_SECONDS: Final = 1.0
"""In which a database that is alive answers a ping, however busy it is."""
_ONTOLOGIES: Final = 100
"""Prefixes of which it is known again what was replaced, be it nothing: whoever asks may name any."""
_LISTED: Final = {"$regex": f"[{RECORDED}{HELD}]"}


class MongoStore:
    """Datasets in one MongoDB database. Open it with ``open``, close it with ``close``."""

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        database: str,
        gate: Gate,
        kept_bytes: int,
        commons: Commons | None = None,
    ) -> None:
        self._client = client
        self._db = client[database]
        self._records = self._db["records"]  # made once: see ``Reader``
        self._gate = gate
        self._reader = Reader(self._db, gate, kept_bytes, commons)
        self._changed = asyncio.Event()
        self._learner = Learner(self._db, self._reader, changed=self._changed.set, outdated=self._read_again)
        self._ahead: set[str] = set()
        self._sign: asyncio.Task[bool] | None = None
        self._successors: dict[str, tuple[float, Mapping[str, str]]] = {}

    @classmethod
    async def open(
        cls,
        uri: str,
        database: str,
        *,
        pool_size: int = 12,
        max_waiting: int | None = None,
        keep_mb: int = 192,
        commons: Commons | None = None,
    ) -> MongoStore:
        """Connect and check the data model; ``keep_mb`` bounds what is kept in memory of what was read.

        ``commons`` is what the workers of one server share of that.

        Raises ``StoreUnavailable`` or ``ConfigurationError``.
        """
        # One connection more than the gate lets through, for ``ping``.
        with read_uri():
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri, maxPoolSize=pool_size + 1, serverSelectionTimeoutMS=SELECTION_MS, tz_aware=True
            )
        asked = client.topology_description
        store = cls(client, database, Gate(pool_size, max_waiting), keep_mb * 1_000_000, commons)
        try:
            check_version(await store._db["meta"].find_one({"_id": "model"}))
        except BaseException as error:
            known = client.topology_description
            await client.close()
            if isinstance(error, PyMongoError):
                raise unusable(known, error, asked) from error
            if isinstance(error, OSError):  # of a host whose options are in its DNS, they are read only now
                raise unreadable(error) from error
            raise
        return store

    async def close(self) -> None:
        """Close all connections."""
        if self._sign is not None:
            self._sign.cancel()
        self._learner.close()
        await self._client.close()

    @property
    def gate(self) -> Gate:
        """The queue in front of the database."""
        return self._gate

    async def reachable(self) -> bool:
        """Whether there is a server that gives a sign of life, soon; one that hangs gives none.

        It is asked once for all who want to know at the same time, as many do whose time has run out.
        """
        if not self._client.topology_description.has_readable_server(self._client.read_preference):
            return False  # the driver has lost the last one, and would wait for another
        if self._sign is None or self._sign.done():
            self._sign = asyncio.create_task(self._sign_of_life())
        return await asyncio.shield(self._sign)

    async def _sign_of_life(self) -> bool:
        try:
            async with asyncio.timeout(_SIGN_SECONDS):
                await self.ping()
        except (TimeoutError, StoreUnavailable):
            return False
        return True

    async def ping(self) -> None:
        """Ask the database for a sign of life, past the gate. Raises ``StoreUnavailable``."""
        try:
            await self._db.command("ping")
        except PyMongoError as error:
            raise StoreUnavailable("The site's database does not answer; ask again later.") from error

    async def read_ahead(self) -> None:
        """Fetch what most questions read before anybody asks, now and whenever there are new segments; never ends."""
        while True:
            self._changed.clear()
            try:
                segments = [one for dataset in (await self.datasets()).values() for one in dataset.segments]
                fresh = [one for one in segments if one.id not in self._ahead]
                self._ahead = {one.id for one in segments}
                await read_ahead(self._reader, fresh)
            except (StoreUnavailable, Overloaded):
                # A database that is away or busy has questions to answer first; the next change is another occasion.
                self._ahead = set()
            except Exception:  # noqa: BLE001 - whatever it was, questions are answered without, and the next change is another try
                _log.exception("reading ahead failed")
            # Looked at now and then without a question, too: what was purged stays in nobody's memory.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()

    def _read_again(self) -> None:
        self._ahead = set()

    async def datasets(self) -> Mapping[str, Dataset]:
        """Return all datasets with their visible segments, by id; read less than ``freshness.SECONDS`` ago."""
        return (await self._learner.now()).datasets

    async def prepare(self, segments: Sequence[Segment], wanted: Collection[tuple[str, str]]) -> None:
        """Fetch the postings of several (kind, index key) at once, for ``posting`` to find them at hand."""
        await self._reader.postings([segment.id for segment in segments], wanted)

    async def posting(self, segment: Segment, kind: str, keys: Sequence[str]) -> BitMap:
        """Return the live rows found under any of these index keys."""
        held = await self._reader.postings([segment.id], [(kind, key) for key in keys])
        return _living(segment, kind, BitMap.union(BitMap(), *held.values()))

    async def text_posting(self, segment: Segment, kind: str, field: str, pattern: str) -> BitMap:
        """Return the live rows whose text matches a pattern with ``%`` wildcards."""
        prefix = re.escape(f"{field}{RECORDED}")
        return await self._postings(
            segment, kind, {"$regex": rf"^{prefix}{'.*'.join(map(re.escape, pattern.split('%')))}\z", "$options": "s"}
        )

    async def _postings(self, segment: Segment, kind: str, key: Document) -> BitMap:
        rows = BitMap()
        if segment.live.get(kind) or kind in (ALLELE, CASE):
            async with self._reader.asking():
                async for part in self._db["postings"].find(
                    {"s": segment.id, "k": kind, "key": key}, {"rows": 1, "_id": 0}
                ):
                    rows |= decode_rows(part["rows"])
        return _living(segment, kind, rows)

    async def between(self, segment: Segment, kind: str, field: str, low: Bound | None, high: Bound | None) -> BitMap:
        """Return the live rows that have a number in this range in ``field``."""
        where: Document = {"s": segment.id, "k": kind, "f": field}
        if low is not None:
            where["high"] = {"$gte": low.value}
        if high is not None:
            where["low"] = {"$lte": high.value}
        rows = BitMap()
        async with self._reader.asking():
            async for part in self._db["numbers"].find(where, {"data": 1, "_id": 0}):
                arrays = unpack(part["data"])
                values = arrays["values"]
                begin = 0 if low is None else np.searchsorted(values, low.value, "left" if low.inclusive else "right")
                stop = (
                    len(values)
                    if high is None
                    else np.searchsorted(values, high.value, "right" if high.inclusive else "left")
                )
                rows |= bitmap_of(arrays["rows"][begin:stop])
        return _living(segment, kind, rows)

    async def numbers(self, segment: Segment) -> list[Numbers]:
        """Return all numbers of this segment's live rows."""
        listed = []
        async with self._reader.asking():
            async for part in self._db["numbers"].find({"s": segment.id, "k": {"$nin": [ALLELE, CASE]}}, {"_id": 0}):
                arrays = unpack(part["data"])
                live = np.isin(arrays["rows"], numbers_in(segment.live.get(part["k"], BitMap())))
                listed.append(Numbers(part["k"], part["f"], arrays["values"][live], arrays["rows"][live]))
        return listed

    async def neighbours(self, term: str, level: str) -> list[str] | None:
        """Return the terms similar to this one; None where no measure of similarity is stored for its ontology."""
        async with self._reader.asking():
            held = await self._db["terms"].find_one({"_id": term}, {"near": 1})
        return None if held is None or "near" not in held else similarity.decode(term, bytes(held["near"]), level)

    async def links(self, segment: Segment, kind: str) -> Links:
        """Return to whom this kind's rows belong."""
        if not segment.live.get(kind):
            return no_links()
        return await self._reader.array(segment.id, kind, decode_links, needed=True)

    async def column_rows(self, segment: Segment, kind: str) -> NDArray[np.int64]:
        """Return, by column, the row of its run or analysis; -1 where it has none."""
        arrays = await self._reader.array(segment.id, "column_rows", unpacked)
        rows: NDArray[np.int64] = arrays.get(kind, np.empty(0, np.int64))
        return rows

    async def totals(self, segment: Segment) -> NDArray[np.uint32]:
        """Return how many of the segment's alleles each column carries."""
        found: NDArray[np.uint32] = (await self._reader.array(segment.id, "totals", unpacked))["totals"]
        return found

    async def entries(self, segment: Segment, wanted: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Entries]:
        """Return the case-level entries of some tiles' columns, by tile and number of the group of carriers."""
        return await self._reader.entries(segment.id, wanted, (await self.layout(segment)).columns)

    async def cases_of(self, segment: Segment) -> Cases:
        """Return whose the case-level entries are."""
        return await self._reader.array(segment.id, CASE, _cases)

    async def row_of(self, segment: Segment, kind: str, id: str) -> int | None:
        """Return the live row of the record with this id."""
        live = segment.live.get(kind)
        row = await self._reader.row_of(segment.id, kind, id) if live else None
        return row if row is not None and live and row in live else None

    async def records(self, segment: Segment, kind: str, rows: Sequence[int]) -> list[bytes]:
        """Return encoded records in the order of ``rows``."""
        found = await self._by_row(segment, kind, rows, "b")
        if len(found) < len(set(rows)):
            raise gone()
        return [bytes(found[row]) for row in rows]

    async def record_ids(self, segment: Segment, kind: str, rows: Iterable[int]) -> dict[int, str]:
        """Return the ids of these rows of runs or analyses."""
        return await self._by_row(segment, kind, list(rows), "i")

    async def names(self, people: str, kind: str, ordinals: Iterable[int]) -> dict[int, str]:
        """Return the ids of these individuals or biosamples of a dataset (its ``people``), by ordinal."""
        where = {"d": people, "k": kind, "o": {"$in": list(ordinals)}}
        async with self._reader.asking():
            return {part["o"]: part["i"] async for part in self._db["people"].find(where, {"o": 1, "i": 1, "_id": 0})}

    async def ordinals(self, people: str, kind: str, ids: Iterable[str]) -> dict[str, int]:
        """Return the ordinals of those individuals or biosamples that a dataset (its ``people``) has ever known."""
        where = {"d": people, "k": kind, "i": {"$in": list(ids)}}
        async with self._reader.asking():
            return {part["i"]: part["o"] async for part in self._db["people"].find(where, {"o": 1, "i": 1, "_id": 0})}

    async def _by_row(self, segment: Segment, kind: str, rows: Sequence[int], wanted: str) -> dict[int, Any]:
        if not rows:
            return {}
        where = {"s": segment.id, "k": kind, "r": {"$in": list(rows)}}
        async with self._reader.asking():
            return {
                part["r"]: part[wanted]
                for part in await self._records.find(where, {"r": 1, wanted: 1, "_id": 0}).to_list()
            }

    async def heads(
        self, segment: Segment, predicate: AllelePredicate, *, calls: bool = False, counting: bool = False
    ) -> Heads:
        """Return positions and places of the alleles that match; see ``Store.heads``."""
        return await (await self._finder(segment)).find(predicate, calls=calls, counting=counting)

    async def page(
        self, segment: Segment, predicate: AllelePredicate, begin: int, stop: int
    ) -> tuple[Heads, int] | None:
        """Return a page of the alleles that match, and how many do; None where memory does not tell which it is."""
        return await (await self._finder(segment)).page(predicate, begin, stop)

    async def heads_of_column(
        self, segment: Segment, blocks: Sequence[int], column: int, enough: int
    ) -> tuple[Heads, int]:
        """Return the alleles of these blocks that a column carries, in position order, and how many blocks those are.

        The blocks that follow the one with which there are ``enough`` are not looked into. Of a single block the texts
        are read too: it is the first of a page.
        """
        calls = ["rare", f"tile{column // TILE}"]
        texts = map(text_part, range(0, BlockBuilder.MAX_ALLELES, TEXTS)) if len(blocks) == 1 else ()
        names = ["head", *calls, *texts]
        held = await self._reader.of_blocks(segment.id, dict.fromkeys(blocks, names))
        layout = await self.layout(segment)
        found: list[tuple[str, int, Arrays]] = []
        how: list[NDArray[np.int8]] = []
        for block, parts in held.items():
            one = Calls(parts["head"], {name: parts[name] for name in calls}, layout.columns).of_column(column)
            found.append((layout.run_of(block).chrom, block, parts["head"]))
            how.append(one)
            enough -= int(np.count_nonzero(one >= 0))
            if enough <= 0:
                break
        return heads_of_column(found, column, how), len(how)

    async def count(self, segment: Segment, predicate: AllelePredicate) -> int | None:
        """Return how many alleles match, whoever carries them, where that is told without looking at each."""
        return await (await self._finder(segment)).count(predicate)

    async def layout(self, segment: Segment) -> Layout:
        """Return where a segment's alleles lie."""
        return await self._reader.layout(segment.id, needed=segment.variants > 0)

    async def _finder(self, segment: Segment) -> AlleleFinder:
        async def postings(keys: Sequence[str]) -> dict[str, BitMap]:
            held = await self._reader.postings([segment.id], [(WRITTEN, key) for key in keys])
            return {key: rows for (_, _, key), rows in held.items()}

        async def of_name(vrs: str) -> BitMap:
            async with self._reader.asking():
                found = self._db["names"].find({"s": segment.id, "v": vrs}, {"x": 1, "_id": 0})
                return BitMap([part["x"] async for part in found])

        outline = self._reader.outline(segment.id)
        return AlleleFinder(
            segment.id, await self.layout(segment), self._reader.parts, postings, of_name, self._reader.has, outline
        )

    async def calls(
        self, segment: Segment, heads: Heads, *, columns: BitMap | None = None, sets: bool = False, texts: bool = False
    ) -> dict[int, Calls]:
        """Return the calls of the blocks of these alleles, by block, as far as they are about these alleles."""
        assert heads.calls is None, "places in an outline are not those of blocks"
        width = (await self.layout(segment)).columns
        carriers = heads.carriers
        common = is_common(carriers, width)
        of_rare = set(distinct(heads.block[~common & (carriers > 0)]))
        # Of rare carriers, what is needed of the head goes along.
        also = ["sets"] if sets else []
        names = {block: ["rare" if block in of_rare else "head", *also] for block in distinct(heads.block)}
        if common.any():
            wanted = [f"tile{tile}" for tile in (tiles(width) if columns is None else tiles_of(columns))]
            for block in distinct(heads.block[common]):
                names[block] += wanted
        more = dict(names)
        if texts:
            for block, rows in by_block(zip(heads.block.tolist(), heads.row.tolist(), strict=True)).items():
                more[block] = list(dict.fromkeys((*names[block], "head", *map(text_part, rows))))
        held = await self._reader.of_blocks(segment.id, more)
        return {
            block: Calls(held[block][some[0]], {name: held[block][name] for name in some if name != "head"}, width)
            for block, some in names.items()
        }

    async def alleles(self, segment: Segment, places: Sequence[tuple[int, int]]) -> list[StoredAllele]:
        """Return the alleles at these (block, row) places, in that order."""
        if not places:
            return []
        layout = await self.layout(segment)
        rows = by_block(places)
        names = {block: ["head", *dict.fromkeys(map(text_part, some))] for block, some in rows.items()}
        held = await self._reader.of_blocks(segment.id, names)
        found = {
            (block, one.row): one
            for block, some in rows.items()
            for one in stored_alleles(segment.id, layout, block, some, held[block]["head"], held[block])
        }
        stored = [found[place] for place in places]
        if not (await self._learner.now()).references:
            return stored  # no allele has a name
        told = await self._names_of(segment, [int(layout.first[block]) + row for block, row in places])
        return [named(one, told.get(int(layout.first[one.block]) + one.row)) for one in stored]

    async def _names_of(self, segment: Segment, ordinals: Sequence[int]) -> dict[int, Document]:
        async with self._reader.asking():
            found = self._db["names"].find({"s": segment.id, "x": {"$in": list(ordinals)}})
            return {part["x"]: part async for part in found}

    async def cases(self, segment: Segment, ids: Sequence[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
        """Return what was recorded of single carriers, by (variant id, column)."""
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        async with self._reader.asking():
            async for part in self._db["cases"].find({"s": segment.id, "v": {"$in": list(ids)}}):
                found.setdefault((part["v"], part["c"]), []).append(orjson.loads(part["b"]))
        return found

    def recall(self, segment: Segment, what: tuple[Any, ...]) -> Any:
        """Return what was remembered, None where it was not or has been given up."""
        return self._reader.recall((segment.id, *what))

    def remember(self, segment: Segment, what: tuple[Any, ...], value: Any, size: int) -> None:
        """Keep something of so many bytes that was worked out of a segment's own data, as long as there is room."""
        self._reader.remember((segment.id, *what), value, size)

    async def references(self) -> Sequence[Reference]:
        """Return all reference sequences that are there."""
        return (await self._learner.now()).references

    async def reference(self, assembly: str, chrom: str) -> Reference | None:
        """Return the reference sequence of a chromosome, None where it is not there."""
        held = (await self._learner.now()).references
        return next((one for one in held if (one.assembly, one.chrom) == (assembly, chrom)), None)

    async def bases(self, reference: Reference, start: int, end: int) -> str | None:
        """Return bases [start, end) of a sequence, upper case; None where another has just taken its place."""
        async with self._reader.asking():
            found = self._db["bases"].find({"_id": {"$in": chunk_ids(reference, start, end)}})
            return cut({part["_id"]: part["b"] async for part in found}, reference, start, end)

    async def gene(self, name: str) -> Gene | None:
        """Return what the tables of genes say of this symbol or id, None where they say nothing."""
        if not (await self._learner.now()).genes:
            return None
        async with self._reader.asking():
            return decode_gene([part async for part in self._db["genes"].find({"_id": {"$in": gene_ids(name)}})])

    async def terms(self, segment: Segment) -> list[Term]:
        """Return every filter under which this segment has live rows."""
        listed = []
        # Where nobody was genotyped, alleles are all that there is; where nobody who was is left, there is nothing.
        kinds = KINDS if COLUMN in segment.live else (*KINDS, ALLELE)
        where = {"s": segment.id, "$or": [{"k": kind, **keys} for kind in kinds for keys in _listed_keys(kind)]}
        async with self._reader.asking():
            async for part in self._db["postings"].find(where, {"_id": 0, "s": 0}):
                rows = _living(segment, part["k"], decode_rows(part["rows"]))
                if rows:
                    listed.append(Term(part["k"], part["key"], part["label"], rows))
        return listed

    async def known_term(self, term: str) -> bool | None:
        """Say whether an ontology stored here has this term; None where its ontology is not stored."""
        async with self._reader.asking():
            if await self._db["terms"].find_one({"_id": term}, {"_id": 1}):
                return True
            held = await self._db["ontologies"].find_one({"_id": term.partition(":")[0]}, {"_id": 1})
        return False if held else None

    async def successor(self, term: str) -> str | None:
        """Return what an ontology stored here has in place of a former or obsolete term; None where it has nothing."""
        following = await self._successors_in(term.partition(":")[0])
        seen = {term}
        while (new := following.get(term)) is not None and new not in seen:
            seen.add(term := new)
        return term if len(seen) > 1 else None

    async def _successors_in(self, prefix: str) -> Mapping[str, str]:
        """Return the former and obsolete terms of an ontology with what it has in their place, read now and then."""
        now = time.monotonic()
        until, following = self._successors.get(prefix, (0.0, {}))
        if now >= until:
            async with self._reader.asking():
                held = await self._db["ontologies"].find_one({"_id": prefix}, {"replaced": 1, "former": 1}) or {}
            following = {old: new for name in ("former", "replaced") for old, new in held.get(name, ()) if new}
            if len(self._successors) >= _ONTOLOGIES:
                self._successors.clear()
            self._successors[prefix] = now + _LOOK_SECONDS, following
        return following

    async def terms_above(self, term: str) -> frozenset[str] | None:
        """Return a term and all that is above it in its ontology; None where what is stored does not tell."""
        async with self._reader.asking():
            found = await self._db["terms"].find_one({"_id": term}, {"above": 1})
        return frozenset(found["above"]) | {term} if found and "above" in found else None

    async def ontologies(self) -> list[dict[str, Any]]:
        """Return the stored ontologies as Phenopackets resources."""
        async with self._reader.asking():
            return [part["resource"] async for part in self._db["ontologies"].find({}, {"resource": 1}).sort("_id", 1)]


def _listed_keys(kind: str) -> Iterator[Document]:
    """Yield what is asked of index keys that are listed, which those of fields with a value per record are not."""
    entry_type = ENTRY_TYPES.get("genomicVariant" if kind == ALLELE else kind)
    rows = entry_type.fields if entry_type else ()
    begin: Document = {}
    for name in sorted(row.id for row in rows if row.open and not row.whole):
        yield {"key": {**begin, "$lt": f"{name}{RECORDED}", **_LISTED}}
        begin = {"$gte": f"{name}{chr(ord(RECORDED) + 1)}"}
    yield {"key": {**begin, **_LISTED}}


def _living(segment: Segment, kind: str, rows: BitMap) -> BitMap:
    return rows if kind in (ALLELE, CASE) else rows & segment.live.get(kind, BitMap())


def _cases(data: bytes) -> Cases:
    if not data:
        return Cases(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0, np.uint32))
    arrays = unpack(data)
    return Cases(arrays["variants"], arrays["columns"], arrays["alleles"])
