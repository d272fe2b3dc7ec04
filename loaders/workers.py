"""Processes that work beside the one that loads; they begin while that one still gets ready itself.

Spawned, not forked: the driver of the database has threads, which a fork would leave behind in the middle of something.
A new process takes half a second until it has imported what it needs, so a command begins it before anything else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Barrier
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
        context = multiprocessing.get_context("spawn")
        self._together = context.Barrier(number)
        self._pool = ProcessPoolExecutor(number, context, _Worker.begin, (module, self._together))
        # A pool begins a process when there is work for it.
        self._beginning = [self._pool.submit(_Worker.once, _nothing) for _ in range(number)]

    def begun(self) -> None:
        """Wait until all processes have begun and imported what they need."""
        for one in self._beginning:
            one.result()

    def everywhere(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Let every process do this once, before anything that is submitted later, which raises what it raised."""
        for _ in range(self.number):
            self._pool.submit(_Worker.once, work, *args, **kwargs)

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let one of the processes do this."""
        return self._pool.submit(_Worker.work, work, *args, **kwargs)

    def close(self) -> None:
        """End all processes when they have done what they are at, and leave the rest undone."""
        self._together.abort()  # else one would wait for others to do what nobody does any more
        self._pool.shutdown(cancel_futures=True)


class _Worker:
    """What such a process knows of itself."""

    together: ClassVar[Barrier]
    failed: ClassVar[Exception | None] = None

    @classmethod
    def begin(cls, module: str, together: Barrier) -> None:
        """Begin. Ctrl-C is for the process that this one works for; it ends where that one does."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        cls.together = together
        import_module(module)

    @classmethod
    def once(cls, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Do what every process does once: nobody takes it up again before all others have taken it up."""
        cls.together.wait()
        try:
            cls.failed = None
            work(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever it is, it is raised where something is asked
            cls.failed = error

    @classmethod
    def work(cls, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something. Raises what went wrong before where this process could not get ready for it."""
        if cls.failed is not None:
            raise cls.failed
        return work(*args, **kwargs)


def _nothing() -> None:
    """Be what a process begins for."""


def _end_with_parent() -> None:
    """End this process where the one that it works for was killed, instead of waiting for work without end."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only processes that were begun by another work for one"
    parent.join()
    os._exit(1)
