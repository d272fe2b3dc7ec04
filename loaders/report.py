"""What a load tells its curator: progress while it works, and a report of counts and problems at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TextIO

from loaders.words import counted, plural, visible

KEPT = 10_000
"""Problems of which a report keeps everything; beyond that it only counts."""
EXAMPLES = 3
SHOWN = 60


class Severity(StrEnum):
    """``error``: the record was set aside. ``warning``: it was loaded, and somebody should look at it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the input.

    ``file`` names the file as it was given, a member of an archive after ``!``. ``line`` is 1-based,
    ``pointer`` a JSON pointer (RFC 6901) or a VCF column, ``rule`` the id of the rule that was broken,
    ``value`` what was found there, and ``hint`` a sentence that says what to do.
    """

    file: str
    line: int | None
    pointer: str | None
    rule: str
    severity: Severity
    message: str
    value: Any = None
    hint: str | None = None

    @property
    def place(self) -> str:
        """File, line and pointer in one text: ``cases.jsonl:12 /subject/id``."""
        line = f":{self.line}" if self.line is not None else ""
        pointer = f" {self.pointer}" if self.pointer else ""
        return f"{self.file}{line}{pointer}"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" {self.hint}" if self.hint else "")

    def to_json(self) -> dict[str, Any]:
        """Return the problem as plain values, for programs."""
        return {
            "file": self.file,
            "line": self.line,
            "pointer": self.pointer,
            "rule": self.rule,
            "severity": self.severity.value,
            "message": self.message,
            "value": self.value,
            "hint": self.hint,
        }


class TooManyErrors(Exception):
    """The input has as many errors as its curator wants to see; it is read no further."""


@dataclass(slots=True)
class Report:
    """What came of one load into one dataset; filled while the load runs.

    ``counts`` are records by kind (individual, biosample, genomicVariant, ...) and whatever else was counted.
    ``outcome`` is one sentence that says what became of the dataset, ``changed`` whether records are shown that were
    not before, or others no more, and ``ahead`` what to do next. ``most`` is the number of errors after which nothing
    more is read, and ``heard`` is called with every problem as it is found.
    """

    dataset: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    rules: Counter[tuple[Severity, str]] = field(default_factory=Counter)
    outcome: str = ""
    changed: bool = False
    ahead: str = ""
    most: int | None = None
    heard: Callable[[Problem], None] | None = None

    def add(self, problem: Problem) -> None:
        """Count a problem, and keep it unless there are very many already. Raises ``TooManyErrors``."""
        self.rules[problem.severity, problem.rule] += 1
        if len(self.problems) < KEPT:
            self.problems.append(problem)
        if self.heard is not None:
            self.heard(problem)
        if self.most is not None and problem.severity is Severity.ERROR and self.errors >= self.most:
            raise TooManyErrors

    def count(self, kind: str, number: int = 1) -> None:
        """Count something that was read or loaded."""
        if number:
            self.counts[kind] = self.counts.get(kind, 0) + number

    @property
    def errors(self) -> int:
        """Number of errors, kept or not."""
        return sum(number for (severity, _), number in self.rules.items() if severity is Severity.ERROR)

    @property
    def warnings(self) -> int:
        """Number of warnings, kept or not."""
        return self.rules.total() - self.errors

    @property
    def not_kept(self) -> int:
        """Number of problems that were only counted."""
        return self.rules.total() - len(self.problems)

    @property
    def exit_code(self) -> int:
        """0 where everything that was handed over could be used, 1 where something was set aside."""
        return 1 if self.errors else 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values, for programs."""
        return {
            "dataset": self.dataset,
            "outcome": self.outcome,
            "counts": dict(self.counts),
            "errors": self.errors,
            "warnings": self.warnings,
            "rules": [
                {"rule": rule, "severity": severity.value, "count": number}
                for (severity, rule), number in self._sorted_rules()
            ],
            "problems": [problem.to_json() for problem in self.problems],
        }

    def render(self) -> str:
        """Return the report as plain text, errors first, a few examples of each rule.

        Whatever files hold, and are called, controls no terminal by it.
        """
        lines = [visible(self.outcome)] if self.outcome else []
        lines += [f"  {number:>9,}  {plural(kind, number)}" for kind, number in self.counts.items()]
        for (severity, rule), number in self._sorted_rules():
            lines.append(f"{counted(number, severity.value)}: {rule}")
            shown = [problem for problem in self.problems if (problem.severity, problem.rule) == (severity, rule)]
            lines += [f"    {visible(str(problem))}" for problem in shown[:EXAMPLES]]
            if number > EXAMPLES:
                lines.append(f"    ... and {number - min(len(shown), EXAMPLES):,} more")
        if self.ahead:
            lines += map(visible, self.ahead.split("\n"))
        return "\n".join(lines)

    def show(self, stream: TextIO | None = None) -> None:
        """Print the report; with colours on a terminal."""
        stream = stream or sys.stdout
        if not stream.isatty():
            stream.write(self.render() + "\n")
            return
        from rich.console import Console
        from rich.text import Text

        text = Text(self.render())
        text.highlight_regex(r"(?m)^[\d,]+ errors?: \S+", "bold red")
        text.highlight_regex(r"(?m)^[\d,]+ warnings?: \S+", "yellow")
        Console(file=stream).print(text)

    def _sorted_rules(self) -> list[tuple[tuple[Severity, str], int]]:
        return sorted(self.rules.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))


Advance = Callable[[int], None]
"""Called with the number of units done since the last call."""


@dataclass(slots=True)
class Share:
    """How much of the input has been read, from 0 to 1, where whoever reads it knows; it is kept up to date."""

    read: float = 0.0


class Progress:
    """Shows that long work goes on: a bar on a terminal, a line now and then elsewhere, nothing where quiet."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False, every: float = 5.0) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._every = every

    @contextmanager
    def task(
        self, title: str, total: int | None = None, unit: str = "record", share: Share | None = None
    ) -> Iterator[Advance]:
        """Show one piece of work while the block runs, with its rate and the time left.

        ``total`` is None where nobody knows it beforehand; ``share`` then tells how far the work has got. ``unit`` is a
        noun in the singular.
        """
        if self._quiet:
            yield _ignore
            return
        work = _Work(visible(title), total, unit, share or Share())
        if self._stream.isatty():
            with self._bar(work) as advance:
                yield advance
        else:
            lines = _Lines(self._stream, work, self._every)
            yield lines.advance
            lines.end()

    @contextmanager
    def _bar(self, work: _Work) -> Iterator[Advance]:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[told]}"),
        )
        with progress.Progress(*columns, console=Console(file=self._stream)) as bar:
            task = bar.add_task(work.title, total=None, told="")

            def advance(number: int) -> None:
                work.done += number
                portion = work.portion if work.total or work.share.read else None
                told = f"{work.counted}{work.speed}"
                bar.update(task, total=None if portion is None else 1.0, completed=portion or 0.0, told=told)

            yield advance


def _ignore(number: int) -> None:
    del number


@dataclass(slots=True)
class _Work:
    """One piece of work: what was done of it, how fast, and how long the rest will take."""

    title: str
    total: int | None
    unit: str
    share: Share
    done: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def portion(self) -> float:
        """What part of the work is done, from 0 to 1, as far as known."""
        return self.done / self.total if self.total else self.share.read

    @property
    def counted(self) -> str:
        """``12 of 30 records``."""
        if self.total is None:
            return counted(self.done, self.unit)
        return f"{self.done:,} of {counted(self.total, self.unit)}"

    @property
    def speed(self) -> str:
        """``, 250 a second, 40 s left``; without what nobody knows."""
        spent = time.monotonic() - self.begun
        rate = f", {self.done / spent:,.0f} a second" if spent else ""
        left = f", {spent * (1 - self.portion) / self.portion:,.0f} s left" if 0 < self.portion < 1 else ""
        return rate + left


class _Lines:
    """Progress for logs: one line every few seconds."""

    def __init__(self, stream: TextIO, work: _Work, every: float) -> None:
        self._stream, self._work, self._every = stream, work, every
        self._told = work.begun

    def advance(self, number: int) -> None:
        self._work.done += number
        now = time.monotonic()
        if now - self._told >= self._every:
            self._told = now
            self._write(self._work.speed)

    def end(self) -> None:
        self._write(f" in {time.monotonic() - self._work.begun:.1f} s")

    def _write(self, rest: str) -> None:
        self._stream.write(f"{self._work.title}: {self._work.counted}{rest}\n")
        self._stream.flush()
