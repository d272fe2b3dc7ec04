"""Small phenopackets of our own for tests, and ways to read them."""

from __future__ import annotations

from typing import Any

import orjson

from loaders.phenopackets import Packet, Reader
from loaders.report import Problem
from loaders.sources import Document
from loaders.terms import hpo

SEIZURE = {"id": "HP:0001250", "label": "Seizure"}
TONIC_CLONIC = {"id": "HP:0002069", "label": "Bilateral tonic-clonic seizure"}
MARFAN = {"id": "OMIM:154700", "label": "Marfan syndrome"}
RECORD = {"genomeAssembly": "hg38", "chrom": "chr15", "pos": 48505037, "ref": "G", "alt": "A"}
HETEROZYGOUS = {"id": "GENO:0000135", "label": "heterozygous"}


def packet(id: str = "case-1", **members: Any) -> dict[str, Any]:
    """A phenopacket with as little as possible in it, and whatever else is given."""
    return {
        "id": id,
        "subject": {"id": "Patient 1", "sex": "FEMALE"},
        "metaData": {
            "created": "2024-05-31T12:00:00Z",
            "createdBy": "a curator",
            "phenopacketSchemaVersion": "2.0",
            "resources": [
                {"id": prefix.lower(), "namespacePrefix": prefix} for prefix in ("HP", "OMIM", "GENO", "SO", "NCIT")
            ],
        },
    } | members


def interpretation(*descriptors: dict[str, Any], subject: str = "Patient 1", **stated: Any) -> dict[str, Any]:
    """An interpretation of variants, one for each variation descriptor."""
    return {
        "id": "interpretation-1",
        "progressStatus": "SOLVED",
        "diagnosis": {
            "disease": MARFAN,
            "genomicInterpretations": [
                {
                    "subjectOrBiosampleId": subject,
                    "interpretationStatus": "CAUSATIVE",
                    "variantInterpretation": {"variationDescriptor": descriptor, **stated},
                }
                for descriptor in descriptors
            ],
        },
    }


def document(body: object, file: str = "case.json", line: int | None = None) -> Document:
    """The document of a packet (or of raw bytes)."""
    return Document(file, line, body if isinstance(body, bytes) else orjson.dumps(body))


def read(*items: Document | Problem) -> tuple[list[Packet], list[Problem], Reader]:
    """Read documents with the real schema, rules and HPO."""
    problems: list[Problem] = []
    reader = Reader(hpo(), problems.append)
    return list(reader.packets(items)), problems, reader


def rules(body: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What is said about one packet: (rule, severity, pointer)."""
    _, problems, _ = read(document(body))
    return [(problem.rule, problem.severity.value, problem.pointer) for problem in problems]
