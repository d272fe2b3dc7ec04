"""Synthetic people: diseases of 20 to 200 people, and HPO terms that are as unevenly spread as real ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beacon.model.entry_types import SEXES
from loaders.terms import hpo
from tests.perf.sizes import Size

_SEED = 20_260_302
_ROOT = "HP:0000118"
_ILL = 0.7
_PROFILE = 8
_EXCLUDED = 0.05
_TERMS_OF_USE = 6_000
_ETHNICITIES = (("GAZ:00000448", "place A"), ("GAZ:00002459", "place B"), ("GAZ:00002641", "place C"))
_SEX_TERMS = tuple({"id": id, "label": label} for id, label in list(SEXES.items())[:2])


@dataclass(frozen=True)
class People:
    """Everybody of a cohort; person i has the terms from ``terms_at[i]`` to before ``terms_at[i + 1]``.

    ``disease`` is the number of a person's disease, -1 without one; ``excluded`` says of each term that it was
    looked for and not found.
    """

    size: Size
    sex: NDArray[np.int8]
    age: NDArray[np.int16]
    disease: NDArray[np.int32]
    terms: NDArray[np.int32]
    terms_at: NDArray[np.int64]
    excluded: NDArray[np.bool_]
    vocabulary: tuple[str, ...]

    @classmethod
    def make(cls, size: Size) -> People:
        """Make everybody of a cohort."""
        rng = np.random.default_rng((_SEED, size.people))
        number = size.people
        disease, diseases = _diseases(rng, number)
        vocabulary = _vocabulary(rng)
        popularity = 1 / np.arange(1, len(vocabulary) + 1)
        edges = np.cumsum(popularity / popularity.sum())
        profiles = np.searchsorted(edges, rng.random((diseases, _PROFILE)))
        many = np.minimum(1 + rng.geometric(1 / 6, number), 40)
        # Of the ill, a part of the terms belongs to the disease; of everybody, the rest is what people have.
        person = np.repeat(np.arange(number), many)
        terms = np.searchsorted(edges, rng.random(len(person)))
        own = (disease[person] >= 0) & (rng.random(len(person)) < 0.5)
        terms[own] = profiles[disease[person[own]], rng.integers(0, _PROFILE, int(own.sum()))]
        key = np.unique(person * len(vocabulary) + np.minimum(terms, len(vocabulary) - 1))
        person, terms = key // len(vocabulary), key % len(vocabulary)
        return cls(
            size,
            rng.integers(0, 2, number).astype(np.int8),
            rng.integers(0, 95, number).astype(np.int16),
            disease,
            terms.astype(np.int32),
            np.searchsorted(person, np.arange(number + 1)),
            rng.random(len(terms)) < _EXCLUDED,
            vocabulary,
        )

    def id(self, person: int) -> str:
        """Return a person's id."""
        return f"SKP{person:07d}"

    def sample(self, person: int) -> str:
        """Return the id of a person's sample; run and analysis have the same."""
        return f"SKS{person:07d}"

    def body(self, person: int) -> dict[str, Any]:
        """Return a person as a Beacon individual."""
        labels = hpo().labels
        code, label = _ETHNICITIES[person % len(_ETHNICITIES)]
        features = []
        for at in range(self.terms_at[person], self.terms_at[person + 1]):
            term = self.vocabulary[self.terms[at]]
            feature: dict[str, Any] = {"featureType": {"id": term, "label": labels[term]}}
            if self.excluded[at]:
                feature["excluded"] = True
            features.append(feature)
        age = int(self.age[person])
        record: dict[str, Any] = {
            "id": self.id(person),
            "sex": _SEX_TERMS[self.sex[person]],
            "geographicOrigin": {"id": code, "label": label},
            "phenotypicFeatures": features,
            "info": {"timeAtLastEncounter": {"iso8601duration": f"P{age}Y"}},
        }
        if (disease := int(self.disease[person])) >= 0:
            onset = {"iso8601duration": f"P{age // 2}Y"}
            record["diseases"] = [{"diseaseCode": {"id": disease_id(disease)}, "ageOfOnset": onset}]
        return record

    @cached_property
    def person_of(self) -> NDArray[np.int64]:
        """The person whom each entry of ``terms`` is about."""
        return np.repeat(np.arange(self.size.people), np.diff(self.terms_at))

    def having(self, term: str) -> NDArray[np.int64]:
        """Return, ascending, the people observed to have a term or one below it."""
        below = np.zeros(len(self.vocabulary), np.bool_)
        below[self._below.get(term, [])] = True
        return np.unique(self.person_of[below[self.terms] & ~self.excluded])

    @cached_property
    def _below(self) -> dict[str, list[int]]:
        """By term, the places in the vocabulary of itself and of those below it."""
        found: dict[str, list[int]] = {}
        for at, name in enumerate(self.vocabulary):
            for term in (name, *hpo().ancestors(name)):
                found.setdefault(term, []).append(at)
        return found

    @cached_property
    def asked_terms(self) -> tuple[str, ...]:
        """All terms that somebody has, or that stand above such a one, from the abnormality of all phenotypes down."""
        used = {self.vocabulary[number] for number in np.unique(self.terms[~self.excluded]).tolist()}
        above = {name for term in used for name in hpo().ancestors(term) if _ROOT in hpo().ancestors(name)}
        return tuple(sorted(used | above))


def disease_id(number: int) -> str:
    """Return the term of a disease; these numbers are not given to any real one."""
    return f"OMIM:{900_000 + number}"


def _diseases(rng: np.random.Generator, people: int) -> tuple[NDArray[np.int32], int]:
    """Give seven people of ten a disease of 20 to 200 people each."""
    disease = np.full(people, -1, np.int32)
    order = rng.permutation(people)
    at = number = 0
    while at < _ILL * people:
        many = int(20 * 10 ** rng.random())
        disease[order[at : at + many]] = number
        at, number = at + many, number + 1
    return disease, number


def _vocabulary(rng: np.random.Generator) -> tuple[str, ...]:
    """Choose the terms in use, the most frequent first."""
    known = sorted(term for term in hpo().labels if _ROOT in hpo().ancestors(term))
    return tuple(known[at] for at in rng.permutation(len(known))[:_TERMS_OF_USE].tolist())
