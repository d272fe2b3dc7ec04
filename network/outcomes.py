"""What can become of one member's part of a question: a table, and the pure step that picks a row.

Every member of a network ends each question in exactly one row of ``KINDS``. A new way to fail, or to
answer, is a new row here; whoever reads outcomes reads the rows' columns, never their names.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from beacon.model.access import Granularity


@dataclass(frozen=True, slots=True)
class Kind:
    """One row.

    ``answered``: the member told something about its data. ``certain``: that leaves no doubt whether there is
    something. ``failed``: it should have told something and did not. ``status`` is the HTTP status of the
    network's own answer where every member ended so (of those that failed, where some only failed). ``elsewhere``:
    the same question reaches this member by another way, whose answer counts.
    """

    name: str
    meaning: str
    status: int
    answered: bool = False
    certain: bool = False
    failed: bool = False
    elsewhere: bool = False


HIT = Kind("hit", "It has what was asked for.", 200, answered=True, certain=True)
NO_HIT = Kind("no_hit", "It has nothing of what was asked for.", 200, answered=True, certain=True)
WITHHELD = Kind("withheld", "It does not say whether it has none or a few, to protect people.", 502, answered=True)
CANNOT_ANSWER = Kind("cannot_answer", "It has no such filter, entry type, assembly or page size.", 400)
DENIED = Kind("denied", "It does not answer this asker.", 403)
TIMEOUT = Kind("timeout", "It did not answer before the deadline.", 504, failed=True)
UNREACHABLE = Kind("unreachable", "No connection to it, or the connection broke off.", 502, failed=True)
INVALID = Kind("invalid", "What it sent is not an answer that can be trusted.", 502, failed=True)
OVERSIZED = Kind("oversized", "It sent more than may be read from one member.", 502, failed=True)
IMPOSTOR = Kind("impostor", "It gives itself a name that is not its own.", 502, failed=True)
LOOP = Kind("loop", "The question reaches it by another way, whose answer counts.", 502, elsewhere=True)
BUSY = Kind("busy", "It, or this node on its behalf, takes no more questions at the moment.", 502, failed=True)

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        HIT, NO_HIT, WITHHELD, CANNOT_ANSWER, DENIED, TIMEOUT, UNREACHABLE, INVALID, OVERSIZED, IMPOSTOR, LOOP, BUSY,
    )
}  # fmt: skip


class InvalidAnswer(Exception):
    """What a member sent is not what was asked for; the text is the reason, without a full stop."""


class Oversized(Exception):
    """A member sent more than the limit."""


class NoTurn(Exception):
    """So many questions to a member were under way that this one's turn did not come before the deadline."""


class NoCredential(Exception):
    """Nothing can be had that tells a member who asks."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is known of a number: at least ``low``, at most ``high`` (None: no upper bound)."""

    low: int = 0
    high: int | None = None

    @property
    def exact(self) -> bool:
        """Whether the number is known."""
        return self.low == self.high

    def __add__(self, other: Bounds) -> Bounds:
        high = None if self.high is None or other.high is None else self.high + other.high
        return Bounds(self.low + other.low, high)

    def union(self, other: Bounds) -> Bounds:
        """Bounds of the number of distinct things in two collections that may overlap."""
        return Bounds(max(self.low, other.low), (self + other).high)


NOTHING = Bounds(0, 0)
UNKNOWN = Bounds(0, None)
SOME = Bounds(1, None)


@dataclass(frozen=True, slots=True)
class ResultSet:
    """One result set of one member, checked. ``results`` None where records were not released.

    ``count`` is what the member said, ``bounds`` what that means.
    """

    id: str
    set_type: str
    exists: bool
    bounds: Bounds
    count: int | None = None
    precision: str | None = None
    adjusted_to: tuple[str | int, ...] | None = None
    results: tuple[Mapping[str, Any], ...] | None = None
    info: Mapping[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Whether every record of this set was read."""
        read = len(self.results or ())
        return self.bounds == Bounds(read, read)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one member said, checked: its result sets or collections, and what its total means.

    ``exists`` None where it cannot be known from what was said. ``content`` is what an informational
    question brought (a list of filtering terms, for instance).
    """

    exists: bool | None = None
    bounds: Bounds = UNKNOWN
    granularity: Granularity = Granularity.NONE
    sets: tuple[ResultSet, ...] = ()
    collections: tuple[Mapping[str, Any], ...] = ()
    content: Any = None
    beacon_id: str = ""

    @property
    def count(self) -> int | None:
        """The total, where it is known."""
        return self.bounds.low if self.bounds.exact else None


_NO_FINDING = Finding()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The row, the reason in one sentence for whoever asked, and what was found."""

    kind: Kind
    reason: str = ""
    finding: Finding = _NO_FINDING
    code: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one member: ``peer`` is the registry's id for it, never a name that it gave itself."""

    peer: str
    verdict: Verdict
    milliseconds: int = 0
    request_id: str = ""
    resting: bool = False
    """Whether it was not asked at all, because it has failed again and again; the kind is the last failure's."""

    @property
    def kind(self) -> Kind:
        """The row of the table."""
        return self.verdict.kind

    @property
    def finding(self) -> Finding:
        """What the member said; empty where it did not answer."""
        return self.verdict.finding

    def describe(self) -> dict[str, Any]:
        """Return the entry for ``info.outcomes``: peer, outcome, milliseconds, and what else is known."""
        entry: dict[str, Any] = {"peer": self.peer, "outcome": self.kind.name}
        entry["milliseconds"] = self.milliseconds
        if self.resting:
            entry["resting"] = True
        if self.verdict.reason:
            entry["reason"] = self.verdict.reason
        if self.request_id:
            entry["requestId"] = self.request_id
        if self.finding.granularity > Granularity.NONE:
            entry["granularity"] = self.finding.granularity.label
        return entry


@dataclass(frozen=True, slots=True)
class Reply:
    """What came over the wire: HTTP status and the whole body, within the byte limit; ``skerry``: from our own make."""

    status: int
    body: bytes
    request_id: str = ""
    skerry: bool = False


Reader = Callable[[Mapping[str, Any]], Finding]

# Where the answer is an error: the member's own code decides, then the HTTP status; anything else is invalid.
_BY_CODE = {
    "bad_request": CANNOT_ANSWER,  # this node found the request good; the member has other limits or an older version
    "unknown_filter": CANNOT_ANSWER,
    "cannot_answer": CANNOT_ANSWER,
    "needs_reference": CANNOT_ANSWER,
    "too_large": CANNOT_ANSWER,
    "query_timeout": TIMEOUT,
    "too_often": BUSY,
    "overloaded": BUSY,
    "loop": LOOP,
    # What another network says where nobody said yes and not all said no.
    "network_timeout": TIMEOUT,
    "network_failed": UNREACHABLE,
    "network_inconclusive": WITHHELD,
}
_BY_STATUS = {401: DENIED, 403: DENIED, 429: BUSY, 504: TIMEOUT}

# Where no answer came. Sentences of our own: those of the libraries name addresses inside the network.
_BY_ERROR: tuple[tuple[type[Exception], Kind, str], ...] = (
    (TimeoutError, TIMEOUT, "No complete answer before the deadline."),
    (Oversized, OVERSIZED, "It sent more than is read from one member."),
    (NoCredential, DENIED, "The person's issuer gives no token for it, so it was not asked."),
    (NoTurn, BUSY, "Too many questions to it were under way here; ask again."),
    (aiohttp.ClientConnectorDNSError, UNREACHABLE, "Its name could not be resolved."),
    (aiohttp.ClientSSLError, UNREACHABLE, "No trusted TLS connection could be made."),
    (ssl.SSLError, UNREACHABLE, "No trusted TLS connection could be made."),
    (aiohttp.ClientConnectorError, UNREACHABLE, "No connection could be made."),
    (aiohttp.ClientPayloadError, UNREACHABLE, "The connection broke off in the middle of the answer."),
    (aiohttp.ClientConnectionError, UNREACHABLE, "The connection broke off."),
    (OSError, UNREACHABLE, "The connection broke off."),
    (InvalidAnswer, INVALID, ""),
    (aiohttp.ClientError, INVALID, "What it sent is not HTTP."),
    (zlib.error, INVALID, "What it sent cannot be decompressed."),
    (ValueError, INVALID, "What it sent is not HTTP."),
)
ERRORS: tuple[type[Exception], ...] = tuple(error for error, _, _ in _BY_ERROR)
"""The exceptions that ``failure`` understands; any other one is a defect of this program."""


def failure(error: Exception) -> Verdict:
    """Return what an exception of ``ERRORS`` means for the member that caused it."""
    for kind_of_error, kind, reason in _BY_ERROR:
        if isinstance(error, kind_of_error):
            return Verdict(kind, reason or sentence(str(error)))
    raise error


def classify(reply: Reply, read: Reader, *, single: bool = False, refuses: bool = False) -> Verdict:
    """Say what a member's reply is, without side effects; never raises for anything a member can send.

    ``read`` checks the body of a 200 and raises ``InvalidAnswer``. ``single``: the question was about one
    record or what belongs to it, so that "not found" is a plain no. ``refuses``: the question has filters, and this
    beacon was seen to refuse those that it does not know, so that a bad request without a code means that.
    """
    try:
        if 300 <= reply.status < 400:
            raise InvalidAnswer(f"it answered with a redirect (HTTP {reply.status}), which is not followed")
        if reply.status != 200:
            return _error(reply, single=single, refuses=refuses)
        finding = read(document(reply.body))
    except InvalidAnswer as problem:
        return failure(problem)
    if finding.exists:
        return Verdict(HIT, finding=finding)
    return Verdict(NO_HIT if finding.bounds == NOTHING else WITHHELD, finding=finding)


def document(body: bytes) -> Mapping[str, Any]:
    """Decode a JSON object, cheaply refusing what would cost more to build than its bytes suggest."""
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > max(10_000, len(body) // 8):
        raise InvalidAnswer("its answer holds more values than is reasonable for its length")
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidAnswer("its answer is not JSON, or was cut short") from None
    if not isinstance(decoded, dict):
        raise InvalidAnswer("its answer is not a JSON object")
    return decoded


def recognised(verdict: Verdict, may_be: Callable[[str], bool]) -> Verdict:
    """Return the verdict on what a member sent, or that on an impostor; ``may_be`` says whether a name can be its own.

    An answer must have a name. An error need not: what stands before a member, and refuses in its place, knows none.
    """
    name = verdict.finding.beacon_id
    if (name or verdict.kind.answered) and not may_be(name):
        return Verdict(IMPOSTOR, "The name that it gives itself is not its own.")
    return verdict


def _error(reply: Reply, *, single: bool, refuses: bool) -> Verdict:
    error = _error_of(reply.body)
    reason = sentence(f"HTTP {reply.status}" + (f": {error.message}" if error.message else ""))
    nothing_said = Finding(beacon_id=error.beacon_id)
    if reply.status == 404 and error.code == "not_found":
        if error.where.startswith("/"):  # it has no such path, which says nothing about its data
            return Verdict(CANNOT_ANSWER, reason, nothing_said, "cannot_answer")
        if single:
            none = Finding(False, NOTHING, beacon_id=error.beacon_id)
            return Verdict(NO_HIT, "It knows no such record.", none, error.code)
    if refuses and reply.status == 400 and not error.code:
        return Verdict(CANNOT_ANSWER, reason, nothing_said, "unknown_filter")
    kind = _BY_CODE.get(error.code) or _BY_STATUS.get(reply.status) or INVALID
    return Verdict(kind, reason, nothing_said, error.code)


@dataclass(frozen=True, slots=True)
class _Error:
    """What an error body says; empty where it does not."""

    code: str = ""
    message: str = ""
    where: str = ""
    beacon_id: str = ""


def _error_of(body: bytes) -> _Error:
    try:
        said = document(body)
    except InvalidAnswer:
        return _Error()
    code, message, where = (_text_in(said.get("error"), key) for key in ("skerryCode", "errorMessage", "where"))
    return _Error(code, message, where, _text_in(said.get("meta"), "beaconId"))


def _text_in(where: object, key: str) -> str:
    value = where.get(key) if isinstance(where, dict) else None
    return value if isinstance(value, str) else ""


def sentence(text: str) -> str:
    """Return a stranger's text as one short printable sentence."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[:1000]).split())
    plain = plain[:1].upper() + plain[1:]
    if len(plain) > 300:
        return f"{plain[:299]}…"
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."
