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
import sys
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HOLDERS: Final = 1_024
"""Pieces that can be said to be held, each worker's counted; who finds no room shares no more."""
MOST: Final = 128
"""Pieces that one worker has: each takes a descriptor, of which processes often have no more than 1,024."""
_HELD: Final = struct.Struct("<16sqq")
_BLOCK: Final = 512


class Piece:
    """Some memory: ``view`` is written by whoever made it until it is ``sealed``, and afterwards read by everybody."""

    def __init__(self, descriptor: int, size: int, *, writable: bool) -> None:
        self.descriptor = descriptor
        self.size = size
        self._free = weakref.finalize(self, os.close, descriptor)
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self.view = mmap.mmap(descriptor, size, access=access)

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
        """Return it as everybody has it: neither its size nor, through what is returned, its bytes change any more."""
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return Piece(os.dup(self.descriptor), self.size, writable=False)


class Commons:
    """The board of one server. Make it before its workers are forked."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._pieces = weakref.WeakSet[Piece]()
        self._board = mmap.mmap(-1, HOLDERS * _HELD.size)
        # Record locks are held by processes, and end with them.
        self._lock, path = tempfile.mkstemp()
        Path(path).unlink()
        weakref.finalize(self, os.close, self._lock)

    def make(self, name: str, size: int) -> Piece | None:
        """Return an empty piece to write to; None where there is no such memory, or this worker has enough of it."""
        if sys.platform != "linux" or len(self._pieces) >= MOST:
            return None
        try:
            descriptor = os.memfd_create(_label(name), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(descriptor, size)
            return Piece(descriptor, size, writable=True)
        except OSError:
            return None

    def find(self, name: str, size: int) -> Piece | None:
        """Return the piece of this name that another worker holds; None where none does, or this one has enough."""
        if len(self._pieces) >= MOST:
            return None
        for place in range(0, len(self._board), _HELD.size):
            known, process, number = _HELD.unpack_from(self._board, place)
            if known == _key(name):
                with contextlib.suppress(OSError):
                    if (piece := _opened(Path(f"/proc/{process}/fd/{number}"), name, size)) is not None:
                        return piece
        return None

    def offer(self, name: str, piece: Piece) -> bool:
        """Say that this worker holds a piece, for as long as it does; return whether there was room to say so."""
        self._pieces.add(piece)
        with self._locked(0):
            for place in range(0, len(self._board), _HELD.size):
                known, process, _ = _HELD.unpack_from(self._board, place)
                if not any(known) or not Path(f"/proc/{process}").exists():
                    held = _key(name), os.getpid(), piece.descriptor
                    _HELD.pack_into(self._board, place, *held)
                    weakref.finalize(piece, self._withdraw, place, held)
                    return True
        return False

    def _withdraw(self, place: int, held: tuple[bytes, int, int]) -> None:
        # Not as in a lock: nobody else writes where this process has.
        if _HELD.unpack_from(self._board, place) == held:
            _HELD.pack_into(self._board, place, bytes(16), 0, 0)

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[bool]:
        """Say whether this worker may make the piece of this name: while one is at it, no other may."""
        place = 1 + int.from_bytes(_key(name)[:7], "little")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
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


def _opened(path: Path, name: str, size: int) -> Piece | None:
    """Open a piece that another process holds, if it is still the one that was meant."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    piece = None
    try:
        meant = str(Path(f"/proc/self/fd/{descriptor}").readlink()) == f"/memfd:{_label(name)} (deleted)"
        if meant and os.fstat(descriptor).st_size == size:
            piece = Piece(descriptor, size, writable=False)
        return piece
    finally:
        if piece is None:
            os.close(descriptor)
