"""Families and cohorts: their members are people of their own, and what the whole says goes with them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.store.admin import Admin
from loaders.mapping import SampleNames, convert
from loaders.pipeline import load_phenopackets
from loaders.report import Problem, Severity
from tests.contract import official
from tests.unit.loaders.full import cohort, family
from tests.unit.loaders.packets import MARFAN, document, packet, read

Json = dict[str, Any]


def individuals(body: Json) -> dict[str, Json]:
    """The individuals of a family or cohort, by id."""
    found, _, _ = read(document(body))
    return {one.body["id"]: convert(one.body, SampleNames().name, one.group).individual for one in found}


def said(body: Json) -> list[tuple[str, str, str | None]]:
    _, problems, _ = read(document(body))
    return [(one.rule, one.severity.value, one.pointer) for one in problems]


def small() -> Json:
    """A family of a proband with a disease and the mother."""
    child, mother = packet("child", diseases=[{"term": MARFAN}]), packet("mother", subject={"id": "Mother 1"})
    persons = [
        {"individualId": "Patient 1", "maternalId": "Mother 1", "affectedStatus": "AFFECTED"},
        {"individualId": "Mother 1", "sex": "FEMALE", "affectedStatus": "UNAFFECTED"},
    ]
    return {"id": "f", "proband": child, "relatives": [mother], "pedigree": {"persons": persons},
            "metaData": child["metaData"]}  # fmt: skip


def test_the_proband_has_the_whole_pedigree_and_a_relative_that_of_both() -> None:
    body = family()
    found = individuals(body)
    (whole,), (part,) = found["proband"]["pedigrees"], found["mother"]["pedigrees"]
    father = f"{body['id']}-father"
    assert [(one["memberId"], one["role"]["label"], one["affected"]) for one in whole["members"]] == [
        ("proband", "Proband", True), ("mother", "Biological Mother", False), (father, "Biological Father", False),
    ]  # fmt: skip
    assert [one["memberId"] for one in part["members"]] == ["mother", "proband"]
    assert whole["numSubjects"] == 4
    assert whole["disease"]["diseaseCode"] == body["proband"]["diseases"][0]["term"]
    for one in found.values():
        assert one["info"]["family"]["persons"] == body["pedigree"]["persons"]
        assert one["info"]["family"]["metaData"] == body["metaData"]
        assert one["info"]["family"]["consanguinousParents"] is True
    assert found["mother"]["info"]["family"]["files"] == [body["files"][1]]


def test_pedigrees_fit_the_beacon_model(shared: Path) -> None:
    for one in individuals(family()).values():
        assert official.check_record("individual", one) == []


def test_without_a_disease_there_is_no_pedigree_but_the_family_is_told() -> None:
    body = small()
    del body["proband"]["diseases"]
    found = individuals(body)["child"]
    assert "pedigrees" not in found
    assert len(found["info"]["family"]["persons"]) == 2


def test_a_member_with_an_error_is_set_aside_at_its_pointer_and_the_others_stand() -> None:
    body = small()
    body["relatives"][0]["subject"]["sex"] = "F"
    assert said(body) == [("schema-enum", "error", "/relatives/0/subject/sex")]
    assert individuals(body).keys() == {"child"}
    body["proband"] = []
    assert ("packet-list", "error", "/proband") in said(body)


def test_relatives_stand_without_a_pedigree_where_the_proband_cannot_be_read() -> None:
    body = small()
    body["proband"]["diseases"] = ["Marfan syndrome"]
    found = individuals(body)
    assert found.keys() == {"mother"}
    assert "pedigrees" not in found["mother"]
    assert len(found["mother"]["info"]["family"]["persons"]) == 2


def test_a_family_without_a_pedigree_is_set_aside_whole() -> None:
    body = small()
    del body["pedigree"]
    assert said(body) == [("schema-required", "error", "/pedigree")]
    assert individuals(body) == {}


def test_a_member_without_meta_data_has_those_of_the_whole() -> None:
    body = small()
    del body["relatives"][0]["metaData"]
    assert individuals(body).keys() == {"child", "mother"}


@pytest.mark.parametrize(
    ("person", "change", "expected"),
    [
        (1, {"individualId": "somebody"}, [("pedigree-parent", "warning", "/pedigree/persons/0/maternalId"),
                                           ("pedigree-person", "warning", "/pedigree/persons")]),
        (1, {"sex": "MALE"}, [("pedigree-sex", "warning", "/pedigree/persons/0/maternalId")]),
        (1, {"maternalId": "Patient 1"}, [("pedigree-cycle", "error", "/pedigree/persons/0/individualId"),
                                          ("pedigree-cycle", "error", "/pedigree/persons/1/individualId")]),
        (0, {"paternalId": "0"}, []),
        (0, {"individualId": "child"}, []),
    ],
)  # fmt: skip
def test_pedigrees_that_do_not_hold_together_are_found(
    person: int, change: Json, expected: list[tuple[str, str, str]]
) -> None:
    body = small()
    body["pedigree"]["persons"][person] |= change
    assert said(body) == expected


def test_a_family_of_version_1_is_refused_in_a_sentence() -> None:
    body = small()
    body["proband"]["metaData"] = body["metaData"] = body["metaData"] | {"phenopacketSchemaVersion": "1.0.0"}
    _, problems, _ = read(document(body))
    assert problems
    assert all("version 1" in problem.message for problem in problems)


def test_of_a_file_each_member_of_a_cohort_has_its_own_part() -> None:
    body = cohort()
    one, other = body["members"]
    body["files"][0]["individualToFileIdentifiers"][other["subject"]["id"]] = "second"
    found = individuals(body)
    files = found["two" if "two" in found else "other"]["info"]["cohort"]["files"]
    assert [file["individualToFileIdentifiers"] for file in files] == [{other["subject"]["id"]: "second"}]
    assert one["subject"]["id"] not in orjson.dumps(files).decode()


def test_a_cohort_is_loaded_with_its_members_and_again_changes_nothing(admin: Admin, tmp_path: Path) -> None:
    body = cohort()
    broken = copy.deepcopy(body["members"][0]) | {"id": "broken", "subject": {}}
    body["members"].append(broken)
    path = tmp_path / "cohort.json"
    path.write_bytes(orjson.dumps(body))
    report = load_phenopackets(admin, [path], "d")
    errors = [one for one in report.problems if one.severity is Severity.ERROR]
    assert [(one.rule, one.pointer) for one in errors] == [("schema-required", "/members/2/subject/id")]
    assert report.counts["individual"] == 2
    assert admin.dataset("d").cohorts == {body["id"]: 2}
    before = admin.dataset("d")
    assert "nothing was changed" in load_phenopackets(admin, [path], "d").outcome
    assert admin.dataset("d") == before


def test_examples_of_others_are_read(shared: Path) -> None:
    folder = shared / "data" / "phenopackets" / "examples"
    for name, people in (("family", 1), ("cohort", 1), ("covid19", 1), ("mcahs1", 1), ("retinoblastoma", 1),
                         ("bethlem-myopathy", 1), ("v1_schema_TPM3", 0)):  # fmt: skip
        found, problems, _ = read(document((folder / f"{name}.json").read_bytes(), f"{name}.json"))
        errors: list[Problem] = [problem for problem in problems if problem.severity is Severity.ERROR]
        assert (name, len(found), bool(errors)) == (name, people, people == 0), errors
        if not people:
            assert [problem.rule for problem in errors] == ["packet-version"]
