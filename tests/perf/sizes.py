"""The cohorts that are measured, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One cohort: how many alleles, how many people, and how much memory its MongoDB may take (GB).

    Without alleles, people have phenotypes alone: no samples and no genotypes.
    """

    name: str
    alleles: int
    people: int
    cache_gb: float = 1.0


SIZES: Mapping[str, Size] = {
    size.name: size
    for size in (
        Size("tiny", 3_000, 400, 0.25),
        Size("small", 20_000, 2_504),
        Size("medium", 100_000, 2_504),
        Size("million", 1_000_000, 2_504, 2.0),
        Size("ten-million", 10_000_000, 2_504, 4.0),
        Size("wide", 20_000, 200_000, 2.0),
        Size("phenotypes", 0, 1_000_000, 2.0),
    )
}
"""``million``, ``ten-million``, ``wide`` and ``phenotypes`` are those for which figures are promised."""
