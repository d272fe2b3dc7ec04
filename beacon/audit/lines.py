"""What one line of the audit is: JSON whose last member seals it to everything before it.

The hash of a line is SHA-256 of the hash of the line before it (32 bytes; for the first, one made of the chain's
name) and of the line's own JSON without that member. So a line can neither be changed nor left out, put elsewhere or
added without all later ones not fitting any more.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Final, cast

import orjson

from beacon.model.query import Query

_HASH: Final = b',"hash":"'
_HEX: Final = hashlib.sha256().digest_size * 2
_TAIL: Final = len(_HASH) + _HEX + len(b'"}')


def first(chain: str) -> bytes:
    """Return what the first line of a chain is sealed to."""
    return hashlib.sha256(b"skerry audit chain " + chain.encode()).digest()


def seal(previous: bytes, record: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return a line, with its end, and its hash; ``previous`` is the hash of the line before it."""
    body = orjson.dumps(record)
    digest = hashlib.sha256(previous + body).digest()
    return b'%b%b%b"}\n' % (body[:-1], _HASH, digest.hex().encode()), digest


def unseal(line: bytes) -> tuple[bytes, bytes]:
    """Return the JSON that a line without its end seals, and the hash that it states. Raises ``ValueError``."""
    mark = len(line) - _TAIL
    if line[mark : mark + len(_HASH)] != _HASH or line[-2:] != b'"}':
        raise ValueError("it does not end with its hash")
    written = line[-_HEX - 2 : -2].decode("ascii", "replace")
    if not written.islower() and not written.isdecimal():  # capital letters mean the same, and are bytes that changed
        raise ValueError("its hash has capital letters")
    return line[:mark] + b"}", bytes.fromhex(written)


def sealed_hash(previous: bytes, body: bytes) -> bytes:
    """Return the hash that a line with this JSON has after ``previous``."""
    return hashlib.sha256(previous + body).digest()


@dataclass(frozen=True, slots=True)
class Told:
    """What one dataset (or, of a network, one member) told an asker, and the rule that decided how much.

    ``given`` is the depth of the answer, ``none`` where there was none. ``exists`` and ``count`` are as they were
    released, never what the store knew; ``records`` is how many were handed out on this page. ``consent`` is how the
    dataset's consent codes and the declared purpose went together, and what decided it. ``request`` is the id that a
    member gave the question.
    """

    dataset: str
    rule: str
    given: str = "none"
    reasons: tuple[str, ...] = ()
    exists: bool | None = None
    count: int | None = None
    records: int | None = None
    withheld: bool = False
    consent: str | None = None
    request: str | None = None

    def facts(self) -> dict[str, Any]:
        """Return it as the line says it."""
        return _said(self)


ECHOES: Final = frozenset({"echoed_parameters", "echoed_filters", "api_version", "requested_schemas"})
"""What a question says about itself besides what it asks."""


def canonical(query: Query) -> dict[str, Any]:
    """Return what a question asks, the same for every way to ask it: by GET or POST, in any spelling or order.

    What is not said is left out. It is made of the parsed question, so that nothing is in it that is not a part of a
    question: no header, no token.
    """
    return _said(query, ECHOES)


def _said(value: Any, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the fields of a value that differ from their defaults."""
    said: dict[str, Any] = {}
    for name, default in _defaults(cast(Hashable, type(value))):
        if name in without or (one := getattr(value, name)) == default:
            continue
        said[name] = _plain(one)
    return said


@functools.cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((one.name, None if one.default is MISSING else one.default) for one in fields(kind))


def _plain(value: Any) -> Any:
    if type(value) in _SIMPLE:
        return value
    if is_dataclass(value):
        return {"is": type(value).__name__, **_said(value)} if type(value).__name__ in _KINDS else _said(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, frozenset):
        return sorted(_plain(one) for one in value)
    return getattr(value, "label", value)


_SIMPLE: Final = frozenset({str, int, float, bool, type(None)})
_KINDS: Final = frozenset({"OntologyFilter", "AlphanumericFilter", "CustomFilter"})
"""Values that only their kind tells from each other."""
