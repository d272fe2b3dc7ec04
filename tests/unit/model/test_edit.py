"""However an allele is written, it comes to the same one once the sequence is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model import hgvs, spdi, vrs
from beacon.model.edit import Become, Contradiction, Edit, Normal, normal, reverse_complement
from beacon.model.hgvs import NotRead, NotTaken

# Few letters, and repeats of short units: there indels can be moved far.
REPEATS = st.lists(st.tuples(st.text("ACGT", min_size=1, max_size=3), st.integers(1, 6)), min_size=1, max_size=8).map(
    lambda parts: "".join(unit * times for unit, times in parts)
)
BASES = st.text("AC", max_size=4)


def settled(edit: Edit, sequence: str) -> Normal:
    """Answer what ``normal`` asks from a sequence at hand."""
    asking = normal(edit, len(sequence))
    try:
        start, end = next(asking)
        while True:
            assert 0 <= start <= end <= len(sequence)
            start, end = asking.send(sequence[start:end])
    except StopIteration as done:
        found: Normal = done.value
        return found


def applied(sequence: str, start: int, ref: str, alt: str) -> str:
    assert sequence[start : start + len(ref)] == ref
    return sequence[:start] + alt + sequence[start + len(ref) :]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Edit]:
    sequence = draw(REPEATS)
    start = draw(st.integers(0, len(sequence)))
    end = draw(st.integers(start, min(len(sequence), start + 5)))
    alt = draw(BASES.filter(lambda bases: bases != sequence[start:end]))
    return sequence, Edit(start, end, sequence[start:end], alt)


def everywhere(sequence: str, result: str, size: int) -> list[Edit]:
    """Return every way to write the change from one sequence to another with ``size`` bases replaced."""
    grown = len(result) - len(sequence)
    found = []
    for start in range(len(sequence) - size + 1):
        alt = result[start : start + size + grown]
        if size + grown >= 0 and sequence[:start] + alt + sequence[start + size :] == result:
            found.append(Edit(start, start + size, sequence[start : start + size], alt))
    return found


@given(changes())
def test_every_spelling_of_a_change_comes_to_the_same_allele(given_: tuple[str, Edit]) -> None:
    sequence, edit = given_
    found = settled(edit, sequence)
    assert isinstance(edit.alt, str)
    result = applied(sequence, edit.start, edit.ref or "", edit.alt)
    for form in (found.leftmost, found.rightmost, found.justified):
        assert applied(sequence, *form) == result
    sizes = {len(edit.ref or ""), len(found.ref), len(found.ref) + 1, len(found.justified[1])}
    for size in sizes:
        for other in everywhere(sequence, result, size):
            again = settled(other, sequence)
            assert (again.leftmost, again.rightmost, again.justified) == (
                found.leftmost, found.rightmost, found.justified
            )  # fmt: skip


@given(changes())
def test_an_indel_can_be_moved_no_further_than_is_said(given_: tuple[str, Edit]) -> None:
    sequence, edit = given_
    found = settled(edit, sequence)
    if found.ref and found.alt:
        assert (found.left, found.right) == (0, 0)
        return
    result = applied(sequence, *found.leftmost)
    places = [other.start for other in everywhere(sequence, result, len(found.ref))]
    assert (min(places), max(places)) == (found.leftmost[0], found.rightmost[0])


@given(changes())
def test_what_is_written_in_hgvs_or_spdi_reads_back_as_the_same_allele(given_: tuple[str, Edit]) -> None:
    sequence, edit = given_
    found = settled(edit, sequence)
    name, again = spdi.read(spdi.write("NC_000001.11", found))
    assert name == "NC_000001.11"
    assert settled(again, sequence).leftmost == found.leftmost
    text = hgvs.write("NC_000001.11", found)
    if text is None:
        assert found.rightmost[0] == 0
        return
    name, again = hgvs.read(text)
    assert name == "NC_000001.11"
    # Behind the last base HGVS has no position to name.
    if again.end < len(sequence):
        assert settled(again, sequence).leftmost == found.leftmost


def test_repeats_are_followed_beyond_the_first_look() -> None:
    sequence = "G" + "CA" * 10_000 + "T"
    found = settled(Edit(10_001, 10_003, "CA", ""), sequence)
    assert found.leftmost == (1, "CA", "")
    assert found.rightmost == (19_999, "CA", "")
    assert found.justified == (1, "CA" * 10_000, "CA" * 9_999)


def test_other_bases_than_the_sequences_are_a_contradiction() -> None:
    with pytest.raises(Contradiction) as raised:
        settled(Edit(2, 4, "GG", ""), "ACGTACGT")
    assert raised.value.there == "GT"
    with pytest.raises(ValueError, match="8 bases only"):
        settled(Edit(8, 9, "A", ""), "ACGTACGT")
    with pytest.raises(ValueError, match="nothing is changed"):
        settled(Edit(1, 3, None, "CG"), "ACGTACGT")


@given(st.text("ACGTRYKMN"))
def test_the_other_strand_of_the_other_strand_is_the_strand(bases: str) -> None:
    assert reverse_complement(reverse_complement(bases)) == bases


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("NC_000007.14:g.140753336A>T", Edit(140753335, 140753336, "A", "T")),
        ("NC_012920.1:m.3243A>G", Edit(3242, 3243, "A", "G")),
        ("chr7:g.100del", Edit(99, 100, None, "")),
        ("chr7:g.100_102del", Edit(99, 102, None, "")),
        ("chr7:g.100_102delAAG", Edit(99, 102, "AAG", "")),
        ("chr7:g.100dup", Edit(99, 100, None, Become.TWICE)),
        ("chr7:g.100_101dupTC", Edit(99, 101, "TC", Become.TWICE)),
        ("chr7:g.100_101insTC", Edit(100, 100, "", "TC")),
        ("chr7:g.100delinsTC", Edit(99, 100, None, "TC")),
        ("chr7:g.100_101delAGinsTC", Edit(99, 101, "AG", "TC")),
        ("chr7:g.100_105inv", Edit(99, 105, None, Become.INVERTED)),
    ],
)
def test_the_six_changes_of_hgvs_are_read(text: str, edit: Edit) -> None:
    assert hgvs.read(text) == (text.partition(":")[0], edit)


@pytest.mark.parametrize(
    "change",
    [
        "100A", "100A>A", "0A>T", "100a>t", "100AG>TC", "100_99del", "100_100del", "100insA", "100_102insA", "100inv",
        "100_101invAC", "100_102delAG", "100_101delinsA[3", "100delins", "100_101ins", "100_101insN", "100del3", "",
        "100dupAins", "100_101dupinsA", "100delAinsA", "100 del", "١٠٠del", "99999999999del",
    ],
)  # fmt: skip
def test_what_is_no_hgvs_is_not_read(change: str) -> None:
    with pytest.raises((NotRead, NotTaken)):
        hgvs.read(f"NC_000007.14:g.{change}")


@pytest.mark.parametrize(
    "text",
    [
        "NM_004333.6:c.1799T>A", "NP_004324.2:p.Val600Glu", "NC_000007.14:g.(100_200)_(300_400)del",
        "NC_000007.14:g.100CAG[23]", "NC_000007.14:g.100=", "NC_000007.14:g.[100A>T;200C>G]", "NC_000007.14:g.?_100del",
    ],
)  # fmt: skip
def test_hgvs_that_names_no_single_genomic_allele_is_not_taken(text: str) -> None:
    assert hgvs.is_hgvs(text)
    with pytest.raises(NotTaken):
        hgvs.read(text)


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("NC_000007.14:140753335:A:T", Edit(140753335, 140753336, "A", "T")),
        ("NC_000007.14:99:3:", Edit(99, 102, None, "")),
        ("NC_000007.14:99::TC", Edit(99, 99, "", "TC")),
        ("NC_000007.14:99:0:TC", Edit(99, 99, "", "TC")),
        ("NC_000007.14:99:AAA:AA", Edit(99, 102, "AAA", "AA")),
        ("NC_000007.14:99:1:T", Edit(99, 100, None, "T")),
    ],
)
def test_spdi_deletes_bases_or_a_number_of_them(text: str, edit: Edit) -> None:
    assert spdi.read(text) == ("NC_000007.14", edit)


@pytest.mark.parametrize("rest", ["99:A", "99:A:A", "99::", "99:0:", "-1:A:T", "x:A:T", "99:a:t", "99:03:", "99:A:T:C"])
def test_what_is_no_spdi_is_not_read(rest: str) -> None:
    with pytest.raises(ValueError, match=r"SPDI|same"):
        spdi.read(f"NC_000007.14:{rest}")


def test_only_what_cannot_be_moved_needs_no_sequence() -> None:
    assert Edit(99, 100, "A", "T").allele == (99, "A", "T")
    assert Edit(99, 102, "AGT", "ACC").allele == (100, "GT", "CC")
    assert Edit(99, 100, "A", "").allele is None
    assert Edit(99, 102, "AAA", "AA").allele is None
    assert Edit(99, 101, None, "TC").allele is None
    assert Edit(99, 101, None, Become.INVERTED).allele is None
    assert Edit(99, 100, None, "T").one_base == "T"
    assert Edit(99, 101, None, "T").one_base is None


def test_digests_are_those_that_the_specifications_publish() -> None:
    # GA4GH refget: the digest of "ACGT"; VRS 1.2 and 1.3: the digests of two alleles of GRCh38.
    assert vrs.sha512t24u(b"ACGT") == "aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
    assert vrs.sha512t24u(b"") == "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXc"
    apoe = vrs.allele_id("IIB53T8CNeJJdUqzn9V_JnRtQadwWCbl", 44908821, 44908822, "T")
    assert apoe == "ga4gh:VA.CxiA_hvYbkD8Vqwjhx5AYuyul4mtlkpD"
    egfr = vrs.allele_id("F-LrLMe1SRpfUZHkQmvkVKFEGaoDeHul", 55181230, 55181230, "GGCT")
    assert egfr == "ga4gh:VA.JKGCs07cFu2wlDydCAe2ea06jMFXyK56"
    assert vrs.is_allele_id(apoe)
    assert not vrs.is_allele_id("ga4gh:VSL.QrRSuBj-VScAGV_gEdxNgsnh41jYH1Kg")
    assert not vrs.is_allele_id("ga4gh:VA.short")
