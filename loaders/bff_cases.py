"""The variants of Beacon files on their way into a segment: surveyed once, then written in the order of their places.

Genotypes need all columns before the first allele is written, and alleles must come in order. So the files are read
twice: first for samples, problems and order, then to write. In order already, they take no memory; else they are
sorted in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from beacon.model.calls import GROUPS, Calls
from beacon.model.records import unite
from beacon.store.base import Came
from loaders.bff_files import CASES, TARGETS, Entry, Files
from loaders.bff_shapes import CASE, VARIANT
from loaders.bff_variants import (
    Carried,
    Unusable,
    allele,
    calls,
    extension,
    kept_calls,
    narrower_zygosity,
    split_group,
    without_extension,
    zygosity_group,
)
from loaders.bff_writers import Writer
from loaders.elements import Json
from loaders.genotypes import unite as unite_calls
from loaders.report import Advance, Report, Severity
from loaders.shapes import Fitter, Misfit

Key = tuple[str, str | None, str | None]
Columns = Mapping[Key, int]
_MADE_HERE = frozenset({"variantInternalId", "variation", "caseLevelData", "datasetId", "position", "length"})
"""Members that the site makes itself, or that say again what ``variation`` says."""
_LINKS = frozenset({"biosampleId", "individualId", "runId", "analysisId"})
_PLAIN = _LINKS | {"zygosity"}


class OutOfOrder(Exception):
    """An export is not in the order in which it was written."""


@dataclass(slots=True)
class Variants:
    """The variants of one load.

    ``samples`` are those with genotypes, each with whom it is said to be of ("" where that is not told) and where that
    is said first, by an entry without its members.
    """

    files: Files
    assembly: str | None
    report: Report
    advance: Advance
    read: Callable[[str], Iterator[Entry]]
    samples: dict[str, dict[str, Entry]] = field(default_factory=dict)
    _split: dict[str, bytes] = field(default_factory=dict)
    _targets: tuple[str, ...] = ()
    _in_order: bool = True
    _surveyed: bool = True

    def survey(self, *, exported: bool = False) -> None:
        """Read everything once: problems are told, samples found, and whether the alleles are in order.

        An export tells its samples itself and is in order, so it is read once only, unless its alleles are kept by
        other rules now.
        """
        self._read_split_form()
        self._surveyed = not exported
        if exported:
            return
        done: set[tuple[str, str]] = set()
        place, start = ("", ""), -1
        for entry in self.read("genomicVariant"):
            try:
                one = allele(entry.body, self.assembly)
                cases = self._cases(entry)
            except Unusable as error:
                self._tell(entry, error)
                continue
            if one is None:
                self.report.count("record of the reference alone")
                continue
            self.report.count("variant record")
            for case in cases:
                claims = self.samples.setdefault(case["biosampleId"], {})
                if (person := case.get("individualId") or "") not in claims:
                    claims[person] = replace(entry, body={})
            if (one.assembly, one.chrom) != place:
                place, start = (one.assembly, one.chrom), -1
                self._in_order = self._in_order and place not in done
                done.add(place)
            self._in_order = self._in_order and one.start >= start
            start = one.start

    def write(self, writer: Writer, columns: Columns) -> None:
        """Write all alleles with their calls, each once."""
        by_sample: dict[str, int] = {}
        for (sample, _, _), column in columns.items():
            by_sample.setdefault(sample, column)
        found = self._carried(columns, by_sample)
        if not self._in_order:
            found = iter(sorted(found, key=_place))
        for one in _each_once(found, len(columns)):
            writer.allele(one.allele, one.body, one.calls, one.came)
            for column, detail in one.details:
                writer.detail(one.allele, column, detail)

    def _carried(self, columns: Columns, by_sample: Mapping[str, int]) -> Iterator[Carried]:
        for entry in self.files.entries("genomicVariant") if self._surveyed else self.read("genomicVariant"):
            if not isinstance(entry, Entry):
                continue  # told of by the survey
            self.advance(1)
            try:
                which = allele(entry.body, self.assembly)
                kept = extension(entry.body).get("calls")
                listed = entry.body.get("caseLevelData") or []
                if isinstance(kept, Mapping) and not kept.get("details") and isinstance(listed, list):
                    cases = listed  # only their number counts
                else:
                    cases = self._cases(entry)
            except Unusable as error:
                if not self._surveyed:
                    self._tell(entry, error)
                continue
            if which is None:
                continue  # only exports of before have such, and these are surveyed
            if not self._surveyed:
                self.report.count("variant record")
            try:
                if isinstance(kept, Mapping):
                    genotypes: Calls | None = kept_calls(kept, len(cases), len(columns))
                    details = tuple(self._details(entry, cases, columns, by_sample)) if kept.get("details") else ()
                else:
                    genotypes = calls(_groups(cases, columns, by_sample))
                    details = tuple(self._details(entry, cases, columns, by_sample))
            except Unusable as error:
                self._tell(entry, error)
                continue
            yield Carried(which, self._body(entry), genotypes, details, Came(entry.line, Path(entry.file).name))

    def _details(
        self, entry: Entry, cases: list[Json], columns: Columns, by_sample: Mapping[str, int]
    ) -> Iterator[tuple[int, Json]]:
        for case in cases:
            zygosity = narrower_zygosity(case.get("zygosity"))
            told = case if zygosity is None else case | {"zygosity": zygosity}
            if detail := self._detail(entry, told, plain=zygosity is None):
                yield _column(case, columns, by_sample), detail

    def _cases(self, entry: Entry) -> list[Json]:
        """Return the case-level entries of a variant, of whichever form. Raises ``Unusable``."""
        listed = entry.body.get("caseLevelData") or []
        if not isinstance(listed, list):
            raise Unusable("/caseLevelData", "bff-case", "The case-level data are no list.")
        for index, case in enumerate(listed):
            if not isinstance(case, dict) or not isinstance(case.get("biosampleId"), str) or not case["biosampleId"]:
                raise Unusable(f"/caseLevelData/{index}", "bff-case", "The entry names no biosample.")
            if any(not isinstance(case.get(name) or "", str) for name in _LINKS):
                raise Unusable(f"/caseLevelData/{index}", "bff-case", "The entry has an id that is no text.")
        return [*listed, *self._split_cases(entry)]

    def _split_cases(self, entry: Entry) -> Iterator[Json]:
        split = next((self._split[name] for name in _names(entry.body) if name in self._split), None)
        for number, genotype in orjson.loads(split).items() if split else ():
            if not (number.isascii() and number.isdigit()) or int(number) >= len(self._targets):
                raise Unusable("/caseLevelData", "bff-case", f"There is no sample number {number} among the targets.")
            try:
                group = split_group(str(genotype))
            except ValueError as error:
                raise Unusable("/caseLevelData", "bff-case", f"Of sample number {number}: {error}.") from error
            if group is not None:
                yield {"biosampleId": self._targets[int(number)], "zygosity": _ZYGOSITY_OF[group]}

    def _read_split_form(self) -> None:
        """Keep who carries what, by the names of the variant that it is of."""
        if CASES not in self.files.by_kind:
            return
        samples: list[str] = []
        for entry in self.files.entries(TARGETS):
            listed = entry.body.get("biosampleIds") if isinstance(entry, Entry) else None
            samples += listed if isinstance(listed, list) else []
        self._targets = tuple(map(str, samples))
        for entry in self.read(CASES):
            genotypes = orjson.dumps({name: value for name, value in entry.body.items() if name[:1].isdigit()})
            for name in _names(entry.body):
                self._split.setdefault(name, genotypes)

    def _detail(self, entry: Entry, case: Json, *, plain: bool) -> Json:
        """Return what an entry says of one carrier beyond who it is, and its zygosity unless that is ``plain``."""
        if plain and _PLAIN.issuperset(case):
            return {}

        def taken_out(pointer: str, expected: str, value: Any) -> None:
            message = f"Expected is {expected}; it is left out."
            self.report.add(entry.problem("bff-shape", message, Severity.WARNING, f"/caseLevelData{pointer}", value))

        try:
            fitted = Fitter(taken_out).fit(CASE, case)
        except Misfit:
            return {}
        return {name: value for name, value in fitted.items() if name not in (_PLAIN if plain else _LINKS)}

    def _body(self, entry: Entry) -> Json:
        record = without_extension({name: value for name, value in entry.body.items() if name not in _MADE_HERE})

        def taken_out(pointer: str, expected: str, value: Any) -> None:
            message = f"Expected is {expected}; what is there is kept under info.bff."
            self.report.add(entry.problem("bff-shape", message, Severity.WARNING, pointer, value))

        return Fitter(taken_out).fit(VARIANT, record)

    def _tell(self, entry: Entry, error: Unusable) -> None:
        self.report.count("set-aside record")
        self.report.add(
            entry.problem(error.rule, error.message, Severity.ERROR, error.pointer, error.value, error.hint)
        )


_ZYGOSITY_OF = {
    "het": {"id": "GENO:0000135"}, "hom": {"id": "GENO:0000136"}, "hemi": {"id": "GENO:0000134"},
}  # fmt: skip


def _column(case: Json, columns: Columns, by_sample: Mapping[str, int]) -> int:
    sample = case["biosampleId"]
    column = columns.get((sample, case.get("runId"), case.get("analysisId")), by_sample.get(sample))
    if column is None:
        raise Unusable("/caseLevelData", "bff-case", f"The sample {sample!r} is not among the targets.")
    return column


def _groups(cases: list[Json], columns: Columns, by_sample: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the columns of the carriers, by group."""
    groups: dict[str, list[int]] = {group: [] for group in GROUPS}
    for case in cases:
        groups[zygosity_group(case.get("zygosity")) or "other"].append(_column(case, columns, by_sample))
    return groups


def _names(record: Json) -> Iterator[str]:
    """Yield every name under which the two files of the split form may mean the same variant, the surest first."""
    if record.get("_id"):
        yield f"_id {orjson.dumps(record['_id']).decode()}"
    identifiers = record.get("identifiers")
    hgvs = identifiers.get("genomicHGVSId") if isinstance(identifiers, dict) else None
    for name in (record.get("id"), hgvs, record.get("variantInternalId")):
        if isinstance(name, str) and name:
            yield f"name {name}"


def _place(one: Carried) -> tuple[str, str, int]:
    return one.allele.assembly, one.allele.chrom, one.allele.start


def _each_once(found: Iterable[Carried], columns: int) -> Iterator[Carried]:
    """Unite the entries of one allele; those of one start come by end and bases. Raises ``OutOfOrder``."""
    done: set[tuple[str, str]] = set()
    last: tuple[str, str, int] | None = None
    for place, beside in groupby(found, _place):
        if last is not None and place[:2] != last[:2]:
            done.add(last[:2])
        if place[:2] in done or (last is not None and place[:2] == last[:2] and place < last):
            raise OutOfOrder
        last = place
        together: dict[str, Carried] = {}
        for one in beside:
            held = together.get(one.allele.id)
            together[one.allele.id] = one if held is None else _united(held, one, columns)
        yield from (together[id] for id in sorted(together, key=lambda id: (together[id].allele.end, id)))


def _united(held: Carried, again: Carried, columns: int) -> Carried:
    unite(held.body, again.body)
    both = held.calls or again.calls
    if held.calls is not None and again.calls is not None:
        counted = held.calls.counted and again.calls.counted
        both = unite_calls(held.calls, again.calls, columns)._replace(counted=counted)
    return replace(
        held, calls=both, details=held.details + tuple(one for one in again.details if one not in held.details)
    )
