"""Finding alleles in one segment: postings and the layout lead to few blocks, their heads decide.

Conditions that heads cannot decide (wildcards among bases) are looked up in the texts of what is left.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.model.variant import minimal
from beacon.store.base import WRITTEN, AllelePredicate
from beacon.store.bitmaps import numbers_in
from beacon.store.blocks import ends_id, part_id, text_part, texts_of
from beacon.store.heads import Heads, heads_of, identity, same_allele
from beacon.store.layout import ENDS, Layout, Run
from beacon.store.outline import RARE_ENOUGH, Outline
from beacon.store.packing import Arrays
from beacon.store.spellings import spellings

Parts = Callable[[Iterable[str]], Awaitable[Mapping[str, Arrays]]]
"""Fetches parts of blocks by id; those that are not there are empty."""
Postings = Callable[[Sequence[str]], Awaitable[Mapping[str, BitMap]]]
"""Fetches the ordinals of a segment's alleles found under each of some keys."""
Named = Callable[[str], Awaitable[BitMap]]
"""Fetches the ordinals of the alleles that have a VRS id."""

_TIES: Final = 64
"""So many alleles in one place are read beyond a page, to find out which of them are on it."""
_AT_ONCE: Final = 512
"""Blocks that are looked into together; their heads take about 8 MB."""

AtHand = Callable[[str], bool]
"""Says whether a part of a block is in memory."""

Mask = NDArray[np.bool_]


def allele_keys(types: Iterable[str], genes: Iterable[str], changes: Iterable[str], mate: str) -> list[str]:
    """Return the index keys under which an allele is found, apart from those of its fields."""
    keys = [f"type:{one}" for one in types] + [f"gene:{one}" for one in genes]
    return [*keys, *(f"protein:{one}" for one in changes), *([f"mate:{mate}"] if mate else [])]


def keys_of(asked: AllelePredicate) -> set[tuple[str, str]]:
    """Return the kinds and index keys under which alleles are looked up by gene and protein change."""
    genes = set() if asked.gene is None else {asked.gene, *asked.gene_names}
    changes = () if asked.aminoacid_change is None else (asked.aminoacid_change,)
    return {(WRITTEN, key) for key in allele_keys((), genes, changes, "")}


@dataclass(frozen=True, slots=True)
class AlleleFinder:
    """Finds alleles of one segment."""

    segment: str
    layout: Layout
    parts: Parts
    postings: Postings
    named: Named
    at_hand: AtHand
    outline: Outline | None = None

    async def count(self, asked: AllelePredicate) -> int | None:
        """Return how many alleles match where that takes no look at each of them; None where it does.

        All of the segment's alleles are counted, whoever carries them.
        """
        if not self.layout.distinct:
            return None
        runs = self.layout.within(asked.assembly, asked.chrom, placeless=asked.placeless)
        if asked.positional:
            return await self._overlaps(runs, asked.overlap)
        if (exact := _exact(asked)) and asked == AllelePredicate(
            assembly=asked.assembly, chrom=asked.chrom, sequence=asked.sequence, leftmost=asked.leftmost
        ):
            return await self._spelled_so(runs, exact)
        alone = AllelePredicate(
            assembly=asked.assembly, gene=asked.gene, gene_names=asked.gene_names, types=asked.types
        )
        if asked == alone and not asked.gene_places and len(runs) == len(self.layout.runs):
            found = await self._indexed(asked, everywhere=True)
            return None if found is None else len(found)
        return None

    async def _overlaps(self, runs: Sequence[Run], overlap: tuple[int, int] | None) -> int | None:
        if overlap is None:
            return sum(self.layout.before(run, run.stop) for run in runs)
        start, end = overlap
        if start >= end:
            return None
        edges = [(run, *self.layout.edges(run, start, end)) for run in runs]
        heads, ends = await self._outlined(
            [block for _, block, _ in edges if block is not None], [part for _, _, part in edges if part is not None]
        )
        total = 0
        for run, block, part in edges:
            if block is None:
                continue
            starts = heads[block]["start"].astype(np.int64)
            total += self.layout.before(run, block) + int(np.searchsorted(starts, end))
            if part is not None:
                total -= (part - run.ends_begin) * ENDS + int(np.searchsorted(ends[part]["end"], start, "right"))
        return total

    async def _spelled_so(self, runs: Sequence[Run], exact: Sequence[tuple[int, str, str]]) -> int:
        """Count the alleles that are one of these, given in minimal form."""
        near = [self.layout.starting(run, start - 1, start).tolist() for run in runs for start, _, _ in exact]
        heads, _ = await self._outlined({block for blocks in near for block in blocks}, ())
        wanted = [np.uint64(same_allele(*one)) for one in exact]
        return sum(int((head["same"] == one).sum()) for head in heads.values() for one in dict.fromkeys(wanted))

    async def _outlined(
        self, blocks: Collection[int], parts: Collection[int]
    ) -> tuple[dict[int, Arrays], dict[int, Arrays]]:
        """Return ``start`` and ``same`` of blocks and ``end`` of parts of ends, by number."""
        if (outline := self.outline) is not None:
            return {block: outline.head(block) for block in blocks}, {part: outline.ends(part) for part in parts}
        heads = {block: part_id(self.segment, block, "head") for block in blocks}
        ends = {part: ends_id(self.segment, part) for part in parts}
        held = await self.parts([*heads.values(), *ends.values()])
        return {block: held[id] for block, id in heads.items()}, {part: held[id] for part, id in ends.items()}

    async def find(self, asked: AllelePredicate, *, calls: bool = False, counting: bool = False) -> Heads:
        """Return the matching alleles, by (chromosome, start, end, identity).

        ``calls`` says that their calls will be asked for next, so that they are fetched along where they are few. For
        ``counting`` see ``Store.heads``.
        """
        look = await self._where(asked)
        rare = calls and _bounded(asked, RARE_ENOUGH)
        if rare and counting and look.outlined and self.outline is not None and self.outline.tells_rare:
            return self._told_by(self.outline, look)
        found = [part async for part in self._in_blocks(look, rare=rare)]
        return (Heads.joined(found) if found else Heads.empty()).in_order()

    async def page(self, asked: AllelePredicate, begin: int, stop: int) -> tuple[Heads, int] | None:
        """Return those matching alleles, in the order of ``find``, that are a page, and how many match in all.

        What their records need is read along with them. None where no outline tells which they are, or the heads of
        all are at hand, so that ``find`` reads nothing, or very many lie at one place.
        """
        if self.outline is None or not self.outline.tells_rare:
            return None
        look = await self._where(asked)
        if not look.outlined or all(self.at_hand(part_id(self.segment, block, "head")) for block in look.blocks):
            return None
        found = self._told_by(self.outline, look).by_place()
        first, last = found.tied(begin, stop)
        if last - first > max(stop - begin, 0) + _TIES:
            return None
        if first == last:
            return Heads.empty(), len(found)
        # Only identities, which the outline has not, tell the order of alleles at one place: all of those are read.
        near = found.pick(np.arange(first, last))
        ordinals = self.layout.first[near.block] + near.row
        heads = await self._with_records(ordinals, is_rare=near.number > 0)
        return heads.in_order().pick(np.arange(begin - first, min(stop, len(found)) - first)), len(found)

    async def _with_records(self, ordinals: NDArray[np.int64], is_rare: Mask) -> Heads:
        """Return some alleles; texts and first carriers are read along with their heads."""
        numbers = self.layout.first.searchsorted(ordinals, "right") - 1
        rows = ordinals - self.layout.first[numbers]
        names: dict[int, dict[str, None]] = {}
        for block, row, rare in zip(numbers.tolist(), rows.tolist(), is_rare.tolist(), strict=True):
            wanted = ("head", text_part(row), *(("rare" if rare else "tile0",) if self.layout.columns else ()))
            names.setdefault(block, {}).update(dict.fromkeys(wanted))
        held = await self.parts(part_id(self.segment, block, name) for block, some in names.items() for name in some)
        blocks = sorted(names)
        chroms = [self.layout.run_of(block).chrom for block in blocks]
        heads = [held[part_id(self.segment, block, "head")] for block in blocks]
        every = np.concatenate([np.arange(*self.layout.first[[block, block + 1]]) for block in blocks])
        return heads_of(zip(chroms, blocks, heads, strict=True), np.isin(every, ordinals))

    def _told_by(self, outline: Outline, look: _Where) -> Heads:
        """Return the matching alleles as an outline tells them; those that are not rare come without a count."""
        spans = outline.spans(look.blocks)
        heads = {block: head for block, (head, _) in spans.items()}
        mask = look.mask(list(heads), list(heads.values()))
        found = heads_of([(self.layout.run_of(block).chrom, block, head) for block, head in heads.items()], mask)
        return found.along_with({block: calls for block, (_, calls) in spans.items()}) if len(found) else Heads.empty()

    async def _where(self, asked: AllelePredicate) -> _Where:
        """Return where to look."""
        if asked.gene is None and (asked.gene_names or asked.gene_places):
            asked = replace(asked, gene_names=frozenset(), gene_places=())
        chosen = await self._indexed(asked, everywhere=not self._leads(asked))
        by_gene = None
        if asked.gene_places and asked.gene is not None:
            annotated = await self.postings([f"gene:{name}" for name in sorted({asked.gene, *asked.gene_names})])
            by_gene = BitMap.union(BitMap(), *annotated.values())
        named = None if asked.vrs is None else await self.named(asked.vrs)
        return _Where(self.layout, asked, chosen, by_gene, named)

    @staticmethod
    def _leads(asked: AllelePredicate) -> bool:
        """Whether position alone leads to few blocks, so that what heads can tell need not be looked up."""
        leading = (asked.ids, asked.sequence, asked.leftmost, asked.start_bases, asked.overlap, asked.bracket)
        return any(part is not None for part in leading)

    async def _indexed(self, asked: AllelePredicate, *, everywhere: bool) -> BitMap | None:
        """Return the ordinals that every posting asked for holds, None where none is asked for."""
        every: list[Sequence[str]] = []
        if asked.gene is not None and not asked.gene_places:
            every.append([f"gene:{name}" for name in sorted({asked.gene, *asked.gene_names})])
        if asked.aminoacid_change is not None:
            every.append([f"protein:{asked.aminoacid_change}"])
        if asked.mate is not None:
            every.append([f"mate:{asked.mate}"])
        if asked.types is not None and everywhere:
            every.append([f"type:{one}" for one in sorted(asked.types)])
        if not every:
            return asked.among
        held = await self.postings([key for keys in every for key in keys])
        unions = [BitMap.union(*(held.get(key, BitMap()) for key in keys)) for keys in every]
        return BitMap.intersection(*unions, *([] if asked.among is None else [asked.among]))

    async def _in_blocks(self, look: _Where, *, rare: bool) -> AsyncIterator[Heads]:
        names: tuple[str, ...] = ("head",)
        if rare and self.layout.columns:
            names = ("rare",) if look.told_along else ("head", "rare")
        for begin in range(0, len(look.blocks), _AT_ONCE):
            some = look.blocks[begin : begin + _AT_ONCE]
            held_parts = await self.parts(part_id(self.segment, block, name) for block in some for name in names)
            heads = [held_parts[part_id(self.segment, block, names[0])] for block in some]
            mask = look.mask(some, heads)
            chroms = (self.layout.run_of(block).chrom for block in some)
            found = await self._spelled(look.asked, heads_of(zip(chroms, some, heads, strict=True), mask))
            # Of many blocks none is kept for the few alleles that were found in it.
            yield found if len(look.blocks) <= _AT_ONCE else found.settled()

    async def _spelled(self, asked: AllelePredicate, found: Heads) -> Heads:
        """Leave out alleles whose bases are not those asked for, where only their texts can tell."""
        wanted = spellings(asked)
        if not wanted or not len(found):
            return found
        places = list(zip(found.block.tolist(), found.row.tolist(), found.start.tolist(), strict=True))
        held = await self.parts({part_id(self.segment, block, text_part(row)) for block, row, _ in places})
        keep = np.zeros(len(found), np.bool_)
        for at, (block, row, start) in enumerate(places):
            ref, alt, *_ = texts_of(held[part_id(self.segment, block, text_part(row))], row)
            keep[at] = all(any(one.fits(start, ref, alt) for one in options) for options in wanted)
        return found.pick(keep)


def _exact(asked: AllelePredicate) -> list[tuple[int, str, str]]:
    """Return the alleles asked for by their bases, in minimal form."""
    return [minimal(*spelled) for spelled in (asked.sequence, asked.leftmost) if spelled is not None]


def _bounded(asked: AllelePredicate, most: float) -> bool:
    return any(one.high is not None and one.high.value <= most and not one.negated for one in asked.frequency)


_PLACE: Final = re.compile(r"(\d+)-.*")


class _Where:
    """Which of a segment's blocks a question is about, and which of their alleles, as far as heads can tell.

    ``chosen`` are the ordinals that postings allow, ``by_gene`` those said to be of the gene where its places do as
    well, ``named`` the alleles of the VRS id asked for; None where that is not asked.
    """

    def __init__(
        self,
        layout: Layout,
        asked: AllelePredicate,
        chosen: BitMap | None,
        by_gene: BitMap | None,
        named: BitMap | None,
    ) -> None:
        self.layout = layout
        self.asked = asked
        self.chosen = chosen
        self.by_gene = by_gene
        self.named = named
        self.runs = layout.within(asked.assembly, asked.chrom, placeless=asked.placeless)
        self.blocks = self._blocks().tolist()

    @property
    def told_along(self) -> bool:
        """Whether what goes along with rare carriers tells which alleles match."""
        asked = self.asked
        of_heads = (asked.types, asked.min_length, asked.max_length, self.named)
        return all(one is None for one in of_heads) and not _exact(asked)

    @property
    def outlined(self) -> bool:
        """Whether an outline tells which alleles match, and of so few blocks that all of them are looked at at once."""
        told = self.told_along and self.asked.ids is None and not spellings(self.asked)
        return told and 0 < len(self.blocks) <= _AT_ONCE

    def _blocks(self) -> NDArray[np.int64]:
        """Return the blocks to look into, in position order."""
        near = None if self.chosen is None else self.layout.blocks_of(numbers_in(self.chosen))
        if self.by_gene is not None:
            of_gene = self._of_gene(self.by_gene)
            near = of_gene if near is None else np.intersect1d(near, of_gene, assume_unique=True)
        found = [self._of_run(run, near) for run in self.runs]
        return found[0] if len(found) == 1 else np.concatenate([np.empty(0, np.int64), *found])

    def _of_gene(self, annotated: BitMap) -> NDArray[np.int64]:
        """Return the blocks that have alleles said to be of the gene, or where it lies."""
        near = [self.layout.blocks_of(numbers_in(annotated))]
        for place in self.asked.gene_places:
            runs = self.layout.within(place.assembly, place.chrom, placeless=False)
            near += [self.layout.overlapping(run, place.start, place.end) for run in runs]
        return np.unique(np.concatenate(near))

    def _of_run(self, run: Run, near: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the blocks of a run, of those ``near``, where an allele could be.

        Each condition is of its own position.
        """
        asked, layout = self.asked, self.layout
        within = []
        if asked.overlap is not None:
            within.append(layout.overlapping(run, *asked.overlap))
        if asked.bracket is not None:
            within.append(layout.starting(run, *asked.bracket[:2]))
        if (starts := self._starts(run)) is not None:
            places = [layout.starting(run, first, last) for first, last in starts]
            if self.named is not None:
                named = layout.blocks_of(numbers_in(self.named))
                places.append(named[(named >= run.begin) & (named < run.stop)])
            within.append(np.unique(np.concatenate([np.empty(0, np.int64), *places])))
        if near is not None:
            within.append(near[(near >= run.begin) & (near < run.stop)])
        if not within:
            return np.arange(run.begin, run.stop)
        return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), within)

    def _starts(self, run: Run) -> list[tuple[int, int]] | None:
        """Return where an allele of this run would start, as ranges of which it meets one; None for anywhere."""
        asked = self.asked
        if asked.ids is not None:
            if not run.chrom:
                return None
            prefix = f"{run.assembly}-{run.chrom}-"
            rests = [_PLACE.fullmatch(id, len(prefix)) for id in asked.ids if id.startswith(prefix)]
            return [(int(rest[1]) - 1, int(rest[1]) - 1) for rest in rests if rest]
        if exact := _exact(asked):
            # A stored allele keeps one base on each side, which may stand before its minimal form.
            return [(start - 1, start) for start, _, _ in exact]
        if self.named is not None:
            return []
        if asked.start_bases is not None:
            start = asked.start_bases[0]
            longest = max(len(bases or "") for bases in asked.start_bases[1:])
            return [(start - 1, start + longest)]
        return None

    def mask(self, blocks: Sequence[int], heads: Sequence[Arrays]) -> Mask:
        """Say which alleles of these blocks match, as far as heads can tell."""
        asked, chosen, by_gene = self.asked, self.chosen, self.by_gene

        def of(name: str) -> Any:
            return heads[0][name] if len(heads) == 1 else np.concatenate([head[name] for head in heads])

        start, end = of("start").astype(np.int64), of("end").astype(np.int64)
        keep = np.ones(len(start), np.bool_)
        if asked.overlap is not None:
            keep &= (start < asked.overlap[1]) & (end > asked.overlap[0])
        if asked.bracket is not None:
            first, last, end_first, end_last = asked.bracket
            keep &= (start >= first) & (start <= last) & (end >= end_first) & (end <= end_last)
        if asked.ids is not None:
            keep &= np.isin(of("key"), np.array([identity(id) for id in asked.ids], np.uint64))
        for low, name in ((asked.min_length, ">="), (asked.max_length, "<=")):
            if low is not None:
                length = of("length")
                keep &= (length >= 0) & ((length >= low) if name == ">=" else (length <= low))
        if asked.types is not None:
            kinds = [code for code, kind in enumerate(self.layout.kinds) if not asked.types.isdisjoint(kind)]
            keep &= np.isin(of("kind"), np.array(kinds, np.int32))
        if chosen is not None or by_gene is not None or self.named is not None:
            sizes = [len(head["start"]) for head in heads]
            within = np.concatenate([np.arange(size) for size in sizes])
            ordinals = np.repeat(self.layout.first[list(blocks)], sizes) + within
        if chosen is not None:
            keep &= _among(ordinals, chosen)
        if by_gene is not None:
            keep &= _among(ordinals, by_gene) | self._in_places(blocks, heads, start, end)
        exact = _exact(asked)
        if exact or self.named is not None:
            same = np.isin(of("same"), np.array([same_allele(*one) for one in exact], np.uint64))
            keep &= same if self.named is None else same | _among(ordinals, self.named)
        return keep

    def _in_places(self, blocks: Sequence[int], heads: Sequence[Arrays], start: Any, end: Any) -> Mask:
        runs = [self.layout.run_of(block) for block in blocks]
        found = np.zeros(len(start), np.bool_)
        for place in self.asked.gene_places:
            there = np.repeat(
                np.array([(run.assembly, run.chrom) == (place.assembly, place.chrom) for run in runs], np.bool_),
                [len(head["start"]) for head in heads],
            )
            found |= there & (start < place.end) & (end > place.start)
        return found


def _among(ordinals: NDArray[np.int64], chosen: BitMap) -> Mask:
    """Say which of some ascending ordinals are among the chosen ones."""
    held = numbers_in(chosen).astype(np.int64)
    at = np.searchsorted(held, ordinals)
    found: Mask = np.append(held, -1)[at] == ordinals
    return found
