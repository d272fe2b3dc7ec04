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
    path: list[str | int] = []
    texts: list[str] = [""]  # the pointer of each container that is open, then that of what comes next
    line, last, name = 1, 0, ""
    expects_name = False
    for token in _TOKEN.finditer(data):
        line += data.count(b"\n", last, token.start())
        last = token.start()
        match token[0]:
            case b"{" | b"[" as bracket:
                if texts[-1] in needed:
                    found[texts[-1]] = line
                path.append("" if bracket == b"{" else 0)
                texts.append(f"{texts[-1]}/0" if bracket == b"[" else texts[-1])
                expects_name = bracket == b"{"
            case b"}" | b"]":
                if path:
                    path.pop()
                    texts.pop()
                expects_name = False
            case b",":
                if path and isinstance(index := path[-1], int):
                    path[-1] = index + 1
                    texts[-1] = f"{texts[-2]}/{index + 1}"
                else:
                    expects_name = bool(path)
            case b":":
                expects_name = False
            case text if expects_name:
                name = _unquoted(text)
                texts[-1] = f"{texts[-2]}/{name.replace('~', '~0').replace('/', '~1')}"
                if texts[-1] in needed:
                    found[texts[-1]] = line
                expects_name = False
            case _:
                if texts[-1] in needed:
                    found.setdefault(texts[-1], line)
    nearest = {pointer: next(filter(found.__contains__, _prefixes(pointer)), None) for pointer in wanted}
    return {pointer: found[place] for pointer, place in nearest.items() if place is not None}


def _unquoted(text: bytes) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text.decode("utf-8", "replace")


def _prefixes(pointer: str) -> list[str]:
    """Return the pointer and those of all that it lies in, the innermost first."""
    steps = pointer.split("/")
    return ["/".join(steps[:count]) for count in range(len(steps), 0, -1)]
