"""Writing lines: each worker its own chain, and no answer without its line.

``write`` hands a line to the operating system before it returns, or raises ``AuditUnavailable``, and then nothing of
the line is left behind. Once a second the lines since then are written through to the disk and a signed head says how
far the chain has come; while that fails no line is taken, so that no answer leaves that no head would ever cover.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

import orjson

from beacon.audit.heads import Heads, last_line
from beacon.audit.lines import first, seal
from beacon.audit.place import Place, day_of, moment
from beacon.audit.prune import prune
from beacon.errors import AuditUnavailable, ConfigurationError

HEAD_SECONDS: Final = 1.0
DAY_SECONDS: Final = 86_400.0
ROOM: Final = 4096
"""Bytes that must be free for a server to be ready; hardly a line is longer."""

_log = logging.getLogger("skerry.error")


class Journal(Protocol):
    """Takes the lines of one process."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one line. Raises ``AuditUnavailable`` where it could not be written whole."""

    async def settle(self) -> None:
        """Wait until what was written is as safe as the settings want it before an answer. Raises as ``write``."""

    def check(self) -> None:
        """See whether there is room for a line, without writing one. Raises as ``write``."""


class Chain:
    """One process's chain of lines in files; ``close`` it in the end."""

    def __init__(
        self, place: Place, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin a new chain. Raises ``ConfigurationError`` where that cannot be."""
        self.name = secrets.token_hex(8)
        self._place = place
        self._clock = clock
        self._monotonic = monotonic
        self._at = (0, first(self.name))
        self._signed = 0
        self._file = -1
        self._size = 0
        self._day, self._turn_at = "", 0.0
        self._ended: list[int] = []
        self._synced_at = monotonic()
        self._problem: str | None = None
        self._torn = False
        self._over = False
        self._signing = threading.Lock()
        try:
            self._heads = Heads(place, clock=clock)
            self._marker = _locked(place, self.name)
            self._heads.append("begin", chain=self.name)
            adopt(place, self._heads)
        except OSError as error:
            raise ConfigurationError(
                f"The audit cannot be kept in {place.lines} ({error.strerror}); without it no server answers.",
                where="audit.dir",
            ) from None

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one line. Raises ``AuditUnavailable`` where it could not be written whole."""
        if self._problem is not None:
            raise _unavailable(self._problem)
        now = self._clock()
        number, previous = self._at
        line, digest = seal(previous, {"chain": self.name, "line": number + 1, "time": moment(now), **record})
        try:
            if self._torn:
                self._take_back()
            if now >= self._turn_at:
                self._turn(now)
            written = os.write(self._file, line)
            if written != len(line):
                self._torn = True
                self._take_back()
                raise _unavailable("no room for the whole line")
        except OSError as error:
            raise _unavailable(error.strerror) from None
        self._size += written
        self._at = (number + 1, digest)

    async def settle(self) -> None:
        """Wait for the disk, where the settings want that before each answer. Raises ``AuditUnavailable``."""
        if self._place.fsync_seconds == 0:
            try:
                await asyncio.to_thread(os.fsync, self._file)
            except OSError as error:
                self.fail(f"the disk failed: {error.strerror}")
                raise _unavailable(error.strerror) from None

    def check(self) -> None:
        """See whether there is room for a line, in a file of no name. Raises ``AuditUnavailable``."""
        if self._problem is not None:
            raise _unavailable(self._problem)
        try:
            with tempfile.TemporaryFile(buffering=0, dir=self._place.lines) as trial:
                written = trial.write(bytes(ROOM))
        except OSError as error:
            raise _unavailable(error.strerror) from None
        if written != ROOM:
            raise _unavailable("no room for a whole line")

    def sign(self) -> None:
        """Write through what is due, and a head if there are new lines. Raises ``OSError``; may run in a thread."""
        with self._signing:
            number, digest = self._at
            for one in self._ended[:]:
                os.fsync(one)
                os.close(one)
                self._ended.remove(one)
            if number == self._signed or self._over:
                return
            if self._monotonic() - self._synced_at >= self._place.fsync_seconds - HEAD_SECONDS / 2:
                os.fsync(self._file)
                self._synced_at = self._monotonic()
            self._heads.append("head", chain=self.name, line=number, hash=digest.hex())
            self._signed = number

    def fail(self, problem: str | None) -> None:
        """Take no more lines, for this reason; None: take them again."""
        self._problem = problem

    def prune(self) -> None:
        """Remove what is older than the settings want. Raises ``OSError``; may run in a thread."""
        prune(self._place, self._heads, now=self._clock())

    def close(self) -> None:
        """Sign the last head, and let go of the files."""
        self.fail("it has ended")
        with self._signing:  # a thread may still be at it
            number, digest = self._at
            files, self._ended, self._over = [*self._ended, self._file], [], True
            try:
                for one in files:
                    if one >= 0:
                        os.fsync(one)
                        os.close(one)
                self._heads.append("end", chain=self.name, line=number, hash=digest.hex())
                self._place.marker(self.name).unlink(missing_ok=True)
            except OSError as error:  # the next process that begins does it
                _log.error("the audit's last head was not written: %s", error.strerror)
            finally:
                os.close(self._marker)

    def _turn(self, now: float) -> None:
        """Go on in the file of a new day."""
        day = max(day_of(now), self._day)
        path = self._place.line_file(day, self.name)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            self._ended.append(self._file)
        self._file, self._size, self._day = file, 0, day
        self._turn_at = (now // DAY_SECONDS + 1) * DAY_SECONDS

    def _take_back(self) -> None:
        """Remove the part of a line that was written, so that the chain stays whole; no line before that is done."""
        os.ftruncate(self._file, self._size)
        self._torn = False


def _unavailable(reason: str | None) -> AuditUnavailable:
    _log.error("no audit line can be written, so no answer leaves: %s", reason)
    return AuditUnavailable(
        "What is answered here must be written down, and that is not possible now; ask again later."
    )


def _locked(place: Place, chain: str) -> int:
    """Make and lock the file that says that a chain's process lives."""
    file = os.open(place.marker(chain), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def adopt(place: Place, heads: Heads) -> None:
    """Sign the ends of chains whose processes died without doing so. Raises ``OSError``."""
    for marker in place.lines.glob("*.open"):
        try:
            file = os.open(marker, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # another one that begins was faster
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            chain = marker.name.removesuffix(".open")
            if line := _end_of(place, chain):
                said = orjson.loads(line)
                heads.append("end", chain=chain, line=said["line"], hash=said["hash"])
            marker.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        except (ValueError, KeyError, TypeError):  # no line of ours: `skerry audit verify` says so
            _log.error("the audit's chain in %s does not end with a line; run skerry audit verify", marker)
        finally:
            os.close(file)


def _end_of(place: Place, chain: str) -> bytes:
    for _, _, path in reversed([one for one in place.line_files() if one[1] == chain]):
        if line := last_line(path)[0]:
            return line
    return b""


@contextlib.asynccontextmanager
async def kept(place: Place) -> AsyncIterator[Journal]:
    """Keep a chain while the context lasts. Raises ``ConfigurationError``."""
    chain = Chain(place)
    keeper = asyncio.create_task(_keep(chain))
    keeper.add_done_callback(lambda _done: chain.fail("nobody signs its heads any more"))
    try:
        yield chain
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        chain.close()


async def _keep(chain: Chain) -> None:
    """Sign a head every second, and prune every day."""
    prune_at = 0.0
    while True:
        await asyncio.sleep(HEAD_SECONDS)
        try:
            await asyncio.to_thread(chain.sign)
            chain.fail(None)
        except OSError as error:
            _log.error("no head of the audit can be written: %s", error.strerror)
            chain.fail(f"no head can be written: {error.strerror}")
            continue
        if time.monotonic() >= prune_at:
            prune_at = time.monotonic() + DAY_SECONDS
            try:
                await asyncio.to_thread(chain.prune)
            except OSError as error:
                _log.error("old lines of the audit were not removed: %s", error.strerror)
