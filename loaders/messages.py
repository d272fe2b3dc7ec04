"""The top-level elements of Phenopackets 2.0: a Phenopacket, and Family and Cohort, which hold several of them.

A row of ``MESSAGES`` says how an element is told and where its phenopackets lie. They are taken apart before anything
else, so that one bad member is set aside and the others stand; what the element says beyond its members goes with
each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_STAND_IN: Mapping[str, Any] = {
    "id": "-",
    "subject": {"id": "-"},
    "metaData": {"created": "2000-01-01T00:00:00Z", "createdBy": "-", "phenopacketSchemaVersion": "2.0"},
}
"""Takes a member's place while the rest of a family or cohort is held against its schema."""


@dataclass(frozen=True, slots=True)
class Group:
    """A family or cohort: ``body`` is the element without its members.

    ``people`` maps what a pedigree may call somebody, the phenopacket's or the subject's id, to individual ids. A name
    that several members have is not in it: nobody can tell whom the pedigree means. ``proband`` is the phenopacket of a
    family's, where it has one that can be read.
    """

    kind: str
    body: Mapping[str, Any]
    people: Mapping[str, str]
    proband: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The id of the family or cohort."""
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of element that has members: the member that gives it away, and the pointers of its phenopackets."""

    kind: str
    sign: str
    members: Callable[[Mapping[str, Any]], Iterator[tuple[str, Any]]]
    bare: Callable[[Mapping[str, Any]], Json]


def _family(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "/proband", body["proband"]
    yield from _listed(body, "relatives")


def _cohort(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return _listed(body, "members")


def _listed(body: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    listed = body.get(name)
    for index, member in enumerate(listed if isinstance(listed, list) else ()):
        yield f"/{name}/{index}", member


def _without(body: Mapping[str, Any], name: str) -> Json:
    return dict(body) | ({name: []} if isinstance(body.get(name), list) else {})


MESSAGES: tuple[Message, ...] = (
    Message("family", "proband", _family, lambda body: _without(body, "relatives") | {"proband": _STAND_IN}),
    Message("cohort", "members", _cohort, lambda body: _without(body, "members")),
)


def message(body: Any) -> Message | None:
    """Return what kind of family or cohort a document is, None for a single phenopacket and everything else."""
    if not isinstance(body, dict) or "subject" in body:
        return None
    return next((row for row in MESSAGES if row.sign in body), None)


def take_apart(found: Message, body: Mapping[str, Any]) -> tuple[Group, list[tuple[str, Any]]]:
    """Return a family or cohort without its members, and these with their pointers.

    A member without meta data has those of the whole, as far as the ontologies go that its terms are of.
    """
    members = [(pointer, _with_meta_data(member, body)) for pointer, member in found.members(body)]
    people: dict[str, set[str]] = {}
    for _, member in members:
        if isinstance(member, dict) and isinstance(subject := member.get("subject"), dict):
            for name in (subject.get("id"), member.get("id")):
                people.setdefault(str(name), set()).add(str(member.get("id")))
    known = {name: next(iter(ids)) for name, ids in people.items() if len(ids) == 1}
    bare = {name: value for name, value in body.items() if name not in ("proband", "relatives", "members")}
    proband = members[0][1] if found.kind == "family" and isinstance(members[0][1], dict) else None
    return Group(found.kind, bare, known, proband), members


def _with_meta_data(member: Any, whole: Mapping[str, Any]) -> Any:
    if isinstance(member, dict) and "metaData" not in member and "metaData" in whole:
        return member | {"metaData": whole["metaData"]}
    return member
