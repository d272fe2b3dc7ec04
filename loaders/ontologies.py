"""Reading an ontology that a curator has: OBO 1.2 and 1.4, and OBO graphs as JSON, plain or packed."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import fastobo
import orjson

from beacon.errors import LoadError
from beacon.store.admin import Admin
from loaders.files import pieces
from loaders.report import Progress
from loaders.similarity import neighbours
from loaders.terms import Terms, site_ontologies
from loaders.words import counted, visible

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_IRI = re.compile(r".*[/#]([A-Za-z][A-Za-z0-9.-]*)_([^/#_]+)")
_CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]+:\S+")
_IS_A = frozenset({"is_a", "http://www.w3.org/2000/01/rdf-schema#subClassOf", "rdfs:subClassOf"})
_REPLACED_BY = "IAO_0100001"


@dataclass(slots=True)
class _Found:
    """What a file says, by term id; ``merged`` are ids that were given up in favour of another term's."""

    version: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    replaced: dict[str, str | None] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)


def read_ontology(path: Path, version: str | None = None) -> Terms:
    """Return an ontology; of the terms in the file those of its most frequent prefix are its own.

    ``version`` is what to call it where the file does not say. Raises ``LoadError`` where the file cannot be read, is
    neither OBO nor an OBO graph, has no terms, or has no version.
    """
    data = b"".join(pieces(path))
    found = (_graph if data.lstrip()[:1] == b"{" else _obo)(path, data)
    prefixes = Counter(id.partition(":")[0] for id in found.labels)
    if not prefixes:
        raise LoadError(f"{path} has no terms; it takes OBO, or an OBO graph as JSON", where=str(path))
    version = version or found.version
    if not version:
        raise LoadError(f"{path} does not tell its version; say which one it is with --release", where=str(path))
    (prefix, _) = prefixes.most_common(1)[0]
    for id, into in found.merged.items():
        if id not in found.labels and into in found.labels:
            found.labels[id], found.replaced[id] = found.labels[into], into
    own = {id: label for id, label in found.labels.items() if id.startswith(f"{prefix}:")}
    resource = {
        "id": prefix.lower(),
        "name": found.name or prefix,
        "url": f"http://purl.obolibrary.org/obo/{prefix.lower()}.owl",
        "version": version,
        "namespacePrefix": prefix,
        "iriPrefix": f"http://purl.obolibrary.org/obo/{prefix}_",
    }
    return Terms(
        prefix,
        version,
        MappingProxyType(own),
        MappingProxyType(found.parents),
        MappingProxyType({id: other for id, other in found.replaced.items() if id in own}),
        MappingProxyType(resource),
    )


def _obo(path: Path, data: bytes) -> _Found:
    try:
        document = fastobo.load(io.BytesIO(data))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        raise LoadError(f"{place}: this is neither OBO nor an OBO graph ({error.args[0]})", where=place) from error
    found = _Found()
    for clause in document.header:
        if isinstance(clause, fastobo.header.DataVersionClause):
            found.version = _version(clause.version)
        elif isinstance(clause, fastobo.header.PropertyValueClause) and "title" in str(clause):
            found.name = next(iter(re.findall(r'"([^"]+)"', str(clause))), "")
    for frame in document:
        if isinstance(frame, fastobo.term.TermFrame):
            _obo_term(str(frame.id), frame, found)
    return found


def _obo_term(id: str, frame: Any, found: _Found) -> None:
    if not _CURIE.fullmatch(id):
        return
    parents, label, obsolete, replacement = [], "", False, None
    for clause in frame:
        match type(clause).__name__:
            case "NameClause":
                label = clause.name
            case "IsAClause":
                parents.append(str(clause.term))
            case "IsObsoleteClause":
                obsolete = clause.obsolete
            case "ReplacedByClause":
                replacement = str(clause.term)
            case "AltIdClause":
                found.merged[str(clause.alt_id)] = id
    found.labels[id] = label
    found.parents[id] = tuple(parents)
    if obsolete:
        found.replaced[id] = replacement


def _graph(path: Path, data: bytes) -> _Found:
    try:
        graphs = orjson.loads(data)["graphs"]
        found = _Found()
        for graph in graphs:
            meta = graph.get("meta") or {}
            found.version = found.version or _version(str(meta.get("version") or ""))
            titles = (row["val"] for row in meta.get("basicPropertyValues") or () if row["pred"].endswith("/title"))
            found.name = found.name or next(titles, "")
            for node in graph.get("nodes") or ():
                _graph_term(node, found)
            for sub, obj in _edges(graph):
                found.parents[sub] = (*found.parents.get(sub, ()), obj)
    except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise LoadError(f"{path} is neither OBO nor an OBO graph as JSON ({what})", where=str(path)) from error
    return found


def _graph_term(node: Mapping[str, Any], found: _Found) -> None:
    id = _curie(node["id"])
    if id is None or node.get("type", "CLASS") != "CLASS":
        return
    meta = node.get("meta") or {}
    found.labels[id] = node.get("lbl") or ""
    if meta.get("deprecated"):
        values = [row["val"] for row in meta.get("basicPropertyValues") or () if row["pred"].endswith(_REPLACED_BY)]
        found.replaced[id] = (_curie(values[0]) or None) if values else None


def _edges(graph: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for edge in graph.get("edges") or ():
        if edge["pred"] in _IS_A and (sub := _curie(edge["sub"])) and (obj := _curie(edge["obj"])):
            yield sub, obj


def _curie(id: str) -> str | None:
    """Return the id of a term that is named by an IRI or by a CURIE, None for anything else."""
    if match := _IRI.fullmatch(id):
        return f"{match[1]}:{match[2]}"
    return id if _CURIE.fullmatch(id) and "//" not in id else None


def _version(text: str) -> str:
    """Return the date in a version, which is how ontologies are released, else the whole of it."""
    return match[0] if (match := _DATE.search(text)) else text


@dataclass(frozen=True, slots=True)
class OntologyReport:
    """What came of loading an ontology: its terms, and the term keys of data that changed with it."""

    prefix: str
    version: str
    terms: int
    obsolete: int
    keys: int

    def render(self) -> str:
        """Return the report as text for a terminal."""
        terms = f"{counted(self.terms, 'term')}, {self.obsolete:,} of them obsolete"
        anew = f"{counted(self.keys, 'entry')} of the indexes of what was there"
        return visible(f"{self.prefix} {self.version} is loaded: {terms}. Made anew: {anew}.")


def load_ontology(
    admin: Admin, path: Path, *, version: str | None = None, progress: Progress | None = None, who: str = ""
) -> OntologyReport:
    """Make a file's ontology the site's, in place of the one of that prefix, and expand what is there by it.

    What was loaded before is found by the terms of this version from now on, and what is loaded later is checked
    against it. Loading the same again, after whatever interruption, ends the same. Raises ``LoadError``.
    """
    progress = progress or Progress(quiet=True)
    with progress.task(f"Reading {path.name}", 1, "file") as advance:
        terms = read_ontology(path, version)
        advance(1)
    above = {term: terms.ancestors(term) for term in terms.labels}
    replaced = {term: terms.replaced[term] for term in terms.labels if term in terms.replaced}
    admin.replace_ontology(terms.resource, terms.labels, above, replaced, neighbours(terms))
    known = site_ontologies(admin)
    keys = 0
    datasets = [one.id for one in admin.datasets()]
    with progress.task("Expanding terms", len(datasets), "dataset") as advance:
        for dataset in datasets:
            keys += admin.expand(dataset, known.ancestors, who)
            advance(1)
    return OntologyReport(terms.prefix, terms.version, len(terms.labels), len(replaced), keys)
