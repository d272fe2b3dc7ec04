"""Outlines: what they hold is what heads and parts of ends hold, however far apart alleles lie."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.store.layout import LayoutBuilder
from beacon.store.outline import Outline
from beacon.store.packing import Arrays


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
    builder = LayoutBuilder()
    blocks: list[Arrays] = []
    parts: dict[int, Arrays] = {}
    for name, places in placed.items():
        for head in heads([place // closer for place in places], sizes, size):
            parts |= builder.add("GRCh38", name, head)
            blocks.append(head)
    parts |= builder.finish()

    outline = Outline.of(builder.layout({}, 0))
    for number, head in enumerate(blocks):
        outline.add_head(number, head)
    for number, ends in parts.items():
        outline.add_ends(number, ends)
    for number, head in enumerate(blocks):
        told = outline.head(number)
        assert told["start"].tolist() == head["start"].tolist()
        assert told["same"].tolist() == head["same"].tolist()
    for number, ends in parts.items():
        assert outline.ends(number)["end"].tolist() == ends["end"].tolist()
