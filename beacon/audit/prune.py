"""Removing what is old, so that what is left can still be verified.

Whole files go: those of days before the retention's. A signed head says with which line and hash the removed part of
each chain ended, before anything is removed; ``skerry audit verify`` begins there.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from beacon.audit.heads import Heads, hash_of, last_line
from beacon.audit.place import Place, day_of

_log = logging.getLogger("skerry")


def prune(place: Place, heads: Heads, *, now: float) -> int:
    """Remove the files of days that are over for longer than the retention; return how many. Raises ``OSError``."""
    before = day_of((datetime.fromtimestamp(now, UTC) - timedelta(days=place.retention_days)).timestamp())
    with heads.locked():
        chains: dict[str, Any] = {}
        going: list[Path] = []
        for day, chain, path in place.line_files():
            if day < before:
                going.append(path)
                if line := last_line(path)[0]:
                    chains[chain] = _said(line, path, "line", "hash")
        facts: dict[str, Any] = {"before": before, "chains": chains}
        for day, path in place.head_files()[:-1]:
            if day < before:
                going.append(path)
                line = last_line(path)[0]
                facts["heads"] = [*_said(line, path, "head"), hash_of(line)]
        if not going:
            return 0
        heads.append_locked("pruned", **facts)
        for path in going:
            path.unlink()
    _log.info("removed %d files of the audit from before %s", len(going), before)
    return len(going)


def _said(line: bytes, path: Path, *names: str) -> list[Any]:
    try:
        said = orjson.loads(line)
        return [said[name] for name in names]
    except (ValueError, KeyError, TypeError):
        raise OSError(0, f"{path} does not end as it should: run skerry audit verify") from None
