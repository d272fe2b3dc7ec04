"""One allele has one form and one id, however it was written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model import variant
from beacon.model.variant import Allele, from_vcf, matching_types, minimal, symbolic_types, trim

BASES = st.text("ACGT", min_size=1, max_size=6)


def applied(reference: str, start: int, ref: str, alt: str) -> str:
    assert reference[start : start + len(ref)] == ref
    return reference[:start] + alt + reference[start + len(ref) :]


@given(BASES, BASES, BASES, BASES)
def test_trimming_changes_neither_the_reference_nor_the_result(left: str, ref: str, alt: str, right: str) -> None:
    reference = left + ref + right
    expected = applied(reference, len(left), ref, alt)
    for way in (trim, minimal):
        assert applied(reference, *way(len(left), ref, alt)) == expected
        # Bases around the allele are what the trimming takes away again.
        assert applied(reference, *way(0, reference, left + alt + right)) == expected


@given(BASES, BASES)
def test_trimming_keeps_a_base_on_each_side_and_is_done_once(ref: str, alt: str) -> None:
    start, trimmed_ref, trimmed_alt = trim(10, ref, alt)
    assert trimmed_ref
    assert trimmed_alt
    assert trim(start, trimmed_ref, trimmed_alt) == (start, trimmed_ref, trimmed_alt)
    if len(trimmed_ref) > 1 and len(trimmed_alt) > 1:
        assert trimmed_ref[0] != trimmed_alt[0]
        assert trimmed_ref[-1] != trimmed_alt[-1]


@given(BASES, BASES)
def test_minimal_shares_no_base_at_either_end(ref: str, alt: str) -> None:
    if ref == alt:
        return
    start, bare_ref, bare_alt = minimal(10, ref, alt)
    assert not (bare_ref and bare_alt and (bare_ref[0] == bare_alt[0] or bare_ref[-1] == bare_alt[-1]))
    assert minimal(start, bare_ref, bare_alt) == (start, bare_ref, bare_alt)


def test_an_empty_side_describes_the_same_allele_as_an_anchored_one() -> None:
    assert minimal(100, "", "T") == minimal(99, "A", "AT") == (100, "", "T")
    assert minimal(100, "CG", "") == minimal(99, "ACG", "A") == (100, "CG", "")


@pytest.mark.parametrize(("ref", "alt"), [("A", "U"), ("u", "A"), ("GU", "GUU"), ("A", "AuA"), ("UGC", "C")])
def test_bases_of_rna_are_those_of_dna(ref: str, alt: str) -> None:
    found = from_vcf("GRCh38", "1", 100, ref, alt)
    assert found == from_vcf("GRCh38", "1", 100, *(bases.upper().replace("U", "T") for bases in (ref, alt)))
    assert "U" not in found.ref + found.alt


def test_very_long_alleles_are_trimmed_in_a_moment() -> None:
    shared = "ACGT" * 100_000
    assert trim(0, shared + "A" + shared, shared + "C" + shared) == (len(shared), "A", "C")


@pytest.mark.parametrize(
    ("ref", "alt", "types", "length"),
    [
        ("A", "G", ("SNP", "SNV"), 1),
        ("TTGCA", "TTCCA", ("SNP", "SNV"), 1),
        ("AC", "GT", ("MNP", "MNV"), 2),
        ("A", "ATT", ("INS", "INDEL"), 2),
        ("CAGAG", "CAG", ("DEL", "INDEL"), 2),
        ("ACG", "TT", ("DELINS", "INDEL"), 3),
        ("a", "g", ("SNP", "SNV"), 1),
    ],
)
def test_sequence_alleles_are_typed_by_what_they_change(
    ref: str, alt: str, types: tuple[str, ...], length: int
) -> None:
    allele = from_vcf("GRCh38", "chr1", 1000, ref, alt)
    assert (allele.types, allele.length) == (types, length)


@pytest.mark.parametrize(
    ("alt", "types"),
    [
        ("*", ("STAR",)),
        ("<DEL>", ("DEL", "CNV")),
        ("<DUP:TANDEM>", ("DUP:TANDEM", "DUP", "CNV")),
        ("<INV>", ("INV",)),
        ("<INS:ME:ALU>", ("INS:ME:ALU", "INS:ME", "INS", "MEI")),
        ("<CN0>", ("CN0", "CNV", "DEL")),
        ("<CN1>", ("CN1", "CNV")),
        ("<CN3>", ("CN3", "CNV", "DUP")),
        ("<NON_REF>", ("NON_REF",)),
        ("G]chr7:90000]", ("BND",)),
        ("A.", ("BND",)),
    ],
)
def test_alleles_without_bases_are_typed_by_their_name(alt: str, types: tuple[str, ...]) -> None:
    assert symbolic_types(alt) == types
    assert all(matching_types(name) == frozenset({name}) for name in types if not name.startswith("INS:ME:"))


def test_an_allele_has_the_same_id_in_every_notation() -> None:
    one = from_vcf("GRCh38", "chr1", 1060, "TTGCA", "TTCCA")
    assert one == from_vcf("GRCh38", "1", 1062, "g", "c")
    assert one.id == "GRCh38-1-1062-G-C"
    assert (one.start, one.end) == (1061, 1062)


def test_ids_can_stand_in_a_path_whatever_the_allele() -> None:
    alleles = [
        from_vcf("GRCh38", "chr1", 1000, "A", "G" * 5000),
        from_vcf("GRCh38", "chr1", 70000, "G", "G]chr7:90000]"),
        from_vcf("GRCh38", "chr1", 70000, "G", "G[chr7:90000["),
        from_vcf("GRCh38", "chr1", 1030, "AT", "*"),
        from_vcf("GRCh38", "chr1", 5000, "N", "<DEL>", end=9000, length=-4000),
        variant.unplaced("GRCh38", "FBN1", "SO:1000029", "exon 3 / deletion"),
        variant.unplaced("GRCh38", "FBN1", "SO:1000029", "exon 4 / deletion"),
    ]
    ids = [allele.id for allele in alleles]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_.*:\-]{1,130}", id) for id in ids)


def test_a_symbolic_allele_reaches_to_its_end() -> None:
    allele = from_vcf("GRCh38", "chr1", 5000, "N", "<DEL>", end=9000, length=-4000)
    assert (allele.start, allele.end, allele.length, allele.id) == (4999, 9000, 4000, "GRCh38-1-5000-9000-DEL-4000")
    assert from_vcf("GRCh38", "chr1", 5000, "AC", "*", end=1).end == 5001


def test_queries_find_types_by_word_or_by_ontology_id() -> None:
    assert matching_types("del") == frozenset({"DEL"})
    assert matching_types("SO:1000029") == frozenset({"SO:1000029"})
    assert "DEL" in (matching_types("EFO:0030067") or ())
    assert "DEL" not in (matching_types("EFO:0030069") or ())
    assert "EFO:0030069" in (matching_types("EFO:0030067") or ())
    assert matching_types("SO:0000159") == frozenset({"SO:0000159", "DEL"})
    assert "SNV" in (matching_types("SO:0000694") or ())
    assert "MNV" in (matching_types("SO:0001013") or ())
    for text in ("nonsense", "SV", "SO:0001537", "SO:0001059"):  # of the last three most would be missed
        assert matching_types(text) is None


@pytest.mark.parametrize(
    ("asked", "found", "missed"),
    [
        ("DEL", ("<DEL>", "<CN0>", "EFO:0030067", "EFO:0030069", "SO:0001743", "SO:1000029"), ("<DUP>", "EFO:0030070")),
        ("DUP", ("<DUP>", "<DUP:TANDEM>", "<CN4>", "EFO:0030072", "SO:0001742", "SO:1000037"), ("<DEL>", "<CNV>")),
        ("CNV", ("<CNV>", "<DEL>", "<DUP>", "<CN1>", "EFO:0030071", "EFO:0030066", "SO:0001019"), ("<INV>", "<INS>")),
        ("EFO:0030070", ("<DUP>", "EFO:0030070", "EFO:0030071", "SO:0001742"), ("<DEL>", "EFO:0030067", "<CN1>")),
        ("EFO:0030067", ("<DEL>", "EFO:0030067", "EFO:0020073"), ("<DUP>",)),
        ("EFO:0030069", ("EFO:0030069",), ("<DEL>", "EFO:0030067")),
        ("EFO:0030066", ("<CNV>", "<DEL>", "EFO:0030068"), ("<INV>",)),
        ("SO:1000029", ("SO:1000029",), ("<DEL>", "SO:0000159", "EFO:0030067")),
        ("SO:1000036", ("<INV>", "SO:1000036", "SO:1000030"), ("<DEL>",)),
        ("SO:1000173", ("<DUP:TANDEM>", "SO:1000173"), ("<DUP>",)),
    ],
)
def test_words_and_ontology_ids_find_what_says_the_same(
    asked: str, found: tuple[str, ...], missed: tuple[str, ...]
) -> None:
    wanted = matching_types(asked)
    assert wanted is not None

    def types(recorded: str) -> tuple[str, ...]:
        return symbolic_types(recorded) if recorded.startswith("<") else variant.structural_types(recorded)

    assert all(wanted & set(types(recorded)) for recorded in found)
    assert not any(wanted & set(types(recorded)) for recorded in missed)


def test_a_deletion_in_bases_is_found_as_loss_but_is_no_copy_number_variant() -> None:
    types = set(from_vcf("GRCh38", "1", 100, "ACG", "A").types)
    assert types & (matching_types("DEL") or set())
    assert types & (matching_types("EFO:0030067") or set())
    assert not types & (matching_types("CNV") or set())
    assert not types & (matching_types("SO:1000029") or set())


@pytest.mark.parametrize(
    ("alt", "mate"),
    [
        ("G]chr17:198982]", "17"), ("]13:123456]T", "13"), ("[NC_000007.14:5[A", "7"), ("C[<ctg1>:7[", "ctg1"),
        ("A.", ""), (".A", ""), ("<DEL>", ""), ("*", ""), ("ACGT", ""), ("A[chrM:12[", "MT"), ("]<ctg1>]T", "ctg1"),
        ("T]HLA-A*01:01:01:5]", "HLA-A*01:01:01"),
    ],
)  # fmt: skip
def test_the_other_end_of_a_breakend_is_read_from_its_alt(alt: str, mate: str) -> None:
    assert from_vcf("GRCh38", "2", 321681, "G", alt).mate == mate


def test_any_other_allele_is_one_by_both_of_its_names_and_is_no_deletion_upstream() -> None:
    star, unspecified, non_ref = (from_vcf("GRCh38", "1", 4000, "A", alt) for alt in ("*", "<*>", "<NON_REF>"))
    assert unspecified == non_ref
    assert (unspecified.types, star.types) == (("NON_REF",), ("STAR",))
    assert unspecified.id != star.id


def test_translocations_to_different_chromosomes_are_different_variants() -> None:
    one, other = (from_vcf("GRCh38", "2", 100, "N", "<TRA>", mate=mate) for mate in ("chr5", "chr6"))
    assert (one.mate, other.mate) == ("5", "6")
    assert one.id != other.id


def test_translocations_to_different_places_of_a_chromosome_are_different_variants() -> None:
    places = (200, 90_000_000, None)
    ids = [from_vcf("GRCh38", "2", 100, "N", "<TRA>", mate="chr5", mate_pos=place).id for place in places]
    assert ids == ["GRCh38-2-100-100-TRA-5:200", "GRCh38-2-100-100-TRA-5:90000000", "GRCh38-2-100-100-TRA-5"]
    told_twice = from_vcf("GRCh38", "2", 100, "N", "N[chr5:200[", mate="chr5", mate_pos=200)
    assert told_twice == from_vcf("GRCh38", "2", 100, "N", "N[chr5:200[")
    assert from_vcf("GRCh38", "2", 100, "N", "<DEL>", end=150, mate="2", mate_pos=150).label == ""


def test_a_variation_is_a_legacy_variation_with_a_place() -> None:
    placed = variant.variation(from_vcf("GRCh38", "chr1", 1060, "TTGCA", "TTCCA"))
    assert placed["location"]["sequence_id"] == "refseq:NC_000001.11"
    assert placed["location"]["interval"]["start"]["value"] == 1061
    assert (placed["referenceBases"], placed["alternateBases"], placed["variantType"]) == ("G", "C", "SNP")
    symbolic = variant.variation(from_vcf("GRCh38", "chr1", 5000, "N", "<DEL>", end=9000))
    assert (symbolic["alternateBases"], symbolic["variantType"]) == ("", "DEL")
    nowhere = variant.variation(variant.unplaced("GRCh38", "FBN1", "SO:1000029", "x"))
    assert nowhere["location"]["sequence_id"] == "skerry:unplaced"
    assert nowhere["location"]["interval"]["end"]["value"] == 0


def test_an_unplaced_allele_has_no_place() -> None:
    assert not variant.unplaced("GRCh38", "FBN1", "", "x").placed
    assert Allele("GRCh38", "1", 0, 1, "A", "C", ("SNP",)).placed
