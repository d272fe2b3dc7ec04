"""What the records and alleles of a segment are found by: collected while it is written, and written at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import orjson
from pyroaring import BitMap

from beacon.model import protein
from beacon.model.calls import Calls
from beacon.model.entry_types import ENTRY_TYPES, FREQUENCY
from beacon.model.genome import PROTEIN_CHANGES, gene_name, naming
from beacon.model.indexing import (
    HELD,
    Ancestors,
    index_entries,
    keys_above,
    own_entries,
    parts_of,
    told_keys,
    told_of,
)
from beacon.model.variant import Allele
from beacon.store.alleles import allele_keys
from beacon.store.base import ALLELE, CASE, COLUMN, WRITTEN
from beacon.store.documents import Document, encode_rows
from beacon.store.heads import Spelled
from beacon.store.packing import pack
from beacon.store.posted import Bearing, Element, Numbers, Posting, Told

NUMBERS_PER_DOCUMENT: Final = 50_000
_VARIANT: Final = ENTRY_TYPES["genomicVariant"]
_COUNTED: Final = f"{FREQUENCY}{HELD}"
_KNOWN: Final = 4_096
"""Things told of alleles that are known again."""
_ELEMENTS: Final = 16_384
"""Parts of records that are known again."""


def _no_ancestors(term: str) -> tuple[str, ...]:
    del term
    return ()


class Postings:
    """Rows under index keys and numbers; ``ancestors`` are those of its terms."""

    def __init__(self, ancestors: Ancestors) -> None:
        self._ancestors = ancestors
        self._postings: dict[tuple[str, str], Posting] = {}
        self._numbers: dict[tuple[str, str], Numbers] = defaultdict(Numbers)
        self._elements: dict[tuple[str, str, bytes], Element] = {}
        self._same: dict[tuple[str, str, int], tuple[Any, Element]] = {}
        self._borne: dict[str, Bearing] = {}
        self._told: dict[tuple[object, ...], Told] = {}

    def add(self, kind: str, key: str, label: str, row: int) -> None:
        """Post a row under a key."""
        self._posting(kind, key, label).add(row)

    def add_record(self, kind: str, row: int, body: Mapping[str, Any]) -> None:
        """Post a record under whatever its body is found by."""
        for member, part, shared in parts_of(ENTRY_TYPES[kind], body):
            if shared:
                self._element(kind, kind, member, part).rows.append(row)
            else:
                self._add_own(kind, member, part, row)

    def add_allele(
        self, number: int, allele: Allele, spelled: Spelled, calls: Calls | None, columns: int, block: int
    ) -> None:
        """Post an allele under its types, genes, protein changes and mate, and under whatever its body is found by.

        ``columns`` is how many the segment has, ``block`` that of the allele.
        """
        key = allele.types, allele.mate, spelled.told
        found = self._told.get(key)
        if found is None:  # most alleles are told the same as one before: another place in the same gene
            if len(self._told) >= _KNOWN:
                self._told.clear()
            found = self._told[key] = self._read_told(allele, orjson.loads(spelled.told))
        for posting in found.postings:
            posting.add(number)
        for name, value in found.numbers:
            self._numbers[ALLELE, name].add(value, number)
        if calls is not None:
            for bearing in found.bearing:
                bearing.add(calls, columns, block)

    def add_case(self, row: int, column: int, detail: Mapping[str, Any]) -> bool:
        """Post what was said of one carrier of an allele, as a row of cases; whether it is found by anything."""
        found = False
        for member, part, _ in parts_of(_VARIANT, {"caseLevelData": detail}):
            element = self._element(_VARIANT.id, CASE, member, part)
            if element.postings:
                found = True
                element.rows.append(row)
                for bearing in element.bearing:
                    bearing.columns.add(column)
        return found

    def count(self, columns: int) -> None:
        """Note that there are alleles with a frequency among all columns."""
        if _COUNTED not in self._borne:
            self._bearing(_COUNTED, "").columns.update(range(columns))

    @property
    def naming(self) -> frozenset[str]:
        """What alleles name genes by (``genome.naming``), and ``PROTEIN_CHANGES`` if they tell any."""
        written = [key for kind, key in self._postings if kind == WRITTEN]
        genes = {naming(key.removeprefix("gene:")) for key in written if key.startswith("gene:")}
        return frozenset(genes | {PROTEIN_CHANGES for key in written if key.startswith("protein:")})

    def settle(self, block: int) -> None:
        """Keep what is known of carriers as bitmaps, where the block that was just written has none of it."""
        for bearing in self._borne.values():
            bearing.settle(block)

    def documents(self, segment: str) -> Iterator[tuple[str, Document, int]]:
        """Yield everything as documents: collection, document, bytes of its large fields."""
        self._settle_elements()
        yield from self._posting_documents(segment)
        yield from self._number_documents(segment)

    def _add_own(self, kind: str, member: str, part: Any, row: int) -> None:
        """Post a record under what it is found by alone or nearly so, such as the id of whose it is."""
        entries = own_entries(ENTRY_TYPES[kind], member, part)
        for key, label in entries.keys.items():
            self.add(kind, key, label, row)
        for name, number in entries.numbers:
            self._numbers[kind, name].add(number, row)

    def _element(self, entry_type: str, kind: str, member: str, part: Any) -> Element:
        """Return a part that many records of a kind have; it is read once, and its rows are posted later.

        The very object that was given before is known without a look at what is in it.
        """
        same = self._same.get((kind, member, id(part)))
        if same is not None:
            return same[1]
        told = told_of(ENTRY_TYPES[entry_type], member, part)
        key = kind, member, orjson.dumps(told)
        found = self._elements.get(key)
        if found is None:
            if len(self._elements) >= _ELEMENTS:
                self._settle_elements()
            found = self._elements[key] = self._read(entry_type, kind, member, told)
        if isinstance(part, dict):
            if len(self._same) >= _ELEMENTS:
                self._same.clear()
            self._same[kind, member, id(part)] = part, found  # while the part is held here, nothing else has its id
        return found

    def _read(self, entry_type: str, kind: str, member: str, part: Any) -> Element:
        row = ENTRY_TYPES[entry_type]
        entries = index_entries(row, {member: part}, _no_ancestors)
        told = told_keys(row, entries) if kind == CASE and entries.keys else ()
        return Element(
            [self._posting(kind, key, label) for key, label in entries.keys.items()],
            [(self._numbers[kind, name], number) for name, number in entries.numbers],
            [self._bearing(key, label) for key, label in told],
        )

    def _read_told(self, allele: Allele, body: Mapping[str, Any]) -> Told:
        genes = _genes(body)
        written = allele_keys(allele.types, genes, _protein_changes(body), allele.mate)
        entries = index_entries(_VARIANT, body, _no_ancestors)
        postings = [self._posting(WRITTEN, key, "") for key in written]
        postings += [self._posting(ALLELE, key, label) for key, label in entries.keys.items()]
        listed = list(told_keys(_VARIANT, entries))
        also = [key for key, _ in listed if key.endswith(HELD) and key not in entries.keys]
        postings += [self._posting(ALLELE, key, "") for key in also]
        return Told(postings, entries.numbers, [self._bearing(key, label) for key, label in listed])

    def _posting(self, kind: str, key: str, label: str) -> Posting:
        posting = self._postings.get((kind, key))
        if posting is None:
            posting = self._postings[kind, key] = Posting()
        posting.label = posting.label or label
        return posting

    def _bearing(self, key: str, label: str) -> Bearing:
        return self._borne.setdefault(key, Bearing(label))

    def _settle_elements(self) -> None:
        for element in self._elements.values():
            element.settle()
        self._elements.clear()
        self._same.clear()

    def _posting_documents(self, segment: str) -> Iterator[tuple[str, Document, int]]:
        more: dict[tuple[str, str], list[BitMap]] = {}
        for (kind, key), posting in self._postings.items():
            for higher in keys_above(key, self._ancestors):
                more.setdefault((kind, higher), []).append(posting.settle())
        labels = {}
        for key, bearing in self._borne.items():
            if columns := bearing.settle():
                more.setdefault((COLUMN, key), []).append(columns)
                labels[COLUMN, key] = bearing.label
        for place, posting in self._postings.items():
            rows = posting.settle()
            yield _document(
                segment, place, posting.label, BitMap.union(rows, *more.pop(place)) if place in more else rows
            )
        for place, parts in more.items():
            yield _document(segment, place, labels.get(place, ""), BitMap.union(*parts))

    def _number_documents(self, segment: str) -> Iterator[tuple[str, Document, int]]:
        for (kind, name), numbers in self._numbers.items():
            values, rows = np.frombuffer(numbers.values, np.float64), np.frombuffer(numbers.rows, np.uint32)
            order = np.argsort(values, kind="stable")
            for begin in range(0, len(order), NUMBERS_PER_DOCUMENT):
                some = order[begin : begin + NUMBERS_PER_DOCUMENT]
                data = pack({"values": values[some], "rows": rows[some]})
                low, high = float(values[some[0]]), float(values[some[-1]])
                document = {"s": segment, "k": kind, "f": name, "low": low, "high": high, "data": data}
                yield "numbers", document, len(data)


def _document(segment: str, place: tuple[str, str], label: str, rows: BitMap) -> tuple[str, Document, int]:
    kind, key = place
    data = encode_rows(rows)
    return "postings", {"s": segment, "k": kind, "key": key, "label": label, "rows": data}, len(data)


def _genes(body: Mapping[str, Any]) -> list[str]:
    """Return every name of a gene that a variant's body tells of: as Beacon has it, and by the id beside it."""
    told = body.get("info", {}).get("genes")
    # Whatever else a file calls so is not for us to read.
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    beside = [one["id"] for one in rows if isinstance(one.get("id"), str)]
    return list(dict.fromkeys(map(gene_name, [*body.get("molecularAttributes", {}).get("geneIds", ()), *beside])))


def _protein_changes(body: Mapping[str, Any]) -> list[str]:
    """Return every amino-acid change that a variant's body tells of, in one spelling."""
    told = [
        *body.get("molecularAttributes", {}).get("aminoacidChanges", ()),
        *body.get("identifiers", {}).get("proteinHGVSIds", ()),
    ]
    changes = list(map(protein.change, told))
    return list(dict.fromkeys([*changes, *filter(None, map(protein.shortened, changes))]))
