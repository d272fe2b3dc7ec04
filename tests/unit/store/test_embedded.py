"""The embedded MongoDB, with the real mongod: shared, private, and gone when its last user is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pymongo import MongoClient

from beacon.errors import ConfigurationError
from beacon.settings import Mongo
from beacon.store.embedded import find_mongod, mongodb

REPOSITORY = Path(__file__).parents[3]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's files in /proc are needed")

# A user of its own process: says when it is in, counts its visits, and stays until its input ends.
# Whatever a shell starts in the background ignores SIGINT, and so do its children unless they say otherwise.
USER = """
import signal
import sys
from pathlib import Path
from pymongo import MongoClient
from beacon.settings import Mongo
from beacon.store.embedded import mongodb
signal.signal(signal.SIGINT, signal.default_int_handler)
with mongodb(Mongo(data_dir=Path(sys.argv[1]), cache_gb=0.25)) as uri:
    with MongoClient(uri) as client:
        client.visits.visits.insert_one({})
        print(client.visits.visits.count_documents({}), flush=True)
    sys.stdin.read()
"""


def settings(folder: Path) -> Mongo:
    return Mongo(data_dir=folder, cache_gb=0.25)


@contextmanager
def user(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A user in a process of its own; with its session, so that killing it cannot reach anything else."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def visits(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def leave(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=30)
    return process.returncode


def open_files(process: int) -> Iterator[Path]:
    """What a process has open; what it closes while we look is left out."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield link.readlink()


def processes(folder: Path) -> dict[int, str]:
    """The processes whose working folder is the database's: mongod and its keeper."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder.resolve() / "mongo":
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # ended in the meantime, or somebody else's
    return found


def soon_gone(folder: Path) -> bool:
    return within(10, lambda: not processes(folder))


def within(seconds: float, fact: object) -> bool:
    assert callable(fact)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.05)
    return False


def test_a_server_of_the_settings_is_taken_as_it_is(tmp_path: Path) -> None:
    with mongodb(Mongo(uri="mongodb://db.example/", data_dir=tmp_path)) as uri:
        assert uri == "mongodb://db.example/"
    assert not list(tmp_path.iterdir())


def test_data_survive_a_clean_stop_and_the_folder_may_be_moved(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with mongodb(settings(before)) as uri, MongoClient[dict[str, object]](uri) as client:
        client.a.b.insert_one({"_id": 1})
    before.rename(after)
    with mongodb(settings(after)) as uri, MongoClient[dict[str, object]](uri) as client:
        assert list(client.a.b.find()) == [{"_id": 1}]
        with client.start_session() as session, session.start_transaction():  # a replica set, not a lone server
            client.a.b.insert_one({"_id": 2}, session=session)


def test_a_second_process_joins_and_the_server_outlives_the_first(tmp_path: Path) -> None:
    with user(tmp_path) as first, user(tmp_path) as second:
        assert max(visits(first), visits(second)) == 2
        assert leave(first) == 0
        with user(tmp_path) as third:
            assert visits(third) == 3
            assert leave(second) == 0
            assert leave(third) == 0


@linux_only
def test_nothing_is_left_running_once_the_last_user_has_gone(tmp_path: Path) -> None:
    with user(tmp_path) as process:
        visits(process)
        assert sum("--replSet" in command for command in processes(tmp_path).values()) >= 1
        assert leave(process) == 0
    assert not processes(tmp_path)


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_user_leaves_no_server_and_loses_no_data(tmp_path: Path, number: signal.Signals) -> None:
    with user(tmp_path) as process:
        assert visits(process) == 1
        process.send_signal(number)
        assert process.wait(30) != 0
    assert soon_gone(tmp_path)
    with user(tmp_path) as process:
        assert visits(process) == 2


@linux_only
def test_a_user_killed_while_the_server_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    for pause in (0.05, 0.2, 0.4, 0.6):
        with user(tmp_path) as process:
            time.sleep(pause)
            process.kill()
    assert soon_gone(tmp_path)
    with user(tmp_path) as process:
        assert visits(process) >= 1


@linux_only
def test_a_killed_keeper_takes_its_server_along_and_the_next_user_starts_anew(tmp_path: Path) -> None:
    with user(tmp_path) as first:
        visits(first)
        keeper = next(pid for pid, command in processes(tmp_path).items() if "keeper.py" in command)
        os.kill(keeper, signal.SIGKILL)
        assert soon_gone(tmp_path)
        with user(tmp_path) as second:
            assert visits(second) == 2


@linux_only
def test_after_the_sudden_death_of_everything_the_next_start_finds_all_data(tmp_path: Path) -> None:
    with user(tmp_path) as process:
        assert visits(process) == 1
        for pid in processes(tmp_path):
            os.kill(pid, signal.SIGKILL)
        process.kill()
    assert soon_gone(tmp_path)
    assert (tmp_path / "mongo" / "mongodb-27017.sock").exists()  # left behind, and no hindrance
    with user(tmp_path) as process:
        assert visits(process) == 2


@linux_only
def test_four_simultaneous_starts_make_one_server(tmp_path: Path) -> None:
    with user(tmp_path) as a, user(tmp_path) as b, user(tmp_path) as c, user(tmp_path) as d:
        assert max(visits(one) for one in (a, b, c, d)) == 4
        assert sum("keeper.py" in command for command in processes(tmp_path).values()) == 1


def test_users_that_come_while_the_last_one_leaves_always_find_a_server(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def come_and_go(offset: float) -> None:
        try:
            for _ in range(3):
                with mongodb(settings(tmp_path)) as uri, MongoClient[dict[str, object]](uri) as client:
                    client.a.b.insert_one({})
                time.sleep(offset)
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(offset,)) for offset in (0.0, 0.02, 0.3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with mongodb(settings(tmp_path)) as uri, MongoClient[dict[str, object]](uri) as client:
        assert client.a.b.count_documents({}) == 9


def test_forked_processes_keep_the_server_for_as_long_as_they_live(tmp_path: Path) -> None:
    script = USER.replace(
        "    sys.stdin.read()\n", "    import os, time\n    os.fork() or (time.sleep(3), os._exit(0))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    with user(tmp_path) as process:
        assert visits(process) == 2
        assert time.monotonic() - began < 3  # joined, while the child of the first still slept


@linux_only
def test_only_the_owner_can_reach_the_server(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with mongodb(settings(tmp_path)):
        folder = tmp_path / "mongo"
        assert folder.stat().st_mode & 0o777 == 0o700
        for entry in folder.rglob("*"):
            assert entry.lstat().st_mode & 0o077 == 0, entry
        mongod = next(pid for pid, command in processes(tmp_path).items() if "keeper.py" not in command)
        inodes = {
            target.name.removeprefix("socket:[").removesuffix("]")
            for target in open_files(mongod)
            if target.name.startswith("socket:")
        }
        for table in ("tcp", "tcp6"):
            listening = {line.split()[9] for line in Path(f"/proc/{mongod}/net/{table}").read_text().splitlines()[1:]}
            assert not inodes & listening


def test_a_loose_folder_of_ones_own_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "mongo"
    folder.mkdir(mode=0o777)
    with mongodb(settings(tmp_path)):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "mongo").mkdir(mode=0o700)
    os.chown(tmp_path / "mongo", 12345, 12345)
    with pytest.raises(ConfigurationError, match="is not a folder of your own"), mongodb(settings(tmp_path)):
        pass


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mongo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is not a folder of your own"), mongodb(settings(tmp_path)):
        pass


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(ConfigurationError, match="file/mongo cannot be used as a data folder")
    with refused, mongodb(settings(tmp_path / "file")):
        pass


def test_a_path_too_long_for_a_socket_is_reached_by_a_private_short_one(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = tmp_path / ("long" * 20) / ("name" * 20)
    for expected in (1, 2):
        with mongodb(settings(deep)) as uri, MongoClient[dict[str, object]](uri) as client:
            assert len(unquote(urlsplit(uri).netloc)) < 108  # what a socket's path may have
            client.a.b.insert_one({})
            assert client.a.b.count_documents({}) == expected
    assert (runtime / "skerry").stat().st_mode & 0o777 == 0o700


def test_without_any_mongod_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # no installed distributions either
    with pytest.raises(ConfigurationError, match=r"There is no MongoDB here: install .*skerry\[embedded\]"):
        find_mongod()


def test_a_mongod_on_path_comes_before_the_carried_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mongod").symlink_to(find_mongod())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == str(tmp_path / "mongod")


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (
            "echo 'mongod: error while loading shared libraries: libcurl.so.4: cannot open it'; exit 127",
            "MongoDB needs the library libcurl.so.4: install the package libcurl4.",
        ),
        (
            """echo '{"s":"I","msg":"Starting"}'
            echo '{"s":"E","msg":"WiredTiger error","attr":{"error":28,"message":"No space left on device"}}'
            echo '{"s":"F","msg":"Fatal assertion"}'
            echo '{"s":"I","msg":"Now exiting"}'
            exit 14""",
            "MongoDB did not start: WiredTiger error: No space left on device",
        ),
        ("kill -ILL $$", "MongoDB did not start: mongod was ended by SIGILL"),
        ("exit 1", "MongoDB did not start: it does not say why"),
    ],
)
def test_a_mongod_that_cannot_start_is_explained_by_its_telling_line(
    program: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bin" / "mongod"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    with pytest.raises(ConfigurationError) as caught, mongodb(settings(tmp_path / "data")):
        pass
    assert str(caught.value).startswith(sentence)


def test_a_real_mongod_that_finds_a_broken_database_says_so(tmp_path: Path) -> None:
    with mongodb(settings(tmp_path)):
        pass
    (tmp_path / "mongo" / "db" / "WiredTiger.turtle").write_text("nonsense")
    refused = pytest.raises(ConfigurationError, match=r"^MongoDB did not start: .*\(the whole log: .*mongod.log\)\.$")
    with refused as caught, mongodb(settings(tmp_path)):
        pass
    assert "WiredTiger" in str(caught.value)
