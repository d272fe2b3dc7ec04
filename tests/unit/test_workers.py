"""Many processes at one work: the dead are replaced, the end waits for what is under way, nobody outlives the first."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beacon.workers import _pause_after

ROOT = Path(__file__).parents[2]
PRELUDE = f"""
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from beacon.errors import ConfigurationError
from beacon.workers import supervise
folder = Path(sys.argv[1])
told = []
def until_told():
    signal.signal(signal.SIGTERM, lambda *_: told.append(1))
def note(name, text=""):
    (folder / f"{{name}}.new").write_text(str(text))
    (folder / f"{{name}}.new").rename(folder / name)
"""


class Running:
    """A program that looks after workers, which write what they do into files."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        script = folder / "program.py"
        script.write_text(PRELUDE + textwrap.dedent(program))
        self.log = folder / "log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen([sys.executable, str(script), str(folder)], stdout=output, stderr=output)

    def notes(self, prefix: str) -> dict[str, str]:
        return {
            path.name: path.read_text() for path in self.folder.glob(f"{prefix}*") if not path.name.endswith(".new")
        }

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    started: list[Running] = []

    def start(program: str) -> Running:
        started.append(Running(program, tmp_path))
        return started[0]

    yield start
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


STEADY = """
    def work(number, ready):
        until_told()
        note(f"worker-{number}-{os.getpid()}", os.getpid())
        ready()
        while not told:
            time.sleep(0.01)
        time.sleep(0.3)  # work under way
        note(f"done-{number}-{os.getpid()}")
    sys.exit(supervise(2, work, grace_seconds=5, all_ready=lambda: note("ready"), counted=lambda n: note("alive", n),
                       release=lambda: note("released")))
"""


def test_a_killed_worker_is_replaced_at_once_and_the_others_work_on(run: Callable[[str], Running]) -> None:
    running = run(STEADY)
    running.wait_for(lambda: bool(running.notes("ready")))
    before = {int(pid) for pid in running.notes("worker-").values()}
    assert len(before) == 2
    victim = min(before)
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    running.wait_for(lambda: len(running.notes("worker-")) == 3)
    assert time.monotonic() - began < 3
    running.wait_for(lambda: running.notes("alive") == {"alive": "2"})
    now = {int(pid) for pid in running.notes("worker-").values()}
    assert {pid for pid in now if alive(pid)} == now - {victim}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_all_finish_what_is_under_way(run: Callable[[str], Running], number: int) -> None:
    running = run(STEADY)
    running.wait_for(lambda: bool(running.notes("ready")))
    running.process.send_signal(number)
    assert running.process.wait(5) == 0
    assert len(running.notes("done-")) == 2
    assert running.notes("released")
    assert not any(alive(int(pid)) for pid in running.notes("worker-").values())


def test_told_twice_to_end_nobody_waits_any_longer(run: Callable[[str], Running]) -> None:
    running = run(STEADY.replace("time.sleep(0.3)", "time.sleep(60)"))
    running.wait_for(lambda: bool(running.notes("ready")))
    running.process.send_signal(signal.SIGINT)
    running.wait_for(lambda: bool(running.notes("released")))
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(5) == 0
    assert not running.notes("done-")


def test_work_that_does_not_end_in_time_is_cut_off(run: Callable[[str], Running]) -> None:
    running = run(STEADY.replace("time.sleep(0.3)", "time.sleep(60)").replace("grace_seconds=5", "grace_seconds=0.3"))
    running.wait_for(lambda: bool(running.notes("ready")))
    began = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    assert 0.3 <= time.monotonic() - began < 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_when_the_first_process_is_killed_the_workers_end_too(run: Callable[[str], Running]) -> None:
    running = run(STEADY)
    running.wait_for(lambda: bool(running.notes("ready")))
    running.process.kill()
    running.process.wait()
    running.wait_for(lambda: len(running.notes("done-")) == 2)
    running.wait_for(lambda: not any(alive(int(pid)) for pid in running.notes("worker-").values()))


def test_a_worker_that_cannot_begin_ends_everything_with_one_sentence(run: Callable[[str], Running]) -> None:
    running = run("""
        def work(number, ready):
            if number == 1:
                time.sleep(0.2)
                raise ConfigurationError("There is no such thing.")
            until_told()
            ready()
            while not told:
                time.sleep(0.01)
        sys.exit(supervise(2, work, grace_seconds=5))
    """)
    assert running.process.wait(5) == 2
    assert running.log.read_text() == "skerry: There is no such thing.\n"


def test_workers_that_die_again_and_again_are_started_ever_more_slowly(run: Callable[[str], Running]) -> None:
    running = run("""
        def work(number, ready):
            note(f"try-{time.monotonic()}", time.monotonic())
            os._exit(1)
        sys.exit(supervise(1, work, grace_seconds=5))
    """)
    running.wait_for(lambda: len(running.notes("try-")) >= 4)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    times = sorted(float(text) for text in running.notes("try-").values())
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(pause >= wanted for pause, wanted in zip(pauses, (0.1, 0.2, 0.4), strict=False))


def test_the_pause_before_another_try_grows_up_to_ten_seconds() -> None:
    assert [_pause_after(deaths) for deaths in range(10)] == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_defect_in_a_worker_goes_to_the_log_and_another_begins(run: Callable[[str], Running]) -> None:
    running = run("""
        import logging
        logging.basicConfig()
        def work(number, ready):
            until_told()
            ready()
            if not (folder / "failed").exists():
                note("failed")
                raise ZeroDivisionError("a defect")
            note("again")
            while not told:
                time.sleep(0.01)
        sys.exit(supervise(1, work, grace_seconds=5))
    """)
    running.wait_for(lambda: bool(running.notes("again")))
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    assert "a defect" in running.log.read_text()
