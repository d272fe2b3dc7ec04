"""Genotypes decoded in arrays are those that a plain reading of the same text gives."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.calls import Calls
from loaders.genotypes import GenotypeError, WrongColumns, decode, unite, usual_calls

Plain = list[tuple[int | None, ...]]


def plain_calls(cells: bytes, index: int, allele: int) -> dict[str, list[int] | list[tuple[int, int, int]]]:
    """Read one ALT's calls from text, sample by sample, as the docstring of ``Calls`` defines them."""
    found: dict[str, list[int]] = {n: [] for n in ("het", "hom", "hemi", "other", "missing", "haploid")}
    exceptions: list[tuple[int, int, int]] = []
    for column, cell in enumerate(cells.decode().split("\t")):
        values = cell.split(":")
        text = values[index] if index < len(values) else "."
        alleles = re.split(r"[/|]", text.lstrip("/|"))
        called = [one for one in alleles if one != "."]
        copies = called.count(str(allele))
        if not called:
            found["missing"].append(column)
            continue
        if len(alleles) == 1:
            found["haploid"].append(column)
        usual_copies = 0
        if copies:
            hom = copies == len(alleles)
            group = "hemi" if len(alleles) == 1 else "hom" if hom else "het"
            usual_copies = 2 if group == "hom" else 1
            found[group].append(column)
        if len(called) != min(2, len(alleles)) or copies != usual_copies:
            exceptions.append((column, copies, len(called)))
    return {**found, "exceptions": exceptions}


def as_lists(calls: Calls) -> dict[str, list[int] | list[tuple[int, int, int]]]:
    assert calls.counted
    return {
        name: list(calls.exceptions) if name == "exceptions" else getattr(calls, name).tolist()
        for name in Calls._fields
        if name != "counted"
    }


def genotype(alts: int) -> st.SearchStrategy[str]:
    allele = st.sampled_from([".", "0", "0", *(str(number) for number in range(alts + 1))])
    return st.lists(st.tuples(st.sampled_from("/|"), allele), min_size=1, max_size=4).map(
        lambda parts: "".join(mark + one for mark, one in parts)[1:]
    )


@st.composite
def records(draw: st.DrawFn) -> tuple[bytes, int, int, int]:
    """Sample columns, their number, the place of GT, and the number of ALTs."""
    alts = draw(st.sampled_from([1, 1, 2, 3, 9, 12]))
    index = draw(st.sampled_from([0, 0, 0, 1, 2]))
    after = draw(st.sampled_from(["", ":7", ":7,3:.", ":."]))
    usual = st.sampled_from(["0|0", "0/0", "0|1", "1/1"])
    one = draw(st.sampled_from([usual, genotype(alts)]))
    cells = []
    for text in draw(st.lists(one, min_size=1, max_size=40)):
        whole = ":".join([*["x1"] * index, text]) + after
        left_out = index > 0 and draw(st.integers(0, 9)) == 0
        cells.append(":".join(["x1"] * draw(st.integers(1, index))) if left_out else whole)
    return "\t".join(cells).encode(), len(cells), index, alts


@given(records())
def test_decoding_in_arrays_equals_reading_sample_by_sample(record: tuple[bytes, int, int, int]) -> None:
    cells, samples, index, alts = record
    decoded = decode(cells, samples, index, alts)
    for allele in range(1, alts + 1):
        calls = decoded.calls(allele)
        assert as_lists(calls) == plain_calls(cells, index, allele)
        assert calls.het.dtype == calls.missing.dtype == np.uint32


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """Return the cells of some records of one number of samples; most are usual, some are odd or wrong."""
    samples = draw(st.integers(1, 6))
    usual = st.sampled_from(["0|0", "0|0", "0|0", "0|1", "1|0", "1|1", "0/1", "0/0"])
    odd = st.sampled_from(
        ["0", "1", ".", "./.", ".|1", "2|0", "0|1|1", "0,1", "0|a", "", "0/0:3", "0/1:7,8", "\t", ":|0"]
    )
    rest = draw(st.sampled_from(["", ":12", ":0,9:3"]))
    some = st.lists(st.one_of(usual, usual, usual, odd).map(lambda one: one + rest), min_size=samples, max_size=samples)
    good = st.lists(usual.map(lambda one: one + rest), min_size=samples, max_size=samples)
    rows = draw(st.lists(st.one_of(good, good, some), min_size=1, max_size=8))
    return ["\t".join(row).encode() for row in rows], samples


@given(neighbours())
def test_records_read_together_are_what_each_is_alone_or_left_to_be_read_alone(given: tuple[list[bytes], int]) -> None:
    cells, samples = given
    for one, found in zip(cells, usual_calls(cells, samples), strict=True):
        try:
            alone = as_lists(decode(one, samples, 0, 1).calls(1))
        except (GenotypeError, WrongColumns):
            assert found is None
        else:
            assert found is None or as_lists(found) == alone


def test_records_of_called_diploid_samples_need_not_be_read_alone_whatever_stands_beside_them() -> None:
    usual, odd = b"0|0\t0|1\t1|1", b"0|0\t.|.\t1|0"
    assert [found is None for found in usual_calls([usual, odd, usual], 3)] == [False, True, False]
    told = [b"0/0:3\t0/1:12\t0/0:4", b"0/0:3\t0:12\t0/0:4", b"1/1:3\t0/1:12\t0/0"]
    assert [found is None for found in usual_calls(told, 3)] == [False, True, False]


@given(records(), records())
def test_a_united_call_is_the_one_that_says_more(
    one: tuple[bytes, int, int, int], two: tuple[bytes, int, int, int]
) -> None:
    samples = min(one[1], two[1])
    parts = [b"\t".join(cells.split(b"\t")[:samples]) for cells in (one[0], two[0])]
    calls = [decode(cells, samples, r[2], r[3]).calls(1) for cells, r in zip(parts, (one, two), strict=True)]
    united = as_lists(unite(calls[0], calls[1], samples))
    for column in range(samples):
        facts = []
        for cells, record in zip(parts, (one, two), strict=True):
            values = cells.decode().split("\t")[column].split(":")
            facts.append(values[record[2]] if record[2] < len(values) else ".")
        # Of two that say as much, the first counts.
        says = [[len(re.findall(rf"\b{e}\b", text)) for e in ("1", r"\d+")] for text in facts]
        expected = plain_calls(facts[says[1] > says[0]].encode(), 0, 1)
        for name, columns in expected.items():
            if name == "exceptions":
                assert [e[1:] for e in united[name] if e[0] == column] == [e[1:] for e in columns]  # type: ignore[index]
            else:
                assert (column in united[name]) == bool(columns), (name, facts)


def test_whoever_carries_it_in_either_of_two_records_carries_it() -> None:
    one = decode(b"0/1\t0/0\t./.\t1", 4, 0, 1).calls(1)
    two = decode(b"0/0\t1/1\t0/0\t.", 4, 0, 1).calls(1)
    united = unite(one, two, 4)
    assert (united.het.tolist(), united.hom.tolist(), united.hemi.tolist()) == ([0], [1], [3])
    assert united.missing.tolist() == []
    assert united.haploid.tolist() == [3]


@pytest.mark.parametrize(
    ("cells", "sample", "text"),
    [
        (b"0/0\t0/2\t0/0", 1, "0/2"),
        (b"0/0\t0/0\t0/0/3", 2, "0/0/3"),
        (b"0/0\t0/12\t0/0", 1, "0/12"),
        (b"0/0\t0\t3", 2, "3"),
        (b"0/0\t\t0/0", 1, ""),
        (b"0/0\t0-1\t0/0", 1, "0-1"),
        (b"0/0\t0/0\t0/", 2, "0/"),
        (b"0/0\t0/0\t0//1", 2, "0//1"),
        (b"0/0\t0/99999999999\t0/0", 1, "0/99999999999"),
        (b"0/0\tA/B\t0/0", 1, "A/B"),
    ],
)
def test_a_genotype_that_cannot_be_is_refused_and_its_sample_named(cells: bytes, sample: int, text: str) -> None:
    with pytest.raises(GenotypeError) as refused:
        decode(cells, 3, 0, 1)
    assert (refused.value.sample, refused.value.text) == (sample, text)


@pytest.mark.parametrize("cells", [b"0/0\t0/0", b"0/0\t0/0\t0/1\t0/1", b"0/0 0/0\t0/1"])
def test_a_record_with_another_number_of_samples_is_refused(cells: bytes) -> None:
    with pytest.raises(WrongColumns):
        decode(cells, 3, 0, 1)


def test_the_fast_way_does_not_take_fields_of_the_same_width_for_genotypes() -> None:
    calls = decode(b"0/1:0/1:1/1", 1, 0, 1).calls(1)
    assert (calls.het.tolist(), calls.hom.tolist()) == ([0], [])
