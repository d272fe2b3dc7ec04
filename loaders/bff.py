"""Loading Beacon files (BFF): individuals, biosamples, runs, analyses, cohorts, and variants with their carriers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from beacon import __version__
from beacon.errors import LoadError
from beacon.model import genome
from beacon.model.variant import FORM
from beacon.store.admin import Admin
from beacon.store.loading import Beside, LoadInfo, Origin
from beacon.store.publish import Saying
from loaders import bff_shapes
from loaders.bff_again import FORMAT, Now, find_earlier, ids_of, others_left
from loaders.bff_cases import OutOfOrder, Variants
from loaders.bff_collections import Collections, Members
from loaders.bff_files import TARGETS, Entry, Files, digest, find
from loaders.bff_fitting import Fitting
from loaders.bff_shapes import UNKNOWN
from loaders.bff_variants import extension
from loaders.bff_writers import Nowhere, Writer
from loaders.elements import Json
from loaders.mapping import SEXES
from loaders.pipeline import source_of, stopping, tell
from loaders.report import Advance, Problem, Progress, Report, Severity
from loaders.shapes import Shape
from loaders.terms import site_ontologies
from loaders.there import There

BATCH = 500
_AT_ONCE = 10_000
"""Samples whose owners are asked for together."""
_JOINED = "|"
"""What some files write between the samples of a run of many."""


class Refused(Exception):
    """Nothing may be loaded; the argument says why."""


def load_bff(
    admin: Admin,
    paths: Sequence[Path | str],
    dataset: str,
    *,
    assembly: str | None = None,
    cohort: str | None = None,
    progress: Progress | None = None,
    who: str = "",
    report: Report | None = None,
    remove_vanished: bool = False,
) -> Report:
    """Load Beacon files (files, or folders of them) into a dataset and report; all becomes visible at once.

    Records with errors are set aside and the rest is loaded; a file that cannot be read to its end refuses the load.
    What came with an earlier load of the same files and is in them no more is reported, and people who are not are
    removed with ``remove_vanished``.
    ``assembly`` is that of variants which do not tell theirs. Raises ``LoadError`` where there is no such dataset or
    assembly, and ``StoreUnavailable``.
    """
    admin.dataset(dataset)
    progress, report = progress or Progress(quiet=True), report or Report()
    report.dataset = dataset
    stated = _assembly(assembly)
    terms = site_ontologies(admin)
    with stopping(report), _refusing(report):
        files = _found(paths, report)
        sha256 = _identity(files, terms.release, cohort, stated)
        held = admin.loaded(dataset, sha256, FORMAT)
        if held is not None and not (remove_vanished and others_left(admin, dataset, source_of(paths), files, held)):
            report.outcome = f"Dataset {dataset} holds exactly this already; nothing was changed."
            return report
        load = LoadInfo(
            source_of(paths), sha256, FORMAT, f"skerry {__version__}", datetime.now(UTC),
            who, stated, cohort, terms.versions,
        )  # fmt: skip
        with (
            admin.begin(dataset, load, terms.ancestors) as writer,
            progress.task(f"Loading into {dataset}") as advance,
        ):
            loading = _Loading(files, writer, partial(admin.owners, dataset), report, advance, stated)
            loading.run()
            earlier = find_earlier(admin, dataset, source_of(paths), files, writer.chromosomes)
            gone = earlier.tell(admin, report, loading.now, remove=remove_vanished, done="were removed")
            sayings = loading.sayings(admin, dataset, gone)
            if loading.anything or gone:
                terms.store(admin)
                change = Beside(
                    gone, counts={"removed individual": len(gone)}, sayings=sayings, by_record=True,
                    corrects=ids_of(earlier.corrected), supersedes=ids_of(earlier.amended),
                )  # fmt: skip
                tell(report, writer.publish(change))
                report.count("removed individual", len(gone))
        if loading.anything or gone:
            return report
        if sayings:
            admin.say(dataset, sayings)
            report.outcome = f"Dataset {dataset} has what the files say of it and of its cohorts."
        else:
            report.outcome = f"There was nothing to load; dataset {dataset} was not changed."
    return report


def check_bff(
    paths: Sequence[Path | str],
    *,
    assembly: str | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
    admin: Admin | None = None,
    dataset: str | None = None,
    cohort: str | None = None,
    remove_vanished: bool = False,
) -> Report:
    """Read Beacon files as ``load_bff`` does, but into no dataset, and report. Raises ``LoadError`` as it does.

    With a ``dataset`` of ``admin`` the report also has what their load there would report, and who is new to it.
    """
    progress, report = progress or Progress(quiet=True), report or Report()
    stated = _assembly(assembly)
    there = None if admin is None or dataset is None else There.of(admin, dataset, report)
    with stopping(report), _refusing(report), progress.task("Checking") as advance:
        files, nowhere = _found(paths, report), Nowhere(report)
        known: Known = (lambda _: {}) if there is None else partial(there.admin.owners, there.id)
        loading = _Loading(files, nowhere, known, report, advance, stated)
        loading.run()
        loading.sayings(None, "", ())
        if there is None:
            report.outcome = "Checked; nothing was changed."
        else:
            there.count_people(nowhere.people, report, "replaced")
            earlier = find_earlier(there.admin, there.id, source_of(paths), files, nowhere.chromosomes)
            gone = earlier.tell(there.admin, report, loading.now, remove=remove_vanished, done="would be removed")
            report.count("removed individual", len(gone))
            sha256 = _identity(files, site_ontologies(there.admin).release, cohort, stated)
            report.outcome = "Checked. Nothing was changed." if gone else there.outcome(sha256, FORMAT, "Checked.")
    return report


def _identity(files: Files, release: str, cohort: str | None, assembly: str | None) -> str:
    """Return what tells this load from others: the contents of the files, and by what they are read."""
    return digest(files, (__version__, release, cohort or "", assembly or ""))


def _assembly(name: str | None) -> str | None:
    stated = genome.assembly_name(name) if name else None
    if name and stated is None:
        known = ", ".join(genome.ASSEMBLIES)
        raise LoadError(f"{name!r} is no assembly known here; --assembly takes {known}", where="--assembly")
    return stated


def _found(paths: Sequence[Path | str], report: Report) -> Files:
    files, problems = find(paths)
    for problem in problems:
        report.add(problem)
    return files


@contextmanager
def _refusing(report: Report) -> Iterator[None]:
    """End the block, and say so in the report, where nothing may be loaded."""
    try:
        yield
    except Refused as error:
        report.outcome = f"{error}; nothing was changed."


Known = Callable[[Iterable[str]], Mapping[str, str]]
"""Whose these samples are in a dataset already."""


@dataclass(slots=True)
class _Loading:
    """One load under way.

    ``known`` tells whose samples are in the dataset already, and ``owners`` keeps what it told; ``told`` is whose the
    files say they are: as their own records have it, else as whatever is read first. ``runners`` are the samples of
    runs. ``seen`` are the people whom the files have, set aside or not, ``called`` the samples with genotypes.
    """

    files: Files
    writer: Writer
    known: Known
    report: Report
    advance: Advance
    assembly: str | None
    owners: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    targets: list[Entry] = field(default_factory=list)
    individuals: set[str] = field(default_factory=set)
    biosamples: set[str] = field(default_factory=set)
    runs: dict[str, list[str]] = field(default_factory=dict)
    analyses: dict[str, list[str]] = field(default_factory=dict)
    runners: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    fitting: Fitting = field(init=False)
    collections: Collections = field(init=False)

    def __post_init__(self) -> None:
        self.fitting = Fitting(self.report)

    @property
    def anything(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self.individuals or self.report.counts.get("variant record"))

    @property
    def now(self) -> Now:
        """What the files have, once all were read."""
        return Now(self.seen, self.individuals, self.fitting.seen.keys() | self.fitting.misfits, self.called)

    def run(self) -> None:
        """Read all files and write all records. Raises ``Refused``."""
        variants = Variants(self.files, self.assembly, self.report, self.advance, self._read)
        self.targets = list(self._targets())
        kept = extension(self.targets[-1].body) if self.targets else {}
        variants.survey(exported=kept.get("inOrder") is True and kept.get("form") == FORM)
        self._hear(variants)
        for batch in self._batches("individual"):
            self._individuals(batch)
        for batch in self._batches("biosample"):
            self._biosamples(batch)
        for kind, shape in (("run", bff_shapes.RUN), ("analysis", bff_shapes.ANALYSIS)):
            for batch in self._batches(kind):
                self._made_of_samples(kind, shape, batch)
        columns = self._columns(variants)
        self.collections = Collections.read(self._read, self.fitting)
        try:
            variants.write(self.writer, columns)
        except OutOfOrder:
            message = "The variants of an export are not in the order in which they were written."
            place = str(self.files.by_kind["genomicVariant"][0])
            hint = "Export the dataset again."
            self.report.add(Problem(place, None, None, "bff-extension", Severity.ERROR, message, None, hint))
            raise Refused("A file cannot be used") from None

    def sayings(self, admin: Admin | None, dataset: str, gone: Iterable[str]) -> list[Saying]:
        """Return what cohorts and datasets of the files say, without those who are to go; see ``Collections``."""
        return self.collections.sayings(admin, dataset, Members(self.individuals, frozenset(gone), self._whose))

    def _read(self, kind: str) -> Iterator[Entry]:
        for item in self.files.entries(kind):
            if isinstance(item, Problem):
                self.report.add(item)
                if item.rule != "bff-record":
                    raise Refused("A file cannot be read to its end")
                continue
            self.advance(1)
            yield item

    def _batches(self, kind: str) -> Iterator[list[Entry]]:
        entries = self._read(kind)
        while batch := list(islice(entries, BATCH)):
            yield batch

    def _individuals(self, batch: list[Entry]) -> None:
        self.seen |= {id for one in batch if isinstance(id := one.body.get("id"), str)}
        made = [
            (one, found) for one in batch if (found := self.fitting.fitted("individual", bff_shapes.INDIVIDUAL, one))
        ]
        self.writer.reserve("individual", (body["id"] for _, body in made))
        for entry, body in made:
            kept = extension(entry.body)
            packet = kept.get("phenopacket")
            self.individuals.add(body["id"])
            derived = isinstance(body.get("info"), dict) and body["info"].get("derived") is True
            self._comes_from(entry)
            self.writer.individual(body, derived=derived, phenopacket=orjson.dumps(packet) if packet else None)

    def _comes_from(self, entry: Entry) -> None:
        self.writer.comes_from(Origin(Path(entry.file).name, entry.line))

    def _biosamples(self, batch: list[Entry]) -> None:
        made = [(one, found) for one in batch if (found := self.fitting.fitted("biosample", bff_shapes.BIOSAMPLE, one))]
        self._know(body["id"] for _, body in made)
        made = [(one, body) for one, body in made if not self._taken(one, body["id"], body.get("individualId"))]
        for entry, body in made:
            if not body.get("individualId"):
                body["individualId"] = self._owner(body["id"])
                message = f"The sample names no individual; it is taken as one of {body['individualId']!r}."
                self.fitting.warn(entry, "bff-sample-owner", message, "/individualId")
        self._people(body["individualId"] for _, body in made)
        self.writer.reserve("biosample", (body["id"] for _, body in made))
        for entry, body in made:
            self.biosamples.add(body["id"])
            self._comes_from(entry)
            derived = isinstance(body.get("info"), dict) and body["info"].get("derived") is True
            self.writer.record("biosample", body, individual=body["individualId"], derived=derived)

    def _made_of_samples(self, kind: str, shape: Shape, batch: list[Entry]) -> None:
        """Add runs or analyses. One that names several samples is one of each of them."""
        made = [
            (part, body)
            for entry in batch
            for part in self._parts(kind, entry)
            if (body := self._owned(kind, shape, part))
        ]
        self._know(body["biosampleId"] for _, body in made if "biosampleId" in body)
        made = [
            (entry, body)
            for entry, body in made
            if "biosampleId" not in body or not self._taken(entry, body["biosampleId"], body.get("individualId"))
        ]
        self._samples([body["biosampleId"] for _, body in made if "biosampleId" in body])
        self._people(body["individualId"] for _, body in made if "biosampleId" not in body)
        for entry, body in made:
            self._comes_from(entry)
            sample = body.get("biosampleId")
            person = body["individualId"] = self._owner(sample) if sample else body["individualId"]
            self.writer.record(kind, body, individual=person)
            if sample:
                (self.runs if kind == "run" else self.analyses).setdefault(sample, []).append(body["id"])
                if kind == "run":
                    self.runners[body["id"]] = sample

    def _parts(self, kind: str, entry: Entry) -> Iterator[Entry]:
        parts = list(_split(entry.body))
        if len(parts) > 1:
            message = f"The {kind} is of {len(parts)} samples; it is loaded as one of each of them."
            self.fitting.warn(entry, "bff-of-many", message, "/biosampleId")
        return (Entry(entry.file, entry.line, entry.pointer, part) for part in parts)

    def _owned(self, kind: str, shape: Shape, entry: Entry) -> Json | None:
        """Return a run or an analysis that is somebody's, else None, told of."""
        body = self.fitting.fitted(kind, shape, entry)
        if body is None:
            return None
        for name in ("biosampleId", "individualId"):
            if not body.get(name):
                body.pop(name, None)
        if "biosampleId" not in body and body.get("runId") in self.runners:
            body["biosampleId"] = self.runners[body["runId"]]
        if "biosampleId" not in body and "individualId" not in body:
            message = f"The {kind} is of no sample and no individual, so that nobody could be found by it."
            self.fitting.set_aside(entry, "bff-of-nobody", message, "", "Give it a biosampleId or an individualId.")
            return None
        return body

    def _columns(self, variants: Variants) -> dict[tuple[str, str | None, str | None], int]:
        """Give every sample of the variants a column; return them by sample, run and analysis. Raises ``Refused``.

        A sample that has one run in these files is taken as genotyped by it, and so with analyses. Genotypes of
        somebody else's sample refuse the load, as in a VCF: nobody knows whom they are to be shown with.
        """
        listed = list(self._targeted())
        targeted = {sample for _, sample, _, _, _ in listed}
        listed += [
            (entry, sample, person, _only(self.runs.get(sample)), _only(self.analyses.get(sample)))
            for sample, claims in variants.samples.items()
            if sample not in targeted
            for person, entry in claims.items()
        ]
        self._know(sample for _, sample, _, _, _ in listed)
        if [sample for entry, sample, person, _, _ in listed if self._taken(entry, sample, person, "")]:
            raise Refused("Genotypes are given to people whose samples they are not of")
        self._samples([sample for _, sample, _, _, _ in listed])
        self.called = {sample for _, sample, _, _, _ in listed}
        return {
            (sample, run, analysis): self.writer.column(self._owner(sample), sample, run, analysis)
            for _, sample, _, run, analysis in listed
        }

    def _targets(self) -> Iterator[Entry]:
        """Read the file of targets."""
        for entry in self._read(TARGETS):
            samples = entry.body.get("biosampleIds")
            if isinstance(samples, list) and all(isinstance(one, str) and one for one in samples):
                yield entry
            else:
                self.fitting.set_aside(entry, "bff-targets", "The list of samples is missing.", "/biosampleIds")

    def _targeted(self) -> Iterator[tuple[Entry, str, str | None, str | None, str | None]]:
        """Yield (entry, sample, individual, run, analysis) in the order of the file of targets."""
        for entry in self.targets:
            kept = extension(entry.body)
            for index, sample in enumerate(entry.body["biosampleIds"]):
                person, run, analysis = (
                    _at(kept.get(name), index) for name in ("individualIds", "runIds", "analysisIds")
                )
                if not kept:
                    run, analysis = _only(self.runs.get(sample)), _only(self.analyses.get(sample))
                yield entry, sample, person, run, analysis

    def _hear(self, variants: Variants) -> None:
        """Learn whose samples are by the files, whatever the order in which they say so."""
        for kind, name in (("biosample", "id"), ("run", "biosampleId"), ("analysis", "biosampleId")):
            for entry in self.files.entries(kind):
                for part in _split(entry.body) if isinstance(entry, Entry) else ():
                    sample, person = part.get(name), part.get("individualId")
                    if isinstance(sample, str) and isinstance(person, str) and person:
                        self.told.setdefault(sample, person)
        for _, sample, told, _, _ in self._targeted():
            if told:
                self.told.setdefault(sample, told)
        for sample, claims in variants.samples.items():
            for claimed in filter(None, claims):
                self.told.setdefault(sample, claimed)

    def _know(self, samples: Iterable[str]) -> None:
        """Learn whose these samples are in the dataset already."""
        new = iter([sample for sample in dict.fromkeys(samples) if sample not in self.owners])
        while some := list(islice(new, _AT_ONCE)):
            self.owners |= self.known(some)

    def _owner(self, sample: str) -> str:
        """Return whose a sample is: as the dataset has it, as the files have it, else the person of its own name."""
        return self.owners.get(sample) or self.told.get(sample) or sample

    def _whose(self, samples: Iterable[str]) -> Mapping[str, str]:
        wanted = list(samples)
        self._know(wanted)
        return {sample: self._owner(sample) for sample in wanted}

    def _taken(self, entry: Entry, sample: str, person: str | None, pointer: str = "/individualId") -> bool:
        """Whether a record gives a sample to somebody else than it is of; it is set aside then.

        One that names nobody means whom the files name elsewhere.
        """
        owner, person = self._owner(sample), person or self.told.get(sample)
        if person in (None, owner):
            return False
        message = f"The sample {sample!r} is one of {owner!r}, so it cannot be one of {person!r} too."
        hint = "Correct what is wrong of the two."
        if sample in self.owners:
            message = f"The sample {sample!r} is one of {owner!r} in the dataset, with all that came of it."
            hint = (
                f"Delete {owner!r} and {person!r}, load the individuals and biosamples first, and then what has calls "
                "of the sample: a file of calls makes people of samples that are nobody's yet."
            )
        self.fitting.set_aside(entry, "bff-sample-taken", message, pointer, hint, person)
        return True

    def _samples(self, samples: Sequence[str]) -> None:
        """Make sure that these samples exist, and the people that they are of."""
        self._people(map(self._owner, samples))
        new = [sample for sample in dict.fromkeys(samples) if sample not in self.biosamples]
        self.writer.reserve("biosample", new)
        for sample in new:
            self.biosamples.add(sample)
            self.report.count("derived biosample")
            made = {
                "id": sample, "individualId": self._owner(sample), "biosampleStatus": dict(UNKNOWN),
                "sampleOriginType": dict(UNKNOWN), "info": {"derived": True},
            }  # fmt: skip
            self.writer.record("biosample", made, individual=self._owner(sample), derived=True)

    def _people(self, ids: Iterable[str]) -> None:
        """Make sure that these people exist."""
        new = [id for id in dict.fromkeys(ids) if id not in self.individuals]
        self.writer.reserve("individual", new)
        for id in new:
            self.individuals.add(id)
            self.report.count("derived individual")
            self.writer.individual(
                {"id": id, "sex": dict(SEXES["UNKNOWN_SEX"]), "info": {"derived": True}}, derived=True
            )


def _split(record: Json) -> Iterator[Json]:
    """Yield a record once per sample; ids of more than one are told apart by the sample's."""
    sample, person = record.get("biosampleId"), record.get("individualId")
    samples = sample.split(_JOINED) if isinstance(sample, str) else [sample]
    people = person.split(_JOINED) if isinstance(person, str) else [person]
    if len(samples) == 1:
        yield record
        return
    if len(people) != len(samples):
        people = [None] * len(samples)
    for one, owner in zip(samples, people, strict=True):
        yield {name: value for name, value in record.items() if name != "individualId"} | {
            "id": f"{record.get('id')}:{one}",
            "biosampleId": one,
            **({"individualId": owner} if owner else {}),
        }


def _only(listed: Sequence[str] | None) -> str | None:
    return listed[0] if listed and len(listed) == 1 else None


def _at(listed: Any, index: int) -> str | None:
    found = listed[index] if isinstance(listed, list) and index < len(listed) else None
    return found if isinstance(found, str) else None
