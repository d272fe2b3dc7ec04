"""The row of each record by its id: 64 bits for an id, ascending, few enough in one document to stay in memory.

That two of a million ids have the same bits happens in one of 30 million datasets; such a load is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from beacon.errors import LoadError
from beacon.store.heads import identity
from beacon.store.packing import Arrays, unpack

ROWS: Final = 4096
"""Ids in one document."""


def rows_kind(kind: str, number: int | None = None) -> str:
    """Return the kind of a document with ids of records of ``kind``, or of the one that leads to those."""
    return f"rows/{kind}" if number is None else f"rows/{kind}/{number}"


def encode_rows_by_id(kind: str, rows: Mapping[str, int]) -> Iterator[tuple[str, Arrays]]:
    """Yield the documents of all records of a kind: kind and arrays. The first one tells where each of them begins.

    Raises ``LoadError`` where two ids cannot be told apart.
    """
    keys = np.array([identity(id) for id in rows], np.uint64)
    values = np.array(list(rows.values()), np.uint32)
    order = np.argsort(keys)
    keys, values = keys[order], values[order]
    if (keys[1:] == keys[:-1]).any():
        raise LoadError(f"two ids of the kind {kind} cannot be told apart by 64 bits; give one of them another id")
    yield rows_kind(kind), {"first": keys[::ROWS]}
    for number, begin in enumerate(range(0, len(keys), ROWS)):
        part = slice(begin, begin + ROWS)
        yield rows_kind(kind, number), {"keys": keys[part], "rows": values[part]}


class RowsById(NamedTuple):
    """What one document holds: ``identity`` of ids, ascending, and their rows."""

    keys: NDArray[np.uint64]
    rows: NDArray[np.uint32]

    @classmethod
    def decode(cls, data: bytes) -> RowsById:
        """Read one document."""
        arrays = unpack(data)
        return cls(arrays["keys"], arrays["rows"])

    def get(self, key: np.uint64) -> int | None:
        """Return the row of an id, None where it is not here."""
        at = int(self.keys.searchsorted(key))
        return int(self.rows[at]) if at < len(self.keys) and self.keys[at] == key else None


def decode_first(data: bytes) -> NDArray[np.uint64]:
    """Read the document that tells where each of the others begins."""
    found: NDArray[np.uint64] = unpack(data)["first"]
    return found
