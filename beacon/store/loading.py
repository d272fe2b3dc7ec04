"""What a load says of itself, and what came of it: the values that go between loaders and the writer of a segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from beacon.store.documents import Document
from beacon.store.publish import Saying

REWRITES = ("compact", "purge")
"""What is no load of files, but writes segments anew."""


@dataclass(frozen=True, slots=True)
class LoadInfo:
    """Where a segment came from. ``time`` is UTC; ``ontologies`` maps prefixes to versions."""

    source: str
    sha256: str
    format: str
    loader: str
    time: datetime
    who: str
    assembly: str | None = None
    cohort: str | None = None
    ontologies: Mapping[str, str] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What the journal calls it."""
        return self.format if self.format in REWRITES else f"load {self.format}"

    def document(self) -> Document:
        """Return the load as it lies in the segment's document."""
        return {name: getattr(self, name) for name in self.__slots__} | {"ontologies": dict(self.ontologies)}


class Origin(NamedTuple):
    """Where a record came from: file as it was given, 1-based line where it has lines, and a digest of its content.

    ``load`` is None for the load that is being written.
    """

    file: str | None
    line: int | None = None
    digest: bytes | None = None
    load: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What a load changed: its records by kind that are now visible, and how many individuals it replaced.

    ``left_out``: how many withdrawn people were not loaded. ``changed``: False where all was there already.
    """

    segment: str
    added: Mapping[str, int]
    replaced: int
    left_out: int = 0
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Beside:
    """What a load does beside bringing its own records.

    ``removed``: ids of individuals who go. ``members``: ids of individuals who are there already and join the load's
    cohort. ``supersedes``: ids of loads whose calls of the same samples go, or, if ``entirely``, all that they brought.
    ``counts`` are for the journal. ``sayings``: what it says of the dataset and its cohorts.

    ``by_record``: each record takes the place of that of its id alone, and what else the person had stays. Then
    ``supersedes`` takes calls and no records, and all calls go of the loads in ``corrects``.
    """

    removed: Sequence[str] = ()
    members: Sequence[str] = ()
    supersedes: frozenset[str] = frozenset()
    entirely: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    sayings: Sequence[Saying] = ()
    by_record: bool = False
    corrects: frozenset[str] = frozenset()


NOTHING_BESIDE = Beside()
