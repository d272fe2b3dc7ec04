"""Whose the samples of a VCF are: as the dataset has it, as a table or a rule says, else of whoever has their name."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from beacon.errors import LoadError
from loaders.report import Problem, Severity


@dataclass(frozen=True, slots=True)
class SampleRules:
    """How sample names lead to individuals. ``table`` maps names to individuals' ids; of ``pattern`` the first group
    is the id. The table comes first.
    """

    table: Mapping[str, str] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None
    source: str = "the table of samples"

    @property
    def given(self) -> bool:
        """Whether there is any rule."""
        return bool(self.table) or self.pattern is not None

    def individual(self, sample: str) -> str | None:
        """Return the individual of a sample, None where the rules do not say."""
        if sample in self.table:
            return self.table[sample]
        match = self.pattern.fullmatch(sample) if self.pattern is not None else None
        return match[1] if match and match[1] else None

    @property
    def settings(self) -> tuple[str, ...]:
        """What tells these rules from others."""
        rows = (f"{sample}={person}" for sample, person in sorted(self.table.items()))
        return (*rows, self.pattern.pattern if self.pattern is not None else "")


def sample_rules(table: Path | None, pattern: str | None) -> SampleRules:
    """Read a table (two columns, sample and individual, by tabs or commas) and a regular expression with one group.

    A first row ``sample``, ``individual`` is a heading. Raises ``LoadError``.
    """
    rule = None
    if pattern is not None:
        try:
            rule = re.compile(pattern)
        except re.error as error:
            raise LoadError(f"{pattern!r} is no regular expression: {error}", where="--sample-rule") from error
        if not rule.groups:
            raise LoadError(
                f"{pattern!r} has no group that is the individual's id; write one such as '(.+)-T'",
                where="--sample-rule",
            )
    return SampleRules(dict(_rows(table)) if table else {}, rule, table.name if table else "the table of samples")


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} cannot be read as a table in UTF-8: {error}", where=str(path)) from error
    seen: dict[str, str] = {}
    rows = csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ",")
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and [cell.lower() for cell in cells[:2]] == ["sample", "individual"]):
            continue
        if len(cells) < 2 or not all(cells[:2]):
            raise LoadError(
                f"{path}:{number}: a row needs two columns, sample and individual, by a tab or comma",
                where=f"{path}:{number}",
            )
        sample, person = cells[:2]
        if seen.setdefault(sample, person) != person:
            raise LoadError(
                f"{path}:{number}: the sample {sample!r} is given to {seen[sample]!r} and to {person!r}",
                where=f"{path}:{number}",
            )
        yield sample, person


@dataclass(frozen=True, slots=True)
class Known:
    """What a dataset knows of samples, and of the people they lead to.

    ``owners`` are individuals by sample, ``described`` those of whom more is known than a sample, ``withdrawn`` the
    samples that are left out; ``peopled``: whether the dataset has anybody described at all.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    described: Set[str] = frozenset()
    withdrawn: Set[str] = frozenset()
    peopled: bool = False


def match(samples: Sequence[str], rules: SampleRules, known: Known, file: str) -> tuple[list[str], list[Problem]]:
    """Return the individual of each sample, and what does not go together.

    A rule that contradicts the dataset is an error. Of whoever withdrew nothing is said, since nobody is made.
    """
    people, problems = [], []
    for sample in samples:
        said, owner = rules.individual(sample), known.owners.get(sample)
        if said and owner and said != owner:
            message = f"The sample is one of {owner!r} in the dataset, but of {said!r} by the rules given."
            hint = "Correct the table or rule, or the dataset."
            problems.append(_problem(file, sample, "vcf-sample-owner", Severity.ERROR, message, said, hint))
        people.append(owner or said or sample)
    derived = set(known.owners.values())
    for sample, person in zip(samples, people, strict=True):
        if sample in known.withdrawn:
            continue
        if (rules.given or known.peopled) and person not in known.described:
            message = f"The dataset has no individual {person!r}; one is made, of whom nothing else is known."
            if person in derived:
                message = f"Of the individual {person!r} the dataset knows nothing but samples."
            hint = _hint(rules, sample)
            problems.append(_problem(file, sample, "vcf-sample-unmatched", Severity.WARNING, message, person, hint))
        elif rules.given and sample not in known.owners and rules.individual(sample) is None:
            message = f"The rules do not say whose this sample is; it is taken as one of {person!r}."
            hint = _hint(rules, sample)
            problems.append(_problem(file, sample, "vcf-sample-unmatched", Severity.WARNING, message, sample, hint))
    for sample in rules.table.keys() - set(samples):
        message = "The table names a sample that the file does not have."
        problems.append(
            Problem(rules.source, None, sample, "vcf-sample-absent", Severity.WARNING, message, rules.table[sample])
        )
    return people, problems


def _hint(rules: SampleRules, sample: str) -> str:
    """Return what to do about a sample whose individual is not known, by what was given already."""
    if not rules.given:
        return "Where it is somebody else's sample, say whose with --samples or --sample-rule."
    if rules.individual(sample) is None:
        return "Where it is somebody else's sample, let the table or rule say whose."
    return "Correct the table or rule, or load that individual first."


def _problem(
    file: str, sample: str, rule: str, severity: Severity, message: str, value: str, hint: str | None = None
) -> Problem:
    return Problem(file, None, sample, rule, severity, message, value, hint)
