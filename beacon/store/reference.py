"""Reference sequences in chunks, and the names that alleles get from them.

references   one document per assembly and chromosome: length, digest, the key of its chunks
bases        chunks of ``CHUNK`` bases, upper case; ``_id`` is the key and the chunk's number
names        ``v`` is an allele's VRS id, ``sh`` how far an insertion or deletion can be moved left and right

A sequence is written under a new key first and becomes visible when its document points there. Every allele gets
its names: those that are loaded later when they are loaded, those that are there when the sequence comes. Where both
happen at once, ``settle`` and ``index_alleles`` overlap: the load looks for newer sequences after its last allele is
written, and the sequence's loader looks at all alleles after its document is.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from pymongo import DeleteOne, ReplaceOne
from pymongo.database import Database

from beacon.errors import LoadError
from beacon.model.bases import may_agree
from beacon.model.edit import Contradiction, Edit, Normal, normal
from beacon.model.genome import Reference
from beacon.model.variant import Allele, is_sequence
from beacon.model.vrs import allele_id, digest_of
from beacon.store.documents import Document
from beacon.store.segments import alleles_of, read_layout

CHUNK = 1 << 16
LONGEST = 100_000
"""Alleles that replace more bases than this are not moved about, and get no names."""
_BATCH = 2_000

Tell = Callable[[int], None]


def chunk_ids(reference: Reference, start: int, end: int) -> list[str]:
    """Return the ids of the chunks that hold bases [start, end)."""
    return [f"{reference.key}:{number}" for number in range(start // CHUNK, (max(end, start + 1) - 1) // CHUNK + 1)]


def cut(chunks: Mapping[str, bytes], reference: Reference, start: int, end: int) -> str | None:
    """Return bases [start, end) from their chunks, by id; None where one is missing."""
    wanted = chunk_ids(reference, start, end)
    if any(id not in chunks for id in wanted):
        return None
    begin = start // CHUNK * CHUNK
    whole = chunks[wanted[0]] if len(wanted) == 1 else b"".join(chunks[id] for id in wanted)
    return whole[start - begin : end - begin].decode()


def decode_reference(document: Document) -> Reference:
    """Decode a sequence's document."""
    return Reference(
        document["a"], document["c"], document["length"], document["digest"], document["key"], document["indexed"]
    )


def reference_id(assembly: str, chrom: str) -> str:
    """Return the id of a sequence's document."""
    return f"{assembly}:{chrom}"


def store_sequence(
    db: Database[Document], assembly: str, chrom: str, pieces: Iterable[bytes], length: int | None, source: str
) -> tuple[Reference, bool]:
    """Store one chromosome's sequence, given in pieces of upper-case bases; return it, and whether it is new.

    The one that was there is replaced, unless it is the same. Raises ``LoadError`` where the sequence does not have
    the ``length`` that it should have; nothing is changed then.
    """
    key, total, sha512 = uuid.uuid4().hex, 0, hashlib.sha512()
    try:
        for number, chunk in enumerate(_chunks(pieces)):
            db["bases"].insert_one({"_id": f"{key}:{number}", "t": datetime.now(UTC), "b": chunk})
            total += len(chunk)
            sha512.update(chunk)
        if length is not None and total != length:
            raise LoadError(
                f"chromosome {chrom} has {total:,} bases in {source}, but {length:,} in {assembly}; "
                "is this the right assembly? (a small sequence for tests is loaded with --partial)",
                where=chrom,
            )
        found = Reference(assembly, chrom, total, digest_of(sha512.digest()), key, indexed=False)
        id = reference_id(assembly, chrom)
        held = db["references"].find_one({"_id": id})
        if held is not None and held["digest"] == found.digest and held["length"] == total:
            remove_chunks(db, key)
            return decode_reference(held), False
        document = {"a": assembly, "c": chrom, "length": total, "digest": found.digest, "key": key, "indexed": False}
        db["references"].replace_one({"_id": id}, document | {"source": source}, upsert=True)
    except BaseException:
        remove_chunks(db, key)
        raise
    if held is not None:
        remove_chunks(db, held["key"])
    return found, True


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        while len(rest) >= CHUNK:
            yield bytes(rest[:CHUNK])
            del rest[:CHUNK]
    if rest:
        yield bytes(rest)


def remove_chunks(db: Database[Document], key: str) -> None:
    """Delete the chunks under a key."""
    db["bases"].delete_many({"_id": {"$gte": f"{key}:", "$lt": f"{key};"}})


def sweep(db: Database[Document]) -> None:
    """Delete chunks that belong to no sequence and are a day old: a loader that was killed left them."""
    kept = {held["key"] for held in db["references"].find({}, {"key": 1})}
    old = datetime.now(UTC) - timedelta(days=1)
    for first in db["bases"].find({"_id": {"$regex": ":0$"}, "t": {"$lt": old}}, {"_id": 1}):
        if (key := first["_id"].partition(":")[0]) not in kept:
            remove_chunks(db, key)


class Namer:
    """Names alleles after the sequences that are there; keeps what it read last, for alleles in position order."""

    def __init__(self, db: Database[Document]) -> None:
        self._db = db
        self._references: dict[tuple[str, str], Reference | None] = {}
        self._chunks: dict[str, bytes] = {}

    def use(self, reference: Reference) -> None:
        """Take a sequence as it is given, without looking for it."""
        self._references[reference.assembly, reference.chrom] = reference

    def names(self, allele: Allele) -> Document:
        """Return the fields that hold an allele's names; none where it has no bases, or its sequence is not there."""
        place = (allele.assembly, allele.chrom)
        if place not in self._references:
            held = self._db["references"].find_one({"_id": reference_id(*place)}) if allele.chrom else None
            self._references[place] = decode_reference(held) if held else None
        reference = self._references[place]
        if reference is None or not is_sequence(allele.alt) or len(allele.ref) > LONGEST:
            return {}
        found = self._normal(reference, allele)
        if found is None:
            return {}
        start, ref, alt = found.justified
        named: Document = {"v": allele_id(reference.digest, start, start + len(ref), alt)}
        return named if found.ref and found.alt else named | {"sh": [found.left, found.right]}

    def settle(self, segment: str) -> None:
        """Name a segment's alleles after sequences that came since its load began."""
        for (assembly, chrom), used in self._references.items():
            held = self._db["references"].find_one({"_id": reference_id(assembly, chrom)})
            if held is not None and (used is None or held["key"] != used.key):
                index_segment(self._db, segment, decode_reference(held))

    def _normal(self, reference: Reference, allele: Allele) -> Normal | None:
        start, ref, alt = allele.minimal
        end = start + len(ref)
        if ref and alt:  # most alleles: nothing can be moved
            there = self._bases(reference, start, end) if end <= reference.length else None
            return Normal(start, ref, alt) if there is not None and all(map(may_agree, ref, there)) else None
        asking = normal(Edit(start, end, ref, alt), reference.length)
        try:
            wanted = next(asking)
            while True:
                bases = self._bases(reference, *wanted)
                if bases is None:
                    return None
                wanted = asking.send(bases)
        except StopIteration as done:
            found: Normal = done.value
            return found
        except (Contradiction, ValueError):
            # The file was made with another sequence: no name would be true.
            return None

    def _bases(self, reference: Reference, start: int, end: int) -> str | None:
        missing = [id for id in chunk_ids(reference, start, end) if id not in self._chunks]
        if missing:
            if len(self._chunks) > 16:
                self._chunks.clear()
            wanted = chunk_ids(reference, start, end)
            self._chunks |= {part["_id"]: part["b"] for part in self._db["bases"].find({"_id": {"$in": wanted}})}
        return cut(self._chunks, reference, start, end)


def index_alleles(db: Database[Document], reference: Reference, tell: Tell) -> tuple[int, int]:
    """Name all alleles on a sequence after it; return how many got a name, and how many have bases but got none."""
    named = unnamed = 0
    for part in db["segments"].find({}, {"_id": 1}):
        some, others = index_segment(db, part["_id"], reference, tell)
        named, unnamed = named + some, unnamed + others
    id = reference_id(reference.assembly, reference.chrom)
    db["references"].update_one({"_id": id, "key": reference.key}, {"$set": {"indexed": True}})
    return named, unnamed


def index_segment(
    db: Database[Document], segment: str, reference: Reference, tell: Tell | None = None
) -> tuple[int, int]:
    """Name the alleles of one segment on one sequence; return how many got a name and how many with bases none."""
    namer = Namer(db)
    namer.use(reference)
    writes: list[ReplaceOne[Document] | DeleteOne] = []
    named = unnamed = 0
    layout = read_layout(db, segment)
    for stored in alleles_of(db, segment, layout, layout.within(reference.assembly, reference.chrom, placeless=False)):
        names = namer.names(stored.allele)
        named += bool(names)
        unnamed += not names and is_sequence(stored.allele.alt)
        if tell is not None:
            tell(1)
        where = {"s": segment, "x": int(layout.first[stored.block]) + stored.row}
        writes.append(ReplaceOne(where, where | names, upsert=True) if names else DeleteOne(where))
        if len(writes) >= _BATCH:
            db["names"].bulk_write(writes, ordered=False)
            writes = []
    if writes:
        db["names"].bulk_write(writes, ordered=False)
    return named, unnamed
