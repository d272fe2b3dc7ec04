"""The names under which the rest of the world knows an allele, as far as they can be computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beacon.model import genome, hgvs, spdi, vrs
from beacon.model.edit import Normal
from beacon.model.genome import Reference
from beacon.model.variant import Allele, is_sequence
from beacon.store.base import StoredAllele

_BASES = frozenset("ACGT")
LONGEST = 1_000
"""Longer names say no more than the variation itself."""


def identifiers(stored: StoredAllele, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variant's ``identifiers``: those ``given`` with its data, and HGVS, SPDI and VRS names beside them.

    HGVS and SPDI of an insertion or deletion depend on how far it can be moved, so that only the reference sequence
    tells them; VRS ids always need it.
    """
    named = dict(given)
    name, other = _computed(stored)
    if name and len(name) <= LONGEST:
        named.setdefault("genomicHGVSId", name)
    others = [{"id": other, "notes": "SPDI"}] if other and len(other) <= LONGEST else []
    if stored.vrs:
        others.append({"id": stored.vrs, "notes": "GA4GH VRS 1.3 computed identifier"})
    if known := given.get("variantAlternativeIds"):
        held = {one["id"] for one in known}
        others = [*known, *(one for one in others if one["id"] not in held)]
    if others:
        named["variantAlternativeIds"] = others
    return named


def _computed(stored: StoredAllele) -> tuple[str | None, str | None]:
    """Return the HGVS and the SPDI name of an allele, as far as there are any."""
    allele = stored.allele
    known = genome.ASSEMBLIES.get(allele.assembly)
    accession = known.accessions.get(allele.chrom) if known else None
    if not accession or not is_sequence(allele.alt):
        return None, None
    start, ref, alt = allele.minimal
    # Other letters than those of bases say that one of several alleles is meant.
    if not _BASES.issuperset(ref + alt) or (not (ref and alt) and not stored.moves):
        return None, None
    settled = Normal(start, ref, alt, *(stored.moves or ()))
    name = hgvs.write(accession, settled, mitochondrial=allele.chrom == "MT")
    return name, spdi.write(accession, settled)


def in_vrs(
    allele: Allele, moves: tuple[int, int] | None, reference: Reference | None, id: str | None
) -> dict[str, Any] | None:
    """Return an allele in VRS 1.3, None where that cannot say exactly what is known of it.

    ``moves`` is how far an insertion or deletion can be moved, None where nobody knows; with ``reference`` its sequence
    and ``id`` are named by digest, else the sequence by its accession.
    """
    if not allele.placed or not is_sequence(allele.alt):
        return None
    start, ref, alt = allele.minimal
    if not (ref and alt) and moves is None:
        return None
    start, ref, alt = Normal(start, ref, alt, *(moves or (0, 0))).justified
    if reference is not None and id is not None:
        return vrs.allele(f"ga4gh:SQ.{reference.digest}", start, start + len(ref), alt, id)
    return vrs.allele(genome.sequence_id(allele.assembly, allele.chrom), start, start + len(ref), alt)
