"""Keys that a JSON object has twice: which value counts is left open (RFC 8259, section 4), and parsers say nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


class _Repeated(Exception):
    pass


def repeated_key(data: bytes, read: Iterable[bytes]) -> str | None:
    """Return a key that some object of ``data`` has twice, None where none has.

    ``read`` is what was read of it, written again; together all of it.
    """
    # A second parser takes ten times as long as the first, so it has to be worth it: a key that was lost is one less in
    # what was read. In strings, whose quotes are escaped, both have the same.
    if _keys(data) == sum(map(_keys, read)):
        return None
    try:
        json.loads(data, object_pairs_hook=_once)
    except _Repeated as error:
        return str(error)
    return None


def _keys(text: bytes) -> int:
    return text.count(b'":') + text.count(b'" :')


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise _Repeated(key)
        seen.add(key)
