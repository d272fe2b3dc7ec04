"""Beacon records as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unite(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Add to a record what another of the same thing knows: lists are united, words that are there stay."""
    for name, value in other.items():
        held = into.get(name)
        if held is None:
            into[name] = value
        elif isinstance(held, dict) and isinstance(value, Mapping):
            unite(held, value)
        elif isinstance(held, list) and isinstance(value, list):
            into[name] = held + [item for item in value if item not in held]
