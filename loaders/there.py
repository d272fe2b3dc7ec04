"""A dataset as it is, which a check compares files with, so that it reports what their load would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from beacon.store.admin import Admin
from beacon.store.tombstones import IsGone
from loaders.report import Report

_AT_ONCE = 10_000
"""Ids that are looked up together; all those of a large file would be more than a question may have."""


@dataclass(frozen=True, slots=True)
class There:
    """The dataset ``id`` of ``admin``, and who withdrew from it; nothing in it is changed."""

    admin: Admin
    id: str
    is_gone: IsGone

    @classmethod
    def of(cls, admin: Admin, dataset: str, report: Report) -> There:
        """Look at a dataset, which the report is then about. Raises ``LoadError`` where there is none of that id."""
        report.dataset = admin.dataset(dataset).id
        return cls(admin, report.dataset, admin.tombstones(report.dataset).reader())

    def count_people(self, ids: Iterable[str], report: Report, known: str) -> None:
        """Count who is new to the dataset, who would be left out as withdrawn, and all others, who are ``known``."""
        waiting = iter(dict.fromkeys(ids))
        while some := set(islice(waiting, _AT_ONCE)):
            withdrawn = {id for id in some if self.is_gone("individual", id)}
            there = self.admin.individuals(self.id, some - withdrawn)
            report.count("new individual", len(some - withdrawn - there))
            report.count(f"{known} individual", len(there))
            report.count("withdrawn individual left out", len(withdrawn))

    def outcome(self, sha256: str, format: str, checked: str) -> str:
        """Return what is said in the end: what was ``checked``, and whether loading it would change anything."""
        if self.admin.loaded(self.id, sha256, format):
            return f"{checked} Dataset {self.id} holds it already: loading it would change nothing."
        return f"{checked} Nothing was changed."
