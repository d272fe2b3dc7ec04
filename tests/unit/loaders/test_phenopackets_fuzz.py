"""A few of the files that ``make fuzz-phenopackets`` reads by the hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.loaders.fuzz_phenopackets import run


@pytest.mark.parametrize("seed", [1, 1000])
def test_broken_phenopackets_are_told_of_and_break_nothing(seed: int, tmp_path: Path) -> None:
    accepted = problems = 0
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        more, found = run(seed + number, folder)
        accepted, problems = accepted + more, problems + found
    assert accepted > 5
    assert problems > 30
