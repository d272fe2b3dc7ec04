"""From the reference validator's errors to plain sentences with JSON pointers."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

SHOWN = 60
"""Characters of a wrong value that a message repeats."""

KINDS: Mapping[str, str] = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document.

    ``pointer`` (RFC 6901) names the place: for a missing member, where it should be; for an unknown one,
    where it is. ``message`` is one sentence, ``rule`` the JSON Schema keyword that was broken (``depth``
    for a document nested too deeply) and ``value`` what was found there (None for a missing member).
    """

    pointer: str
    message: str
    rule: str
    value: Any = field(repr=False)  # may be large, and nested too deeply to be printed


@dataclass(frozen=True, slots=True)
class _Broken:
    """One broken rule: its keyword, what it demands, what was found, and the schema's phrase for it."""

    rule: str
    demand: Any
    found: Any
    title: str | None
    known: tuple[str, ...]


Words = Iterator[tuple[tuple[str, ...], str, Any]]
"""Steps below the place of the broken rule, the sentence, the value."""


def problems(errors: Iterable[ValidationError]) -> tuple[Problem, ...]:
    """Put the reference validator's errors into words, in document order, each once."""
    found: dict[tuple[str, str, str], tuple[tuple[str, ...], Problem]] = {}
    for error in errors:
        schema = error.schema if isinstance(error.schema, Mapping) else {}
        broken = _Broken(
            rule=str(error.validator),
            demand=error.validator_value,
            found=error.instance,
            title=schema.get("title"),
            known=tuple(schema.get("properties", ())),
        )
        for extra, message, value in WORDS.get(broken.rule, _other)(broken):
            path = (*error.absolute_path, *extra)
            problem = Problem(_pointer(path), message, broken.rule, value)
            found.setdefault((problem.pointer, problem.rule, message), (_order(path), problem))
    return tuple(problem for _, problem in sorted(found.values(), key=lambda pair: pair[0]))


def exact(validator: Callable[..., Draft202012Validator]) -> Callable[..., Draft202012Validator]:
    """Make ``$`` in patterns mean the end of the text, as JSON Schema does; in Python it also matches
    before a last line break, which would let ``"P3Y\\n"`` through.
    """
    extend: Callable[..., Callable[..., Draft202012Validator]] = validators.extend
    return extend(validator, {"pattern": _pattern})


def _pattern(_validator: Any, pattern: str, found: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(found, str) and not _compiled(pattern).search(found):
        yield ValidationError(f"does not match {pattern!r}")


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))


def _required(broken: _Broken) -> Words:
    for name in broken.demand:
        if name not in broken.found:
            yield (name,), f"{name!r} is missing.", None


def _dependent_required(broken: _Broken) -> Words:
    for name, needed in broken.demand.items():
        for other in needed:
            if name in broken.found and other not in broken.found:
                yield (other,), f"{other!r} is missing: {name!r} needs it.", None


def _additional(broken: _Broken) -> Words:
    for name, value in broken.found.items():
        if name not in broken.known:
            yield (name,), f"{_shown(name)} is not known here{_suggestion(name, broken.known)}", value


def _type(broken: _Broken) -> Words:
    kinds = [broken.demand] if isinstance(broken.demand, str) else broken.demand
    wanted = broken.title or " or ".join(KINDS[kind] for kind in kinds)
    if broken.found is None:
        yield (), f"null is found where {wanted} is expected; leave the member out instead.", None
    elif isinstance(broken.found, list | dict):
        yield (), f"{_shown(broken.found)} is found where {wanted} is expected.", broken.found
    else:
        yield (), f"{_shown(broken.found)} is {_kind(broken.found)}; expected {wanted}.", broken.found


def _enum(broken: _Broken) -> Words:
    words = [str(word) for word in broken.demand]
    hint = _suggestion(broken.found, words) if isinstance(broken.found, str) else "."
    yield (), f"{_shown(broken.found)} is not one of {', '.join(words)}{hint}", broken.found


def _titled(broken: _Broken) -> Words:
    yield (), f"{_shown(broken.found)} is not {broken.title or 'what is allowed here'}.", broken.found


def _bound(words: str) -> Callable[[_Broken], Words]:
    def sentence(broken: _Broken) -> Words:
        yield (), f"{_shown(broken.found)} {words.format(_shown(broken.demand))}.", broken.found

    return sentence


def _other(broken: _Broken) -> Words:
    yield (), f"{_shown(broken.found)} breaks the rule {broken.rule!r}.", broken.found


WORDS: Mapping[str, Callable[[_Broken], Words]] = {
    "required": _required,
    "dependentRequired": _dependent_required,
    "additionalProperties": _additional,
    "type": _type,
    "enum": _enum,
    "const": _bound("is not {}"),
    "pattern": _titled,
    "oneOf": _titled,
    "anyOf": _titled,
    "not": _titled,
    "minProperties": _titled,
    "maxProperties": _titled,
    "minimum": _bound("is below {}, the smallest value allowed"),
    "maximum": _bound("is above {}, the largest value allowed"),
    "minLength": _bound("has fewer characters than the {} that are needed"),
    "maxLength": _bound("has more characters than the {} that are allowed"),
    "minItems": _bound("has fewer entries than the {} that are needed"),
    "maxItems": _bound("has more entries than the {} that are allowed"),
    "uniqueItems": _bound("has the same entry twice"),
}
"""One row per keyword that our schemas assert; a test compares the two."""


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _order(path: Iterable[str | int]) -> tuple[str, ...]:
    return tuple(f"{step:09d}" if isinstance(step, int) else step for step in path)


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
    return f"a {type(value).__name__}"


def _shown(value: Any) -> str:
    match value:
        case str():
            return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")
        case dict():
            names = ", ".join(_shown(name) for name in list(value)[:5])
            return f"an object with {names or 'nothing in it'}"
        case list():
            return f"a list of {len(value)}"
        case int() if not isinstance(value, bool) and abs(value) >= 10**SHOWN:
            return f"a number of more than {SHOWN} digits"  # Python refuses to print the longest
    return json.dumps(value, default=repr)


def _suggestion(name: str, known: Iterable[str]) -> str:
    """How the sentence about an unknown word ends."""
    plain = {_plain(candidate): candidate for candidate in known if _plain(candidate)}
    close = difflib.get_close_matches(_plain(str(name))[:SHOWN], plain, n=1, cutoff=0.8)
    return f"; perhaps {plain[close[0]]!r} is meant." if close else "."


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
