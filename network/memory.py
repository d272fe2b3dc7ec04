"""What was learnt of members' ways, for whom, and how long that holds.

A beacon may list more filters to a researcher than to a stranger, and give them more. So what trying it out has shown
is used for those alone who come with the same credentials: it shows nothing to who may see less, and denies nothing to
who may see more. Strangers, who come with none, are one. That a beacon is of our own make it says to everybody.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from network.habits import SKERRY, Habits

SECONDS: Final = 3600.0
"""How long what was learnt is taken to hold."""
MOST_ASKERS: Final = 1_000
"""Of one member; whoever has not asked for longest is forgotten."""
MOST_BYTES: Final = 10_000_000
"""Of one member, about; a few lists of all terms of a large vocabulary."""
STRANGER: Final = b""
"""Whoever comes without credentials."""


@dataclass(frozen=True, slots=True)
class _Kept:
    habits: Habits
    until: float
    size: int


class Memory:
    """Keeps members' habits by whose credentials they were learnt with."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ours: dict[str, float] = {}
        self._others: dict[str, OrderedDict[bytes, _Kept]] = {}

    def known(self, member: str, asker: bytes) -> Habits | None:
        """Return what was learnt of a member for this asker (``Signer.asker``), or None."""
        now = self._clock()
        if self._ours.get(member, 0.0) > now:
            return SKERRY
        askers = self._others.get(member)
        kept = askers.get(asker) if askers else None
        if askers is None or kept is None:
            return None
        if kept.until <= now:
            del askers[asker]
            return None
        askers.move_to_end(asker)
        return kept.habits

    def keep(self, member: str, asker: bytes, habits: Habits) -> None:
        """Take note of what was learnt for this asker; that a member is of our own make holds for all of them."""
        until = self._clock() + SECONDS
        if habits.skerry:
            self._ours[member] = until
            return
        askers = self._others.setdefault(member, OrderedDict())
        # Most askers are shown the same, which is then kept once.
        same = next((kept.habits for kept in askers.values() if kept.habits == habits), habits)
        askers[asker] = _Kept(same, until, same.size())
        askers.move_to_end(asker)
        while len(askers) > MOST_ASKERS or (len(askers) > 1 and _size(askers.values()) > MOST_BYTES):
            askers.popitem(last=False)


def _size(kept: Iterable[_Kept]) -> int:
    return sum({id(one.habits): one.size for one in kept}.values())
