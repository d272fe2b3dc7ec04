"""schemathesis against a running Beacon: thousands of requests made from its own OpenAPI document.

Requests made from the schemas alone are refused more often than not, so ``steered`` adds values that this site
knows; of those requests most reach the database.
"""

from __future__ import annotations

import asyncio
import copy
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance",
)  # fmt: skip

KNOWN: Mapping[str, list[Any]] = {
    "referenceName": ["2", "NC_000002.12"], "assemblyId": ["GRCh38"], "geneId": ["SATB2"],
    "variantType": ["SNP", "DEL"], "referenceBases": ["G", "N"], "alternateBases": ["A", ""],
    "start": [199_300_000, 199_299_000],
    "end": [199_300_001, 199_301_000], "skip": [0, 1], "limit": [0, 3, 10], "currentPage": [""], "nextPage": [""],
    "previousPage": [""], "variantMinLength": [0], "variantMaxLength": [1, 50], "mateName": ["2"],
    "aminoacidChange": ["V600E"], "genomicAlleleShortForm": ["NC_000002.12:g.199300001G>A"],
    "datasetIds": ["open", "counted", "asked", "hidden"],
    "filters": ["HP:0001250", "OMIM:612313", "sex:=NCIT:C16576", "GENO:0000135", "runDate:>=2026-01-01", "HP:0002011"],
}  # fmt: skip
FILTERS = [
    {"id": "HP:0001250"}, {"id": "HP:0001250", "excluded": True},
    {"id": "OMIM:612313", "includeDescendantTerms": False},
    {"id": "sex", "operator": "=", "value": "NCIT:C16576"}, {"id": "runDate", "operator": ">", "value": "2025-01-01"},
    {"id": "GENO:0000135", "scope": "g_variants"}, {"id": "ageAtLastEncounter", "operator": "!", "value": "P1Y"},
]  # fmt: skip


_REPORT = "report.json"
_OWN_ERROR = "Runtime Error"
"""What schemathesis calls an exception that is neither about the schema nor about the network."""


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What came of a run: ``cases`` sent, over ``operations``, and one line for each failure."""

    cases: int
    operations: int
    seconds: float
    failures: tuple[str, ...]


def operations(document: Mapping[str, Any]) -> int:
    """Return how many operations a document has."""
    return sum(len(item) for item in document["paths"].values())


def every(document: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Return the document with every ``step``-th of its paths."""
    return {**document, "paths": dict(list(document["paths"].items())[::step])}


def steered(document: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with values that the site knows beside what its schemas allow; ``ids`` by entry path."""
    made = copy.deepcopy(dict(document))
    for path, item in made["paths"].items():
        for operation in item.values():
            for row in operation.get("parameters", ()):
                if row.get("name") == "id":
                    row["schema"] = {"enum": [ids[path.split("/")[1]], ids[path.split("/")[1]], "nobody"]}
    components = made["components"]
    for name, known in KNOWN.items():
        row = components["parameters"][name]
        if row["schema"].get("type") == "array":
            row["schema"] = {**row["schema"], "maxItems": 2, "items": {"enum": known}}
        else:
            row["schema"] = {"enum": known}
    genomic = components["schemas"]["RequestParameters"]["$defs"]["genomic"]["properties"]
    for name, known in KNOWN.items():
        if name in genomic:
            genomic[name] = {"enum": known}
    components["schemas"]["Request"]["$defs"]["filter"] = {"enum": FILTERS}
    components["schemas"]["Request"]["$defs"]["token"] = {"enum": [""]}
    request = components["schemas"]["Request"]["properties"]
    request["meta"] = {"type": "object", "properties": {"apiVersion": {"enum": ["v2.0", "2.2.0"]}}}
    nested: dict[str, Any] = {"g_variant": {"$ref": "#/components/schemas/RequestParameters/$defs/genomic"}}
    nested["datasets"] = {"enum": [{"datasetIds": ["open", "asked"]}, ["counted"], "hidden"]}
    request["query"]["properties"]["requestParameters"] = {
        "type": "object", "properties": nested, "additionalProperties": False
    }  # fmt: skip
    request["query"]["properties"]["pagination"] = {"enum": [{"skip": 1, "limit": 2}, {"limit": 0}, {}]}
    return made


async def fuzz(
    document: Mapping[str, Any], url: str, folder: Path, *, cases: int, seed: int = 1, token: str | None = None
) -> Fuzzed:
    """Send at least ``cases`` requests made from ``document`` to the Beacon at ``url``.

    Where schemathesis itself came to grief, and found nothing, it begins again, once and with other requests: that says
    nothing of the server. (Seen once.)
    """
    command = _command(document, url, folder, cases, token)
    told, output = await _run([*command, "--seed", str(seed)], folder)
    if not told["failures"] and told["errors"] and all(one["title"] == _OWN_ERROR for one in told["errors"]):
        print(f"schemathesis ended with an error of its own:\n{output[-6000:]}")
        told, output = await _run([*command, "--seed", str(seed + 1)], folder)
    failures = [orjson.dumps(one).decode()[:1500] for one in (*told["failures"], *told["errors"])]
    if failures:  # of errors of its own the report has no more than a title
        failures.append(output[-6000:])
    return Fuzzed(
        told["test_cases"]["generated"], told["operations"]["tested"], float(told["running_time"]), tuple(failures)
    )


def _command(document: Mapping[str, Any], url: str, folder: Path, cases: int, token: str | None) -> list[str]:
    source = folder / "openapi.json"
    source.write_bytes(orjson.dumps(document))
    # Some operations have fewer different requests than that, so the others get a few more.
    each = math.ceil(1.25 * cases / operations(document))
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(source), "--url", url, "--phases", "fuzzing",
        "--max-examples", str(each), "--workers", "2", "--checks", ",".join(CHECKS), "--continue-on-failure",
        "--no-shrink", "--suppress-health-check", "all", "--report", "json",
        "--report-json-path", str(folder / _REPORT), "--warnings", "off", "--request-timeout", "60",
    ]  # fmt: skip
    return command if token is None else [*command, "--header", f"Authorization: Bearer {token}"]


async def _run(command: list[str], folder: Path) -> tuple[dict[str, Any], str]:
    """Run schemathesis and return its report and what it printed."""
    report = folder / _REPORT
    report.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output = printed.decode(errors="replace")
    if not report.exists():
        raise AssertionError(output[-4000:])
    told: dict[str, Any] = orjson.loads(report.read_bytes())
    return told, output
