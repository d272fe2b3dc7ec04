"""In which schemas an entry type's records can be had (Beacon v2 ``requestedSchemas``): its default, and others.

An alternative schema is a row of ``ALTERNATIVES``; ``/entry_types``, the reading of requests and the answers'
``returnedSchemas`` all read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from beacon.model.entry_types import ENTRY_TYPES, EntryType, entry_type_id

_DEFAULT_NAME = re.compile(r"(?:ga4gh-)?(?:beacon-)?(?P<name>\w+)-v2(?:\.\d+){0,2}")


@dataclass(frozen=True, slots=True)
class Representation:
    """One schema for the records of an entry type; ``aliases`` are other names that clients ask for it by."""

    id: str
    name: str
    url: str
    version: str
    aliases: frozenset[str] = frozenset()


PHENOPACKET = Representation(
    "ga4gh-phenopacket-v2.0",
    "Phenopacket",
    "https://github.com/phenopackets/phenopacket-schema/blob/v2.0/src/main/proto/phenopackets/schema/v2/phenopackets.proto",
    "v2.0",
    frozenset({"ga4gh-phenopacket-individual-v0.1", "ga4gh-phenopacket-v2.0.0", "phenopacket-v2", "phenopacket"}),
)

VRS = Representation(
    "ga4gh-vrs-v1.3",
    "The default schema, with the variation in VRS 1.3 wherever that can say it exactly",
    "https://github.com/ga4gh/vrs/blob/1.3.0/schema/vrs.json",
    "v1.3",
    frozenset({"vrs-v1.3", "vrs-1.3", "vrs13", "vrs"}),
)

ALTERNATIVES: Mapping[str, tuple[Representation, ...]] = {"individual": (PHENOPACKET,), "genomicVariant": (VRS,)}
"""Beyond the default schema, by entry type id."""


def default(row: EntryType) -> Representation:
    """Return an entry type's default schema."""
    name = f"Default schema of the entry type {row.id}"
    return Representation(row.schema_id, name, row.schema_url, row.schema_id.rpartition("-")[2])


def representation(entry_type: str, requested: Iterable[tuple[str, str]]) -> Representation | None:
    """Return the first requested schema in which records of ``entry_type`` can be had; None where there is none.

    ``requested`` pairs entry type and schema, by whatever name; what is asked for other entry types does not
    matter here, and where nothing is asked for this one its default schema is meant. Schemas may be named by
    id, by file or by address; every 2.x version of a default schema means the one that is served.
    """
    row = ENTRY_TYPES[entry_type]
    wanted = [schema for kind, schema in requested if entry_type_id(kind) == entry_type and schema]
    for schema in wanted:
        name = schema if schema == row.schema_url else schema.rstrip("/").rpartition("/")[2].removesuffix(".json")
        match = _DEFAULT_NAME.fullmatch(name)
        if name in (row.schema_id, row.schema_url) or (match and entry_type_id(match["name"]) == entry_type):
            return default(row)
        for one in ALTERNATIVES.get(entry_type, ()):
            if name == one.id or name in one.aliases or schema == one.url:
                return one
    return None if wanted else default(row)


def names(entry_type: str) -> list[str]:
    """Return the ids of all schemas that an entry type can be had in, the default one first."""
    return [ENTRY_TYPES[entry_type].schema_id, *(one.id for one in ALTERNATIVES.get(entry_type, ()))]
