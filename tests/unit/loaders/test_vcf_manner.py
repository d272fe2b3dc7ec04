"""Ways to read a VCF: beside its reference sequence, by region, from standard input, with a table of samples."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pysam
import pysam.bcftools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from beacon.errors import LoadError
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from loaders import vcf_parallel, vcf_ranges
from loaders.pipeline import load_phenopackets
from loaders.report import Report
from loaders.vcf import STANDARD_INPUT, Manner, begin, check_vcf, load_vcf, reach_of, records
from loaders.vcf_normal import Sequences, opened
from loaders.vcf_order import in_order
from loaders.vcf_parallel import _Ahead, reading
from loaders.vcf_records import Site
from loaders.vcf_samples import SampleRules, sample_rules
from loaders.workers import working
from tests.integration.kill_loop import content, database
from tests.unit.loaders.packets import packet
from tests.unit.loaders.test_vcf import vcf

T = TypeVar("T")
SEQUENCE = "GATTACA" + "CAG" * 6 + "TTTTTTTT" + "ACGTTGCA" * 3


def fasta(path: Path, sequence: str = SEQUENCE, name: str = "chr1") -> Path:
    lines = [sequence[begin : begin + 20] for begin in range(0, len(sequence), 20)]
    path.write_text(f">{name}\n" + "\n".join(lines) + "\n")
    return path


def sites(path: Path, manner: Manner) -> tuple[list[Site], Report]:
    report = Report("d")
    with opened(manner.fasta) if manner.fasta else _nothing() as sequences:
        reader, lines = begin(path, manner, sequences, report)
        outcomes = reading(reader, lines, manner.workers, manner.fasta, None if manner.regions else path)
        found = records(reader, outcomes, report, lambda _: None)
        return list(in_order(found, len(reader.header.samples), path.name, report, reach_of(sequences))), report


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_two_spellings_of_one_deletion_meet_where_the_sequence_is_given(tmp_path: Path) -> None:
    # CAG at 8 to 25 (from 1); the file writes one deletion as far right as it goes, and once leftmost.
    path = vcf(tmp_path / "a.vcf", "1 7 ACAG A 0/1 0/0", "1 19 GCAG G 0/0 1/1")
    written, _ = sites(path, Manner("GRCh38"))
    assert [site.allele.start for site in written] == [6, 18]
    assert {site.body["info"]["vcf"]["normalization"] for site in written} == {"trimmed"}
    (one,), report = sites(path, Manner("GRCh38", fasta(tmp_path / "ref.fa")))
    assert (one.allele.start, one.allele.ref, one.allele.alt) == (6, "ACAG", "A")
    assert one.body["info"]["vcf"]["normalization"] == "left-aligned"
    assert one.calls is not None and (one.calls.het.tolist(), one.calls.hom.tolist()) == ([0], [1])
    assert [rule for _, rule in report.rules] == ["vcf-allele-twice"]


def test_an_allele_that_is_moved_to_the_left_comes_in_the_order_of_its_new_place(tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 10 G T 0/1 0/0", "1 12 A T 0/1 0/0", "1 22 GCAG G 0/1 0/0")
    found, report = sites(path, Manner("GRCh38", fasta(tmp_path / "ref.fa")))
    assert [(site.allele.start, site.allele.alt) for site in found] == [(6, "A"), (9, "T"), (11, "T")]
    assert not report.problems


def test_a_ref_that_is_not_what_the_sequence_has_is_set_aside_and_told(tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 1 G A 0/1 0/0", "1 2 G A 0/1 0/0", "1 3 N A 0/1 0/0", "1 9000 A C 0/1 0/0")
    found, report = sites(path, Manner("GRCh38", fasta(tmp_path / "ref.fa")))
    assert [site.line for site in found] == [5, 7]
    assert [(one.rule, one.line, one.pointer, one.value) for one in report.problems] == [
        ("vcf-ref-mismatch", 6, "REF", "G"), ("vcf-ref-mismatch", 8, "REF", "A"),
    ]  # fmt: skip


def test_a_chromosome_that_the_fasta_lacks_is_told_and_trimmed_only(tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 22 GCAG G 0/1 0/0", "2 5 GCA G 0/1 0/0")
    found, report = sites(path, Manner("GRCh38", fasta(tmp_path / "ref.fa")))
    assert [site.body["info"]["vcf"]["normalization"] for site in found] == ["left-aligned", "trimmed"]
    assert [(one.rule, one.value) for one in report.problems] == [("vcf-no-sequence", "2")]


def test_a_fasta_may_be_packed_with_bgzip_and_needs_no_index_beside_it(tmp_path: Path) -> None:
    plain = fasta(tmp_path / "ref.fa")
    pysam.tabix_compress(str(plain), str(tmp_path / "ref.fa.gz"))
    with opened(tmp_path / "ref.fa.gz") as sequences:
        assert sequences.bases("1", 0, 7) == "GATTACA"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ref.fa", "ref.fa.gz"]
    (tmp_path / "none.fa").write_text("no sequence at all")
    with pytest.raises(LoadError, match="FASTA"), opened(tmp_path / "none.fa"):
        pass


@pytest.fixture(scope="module")
def repeats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Sequences]]:
    rng = random.Random(7)
    sequence = "".join(rng.choice(("A", "C", "CA", "CACA", "AAAA", "G")) for _ in range(60))
    with opened(fasta(tmp_path_factory.mktemp("fasta") / "ref.fa", sequence)) as sequences:
        yield sequence, sequences


@settings(deadline=None)
@given(data=st.data())
def test_alleles_that_make_the_same_sequence_become_the_same_allele(
    data: st.DataObject, repeats: tuple[str, Sequences]
) -> None:
    sequence, sequences = repeats
    start = data.draw(st.integers(1, len(sequence) - 10))
    size = data.draw(st.integers(1, 4))
    if data.draw(st.booleans()):
        ref, alt = sequence[start - 1 : start + size], sequence[start - 1]
    else:
        ref = sequence[start - 1]
        alt = ref + data.draw(st.text("ACG", min_size=size, max_size=size))
    one = sequences.leftmost(from_vcf("GRCh38", "1", start, ref, alt))
    assert one is not None
    made = sequence[: start - 1] + alt + sequence[start - 1 + len(ref) :]
    assert sequence[: one.start] + one.alt + sequence[one.start + len(one.ref) :] == made
    # Leftmost: any spelling of the same change that begins earlier makes another sequence.
    for earlier in range(one.start):
        longer, shorter = (one.ref, one.alt) if len(one.ref) > len(one.alt) else (one.alt, one.ref)
        gap = len(longer) - len(shorter)
        if len(one.ref) > len(one.alt):
            assert sequence[: earlier + 1] + sequence[earlier + 1 + gap :] != made
        else:
            inserted = made[earlier + 1 : earlier + 1 + gap]
            assert sequence[: earlier + 1] + inserted + sequence[earlier + 1 :] != made


def indexed(path: Path) -> Path:
    packed = path.with_suffix(".vcf.gz")
    pysam.tabix_compress(str(path), str(packed))
    pysam.tabix_index(str(packed), preset="vcf")
    return packed


RECORDS = ("1 100 A G 0/1 0/0", "1 200 ACGT A 0/1 0/0", "1 300 A G 0/1 0/0", "2 100 A G 0/1 0/0")


@pytest.mark.parametrize(
    ("regions", "places"),
    [
        (("1:150-300",), [("1", 199), ("1", 299)]),
        (("chr1:202-400",), [("1", 299)]),  # the deletion at 200 reaches in, but belongs to the region it begins in
        (("2", "1:100-100"), [("1", 99), ("2", 99)]),
        (("1:150-250", "1:1-200", "1:250-1,000"), [("1", 99), ("1", 199), ("1", 299)]),
        (("1:250",), [("1", 299)]),
    ],
)
@pytest.mark.parametrize("kind", ["vcf", "bcf"])
def test_regions_are_read_by_the_index_each_record_once(
    kind: str, regions: tuple[str, ...], places: list[tuple[str, int]], tmp_path: Path
) -> None:
    header = (
        '##fileformat=VCFv4.3\n##FILTER=<ID=PASS,Description="All">\n##contig=<ID=1,length=248956422>\n'
        '##contig=<ID=2,length=242193529>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    )
    path = indexed(vcf(tmp_path / "a.vcf", *RECORDS, header=header))
    if kind == "bcf":
        with (
            pysam.VariantFile(str(path)) as source,
            pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=source.header) as sink,
        ):
            for record in source:
                sink.write(record)
        path = tmp_path / "a.bcf"
        pysam.bcftools.index(str(path))
    found, report = sites(path, Manner("GRCh38", regions=regions))
    assert [(site.allele.chrom, site.allele.start) for site in found] == places
    assert not report.problems


def test_a_region_without_an_index_or_of_an_unknown_contig_is_refused_with_a_sentence(tmp_path: Path) -> None:
    plain = vcf(tmp_path / "a.vcf", *RECORDS)
    with pytest.raises(LoadError, match="tabix"):
        check_vcf(plain, manner=Manner("GRCh38", regions=("1",)))
    path = indexed(plain)
    for region, words in (("7:1-2", "no records of '7'"), ("1:5-2", "ends before"), ("1:x", "no records|no region")):
        with pytest.raises(LoadError, match=words):
            check_vcf(path, manner=Manner("GRCh38", regions=(region,)))


def test_regions_of_one_file_are_loads_of_their_own(admin: Admin, tmp_path: Path) -> None:
    path = indexed(vcf(tmp_path / "a.vcf", *RECORDS))
    for region, variants in (("1:1-200", 2), ("1:201-1000", 3), ("1:1-200", 3)):
        load_vcf(admin, path, "d", manner=Manner("GRCh38", regions=(region,)))
        assert admin.dataset("d").counts["genomicVariant"] == variants


@pytest.mark.parametrize("packed", [False, True])
def test_a_vcf_comes_from_standard_input(
    packed: bool, admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = vcf(tmp_path / "a.vcf", *RECORDS)
    path = indexed(path) if packed else path
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    report = load_vcf(admin, STANDARD_INPUT, "d", assembly="GRCh38")
    assert (report.errors, report.counts["genomicVariant"]) == (0, 4)
    assert "already" in load_vcf(admin, path, "d", assembly="GRCh38").outcome


def test_a_vcf_comes_through_a_pipe_which_has_no_name(admin: Admin, tmp_path: Path) -> None:
    for number in range(2):
        pipe = tmp_path / str(number) / "a.vcf"
        pipe.parent.mkdir()
        os.mkfifo(pipe)
        text = vcf(tmp_path / "whole.vcf", *RECORDS[: 4 - number]).read_bytes()
        with ThreadPoolExecutor(1) as other:
            written = other.submit(pipe.write_bytes, text)
            report = load_vcf(admin, pipe, "d", assembly="GRCh38")
            assert written.result() == len(text)
        assert report.problems == []
    assert len(admin.loads("d")) == 2
    assert admin.dataset("d").counts["genomicVariant"] == 4


def test_a_stream_that_there_is_no_room_for_is_refused_in_a_sentence(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"##fileformat=VCFv4.3\n")))
    monkeypatch.setattr("loaders.vcf.shutil.copyfileobj", full)
    with pytest.raises(LoadError, match="No space left"):
        load_vcf(admin, STANDARD_INPUT, "d", assembly="GRCh38")


def test_a_table_or_a_rule_says_whose_samples_are_and_what_matches_nobody_is_told(
    admin: Admin, tmp_path: Path, mongo_uri: str, database_name: str
) -> None:
    (tmp_path / "P1.json").write_text(json.dumps(packet("P1")), "utf-8")
    (tmp_path / "P2.json").write_text(json.dumps(packet("P2")), "utf-8")
    load_phenopackets(admin, [tmp_path / "P1.json", tmp_path / "P2.json"], "d")
    (tmp_path / "table.tsv").write_text("sample\tindividual\nS1\tP1\nS9\tP9\n")
    rules = sample_rules(tmp_path / "table.tsv", r"(.+)-tumour")
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0 1/1 0/0", samples=("S1", "P2-tumour", "P3-tumour", "S4"))
    report = load_vcf(admin, path, "d", manner=Manner("GRCh38", samples=rules))
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        runs = [orjson.loads(one["b"]) for one in client[database_name]["records"].find({"k": "run"}).sort("r")]
    assert [run["individualId"] for run in runs] == ["P1", "P2", "P3", "S4"]
    assert sorted((one.rule, one.pointer) for one in report.problems) == [
        ("vcf-sample-absent", "S9"), ("vcf-sample-unmatched", "P3-tumour"), ("vcf-sample-unmatched", "S4"),
    ]  # fmt: skip
    hints = {one.pointer: one.hint for one in report.problems}
    assert hints["P3-tumour"] == "Correct the table or rule, or load that individual first."
    assert hints["S4"] == "Where it is somebody else's sample, let the table or rule say whose."
    assert admin.dataset("d").counts["individual"] == 4


def test_a_table_that_contradicts_the_dataset_is_refused(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "P1.json").write_text(json.dumps(packet("P1", biosamples=[{"id": "S1"}])), "utf-8")
    load_phenopackets(admin, [tmp_path / "P1.json"], "d")
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 0/0")
    report = load_vcf(admin, path, "d", manner=Manner("GRCh38", samples=SampleRules({"S1": "P2"})))
    assert [(one.rule, one.pointer) for one in report.problems] == [("vcf-sample-owner", "S1")]
    assert admin.dataset("d").counts["genomicVariant"] == 0


def test_a_table_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    for text, words in (("S1,P1\nS1,P2\n", "t.csv:2"), ("S1\n", "t.csv:1"), ("S1,\n", "t.csv:1")):
        table.write_text(text)
        with pytest.raises(LoadError, match=words):
            sample_rules(table, None)
    for pattern, words in (("(", "no regular expression"), ("S.+", "no group")):
        with pytest.raises(LoadError, match=words):
            sample_rules(None, pattern)


def test_several_processes_find_what_one_finds_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf_parallel, "PIECE_LINES", 3)
    bad = {5: "1 500 A G 0/3 0/0", 8: "1 800 A <DEL>;END=2000;SVLEN=-5 0/1 0/0", 11: "1 1100 Q G 0/1 0/0"}
    records = [bad.get(n, f"1 {n}00 {'ACAG' if n % 4 else 'G'} A 0/{n % 2} 1/1") for n in range(1, 20)]
    path = vcf(tmp_path / "a.vcf", *records)
    one, report = sites(path, Manner("GRCh38"))
    with working(2, "loaders.vcf_parallel") as workers:
        other, told = sites(path, Manner("GRCh38", workers=workers))
        cut = tmp_path / "cut.vcf"
        cut.write_bytes(path.read_bytes()[:-5])
        found = [check_vcf(cut, manner=Manner("GRCh38", workers=some)).problems for some in (None, workers)]
    assert [(site.line, site.allele, site.body) for site in one] == [(x.line, x.allele, x.body) for x in other]
    for site, same in zip(one, other, strict=True):
        assert site.calls is not None and same.calls is not None
        for name in ("het", "hom", "hemi", "missing", "haploid"):
            assert getattr(site.calls, name).tolist() == getattr(same.calls, name).tolist()
    assert report.problems == told.problems and [problem.line for problem in told.problems] == [9, 12, 15]
    assert found[0] == found[1] and [problem.rule for problem in found[1]][-1] == "file-damaged"


@pytest.mark.parametrize("packed", [False, True])
def test_empty_lines_are_ignored_at_the_end_and_told_elsewhere(packed: bool, tmp_path: Path) -> None:
    path = vcf(tmp_path / "a.vcf", "1 100 A G 0/1 1/1", "1 200 A G 0/1 1/1", end="\n\r\n\n")
    lines = path.read_bytes().splitlines(keepends=True)
    gap = tmp_path / "gap.vcf"
    gap.write_bytes(b"".join([*lines[:-3], b"\n", *lines[-3:]]))
    if packed:
        for one in (path, gap):
            pysam.tabix_compress(str(one), f"{one}.gz")
    ending = ".gz" if packed else ""
    with working(2, "loaders.vcf_parallel") as workers:
        for some in (None, workers):
            report = check_vcf(Path(f"{path}{ending}"), manner=Manner("GRCh38", workers=some))
            assert (report.problems, report.counts["record"], report.exit_code) == ([], 2, 0)
            report = check_vcf(Path(f"{gap}{ending}"), manner=Manner("GRCh38", workers=some))
            assert [(one.line, one.rule) for one in report.problems] == [(len(lines) - 2, "vcf-blank")]
            assert report.counts["genomicVariant"] == 2


@pytest.mark.parametrize("stretch", [1, 2_000, 1 << 18])
def test_stretches_of_a_packed_file_have_each_line_once(
    stretch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(stretch)
    text = b"##x\n" + b"".join(
        bytes(rng.choices(b"ACGT\t", k=rng.choice((0, 3, 500, 70_000, 200_000)))) + b"\n" for _ in range(60)
    )
    path = tmp_path / "a.vcf.gz"
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(text)
    monkeypatch.setattr(vcf_ranges, "STRETCH", stretch)
    assert vcf_ranges.is_whole(path)
    places = list(vcf_ranges.stretches(path))
    assert [line for place in places for line in vcf_ranges.lines(path, place)] == text.split(b"\n")[:-1]
    assert len(places) > 1 or stretch == 1 << 18
    path.write_bytes(path.read_bytes()[:-5])
    assert not vcf_ranges.is_whole(path)


def test_whoever_reads_a_piece_the_same_is_loaded(
    tmp_path: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process, two that share the pieces as it comes, and two of which the other reads nothing or all."""
    monkeypatch.setattr(vcf_ranges, "STRETCH", 500)
    alts = ("A", "GT", "GTTT", "C,T", "<DEL>;END=30000;SVLEN=-5", "*")
    records = [f"1 {n // 2}0 G {alts[n % 6]} 0/{n % 2} {'1/1' if n % 3 else './.'}" for n in range(40, 4000)]
    path = indexed(vcf(tmp_path / "a.vcf", *records))
    contents = {}
    for way, number in (("one", 0), ("two", 1), ("here", 1), ("there", 1)):
        monkeypatch.setattr(_Ahead, "_read_one", {"here": _read_all, "there": lambda _: False}.get(way, READ_ONE))
        with (
            working(number, "loaders.vcf_parallel") as workers,
            database(mongo_uri) as name,
            Admin.open(mongo_uri, name) as admin,
        ):
            admin.create_dataset("d")
            report = load_vcf(admin, path, "d", manner=Manner("GRCh38", workers=workers))
            contents[way] = content(mongo_uri, name), report.counts, report.problems
    assert contents["one"][1]["genomicVariant"] > 2_000
    assert all(found == contents["one"] for found in contents.values())


READ_ONE = _Ahead._read_one


def _read_all(ahead: _Ahead) -> bool:
    """Read all pieces here that no other process has taken up."""
    while READ_ONE(ahead):
        pass
    return False


def test_several_processes_unpack_a_file_and_find_what_one_finds(tmp_path: Path) -> None:
    bad = {700: "1 70000 A G 0/3 0/0", 1500: "1 150000 Q G 0/1 0/0"}
    records = [bad.get(n, f"1 {n}00 G A 0/{n % 2} 1/1") for n in range(1, 3000)]
    path = indexed(vcf(tmp_path / "a.vcf", *records))
    one, report = sites(path, Manner("GRCh38"))
    with working(1, "loaders.vcf_parallel") as workers:
        other, told = sites(path, Manner("GRCh38", workers=workers))
    assert [(site.line, site.allele) for site in one] == [(x.line, x.allele) for x in other]
    assert report.problems == told.problems and len(told.problems) == 2
