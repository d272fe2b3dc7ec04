"""What may come once only, across processes."""

from __future__ import annotations

import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import Overloaded
from beacon.http.once import Once


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.text(max_size=3), max_size=40))
def test_each_id_comes_first_once(ids: list[str]) -> None:
    once = Once(1024, clock=Clock())
    assert [once.first(id, 1010.0) for id in ids] == [id not in ids[:place] for place, id in enumerate(ids)]


def test_it_is_forgotten_when_its_time_is_over_and_not_before() -> None:
    clock = Clock()
    once = Once(16, clock=clock)
    assert once.first("a", 1010.0)
    clock.now = 1009.9
    assert not once.first("a", 2000.0)
    clock.now = 1010.0
    assert once.first("a", 1020.0)


def test_the_one_who_brought_it_first_may_bring_it_again() -> None:
    once = Once(16, clock=Clock())
    assert once.first("q", 1010.0, "x")
    assert once.first("q", 1010.0, "x")
    assert not once.first("q", 1010.0, "y")
    assert not once.first("q", 1010.0)


def test_where_there_is_no_room_it_refuses_and_forgets_nothing() -> None:
    once = Once(16, clock=Clock())
    for number in range(16):
        assert once.first(str(number), 1010.0)
    with pytest.raises(Overloaded):
        once.first("one too many", 1010.0)
    assert not any(once.first(str(number), 1010.0) for number in range(16))


def test_workers_share_what_has_come() -> None:
    once, times = Once(4096), 300
    context = multiprocessing.get_context("fork")
    counted = context.Array("i", 4)

    def work(worker: int) -> None:
        counted[worker] = sum(once.first(f"id {number}", once.began + 600) for number in range(times))

    workers = [context.Process(target=work, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(counted[:]) == times
