"""Reading a segment's alleles block by block, for whatever goes through all of them: naming, counting, export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from pymongo.database import Database

from beacon.model.calls import GROUPS
from beacon.model.variant import Allele
from beacon.store.base import Came, StoredAllele
from beacon.store.blocks import TEXTS, layout_id, part_id, text_part, texts_of
from beacon.store.calls import Calls, tiles
from beacon.store.documents import Document
from beacon.store.layout import NOTHING, Layout, Run
from beacon.store.packing import Arrays, unpack

_AT_ONCE: Final = 16
_NUMBERS: Final = ("start", "end", "length", "kind", "count", "number", *GROUPS, "missing")


def stored_alleles(
    segment: str, layout: Layout, block: int, rows: Sequence[int], head: Arrays, texts: Mapping[str, Arrays]
) -> Iterator[StoredAllele]:
    """Yield some alleles of a block from its head and its parts of texts, without names from a reference sequence."""
    run = layout.run_of(block)
    at = np.asarray(rows)
    numbers = (head[name].take(at).tolist() for name in _NUMBERS)
    spelled = (texts_of(texts[text_part(row)], row) for row in rows)
    for row, text, start, end, length, kind, count, number, *called in zip(rows, spelled, *numbers, strict=True):
        ref, alt, label, mate, came, body = text
        known = called[0] >= 0
        allele = Allele(
            run.assembly, run.chrom, start, end, ref, alt, layout.kinds[kind], length if length >= 0 else None,
            label, mate,
        )  # fmt: skip
        counted = number >= 0
        yield StoredAllele(
            segment, allele, allele.id, block, row,
            sum(called[:-1]) if known else None, count if counted else None, number if counted else None,
            body, tuple(called) if known else None, came=Came(*came),
        )  # fmt: skip


def named(stored: StoredAllele, names: Mapping[str, Any] | None) -> StoredAllele:
    """Return an allele with what a document of ``names`` says of it."""
    if names is None:
        return stored
    return stored._replace(vrs=names.get("v"), moves=tuple(names["sh"]) if "sh" in names else None)


def read_layout(db: Database[Document], segment: str) -> Layout:
    """Return where a segment's alleles lie."""
    found = db["blocks"].find_one({"_id": layout_id(segment)})
    return NOTHING if found is None else Layout.decode(bytes(found["d"]))


def read_parts(db: Database[Document], ids: Iterable[str]) -> dict[str, Arrays]:
    """Return parts of blocks by id; those that are not there are empty."""
    wanted = list(ids)
    found = {part["_id"]: bytes(part["d"]) for part in db["blocks"].find({"_id": {"$in": wanted}}, {"d": 1})}
    return {id: unpack(found[id]) if id in found else {} for id in wanted}


def alleles_of(db: Database[Document], segment: str, layout: Layout, runs: Iterable[Run]) -> Iterator[StoredAllele]:
    """Yield all alleles of some runs in their order, without names from a reference sequence."""
    for run in runs:
        for begin in range(run.begin, run.stop, _AT_ONCE):
            blocks = range(begin, min(begin + _AT_ONCE, run.stop))
            sizes = {block: int(layout.first[block + 1] - layout.first[block]) for block in blocks}
            names = {block: ["head", *map(text_part, range(0, size, TEXTS))] for block, size in sizes.items()}
            held = read_parts(db, (part_id(segment, block, name) for block in blocks for name in names[block]))
            for block, size in sizes.items():
                head = held[part_id(segment, block, "head")]
                texts = {name: held[part_id(segment, block, name)] for name in names[block][1:]}
                yield from stored_alleles(segment, layout, block, range(size), head, texts)


def calls_of(db: Database[Document], segment: str, layout: Layout, block: int) -> Calls:
    """Return all calls of one block."""
    names = ["rare", "sets", *(f"tile{tile}" for tile in tiles(layout.columns))]
    held = read_parts(db, (part_id(segment, block, name) for name in ("head", *names)))
    parts = {name: held[part_id(segment, block, name)] for name in names}
    return Calls(held[part_id(segment, block, "head")], parts, layout.columns)


def heads_in(db: Database[Document], segment: str, layout: Layout) -> Iterator[tuple[int, Arrays]]:
    """Yield number and head of every block."""
    for begin in range(0, len(layout.low), _AT_ONCE):
        blocks = range(begin, min(begin + _AT_ONCE, len(layout.low)))
        held = read_parts(db, (part_id(segment, block, "head") for block in blocks))
        for block in blocks:
            yield block, held[part_id(segment, block, "head")]
