"""Several named arrays as one byte string, the form in which numbers lie in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Write named arrays as one byte string: a JSON line that describes them, then their bytes."""
    described = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    return b"".join([orjson.dumps(described), b"\n", *(np.ascontiguousarray(a).tobytes() for a in arrays.values())])


def unpack(data: bytes) -> Arrays:
    """Read what ``pack`` wrote; the arrays are views of ``data``."""
    line = data.index(b"\n")
    offset = line + 1
    arrays: Arrays = {}
    for name, dtype, shape in orjson.loads(data[:line]):
        kind = np.dtype(dtype)
        size = shape[0] if len(shape) == 1 else int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(data, kind, size, offset)
        arrays[name] = array if len(shape) == 1 else array.reshape(shape)
        offset += size * kind.itemsize
    return arrays


def pack_texts(texts: list[bytes]) -> Arrays:
    """Return several byte strings as two arrays, ``at`` (offsets) and ``text``."""
    at = np.zeros(len(texts) + 1, np.uint32)
    np.cumsum([len(text) for text in texts], out=at[1:])
    return {"at": at, "text": np.frombuffer(b"".join(texts), np.uint8)}


def text_of(arrays: Arrays, number: int) -> bytes:
    """Return one of the byte strings that ``pack_texts`` put together."""
    begin, stop = arrays["at"][number : number + 2].tolist()
    return arrays["text"][begin:stop].tobytes()
