"""``skerry load reference`` and ``skerry load genes`` as commands, and what a site then answers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beacon.auth.policy import policy_for
from beacon.cli import main
from beacon.model import genome, vrs
from beacon.model.access import Granularity, Level
from beacon.store.admin import Admin
from loaders.vcf import load_vcf
from tests.integration.conftest import ServeSite

pytestmark = pytest.mark.asyncio

BASES = "CCGAAAACCTTGATTACAGG"
ACCESSION = genome.ASSEMBLIES["GRCh38"].accessions["22"]
VCF = (
    "##fileformat=VCFv4.3\n##contig=<ID=chr22,length=50818468,assembly=GRCh38>\n"
    "##FORMAT=<ID=GT,Number=1,Type=String,Description=x>\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tanna\tben\n"
    "chr22\t3\trs1\tG\tGA\t.\tPASS\t.\tGT\t0/1\t0/0\n"
    "chr22\t12\t.\tG\tC\t.\tPASS\t.\tGT\t0/1\t1/1\n"
)


@pytest.fixture
def config(mongo_uri: str, database_name: str, tmp_path: Path) -> Path:
    (tmp_path / "calls.vcf").write_text(VCF)
    with Admin.open(mongo_uri, database_name) as admin:
        admin.create_dataset("calls", policy=policy_for(Level.PUBLIC, Granularity.RECORD))
        assert load_vcf(admin, tmp_path / "calls.vcf", "calls").errors == 0
    path = tmp_path / "site.toml"
    path.write_text(f'[mongo]\nuri = "{mongo_uri}"\ndatabase = "{database_name}"\n')
    (tmp_path / "small.fa").write_text("".join(f">chr{chrom}\n{BASES}\n" for chrom in genome.CHROMOSOMES))
    (tmp_path / "genes.gtf").write_text(
        'chr22\tx\tgene\t2\t6\t.\t+\t.\tgene_id "ENSG00000000001.2"; gene_name "SMALL";\n'
    )
    return path


def asking(**given: Any) -> dict[str, Any]:
    return {"requestParameters": {"g_variant": given}}


async def test_a_site_answers_what_the_sequence_and_the_genes_tell(
    config: Path, mongo_uri: str, database_name: str, serve: ServeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    duplication = f"{ACCESSION}:g.7dup"
    async with serve(mongo_uri, database_name) as site:
        for answer in (
            await site.post("/g_variants", asking(genomicAlleleShortForm=duplication), status=400),
            await site.get("/g_variants", {"genomicAlleleShortForm": duplication}, status=400),
            await site.get("/individuals", {"allele": duplication}, status=400),
        ):
            assert answer["error"]["skerryCode"] == "needs_reference"
            assert answer["error"]["where"] == "genomicAlleleShortForm"
        # Its variants name no genes, so that it cannot know.
        answer = await site.post("/g_variants", asking(geneId="SMALL"), status=400)
        assert (answer["error"]["skerryCode"], answer["error"]["where"]) == ("cannot_answer", "geneId")
        assert "do not name genes by symbols, and there is no table of genes" in answer["error"]["errorMessage"]

        folder = config.parent
        assert main(["load", "reference", str(folder / "small.fa"), "--assembly", "hg38", "--config", str(config)]) == 2
        assert "248,956,422 in GRCh38; is this the right assembly?" in capsys.readouterr().err
        told = ["--assembly", "hg38", "--config", str(config), "--quiet"]
        assert main(["load", "reference", str(folder / "small.fa"), "--partial", *told]) == 0
        assert "25 sequences of GRCh38 loaded." in capsys.readouterr().out
        assert main(["load", "genes", str(folder / "genes.gtf"), *told]) == 0
        assert "1 gene of GRCh38 loaded, under 2 names." in capsys.readouterr().out

        # The site that is running knows at once.
        (insertion,) = await site.records("/g_variants", asking(genomicAlleleShortForm=duplication))
        names = [one["id"] for one in insertion["identifiers"]["variantAlternativeIds"]]
        justified = vrs.allele_id(vrs.sha512t24u(BASES.encode()), 3, 7, "AAAAA")
        assert names == ["dbSNP:rs1", f"{ACCESSION}:3:AAAA:AAAAA", justified]
        assert insertion["identifiers"]["genomicHGVSId"] == duplication
        for name in (*names[1:], duplication, f"{ACCESSION}:g.3_4insA", f"{ACCESSION}:5::A"):
            assert await site.count("/individuals", asking(genomicAlleleShortForm=name)) == 1, name
        moved = asking(assemblyId="GRCh38", referenceName="chr22", start=[6], referenceBases="A", alternateBases="AA")
        assert await site.count("/g_variants", moved) == 1
        assert await site.count("/individuals", asking(geneId="SMALL")) == 1
        assert await site.count("/individuals", asking(geneId="ENSG00000000001")) == 1

        body = {
            "meta": {
                "apiVersion": "v2.0",
                "requestedSchemas": [{"entityType": "genomicVariant", "schema": "ga4gh-vrs-v1.3"}],
            },
            "query": asking(genomicAlleleShortForm=f"{ACCESSION}:g.12G>C") | {"requestedGranularity": "record"},
        }
        async with site.session.post(f"{site.url}/g_variants", json=body) as response:
            answer = await response.json()
        (record,) = answer["response"]["resultSets"][0]["results"]
        assert record["variation"]["state"] == {"type": "LiteralSequenceExpression", "sequence": "C"}
        assert answer["meta"]["returnedSchemas"] == [{"entityType": "genomicVariant", "schema": "ga4gh-vrs-v1.3"}]
