"""Every member of Phenopackets 2.0 has a place, and it is the one that the documentation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders.mapping import Converted, SampleNames, convert
from schemas import schema, validator
from tests.unit.loaders.full import full

DESCRIPTOR = "interpretations.diagnosis.genomicInterpretations.variantInterpretation.variationDescriptor"
SAID_IN_OTHER_WORDS = {
    "subject.sex",  # a term, which another test compares
    f"{DESCRIPTOR}.expressions.syntax",  # by the slot
    *(f"metaData.resources.{name}" for name in ("id", "name", "url", "namespacePrefix", "iriPrefix")),
}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither a list nor an object, with the names on the way to it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}.")


def records(made: Converted) -> Iterator[tuple[str, Any]]:
    """Every value of what a phenopacket became, by entry type and path."""
    yield from leaves(made.individual, "individual")
    for sample in made.samples:
        yield from leaves(sample, "biosample")
    for sample_id, case in made.cases:
        yield from leaves(case.body, "genomicVariant")
        yield from leaves(case.detail | {"biosampleId": sample_id}, "caseLevelData")


@pytest.fixture(scope="module")
def table() -> dict[str, list[str]]:
    """The table of the documentation: paths in a phenopacket, and where they go."""
    text = (Path(__file__).parents[3] / "docs" / "curating.md").read_text("utf-8")
    part = text.partition("| Phenopacket | Beacon | how |\n|---|---|---|\n")[2].partition("\n\n")[0]
    found = {}
    for row in part.splitlines():
        sources, targets, _ = row.strip("|").split("|", 2)
        for source in re.findall(r"`([^`]+)`", sources):
            assert source not in found
            found[source] = re.findall(r"`([^`]+)`", targets)
    return found


def test_each_value_is_where_the_table_says(table: dict[str, list[str]]) -> None:
    packet = full()
    assert validator("phenopacket").errors(packet) == ()
    placed = list(records(convert(packet, SampleNames().name)))
    for source, targets in table.items():
        within = {repr(value) for path, value in placed if any(below(path, target) for target in targets)}
        values = [(path, value) for path, value in leaves(packet) if below(path, source)]
        assert values, f"{source} is in the table, but not in the phenopacket"
        lost = [(path, value) for path, value in values if repr(value) not in within]
        assert {path for path, _ in lost} <= SAID_IN_OTHER_WORDS, (source, targets, lost)


def test_the_table_has_a_row_for_everything(table: dict[str, list[str]]) -> None:
    assert {path for path, _ in leaves(full()) if not any(below(path, source) for source in table)} == set()


def test_nothing_of_the_standard_is_missing_in_the_phenopacket() -> None:
    """Walk schema and phenopacket together: every member that the schema knows occurs, VRS variations apart."""
    definitions = schema("phenopacket")["$defs"]
    seen: dict[str, set[str]] = {}

    def walk(value: Any, part: dict[str, Any], name: str) -> None:
        while "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            part = definitions[name]
        if isinstance(value, list):
            for item in value:
                walk(item, part.get("items", {}), name)
        elif isinstance(value, dict) and name != "Variation":
            properties = part.get("properties", {})
            seen.setdefault(name, set()).update(value)
            for member, item in value.items():
                walk(item, properties.get(member, {}), f"{name}.{member}")

    walk(full(), {"$ref": "#/$defs/Phenopacket"}, "")
    missing = {
        f"{name}.{member}" for name in seen if name in definitions
        for member in definitions[name].get("properties", {}) if member not in seen[name]
    }  # fmt: skip
    assert missing == set()
    assert len(seen) > 30
