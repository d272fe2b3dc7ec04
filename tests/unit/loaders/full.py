"""A phenopacket in which every member of the standard occurs, each value only once, so that it can be found again."""

from __future__ import annotations

from itertools import count
from typing import Any

Json = dict[str, Any]

_number = count(1)


def text(kind: str = "text") -> str:
    return f"{kind} {next(_number)}"


def term() -> Json:
    number = next(_number)
    return {"id": f"XX:{number}", "label": f"label {number}"}


def year() -> str:
    return f"P{next(_number) % 80}Y{next(_number) % 400}D"


def stamp() -> str:
    number = next(_number)
    return f"20{number % 90 + 10}-01-02T03:04:{number % 60:02}.{number}Z"


def gestation() -> Json:
    return {"gestationalAge": {"weeks": 20 + next(_number) % 20, "days": 3}}


def quantity() -> Json:
    number = next(_number)
    limits = {"unit": term(), "low": number + 0.25, "high": number + 0.75}
    return {"unit": term(), "value": number + 0.5, "referenceRange": limits}


def evidence() -> Json:
    return {"evidenceCode": term(), "reference": {"id": text("id"), "reference": text(), "description": text()}}


def feature(onset: Json, resolution: Json, **more: Any) -> Json:
    return {
        "description": text(), "type": term(), "severity": term(), "modifiers": [term(), {"id": text("free")}],
        "onset": onset, "resolution": resolution, "evidence": [evidence(), evidence()], **more,
    }  # fmt: skip


def procedure(performed: Json) -> Json:
    return {"code": term(), "bodySite": term(), "performed": performed}


def measurements() -> list[Json]:
    return [
        {"description": text(), "assay": term(), "value": {"quantity": quantity()},
         "timeObserved": {"age": {"iso8601duration": year()}}, "procedure": procedure({"timestamp": stamp()})},
        {"assay": term(), "value": {"ontologyClass": term()}, "timeObserved": {"timestamp": stamp()}},
        {"assay": term(), "complexValue": {"typedQuantities": [{"type": term(), "quantity": quantity()}]},
         "timeObserved": {"interval": {"start": stamp(), "end": stamp()}}},
    ]  # fmt: skip


def file(person: str) -> Json:
    return {"uri": text("uri"), "individualToFileIdentifiers": {person: text("file")},
            "fileAttributes": {"fileFormat": text()}}  # fmt: skip


def disease(**more: Any) -> Json:
    return {
        "term": term(), "onset": {"ageRange": {"start": {"iso8601duration": year()},
                                              "end": {"iso8601duration": "P99Y"}}},
        "resolution": {"age": {"iso8601duration": year()}}, "diseaseStage": [term(), term()],
        "clinicalTnmFinding": [term()], "primarySite": term(), "laterality": term(), **more,
    }  # fmt: skip


def action(**kind: Json) -> Json:
    return {**kind, "treatmentTarget": term(), "treatmentIntent": term(), "responseToTreatment": term(),
            "adverseEvents": [term()], "treatmentTerminationReason": term()}  # fmt: skip


def gene() -> Json:
    return {"valueId": f"HGNC:{next(_number)}", "symbol": f"GENE{next(_number)}", "description": text(),
            "alternateIds": [text("id")], "alternateSymbols": [text("symbol")],
            "xrefs": [f"XX:{next(_number)}"]}  # fmt: skip


def descriptor() -> Json:
    return {
        "id": text("id"), "label": text(), "description": text(), "geneContext": gene(),
        "expressions": [
            {"syntax": "hgvs.g", "value": "NC_000015.10:g.48505037G>A", "version": text("version")},
            {"syntax": "hgvs.c", "value": "NM_000138.5:c.1129C>T"},
            {"syntax": "hgvs.p", "value": "NP_000129.3:p.(Arg377Cys)"},
            {"syntax": "spdi", "value": "NC_000015.10:48505036:G:A"},
        ],
        "vcfRecord": {"genomeAssembly": "hg38", "chrom": "chr15", "pos": 48505037, "id": text("id"), "ref": "G",
                      "alt": "A", "qual": "33", "filter": "PASS", "info": "DP=7"},
        "xrefs": [f"dbSNP:rs{next(_number)}", "clinvar:16429"], "alternateLabels": [text()],
        "extensions": [{"name": text("name"), "value": text()}], "moleculeContext": "transcript",
        "structuralType": term(), "vrsRefAlleleSeq": "ACGT", "allelicState": term(),
        "variation": {"allele": {"_id": text("vrs"), "curie": "NCBI36:1",
                                 "literalSequenceExpression": {"sequence": "T"}}},
    }  # fmt: skip


def biosample(person: str, collected: Json) -> Json:
    return {
        "id": text("sample"), "individualId": person, "derivedFromId": text("sample"), "description": text(),
        "sampledTissue": term(), "sampleType": term(), "phenotypicFeatures": [feature(gestation(), gestation())],
        "measurements": measurements(), "taxonomy": term(), "timeOfCollection": collected,
        "histologicalDiagnosis": term(), "tumorProgression": term(), "tumorGrade": term(), "pathologicalStage": term(),
        "pathologicalTnmFinding": [term()], "diagnosticMarkers": [term()], "procedure": procedure(gestation()),
        "files": [file(person)], "materialSample": term(), "sampleProcessing": term(), "sampleStorage": term(),
    }  # fmt: skip


def meta_data() -> Json:
    return {
        "created": stamp(), "createdBy": text("who"), "submittedBy": text("who"),
        "resources": [{"id": "x", "name": "An ontology", "url": "https://x.example/x.owl", "version": text("version"),
                       "namespacePrefix": "XX", "iriPrefix": "https://x.example/"}],
        "updates": [{"timestamp": stamp(), "updatedBy": text("who"), "comment": text()}],
        "phenopacketSchemaVersion": "2.0",
        "externalReferences": [{"id": text("id"), "reference": text(), "description": text()}],
    }  # fmt: skip


def full(id: str = "full") -> Json:
    """The phenopacket; every call makes other values."""
    person = text("person")
    return {
        "id": id,
        "subject": {
            "id": person, "alternateIds": [text("id")], "dateOfBirth": stamp(),
            "timeAtLastEncounter": {"age": {"iso8601duration": year()}}, "sex": "FEMALE", "karyotypicSex": "XXX",
            "vitalStatus": {"status": "DECEASED", "timeOfDeath": {"timestamp": stamp()}, "causeOfDeath": term(),
                            "survivalTimeInDays": 4711},
            "gender": term(), "taxonomy": term(),
        },
        "phenotypicFeatures": [
            feature({"ontologyClass": term()}, {"timestamp": stamp()}),
            feature({"interval": {"start": stamp(), "end": stamp()}}, gestation(), excluded=True),
        ],
        "measurements": measurements(),
        "biosamples": [
            biosample(person, {"age": {"iso8601duration": year()}}), biosample(person, {"timestamp": stamp()}),
            biosample(person, {"ontologyClass": term()}),
        ],
        "interpretations": [
            {
                "id": text("id"), "progressStatus": "SOLVED", "summary": text(),
                "diagnosis": {
                    "disease": term(),
                    "genomicInterpretations": [
                        {"subjectOrBiosampleId": person, "interpretationStatus": "CAUSATIVE", "gene": gene()},
                        {"subjectOrBiosampleId": person, "interpretationStatus": "REJECTED", "gene": gene()},
                        {"subjectOrBiosampleId": person, "interpretationStatus": "CONTRIBUTORY",
                         "variantInterpretation": {"acmgPathogenicityClassification": "LIKELY_PATHOGENIC",
                                                   "therapeuticActionability": "ACTIONABLE",
                                                   "variationDescriptor": descriptor()}},
                    ],
                },
            }
        ],
        "diseases": [disease(), disease(excluded=True)],
        "medicalActions": [
            action(procedure=procedure({"age": {"iso8601duration": year()}})),
            action(treatment={
                "agent": term(), "routeOfAdministration": term(), "drugType": "EHR_MEDICATION_LIST",
                "doseIntervals": [
                    {"quantity": quantity(), "scheduleFrequency": term(),
                     "interval": {"start": stamp(), "end": stamp()}},
                    {"quantity": quantity(), "scheduleFrequency": term()},
                ],
                "cumulativeDose": quantity(),
            }),
            action(radiationTherapy={"modality": term(), "bodySite": term(), "dosage": 4713, "fractions": 4714}),
            action(therapeuticRegimen={"ontologyClass": term(), "startTime": {"age": {"iso8601duration": year()}},
                                       "endTime": {"timestamp": stamp()}, "regimenStatus": "COMPLETED"}),
            action(therapeuticRegimen={
                "externalReference": {"id": text("id"), "reference": text(), "description": text()},
                "startTime": {"timestamp": stamp()}, "endTime": gestation(), "regimenStatus": "STARTED",
            }),
        ],
        "files": [file(person)],
        "metaData": meta_data(),
    }  # fmt: skip


def family() -> Json:
    """A family of a proband, both parents (of whom one has a phenopacket) and a grandmother nobody examined."""
    proband, mother = full("proband"), full("mother")
    child, parent = proband["subject"]["id"], mother["subject"]["id"]
    return {
        "id": text("family"), "proband": proband, "relatives": [mother], "consanguinousParents": True,
        "pedigree": {"persons": [
            {"familyId": "f", "individualId": child, "paternalId": "father", "maternalId": parent, "sex": "FEMALE",
             "affectedStatus": "AFFECTED"},
            {"familyId": "f", "individualId": parent, "maternalId": "grandmother", "paternalId": "0", "sex": "FEMALE",
             "affectedStatus": "UNAFFECTED"},
            {"familyId": "f", "individualId": "father", "paternalId": "0", "maternalId": "0", "sex": "MALE",
             "affectedStatus": "UNAFFECTED"},
            {"familyId": "f", "individualId": "grandmother", "paternalId": "0", "maternalId": "0", "sex": "FEMALE",
             "affectedStatus": "MISSING"},
        ]},
        "files": [file(child), file(parent)], "metaData": meta_data(),
    }  # fmt: skip


def cohort() -> Json:
    """A cohort of two."""
    one, other = full("one"), full("other")
    return {"id": text("cohort"), "description": text(), "members": [one, other],
            "files": [file(one["subject"]["id"])], "metaData": meta_data()}  # fmt: skip
