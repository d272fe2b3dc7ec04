from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.report import Problem
from loaders.sources import Document, documents


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def found(*paths: Path | str, max_bytes: int = 1000) -> list[tuple[str, int | None, bytes]]:
    items = list(documents(paths, max_bytes=max_bytes))
    assert not [item for item in items if isinstance(item, Problem)]
    return [(item.file, item.line, item.data) for item in items if isinstance(item, Document)]


def problems(*paths: Path | str, max_bytes: int = 1000) -> list[Problem]:
    return [item for item in documents(paths, max_bytes=max_bytes) if isinstance(item, Problem)]


def test_a_file_a_folder_an_archive_and_json_lines_give_the_same_documents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "a.json").write_bytes(b"1")
    (folder / "deep" / "deeper" / "b.json").write_bytes(b"2")
    (folder / "c.json.gz").write_bytes(gzip.compress(b"3"))
    (folder / "notes.txt").write_bytes(b"not read")
    (folder / ".hidden.json").write_bytes(b"not read")
    archive = zipped(
        tmp_path / "all.zip", {"x/b.json": b"2", "x/a.json": b"1", "y.json": b"3", "__MACOSX/a.json": b"no"}
    )
    lines = tmp_path / "all.jsonl"
    lines.write_bytes(b"1\n\n  2  \r\n3")
    packed = tmp_path / "all.jsonl.gz"
    packed.write_bytes(gzip.compress(b"1\n2\n\n3\n"))

    assert sorted(data for _, _, data in found(folder)) == [b"1", b"2", b"3"]
    assert found(archive) == [
        (f"{archive}!x/a.json", None, b"1"),
        (f"{archive}!x/b.json", None, b"2"),
        (f"{archive}!y.json", None, b"3"),
    ]
    assert found(lines) == [(str(lines), 1, b"1"), (str(lines), 3, b"2"), (str(lines), 4, b"3")]
    assert found(packed) == [(str(packed), 1, b"1"), (str(packed), 2, b"2"), (str(packed), 4, b"3")]


def test_the_order_is_that_of_the_paths_given_and_of_names_within_a_folder(tmp_path: Path) -> None:
    for name in ("c.json", "a.json", "b.json"):
        (tmp_path / name).write_bytes(name.encode())
    given_later = tmp_path / "b.json"
    assert [data for *_, data in found(tmp_path)] == [b"a.json", b"b.json", b"c.json"]
    assert [data for *_, data in found(given_later, tmp_path)] == [b"b.json", b"a.json", b"b.json", b"c.json"]


def test_links_are_followed_but_no_folder_is_read_twice(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.json").write_bytes(b"1")
    (inside / "linked").symlink_to(outside)
    (inside / "again").symlink_to(outside)
    (outside / "up").symlink_to(inside)
    (inside / "file.json").symlink_to(outside / "a.json")
    assert [data for *_, data in found(inside)] == [b"1", b"1"]


def test_what_is_not_there_or_of_another_kind_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(b"1")
    (tmp_path / "cases.xlsx").write_bytes(b"PK")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    paths = [tmp_path / "missing.json", tmp_path / "cases.xlsx", tmp_path / "good.json", tmp_path / "gone.json"]
    items = list(documents(paths))
    assert [item.rule if isinstance(item, Problem) else item.data for item in items] == [
        "file-unreadable", "file-kind", b"1", "file-unreadable",
    ]  # fmt: skip


def test_names_are_told_without_what_controls_a_terminal(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "all\x1b[2J.zip", {"a\x1b[2J.json": b"1"})
    assert found(archive) == [(f"{tmp_path}/all\ufffd[2J.zip!a\ufffd[2J.json", None, b"1")]
    (problem,) = problems(tmp_path / "b\x1b[2J.txt")
    assert "\x1b" not in str(problem)
    (kind,) = problems(tmp_path / "all\x1b[2J.zip" / "x")
    assert "\x1b" not in str(kind)


def test_a_pipe_in_a_folder_is_a_problem_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    os.mkfifo(tmp_path / "notes.txt")
    (tmp_path / "b.json").write_bytes(b"1")
    (problem,) = problems(tmp_path)
    assert (problem.rule, problem.file) == ("file-kind", str(tmp_path / "a.json"))
    assert [item.data for item in documents([tmp_path]) if isinstance(item, Document)] == [b"1"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(b"1")
    secret.chmod(0)
    assert [problem.rule for problem in problems(secret)] == ["file-unreadable"]


def test_a_cut_gzip_gives_its_whole_lines_and_then_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    lines = b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(2000))
    path.write_bytes(gzip.compress(lines)[:-400])
    items = list(documents([path]))
    assert isinstance(items[0], Document)
    assert isinstance(items[-1], Problem)
    assert items[-1].rule == "file-damaged"
    assert len(items) < 2001


def test_a_damaged_member_is_set_aside_and_the_others_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "some.zip", {"a.json": b"1" * 50, "b.json": os.urandom(200), "c.json": b"3"})
    data = bytearray(path.read_bytes())
    data[data.index(b"b.json") + 20] ^= 0xFF
    path.write_bytes(data)
    items = list(documents([path]))
    assert [item.rule if isinstance(item, Problem) else item.data[:1] for item in items] == [b"1", "file-damaged", b"3"]
    assert isinstance(items[1], Problem)
    assert items[1].file == f"{path}!b.json"


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_read_however_they_are_packed_and_whatever_stands_before_the_archive(
    packing: int, tmp_path: Path
) -> None:
    path = tmp_path / "some.zip"
    members = {"a.json": b"", "b.json": b"2" * 3_000, "c.json": os.urandom(2_000_000)}
    with path.open("wb") as file:
        file.write(b"#!/bin/sh\n")
        with zipfile.ZipFile(file, "w", packing) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name)
                info.extra = b"\x01\x02\x04\x00more"
                archive.writestr(info, data, packing)
    assert [one.data for one in documents([path]) if isinstance(one, Document)] == list(members.values())


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_whose_directory_says_other_than_its_bytes_is_damaged(packing: int, tmp_path: Path) -> None:
    for at, changed in ((14, "the checksum"), (22, "the size")):
        path = tmp_path / f"{at}.zip"
        with zipfile.ZipFile(path, "w", packing) as archive:
            archive.writestr("a.json", b"12345678" * 20)
        whole = bytearray(path.read_bytes())
        listed = whole.index(b"PK\x01\x02")
        whole[listed + at + 2] ^= 1
        path.write_bytes(whole)
        (found,) = documents([path])
        assert isinstance(found, Problem) and found.rule == "file-damaged", changed


def test_a_member_with_a_password_is_a_problem(tmp_path: Path) -> None:
    path = zipped(tmp_path / "secret.zip", {"a.json": b"1"})
    whole = bytearray(path.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(start) + flags] |= 1
    path.write_bytes(whole)
    (found,) = documents([path])
    assert isinstance(found, Problem) and found.rule == "file-packed"


def test_a_file_that_is_no_archive_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(b"certainly not")
    assert [problem.rule for problem in problems(path)] == ["file-damaged"]


def test_documents_that_unpack_to_too_much_are_not_read(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {"a.json": b"0" * 5_000_000, "b.json": b"1"})
    packed = tmp_path / "bomb.json.gz"
    packed.write_bytes(gzip.compress(b"0" * 5_000_000))
    lines = tmp_path / "long.jsonl"
    lines.write_bytes(b"1\n" + b"2" * 5000 + b"\n3\n")
    assert [problem.rule for problem in problems(bomb, packed, lines)] == ["file-too-large"] * 3
    assert [item.data for item in documents([bomb, lines], max_bytes=1000) if isinstance(item, Document)] == [
        b"1", b"1", b"3",
    ]  # fmt: skip


@pytest.mark.parametrize("ending", ["json", "json.gz", "jsonl", "jsonl.gz", "zip"])
@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_no_damage_makes_reading_fail(
    tmp_path_factory: pytest.TempPathFactory, ending: str, place: int, byte: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"file.{ending}"
    content = b'{"id": "a"}\n' * 20
    if ending == "zip":
        zipped(path, {"a.json": content, "b.json": content})
    else:
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data[: cut % (len(data) + 1)] if cut % 2 else data)
    for item in documents([path], max_bytes=10_000):
        assert isinstance(item, Document | Problem)
