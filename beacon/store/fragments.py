"""Case-level entries: whose a column is, encoded once when it is loaded, and how it carries an allele.

What lies in the database is the beginning of each column's entry, its fragment. A whole entry is made when it is asked
for first, and kept: a page of common variants lists the same people again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import orjson

from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS
from beacon.model.entry_types import ZYGOSITIES
from beacon.store.calls import GROUP_BITS, Carriers
from beacon.store.packing import Arrays, pack_texts, unpack

FRAGMENTS = 4096
"""Fragments in one document."""
MOST_KEPT: Final = 1 << 16
"""Entries of a segment that are kept at most."""
ENTRY_BYTES: Final = 300
"""What an entry takes in memory, about."""

_ZYGOSITY: Final = {
    group: b',"zygosity":%b}' % orjson.dumps({"id": id, "label": ZYGOSITIES[id]})
    for id, group in GROUP_OF_ZYGOSITY.items()
}
_ENDS: Final = tuple(_ZYGOSITY.get(group, b"}") for group in GROUPS)
"""What a fragment lacks to be an entry, by number of group."""


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


class Entries:
    """The encoded entries of some of a segment's carriers.

    ``kept`` are those that were made before, ``fragments`` by number of their document; all that will be asked for.
    """

    def __init__(self, kept: dict[int, bytes], fragments: Mapping[int, Sequence[bytes]]) -> None:
        self._kept = kept
        self._fragments = fragments

    def of(self, carriers: Carriers) -> list[bytes]:
        """Return the entry of each of some carriers."""
        wanted = carriers.tolist()
        try:
            return [self._kept[one] for one in wanted]
        except KeyError:
            return self._made(wanted)

    def _made(self, wanted: list[int]) -> list[bytes]:
        if len(self._kept) + len(wanted) > MOST_KEPT:
            self._kept.clear()
        for one in wanted:
            if one not in self._kept:
                number, place = divmod(one >> GROUP_BITS, FRAGMENTS)
                self._kept[one] = self._fragments[number][place] + _ENDS[one & ((1 << GROUP_BITS) - 1)]
        return [self._kept[one] for one in wanted]
