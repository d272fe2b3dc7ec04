"""Outlines: what they hold is what heads, parts of ends and rare carriers hold, however far apart alleles lie."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.model.calls import GROUPS, Calls
from beacon.store.calls import encode_calls
from beacon.store.commons import Commons
from beacon.store.layout import LayoutBuilder
from beacon.store.outline import RARE_ENOUGH, Outline, OutlineBuilder, Places
from beacon.store.packing import Array, Arrays

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such memory is Linux's")

ROOM = 1_000_000


class Written:
    """A segment's blocks and parts of ends, and the outline that is made of them."""

    def __init__(self, columns: int = 0) -> None:
        self.columns = columns
        self.blocks: list[tuple[Arrays, Arrays]] = []
        self.ends: dict[int, Arrays] = {}
        self._builder = LayoutBuilder()

    def add(self, chrom: str, head: Arrays, rare: Arrays | None = None) -> None:
        self.ends |= self._builder.add("GRCh38", chrom, head)
        self.blocks.append((head, rare or {}))

    def outline(self, room: int = ROOM) -> Outline:
        self.ends |= self._builder.finish()
        layout = self._builder.layout({}, self.columns)
        places = Places.of(layout, room)
        piece = Commons().make("segment", places.size)
        assert piece is not None
        builder = OutlineBuilder(layout, places, piece)
        for number, (head, rare) in enumerate(self.blocks):
            builder.add(number, head, rare)
        for number, ends in self.ends.items():
            builder.add_ends(number, ends)
        made = builder.finish()
        found = Outline.over(layout, places, made.piece)
        assert found is not None
        return found


def heads(starts: list[int], lengths: list[int], size: int) -> list[Arrays]:
    begin, end = np.array(starts, np.int64), np.array(starts, np.int64) + np.resize(np.array(lengths), len(starts))
    key = np.arange(len(starts), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    head = {"start": begin, "end": end, "key": key, "same": key}
    return [{name: array[at : at + size] for name, array in head.items()} for at in range(0, len(starts), size)]


positions = st.lists(st.integers(0, 200_000_000), min_size=1, max_size=3_000).map(sorted)
chromosomes = st.dictionaries(st.sampled_from("123X"), positions, min_size=1)
lengths = st.lists(st.integers(1, 90_000), min_size=1)


@settings(max_examples=40, deadline=None)
@given(chromosomes, lengths, st.integers(1, 256), st.sampled_from((1, 50_000)))
def test_an_outline_tells_what_was_put_into_it(
    placed: dict[str, list[int]], sizes: list[int], size: int, closer: int
) -> None:
    written = Written()
    for name, places in placed.items():
        for head in heads([place // closer for place in places], sizes, size):
            written.add(name, head)
    outline = written.outline()
    for number, (head, _) in enumerate(written.blocks):
        told = outline.head(number)
        assert told["start"].tolist() == head["start"].tolist()
        assert told["same"].tolist() == head["same"].tolist()
    for number, ends in written.ends.items():
        assert outline.ends(number)["end"].tolist() == ends["end"].tolist()


def genotyped(luck: np.random.Generator, columns: int, many: int) -> tuple[list[Calls | None], Arrays]:
    """Alleles of any frequency, some without genotypes or counts, and what the head says of them."""
    calls: list[Calls | None] = []
    numbers = np.full(many, 2 * columns) - luck.integers(0, luck.choice([1, 9, columns]), many)
    numbers[luck.random(many) < 0.1] = -1
    for _ in range(many):
        share = luck.choice([0, 0.001, 0.02, 0.3])
        group = luck.choice([0, 0, 0, 1, 2, 3, 9], columns)
        group[luck.random(columns) >= share] = 9
        het, hom, hemi, other = (np.flatnonzero(group == number).astype(np.uint32) for number in range(len(GROUPS)))
        calls.append(None if luck.random() < 0.05 else Calls(het, hom, hemi, other))
    sizes = np.array([(-1,) * len(GROUPS) if one is None else one.sizes[: len(GROUPS)] for one in calls])
    head = dict(zip(GROUPS, sizes.T, strict=True)) | {"number": np.where(sizes[:, 0] < 0, -1, numbers)}
    head["count"] = np.where(head["number"] < 0, -1, sizes.sum(axis=1) + sizes[:, 1])
    return calls, head


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from((32, 100, 2_504, 70_000)),
    st.lists(st.tuples(st.sampled_from("12"), st.integers(1, 40)), min_size=1, max_size=8).map(sorted),
    st.sampled_from((10, 100_000)),
)
def test_an_outline_tells_who_carries_rare_alleles(
    seed: int, columns: int, placed: list[tuple[str, int]], apart: int
) -> None:
    luck, written, start = np.random.default_rng(seed), Written(columns), 0
    everyone: list[list[Calls | None]] = []
    for chrom, many in placed:
        calls, head = genotyped(luck, columns, many)
        starts = start + np.cumsum(luck.integers(0, apart, many))
        start = int(starts[-1])
        long = luck.choice([1, 1, 1, 255, 70_000], many)
        key = luck.integers(0, 2**63, many).astype(np.uint64)
        head |= {"start": starts, "end": starts + long, "key": key, "same": key}
        sizes = [None if one is None else one.sizes for one in calls]
        written.add(chrom, head, encode_calls(calls, sizes, columns)["rare"])
        everyone.append(calls)

    outline = written.outline()
    assert outline.tells_rare
    blocks = sorted(luck.choice(len(placed), luck.integers(1, len(placed) + 1), replace=False).tolist())
    told = 0
    for first, (head, found) in outline.spans(blocks).items():
        within = [block for block in blocks if first <= block and told < len(blocks)]
        row = 0
        for block in within:
            if row == len(head["start"]):
                break
            told += 1
            its, known = written.blocks[block][0], everyone[block]
            assert head["start"][row : row + len(known)].tolist() == its["start"].tolist()
            assert head["end"][row : row + len(known)].tolist() == its["end"].tolist()
            for at, one in enumerate(known):
                count, number = int(its["count"][at]), int(its["number"][at])
                counted = int(head["count"][row]), int(head["number"][row])
                if number < 0 or one is None or sum(one.sizes[: len(GROUPS)]) * 32 > columns:
                    assert counted == (0, 0)
                    assert number <= 0 or count / number > RARE_ENOUGH
                else:
                    assert counted == (count, number)
                    for name in GROUPS:
                        assert _columns(found.carrying[0], name, row).tolist() == getattr(one, name).tolist()
                row += 1
        assert row == len(head["start"])
    assert told == len(blocks)


def _columns(part: Arrays, name: str, row: int) -> Array:
    if f"{name}.at" not in part:
        return np.empty(0, np.uint32)
    begin, stop = part[f"{name}.at"][row : row + 2]
    return np.asarray(part[f"{name}.columns"][begin:stop], np.uint32)


def one_block(columns: int, calls: Calls, count: int, number: int) -> Written:
    written = Written(columns)
    place = {name: np.array([5]) for name in ("start", "key", "same")} | {"end": np.array([6])}
    sizes = {name: np.array([size]) for name, size in zip(GROUPS, calls.sizes, strict=False)}
    head = {**place, **sizes, "count": np.array([count]), "number": np.array([number])}
    written.add("1", head, encode_calls([calls], [calls.sizes], columns)["rare"])
    return written


def test_an_outline_does_without_rare_alleles_where_many_carry_one_that_is_infrequent() -> None:
    carriers = Calls(het=np.arange(10, dtype=np.uint32))
    assert one_block(64, carriers, 10, 128).outline().tells_rare
    tetraploid = one_block(64, carriers, 10, 64 * 10).outline()
    assert not tetraploid.tells_rare
    assert tetraploid.head(0)["start"].tolist() == [5]


def test_an_outline_does_without_rare_alleles_where_there_is_no_room_for_them() -> None:
    carriers = Calls(het=np.arange(2, dtype=np.uint32))
    assert one_block(64, carriers, 2, 128).outline(room=4).tells_rare
    assert not one_block(64, carriers, 2, 128).outline(room=2).tells_rare


def test_an_outline_that_was_not_written_to_the_end_is_none() -> None:
    written = one_block(64, Calls(het=np.arange(2, dtype=np.uint32)), 2, 128)
    layout = written.outline().layout
    places = Places.of(layout, ROOM)
    piece = Commons().make("segment", places.size)
    assert piece is not None
    OutlineBuilder(layout, places, piece).add(0, *written.blocks[0])
    assert Outline.over(layout, places, piece) is None
