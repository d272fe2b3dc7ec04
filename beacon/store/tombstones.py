"""Who must not come back: keyed hashes of the ids of people who withdrew their consent.

With a person's lies what has to be known of them when everything else is erased: the level that their records need,
and, hashed too, what their families call them. A tombstone is HMAC-SHA256 of dataset, kind and id (RFC 2104). The key
lies outside the database, in a file that only its owner may read: whoever has the database alone cannot find out whose
tombstones they are, not even by trying ids.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pymongo.database import Database

from beacon.errors import ConfigurationError
from beacon.model.access import Level
from beacon.store.documents import Document

_BYTES: Final = 32
_LEVELS: Final = tuple(Level)
IsGone = Callable[[str, str], bool]
"""Whether the (kind, id) of an individual or biosample was withdrawn."""


def nobody(kind: str, id: str) -> bool:
    """Say that no one is withdrawn."""
    del kind, id
    return False


@dataclass(frozen=True, slots=True)
class Remembered:
    """What lies with a person's tombstone: the level that their records need, None where none was asked for.

    ``is_called`` tells whether a family (its id) calls them by a name.
    """

    level: Level | None
    is_called: Callable[[str, str], bool]


class Tombstones:
    """The tombstones of one dataset. Raises ``ConfigurationError`` wherever the key is needed and not as it must be."""

    def __init__(self, db: Database[Document], dataset: str, key_file: Path | None) -> None:
        self._db = db
        self._dataset = dataset
        self._file = key_file
        self._key: bytes | None = None

    def reader(self) -> IsGone:
        """Return a function that tells who is withdrawn as of now; without tombstones no key is needed."""
        held = frozenset(bytes(found["_id"]) for found in self._db["tombstones"].find({"d": self._dataset}))
        if not held:
            return nobody
        self._open()
        return lambda kind, id: self._hash(kind, id) in held

    def put(self, ids: Iterable[tuple[str, str]]) -> int:
        """Put up tombstones for (kind, id) pairs, making the key where there is none yet; return how many are new."""
        self._open(make=True)
        new = 0
        for kind, id in ids:
            done = self._db["tombstones"].update_one(
                {"_id": self._hash(kind, id)}, {"$setOnInsert": {"d": self._dataset}}, upsert=True
            )
            new += done.upserted_id is not None
        return new

    def remember(self, id: str, levels: Iterable[Level], names: Iterable[tuple[str, str]]) -> None:
        """Put up a person's tombstone with levels, and with names by which families (their ids) call them.

        What lies there already stays: a level is never lowered by what is known later.
        """
        self._open(make=True)
        kept = {
            "levels": {"$each": [level.value for level in levels]},
            "names": {"$each": [self._hash("person of a family", "\x1f".join(name)) for name in names]},
        }
        change = {"$setOnInsert": {"d": self._dataset}, "$addToSet": kept}
        self._db["tombstones"].update_one({"_id": self._hash("individual", id)}, change, upsert=True)

    def recall(self, id: str) -> Remembered:
        """Return what lies with a person's tombstone; of whoever has none, nothing."""
        self._open()
        found = self._db["tombstones"].find_one({"_id": self._hash("individual", id)}) or {}
        levels, names = set(found.get("levels", ())), frozenset(map(bytes, found.get("names", ())))

        def is_called(family: str, name: str) -> bool:
            return bool(names) and self._hash("person of a family", f"{family}\x1f{name}") in names

        return Remembered(
            max((level for level in Level if level.value in levels), key=_LEVELS.index, default=None), is_called
        )

    def lift(self, ids: Iterable[tuple[str, str]]) -> int:
        """Take tombstones away; return how many there were."""
        self._open()
        hashes = [self._hash(kind, id) for kind, id in ids]
        return self._db["tombstones"].delete_many({"_id": {"$in": hashes}}).deleted_count

    def _hash(self, kind: str, id: str) -> bytes:
        assert self._key is not None, "the key is opened before anything is hashed"
        told = "\x1f".join((self._dataset, kind, id))
        return hmac.digest(self._key, told.encode("utf-8", "surrogatepass"), "sha256")

    def _open(self, *, make: bool = False) -> None:
        if self._key is not None:
            return
        if self._file is None:
            raise ConfigurationError(
                "withdrawals need a key outside the database; name its file with the setting withdrawals.key_file",
                where="withdrawals.key_file",
            )
        known = self._db["meta"].find_one({"_id": "withdrawals"})
        if known is None and make and not self._file.exists():
            _make(self._file)
        key = _read(self._file)
        check = hmac.digest(key, b"skerry withdrawals", "sha256")
        if known is None:
            self._db["meta"].update_one({"_id": "withdrawals"}, {"$setOnInsert": {"check": check}}, upsert=True)
            known = self._db["meta"].find_one({"_id": "withdrawals"}) or {}
        if not hmac.compare_digest(bytes(known["check"]), check):
            raise ConfigurationError(
                f"{self._file} is not the key that this database's withdrawals were made with; restore that one",
                where=str(self._file),
            )
        self._key = key


def _make(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_hex(_BYTES) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        message = f"the key of withdrawals cannot be written to {file} ({error.strerror})"
        raise ConfigurationError(message, where=str(file)) from error


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            about = os.fstat(opened.fileno())
            text = opened.read(1_000)
    except OSError as error:
        raise ConfigurationError(
            f"the key of withdrawals cannot be read from {file} ({error.strerror}); without it nobody can tell who "
            "must not come back, so restore it from its backup",
            where=str(file),
        ) from error
    if stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.geteuid():
        message = f"{file} must be readable by its owner alone, who runs this command (chmod 600)"
        raise ConfigurationError(message, where=str(file))
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise ConfigurationError(f"{file} is not a key of withdrawals (64 hexadecimal digits)", where=str(file))
    return key
