"""A network makes room for its connections, as far as the administrator lets it."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterator

import pytest

from network.files import make_room

Limit = Callable[[int], None]


@pytest.fixture
def begin_with() -> Iterator[Limit]:
    """Set the soft limit of open files for the length of a test."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def now() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_limit_is_raised_to_what_the_members_need(begin_with: Limit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "skerry.network")
    begin_with(512)
    assert make_room(5, 10) == now() == 1_050
    assert caplog.messages == ["raised the limit of open files from 512 to 1050, for 5 members"]


def test_a_limit_that_is_enough_stays(begin_with: Limit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "skerry.network")
    begin_with(2_000)
    assert make_room(5, 10) == now() == 2_000
    assert caplog.messages == []


def test_where_the_hard_limit_is_too_low_the_log_says_what_to_do(
    begin_with: Limit, caplog: pytest.LogCaptureFixture
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard > 10_000_000:
        pytest.skip("this system has no hard limit of open files to meet")
    begin_with(512)
    assert make_room(hard, 64) == now() == hard
    (said,) = caplog.messages
    assert said.startswith(f"{hard} open files are too few for {hard} members: raise the hard limit")
