"""The parts that the OpenAPI document's operations are made of: parameters, requests, answers, refusals.

Requests are described by the very schemas that they are checked with. Of records it is said what every one has,
and where their whole schema is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from beacon.model.entry_types import ENTRY_TYPES, EntryType
from beacon.model.representations import ALTERNATIVES, names
from beacon.query.documents import MEMBERS
from schemas import schema

Json = dict[str, Any]

_REQUIRED = {
    "individual": ("id",), "biosample": ("id", "biosampleStatus", "sampleOriginType"),
    "genomicVariant": ("variantInternalId", "variation"), "run": ("id", "biosampleId", "runDate"),
    "analysis": ("id", "analysisDate", "pipelineName"), "dataset": ("id", "name"),
    "cohort": ("id", "name", "cohortType"),
}  # fmt: skip
"""What every record of an entry type has, in whichever of its schemas it comes."""

STATUSES: Mapping[int, str] = {
    400: "The request cannot be answered: it breaks the schema, or asks for something that this site does not have.",
    401: "The bearer token is not accepted, or one is needed.",
    403: "No dataset asked for answers this person.",
    404: "There is nothing at this path.",
    408: "The body did not arrive in time.",
    413: "The body, the filters or the page are above the site's limits.",
    414: "The address or a header is above the site's limits; ask by POST.",
    417: "The header Expect asks for something other than 100-continue.",
    429: "This asker has asked too much; Retry-After says when to ask again.",
    502: "In a network: nobody said yes, and somebody failed.",
    503: "The site's database or its queue is not available for the moment; Retry-After says when to ask again.",
    504: "The answer took too long; ask for less.",
    508: "The same question has come by another way already (from a network of networks), where it is answered.",
}
_GRANULARITY: Json = {"type": "string", "enum": ["boolean", "count", "record"]}
_TEXT: Json = {"type": "string"}
_OBJECT: Json = {"type": "object"}
_TERM: Json = {"type": "object", "required": ["id"], "properties": {"id": _TEXT, "label": _TEXT}}


SOME_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 100}
"""A text in an address, where all of a question must fit into one line."""


def reference(name: str) -> Json:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


@functools.cache
def get_parameters() -> Mapping[str, Json]:
    """Return every parameter of a GET, by name."""
    query = schema("beacon_request")["properties"]["query"]["properties"]
    genomic = schema("request_parameters")["$defs"]
    page = schema("beacon_request")["$defs"]["pagination"]["properties"]

    def one(name: str, description: str, described: Json, example: Any = None) -> Json:
        made: Json = {"name": name, "in": "query", "description": description, "schema": _plain(described)}
        if described.get("type") == "array":
            made |= {"style": "form", "explode": False}
        return made if example is None else made | {"example": example}

    def several(name: str) -> Json:
        return {"type": "array", "minItems": 1, "maxItems": 2, "items": genomic[name]["items"]}

    texts: Json = {
        "type": "array", "maxItems": 20, "items": {"type": "string", "pattern": "^[^,]{1,100}$"}
    }  # fmt: skip
    schemas = sorted({name for kind in ENTRY_TYPES for name in names(kind)} | {"ga4gh-service-info-v1.0"})
    bases = {"type": "string", "pattern": genomic["bases"]["pattern"].replace("*$", "{0,100}$")}
    length = genomic["genomic"]["properties"]
    made = (
        one("requestedGranularity", "How deep the answer may go; it may be less deep.", query["requestedGranularity"]),
        one("includeResultsetResponses", "Which result sets are listed.", query["includeResultsetResponses"]),
        one("skip", "Pages to skip.", page["skip"]),
        one("limit", "Records on a page; 0 asks for as many as the site gives.", page["limit"]),
        one("currentPage", "A page token of an earlier answer to the same question.", _TOKEN),
        one("nextPage", "A page token of an earlier answer to the same question.", _TOKEN),
        one("previousPage", "A page token of an earlier answer to the same question.", _TOKEN),
        one("testMode", "Ask three people who never lived instead of the site's data.", {"type": "boolean"}),
        one("requestedSchema", "The schema that records shall have.", {"type": "string", "enum": schemas}),
        one("apiVersion", "The version that the request is written for.", SOME_TEXT),
        one(
            "filters",
            "Terms (HP:0001166), or fields with a comparison (ageAtLastEncounter:>=P18Y); all must hold. A backslash "
            "before a comma, <, >, = or ! makes it a part of the value.",
            texts, ["HP:0001166"],
        ),
        one("includeDescendantTerms", "Whether filters find what is below their terms.", {"type": "boolean"}),
        one("excluded", "Whether filters find whom their terms were found absent in.", {"type": "boolean"}),
        one("similarity", "How similar to their terms filters find.", _filter("similarity")),
        one("scope", "The entry type that filters are about.", {"type": "string", "enum": sorted(ENTRY_TYPES)}),
        one(
            "purpose",
            "What the answer is for: terms of the Data Use Ontology, and diseases of MONDO.",
            query["purpose"],
        ),
        one("datasetIds", "Ask these datasets only.", texts),
        one("referenceName", "A chromosome, or a versioned RefSeq accession, which names its assembly too.", SOME_TEXT),
        one("assemblyId", "GRCh37, GRCh38 or T2T, by any of their names.", SOME_TEXT),
        one("start", "0-based: one position, or two as the bounds of where a variant starts.", several("positions")),
        one("end", "0-based, exclusive: one position, or two as the bounds of where a variant ends.", several("ends")),
        one("referenceBases", "Bases at start; N and other IUPAC codes stand for several.", bases),
        one("alternateBases", "Bases of the allele; empty for a deletion.", bases),
        one("variantType", "DEL, DUP, INS, SNP, BND and others, or an SO or EFO term.", SOME_TEXT),
        one("variantMinLength", "Bases, inclusive.", length["variantMinLength"]),
        one("variantMaxLength", "Bases, inclusive.", length["variantMaxLength"]),
        one("geneId", "The symbol of a gene.", SOME_TEXT, "FBN1"),
        one("aminoacidChange", "A change in a protein, such as V600E.", SOME_TEXT),
        one("genomicAlleleShortForm", "An allele in a short form, such as HGVS.", SOME_TEXT),
        one("mateName", "The chromosome of the second breakend.", SOME_TEXT),
    )  # fmt: skip
    return {row["name"]: row for row in made}


def _filter(name: str) -> Json:
    """Return what a member of a filter may be."""
    described: Json = schema("beacon_request")["$defs"]["filter"]["properties"][name]
    return described


_TOKEN: Json = {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,100}$"}


def components() -> Json:
    """Return the document's ``components``."""
    return {
        "securitySchemes": {
            "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token of an issuer that this site accepts. Without one, strangers' answers.",
            }
        },
        "parameters": dict(get_parameters()),
        "responses": {
            str(status): {
                "description": text, "content": {"application/json": {"schema": reference("Error")}},
            }
            for status, text in STATUSES.items()
        },
        "schemas": dict(_requests()) | _answers() | _about(),
    }  # fmt: skip


def _requests() -> Iterator[tuple[str, Json]]:
    """The schemas that requests are checked with, closed where an unknown member is refused."""
    request = _embedded("beacon_request", "Request")
    members = request["properties"]
    request["properties"] = {name: members[name] for name in MEMBERS[""]}
    request["additionalProperties"] = False
    members["query"]["additionalProperties"] = False
    for place in ("pagination", "filter"):
        request["$defs"][place]["additionalProperties"] = False
    request["$defs"]["filter"]["properties"]["label"] = {"description": "For readers; not part of the question."}
    yield "Request", request
    yield "RequestParameters", _embedded("request_parameters", "RequestParameters")
    numbers = {name: request["$defs"]["pagination"]["properties"][name] for name in ("skip", "limit")}
    page = {"type": "object", "properties": numbers, "additionalProperties": False}
    terms = {"testMode": {"type": "boolean"}, "pagination": page, "purpose": members["query"]["properties"]["purpose"]}
    meta = members["meta"]["properties"] | {"requestedSchemas": {"type": "array", "maxItems": 0}}
    yield "TermsRequest", {
        "type": "object", "title": "a request for filtering terms",
        "properties": {
            "meta": members["meta"] | {"properties": meta},
            "query": {"type": "object", "properties": terms, "additionalProperties": False},
        },
        "additionalProperties": False,
    }  # fmt: skip


def _embedded(name: str, component: str) -> Json:
    made = _plain(schema(name), f"#/components/schemas/{component}/")
    return {key: value for key, value in made.items() if key not in ("$schema", "$id")}


def _plain(value: Any, base: str = "#/") -> Any:
    """Return a schema of ours as it stands inside the document: references lead to its place there."""
    if isinstance(value, list):
        return [_plain(item, base) for item in value]
    if not isinstance(value, Mapping):
        return value
    made: Json = {}
    for key, item in value.items():
        if key == "$ref" and isinstance(item, str):
            if item == "request_parameters.json":
                made[key] = "#/components/schemas/RequestParameters"
            else:
                made[key] = item.replace("#/", base, 1)
        elif key != "$comment":
            made[key] = _plain(item, base)
    return made


def _answers() -> Json:
    made: Json = {"Meta": _META, "Summary": _SUMMARY, "Error": _ERROR}
    for row in ENTRY_TYPES.values():
        made[row.id] = _record(row)
        made[f"{row.id}Answer"] = _answer(row)
    return made


def _record(row: EntryType) -> Json:
    other = "".join(f", or {one.name} ({one.url})" for one in ALTERNATIVES.get(row.id, ()))
    return {
        "type": "object",
        "title": row.label,
        "description": f"{row.description} Its schema is {row.schema_url}{other}.",
        "required": list(_REQUIRED[row.id]),
        "properties": {name: {} for name in _REQUIRED[row.id]},
        "externalDocs": {"url": row.schema_url},
    }


def _answer(row: EntryType) -> Json:
    """A boolean, count or record answer: the same envelope, filled as deep as the asker may see."""
    listed: Json = {
        "resultSets": {"type": "array", "items": _result_set(reference(row.id))},
    }
    if row.collection:
        listed["collections"] = {"type": "array", "items": reference(row.id)}
    return {
        "type": "object",
        "title": f"An answer about the entry type {row.id}",
        "required": ["meta", "responseSummary"],
        "properties": {
            "meta": reference("Meta"),
            "responseSummary": reference("Summary"),
            "response": {"type": "object", "properties": listed, "minProperties": 1},
            "beaconHandovers": {"type": "array", "items": _OBJECT},
            "info": _OBJECT,
        },
        "not": {"required": ["error"]},
    }


_COUNTED: Json = {
    "countPrecision": {"type": "string", "enum": ["exact", "imprecise", "rounded"]},
    "countAdjustedTo": {"type": "array", "items": {"type": ["string", "integer"]}},
}


def _result_set(record: Json) -> Json:
    return {
        "type": "object",
        "required": ["id", "setType", "exists"],
        "properties": {
            "id": _TEXT, "setType": _TEXT, "exists": {"type": "boolean"},
            "resultsCount": {"type": "integer", "minimum": 0}, **_COUNTED,
            "results": {"type": "array", "items": record},
            "resultsHandovers": {"type": "array", "items": _OBJECT}, "info": _OBJECT,
        },
    }  # fmt: skip


_SCHEMAS: Json = {
    "type": "array", "items": {"type": "object", "properties": {"entityType": _TEXT, "schema": _TEXT}}
}  # fmt: skip
_META: Json = {
    "type": "object",
    "title": "What was asked, and what is answered",
    "required": ["beaconId", "apiVersion", "returnedSchemas", "returnedGranularity", "receivedRequestSummary"],
    "properties": {
        "beaconId": _TEXT, "apiVersion": _TEXT, "returnedSchemas": _SCHEMAS, "returnedGranularity": _GRANULARITY,
        "testMode": {"type": "boolean"},
        "receivedRequestSummary": {
            "type": "object",
            "required": ["apiVersion", "requestedSchemas", "pagination", "requestedGranularity"],
            "properties": {
                "apiVersion": _TEXT, "requestedSchemas": _SCHEMAS, "requestedGranularity": _GRANULARITY,
                "includeResultsetResponses": {"type": "string", "enum": ["ALL", "HIT", "MISS", "NONE"]},
                "filters": {"type": "array", "items": _TEXT},
                "requestParameters": {"type": "object", "additionalProperties": _OBJECT},
                "pagination": {
                    "type": "object",
                    "required": ["skip", "limit"],
                    "properties": {
                        "skip": {"type": "integer", "minimum": 0}, "limit": {"type": "integer", "minimum": 0},
                        "currentPage": _TEXT, "nextPage": _TEXT, "previousPage": _TEXT,
                    },
                },
                "testMode": {"type": "boolean"},
            },
        },
    },
}  # fmt: skip
_SUMMARY: Json = {
    "type": "object",
    "title": "Yes or no, and how many",
    "required": ["exists"],
    "properties": {"exists": {"type": "boolean"}, "numTotalResults": {"type": "integer", "minimum": 0}, **_COUNTED},
}
_ERROR: Json = {
    "type": "object",
    "title": "A refusal: one sentence, its status, a code, and the place that it is about",
    "required": ["meta", "error"],
    "properties": {
        "meta": reference("Meta"),
        "error": {
            "type": "object",
            "required": ["errorCode", "errorMessage"],
            "properties": {
                "errorCode": {"type": "integer"},
                "errorMessage": _TEXT,
                "skerryCode": _TEXT,
                "where": _TEXT,
            },
        },
        "info": _OBJECT,
    },
    "not": {"required": ["response"]},
}


def _about() -> Json:
    by_id = {"type": "object", "minProperties": 1, "additionalProperties": _OBJECT}
    term = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {
            "id": _TEXT, "type": _TEXT, "label": _TEXT, "scopes": {"type": "array", "items": _TEXT},
            "values": {"type": "array", "minItems": 1, "items": _TEXT},
        },
    }  # fmt: skip
    described = _named("id", "name", "organization")
    return {
        "Info": _informational("About a Beacon", described | {"required": [*described["required"], "apiVersion"]}),
        "ServiceInfo": _named("id", "name", "type", "organization", "version"),
        "Configuration": _informational(
            "How a Beacon is set up",
            {
                "type": "object",
                "required": ["$schema", "maturityAttributes", "securityAttributes", "entryTypes"],
                "properties": {"entryTypes": by_id},
            },
        ),
        "EntryTypes": _informational("Entry types", {"type": "object", "properties": {"entryTypes": by_id}}),
        "Map": _informational(
            "Every address",
            {"type": "object", "required": ["$schema", "endpointSets"], "properties": {"endpointSets": by_id}},
        ),
        "FilteringTerms": _informational(
            "What can be asked",
            {
                "type": "object",
                "required": ["filteringTerms"],
                "properties": {
                    "filteringTerms": {"type": "array", "items": term},
                    "resources": {"type": "array", "items": _OBJECT},
                },
            },
        ),
    }


def _named(*required: str) -> Json:
    return {
        "type": "object",
        "required": list(required),
        "properties": {name: _OBJECT if name in ("organization", "type") else _TEXT for name in required},
    }


def _informational(title: str, response: Json) -> Json:
    return {
        "type": "object",
        "title": title,
        "required": ["meta", "response"],
        "properties": {
            "meta": {
                "type": "object",
                "required": ["beaconId", "apiVersion", "returnedSchemas"],
                "properties": {"beaconId": _TEXT, "apiVersion": _TEXT, "returnedSchemas": _SCHEMAS},
            },
            "response": response,
            "info": _OBJECT,
        },
    }
