"""Taking properties out of records: what is withheld leaves no trace, at whatever depth and in whatever list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson


def stripped(record: bytes, paths: Iterable[str]) -> bytes:
    """Return an encoded record without the properties at these dotted paths."""
    body = orjson.loads(record)
    for path in paths:
        _take(body, path.split("."))
    return orjson.dumps(body)


def _take(value: Any, path: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _take(item, path)
    elif isinstance(value, dict):
        if len(path) == 1:
            value.pop(path[0], None)
        elif path[0] in value:
            _take(value[path[0]], path[1:])
