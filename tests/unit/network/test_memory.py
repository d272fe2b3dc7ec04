"""What was learnt of a member for one asker is nobody else's, and does not pile up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from network import memory
from network.habits import SKERRY, Filters, Habits
from network.memory import STRANGER, Memory

OPEN = Habits(filters=Filters.LISTED, terms=frozenset({"NCIT:C16576"}))
MORE = replace(OPEN, terms=frozenset({"NCIT:C16576", "HP:0001250"}))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_was_learnt_for_one_asker_is_not_known_to_another_or_at_another_member() -> None:
    kept = Memory()
    kept.keep("a", b"rosa", MORE)
    assert [kept.known("a", asker) for asker in (b"rosa", b"noor", STRANGER)] == [MORE, None, None]
    kept.keep("a", STRANGER, OPEN)
    assert [kept.known("a", asker) for asker in (b"rosa", b"noor", STRANGER)] == [MORE, None, OPEN]
    assert kept.known("b", b"rosa") is None


def test_that_a_member_is_of_our_own_make_holds_for_everybody() -> None:
    kept = Memory()
    kept.keep("a", b"rosa", SKERRY)
    assert kept.known("a", STRANGER) is kept.known("a", b"noor") is SKERRY
    assert kept.known("b", b"rosa") is None


def test_what_was_learnt_holds_for_an_hour() -> None:
    clock = Clock()
    kept = Memory(clock=clock)
    kept.keep("a", b"rosa", MORE)
    kept.keep("b", b"rosa", SKERRY)
    clock.now += 3599
    assert (kept.known("a", b"rosa"), kept.known("b", b"rosa")) == (MORE, SKERRY)
    clock.now += 1
    assert (kept.known("a", b"rosa"), kept.known("b", b"rosa")) == (None, None)


def test_of_many_askers_those_who_have_not_asked_for_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_ASKERS", 3)
    kept = Memory()
    for asker in (b"1", b"2", b"3"):
        kept.keep("a", asker, OPEN)
    kept.known("a", b"1")
    kept.keep("a", b"4", OPEN)
    kept.keep("b", b"5", OPEN)  # of another member, which has its own
    assert [asker for asker in (b"1", b"2", b"3", b"4") if kept.known("a", asker)] == [b"1", b"3", b"4"]


def test_a_member_that_lists_something_else_to_everybody_takes_no_more_memory_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists = [replace(OPEN, terms=frozenset({f"{number:01000}"})) for number in range(10)]
    monkeypatch.setattr(memory, "MOST_BYTES", 3 * lists[0].size())
    kept = Memory()
    for number, habits in enumerate(lists):
        kept.keep("a", bytes([number]), habits)
    assert [number for number in range(10) if kept.known("a", bytes([number]))] == [7, 8, 9]
    # The last one stays however long its list is, so that its next question does not begin anew.
    kept.keep("a", b"much", replace(OPEN, terms=frozenset({"x" * 100_000})))
    assert kept.known("a", b"much")


def test_the_same_list_is_kept_once_for_all_who_are_shown_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", MORE.size())
    kept = Memory()
    for number in range(10):
        kept.keep("a", bytes([number]), replace(MORE, terms=frozenset(sorted(MORE.terms))))
    assert len({id(kept.known("a", bytes([number]))) for number in range(10)}) == 1
    assert all(kept.known("a", bytes([number])) == MORE for number in range(10))
