"""The shapes of Beacon's default model (v2), and what real files have in their place.

Beacon files come from many hands: dates as 24/12/24, ages one level deeper than the standard has them, terms without
an id. ``Fitter.fit`` returns a record as the standard has it. What does not fit and cannot be put right is taken out,
told of, and kept as it was under ``info.bff``, by its JSON pointer; so a Beacon never gives out what its own schema
forbids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from loaders.elements import CURIE
from loaders.shapes import Fitter, Misfit, Shape, known_only, many, one_of, some, thing


def _text(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if not isinstance(value, str):
        raise Misfit("a text")
    return value


def _id(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if not isinstance(value, str) or not value.strip():
        raise Misfit("an id, a text that is not empty")
    return value


def _number(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Misfit("a number")
    return value


def _whole(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or abs(value) >= 2**53:
        raise Misfit("a whole number")
    return int(value)


_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def _flag(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    """True or false; also as a text in any case, or as 1 or 0."""
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise Misfit("true or false")
    return flag


def _finding(required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> Shape:
    """A thing that may be ``excluded``. Where nobody can tell whether it is, nothing of it stays.

    What is absent would be present without the member. Beacon's model has it for features alone; it is heeded in all.
    ``negated`` is what it was called in the first Phenopackets.
    """
    shape = thing(required, {**optional, "excluded": _flag})

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        if isinstance(value, Mapping) and value.get("excluded") is None and "negated" in value:
            value = {**value, "excluded": value["negated"]}
        if isinstance(value, Mapping) and value.get("excluded") is not None:
            try:
                _flag(fitter, value["excluded"], pointer)
            except Misfit as error:
                raise Misfit(f"an object whose excluded is {error}") from None
        return shape(fitter, value, pointer)

    return fit


def _all(shape: Shape) -> Shape:
    """A list of which no element may be left out."""

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        if not isinstance(value, list):
            raise Misfit("a list")
        return [shape(fitter, item, f"{pointer}/{index}") for index, item in enumerate(value)]

    return fit


def _date(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    """A day; of a point in time the day is taken."""
    if isinstance(value, str) and (match := re.match(r"(\d{4}-\d{2}-\d{2})(?:[T ]|$)", value)):
        try:
            return date.fromisoformat(match[1]).isoformat()
        except ValueError:
            pass
    raise Misfit("a day such as 2021-09-24")


_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def _instant(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    """A point in time; without a time zone it is taken as UTC, a day as its beginning."""
    text = re.sub(r" ?([+-]\d{2}):?(\d{2})$", r"\1:\2", value.strip()) if isinstance(value, str) else ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misfit("a time such as 2021-12-29T20:33:40Z") from None
    if _RFC3339.fullmatch(text):
        return text
    written = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    if not _RFC3339.fullmatch(written):
        raise Misfit("a time such as 2021-12-29T20:33:40Z")
    return written


def _term(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not CURIE.fullmatch(value["id"]):
        raise Misfit("a term with an id such as HP:0001250")
    return {name: item for name, item in value.items() if name != "label" or isinstance(item, str)}


def _words(*words: str) -> Shape:
    def fit(_fitter: Fitter, value: Any, _pointer: str) -> Any:
        if value not in words:
            raise Misfit(f"one of {', '.join(words)}")
        return value

    return fit


def _duration(value: Any) -> str | None:
    """Return an age as ISO 8601, from the standard's shape, from one level deeper, or from the bare text."""
    if isinstance(value, Mapping):
        value = value.get("iso8601duration", value.get("age"))
        if isinstance(value, Mapping):
            value = value.get("iso8601duration")
    return value if isinstance(value, str) and re.match(r"[Pp]\d", value) else None


def _moment(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    """An age as a text."""
    found = _duration(value)
    if found is None:
        raise Misfit("an age such as P32Y6M")
    return found


def _age(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    found = _duration(value)
    if found is None:
        raise Misfit('an age such as {"iso8601duration": "P32Y6M"}')
    return {"iso8601duration": found}


_OLD_TIMES = ("ageRange", "gestationalAge", "ontologyClass", "interval")


def _time(fitter: Fitter, value: Any, pointer: str) -> Any:
    """An age, a range of ages, a gestational age, a stretch of time or a term; flat, or with the kind's name around."""
    if _duration(value) is not None:
        return _age(fitter, value, pointer)
    if isinstance(value, Mapping):
        value = next((value[name] for name in _OLD_TIMES if name in value), value)
    if isinstance(value, Mapping):
        start, end = _duration(value.get("start")), _duration(value.get("end"))
        if start and end:
            return {"start": {"iso8601duration": start}, "end": {"iso8601duration": end}}
        if isinstance(value.get("start"), str) and isinstance(value.get("end"), str) and not start and not end:
            return {"start": value["start"], "end": value["end"]}
        if "weeks" in value:
            return {name: _whole(fitter, value[name], pointer) for name in ("weeks", "days") if name in value}
        if "id" in value:
            return _term(fitter, value, pointer)
    raise Misfit("an age, a range of ages, weeks of gestation or a term")


UNKNOWN = {"id": "NCIT:C17998", "label": "Unknown"}
_RANGE = thing({"unit": _term, "low": _number, "high": _number}, {})
_QUANTITY = thing({"unit": _term, "value": _number}, {"referenceRange": _RANGE})
_TYPED = thing({"typedQuantities": many(thing({"quantityType": _term, "quantity": _QUANTITY}, {}))}, {})
_EXTERNAL = thing({}, {"id": _text, "notes": _text, "reference": _text})
_EVIDENCE = thing({"evidenceCode": _term}, {"reference": _EXTERNAL})
_PROCEDURE = _finding({"procedureCode": _term}, {"ageAtProcedure": _time, "bodySite": _term, "dateOfProcedure": _date})
_DISEASE = _finding(
    {"diseaseCode": _term},
    {"ageOfOnset": _time, "familyHistory": _flag, "notes": _text, "severity": _term, "stage": _term},
)
_FEATURE = _finding(
    {"featureType": _term},
    {
        "evidence": _EVIDENCE, "modifiers": many(_term), "notes": _text, "onset": _time,
        "resolution": _time, "severity": _term,
    },
)  # fmt: skip
_VALUE = one_of("a quantity with a unit and a number, a term, or typed quantities", _TYPED, _QUANTITY, _term)
_MEASURE = _finding(
    {"assayCode": _term, "measurementValue": _VALUE},
    {"date": _date, "notes": _text, "observationMoment": _time, "procedure": _PROCEDURE},
)
_INTERVAL = thing({"start": _text, "end": _text}, {})
_DOSE = thing({"quantity": _QUANTITY, "interval": _INTERVAL, "scheduleFrequency": _term}, {})
_TREATMENT = _finding(
    {"treatmentCode": _term},
    {"ageAtOnset": _age, "cumulativeDose": _QUANTITY, "doseIntervals": many(_DOSE), "routeOfAdministration": _term},
)
_EXPOSURE = _finding(
    {"exposureCode": _term, "ageAtExposure": _age, "unit": _term, "duration": _text},
    {"date": _date, "value": _number},
)
_MEMBER = thing({"memberId": _text, "role": _term, "affected": _flag}, {})
_PEDIGREE = thing({"id": _text, "disease": _DISEASE, "members": many(_MEMBER)}, {"numSubjects": _whole})
_INFO = thing({}, {})

_PERSON = thing(
    {"id": _id, "sex": _term},
    {
        "diseases": many(_DISEASE), "ethnicity": _term, "exposures": many(_EXPOSURE), "geographicOrigin": _term,
        "info": _INFO, "interventionsOrProcedures": many(_PROCEDURE), "measures": many(_MEASURE),
        "karyotypicSex": _words(
            "UNKNOWN_KARYOTYPE", "XX", "XY", "XO", "XXY", "XXX", "XXYY", "XXXY", "XXXX", "XYY", "OTHER_KARYOTYPE"
        ),
        "pedigrees": many(_PEDIGREE), "phenotypicFeatures": many(_FEATURE), "treatments": many(_TREATMENT),
    },
    defaults={"sex": {"id": "NCIT:C17998", "label": "unknown"}},
)  # fmt: skip


def _individual(fitter: Fitter, value: Any, pointer: str) -> Any:
    """A person; the diseases that are excluded are not among those that the person has, as with phenopackets."""
    fitted = _PERSON(fitter, value, pointer)
    listed = fitted.get("diseases", ())
    if absent := [one for one in listed if one.get("excluded")]:
        fitted["diseases"] = [one for one in listed if not one.get("excluded")]
        fitted["info"] = fitted.get("info", {}) | {"excludedDiseases": absent}
    return fitted


INDIVIDUAL: Shape = _individual
BIOSAMPLE = thing(
    {"id": _id, "biosampleStatus": _term, "sampleOriginType": _term},
    {
        "collectionDate": _date, "collectionMoment": _moment, "diagnosticMarkers": many(_term),
        "individualId": _text, "info": _INFO, "measurements": many(_MEASURE), "notes": _text,
        "obtentionProcedure": _PROCEDURE, "pathologicalTnmFinding": many(_term), "phenotypicFeatures": many(_FEATURE),
    }
    | dict.fromkeys(
        (
            "histologicalDiagnosis", "pathologicalStage", "sampleOriginDetail", "sampleProcessing", "sampleStorage",
            "tumorGrade", "tumorProgression",
        ),
        _term,
    ),
    defaults={"biosampleStatus": UNKNOWN, "sampleOriginType": UNKNOWN},
)  # fmt: skip
RUN = thing(
    {"id": _id, "biosampleId": _text, "runDate": _date},
    {
        "individualId": _text, "info": _INFO, "libraryLayout": _words("PAIRED", "SINGLE"), "librarySelection": _text,
        "librarySource": _term, "libraryStrategy": _text, "platform": _text, "platformModel": _term,
    },
)  # fmt: skip
ANALYSIS = thing(
    {"id": _id, "analysisDate": _date, "pipelineName": _text},
    {
        "aligner": _text, "biosampleId": _text, "individualId": _text, "info": _INFO, "pipelineRef": _text,
        "runId": _text, "variantCaller": _text,
    },
)  # fmt: skip
_TOOL = thing({"toolName": _text, "version": _text, "toolReferences": thing({}, {})}, {})
_EFFECT = thing(
    {"conditionId": _text, "effect": _term},
    {
        "annotatedWith": _TOOL, "category": _term, "evidenceType": _term,
        "clinicalRelevance": _words(
            "benign", "likely benign", "uncertain significance", "likely pathogenic", "pathogenic"
        ),
    },
)  # fmt: skip
CASE = thing(
    {"biosampleId": _id},
    {
        "alleleOrigin": _term, "analysisId": _text, "clinicalInterpretations": many(_EFFECT), "id": _text,
        "individualId": _id, "phenotypicEffects": many(_EFFECT), "runId": _text, "zygosity": _term,
    },
)  # fmt: skip


def _clinvar(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"(clinvar:)?\d+", value):
        raise Misfit("a ClinVar number such as clinvar:12345")
    return value


_FREQUENCIES = thing({"population": _text, "alleleFrequency": _number}, {})
VARIANT = thing(
    {},
    {
        "frequencyInPopulations": many(
            thing({"source": _text, "sourceReference": _text, "frequencies": many(_FREQUENCIES)}, {"version": _text})
        ),
        "identifiers": thing(
            {},
            {
                "clinvarVariantId": _clinvar, "genomicHGVSId": _text, "proteinHGVSIds": many(_text),
                "transcriptHGVSIds": many(_text), "variantAlternativeIds": many(_EXTERNAL),
            },
        ),
        "info": _INFO,
        "molecularAttributes": thing(
            {},
            {
                "aminoacidChanges": many(_text), "geneIds": many(_text), "molecularEffects": many(_term),
                "genomicFeatures": many(thing({"featureClass": _term}, {"featureID": _term})),
            },
        ),
        "variantLevelData": thing(
            {}, {"clinicalInterpretations": many(_EFFECT), "phenotypicEffects": many(_EFFECT)}
        ),
    },
)  # fmt: skip
"""A variant without what says which one it is and who carries it."""


def _curie(_fitter: Fitter, value: Any, _pointer: str) -> Any:
    if not isinstance(value, str) or not CURIE.fullmatch(value) or "," in value:
        raise Misfit("the id of one term, such as DUO:0000042")
    return value


def _counted(category: str) -> Shape:
    """Which data there are, and how many people by category; numbers without their category's name get it."""

    def distribution(_fitter: Fitter, value: Any, _pointer: str) -> Any:
        if isinstance(value, Mapping) and value and all(isinstance(item, int | float) for item in value.values()):
            value = {category: value}
        if not isinstance(value, Mapping) or not all(isinstance(item, Mapping) for item in value.values()):
            raise Misfit(f'numbers by category such as {{"{category}": {{"...": 12}}}}')
        return value

    return thing({"availability": _flag}, {"availabilityCount": _whole, "distribution": distribution})


_AGES = thing({"start": _age, "end": _age}, {})
_CRITERIA = thing(
    {},
    {
        "ageRange": _AGES, "diseaseConditions": many(_DISEASE), "ethnicities": many(_term), "genders": many(_term),
        "locations": many(_term), "phenotypicConditions": many(_FEATURE),
    },
)  # fmt: skip
_EVENT = thing(
    {},
    {
        "eventAgeRange": _counted("ageRanges"), "eventCases": _whole, "eventControls": _whole,
        "eventDataTypes": _counted("dataTypes"), "eventDate": _text, "eventDiseases": _counted("diseases"),
        "eventEthnicities": _counted("ethnicities"), "eventGenders": _counted("genders"),
        "eventLocations": _counted("locations"), "eventNum": _whole, "eventPhenotypes": _counted("phenotypes"),
        "eventSize": _whole, "eventTimeline": thing({}, {"start": _text, "end": _text}),
    },
)  # fmt: skip


def _ids(fitter: Fitter, value: Any, pointer: str) -> Any:
    """Lists of ids, or a bare one of individuals. Of anything else nothing is kept: it may name people."""
    if isinstance(value, list):
        return {"individualIds": value}
    if isinstance(value, Mapping):
        return dict(value)
    fitter.tell(pointer, "an object with lists of ids", None)
    return {}


_COHORT: Mapping[str, Shape] = {
    "name": _text, "cohortDataTypes": many(_term), "cohortDesign": _term, "cohortSize": _whole,
    "cohortType": _words("study-defined", "beacon-defined", "user-defined"), "collectionEvents": many(_EVENT),
    "exclusionCriteria": _CRITERIA, "inclusionCriteria": _CRITERIA, "info": _INFO, "ids": _ids,
}  # fmt: skip
COHORT = known_only(thing({"id": _id}, _COHORT), {"id", *_COHORT})
"""A cohort, with the ids of its members as files list them."""
_MODIFIED_USE = thing({"id": _curie, "version": _text, "modifiers": _all(_term)}, {"label": _text})
_FREE_USE = thing({"id": _curie, "version": _text}, {"label": _text})


def _data_use(fitter: Fitter, value: Any, pointer: str) -> Any:
    """A condition of use. A modifier restricts it, so that without one of them it would allow too much."""
    modified = isinstance(value, Mapping) and value.get("modifiers") is not None
    return (_MODIFIED_USE if modified else _FREE_USE)(fitter, value, pointer)


_DATASET: Mapping[str, Shape] = {
    "name": _text, "createDateTime": _instant, "dataUseConditions": thing({}, {"duoDataUse": some(_data_use)}),
    "description": _text, "externalUrl": _text, "info": _INFO, "updateDateTime": _instant, "version": _text,
    "ids": _ids,
}  # fmt: skip
DATASET = known_only(thing({"id": _id}, _DATASET), {"id", *_DATASET})
"""A dataset; ids of whom it holds, as files list them, say nothing that the records do not."""
