"""Processes that help: they begin at once, each gets ready once, and none outlives the one that it works for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from beacon.errors import LoadError
from loaders.workers import MUCH_BYTES, fitting, working

T = TypeVar("T")


def test_no_worker_is_none() -> None:
    with working(0, "loaders.workers") as workers:
        assert workers is None


def test_every_process_gets_ready_once_before_it_does_anything_else(tmp_path: Path) -> None:
    with working(3, "os") as workers:
        assert workers is not None
        workers.begun()
        for round in ("first", "second"):
            folder = tmp_path / round
            folder.mkdir()
            workers.first(_sign, folder)
            for _ in range(2):  # all three are at it at once, since each waits for the others
                for signed in [workers.submit(_signed, folder) for _ in range(3)]:
                    assert len(signed.result()) == 3 and os.getpid() not in signed.result()


def _sign(folder: Path) -> None:
    (folder / str(os.getpid())).touch(exist_ok=False)


def _signed(folder: Path) -> list[int]:
    assert (folder / str(os.getpid())).exists()
    return _until(lambda: found if len(found := [int(one.name) for one in folder.iterdir()]) == 3 else [])


def test_whoever_cannot_get_ready_says_so_at_whatever_is_asked() -> None:
    with working(1, "os") as workers:
        assert workers is not None
        workers.first(_fail, "there is no such file")
        for _ in range(2):
            with pytest.raises(LoadError, match="there is no such file"):
                workers.submit(os.getpid).result()
        workers.first(os.getpid)
        assert workers.submit(os.getpid).result() != os.getpid()


def test_what_nobody_has_taken_up_is_left_undone_in_the_end(tmp_path: Path) -> None:
    with working(2, "os") as workers:
        assert workers is not None
        workers.begun()
        for number in range(200):
            workers.submit(_touch, tmp_path / str(number))
    assert len(list(tmp_path.iterdir())) < 200


def _touch(path: Path) -> None:
    time.sleep(0.02)
    path.touch()


def _fail(message: str) -> None:
    raise LoadError(message)


def test_a_worker_that_is_killed_ends_the_load_in_a_sentence() -> None:
    def killed() -> None:
        with working(1, "os") as workers:
            assert workers is not None
            workers.submit(os.kill, workers.submit(os.getpid).result(), signal.SIGKILL).result()

    with pytest.raises(LoadError, match="was killed; is there too little memory"):
        killed()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="children of a process are looked up in /proc")
def test_workers_end_where_the_one_they_work_for_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "waits.py"
    program.write_text(
        "import time\n"
        "from loaders.workers import working\n"
        "if __name__ == '__main__':\n"
        "    with working(2, 'loaders.vcf_parallel') as workers:\n"
        "        workers.begun()\n"
        "        print('begun', flush=True)\n"
        "        time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        children = _children(process.pid)
        process.kill()
    assert len(children) == 2
    assert _until(lambda: not any(_lives(child) for child in children))


def test_two_processes_are_worth_while_for_much_data_and_several_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    for place in ("a.json", "inner/b.json"):
        (tmp_path / place).write_bytes(b" " * (MUCH_BYTES // 2))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert fitting([tmp_path]) == 2
    assert fitting([tmp_path / "a.json"]) == fitting([tmp_path / "nowhere"]) == fitting(["-"]) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert fitting([tmp_path]) == 1


def _until(found: Callable[[], T]) -> T:
    until = time.monotonic() + 20
    while not (result := found()) and time.monotonic() < until:
        time.sleep(0.05)
    return result


def _children(process: int) -> list[int]:
    """Return the processes that were begun to help; Python's own worker beside them ends by itself."""
    found = map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split())
    return [one for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def _lives(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
