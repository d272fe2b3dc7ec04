"""From documents to phenopackets that may be loaded: parsing, the schema, the rules, and ids that occur twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from beacon.model.keys import repeated_key
from loaders import checks, groups
from loaders.glance import Glances
from loaders.messages import Group, Message, message, take_apart
from loaders.places import lines_of
from loaders.report import Problem, Severity
from loaders.rules import RULES
from loaders.sources import Document
from loaders.terms import Vocabulary
from schemas import Validator, validator

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_VERSION_1 = frozenset({"genes", "variants", "htsFiles"})
"""Top-level members that Phenopackets 1 had and 2 has not."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A phenopacket that may be loaded, the document that it came from, and the family or cohort that it was in.

    ``text`` is its JSON, ``content`` a hash that the same phenopacket has, in whatever order its members are written.
    To another process go its text and the place of its document.
    """

    document: Document
    body: dict[str, Any]
    text: bytes
    content: bytes
    group: Group | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.document.bare(), self.text, self.content, self.group)


def _received(document: Document, text: bytes, content: bytes, group: Group | None) -> Packet:
    return Packet(document, orjson.loads(text), text, content, group)


@dataclass(slots=True)
class Counts:
    """What a reader has seen: documents, those set aside, and those that repeat an earlier one exactly."""

    read: int = 0
    set_aside: int = 0
    duplicates: int = 0


class Reader:
    """Reads phenopackets one after the other; remembers ids, so one reader serves one load.

    Every problem goes to ``tell`` as it is found. A packet with an error is set aside and the rest goes on.
    """

    def __init__(self, terms: Vocabulary, tell: Callable[[Problem], None]) -> None:
        self.counts = Counts()
        self._terms = terms
        self._tell = tell
        self._glances = Glances(partial(checks.is_sound_term, terms=terms))
        self._validator = validator("phenopacket")
        self.seen: set[str] = set()
        """The id of every document that had one, set aside or not; whoever takes them may put a new set here."""
        self._seen: dict[str, tuple[bytes, str]] = {}

    def packets(self, items: Iterable[Document | Problem]) -> Iterator[Packet]:
        """Yield what may be loaded, in the order given."""
        for item in items:
            self.counts.read += 1
            if isinstance(item, Problem):
                self._tell(item)
                self.counts.set_aside += 1
            else:
                yield from self._packets(item)

    def _packets(self, document: Document) -> Iterator[Packet]:
        body = parse(document)
        if isinstance(body, Problem):
            self._tell(body)
            self.counts.set_aside += 1
            return
        problems: list[Problem] = []
        packets = list(self._parts(document, body, problems))
        for problem in _placed(document, problems):
            self._tell(problem)
        yield from packets

    def _parts(self, document: Document, body: Any, problems: list[Problem]) -> Iterator[Packet]:
        """Yield the phenopackets of a document that may be loaded; what is wrong is added to ``problems``."""
        found = message(body)
        if found is None:
            yield from self._one(document, body, None, problems)
            return
        group, members = take_apart(found, body)
        if group.proband is not None and not self._validator.is_valid(group.proband):
            group = replace(group, proband=None)
        if self._is_sound(self._group_problems(document, found, body, members), problems):
            for pointer, member in members:
                yield from self._one(document.inside(pointer), member, group, problems)

    def _one(self, document: Document, body: Any, group: Group | None, problems: list[Problem]) -> Iterator[Packet]:
        """Yield one phenopacket, unless it is set aside or a repetition."""
        if isinstance(body, dict) and isinstance(body.get("id"), str):
            self.seen.add(body["id"])
        text = b""
        if not (found := list(self._misfits(document, body))):
            text = orjson.dumps(body)  # what does not fit may be nested more deeply than can be written
            glance = self._glances.at(body, text.decode(), datetime.now(UTC))
            found = list(checks.check(document, body, self._terms, glance))
            if group is None:
                found += _ambiguous(document, text)
        if self._is_sound(found, problems):
            content = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
            if (repeated := self._repeated(document, body, content)) is None:
                yield Packet(document, body, text, content, group)
            else:
                problems.append(repeated)

    def _is_sound(self, found: Iterable[Problem], problems: list[Problem]) -> bool:
        new = list(found)
        problems += new
        sound = all(problem.severity is not Severity.ERROR for problem in new)
        self.counts.set_aside += not sound
        return sound

    def _group_problems(
        self, document: Document, found: Message, body: dict[str, Any], members: list[tuple[str, Any]]
    ) -> Iterator[Problem]:
        known, bare = validator(found.kind), found.bare(body)
        if not known.is_valid(bare):
            yield from schema_problems(document, bare, known)
            return
        if found.kind == "family":
            whole = [member for _, member in members if self._validator.is_valid(member)]
            for rule, pointer, text, value, hint in groups.findings(body, whole):
                severity = RULES[rule].severity
                yield document.problem(rule, text, severity=severity, pointer=pointer, value=value, hint=hint)
        with suppress(orjson.JSONEncodeError):  # a member that is nested too deeply, which is refused by itself
            yield from list(_ambiguous(document, orjson.dumps(body)))

    def _misfits(self, document: Document, body: Any) -> Iterator[Problem]:
        """Yield why a document is no phenopacket; among these is an error."""
        refusal = _other_message(document, body)
        if refusal:
            yield refusal
        elif not self._validator.is_valid(body):
            yield from schema_problems(document, body, self._validator)

    def _repeated(self, document: Document, body: dict[str, Any], content: bytes) -> Problem | None:
        """Return what is to be said of a packet whose id was there before; None where it was not."""
        if body["id"] not in self._seen:
            self._seen[body["id"]] = (content, document.place)
            return None
        earlier, first = self._seen[body["id"]]
        if earlier == content:
            self.counts.duplicates += 1
            return document.problem(
                "packet-repeated",
                f"The same phenopacket was read before, from {first}; it is loaded once.",
                severity=Severity.WARNING,
                pointer="/id",
                value=body["id"],
            )
        self.counts.set_aside += 1
        return document.problem(
            "packet-id-taken",
            f"Another phenopacket has this id, with other content, in {first}; that one is loaded.",
            pointer="/id",
            value=body["id"],
            hint="Give each phenopacket an id of its own, or remove the outdated one.",
        )


def _placed(document: Document, problems: list[Problem]) -> list[Problem]:
    """Give problems the line that their pointer names, where the document has lines; read once for all of them."""
    if document.line is not None or not problems:
        return problems
    lines = lines_of(document.data, {problem.pointer or "" for problem in problems})
    return [replace(problem, line=lines.get(problem.pointer or "")) for problem in problems]


def parse(document: Document) -> Any:
    """Decode a document's JSON; returns a ``Problem`` where it is none."""
    try:
        return orjson.loads(document.data.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        if not document.data.strip():
            return document.problem("json-empty", "The file is empty.", pointer="")
        problem = document.problem(
            "json-invalid",
            f"This is not JSON: {error.msg} at column {error.colno}.",
            pointer="",
            hint="The file may be cut short, or edited by hand; make it again.",
        )
        return replace(problem, line=document.line or error.lineno)


def _ambiguous(document: Document, read: bytes) -> Iterator[Problem]:
    """Say which key some object of a document has twice; ``read`` is what was read, as JSON."""
    if (key := repeated_key(document.data, (read,))) is not None:
        yield document.problem(
            "json-key-repeated",
            f"An object has the key {key!r} twice, so that one of its values would be lost.",
            pointer="",
            value=key,
            hint="Keep the one that holds, or write both into one list.",
        )


def _other_message(document: Document, body: Any) -> Problem | None:
    """Things that are JSON of a neighbouring kind get one sentence instead of the many that a schema would find."""
    if isinstance(body, list):
        return document.problem(
            "packet-list",
            f"This is a list of {len(body)}, but a phenopacket is one object.",
            pointer="",
            hint="Write each phenopacket to a file of its own, or one per line to a .jsonl file.",
        )
    if not isinstance(body, dict):
        return None
    if old := sorted(_VERSION_1 & body.keys()):
        return document.problem(
            "packet-version",
            "This is a phenopacket of version 1; only version 2 can be loaded.",
            pointer=f"/{old[0]}",
            hint="Convert it first, for instance with phenopacket-tools.",
        )
    return None


def schema_problems(document: Document, body: Any, known: Validator) -> Iterator[Problem]:
    """Explain what a document that the schema refused lacks; ends with at least one error, whatever happens."""
    found = known.errors(body)
    for problem in found:
        value = problem.value if isinstance(problem.value, str | int | float | bool) else None
        yield document.problem(f"schema-{problem.rule}", problem.message, pointer=problem.pointer, value=value)
    if not found:
        yield document.problem("schema", "This is not a phenopacket of version 2.", pointer="")
