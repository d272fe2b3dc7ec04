"""Genes are read from the tables that Ensembl, GENCODE and NCBI publish."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from beacon.errors import LoadError
from beacon.model.genome import Gene, Place
from loaders.genes import genes, table_version

BRCA1 = Place("GRCh38", "17", 43044294, 43170245)


def table(path: Path, *rows: tuple[str, ...]) -> Path:
    path.write_text("##gff-version 3\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def row(contig: str, kind: str, attributes: str, start: int = 43044295, end: int = 43170245) -> tuple[str, ...]:
    return contig, "source", kind, str(start), str(end), ".", "-", ".", attributes


@pytest.mark.parametrize(
    ("contig", "attributes", "names"),
    [
        (
            "17",
            "ID=gene:ENSG00000012048;Name=BRCA1;biotype=protein_coding;"
            "description=BRCA1 DNA repair associated [Source:HGNC Symbol%3BAcc:HGNC:1100];gene_id=ENSG00000012048",
            {"BRCA1", "ENSG00000012048", "HGNC:1100"},
        ),
        (
            "chr17",
            "ID=ENSG00000012048.25;gene_id=ENSG00000012048.25;gene_name=BRCA1;hgnc_id=HGNC:1100",
            {"BRCA1", "ENSG00000012048", "HGNC:1100"},
        ),
        (
            "NC_000017.11",
            "ID=gene-BRCA1;Dbxref=GeneID:672,HGNC:HGNC:1100,MIM:113705;Name=BRCA1;gene=BRCA1",
            {"BRCA1", "HGNC:1100"},
        ),
        (
            "chr17",
            'gene_id "ENSG00000012048.25"; gene_name "BRCA1"; hgnc_id "HGNC:1100";',
            {"BRCA1", "ENSG00000012048", "HGNC:1100"},
        ),
        (
            "NC_000017.11",
            'gene_id "BRCA1"; transcript_id ""; db_xref "GeneID:672"; db_xref "HGNC:HGNC:1100"; gene "BRCA1";',
            {"BRCA1", "HGNC:1100"},
        ),
        ("17", "ID=gene:ENSG00000999999;gene_id=ENSG00000999999", {"ENSG00000999999"}),
    ],
)
def test_a_gene_is_known_by_symbol_hgnc_id_and_ensembl_id(
    tmp_path: Path, contig: str, attributes: str, names: set[str]
) -> None:
    path = table(tmp_path / "genes", row(contig, "gene", attributes), row(contig, "exon", attributes))
    assert list(genes(path, "GRCh38")) == [Gene(frozenset(names), (BRCA1,))]


def test_kinds_of_genes_are_taken_and_their_parts_are_not(tmp_path: Path) -> None:
    kinds = ("gene", "ncRNA_gene", "pseudogene", "mRNA", "exon", "CDS", "biological_region")
    rows = [row("17", kind, f"gene_name=G{number}") for number, kind in enumerate(kinds)]
    assert [set(gene.names) for gene in genes(table(tmp_path / "genes", *rows), "GRCh38")] == [{"G0"}, {"G1"}, {"G2"}]


def test_a_packed_table_and_one_with_sequences_behind_it_are_read(tmp_path: Path) -> None:
    text = "#!genome-build\n" + "\t".join(row("17", "gene", "Name=BRCA1")) + "\n##FASTA\n>17\nACGT\n"
    (tmp_path / "genes.gff3.gz").write_bytes(gzip.compress(text.encode()))
    assert list(genes(tmp_path / "genes.gff3.gz", "GRCh38")) == [Gene(frozenset({"BRCA1"}), (BRCA1,))]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("17", "gene", "43044295"), "3 columns"),
        (row("NC_000017.10", "gene", "Name=BRCA1"), r"NC_000017\.10 belongs to GRCh37"),
        (row("17", "gene", "Name=BRCA1", 1, 90_000_000), "beyond the end of chromosome 17"),
        (row("17", "gene", "Name=BRCA1", 20, 10), "are no positions"),
        (row("17", "gene", "Name=BRCA1", 0, 10), "are no positions"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, wrong: tuple[str, ...], says: str) -> None:
    path = table(tmp_path / "genes.gff3", row("17", "gene", "Name=TP53"), wrong)
    with pytest.raises(LoadError, match=rf"genes\.gff3:3: .*{says}"):
        list(genes(path, "GRCh38"))


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("##description: evidence-based annotation of the human genome (GRCh38), version 44 (Ensembl 110)", "44"),
        ("#!genebuild-last-updated 2023-07", "2023-07"),
        ("#!annotation-source NCBI RefSeq GCF_000001405.40-RS_2023_10", "NCBI RefSeq GCF_000001405.40-RS_2023_10"),
        ("##date: 2024-01-01", None),
    ],
)
def test_the_version_is_what_the_makers_write_before_the_first_line(
    tmp_path: Path, line: str, version: str | None
) -> None:
    path = tmp_path / "genes.gff3"
    path.write_text(f"##gff-version 3\n{line}\n" + "\t".join(row("17", "gene", "Name=BRCA1")) + "\n")
    assert table_version(path) == version
