"""Writing segments anew from what is still shown of them: many small ones as one, or one without what must be erased.

What a dataset answers does not change by it. A new segment is written, listed in place of the old ones by one update,
and the old ones go when nobody can be reading them. Only segments of cases are united: AC and AN of a VCF are counted
over the columns of its segment, so that segments of VCFs stay what they are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pymongo.database import Database
from pyroaring import BitMap

from beacon import __version__
from beacon.model.calls import GROUPS
from beacon.model.calls import Calls as AlleleCalls
from beacon.model.indexing import Ancestors
from beacon.model.records import unite
from beacon.store.base import COLUMN, FROM_SOMEWHERE, NO_SAMPLE, WIDE_KINDS, Came, Links, StoredAllele
from beacon.store.calls import Calls
from beacon.store.documents import Document, decode_links, decode_rows, encode_rows, no_links
from beacon.store.layout import Layout, Run
from beacon.store.loading import LoadInfo, Origin
from beacon.store.packing import unpack
from beacon.store.parts import Part
from beacon.store.publish import Home
from beacon.store.segments import alleles_of, calls_of, read_layout
from beacon.store.writer import SegmentWriter

UNITED: Final = frozenset({"phenopackets"})
"""Formats whose segments hold cases alone: carriers without allele numbers."""
MANY: Final = 8
"""So many neighbouring segments of one size are united after a load."""
_SIZES: Final = (8, 64, 512, 4_096)
_BATCH: Final = 2_000

Scrub = Callable[[bytes], bytes]
"""What is done to encoded records on their way into the new segment."""


def due(document: Document, *, everything: bool = False) -> list[list[str]]:
    """Return which neighbouring segments of a dataset should be united, as lists of ids.

    Small ones first, so that each person is written anew a few times at most, however many loads there are;
    with ``everything``, all neighbours that can be.
    """
    for size in (None,) if everything else _SIZES:
        fits = [(_fits(part, size), part["id"]) for part in document["segments"]]
        runs = [[id for _, id in run] for fit, run in groupby(fits, lambda one: one[0]) if fit]
        if found := [run for run in runs if len(run) >= (2 if everything else MANY)]:
            return found
    return []


def _fits(part: Document, size: int | None) -> bool:
    if not all(load["format"] in UNITED for load in part["loads"]) or part.get("uncarried", 1):
        return False
    return size is None or len(decode_rows(part["live"].get("individual", encode_rows(())))) <= size


def rewrite(
    db: Database[Document],
    home: Home,
    segments: Sequence[str],
    ancestors: Ancestors,
    *,
    what: str,
    who: str,
    scrub: Scrub | None = None,
) -> None:
    """Write one segment from what is shown of some neighbouring ones, and list it instead of them.

    Raises ``LoadError`` where the dataset changed meanwhile in a way that concerns them; then nothing has changed.
    """
    document = db["datasets"].find_one({"_id": home.dataset, "people": home.people}) or {"segments": ()}
    sources = [_Source.open(db, home, part) for part in document["segments"] if part["id"] in segments]
    load = LoadInfo("", "", what, f"skerry {__version__}", datetime.now(UTC), who)
    with SegmentWriter(db, home, load, ancestors) as writer:
        resting = _write_records(db, sources, writer, scrub or bytes)
        for source in sources:
            source.number_columns(writer)
        for place in sorted({place for source in sources for place in source.places()}):
            _write_alleles(sources, place, writer, scrub or bytes)
        loads = [entry for source in sources for entry in source.loads()]
        writer.publish_instead([source.part for source in sources], loads, resting)


class _Held(NamedTuple):
    """An allele as one segment holds it, with its calls by new columns."""

    stored: StoredAllele
    calls: AlleleCalls | None
    source: _Source


@dataclass(slots=True)
class _Source:
    """A segment that is read: its links and layout, names of people and samples, and the new number of each column."""

    db: Database[Document]
    part: Part
    links: Mapping[str, Links]
    layout: Layout
    names: Mapping[str, Mapping[int, str]]
    details: Mapping[str, list[tuple[int, bytes]]]
    number: NDArray[np.int64]

    @classmethod
    def open(cls, db: Database[Document], home: Home, document: Document) -> _Source:
        part = Part.of(document)
        found = {array["k"]: array["data"] for array in db["arrays"].find({"s": part.id, "k": {"$in": [*part.live]}})}
        links = {kind: decode_links(found[kind]) if kind in found else no_links() for kind in part.live}
        people = BitMap().union(*(BitMap(held.persons) for held in links.values()))
        samples = BitMap().union(*(BitMap(held.samples) for held in links.values())) - BitMap([NO_SAMPLE])
        names = {
            "individual": _names(db, home, "individual", people),
            "biosample": _names(db, home, "biosample", samples),
        }
        details: dict[str, list[tuple[int, bytes]]] = {}
        for case in db["cases"].find({"s": part.id}):
            details.setdefault(case["v"], []).append((case["c"], bytes(case["b"])))
        columns = links[COLUMN].rows if COLUMN in links else ()
        return cls(db, part, links, read_layout(db, part.id), names, details, np.full(len(columns), -1, np.int64))

    def records(self, kind: str) -> Iterator[tuple[Document, bool]]:
        """Yield the records of a kind that are shown, and those derived ones that genotypes may need again."""
        live, needed = self.part.rows(kind), BitMap()
        if kind in WIDE_KINDS and COLUMN in self.links:
            of = self.links[COLUMN].persons if kind == "individual" else self.links[COLUMN].samples
            needed = BitMap(of[np.array(self.part.rows(COLUMN), np.uint32)]) & self.part.derived_of(kind)
        for record in self.db["records"].find({"s": self.part.id, "k": kind}).sort("r", 1):
            if record["r"] in live or record["r"] in needed:
                yield record, record["r"] in live

    def number_columns(self, writer: SegmentWriter) -> None:
        """Add the live columns to the new segment."""
        live = np.array(self.part.rows(COLUMN), np.uint32)
        if not len(live):
            return
        links = self.links[COLUMN]
        rows = self.db["arrays"].find_one({"s": self.part.id, "k": "column_rows"})
        own = unpack(rows["data"]) if rows else {}
        ids = {
            kind: {r["r"]: r["i"] for r in self.db["records"].find({"s": self.part.id, "k": kind}, {"r": 1, "i": 1})}
            for kind in own
        }
        for column in live.tolist():
            person = self.names["individual"][int(links.persons[column])]
            sample = self.names["biosample"][int(links.samples[column])]
            run, analysis = (ids[kind].get(int(own[kind][column])) if own else None for kind in ("run", "analysis"))
            self.number[column] = writer.column(person, sample, run, analysis)

    def places(self) -> set[tuple[str, str]]:
        return {(run.assembly, run.chrom) for run in self.layout.runs}

    def alleles(self, place: tuple[str, str]) -> list[Iterator[_Held]]:
        """Return one iterator per run: alleles by start, with their calls by new columns; without those nobody has."""
        return [self._run(run) for run in self.layout.runs if (run.assembly, run.chrom) == place]

    def _run(self, run: Run) -> Iterator[_Held]:
        block, calls = -1, None
        for stored in alleles_of(self.db, self.part.id, self.layout, [run]):
            if stored.block != block:
                block, calls = stored.block, calls_of(self.db, self.part.id, self.layout, stored.block)
            assert calls is not None, "every allele lies in a block"
            if not calls.genotyped(stored.row):
                yield _Held(stored, None, self)
                continue
            made = self._renumbered(calls, stored.row)
            if not stored.carriers or any(len(getattr(made, group)) for group in GROUPS):
                yield _Held(stored, made, self)

    def came(self, stored: StoredAllele, scrub: Scrub) -> Came:
        """Return where an allele came from; that of several loads' carriers is where each of these did."""
        came = stored.came
        if came == FROM_SOMEWHERE:
            return came
        file = None if came.file is None else orjson.loads(scrub(orjson.dumps(came.file)))
        return Came(came.line, file, came.load or self.part.loads[0]["id"])

    def _renumbered(self, calls: Calls, row: int) -> AlleleCalls:
        def at(columns: Any) -> NDArray[np.uint32]:
            new = self.number[np.asarray(columns, np.int64)]
            return np.sort(new[new >= 0]).astype(np.uint32)

        exceptions = tuple((int(self.number[c]), n, m) for c, n, m in calls.exceptions(row) if self.number[c] >= 0)
        sets = {name: at(np.array(calls.shared(name, row), np.uint32)) for name in ("missing", "haploid")}
        groups = {name: at(calls.group(name, row)) for name in GROUPS}
        return AlleleCalls(**groups, **sets, exceptions=exceptions, counted=calls.counted(row))

    def loads(self) -> Iterator[Document]:
        """Yield the entries of the segment's loads, with their columns in the new one."""
        for load in self.part.loads:
            old = self.part.rows(COLUMN)
            if len(self.part.loads) > 1:
                old = old & decode_rows(load["columns"])
            yield load | {"columns": encode_rows(self.number[np.array(old, np.uint32)].tolist())}


def _names(db: Database[Document], home: Home, kind: str, ordinals: BitMap) -> dict[int, str]:
    found: dict[int, str] = {}
    listed = list(ordinals)
    for begin in range(0, len(listed), _BATCH):
        where = {"d": home.people, "k": kind, "o": {"$in": listed[begin : begin + _BATCH]}}
        found |= {row["o"]: row["i"] for row in db["people"].find(where)}
    return found


def _write_records(
    db: Database[Document], sources: Sequence[_Source], writer: SegmentWriter, scrub: Scrub
) -> dict[str, BitMap]:
    """Write all records; return the derived ones, by kind, that others stand for now."""
    resting: dict[str, BitMap] = {kind: BitMap() for kind in WIDE_KINDS}
    for kind in ("individual", "biosample", "run", "analysis"):
        live = BitMap().union(*(source.part.rows(kind) for source in sources))
        for source in sources:
            for record, shown in source.records(kind):
                if kind in WIDE_KINDS and not shown:
                    if record["r"] in live or record["r"] in resting[kind]:
                        continue
                    resting[kind].add(record["r"])
                _write_record(db, source, kind, record, writer, scrub)
    return resting


def _write_record(
    db: Database[Document], source: _Source, kind: str, record: Document, writer: SegmentWriter, scrub: Scrub
) -> None:
    derived = record["r"] in source.part.derived_of(kind)
    load = record.get("l") or source.part.loads[0]["id"]
    writer.comes_from(Origin(record.get("f"), record.get("n"), record.get("h"), load))
    body = orjson.loads(scrub(bytes(record["b"])))
    if kind == "individual":
        packet = db["records"].find_one({"s": source.part.id, "k": "phenopacket", "r": record["r"]})
        writer.individual(body, derived=derived, phenopacket=scrub(bytes(packet["b"])) if packet else None)
        return
    links = source.links[kind]
    person = int(links.persons[np.searchsorted(links.rows, record["r"])])
    writer.record(kind, body, individual=source.names["individual"][person], derived=derived)


def _write_alleles(sources: Sequence[_Source], place: tuple[str, str], writer: SegmentWriter, scrub: Scrub) -> None:
    """Write the alleles of one chromosome, those of one identity as one where only cases carry them."""
    streams = [run for source in sources for run in source.alleles(place)]
    merged = heapq.merge(*streams, key=lambda one: one.stored.allele.start)
    for _, together in groupby(merged, lambda one: one.stored.allele.start):
        listed = sorted(together, key=lambda one: (one.stored.allele.end, one.stored.id))
        for _, same in groupby(listed, lambda one: one.stored.id):
            found = list(same)
            alike = all(calls is not None and not calls.counted for _, calls, _ in found)
            for stored, calls, source in [_united(found)] if alike else found:
                writer.allele(stored.allele, orjson.loads(stored.body), calls, source.came(stored, scrub))
            # What is told of a carrier belongs to the allele written last, so it comes before the next one.
            for source in {id(held.source): held.source for held in found}.values():
                for column, told in source.details.get(stored.id, ()):
                    if source.number[column] >= 0:
                        writer.detail(stored.allele, int(source.number[column]), orjson.loads(told))


def _united(found: Sequence[_Held]) -> _Held:
    if len(found) == 1:
        return found[0]
    body: dict[str, Any] = {}
    for stored, _, _ in found:
        unite(body, orjson.loads(stored.body))
    groups: dict[str, Any] = {
        name: np.unique(np.concatenate([getattr(calls, name) for _, calls, _ in found])).astype(np.uint32)
        for name in GROUPS
    }
    first, _, source = found[0]
    return _Held(first._replace(body=orjson.dumps(body)), AlleleCalls(**groups, counted=False), source)
