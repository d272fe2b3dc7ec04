"""A VCF packed with bgzip as stretches that can be read on their own, each by another process.

A stretch owns the lines that begin after its first line end, and the one that begins right at its
end: so every line belongs to one stretch, wherever blocks end.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loaders import bgzf
from loaders.vcf_lines import damaged

STRETCH = 1 << 16
"""Packed bytes that are read together."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packed bytes [begin, end) of a file, from block to block; ``last`` where nothing but the end block follows."""

    begin: int
    end: int
    last: bool


def is_whole(path: Path) -> bool:
    """Whether a file is text packed with bgzip, up to the block that ends such files."""
    with path.open("rb") as file:
        head = file.read(bgzf.HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(bgzf.END)))
        if file.read() != bgzf.END or bgzf.block_size(head) is None:
            return False
    with gzip.open(path) as text:
        try:
            return text.read(2) == b"##"
        except (OSError, EOFError, zlib.error):
            return False


def stretches(path: Path) -> Iterator[Stretch]:
    """Yield the stretches of a file that ``is_whole``. Raises ``Damaged`` where a block is missing."""
    with path.open("rb") as file:
        end = file.seek(0, 2) - len(bgzf.END)
        begin = place = 0
        while place < end:
            file.seek(place)
            size = bgzf.block_size(file.read(bgzf.HEAD))
            if size is None or place + size > end:
                raise damaged(path, None, "The file is damaged: a bgzip block is not where the one before it ends.")
            place += size
            if place - begin >= STRETCH or place == end:
                yield Stretch(begin, place, place == end)
                begin = place


def lines(path: Path, stretch: Stretch) -> list[bytes]:
    """Return the lines of a stretch, without their ends. Raises ``bgzf.Unreadable``, also where the last has no end."""
    with path.open("rb") as file:
        file.seek(stretch.begin)
        text = b"".join(bgzf.texts(file, stretch.end))
        if stretch.begin:
            first = text.find(b"\n")
            if first < 0:  # the middle of a line that began before
                return []
            text = text[first + 1 :]
        if not stretch.last:
            text += _line_end(file)
    found = text.split(b"\n")
    if found.pop():
        raise bgzf.Unreadable("The last line has no line end, so the file may be cut short.")
    return [line[:-1] if line.endswith(b"\r") else line for line in found]


def _line_end(file: BinaryIO) -> bytes:
    """Read block by block up to the end of a line."""
    parts: list[bytes] = []
    for text in bgzf.texts(file):
        at = text.find(b"\n")
        if at >= 0:
            return b"".join([*parts, text[: at + 1]])
        parts.append(text)
    raise bgzf.Unreadable("The last line has no line end, so the file may be cut short.")
