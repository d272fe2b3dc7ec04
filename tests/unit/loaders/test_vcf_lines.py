"""A VCF's lines are the same however it is packed, and a file that was cut says where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest

from loaders import bgzf
from loaders.vcf_lines import Damaged, numbered_lines

TEXT = b"##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + b"".join(
    b"1\t%d\t.\tA\tG\t.\tPASS\t%s\n" % (pos, b"x" * (pos % 700)) for pos in range(1, 5_000)
)


def bgzip(path: Path, data: bytes) -> Path:
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(data)
    return path


def read(path: Path) -> list[bytes]:
    found = list(numbered_lines(path))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [line for _, line in found]


def damage(path: Path) -> tuple[int, Damaged]:
    """Return how many lines came before the damage, and the damage."""
    lines = numbered_lines(path)
    count = 0
    with pytest.raises(Damaged) as error:
        for count, _ in lines:  # noqa: B007
            pass
    assert error.value.problem.line == count + 1
    assert error.value.problem.file == path.name
    return count, error.value


def test_plain_gzip_and_bgzip_give_the_same_lines(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.vcf", tmp_path / "a.vcf.gz"
    plain.write_bytes(TEXT)
    packed.write_bytes(gzip.compress(TEXT))
    expected = TEXT.decode().encode().splitlines()
    assert read(plain) == read(packed) == read(bgzip(tmp_path / "b.vcf.bgz", TEXT)) == expected


def test_the_first_bytes_tell_the_packing_not_the_name(tmp_path: Path) -> None:
    misnamed = tmp_path / "a.vcf.gz"
    misnamed.write_bytes(TEXT)
    assert read(misnamed) == TEXT.splitlines()


def test_lines_of_windows_lose_both_signs_of_their_end(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_bytes(TEXT.replace(b"\n", b"\r\n"))
    assert read(path) == TEXT.splitlines()


def test_bgzip_files_joined_end_to_end_are_read_to_the_last(tmp_path: Path) -> None:
    half = len(TEXT) // 2
    parts = [bgzip(tmp_path / f"{n}.gz", part).read_bytes() for n, part in enumerate((TEXT[:half], TEXT[half:]))]
    joined = tmp_path / "joined.vcf.gz"
    joined.write_bytes(b"".join(parts))
    assert read(joined) == TEXT.splitlines()


def test_a_bcf_gives_the_lines_of_the_text_it_stands_for(tmp_path: Path, shared: Path) -> None:
    source = shared / "data/vcf/edge/haploid_chrX_3samples.vcf.gz"
    with (
        pysam.VariantFile(str(source)) as text,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=text.header) as bcf,
    ):
        for record in text:
            bcf.write(record)
    lines = [line for line in read(tmp_path / "a.bcf") if not line.startswith(b"#")]
    originals = [line for line in read(source) if not line.startswith(b"#")]
    assert [line.split(b"\t")[:5] for line in lines] == [line.split(b"\t")[:5] for line in originals]
    assert [line.split(b"\t")[9][:3] for line in lines] == [line.split(b"\t")[9][:3] for line in originals]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_cut_short_is_damaged_wherever_it_was_cut(tmp_path: Path, share: float) -> None:
    whole = {
        "bgzip.vcf.gz": bgzip(tmp_path / "whole.gz", TEXT).read_bytes(),
        "gzip.vcf.gz": gzip.compress(TEXT),
        "plain.vcf": TEXT,
    }
    for name, data in whole.items():
        path = tmp_path / name
        path.write_bytes(data[: int(len(data) * share)])
        count, error = damage(path)
        assert count < TEXT.count(b"\n")
        assert "cut short" in error.problem.message


def test_a_bgzip_file_without_its_end_block_is_damaged_though_every_line_is_there(tmp_path: Path) -> None:
    path = bgzip(tmp_path / "a.vcf.gz", TEXT)
    assert path.read_bytes().endswith(bgzf.END)
    path.write_bytes(path.read_bytes()[: -len(bgzf.END)])
    count, error = damage(path)
    assert count == TEXT.count(b"\n")
    assert "the block that ends every bgzip file is missing" in error.problem.message


def test_a_last_line_without_its_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_bytes(TEXT + b"1\t9999\t.\tA\tG\t.\tPASS\tAC=1")
    count, error = damage(path)
    assert count == TEXT.count(b"\n")
    assert "no line end" in error.problem.message


@pytest.mark.parametrize("cut", [0.3, 0.7])
def test_a_bcf_cut_short_is_damaged(tmp_path: Path, shared: Path, cut: float) -> None:
    source, path = shared / "data/vcf/edge/haploid_chrX_3samples.vcf.gz", tmp_path / "a.bcf"
    with pysam.VariantFile(str(source)) as text, pysam.VariantFile(str(path), "wb", header=text.header) as bcf:
        for record in text:
            bcf.write(record)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    damage(path)


def test_damage_in_the_middle_is_noticed_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = bgzip(tmp_path / "a.vcf.gz", TEXT)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"x" * 40
    path.write_bytes(data)
    damage(path)
    assert capfd.readouterr() == ("", "")


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").touch()
    assert read(tmp_path / "a.vcf") == []
