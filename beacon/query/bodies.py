"""What a variant's record says whoever asks: all of it but who carries the variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson

from beacon.model.genome import Reference
from beacon.model.variant import Allele, variation
from beacon.query.identifiers import identifiers, in_vrs
from beacon.store.base import Segment, Store, StoredAllele
from beacon.store.fragments import Encoded

Place = tuple[int, int]
"""Block and row of an allele in its segment."""


@dataclass(frozen=True)
class Spelling:
    """How variants are written: ``as_vrs`` in VRS 1.3 where that can say them exactly, else in the legacy form.

    ``references`` are the store's, by which insertions and deletions are named.
    """

    as_vrs: bool
    references: tuple[Reference, ...]

    @cached_property
    def version(self) -> int:
        """A number that another spelling does not have, by which remembered bodies are told apart."""
        return hash((self.as_vrs, self.references))

    def of(self, stored: StoredAllele) -> dict[str, Any]:
        """Return an allele's ``variation``."""
        allele = stored.allele
        said = None
        if self.as_vrs:
            said = in_vrs(allele, stored.moves, self._reference(allele), stored.vrs)
        return said or variation(allele)

    def _reference(self, allele: Allele) -> Reference | None:
        place = allele.assembly, allele.chrom
        return next((one for one in self.references if (one.assembly, one.chrom) == place), None)


_OBJECT_BYTES: Final = 200
_OF_CARRIERS: Final = frozenset({
    "caseLevelTotal", "caseLevelIndividuals", "carriers", "genotypes", "missing", "alleleCount", "alleleNumber",
})  # fmt: skip


class Body(NamedTuple):
    """A variant's encoded record up to within its ``info``, and the encoded address of those who carry it."""

    id: str
    begin: bytes
    individuals: bytes

    @classmethod
    def of(cls, stored: StoredAllele, told: dict[str, Any], counts: Mapping[str, Any], spelling: Spelling) -> Body:
        """Write what was ``told`` of a variant with its data, and what can be computed of it."""
        # A file that was another Beacon's answer may say of carriers what held there.
        told.pop("caseLevelData", None)
        info = {name: value for name, value in told.pop("info", {}).items() if name not in _OF_CARRIERS}
        info["placed"] = stored.allele.placed
        info.update(counts)
        record = {"variantInternalId": stored.id, "variation": spelling.of(stored)} | told
        if named := identifiers(stored, told.get("identifiers", {})):
            record["identifiers"] = named
        record["info"] = info
        # Relative to the root of whatever Beacon is asked: a network hands a site's records on as its own.
        return cls(stored.id, orjson.dumps(record)[:-2], orjson.dumps(f"g_variants/{stored.id}/individuals"))

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return len(self.id) + len(self.begin) + len(self.individuals) + _OBJECT_BYTES

    def closed(self, total: int, entries: Sequence[Encoded]) -> bytes:
        """Return the whole record with case-level ``entries``, each with a comma behind it; in all there are ``total``.

        Of those there is at least one where the total is not 0.
        """
        if not total:
            return self.begin + b"}}"
        told = b',"caseLevelTotal":%d,"caseLevelIndividuals":%b},"caseLevelData":[' % (total, self.individuals)
        *others, last = [one for one in entries if one]
        return b"".join((self.begin, told, *others, last[:-1], b"]}"))


async def bodies(store: Store, segment: Segment, places: Sequence[Place], spelling: Spelling) -> dict[Place, Body]:
    """Return the bodies of alleles that no other segment has, and nobody is gone from: what was counted stands.

    Raises ``StoreUnavailable``.
    """
    version = spelling.version
    found: dict[Place, Body] = {}
    for place in places:
        if (body := store.recall(segment, ("body", version, *place))) is not None:
            found[place] = body
    for stored in await store.alleles(segment, [place for place in places if place not in found]):
        place = stored.block, stored.row
        counts = {}
        if stored.genotypes is not None:
            counts = counted(stored.genotypes, stored.allele_count, stored.allele_number)
        body = found[place] = Body.of(stored, orjson.loads(stored.body), counts, spelling)
        store.remember(segment, ("body", version, *place), body, body.nbytes)
    return found


def counted(genotypes: Sequence[int], count: int | None, number: int | None) -> dict[str, Any]:
    """Return what ``info`` says of a variant's ``genotypes`` (``StoredAllele``), allele count and number."""
    het, hom, hemi, other, missing = genotypes
    told = {"heterozygous": het, "homozygous": hom, "hemizygous": hemi}
    if other:
        told["zygosityNotStated"] = other
    info: dict[str, Any] = {"carriers": het + hom + hemi + other, "genotypes": told}
    if number is not None:
        told["missing"] = missing
        info["alleleCount"], info["alleleNumber"] = count, number
    return info
