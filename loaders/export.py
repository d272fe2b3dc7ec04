"""Writing a dataset as Beacon files (BFF) and as Phenopackets, from which it can be loaded again.

What Beacon's model cannot say (who was not called, ploidy, an allele's exact identity, the phenopacket itself) travels
in ``info.skerry`` of the record. Files have one record per line, so that they may be of any size.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import orjson
from numpy.typing import NDArray
from pyroaring import BitMap

from beacon.errors import LoadError
from beacon.model.entry_types import ENTRY_TYPES, RECORD_TYPES
from beacon.model.phenopacket import phenopacket
from beacon.model.variant import FORM
from beacon.query.sides import cohort_record, dataset_record
from beacon.store.base import COLUMN, NO_SAMPLE, Dataset, Segment, Store
from loaders.bff_files import TARGETS
from loaders.bff_variants import EXTENSION
from loaders.elements import Json
from loaders.export_variants import Names, Variants

BATCH = 500
_NAMES = {"genomicVariant": "genomicVariations", "dataset": "datasets", "cohort": "cohorts"}


@dataclass(slots=True)
class _Files:
    """The files of one export, packed, in a folder of their own; each gets its name when all are written."""

    folder: Path
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path) -> _Files:
        """Make the folder, for its owner alone. Raises ``LoadError`` where there is anything in it, ``OSError``."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise LoadError(f"{folder} is not empty; name a new folder", where=str(folder))
        return cls(folder)

    @contextmanager
    def array(self, name: str) -> Iterator[_Sink]:
        """Write a JSON array with one record per line; without a record there is no file."""
        yield from self._write(f"{name}.json.gz", b"[\n", b",\n", b"\n]\n")

    @contextmanager
    def lines(self, name: str) -> Iterator[_Sink]:
        """Write JSON lines."""
        yield from self._write(f"{name}.jsonl.gz", b"", b"\n", b"\n")

    def _write(self, name: str, begin: bytes, between: bytes, end: bytes) -> Iterator[_Sink]:
        path = self.folder / f"{name}.part"
        # Without a name and a time in its head, the same dataset makes the same bytes.
        with path.open("xb") as raw, gzip.GzipFile("", "wb", 1, raw, 0) as packed:
            sink = _Sink(cast(BinaryIO, packed), begin, between)
            yield sink
            if sink.count:
                packed.write(end)
        if sink.count:
            self.counts[name] = sink.count
        else:
            path.unlink()

    def settle(self) -> None:
        for name in self.counts:
            (self.folder / f"{name}.part").rename(self.folder / name)

    def clear(self) -> None:
        for path in self.folder.glob("*.part"):
            path.unlink()


class _Sink:
    """Takes encoded records."""

    def __init__(self, file: BinaryIO, begin: bytes, between: bytes) -> None:
        self._file, self._next, self._between = file, begin, between
        self.count = 0

    def add(self, record: bytes) -> None:
        self._file.write(self._next)
        self._file.write(record)
        self._next = self._between
        self.count += 1


async def export(store: Store, dataset: str, folder: Path, *, packets: bool = False) -> Mapping[str, int]:
    """Write a dataset into a new or empty folder, as BFF or as Phenopackets; return the number of records by file.

    Raises ``LoadError`` where there is no such dataset, the folder cannot be used, or the dataset was changed
    meanwhile: then nothing is written.
    """
    held = (await store.datasets()).get(dataset)
    if held is None:
        raise LoadError(f"there is no dataset {dataset!r}", where=dataset)
    try:
        files = _Files.begin(folder)
        try:
            await (_packets(store, held, files) if packets else _bff(store, held, files))
            if not _same(held, (await store.datasets()).get(dataset)):
                raise LoadError(f"dataset {dataset!r} was changed meanwhile; export it again", where=dataset)
            files.settle()
        finally:
            files.clear()
    except OSError as error:
        raise LoadError(f"{folder} cannot be written: {error.strerror or error}", where=str(folder)) from error
    return files.counts


def _same(before: Dataset, after: Dataset | None) -> bool:
    return after is not None and (before.created, before.segments) == (after.created, after.segments)


async def _bff(store: Store, dataset: Dataset, files: _Files) -> None:
    with files.array(_NAMES["dataset"]) as sink:
        sink.add(orjson.dumps(dataset_record(dataset)))
    for kind in RECORD_TYPES:
        with files.array(ENTRY_TYPES[kind].path) as sink:
            async for record in _records(store, dataset, kind):
                sink.add(record)
    everybody = BitMap().union(*(segment.live.get("individual", BitMap()) for segment in dataset.segments))
    with files.array(_NAMES["cohort"]) as sink:
        for cohort in dataset.cohorts:
            people = await store.names(dataset.people, "individual", cohort.members)
            body = cohort_record(cohort, everybody)
            sink.add(orjson.dumps(body | {"ids": {"individualIds": [people[row] for row in sorted(people)]}}))
    names = await _columns(store, dataset)
    with files.array(TARGETS) as sink:
        if names.samples:
            sink.add(orjson.dumps(_targets(dataset, names)))
    with files.array(_NAMES["genomicVariant"]) as sink:
        async for record in Variants(store, dataset, names).records():
            sink.add(record)


async def _records(store: Store, dataset: Dataset, kind: str) -> AsyncIterator[bytes]:
    """Yield encoded records; an individual's phenopacket goes with it."""
    for segment, rows in _batches(dataset, kind):
        records = await store.records(segment, kind, rows)
        packets = await _originals(store, segment, rows) if kind == "individual" else {}
        for row, record in zip(rows, records, strict=True):
            if row not in packets:
                yield record
                continue
            body = orjson.loads(record)
            kept = {"phenopacket": orjson.Fragment(packets[row])}
            yield orjson.dumps(body | {"info": body.get("info", {}) | {EXTENSION: kept}})


def _batches(dataset: Dataset, kind: str) -> Iterator[tuple[Segment, list[int]]]:
    for segment in dataset.segments:
        rows = list(segment.live.get(kind, ()))
        for begin in range(0, len(rows), BATCH):
            yield segment, rows[begin : begin + BATCH]


async def _originals(store: Store, segment: Segment, rows: Sequence[int]) -> dict[int, bytes]:
    held = sorted(await store.record_ids(segment, "phenopacket", rows))
    packets = await store.records(segment, "phenopacket", held) if held else []
    return dict(zip(held, packets, strict=True))


async def _columns(store: Store, dataset: Dataset) -> Names:
    """Number the samples of all live columns; the same sample of the same run and analysis has one number."""
    names = Names()
    for segment in dataset.segments:
        live = np.array(segment.live.get(COLUMN, ()), np.uint32)
        if not len(live):
            continue
        links = await store.links(segment, COLUMN)
        of_column = {kind: await store.column_rows(segment, kind) for kind in ("run", "analysis")}
        own = {kind: await _named(store, segment, kind, rows) for kind, rows in of_column.items()}
        people = await store.names(dataset.people, "individual", np.unique(links.persons).tolist())
        samples = await store.names(dataset.people, "biosample", np.unique(links.samples).tolist())
        numbers: NDArray[np.int64] = np.full(int(links.rows.max()) + 1, -1, np.int64)
        for column in live.tolist():
            run, analysis = (
                own[kind].get(int(rows[column])) if len(rows) else None for kind, rows in of_column.items()
            )
            sample = int(links.samples[column])
            assert sample != NO_SAMPLE, "every column is a sample"
            numbers[column] = names.add(samples[sample], people[int(links.persons[column])], run, analysis)
        names.numbers[segment.id] = numbers
    return names


async def _named(store: Store, segment: Segment, kind: str, rows: NDArray[np.int64]) -> dict[int, str]:
    return await store.record_ids(segment, kind, rows[rows >= 0].tolist()) if len(rows) else {}


def _targets(dataset: Dataset, names: Names) -> Json:
    kept = {
        "individualIds": names.people, "runIds": names.runs, "analysisIds": names.analyses,
        "inOrder": True, "form": FORM,
    }  # fmt: skip
    return {"datasetId": dataset.id, "biosampleIds": names.samples, "info": {EXTENSION: kept}}


async def _packets(store: Store, dataset: Dataset, files: _Files) -> None:
    """Write everybody's phenopacket: the one that they came with, else one made from their Beacon record."""
    resources: Iterable[Mapping[str, Any]] = await store.ontologies()
    with files.lines("phenopackets") as sink:
        for segment, rows in _batches(dataset, "individual"):
            packets = await _originals(store, segment, rows)
            others = [row for row in rows if row not in packets]
            for record in await store.records(segment, "individual", others):
                made = phenopacket(orjson.loads(record), created=dataset.updated.isoformat(), resources=resources)
                sink.add(orjson.dumps(made))
            for row in sorted(packets):
                sink.add(packets[row])
