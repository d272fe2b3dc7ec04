"""The table of entry types is consistent with itself: everything else is made from it."""

from __future__ import annotations

import pytest

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import (
    CLOSED_TERMS,
    ENTRY_TYPES,
    SEXES,
    ZYGOSITIES,
    ZYGOSITY,
    EntryType,
    FieldKind,
    entry_type_id,
)  # fmt: skip

ROWS = list(ENTRY_TYPES.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_entry_type_is_known_by_every_spelling_in_use(row: EntryType) -> None:
    for name in (row.id, row.path, *row.aliases):
        assert entry_type_id(name) == row.id
    assert entry_type_id(row.id + "x") is None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_entry_type_crosses_to_every_other_once_and_never_to_itself(row: EntryType) -> None:
    assert len(set(row.crosses)) == len(row.crosses)
    assert set(row.crosses) == set(ENTRY_TYPES) - {row.id}
    assert set(row.contains) <= set(ENTRY_TYPES)


def test_no_two_entry_types_share_a_name() -> None:
    names = [name for row in ROWS for name in {row.id, row.path, *row.aliases}]
    assert len(names) == len(set(names))
    assert len({row.schema_id for row in ROWS}) == len({row.path for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_field_is_named_once_and_closed_terms_are_those_of_one_field(row: EntryType) -> None:
    assert len({field.id for field in row.fields}) == len(row.fields)
    for field in row.fields:
        assert not set("=^!%") & set(field.id)  # they would be taken for part of an index key
        assert field.label
        assert field.kind is FieldKind.ONTOLOGY or not field.closed
        for term in field.closed:
            assert CLOSED_TERMS[term] == (row.id, field.id)


def test_every_entry_type_has_fields_and_two_are_collections() -> None:
    assert {row.id for row in ROWS if row.collection} == {"dataset", "cohort"}
    assert all(row.fields for row in ROWS)


def test_one_fields_kind_is_the_same_wherever_it_is_found() -> None:
    """A filter without scope is read by the first that has the field."""
    kinds: dict[str, set[FieldKind]] = {}
    for row in ROWS:
        for field in row.fields:
            kinds.setdefault(field.id, set()).add(field.kind)
    assert all(len(found) == 1 for found in kinds.values())


def test_closed_terms_are_sexes_and_zygosities() -> None:
    assert {
        **dict.fromkeys(SEXES, ("individual", "sex")),
        **dict.fromkeys(ZYGOSITIES, ("genomicVariant", ZYGOSITY)),
    } == CLOSED_TERMS
    assert set(GROUP_OF_ZYGOSITY) == set(ZYGOSITIES)
    assert set(GROUP_OF_ZYGOSITY.values()) < set(GROUPS)
