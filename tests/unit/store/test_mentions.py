"""What others' records say of somebody goes, whoever it was that they said; everything else stays."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from beacon.store.mentions import Mentioned, names_in_families, namesakes

Json = dict[str, Any]
PROBAND, MEMBER = {"id": "NCIT:C64435"}, {"id": "NCIT:C41256"}
PERSONS = [
    {"individualId": "kid", "paternalId": "dad", "maternalId": "0", "sex": "FEMALE", "affectedStatus": "AFFECTED"},
    {"individualId": "dad", "sex": "MALE", "affectedStatus": "UNAFFECTED"},
]


def somebody(
    id: str = "1",
    *samples: str,
    families: set[tuple[str, str]] | None = None,
    others: list[Json] | None = None,
    ambiguous: bool = False,
) -> Mentioned:
    called = families or set()
    same = namesakes((id, *samples), others or [])
    return Mentioned(id, frozenset(samples), ambiguous, lambda family, name: (family, name) in called, same)


def out_of(body: Json, who: Mentioned) -> Json:
    left: Json = orjson.loads(who.out_of(orjson.dumps(body)))
    return left


def person(id: str, subject: str, *pedigrees: Json, family: str = "f", persons: Any = PERSONS) -> Json:
    info = {"phenopacket": {"subjectId": subject}, "family": {"id": family, "persons": persons}}
    return {"id": id, "info": info, "pedigrees": list(pedigrees)}


def pedigree(**members: Json) -> Json:
    told = [{"memberId": id, "role": role, "affected": True} for id, role in members.items()]
    return {"id": "f", "disease": {"diseaseCode": {"id": "OMIM:1"}}, "members": told, "numSubjects": 2}


def test_a_value_that_looks_like_the_id_is_no_person_where_no_person_is_named() -> None:
    body = {
        "id": "a",
        "subject": {"id": "b"},
        "info": {"metaData": {"resources": {"HP": "1"}}, "1": "1", "version": "1", "alternateIds": ["1"]},
        "measures": [{"notes": "1", "assayCode": {"id": "1"}}],
    }
    record = orjson.dumps(body)
    assert somebody().out_of(record) is record


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"individualId": "1"}, {"individualId": "withdrawn"}),
        ({"members": ["1", "b"]}, {"members": ["withdrawn", "b"]}),
        ({"individualIds": ["b", "1"]}, {"individualIds": ["b", "withdrawn"]}),
        ({"subjectOrBiosampleId": "s"}, {"subjectOrBiosampleId": "withdrawn"}),
        ({"derivedFromId": "s"}, {"derivedFromId": "withdrawn"}),
        ({"derivedFromId": "1"}, {"derivedFromId": "1"}),
        ({"memberId": "s"}, {"memberId": "s"}),
        ({"member": {"memberId": "1", "affected": True}}, {"member": {"memberId": "withdrawn"}}),
        ({"individualToFileIdentifiers": {"1": "x", "b": "1", "s": "y"}}, {"individualToFileIdentifiers": {"b": "1"}}),
        ({"files": [{"uri": "u", "individualToFileIdentifiers": {"1": "x"}}, {"uri": "v"}]}, {"files": [{"uri": "v"}]}),
        ({"memberId": ["1"], "individualId": {"1": "1"}}, {"memberId": ["withdrawn"], "individualId": {"1": "1"}}),
    ],
)
def test_members_and_keys_that_name_people_or_samples_name_them_no_more(before: Json, after: Json) -> None:
    assert out_of({"id": "a", "info": before}, somebody("1", "s"))["info"] == after


def test_whoever_is_called_so_by_their_own_record_stays() -> None:
    other = {"id": "a", "info": {"phenopacket": {"subjectId": "1"}}}
    packet = {"id": "a", "subject": {"id": "1"}, "biosamples": [{"id": "b", "individualId": "1"}]}
    sample = {"id": "b", "individualId": "a", "info": {"phenopacket": {"individualId": "1"}}}
    for record in map(orjson.dumps, (other, packet, sample)):
        assert somebody(others=[other]).out_of(record) is record
    run = {"id": "r", "individualId": "a", "biosampleId": "1", "info": {"subjectOrBiosampleId": "1"}}
    assert out_of(run, somebody(ambiguous=True)) == run


def test_of_a_member_of_the_family_it_is_told_that_there_was_somebody() -> None:
    own = person("father-7", "dad")
    who = somebody("father-7", families=names_in_families([own]))
    told = pedigree(**{"kid-7": PROBAND, "father-7": MEMBER})
    left = out_of(person("kid-7", "kid", told), who)
    kid = {"individualId": "kid", "maternalId": "0", "sex": "FEMALE", "affectedStatus": "AFFECTED"}
    assert left["info"]["family"]["persons"] == [kid, {"individualId": "withdrawn"}]
    (shown,) = left["pedigrees"]
    assert [one["memberId"] for one in shown["members"]] == ["kid-7"]
    assert (shown["disease"], shown["numSubjects"]) == (told["disease"], 2)


def test_a_pedigree_of_the_disease_of_a_proband_who_withdrew_goes_whole() -> None:
    who = somebody("kid-7", families=names_in_families([person("kid-7", "kid")]))
    for told in (pedigree(**{"father-7": MEMBER, "kid-7": PROBAND}), pedigree(**{"father-7": MEMBER})):
        left = out_of(person("father-7", "dad", told), who)
        assert "pedigrees" not in left
        assert left["info"]["family"]["persons"] == [{"individualId": "withdrawn"}, PERSONS[1]]


def test_other_families_that_call_somebody_else_so_keep_them() -> None:
    persons = [{"individualId": "1", "sex": "MALE"}, {"individualId": "2", "paternalId": "1"}]
    namesake, holder = (person(f"p{subject}", subject, persons=persons) for subject in ("1", "2"))
    assert out_of(holder, somebody(others=[namesake])) == holder
    assert out_of(namesake, somebody(others=[namesake])) == namesake
    assert out_of(holder, somebody())["info"]["family"]["persons"] == [
        {"individualId": "withdrawn"},
        {"individualId": "2"},
    ]
    pedigrees = person("a", "2", pedigree(b=PROBAND, a=MEMBER))
    assert out_of(pedigrees, somebody("c")) == pedigrees


def test_a_family_that_is_called_after_them_is_so_no_more() -> None:
    rows = [{"familyId": "1", "individualId": "2"}, {"familyId": "1", "individualId": "1"}]
    told = pedigree(a=PROBAND, **{"1": MEMBER, "1-x": MEMBER}) | {"id": "1"}
    holder = person("a", "2", told, family="1", persons=rows)
    left = orjson.dumps(out_of(holder, somebody(families={("1", "1")})))
    assert b'"1' not in left
    assert b'"withdrawn-x"' in left
    assert out_of(holder, somebody("2"))["info"]["family"]["id"] == "1"


def test_records_of_any_shape_are_borne() -> None:
    strange: list[Any] = [
        "1",
        ["1"],
        {"info": {"family": {"persons": {"1": "1"}}}},
        {"info": {"family": {"persons": ["1", {"individualId": ["1"]}]}}},
        {"pedigrees": ["1", {"members": "1"}]},
        {"pedigrees": [{"members": ["1", {"memberId": 1, "role": "1"}]}]},
        {"id": "a", "pedigrees": [{"members": []}]},
    ]
    for body in strange:
        assert orjson.loads(somebody().out_of(orjson.dumps(body)))
