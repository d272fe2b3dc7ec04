"""Beacon files that were loaded before: which loads they correct, and what those had that is in them no more."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from beacon.store.admin import Admin
from beacon.store.journal import SHORT
from loaders.bff_files import CASES, TARGETS, Files
from loaders.report import Problem, Report, Severity
from loaders.words import counted

FORMAT = "bff"
_BETWEEN = ", "
"""What ``source_of`` writes between paths."""


class Load(NamedTuple):
    """An earlier load: its id, what its files are called, and its chromosomes while any of its variants are shown."""

    id: str
    source: str
    chroms: frozenset[str]

    def __str__(self) -> str:
        return f"Load {self.id[:SHORT]} of {self.source}"


class Now(NamedTuple):
    """What files have: people who are ``listed``, and ``records`` of all kinds (kind, id), set aside or not.

    ``owners`` are all whom records are of that were loaded, ``called`` the samples with calls.
    """

    listed: Set[str]
    owners: Set[str]
    records: Set[tuple[str, str]]
    called: Set[str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier loads into a dataset that have to do with the files of one now.

    ``same``: all of whose files are loaded again. ``corrected``: those of them whose calls go, for there are new ones.
    ``amended``: loads of more files than these, where calls go of the samples that are called anew. ``elsewhere``:
    loads of other files. ``wider``: loads of more files than these, one of which has people. ``chromosomes`` are those
    of the variants now.
    """

    dataset: str
    source: str
    same: tuple[Load, ...]
    corrected: tuple[Load, ...]
    amended: tuple[Load, ...]
    elsewhere: tuple[Load, ...]
    wider: tuple[Load, ...]
    chromosomes: frozenset[str]

    def tell(self, admin: Admin, report: Report, now: Now, *, remove: bool, done: str) -> list[str]:
        """Report what came with these loads and is not in the files any more; return the people who are to go.

        Nobody is to go where something was set aside, for that may be what they were in.
        """
        gone = self._tell_of_people(admin, report, now, remove=remove and not report.errors)
        self._tell_of_records(admin, report, now, gone)
        self._tell_of_calls(admin, report, now, done)
        self._tell_of_amended(admin, report, now)
        self._tell_of_elsewhere(admin, report, now)
        if remove:
            self._tell_of_wider(admin, report, now)
        return gone

    def _tell_of_people(self, admin: Admin, report: Report, now: Now, *, remove: bool) -> list[str]:
        vanished = admin.vanished(self.dataset, ids_of(self.same), now.listed) if self.same else []
        gone = [id for id in vanished if remove and id not in now.owners]
        for id in vanished:
            message = f"The individual {id!r} came with an earlier load of these files and is not in them any more"
            hint = "It stays, with all that is its; --remove-vanished removes it, if no record has an error."
            if id in now.owners:
                hint = "It stays, for other records of these files are of it."
            if id in gone:
                self._warn(report, id, f"{message}; it goes, with all that is its.", None)
            else:
                self._warn(report, id, f"{message}.", hint)
        return gone

    def _tell_of_records(self, admin: Admin, report: Report, now: Now, gone: list[str]) -> None:
        for left in admin.uncorrected(self.dataset, ids_of(self.same), now.records) if self.same else ():
            if left.individual not in gone:
                message = f"The {left.kind} {left.id!r} came with an earlier load of these files and is not in them"
                hint = f"It stays; to be rid of it, delete {left.individual!r} and load again what there is of them."
                self._warn(report, left.id, f"{message} any more.", hint)

    def _tell_of_calls(self, admin: Admin, report: Report, now: Now, done: str) -> None:
        for id in admin.other_samples(self.dataset, ids_of(self.corrected), now.called) if self.corrected else ():
            message = f"The sample {id!r} had calls in the earlier files and has none in these; its calls {done}."
            self._warn(report, id, message, None)
        for chrom in sorted({chrom for load in self.corrected for chrom in load.chroms} - self.chromosomes):
            message = (
                f"The earlier files had variants of chromosome {chrom or 'unknown'} and these have none; they go too."
            )
            self._warn(report, chrom, message, None, "vcf-part-vanished")

    def _tell_of_amended(self, admin: Admin, report: Report, now: Now) -> None:
        going: list[Load] = []
        for load in self.amended:
            if both := now.called & set(admin.other_samples(self.dataset, {load.id}, ())):
                going.append(load)
                message = f"{load} gives way to these files where both have the same samples: its calls of "
                message += f"{counted(len(both), 'sample')} go."
                hint = "If these files add to that folder's, load the whole folder again: it has the calls of all."
                self._warn(report, load.id, message, hint, "vcf-replaced")
        for chrom in sorted({chrom for load in going for chrom in load.chroms} - self.chromosomes):
            message = (
                f"These files have nothing of chromosome {chrom or 'unknown'}; calls that their samples had there "
            )
            message += "go too, if there were any."
            self._warn(report, chrom, message, None, "vcf-part-vanished")
        for id in admin.other_samples(self.dataset, ids_of(self.amended), now.called) if self.amended else ():
            message = f"The sample {id!r} has calls that came with more files than these, and none in these; they stay."
            self._warn(report, id, message, "Load all of those files again where it should have none.")

    def _tell_of_elsewhere(self, admin: Admin, report: Report, now: Now) -> None:
        """Say whose records others replace: of files that were moved, all else would stay, unsaid."""
        anybody = admin.vanished(self.dataset, ids_of(self.elsewhere), frozenset()) if self.elsewhere else ()
        for load in self.elsewhere if not now.listed.isdisjoint(anybody) else ():
            if both := now.listed & set(admin.vanished(self.dataset, {load.id}, frozenset())):
                message = f"{load} brought {counted(len(both), 'individual')} of these files. "
                message += "These records take the place of theirs, and all else that it brought stays."
                delete = f"skerry delete --load {load.id[:SHORT]} --dataset {shlex.quote(self.dataset)}"
                hint = f"If it was of the same files elsewhere, what is left of it, people too, goes by: {delete}"
                self._warn(report, load.id, message, hint, "bff-elsewhere")

    def _tell_of_wider(self, admin: Admin, report: Report, now: Now) -> None:
        """Say who is not removed for these are not all files that people came with."""
        for load in self.wider if now.listed else ():
            if others := admin.vanished(self.dataset, {load.id}, now.listed):
                message = f"{load} brought {counted(len(others), 'individual')} who are not in these files, such as "
                message += f"{others[0]!r}. They stay, for it had more files."
                hint = "To remove who is in none of them any more, load the whole folder."
                self._warn(report, load.id, message, hint)

    def _warn(self, report: Report, value: str, message: str, hint: str | None, rule: str = "record-vanished") -> None:
        report.add(Problem(self.source, None, None, rule, Severity.WARNING, message, value, hint))


def find_earlier(admin: Admin, dataset: str, source: str, files: Files, chromosomes: Set[str]) -> Earlier:
    """Find the loads of which ``files`` are the corrected form, in whole or in part, and those of other files.

    ``source`` is what their load is called, ``chromosomes`` are those of its variants.
    """
    paths = [path.resolve() for path in files.paths]
    again = {str(path) for path in paths}
    variants = [path.resolve() for kind in ("genomicVariant", CASES, TARGETS) for path in files.by_kind.get(kind, ())]
    people = [path.resolve() for path in files.by_kind.get("individual", ())]
    same, amended, elsewhere, wider = list[Load](), list[Load](), list[Load](), list[Load]()
    for name in sorted({entry.source for entry in admin.loads(dataset) if entry.format == FORMAT}):
        loads = [_load(admin, dataset, load) for load in admin.earlier(dataset, name, FORMAT)]
        if name == source or again.issuperset(name.split(_BETWEEN)):
            same += loads
            continue
        if _holds(name, people):
            wider += loads
        if _holds(name, variants):
            amended += [load for load in loads if not chromosomes.isdisjoint(load.chroms)]
        elif not _reaches(name, paths):
            elsewhere += loads
    corrected = same if chromosomes else []
    kinds = tuple(same), tuple(corrected), tuple(amended), tuple(elsewhere), tuple(wider)
    return Earlier(dataset, source, *kinds, frozenset(chromosomes))


def _load(admin: Admin, dataset: str, load: Mapping[str, Any]) -> Load:
    """Return an earlier load. One whose calls gave way to others, and that stays for its people, has no chromosomes."""
    shown = load["intact"] or admin.other_samples(dataset, {load["id"]}, ())
    return Load(load["id"], load["source"], frozenset(load["chroms"] if shown else ()))


def others_left(admin: Admin, dataset: str, source: str, files: Files, held: str) -> bool:
    """Whether people are left of earlier loads of files that are ``held`` as a load, which has them no more."""
    same = ids_of(find_earlier(admin, dataset, source, files, frozenset()).same)
    return bool(admin.vanished(dataset, same - {held}, frozenset()))


def ids_of(loads: Iterable[Load]) -> frozenset[str]:
    """Return the ids of loads."""
    return frozenset(load.id for load in loads)


def _holds(source: str, files: list[Path]) -> bool:
    """Whether one of some files is one that a load of this name had, or lies in its very folder."""
    return any(path in (str(file), str(file.parent)) for path in source.split(_BETWEEN) for file in files)


def _reaches(source: str, files: list[Path]) -> bool:
    """Whether one of some files is one that a load of this name had, or lies anywhere below its folder."""
    return any(Path(path) in (file, *file.parents) for path in source.split(_BETWEEN) for file in files)
