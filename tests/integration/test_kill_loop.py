"""Loads that are killed at some moment, few of them; ``make kill-loop TIMES=20`` is the long run."""

from __future__ import annotations

import pytest

from tests.integration import kill_loop


@pytest.mark.timeout(300)
def test_a_killed_load_is_finished_by_the_same_command_and_nobody_sees_a_mixture(mongo_uri: str) -> None:
    lines: list[str] = []
    kill_loop.run(mongo_uri, 2, 20261126, lines.append, kinds=("phenopackets",))
    assert len(lines) == 2
