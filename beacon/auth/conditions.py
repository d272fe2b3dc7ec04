"""Conditions of a visa: it holds only beside other visas that match (GA4GH Passport 1.2, ``conditions``).

A list of alternatives, each a list of clauses that must all be met. A clause names the type of another visa and at
least one more member, written ``const:``, ``pattern:`` or ``split_pattern:`` and a text. In patterns ``?`` stands for
one character and ``*`` for any number of them. What cannot be read is not met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from beacon.model.access import Visa

MAX_CLAUSES: Final = 50
MAX_PATTERN: Final = 512
_MEMBERS: Final = frozenset({"type", "value", "source", "by"})


def needed(conditions: object, visas: Sequence[Visa]) -> tuple[Visa, ...] | None:
    """Return the visas that the best alternative rests on, () without conditions; None where none is met.

    ``visas`` are verified and have no conditions of their own. The best alternative is the one that holds longest.
    """
    if conditions is None or conditions == []:
        return ()
    if not isinstance(conditions, list) or not all(isinstance(one, list) and one for one in conditions):
        return None
    if sum(len(one) for one in conditions) > MAX_CLAUSES:
        return None
    met = [chosen for one in conditions if (chosen := _all(one, visas)) is not None]
    return max(met, key=lambda chosen: min(visa.expires for visa in chosen), default=None)


def _all(clauses: list[Any], visas: Sequence[Visa]) -> tuple[Visa, ...] | None:
    chosen = []
    for clause in clauses:
        fitting = [visa for visa in visas if _meets(clause, visa)]
        if not fitting:
            return None
        chosen.append(max(fitting, key=lambda visa: visa.expires))
    return tuple(chosen)


def _meets(clause: object, visa: Visa) -> bool:
    if not isinstance(clause, Mapping) or not isinstance(clause.get("type"), str) or len(clause) < 2:
        return False
    if not clause.keys() <= _MEMBERS or clause["type"] != visa.type:
        return False
    held = {"value": visa.value, "source": visa.source, "by": visa.by}
    return all(_matches(wanted, held[name]) for name, wanted in clause.items() if name != "type")


def _matches(wanted: object, text: str | None) -> bool:
    if not isinstance(wanted, str) or len(wanted) > MAX_PATTERN or text is None:
        return False
    kind, colon, rest = wanted.partition(":")
    if not colon:
        return False
    match kind:
        case "const":
            return rest == text
        case "pattern":
            return like(rest, text)
        case "split_pattern":
            return any(like(rest, part) for part in text.split(";"))
    return False


def like(pattern: str, text: str) -> bool:
    """Say whether the whole text matches; time grows at most with the product of both lengths, whatever they hold.

    The last ``*`` alone is tried again further on, since what earlier ones matched need not change.
    """
    at = inside = 0
    star = -1
    resume = 0
    while at < len(text):
        if inside < len(pattern) and pattern[inside] == "*":
            star, resume = inside, at
            inside += 1
        elif inside < len(pattern) and pattern[inside] in ("?", text[at]):
            inside += 1
            at += 1
        elif star >= 0:
            resume += 1
            at, inside = resume, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[inside:])
