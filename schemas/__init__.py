"""The JSON Schemas (2020-12) that the program validates with, and the validators made from them.

The schemas are our own, written from the facts of Beacon v2, Phenopackets 2.0 and VRS 1.3. They refer
only to each other: nothing is ever fetched. Their ``title`` is a noun phrase ("an ISO 8601 duration,
such as P3Y6M") from which messages are made.

    beacon_request       the body of a Beacon v2 POST (GET parameters are brought into the same shape)
    request_parameters   its ``requestParameters``, nested by entity or flat
    phenopacket          Phenopackets 2.0, protobuf JSON, camelCase names
    family, cohort       the two other top-level elements of Phenopackets 2.0
    vrs13                a VRS 1.3 variation or location
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from importlib import resources
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.explain import Problem, exact, problems

__all__ = ["NAMES", "Problem", "Validator", "schema", "validator"]

NAMES: Final = ("beacon_request", "cohort", "family", "phenopacket", "request_parameters", "vrs13")


class Validator:
    """One schema, ready for use; thread-safe and without state of its own.

    No schema of ours is recursive, so that no document, however deeply nested, exhausts the stack.
    A whole number may be written ``10.0`` in JSON Schema and is then a float in Python: read integers
    with ``int()``.
    """

    __slots__ = ("_fast", "_reference", "name")

    def __init__(self, name: str, reference: Draft202012Validator, fast: Callable[[Any], bool]) -> None:
        self.name = name
        self._reference = reference
        self._fast = fast

    def is_valid(self, document: Any) -> bool:
        """Say whether a decoded JSON document fits; agrees with ``errors`` and is about 1,000 times faster
        where the extra ``fast`` is installed.
        """
        try:
            return self._fast(document)
        except (ValueError, TypeError, RecursionError):  # not JSON (NaN, a set), or nested too deeply
            return not self.errors(document, limit=1)

    def errors(self, document: Any, limit: int = 50) -> tuple[Problem, ...]:
        """Explain what is wrong: at most ``limit`` problems, in document order; none if nothing is.

        Unlike ``is_valid`` it takes milliseconds: call it for documents that ``is_valid`` refused.
        """
        try:
            found = problems(islice(self._reference.iter_errors(document), limit))
        except RecursionError:
            return (Problem("", "The document is nested too deeply to be read.", "depth", None),)
        return found[:limit]


def schema(name: str) -> Mapping[str, Any]:
    """Return the schema itself, to be read and not changed. Raises ``ValueError`` for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"There is no schema {name!r}; there are {', '.join(NAMES)}.")
    return _documents()[name]


@functools.cache
def validator(name: str) -> Validator:
    """Return the validator of that name, made once. Raises ``ValueError`` for an unknown name."""
    document = dict(schema(name))
    reference = exact(Draft202012Validator)(_plain(document), registry=_registry())
    return Validator(name, reference, _fast(document) or reference.is_valid)


@functools.cache
def _documents() -> Mapping[str, dict[str, Any]]:
    folder = resources.files(__name__)
    return {name: json.loads(folder.joinpath(f"{name}.json").read_text("utf-8")) for name in NAMES}


@functools.cache
def _registry() -> Registry[Any]:
    registry: Registry[Any] = Registry()
    return registry.with_resources(
        (document["$id"], DRAFT202012.create_resource(_plain(document))) for document in _documents().values()
    )


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without ``$schema``, at whose sight jsonschema would go back to its inexact patterns."""
    return {keyword: value for keyword, value in document.items() if keyword != "$schema"}


def _fast(document: dict[str, Any]) -> Callable[[Any], bool] | None:
    """The compiled check, or None without the extra ``fast``."""
    try:
        import jsonschema_rs
    except ImportError:
        return None
    registry = jsonschema_rs.Registry([(known["$id"], known) for known in _documents().values()])
    return jsonschema_rs.Draft202012Validator(document, registry=registry, retriever=_never_fetch).is_valid


def _never_fetch(uri: str) -> Any:
    raise LookupError(f"{uri} is not a schema of ours, and nothing is fetched")
