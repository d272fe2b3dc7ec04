"""Blocks: consecutive alleles of one chromosome, in parts that are read apart.

head        where they lie and how often they were seen (``beacon.store.heads``); most of it goes along with rare, too
text0..     what cannot be said in numbers, ``TEXTS`` alleles in each: bases, label, mate, origin and encoded body
rare, tile0.., sets   who carries them (``beacon.store.calls``)

Beside the blocks, a segment has parts ``ends`` and its ``layout`` (``beacon.store.layout``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from beacon.model.calls import Calls
from beacon.model.variant import Allele
from beacon.store.calls import encode_calls
from beacon.store.heads import ALONG, HeadBuilder, Spelled
from beacon.store.packing import Arrays, pack_texts

JOINED = ("head", "rare")
"""Parts that every block has, the latter where the segment has columns. Questions that join people with rare variants
read those of many blocks at once."""
ALWAYS = tuple(f"/{name}" for name in JOINED)
"""How their ids end."""
TEXTS = 64
"""Alleles in one part of texts."""


def part_id(segment: str, block: int, part: str) -> str:
    """Return the id under which one part of a block lies; block -1 stands for the whole segment."""
    return f"{segment}/{block}/{part}"


def ends_id(segment: str, number: int) -> str:
    """Return the id of a part of ends."""
    return part_id(segment, -1, f"ends{number}")


def layout_id(segment: str) -> str:
    """Return the id of a segment's layout."""
    return part_id(segment, -1, "layout")


def by_block(places: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the rows of some (block, row) places by block, both in the order given."""
    rows: dict[int, list[int]] = {}
    for block, row in places:
        rows.setdefault(block, []).append(row)
    return rows


def text_part(row: int) -> str:
    """Return the name of the part that holds an allele's texts."""
    return f"text{row // TEXTS}"


def texts_of(part: Arrays, row: int) -> tuple[str, str, str, str, list[Any], bytes]:
    """Return reference and alternate bases, label, mate, where it came from, and encoded body of an allele.

    They are in its part of texts; of where it came from (``Came``) what is known.
    """
    place = 2 * (row % TEXTS)
    begin, middle, stop = part["at"][place : place + 3].tolist()
    both = part["text"][begin:stop].tobytes()
    ref, alt, label, mate, *came = orjson.loads(both[: middle - begin])
    return ref, alt, label, mate, came, both[middle - begin :]


class BlockBuilder:
    """Collects consecutive alleles until ``full`` and encodes them; ``columns`` is the segment's number of columns."""

    MAX_ALLELES = 256
    MAX_BYTES = 12_000_000

    def __init__(self, columns: int, kinds: dict[tuple[str, ...], int]) -> None:
        self.columns = columns
        self._head = HeadBuilder(kinds)
        self._calls: list[Calls | None] = []
        self._sizes: list[tuple[int, ...] | None] = []
        self._texts: list[bytes] = []
        self._bytes = 0
        self._most_bytes = 6 * (columns // 8 + 1)

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def full(self) -> bool:
        """Whether the block should be written before another allele is added."""
        return len(self._calls) >= self.MAX_ALLELES or self._bytes >= self.MAX_BYTES

    def add(
        self,
        allele: Allele,
        spelled: Spelled,
        calls: Calls | None,
        counts: tuple[int, int],
        came: tuple[int | str | None, ...] = (),
    ) -> int:
        """Add an allele and return its row; ``counts`` are AC and AN, or ``UNKNOWN``."""
        sizes = None if calls is None else calls.sizes
        self._head.add(allele, spelled, sizes, counts)
        self._calls.append(calls)
        self._sizes.append(sizes)
        text = orjson.dumps((allele.ref, allele.alt, allele.label, allele.mate, *came))
        self._texts += [text, spelled.body]
        self._bytes += len(text) + len(spelled.body)
        if calls is not None and sizes is not None:  # an upper bound: what all parts together take
            self._bytes += min(4 * sum(sizes), self._most_bytes) + 16 * len(calls.exceptions)
        return len(self._calls) - 1

    def encode(self) -> dict[str, Arrays]:
        """Return all parts by name."""
        head = self._head.encode()
        parts = {"head": head} | encode_calls(self._calls, self._sizes, self.columns)
        if self.columns:
            parts["rare"] |= {name: head[name] for name in ALONG}
        for row in range(0, len(self), TEXTS):
            parts[text_part(row)] = pack_texts(self._texts[2 * row : 2 * (row + TEXTS)])
        return parts
