"""Every ALT of a record becomes an allele with its place and description, and what is wrong names its column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.model.variant import variation
from loaders.vcf_header import parse_header
from loaders.vcf_lines import numbered_lines
from loaders.vcf_records import Record, RecordReader, Site, Unusable
from tests.contract import official

FIELDS = (
    "##contig=<ID=chr1,length=248956422>",
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | "
    "Annotation_Impact | Gene_Name | Gene_ID | Feature_Type | Feature_ID | Transcript_BioType | Rank | HGVS.c | "
    "HGVS.p'\">",
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="From VEP. Format: Allele|Consequence|SYMBOL|Feature|HGVSc|'
    'HGVSp|Protein_position|Amino_acids">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="x">',
    '##INFO=<ID=AF_afr,Number=A,Type=Float,Description="x">',
    '##INFO=<ID=EAS_AF,Number=A,Type=Float,Description="x">',
    '##INFO=<ID=AF_raw,Number=A,Type=Float,Description="x">',
)


def reader(samples: tuple[str, ...] = ("F1", "M1")) -> RecordReader:
    columns = [
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "QUAL",
        "FILTER",
        "INFO",
        *(["FORMAT", *samples] if samples else []),
    ]
    lines = ["##fileformat=VCFv4.3", *FIELDS, "\t".join(columns)]
    return RecordReader.build(parse_header((n, line.encode()) for n, line in enumerate(lines, 1)), "GRCh38", "a.vcf")


def record(
    ref: str = "A", alt: str = "G", *, info: str = ".", pos: str = "100", id: str = ".", chrom: str = "chr1",
    qual: str = ".", samples: str | None = "GT\t0/1\t0/0",
) -> Record:  # fmt: skip
    parts = [chrom, pos, id, ref, alt, qual, "PASS", info, *([samples] if samples is not None else [])]
    return reader(("F1", "M1") if samples is not None else ()).read(9, "\t".join(parts).encode())


def site(*args: str, **kwargs: Any) -> Site:
    (only,) = record(*args, **kwargs).sites
    return only


def refused(**kwargs: Any) -> Unusable:
    with pytest.raises(Unusable) as error:
        record(**kwargs)
    assert (error.value.problem.file, error.value.problem.line) == ("a.vcf", 9)
    assert error.value.problem.message.endswith(".")
    return error.value


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"ref": "Q"}, "REF"),
        ({"ref": ""}, "REF"),
        ({"ref": "."}, "REF"),
        ({"chrom": "chr99"}, "CHROM"),
        ({"pos": "abc"}, "POS"),
        ({"pos": "0"}, "POS"),
        ({"pos": "-5"}, "POS"),
        ({"pos": "1e3"}, "POS"),
        ({"pos": "٣"}, "POS"),
        ({"pos": "248956423"}, "POS"),
        ({"pos": "9" * 5000}, "POS"),
        ({"alt": "G,"}, "ALT"),
        ({"alt": ""}, "ALT"),
        ({"alt": "G,."}, "ALT"),
        ({"alt": "<DEL"}, "ALT"),
        ({"alt": "G]chr7:x]"}, "ALT"),
        ({"alt": "A"}, "ALT"),
        ({"alt": "a"}, "ALT"),
        ({"ref": "T", "alt": "U"}, "ALT"),
        ({"qual": "good"}, "QUAL"),
        ({"alt": "<DEL>", "info": "END=soon"}, "INFO/END"),
        ({"alt": "<DEL>", "info": "SVLEN=big"}, "INFO/SVLEN"),
        ({"samples": "GT\t0/5\t0/0"}, "F1/GT"),
        ({"samples": "GT\t0/0\t0/x"}, "M1/GT"),
        ({"samples": "GT:DP\t0/0:1\t0/2:3"}, "M1/GT"),
        ({"samples": "GT\t0/1"}, None),
        ({"samples": "GT\t0/1\t0/1\t0/1"}, None),
        ({"samples": "DP\t0/1"}, None),
        ({"samples": "GT"}, None),
        ({"samples": None, "info": ".\tGT\t0/1"}, None),
    ],
)
def test_what_is_wrong_names_its_column_and_the_record_where_it_is_the_columns_themselves(
    wrong: dict[str, Any], column: str | None
) -> None:
    assert refused(**wrong).problem.pointer == column


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("bad_ref", "REF"),
        ("contig_not_in_header", "CHROM"),
        ("gt_index_out_of_range", "F1/GT"),
        ("pos_not_integer", "POS"),
        ("short_record", None),
        ("too_few_samples", None),
    ],
)
def test_each_invalid_file_is_refused_at_its_place(name: str, column: str | None, shared: Path) -> None:
    lines = numbered_lines(shared / "data/vcf/edge/invalid" / f"{name}.vcf")
    records = RecordReader.build(parse_header(lines), "GRCh38", f"{name}.vcf")
    (number, line), *rest = lines
    assert (number, rest) == (25, [])
    with pytest.raises(Unusable) as error:
        records.read(number, line)
    assert (error.value.problem.line, error.value.problem.pointer) == (25, column)


def test_the_record_is_kept_as_the_file_has_it() -> None:
    (first, second) = record("a", "g,T", id="rs5;mine", qual="12.5").sites
    assert first.body["info"]["vcf"] == {
        "chrom": "chr1", "pos": 100, "ref": "a", "alt": "g", "altIndex": 1, "id": "rs5;mine", "qual": 12.5,
        "filter": "PASS",
    }  # fmt: skip
    assert second.body["info"]["vcf"]["altIndex"] == 2
    assert first.body["identifiers"]["variantAlternativeIds"] == [
        {"id": "dbSNP:rs5", "reference": "https://www.ncbi.nlm.nih.gov/snp/rs5"}
    ]


def test_a_record_of_the_reference_alone_has_no_alleles() -> None:
    assert record(alt=".", samples="GT\t0/0\t./.").sites == ()


@pytest.mark.parametrize("alt", ["<NON_REF>", "<*>", "<non_ref>"])
def test_what_a_gvcf_says_of_the_reference_is_no_variant(alt: str) -> None:
    assert record("A", alt, info="END=9999", samples="GT\t0/0\t0/0").sites == ()
    (real,) = record("A", f"G,{alt}", samples="GT\t0/1\t1/2").sites
    assert (real.allele.alt, real.body["info"]["vcf"]["altIndex"]) == ("G", 1)
    assert real.calls is not None
    assert real.calls.het.tolist() == [0, 1]


def test_a_record_without_genotypes_has_no_calls_rather_than_none_found() -> None:
    assert site(samples="DP\t3\t4").calls is None
    assert site(samples=None).calls is None
    called = site(samples="GT\t0/0\t./.").calls
    assert called is not None
    assert called.missing.tolist() == [1]


@pytest.mark.parametrize(
    ("alt", "info", "end", "length"),
    [
        ("<DEL>", "END=9000;SVLEN=-4000", 9000, 4000),
        ("<DEL>", "SVLEN=-500", 5500, 500),
        ("<DEL:ME:ALU>", "SVLEN=-500", 5500, 500),
        ("<DUP>", "END=9000", 9000, 4000),
        ("<CN3>", "END=9000", 9000, 4000),
        ("<INS>", "SVLEN=320", 5000, 320),
        ("<INS>", "END=5000;SVLEN=320", 5000, 320),
        ("*", ".", 5000, None),
        ("A]chr7:90000]", "SVTYPE=BND", 5000, None),
        ("A]chr7:90000]", "SVTYPE=BND;END=90000", 5000, None),
        ("A]chr1:90000]", "SVTYPE=BND;END=90000;SVLEN=85000", 5000, None),
        ("<BND>", "CHR2=chr1;END=90000", 5000, None),
        ("<TRA>", "END=90000", 5000, None),
        ("<BND>", "CHR2=chr7;END=90000", 5000, None),
        ("<INV>", "CHR2=chr1;END=90000", 90000, 85000),
        ("<INV>", "CHR2=1;END=90000", 90000, 85000),
        ("<DEL>", "CHR2=.;END=9000", 9000, 4000),
        ("<DEL>", "END=.;SVLEN=.", 5000, None),
    ],
)
def test_an_allele_without_bases_reaches_as_far_as_the_record_says(
    alt: str, info: str, end: int, length: int | None
) -> None:
    allele = site("A", alt, pos="5000", info=info).allele
    assert (allele.start, allele.end, allele.length) == (4999, end, length)


@pytest.mark.parametrize(
    ("chrom", "pos", "alt", "info", "rule", "column"),
    [
        ("chr1", "1000", "<DEL>", "END=500", "vcf-end", "INFO/END"),
        ("chr1", "1000", "<DEL>", "END=300000000", "vcf-beyond-end", "INFO/END"),
        ("chr1", "248956000", "<DUP>", "SVLEN=1000", "vcf-beyond-end", "INFO/SVLEN"),
        ("chr1", "1500", "<DEL>,<DUP>", "END=600;SVLEN=-100,200", "vcf-end", "INFO/END"),
        ("chr1", "1500", "<DEL>,<DUP>", "END=1600;SVLEN=-100,249000000", "vcf-beyond-end", "INFO/SVLEN"),
        ("chr1", "248956423", "G", ".", "vcf-pos", "POS"),
        ("chr2", "242193530", "G", ".", "vcf-pos", "POS"),
        ("chr2", "1000", "<CN0>", "END=242193530", "vcf-beyond-end", "INFO/END"),
    ],
)
def test_an_allele_that_its_chromosome_cannot_have_is_set_aside(
    chrom: str, pos: str, alt: str, info: str, rule: str, column: str
) -> None:
    parts = [chrom, pos, ".", "A", alt, ".", "PASS", info]
    lines = [
        "##fileformat=VCFv4.3",
        *(FIELDS[:1] if chrom == "chr1" else ()),
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    header = parse_header((n, line.encode()) for n, line in enumerate(lines, 1))
    with pytest.raises(Unusable) as error:
        RecordReader.build(header, "GRCh38", "a.vcf").read(9, "\t".join(parts).encode())
    assert (error.value.problem.rule, error.value.problem.pointer) == (rule, column)


def test_a_record_on_a_sequence_of_another_assembly_is_set_aside() -> None:
    lines = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    header = parse_header((n, line.encode()) for n, line in enumerate(lines, 1))
    with pytest.raises(Unusable, match="of GRCh37, not of GRCh38") as error:
        RecordReader.build(header, "GRCh38", "a.vcf").read(9, b"NC_000001.10\t5\t.\tA\tG\t.\t.\t.")
    assert (error.value.problem.rule, error.value.problem.pointer) == ("vcf-assembly", "CHROM")


@pytest.mark.parametrize(
    ("alts", "info", "doubts"),
    [
        ("<DEL>", "END=7000;SVLEN=-500", 1),
        ("<DEL>,<DUP>", "END=7000;SVLEN=-1000,500", 0),
        ("<DEL>,<DUP>", "END=7000;SVLEN=-500", 2),
        ("<DEL>", "END=7000;SVLEN=-1001", 0),
        ("<DEL>", "IMPRECISE;END=7000;SVLEN=-500", 0),
        ("<INS>", "END=6000;SVLEN=500", 0),
        ("<DUP>", "END=7000", 0),
    ],
)
def test_two_lengths_of_one_allele_are_doubted(alts: str, info: str, doubts: int) -> None:
    one = record("A", alts, pos="6000", info=info)
    assert [doubt.rule for doubt in one.doubts] == ["vcf-extent"] * doubts
    assert len(one.sites) == len(alts.split(","))


@pytest.mark.parametrize(("end", "length", "says"), [(7000, 1000, "and for the length"), (6000, 500, "SVLEN for the")])
def test_what_is_taken_of_two_lengths_is_what_the_doubt_says(end: int, length: int, says: str) -> None:
    one = record("A", "<DEL>", pos="6000", info=f"END={end};SVLEN=-500")
    assert (one.sites[0].allele.end, one.sites[0].allele.length) == (end, length)
    assert says in str(one.doubts[0].hint)


def test_each_alt_has_its_own_length() -> None:
    for info in ("SVLEN=-50,70", "END=1130;SVLEN=-50,70"):
        first, second = record("A", "<DEL>,<DUP>", pos="1060", info=info).sites
        assert (first.allele.length, second.allele.length) == (50, 70)
        assert (first.allele.end, second.allele.end) == (1110, 1130)


@pytest.mark.parametrize(
    "spellings",
    [
        [("<DEL>", f"END=7000{more}") for more in ("", ";SVLEN=-1000", ";SVLEN=-1001", ";IMPRECISE;SVLEN=-900")]
        + [("<DEL>", "SVLEN=1000"), ("<del>", "END=7000"), ("<DEL>", "END=7000;SVLEN=-500")],
        [("A[chr1:9000[", "."), ("A[chr1:9000[", "END=9000"), ("a[1:9000[", "SVLEN=3000")],
        [("<BND>", "CHR2=chr1;END=9000"), ("<BND>", "CHR2=1;POS2=9000"), ("<bnd>", "CHR2=1;POS2=9000;END=6000")],
        [("A.", "END=9000"), ("a.", ".")],
        [("T[chr1:9000[", "."), ("U[chr1:9000[", ".")],
        [("<INS:ME:ALU>", "SVLEN=300"), ("<INS:ME:Alu>", "SVLEN=300")],
    ],
)
def test_an_allele_without_bases_is_the_same_one_however_it_is_spelled(spellings: list[tuple[str, str]]) -> None:
    found = [site("A", alt, pos="6000", info=info).allele for alt, info in spellings]
    assert found == found[:1] * len(found)
    assert len({one.id for one in found}) == 1


def test_alleles_without_bases_that_lead_or_reach_elsewhere_are_others() -> None:
    told = [
        ("A[chr1:9000[", "."), ("A[chr1:9001[", "."), ("A]chr1:9000]", "."), ("A[chr2:9000[", "."), ("<BND>", "."),
        ("<BND>", "CHR2=chr1;END=9000"), ("<BND>", "CHR2=chr1;END=8000"), ("<BND>", "END=9000"),
        ("<DEL>", "END=7000"), ("<DEL>", "END=7001"), ("<DUP>", "END=7000"), ("<DEL:ME>", "END=7000"),
    ]  # fmt: skip
    assert len({site("A", alt, pos="6000", info=info).allele.id for alt, info in told}) == len(told)


def test_snpeff_annotations_belong_to_the_alt_that_they_name() -> None:
    info = (
        "ANN=G|missense_variant&splice_region_variant|MODERATE|POTEH|X|transcript|NM_1.1|p|1/2|c.16T>C|p.Ile53Thr,"
        "T|synonymous_variant|LOW|OTHER|X|transcript|NM_2.1|p|1/2|c.3A>T|p.Ile1Ile,"
        "G|upstream_gene_variant|MODIFIER|NEAR|X|transcript|NM_3.1|p||c.-9A>G|,"
        "G|intergenic_region|MODIFIER|ONE-TWO|X|intergenic_region|ONE-TWO||||,G|made_up|HIGH||||||||"
    )
    first, second = record("A", "G,T", info=info).sites
    assert first.body["molecularAttributes"] == {
        "geneIds": ["POTEH"],
        "aminoacidChanges": ["I53T"],
        "molecularEffects": [
            {"id": "SO:0001583", "label": "missense_variant"},
            {"id": "SO:0001630", "label": "splice_region_variant"},
            {"id": "SO:0001631", "label": "upstream_gene_variant"},
            {"id": "SO:0000605", "label": "intergenic_region"},
        ],
    }
    assert first.body["identifiers"] == {"transcriptHGVSIds": ["NM_1.1:c.16T>C", "NM_3.1:c.-9A>G"]}
    assert second.body["molecularAttributes"]["geneIds"] == ["OTHER"]


def test_vep_names_alleles_without_their_shared_first_base() -> None:
    info = "CSQ=T|frameshift_variant|GENE1|ENST1|ENST1.2:c.1insT|||,-|inframe_deletion|GENE2|ENST2||||"
    first, second = record("CA", "CAT,C", info=info.replace("T|frame", "AT|frame")).sites
    assert first.body["molecularAttributes"]["geneIds"] == ["GENE1"]
    assert first.body["identifiers"]["transcriptHGVSIds"] == ["ENST1.2:c.1insT"]
    assert second.body["molecularAttributes"]["geneIds"] == ["GENE2"]


@pytest.mark.parametrize(
    ("alt", "named", "genes"),
    [
        ("<DEL>", "deletion", [["GENEA"]]),
        ("<CN0>", "copy_number_loss", [["GENEA"]]),
        ("<DUP:TANDEM>", "tandem_duplication", [["GENEA"]]),
        ("<INS:ME:ALU>", "Alu_insertion", [["GENEA"]]),
        ("A]chr7:90000]", "chromosome_breakpoint", [["GENEA"]]),
        ("<DEL>,<DUP>", "duplication", [None, ["GENEA"]]),
        ("<DEL>", "duplication", [None]),
        ("<DEL>", "T", [None]),
        ("<DEL>", "-", [None]),
        ("<DEL>,<DEL:ME>", "deletion", [None, None]),
        ("T,<DEL>", "deletion", [None, ["GENEA"]]),
    ],
)
def test_vep_names_alleles_without_bases_by_their_sort(alt: str, named: str, genes: list[Any]) -> None:
    sites = record("A", alt, info=f"END=2000;CSQ={named}|transcript_ablation|GENEA|ENST1||||").sites
    assert [one.body.get("molecularAttributes", {}).get("geneIds") for one in sites] == genes


def test_a_change_of_an_amino_acid_is_read_where_there_is_no_hgvs() -> None:
    body = site(info="CSQ=G|missense_variant|XG|ENST1|||60/180|D/N").body
    assert body["molecularAttributes"]["aminoacidChanges"] == ["D60N"]


def test_frequencies_are_told_where_there_are_no_genotypes() -> None:
    info = "AC=1,2;AN=10;AF=0.1,0.2;AF_afr=0,1.5;EAS_AF=.,0.5;AF_raw=0.3,0.3"
    first, second = record("A", "G,T", info=info, samples=None).sites
    assert first.body["frequencyInPopulations"] == [
        {
            "source": "a.vcf",
            "sourceReference": "a.vcf",
            "frequencies": [
                {"population": "all", "alleleFrequency": 0.1, "alleleCount": 1, "alleleNumber": 10},
                {"population": "afr", "alleleFrequency": 0.0},
            ],
        }
    ]
    populations = [one["population"] for one in second.body["frequencyInPopulations"][0]["frequencies"]]
    assert populations == ["all", "EAS"]
    assert "frequencyInPopulations" not in site(info="AF=0.1").body


@pytest.mark.parametrize(
    "name",
    [
        "edge/synthetic_edge_cases.vcf",
        "edge/gnomad_sites_no_samples_chr1.vcf.gz",
        "edge/haploid_chrX_3samples.vcf.gz",
        "CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz",
    ],
)
def test_every_variant_of_real_files_fits_the_official_schema(name: str, shared: Path) -> None:
    lines = numbered_lines(shared / "data/vcf" / name)
    records = RecordReader.build(parse_header(lines), "GRCh37", name)
    checked = 0
    for number, line in lines:
        for one in records.read(number, line).sites:
            checked += 1
            if checked <= 1000:
                whole = one.body | {"variantInternalId": one.allele.id, "variation": variation(one.allele)}
                assert official.check_record("genomicVariant", whole) == []
    assert checked


@given(st.binary(max_size=80))
def test_no_line_breaks_the_reader(line: bytes) -> None:
    try:
        reader().read(1, line)
    except Unusable as error:
        assert error.problem.message


@given(
    st.lists(
        st.sampled_from(["chr1", "5", "A", "G", "<DEL>", ".", "GT", "0/1", "END=7", ",", "\xff", "", "1" * 20]),
        max_size=12,
    )
)
def test_no_mixture_of_fields_breaks_the_reader(parts: list[str]) -> None:
    try:
        reader().read(1, "\t".join(parts).encode("latin-1"))
    except Unusable as error:
        assert error.problem.message
