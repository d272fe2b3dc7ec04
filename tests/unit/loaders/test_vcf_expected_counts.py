"""The calls and places read from real and synthetic VCFs are those of the expected counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beacon.model.genome import chromosome
from beacon.model.variant import is_sequence, trim
from loaders.genotypes import unite
from loaders.report import Report
from loaders.vcf import records
from loaders.vcf_header import decide_assembly, parse_header
from loaders.vcf_lines import numbered_lines
from loaders.vcf_order import in_order
from loaders.vcf_parallel import outcomes
from loaders.vcf_records import RecordReader, Site

# What the file itself does not tell.
STATED: Mapping[str, str | None] = {
    "1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz": "GRCh38",
    "1000G_phase3_chr1_11.70-11.84Mb_GRCh37_2504samples.vcf.gz": None,
    "CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz": None,
    "edge/1kg_2020_chrM_indels_star_multiallelic_3samples.vcf.gz": None,
    "edge/cnv_DEL_DUP_1sample.vcf": "GRCh37",
    "edge/gnomad_sites_no_samples_chr1.vcf.gz": None,
    "edge/haploid_chrX_3samples.vcf.gz": None,
    "edge/mixed_ploidy.vcf.gz": "GRCh38",
    "edge/synthetic_edge_cases.vcf": None,
}


@cache
def loaded(path: Path, stated: str | None) -> tuple[list[Site], tuple[str, ...], Report]:
    lines = numbered_lines(path)
    header = parse_header(lines)
    reader = RecordReader.build(header, decide_assembly(header, stated), path.name)
    report = Report("test")
    found = records(reader, outcomes(reader, lines), report, lambda number: None)
    return list(in_order(found, len(header.samples), path.name, report)), header.samples, report


@cache
def expectations(shared: Path) -> Mapping[str, Any]:
    """Return what each file has; they count a gVCF's <NON_REF> as an allele, which it is not here."""
    found: Mapping[str, Any] = json.loads((shared / "data/vcf/expected_counts.json").read_text())["files"]
    assert set(found) == set(STATED)
    for one in found.values():
        no_variants = [row for row in one["sampled_alleles"] if row["alt"] == "<NON_REF>"]
        one["sampled_alleles"] = [row for row in one["sampled_alleles"] if row not in no_variants]
        one["counts"]["alleles_after_split"] -= len(no_variants)
        one["counts"]["records_without_alt"] += sum(row["n_alts"] == 1 for row in no_variants)
    return found


def carriers(site: Site) -> list[int]:
    assert site.calls is not None
    return sorted(np.concatenate([site.calls.het, site.calls.hom, site.calls.hemi]).tolist())


@pytest.mark.parametrize("name", STATED)
def test_every_record_and_allele_is_read(name: str, shared: Path) -> None:
    sites, samples, report = loaded(shared / "data/vcf" / name, STATED[name])
    expected = expectations(shared)[name]
    counts = expected["counts"]
    assert report.errors == 0
    assert len(samples) == expected["samples"]
    assert report.counts["record"] == counts["records"]
    assert report.counts.get("record of the reference alone", 0) == counts["records_without_alt"]
    twice = expected["trimmed_alleles_appearing_more_than_once"]
    assert report.rules.total() == twice
    assert len(sites) == counts["alleles_after_split"] - twice
    sequences = [site for site in sites if is_sequence(site.allele.alt)]
    assert len(sequences) == expected["distinct_sequence_alleles_after_trim"]
    assert len({site.allele.id for site in sites}) == len(sites)


@pytest.mark.parametrize("name", STATED)
def test_alleles_come_in_order(name: str, shared: Path) -> None:
    sites, _, _ = loaded(shared / "data/vcf" / name, STATED[name])
    chroms = list(dict.fromkeys(site.allele.chrom for site in sites))
    places = [(chroms.index(site.allele.chrom), site.allele.start, site.allele.end) for site in sites]
    assert places == sorted(places)


@pytest.mark.parametrize("name", STATED)
def test_every_sampled_allele_has_exactly_the_expected_calls(name: str, shared: Path) -> None:
    sites, samples, _ = loaded(shared / "data/vcf" / name, STATED[name])
    by_record = {
        (s.allele.chrom, s.body["info"]["vcf"]["pos"], s.body["info"]["vcf"]["ref"], s.body["info"]["vcf"]["alt"],
         s.body["info"]["vcf"].get("id", ".")): s
        for s in sites
    }  # fmt: skip
    checked = 0
    for one in expectations(shared)[name]["sampled_alleles"]:
        site = by_record.get((chromosome(one["chrom"]), one["pos"], one["ref"], one["alt"], one["id"]))
        if one["id"] in ("same_site_a", "duplicate_of_same_site_a"):
            continue  # united; see below
        assert site is not None, one
        assert site.body["info"]["vcf"]["filter"] == one["filter"]
        assert site.body["info"]["vcf"]["altIndex"] == one["alt_index"]
        if "trimmed" in one:
            trimmed = (one["trimmed"]["pos"] - 1, one["trimmed"]["ref"].upper(), one["trimmed"]["alt"].upper())
            assert (site.allele.start, site.allele.ref, site.allele.alt) == trimmed
            assert trim(one["pos"] - 1, one["ref"], one["alt"]) == trimmed
        else:
            assert (site.allele.start, site.allele.end) == (one["start0"], one["end0"])
        checked += 1
        if site.calls is None:
            assert "AN" not in one
            continue
        assert "AN" in one
        calls = site.calls
        halves = [called for _, _, called in calls.exceptions if called == 1]
        found = {
            "carriers": len(carriers(site)),
            "het": len(calls.het),
            "hom": len(calls.hom),
            "haploid": len(calls.hemi),
            "samples_with_missing_call": len(calls.missing) + len(halves),
        } | allele_counts(site, len(samples))
        if one["id"] == "triploid":
            del found["samples_with_missing_call"]  # of ./1/0 it is kept that two alleles were called, as of 0/1
        assert found == {key: one[key] for key in found}
        assert [samples[column] for column in carriers(site)[: len(one["first_carriers"])]] == one["first_carriers"]
    assert checked


def allele_counts(site: Site, samples: int) -> dict[str, int]:
    """AC and AN from the definition of ``Calls``, one sample at a time."""
    calls = site.calls
    assert calls is not None
    copies = dict.fromkeys([*calls.het.tolist(), *calls.hemi.tolist()], 1) | dict.fromkeys(calls.hom.tolist(), 2)
    called = dict.fromkeys(range(samples), 2) | dict.fromkeys(calls.haploid.tolist(), 1)
    called |= dict.fromkeys(calls.missing.tolist(), 0)
    for column, some, alleles in calls.exceptions:
        copies[column], called[column] = some, alleles
    return {"AC": sum(copies.values()), "AN": sum(called.values())}


@pytest.mark.parametrize("name", STATED)
def test_every_range_has_the_expected_alleles_and_carriers(name: str, shared: Path) -> None:
    sites, _, _ = loaded(shared / "data/vcf" / name, STATED[name])
    for one in expectations(shared)[name]["ranges"]:
        inside = [
            site
            for site in sites
            if site.allele.chrom == chromosome(one["chrom"])
            and site.allele.start < one["end0"]
            and site.allele.end > one["start0"]
        ]
        people = {column for site in inside if site.calls is not None for column in carriers(site)}
        found = (len(inside), len(people))
        assert found == (one["alleles_overlapping_trimmed_span"], one["samples_carrying_any_allele"]), one


def test_a_record_that_occurs_twice_is_one_allele_with_the_union_of_its_calls(shared: Path) -> None:
    sites, samples, report = loaded(shared / "data/vcf/edge/synthetic_edge_cases.vcf", None)
    (site,) = [s for s in sites if s.allele.start == 1099 and s.allele.alt == "C"]
    assert [samples[column] for column in carriers(site)] == ["F1", "F2"]
    assert allele_counts(site, 4) == {"AC": 2, "AN": 8}
    (warning,) = report.problems
    assert (warning.line, warning.rule, warning.severity) == (37, "vcf-allele-twice", "warning")
    assert unite(site.calls, site.calls, 4).het.tolist() == site.calls.het.tolist()  # type: ignore[arg-type,union-attr]
