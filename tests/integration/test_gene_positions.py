"""A gene is what data are annotated with, or where a table says that it lies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from beacon.errors import CannotAnswer, LoadError
from beacon.model.access import Granularity
from beacon.model.query import Pagination, Query, VariantQuery
from beacon.model.variant import from_vcf, unplaced
from loaders.genes import load_genes
from tests.world import Case, Facts, Load, Packet, Sequenced, Site, World, open_world, write

INSIDE, LONG, ANNOTATED, ELSEWHERE, OTHER_ASSEMBLY = (
    from_vcf("GRCh38", "17", 43_100_000, "A", "G"),
    from_vcf("GRCh38", "17", 43_000_000, "N", "<DEL>", end=43_044_295, length=44_295),
    from_vcf("GRCh38", "2", 1_000, "A", "G"),
    from_vcf("GRCh38", "17", 43_044_294, "A", "G"),
    from_vcf("GRCh37", "17", 43_100_000, "A", "G"),
)
NOWHERE = unplaced("GRCh38", "BRCA1", "SO:1000029", "exon 3 / deletion")
SITES = (
    Site(ANNOTATED, None, ("BRCA1",), ("V600E",)),
    Site(OTHER_ASSEMBLY, None, (), ()),
    Site(LONG, None, (), ()),
    Site(ELSEWHERE, None, (), ()),
    Site(INSIDE, None, ("NBR2",), ("V600E",)),
)
GFF = "17\thavana\tgene\t43044295\t43170245\t.\t-\t.\tID=x;Name=BRCA1;gene_id=ENSG00000012048;hgnc_id=HGNC:1100\n"


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as opened:
        yield opened


@pytest.fixture(scope="module")
def dataset(world: World) -> str:
    carrier = Packet("p", Facts(), (), (Case(NOWHERE, None, "het", ("BRCA1",), ()),))
    return world.load(Load(sites=SITES), Load(packets=(carrier,)))


@pytest.fixture
def table(world: World, tmp_path: Path) -> None:
    (tmp_path / "genes.gff3").write_text(GFF)
    report = load_genes(world.admin, tmp_path / "genes.gff3", "hg38")
    assert (report.assembly, report.genes, report.names) == ("GRCh38", 1, 3)


def ids(world: World, dataset: str, variant: VariantQuery) -> set[str]:
    query = Query("genomicVariant", variant=variant, granularity=Granularity.RECORD, pagination=Pagination(0, 100))
    result = world.ask(dataset, query)
    assert result.records is not None
    assert result.count == len(result.records)
    return {orjson.loads(record)["variantInternalId"] for record in result.records}


def test_without_a_table_a_gene_is_what_variants_are_annotated_with(world: World, dataset: str) -> None:
    assert ids(world, dataset, VariantQuery(gene="BRCA1")) == {ANNOTATED.id, NOWHERE.id}
    assert ids(world, dataset, VariantQuery(gene="NBR2")) == {INSIDE.id}
    assert ids(world, dataset, VariantQuery(gene="NEVERHEARD")) == set()
    with pytest.raises(CannotAnswer, match="do not name genes by HGNC ids"):
        ids(world, dataset, VariantQuery(gene="HGNC:1100"))


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", ["BRCA1", "HGNC:1100", "ENSG00000012048"])
def test_with_a_table_it_is_also_what_overlaps_its_place(world: World, dataset: str, name: str) -> None:
    assert ids(world, dataset, VariantQuery(gene=name)) == {ANNOTATED.id, NOWHERE.id, INSIDE.id, LONG.id}


@pytest.mark.usefixtures("table")
def test_everything_else_asked_holds_for_both_ways_to_be_in_the_gene(world: World, dataset: str) -> None:
    assert ids(world, dataset, VariantQuery(gene="BRCA1", variant_type="DEL")) == {LONG.id, NOWHERE.id}
    assert ids(world, dataset, VariantQuery(gene="BRCA1", variant_type="SNP")) == {ANNOTATED.id, INSIDE.id}
    assert ids(world, dataset, VariantQuery(gene="BRCA1", aminoacid_change="Val600Glu")) == {ANNOTATED.id, INSIDE.id}
    assert ids(world, dataset, VariantQuery(gene="BRCA1", alternate_bases="G")) == {ANNOTATED.id, INSIDE.id}
    assert ids(world, dataset, VariantQuery(gene="BRCA1", min_length=40_000)) == {LONG.id}
    within = VariantQuery("GRCh38", "17", (43_099_990,), (43_100_010,), gene="BRCA1")
    assert ids(world, dataset, within) == {INSIDE.id}
    assert ids(world, dataset, VariantQuery("GRCh38", "2", (0,), (5_000,), gene="BRCA1")) == {ANNOTATED.id}
    assert ids(world, dataset, VariantQuery("GRCh37", gene="BRCA1")) == set()
    assert ids(world, dataset, VariantQuery(gene="NBR2")) == {INSIDE.id}


@pytest.mark.usefixtures("table")
def test_people_are_found_by_the_place_of_a_gene_too(world: World) -> None:
    people = tuple(Sequenced(person, person, None, None, False) for person in ("a", "b", "c"))
    calls = (Site(ELSEWHERE, ("0/0", "0/0", "0/1"), (), ()), Site(INSIDE, ("0/1", "0/0", "0/0"), (), ()))
    dataset = world.load(Load(sequenced=people, sites=calls))
    query = Query("individual", variant=VariantQuery(gene="BRCA1"), granularity=Granularity.RECORD)
    assert [orjson.loads(record)["id"] for record in world.ask(dataset, query).records or ()] == ["a"]


@pytest.mark.usefixtures("table")
def test_data_in_several_loads_give_the_same_answer_as_in_one(world: World) -> None:
    pooled = world.load(Load(sites=SITES))
    questions = [
        VariantQuery(gene=gene, variant_type=kind, aminoacid_change=change)
        for gene, kind, change in itertools.product(("BRCA1", "NBR2"), (None, "SNP", "DEL"), (None, "V600E"))
    ]
    for size in (1, 2):
        split = world.load(*(Load(sites=SITES[begin : begin + size]) for begin in range(0, len(SITES), size)))
        for asked in questions:
            assert ids(world, split, asked) == ids(world, pooled, asked)


def test_a_new_table_takes_the_place_of_the_old_one(world: World, tmp_path: Path) -> None:
    dataset = world.load(Load(sites=(Site(OTHER_ASSEMBLY, None, (), ()),)))
    path = tmp_path / "genes.gff3"
    path.write_text("17\tx\tgene\t43099990\t43100010\t.\t+\t.\tName=OLD\n")
    load_genes(world.admin, path, "GRCh37")
    assert ids(world, dataset, VariantQuery(gene="OLD")) == {OTHER_ASSEMBLY.id}
    path.write_text("17\tx\tgene\t43099990\t43100010\t.\t+\t.\tName=NEW\n")
    load_genes(world.admin, path, "GRCh37")
    with pytest.raises(CannotAnswer, match="no table of genes that says where it lies in GRCh37"):
        ids(world, dataset, VariantQuery(gene="OLD"))
    assert ids(world, dataset, VariantQuery(gene="NEW")) == {OTHER_ASSEMBLY.id}
    path.write_text("17\tx\texon\t43099990\t43100010\t.\t+\t.\tName=NEW\n")
    with pytest.raises(LoadError, match="no gene"):
        load_genes(world.admin, path, "GRCh37")
    assert ids(world, dataset, VariantQuery(gene="NEW")) == {OTHER_ASSEMBLY.id}


def test_two_genes_of_one_name_are_both_meant(world: World, tmp_path: Path) -> None:
    first, second = (from_vcf("T2T", chrom, 1_000, "A", "G") for chrom in ("X", "Y"))
    path = tmp_path / "genes.gtf"
    path.write_text(
        "".join(
            f'chr{chrom}\tx\tgene\t900\t1100\t.\t+\t.\tgene_id "ENSG00000000001.1{end}"; gene_name "SHOX";\n'
            for chrom, end in (("X", ""), ("Y", "_PAR_Y"))
        )
    )
    load_genes(world.admin, path, "T2T")
    dataset = world.load(Load(sites=(Site(first, None, (), ()),)), Load(sites=(Site(second, None, (), ()),)))
    write(world.admin, dataset, Load(sites=(Site(first, None, (), ()),)))
    assert ids(world, dataset, VariantQuery(gene="SHOX")) == {first.id, second.id}
    assert ids(world, dataset, VariantQuery(gene="ENSG00000000001")) == {first.id, second.id}
    assert ids(world, dataset, VariantQuery("T2T", "Y", gene="SHOX")) == {second.id}
