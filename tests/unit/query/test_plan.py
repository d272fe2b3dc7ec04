"""What a question becomes before any data are touched, and what is refused there."""

from __future__ import annotations

from typing import Any

import pytest

from beacon.errors import CannotAnswer, UnknownFilter
from beacon.model.calls import GROUPS
from beacon.model.query import AlphanumericFilter, Anchor, CustomFilter, OntologyFilter, Query, VariantQuery
from beacon.query.plan import MAX_WILD, plan, predicate
from beacon.store.base import AllelePredicate, KeyCondition

PLACE: dict[str, Any] = {"assembly": "GRCh38", "chrom": "1"}


def test_a_range_is_what_overlaps_it() -> None:
    asked = VariantQuery(**PLACE, start=(100,), end=(200,))
    assert predicate(asked) == AllelePredicate(**PLACE, overlap=(100, 200))
    assert predicate(asked).positional


def test_a_range_with_anything_more_is_not_decided_by_position_alone() -> None:
    for more in ({"variant_type": "SNP"}, {"alternate_bases": "G"}, {"min_length": 2}, {"gene": "FBN1"}):
        assert not predicate(VariantQuery(**PLACE, start=(100,), end=(200,), **more)).positional


def test_a_bracket_keeps_its_four_positions() -> None:
    asked = VariantQuery(**PLACE, start=(1, 2), end=(3, 4))
    assert predicate(asked) == AllelePredicate(**PLACE, bracket=(1, 2, 3, 4))


def test_start_and_both_bases_are_one_allele_and_wildcards_are_several() -> None:
    exact = VariantQuery(**PLACE, start=(100,), reference_bases="A", alternate_bases="")
    assert predicate(exact) == AllelePredicate(**PLACE, sequence=(100, "A", ""))
    wild = VariantQuery(**PLACE, start=(100,), reference_bases="A", alternate_bases="N")
    assert predicate(wild) == AllelePredicate(**PLACE, start_bases=(100, "A", "N"))
    open_ended = VariantQuery(**PLACE, start=(100,), alternate_bases="G")
    assert predicate(open_ended) == AllelePredicate(**PLACE, start_bases=(100, None, "G"))


def test_bases_with_a_range_or_gene_are_conditions_of_their_own() -> None:
    asked = VariantQuery(**PLACE, start=(1,), end=(9,), alternate_bases="G")
    assert predicate(asked) == AllelePredicate(**PLACE, overlap=(1, 9), alternate_bases="G")
    assert predicate(VariantQuery(gene="FBN1", reference_bases="A")) == AllelePredicate(
        gene="FBN1", reference_bases="A"
    )


def test_only_a_question_without_place_and_bases_can_find_what_has_no_place() -> None:
    assert predicate(VariantQuery(gene="FBN1", variant_type="DEL", assembly="GRCh38")).placeless
    for asked in (
        VariantQuery(**PLACE),
        VariantQuery(**PLACE, start=(0,), end=(1,)),
        VariantQuery(**PLACE, start=(0, 0), end=(0, 9)),
        VariantQuery(gene="FBN1", alternate_bases=""),
        VariantQuery(gene="FBN1", reference_bases="A"),
    ):
        assert not predicate(asked).placeless


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (VariantQuery(variant_type="BLUE"), "variantType"),
        (VariantQuery(assembly="GRCh38", chrom=""), "referenceName"),
        (
            VariantQuery(**PLACE, start=(1,), reference_bases="A", alternate_bases="N" * (MAX_WILD + 1)),
            "alternateBases",
        ),
        (
            VariantQuery(**PLACE, start=(1,), reference_bases="A" * (MAX_WILD + 1), alternate_bases="N"),
            "referenceBases",
        ),
    ],
)
def test_what_cannot_be_looked_for_is_refused_by_parameter(asked: VariantQuery, where: str) -> None:
    with pytest.raises(CannotAnswer) as caught:
        predicate(asked)
    assert caught.value.where == where


def test_long_bases_without_wildcards_are_fine() -> None:
    asked = VariantQuery(**PLACE, start=(1,), reference_bases="A" * 5000, alternate_bases="A")
    assert predicate(asked).sequence == (1, "A" * 5000, "A")


def test_variants_play_no_part_where_nobody_asks_for_them() -> None:
    made = plan(Query("individual", filters=(OntologyFilter("HP:0001166"),)))
    assert (made.alleles, made.groups) == (None, (GROUPS,))


def test_a_question_for_variants_is_for_all_of_them_unless_it_says_more() -> None:
    assert plan(Query("genomicVariant")).alleles == AllelePredicate()


def test_zygosities_are_carrier_groups_and_no_conditions_on_records() -> None:
    made = plan(Query("individual", filters=(OntologyFilter("GENO:0000135"), OntologyFilter("GENO:0000136"))))
    assert (made.conditions, made.alleles, made.groups) == ((), AllelePredicate(), (("het",), ("hom",)))


def test_one_variants_id_chooses_the_alleles_and_takes_no_other_parameters() -> None:
    anchor = Anchor("genomicVariant", "GRCh38-1-101-A-G")
    assert plan(Query("individual", anchor)).alleles == AllelePredicate(ids=(anchor.id,))
    with pytest.raises(CannotAnswer):
        plan(Query("individual", anchor, variant=VariantQuery(gene="FBN1")))


@pytest.mark.parametrize("collection", ["dataset", "cohort"])
def test_collections_are_asked_for_by_the_fields_of_their_people(collection: str) -> None:
    asked = AlphanumericFilter("phenotypicFeatures.featureType", "=", "HP:0001166")
    (condition,) = plan(Query(collection, filters=(asked,))).conditions
    assert isinstance(condition, KeyCondition)
    assert condition.kinds == ("individual",)


def test_an_unusable_filter_is_refused_whatever_else_is_asked() -> None:
    with pytest.raises(UnknownFilter):
        plan(Query("genomicVariant", filters=(CustomFilter("x"),), variant=VariantQuery(gene="FBN1")))
