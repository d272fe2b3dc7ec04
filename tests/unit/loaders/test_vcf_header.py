"""A header tells samples, dates and the assembly; what it does not tell is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import LoadError
from loaders.vcf_header import Header, HeaderError, decide_assembly, iso_date, parse_header
from loaders.vcf_lines import numbered_lines

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def header(*lines: str, samples: tuple[str, ...] = ()) -> Header:
    names = "\t".join([COLUMNS, *(["FORMAT", *samples] if samples else [])])
    return parse_header((n, line.encode()) for n, line in enumerate(["##fileformat=VCFv4.3", *lines, names], 1))


def test_a_header_is_read_to_its_columns() -> None:
    found = header(
        "##fileDate=20150218",
        "##source=maker",
        "##reference=GRCh38",
        '##INFO=<ID=X,Number=A,Type=Float,Description="a, \\"quoted\\" <text>">',
        "##contig=<ID=chr1,length=248956422,assembly=GRCh38>",
        samples=("s1", "s2"),
    )
    assert (found.samples, found.columns, found.date, found.sources) == (("s1", "s2"), 11, "2015-02-18", ("maker",))
    assert found.info["X"] == {"ID": "X", "Number": "A", "Type": "Float", "Description": 'a, "quoted" <text>'}
    assert found.contigs["chr1"].length == 248956422


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        (["hello"], 1, "##fileformat"),
        (["##fileformat=VCFv4.3"], 1, "before its #CHROM"),
        (["##fileformat=VCFv4.3", COLUMNS.replace("\t", " ")], 2, "names the columns"),
        (["##fileformat=VCFv4.3", COLUMNS + "\tFORMAT\ta\tb\ta"], 2, "'a' is there twice"),
        (["##fileformat=VCFv4.3", COLUMNS + "\tFORMAT\ta\t"], 2, "no name"),
        (["##fileformat=VCFv4.3", "##contig=<length=5>", COLUMNS], 2, "no ID"),
        (["##fileformat=VCFv4.3", "##contig=<ID=1,length=ten>", COLUMNS], 2, "not a number"),
    ],
)
def test_a_header_that_cannot_be_used_says_in_which_line(lines: list[str], line: int, says: str) -> None:
    with pytest.raises(HeaderError) as error:
        parse_header((n, text.encode()) for n, text in enumerate(lines, 1))
    assert error.value.line == line
    assert says in error.value.message


def test_a_byte_order_mark_before_the_first_line_is_left_out() -> None:
    lines = [b"\xef\xbb\xbf##fileformat=VCFv4.3", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    assert parse_header(enumerate(lines, 1)).columns == 8


def test_bytes_that_are_no_text_are_no_vcf() -> None:
    with pytest.raises(HeaderError, match="not text"):
        parse_header([(1, b"\xff\xfe\x00")])


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20150218", "2015-02-18"),
        ("2015-02-18T10:00:00", "2015-02-18"),
        ("27022019_15h52m43s", "2019-02-27"),
        ("02272019", "2019-02-27"),
        ("03042019", None),
        ("05052019", "2019-05-05"),
        ("20151340", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_counts_where_it_can_be_read_in_one_way_only(text: str, day: str | None) -> None:
    assert iso_date(text) == day


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_dates(text: str) -> None:
    assert iso_date(text) is None or len(iso_date(text) or "") == 10


CHR1_37, CHR1_38 = "##contig=<ID=1,length=249250621>", "##contig=<ID=1,length=248956422>"


@pytest.mark.parametrize(
    ("lines", "stated", "name"),
    [
        ([CHR1_38], None, "GRCh38"),
        ([CHR1_38], "hg38", "GRCh38"),
        ([], "hg19", "GRCh37"),
        (["##reference=GRCh38"], None, "GRCh38"),
        (["##reference=ftp://site/a/hs37d5.fa.gz"], None, "GRCh37"),
        (["##contig=<ID=1,assembly=b37>"], None, "GRCh37"),
        (["##contig=<ID=NC_000001.10>", "##contig=<ID=NC_012920.1>"], None, "GRCh37"),
        (["##contig=<ID=1,length=1000>"], "GRCh38", "GRCh38"),
        ([CHR1_38, "##reference=hg19.fa"], None, "GRCh38"),
        ([CHR1_38, "##reference=hg19.fa"], "GRCh38", "GRCh38"),
    ],
)
def test_the_assembly_is_the_stated_one_or_the_one_that_the_header_tells(
    lines: list[str], stated: str | None, name: str
) -> None:
    assert decide_assembly(header(*lines), stated) == name


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["##contig=<ID=chr22>"],
        ["##contig=<ID=1,length=1000>"],
        ["##contig=<ID=MT,length=16569>"],
        ["##reference=ftp://site/GRCh38_full_analysis_set_plus_decoy_hla.fa"],
        ["##reference=GRCh38", "##contig=<ID=1,assembly=hg19>"],
        ["##reference=GRCh38", "##contig=<ID=1,length=1000>"],
        [CHR1_38, "##contig=<ID=2,length=243199373>"],
    ],
)
def test_an_assembly_that_is_not_certain_is_asked_for(lines: list[str]) -> None:
    with pytest.raises(LoadError, match="say which one it is with --assembly"):
        decide_assembly(header(*lines), None)


def test_a_stated_assembly_that_the_lengths_contradict_is_refused() -> None:
    with pytest.raises(LoadError, match="are those of GRCh37"):
        decide_assembly(header(CHR1_37), "GRCh38")


@pytest.mark.parametrize("lines", [["##contig=<ID=NC_000001.10>"], [CHR1_38, "##contig=<ID=CM000664.1>"]])
def test_an_assembly_that_an_accession_contradicts_is_refused(lines: list[str]) -> None:
    with pytest.raises(LoadError, match="is a sequence of GRCh37, not of GRCh38"):
        decide_assembly(header(*lines), "GRCh38")


def test_an_assembly_that_nobody_knows_is_refused() -> None:
    with pytest.raises(LoadError, match="'mm10' is no assembly known here"):
        decide_assembly(header(CHR1_37), "mm10")


@pytest.mark.parametrize(
    ("name", "assembly"),
    [
        ("1000G_chr22_10.5-11.0Mb_GRCh38_2548samples.vcf.gz", None),
        ("1000G_phase3_chr1_11.70-11.84Mb_GRCh37_2504samples.vcf.gz", "GRCh37"),
        ("CINECA_chr22_GRCh37_2504samples_annotated.vcf.gz", "GRCh37"),
        ("edge/1kg_2020_chrM_indels_star_multiallelic_3samples.vcf.gz", "GRCh38"),
        ("edge/gnomad_sites_no_samples_chr1.vcf.gz", "GRCh37"),
        ("edge/haploid_chrX_3samples.vcf.gz", "GRCh37"),
        ("edge/mixed_ploidy.vcf.gz", None),
        ("edge/cnv_DEL_DUP_1sample.vcf", None),
        ("edge/synthetic_edge_cases.vcf", "GRCh38"),
    ],
)
def test_real_headers_tell_their_assembly_or_do_not(name: str, assembly: str | None, shared: Path) -> None:
    found = parse_header(numbered_lines(shared / "data/vcf" / name))
    if assembly is None:
        with pytest.raises(LoadError):
            decide_assembly(found, None)
    else:
        assert decide_assembly(found, None) == assembly


def test_the_mitochondrion_of_hg19_is_not_taken_for_the_other_one() -> None:
    found = header("##contig=<ID=chrM,length=16571>", "##contig=<ID=chr1,length=249250621>")
    assert (found.chromosome("chrM"), found.chromosome("chr1")) == ("NC_001807.4", "1")
    assert header("##contig=<ID=chrM,length=16569>").chromosome("chrM") == "MT"
