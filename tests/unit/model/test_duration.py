"""Durations are compared as what they mean, not as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.duration import days


@pytest.mark.parametrize(
    ("one", "same"), [("P12M", "P1Y"), ("P1W", "P7D"), ("PT24H", "P1D"), ("P0D", "P0Y"), ("P1.5Y", "P18M")]
)
def test_the_same_time_in_other_units_is_the_same(one: str, same: str) -> None:
    assert days(one) == pytest.approx(days(same))


@pytest.mark.parametrize("text", ["", "P", "PT", "P1YT", "1Y", "P1", "P-1Y", "p1y", "P1D1Y", "P1Y ", "PT1Y"])
def test_what_is_no_duration_has_no_length(text: str) -> None:
    assert days(text) is None


@given(st.integers(0, 120), st.integers(0, 11), st.integers(0, 29))
def test_more_time_is_longer(years: int, months: int, some_days: int) -> None:
    shorter, longer = days(f"P{years}Y{months}M{some_days}D"), days(f"P{years}Y{months}M{some_days + 1}D")
    assert shorter is not None
    assert longer is not None
    assert shorter < longer
    assert longer < (days(f"P{years + 1}Y{months}M") or 0)
