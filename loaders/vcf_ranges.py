"""A VCF packed with bgzip as stretches that can be read on their own, each by another process.

bgzip packs a file in blocks of up to 64 KB of text, each of which can be unpacked without the others (SAM
specification, 4.1). A stretch owns the lines that begin after its first line end, and the one that begins right at its
end: so every line belongs to one stretch, wherever blocks end.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loaders.vcf_lines import BGZF_END, damaged

STRETCH = 1 << 16
"""Packed bytes that are read together."""
_HEAD = 18


class Unreadable(Exception):
    """A block cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packed bytes [begin, end) of a file, from block to block; ``last`` where nothing but the end block follows."""

    begin: int
    end: int
    last: bool


def is_whole(path: Path) -> bool:
    """Whether a file is text packed with bgzip, up to the block that ends such files."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(BGZF_END)))
        if file.read() != BGZF_END or _size(head) is None:
            return False
    with gzip.open(path) as text:
        try:
            return text.read(2) == b"##"
        except (OSError, EOFError, zlib.error):
            return False


def stretches(path: Path) -> Iterator[Stretch]:
    """Yield the stretches of a file that ``is_whole``. Raises ``Damaged`` where a block is missing."""
    with path.open("rb") as file:
        end = file.seek(0, 2) - len(BGZF_END)
        begin = place = 0
        while place < end:
            file.seek(place)
            size = _size(file.read(_HEAD))
            if size is None or place + size > end:
                raise damaged(path, None, "The file is damaged: a bgzip block is not where the one before it ends.")
            place += size
            if place - begin >= STRETCH or place == end:
                yield Stretch(begin, place, place == end)
                begin = place


def _size(head: bytes) -> int | None:
    """Return the size of the block that begins so, None where none does."""
    if len(head) < _HEAD or head[:4] != b"\x1f\x8b\x08\x04" or head[10:16] != b"\x06\x00BC\x02\x00":
        return None
    return int.from_bytes(head[16:18], "little") + 1


def lines(path: Path, stretch: Stretch) -> list[bytes]:
    """Return the lines of a stretch, without their ends. Raises ``Unreadable``, also where the last has no end."""
    with path.open("rb") as file:
        file.seek(stretch.begin)
        text = _unpacked(file.read(stretch.end - stretch.begin))
        if stretch.begin:
            first = text.find(b"\n")
            if first < 0:  # the middle of a line that began before
                return []
            text = text[first + 1 :]
        if not stretch.last:
            text += _line_end(file)
    found = text.split(b"\n")
    if found.pop():
        raise Unreadable("The last line has no line end, so the file may be cut short.")
    return [line[:-1] if line.endswith(b"\r") else line for line in found]


def _line_end(file: BinaryIO) -> bytes:
    """Read block by block up to the end of a line."""
    parts: list[bytes] = []
    while True:
        head = file.read(_HEAD)
        size = _size(head)
        if size is None:
            raise Unreadable("The last line has no line end, so the file may be cut short.")
        text = _unpacked(head + file.read(size - _HEAD))
        at = text.find(b"\n")
        if at >= 0:
            return b"".join([*parts, text[: at + 1]])
        parts.append(text)


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable("A bgzip block cannot be unpacked.") from error
