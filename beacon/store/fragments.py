"""Whose a column is, as the beginning of a case-level entry: encoded once when it is loaded, not at each answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Fragments:
    """The fragments of one document."""

    at: list[int]
    text: bytes

    def of(self, place: int) -> bytes:
        """Return the fragment at a place, counted from the document's first column."""
        return self.text[self.at[place] : self.at[place + 1]]

    @classmethod
    def decode(cls, data: bytes) -> Fragments:
        """Read what ``encode_fragments`` made."""
        arrays = unpack(data)
        return cls(arrays["at"].tolist(), arrays["text"].tobytes())
