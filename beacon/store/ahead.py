"""Reading ahead: what most questions read is fetched before anybody asks, as far as the memory for it goes.

Each worker does it by itself, when it begins and when it learns of new segments, beside the questions that it
answers. What questions read later takes the place of what none of them used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from beacon.store.base import ALLELE, WRITTEN, Segment
from beacon.store.blocks import ends_id, part_id
from beacon.store.layout import Layout
from beacon.store.outline import BYTES
from beacon.store.reading import Reader, in_steps

_KINDS: Final = ("individual", WRITTEN, ALLELE)
"""Kinds whose postings are read; the others are asked for with a scope only."""
_POSTINGS_LEAVE: Final = 0.5
_ALL_LEAVES: Final = 0.1
"""Which part of the memory stays free after the postings, and after everything."""
_HEAD_BYTES: Final = 60
"""What an allele's part of its head and of the ends takes in memory, about."""
_AT_ONCE: Final = 32
LARGE: Final = 16_384
"""Of a segment with so many alleles an outline is worth the memory pages that it takes."""


async def read_ahead(reader: Reader, segments: Sequence[Segment]) -> None:
    """Fetch postings of people and variants, then people by their ids, where alleles lie, and who carries rare ones.

    Of a large segment that is its outline, and its heads as well where there is room. Raises ``StoreUnavailable`` and
    ``Overloaded``.
    """
    for segment in segments:
        for kind in _KINDS:
            await reader.read_postings(segment.id, kind, _POSTINGS_LEAVE)
        if segment.live.get("individual"):
            await reader.read_rows(segment.id, "individual", _POSTINGS_LEAVE)
    whole: list[tuple[str, Layout]] = []
    for segment in segments:
        layout = await reader.layout(segment.id, needed=segment.variants > 0)
        outline = None
        if layout.size >= LARGE and reader.has_room_for(layout.size * BYTES, _ALL_LEAVES, shared=True):
            outline = await reader.read_outline(segment.id, layout, _ALL_LEAVES)
        if reader.has_room_for(layout.size * _HEAD_BYTES, _ALL_LEAVES):
            await _read(reader, _heads(segment.id, layout))
            if outline is None:
                await _read(reader, _ends(segment.id, layout))
            if outline is None or not outline.tells_rare:
                whole.append((segment.id, layout))
    for id, layout in whole:
        await _read(reader, _rare(id, layout))


async def _read(reader: Reader, ids: Sequence[str]) -> None:
    for some in in_steps(ids, _AT_ONCE):
        if reader.room < _ALL_LEAVES:
            return
        await reader.parts(some)


def _heads(segment: str, layout: Layout) -> list[str]:
    return [part_id(segment, block, "head") for block in range(len(layout.low))]


def _ends(segment: str, layout: Layout) -> list[str]:
    return [ends_id(segment, part) for part in range(len(layout.ends_low))]


def _rare(segment: str, layout: Layout) -> list[str]:
    return [part_id(segment, block, "rare") for block in range(len(layout.low))] if layout.columns else []
