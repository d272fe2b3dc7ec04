"""Alleles of different beacons are told apart where that can be done for certain; test_merge has the sums."""

from __future__ import annotations

from beacon.model import variant
from network.totals import allele_identity


def test_the_same_substitution_is_recognised_in_any_beacon_and_other_alleles_by_our_id_alone() -> None:
    ours = variant.from_vcf("GRCh38", "17", 43_045_000, "A", "G")
    mine = {"variantInternalId": ours.id, "variation": variant.variation(ours)}
    theirs = {"variantInternalId": "v1", "variation": variant.variation(ours)}
    assert allele_identity(mine) == allele_identity(theirs)
    insertion = variant.from_vcf("GRCh38", "17", 43_045_000, "A", "AG")
    assert (
        allele_identity({"variantInternalId": insertion.id, "variation": variant.variation(insertion)}) == insertion.id
    )
    assert allele_identity({"variantInternalId": "v2", "variation": variant.variation(insertion)}) is None
    assert allele_identity({"variation": "odd"}) is None
