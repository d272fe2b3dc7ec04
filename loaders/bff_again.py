"""Beacon files that were loaded before: which loads they correct, and what those had that is in them no more."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from beacon.store.admin import Admin
from loaders.bff_files import CASES, TARGETS, Files
from loaders.report import Problem, Report, Severity

FORMAT = "bff"
_BETWEEN = ", "
"""What ``source_of`` writes between paths."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier loads of the same files into a dataset.

    ``same``: all of whose files are loaded again. ``corrected``: those of them whose calls go, for there are new ones.
    ``amended``: loads of more files than these, where calls go of the samples that are called anew. ``chromosomes`` are
    those of which nothing is left by that.
    """

    dataset: str
    source: str
    same: frozenset[str]
    corrected: frozenset[str]
    amended: frozenset[str]
    chromosomes: tuple[str, ...]

    def tell(self, admin: Admin, report: Report, people: Set[str], samples: Set[str], *, done: str) -> None:
        """Report who and which samples came with these loads and are not in the files any more."""
        for id in admin.vanished(self.dataset, self.same, people) if self.same else ():
            message = f"The individual {id!r} came with an earlier load of these files and is not in them any more."
            self._vanished(report, id, message, "It stays, with all that is its; skerry delete removes it.")
        for id in admin.other_samples(self.dataset, self.corrected, samples) if self.corrected else ():
            message = f"The sample {id!r} had calls in the earlier files and has none in these; its calls {done}."
            self._vanished(report, id, message, None)
        for chrom in self.chromosomes:
            message = (
                f"The earlier files had variants of chromosome {chrom or 'unknown'} and these have none; they go too."
            )
            self._vanished(report, chrom, message, None, "vcf-part-vanished")
        if self.amended:
            message = (
                "Calls that an earlier load of the folder brought of the same samples give way to those of this file."
            )
            hint = "Where it does not correct that folder's variants, load it from another folder."
            self._vanished(report, self.source, message, hint, "vcf-replaced")
        for id in admin.other_samples(self.dataset, self.amended, samples) if self.amended else ():
            message = f"The sample {id!r} has calls that came with more files than these, and none in these; they stay."
            self._vanished(report, id, message, "Load all of those files again where it should have none.")

    def _vanished(self, report: Report, id: str, message: str, hint: str | None, rule: str = "record-vanished") -> None:
        report.add(Problem(self.source, None, None, rule, Severity.WARNING, message, id, hint))


def find_earlier(admin: Admin, dataset: str, source: str, files: Files, chromosomes: Set[str]) -> Earlier:
    """Find the loads of which ``files`` are the corrected form, in whole or in part.

    ``source`` is what their load is called, ``chromosomes`` are those of its variants.
    """
    again = {str(path.resolve()) for path in files.paths}
    variants = [path.resolve() for kind in ("genomicVariant", CASES, TARGETS) for path in files.by_kind.get(kind, ())]
    same, amended = dict[str, list[str]](), dict[str, list[str]]()
    for name in {entry.source for entry in admin.loads(dataset) if entry.format == FORMAT}:
        loads = {load["id"]: load["chroms"] for load in admin.earlier(dataset, name, FORMAT)}
        if name == source or again.issuperset(name.split(_BETWEEN)):
            same |= loads
        elif _holds(name, variants):
            amended |= {id: chroms for id, chroms in loads.items() if not chromosomes.isdisjoint(chroms)}
    corrected = same if chromosomes else {}
    lost = {chrom for chroms in corrected.values() for chrom in chroms} - chromosomes
    return Earlier(dataset, source, frozenset(same), frozenset(corrected), frozenset(amended), tuple(sorted(lost)))


def _holds(source: str, files: list[Path]) -> bool:
    """Whether one of some files is one that a load of this name had, or lies in its very folder."""
    return any(path in (str(file), str(file.parent)) for path in source.split(_BETWEEN) for file in files)
