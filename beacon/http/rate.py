"""How often one asker may ask: token buckets for everybody, in a fixed piece of memory.

Counting is the generic cell rate algorithm: of each asker only the moment is kept at which their bucket will be
full again, and by its sign whether they were refused since their last token. All workers of a server count in the same
memory, so that an asker has one bucket, whichever worker answers. Two workers that count the same asker at the same
instant may give a token too many, never one too few.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import math
import mmap
import secrets
import struct
import time
from collections.abc import Callable
from typing import Final, Literal

from beacon.errors import TooOften
from beacon.model.access import Principal
from beacon.settings import Node, Rate

SEATS: Final = 32_768
"""Askers that are remembered at a time; 16 bytes each."""
_WAYS: Final = 8


class Buckets:
    """The buckets of all askers. Make it before workers are forked, and they share it.

    An asker has ``_WAYS`` possible seats, chosen by a keyed hash, so that nobody can aim at anybody's. Where all are
    taken, the one whose bucket is fullest loses it, which is the one to whom it matters least.
    """

    def __init__(self, seats: int = SEATS, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` must be the same in all processes, as the system's monotonic one is."""
        self._groups = max(seats // _WAYS, 1)
        memory = memoryview(mmap.mmap(-1, self._groups * _WAYS * 16))
        half = len(memory) // 2
        self._who = memory[:half].cast("Q")
        self._full_at = memory[half:].cast("d")  # negative from a refusal until the next token
        self._secret = secrets.token_bytes(32)
        self._clock = clock

    def take(self, asker: str, rate: Rate) -> float:
        """Take one token of an asker's bucket; return 0.0, or the seconds until there is one again."""
        if rate.per_second == 0:
            return 0.0
        now = self._clock()
        seat = self._seat(asker)
        step = 1 / rate.per_second
        full_at = max(self._when_full(seat), now) + step
        wait = full_at - now - rate.burst * step
        if wait > 1e-9:  # what adding up seconds loses must not cost anybody a token
            return wait
        self._full_at[seat] = full_at
        return 0.0

    def refuse(self, asker: str) -> bool:
        """Note that an asker is refused; return whether they had been already, since their last token."""
        seat = self._seat(asker)
        refused = self._full_at[seat] < 0
        self._full_at[seat] = -self._when_full(seat)
        return refused

    def _when_full(self, seat: int) -> float:
        return abs(self._full_at[seat])  # its sign only says whether there was a refusal

    def _seat(self, asker: str) -> int:
        digest = hashlib.blake2b(asker.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=16).digest()
        who, group = struct.unpack("<QQ", digest)
        seats = range(group % self._groups * _WAYS, (group % self._groups + 1) * _WAYS)
        for seat in seats:
            if self._who[seat] == who:
                return seat
        seat = min(seats, key=self._when_full)
        self._full_at[seat] = 0.0
        self._who[seat] = who
        return seat


def charge(buckets: Buckets, principal: Principal, address: str, rate: Rate, nodes: tuple[Node, ...]) -> None:
    """Count one request of a person, or of an ``address`` where nobody says who they are. Raises ``TooOften``.

    A person for whom a node vouches has a bucket of that node, so that no node can empty the person's own; the
    node itself has another, for all its people together.
    """
    person = principal.person
    if person is None:
        charge_network(buckets, "address", address, rate)
        return
    _charge(buckets, f"person {principal.node or ''} {person.issuer} {person.subject}", rate)
    for node in nodes:
        if node.id == principal.node:
            _charge(buckets, f"node {node.id}", node.rate)


def charge_network(buckets: Buckets, what: Literal["address", "preflight", "unread"], address: str, rate: Rate) -> None:
    """Count what comes from an ``address`` and says nothing of whose it is. Raises ``TooOften``.

    Strangers' questions, browsers' preflights and what cannot be read have a bucket each: behind one address there
    may be many, and whoever sends too much of one must not use up what others need of another.
    """
    _charge(buckets, f"{what} {network_of(address)}", rate)


def _charge(buckets: Buckets, account: str, rate: Rate) -> None:
    if wait := buckets.take(account, rate):
        seconds = math.ceil(wait)
        raise TooOften(
            f"You ask too often; ask again in {seconds} s.", retry_seconds=seconds, repeated=buckets.refuse(account)
        )


@functools.lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return what one client can be told by: its IPv4 address, or the /64 network that its IPv6 address is in.

    What is no address (a Unix socket's end) is "": nobody gets a bucket by being called something new.
    """
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(one, ipaddress.IPv6Address):
        return str(one.ipv4_mapped or ipaddress.IPv6Network((one, 64), strict=False))
    return str(one)
