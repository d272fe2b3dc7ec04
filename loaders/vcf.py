"""Loading a VCF or BCF: its samples, and every ALT of every record with its calls, published at once or not at all."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from beacon import __version__
from beacon.errors import LoadError
from beacon.model import genome
from beacon.store.admin import Admin
from beacon.store.base import Came
from beacon.store.loading import Beside, LoadInfo, Origin
from beacon.store.writer import SegmentWriter
from loaders.mapping import SEXES, UNKNOWN
from loaders.pipeline import stopping, tell
from loaders.report import Advance, Problem, Progress, Report, Severity, Share
from loaders.sources import printable
from loaders.there import There
from loaders.vcf_again import FORMAT, Earlier, Read, corrected, named, others_left
from loaders.vcf_header import (
    Header,
    HeaderError,
    decide_assembly,
    lengths_contradict,
    parse_header,
    told_assembly,
)
from loaders.vcf_lines import Damaged, numbered_lines, region_lines
from loaders.vcf_normal import REACH, Sequences
from loaders.vcf_normal import opened as open_sequences
from loaders.vcf_order import in_order
from loaders.vcf_parallel import reading
from loaders.vcf_records import Outcome, Record, RecordReader, without_blank_end
from loaders.vcf_samples import Known, SampleRules, match
from loaders.words import plural
from loaders.workers import Workers

STEP = 200
"""Records between two signs of progress."""

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a VCF is read: its ``assembly`` where it does not tell, a ``fasta`` of it, ``regions`` of an indexed file
    (as in ``region_lines``), whose its samples are, and the processes that help to read it.
    """

    assembly: str | None = None
    fasta: Path | None = None
    regions: tuple[str, ...] = ()
    samples: SampleRules = field(default_factory=SampleRules)
    workers: Workers | None = None


def load_vcf(
    admin: Admin,
    path: Path,
    dataset: str,
    *,
    assembly: str | None = None,
    manner: Manner | None = None,
    cohort: str | None = None,
    progress: Progress | None = None,
    who: str = "",
    report: Report | None = None,
    replaces: Sequence[str] = (),
    keep_earlier: bool = False,
    remove_vanished: bool = False,
) -> Report:
    """Load a VCF (plain, gzip, bgzip) or BCF into a dataset and report.

    A file that has the name (and regions) of an earlier one and a chromosome in common with it is that file, corrected:
    its calls take the place of that one's calls of the same samples, and of those of the loads that ``replaces`` names.
    With ``keep_earlier`` it adds to them, and what comes as a stream, which has no name, always does. What goes is
    reported, and samples that it has no more, which are removed with ``remove_vanished``.

    A record with an error is set aside and the rest is loaded. A file whose header cannot be understood, that is not
    sorted or that was cut short is refused, and so is one with more errors than ``report`` allows: nothing changes
    then. A file that the dataset holds already changes nothing either, save that its people join the ``cohort``. Raises
    ``LoadError`` where there is no such file, dataset or load of a VCF to replace, or where the assembly is not
    certain, and ``StoreUnavailable``.
    """
    admin.home(dataset)
    given = named(admin, dataset, replaces)
    progress = progress or Progress(quiet=True)
    report = report or Report()
    report.dataset = dataset
    manner = manner or Manner(assembly)
    original = path
    with stopping(report), _refusing(report), handed_over(path) as path, _sequences(manner) as sequences:
        digest, share = _digest(path), Share()
        reader, lines = begin(path, manner, sequences, report, share)
        header = reader.header
        sha256 = _identity(digest, manner, sequences, reader)
        source = _source(path, manner)
        now = datetime.now(UTC)
        load = LoadInfo(source, sha256, FORMAT, f"skerry {__version__}", now, who, reader.assembly, cohort)
        held = admin.loaded(dataset, sha256, FORMAT)
        by_name = not keep_earlier and not is_stream(original)
        vanished = by_name and remove_vanished and others_left(admin, dataset, source, header.samples, held)
        if held is not None and not vanished and not _others(given, held):
            report.outcome = f"Dataset {dataset} holds this file already; nothing was changed."
            if cohort is not None and _join(admin, dataset, load, header):
                report.outcome = f"Dataset {dataset} holds this file already; its people joined the cohort {cohort}."
                report.changed = True
            return report
        people, _ = _whose(admin, dataset, header, manner.samples, _name(path), report)
        outcomes = _reading(reader, lines, manner, path)
        with admin.begin(dataset, load, _no_ancestors) as writer:
            add_samples(writer, header, load, people)
            with progress.task(f"Loading {_name(path)} into {dataset}", share=share) as advance:
                found = records(reader, outcomes, report, advance)
                for site in in_order(found, len(header.samples), _name(path), report, reach_of(sequences)):
                    writer.allele(site.allele, site.spelled, site.calls, Came(site.line))
            if report.errors and report.counts.get("set-aside record") == report.counts["record"]:
                report.outcome = f"No record of the file can be used; dataset {dataset} was not changed."
                return report
            file = Read(source, header.samples, writer.chromosomes, held)
            goes = corrected(admin, file, report, given, by_name=by_name, entirely=remove_vanished)
            if header.samples or writer.chromosomes:
                tell(report, writer.publish(Beside(supersedes=goes, entirely=remove_vanished)))
            else:
                report.outcome = f"The file has neither samples nor variants; dataset {dataset} was not changed."
    return report


def _others(given: Iterable[Earlier], held: str) -> bool:
    """Whether a file that is held as a load has others to replace."""
    return any(one.shown and one.id != held for one in given)


def _join(admin: Admin, dataset: str, load: LoadInfo, header: Header) -> bool:
    """Let the people of a file that is held join the load's cohort; return whether that changes anything."""
    people = sorted(set(admin.owners(dataset, header.samples).values()))
    with admin.begin(dataset, load, _no_ancestors) as writer:
        return writer.publish(Beside(members=people)).changed


def check_vcf(
    path: Path,
    *,
    assembly: str | None = None,
    manner: Manner | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    admin: Admin | None = None,
    dataset: str | None = None,
    replaces: Sequence[str] = (),
    keep_earlier: bool = False,
    remove_vanished: bool = False,
    cohort: str | None = None,
) -> Report:
    """Read a VCF or BCF as ``load_vcf`` does, but into no dataset, and report. Raises ``LoadError`` as it does.

    With a ``dataset`` of ``admin`` the report also has what its load there would report, and who is new to it.
    """
    progress = progress or Progress(quiet=True)
    report = report or Report()
    manner = manner or Manner(assembly)
    there = None if admin is None or dataset is None else There.of(admin, dataset, report)
    given = [] if there is None else named(there.admin, there.id, replaces)
    original = path
    with stopping(report), _refusing(report), handed_over(path) as path, _sequences(manner) as sequences:
        digest, share = _digest(path), Share()
        reader, lines = begin(path, manner, sequences, report, share)
        header, chromosomes = reader.header, set[str]()
        report.count("sample", len(header.samples))
        if there is not None:
            people, known = _whose(there.admin, there.id, header, manner.samples, _name(path), report)
            _count_people(people, known, header, report)
        outcomes = _reading(reader, lines, manner, path)
        with progress.task(f"Checking {_name(path)}", share=share) as advance:
            found = records(reader, outcomes, report, advance)
            for site in in_order(found, len(header.samples), _name(path), report, reach_of(sequences)):
                chromosomes.add(site.allele.chrom)
                report.count("genomicVariant")
        report.outcome = f"Checked {_name(path)}; nothing was changed."
        if there is not None:
            sha256 = _identity(digest, manner, sequences, reader)
            report.outcome = there.outcome(sha256, FORMAT, f"Checked {_name(path)}.")
            held, source = there.admin.loaded(there.id, sha256, FORMAT), _source(path, manner)
            by_name = not keep_earlier and not is_stream(original)
            vanished = by_name and remove_vanished and others_left(there.admin, there.id, source, header.samples, held)
            if held is None or vanished or _others(given, held):
                file = Read(source, header.samples, chromosomes, held)
                goes = corrected(
                    there.admin, file, report, given, by_name=by_name, entirely=remove_vanished, done=False
                )
                report.count("earlier load that it would replace", len(goes - {held}))
                report.outcome = f"Checked {_name(path)}. Nothing was changed."
            elif cohort is not None:
                report.outcome += f" Its people would be members of the cohort {cohort}."
    return report


def _name(path: Path) -> str:
    return printable(path.name)


def _source(path: Path, manner: Manner) -> str:
    return f"{_name(path)} ({', '.join(manner.regions)})" if manner.regions else _name(path)


def begin(
    path: Path, manner: Manner, sequences: Sequences | None, report: Report, share: Share | None = None
) -> tuple[RecordReader, Iterator[tuple[int, bytes]]]:
    """Read a file's header; return what reads its records, and the lines that they are in.

    Raises ``Damaged`` where the header cannot be understood, ``LoadError`` where the assembly is not certain.
    """
    lines = region_lines(path, manner.regions) if manner.regions else numbered_lines(path, share)
    try:
        header = parse_header(lines)
    except HeaderError as error:
        problem = Problem(_name(path), error.line, None, "vcf-header", Severity.ERROR, error.message, None, error.hint)
        raise Damaged(problem) from error
    lines, first = _peeked(lines)
    chosen = decide_assembly(header, manner.assembly, first)
    _compare_contigs(header, chosen, _name(path), report)
    return RecordReader.build(header, chosen, _name(path), sequences), lines


def _peeked(lines: Iterator[tuple[int, bytes]]) -> tuple[Iterator[tuple[int, bytes]], str]:
    """Return lines of records, none of them missing, and the contig of the first one, "" where there is none."""
    first = list(islice(lines, 1))
    contig = first[0][1].partition(b"\t")[0] if first else b""
    return chain(first, lines), contig.decode(errors="replace")


def is_stream(path: Path) -> bool:
    """Whether a path is no file that can be read twice, but standard input, a pipe or a device. It has no name then."""
    of_process = path.parts[:3] in (("/", "dev", "stdin"), ("/", "dev", "fd"))
    return path == STANDARD_INPUT or of_process or path.is_fifo() or path.is_char_device()


@contextmanager
def handed_over(path: Path) -> Iterator[Path]:
    """Yield the file itself; what comes as a stream is put into a file first, which is removed at the end.

    A file can be hashed before it is loaded, looked into for its kind, and read again; a stream cannot. Raises
    ``LoadError`` where there is no room for it.
    """
    if not is_stream(path):
        yield path
        return
    with ExitStack() as held:
        try:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="skerry-stdin-"))
            kept = Path(folder) / ("standard-input" if path == STANDARD_INPUT else "pipe")
            with kept.open("wb") as file, _opened(path) as stream:
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            raise LoadError(
                f"{path} cannot be read into a temporary file ({error.strerror or error}); TMPDIR says where that is",
                where=str(path),
            ) from error
        yield kept


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb")


def _sequences(manner: Manner) -> AbstractContextManager[Sequences | None]:
    return nullcontext() if manner.fasta is None else open_sequences(manner.fasta)


def reach_of(sequences: Sequences | None) -> int:
    """Return how far left of its record an allele may come to lie."""
    return REACH if sequences is not None else 0


def _identity(digest: str, manner: Manner, sequences: Sequences | None, reader: RecordReader) -> str:
    """Return what tells this load from others: the file's hash, and, where it is read in a special way, that too."""
    stated = "" if reader.assembly == told_assembly(reader.header) else reader.assembly
    special = (sequences.digest if sequences is not None else "", *manner.regions, *manner.samples.settings, stated)
    return hashlib.sha256("\x1f".join((digest, *special)).encode()).hexdigest() if any(special) else digest


def _whose(
    admin: Admin, dataset: str, header: Header, rules: SampleRules, file: str, report: Report
) -> tuple[list[str], Known]:
    """Return the individual of each sample, and what the dataset knows; report what does not go together.

    Raises ``Damaged``.
    """
    is_gone = admin.tombstones(dataset).reader()
    said = {sample: rules.individual(sample) or sample for sample in header.samples}
    # A person made of a sample mostly has its name.
    owners = admin.owners(dataset, {*said, *said.values()})
    wanted = {sample: owners.get(sample, person) for sample, person in said.items()}
    described = admin.individuals(dataset, wanted.values())
    gone = {one for one, person in wanted.items() if is_gone("individual", person) or is_gone("biosample", one)}
    known = Known(owners, described, gone, bool(described) or _peopled(admin, dataset))
    people, problems = match(header.samples, rules, known, file)
    for problem in problems:
        if problem.severity is Severity.ERROR:
            raise Damaged(problem)
        report.add(problem)
    return people, known


def _peopled(admin: Admin, dataset: str) -> bool:
    """Whether a dataset has anybody of whom more is known than samples: such people do not come with VCFs."""
    loads = [one.id for one in admin.loads(dataset) if one.format != FORMAT and one.counts.get("individual")]
    return bool(loads and admin.vanished(dataset, loads, frozenset()))


def _count_people(people: Sequence[str], known: Known, header: Header, report: Report) -> None:
    """Count who would be new to a dataset, who is there already, and who would be left out as withdrawn."""
    withdrawn = {person for sample, person in zip(header.samples, people, strict=True) if sample in known.withdrawn}
    others = set(people) - withdrawn
    there = others & {*known.described, *known.owners.values()}
    report.count("new individual", len(others - there))
    report.count("known individual", len(there))
    report.count("withdrawn individual left out", len(withdrawn))


@contextmanager
def _refusing(report: Report) -> Iterator[None]:
    """End the block, and say so in the report, where the file cannot be read on."""
    try:
        yield
    except Damaged as error:
        report.outcome = "The file is refused; nothing was changed."
        report.add(replace(error.problem, file=printable(error.problem.file)))


def _no_ancestors(term: str) -> tuple[str, ...]:
    """Samples of a VCF are described by single terms that stand under no other here."""
    del term
    return ()


def _reading(reader: RecordReader, lines: Iterator[tuple[int, bytes]], manner: Manner, path: Path) -> Iterator[Outcome]:
    return reading(reader, lines, manner.workers, manner.fasta, None if manner.regions else path)


def records(reader: RecordReader, outcomes: Iterable[Outcome], report: Report, advance: Advance) -> Iterator[Record]:
    """Yield the records that lines are; one that is wrong goes into the report and is left out.

    Raises ``Damaged`` and ``TooManyErrors``.
    """
    since = 0
    contigs: dict[str, str] = {}
    try:
        for outcome in without_blank_end(outcomes):
            report.count("record")
            since += 1
            if since == STEP:
                advance(since)
                since = 0
            if isinstance(outcome, Problem):
                report.count("set-aside record")
                report.add(outcome)
                continue
            contigs[outcome.contig] = outcome.chrom
            if not outcome.sites:
                report.count("record of the reference alone")
            for doubt in outcome.doubts:
                report.add(doubt)
            yield outcome
    finally:
        advance(since)
    for contig, chrom in contigs.items():
        if reader.sequences is not None and reader.sequences.length(chrom) is None:
            message = f"The FASTA has no sequence of {contig}: indels there are trimmed only, and REFs not compared."
            report.add(Problem(reader.file, None, "CHROM", "vcf-no-sequence", Severity.WARNING, message, contig))


def add_samples(writer: SegmentWriter, header: Header, load: LoadInfo, people: Sequence[str]) -> None:
    """Add the file's samples: each a biosample, a run and an analysis of the person whose sample that is.

    ``people`` are their individuals, who are made, marked as derived, where there are none. Columns are numbered like
    the header's samples.
    """
    writer.reserve("individual", people)
    writer.reserve("biosample", header.samples)
    writer.comes_from(Origin(load.source))
    day = header.date or load.time.date().isoformat()
    origin = {"file": load.source, "dateFrom": "fileDate" if header.date else "load"}
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", re.sub(r"(\.vcf|\.bcf)?(\.gz|\.bgz)?$", "", load.source))
    pipeline = ", ".join(header.sources) or "unknown"
    derived = {"sex": SEXES["UNKNOWN_SEX"], "info": {"derived": True}}
    for number, (sample, person) in enumerate(zip(header.samples, people, strict=True)):
        of = {"individualId": person, "biosampleId": sample}
        # The same people may come in many files, so a run's id names the file, and its contents too.
        run, analysis = (f"{sample}:{kind}:{stem}:{load.sha256[:8]}" for kind in ("run", "analysis"))
        writer.individual({"id": person} | derived, derived=True)
        writer.record("biosample", _biosample(sample, person, load.source), individual=person, derived=True)
        writer.record("run", {"id": run, **of, "runDate": day, "info": origin}, individual=person)
        writer.record(
            "analysis",
            {"id": analysis, "runId": run, **of, "analysisDate": day, "pipelineName": pipeline, "info": origin},
            individual=person,
        )
        column = writer.column(person, sample, run, analysis)
        assert column == number, "a new segment numbers its columns from 0"


def _biosample(id: str, person: str, file: str) -> dict[str, object]:
    return {
        "id": id,
        "individualId": person,
        "biosampleStatus": UNKNOWN,
        "sampleOriginType": UNKNOWN,
        "info": {"file": file},
    }


def _compare_contigs(header: Header, assembly: str, file: str, report: Report) -> None:
    """Warn of contigs that have another length than in the assembly that was decided on, or only that of a chromosome.

    Names that are not understood are kept as they are: so nobody who asks for the chromosome would find their variants.
    """
    by_length = {length: chrom for chrom, length in genome.ASSEMBLIES[assembly].lengths.items()}
    for contig in header.contigs.values():
        where = f"contig {contig.name}"
        if contig.length and lengths_contradict([(contig.name, contig.length)], assembly):
            bases = plural("base", contig.length)
            message = f"The header gives {contig.name} {contig.length} {bases}, which is not its length in {assembly}."
            report.add(Problem(file, None, where, "vcf-contig-length", Severity.WARNING, message, contig.length))
        chrom = by_length.get(contig.length or 0)
        if chrom is not None and header.chromosome(contig.name) not in genome.CHROMOSOMES:
            message = f"{contig.name} has as many bases as chromosome {chrom} of {assembly}, but is no name of it."
            hint = f"No question about chromosome {chrom} finds its variants; if it is that one, rename it."
            report.add(Problem(file, None, where, "vcf-contig-unknown", Severity.WARNING, message, contig.name, hint))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror or error}", where=str(path)) from error
