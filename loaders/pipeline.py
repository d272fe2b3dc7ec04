"""One load from files to a published segment: read, check, convert, write, publish; or find that it was done before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from beacon import __version__
from beacon.store.admin import Admin
from beacon.store.writer import LoadInfo, Published, SegmentWriter
from loaders.groups import cohort_info
from loaders.mapping import Converted, SampleNames, convert, sample_ids
from loaders.phenopackets import Packet, Reader
from loaders.report import Advance, Problem, Progress, Report, Severity, TooManyErrors, plural
from loaders.sources import Document, documents
from loaders.terms import site_ontologies

BATCH = 500
"""Packets that are written together; larger batches save round trips, smaller ones memory."""
FORMAT = "phenopackets"


def load_phenopackets(
    admin: Admin,
    paths: Sequence[Path | str],
    dataset: str,
    *,
    cohort: str | None = None,
    progress: Progress | None = None,
    who: str = "",
    report: Report | None = None,
) -> Report:
    """Load phenopackets into a dataset and report; what they bring becomes visible at once, at the end, or not at all.

    Packets with errors are set aside (``exit_code`` 1) and the rest is loaded. Input that the dataset holds already
    is checked again and changes nothing, and neither does input with more errors than ``report`` allows. Raises
    ``LoadError`` where there is no such dataset, or where it is deleted meanwhile, and ``StoreUnavailable``.
    """
    admin.dataset(dataset)
    progress = progress or Progress(quiet=True)
    terms = site_ontologies(admin)
    total, sha256 = fingerprint(paths, (__version__, terms.release, cohort or ""))
    report = report or Report()
    report.dataset = dataset
    reader = Reader(terms, report.add)
    with stopping(report), progress.task(f"Loading into {dataset}", total, "documents") as advance:
        packets = reader.packets(counted(documents(paths), advance))
        if admin.loaded(dataset, sha256, FORMAT):
            report.count("individual", sum(1 for _ in packets))
            report.outcome = f"Dataset {dataset} holds exactly this already; nothing was changed."
        else:
            load = LoadInfo(
                source=", ".join(Path(path).name for path in paths),
                sha256=sha256,
                format=FORMAT,
                loader=f"skerry {__version__}",
                time=datetime.now(UTC),
                who=who,
                cohort=cohort,
                ontologies=terms.versions,
            )
            with admin.begin(dataset, load, terms.ancestors) as writer:
                _write(admin, dataset, writer, packets, report)
                if report.counts.get("individual"):
                    terms.store(admin)
                    tell(report, writer.publish())
                else:
                    report.outcome = f"There was nothing to load; dataset {dataset} was not changed."
    conclude(report, reader, total)
    return report


def fingerprint(paths: Iterable[Path | str], settings: Iterable[str]) -> tuple[int, str]:
    """Return how many documents there are, and one hash of their contents and of how they would be loaded.

    It does not depend on file names: the same packets in a folder and in an archive of it are the same load.
    """
    digest = hashlib.sha256("\x1f".join(settings).encode())
    total = 0
    for item in documents(paths):
        total += 1
        if isinstance(item, Document):
            digest.update(hashlib.sha256(item.data).digest())
    return total, digest.hexdigest()


def tell(report: Report, published: Published) -> None:
    """Put into a report what a segment brought."""
    for kind, number in published.added.items():
        if number:
            report.counts[kind] = number
    if published.replaced:
        report.counts["replaced individual"] = published.replaced
    report.outcome = f"Loaded into dataset {report.dataset}:"


@contextmanager
def stopping(report: Report) -> Iterator[None]:
    """End the block, and say so in the report, where there are too many errors."""
    try:
        yield
    except TooManyErrors:
        report.outcome = (
            f"After {report.errors} {plural('error', report.errors)} nothing more was read; nothing was changed."
        )


def counted(items: Iterable[Document | Problem], advance: Advance) -> Iterator[Document | Problem]:
    """Pass documents on, and say that one more is done."""
    for item in items:
        yield item
        advance(1)


def conclude(report: Report, reader: Reader, total: int) -> None:
    """Add to a report what a reader knows at its end."""
    if not total:
        hint = "Hand over .json, .jsonl or .zip files (.gz too), or a folder with such files."
        report.add(
            Problem(
                "the paths given", None, None, "nothing-found", Severity.ERROR, "No document was found.", None, hint
            )
        )
    if reader.counts.duplicates:
        report.count("repeated document", reader.counts.duplicates)
    if reader.counts.set_aside:
        report.count("set-aside document", reader.counts.set_aside)


def _write(admin: Admin, dataset: str, writer: SegmentWriter, packets: Iterator[Packet], report: Report) -> None:
    names = SampleNames()
    while batch := list(islice(packets, BATCH)):
        names.know(admin.owners(dataset, (id for packet in batch for id in sample_ids(packet.body))))
        made = [(packet, convert(packet.body, names.name, packet.group)) for packet in batch]
        writer.reserve("individual", (one.id for _, one in made))
        writer.reserve("biosample", (str(sample["id"]) for _, one in made for sample in one.samples))
        for packet, one in made:
            _write_one(writer, packet, one)
            for problem in renamed(packet, one):
                report.add(problem)
            report.count("individual")
            report.count("derived biosample", int(one.derived is not None))
            report.count("case", len(one.cases))


def _write_one(writer: SegmentWriter, packet: Packet, one: Converted) -> None:
    writer.individual(one.individual, phenopacket=orjson.dumps(packet.body))
    if packet.group is not None and packet.group.kind == "cohort":
        writer.join(packet.group.id, one.id, cohort_info(packet.group))
    for sample in one.biosamples:
        writer.record("biosample", sample, individual=one.id)
    if one.derived is not None:
        writer.record("biosample", one.derived, individual=one.id, derived=True)
    for sample_id, case in one.cases:
        column = writer.column(one.id, sample_id)
        writer.case(case.allele, case.body, column, case.group, case.detail)


def renamed(packet: Packet, one: Converted) -> Iterator[Problem]:
    """Say which samples could not keep their id, because another person's sample has it."""
    for index, (written, made) in enumerate(zip(packet.body.get("biosamples") or (), one.biosamples, strict=True)):
        if written["id"] != made["id"]:
            yield packet.document.problem(
                "biosample-id-taken",
                f"Another person's sample has the id {written['id']!r}; this one is called {made['id']!r}.",
                severity=Severity.WARNING,
                pointer=f"/biosamples/{index}/id",
                value=written["id"],
            )
