"""A FASTA's sequences are the same however it is written and packed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import LoadError
from loaders import files
from loaders.reference import sequences

SEQUENCES = st.lists(st.text("ACGTNacgtnRYK", max_size=200), min_size=1, max_size=5)


def read(path: Path) -> list[tuple[str, str]]:
    return [(name, b"".join(pieces).decode()) for name, pieces in sequences(path)]


@given(SEQUENCES, st.integers(1, 70), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40))
def test_lines_of_any_width_make_the_same_sequences(
    tmp_path_factory: pytest.TempPathFactory, given_: list[str], width: int, end: str, last: bool, piece: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "widths.fa"
    lines = []
    for number, bases in enumerate(given_):
        lines.append(f">s{number} some words > here")
        lines += [bases[begin : begin + width] for begin in range(0, len(bases), width)]
    path.write_bytes((end.join(lines) + (end if last else "")).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", piece)  # the ends of pieces may fall anywhere
        assert read(path) == [(f"s{number}", bases.upper()) for number, bases in enumerate(given_)]


def test_gzip_and_bgzip_are_unpacked_whatever_the_name(tmp_path: Path) -> None:
    text = b">1 a\nACGT\nAC\n>2\nGG\n"
    expected = [("1", "ACGTAC"), ("2", "GG")]
    (tmp_path / "plain.gz").write_bytes(text)
    (tmp_path / "packed").write_bytes(gzip.compress(text))
    with pysam.BGZFile(str(tmp_path / "blocks.fa"), "wb", None) as file:
        file.write(text)
    assert [read(tmp_path / name) for name in ("plain.gz", "packed", "blocks.fa")] == [expected] * 3


def test_names_of_older_files_are_their_accessions(tmp_path: Path) -> None:
    (tmp_path / "old.fa").write_text(">gi|568336023|gb|NC_000001.11| Homo sapiens\nAC\n>chrM\nGU\n")
    assert read(tmp_path / "old.fa") == [("NC_000001.11", "AC"), ("chrM", "GT")]


def test_a_sequence_that_was_not_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">1\nACGT\n>2\nGG\n>3\nTT\n")
    assert [name for name, _ in sequences(tmp_path / "a.fa")] == ["1", "2", "3"]


def test_a_file_that_was_cut_is_no_reference(tmp_path: Path) -> None:
    packed = gzip.compress(b">1\n" + b"ACGTTGCA\n" * 100_000)
    (tmp_path / "cut.fa.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(LoadError, match="cut short or damaged"):
        read(tmp_path / "cut.fa.gz")
    with pytest.raises(LoadError, match="cannot be read"):
        read(tmp_path / "none.fa")
    (tmp_path / "empty.fa").write_text("")
    assert read(tmp_path / "empty.fa") == []
    (tmp_path / "nameless.fa").write_text(">\nACGT\n")
    with pytest.raises(LoadError, match="without a name"):
        read(tmp_path / "nameless.fa")
