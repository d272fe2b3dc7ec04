"""What a variant of a Beacon file is: by its bases where these are written, else by its type and extent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.variant import Allele, from_vcf
from loaders.bff_variants import Unusable, allele

Json = dict[str, Any]


def made(start: int, end: int, ref: str, alt: str, kind: str = "", sequence: str = "NC_000001.11") -> Allele:
    interval = {"start": {"value": start}, "end": {"value": end}}
    said = {"referenceBases": ref, "alternateBases": alt, "variantType": kind}
    found = allele({"variation": said | {"location": {"sequence_id": sequence, "interval": interval}}}, None)
    assert found is not None
    return found


def test_bases_of_rna_are_those_of_dna() -> None:
    assert made(100, 101, "A", "U") == made(100, 101, "A", "T")
    assert made(100, 102, "", "GU", "INS") == made(100, 102, "", "GT", "INS")
    with pytest.raises(Unusable, match="the same as the reference"):
        made(100, 101, "U", "t")


@pytest.mark.parametrize("nothing", ["", "-"])
@pytest.mark.parametrize("kind", ["", "INS", "SO:0000667"])
def test_an_insertion_between_bases_is_known_by_what_is_inserted(nothing: str, kind: str) -> None:
    one, other = made(13_000, 13_000, nothing, "GGA", kind), made(13_000, 13_000, nothing, "ttt", kind)
    assert one.id != other.id
    assert one.minimal == from_vcf("GRCh38", "1", 13_000, "T", "TGGA").minimal
    assert (other.minimal, other.types, other.length) == ((13_000, "", "TTT"), ("INS", "INDEL"), 3)


@pytest.mark.parametrize("nothing", ["", "-"])
@pytest.mark.parametrize("kind", ["", "DEL", "INDEL", "SO:0000159"])
def test_a_deletion_whose_bases_are_written_is_no_copy_number_variant(nothing: str, kind: str) -> None:
    one = made(13_000, 13_001, "A", nothing, kind)
    assert one.minimal == from_vcf("GRCh38", "1", 13_000, "CA", "C").minimal
    assert (one.types, one.length) == (("DEL", "INDEL"), 1)


def test_at_the_beginning_of_a_chromosome_the_base_after_stands_beside() -> None:
    assert made(0, 0, "", "GGA").minimal == (0, "", "GGA")
    assert made(0, 2, "AC", "").minimal == (0, "AC", "")


@pytest.mark.parametrize(
    ("start", "end", "ref", "alt", "kind", "types"),
    [
        (100, 5_000, "A", "", "DEL", ("DEL", "CNV")),
        (100, 102, "AC", "", "EFO:0030067", ("EFO:0030067", "CNV", "DEL")),
        (100, 102, "AC", "", "DUP", ("DUP", "CNV")),
        (100, 101, "N", "", "DEL", ("DEL", "CNV")),
        (100, 101, "A", ".", "DEL", ("DEL", "CNV")),
        (100, 103, "", "", "DUP", ("DUP", "CNV")),
    ],
)
def test_what_not_all_bases_are_written_of_is_known_by_type_and_extent(
    start: int, end: int, ref: str, alt: str, kind: str, types: tuple[str, ...]
) -> None:
    one = made(start, end, ref, alt, kind)
    assert (one.start, one.end, one.types, one.length) == (start, end, types, end - start)
    assert one.alt.startswith("<")


@pytest.mark.parametrize("alt", ["<DEL>", "<INS>", "A[chr1:9000["])
def test_what_is_written_as_in_vcf_is_the_allele_of_the_vcf(alt: str) -> None:
    length = 1_000 if alt == "<DEL>" else None
    assert made(999, 2_000, "A", alt).id == from_vcf("GRCh38", "1", 1_000, "A", alt, end=2_000, length=length).id


@pytest.mark.parametrize("alt", ["<NON_REF>", "<non_ref>", "<*>"])
def test_what_stands_for_any_other_allele_is_no_variant(alt: str) -> None:
    with pytest.raises(Unusable, match="is no variant"):
        made(999, 2_000, "A", alt)


def test_a_deletion_is_no_duplication_of_the_same_extent() -> None:
    assert len({made(100, 5_000, "", "", kind).id for kind in ("DEL", "DUP", "CNV", "INV")}) == 4


def test_an_insertion_somewhere_in_an_interval_is_another_one_with_other_bases() -> None:
    one, other, unknown = (made(100, 102, "", bases, "INS") for bases in ("GGA", "TTT", ""))
    assert len({one.id, other.id, unknown.id}) == 3
    assert (one.types, one.length, unknown.alt) == (("INS",), 3, "<INS>")


@pytest.mark.parametrize(("start", "end", "ref", "alt"), [(300_000_000, 300_000_001, "A", "G"), (10, 10**9, "", "")])
def test_a_variant_beyond_the_end_of_its_chromosome_is_an_error(start: int, end: int, ref: str, alt: str) -> None:
    with pytest.raises(Unusable, match="ends at 248956422") as raised:
        made(start, end, ref, alt, "" if ref else "DEL")
    assert raised.value.rule == "vcf-beyond-end"


def kept(one: Allele) -> Allele | None:
    """Return what an allele is after its export and another load."""
    return allele({"info": {"skerry": {"allele": one._asdict()}}}, None)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("Un_KI270302v1", 9, 10, "A", "C", ("SNP", "SNV"), 1), ("KI270302.1", 10, "A", "C")),
        (("1", 99, 100, "U", "C", ("SNP", "SNV"), 1), ("1", 100, "T", "C")),
        (("1", 99, 102, "CAU", "CT", ("DELINS", "INDEL"), 2), ("1", 100, "CAT", "CT")),
        (("1", 99, 200, "A", "<del>", ("DEL", "CNV"), 100), ("1", 100, "A", "<DEL>", 200, 100)),
        (("1", 99, 5_000, "A", "A]chr2:500]", ("BND",), 7, "", "2"), ("1", 100, "A", "A]2:500]")),
        (("1", 99, 5_000, "A", "<BND>", ("BND",), 7, "", "1"), ("1", 100, "A", "<BND>", 5_000, None, "1")),
        (("1", 99, 100, "A", "<TRA>", ("TRA",), None, "500", "2"), ("1", 100, "A", "<TRA>", None, None, "2", 500)),
    ],
)
def test_an_export_of_before_has_the_alleles_that_its_files_would_have_now(
    before: tuple[Any, ...], now: tuple[Any, ...]
) -> None:
    chrom, pos, ref, alt, end, length, mate, mate_pos = now + (None,) * (8 - len(now))
    wanted = from_vcf("GRCh38", chrom, pos, ref, alt, end=end, length=length, mate=mate, mate_pos=mate_pos)
    found = kept(Allele("GRCh38", *before))
    assert found is not None
    assert found._replace(types=wanted.types) == wanted
    assert set(wanted.types) <= set(found.types)


@pytest.mark.parametrize(("ref", "alt"), [("A", "<NON_REF>"), ("A", "<*>"), ("U", "T")])
def test_what_is_no_variant_any_more_comes_from_no_export(ref: str, alt: str) -> None:
    assert kept(Allele("GRCh38", "1", 99, 100, ref, alt, ())) is None


@given(
    st.sampled_from(["A", "AC", "GGT", "N"]),
    st.sampled_from(["T", "AG", "GGTT", "<DEL>", "<ins:me:alu>", "<TRA>", "<BND>", "A]chr2:500]", "A.", "*", "<CN0>"]),
    st.none() | st.integers(100, 400),
    st.none() | st.integers(-300, 300),
    st.sampled_from([None, "chr2"]),
)
def test_what_is_kept_by_the_rules_of_now_comes_back_as_it_was(
    ref: str, alt: str, end: int | None, length: int | None, mate: str | None
) -> None:
    one = from_vcf("GRCh38", "1", 100, ref, alt, end=end, length=length, mate=mate)
    assert kept(one) == one
    for kind in ("DEL", "DUP", "INS", "BND", "TRA", "EFO:0030067"):
        for ref, alt in (("", "ACG"), ("", ""), ("N", "N")):
            assert kept(one := made(100, 5_000, ref, alt, kind)) == one
