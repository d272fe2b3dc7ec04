"""Granularities are ordered, and whoever sets nothing has opened nothing."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from beacon.model.access import ANONYMOUS, Asker, DatasetPolicy, Granularity, Level, Person, Principal


def test_the_smaller_granularity_is_the_one_that_tells_less() -> None:
    assert sorted(Granularity) == [Granularity.NONE, Granularity.BOOLEAN, Granularity.COUNT, Granularity.RECORD]
    assert min(Granularity.RECORD, Granularity.COUNT) is Granularity.COUNT


@pytest.mark.parametrize("granularity", list(Granularity))
def test_a_granularity_is_read_as_it_is_written(granularity: Granularity) -> None:
    assert Granularity.parse(granularity.label) is granularity


@pytest.mark.parametrize("text", ["", "Record", "RECORD", "records", " record", "3", "aggregated"])
def test_any_other_word_is_no_granularity(text: str) -> None:
    with pytest.raises(ValueError, match="none, boolean, count, record"):
        Granularity.parse(text)


def test_a_policy_that_says_nothing_answers_nobody_but_granted_people_and_there_are_none() -> None:
    policy = DatasetPolicy()
    assert policy.level is Level.CONTROLLED
    assert policy.ceilings[Asker.STRANGER] is policy.ceilings[Asker.REGISTERED] is Granularity.NONE
    assert policy.registered == policy.granted == frozenset()
    assert policy.threshold > 1


def test_policies_do_not_share_what_can_be_changed() -> None:
    assert DatasetPolicy().ceilings is not DatasetPolicy().ceilings


def test_a_person_is_an_issuer_and_a_subject_together() -> None:
    assert Person("https://a.example", "ana") != Person("https://b.example", "ana")
    assert len({Person("https://a.example", "ana"), Person("https://a.example", "ana")}) == 1


def test_who_asks_cannot_be_changed_on_the_way() -> None:
    assert Principal(None) == ANONYMOUS
    with pytest.raises(FrozenInstanceError):
        ANONYMOUS.person = Person("https://a.example", "ana")  # type: ignore[misc]
