"""Processes that work beside the one that loads; they begin while that one still gets ready itself.

Spawned, not forked: the driver of the database has threads, which a fork would leave behind in the middle of something.
A new process takes half a second until it has imported what it needs, so a command begins it before anything else.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Final, ParamSpec, TypeVar

from beacon.errors import LoadError

P = ParamSpec("P")
T = TypeVar("T")

MUCH_BYTES: Final = 5_000_000
"""Of fewer bytes than this one process is done before another one has begun."""


def fitting(paths: Iterable[Path | str]) -> int:
    """Return how many processes are worth while for these files: two for much data and several processors, else one."""
    size = 0
    for path in map(Path, paths):
        with suppress(OSError):  # whoever reads it says what is wrong with it
            parts = path.rglob("*") if path.is_dir() else (path,)
            size += sum(part.stat().st_size for part in parts if part.is_file())
    return 2 if size >= MUCH_BYTES and (os.cpu_count() or 1) > 1 else 1


@contextmanager
def working(number: int, module: str) -> Iterator[Workers | None]:
    """Yield so many processes that import a module as they begin; None for none of them.

    The block ends with ``LoadError`` where one of them is killed.
    """
    if number < 1:
        yield None
        return
    workers = Workers(number, module)
    try:
        yield workers
    except BrokenProcessPool as error:
        raise LoadError("a process that helped to read was killed; is there too little memory?") from error
    finally:
        workers.close()


class Workers:
    """``number`` processes that begin at once, and end with the one that they work for, be it killed."""

    def __init__(self, number: int, module: str) -> None:
        self.number = number
        self._first: tuple[int, bytes] | None = None
        self._pool = ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _Process.begin, (module,))
        # A pool begins a process when there is something to do for it.
        self._beginning = [self._pool.submit(_nothing) for _ in range(number)]

    def begun(self) -> None:
        """Wait until the processes have begun and imported what they need."""
        for one in self._beginning:
            one.result()

    def first(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Let each process do this before whatever it is asked next, which raises what this raises."""
        number = self._first[0] + 1 if self._first else 1
        # Encoded once, since it goes along with whatever is asked: nobody can tell which process takes what up.
        self._first = number, pickle.dumps(partial(work, *args, **kwargs))

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let one of the processes do this."""
        return self._pool.submit(_Process.work, self._first, work, *args, **kwargs)

    def close(self) -> None:
        """End all processes when they have done what they are at, and leave the rest undone."""
        self._pool.shutdown(cancel_futures=True)


class _Process:
    """What such a process knows of itself: the number of what it did first."""

    did: ClassVar[int] = 0

    @classmethod
    def begin(cls, module: str) -> None:
        """Begin. Ctrl-C is for the process that this one works for; it ends where that one does."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        import_module(module)

    @classmethod
    def work(cls, first: tuple[int, bytes] | None, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what comes first, if that was not done yet, then this."""
        if first is not None and first[0] != cls.did:
            pickle.loads(first[1])()  # noqa: S301  made by the process that this one works for
            cls.did = first[0]
        return work(*args, **kwargs)


def _nothing() -> None:
    """Be what a process begins for."""


def _end_with_parent() -> None:
    """End this process where the one that it works for was killed, instead of waiting for work without end."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only processes that were begun by another work for one"
    parent.join()
    os._exit(1)
