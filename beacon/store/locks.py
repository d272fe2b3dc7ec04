"""One change of a dataset at a time: a lease in the dataset's own document.

Whoever loads, deletes or compacts holds the lease, and what they publish is accepted only while it is theirs. A
holder that died loses it: at once where the process is known to be gone, else when the lease, which the holder
renews, runs out. All times are the database's.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pymongo.database import Database
from pymongo.errors import PyMongoError

from beacon.errors import LoadError

Document = dict[str, Any]

LEASE_SECONDS: Final = 30
_RENEW_SECONDS: Final = 8
_LOOK_SECONDS: Final = 0.5
"""How often somebody who waits looks whether the lease is free."""


class Lease:
    """The right to change one dataset, held while the block runs.

    Raises ``LoadError`` where there is no such dataset, or where somebody else holds the lease and ``wait`` (told once,
    with who that is) is None.
    """

    def __init__(
        self, db: Database[Document], dataset: str, what: str, who: str, wait: Callable[[str], None] | None = None
    ) -> None:
        self.dataset = dataset
        self.token = secrets.token_hex(8)
        self._db = db
        self._wait = wait
        self._mine: Document = {
            "token": self.token, "place": place(), "process": os.getpid(), "begun": _begun(os.getpid()),
            "what": what, "who": who,
        }  # fmt: skip
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="skerry-lease", daemon=True)

    def __enter__(self) -> Self:
        told = False
        while holder := self._taken():
            if self._wait is None:
                raise LoadError(
                    f"{holder}; let that end, or give --wait to wait for it", where=self.dataset
                )  # fmt: skip
            if not told:
                self._wait(holder)
                told = True
            self._ended.wait(_LOOK_SECONDS)
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewing.join()
        self._db["datasets"].update_one({"_id": self.dataset, "lock.token": self.token}, {"$unset": {"lock": ""}})

    def _taken(self) -> str | None:
        """Take the lease and return None, or say who holds it."""
        found = self._db["datasets"].find_one({"_id": self.dataset}, {"lock": 1})
        if found is None:
            raise LoadError.no_dataset(self.dataset)
        held = found.get("lock")
        free: Document = {"lock": None} if held is None else {"lock.token": held["token"]}
        if held is not None and not _is_dead(held):
            free["$expr"] = {"$lt": ["$lock.until", "$$NOW"]}
        taken = self._db["datasets"].update_one(
            {"_id": self.dataset} | free, [{"$set": {"lock": self._mine | {"since": "$$NOW", "until": _until()}}}]
        )
        if taken.matched_count:
            return None
        if held is None:
            return f"another command has just begun to change dataset {self.dataset!r}"
        return (
            f"{held['who'] or 'somebody'} has been changing dataset {self.dataset!r} since "
            f"{held['since']:%Y-%m-%d %H:%M} UTC ({held['what']}, process {held['process']})"
        )

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            try:
                self._db["datasets"].update_one(
                    {"_id": self.dataset, "lock.token": self.token}, [{"$set": {"lock.until": _until()}}]
                )
            except PyMongoError:  # the database is away for a moment; what is written meanwhile fails for itself
                continue


def _until() -> Document:
    return {"$add": ["$$NOW", LEASE_SECONDS * 1000]}


def place() -> str:
    """Return what tells this machine's run and its space of process ids from any other's; "" where nothing does."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _is_dead(held: Document) -> bool:
    """Whether the holder is known to run no more; False where that cannot be known from here."""
    if not held["place"] or held["place"] != place():
        return False
    try:
        os.kill(held["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # One that was killed keeps its number until its parent asks what became of it; then another may get it.
    begun = _begun(held["process"])
    return begun is None or begun not in {held.get("begun", begun), ""}


def _begun(process: int) -> str | None:
    """Return what tells a process from another one of its number; None where it has ended, "" where nothing tells."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return None if state in "ZX" else fields[18]  # the time of its start (proc_pid_stat, field 22)
