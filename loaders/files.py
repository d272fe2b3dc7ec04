"""Reading text files, packed with gzip or bgzip or not, piece by piece."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from beacon.errors import LoadError

PIECE = 1 << 20


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, unpacked where it is packed. Raises ``LoadError`` where it cannot be read to its end."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LoadError(f"{path} is cut short or damaged ({error}); fetch it again", where=str(path)) from error
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror or error}", where=str(path)) from error


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end). Raises ``LoadError``, also where a line is not in UTF-8."""
    number, rest = 0, b""
    for piece in pieces(path):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            number += 1
            yield number, _text(path, number, line)
    if rest:
        yield number + 1, _text(path, number + 1, rest)


def _text(path: Path, number: int, line: bytes) -> str:
    try:
        return line.rstrip(b"\r").decode()
    except UnicodeDecodeError as error:
        raise LoadError(f"{path}:{number}: this is no text in UTF-8", where=f"{path}:{number}") from error
