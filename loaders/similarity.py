"""The neighbours of every term of an ontology, made once when it is stored, so that no server has to compare terms."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from beacon.model.similarity import LEVELS, encode
from loaders.terms import Terms, hpo

_TOGETHER = 2_000
MOST = 60_000
"""The largest ontology whose terms are compared, which takes some seconds for each ten thousand."""


@functools.cache
def hpo_neighbours() -> Mapping[str, bytes]:
    """Return the neighbours of all terms of the Human Phenotype Ontology; about 2 s at the first call."""
    return neighbours(hpo())


def neighbours(terms: Terms) -> Mapping[str, bytes]:
    """Return each term's neighbours (``beacon.model.similarity``).

    An obsolete term is as similar to others as what replaces it; one that nothing replaces has no neighbours. In an
    ontology whose ids are not numbers of one length, or that has more terms than ``MOST``, nothing is measured.
    """
    numbers = [term.removeprefix(f"{terms.prefix}:") for term in terms.labels]
    if len(numbers) > MOST or len(set(map(len, numbers))) > 1 or not all(one.isdecimal() for one in numbers):
        return {}
    near = _current(terms)
    for old in terms.replaced:
        new = _current_term(terms, old)
        if new in near:
            near[old] = {**near[new], new: 1.0}
            for other, similarity in [*near[new].items(), (new, 1.0)]:
                near[other][old] = similarity
    written = {term: int(term.partition(":")[2]) for term in {*terms.labels, *near}}
    return {
        term: encode([(similarity, written[other]) for other, similarity in near.get(term, {}).items()])
        for term in terms.labels
    }


def _current_term(terms: Terms, term: str) -> str:
    seen: set[str] = set()
    while term not in seen and (new := terms.replaced.get(term)):
        seen.add(term)
        term = new
    return term


def _current(terms: Terms) -> dict[str, dict[str, float]]:
    """Return the similarities between terms that are not obsolete, those below the least step left out."""
    ids = [term for term in terms.labels if term not in terms.replaced]
    number = {term: at for at, term in enumerate(ids)}
    above = [np.array([at, *(number[a] for a in terms.ancestors(term) if a in number)]) for at, term in enumerate(ids)]
    all_above, owner = np.concatenate(above), np.repeat(np.arange(len(ids)), [len(some) for some in above])
    sizes = np.bincount(all_above, minlength=len(ids))
    below = np.split(owner[np.argsort(all_above, kind="stable")], np.cumsum(sizes)[:-1])
    information = 1 - np.log(sizes) / math.log(len(ids)) if len(ids) > 1 else np.zeros(len(ids))
    least = min(LEVELS.values())
    # What two similar terms share must hold this much, since neither holds less than that.
    telling = information[all_above] >= information[owner] * least / (2 - least)
    near: dict[str, dict[str, float]] = {}
    for begin in range(0, len(ids), _TOGETHER):
        some = telling & (owner >= begin) & (owner < begin + _TOGETHER)
        commons = all_above[some]
        one, common = (np.repeat(part, sizes[commons]) for part in (owner[some], commons))
        other = np.concatenate([np.empty(0, np.int64), *(below[at] for at in commons.tolist())])
        held = information[other] + information[one]
        similar = np.divide(2 * information[common], held, out=np.zeros(len(held)), where=held > 0)
        chosen = np.flatnonzero((similar >= least) & (other != one))
        # Of all that two terms share the most telling one counts.
        chosen = chosen[np.lexsort((-similar[chosen], other[chosen], one[chosen]))]
        one, other, similar = one[chosen], other[chosen], similar[chosen]
        first = np.r_[True, (one[1:] != one[:-1]) | (other[1:] != other[:-1])][: len(one)]
        one, other, similar = one[first], other[first], similar[first]
        ends = np.searchsorted(one, np.arange(begin, min(begin + _TOGETHER, len(ids)) + 1)).tolist()
        names, values = [ids[at] for at in other.tolist()], similar.tolist()
        for at, (low, high) in enumerate(pairwise(ends), begin):
            near[ids[at]] = dict(zip(names[low:high], values[low:high], strict=True))
    return near
