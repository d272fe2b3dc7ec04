"""N processes that do the same work, looked after by one that does nothing else.

The process that looks after them forks them, starts another in the place of one that dies, and on SIGTERM or SIGINT
tells all to end, waits for them, and then ends itself. A second signal, or too long a wait, kills those that are
left. On Linux workers are told to end by the kernel when the process that looks after them dies, however it dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from beacon.errors import SkerryError

_log = logging.getLogger("skerry")

Work = Callable[[int, Callable[[], None]], None]
"""What a worker does: gets its number from 0 on and what to call once it is ready; returns when it was told to end."""

REFUSED: Final = 2
"""Exit code of a worker that cannot begin, and has said why."""
_FAILED: Final = 70
_PR_SET_PDEATHSIG: Final = 1
_SHORT_LIFE_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 10.0
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class _Place:
    """One of the N places: who works in it, and how often its workers died young in a row."""

    number: int
    pid: int = 0
    pipe: int = -1
    began: float = 0.0
    ready: bool = False
    deaths: int = 0
    begin_at: float = 0.0


def supervise(
    count: int,
    work: Work,
    *,
    grace_seconds: float,
    all_ready: Callable[[], None] = lambda: None,
    counted: Callable[[int], None] = lambda _alive: None,
    release: Callable[[], None] = lambda: None,
) -> int:
    """Keep ``count`` processes at ``work`` until SIGINT or SIGTERM; return the exit code.

    ``all_ready`` is called once, when all are ready for the first time; a worker that cannot begin before that
    (exit code ``REFUSED``) ends everything. ``counted`` is told how many there are whenever that changes, ``release``
    is called when ending begins, to let go of what workers inherited. Call it where no other thread runs.
    """
    return _Supervisor(count, work, grace_seconds, all_ready, counted, release).run()


class _Supervisor:
    def __init__(
        self,
        count: int,
        work: Work,
        grace_seconds: float,
        all_ready: Callable[[], None],
        counted: Callable[[int], None],
        release: Callable[[], None],
    ) -> None:
        self._places = [_Place(number) for number in range(count)]
        self._work = work
        self._grace_seconds = grace_seconds
        self._all_ready = all_ready
        self._counted = counted
        self._release = release
        self._selector = selectors.DefaultSelector()
        self._was_ready = False
        self._end_by: float | None = None
        self._code = 0

    def run(self) -> int:
        gc.collect()
        gc.freeze()  # what exists now stays in memory that all workers share
        with self._signals():
            while self._end_by is None or any(place.pid for place in self._places):
                self._begin_where_due()
                for key, _ in self._selector.select(self._pause()):
                    if isinstance(key.data, _Place):
                        self._heard(key.data)
                    else:
                        self._told(key.data)
                if self._end_by is not None and time.monotonic() >= self._end_by:
                    self._kill()
        return self._code

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Make signals wake the selector; they are handled between its turns, never in the middle of anything."""
        wake, waker = socket.socketpair()
        wake.setblocking(False)
        waker.setblocking(False)
        before = {number: signal.signal(number, lambda *_: None) for number in _ENDING}
        previous = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, wake)
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            wake.close()
            waker.close()

    def _told(self, wake: socket.socket) -> None:
        for number in wake.recv(64):
            if number not in _ENDING:
                continue
            if self._end_by is None:
                self._end()
            else:
                _log.warning("told twice to end: requests under way are cut off")
                self._kill()

    def _end(self, code: int = 0) -> None:
        if self._end_by is None:
            _log.info("ending, after the requests under way")
            self._code = code
            self._end_by = time.monotonic() + self._grace_seconds
            self._release()
            self._send(signal.SIGTERM)

    def _kill(self) -> None:
        self._send(signal.SIGKILL)
        self._end_by = float("inf")

    def _send(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid:  # not yet waited for, so that this is nobody else's number
                os.kill(place.pid, number)

    def _pause(self) -> float | None:
        """Seconds until something has to be done without having been heard of."""
        if self._end_by is not None:
            return max(self._end_by - time.monotonic(), 0.0) if self._end_by != float("inf") else None
        due = [place.begin_at for place in self._places if not place.pid]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _begin_where_due(self) -> None:
        if self._end_by is None:
            for place in self._places:
                if not place.pid and place.begin_at <= time.monotonic():
                    self._begin(place)

    def _begin(self, place: _Place) -> None:
        ours, theirs = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes before the worker has its own handlers must not be taken for one to this process.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            pid = os.fork()
            if pid == 0:
                os._exit(self._in_worker(place.number, theirs, parent))
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(theirs)
        place.pid, place.pipe, place.began, place.ready = pid, ours, time.monotonic(), False
        self._selector.register(ours, selectors.EVENT_READ, place)
        self._counted(sum(one.pid != 0 for one in self._places))

    def _in_worker(self, number: int, pipe: int, parent: int) -> int:
        """Everything that the worker's process does; returns its exit code."""
        try:
            signal.set_wakeup_fd(-1)
            for ending in _ENDING:
                signal.signal(ending, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            self._selector.close()
            for place in self._places:
                if place.pid:
                    os.close(place.pipe)
            _end_with(parent)
            self._work(number, lambda: _say_ready(pipe))
        except SkerryError as error:
            print(f"skerry: {error.message}", file=sys.stderr, flush=True)  # noqa: T201 - as the command says it
            return REFUSED
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except BaseException:  # noqa: BLE001 - the process ends here whatever it was; the log gets the cause
            _log.exception("a worker failed")
            return _FAILED
        finally:
            logging.shutdown()
        return 0

    def _heard(self, place: _Place) -> None:
        """A worker has said that it is ready, or its end of the pipe was closed by its death."""
        if os.read(place.pipe, 16):
            place.ready, place.deaths = True, 0
            if not self._was_ready and all(one.ready for one in self._places):
                self._was_ready = True
                self._all_ready()
            return
        self._selector.unregister(place.pipe)
        os.close(place.pipe)
        _, status = os.waitpid(place.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        lived = time.monotonic() - place.began
        place.pid = 0
        self._counted(sum(one.pid != 0 for one in self._places))
        if self._end_by is not None:
            if code != 0:
                _log.warning("a worker ended with %d", code)
            return
        if code == REFUSED and not self._was_ready:
            self._end(REFUSED)
            return
        place.deaths = place.deaths + 1 if lived < _SHORT_LIFE_SECONDS else 0
        pause = _pause_after(place.deaths)
        place.begin_at = time.monotonic() + pause
        _log.error("worker %d ended with %d after %.1f s; another begins in %.1f s", place.number, code, lived, pause)


def _pause_after(deaths: int) -> float:
    """Seconds before the next try: none after a long life, then 0.1 s, doubled with each early death up to 10 s."""
    return min(_FIRST_PAUSE_SECONDS * 2 ** (deaths - 1), _LONGEST_PAUSE_SECONDS) if deaths else 0.0


def _say_ready(pipe: int) -> None:
    os.write(pipe, b"1")


def _end_with(parent: int) -> None:
    """Let the kernel tell this process to end when its parent dies (Linux)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it had died before
        os._exit(0)
