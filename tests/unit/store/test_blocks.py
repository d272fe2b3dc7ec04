"""Blocks of genotypes against a model in plain Python: sets of columns per allele."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from beacon.model.calls import GROUPS
from beacon.model.calls import Calls as AlleleCalls
from beacon.model.variant import from_vcf
from beacon.store.blocks import BlockBuilder
from beacon.store.calls import TILE, Calls, Carriers, is_common
from beacon.store.carriers import carried_by, carriers_among
from beacon.store.heads import ALONG, UNKNOWN, HeadBuilder, Heads, Spelled, heads_of, heads_of_column, identity
from beacon.store.packing import Arrays, pack, unpack


@dataclass(frozen=True)
class Genotypes:
    """One allele's calls: (copies, alleles called, ploidy, group) by column; no column is left out."""

    calls: Mapping[int, tuple[int, int, int, str | None]]
    counted: bool = True

    def carriers(self, *groups: str) -> set[int]:
        return {column for column, call in self.calls.items() if call[3] in groups}

    def written(self) -> AlleleCalls:
        def columns(chosen: set[int]) -> Any:
            return np.array(sorted(chosen), np.uint32)

        usual = {"het": 1, "hom": 2, "hemi": 1, "other": 1, None: 0}
        return AlleleCalls(
            het=columns(self.carriers("het")),
            hom=columns(self.carriers("hom")),
            hemi=columns(self.carriers("hemi")),
            other=columns(self.carriers("other")),
            missing=columns({column for column, call in self.calls.items() if not call[1]}),
            haploid=columns({column for column, call in self.calls.items() if call[2] == 1}),
            exceptions=tuple(
                (column, copies, called)
                for column, (copies, called, ploidy, group) in sorted(self.calls.items())
                if called and (copies, called) != (usual[group], 1 if ploidy == 1 else 2)
            ),
            counted=self.counted,
        )


CALLS = (
    (0, 2, 2, None), (0, 0, 2, None), (0, 0, 1, None), (0, 1, 1, None), (0, 1, 2, None), (1, 2, 2, "het"),
    (2, 2, 2, "hom"), (1, 1, 1, "hemi"), (1, 2, 2, "other"), (1, 1, 2, "het"), (3, 3, 3, "hom"), (2, 3, 3, "het"),
)  # fmt: skip


@st.composite
def blocks(draw: st.DrawFn) -> tuple[int, list[Genotypes | None]]:
    """Some alleles over some columns; rare carriers or many, so that both encodings occur."""
    width = draw(st.sampled_from((0, 1, 7, 8, 9, 40, 300)))
    dice = random.Random(draw(st.integers(0, 2**32)))
    alleles: list[Genotypes | None] = []
    for share in draw(st.lists(st.sampled_from((None, 0.0, 0.02, 0.5, 1.0)), min_size=1, max_size=6)):
        if share is None:
            alleles.append(None)
            continue
        calls = {column: dice.choice(CALLS) if dice.random() < share else CALLS[0] for column in range(width)}
        alleles.append(Genotypes(calls, dice.random() < 0.8))
    return width, alleles


def block(width: int, alleles: list[AlleleCalls | None]) -> tuple[Calls, dict[str, Arrays]]:
    """Alleles side by side, through the parts that are stored; calls without a count are those of a case."""
    builder = BlockBuilder(width, {})
    for row, calls in enumerate(alleles):
        counts = (0, 2 * width) if calls is not None and calls.counted else (UNKNOWN, UNKNOWN)
        one = from_vcf("GRCh38", "1", row + 1, "A", "G")
        assert builder.add(one, Spelled.of(one, {}), calls, counts) == row
    parts = {name: unpack(pack(arrays)) for name, arrays in builder.encode().items()}
    return Calls(
        parts["head"], {n: p for n, p in parts.items() if n.startswith(("rare", "tile", "sets"))}, width
    ), parts


def each(listed: list[Carriers]) -> list[tuple[int, int]]:
    """Every carrier: its column and the number of its group."""
    return [(tile * TILE + column, group) for tile, group, columns in listed for column in columns.tolist()]


def encoded(width: int, alleles: list[Genotypes | None]) -> Calls:
    return block(width, [allele.written() if allele else None for allele in alleles])[0]


@settings(max_examples=60, deadline=None)
@given(blocks(), st.data())
def test_a_block_tells_of_any_columns_what_went_into_it(
    made: tuple[int, list[Genotypes | None]], data: st.DataObject
) -> None:
    width, alleles = made
    calls = encoded(width, alleles)
    rows = sorted(data.draw(st.sets(st.sampled_from(range(len(alleles))))))
    groups = tuple(data.draw(st.sets(st.sampled_from(GROUPS), min_size=1)))
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    chosen = {column for column in range(width) if dice.random() < 0.5}

    carried = [allele.carriers(*groups) if allele else set() for allele in alleles]
    # The same alleles in one block or in two tell the same.
    cut = data.draw(st.integers(0, len(alleles)))
    parts = [(0, alleles[:cut]), (cut, alleles[cut:])]
    several = [
        (encoded(width, part), np.array([row - first for row in rows if 0 <= row - first < len(part)], np.int32))
        for first, part in parts
        if part
    ]
    for columns in (chosen, *({column} for column in sorted(chosen)[:3])):
        among = carriers_among(several, BitMap(columns), groups)
        assert set(among) == set().union(*(carried[row] for row in rows)) & columns
        found = carried_by(several, BitMap(columns), groups)
        assert found.tolist() == [bool(carried[row] & columns) for row in rows]
    held = [
        sorted((column, at) for at, group in enumerate(GROUPS) for column in (allele.carriers(group) if allele else ()))
        for allele in alleles
    ]
    for row in rows:
        assert sorted(each(calls.listed(row))) == held[row]
    for column in sorted(chosen)[:3]:
        assert calls.of_column(column).tolist() == [dict(known).get(column, -1) for known in held]
    for row, allele in enumerate(alleles):
        assert calls.genotyped(row) == (allele is not None)
        assert calls.counted(row) == (allele is not None and allele.counted)
        assert calls.carriers(row, groups).tolist() == sorted(carried[row])
        for group in GROUPS:
            assert calls.group(group, row).tolist() == sorted(allele.carriers(group) if allele else ())
        known = allele.calls if allele else {}
        assert set(calls.shared("missing", row)) == {c for c, call in known.items() if not call[1]}
        assert set(calls.shared("haploid", row)) == {c for c, call in known.items() if call[2] == 1}
        if allele:
            called = [call for column, call in known.items() if column in chosen]
            assert calls.tally(row, BitMap(chosen)) == (
                sum(call[3] is not None for call in called),
                sum(call[0] for call in called),
                sum(call[1] for call in called),
            )


@settings(max_examples=60, deadline=None)
@given(blocks())
def test_what_goes_along_with_rare_carriers_tells_of_them_what_the_head_does(
    made: tuple[int, list[Genotypes | None]],
) -> None:
    width, alleles = made
    whole, parts = block(width, [allele.written() if allele else None for allele in alleles])
    if not width:
        assert "rare" not in parts
        return
    alone = Calls(parts["rare"], {"rare": parts["rare"]}, width)
    assert alone.size == len(alleles)
    assert all(parts["rare"][name].tolist() == parts["head"][name].tolist() for name in ALONG)
    for row, allele in enumerate(alleles):
        if not is_common(len(allele.carriers(*GROUPS)) if allele else 0, width):
            assert each(alone.listed(row)) == each(whole.listed(row))
            assert alone.carriers(row).tolist() == whole.carriers(row).tolist()


def test_common_alleles_lie_apart_from_rare_ones_as_bits_where_that_is_smaller() -> None:
    few = Genotypes({column: CALLS[5] if column == 3 else CALLS[0] for column in range(1000)})
    some = Genotypes({column: CALLS[5] if column % 25 == 0 else CALLS[0] for column in range(1000)})
    many = Genotypes({column: CALLS[5] if column % 2 else CALLS[0] for column in range(1000)})
    _, parts = block(1000, [few.written(), some.written(), many.written()])
    assert parts["rare"]["het.columns"].tolist() == [3]
    assert parts["tile0"]["het.columns"].tolist() == list(range(0, 1000, 25))
    assert parts["tile0"]["het.dense_rows"].tolist() == [2]


@pytest.mark.parametrize("width", [3 * TILE, 3 * TILE + 1, 4 * TILE - 1, 4 * TILE, 4 * TILE + 1, 9 * TILE])
def test_the_carriers_of_a_rare_allele_are_listed_whatever_tile_they_are_in(width: int) -> None:
    carrying = [0, 5, TILE - 1, TILE, 2 * TILE + 7, width - 1]
    rare = AlleleCalls(het=np.array(carrying[::2], np.uint32), hom=np.array(carrying[1::2], np.uint32))
    calls, _ = block(width, [rare])
    assert sorted(each(calls.listed(0))) == [(column, at % 2) for at, column in enumerate(carrying)]


@pytest.mark.parametrize("width", [65_535, 65_536, 65_537, 200_000])
def test_columns_beyond_65536_are_told_apart_from_those_below(width: int) -> None:
    last = width - 1
    low = last - 65_536 if width > 65_536 else 0
    single = AlleleCalls(het=np.array([last], np.uint32), missing=np.array([low], np.uint32))
    calls, _ = block(width, [single, AlleleCalls(hom=np.arange(1, width, 2, dtype=np.uint32))])
    assert calls.group("het", 0).tolist() == [last]
    assert set(calls.shared("missing", 0)) == {low}
    assert calls.tally(1, BitMap(range(width))) == (width // 2, 2 * (width // 2), 2 * width)
    assert carried_by([(calls, np.array([0], np.int32))], BitMap([low]), ("het",)).tolist() == [low == last]


def test_some_tiles_tell_what_all_of_them_tell_of_their_columns() -> None:
    width = 3 * TILE + 5
    odd = np.arange(1, width, 2, dtype=np.uint32)
    some = np.arange(0, width, 30, dtype=np.uint32)
    whole, parts = block(width, [AlleleCalls(het=odd, hom=some[some % 2 == 0]), AlleleCalls(het=some)])
    for tile in range(4):
        alone = Calls(parts["head"], {"tile": parts[f"tile{tile}"]}, width)
        window = range(tile * TILE, min((tile + 1) * TILE, width))
        for row in (0, 1):
            for group in ("het", "hom"):
                expected = [column for column in whole.group(group, row).tolist() if column in window]
                assert alone.group(group, row).tolist() == expected
    both = [(whole, np.array([0, 1], np.int32))]
    assert carried_by(both, BitMap([width - 1])).tolist() == [
        bool((width - 1) % 2) or (width - 1) % 30 == 0,
        (width - 1) % 30 == 0,
    ]
    assert set(carriers_among(both, BitMap(range(width)))) == {*odd.tolist(), *some.tolist()}


def test_a_block_is_full_before_it_could_be_too_large_for_one_document() -> None:
    width = 40_000
    half, rest = np.arange(0, width, 2, dtype=np.uint32), np.arange(1, width, 2, dtype=np.uint32)
    shifting = [np.array(sorted(random.Random(n).sample(range(width), 8_000)), np.uint32) for n in range(8)]
    builder = BlockBuilder(width, {})
    added = 0
    while not builder.full:
        missing = np.union1d(shifting[added % 8], np.array([added], np.uint32)).astype(np.uint32)
        one = from_vcf("GRCh38", "1", added + 1, "A", "G")
        calls = AlleleCalls(het=half, hom=rest, missing=missing)
        builder.add(one, Spelled.of(one, {}), calls, (width, 2 * width))
        added += 1
    assert max(len(pack(part)) for part in builder.encode().values()) < 14_000_000
    assert added > 10


@pytest.mark.parametrize("shape", [(0,), (1,), (5,), (0, 3), (2, 3), (3, 0)])
def test_packed_arrays_come_back_as_they_were(shape: tuple[int, ...]) -> None:
    kinds = (np.uint8, np.uint16, np.uint32, np.uint64, np.int64, np.float64, np.bool_)
    put = {kind.__name__: np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(kind) for kind in kinds}
    back = unpack(pack(put))
    assert list(back) == list(put)
    for name, array in put.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tolist() == array.tolist()
        assert back[name].flags.aligned


def test_heads_joined_from_parts_keep_every_chromosome_name() -> None:
    def heads(chrom: str, number: int, *starts: int) -> Heads:
        builder = HeadBuilder({})
        for start in starts:
            one = from_vcf("GRCh38", chrom, start + 1, "A", "G")
            builder.add(one, Spelled.of(one, {}), (start % 2, 0, 0, 0, 0, 0), (start, 10))
        return heads_of([(chrom, number, builder.encode())])

    joined = Heads.joined([heads("2", 0, 5), heads("X", 0, 6), heads("1", 4, 7)])
    assert [joined.names[code] for code in joined.chrom] == ["2", "X", "1"]
    assert joined.start.tolist() == [5, 6, 7]
    assert joined.block.tolist() == [0, 0, 4]
    assert joined.carried.tolist() == [True, False, True]
    assert joined.count.tolist() == [5, 6, 7]
    assert len(Heads.joined([Heads.empty()])) == 0


def test_heads_of_a_column_say_how_it_carries_them_whatever_is_picked_of_them() -> None:
    def head(chrom: str, *starts: int) -> Arrays:
        builder = HeadBuilder({})
        for start in starts:
            one = from_vcf("GRCh38", chrom, start + 1, "A", "G")
            builder.add(one, Spelled.of(one, {}), (1, 0, 0, 0, 0, 0), (1, 10))
        return builder.encode()

    first = heads_of_column([("1", 4, head("1", 5, 6, 7))], 9, [np.array([-1, 1, 0], np.int8)])
    second = heads_of_column([("2", 5, head("2", 1, 2))], 9, [np.array([3, -1], np.int8)])
    both = Heads.joined([first, second])
    assert (both.of, both.start.tolist(), both.how.tolist()) == (9, [6, 7, 1], [1, 0, 3])
    assert (both.pick(np.array([2, 0])).of, both.pick(np.array([2, 0])).how.tolist()) == (9, [3, 1])
    fresh = Heads.joined([first, second]).settled()
    assert (fresh.how.tolist(), fresh.key.tolist()) == ([1, 0, 3], [*first.key.tolist(), *second.key.tolist()])
    other = heads_of_column([("3", 6, head("3", 1))], 8, [np.array([0], np.int8)])
    assert Heads.joined([both, other]).of is None


def test_an_identity_is_the_same_everywhere_and_fits_64_bits() -> None:
    assert identity("GRCh38-1-100-A-G") == identity("GRCh38-1-100-A-G") < 2**64
    assert len({identity(f"GRCh38-1-{n}-A-G") for n in range(10_000)}) == 10_000
