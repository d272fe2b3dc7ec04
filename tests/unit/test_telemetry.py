"""The log is one JSON object per line for machines and plain lines for people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from beacon.settings import Log
from beacon.telemetry import request_id, set_up


@pytest.fixture(autouse=True)
def root_log() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_machine_gets_one_json_object_per_line_with_request_id_and_extras() -> None:
    stream = io.StringIO()
    set_up(Log(), stream)
    token = request_id.set("r1")
    logging.getLogger("skerry.audit").info("asked\nfor %s", "ü", extra={"dataset": "d", "name2": 3})
    request_id.reset(token)
    (line,) = stream.getvalue().splitlines()
    written = json.loads(line)
    assert written.pop("time").endswith("+00:00")
    assert written == {
        "level": "info",
        "logger": "skerry.audit",
        "message": "asked\nfor ü",
        "requestId": "r1",
        "dataset": "d",
        "name2": 3,
    }


def test_an_error_keeps_its_trace_in_the_same_line() -> None:
    stream = io.StringIO()
    set_up(Log(format="json"), stream)
    try:
        raise ValueError("reason")
    except ValueError:
        logging.getLogger("skerry").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: reason" in json.loads(line)["error"]


def test_a_person_gets_plain_lines_from_the_set_level_on() -> None:
    stream = io.StringIO()
    set_up(Log(format="plain", level="warning"), stream)
    logging.getLogger("skerry").info("hidden")
    logging.getLogger("skerry").warning("shown")
    assert stream.getvalue().endswith(" warning: shown\n")
    assert "hidden" not in stream.getvalue()
