"""Who asks, and how deeply a dataset answers them.

A ``Decision`` is the only thing that the rest of the program knows about authorization: one per
dataset and request, made by ``beacon.auth.policy``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final


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
        try:
            return _GRANULARITIES[text]
        except KeyError:
            raise ValueError(f"{text!r} is not one of none, boolean, count, record") from None


_GRANULARITIES: Final = {granularity.label: granularity for granularity in Granularity}


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
class Visa:
    """A GA4GH visa that met every requirement of the standard and of this site (Passport 1.2).

    ``person`` is whom its issuer names; ``asserted`` and ``expires`` are in seconds since 1970. It holds until
    ``expires``, which is no later than what it rests on: links between identities, visas that its conditions need.
    """

    type: str
    value: str
    source: str
    by: str | None
    person: Person
    asserted: float
    expires: float


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion is good for: one use (``id``) of the one request of this digest; seconds since 1970."""

    id: str
    request: str
    issued: float
    expires: float


@dataclass(frozen=True, slots=True)
class IgnoredVisa:
    """A visa that counts for nothing, for the audit: what could be read of it (else None), and why, in one word."""

    reason: str
    issuer: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an asker says the answer is for: terms of the Data Use Ontology and of MONDO.

    ``above`` holds for each disease itself and all that is above it in MONDO; None where the site lacks MONDO.
    """

    terms: frozenset[str] = frozenset()
    above: Mapping[str, frozenset[str] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: nobody in particular, a person, or a node on behalf of a person.

    ``node`` is the id of the network node that vouches for the person. Such an assertion never
    reaches above ``ceiling`` (a level) and ``max_granularity``, which this site set for that node.

    ``visas`` are those that count; ``bona_fide`` says that they give registered access (accepted terms and the status
    of a researcher). ``identities`` are the names that other issuers know the same person by. ``purpose`` holds
    the terms declared at login, ``ignored`` the visas that count for nothing.
    """

    person: Person | None = None
    node: str | None = None
    ceiling: Level = Level.CONTROLLED
    max_granularity: Granularity = Granularity.RECORD
    visas: tuple[Visa, ...] = ()
    bona_fide: bool = False
    identities: frozenset[Person] = frozenset()
    purpose: frozenset[str] = frozenset()
    ignored: tuple[IgnoredVisa, ...] = ()
    assertion: Assertion | None = None

    def grants(self) -> frozenset[str]:
        """Return the datasets, as visas name them, to which this person was granted access."""
        return frozenset(visa.value for visa in self.visas if visa.type == "ControlledAccessGrants")


ANONYMOUS = Principal()


@dataclass(frozen=True, slots=True)
class Consent:
    """What a dataset's people agreed to: codes of the Data Use Ontology, and diseases where a code needs them.

    ``fallback`` is the most that is answered where the codes and what is declared do not decide.
    """

    codes: frozenset[str]
    diseases: frozenset[str] = frozenset()
    fallback: Granularity = Granularity.NONE


class Agreement(StrEnum):
    """How a dataset's consent and an asker's purpose go together."""

    PERMITTED = "permitted"
    UNDECIDED = "undecided"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ConsentOutcome:
    """The outcome, and what decided it: codes, or ``purpose`` where none was declared."""

    agreement: Agreement
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """A property of an entry type's records that needs ``level``; with None it is shown to nobody."""

    entry_type: str
    field: str
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class StricterRecords:
    """People whose records need a higher level than their dataset: by id, or as the members of a cohort."""

    level: Level
    individuals: frozenset[str] = frozenset()
    cohorts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DatasetPolicy:
    """The rules that a custodian set for one dataset; the default answers nobody.

    ``ceilings`` says how deeply each kind of asker may look at most. ``threshold`` is the smallest
    number of people that a count, or an ``exists``, may be about (0 switches it off); it protects
    everyone but grantees, and does not apply to public datasets. ``visas`` are the values of
    ControlledAccessGrants that make a grantee. Whoever is ``refused`` gets nothing, whatever else holds.
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
    visas: frozenset[str] = frozenset()
    refused: frozenset[Person] = frozenset()
    withheld: frozenset[Withheld] = frozenset()
    stricter: tuple[StricterRecords, ...] = ()
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """How deeply one dataset answers one request, and why (one reason per thing that lowered it).

    ``rule`` is what made the asker what it is: ``list``, ``visa``, ``refused``, or ``none``. ``withheld`` are the
    properties that this asker's answers do as without. ``consent`` is None where the dataset has no codes.
    """

    dataset: str
    granularity: Granularity
    asker: Asker
    level: Level
    threshold: int
    reasons: tuple[str, ...] = ()
    rule: str = "none"
    withheld: frozenset[tuple[str, str]] = frozenset()
    consent: ConsentOutcome | None = None

    @property
    def reach(self) -> Level:
        """The highest level of records that this asker sees; those that need more are as if they were not there."""
        return Level(tuple(Level)[tuple(Asker).index(self.asker)])
