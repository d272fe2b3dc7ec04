"""Reading ahead: what most questions read is fetched before anybody asks, as far as the memory for it goes.

Each worker does it by itself, when it begins and when it learns of new segments, beside the questions that it
answers. What questions read later takes the place of what none of them used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from beacon.store.base import ALLELE, WRITTEN, Segment
from beacon.store.blocks import ends_id, part_id
from beacon.store.layout import Layout
from beacon.store.reading import Reader

_KINDS: Final = ("individual", WRITTEN, ALLELE)
"""Kinds whose postings are read; the others are asked for with a scope only."""
_POSTINGS_LEAVE: Final = 0.5
_ALL_LEAVES: Final = 0.2
"""Which part of the memory stays free after the postings, and after everything."""
_AT_ONCE: Final = 32


async def read_ahead(reader: Reader, segments: Sequence[Segment]) -> None:
    """Fetch postings of people and variants, then where alleles lie, then who carries rare ones.

    Raises ``StoreUnavailable`` and ``Overloaded``.
    """
    for segment in segments:
        await reader.read_postings(segment.id, _KINDS, _POSTINGS_LEAVE)
    layouts = [(segment.id, await reader.layout(segment.id, needed=segment.variants > 0)) for segment in segments]
    for ids in (ids for parts in (_heads, _ends, _rare) for id, layout in layouts for ids in _cut(parts(id, layout))):
        if reader.room < _ALL_LEAVES:
            return
        await reader.parts(ids)


def _heads(segment: str, layout: Layout) -> list[str]:
    return [part_id(segment, block, "head") for block in range(len(layout.low))]


def _ends(segment: str, layout: Layout) -> list[str]:
    return [ends_id(segment, part) for part in range(len(layout.ends_low))]


def _rare(segment: str, layout: Layout) -> list[str]:
    return [part_id(segment, block, "rare") for block in range(len(layout.low))] if layout.columns else []


def _cut(ids: list[str]) -> Iterator[list[str]]:
    return (ids[begin : begin + _AT_ONCE] for begin in range(0, len(ids), _AT_ONCE))
