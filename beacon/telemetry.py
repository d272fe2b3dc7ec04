"""The log: one JSON object per line for machines, plain lines for a person at a terminal.

The request id lives in a context variable for log lines alone; no answer may ever depend on it.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from beacon.settings import Log

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", "requestId"?, "error"?, ...extra}``; time in ISO 8601, UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (identifier := request_id.get()) is not None:
            line["requestId"] = identifier
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in line}
        return orjson.dumps(line | extra, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class PlainFormatter(logging.Formatter):
    """``12:00:00 warning: message``, in local time."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(level)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().formatMessage(record)


def set_up(log: Log, stream: TextIO | None = None) -> None:
    """Send the whole process's log to ``stream`` (standard error, unless told otherwise), as ``log`` says."""
    target = sys.stderr if stream is None else stream
    plain = log.format == "plain" or (log.format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    # No line says which thread, process, task or line of code it comes from; finding out costs as much as writing it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # what the documentation of logging says to do for that
    logging.captureWarnings(True)
