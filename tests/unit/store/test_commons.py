"""Memory that workers share: what one has made the others find, for as long as somebody holds it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from beacon.store import commons as module
from beacon.store.commons import Commons, Piece

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such memory is Linux's")

SIZE = 100_000


def made(text: bytes, name: str = "segment") -> Piece:
    piece = Commons().make(name, SIZE)
    assert piece is not None
    piece.view[: len(text)] = text
    return piece.sealed()


@contextmanager
def worker(work: Callable[[Any], None]) -> Iterator[Any]:
    """Run ``work`` in a process of its own, which talks through a pipe and then waits to be told to end."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        work(theirs)
        theirs.recv()
        os._exit(0)

    process = context.Process(target=run)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def holds(commons: Commons, text: bytes) -> Callable[[Any], None]:
    def work(pipe: Any) -> None:
        piece = made(text)
        commons.offer("segment", piece)
        pipe.send(piece.descriptor)
        pipe.recv()

    return work


def test_what_one_worker_holds_the_others_find() -> None:
    commons = Commons(2)
    with worker(holds(commons, b"rare")) as other:
        other.recv()
        piece = commons.find("segment", SIZE)
        assert piece is not None
        assert piece.view[:4] == b"rare"
        assert commons.find("another", SIZE) is None


def test_it_stays_with_whoever_found_it_when_its_maker_dies_and_they_pass_it_on() -> None:
    commons = Commons(3)
    with worker(holds(commons, b"rare")) as other:
        other.recv()
        piece = commons.find("segment", SIZE)
    assert piece is not None
    assert commons.find("segment", SIZE) is None
    assert piece.view[:4] == b"rare"
    commons.offer("segment", piece)
    again = commons.find("segment", SIZE)
    assert again is not None
    assert again.view[:4] == b"rare"


def test_what_nobody_holds_any_more_is_not_found() -> None:
    commons = Commons()
    piece = made(b"rare")
    commons.offer("segment", piece)
    assert commons.find("segment", SIZE) is not None
    del piece
    gc.collect()
    assert commons.find("segment", SIZE) is None


def test_a_number_that_has_come_to_be_another_files_is_not_taken_for_it() -> None:
    commons = Commons()
    piece = made(b"rare")
    commons.offer("segment", piece)
    with open(os.devnull) as other:  # noqa: PTH123 - a descriptor, whatever it is of
        os.dup2(other.fileno(), piece.descriptor)
        assert commons.find("segment", SIZE) is None
    another = made(b"else", "another")
    os.dup2(another.descriptor, piece.descriptor)
    assert commons.find("segment", SIZE) is None


def test_a_piece_of_another_size_is_not_taken() -> None:
    commons = Commons()
    piece = made(b"rare")
    commons.offer("segment", piece)
    assert commons.find("segment", SIZE + 1) is None
    assert commons.find("segment", SIZE) is not None


def test_while_one_makes_it_no_other_may_and_its_death_lets_the_next() -> None:
    commons = Commons(2)

    def makes(pipe: Any) -> None:
        with commons.making("segment") as may:
            pipe.send(may)
            pipe.recv()

    with worker(makes) as other:
        assert other.recv() is True
        with commons.making("segment") as may:
            assert not may
        with commons.making("another") as may:
            assert may
    with commons.making("segment") as may:
        assert may


def test_where_the_board_is_full_a_worker_keeps_what_it_has_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLDERS", 2)
    commons = Commons()
    pieces = [made(b"%d" % number, str(number)) for number in range(3)]
    for number, piece in enumerate(pieces):
        assert commons.offer(str(number), piece) is (number < 2)
    assert [commons.find(str(number), SIZE) is not None for number in range(3)] == [True, True, False]
    pieces.pop(0)
    gc.collect()
    commons.offer("2", pieces[-1])
    assert commons.find("2", SIZE) is not None


def test_a_worker_has_no_more_pieces_than_it_has_descriptors_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    commons = Commons()
    pieces = [made(b"rare", str(number)) for number in range(2)]
    for number, piece in enumerate(pieces):
        commons.offer(str(number), piece)
    del piece
    assert commons.make("2", SIZE) is None
    assert commons.find("0", SIZE) is None
    pieces.pop()
    gc.collect()
    assert commons.make("2", SIZE) is not None
    assert commons.find("0", SIZE) is not None


def test_what_cannot_be_mapped_or_made_so_large_leaves_no_descriptor_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before_signal = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        assert Commons().make("segment", SIZE) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before_signal)
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_descriptors_there_is_no_such_memory_and_nothing_else_is_lost() -> None:
    piece = Commons().make("segment", SIZE)
    assert piece is not None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            piece.sealed()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_others_cannot_reach_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    commons = Commons()
    piece = made(b"rare")
    monkeypatch.setattr(module, "_opened", lambda *_: None)
    assert not commons.offer("segment", piece)
    assert not bytes(commons._board).strip(b"\0")


def test_a_process_that_was_forked_takes_nothing_off_the_board_of_the_first() -> None:
    commons = Commons(2)
    piece = made(b"rare")
    commons.offer("segment", piece)

    def ends(pipe: Any) -> None:
        nonlocal piece
        del piece
        gc.collect()
        pipe.send(True)
        pipe.recv()

    with worker(ends) as other:
        other.recv()
    assert commons.find("segment", SIZE) is not None


def test_a_sealed_piece_can_neither_shrink_nor_be_written_to() -> None:
    piece = made(b"rare")
    with pytest.raises(PermissionError):
        os.ftruncate(piece.descriptor, 10)
    with pytest.raises(TypeError):
        piece.view[0] = 1


def test_pages_that_were_given_back_take_nothing() -> None:
    piece = Commons().make("segment", SIZE)
    assert piece is not None
    piece.view[:] = b"x" * SIZE
    before = piece.taken
    piece.give_back(10_000, SIZE)
    assert piece.taken < before // 4
    assert piece.view[:5] == b"xxxxx"
    assert piece.view[50_000:50_005] == bytes(5)
