"""Ancestors may be added to an index afterwards, and parts be indexed one by one: what is found is the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.indexing import index_entries, keys_above, members_of, own_entries, parts_of, told_of

INDIVIDUAL = ENTRY_TYPES["individual"]
PARENTS = {"HP:5": ("HP:2", "HP:3"), "HP:4": ("HP:2",), "HP:3": ("HP:1",), "HP:2": ("HP:1",), "HP:1": ()}


def ancestors(term: str) -> tuple[str, ...]:
    found: set[str] = set()
    for parent in PARENTS.get(term, ()):
        found |= {parent, *ancestors(parent)}
    return tuple(sorted(found))


def people(terms: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """People with some features, severities, a disease stage and a text; some features were looked for in vain."""
    features = st.builds(
        lambda term, severity, absent: {
            "featureType": {"id": term}, "severity": {"id": severity}, "excluded": absent,
            "onset": {"age": {"iso8601duration": f"P{len(term)}Y"}}, "notes": severity,
        },
        terms, terms, st.booleans(),
    )  # fmt: skip
    return st.builds(
        lambda listed, stage, text: {
            "phenotypicFeatures": listed, "diseases": [{"stage": {"id": stage}}], "karyotypicSex": text,
        },
        st.lists(features, max_size=4), terms, st.sampled_from(["XX", "X^HP:5", "=^HP:4", "!HP:4^HP:5", "^"]),
    )  # fmt: skip


@given(people(st.sampled_from([*PARENTS, "MONDO:1"])))
def test_keys_of_ancestors_added_afterwards_are_those_of_indexing_with_ancestors(person: dict[str, Any]) -> None:
    alone = index_entries(INDIVIDUAL, person, lambda _: ()).keys
    later = {higher for key in alone for higher in keys_above(key, ancestors)}
    assert alone.keys() | later == index_entries(INDIVIDUAL, person, ancestors).keys.keys()


@given(people(st.sampled_from([*PARENTS, "MONDO:1"])))
def test_the_entries_of_a_record_are_those_of_its_parts(person: dict[str, Any]) -> None:
    whole = index_entries(INDIVIDUAL, person, lambda _: ())
    parts = [
        index_entries(INDIVIDUAL, {member: part}, lambda _: ()) for member, part, _ in parts_of(INDIVIDUAL, person)
    ]
    assert {key for part in parts for key in part.keys} == whole.keys.keys()
    assert sorted(number for part in parts for number in part.numbers) == sorted(whole.numbers)


def test_what_no_entry_comes_from_does_not_tell_two_parts_apart() -> None:
    features = [{"featureType": {"id": "HP:5"}, "excluded": True, "notes": text} for text in ("seen", "told")]
    first, second = parts_of(INDIVIDUAL, {"id": "ana", "phenotypicFeatures": features})
    assert first != second
    told = [told_of(INDIVIDUAL, member, part) for member, part, _ in (first, second)]
    assert told == [{"featureType": {"id": "HP:5"}, "excluded": True}] * 2


@given(st.sampled_from(list(ENTRY_TYPES)), st.data(), st.one_of(st.text(), st.integers(), st.none()))
def test_what_a_record_alone_is_found_by_is_what_an_index_has(kind: str, data: st.DataObject, value: object) -> None:
    member = data.draw(st.sampled_from(members_of(ENTRY_TYPES[kind])))
    own, indexed = (
        own_entries(ENTRY_TYPES[kind], member, value),
        index_entries(ENTRY_TYPES[kind], {member: value}, lambda _: ()),
    )
    assert (own.keys, own.numbers) == (indexed.keys, indexed.numbers)
