"""One load from files to a published segment: read, check, convert, write, publish; or find that it was done before."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import orjson

from beacon import __version__
from beacon.store.admin import Admin
from beacon.store.loading import Beside, LoadInfo, Origin, Published
from beacon.store.writer import SegmentWriter
from loaders.examining import FEW_COLLECTIONS, Batch, examined, examined_apart
from loaders.groups import cohort_info, without_gone
from loaders.mapping import Converted, SampleNames, convert, sample_ids
from loaders.phenopackets import Counts, Packet
from loaders.report import Advance, Problem, Progress, Report, Severity, TooManyErrors
from loaders.sources import Document, Kept, documents
from loaders.terms import Ontologies, site_ontologies
from loaders.words import counted
from loaders.workers import Workers

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
    remove_vanished: bool = False,
    workers: Workers | None = None,
) -> Report:
    """Load phenopackets into a dataset and report; what they bring becomes visible at once, at the end, or not at all.

    Packets with errors are set aside (``exit_code`` 1) and the rest is loaded. What the dataset holds already, as it
    is, is left alone; what has changed is replaced. People whom an earlier load of the same paths brought and who are
    not there any more are reported, and removed with ``remove_vanished``. Input with more errors than ``report`` allows
    changes nothing. The ``workers``, of which there is one at most, read and check what this process writes. Raises
    ``LoadError`` where there is no such dataset, or where it is deleted meanwhile, and ``StoreUnavailable``.
    """
    admin.home(dataset)
    progress = progress or Progress(quiet=True)
    report = report or Report()
    report.dataset = dataset
    if workers is None:
        terms = site_ontologies(admin)
        items: Iterable[Document | Problem] = Kept(paths)
        batches = examined(items, terms, report.most)
    else:  # which then get ready while this process does
        items, batches = documents(paths), examined_apart(workers, admin, paths, report.most)
        terms = site_ontologies(admin)
    total, sha256 = fingerprint(items, (__version__, terms.release, cohort or ""))
    with _few_collections(), stopping(report), progress.task(f"Loading into {dataset}", total, "document") as advance:
        told = Told(report, advance)
        load = LoadInfo(
            source=source_of(paths),
            sha256=sha256,
            format=FORMAT,
            loader=f"skerry {__version__}",
            time=datetime.now(UTC),
            who=who,
            cohort=cohort,
            ontologies=terms.versions,
        )
        with admin.begin(dataset, load, terms.ancestors) as writer:
            unchanged = _write(admin, dataset, writer, told.packets(batches), report, version_of(terms))
            vanished = find_vanished(admin, load.source, report, told.seen, remove_vanished)
            if report.counts.get("individual") or vanished:
                terms.store(admin)
                counts = {"unchanged individual": len(unchanged), "removed individual": len(vanished)}
                tell(
                    report, writer.publish(Beside(removed=vanished, members=unchanged if cohort else (), counts=counts))
                )
                for kind, number in counts.items():
                    report.count(kind, number)
                admin.compact(dataset, terms.ancestors, who)
            else:
                report.outcome = f"There was nothing to load; dataset {dataset} was not changed."
    conclude(report, told.counts, total)
    return report


def fingerprint(items: Iterable[Document | Problem], settings: Iterable[str]) -> tuple[int, str]:
    """Return how many documents there are, and one hash of their contents and of how they would be loaded.

    It does not depend on file names: the same packets in a folder and in an archive of it are the same load.
    """
    digest = hashlib.sha256("\x1f".join(settings).encode())
    total = 0
    for item in items:
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
    if published.left_out:
        report.counts["withdrawn individual left out"] = published.left_out
    report.changed = published.changed
    report.outcome = f"Loaded into dataset {report.dataset}:"
    if not published.changed:
        report.outcome = f"Dataset {report.dataset} holds exactly this already; nothing was changed."


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for cycles less often meanwhile."""
    before = gc.get_threshold()
    gc.set_threshold(FEW_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def source_of(paths: Iterable[Path | str]) -> str:
    """Return what a load's files are called in its provenance: the same for the same paths, however they are given."""
    return ", ".join(sorted({str(Path(path).resolve()) for path in paths}))


def find_vanished(admin: Admin, source: str, report: Report, seen: Set[str], remove: bool) -> list[str]:
    """Report whom earlier loads of the same files brought and this one does not; return those who are to go.

    Nobody is to go where something of the input was set aside, for that may be what they were in.
    """
    earlier = admin.earlier(report.dataset, source, FORMAT)
    vanished = admin.vanished(report.dataset, (one["id"] for one in earlier), seen) if earlier else []
    goes = remove and not report.errors
    for id in vanished:
        message = f"The individual {id!r} came with an earlier load of {source} and is not in this one"
        hint = None if goes else "It stays; --remove-vanished removes it, if no document has an error."
        report.add(
            Problem(
                source, None, None, "record-vanished", Severity.WARNING,
                f"{message}{', so it was removed' if goes else ''}.", id, hint,
            )
        )  # fmt: skip
    return vanished if goes else []


@contextmanager
def stopping(report: Report) -> Iterator[None]:
    """End the block, and say so in the report, where there are too many errors."""
    try:
        yield
    except TooManyErrors:
        report.outcome = f"After {counted(report.errors, 'error')} nothing more was read; nothing was changed."


class Told:
    """What is told of documents as they are read: to the report and its reader, and in the end to whoever asks."""

    def __init__(self, report: Report, advance: Advance) -> None:
        self._report = report
        self._advance = advance
        self.seen: set[str] = set()
        """The id of every document that had one, set aside or not."""
        self.counts = Counts()

    def packets(self, batches: Iterable[Batch]) -> Iterator[list[Packet]]:
        """Pass packets on, some together. Raises ``TooManyErrors``."""
        for batch in batches:
            self._advance(batch.read)
            self.seen |= batch.seen
            self.counts = batch.counts
            for problem in batch.problems:
                self._report.add(problem)
            yield batch.packets


def conclude(report: Report, counts: Counts, total: int) -> None:
    """Add to a report what is known at the end of reading ``total`` documents."""
    if not total:
        hint = "Hand over .json, .jsonl or .zip files (.gz too), or a folder with such files."
        report.add(
            Problem(
                "the paths given", None, None, "nothing-found", Severity.ERROR, "No document was found.", None, hint
            )
        )
    if counts.duplicates:
        report.count("repeated document", counts.duplicates)
    if counts.set_aside:
        report.count("set-aside document", counts.set_aside)


def _write(
    admin: Admin, dataset: str, writer: SegmentWriter, batches: Iterable[list[Packet]], report: Report, version: str
) -> list[str]:
    """Write what is new or has changed; return the ids of those that the dataset holds already, as they are."""
    names = SampleNames()
    unchanged: list[str] = []
    withdrew = partial(admin.tombstones(dataset).reader(), "individual")
    for packets in batches:
        read = [_of_those_here(packet, withdrew) for packet in packets]
        held = admin.held(dataset, (packet.body["id"] for packet in read))
        batch = []
        for packet in read:
            digest = digest_of(packet, version)
            if held.get(packet.body["id"]) == digest:
                unchanged.append(packet.body["id"])
                report.count("individual")
            else:
                batch.append((packet, digest))
        writer.reserve("individual", (packet.body["id"] for packet, _ in batch))
        names.know(admin.owners(dataset, (id for packet, _ in batch for id in sample_ids(packet.body))))
        made = [(packet, digest, convert(packet.body, names.name, packet.group)) for packet, digest in batch]
        writer.reserve("biosample", (str(sample["id"]) for _, _, one in made for sample in one.samples))
        for packet, digest, one in made:
            writer.comes_from(_origin(packet, digest))
            writer.individual(one.individual, phenopacket=packet.text)
        for packet, digest, one in made:
            writer.comes_from(_origin(packet, digest))
            _write_others(writer, packet, one)
            for problem in renamed(packet, one, names):
                report.add(problem)
            report.count("individual")
            report.count("derived biosample", int(one.derived is not None))
            report.count("case", len(one.cases))
    return unchanged


def _of_those_here(packet: Packet, withdrew: Callable[[str], bool]) -> Packet:
    return replace(packet, group=without_gone(packet.group, withdrew)) if packet.group else packet


def version_of(terms: Ontologies) -> str:
    """Return the versions that a record's content depends on."""
    return f"{__version__} {terms.release}"


def digest_of(packet: Packet, version: str) -> bytes:
    """Return what changes with a packet's content, and with the versions that it is loaded by."""
    group = packet.group and [packet.group.kind, packet.group.body, packet.group.people]
    told = orjson.dumps(group, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(version.encode() + b"\x1f" + packet.content + told).digest()[:16]


def _origin(packet: Packet, digest: bytes) -> Origin:
    return Origin(packet.document.file, packet.document.line, digest)


def _write_others(writer: SegmentWriter, packet: Packet, one: Converted) -> None:
    """Write what belongs to an individual, who is written already."""
    if packet.group is not None and packet.group.kind == "cohort":
        writer.join(packet.group.id, one.id, cohort_info(packet.group))
    for sample in one.biosamples:
        writer.record("biosample", sample, individual=one.id)
    if one.derived is not None:
        writer.record("biosample", one.derived, individual=one.id, derived=True)
    for sample_id, case in one.cases:
        column = writer.column(one.id, sample_id)
        writer.case(case.allele, case.body, column, case.group, case.detail)


def renamed(packet: Packet, one: Converted, names: SampleNames) -> Iterator[Problem]:
    """Say which samples could not keep their id, because another person's sample has it.

    So it is also where a VCF came before the phenopacket that says whose its sample is: it made a person of the sample.
    """
    for index, (written, made) in enumerate(zip(packet.body.get("biosamples") or (), one.biosamples, strict=True)):
        if written["id"] != made["id"]:
            owner = names.owner(written["id"])
            yield packet.document.problem(
                "biosample-id-taken",
                f"Individual {owner!r} has a sample {written['id']!r} already; this one is called {made['id']!r}.",
                severity=Severity.WARNING,
                pointer=f"/biosamples/{index}/id",
                value=written["id"],
                hint=f"Where both are one sample, delete {one.id!r} and {owner!r}, load this phenopacket again, and "
                "then what the sample came with: a VCF makes people of samples that are nobody's yet.",
            )
