"""A request is a value: what was asked, parsed once, frozen, handed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from beacon.model.access import Granularity


class Include(StrEnum):
    """Which result sets an answer lists (``includeResultsetResponses``)."""

    ALL = "ALL"
    HIT = "HIT"
    MISS = "MISS"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Pagination:
    """``skip`` counts pages, ``limit`` records on a page; ``limit`` 0 asks for the site's maximum.

    ``place`` is what a network's page token says beside that.
    """

    skip: int = 0
    limit: int = 10
    place: str = ""


@dataclass(frozen=True, slots=True)
class OntologyFilter:
    """A term id, with its descendants unless told otherwise.

    ``excluded`` is Skerry's extension: people in whom the term was looked for and found absent. It
    matches the term exactly as recorded, since absence says nothing about descendants' ancestors.
    ``scope`` is an entry type id (``individual``) or None.
    """

    id: str
    descendants: bool = True
    similarity: str = "exact"
    excluded: bool = False
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class AlphanumericFilter:
    """A field (dotted path or named) compared with a value; operator one of ``= < > ! >= <=``."""

    id: str
    operator: str
    value: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class CustomFilter:
    """A filter known by its id alone, neither term nor field."""

    id: str
    scope: str | None = None


Filter = OntologyFilter | AlphanumericFilter | CustomFilter


@dataclass(frozen=True, slots=True)
class VariantQuery:
    """The genomic part of a request (Beacon v2 ``g_variant`` request parameters), as normalised text.

    Coordinates are 0-based half-open. ``assembly`` is GRCh37, GRCh38 or T2T, ``chrom`` a name without
    ``chr`` (``MT`` for the mitochondrion). ``start`` and ``end`` hold none, one (sequence, range) or two
    (bracket) positions. Bases are upper case; None means not given, "" means given and empty.
    """

    assembly: str | None = None
    chrom: str | None = None
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    reference_bases: str | None = None
    alternate_bases: str | None = None
    variant_type: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    gene: str | None = None
    aminoacid_change: str | None = None
    short_form: str | None = None
    mate: str | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The record whose belongings are asked for: ``/individuals/{id}/biosamples``."""

    entry_type: str
    id: str


@dataclass(frozen=True, slots=True)
class Query:
    """One Beacon question.

    ``entry_type`` is the id of what is returned (``individual``, ``genomicVariant``...). ``anchor`` is
    set for ``/X/{id}`` (then of the same entry type) and for cross endpoints. ``datasets`` None means
    all that the asker may see. ``purpose`` are the terms of DUO and MONDO that say what the answer is for.
    The last four fields are what the answer's meta echoes.
    """

    entry_type: str
    anchor: Anchor | None = None
    filters: tuple[Filter, ...] = ()
    variant: VariantQuery | None = None
    datasets: tuple[str, ...] | None = None
    granularity: Granularity = Granularity.BOOLEAN
    include: Include = Include.HIT
    pagination: Pagination = Pagination()
    test_mode: bool = False
    purpose: frozenset[str] = frozenset()
    api_version: str = "v2.0"
    requested_schemas: tuple[tuple[str, str], ...] = ()
    echoed_parameters: Mapping[str, Any] = field(default_factory=dict)
    echoed_filters: tuple[str, ...] = ()
