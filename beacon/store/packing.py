"""Several named arrays as one byte string, the form in which numbers lie in MongoDB."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


_ALIGNED: Final = 8
"""Every array begins at a multiple of so many bytes: of others numpy copies piece by piece whatever it works on."""


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Write named arrays as one byte string: a JSON line that describes them, then their bytes."""
    line = orjson.dumps([(name, array.dtype.str, array.shape) for name, array in arrays.items()])
    pieces = [line, b" " * (-(len(line) + 1) % _ALIGNED), b"\n"]
    for array in arrays.values():
        pieces += [np.ascontiguousarray(array).tobytes(), bytes(-array.nbytes % _ALIGNED)]
    return b"".join(pieces)


def unpack(data: bytes) -> Arrays:
    """Read what ``pack`` wrote; the arrays are views of ``data``."""
    arrays = unpack_when_asked(data)
    return {name: arrays[name] for name in arrays.described}


def unpack_when_asked(data: bytes) -> Unpacked:
    """Read what ``pack`` wrote, each array when it is asked for first: most questions need few of a part's."""
    line = data.index(b"\n")
    return Unpacked(data, line + 1, _described(data[:line]))


class Unpacked(dict[str, Array]):
    """Named arrays that are views of ``data``, made when they are asked for; whoever goes through all unpacks first."""

    __slots__ = ("begin", "data", "described")

    def __init__(self, data: bytes, begin: int, described: Mapping[str, Described]) -> None:
        super().__init__()
        self.data = data
        self.begin = begin
        self.described = described

    def __missing__(self, name: str) -> Array:
        kind, size, offset, shape = self.described[name]
        array = np.frombuffer(self.data, kind, size, self.begin + offset)
        self[name] = array = array if shape is None else array.reshape(shape)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self.described

    def __len__(self) -> int:
        return len(self.described)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an array, or the default where there is none of that name."""
        return self[name] if name in self.described else default


Described = tuple[np.dtype[Any], int, int, tuple[int, ...] | None]
"""Type, number of values, place among the bytes, and shape where it has not one dimension."""


@lru_cache(1024)
def _described(line: bytes) -> Mapping[str, Described]:
    found: dict[str, Described] = {}
    offset = 0
    for name, dtype, shape in orjson.loads(line):
        kind = _kind(dtype)
        size = shape[0] if len(shape) == 1 else math.prod(shape)
        found[name] = kind, size, offset, None if len(shape) == 1 else tuple(shape)
        offset += size * kind.itemsize
        offset += -offset % _ALIGNED
    return found


_kind: Callable[[str], np.dtype[Any]] = cache(np.dtype)


def pack_texts(texts: list[bytes]) -> Arrays:
    """Return several byte strings as two arrays, ``at`` (offsets) and ``text``."""
    at = np.zeros(len(texts) + 1, np.uint32)
    np.cumsum([len(text) for text in texts], out=at[1:])
    return {"at": at, "text": np.frombuffer(b"".join(texts), np.uint8)}
