"""Where documents come from: files, folders, archives and JSON lines, plain or compressed, in a stable order."""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol
from unicodedata import category

from loaders.document import Document
from loaders.report import Problem, Severity
from loaders.tables import read_tables

__all__ = ["MAX_BYTES", "READERS", "Document", "Items", "Kept", "documents", "printable"]

MAX_BYTES = 64 * 1024 * 1024
"""The largest document that is read. Real phenopackets are below 1 MB; an archive that unpacks to more is a mistake."""

KEPT_BYTES = 32 * 1024 * 1024
_SMALL = 1024 * 1024
_ENCRYPTED = 1
_MEMBER = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s22xHH")
"""What a member of an archive begins with: signature, and how long its name and what else there is before its data are
(PKWARE APPNOTE 6.3, 4.3.7).
"""


class Stream(Protocol):
    """Bytes that are read once, from start to end."""

    def read(self, size: int = -1, /) -> bytes: ...
    def readline(self, size: int = -1, /) -> bytes: ...


Opened = Callable[[], AbstractContextManager[Stream]]
Items = Iterator[Document | Problem]


def documents(paths: Iterable[Path | str], *, max_bytes: int = MAX_BYTES) -> Items:
    """Read every document under the paths, in the order given, folders and archives sorted by name.

    A path is a ``.json`` or ``.jsonl`` file, either with ``.gz``, a ``.zip`` of ``.json`` files, or a folder with
    such files at any depth (of other files in folders and archives nothing is said), or a ``.toml`` that says what the
    columns of tables mean. What cannot be read comes
    as a ``Problem`` in its place, and the rest goes on. Never raises ``OSError``.
    """
    for path in map(Path, paths):
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            yield _unreadable(_shown(path), error)
            continue
        if is_folder:
            yield from _folder(path, max_bytes)
        elif path.suffix.lower() == ".toml":
            yield from read_tables(path)
        elif reader := _reader(path):
            yield from reader(path, max_bytes)
        else:
            kinds = ", ".join(READERS)
            yield _problem(
                _shown(path),
                "file-kind",
                f"{printable(path.name)} is not of a kind that can be read.",
                f"Hand over {kinds} or a folder.",
            )


class Kept:
    """Documents under paths that are gone through twice; read once only where all of them take little memory."""

    def __init__(self, paths: Iterable[Path | str], most_bytes: int = KEPT_BYTES) -> None:
        self._paths = tuple(paths)
        self._most = most_bytes
        self._kept: list[Document | Problem] | None = None

    def __iter__(self) -> Items:
        return self._read() if self._kept is None else iter(self._kept)

    def _read(self) -> Items:
        kept: list[Document | Problem] = []
        size = 0
        for item in documents(self._paths):
            size += len(item.data) if isinstance(item, Document) else 0
            if size <= self._most:
                kept.append(item)
            yield item
        if size <= self._most:
            self._kept = kept


def _folder(folder: Path, max_bytes: int) -> Items:
    for path in sorted(_files(folder)):
        if reader := _reader(path):
            if path.exists() and not path.is_file():
                message = f"{printable(path.name)} is a pipe or a device, of which nobody knows when it ends."
                yield _problem(_shown(path), "file-kind", message, "Put what comes from it into a file.")
            else:
                yield from reader(path, max_bytes)


def _files(folder: Path) -> Iterator[Path]:
    """Walk a folder; links to folders are followed, but no folder is read twice."""
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(parent) / name for name in names if not name.startswith("."))


def _reader(path: Path) -> Callable[[Path, int], Items] | None:
    name = path.name.lower()
    return next((reader for ending, reader in READERS.items() if name.endswith(ending)), None)


def _whole(path: Path, max_bytes: int) -> Items:
    yield from _guarded(_shown(path), lambda: _one(_shown(path), lambda: path.open("rb"), max_bytes))


def _whole_gzip(path: Path, max_bytes: int) -> Items:
    yield from _guarded(_shown(path), lambda: _one(_shown(path), partial(gzip.open, path), max_bytes))


def _lines(path: Path, max_bytes: int) -> Items:
    yield from _guarded(_shown(path), lambda: _each_line(_shown(path), lambda: path.open("rb"), max_bytes))


def _lines_gzip(path: Path, max_bytes: int) -> Items:
    yield from _guarded(_shown(path), lambda: _each_line(_shown(path), partial(gzip.open, path), max_bytes))


def _zip(path: Path, max_bytes: int) -> Items:
    yield from _guarded(_shown(path), lambda: _members(path, max_bytes))


READERS: Mapping[str, Callable[[Path, int], Items]] = {
    ".json": _whole,
    ".json.gz": _whole_gzip,
    ".jsonl": _lines,
    ".jsonl.gz": _lines_gzip,
    ".zip": _zip,
}
"""How a file is read, by how its name ends."""


def _one(name: str, opened: Opened, max_bytes: int) -> Items:
    with opened() as stream:
        data = stream.read(max_bytes + 1)
    yield _too_large(name, None, max_bytes) if len(data) > max_bytes else Document(name, None, data)


def _each_line(name: str, opened: Opened, max_bytes: int) -> Items:
    """One document per line; blank lines are nothing."""
    with opened() as stream:
        number = 0
        while line := stream.readline(max_bytes + 1):
            number += 1
            if len(line) > max_bytes and not line.endswith(b"\n"):
                yield _too_large(name, number, max_bytes)
                while line and not line.endswith(b"\n"):
                    line = stream.readline(max_bytes)
            elif line.strip():
                yield Document(name, number, line.strip())


def _members(path: Path, max_bytes: int) -> Items:
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda info: info.filename):
            name = printable(f"{path}!{member.filename}")
            hidden = member.filename.startswith("__MACOSX/")
            if member.filename.lower().endswith(".json") and not member.is_dir() and not hidden:
                yield from _guarded(name, partial(_member, name, archive, member, max_bytes))


def _member(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_bytes: int) -> Items:
    """Yield a member of an archive.

    Most are small and plain, and are taken from the file as they lie there: to open each as a stream takes longer than
    to read and to unpack it.
    """
    plain = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not member.flag_bits & _ENCRYPTED
    file = archive.fp
    if not plain or max(member.compress_size, member.file_size) > min(_SMALL, max_bytes) or file is None:
        yield from _one(name, partial(archive.open, member), max_bytes)
        return
    file.seek(member.header_offset)
    signature, name_bytes, extra_bytes = _LOCAL.unpack(file.read(_LOCAL.size))
    file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
    data = file.read(member.compress_size)
    if member.compress_type == zipfile.ZIP_DEFLATED:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.file_size + 1)
    if signature != _MEMBER or len(data) != member.file_size or zlib.crc32(data) != member.CRC:
        raise zipfile.BadZipFile("its bytes are not those that were packed")
    yield Document(name, None, data)


def _guarded(name: str, read: Callable[[], Items]) -> Items:
    """Turn whatever goes wrong while bytes are read or unpacked into a problem."""
    try:
        yield from read()
    except (
        EOFError,
        zlib.error,
        lzma.LZMAError,
        gzip.BadGzipFile,
        zipfile.BadZipFile,
        struct.error,
        ValueError,
    ) as error:
        yield _problem(
            name,
            "file-damaged",
            f"The file is damaged or cut short ({error}).",
            "Fetch or make it again; what came before was read.",
        )
    except (NotImplementedError, RuntimeError) as error:  # zipfile: unknown compression, or a password is needed
        yield _problem(
            name,
            "file-packed",
            f"The archive's member cannot be unpacked ({error}).",
            "Pack it anew, without a password.",
        )
    except OSError as error:
        yield _unreadable(name, error)


def printable(text: str) -> str:
    """Return text that may go to a terminal and into a database, whatever a file's name is made of.

    What controls a terminal, and bytes that are no text, become a sign that stands for them.
    """
    if text.isprintable():
        return text
    return "".join("\ufffd" if category(character).startswith("C") else character for character in text)


def _shown(path: Path) -> str:
    return printable(str(path))


def _unreadable(name: str, error: OSError) -> Problem:
    return _problem(name, "file-unreadable", f"The file cannot be read: {error.strerror or error}.", None)


def _too_large(name: str, line: int | None, max_bytes: int) -> Problem:
    message = f"The document is larger than {max_bytes // 1024:,} KB, which no phenopacket is; it was not read."
    return Problem(name, line, None, "file-too-large", Severity.ERROR, message)


def _problem(name: str, rule: str, message: str, hint: str | None) -> Problem:
    return Problem(name, None, None, rule, Severity.ERROR, message, None, hint)
