"""Memory that all workers of a server look into: what one has read of a segment, none of the others reads again.

A piece is a file without a name that lies in memory alone (Linux ``memfd_create``). It has no place on any disk, so
nothing of it has to be found and erased: the kernel frees it when the last worker lets go of it, however that ends.
Who holds a piece says so on a board that all workers share, with the number of its descriptor, through which the
others reach it (``/proc/PID/fd``). Where any of this is not to be had, each worker has pieces of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HOLDERS: Final = 1_024
"""Pieces that can be said to be held, each worker's counted; who finds no room shares no more."""
MOST: Final = 128
"""Pieces that one worker has: each takes two descriptors, of which processes often have no more than 1,024."""
_HELD: Final = struct.Struct("<16sqq")
_BLOCK: Final = 512
_BOARD: Final = 0
"""Which byte is locked for the board; others stand for pieces."""
_KNOWN: Final = all(
    hasattr(module, name) for module, name in ((os, "memfd_create"), (fcntl, "F_ADD_SEALS"), (mmap, "MADV_REMOVE"))
)
"""Whether this Python, built for this kernel, knows such memory at all."""


class Piece:
    """Some memory: ``view`` is written by whoever made it until it is ``sealed``, and afterwards read by everybody."""

    def __init__(self, descriptor: int, size: int, *, writable: bool) -> None:
        """Take over a descriptor. Raises ``OSError`` where it cannot be mapped; it is closed then."""
        self.descriptor = descriptor
        self.size = size
        self._free = weakref.finalize(self, os.close, descriptor)
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        try:
            self.view = mmap.mmap(descriptor, size, access=access)
        except OSError:
            self._free()
            raise

    @property
    def taken(self) -> int:
        """How many bytes it takes: pages that nobody wrote to take none."""
        return os.fstat(self.descriptor).st_blocks * _BLOCK

    def give_back(self, begin: int, stop: int) -> None:
        """Free the whole pages within these bytes; they are zeros afterwards."""
        begin = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
        if stop > begin:
            self.view.madvise(mmap.MADV_REMOVE, begin, stop - begin)

    def sealed(self) -> Piece:
        """Return it as everybody has it: neither its size nor, through what is returned, its bytes change any more.

        Raises ``OSError`` where there is no descriptor left.
        """
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return Piece(os.dup(self.descriptor), self.size, writable=False)


class Commons:
    """The board of one server. Make it before its workers are forked.

    Locks are held by processes: two stores of one process would not wait for each other, only do some work twice. They
    also end where a process closes their file, which therefore nobody else opens.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._pieces = weakref.WeakSet[Piece]()
        self._board = mmap.mmap(-1, HOLDERS * _HELD.size)
        self._lock, path = tempfile.mkstemp()
        Path(path).unlink()
        weakref.finalize(self, os.close, self._lock)

    @property
    def full(self) -> bool:
        """Whether this worker has as many pieces as it may have, or can have none."""
        return not _KNOWN or len(self._pieces) >= MOST

    def make(self, name: str, size: int) -> Piece | None:
        """Return an empty piece to write to; None where there is no such memory."""
        if self.full:
            return None
        try:
            descriptor = os.memfd_create(_label(name), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(descriptor, size)
        except OSError:
            os.close(descriptor)
            return None
        with contextlib.suppress(OSError):
            return Piece(descriptor, size, writable=True)
        return None

    def find(self, name: str, size: int) -> Piece | None:
        """Return the piece of this name that another worker holds; None where none does, or this one has enough."""
        if self.full:
            return None
        for place in range(0, len(self._board), _HELD.size):
            known, process, number = _HELD.unpack_from(self._board, place)
            if known == _key(name) and (piece := _opened(process, number, name, size)) is not None:
                return piece
        return None

    def offer(self, name: str, piece: Piece) -> bool:
        """Say that this worker holds a piece, for as long as it does; return whether the others can reach it."""
        self._pieces.add(piece)
        if _opened(os.getpid(), piece.descriptor, name, piece.size) is None:
            return False
        with self._locked(_BOARD):
            for place in range(0, len(self._board), _HELD.size):
                known, process, _ = _HELD.unpack_from(self._board, place)
                if not any(known) or not Path(f"/proc/{process}").exists():
                    held = _key(name), os.getpid(), piece.descriptor
                    _HELD.pack_into(self._board, place, *held)
                    weakref.finalize(piece, self._withdraw, place, held)
                    return True
        return False

    def _withdraw(self, place: int, held: tuple[bytes, int, int]) -> None:
        # Without a lock: nobody else writes where this process has. A process forked from it has copies of its pieces.
        if held[1] == os.getpid() and _HELD.unpack_from(self._board, place) == held:
            _HELD.pack_into(self._board, place, bytes(16), 0, 0)

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[bool]:
        """Say whether this worker may make the piece of this name: while one is at it, no other may.

        Raises ``OSError`` where no locks are to be had.
        """
        place = _BOARD + 1 + int.from_bytes(_key(name)[:7], "little")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # what a lock that somebody else has is called
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, place)

    @contextlib.contextmanager
    def _locked(self, place: int) -> Iterator[None]:
        fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, place)


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _label(name: str) -> str:
    return f"skerry {_key(name).hex()}"


def _opened(process: int, number: int, name: str, size: int) -> Piece | None:
    """Open a piece that a process holds under a descriptor, if it is still the one that was meant."""
    with contextlib.suppress(OSError):
        descriptor = os.open(f"/proc/{process}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
        called = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if called == f"/memfd:{_label(name)} (deleted)" and os.fstat(descriptor).st_size == size:
            return Piece(descriptor, size, writable=False)
        os.close(descriptor)
    return None
