"""A VCF whose earlier form was loaded: which loads it takes the place of, what goes with them, and what is told of it.

A file is known by its name without the folder: a corrected file may lie beside the earlier one or take its place, and
folders are called otherwise on every machine. So two files of one name may be different files, and whoever loads the
second must be able to see what went.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from beacon.errors import LoadError
from beacon.store.admin import Admin
from beacon.store.journal import SHORT
from loaders.report import Problem, Report, Severity
from loaders.words import counted

FORMAT = "vcf"


class Earlier(NamedTuple):
    """An earlier load of a VCF: its ``source`` and chromosomes, and the samples of whom its calls are still shown.

    ``shown``: whether the dataset shows anything of it.
    """

    id: str
    source: str
    chroms: frozenset[str]
    variants: int
    samples: frozenset[str]
    shown: bool


class Read(NamedTuple):
    """A file that was read: its ``source``, its samples, and the chromosomes that it has variants of.

    ``held`` is the load of this very file, where there is one, which is loaded anew to take the place of others.
    """

    source: str
    samples: Sequence[str]
    chroms: Set[str]
    held: str | None = None


def named(admin: Admin, dataset: str, ids: Iterable[str]) -> list[Earlier]:
    """Return the loads of these ids. Raises ``LoadError`` for one that is none of a VCF into this dataset."""
    found = []
    for id in ids:
        entry = admin.load(id)
        if entry.dataset != dataset:
            raise LoadError(f"load {id!r} was into dataset {entry.dataset!r}, not {dataset!r}", where=id)
        if entry.format != FORMAT:
            raise LoadError(f"{id!r} is {entry.what!r}, and a VCF takes the place of loads of VCFs alone", where=id)
        shown = next((one for one in _of_name(admin, dataset, entry.source) if one.id == entry.id), None)
        found.append(shown or Earlier(entry.id, entry.source, frozenset(), 0, frozenset(), shown=False))
    return found


def corrected(
    admin: Admin,
    file: Read,
    report: Report,
    given: Sequence[Earlier],
    *,
    by_name: bool = True,
    entirely: bool = False,
    done: bool = True,
) -> frozenset[str]:
    """Return the loads of which a file is the corrected form: those given, and, ``by_name``, those of its own name.

    What goes with them is reported, and what of them stays: the samples that the file has no more, unless they go
    ``entirely``. ``done`` says whether it is under way, or would be.
    """
    own = [one for one in _of_name(admin, report.dataset, file.source) if one.id != file.held] if by_name else []
    if not file.chroms:
        _tell_of_nothing(file, report, [one for one in own if one.chroms and one not in given])
    fitting = [one for one in own if not one.chroms or not file.chroms.isdisjoint(one.chroms)]
    loads = list({one.id: one for one in (*given, *fitting) if one.id != file.held}.values())
    going = [one for one in loads if one.shown and (entirely or not one.samples or one.samples & set(file.samples))]
    for one in going:
        _tell_of_load(one, file, report, entirely, done)
    for one in given:
        if one in loads and one not in going:
            message = f"The dataset shows nothing of load {one.id[:SHORT]} ({one.source}) that this file can replace."
            report.add(Problem(file.source, None, None, "vcf-replaces-nothing", Severity.WARNING, message, one.id))
    for problem in (*_parts(going, file, done), *_samples(loads, file, entirely)):
        report.add(problem)
    return frozenset(one.id for one in loads) | frozenset([file.held] if file.held else ())


def _of_name(admin: Admin, dataset: str, source: str) -> list[Earlier]:
    found = []
    for load in admin.earlier(dataset, source, FORMAT):
        samples = frozenset(admin.other_samples(dataset, {load["id"]}, ()))
        variants = admin.load(load["id"]).counts.get("genomicVariant", 0)
        found.append(Earlier(load["id"], source, frozenset(load["chroms"]), variants, samples, shown=True))
    return found


def others_left(admin: Admin, dataset: str, source: str, samples: Iterable[str], held: str | None) -> bool:
    """Whether earlier forms of a file that is ``held`` as a load still show calls of samples which that has no more."""
    loads = {one.id: one for one in _of_name(admin, dataset, source)}
    mine = loads.pop(held, None) if held is not None else None
    return mine is not None and any(
        one.samples.difference(samples) and not one.chroms.isdisjoint(mine.chroms) for one in loads.values()
    )


def _tell_of_load(one: Earlier, file: Read, report: Report, entirely: bool, done: bool) -> None:
    if not one.variants:
        return
    goes = len(one.samples if entirely else one.samples & set(file.samples))
    whose = f"the calls of {counted(goes, 'sample')} at " if goes else ""
    went = "gives way" if done else "would give way"
    message = f"Load {one.id[:SHORT]} of {one.source} {went} to this file: {whose}"
    message += counted(one.variants, "variant") + "."
    hint = "If this is another file of the same name, use --keep-earlier"
    hint += ", and load the other one again with it." if done else "."
    report.add(Problem(file.source, None, None, "vcf-replaced", Severity.WARNING, message, one.id, hint))


def _tell_of_nothing(file: Read, report: Report, stays: Sequence[Earlier]) -> None:
    """A file without a variant takes no place: it may be the remains of a pipeline that failed."""
    for one in stays:
        message = f"This file has no variant at all; the calls of the earlier {one.source} stay."
        hint = f"If there is none indeed, --replaces {one.id[:SHORT]} takes them away."
        report.add(Problem(file.source, None, "CHROM", "vcf-part-vanished", Severity.WARNING, message, one.id, hint))


def _parts(loads: Sequence[Earlier], file: Read, done: bool) -> Iterator[Problem]:
    """Say which chromosomes loads have that a file has nothing of."""
    sources = {chrom: one.source for one in loads for chrom in one.chroms - file.chroms}
    for chrom, source in sorted(sources.items()):
        message = f"An earlier {source} brought variants of chromosome {chrom or 'unknown'}, and this load brings none."
        went = "went" if done else "would go"
        hint = f"They {went} with its calls; give the rest of a file that was split another name, or --keep-earlier."
        yield Problem(file.source, None, "CHROM", "vcf-part-vanished", Severity.WARNING, message, chrom, hint)


def _samples(loads: Sequence[Earlier], file: Read, entirely: bool) -> Iterator[Problem]:
    """Say which samples loads have that a file has no more."""
    for sample in sorted({sample for one in loads for sample in one.samples} - set(file.samples)):
        done = "their calls go" if entirely else "their calls stay"
        message = f"The sample {sample!r} was in the earlier file and is not in this one; {done}."
        hint = None if entirely else "--remove-vanished removes them."
        yield Problem(file.source, None, None, "record-vanished", Severity.WARNING, message, sample, hint)
