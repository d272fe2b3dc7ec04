"""Which terms are neighbours, by the measure of Lin over the ontology's own structure."""

from __future__ import annotations

import math

from beacon.model.similarity import LEVELS, decode
from loaders.similarity import hpo_neighbours, neighbours
from loaders.terms import Terms, hpo

# 1 is the root; below it 2 and 3; below 2 lie 4 and 5; 6 is obsolete, and 4 is in its place.
PARENTS = {"X:1": (), "X:2": ("X:1",), "X:3": ("X:1",), "X:4": ("X:2",), "X:5": ("X:2",), "X:6": (), "X:7": ()}
SMALL = Terms("X", "1", dict.fromkeys(PARENTS, "made up"), PARENTS, {"X:6": "X:4", "X:7": None}, {})


def test_similarity_is_twice_what_is_shared_over_what_each_holds() -> None:
    near = neighbours(SMALL)
    size = math.log(5)
    two, leaf = 1 - math.log(3) / size, 1.0
    assert 2 * two / (leaf + leaf) < LEVELS["low"] < 2 * two / (two + leaf) + 0.3
    assert decode("X:4", near["X:4"], "low") == ["X:6"]
    assert decode("X:6", near["X:6"], "high") == ["X:4"]
    assert decode("X:7", near["X:7"], "low") == []


def test_ids_that_are_no_numbers_are_not_compared() -> None:
    assert neighbours(Terms("X", "1", {"X:a": "", "X:b": ""}, {"X:a": (), "X:b": ()}, {}, {})) == {}


def test_in_the_real_ontology_each_level_holds_those_before_and_similarity_goes_both_ways() -> None:
    near = hpo_neighbours()
    for term in ("HP:0001250", "HP:0001631", "HP:0000252", "HP:0001166"):
        high, medium, low = (set(decode(term, near[term], level)) for level in LEVELS)
        assert high <= medium <= low
        assert term not in low
        for other in low:
            assert term in decode(other, near[other], "low")
    assert "HP:0007359" in decode("HP:0001250", near["HP:0001250"], "high")  # Focal-onset seizure
    assert hpo().label("HP:0100807") == "Long fingers"
    assert "HP:0100807" in decode("HP:0001166", near["HP:0001166"], "high")
