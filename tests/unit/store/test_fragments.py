"""Case-level entries: those of a tile side by side tell each column's own, whatever its ids are."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.store import fragments as fragments_module
from beacon.store.calls import TILE
from beacon.store.fragments import (
    FRAGMENTS,
    Entries,
    decode_fragments,
    encode_fragments,
    fragment,
    fragments_kind,
    fragments_of,
    tile_of,
)
from beacon.store.packing import pack

IDS = st.text(min_size=1, max_size=12)
COLUMNS = st.lists(st.tuples(IDS, IDS, st.none() | IDS, st.none() | IDS), min_size=1, max_size=20)


@settings(max_examples=80, deadline=None)
@given(COLUMNS, st.sampled_from(GROUPS), st.data())
def test_the_entries_of_some_columns_say_whose_they_are_and_how_they_carry(
    columns: list[tuple[str, str, str | None, str | None]], group: str, data: st.DataObject
) -> None:
    entries = Entries.of([fragment(*one) for one in columns], GROUPS.index(group))
    wanted = data.draw(st.lists(st.sampled_from(range(len(columns))), max_size=30))
    told = orjson.loads(b"[%b]" % bytes(entries.joined(np.array(wanted, np.uint16)))[:-1])
    zygosity = next((id for id, one in GROUP_OF_ZYGOSITY.items() if one == group), None)
    assert len(told) == len(wanted)
    for one, column in zip(told, wanted, strict=True):
        names = ("biosampleId", "individualId", "runId", "analysisId")
        assert {name: one.get(name) for name in names} == dict(zip(names, columns[column], strict=True))
        assert one.get("zygosity", {}).get("id") == zygosity


def test_nothing_but_entries_is_written_where_ids_are_of_different_lengths() -> None:
    entries = Entries.of([fragment("a", "b", None, None), fragment("longer", "than others", "r", None)], 0)
    assert not entries.even
    told = bytes(entries.joined(np.array([0])))
    assert told == told.strip(b"\0 ")


def test_one_long_id_among_many_makes_no_large_table() -> None:
    put = [fragment(f"s{number}", "p", None, None) for number in range(200)] + [fragment("x" * 5_000, "p", None, None)]
    entries = Entries.of(put, 0)
    assert entries.nbytes < 4 * sum(map(len, put))
    told = orjson.loads(b"[%b]" % bytes(entries.joined(np.array([200, 7])))[:-1])
    assert [one["biosampleId"] for one in told] == ["x" * 5_000, "s7"]


def test_fragments_come_back_from_their_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments_module, "FRAGMENTS", 3)
    put = [fragment(f"s{number}", f"p{number}", None, None) for number in range(8)]
    documents = dict(encode_fragments(put))
    assert list(documents) == [fragments_kind(number) for number in range(3)]
    assert [one for arrays in documents.values() for one in decode_fragments(pack(arrays))] == put


def test_every_document_of_fragments_belongs_to_the_tile_of_its_columns() -> None:
    assert TILE % FRAGMENTS == 0
    for tile in (0, 1, 7):
        assert {tile_of(number) for number in fragments_of(tile)} == {tile}
        assert fragments_of(tile)[0] * FRAGMENTS == tile * TILE
