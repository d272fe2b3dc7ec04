"""What may come once only: ids of assertions, and questions that could come from two sides.

All workers of a server share one piece of memory, made before they are forked. It never forgets an id before its
time: where there is no room left it refuses.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from beacon.errors import Overloaded

SEATS: Final = 131_072
"""Ids that are remembered at a time; 32 bytes each."""
_WAYS: Final = 16
_SEAT: Final = struct.Struct("<16sQd")


class Once:
    """Ids that have come, each until its time is over.

    ``began`` is when remembering began, in seconds since 1970: what was made before may have come before.
    """

    def __init__(self, seats: int = SEATS, *, clock: Callable[[], float] = time.time) -> None:
        self._groups = max(seats // _WAYS, 1)
        self._memory = mmap.mmap(-1, self._groups * _WAYS * _SEAT.size)
        self._secret = secrets.token_bytes(32)
        self._clock = clock
        # Record locks are held by processes, so they keep workers apart; within one nothing else runs meanwhile.
        self._lock, path = tempfile.mkstemp()
        Path(path).unlink()
        weakref.finalize(self, os.close, self._lock)
        self.began = clock()

    def first(self, id: str, until: float, by: str = "") -> bool:
        """Say whether ``id`` comes for the first time, or ``by`` whom it came first; remember it until ``until``.

        Raises ``Overloaded`` where so many ids are remembered that there is no room.
        """
        who = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=24).digest()
        sender = int.from_bytes(hashlib.blake2b(by.encode(), key=self._secret, digest_size=8).digest(), "little")
        group = int.from_bytes(who[16:], "little") % self._groups
        begin = group * _WAYS * _SEAT.size
        fcntl.lockf(self._lock, fcntl.LOCK_EX, 1, group)
        try:
            return self._take(begin, who[:16], sender if by else 0, until)
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN, 1, group)

    def _take(self, begin: int, who: bytes, sender: int, until: float) -> bool:
        now, free = self._clock(), None
        for place in range(begin, begin + _WAYS * _SEAT.size, _SEAT.size):
            known, known_sender, known_until = _SEAT.unpack_from(self._memory, place)
            if known_until <= now:
                free = place if free is None else free
            elif known == who:
                return bool(sender) and known_sender == sender
        if free is None:
            raise Overloaded("Too many requests of other nodes are remembered at the moment; ask again.")
        _SEAT.pack_into(self._memory, free, who, sender, until)
        return True
