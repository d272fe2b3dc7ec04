"""Reading what segments consist of: postings, parts of blocks and arrays, kept in memory up to a bound.

None of it ever changes, save that an ontology's new version makes the postings of terms anew (``forget``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pyroaring import BitMap

from beacon.errors import StoreUnavailable
from beacon.store.blocks import ALWAYS, ends_id, layout_id, part_id
from beacon.store.calls import TILE
from beacon.store.commons import Commons
from beacon.store.documents import Document, decode_rows
from beacon.store.fragments import Entries, decode_fragments, fragments_kind, fragments_of, tile_of
from beacon.store.gate import Gate
from beacon.store.heads import identity
from beacon.store.kept import Kept
from beacon.store.layout import NOTHING, Layout
from beacon.store.outline import Outline, OutlineBuilder, Places
from beacon.store.packing import Arrays, unpack, unpack_when_asked
from beacon.store.rows import RowsById, decode_first, rows_kind

_log = logging.getLogger("skerry")

T = TypeVar("T")
Place = tuple[str, str, str]
"""Segment, kind and index key."""

_POSTING: Final = {"s": 1, "k": 1, "key": 1, "rows": 1, "_id": 0}
_VALUE_BYTES: Final = 400
_ARRAY_BYTES: Final = 170
"""What a value takes in memory besides its data, and each array of a part."""
_AT_ONCE: Final = 200
_OUTLINED_AT_ONCE: Final = 8
"""Few, since other questions wait meanwhile."""
_EARLY: Final = 0.01
"""Before this part of an outline is written, nothing tells how much memory it will take."""
_PATIENCE_SECONDS: Final = 0.2


class Reader:
    """Reads from the collections of one database; every operation passes the gate."""

    def __init__(
        self, db: AsyncDatabase[Document], gate: Gate, kept_bytes: int, commons: Commons | None = None
    ) -> None:
        # Made once: the driver takes as long for one as for a tenth of a reading.
        self._postings, self._blocks, self._arrays = db["postings"], db["blocks"], db["arrays"]
        self._gate = gate
        self._kept = Kept(kept_bytes)
        self._commons = commons or Commons()
        self._era = 0
        self._shown: Collection[str] | None = None

    @property
    def room(self) -> float:
        """Which part of the memory for what is kept is still free."""
        return self._kept.room

    def has_room_for(self, size: int, least_room: float, *, shared: bool = False) -> bool:
        """Whether so many bytes, or a worker's share of so many, would leave at least this part of the memory free."""
        size = self._share(size) if shared else size
        return self._kept.room - size / self._kept.limit >= least_room

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Hold a place of the gate. Raises ``Overloaded``, and ``StoreUnavailable`` for whatever MongoDB raises."""
        async with self._gate:
            try:
                yield
            except PyMongoError as error:
                raise StoreUnavailable("The site's database does not answer; ask again later.") from error

    def forget(self) -> None:
        """Keep nothing of what was read, and of what is being read."""
        self._era += 1
        self._kept.clear()

    def keep_only(self, segments: Collection[str]) -> None:
        """Keep nothing of other segments than these: what is gone takes no memory, and purged data are not in it."""
        self._shown = segments
        self._kept.drop(lambda key: _segment_of(key) not in segments)

    def _keep(self, era: int, key: str | tuple[Any, ...], value: T, size: int) -> T:
        # A question that began before a segment was replaced may still be reading it.
        if era != self._era or (self._shown is not None and _segment_of(key) not in self._shown):
            return value
        return self._kept.put(key, value, size)

    async def postings(self, segments: Collection[str], wanted: Collection[tuple[str, str]]) -> dict[Place, BitMap]:
        """Return what lies under several (kind, index key) of several segments, whether live or not."""
        held = {(id, *pair): self._kept.get((id, *pair)) for id in segments for pair in wanted}
        if missing := [place for place, rows in held.items() if rows is None]:
            era = self._era
            ids, kinds, keys = (set(values) for values in zip(*missing, strict=True))
            where = {"s": _any(ids), "k": _any(kinds), "key": _any(keys)}
            async with self.asking():
                found = await self._postings.find(where, _POSTING).to_list()
            data = {(part["s"], part["k"], part["key"]): part["rows"] for part in found}
            for place in missing:
                held[place] = self._keep_posting(era, place, data.get(place))
        return held

    def _keep_posting(self, era: int, place: Place, rows: bytes | None) -> BitMap:
        if not rows:
            return self._keep(era, place, BitMap(), _VALUE_BYTES)
        return self._keep(era, place, decode_rows(rows), len(rows) + _VALUE_BYTES)

    async def read_postings(self, segment: str, kind: str, least_room: float) -> None:
        """Keep the postings of a kind for later, while at least this part of the memory stays free."""
        era = self._era
        last = ""
        while self.room >= least_room:
            # A few at a time, so that no question waits long for the place in the gate.
            async with self.asking():
                where = {"s": segment, "k": kind, "key": {"$gt": last}}
                found = await self._postings.find(where, _POSTING).sort("key").limit(_AT_ONCE).to_list()
            for part in found:
                self._keep_posting(era, (segment, kind, part["key"]), part["rows"])
            if len(found) < _AT_ONCE:
                return
            last = found[-1]["key"]

    async def parts(self, ids: Iterable[str]) -> dict[str, Arrays]:
        """Return parts of blocks by id; those that are not there are empty. Raises ``StoreUnavailable``."""
        held = {id: self._kept.get(id) for id in ids}
        if missing := [id for id, part in held.items() if part is None]:
            era = self._era
            for id, data in (await self._part_bytes(missing)).items():
                arrays = unpack_when_asked(data) if data else {}
                held[id] = self._keep(era, id, arrays, len(data) + _VALUE_BYTES + _ARRAY_BYTES * len(arrays))
        return held

    def has(self, id: str) -> bool:
        """Whether a part of a block is in memory."""
        return id in self._kept

    async def of_blocks(self, segment: str, names: Mapping[int, Sequence[str]]) -> dict[int, dict[str, Arrays]]:
        """Return the named parts of some blocks, by block and name. Raises ``StoreUnavailable``."""
        ids = {block: {name: part_id(segment, block, name) for name in some} for block, some in names.items()}
        held = await self.parts([id for some in ids.values() for id in some.values()])
        return {block: {name: held[id] for name, id in some.items()} for block, some in ids.items()}

    async def _part_bytes(self, ids: Collection[str]) -> dict[str, bytes]:
        async with self.asking():
            # Whole documents: MongoDB takes longer to leave out the little that is not needed.
            listed = await self._blocks.find({"_id": _any(ids)}).to_list()
        found = {part["_id"]: bytes(part["d"]) for part in listed}
        if any(id not in found and id.endswith(ALWAYS) for id in ids):
            raise gone()
        return {id: found.get(id, b"") for id in ids}

    def recall(self, key: tuple[Any, ...]) -> Any:
        """Return what was remembered under a key that begins with a segment; None where it is not there."""
        return self._kept.get(key)

    def remember(self, key: tuple[Any, ...], value: Any, size: int) -> None:
        """Keep a value of so many bytes under such a key."""
        self._keep(self._era, key, value, size + _VALUE_BYTES)

    def outline(self, segment: str) -> Outline | None:
        """Return the outline of a segment where there is one in memory."""
        held: Outline | None = self._kept.get((segment, "outline"))
        return held

    async def read_outline(self, segment: str, layout: Layout, least_room: float) -> Outline | None:
        """Keep the outline of a segment: the one that another worker has, or one read from the whole segment.

        It tells of rare alleles where that leaves this part of the memory free. None where memory cannot be shared.
        Raises ``StoreUnavailable``.
        """
        era = self._era
        places = Places.of(layout, self._kept.limit * self._commons.workers)
        try:
            while True:
                with self._commons.making(segment) as may:
                    outline = Outline.over(layout, places, self._commons.find(segment, places.size))
                    if outline is None and may:
                        piece = self._commons.make(segment, places.size)
                        if piece is None:
                            return None
                        builder = OutlineBuilder(layout, places, piece)
                        outline = await self._outlined(segment, layout, builder, least_room)
                    if outline is not None:
                        shared = self._commons.offer(segment, outline.piece)
                        size = self._share(outline.nbytes) if shared else outline.nbytes
                        return self._keep(era, (segment, "outline"), outline, size)
                await asyncio.sleep(_PATIENCE_SECONDS)
        except OSError as error:
            _log.warning("memory for an outline is not to be had, so that more is read from the database: %s", error)
            return None

    async def _outlined(self, segment: str, layout: Layout, builder: OutlineBuilder, least_room: float) -> Outline:
        blocks = range(len(layout.low))
        for some in in_steps(blocks, _OUTLINED_AT_ONCE):
            self._look_at_room(builder, some[0] / len(blocks), least_room)
            names = ("head", "rare") if builder.tells_rare else ("head",)
            data = await self._part_bytes([part_id(segment, block, name) for block in some for name in names])
            for block in some:
                head, rare = (unpacked(data.get(part_id(segment, block, name), b"")) for name in ("head", "rare"))
                builder.add(block, head, rare)
        for parts in in_steps(range(len(layout.ends_low)), 2 * _OUTLINED_AT_ONCE):
            data = await self._part_bytes([ends_id(segment, part) for part in parts])
            for part in parts:
                builder.add_ends(part, unpacked(data[ends_id(segment, part)]))
        self._look_at_room(builder, 1.0, least_room)
        return builder.finish()

    def _look_at_room(self, builder: OutlineBuilder, done: float, least_room: float) -> None:
        """Have an outline of which this part is written do without rare alleles where all of it would take too much."""
        if (
            builder.tells_rare
            and done > _EARLY
            and not self.has_room_for(int(builder.taken / done), least_room, shared=True)
        ):
            builder.leave_rare()

    def _share(self, size: int) -> int:
        """Return what counts as this worker's of something that all share."""
        return size // self._commons.workers

    async def layout(self, segment: str, *, needed: bool) -> Layout:
        """Return where a segment's alleles lie. Raises ``StoreUnavailable`` where a ``needed`` one is not there."""
        id = layout_id(segment)
        if (held := self._kept.get(id)) is not None:
            kept: Layout = held
            return kept
        era = self._era
        async with self.asking():
            found = await self._blocks.find_one({"_id": id})
        if found is None and needed:
            raise gone()
        layout = NOTHING if found is None else Layout.decode(bytes(found["d"]))
        return self._keep(era, id, layout, layout.nbytes)

    async def array(self, segment: str, kind: str, decode: Callable[[bytes], T], *, needed: bool = False) -> T:
        """Return an array of a segment, decoded from its bytes.

        Where it is not there it is decoded from none, or, if ``needed``, ``StoreUnavailable`` raised.
        """
        key = (segment, kind)
        if (held := self._kept.get(key)) is not None:
            kept: T = held
            return kept
        era = self._era
        async with self.asking():
            found = await self._arrays.find_one({"s": segment, "k": kind}, {"data": 1})
        if found is None and needed:
            raise gone()
        data = bytes(found["data"]) if found else b""
        return self._keep(era, key, decode(data), len(data) + _VALUE_BYTES)

    async def row_of(self, segment: str, kind: str, id: str) -> int | None:
        """Return the row of the record with this id, live or not. Raises ``StoreUnavailable``."""
        key = np.uint64(identity(id))
        number = int((await self._first_ids(segment, kind)).searchsorted(key, "right")) - 1
        return None if number < 0 else (await self._rows_by_id(segment, kind, number)).get(key)

    async def read_rows(self, segment: str, kind: str, least_room: float) -> None:
        """Keep the rows of a kind by id for later, while at least this part of the memory stays free."""
        for number in range(len(await self._first_ids(segment, kind))):
            if self.room < least_room:
                return
            await self._rows_by_id(segment, kind, number)

    async def _first_ids(self, segment: str, kind: str) -> NDArray[np.uint64]:
        return await self.array(segment, rows_kind(kind), decode_first, needed=True)

    async def _rows_by_id(self, segment: str, kind: str, number: int) -> RowsById:
        return await self.array(segment, rows_kind(kind, number), RowsById.decode, needed=True)

    async def entries(
        self, segment: str, wanted: Collection[tuple[int, int]], columns: int
    ) -> dict[tuple[int, int], Entries]:
        """Return the case-level entries of some tiles' columns, by tile and number of the group of carriers.

        ``columns`` is how many the segment has. Raises ``StoreUnavailable``.
        """
        held = {place: self._kept.get((segment, "entries", *place)) for place in wanted}
        if missing := [place for place, entries in held.items() if entries is None]:
            era = self._era
            fragments = await self._fragments(segment, {tile for tile, _ in missing}, columns)
            for tile, group in missing:
                entries = Entries.of(fragments[tile], group)
                key = (segment, "entries", tile, group)
                held[tile, group] = self._keep(era, key, entries, entries.nbytes + _VALUE_BYTES)
        return held

    async def _fragments(self, segment: str, tiles: Collection[int], columns: int) -> dict[int, list[bytes]]:
        """Return whose the columns of some tiles are."""
        kinds = {fragments_kind(number): number for tile in tiles for number in fragments_of(tile)}
        async with self.asking():
            where = {"s": segment, "k": _any(kinds)}
            listed = await self._arrays.find(where, {"k": 1, "data": 1, "_id": 0}).to_list()
        found: dict[int, list[bytes]] = {tile: [] for tile in tiles}
        for part in sorted(listed, key=lambda part: kinds[part["k"]]):
            found[tile_of(kinds[part["k"]])] += decode_fragments(bytes(part["data"]))
        # Where one document is gone already, the others would name the wrong people.
        if any(len(held) != min(TILE, columns - tile * TILE) for tile, held in found.items()):
            raise gone()
        return found


def in_steps(ids: Sequence[T], step: int) -> Iterator[Sequence[T]]:
    """Yield some ids or numbers after another."""
    return (ids[begin : begin + step] for begin in range(0, len(ids), step))


def _segment_of(key: str | tuple[Any, ...]) -> str:
    return key.partition("/")[0] if isinstance(key, str) else str(key[0])


def unpacked(data: bytes) -> Arrays:
    """Return packed arrays; none where there are no bytes."""
    return unpack(data) if data else {}


def gone() -> StoreUnavailable:
    """Return the error for a segment that was garbage before a question was through with it."""
    return StoreUnavailable("The data asked for have just been replaced; ask again.")


def _any(values: Collection[str]) -> Any:
    """Return the condition that a field has one of these values."""
    return next(iter(values)) if len(values) == 1 else {"$in": list(values)}
