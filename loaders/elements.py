"""The small parts of a phenopacket in Beacon's shapes: terms, times, quantities, features, diseases, actions.

Every function takes an element of Phenopackets 2.0 that its schema accepts and returns the matching part of the
Beacon v2 default model. What Beacon has no slot for stays, in the phenopacket's own shape, under ``info`` of
the part. Members that protobuf JSON leaves out because they are zero count as zero.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

Json = dict[str, Any]

_KNOWN = 20_000
"""Terms and features that are known again; nearly all of a load's are like an earlier one."""
CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]+:[!-~]+")


def term(element: Mapping[str, Any] | None) -> Json | None:
    """Return an ontology term, or None where its id is not a CURIE, which Beacon could not carry.

    Where id and label were evidently exchanged (the label is a CURIE, the id is not) they are put right. Nobody may
    change a term: equal ones are one and the same object.
    """
    return None if element is None else _term(element["id"], element.get("label"))


@functools.lru_cache(_KNOWN)
def _term(id: str, label: str | None) -> Json | None:
    if not CURIE.fullmatch(id):
        if label is None or not CURIE.fullmatch(label):
            return None
        id, label = label, id
    return {"id": id, "label": label} if label else {"id": id}


def terms(elements: Iterable[Mapping[str, Any]] | None) -> list[Json] | None:
    """Return those of the terms that Beacon can carry; None instead of an empty list."""
    return [found for element in elements or () if (found := term(element)) is not None] or None


def time(element: Mapping[str, Any] | None) -> Json | None:
    """Return a time element in Beacon's flat shape; None for a point in time, which Beacon has only as a date."""
    if element is None:
        return None
    kind, value = next(iter(element.items()))
    match kind:
        case "age":
            return _age(value)
        case "ageRange":
            return {"start": _age(value["start"]), "end": _age(value["end"])}
        case "gestationalAge":
            return {"weeks": int(value["weeks"]), "days": int(value.get("days", 0))}
        case "ontologyClass":
            return term(value)
        case "interval":
            return dict(value)
    return None


def _age(age: Mapping[str, Any]) -> Json:
    return {"iso8601duration": age["iso8601duration"].replace(",", ".")}


def date(element: Mapping[str, Any] | None) -> str | None:
    """Return the day of a time element that is a point in time, else None."""
    return element["timestamp"][:10] if element and "timestamp" in element else None


def compact(members: Mapping[str, Any], info: Mapping[str, Any] | None = None) -> Json:
    """Return an object without its None members; ``info`` joins it where it holds anything."""
    found = {name: value for name, value in members.items() if value is not None}
    if info and (rest := {name: value for name, value in info.items() if value is not None}):
        found["info"] = rest
    return found


def quantity(element: Mapping[str, Any]) -> Json:
    """Return a quantity; its reference range only where that is one."""
    value = {"unit": term(element["unit"]), "value": element.get("value", 0)}
    if limits := element.get("referenceRange"):
        low, high = limits.get("low", 0), limits.get("high", 0)
        if low <= high:
            value["referenceRange"] = {"unit": term(limits["unit"]), "low": low, "high": high}
    return value


def evidence(element: Mapping[str, Any]) -> Json:
    """Return one piece of evidence."""
    reference = element.get("reference")
    return compact({"evidenceCode": term(element["evidenceCode"]), "reference": reference and external(reference)})


def external(element: Mapping[str, Any]) -> Json:
    """Return an external reference; what Phenopackets call its description are Beacon's notes."""
    return compact(
        {"id": element.get("id"), "reference": element.get("reference"), "notes": element.get("description")}
    )


def feature(element: Mapping[str, Any]) -> Json:
    """Return a phenotypic feature, which nobody may change: equal ones are one and the same object.

    Of several pieces of evidence Beacon has room for the first.
    """
    return _feature(orjson.dumps(element))


@functools.lru_cache(_KNOWN)
def _feature(text: bytes) -> Json:
    element = orjson.loads(text)
    found = element.get("evidence") or []
    modifiers = element.get("modifiers") or []
    onset, resolution = time(element.get("onset")), time(element.get("resolution"))
    return compact(
        {
            "featureType": term(element["type"]),
            "excluded": True if element.get("excluded") else None,
            "onset": onset,
            "resolution": resolution,
            "severity": term(element.get("severity")),
            "modifiers": terms(modifiers),
            "evidence": evidence(found[0]) if found else None,
            "notes": element.get("description"),
        },
        {
            "onset": None if onset else element.get("onset"),
            "resolution": None if resolution else element.get("resolution"),
            "modifiers": [modifier for modifier in modifiers if term(modifier) is None] or None,
            "evidence": [evidence(more) for more in found[1:]] or None,
        },
    )


def disease(element: Mapping[str, Any]) -> Json:
    """Return a disease, which nobody may change, as features. Of several stages Beacon has room for the first."""
    return _disease(orjson.dumps(element))


@functools.lru_cache(_KNOWN)
def _disease(text: bytes) -> Json:
    element = orjson.loads(text)
    onset, stages = time(element.get("onset")), element.get("diseaseStage") or []
    return compact(
        {"diseaseCode": term(element["term"]), "ageOfOnset": onset, "stage": term(stages[0]) if stages else None},
        {
            "onset": None if onset else element.get("onset"),
            "resolution": element.get("resolution"),
            "diseaseStage": stages[1:] or None,
            "clinicalTnmFinding": element.get("clinicalTnmFinding"),
            "primarySite": element.get("primarySite"),
            "laterality": element.get("laterality"),
        },
    )


def procedure(element: Mapping[str, Any], info: Mapping[str, Any] | None = None) -> Json:
    """Return a procedure; one done at a point in time has a date instead of an age."""
    performed = element.get("performed")
    return compact(
        {
            "procedureCode": term(element["code"]),
            "bodySite": term(element.get("bodySite")),
            "ageAtProcedure": time(performed),
            "dateOfProcedure": date(performed),
        },
        {"performed": None if time(performed) else performed} | dict(info or {}),
    )


def measurement(element: Mapping[str, Any]) -> Json:
    """Return a measurement with a simple or a complex value."""
    observed = element.get("timeObserved")
    return compact(
        {
            "assayCode": term(element["assay"]),
            "measurementValue": _value(element),
            "observationMoment": time(observed),
            "date": date(observed),
            "procedure": procedure(element["procedure"]) if "procedure" in element else None,
            "notes": element.get("description"),
        },
        {"timeObserved": None if time(observed) else observed},
    )


def _value(element: Mapping[str, Any]) -> Json | None:
    if "complexValue" in element:
        return {
            "typedQuantities": [
                {"quantityType": term(part["type"]), "quantity": quantity(part["quantity"])}
                for part in element["complexValue"]["typedQuantities"]
            ]
        }
    value = element["value"]
    return quantity(value["quantity"]) if "quantity" in value else term(value["ontologyClass"])


def treatment(element: Mapping[str, Any], info: Mapping[str, Any]) -> Json:
    """Return a treatment with an agent; dose intervals that lack what Beacon requires stay under ``info``."""
    intervals = element.get("doseIntervals") or []
    complete = [dose for dose in intervals if {"quantity", "interval", "scheduleFrequency"} <= dose.keys()]
    return compact(
        {
            "treatmentCode": term(element["agent"]),
            "routeOfAdministration": term(element.get("routeOfAdministration")),
            "doseIntervals": [_dose(dose) for dose in complete] or None,
            "cumulativeDose": quantity(element["cumulativeDose"]) if "cumulativeDose" in element else None,
        },
        {
            "doseIntervals": [dose for dose in intervals if dose not in complete] or None,
            "drugType": element.get("drugType"),
        }
        | dict(info),
    )


def _dose(element: Mapping[str, Any]) -> Json:
    return {
        "quantity": quantity(element["quantity"]),
        "interval": dict(element["interval"]),
        "scheduleFrequency": term(element["scheduleFrequency"]),
    }


def radiation(element: Mapping[str, Any], info: Mapping[str, Any]) -> Json:
    """Return a radiation therapy as a procedure, its dosage and fractions under ``info``."""
    as_procedure = {"code": element["modality"], "bodySite": element["bodySite"]}
    return procedure(
        as_procedure, {"dosage": element.get("dosage"), "fractions": element.get("fractions")} | dict(info)
    )


def regimen(element: Mapping[str, Any], info: Mapping[str, Any]) -> Json | None:
    """Return a therapeutic regimen as a treatment; None where it has only a reference and no term."""
    if "ontologyClass" not in element:
        return None
    started = element.get("startTime")
    return compact(
        {
            "treatmentCode": term(element["ontologyClass"]),
            "ageAtOnset": time(started) if started and "age" in started else None,
        },
        {
            "startTime": started if started and "age" not in started else None,
            "endTime": element.get("endTime"),
            "regimenStatus": element.get("regimenStatus"),
        }
        | dict(info),
    )
