"""From Family and Cohort of Phenopackets 2.0 to Beacon pedigrees and cohorts, and what does not hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

from loaders import elements
from loaders.elements import Json, compact
from loaders.messages import Group

PROBAND = {"id": "NCIT:C64435", "label": "Proband"}
MOTHER = {"id": "NCIT:C96580", "label": "Biological Mother"}
FATHER = {"id": "NCIT:C96572", "label": "Biological Father"}
OTHER = {"id": "NCIT:C41256", "label": "Family Member"}
"""Roles that the Beacon default model names for pedigree members; how others are related, ``info.persons`` tells."""

_NOBODY = frozenset({"", "0"})
"""How a PED file, and so a pedigree, writes that a parent is not known."""


def with_group(individual: Mapping[str, Any], subject: str, group: Group) -> Json:
    """Return a member's individual with what the family or cohort says of them.

    A family member has a pedigree. In Beacon that is one of a disease, the proband's, and says of everybody whether
    they are affected: where the proband has no disease there is none, and people of whom it is not known are left
    out of ``members``. What Beacon has no slot for is under ``info.family``, and files of a member under
    ``info.cohort`` or ``info.family``.
    """
    id, body = str(individual["id"]), group.body
    about: Json = {"id": group.id, "files": _files(body, {id, subject}) or None}
    if group.kind == "family":
        about |= {
            "consanguinousParents": body.get("consanguinousParents"),
            "persons": _persons(group) or None,
            "memberIds": sorted(set(group.people.values())),
            "metaData": body.get("metaData"),
        }
    made = dict(individual) | {"info": {**individual.get("info", {}), group.kind: compact(about)}}
    pedigree = _pedigree(id, group) if group.kind == "family" else None
    return made | {"pedigrees": [pedigree]} if pedigree else made


def without_gone(group: Group, is_gone: Callable[[str], bool]) -> Group:
    """Return a family without those of its people who withdrew, so that relatives' records say nothing of them."""
    if group.kind != "family":
        return group
    gone = {name for name, id in group.people.items() if is_gone(id)}
    gone |= {row["individualId"] for row in _persons(group) if is_gone(_member_id(row["individualId"], group))}
    if not gone:
        return group
    parents = ("paternalId", "maternalId")
    persons = [
        {name: "0" if name in parents and value in gone else value for name, value in row.items()}
        for row in _persons(group)
        if row["individualId"] not in gone
    ]
    return replace(
        group,
        body={**group.body, "pedigree": {**(group.body.get("pedigree") or {}), "persons": persons}},
        people={name: id for name, id in group.people.items() if name not in gone},
        proband=None if str((group.proband or {}).get("id", "")) in gone else group.proband,
    )


def cohort_info(group: Group) -> Json:
    """Return what a cohort says of itself; in its files nobody is named."""
    body = group.body
    return compact(
        {
            "description": body.get("description"),
            "files": [_but(file, "individualToFileIdentifiers") for file in body.get("files") or ()] or None,
            "metaData": body.get("metaData"),
        }
    )


def _files(body: Mapping[str, Any], names: Set[str]) -> list[Json]:
    """Return the files that are about somebody, and of whom else they are about nothing."""
    found = []
    for file in body.get("files") or ():
        people = file.get("individualToFileIdentifiers") or {}
        if own := {name: id for name, id in people.items() if name in names}:
            found.append(dict(file) | {"individualToFileIdentifiers": own})
        elif not people and body.get("pedigree"):
            found.append(dict(file))
    return found


def _but(members: Mapping[str, Any], name: str) -> Json:
    return {key: value for key, value in members.items() if key != name}


def _persons(group: Group) -> list[Json]:
    return [dict(row) for row in (group.body.get("pedigree") or {}).get("persons") or ()]


def _pedigree(individual: str, group: Group) -> Json | None:
    persons = _persons(group)
    proband = str((group.proband or {}).get("id", ""))
    own = next((row for row in persons if _member_id(row["individualId"], group) == proband), {})
    members = {}
    for row in persons:
        if row.get("affectedStatus") in ("AFFECTED", "UNAFFECTED"):
            id = _member_id(row["individualId"], group)
            role = PROBAND if id == proband else _role(row["individualId"], own)
            members[id] = {"memberId": id, "role": dict(role), "affected": row["affectedStatus"] == "AFFECTED"}
    shown = members if individual == proband else {id: members[id] for id in (individual, proband) if id in members}
    disease = _disease(group.proband or {})
    if disease is None or not shown:
        return None
    return {"id": group.id, "disease": disease, "members": list(shown.values()), "numSubjects": len(persons)}


def _disease(proband: Mapping[str, Any]) -> Json | None:
    """Return the proband's first disease, else the first that was diagnosed; both are what the family is about."""
    for row in proband.get("diseases") or ():
        if not row.get("excluded"):
            return elements.disease(row)
    for row in proband.get("interpretations") or ():
        if code := elements.term((row.get("diagnosis") or {}).get("disease")):
            return {"diseaseCode": code}
    return None


def _role(person: str, own: Mapping[str, Any]) -> Mapping[str, str]:
    return {own.get("maternalId"): MOTHER, own.get("paternalId"): FATHER}.get(person, OTHER)


def _member_id(person: str, group: Group) -> str:
    """An individual's id; somebody without a phenopacket is named after the family, and so can be no one else."""
    return group.people.get(person) or f"{group.id}-{person}"


Finding = tuple[str, str, str, Any, str | None]
"""rule, pointer, message, value, hint."""


def findings(body: Mapping[str, Any], members: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield what does not hold together in a family that fits its schema."""
    persons = (body.get("pedigree") or {}).get("persons") or []
    known = {row["individualId"]: row for row in persons}
    for index, row in enumerate(persons):
        pointer = f"/pedigree/persons/{index}"
        for name, wrong in (("paternalId", "FEMALE"), ("maternalId", "MALE")):
            parent = row.get(name, "")
            if parent in _NOBODY:
                continue
            if parent not in known:
                message = f"{parent!r} is a parent of {row['individualId']!r}, but not a person of the pedigree."
                yield "pedigree-parent", f"{pointer}/{name}", message, parent, None
            elif known[parent].get("sex") == wrong:
                message = f"{parent!r} is {name.removesuffix('Id')} parent of {row['individualId']!r}, but {wrong}."
                yield "pedigree-sex", f"{pointer}/{name}", message, parent, None
        if _is_own_ancestor(row["individualId"], known):
            message = f"{row['individualId']!r} descends from themselves."
            yield "pedigree-cycle", f"{pointer}/individualId", message, row["individualId"], None
    for member in members:
        if not {member["id"], member["subject"]["id"]} & known.keys():
            message = f"The pedigree has no person {member['subject']['id']!r}, who is a member of the family."
            hint = "Persons are named by the subject ids, or the phenopacket ids, of the members."
            yield "pedigree-person", "/pedigree/persons", message, member["subject"]["id"], hint


def _is_own_ancestor(person: str, known: Mapping[str, Mapping[str, Any]]) -> bool:
    seen: set[str] = set()
    waiting = [person]
    while waiting:
        row = known.get(waiting.pop(), {})
        for parent in (row.get("paternalId", ""), row.get("maternalId", "")):
            if parent == person:
                return True
            if parent not in _NOBODY and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return False
