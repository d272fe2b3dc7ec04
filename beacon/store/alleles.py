"""Finding alleles: by position from block heads, by anything else from the alleles' indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
from pymongo.asynchronous.database import AsyncDatabase

from beacon.model.bases import ambiguous, may_agree, pattern
from beacon.model.variant import minimal
from beacon.store.base import AllelePredicate
from beacon.store.blocks import Heads, identity, unpack
from beacon.store.documents import Document, bases_key

_PLACED = {"$gt": ""}
"""Chromosomes of alleles that have a place; one without is never found by place or bases."""


async def find_alleles(db: AsyncDatabase[Document], segment: str, predicate: AllelePredicate) -> Heads:
    """Return the matching alleles of one segment, ordered by (chromosome, start, end, identity)."""
    if predicate.gene is None:
        predicate = replace(predicate, gene_names=frozenset(), gene_places=())
    found = await _find(db, segment, replace(predicate, gene_places=()))
    if predicate.gene_places:
        found = Heads.joined([found, *[part async for part in _in_places(db, segment, predicate)]])
        place = found.block.astype(np.int64) << 32 | found.row
        found = found.pick(np.unique(place, return_index=True)[1])
    return found.pick(np.lexsort((found.key, found.end, found.start, found.chrom)))


async def _in_places(db: AsyncDatabase[Document], segment: str, predicate: AllelePredicate) -> AsyncIterator[Heads]:
    """Yield what overlaps each place of the gene and meets all other conditions."""
    for place in predicate.gene_places:
        if predicate.assembly not in (None, place.assembly) or predicate.chrom not in (None, place.chrom):
            continue
        within = replace(
            predicate, gene=None, gene_names=frozenset(), gene_places=(),
            assembly=place.assembly, chrom=place.chrom, overlap=(place.start, place.end),
        )  # fmt: skip
        found = await _find(db, segment, within)
        if predicate.overlap is not None:
            found = found.pick((found.start < predicate.overlap[1]) & (found.end > predicate.overlap[0]))
        yield found


async def _find(db: AsyncDatabase[Document], segment: str, predicate: AllelePredicate) -> Heads:
    if predicate.positional:
        return await _from_heads(db, segment, predicate)
    where = _conditions(segment, predicate)
    if predicate.overlap is not None and not predicate.pointed:
        # An index over starts alone would be read from the chromosome's beginning; the blocks know both ends.
        blocks = db["blocks"].find(_near(segment, predicate), {"n": 1, "_id": 0})
        where["n"] = {"$in": [block["n"] async for block in blocks]}
    wanted = {"c": 1, "b": 1, "e": 1, "i": 1, "n": 1, "row": 1, "nc": 1, "_id": 0}
    rows = []
    async for part in db["alleles"].find(where, wanted):
        carried = bool(part.get("nc"))
        rows.append((part["c"], part["b"], part["e"], identity(part["i"]), part["n"], part["row"], carried))
    return Heads.build(rows)


def _near(segment: str, predicate: AllelePredicate) -> Document:
    """Return the conditions of position, which hold for alleles and for the blocks that have some like it."""
    where: Document = {"s": segment}
    if predicate.assembly is not None:
        where["a"] = predicate.assembly
    if not predicate.placeless:
        where["c"] = _PLACED if predicate.chrom is None else predicate.chrom
    if predicate.overlap is not None:
        where |= {"b": {"$lt": predicate.overlap[1]}, "e": {"$gt": predicate.overlap[0]}}
    return where


async def _from_heads(db: AsyncDatabase[Document], segment: str, predicate: AllelePredicate) -> Heads:
    where = _near(segment, predicate)
    parts: list[tuple[str, int, dict[str, Any]]] = [
        (block["c"], block["n"], unpack(block["head"]))
        async for block in db["blocks"].find(where, {"c": 1, "n": 1, "head": 1})
    ]
    if not parts:
        return Heads.build(())
    names = tuple(sorted({chrom for chrom, _, _ in parts}))
    sizes = [len(head["start"]) for _, _, head in parts]

    def joined(name: str) -> Any:
        return np.concatenate([head[name] for _, _, head in parts])

    heads = Heads(
        names,
        np.repeat(np.array([names.index(chrom) for chrom, _, _ in parts], np.int32), sizes),
        joined("start"),
        joined("end"),
        joined("key"),
        np.repeat(np.array([number for _, number, _ in parts], np.int32), sizes),
        np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]),
        joined("carried"),
    )
    if predicate.overlap is None:
        return heads
    return heads.pick((heads.start < predicate.overlap[1]) & (heads.end > predicate.overlap[0]))


def _conditions(segment: str, predicate: AllelePredicate) -> Document:
    where = _near(segment, predicate)
    alternatives: list[list[Document]] = []
    if predicate.ids is not None:
        where["i"] = {"$in": list(predicate.ids)}
    if predicate.bracket is not None:
        first, last, end_first, end_last = predicate.bracket
        where |= {"b": {"$gte": first, "$lte": last}, "e": {"$gte": end_first, "$lte": end_last}}
    if predicate.start_bases is not None:
        alternatives.append(_spellings(*predicate.start_bases))
    if predicate.reference_bases is not None or predicate.alternate_bases is not None:
        alternatives.append(_spellings(None, predicate.reference_bases, predicate.alternate_bases))
    if predicate.types is not None:
        where["ty"] = {"$in": sorted(predicate.types)}
    if predicate.min_length is not None or predicate.max_length is not None:
        bounds = {"$gte": predicate.min_length, "$lte": predicate.max_length}
        where["len"] = {name: value for name, value in bounds.items() if value is not None}
    if predicate.gene is not None:
        where["g"] = {"$in": sorted({predicate.gene, *predicate.gene_names})}
    if predicate.aminoacid_change is not None:
        where["p"] = predicate.aminoacid_change
    if predicate.mate is not None:
        where["m"] = predicate.mate
    if alternatives:
        where["$and"] = [{"$or": options} for options in alternatives]
    spelled = _spelled(predicate)
    # Each with all the rest, since MongoDB looks into an index of some documents only for a whole question.
    return where | spelled[0] if len(spelled) == 1 else {"$or": [where | one for one in spelled]}


def _spelled(predicate: AllelePredicate) -> list[Document]:
    """Return conditions of which an allele meets one if it is the one asked for; an empty one where none is."""
    spelled = [] if predicate.sequence is None else [_exactly(*minimal(*predicate.sequence))]
    if predicate.leftmost is not None:
        spelled.append(_exactly(*predicate.leftmost))
    if predicate.vrs is not None:
        spelled.append({"v": predicate.vrs})
    return [one for at, one in enumerate(spelled) if one not in spelled[:at]] or [{}]


def _exactly(start: int, ref: str, alt: str) -> Document:
    return {"mb": start, "mr": bases_key(ref), "mt": bases_key(alt)}


def _spellings(start: int | None, ref: str | None, alt: str | None) -> list[Document]:
    """Return conditions of which an allele meets one if it can be written with these bases (at ``start``).

    Where both sides are given, bases that both may share are tried without, from either end, since alleles are
    compared in minimal form.
    """

    def at(field: str, shift: int = 0) -> Document:
        return {} if start is None else {field: start + shift}

    if ref is None or alt is None:
        return [
            at("b") | _bases("r", ref) | _bases("t", alt),
            at("mb") | _bases("mr", ref) | _bases("mt", alt),
        ]
    if not ambiguous(ref + alt):
        shift, ref, alt = minimal(0, ref, alt)
        return [at("mb", shift) | _bases("mr", ref) | _bases("mt", alt)]
    pairs = list(zip(ref, alt, strict=False))
    heads = sum(1 for _ in takewhile(lambda pair: may_agree(*pair), pairs))
    tails = sum(1 for _ in takewhile(lambda pair: may_agree(*pair), zip(reversed(ref), reversed(alt), strict=False)))
    return [
        at("mb", head) | _bases("mr", ref[head : len(ref) - tail]) | _bases("mt", alt[head : len(alt) - tail])
        for head in range(heads + 1)
        for tail in range(min(tails, len(pairs) - head) + 1)
    ]


def _bases(field: str, given: str | None) -> Document:
    """Return the condition that a field holds these bases; an ambiguity code matches each base it stands for."""
    if given is None:
        return {}
    if ambiguous(given):
        return {field: pattern(given)}
    return {field: bases_key(given) if field in ("mr", "mt") else given}
