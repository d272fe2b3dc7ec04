"""Writing one segment: what a load adds, invisible until ``publish``.

Everything is written under the new segment's id first. ``publish`` then changes the dataset's document once:
it lists the segment and takes from older segments the rows that the new one replaces. A load that stops
before that leaves only documents that nobody reads.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MappingProxyType, TracebackType
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from pymongo.database import Database
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS, Calls
from beacon.model.entry_types import ZYGOSITIES, ZYGOSITY
from beacon.model.indexing import RECORDED, Ancestors
from beacon.model.records import unite
from beacon.model.variant import Allele
from beacon.store import journal
from beacon.store.base import CASE, COLUMN, FROM_SOMEWHERE, NO_SAMPLE, Came, Links
from beacon.store.batches import Batches
from beacon.store.blocks import JOINED, BlockBuilder, ends_id, layout_id, part_id
from beacon.store.corrected import take_calls, take_records
from beacon.store.documents import READY, WRITING, Document, encode_links, encode_rows
from beacon.store.fragments import encode_fragments, fragment
from beacon.store.garbage import remove_segment
from beacon.store.heads import UNKNOWN, Spelled, identity
from beacon.store.layout import LayoutBuilder
from beacon.store.leaving import LeftOut
from beacon.store.loading import NOTHING_BESIDE, Beside, LoadInfo, Origin, Published
from beacon.store.ordinals import Ordinals, give_ordinals
from beacon.store.packing import Arrays, pack
from beacon.store.parts import Part, supersede, take_from
from beacon.store.postings import Postings
from beacon.store.publish import Amendment, Edit, Home, Joining, left_of, publish
from beacon.store.reference import Namer
from beacon.store.rows import encode_rows_by_id
from beacon.store.tombstones import IsGone, nobody


@dataclass(slots=True)
class _Case:
    allele: Allele
    body: dict[str, Any]
    groups: dict[str, set[int]]
    details: list[tuple[int, dict[str, Any]]]
    last: Mapping[str, Any]


class SegmentWriter:
    """Adds one load's records to a dataset; a context manager that abandons whatever was not published."""

    def __init__(
        self,
        db: Database[Document],
        home: Home,
        load: LoadInfo,
        ancestors: Ancestors,
        withdrawn: Callable[[], IsGone] = lambda: nobody,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._db = db
        self._home = home
        self._load = load
        self._batches = Batches(db)
        self._namer = Namer(db)
        self._ordinals = Ordinals(db, home)
        self._rows: dict[tuple[str, str], int] = {}
        self._derived: dict[str, BitMap] = defaultdict(BitMap)
        self._joining: dict[str, Joining] = {}
        self._links: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self._postings = Postings(ancestors)
        self._columns: dict[tuple[str, str | None, str | None], int] = {}
        self._column_rows: list[tuple[int, int]] = []
        self._fragments: list[bytes] = []
        self._zygous: dict[str, NDArray[np.bool_]] = {}
        self._cases: dict[str, _Case] = {}
        self._details: list[tuple[int, int, int]] = []
        self._carried: dict[str, list[NDArray[np.uint32]]] = {group: [] for group in GROUPS}
        self._block: BlockBuilder | None = None
        self._block_place = ("", "", -1)
        self._blocks = 0
        self._layout = LayoutBuilder()
        self._detailed = False
        self._kinds: dict[tuple[str, ...], int] = {}
        self._totals = np.zeros(0, np.uint32)
        self._alleles = 0
        self._assemblies: set[str] = set()
        self._chromosomes: set[str] = set()
        self._published = False
        self._uncarried = 0
        self._origin: Document = {"l": self.id}
        self._withdrawn = withdrawn
        self._left_out = LeftOut(withdrawn())
        self._given: dict[tuple[str, str | None, str | None], int] = {}
        db["segments"].insert_one({"_id": self.id, "d": home.dataset, "state": WRITING})
        journal.begin(db, self.id, home, load.what, load.who, load.document())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batches.close()
        self._ordinals.close()
        # Where publishing was interrupted, only the dataset's document can tell whether it happened.
        if not self._published and not self._db["datasets"].find_one({"segments.id": self.id}, {"_id": 1}):
            remove_segment(self._db, self.id)
            journal.abandon(self._db, self.id)

    def comes_from(self, origin: Origin) -> None:
        """Say where the records come from that are added from here on."""
        told = {"l": origin.load or self.id, "f": origin.file, "n": origin.line, "h": origin.digest}
        self._origin = {name: value for name, value in told.items() if value is not None}

    def individual(self, body: Mapping[str, Any], *, derived: bool = False, phenopacket: bytes | None = None) -> None:
        """Add a person. A derived one only makes sure that the id exists. Raises ``LoadError`` on a second one."""
        id = str(body["id"])
        if self._left_out.sample(id, id) if derived else self._left_out.person(id):
            return
        if ("individual", id) in self._rows:
            if derived:
                return
            raise LoadError(f"individual {id!r} occurs twice in one load with different contents", where=id)
        ordinal = self._ordinals.of("individual", id)
        self._add("individual", id, ordinal, ordinal, NO_SAMPLE, body, derived)
        if phenopacket is not None:
            document = {"s": self.id, "k": "phenopacket", "r": ordinal, "i": id, "b": phenopacket}
            self._batches.add("records", document, len(phenopacket))

    def record(self, entry_type: str, body: Mapping[str, Any], *, individual: str, derived: bool = False) -> None:
        """Add a biosample, run or analysis of a person. Raises ``LoadError`` on a second one of that id."""
        id = str(body["id"])
        sample_id = id if entry_type == "biosample" else str(body.get("biosampleId") or "")
        told = derived or entry_type != "biosample"
        if self._leaves_out(individual, sample_id if told else ""):
            return
        if (entry_type, id) in self._rows:
            raise LoadError(f"{entry_type} {id!r} occurs twice in one load", where=id)
        person = self._ordinals.of("individual", individual)
        if entry_type == "biosample":
            row = sample = self._ordinals.of("biosample", id)
        else:
            row = len(self._links[entry_type])
            name = body.get("biosampleId")
            sample = self._ordinals.of("biosample", str(name)) if name else NO_SAMPLE
        self._add(entry_type, id, row, person, sample, body, derived)

    def column(self, individual: str, biosample: str, run: str | None = None, analysis: str | None = None) -> int:
        """Return the column of one sample's genotypes, adding it where it is new."""
        key = (biosample, run, analysis)
        if key not in self._given:
            if self._alleles:
                raise ValueError("a column was added after the first allele; genotypes would miss it")
            self._given[key] = len(self._given)
            if self._leaves_out(individual, biosample):
                self._left_out.stored.append(-1)
                return self._given[key]
            column = self._columns[key] = len(self._columns)
            self._left_out.stored.append(column)
            person, sample = self._ordinals.of("individual", individual), self._ordinals.of("biosample", biosample)
            self._links[COLUMN].append((column, person, sample))
            rows = self._rows.get(("run", run or ""), -1), self._rows.get(("analysis", analysis or ""), -1)
            self._column_rows.append(rows)
            named = run if rows[0] >= 0 else None, analysis if rows[1] >= 0 else None
            self._fragments.append(fragment(biosample, individual, *named))
        return self._given[key]

    def join(self, cohort: str, individual: str, info: Mapping[str, Any]) -> None:
        """Make a person a member of a cohort, of which ``info`` tells what is known."""
        if self._left_out.person(individual):
            return
        joining = self._joining.setdefault(cohort, Joining(BitMap(), info))
        joining.members.add(self._ordinals.of("individual", individual))

    def case(
        self,
        allele: Allele,
        body: dict[str, Any],
        column: int,
        group: str,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Add one carrier of an allele. Bodies of the same allele are merged; alleles may come in any order."""
        column = self._left_out.stored[column]
        if column < 0:
            return
        id = allele.id
        case = self._cases.get(id)
        if case is None:
            case = self._cases[id] = _Case(allele, body, {name: set() for name in GROUPS}, [], body)
        elif body != case.last:  # most carriers' bodies say the same
            if case.body is case.last:  # and belongs to whoever brought it
                case.body = deepcopy(case.body)
            unite(case.body, deepcopy(body))
            case.last = body
        if not any(column in columns for columns in case.groups.values()):
            case.groups[group].add(column)
        if detail:
            case.details.append((column, detail))

    def allele(
        self,
        allele: Allele,
        told: Spelled | Mapping[str, Any],
        calls: Calls | None,
        came: Came = FROM_SOMEWHERE,
    ) -> None:
        """Add one allele with all its calls, in position order within its chromosome.

        ``told`` is its body, or what was spelled of allele and body already.
        """
        calls, stays = self._left_out.calls(calls)
        if stays:
            self._allele(allele, told if isinstance(told, Spelled) else Spelled.of(allele, told), calls, came)

    def _allele(self, allele: Allele, spelled: Spelled, calls: Calls | None, came: Came) -> None:
        assembly, chrom, last = self._block_place
        together = (allele.assembly, allele.chrom) == (assembly, chrom) and allele.start >= last
        if self._block is None or self._block.full or not together:
            self._write_block()
            self._block = BlockBuilder(len(self._columns), self._kinds)
        self._block_place = (allele.assembly, allele.chrom, allele.start)
        counts = (UNKNOWN, UNKNOWN) if calls is None else self._count(calls)
        self._uncarried += calls is None
        self._block.add(allele, spelled, calls, counts, came[: came.known])
        self._postings.add_allele(self._alleles, allele, spelled, calls, len(self._columns), self._blocks)
        if names := self._namer.names(allele):
            self._batches.add("names", {"s": self.id, "x": self._alleles} | names)
        self._alleles += 1
        self._chromosomes.add(allele.chrom)
        if allele.placed:
            self._assemblies.add(allele.assembly)

    def detail(self, allele: Allele, column: int, told: Mapping[str, Any]) -> None:
        """Add what is told of one carrier of an allele that came with all its calls."""
        column = self._left_out.stored[column]
        if column < 0:
            return
        self._post_detail(allele.id, column, told)
        self._detailed = True
        self._batches.add("cases", {"s": self.id, "v": allele.id, "c": column, "b": orjson.dumps(told)})

    @property
    def chromosomes(self) -> frozenset[str]:
        """The chromosomes of the alleles written so far, "" for those without a place."""
        return frozenset(self._chromosomes)

    def publish(self, change: Beside = NOTHING_BESIDE) -> Published:
        """Write what is left and make the segment visible, with one update of the dataset's document.

        Where there is nothing in it, the dataset lists no segment for it, and does not change unless ``change`` does.
        """
        self._finish_alleles()
        load = {
            "id": self.id,
            "sha256": self._load.sha256,
            "format": self._load.format,
            "source": self._load.source,
            "chroms": sorted(self._chromosomes),
            "intact": True,
        }
        if self._alleles:
            # What its variants do not tell cannot be answered "no"; of several loads in one segment each is asked.
            nowhere = [""] if "" in self._chromosomes else []
            load |= {"assemblies": [*nowhere, *sorted(self._assemblies)], "naming": sorted(self._postings.naming)}
        return self._publish([load], self._amendment(change), change.counts)

    def publish_instead(self, of: Sequence[Part], loads: list[Document], resting: Mapping[str, BitMap]) -> Published:
        """Make the segment visible in place of others, from which it was written.

        ``loads`` are those that their records came with, ``resting`` the derived rows for which others stand now.
        Raises ``LoadError`` where the others are not shown as they were.
        """
        self._finish_alleles()
        written = {part.id: part.live for part in of}

        def leave(parts: list[Part]) -> None:
            shown = [part for part in parts if part.id in written]
            if len(shown) < len(written) or any(part.live != written[part.id] for part in shown):
                message = f"dataset {self._home.dataset!r} changed meanwhile; nothing was changed; do it again"
                raise LoadError(message, where=self._home.dataset)
            for part in shown:
                part.clear()

        left = BitMap().union(*map(left_of, of))
        # Nobody comes anew by this, so nothing gives way to what is written.
        return self._publish(loads, Amendment([leave], instead_of=tuple(written), by_record=True), {}, resting, left)

    def _publish(
        self,
        loads: list[Document],
        amendment: Amendment,
        counts: Mapping[str, int],
        resting: Mapping[str, BitMap] = MappingProxyType({}),
        left: BitMap = BitMap(),  # noqa: B008 - nobody changes it
    ) -> Published:
        self._write_layout()
        self._write_postings()
        self._write_links()
        self._batches.flush()
        self._namer.settle(self.id)
        nobody = BitMap()
        summary = {
            "id": self.id,
            "live": {
                kind: encode_rows(BitMap(row for row, _, _ in links) - resting.get(kind, nobody))
                for kind, links in self._links.items()
            },
            "derived": {kind: encode_rows(rows) for kind, rows in self._derived.items()},
            "whole": True,
            "variants": self._alleles,
            "uncarried": self._uncarried,
            "assemblies": sorted(self._assemblies),
            "loads": loads,
        } | ({"left": encode_rows(left)} if left else {})
        self._db["segments"].update_one({"_id": self.id, "state": WRITING}, {"$set": {"state": READY}})
        anything = bool(self._links or self._alleles)
        done = publish(self._db, self._home, summary if anything else None, amendment)
        self._published = True
        if not anything:
            remove_segment(self._db, self.id)
        added = {kind: len(rows) for kind, rows in done.live.items() if kind != COLUMN}
        added["genomicVariant"] = self._alleles
        left_out = len(self._left_out.people)
        if done.changed:
            told = {"replaced individual": done.replaced, "withdrawn individual left out": left_out}
            journal.end(self._db, self.id, {**added, **told, **counts})
        else:
            journal.forget(self._db, self.id)
        return Published(self.id, added, done.replaced, left_out, done.changed)

    def _amendment(self, change: Beside) -> Amendment:
        """Return what goes and who joins, as ordinals; whoever was withdrawn since the load began goes too."""
        is_gone = self._withdrawn()
        late = [id for kind, id in self._rows if kind == "individual" and is_gone("individual", id)]
        edits: list[Edit] = []
        if change.by_record:
            named = {kind: [id for one, id in self._rows if one == kind] for kind in ("run", "analysis")}
            edits.append(partial(take_records, self._db, ids=named))
            for loads, entirely in ((change.corrects, True), (change.supersedes, False)):
                edits.append(partial(take_calls, self._db, loads=loads, entirely=entirely))
        elif change.supersedes:
            edits.append(lambda parts: supersede(self._db, parts, change.supersedes, entirely=change.entirely))
        for ids, only_new in ((change.removed, False), (late, True)):
            people = BitMap(give_ordinals(self._db, self._home, "individual", list(ids)).values()) if ids else BitMap()
            if people:
                edits.append(partial(take_from, self._db, people=people, only_last=only_new))
        members = self._links.get("individual", ())
        joining = give_ordinals(self._db, self._home, "individual", list(change.members)).values()
        everyone = BitMap(row for row, _, _ in members) | BitMap(joining) if self._load.cohort else BitMap()
        by_record = change.by_record
        return Amendment(edits, self._load.cohort, everyone, self._joining, sayings=change.sayings, by_record=by_record)

    def _leaves_out(self, person: str, sample: str) -> bool:
        """Whether a person stays out, or a sample of which this load has no record of its own."""
        if not sample or ("biosample", sample) in self._rows:
            return self._left_out.person(person)
        return self._left_out.sample(person, sample)

    def _is_left_out(self, kind: str, id: str) -> bool:
        return kind == "individual" and self._left_out.person(id)

    def _add(
        self, kind: str, id: str, row: int, person: int, sample: int, body: Mapping[str, Any], derived: bool
    ) -> None:
        self._rows[kind, id] = row
        self._links[kind].append((row, person, sample))
        if derived:
            self._derived[kind].add(row)
        encoded = orjson.dumps(body)
        document = {"s": self.id, "k": kind, "r": row, "i": id, "b": encoded} | self._origin
        self._batches.add("records", document, len(encoded))
        self._postings.add_record(kind, row, body)

    def reserve(self, kind: str, ids: Iterable[str]) -> None:
        """Look up or give out the ordinals of many individuals or biosamples in one go, before adding them."""
        self._ordinals.reserve(kind, (id for id in ids if not self._is_left_out(kind, id)))

    def _post_detail(self, variant: str, column: int, detail: Mapping[str, Any]) -> None:
        """Post what was said of one carrier of the last allele."""
        if self._postings.add_case(len(self._details), column, detail):
            self._details.append((identity(variant), column, self._alleles - 1))

    def _count(self, calls: Calls) -> tuple[int, int]:
        """Return AC and AN; remember the carriers until the block is written, and whether there are any."""
        *carried, missing, haploid = calls.sizes
        for group, many in zip(GROUPS, carried, strict=True):
            if many:
                self._carried[group].append(getattr(calls, group))
        self._uncarried += not any(carried)
        if not calls.counted:
            return UNKNOWN, UNKNOWN
        self._postings.count(len(self._columns))
        count = sum(carried) + carried[1]
        if haploid:
            haploid = len(np.setdiff1d(calls.haploid, calls.missing))
        number = 2 * (len(self._columns) - missing) - haploid
        for column, copies, called in calls.exceptions:
            usual = 2 if column in calls.hom else int(any(column in getattr(calls, group) for group in GROUPS))
            count += copies - usual
            number += called - (0 if column in calls.missing else 1 if column in calls.haploid else 2)
        return count, number

    def _write_cases(self) -> None:
        """Write the alleles that came carrier by carrier, in position order."""

        def place(item: tuple[str, _Case]) -> tuple[str, str, int, int, str]:
            allele = item[1].allele
            return allele.assembly, allele.chrom, allele.start, allele.end, item[0]

        for variant_id, case in sorted(self._cases.items(), key=place):
            groups = {name: np.array(sorted(columns), np.uint32) for name, columns in case.groups.items()}
            calls = Calls(groups["het"], groups["hom"], groups["hemi"], groups["other"], counted=False)
            self._allele(case.allele, Spelled.of(case.allele, case.body), calls, FROM_SOMEWHERE)
            for column, detail in case.details:
                self._post_detail(variant_id, column, detail)
                self._batches.add("cases", {"s": self.id, "v": variant_id, "c": column, "b": orjson.dumps(detail)})

    def _finish_alleles(self) -> None:
        self._write_cases()
        self._write_block()

    def _write_block(self) -> None:
        if self._block is None or not len(self._block):
            return
        parts = self._block.encode()
        self._settle_carried()
        for name, arrays in parts.items():
            self._write_part(part_id(self.id, self._blocks, name), arrays, apart=name in JOINED)
        assembly, chrom, _ = self._block_place
        for number, ends in self._layout.add(assembly, chrom, parts["head"]):
            self._write_part(ends_id(self.id, number), ends)
        self._blocks += 1
        self._block = None

    def _settle_carried(self) -> None:
        """Count for each column the alleles of the block that it carries, and note who has which zygosity at all."""
        columns = len(self._columns)
        if len(self._totals) < columns:
            self._totals = np.zeros(columns, np.uint32)
        for group, parts in self._carried.items():
            if parts:
                many = np.bincount(np.concatenate(parts), minlength=columns)
                self._totals += many.astype(np.uint32)
                self._zygous.setdefault(group, np.zeros(columns, np.bool_))[many > 0] = True
                parts.clear()
        self._postings.settle(self._blocks)

    def _write_part(self, id: str, arrays: Arrays, *, apart: bool = False) -> None:
        data = pack(arrays)
        self._batches.add("blocks", {"_id": id, "s": self.id, "d": data}, len(data), apart=apart)

    def _write_layout(self) -> None:
        if not self._blocks:
            return
        for number, ends in self._layout.finish():
            self._write_part(ends_id(self.id, number), ends)
        data = self._layout.layout(self._kinds, len(self._columns), detailed=self._detailed).encode()
        self._batches.add("blocks", {"_id": layout_id(self.id), "s": self.id, "d": data}, len(data))
        if len(self._totals):
            self._batches.add("arrays", {"s": self.id, "k": "totals", "data": pack({"totals": self._totals})})

    def _write_postings(self) -> None:
        for zygosity, group in GROUP_OF_ZYGOSITY.items():
            label = ZYGOSITIES[zygosity]
            for column in np.flatnonzero(self._zygous.get(group, ())).tolist():
                self._postings.add(COLUMN, f"{RECORDED}{zygosity}", label, column)
                self._postings.add(COLUMN, f"{ZYGOSITY}{RECORDED}{zygosity}", label, column)
        for collection, document, size in self._postings.documents(self.id):
            self._batches.add(collection, document, size)

    def _write_links(self) -> None:
        for kind, listed in self._links.items():
            rows, persons, samples = (np.array(part, np.uint32) for part in zip(*sorted(listed), strict=True))
            self._batches.add("arrays", {"s": self.id, "k": kind, "data": encode_links(Links(rows, persons, samples))})
        if self._column_rows:
            runs, analyses = (np.array(part, np.int64) for part in zip(*self._column_rows, strict=True))
            data = pack({"run": runs, "analysis": analyses})
            self._batches.add("arrays", {"s": self.id, "k": "column_rows", "data": data})
        if self._details:
            variants, columns, alleles = zip(*self._details, strict=True)
            data = pack(
                {
                    "variants": np.array(variants, np.uint64),
                    "columns": np.array(columns, np.uint32),
                    "alleles": np.array(alleles, np.uint32),
                }
            )
            self._batches.add("arrays", {"s": self.id, "k": CASE, "data": data}, len(data))
        by_id: dict[str, dict[str, int]] = defaultdict(dict)
        for (kind, id), row in self._rows.items():
            by_id[kind][id] = row
        rows_by_id = (encode_rows_by_id(kind, held) for kind, held in by_id.items())
        for kind, arrays in chain(encode_fragments(self._fragments), *rows_by_id):
            data = pack(arrays)
            self._batches.add("arrays", {"s": self.id, "k": kind, "data": data}, len(data))
