"""One document as it was handed over, and where its problems lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loaders.report import Problem, Severity


@dataclass(frozen=True, slots=True)
class Document:
    """One document's bytes, and where they lie: ``line`` (1-based) in a JSON lines file, else None.

    ``root`` is the JSON pointer of the part that is meant, where it is not the whole.
    """

    file: str
    line: int | None
    data: bytes
    root: str = ""

    @property
    def place(self) -> str:
        """File and line in one text."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def problem(
        self,
        rule: str,
        message: str,
        *,
        severity: Severity = Severity.ERROR,
        pointer: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> Problem:
        """Return a problem of this document; ``pointer`` begins at its root."""
        if pointer is not None:
            pointer = self.root + pointer
        return Problem(self.file, self.line, pointer, rule, severity, message, value, hint)

    def inside(self, root: str) -> Document:
        """Return a part of this document."""
        return replace(self, root=self.root + root)

    def bare(self) -> Document:
        """Return the place of this document, without its bytes."""
        return replace(self, data=b"")


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in a table: file, line (from 1, where the row ends) and the name of the column."""

    file: str
    line: int
    column: str | None


@dataclass(frozen=True, slots=True)
class Rows(Document):
    """A document that was made of rows of tables; ``cells`` says by JSON pointer from which place each part came."""

    cells: Mapping[str, Cell] = field(default_factory=dict)

    def problem(
        self,
        rule: str,
        message: str,
        *,
        severity: Severity = Severity.ERROR,
        pointer: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> Problem:
        """Return a problem of the cell, or else the row, that the pointer's part came from."""
        steps = (pointer or "").split("/")
        inner = ("/".join(steps[:count]) for count in range(len(steps), 0, -1))
        cell = next((self.cells[place] for place in inner if place in self.cells), None)
        if cell is None:
            return Problem(self.file, self.line, pointer, rule, severity, message, value, hint)
        return Problem(cell.file, cell.line, cell.column, rule, severity, message, value, hint)
