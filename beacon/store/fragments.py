"""Whose a column is, as the beginning of a case-level entry: encoded once when it is loaded, not at each answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import orjson

from beacon.store.packing import Arrays, pack_texts, unpack

FRAGMENTS = 4096
"""Fragments in one document."""


def fragment(biosample: str, individual: str, run: str | None, analysis: str | None) -> bytes:
    """Return ``{"biosampleId":...,"individualId":...`` of a column, without its end."""
    entry = {"biosampleId": biosample, "individualId": individual}
    if run is not None:
        entry["runId"] = run
    if analysis is not None:
        entry["analysisId"] = analysis
    return orjson.dumps(entry)[:-1]


def fragments_kind(number: int | str) -> str:
    """Return the kind under which the fragments of columns number * FRAGMENTS and on lie."""
    return f"fragments{number}"


def encode_fragments(fragments: Sequence[bytes]) -> Iterator[tuple[str, Arrays]]:
    """Yield the documents of a segment's fragments: kind and arrays."""
    for begin in range(0, len(fragments), FRAGMENTS):
        yield fragments_kind(begin // FRAGMENTS), pack_texts(list(fragments[begin : begin + FRAGMENTS]))


def decode_fragments(data: bytes) -> list[bytes]:
    """Return the fragments of one document."""
    arrays = unpack(data)
    at, text = arrays["at"].tolist(), arrays["text"].tobytes()
    return [text[begin:stop] for begin, stop in pairwise(at)]
