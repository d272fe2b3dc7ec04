"""The process that keeps one embedded mongod, and stops it when its last user has gone.

Run by ``beacon.store.embedded`` as a script of its own (standard library only, so that it stays small):

    keeper.py SERVER_FD USERS_LOCK COMMAND...

``SERVER_FD`` is an open file whose exclusive lock says that a server runs; mongod inherits it, so that the lock
is free only once mongod has really ended. Every user holds a shared lock on ``USERS_LOCK``, which the kernel
gives back however the user ends. Here the exclusive lock on it is waited for: whoever gets that knows that nobody
is left, and while it is held nobody new can begin.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PATIENCE_S = 60.0  # a clean stop takes 2 s; the journal makes a killed mongod safe, too
_OPEN_FILES = 64_000  # what MongoDB recommends; one collection takes several


def main(server_lock: int, users: Path, command: list[str]) -> int:
    """Run ``command`` until it ends or nobody uses it; returns its exit status."""
    if os.fork():
        os._exit(0)  # the user waits for this half only; the other belongs to nobody and outlives its user
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the user at the terminal, not for the server
    server = subprocess.Popen(command, pass_fds=(server_lock,), preexec_fn=_prepared(os.getpid()))
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    threading.Thread(target=_stop_when_unused, args=(server, users), daemon=True).start()
    status = server.wait()
    if status < 0:  # mongod cannot say this in its log itself
        os.write(1, f"mongod was ended by {signal.Signals(-status).name}\n".encode())
    return status


def _stop_when_unused(server: subprocess.Popen[bytes], users: Path) -> None:
    descriptor = os.open(users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    server.terminate()
    try:
        server.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()


def _prepared(keeper: int) -> Callable[[], None]:
    """What mongod's process does before it becomes mongod."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        if prctl is not None:  # on Linux mongod stops even when this process is killed
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != keeper:
                os._exit(1)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(
            resource.RLIMIT_NOFILE,
            (_OPEN_FILES if most == resource.RLIM_INFINITY else min(most, _OPEN_FILES), most),
        )

    return prepare


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
