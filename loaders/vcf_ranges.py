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

STRETCH = 1 << 18
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


def lines(path: Path, stretch: Stretch) -> Iterator[bytes]:
    """Yield the lines of a stretch, without their ends, while the processor's cache still has them.

    Raises ``bgzf.Unreadable``, also where the last line of the file has no end.
    """
    with path.open("rb") as file:
        file.seek(stretch.begin)
        before: list[bytes] | None = None if stretch.begin else []  # what there is of a line; None before the first
        for text in bgzf.texts(file, stretch.end):
            first, *others = text.split(b"\n")
            if before is not None:
                before.append(first)
            if others:
                if before is not None:
                    yield _bare(b"".join(before))
                *whole, last = others
                yield from map(_bare, whole)
                before = [last] if last else []
        if before is None:  # the middle of a line that began before
            return
        if not stretch.last:
            yield _bare(b"".join([*before, _line_end(file)]))
        elif any(before):
            raise bgzf.Unreadable("The last line has no line end, so the file may be cut short.")


def _bare(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _line_end(file: BinaryIO) -> bytes:
    """Return what is left of a line, without its end, read block by block."""
    parts: list[bytes] = []
    for text in bgzf.texts(file):
        at = text.find(b"\n")
        if at >= 0:
            return b"".join([*parts, text[:at]])
        parts.append(text)
    raise bgzf.Unreadable("The last line has no line end, so the file may be cut short.")
