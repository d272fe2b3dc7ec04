"""Beacon files as sites really have them, asked over HTTP: every count is that of plain Python over the same files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from beacon.auth.policy import policy_for
from beacon.model.access import Granularity, Level
from beacon.store.admin import Admin
from loaders.bff import check_bff, load_bff
from loaders.report import Report
from tests.integration.conftest import Site, drop, serve_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
FOLDERS = {
    "uk1": ("cineca_synthetic_uk1", "GRCh37"),
    "split": ("cineca_synthetic_uk1_pi_split_form", None),
    "rare": ("ri_tools_examples/Rare-diseases", "GRCh37"),
    "all-fields": ("ri_tools_examples/all-fields", None),
    "mandatory": ("ri_tools_examples/mandatory-fields", None),
}
"""Folder, and the assembly that has to be stated because its variants do not tell it."""
ASSEMBLIES = {"uk1": "GRCh37", "split": "GRCh38", "rare": "GRCh37", "all-fields": "GRCh37"}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "bff"


def read(folder: Path, name: str, kind: str) -> list[Json]:
    """Return the records of one file, none where there is no such file."""
    path = folder / FOLDERS[name][0] / f"{kind}.json.gz"
    return list(json.loads(gzip.decompress(path.read_bytes()))) if path.exists() else []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loaded(mongo_uri: str, folder: Path) -> AsyncIterator[tuple[Site, dict[str, Report]]]:
    database = "real_bff"
    drop(mongo_uri, database)
    reports = {}
    with Admin.open(mongo_uri, database) as admin:
        for name, (path, assembly) in FOLDERS.items():
            admin.create_dataset(name, policy=policy_for(Level.PUBLIC, Granularity.RECORD))
            reports[name] = load_bff(admin, [folder / path], name, assembly=assembly)
    async with serve_site(mongo_uri, database) as running:
        yield running, reports
    drop(mongo_uri, database)


async def counts(site: Site, path: str, query: Json | None = None) -> dict[str, int]:
    """Return the number of results in each dataset."""
    asked = {**(query or {}), "requestedGranularity": "count", "includeResultsetResponses": "ALL"}
    answer = await site.post(path, asked)
    return {one["id"]: int(one["resultsCount"]) for one in answer["response"]["resultSets"]}


def carriers(folder: Path, name: str) -> dict[tuple[int, str, str], dict[str, str]]:
    """Return who carries each variant, with the two alleles of the genotype; whichever form the folder has."""
    targets = [sample for one in read(folder, name, "targets") for sample in one["biosampleIds"]]
    split = {one["_id"]: one for one in read(folder, name, "caseLevelData")}
    found: dict[tuple[int, str, str], dict[str, str]] = {}
    for one in read(folder, name, "genomicVariations"):
        said = one["variation"]
        key = (int(said["location"]["interval"]["start"]["value"]), said["referenceBases"], said["alternateBases"])
        mine = found.setdefault(key, {})
        for case in one.get("caseLevelData", ()):
            mine[case["biosampleId"]] = case.get("zygosity", {}).get("label", "").replace("/", "")
        if targets:
            mine |= {targets[int(n)]: text for n, text in split[one["_id"]].items() if n.isdigit()}
    return found


def expected(folder: Path, name: str) -> dict[str, int]:
    """Count the records of a folder, with the people and samples that other records name."""
    individuals = {one["id"] for one in read(folder, name, "individuals")}
    samples = {one["id"]: one.get("individualId", one["id"]) for one in read(folder, name, "biosamples")}
    runs = [s for one in read(folder, name, "runs") for s in one["biosampleId"].split("|")]
    analyses = [one for one in read(folder, name, "analyses") if one.get("biosampleId")]
    for sample, person in [(s, s) for s in runs] + [(one["biosampleId"], one["individualId"]) for one in analyses]:
        samples.setdefault(sample, person)
    variants = carriers(folder, name)
    for sample in {s for found in variants.values() for s in found}:
        samples.setdefault(sample, sample)
    for one in read(folder, name, "targets"):
        for sample in one["biosampleIds"]:
            samples.setdefault(sample, sample)
    return {
        "/individuals": len(individuals | set(samples.values())), "/biosamples": len(samples), "/runs": len(runs),
        "/analyses": len(analyses), "/g_variants": len(variants),
    }  # fmt: skip


async def test_every_folder_has_as_many_records_of_each_entry_type(
    loaded: tuple[Site, dict[str, Report]], folder: Path
) -> None:
    site, _ = loaded
    wanted = {name: expected(folder, name) for name in FOLDERS}
    assert wanted["uk1"]["/g_variants"] == 1004 and wanted["split"]["/individuals"] == 2504
    for path in ("/individuals", "/biosamples", "/runs", "/analyses", "/g_variants"):
        assert await counts(site, path) == {name: numbers[path] for name, numbers in wanted.items()}


async def test_records_are_answers_that_the_standard_accepts(loaded: tuple[Site, dict[str, Report]]) -> None:
    site, _ = loaded
    for path in ("/individuals", "/biosamples", "/runs", "/analyses", "/g_variants"):
        query = {"requestedGranularity": "record", "pagination": {"skip": 0, "limit": 50}}
        answer = await site.post(path, query)  # The fixture checks every record against the official schema.
        assert sum(len(one["results"]) for one in answer["response"]["resultSets"]) > 20


def terms(record: Json, kind: str, member: str) -> set[str]:
    return {row[member]["id"] for row in record.get(kind, ()) if not row.get("excluded")}


FIELDS: dict[str, Callable[[Json], set[str]]] = {
    "sex": lambda one: {one["sex"]["id"]} if "sex" in one else set(),
    "ethnicity": lambda one: {one["ethnicity"]["id"]} if "ethnicity" in one else set(),
    "diseases.diseaseCode": lambda one: terms(one, "diseases", "diseaseCode"),
    "interventionsOrProcedures.procedureCode": lambda one: terms(one, "interventionsOrProcedures", "procedureCode"),
    "measures.assayCode": lambda one: terms(one, "measures", "assayCode"),
}


@pytest.mark.parametrize("field", FIELDS)
async def test_people_are_found_by_what_their_records_say(
    field: str, loaded: tuple[Site, dict[str, Report]], folder: Path
) -> None:
    site, _ = loaded
    people = {name: read(folder, name, "individuals") for name in FOLDERS}
    told = {name: Counter(term for one in listed for term in FIELDS[field](one)) for name, listed in people.items()}
    for term in [term for counter in told.values() for term, _ in counter.most_common(3)]:
        query = {"filters": [{"id": field, "operator": "=", "value": term}]}
        found = await counts(site, "/individuals", query)
        if (field, term) == ("sex", "NCIT:C17998"):
            continue  # So is that of people whom only a sample names.
        assert {name: found[name] for name in FOLDERS} == {name: told[name][term] for name in FOLDERS}, term


@pytest.mark.parametrize("name", ASSEMBLIES)
async def test_variants_have_exactly_their_carriers_and_zygosities(
    name: str, loaded: tuple[Site, dict[str, Report]], folder: Path
) -> None:
    site, _ = loaded
    found = carriers(folder, name)
    chrom = "22" if name in ("uk1", "split") else "21"
    for (start, ref, alt), genotypes in list(found.items())[:: max(1, len(found) // 12)]:
        place = {"assemblyId": ASSEMBLIES[name], "referenceName": chrom, "start": [start]}
        variant = {"requestParameters": {"g_variant": place | {"referenceBases": ref, "alternateBases": alt}}}
        assert (await counts(site, "/individuals", variant))[name] == len(genotypes)
        hom = sum(text == "11" for text in genotypes.values())
        query = variant | {"filters": [{"id": "GENO:0000136"}]}
        assert (await counts(site, "/individuals", query))[name] == hom


async def test_who_is_called_simple_heterozygous_is_found_as_that_and_as_heterozygous(
    loaded: tuple[Site, dict[str, Report]],
) -> None:
    site, _ = loaded
    for zygosity in ("GENO:0000458", "GENO:0000135"):
        query = {"filters": [{"id": zygosity}]}
        assert (await counts(site, "/g_variants", query))["uk1"] == 954


async def test_what_could_not_be_loaded_as_it_was_is_told(loaded: tuple[Site, dict[str, Report]]) -> None:
    _, reports = loaded
    assert {name: report.errors for name, report in reports.items()} == {
        "uk1": 0, "split": 0, "rare": 0, "all-fields": 0, "mandatory": 1,
    }  # fmt: skip
    (problem,) = [one for one in reports["mandatory"].problems if one.severity == "error"]
    assert (problem.rule, Path(problem.file).name, problem.pointer) == ("bff-of-nobody", "analyses.json.gz", "/0")
    assert reports["all-fields"].rules["warning", "bff-shape"] == 83  # type: ignore[index]
    told = {name: {one.rule for one in report.problems} for name, report in reports.items()}
    assert {name for name, rules in told.items() if "bff-data-use" in rules} == {"uk1", "rare"}  # no policy has codes
    assert not any("bff-cohort-size" in rules for rules in told.values())


async def test_cohorts_and_datasets_say_all_that_their_files_say(
    loaded: tuple[Site, dict[str, Report]], folder: Path
) -> None:
    site, _ = loaded
    found: dict[str, Json] = {}
    for path in ("/cohorts", "/datasets"):  # The fixture checks every record against the official schema.
        answer = await site.post(path, {"requestedGranularity": "record"})
        found |= {one["id"]: one for one in answer["response"]["collections"]}
    (cohort,) = read(folder, "uk1", "cohorts")
    assert found[cohort["id"]] == {name: value for name, value in cohort.items() if name not in ("_id", "ids")}
    (cohort,) = read(folder, "all-fields", "cohorts")
    (given,), (told,) = cohort["collectionEvents"], found[cohort["id"]]["collectionEvents"]
    assert told["eventGenders"]["distribution"] == {"genders": given["eventGenders"]["distribution"]}
    assert told["eventSize"] == 20
    assert found[cohort["id"]]["cohortSize"] == expected(folder, "all-fields")["/individuals"]  # it lists nobody
    (dataset,) = read(folder, "uk1", "datasets")
    for member in ("createDateTime", "dataUseConditions", "description", "externalUrl", "name"):
        assert found["uk1"][member] == dataset[member]
    assert found["rare"]["createDateTime"] == "2021-12-01T11:53:53+01:00"
    assert found["all-fields"]["info"]["bff"]["/updateDateTime"] == "v1.0"


async def test_an_assembly_is_never_guessed(folder: Path) -> None:
    report = check_bff([folder / FOLDERS["rare"][0]])
    assert {one.rule for one in report.problems} == {"bff-assembly"} and report.errors == 5
    report = check_bff([folder / FOLDERS["split"][0]], assembly="GRCh37")
    assert report.errors == 999  # Their accessions are those of GRCh38.
