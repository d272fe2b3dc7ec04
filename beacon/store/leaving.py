"""Leaving withdrawn people out of a load: their records are not written, their columns not even as numbers."""

from __future__ import annotations

import numpy as np

from beacon.model.calls import GROUPS, Calls
from beacon.store.tombstones import IsGone

_SETS = (*GROUPS, "missing", "haploid")


class LeftOut:
    """Who is left out of one load, and which of its columns are stored.

    ``stored`` holds, by column as the loader numbers them, the column as it is stored, -1 where it is left out.
    """

    def __init__(self, is_gone: IsGone) -> None:
        self.stored: list[int] = []
        self.people: set[str] = set()
        self._is_gone = is_gone
        self._answers: dict[tuple[str, str], bool] = {}
        self._looked_at = 0
        self._some = False

    def person(self, id: str) -> bool:
        """Whether a person is left out; whoever is counts."""
        gone = self._ask("individual", id)
        if gone:
            self.people.add(id)
        return gone

    def sample(self, person: str, id: str) -> bool:
        """Whether a sample that only its name tells of is left out."""
        gone = self.person(person) or self._ask("biosample", id)
        if gone:
            self.people.add(person)
        return gone

    def calls(self, calls: Calls | None) -> tuple[Calls | None, bool]:
        """Return calls by stored columns, and whether the allele stays, because somebody else carries it."""
        if self._looked_at < len(self.stored):  # looking at all columns for each allele would cost more than writing it
            self._looked_at, self._some = len(self.stored), -1 in self.stored
        if calls is None or not self._some:
            return calls, True
        number = np.array(self.stored, np.int64)
        kept = {}
        for name in _SETS:
            at = number[np.asarray(getattr(calls, name), np.int64)]
            kept[name] = at[at >= 0].astype(np.uint32)
        exceptions = tuple((self.stored[c], n, called) for c, n, called in calls.exceptions if self.stored[c] >= 0)
        before = any(len(getattr(calls, group)) for group in GROUPS)
        stays = not before or any(len(kept[group]) for group in GROUPS)
        return Calls(**kept, exceptions=exceptions, counted=calls.counted), stays

    def _ask(self, kind: str, id: str) -> bool:
        if (kind, id) not in self._answers:
            self._answers[kind, id] = self._is_gone(kind, id)
        return self._answers[kind, id]
