"""The official Beacon v2 schemas as one question: ``check_answer(document, entry_type_id)``.

Reads the files of ``../shared/spec/beacon-v2`` (release 2.1.1) and applies, in memory, exactly the two
changes of 2.2 that its README names. VRS 1.3, to which they refer, is our stand-in ``schemas/vrs13.json``.
Nothing is fetched. Unlike the schemas alone nothing passes vacuously: an unknown kind raises, a document of
no known form fails, records without an entry type fail, and an answer may not hold more than the
granularity that it declares. Date and address formats are asserted.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas import schema

BASE: Final = "https://raw.githubusercontent.com/ga4gh-beacon/beacon-v2/main/"
RESPONSES: Final = "framework/json/responses/"
MODEL: Final = "models/json/beacon-v2-default-model/"

KINDS: Final[Mapping[str, str]] = {
    "boolean": RESPONSES + "beaconBooleanResponse.json",
    "count": RESPONSES + "beaconCountResponse.json",
    "resultsets": RESPONSES + "beaconResultsetsResponse.json",
    "collections": RESPONSES + "beaconCollectionsResponse.json",
    "error": RESPONSES + "beaconErrorResponse.json",
    "info": RESPONSES + "beaconInfoResponse.json",
    "service_info": RESPONSES + "ga4gh-service-info-1-0-0-schema.json",
    "configuration": RESPONSES + "beaconConfigurationResponse.json",
    "entry_types": RESPONSES + "beaconEntryTypesResponse.json",
    "map": RESPONSES + "beaconMapResponse.json",
    "filtering_terms": RESPONSES + "beaconFilteringTermsResponse.json",
    "request": "framework/json/requests/beaconRequestBody.json",
}

RECORDS: Final[Mapping[str, str]] = {
    "individual": MODEL + "individuals/defaultSchema.json",
    "biosample": MODEL + "biosamples/defaultSchema.json",
    "genomicVariant": MODEL + "genomicVariations/defaultSchema.json",
    "run": MODEL + "runs/defaultSchema.json",
    "analysis": MODEL + "analyses/defaultSchema.json",
    "dataset": MODEL + "datasets/defaultSchema.json",
    "cohort": MODEL + "cohorts/defaultSchema.json",
}

NEVER_EMPTY: Final[Mapping[str, tuple[str, type]]] = {
    # The official schemas also accept answers of these kinds that hold nothing at all.
    "entry_types": ("entryTypes", dict),
    "filtering_terms": ("filteringTerms", list),
}


class OfficialSchemasMissing(RuntimeError):
    """The official files are not beside this checkout, so nothing can be said about any document."""


def shared_dir() -> Path | None:
    """The folder with the official files: ``SKERRY_SHARED``, or ``shared`` beside the checkout, or None."""
    given = os.environ.get("SKERRY_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[2].parent / "shared"
    return folder if (folder / "spec" / "beacon-v2").is_dir() else None


def check(kind: str, document: Any) -> list[str]:
    """Check a whole answer against one kind of envelope (a key of ``KINDS``); the faults, none if it fits.

    Records inside are not looked at: ``check_answer`` does that. Raises ``KeyError`` for an unknown kind.
    """
    faults = _check(KINDS[kind], document)
    if kind in NEVER_EMPTY and not faults:
        name, wanted = NEVER_EMPTY[kind]
        if not isinstance(document["response"].get(name), wanted):
            faults.append(f"/response/{name}: missing or not a {wanted.__name__}")
    return faults


def check_record(entry_type_id: str, record: Any) -> list[str]:
    """Check one record against the default schema of its entry type (a key of ``RECORDS``).

    Raises ``KeyError`` for an unknown entry type.
    """
    return _check(RECORDS[entry_type_id], record)


def check_answer(document: Any, entry_type_id: str | None = None) -> list[str]:
    """Check the answer to a query: its envelope, every record in it, and that it is no deeper than it says.

    ``entry_type_id`` names the type of the records; without it an answer with records fails.
    """
    if not isinstance(document, dict):
        return [f"/: a {type(document).__name__} is no Beacon answer"]
    if "error" in document:
        return [*check("error", document), *(f"/{name}: beside an error" for name in _held(document))]
    meta = document.get("meta")
    granularity = meta.get("returnedGranularity") if isinstance(meta, dict) else None
    if granularity not in ("boolean", "count", "record"):
        return [f"/meta/returnedGranularity: {granularity!r}, so this is no answer to a query"]
    response = document.get("response")
    collections = isinstance(response, dict) and "collections" in response
    if granularity == "record":
        faults = check("collections" if collections else "resultsets", document)
    else:
        faults = check(granularity, document)
        if response is not None:
            faults += check("collections" if collections else "resultsets", document)
    if not faults:
        faults += _too_deep(document, granularity)
        for place, record in _records(document):
            if entry_type_id is None:
                return [*faults, f"{place}: a record, and no entry type was named to check it against"]
            faults += [f"{place}{fault}" for fault in check_record(entry_type_id, record)]
    return faults


def assert_answer(document: Any, entry_type_id: str | None = None) -> None:
    """``check_answer`` as an assertion that shows the faults and the beginning of the answer."""
    faults = check_answer(document, entry_type_id)
    assert not faults, "\n".join([*faults[:20], json.dumps(document, default=repr)[:2000]])


def assert_kind(kind: str, document: Any) -> None:
    """``check`` as an assertion that shows the faults and the beginning of the answer."""
    faults = check(kind, document)
    assert not faults, "\n".join([*faults[:20], json.dumps(document, default=repr)[:2000]])


def _held(document: Mapping[str, Any]) -> list[str]:
    return [name for name in ("response", "responseSummary") if name in document]


def _result_sets(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sets: list[Mapping[str, Any]] = (document.get("response") or {}).get("resultSets", [])
    return sets


def _records(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for number, one in enumerate(_result_sets(document)):
        for index, record in enumerate(one.get("results", [])):
            yield f"/response/resultSets/{number}/results/{index}", record
    for index, record in enumerate((document.get("response") or {}).get("collections", [])):
        yield f"/response/collections/{index}", record


def _too_deep(document: Mapping[str, Any], granularity: str) -> list[str]:
    """What a boolean or count answer must not hold, by the meaning of granularity (the schemas are open)."""
    if granularity == "record":
        return []
    faults = [f"{place}: a record in a {granularity} answer" for place, _ in _records(document)]
    if granularity == "boolean":
        counts = ("numTotalResults", "resultsCount", "countPrecision", "countAdjustedTo")
        holders = [("/responseSummary", document["responseSummary"])]
        holders += [(f"/response/resultSets/{n}", one) for n, one in enumerate(_result_sets(document))]
        faults += [
            f"{place}/{name}: a count in a boolean answer"
            for place, holder in holders
            for name in counts
            if name in holder
        ]
    return faults


def _check(path: str, document: Any) -> list[str]:
    fits, explain = _compiled(path)
    if fits(document):
        return []
    return explain(document) or ["/: refused by one validator and accepted by the other"]


@functools.cache
def _compiled(path: str) -> tuple[Callable[[Any], bool], Callable[[Any], list[str]]]:
    documents = _documents()
    root = {"$ref": BASE + path}
    registry: Registry[Any] = Registry().with_resources(
        (uri, DRAFT202012.create_resource(document)) for uri, document in documents.items()
    )
    checker = FormatChecker(formats=())
    for name, holds in FORMATS.items():
        checker.checks(name)(holds)
    reference = Draft202012Validator(root, registry=registry, format_checker=checker)

    def explain(document: Any) -> list[str]:
        return [line for error in reference.iter_errors(document) for line in _lines(error)]

    try:
        import jsonschema_rs
    except ImportError:
        return reference.is_valid, explain
    fast = jsonschema_rs.Draft202012Validator(
        root,
        registry=jsonschema_rs.Registry(list(documents.items())),
        formats=dict(FORMATS),
        validate_formats=True,
        retriever=_never_fetch,
    )
    return fast.is_valid, explain


def _never_fetch(uri: str) -> Any:
    raise LookupError(f"{uri} is not among the official files, and nothing is fetched")


@functools.cache
def _documents() -> Mapping[str, dict[str, Any]]:
    """Every official schema by its address, as 2.2 has it, and the stand-in for VRS."""
    shared = shared_dir()
    if shared is None:
        raise OfficialSchemasMissing("put the shared folder beside the checkout, or name it in SKERRY_SHARED")
    folder = shared / "spec" / "beacon-v2"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))
    documents: dict[str, dict[str, Any]] = {
        BASE + name: json.loads((folder / name).read_text("utf-8"))
        for name in names
        if not name.endswith("endpoints.json") and "/examples" not in name
    }
    # Five default schemas refer to a file that does not exist; it is this one.
    documents[BASE + MODEL + "common/info.json"] = documents[BASE + "framework/json/common/info.json"]
    _amend_to_2_2(documents)
    vrs = dict(schema("vrs13"))
    documents[vrs["$id"]] = vrs
    return documents


def _amend_to_2_2(documents: Mapping[str, dict[str, Any]]) -> None:
    result_set = documents[BASE + RESPONSES + "sections/beaconResultsets.json"]["$defs"]["ResultsetInstance"]
    result_set["required"] = ["id", "setType", "exists"]
    for name in ("beaconCountResponseSection", "beaconSummaryResponseSection"):
        _add_precision(documents[f"{BASE}{RESPONSES}sections/{name}.json"])
    _add_precision(result_set)


def _add_precision(counted: dict[str, Any]) -> None:
    counted["properties"]["countPrecision"] = {"enum": ["exact", "imprecise", "rounded"]}
    counted["properties"]["countAdjustedTo"] = {"type": "array", "items": {"type": ["string", "integer"]}}


def _lines(error: ValidationError) -> Iterable[str]:
    yield f"/{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
    for inner in error.context or ():
        yield from (f"    {line}" for line in _lines(inner))


def _is_date(text: object) -> bool:
    return not isinstance(text, str) or (len(text) == 10 and _parses(date.fromisoformat, text))


def _is_date_time(text: object) -> bool:
    return not isinstance(text, str) or bool(
        re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text, re.ASCII)
        and _parses(datetime.fromisoformat, re.sub(r"\.\d+", "", text.upper()))
    )


def _is_uri(text: object) -> bool:
    return not isinstance(text, str) or bool(
        re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+", text, re.ASCII) and _parses(urlsplit, text)
    )


def _is_uri_template(text: object) -> bool:
    return not isinstance(text, str) or bool(
        re.fullmatch(r"([^\s<>\"{}|\\^`]|\{[+#./;?&]?[A-Za-z0-9_.,*:%]+\})*", text, re.ASCII)
    )


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Callable[[object], bool]]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "uri": _is_uri,
    "uri-template": _is_uri_template,
}
