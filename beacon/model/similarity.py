"""How similar terms are, in the three steps that a filter may ask for, and how that is kept.

Lin's measure (1998): twice the information that two terms share, over the sum of what each holds; 1 for a term and
itself. Information is that of the ontology's own structure (Seco, Veale and Hayes 2004): 1 - log(terms at or below) /
log(all terms), which needs no annotations, so that it is the same at every site that has the same version.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

LEVELS: Mapping[str, float] = {"high": 0.85, "medium": 0.75, "low": 0.65}
"""The least similarity of each step; each holds the ones before it."""


def encode(near: Sequence[tuple[float, int]]) -> bytes:
    """Encode the neighbours of a term as (similarity, number in the ontology), those below ``low`` left out."""
    ordered = sorted((-similarity, number) for similarity, number in near)
    steps = [bisect_right(ordered, (-least, math.inf)) for least in LEVELS.values()]
    return np.array([*steps, *(number for _, number in ordered[: steps[-1]])], "<u4").tobytes()


def decode(term: str, data: bytes, level: str) -> list[str]:
    """Return the neighbours at a level as ids like that of ``term``. Raises ``KeyError`` for another level."""
    numbers = np.frombuffer(data, "<u4")
    step = dict(zip(LEVELS, numbers[: len(LEVELS)].tolist(), strict=True))[level]
    prefix, _, local = term.partition(":")
    return [f"{prefix}:{number:0{len(local)}d}" for number in numbers[len(LEVELS) :][:step].tolist()]
