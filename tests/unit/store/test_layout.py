"""The layout of a segment against counting one by one: overlaps, blocks that could hold something, ends in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.store import layout as layout_module
from beacon.store.layout import NOTHING, Layout, LayoutBuilder
from beacon.store.packing import Array, Arrays

Spans = list[tuple[int, int]]


def head(spans: Spans, first_key: int) -> Arrays:
    keys = np.arange(first_key, first_key + len(spans), dtype=np.uint64)
    start, end = (np.array(part, np.int64) for part in zip(*spans, strict=True))
    return {"start": start, "end": end, "key": keys}


def built(chroms: dict[str, Spans], size: int) -> tuple[Layout, list[Arrays], dict[int, Array]]:
    """The layout of some chromosomes, their blocks of ``size`` alleles, and the parts of ends by number."""
    builder = LayoutBuilder()
    blocks: list[Arrays] = []
    ends: dict[int, Array] = {}
    for chrom, spans in chroms.items():
        for begin in range(0, len(spans), size):
            blocks.append(head(spans[begin : begin + size], 1_000 * len(blocks)))
            ends |= {number: part["end"] for number, part in builder.add("GRCh38", chrom, blocks[-1])}
    ends |= {number: part["end"] for number, part in builder.finish()}
    return Layout.decode(builder.layout({}, 7).encode()), blocks, ends


def spans_of(chrom: st.DrawFn) -> Spans:
    starts = sorted(chrom(st.lists(st.integers(0, 60), min_size=1, max_size=40)))
    return [(start, start + chrom(st.sampled_from((0, 1, 1, 1, 2, 30)))) for start in starts]


@st.composite
def cohorts(draw: st.DrawFn) -> dict[str, Spans]:
    return {chrom: spans_of(draw) for chrom in draw(st.sets(st.sampled_from(("1", "2", "X")), min_size=1))}


@settings(max_examples=80, deadline=None)
@given(cohorts(), st.integers(1, 6), st.integers(1, 4), st.integers(0, 70), st.integers(1, 40))
def test_overlaps_are_counted_from_one_head_and_one_part_of_ends(
    chroms: dict[str, Spans], size: int, part_size: int, start: int, length: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout_module, "ENDS", part_size)
        found, blocks, ends = built(chroms, size)
    end = start + length
    assert found.size == sum(map(len, chroms.values()))
    for run in found.runs:
        spans = chroms[run.chrom]
        block, part = found.edges(run, start, end)
        begins = 0
        if block is not None:
            begins = found.before(run, block) + int(np.searchsorted(blocks[block]["start"], end))
        done = 0
        if part is not None:
            done = (part - run.ends_begin) * part_size + int(np.searchsorted(ends[part], start, "right"))
        assert begins - done == sum(low < end and high > start for low, high in spans)
        overlapping = set(found.overlapping(run, start, end).tolist())
        starting = set(found.starting(run, start, end).tolist())
        for number in range(run.begin, run.stop):
            here = list(zip(blocks[number]["start"].tolist(), blocks[number]["end"].tolist(), strict=True))
            assert number in overlapping or not any(low < end and high > start for low, high in here)
            assert number in starting or not any(start <= low <= end for low, _ in here)


@given(cohorts(), st.integers(1, 6))
def test_every_ordinal_lies_in_the_block_that_holds_it(chroms: dict[str, Spans], size: int) -> None:
    found, blocks, _ = built(chroms, size)
    for number in range(len(blocks)):
        ordinals = np.arange(found.first[number], found.first[number + 1])
        assert found.blocks_of(ordinals).tolist() == [number]
        assert found.run_of(number).begin <= number < found.run_of(number).stop


def test_positions_that_go_back_and_alleles_that_come_twice_are_told() -> None:
    forward, _, _ = built({"1": [(5, 6), (6, 7), (6, 8)]}, 2)
    assert (len(forward.runs), forward.distinct) == (1, True)
    builder = LayoutBuilder()
    for spans, first in (([(5, 6), (9, 10)], 0), ([(7, 8)], 10)):
        assert list(builder.add("GRCh38", "1", head(spans, first))) == [] or first
    list(builder.finish())
    back = builder.layout({}, 0)
    assert (len(back.runs), back.distinct) == (2, False)
    twice = LayoutBuilder()
    for _ in range(2):
        list(twice.add("GRCh38", "1", head([(5, 6)], 3)))
    list(twice.finish())
    assert not twice.layout({}, 0).distinct


def test_a_segment_without_alleles_has_nothing_anywhere() -> None:
    assert NOTHING.size == 0
    assert NOTHING.within(None, None, placeless=True) == []
