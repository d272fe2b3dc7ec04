"""Case-level entries: whose a column is, encoded once when it is loaded, and how it carries an allele.

What lies in the database is the beginning of each column's entry, its fragment. The entries of a whole tile are made
when one is asked for first, and kept: a page of common variants lists the same people again and again. They lie side by
side in one array, since a thousand small objects are read from memory one after another, and slowly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import ZYGOSITIES
from beacon.store.calls import TILE
from beacon.store.packing import Array, Arrays, pack_texts, unpack

FRAGMENTS = 4096
"""Fragments in one document."""

_ZYGOSITY: Final = {
    group: b',"zygosity":%b}' % orjson.dumps({"id": id, "label": ZYGOSITIES[id]})
    for id, group in GROUP_OF_ZYGOSITY.items()
}
_MOST_ZEROS: Final = 3
"""A table that would be more than so many times as large as what it holds is not made."""
_ENDS: Final = tuple(_ZYGOSITY.get(group, b"}") for group in GROUPS)
"""What a fragment lacks to be an entry, by number of group."""


def fragment(biosample: str, individual: str, run: str | None, analysis: str | None) -> bytes:
    """Return ``{"biosampleId":...,"individualId":...`` of a column, without its end."""
    entry = {"biosampleId": biosample, "individualId": individual}
    if run is not None:
        entry["runId"] = run
    if analysis is not None:
        entry["analysisId"] = analysis
    return orjson.dumps(entry)[:-1]


def fragments_of(tile: int) -> range:
    """Return the numbers of the documents that hold a tile's fragments; the last of them may not be there."""
    return range(tile * TILE // FRAGMENTS, (tile + 1) * TILE // FRAGMENTS)


def tile_of(number: int) -> int:
    """Return the tile of whose fragments a document holds a part."""
    return number * FRAGMENTS // TILE


def fragments_kind(number: int) -> str:
    """Return the kind under which the fragments of columns number * FRAGMENTS and on lie."""
    return f"fragments{number}"


def encode_fragments(fragments: Sequence[bytes]) -> Iterator[tuple[str, Arrays]]:
    """Yield the documents of a segment's fragments: kind and arrays."""
    for begin in range(0, len(fragments), FRAGMENTS):
        yield fragments_kind(begin // FRAGMENTS), pack_texts(list(fragments[begin : begin + FRAGMENTS]))


def decode_fragments(data: bytes) -> list[bytes]:
    """Return the fragments of one document."""
    arrays = unpack(data)
    at, text = arrays["at"].tolist(), arrays["text"].tobytes()
    return [text[begin:stop] for begin, stop in pairwise(at)]


Encoded = bytes | memoryview
"""Part of a record as it will be sent: of long ones no copy is made until the record is put together."""


class Entries(NamedTuple):
    """The encoded entries of one tile's columns, all in one group of carriers.

    ``table`` has one row for each column: its entry and a comma, then zeros, of which there are none where it is
    ``even``. Where few ids are so long that most rows would be zeros, there are ``texts`` instead.
    """

    table: NDArray[np.uint8]
    even: bool
    texts: list[bytes]

    @classmethod
    def of(cls, fragments: Sequence[bytes], group: int) -> Entries:
        """Make the entries of some fragments."""
        end = _ENDS[group] + b","
        texts = [one + end for one in fragments]
        sizes = [len(one) for one in texts]
        width = max(sizes)
        if width * len(texts) > _MOST_ZEROS * sum(sizes):
            return cls(np.empty((0, 0), np.uint8), False, texts)
        table = np.frombuffer(b"".join(one.ljust(width, b"\0") for one in texts), np.uint8).reshape(len(texts), width)
        return cls(table, min(sizes) == width, [])

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self.table.nbytes + sum(map(sys.getsizeof, self.texts))

    def joined(self, columns: Array) -> Encoded:
        """Return the entries of some columns of the tile, each with a comma behind it."""
        if self.texts:
            return b"".join([self.texts[column] for column in columns.tolist()])
        found = self.table.take(columns, axis=0)
        return (found.reshape(-1) if self.even else found[found != 0]).data
