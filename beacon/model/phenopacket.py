"""A Phenopacket (GA4GH Phenopackets 2.0, protobuf JSON) of somebody who came without one, from their Beacon individual.

Whoever was loaded from a phenopacket keeps that one; this is for people known from a VCF or from Beacon records
alone. What a Phenopacket has no place for is left out; a part that would not fit its schema is left out too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from beacon.model.ontology import prefix
from schemas import validator

Json = dict[str, Any]

_SEXES = {"NCIT:C16576": "FEMALE", "NCIT:C20197": "MALE", "NCIT:C17649": "OTHER_SEX"}
_TIMES = {"iso8601duration": "age", "start": "ageRange", "weeks": "gestationalAge", "id": "ontologyClass"}
_STATES = ("ALIVE", "DECEASED")


def phenopacket(individual: Mapping[str, Any], *, created: str, resources: Iterable[Mapping[str, Any]] = ()) -> Json:
    """Return the Phenopacket of a Beacon individual (default model ``individuals``).

    ``created`` is an RFC 3339 time. ``resources`` are what is known of ontologies (Phenopackets ``Resource``);
    every prefix that the packet uses is declared in its metadata, with these or with its address in the Bioregistry.
    """
    id = str(individual["id"])
    packet: Json = {
        "id": id,
        "subject": {"id": id, "sex": _SEXES.get(_term_id(individual.get("sex")), "UNKNOWN_SEX")},
        "metaData": {"created": created, "createdBy": "Skerry", "phenopacketSchemaVersion": "2.0"},
    }
    check = validator("phenopacket")
    for name, value in _subject(individual):
        wider = packet | {"subject": packet["subject"] | {name: value}}
        packet = wider if check.is_valid(wider) else packet
    for name, make, source in _PARTS:
        kept = [part for row in _rows(individual, source) if check.is_valid(packet | {name: [part := make(row)]})]
        if kept:
            packet[name] = [*packet.get(name, ()), *kept]
    known = {str(one.get("namespacePrefix") or one.get("nameSpacePrefix")): one for one in resources}
    packet["metaData"]["resources"] = [_resource(name, known.get(name, {})) for name in sorted(_prefixes(packet))]
    return packet


def _rows(individual: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = individual.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _subject(individual: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(individual.get("karyotypicSex"), str):
        yield "karyotypicSex", individual["karyotypicSex"]
    info = individual.get("info")
    if isinstance(info, Mapping):
        if last := _time(info.get("timeAtLastEncounter")):
            yield "timeAtLastEncounter", last
        vital = info.get("vitalStatus")
        if isinstance(vital, Mapping) and vital.get("status") in _STATES:
            yield "vitalStatus", {"status": vital["status"]}


def _feature(row: Mapping[str, Any]) -> Json:
    return _given(
        type=_term(row.get("featureType")), excluded=row.get("excluded") or None, severity=_term(row.get("severity")),
        modifiers=[term for one in _rows(row, "modifiers") if (term := _term(one))] or None,
        onset=_time(row.get("onset")), resolution=_time(row.get("resolution")), description=row.get("notes"),
    )  # fmt: skip


def _disease(row: Mapping[str, Any]) -> Json:
    stage = _term(row.get("stage"))
    return _given(
        term=_term(row.get("diseaseCode")), onset=_time(row.get("ageOfOnset")), diseaseStage=[stage] if stage else None
    )


def _measurement(row: Mapping[str, Any]) -> Json:
    value = row.get("measurementValue")
    made = _given(
        assay=_term(row.get("assayCode")), description=row.get("notes"),
        timeObserved=_time(row.get("observationMoment")) or _day(row.get("date")),
    )  # fmt: skip
    if not isinstance(value, Mapping):
        return made
    if isinstance(value.get("typedQuantities"), list):
        typed = [
            {"type": _term(one.get("quantityType")), "quantity": _quantity(one.get("quantity"))}
            for one in _rows(value, "typedQuantities")
        ]
        return made | {"complexValue": {"typedQuantities": typed}}
    return made | {"value": {"quantity": _quantity(value)} if "unit" in value else {"ontologyClass": _term(value)}}


def _quantity(value: Any) -> Json | None:
    if not isinstance(value, Mapping):
        return None
    limits = value.get("referenceRange")
    bounds = _given(**{name: limits.get(name) for name in ("low", "high")}) if isinstance(limits, Mapping) else {}
    return _given(
        unit=_term(value.get("unit")), value=value.get("value"),
        referenceRange={"unit": _term(value.get("unit")), **bounds} if len(bounds) == 2 else None,
    )  # fmt: skip


def _treatment(row: Mapping[str, Any]) -> Json:
    return {
        "treatment": _given(
            agent=_term(row.get("treatmentCode")), routeOfAdministration=_term(row.get("routeOfAdministration")),
            cumulativeDose=_quantity(row.get("cumulativeDose")),
        )
    }  # fmt: skip


def _procedure(row: Mapping[str, Any]) -> Json:
    return {
        "procedure": _given(
            code=_term(row.get("procedureCode")), bodySite=_term(row.get("bodySite")),
            performed=_time(row.get("ageAtProcedure")) or _day(row.get("dateOfProcedure")),
        )
    }  # fmt: skip


_PARTS: tuple[tuple[str, Callable[[Mapping[str, Any]], Json], str], ...] = (
    ("phenotypicFeatures", _feature, "phenotypicFeatures"),
    ("diseases", _disease, "diseases"),
    ("measurements", _measurement, "measures"),
    ("medicalActions", _treatment, "treatments"),
    ("medicalActions", _procedure, "interventionsOrProcedures"),
)
"""Part of the Phenopacket, what makes one element of it, and the list of the individual that it comes from."""


def _given(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def _term_id(value: Any) -> str:
    return str(value.get("id", "")) if isinstance(value, Mapping) else ""


def _term(value: Any) -> Json | None:
    return _given(id=_term_id(value), label=value.get("label")) if _term_id(value) else None


def _time(value: Any) -> Json | None:
    """Return a time element wrapped as Phenopackets want it; Beacon's are flat."""
    if not isinstance(value, Mapping):
        return None
    if set(value) & set(_TIMES.values()):  # what Beacon had no place for is kept wrapped
        return dict(value)
    kind = next((kind for member, kind in _TIMES.items() if member in value), None)
    if kind == "ageRange" and not isinstance(value["start"], Mapping):
        kind = "interval"
    return {kind: dict(value)} if kind else None


def _day(value: Any) -> Json | None:
    """Return a date as a time element, which knows no days: as its beginning in UTC; None where it is no date."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return {"timestamp": (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()}


def _prefixes(value: Any) -> set[str]:
    """Return the prefixes of all terms below ``value``; a term is an object with an id that is a CURIE."""
    if isinstance(value, list):
        return set().union(*map(_prefixes, value))
    if not isinstance(value, Mapping):
        return set()
    found = set().union(*map(_prefixes, value.values()))
    is_term = set(value) <= {"id", "label"} and isinstance(value.get("id"), str)
    return found | ({name} if is_term and (name := prefix(value["id"])) else set())


def _resource(name: str, known: Mapping[str, Any]) -> Json:
    return {
        "id": str(known.get("id", name.lower())),
        "name": str(known.get("name", name)),
        "url": str(known.get("url", f"https://bioregistry.io/{name.lower()}")),
        "version": str(known.get("version", "unknown")),
        "namespacePrefix": name,
        "iriPrefix": str(known.get("iriPrefix", f"https://bioregistry.io/{name}:")),
    }
