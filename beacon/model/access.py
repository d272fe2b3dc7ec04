"""Who asks, and how deeply a dataset answers them.

A ``Decision`` is the only thing that the rest of the program knows about authorization: one per
dataset and request, made by ``beacon.auth.policy``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Granularity(IntEnum):
    """How deep an answer goes (Beacon v2 ``granularity``); ordered, so ``min`` is the safe choice."""

    NONE = 0
    BOOLEAN = 1
    COUNT = 2
    RECORD = 3

    @property
    def label(self) -> str:
        """The standard's word; ``none`` for a dataset that does not answer."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Granularity:
        """Read the standard's word. Raises ``ValueError`` for any other text."""
        for member in cls:
            if member.label == text:
                return member
        raise ValueError(f"{text!r} is not one of none, boolean, count, record")


class Level(StrEnum):
    """A dataset's access level (the standard's security levels)."""

    PUBLIC = "public"
    REGISTERED = "registered"
    CONTROLLED = "controlled"


class Asker(StrEnum):
    """What an asker is to one dataset; a dataset sets one granularity ceiling for each."""

    STRANGER = "stranger"
    REGISTERED = "registered"
    GRANTED = "granted"


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """A person, as an issuer knows them: OIDC ``iss`` and ``sub`` together, never ``sub`` alone."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: nobody in particular, a person, or a node on behalf of a person.

    ``node`` is the id of the network node that vouches for the person. Such an assertion never
    reaches above ``ceiling`` (a level) and ``max_granularity``, which this site set for that node.
    """

    person: Person | None = None
    node: str | None = None
    ceiling: Level = Level.CONTROLLED
    max_granularity: Granularity = Granularity.RECORD


ANONYMOUS = Principal()


@dataclass(frozen=True, slots=True)
class DatasetPolicy:
    """The rules that a custodian set for one dataset; the default answers nobody.

    ``ceilings`` says how deeply each kind of asker may look at most. ``threshold`` is the smallest
    number of people that a count, or an ``exists``, may be about (0 switches it off); it protects
    everyone but listed grantees, and does not apply to public datasets.
    """

    level: Level = Level.CONTROLLED
    ceilings: Mapping[Asker, Granularity] = field(
        default_factory=lambda: {
            Asker.STRANGER: Granularity.NONE,
            Asker.REGISTERED: Granularity.NONE,
            Asker.GRANTED: Granularity.RECORD,
        }
    )
    registered: frozenset[Person] = frozenset()
    granted: frozenset[Person] = frozenset()
    threshold: int = 5


@dataclass(frozen=True, slots=True)
class Decision:
    """How deeply one dataset answers one request, and why (one reason per thing that lowered it)."""

    dataset: str
    granularity: Granularity
    asker: Asker
    level: Level
    threshold: int
    reasons: tuple[str, ...] = ()
