"""What records say of people whose own they are not, and how it goes when one of these is erased.

Whom a text means is told by the member that it stands in: ``"1"`` is a person in ``memberId``, and the version of an
ontology elsewhere. Pedigrees of families name people as their authors did, mostly by subject ids, which repeat from
one family to the next; those of Beacon name them by the ids of individuals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

INSTEAD: Final = "withdrawn"
"""What other people's records say where they named the person by id."""

_PEOPLE: Final = frozenset(
    {"individualId", "individualIds", "maternalId", "memberId", "memberIds", "members", "paternalId", "relatives"}
)
_SAMPLES: Final = frozenset({"biosampleId", "biosampleIds", "derivedFromId"})
_EITHER: Final = "subjectOrBiosampleId"
_KEYS: Final = "individualToFileIdentifiers"
"""Its members are called after people or samples."""
_PARENTS: Final = ("maternalId", "paternalId")
_PROBAND: Final = "NCIT:C64435"
_FAMILY: Final = (b'"persons"', b'"pedigrees"')

Json = dict[str, Any]


def names_in_families(bodies: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return what families call a person (family id, name), as the person's own records tell."""
    return {
        (str(family["id"]), str(name))
        for body in bodies
        if (family := _family_of(body)).get("id")
        for name in (body.get("id"), _subject(body))
        if name
    }


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Somebody whom others' records may name: ``id`` and ``samples``, those that samples of nobody else are called by.

    ``ambiguous``: a sample of somebody else is called by the id. ``is_called`` tells whether a family (its id) calls
    them by a name. ``namesakes`` are others whose subject has one of these names, by name: their ids, with their
    families'.
    """

    id: str
    samples: frozenset[str]
    ambiguous: bool
    is_called: Callable[[str, str], bool]
    namesakes: Mapping[str, Mapping[str, str | None]]

    def out_of(self, record: bytes) -> bytes:
        """Return an encoded record of somebody else without what it says of them; the same bytes where that is none."""
        if not self._may_be_in(record):
            return record
        body = orjson.loads(record)
        said = self._out_of_record(body) if isinstance(body, dict) else body
        return record if said == body else orjson.dumps(said)

    def _may_be_in(self, record: bytes) -> bool:
        """Tell, without reading it, whether a record may say something of them."""
        return any(text in record for text in (*_FAMILY, *map(orjson.dumps, (self.id, *self.samples))))

    def out_of_notes(self, value: Any) -> Any:
        """Return what is said of a cohort or a dataset without their ids."""
        return self._out_of(value, self._names(None))

    def _names(self, holder: str | None) -> _Names:
        """Return their names, without those by which a record may mean its holder."""
        own = frozenset(name for name, people in self.namesakes.items() if holder in people)
        id = frozenset([self.id])
        either = self.samples if self.ambiguous else self.samples | id
        return _Names(id - own, self.samples - own, either - own)

    def _out_of_record(self, body: Json) -> Json:
        names = self._names(body.get("individualId", body.get("id")))
        info, pedigrees = body.get("info"), body.get("pedigrees")
        apart: Json = {}
        if isinstance(pedigrees, list) and pedigrees:
            apart["pedigrees"] = list(self._out_of_pedigrees(pedigrees, names))
        if isinstance(info, dict) and isinstance(info.get("family"), dict):
            rest = {name: value for name, value in info.items() if name != "family"}
            own = frozenset(name for name in (body.get("id"), _subject(body)) if name)
            apart["info"] = self._out_of(rest, names) | {"family": self._out_of_family(info["family"], names, own)}
        told: Json = self._out_of({name: value for name, value in body.items() if name not in apart}, names)
        # Without any pedigree that is left, there is no list of them.
        return told | {name: value for name, value in apart.items() if value}

    def _out_of_family(self, family: Json, names: _Names, own: frozenset[str]) -> Json:
        id, persons = str(family.get("id", "")), family.get("persons")
        rest: Json = self._out_of({name: value for name, value in family.items() if name != "persons"}, names)
        if isinstance(persons, list):
            rest["persons"] = [self._out_of_person(row, id, own) if isinstance(row, dict) else row for row in persons]
        return rest | self._instead_of_family(id)

    def _out_of_person(self, row: Json, family: str, own: frozenset[str]) -> Json:
        """Return a person of a family as others may know of them: that there is somebody, and no child of theirs."""

        def is_meant(name: Any) -> bool:
            return self._is_meant(family, name) and name not in own

        if is_meant(row.get("individualId")):
            return {"individualId": INSTEAD}
        told = {name: value for name, value in row.items() if not (name in _PARENTS and is_meant(value))}
        return told | ({"familyId": INSTEAD} if "familyId" in told and self._instead_of_family(family) else {})

    def _out_of_pedigrees(self, pedigrees: list[Any], names: _Names) -> Iterator[Any]:
        for pedigree in pedigrees:
            if not isinstance(pedigree, dict) or not isinstance(pedigree.get("members"), list):
                yield self._out_of(pedigree, names)
            elif told := self._out_of_pedigree(pedigree):
                yield told

    def _out_of_pedigree(self, pedigree: Json) -> Json | None:
        """Return a pedigree of Beacon with its other members, and their number as it was.

        It is of the proband's disease: nothing of it may stay where the person is that, or might be.
        """
        id, members = str(pedigree.get("id", "")), pedigree["members"]
        gone = [member for member in members if self._is_member(member, id)]
        left = [member for member in members if member not in gone]
        might_be_theirs = self.is_called(id, self.id) and not any(map(_is_proband, left))
        if might_be_theirs or any(map(_is_proband, gone)) or (gone and not left):
            return None
        instead = self._instead_of_family(id)
        if instead:
            left = [_called_after(INSTEAD, member, id) for member in left]
        return pedigree | {"members": left} | instead

    def _instead_of_family(self, family: str) -> Json:
        """Return what stands for the id of a family that is called after them; nothing of any other."""
        return {"id": INSTEAD} if family == self.id and self.is_called(family, self.id) else {}

    def _is_member(self, member: Any, family: str) -> bool:
        id = member.get("memberId") if isinstance(member, dict) else None
        if id == self.id or not isinstance(id, str):
            return id == self.id
        # Members without a record are called after their family.
        return id.startswith(f"{family}-") and self._is_meant(family, id.removeprefix(f"{family}-"))

    def _is_meant(self, family: str, name: Any) -> bool:
        if not isinstance(name, str):
            return False
        return self.is_called(family, name) or (name == self.id and family not in self.namesakes.get(name, {}).values())

    def _out_of(self, value: Any, names: _Names) -> Any:
        if isinstance(value, list):
            return [self._out_of(held, names) for held in value if not _is_file_of(held, names)]
        if not isinstance(value, dict):
            return value
        if isinstance(member := value.get("memberId"), str) and member in names.people:
            return {"memberId": INSTEAD}
        return {name: self._out_of_member(name, held, names) for name, held in value.items()}

    def _out_of_member(self, name: str, held: Any, names: _Names) -> Any:
        if name == _KEYS and isinstance(held, dict):
            return {key: told for key, told in held.items() if key not in names.either}
        meant = names.of(name)
        if isinstance(held, list):
            return [INSTEAD if isinstance(one, str) and one in meant else one for one in self._out_of(held, names)]
        return INSTEAD if isinstance(held, str) and held in meant else self._out_of(held, names)


@dataclass(frozen=True, slots=True)
class _Names:
    """What means the person where a member names a person, a sample, or either."""

    people: frozenset[str]
    samples: frozenset[str]
    either: frozenset[str]

    def of(self, member: str) -> frozenset[str]:
        if member in _PEOPLE:
            return self.people
        if member in _SAMPLES:
            return self.samples
        return self.either if member == _EITHER else frozenset()


def namesakes(names: Iterable[str], bodies: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str | None]]:
    """Return whose subjects have each of these names: the ids of individuals, with their families'."""
    found: dict[str, dict[str, str | None]] = {name: {} for name in names}
    for body in bodies:
        if (subject := _subject(body)) in found:
            found[subject][str(body["id"])] = _family_of(body).get("id")
    return found


def _subject(body: Mapping[str, Any]) -> str:
    return str(_in(_in(body, "info"), "phenopacket").get("subjectId", ""))


def _family_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return _in(_in(body, "info"), "family")


def _in(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    held = body.get(name)
    return held if isinstance(held, dict) else {}


def _is_proband(member: Any) -> bool:
    return isinstance(member, dict) and _in(member, "role").get("id") == _PROBAND


def _called_after(family: str, member: Any, before: str) -> Any:
    """Return a member of a pedigree who, without a record, is called after the family, by its new id."""
    id = str(member["memberId"]) if isinstance(member, dict) and "memberId" in member else ""
    return member | {"memberId": f"{family}-{id.removeprefix(f'{before}-')}"} if id.startswith(f"{before}-") else member


def _is_file_of(value: Any, names: _Names) -> bool:
    """Whether something is a file that is of nobody but the person."""
    people = value.get(_KEYS) if isinstance(value, dict) else None
    return isinstance(people, dict) and bool(people) and names.either.issuperset(people)
