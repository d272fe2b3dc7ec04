"""People in spreadsheets: CSV or TSV, and a small TOML file that says what the columns mean.

Each person's rows become one phenopacket, which then goes the way of all others: the same schema, the same rules. A
problem is reported at the file, line and column that the part in question came from.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from beacon.errors import LoadError
from beacon.model.duration import days
from loaders.document import Cell, Document, Rows
from loaders.files import pieces
from loaders.report import Problem, Severity
from loaders.terms import hpo
from loaders.words import counted

Json = dict[str, Any]

SEXES = ("FEMALE", "MALE", "OTHER_SEX", "UNKNOWN_SEX")
_YEARS = re.compile(r"\d+([.,]\d+)?")
_TRUE = ("1", "true", "yes", "y", "x", "excluded", "absent")
_FALSE = ("", "0", "false", "no", "n", "observed", "present")
_SHARED = ("file", "delimiter")
_LISTED = (*_SHARED, "individual", "term", "label", "excluded", "onset", "separator")
MEMBERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "about": (("created", "created_by"), ("submitted_by",)),
    "individuals": (("file", "id"), ("delimiter", "sex", "age", "date_of_birth", "sexes")),
    "features": (("file", "individual", "term"), _LISTED),
    "diseases": (("file", "individual", "term"), _LISTED),
}
"""What a mapping file may have: by table what it must, and what else it can have."""
_PARTS = {"features": ("phenotypicFeatures", "type"), "diseases": ("diseases", "term")}


class _Wrong(Exception):
    """Something that ends the reading of the tables; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells by column, and where they lie."""

    file: str
    line: int
    cells: Mapping[str, str]

    def cell(self, column: str | None) -> Cell:
        """Return the place of a cell."""
        return Cell(self.file, self.line, column)

    def problem(self, rule: str, column: str | None, message: str, hint: str | None = None) -> Problem:
        """Return an error of this row."""
        value = self.cells.get(column or "")
        return Problem(self.file, self.line, column, rule, Severity.ERROR, message, value, hint)


@dataclass(slots=True)
class _Person:
    """A person's phenopacket in the making; ``cells`` by JSON pointer."""

    row: Row
    body: Json
    cells: dict[str, Cell]
    problems: list[Problem] = field(default_factory=list)


def read_tables(path: Path) -> Iterator[Document | Problem]:
    """Yield one document for each person of the tables that a mapping file names, in the order of the individuals.

    A person of whom anything cannot be read comes as the problems found. Files are named relative to the mapping.
    """
    try:
        mapping = _mapping(path)
        yield from _documents(path, mapping)
    except _Wrong as error:
        yield error.problem


def _documents(path: Path, mapping: Mapping[str, Mapping[str, Any]]) -> Iterator[Document | Problem]:
    people: dict[str, _Person] = {}
    about = mapping["individuals"]
    for row in _rows(path, about, "individuals"):
        id = row.cells[about["id"]]
        if not id:
            yield row.problem("table-value", about["id"], "The person has no id.")
        elif id in people:
            message = f"The person {id!r} is in line {people[id].row.line} already."
            yield row.problem("table-repeated", about["id"], message)
        else:
            people[id] = _person(row, id, about, mapping["about"])
    for name in _PARTS:
        if name in mapping:
            yield from _add_rows(path, mapping[name], name, people)
    for person in people.values():
        yield from person.problems
        if not person.problems:
            person.body["metaData"]["resources"] = _resources(person.body)
            row = person.row
            yield Rows(row.file, row.line, orjson.dumps(person.body), cells=person.cells)


def _mapping(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or error}."
        raise _Wrong(_of_file(path, "file-unreadable", message)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _Wrong(_of_file(path, "table-mapping", f"This is no TOML: {error}.")) from error
    wrong = _wrong_names(found)
    if wrong:
        raise _Wrong(_of_file(path, "table-mapping", wrong))
    about = found["about"]
    if not isinstance(about["created"], date | datetime):
        raise _Wrong(_of_file(path, "table-mapping", "about.created is not a date such as 2026-11-26, without quotes."))
    sexes = found["individuals"].get("sexes", {})
    for name, section in found.items():
        for key, value in section.items():
            if key not in ("created", "sexes") and not isinstance(value, str):
                raise _Wrong(_of_file(path, "table-mapping", f"{name}.{key} is not a text in quotes."))
            if key in ("delimiter", "separator") and len(value) != 1:
                raise _Wrong(_of_file(path, "table-mapping", f"{name}.{key} is not a single character."))
    if not isinstance(sexes, dict) or not set(sexes.values()) <= set(SEXES):
        raise _Wrong(_of_file(path, "table-mapping", f"individuals.sexes maps to {', '.join(SEXES)} alone."))
    return found


def _wrong_names(found: Mapping[str, Any]) -> str | None:
    for name, (needed, optional) in MEMBERS.items():
        section = found.get(name)
        if section is None and name in _PARTS:
            continue
        if not isinstance(section, dict):
            return f"The section [{name}] is missing."
        if missing := [key for key in needed if key not in section]:
            return f"The section [{name}] needs {', '.join(missing)}."
        if unknown := [key for key in section if key not in (*needed, *optional)]:
            return f"The section [{name}] takes {', '.join((*needed, *optional))}, but not {', '.join(unknown)}."
    if unknown := [name for name in found if name not in MEMBERS]:
        return f"There are the sections {', '.join(MEMBERS)}, but not {', '.join(unknown)}."
    return None


def _rows(path: Path, section: Mapping[str, Any], name: str) -> Iterator[Row]:
    """Yield the rows of a table; their cells without blanks at the ends. Raises ``_Wrong``."""
    file = path.parent / section["file"]
    shown = str(file)
    try:
        text = b"".join(pieces(file)).decode("utf-8-sig")
    except LoadError as error:
        raise _Wrong(_of_file(file, "file-unreadable", f"{error.message}.")) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _Wrong(Problem(shown, line, None, "table-row", Severity.ERROR, "The line is not in UTF-8.")) from error
    is_tsv = re.search(r"\.(tsv|tab|txt)(\.gz)?$", file.name.lower())
    delimiter = section.get("delimiter", "\t" if is_tsv else ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        _check_columns(shown, header, section, name)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                message = f"The row has {counted(len(cells), 'cell')}, the header {len(header)}."
                raise _Wrong(Problem(shown, reader.line_num, None, "table-row", Severity.ERROR, message, len(cells)))
            yield Row(shown, reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        message = f"The row cannot be read: {error}."
        raise _Wrong(Problem(shown, reader.line_num, None, "table-row", Severity.ERROR, message)) from error


def _check_columns(shown: str, header: Sequence[str], section: Mapping[str, Any], name: str) -> None:
    for key, column in section.items():
        if key in ("file", "delimiter", "separator", "sexes"):
            continue
        if header.count(column) != 1:
            often = "no column" if column not in header else "more than one column"
            message = f"There is {often} {column!r}, which {name}.{key} names; there are {', '.join(header)}."
            raise _Wrong(Problem(shown, 1, column, "table-column", Severity.ERROR, message, column))


def _person(row: Row, id: str, section: Mapping[str, Any], about: Mapping[str, Any]) -> _Person:
    subject: Json = {"id": id}
    cells = {"": row.cell(None), "/id": row.cell(section["id"]), "/subject/id": row.cell(section["id"])}
    created = about["created"]
    moment = created.isoformat() if isinstance(created, datetime) else f"{created.isoformat()}T00:00:00"
    meta = {
        "created": moment if re.search(r"(Z|[+-]\d\d:\d\d)$", moment) else f"{moment}Z",
        "createdBy": about["created_by"],
        "phenopacketSchemaVersion": "2.0",
    } | ({"submittedBy": about["submitted_by"]} if "submitted_by" in about else {})
    person = _Person(row, {"id": id, "subject": subject, "metaData": meta}, cells)
    for key, member, read in (
        ("sex", "sex", _sex), ("age", "timeAtLastEncounter", _age), ("date_of_birth", "dateOfBirth", _day),
    ):  # fmt: skip
        column = section.get(key)
        if column is None or not row.cells[column]:
            continue
        value = read(row.cells[column], section)
        if value is None:
            hint = _HINTS[key].format(", ".join((*section.get("sexes", {}), *SEXES)))
            person.problems.append(row.problem("table-value", column, f"{row.cells[column]!r} is no {key}.", hint))
        else:
            subject[member] = value
            cells[f"/subject/{member}"] = row.cell(column)
    return person


_HINTS = {
    "sex": "Known are {}; more go to individuals.sexes.",
    "age": "Write years (7 or 7.5) or an ISO 8601 duration (P7Y6M).",
    "date_of_birth": "Write it as 2019-12-31.",
}


def _sex(text: str, section: Mapping[str, Any]) -> str | None:
    return section.get("sexes", {}).get(text) or (text.upper() if text.upper() in SEXES else None)


def _age(text: str, section: Mapping[str, Any]) -> Json | None:
    """Return an age that is written as a duration or in years; months are as exact as decimals can say."""
    del section
    if _YEARS.fullmatch(text):
        months = round(float(text.replace(",", ".")) * 12)
        years = f"{months // 12}Y" if months >= 12 else ""
        text = f"P{years}{months % 12}M" if months % 12 or not years else f"P{years}"
    return {"age": {"iso8601duration": text}} if days(text) is not None else None


def _day(text: str, section: Mapping[str, Any]) -> str | None:
    del section
    try:
        return f"{date.fromisoformat(text).isoformat()}T00:00:00Z"
    except ValueError:
        return None


def _add_rows(path: Path, section: Mapping[str, Any], name: str, people: Mapping[str, _Person]) -> Iterator[Problem]:
    """Give people what the rows of a table say of them; yield the rows of nobody."""
    member, kind = _PARTS[name]
    for row in _rows(path, section, name):
        person = people.get(row.cells[section["individual"]])
        if person is None:
            message = f"The individuals have no {row.cells[section['individual']]!r}."
            yield row.problem("table-person", section["individual"], message)
            continue
        text = row.cells[section["term"]]
        for id in filter(None, map(str.strip, text.split(section["separator"]) if "separator" in section else [text])):
            listed = person.body.setdefault(member, [])
            pointer = f"/{member}/{len(listed)}"
            made = _part(row, id, section, kind, person)
            listed.append(made)
            person.cells[pointer] = row.cell(section["term"])
            for key, inner in (("label", f"{kind}/label"), ("excluded", "excluded"), ("onset", "onset")):
                if key in section:
                    person.cells[f"{pointer}/{inner}"] = row.cell(section[key])


def _part(row: Row, id: str, section: Mapping[str, Any], kind: str, person: _Person) -> Json:
    """Return a feature or disease; the label that no column gives is the ontology's."""
    label = row.cells[section["label"]] if "label" in section else ""
    label = label or hpo().label(id) or ""
    made: Json = {kind: {"id": id, "label": label} if label else {"id": id}}
    if "excluded" in section:
        text = row.cells[section["excluded"]].lower()
        if text in _TRUE:
            made["excluded"] = True
        elif text not in _FALSE:
            hint = f"Excluded are {', '.join(_TRUE)}; observed are {', '.join(filter(None, _FALSE))} and an empty cell."
            column = section["excluded"]
            person.problems.append(row.problem("table-value", column, f"{text!r} does not say whether.", hint))
    if "onset" in section and (onset := row.cells[section["onset"]]):
        if age := _age(onset, section):
            made["onset"] = age
        elif known := hpo().label(onset):
            made["onset"] = {"ontologyClass": {"id": onset, "label": known}}
        else:
            hint = f"{_HINTS['age'][:-1]}, or the id of an HPO onset."
            person.problems.append(row.problem("table-value", section["onset"], f"{onset!r} is no onset.", hint))
    return made


def _resources(body: Mapping[str, Any]) -> list[Json]:
    """Declare the prefixes that a phenopacket uses: HPO with its version, of the others no more than that."""
    terms = [
        part[kind]["id"] for member, kind in _PARTS.values() for part in body.get(member, ())
    ] + [part["onset"]["ontologyClass"]["id"] for part in body.get("phenotypicFeatures", ())
         if "ontologyClass" in part.get("onset", {})]  # fmt: skip
    prefixes = sorted({id.partition(":")[0] for id in terms if ":" in id})
    known = dict(hpo().resource)
    return [known if name == "HP" else {"id": name.lower(), "namespacePrefix": name} for name in prefixes]


def _of_file(path: Path, rule: str, message: str) -> Problem:
    return Problem(str(path), None, None, rule, Severity.ERROR, message)
