"""Beacon Friendly Format on disk: which file holds which entry type, and its records one after the other.

A file is a JSON array (or JSON lines), plain or packed with gzip, named after its entry type. Files with a record per
line, as ``skerry export`` writes them, are read line by line, whatever their size; others are read whole.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from beacon.model.entry_types import entry_type_id
from beacon.model.keys import repeated_key
from loaders.elements import Json
from loaders.report import Problem, Severity

MAX_WHOLE = 512 * 1024 * 1024
"""Bytes, unpacked, of the largest file that is read whole."""
MAX_LINE = 256 * 1024 * 1024
CASES, TARGETS = "caseLevelData", "targets"
"""The two files of the split form: who carries each variant, by number, and whose numbers these are."""
ENDINGS = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: its file, its line where the file has one per line, else its JSON pointer, and its members."""

    file: str
    line: int | None
    pointer: str
    body: Json

    def problem(
        self, rule: str, message: str, severity: Severity, pointer: str = "", value: Any = None, hint: str | None = None
    ) -> Problem:
        """Return a problem of this record; ``pointer`` is within the record."""
        return Problem(self.file, self.line, f"{self.pointer}{pointer}" or None, rule, severity, message, value, hint)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one load, by what they hold: entry type ids, ``CASES``, ``TARGETS``."""

    by_kind: Mapping[str, tuple[Path, ...]]

    def entries(self, kind: str) -> Iterator[Entry | Problem]:
        """Yield the records of a kind, file by file; what cannot be read comes as a problem."""
        for path in self.by_kind.get(kind, ()):
            yield from entries(path)

    @property
    def paths(self) -> list[Path]:
        """All files, in a stable order."""
        return [path for kind in sorted(self.by_kind) for path in self.by_kind[kind]]


def find(paths: Iterable[Path | str]) -> tuple[Files, list[Problem]]:
    """Find the files under some paths (files, or folders at any depth), and what is wrong with the others."""
    found: dict[str, list[Path]] = {}
    problems = []
    for path in map(Path, paths):
        if path.is_dir():
            listed = sorted(one for one in path.rglob("*") if one.is_file() and one.name.lower().endswith(ENDINGS))
        else:
            listed = [path]
        for one in listed:
            kind = _kind(one)
            if kind is not None:
                found.setdefault(kind, []).append(one)
                continue
            if not one.exists():
                problems.append(_broken(one, None, "file-unreadable", "There is no such file.", None))
                continue
            message = f"{one.name} is not named after an entry type, so nobody can tell what it holds."
            hint = "Name it individuals.json, biosamples.json, runs.json, analyses.json, genomicVariations.json, ..."
            severity = Severity.WARNING if path.is_dir() else Severity.ERROR
            problems.append(Problem(str(one), None, None, "bff-file", severity, message, None, hint))
    if not found and all(one.severity is Severity.WARNING for one in problems):
        hint = "Hand over files named after entry types, such as individuals.json, or a folder with such files."
        message = "No Beacon file was found."
        problems.append(Problem("the paths given", None, None, "nothing-found", Severity.ERROR, message, None, hint))
    return Files({kind: tuple(one) for kind, one in found.items()}), problems


def _kind(path: Path) -> str | None:
    name = path.name
    ending = next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.lower().endswith(ending)), None)
    if ending is None:
        return None
    stem = name[: -len(ending)]
    return stem if stem in (CASES, TARGETS) else entry_type_id(stem.removesuffix("Vcf"))


def digest(files: Files, settings: Iterable[str]) -> str:
    """Return one hash of the contents of all files and of how they are loaded, whatever they are called.

    A file that cannot be read counts as empty: reading it will tell.
    """
    found = hashlib.sha256("\x1f".join(settings).encode())
    for kind in sorted(files.by_kind):
        found.update(f"\x1f{kind}".encode())
        for path in files.by_kind[kind]:
            try:
                with path.open("rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
            except OSError:
                found.update(b"\x1f")
    return found.hexdigest()


def entries(path: Path) -> Iterator[Entry | Problem]:
    """Yield the records of one file, and at most one problem with it, at its end."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as opened:
            stream = cast(BinaryIO, opened)
            yield from _lines(path, stream) if _has_lines(stream) else _whole(path, stream)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"The file is damaged or cut short ({error})."
        yield _broken(path, None, "file-damaged", message, "Fetch or make it again.")
    except OSError as error:
        yield _broken(path, None, "file-unreadable", f"The file cannot be read: {error.strerror or error}.", None)


def _has_lines(stream: BinaryIO) -> bool:
    """Whether the file has a record per line; leaves the stream at its beginning."""
    first = stream.readline(MAX_LINE).strip()
    if first == b"[":
        first = stream.readline(MAX_LINE).strip()
    stream.seek(0)
    return isinstance(_parsed(first.removesuffix(b",")), dict)


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _lines(path: Path, stream: BinaryIO) -> Iterator[Entry | Problem]:
    number, closed, listed = 0, False, False
    while line := stream.readline(MAX_LINE):
        number += 1
        text = line.strip()
        if text == b"[" and number == 1:
            listed = True
        elif text == b"]" and listed and not closed:
            closed = True
        elif text:
            body = _parsed(text.removesuffix(b","))
            if not isinstance(body, dict) or closed:
                yield _broken(path, number, "json-invalid", "The line is no JSON object.", "Make the file again.")
                return
            if (key := repeated_key(text, (orjson.dumps(body),))) is not None:
                yield _ambiguous(path, number, key)
                return
            yield Entry(str(path), number, "", body)
    if listed and not closed:
        yield _broken(path, number, "file-damaged", "The file ends before its list does.", "Fetch or make it again.")


def _whole(path: Path, stream: BinaryIO) -> Iterator[Entry | Problem]:
    data = stream.read(MAX_WHOLE + 1)
    if len(data) > MAX_WHOLE:
        message = f"The file is larger than {MAX_WHOLE >> 20} MB."
        yield _broken(path, None, "file-too-large", message, "Write one record per line; such a file may be any size.")
        return
    try:
        listed = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        message = f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        yield _broken(path, None, "json-invalid", message, "The file may be cut short, or edited by hand.")
        return
    if (key := repeated_key(data, map(orjson.dumps, listed if isinstance(listed, list) else [listed]))) is not None:
        yield _ambiguous(path, None, key)
        return
    del data
    for index, body in enumerate(listed if isinstance(listed, list) else [listed]):
        pointer = f"/{index}" if isinstance(listed, list) else ""
        if isinstance(body, dict):
            yield Entry(str(path), None, pointer, body)
        else:
            yield Problem(str(path), None, pointer or None, "bff-record", Severity.ERROR, "This is no object.", body)


def _ambiguous(path: Path, line: int | None, key: str) -> Problem:
    message = f"An object has the key {key!r} twice, so that one of its values would be lost."
    return _broken(path, line, "json-key-repeated", message, "Keep the one that holds.")


def _broken(path: Path, line: int | None, rule: str, message: str, hint: str | None) -> Problem:
    return Problem(str(path), line, None, rule, Severity.ERROR, message, None, hint)
