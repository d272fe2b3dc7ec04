"""A member that keeps failing is rested, shown so, and asked again by and by."""

from __future__ import annotations

from network.breaker import Breaker
from network.outcomes import BUSY, HIT, INVALID, KINDS, TIMEOUT, Finding, Verdict

SLOW = Verdict(TIMEOUT, "Too slow.")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_rests_after_failures_in_a_row_and_longer_each_time() -> None:
    clock = Clock()
    breaker = Breaker(3, 5.0, clock=clock)
    for _ in range(3):
        assert breaker.resting("a") is None
        breaker.heard("a", SLOW)
    for pause in (1, 2, 4, 5, 5):
        told = breaker.resting("a")
        assert told
        assert told.kind is TIMEOUT
        assert told.reason.endswith(f"asked again in {pause} s. Last: {TIMEOUT.meaning}")
        clock.now += pause
        assert breaker.resting("a") is None  # the probe
        assert breaker.resting("a") is not None  # nobody else meanwhile
        breaker.heard("a", SLOW)
    clock.now += 5
    assert breaker.resting("a") is None
    breaker.heard("a", Verdict(HIT))
    assert [breaker.resting("a") for _ in range(3)] == [None, None, None]


def test_failures_with_an_answer_between_them_do_not_count_and_neither_does_being_busy() -> None:
    breaker = Breaker(2, 5.0, clock=Clock())
    for verdict in (SLOW, Verdict(HIT), SLOW, Verdict(BUSY), SLOW):
        breaker.heard("a", verdict)
        assert breaker.resting("a") is None
    breaker.heard("b", SLOW)
    assert breaker.resting("b") is None


def test_nothing_of_what_a_member_said_to_one_asker_is_told_to_the_next() -> None:
    breaker = Breaker(1, 5.0, clock=Clock())
    failed = [kind for kind in KINDS.values() if kind.failed and kind is not BUSY]
    for kind in failed:
        breaker.heard(kind.name, Verdict(kind, "No patient-17.", Finding(beacon_id="patient-17"), "patient-17"))
        told = breaker.resting(kind.name)
        assert told == Verdict(kind, f"It failed 1 times in a row and is asked again in 1 s. Last: {kind.meaning}")
    assert INVALID in failed


def test_what_was_asked_before_it_was_rested_does_not_make_the_rest_longer() -> None:
    clock = Clock()
    breaker = Breaker(1, 60.0, clock=clock)
    for _ in range(50):
        breaker.heard("a", SLOW)
    clock.now = 1.0
    assert breaker.resting("a") is None


def test_a_probe_whose_asker_leaves_is_made_by_the_next_one() -> None:
    clock = Clock()
    breaker = Breaker(1, 60.0, clock=clock)
    breaker.heard("a", SLOW)
    clock.now = 1.0
    assert breaker.resting("a") is None
    breaker.left("a")
    assert breaker.resting("a") is None


def test_without_a_number_of_failures_nobody_is_rested() -> None:
    breaker = Breaker(0, 60.0)
    for _ in range(100):
        breaker.heard("a", SLOW)
    assert breaker.resting("a") is None
