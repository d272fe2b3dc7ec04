from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.interpretations import Case, allele, cases, genes, short_protein
from tests.unit.loaders.packets import HETEROZYGOUS, MARFAN, RECORD, interpretation, packet

GENE = {"valueId": "HGNC:3603", "symbol": "FBN1"}
DELETION = {"id": "SO:1000029", "label": "chromosomal_deletion"}


def case(descriptor: dict[str, Any], **stated: Any) -> Case:
    (found,) = cases(packet(interpretations=[interpretation(descriptor, **stated)]))
    return found


def test_a_vcf_record_gives_the_place_0_based_and_half_open() -> None:
    found = allele({"vcfRecord": RECORD | {"pos": "48505037"}}, "case-1")
    assert (found.assembly, found.chrom, found.start, found.end) == ("GRCh38", "15", 48505036, 48505037)
    assert (found.ref, found.alt, found.types[0]) == ("G", "A", "SNP")


def test_assembly_and_chromosome_may_be_written_in_any_known_way() -> None:
    written = [("hg38", "chr15"), ("GRCh38", "15"), ("GRCh38.p13", "NC_000015.10"), ("GCF_000001405.40", "Chr15")]
    records = [RECORD | {"genomeAssembly": assembly, "chrom": chrom} for assembly, chrom in written]
    assert len({allele({"vcfRecord": record}, "case-1").id for record in records}) == 1


def test_a_symbolic_allele_has_the_extent_that_its_info_gives() -> None:
    record = RECORD | {"ref": "N", "alt": "DEL", "info": "SVTYPE=DEL;END=48506037;SVLEN=-1000"}
    found = allele({"vcfRecord": record, "structuralType": DELETION}, "case-1")
    assert (found.alt, found.start, found.end, found.length) == ("<DEL>", 48505036, 48506037, 1000)
    assert found.types == ("DEL", "CNV", "SO:1000029")


@pytest.mark.parametrize(
    ("alt", "info", "end", "length"),
    [
        ("<DEL>", "END=9000", 9000, 4000),
        ("<DEL>", "SVLEN=-500", 5500, 500),
        ("<DUP>", "SVTYPE=DUP;SVLEN=500", 5500, 500),
        ("<INS>", "SVLEN=320", 5000, 320),
        ("<BND>", "CHR2=chr7;END=90000", 5000, None),
        ("<INV>", "CHR2=15;END=90000", 90000, 85000),
        ("<DEL>", "CHR2=.;END=9000", 9000, 4000),
    ],
)
def test_a_symbolic_allele_is_the_one_that_the_same_record_of_a_vcf_is(
    alt: str, info: str, end: int, length: int | None
) -> None:
    found = allele({"vcfRecord": RECORD | {"pos": 5000, "ref": "A", "alt": alt, "info": info}}, "case-1")
    assert (found.end, found.length) == (end, length)
    assert found.mate == ("7" if "CHR2=chr7" in info else "")
    assert found.label == ("90000" if "CHR2=chr7" in info else "")


@pytest.mark.parametrize(
    ("syntax", "value"),
    [
        ("hgvs.g", "NC_000015.10:g.48505037G>A"),
        ("hgvs", "NC_000015.10:g.48505037G>A"),
        ("spdi", "NC_000015.10:48505036:G:A"),
    ],
)
def test_without_a_record_a_certain_expression_gives_the_place(syntax: str, value: str) -> None:
    found = allele({"expressions": [{"syntax": syntax, "value": value}]}, "case-1")
    assert found == allele({"vcfRecord": RECORD}, "case-1")


@pytest.mark.parametrize(
    "value",
    [
        "NM_000138.5:c.1129C>T",  # a transcript's position needs the transcript
        "NC_000015.10:g.48505037del",  # the deleted base is not told
        "NC_000015.99:g.48505037G>A",  # no known sequence
        "NC_012920.1:g.3243A>G",  # the assembly is not told: several share this sequence
        "NC_000015.10:0:GA:",
    ],
)
def test_an_uncertain_expression_gives_no_place_but_keeps_the_variant(value: str) -> None:
    found = allele({"expressions": [{"syntax": "hgvs", "value": value}], "geneContext": GENE}, "case-1")
    assert not found.placed
    assert found.id.startswith("unplaced-")


def test_a_variant_without_place_is_known_again_by_gene_type_and_words() -> None:
    described = {"id": "FBN1_SV_1", "label": "deletion of exon 5", "geneContext": GENE, "structuralType": DELETION}
    found = allele(described, "case-1")
    assert found.types == ("SO:1000029", "DEL")
    assert found.id == allele(described | {"id": "other"}, "case-2").id
    assert found.id != allele(described | {"label": "deletion of exon 6"}, "case-1").id
    assert found.id != allele(described | {"geneContext": GENE | {"symbol": "FBN2"}}, "case-1").id


@pytest.mark.parametrize(
    "vague", [{}, {"id": "variant 1"}, {"label": "deletion"}, {"id": "variant 1", "geneContext": GENE}]
)
def test_a_variant_that_cannot_be_known_again_is_kept_apart_for_each_packet(vague: dict[str, Any]) -> None:
    assert allele(vague, "case-1").id != allele(vague, "case-2").id


def test_an_identifier_of_a_public_database_is_the_same_variant_everywhere() -> None:
    assert allele({"id": "rs121913300"}, "case-1").id == allele({"id": "rs121913300"}, "case-2").id


@pytest.mark.parametrize(
    ("state", "group", "zygosity"),
    [
        ("GENO:0000135", "het", None),
        ("GENO:0000136", "hom", None),
        ("GENO:0000134", "hemi", None),
        ("GENO:0000402", "het", "GENO:0000402"),
        ("GENO:0000606", "hemi", "GENO:0000606"),
        ("GENO:0000603", "other", "GENO:0000603"),
        (None, "other", None),
    ],
)
def test_a_zygosity_that_says_more_than_its_group_stays_in_the_case_too(
    state: str | None, group: str, zygosity: str | None
) -> None:
    found = case({"vcfRecord": RECORD} | ({"allelicState": {"id": state}} if state else {}))
    assert found.group == group
    assert (found.detail.get("zygosity") or {}).get("id") == zygosity


def test_the_case_says_what_was_concluded_and_for_which_disease() -> None:
    found = case(
        {"vcfRecord": RECORD, "allelicState": HETEROZYGOUS, "description": "seen twice"},
        acmgPathogenicityClassification="LIKELY_PATHOGENIC",
    )
    assert found.subject == "Patient 1"
    assert found.detail["clinicalInterpretations"] == [
        {"conditionId": MARFAN["id"], "effect": MARFAN, "clinicalRelevance": "likely pathogenic"}
    ]
    assert found.detail["info"]["interpretationStatus"] == "CAUSATIVE"
    assert found.detail["info"]["description"] == "seen twice"


def test_what_was_not_provided_is_not_a_clinical_relevance() -> None:
    found = case({"vcfRecord": RECORD}, acmgPathogenicityClassification="NOT_PROVIDED")
    assert "clinicalRelevance" not in found.detail["clinicalInterpretations"][0]


def test_names_of_the_variant_go_where_beacon_keeps_them() -> None:
    found = case(
        {
            "vcfRecord": RECORD | {"pos": "48505037", "id": "rs1"},
            "geneContext": GENE,
            "xrefs": ["clinvar:16429", "dbSNP:rs1"],
            "expressions": [
                {"syntax": "hgvs.g", "value": "NC_000015.10:g.48505037G>A"},
                {"syntax": "hgvs", "value": "NM_000138.5:c.1129C>T"},
                {"syntax": "hgvs.p", "value": "NP_000129.3:p.(Arg377Cys)"},
                {"syntax": "spdi", "value": "NC_000015.10:48505036:G:A"},
            ],
        }
    ).body
    assert found["molecularAttributes"] == {"geneIds": ["FBN1"], "aminoacidChanges": ["R377C"]}
    assert found["identifiers"] == {
        "genomicHGVSId": "NC_000015.10:g.48505037G>A",
        "transcriptHGVSIds": ["NM_000138.5:c.1129C>T"],
        "proteinHGVSIds": ["NP_000129.3:p.(Arg377Cys)"],
        "clinvarVariantId": "clinvar:16429",
        "variantAlternativeIds": [{"id": "NC_000015.10:48505036:G:A", "notes": "spdi"}, {"id": "dbSNP:rs1"}],
    }
    assert found["info"]["vcf"] == {
        "genomeAssembly": "hg38", "chrom": "chr15", "pos": 48505037, "id": "rs1", "ref": "G", "alt": "A",
    }  # fmt: skip
    assert found["info"]["genes"] == [{"id": "HGNC:3603", "symbol": "FBN1"}]


def about_a_gene(status: str, id: str = "case-1") -> dict[str, Any]:
    body = packet(id, interpretations=[interpretation()])
    body["interpretations"][0]["diagnosis"]["genomicInterpretations"] = [
        {"subjectOrBiosampleId": "Patient 1", "interpretationStatus": status, "gene": GENE}
    ]
    return body


def test_a_gene_without_a_variant_is_a_variant_of_that_gene_of_which_no_more_is_known() -> None:
    body = about_a_gene("CANDIDATE")
    (case,) = cases(body)
    assert not case.allele.placed
    assert case.body["molecularAttributes"] == {"geneIds": ["FBN1"]}
    assert case.detail["clinicalInterpretations"] == [{"conditionId": MARFAN["id"], "effect": MARFAN}]
    assert case.detail["info"]["interpretationStatus"] == "CANDIDATE"
    assert genes(body) == [
        {"id": "HGNC:3603", "symbol": "FBN1", "interpretationStatus": "CANDIDATE", "disease": MARFAN}
    ]
    (other,) = cases(about_a_gene("CANDIDATE", "case-2"))
    assert other.allele.id != case.allele.id


@pytest.mark.parametrize("status", ["REJECTED", "UNKNOWN_STATUS"])
def test_a_gene_that_was_rejected_is_told_and_makes_no_variant(status: str) -> None:
    body = about_a_gene(status)
    assert list(cases(body)) == []
    assert [gene["interpretationStatus"] for gene in genes(body)] == [status]


@pytest.mark.parametrize(
    ("hgvs", "short"),
    [
        ("NP_006825.1:p.(Ser71Arg)", "S71R"),
        ("NP_000129.3:p.Arg377Ter", "R377*"),
        ("NP_000129.3:p.Arg377*", "R377*"),
        ("NP_000129.3:p.(Arg377=)", "R377="),
        ("NP_000129.3:p.(Arg377CysfsTer5)", None),
        ("NP_000129.3:p.?", None),
        ("NP_000129.3:p.Abc1Def", None),
    ],
)
def test_only_simple_protein_changes_have_a_short_form(hgvs: str, short: str | None) -> None:
    assert short_protein(hgvs) == short


@given(
    pos=st.integers(1, 100_000_000),
    ref=st.text("ACGT", min_size=1, max_size=6),
    alt=st.text("ACGT", min_size=1, max_size=6),
    padding=st.text("ACGT", max_size=4),
)
def test_padding_with_shared_bases_does_not_change_the_allele(pos: int, ref: str, alt: str, padding: str) -> None:
    plain = allele({"vcfRecord": RECORD | {"pos": pos, "ref": ref, "alt": alt}}, "case-1")
    padded = allele({"vcfRecord": RECORD | {"pos": pos, "ref": ref + padding, "alt": alt + padding}}, "case-1")
    assert plain.id == padded.id
