"""Follows a member's JSON while it still arrives, so that what is too deep or too much is cut off at once.

It finds no values. It only counts what opens, within what, outside of strings; whole chunks at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from network.outcomes import InvalidAnswer, Oversized

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_STEP: Final = np.zeros(256, dtype=np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1
_OPENS: Final = ord("{")
_SET_DEPTH: Final = 4
_RECORD_DEPTH: Final = 6
"""Where rows are: result sets, collections and terms within ``response``, records within a result set."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that is read of one answer: bytes (decompressed), objects and lists within each other, rows."""

    bytes: int = 10_000_000
    depth: int = 64
    rows: int = 50_000


class Scanner:
    """One answer, chunk by chunk."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._begun = False
        self._in_string = False
        self._pending = b""
        self._depth = 0
        self._rows = 0

    def feed(self, chunk: bytes) -> None:
        """Go on with the next bytes. Raises ``InvalidAnswer`` (depth, no object) and ``Oversized`` (rows)."""
        text = self._pending + chunk
        if not self._begun:
            text = text.lstrip(b" \t\r\n")
            if not text:
                return
            if not text.startswith(b"{"):
                raise InvalidAnswer("its answer is not a JSON object")
            self._begun = True
        # A backslash at the end belongs to what is still to come.
        odd = (len(text) - len(text.rstrip(b"\\"))) % 2
        self._pending = text[len(text) - odd :]
        text = text[: len(text) - odd]
        self._count(self._outside(text).translate(None, _NO_BRACKETS))

    def _outside(self, text: bytes) -> bytes:
        """Return what is outside of strings."""
        if b"\\" not in text:
            parts = text.split(b'"')
            outside = b"".join(parts[self._in_string :: 2])
            self._in_string ^= len(parts) % 2 == 0
            return outside
        # With a quote before and after, every string in between is whole; one that is left over began a new one.
        bare = _STRING.sub(b"", (b'"' if self._in_string else b"") + text + b'"')
        self._in_string = not bare.endswith(b'"')
        return bare

    def _count(self, brackets: bytes) -> None:
        if not brackets:
            return
        marks = np.frombuffer(brackets, dtype=np.uint8)
        depths = np.cumsum(_STEP[marks], dtype=np.int64) + self._depth
        self._depth = int(depths[-1])
        if int(depths.max()) > self._caps.depth:
            raise InvalidAnswer(f"its answer has more than {self._caps.depth} objects and lists within each other")
        rows = (depths == _SET_DEPTH) | (depths == _RECORD_DEPTH)
        self._rows += int(np.count_nonzero(rows & (marks == _OPENS)))
        if self._rows > self._caps.rows:
            raise Oversized
