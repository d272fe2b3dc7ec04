"""Everybody can be had as a Phenopacket, and it says what their Beacon record says."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import orjson
from google.protobuf.json_format import Parse
from hypothesis import example, given
from hypothesis import strategies as st
from phenopackets.schema.v2.phenopackets_pb2 import Phenopacket

from beacon.model.phenopacket import phenopacket
from loaders.mapping import individual
from schemas import validator

CREATED = "2026-01-01T00:00:00Z"


def made(record: dict[str, Any]) -> dict[str, Any]:
    packet = phenopacket(record, created=CREATED)
    assert validator("phenopacket").errors(packet) == ()
    assert Parse(json.dumps(packet), Phenopacket()).id == record["id"]
    return packet


def test_somebody_known_from_genotypes_alone_has_a_phenopacket() -> None:
    packet = made({"id": "NA12878", "sex": {"id": "NCIT:C17998", "label": "unknown"}, "info": {"derived": True}})
    assert packet["subject"] == {"id": "NA12878", "sex": "UNKNOWN_SEX"}
    assert packet["metaData"]["created"] == CREATED
    assert packet["metaData"]["resources"] == []


def test_every_prefix_used_is_declared_with_what_is_known_of_it() -> None:
    record = {"id": "a", "sex": {"id": "NCIT:C16576"}, "phenotypicFeatures": [{"featureType": {"id": "HP:0001250"}}],
              "diseases": [{"diseaseCode": {"id": "OMIM:154700"}, "ageOfOnset": {"id": "HP:0003577"}}]}  # fmt: skip
    known = [{"id": "hp", "name": "HPO", "version": "2025", "namespacePrefix": "HP", "url": "u", "iriPrefix": "i"}]
    resources = phenopacket(record, created=CREATED, resources=known)["metaData"]["resources"]
    assert [one["namespacePrefix"] for one in resources] == ["HP", "OMIM"]
    assert resources[0] == known[0]


def test_what_beacon_records_keep_of_real_phenopackets_comes_back(shared: Path) -> None:
    parts = ("phenotypicFeatures", "diseases", "measurements")
    seen = dict.fromkeys(parts, 0)
    for archive in sorted((shared / "data" / "phenopackets").glob("*.zip"))[:2]:
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as held:
            for name in [one for one in held.namelist() if one.endswith(".json")][:150]:
                original = orjson.loads(held.read(name))
                if not validator("phenopacket").is_valid(original):
                    continue
                packet = made(individual(original))
                assert packet["subject"].get("sex") == original["subject"].get("sex", "UNKNOWN_SEX")
                for part in parts:
                    rows = original.get(part, [])
                    if part == "diseases":
                        rows = [row for row in rows if not row.get("excluded")]
                    assert len(packet.get(part, [])) == len(rows), (name, part)
                    seen[part] += len(rows)
                    for row, back in zip(rows, packet.get(part, []), strict=True):
                        for member in ("type", "excluded", "term", "onset", "assay", "value"):
                            if member != "onset" or "timestamp" not in row.get("onset", {}):
                                assert back.get(member) == (row.get(member) or None), (name, row)
    assert seen["phenotypicFeatures"] > 1000 and seen["diseases"] > 100


def test_a_date_is_when_somebody_was_measured_or_operated_on_unless_an_age_says_so() -> None:
    weight, code = {"assayCode": {"id": "LOINC:3141-9"}, "measurementValue": {"id": "NCIT:C25447"}}, {"id": "MAXO:1"}
    age = {"iso8601duration": "P3Y"}
    packet = made({
        "id": "a",
        "measures": [weight | {"date": "2020-01-31"}, weight | {"date": "2020-01-31", "observationMoment": age}],
        "interventionsOrProcedures": [{"procedureCode": code, "dateOfProcedure": "2021-06-01"}],
    })  # fmt: skip
    dated, aged = packet["measurements"]
    assert (dated["timeObserved"], aged["timeObserved"]) == ({"timestamp": "2020-01-31T00:00:00+00:00"}, {"age": age})
    performed = packet["medicalActions"][0]["procedure"]["performed"]
    assert performed == {"timestamp": "2021-06-01T00:00:00+00:00"}


def test_a_date_that_is_none_costs_the_date_and_not_what_was_measured() -> None:
    weight = {"assayCode": {"id": "LOINC:3141-9"}, "measurementValue": {"id": "NCIT:C25447"}, "date": "last spring"}
    (measured,) = made({"id": "a", "measures": [weight]})["measurements"]
    assert "timeObserved" not in measured


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["HP:0001250", "P3Y", "x", "XX", "ALIVE"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "id", "label", "featureType", "onset", "iso8601duration", "start", "end", "diseaseCode", "measurementValue",
            "unit", "value", "quantity", "assayCode", "status", "age", "treatmentCode", "procedureCode", "modifiers",
            "referenceRange", "low", "high", "typedQuantities", "quantityType", "severity", "excluded",
            "date", "dateOfProcedure",
        ]), inner, max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip
MEMBERS = st.sampled_from([
    "sex", "karyotypicSex", "phenotypicFeatures", "diseases", "measures", "treatments", "interventionsOrProcedures",
    "info",
])  # fmt: skip


@example({"phenotypicFeatures": [{"modifiers": 1}], "measures": [{"measurementValue": {"typedQuantities": [1]}}]})
@given(st.dictionaries(MEMBERS, JSON))
def test_whatever_a_record_holds_its_phenopacket_is_one(record: dict[str, Any]) -> None:
    packet = phenopacket({"id": "P1", **record}, created=CREATED)
    assert validator("phenopacket").errors(packet) == ()
