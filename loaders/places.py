"""On which line of a JSON text something lies that a JSON pointer names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_TOKEN = re.compile(rb'[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')


def lines_of(data: bytes, pointers: Iterable[str]) -> Mapping[str, int]:
    """Return the line (from 1) of each pointer (RFC 6901) in a text that is JSON.

    For a member that is missing it is the line of the object that should have it. Where an object names a member
    twice, the last one counts, as for a parser. Of a text that is no JSON the lines mean nothing.
    """
    wanted = set(pointers)
    needed = {prefix for pointer in wanted for prefix in _prefixes(pointer)}
    found: dict[str, int] = {}
    indexes: list[int | None] = []  # of the containers that are open: where in a list, None for an object
    places: list[str | None] = [""]  # the pointer of each, then that of what comes next; None where nobody asks for it
    line, last = 1, 0
    expects_name = False

    def step(name: str | int) -> None:
        pointer = None if places[-2] is None else f"{places[-2]}/{name}"
        places[-1] = pointer if pointer in needed else None

    for token in _TOKEN.finditer(data):
        line += data.count(b"\n", last, token.start())
        last = token.start()
        match token[0]:
            case b"{" | b"[" as bracket:
                _note(found, places[-1], line)
                indexes.append(None if bracket == b"{" else 0)
                places.append(None)
                if bracket == b"[":
                    step(0)
                expects_name = bracket == b"{"
            case b"}" | b"]":
                if indexes:
                    indexes.pop()
                    places.pop()
                expects_name = False
            case b"," if indexes and (index := indexes[-1]) is not None:
                indexes[-1] = index + 1
                step(index + 1)
            case b",":
                expects_name = bool(indexes)
            case b":":
                expects_name = False
            case text if expects_name:
                places[-1] = None
                if places[-2] is not None:  # else nobody asks for anything in here
                    step(_unquoted(text).replace("~", "~0").replace("/", "~1"))
                if (place := places[-1]) is not None:
                    found[place] = line
                expects_name = False
            case _:
                _note(found, places[-1], line)
    nearest = {pointer: next(filter(found.__contains__, _prefixes(pointer)), None) for pointer in wanted}
    return {pointer: found[place] for pointer, place in nearest.items() if place is not None}


def _note(found: dict[str, int], place: str | None, line: int) -> None:
    if place is not None:
        found.setdefault(place, line)


def _unquoted(text: bytes) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text.decode("utf-8", "replace")


def _prefixes(pointer: str) -> list[str]:
    """Return the pointer and those of all that it lies in, the innermost first."""
    steps = pointer.split("/")
    return ["/".join(steps[:count]) for count in range(len(steps), 0, -1)]
