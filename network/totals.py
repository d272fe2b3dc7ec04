"""How many there are in all, from one member's finding after the other.

People and samples of different members add up. The same variant is met again in several places, so of variants the
number is an interval, unless all of them were read and can be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from beacon.model import genome, variant
from beacon.model.query import Query
from network.outcomes import NOTHING, Bounds, Finding, ResultSet
from network.reading import additive

_OUR_VARIANT_ID: Final = re.compile(r"(GRCh3[78]|T2T)-.+|unplaced-[0-9a-f]{24}")


@dataclass(slots=True)
class Total:
    """What is known of the number of distinct things in all findings so far; each is looked at once."""

    query: Query
    _sum: Bounds = NOTHING
    _read: bool = True
    _alleles: set[object] = field(default_factory=set)
    _opaque: int = 0
    _largest: int = 0

    def add(self, finding: Finding) -> None:
        """Take in what a member said; the empty finding, of one that said nothing, may stand for any number."""
        if additive(self.query.entry_type):
            self._sum += finding.bounds
            return
        self._sum = self._sum.union(finding.bounds)
        told = finding.bounds == NOTHING or bool(finding.sets)
        self._read = self._read and told and all(one.complete for one in finding.sets)
        for one in finding.sets if self._read else ():
            self._read_alleles(one)

    def bounds(self, *, exists: bool) -> Bounds:
        """Return the number; at least one where something ``exists``."""
        first_page = self.query.pagination.skip == 0
        if not self._sum.exact and self._read and first_page and not additive(self.query.entry_type):
            return Bounds(max(self._largest, len(self._alleles)), len(self._alleles) + self._opaque)
        return Bounds(max(self._sum.low, 1), self._sum.high) if exists else self._sum

    def _read_alleles(self, one: ResultSet) -> None:
        """Tell apart the alleles of a set that was read to its end.

        A record that nobody else could recognise may or may not be the same as another's: such records make the number
        an interval.
        """
        identities = [allele_identity(record) for record in one.results or ()]
        known, opaque = set(identities) - {None}, identities.count(None)
        self._alleles |= known
        self._opaque += opaque
        self._largest = max(self._largest, len(known) + opaque)


def allele_identity(record: Mapping[str, Any]) -> object | None:
    """Return what is the same for the same allele wherever it is recorded, or None where that cannot be told.

    Substitutions are recognised by place and bases, in any beacon. Other alleles can be written in several
    ways, so they are recognised by the id alone that every Skerry site gives them.
    """
    if (place := _substitution(record.get("variation"))) is not None:
        return place
    own = record.get("variantInternalId")
    return own if isinstance(own, str) and _OUR_VARIANT_ID.fullmatch(own) else None


def _substitution(variation: object) -> tuple[object, ...] | None:
    """(assembly, chromosome, start, ref, alt) in minimal form, of a variation in the standard's legacy form."""
    match variation:
        case {
            "referenceBases": str(ref),
            "alternateBases": str(alt),
            "location": {
                "sequence_id": str(sequence),
                "interval": {"start": {"value": int(start)}, "end": {"value": int(end)}},
            },
        } if len(ref) == len(alt) == end - start and variant.is_sequence(ref + alt):
            known = genome.named_by(sequence)
            # The mitochondrion's accession does not tell the assembly.
            return (*known, *variant.minimal(start, ref, alt)) if known and known[0] else None
        case _:
            return None
