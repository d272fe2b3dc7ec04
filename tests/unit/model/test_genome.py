"""Assemblies are told by names and lengths, and never guessed."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from beacon.model.genome import (
    ASSEMBLIES,
    CHROMOSOMES,
    assembly_name,
    chromosome,
    infer_assembly,
    is_of_elsewhere,
    named_by,
    sequence_id,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GRCh38", "GRCh38"),
        ("hg38", "GRCh38"),
        ("GRCh38.p13", "GRCh38"),
        (" hs37d5 ", "GRCh37"),
        ("GCF_000001405.25", "GRCh37"),
        ("CHM13v2.0", "T2T"),
        ("GRCh39", None),
        ("gnomAD_GRCh37", None),
        ("", None),
    ],
)
def test_names_in_use_are_known_and_others_are_not(text: str, name: str | None) -> None:
    assert assembly_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("chr1", "1"),
        ("1", "1"),
        ("CHRx", "X"),
        ("chrM", "MT"),
        ("M", "MT"),
        ("mt", "MT"),
        ("NC_000001.10", "1"),
        ("refseq:NC_012920.1", "MT"),
        ("chrUn_KI270302v1", "KI270302.1"),
        ("Un_KI270302v1", "KI270302.1"),
        ("KI270302.1", "KI270302.1"),
        ("insdc:KI270302.1", "KI270302.1"),
        ("skerry:GRCh38-KI270302.1", "KI270302.1"),
        ("skerry:GRCh38-Un_KI270302v1", "KI270302.1"),
        ("skerry:GRCh38-1", "1"),
        ("chr14_GL000009v2_random", "GL000009.2"),
        ("chr6_GL000250v2_alt", "GL000250.2"),
        ("chrUn_JTFH01000001v1_decoy", "JTFH01000001.1"),
        ("chrUn_gl000211", "GL000211.1"),
        ("chr1_gl000192_random", "GL000192.1"),
        ("GL000192.1", "GL000192.1"),
        ("NT_187396.1", "NT_187396.1"),
        ("chr6_apd_hap1", "6_apd_hap1"),
        ("CM000663.2", "1"),
        ("insdc:CM000685.1", "X"),
        ("CP086569.2", "Y"),
        ("J01415.2", "MT"),
        ("01", "1"),
        ("chr09", "9"),
        ("23", "X"),
        ("24", "Y"),
        ("25", "25"),
        ("26", "MT"),
        ("0", "0"),
        ("chr", "chr"),
    ],
)
def test_contigs_have_one_name_each(text: str, name: str) -> None:
    assert chromosome(text) == name


def test_accessions_tell_assembly_and_chromosome() -> None:
    for name, assembly in ASSEMBLIES.items():
        assert set(assembly.lengths) == set(assembly.accessions) == set(CHROMOSOMES)
        for chrom, accession in assembly.accessions.items():
            assert named_by(accession) == ((None if chrom == "MT" else name), chrom)
            assert sequence_id(name, chrom) == f"refseq:{accession}"
    assert named_by("NC_000001.9") is None
    assert named_by("CM000684.1") == ("GRCh37", "22")
    assert named_by("CM000663.2") == ("GRCh38", "1")
    assert named_by("CP068277.2") == ("T2T", "1")
    assert named_by("CP068255.2") == ("T2T", "X")
    assert sequence_id("GRCh38", "KI270302.1") == "skerry:GRCh38-KI270302.1"
    assert named_by("skerry:GRCh38-KI270302.1") == ("GRCh38", "KI270302.1")
    assert named_by("chrUn_KI270302v1") == (None, "KI270302.1")
    assert named_by("skerry:unplaced") is None


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("NT_187396.1", True), ("NW_003315905.1", True), ("NM_004333.6", True), ("GL000009", True),
        ("AC012345.6", True), ("GL000009.2", False), ("chrUn_KI270302v1", False), ("1", False),
        ("HLA-A*01:01:01:01", False), ("hs37d5", False),
    ],
)  # fmt: skip
def test_an_accession_without_a_known_name_is_told_from_a_name(name: str, elsewhere: bool) -> None:
    assert is_of_elsewhere(name) is elsewhere


def test_lengths_tell_the_assembly() -> None:
    assert infer_assembly([("chr1", 248956422)]) == "GRCh38"
    assert infer_assembly([("1", 249250621), ("GL000192.1", 547496), ("MT", 16569)]) == "GRCh37"


def test_what_does_not_tell_is_not_guessed() -> None:
    assert infer_assembly([]) is None
    assert infer_assembly([("MT", 16569)]) is None
    assert infer_assembly([("chr1", 1000)]) is None
    assert infer_assembly([("chr1", 248956422), ("chr2", 243199373)]) is None


def test_lengths_are_those_that_real_headers_give(shared: Path) -> None:
    seen = set()
    for path in (shared / "data/vcf").rglob("*.vcf.gz"):
        with gzip.open(path, "rt") as lines:
            header = [line for line in lines if line.startswith("##contig")]
        lengths = [
            (match[1], int(match[2])) for line in header if (match := re.search(r"ID=([^,>]+).*length=(\d+)", line))
        ]
        if name := infer_assembly(lengths):
            for contig, length in lengths:
                if contig.removeprefix("chr") in CHROMOSOMES:
                    seen.add((name, contig.removeprefix("chr")))
                    assert ASSEMBLIES[name].lengths[contig.removeprefix("chr")] == length
    assert len(seen) >= 48
