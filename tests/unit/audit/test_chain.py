"""Whatever is changed, removed, moved or cut in the audit is found, up to the last head of each chain."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.audit.heads import Heads, signing_key
from beacon.audit.journal import Chain, kept
from beacon.audit.place import Place
from beacon.audit.prune import prune
from beacon.audit.verify import Findings, verify
from beacon.errors import AuditUnavailable, ConfigurationError

WORKERS = 4
LINES = 2_500
DAY = 86_400.0


def a_place(folder: Path) -> Place:
    return Place(folder, folder / "heads", folder / "key.pem")


def check(place: Place, copy: Path | None = None) -> Findings:
    return verify(place, signing_key(place.key).public_key(), copy)


def work(folder: Path, number: int, lines: int = LINES) -> None:
    """What a worker does: lines, and a head now and then."""
    chain = Chain(a_place(folder))
    for line in range(lines):
        chain.write({"request": f"{number}-{line}", "who": {"issuer": "https://i.example", "subject": f"p{line % 7}"}})
        if line % 500 == 499:
            chain.sign()
    chain.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 lines of four processes that wrote at the same time."""
    folder = tmp_path_factory.mktemp("audit")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(folder, number)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return folder


def test_ten_thousand_lines_of_four_workers_are_whole(whole: Path) -> None:
    found = check(a_place(whole))
    assert (found.faults, found.chains, found.lines, found.uncovered) == ([], WORKERS, WORKERS * LINES, 0)
    assert found.heads == WORKERS * (2 + LINES // 500)


def one_byte(lines: list[bytes]) -> None:
    lines[1234] = lines[1234].replace(b'"1234"', b'"1235"') if b'"1234"' in lines[1234] else _flipped(lines[1234])


def _flipped(line: bytes) -> bytes:
    at = line.index(b"https")
    return line[:at] + b"X" + line[at + 1 :]


def one_line(lines: list[bytes]) -> None:
    del lines[777]


def two_swapped(lines: list[bytes]) -> None:
    lines[100], lines[101] = lines[101], lines[100]


def far_swapped(lines: list[bytes]) -> None:
    lines[3], lines[2000] = lines[2000], lines[3]


def one_twice(lines: list[bytes]) -> None:
    lines.insert(50, lines[49])


def tail_cut(lines: list[bytes]) -> None:
    del lines[-1:]


def all_cut(lines: list[bytes]) -> None:
    lines.clear()


def sealed_anew(lines: list[bytes]) -> None:
    """A line is changed and all hashes after it made to fit, as whoever has no key can."""
    from beacon.audit.lines import first, seal

    chain = orjson.loads(lines[0])["chain"]
    previous = first(chain)
    for number, line in enumerate(lines):
        record = orjson.loads(line)
        del record["hash"]
        if number == 400:
            record["who"] = None
        lines[number], previous = seal(previous, record)


@contextmanager
def tampered(whole: Path, tmp_path: Path, change: Callable[[list[bytes]], None]) -> Iterator[Place]:
    """Change one file of lines in place, and put it back."""
    path = next(a_place(whole).line_files())[2]
    kept_bytes = path.read_bytes()
    lines = kept_bytes.splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))
    try:
        yield a_place(whole)
    finally:
        path.write_bytes(kept_bytes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (one_byte, "was changed"), (one_line, "missing or moved"), (two_swapped, "missing or moved"),
        (far_swapped, "missing or moved"), (one_twice, "missing or moved"), (tail_cut, "its end was cut off"),
        (all_cut, "its end was cut off"), (sealed_anew, "is not the one that was signed"),
    ],
)  # fmt: skip
def test_what_was_done_to_lines_is_found_with_its_place(
    whole: Path, tmp_path: Path, change: Callable[[list[bytes]], None], says: str
) -> None:
    with tampered(whole, tmp_path, change) as place:
        found = check(place)
    assert len(found.faults) == 1
    assert says in found.faults[0]
    assert check(a_place(whole)).faults == []


@pytest.fixture
def small(tmp_path: Path) -> Place:
    """Two chains, one after another, of five and three lines."""
    for number, lines in ((1, 5), (2, 3)):
        work(tmp_path / "audit", number, lines)
    return a_place(tmp_path / "audit")


def test_a_whole_chain_or_file_that_is_gone_or_strange_is_found(small: Place) -> None:
    (_, chain, path), (_, _, other) = small.line_files()
    away = path.rename(path.with_suffix(".away"))
    assert any(f"chain {chain}" in fault and "cut off" in fault for fault in check(small).faults)
    away.rename(path)
    stranger = path.with_name("2026-01-01.00ff.jsonl")
    shutil.copy(path, stranger)
    assert any("no signed head knows" in fault for fault in check(small).faults)
    stranger.unlink()
    kept_bytes = path.read_bytes()
    path.write_bytes(other.read_bytes())
    assert any("another chain" in fault for fault in check(small).faults)
    path.write_bytes(kept_bytes)
    assert check(small).faults == []


def heads_of(place: Place) -> list[bytes]:
    return place.head_files()[0][1].read_bytes().splitlines(keepends=True)


def test_heads_are_signed_and_chained_themselves(small: Place) -> None:
    path = small.head_files()[0][1]
    heads = heads_of(small)
    assert [orjson.loads(head)["kind"] for head in heads] == ["begin", "end"] * 2
    for change in (
        heads[:1] + heads[2:], heads[1:], [heads[1], heads[0], *heads[2:]],
        [heads[0], heads[1].replace(b'"line":5', b'"line":4'), *heads[2:]],
        [heads[0], heads[1].replace(b'"signature":"', b'"signature":"A'), *heads[2:]],
        [],
    ):  # fmt: skip
        path.write_bytes(b"".join(change))
        assert check(small).faults, change
    path.write_bytes(b"".join(heads))
    assert check(small).faults == []


def test_heads_of_another_key_are_not_believed(small: Place, tmp_path: Path) -> None:
    stranger = signing_key(tmp_path / "other.pem").public_key()
    assert len(verify(small, stranger).faults) >= len(heads_of(small))


def test_heads_and_lines_cut_off_together_are_found_with_a_copy_of_the_heads(small: Place, tmp_path: Path) -> None:
    path = small.head_files()[0][1]
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    assert check(small, copy).faults == []
    path.write_bytes(b"".join(heads_of(small)[:2]))
    last = orjson.loads(copy.read_bytes().splitlines()[-1])["chain"]
    next(one for _, chain, one in small.line_files() if chain == last).unlink()
    assert check(small).faults == []
    assert [fault for fault in check(small, copy).faults if "in the copy and not here" in fault]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_byte_before_the_last_head_can_be_changed_without_being_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "one-chain"
    place = a_place(folder)
    if not folder.exists():
        work(folder, 1, 6)
    path = data.draw(st.sampled_from([next(place.line_files())[2], place.head_files()[0][1]]))
    whole_bytes = path.read_bytes()
    # Without the end of its line the last head counts as cut off, which only a copy of the heads can tell.
    at = data.draw(st.integers(0, len(whole_bytes) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != whole_bytes[at]))
    try:
        path.write_bytes(whole_bytes[:at] + bytes([byte]) + whole_bytes[at + 1 :])
        assert check(place).faults
    finally:
        path.write_bytes(whole_bytes)


def test_lines_after_the_last_head_are_counted_as_not_covered(tmp_path: Path) -> None:
    chain = Chain(a_place(tmp_path))
    chain.write({"request": "a"})
    chain.sign()
    chain.write({"request": "b"})
    found = check(a_place(tmp_path))
    assert (found.faults, found.lines, found.uncovered) == ([], 2, 1)
    chain.close()
    assert check(a_place(tmp_path)).uncovered == 0


def die(folder: Path, torn: bytes) -> None:
    """A process that ends in the middle of a line, without a head."""
    chain = Chain(a_place(folder))
    chain.write({"request": "a"})
    os.write(chain._file, torn)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_end_of_a_chain_whose_process_was_killed_is_signed_by_the_next(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die, args=(tmp_path, b'{"chain":"x'))
    process.start()
    process.join()
    found = check(a_place(tmp_path))
    assert (found.faults, found.uncovered, found.torn) == ([], 1, 1)
    Chain(a_place(tmp_path)).close()
    found = check(a_place(tmp_path))
    assert (found.faults, found.uncovered, found.torn) == ([], 0, 1)
    path = next(path for _, _, path in a_place(tmp_path).line_files() if path.stat().st_size)
    path.write_bytes(b"")
    assert check(a_place(tmp_path)).faults


@contextmanager
def file_size(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_without_room_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    chain = Chain(place)
    written = 0
    with file_size(20_000):
        with suppress(AuditUnavailable):
            while True:
                chain.write({"request": "x" * (written * 37 % 301)})
                written += 1
        for _ in range(3):
            with pytest.raises(AuditUnavailable):
                chain.write({"request": "x" * 300})
        assert 50 < written < 200
    chain.write({"request": "there is room again"})
    chain.close()
    found = check(place)
    assert (found.faults, found.torn, found.lines) == ([], 0, written + 1)


async def test_while_heads_cannot_be_written_no_line_is_taken(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    async with kept(place) as journal:
        journal.write({"request": "a"})
        heads = place.heads.rename(tmp_path / "away")
        async with asyncio.timeout(10):
            while True:
                try:
                    journal.write({"request": "b"})
                except AuditUnavailable:
                    break
                await asyncio.sleep(0.05)
        heads.rename(place.heads)
        async with asyncio.timeout(10):
            while True:
                try:
                    journal.write({"request": "c"})
                    break
                except AuditUnavailable:
                    await asyncio.sleep(0.05)
    assert check(place).faults == []


def test_what_is_older_than_the_retention_goes_and_the_rest_can_be_verified(tmp_path: Path) -> None:
    place = replace(a_place(tmp_path), retention_days=3)
    now = [1_000_000_000.0]
    long, heads = Chain(place, clock=lambda: now[0]), Heads(place, clock=lambda: now[0])
    for day in range(10):
        short = Chain(place, clock=lambda: now[0])
        for chain in (short, long):
            for _ in range(3):
                chain.write({"request": str(day)})
            chain.sign()
        short.close()
        assert check(place).faults == []
        prune(place, heads, now=now[0])
        found = check(place)
        assert (found.faults, found.uncovered) == ([], 0)
        assert found.lines == min(day + 1, 4) * 6
        now[0] += DAY
    long.close()
    assert (len(list(place.line_files())), len(place.head_files())) == (8, 5)
    assert check(place).faults == []
    oldest = next(place.line_files())[2]
    oldest.unlink()
    assert check(place).faults, "removing files is not pruning"


def test_what_does_not_end_as_it_should_is_not_pruned_nor_continued(small: Place) -> None:
    ((_, path),) = small.head_files()
    whole_bytes = path.read_bytes()
    path.write_bytes(whole_bytes + b"rubbish\n")
    with pytest.raises(ConfigurationError, match="run skerry audit verify"):
        Chain(small)
    path.write_bytes(whole_bytes)
    heads = Heads(small)
    _, _, lines = next(small.line_files())
    lines.write_bytes(b"rubbish\n")
    with pytest.raises(OSError, match="run skerry audit verify"):
        prune(replace(small, retention_days=1), heads, now=4_000_000_000.0)
    assert lines.exists()


async def test_lines_are_on_the_disk_before_answers_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def counted(file: int) -> None:
        synced.append(file)
        real(file)

    monkeypatch.setattr("os.fsync", counted)
    for seconds, times in ((0.0, 3), (1.0, 0)):
        chain = Chain(replace(a_place(tmp_path), fsync_seconds=seconds))
        synced.clear()
        for _ in range(3):
            chain.write({"request": "a"})
            await chain.settle()
        assert len(synced) == times
        chain.close()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Chain(a_place(tmp_path)).close()
    key = tmp_path / "key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Chain(a_place(tmp_path))


def test_nobody_else_may_read_the_lines(small: Place) -> None:
    for path in (small.lines, small.heads, *small.lines.glob("**/*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_cannot_be_written_to_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"audit\.dir"):
        Chain(a_place(tmp_path / "file" / "audit"))
