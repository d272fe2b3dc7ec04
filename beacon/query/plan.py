"""From a question to store-neutral conditions, before any data are touched; what cannot be asked is refused here."""

from __future__ import annotations

from dataclasses import dataclass

from beacon.errors import CannotAnswer
from beacon.model.bases import ambiguous
from beacon.model.calls import GROUPS
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Anchor, Query, VariantQuery
from beacon.model.variant import matching_types
from beacon.query.filters import Condition, ZygosityCondition, conditions
from beacon.store.base import AllelePredicate

MAX_WILD = 50
"""The most bases on a side where either side has codes that stand for several bases."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A question in terms of the store.

    ``conditions`` choose rows of records; ``alleles`` is None where variants play no part. ``groups`` holds one
    tuple of carrier groups per zygosity asked for: somebody must carry the allele in each.
    """

    target: str
    anchor: Anchor | None
    conditions: tuple[Condition, ...]
    alleles: AllelePredicate | None
    groups: tuple[tuple[str, ...], ...]


def plan(query: Query) -> Plan:
    """Translate a question. Raises ``UnknownFilter`` and ``CannotAnswer``."""
    # A dataset or cohort is asked for by its people, so a field that several entry types have is theirs.
    target = "individual" if ENTRY_TYPES[query.entry_type].collection else query.entry_type
    found = conditions(query.filters, target)
    groups = tuple((item.group,) for item in found if isinstance(item, ZygosityCondition))
    alleles = None if query.variant is None else predicate(query.variant)
    anchor = query.anchor
    if anchor is not None and anchor.entry_type == "genomicVariant":
        if alleles is not None:
            raise CannotAnswer("variant parameters cannot be combined with one variant's id", where="g_variant")
        alleles = AllelePredicate(ids=(anchor.id,))
    if alleles is None and (groups or query.entry_type == "genomicVariant"):
        alleles = AllelePredicate()
    return Plan(
        query.entry_type,
        anchor,
        tuple(item for item in found if not isinstance(item, ZygosityCondition)),
        alleles,
        groups or (GROUPS,),
    )


def predicate(asked: VariantQuery) -> AllelePredicate:
    """Translate the genomic part. Raises ``CannotAnswer`` for what this site cannot look for."""
    if asked.short_form is not None:
        raise CannotAnswer(
            "this site cannot search by short form yet; give position and bases", where="genomicAlleleShortForm"
        )
    if asked.mate is not None:
        raise CannotAnswer(
            "this site cannot search by mateName yet; give the position of one breakend", where="mateName"
        )
    types = None
    if asked.variant_type is not None:
        types = matching_types(asked.variant_type)
        if types is None:
            raise CannotAnswer(f"variantType {asked.variant_type!r} is not known here", where="variantType")
    if asked.chrom == "":
        raise CannotAnswer("referenceName is empty; name a chromosome", where="referenceName")
    for name, given in (("referenceBases", asked.reference_bases), ("alternateBases", asked.alternate_bases)):
        if given and len(given) > MAX_WILD and ambiguous((asked.reference_bases or "") + (asked.alternate_bases or "")):
            raise CannotAnswer(
                f"{name} has {len(given)} bases; where codes for several bases are used, {MAX_WILD} is the most here",
                where=name,
            )
    overlap = bracket = sequence = start_bases = None
    bases = (asked.reference_bases, asked.alternate_bases)
    if len(asked.start) == 2 and len(asked.end) == 2:
        bracket = (*asked.start, *asked.end)
    elif asked.start and asked.end:
        overlap = (asked.start[0], asked.end[0])
    elif asked.start and bases == (None, None):
        overlap = (asked.start[0], asked.start[0] + 1)
    elif asked.start:
        ref, alt = bases
        if ref is None or alt is None or ambiguous(ref + alt):
            start_bases = (asked.start[0], ref, alt)
        else:
            sequence = (asked.start[0], ref, alt)
    alone = sequence is None and start_bases is None
    return AllelePredicate(
        assembly=asked.assembly,
        chrom=asked.chrom,
        overlap=overlap,
        bracket=bracket,
        sequence=sequence,
        start_bases=start_bases,
        reference_bases=asked.reference_bases if alone else None,
        alternate_bases=asked.alternate_bases if alone else None,
        types=types,
        min_length=asked.min_length,
        max_length=asked.max_length,
        gene=asked.gene,
        aminoacid_change=asked.aminoacid_change,
    )
