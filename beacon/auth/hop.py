"""What a node says to the next one about the question itself: which one it is, and where it has been.

A JWT signed with the node's key, in the header ``Skerry-Question``, beside whatever says who asks:

    header  typ  skerry-question+jwt
    claims  iss  the node's id           aud  the peer's beacon id        iat, exp
            question  a random id that the question keeps on all its ways
            request   the id that the node gave its own request
            hops      how many networks it may still pass through
            visited   digests of the beacons that it is asked of already, 8 characters each

It gives nobody any right: it can only lead to fewer beacons being asked. So one that is signed by a node of whom
nothing is known is heeded too, or networks that list each other without knowing each other's keys would ask in
circles. One of a known node must be signed by that node.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from beacon.auth.assertion import SigningKey, signed
from beacon.errors import BadRequest

HEADER: Final = "Skerry-Question"
VISAS: Final = "Skerry-Visas"
"""The header in which a node sends visas (compact JWS, blanks between them) to a peer that needs them."""
TYPE: Final = "skerry-question+jwt"
SECONDS: Final = 300
MOST_VISITED: Final = 400
"""Of whom the header tells; more would make it longer than many servers read."""
_DIGEST: Final = 8
_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_REQUEST: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a question is on its way. ``sender`` is who claims to send it, ``known`` whether that was verified."""

    question: str
    sender: str
    hops: int
    visited: frozenset[str] = frozenset()
    request: str = ""
    known: bool = False

    def has_visited(self, beacon: str) -> bool:
        """Say whether this beacon (its id) is asked already."""
        return digest(beacon) in self.visited


def digest(beacon: str) -> str:
    """Return what stands for a beacon's id in ``visited``."""
    return base64.urlsafe_b64encode(hashlib.sha256(beacon.encode()).digest()[:6]).decode()


def draft(hop: Hop, now: float) -> bytes:
    """Write where a question is, but for whom that is said; ``now`` is in seconds since 1970.

    All peers are told the same, so it is written once and signed for each.
    """
    return orjson.dumps(
        {
            "iss": hop.sender,
            "iat": int(now),
            "exp": int(now) + SECONDS,
            "question": hop.question,
            "request": hop.request,
            "hops": hop.hops,
            "visited": "".join(sorted(hop.visited)[:MOST_VISITED]),
        }
    )


def sign_hop(key: SigningKey, audience: str, drafted: bytes) -> str:
    """Sign a draft for the one peer ``audience``, so that no other one takes it from somebody who hands it on."""
    return signed(key, TYPE, b'{"aud":' + orjson.dumps(audience) + b"," + drafted[1:])


def read_hop(claims: Mapping[str, Any], *, known: bool) -> Hop:
    """Read the claims. Raises ``BadRequest`` where they are none."""
    match claims:
        case {
            "iss": str(sender),
            "question": str(question),
            "request": str(request),
            "hops": int(hops),
            "visited": str(visited),
        } if _ID.fullmatch(question) and 0 <= hops <= 1000 and sender.isprintable() and len(sender) <= 255:
            seen = frozenset(visited[n : n + _DIGEST] for n in range(0, len(visited), _DIGEST))
            return Hop(question, sender, hops, seen, request if _REQUEST.fullmatch(request) else "", known)
        case _:
            raise BadRequest(f"The header {HEADER} does not say which question it is about.", where=HEADER)


def digests(beacons: Iterable[str]) -> frozenset[str]:
    """Return what stands for these beacons."""
    return frozenset(map(digest, beacons))
