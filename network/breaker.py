"""Rests a member that keeps failing, so that nobody waits for it in vain, and asks it again by and by.

Whoever meets a resting member is a stranger to those whose questions failed there. So of a failure its kind alone is
kept: what the member said was said to one asker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from network.outcomes import BUSY, Kind, Verdict

_log = logging.getLogger("skerry.network")

FIRST_PAUSE: Final = 1.0


@dataclass(slots=True)
class _State:
    failures: int = 0
    last: Kind | None = None
    pause: float = 0.0
    until: float = 0.0
    probing: bool = False


class Breaker:
    """Knows of every member how often in a row it has failed.

    After ``after`` failures (0: never) it is rested: for a second, then twice as long each time, up to
    ``longest_seconds``. Once that is over one question goes to it as a probe; if it succeeds, all go again.
    """

    def __init__(self, after: int, longest_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._after = after
        self._longest = longest_seconds
        self._clock = clock
        self._states: dict[str, _State] = {}

    def resting(self, member: str) -> Verdict | None:
        """Return why a member is not asked now; None where it is, which must end in ``heard`` or ``left``."""
        state = self._states.get(member)
        if state is None or state.last is None:
            return None
        wait = state.until - self._clock()
        if wait <= 0 and not state.probing:
            state.probing = True
            return None
        again = f"asked again in {max(wait, 0):.0f} s" if wait > 0 else "being asked again"
        return Verdict(
            state.last, f"It failed {state.failures} times in a row and is {again}. Last: {state.last.meaning}"
        )

    def heard(self, member: str, verdict: Verdict) -> None:
        """Take note of what became of a question."""
        state = self._states.setdefault(member, _State())
        state.probing = False
        if not verdict.kind.failed or verdict.kind is BUSY:  # who is busy for one may well answer another
            if state.last is not None:
                _log.info("%s answers again", member)
            self._states[member] = _State()
            return
        state.failures += 1
        if state.last is not None and self._clock() < state.until:
            return  # asked before it was rested
        if not self._after or state.failures < self._after:
            return
        if state.last is None:
            _log.warning(
                "%s is rested: it failed %d times in a row, last by %s", member, state.failures, verdict.kind.name
            )
        state.pause = min(state.pause * 2 or FIRST_PAUSE, self._longest)
        state.until = self._clock() + state.pause
        state.last = verdict.kind

    def left(self, member: str) -> None:
        """The asker went before anything came of it."""
        if member in self._states:
            self._states[member].probing = False
