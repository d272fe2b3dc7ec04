"""How numbers of things, and texts of unknown origin, are written for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from unicodedata import category

_PLURALS: Final[Mapping[str, str]] = {"analysis": "analyses", "entry": "entries", "person": "people"}
_NAMES: Final[Mapping[str, str]] = {"genomicVariant": "genomic variant"}
"""What entry types are called that have no word for a name."""
_QUALIFIER: Final = re.compile(r" (?:in|left|of|that|written) ")
"""Where what is said of a noun begins, which has no plural: ``record of the reference alone``."""
_UNSEEN: Final = ("C", "Zl", "Zp")
"""How the categories of characters begin that show nothing, and may control a terminal or end a line."""


def visible(text: str) -> str:
    """Return a text of one line for a terminal: what shows nothing there becomes an escape such as ``\\x1b``."""
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    unseen = category(character).startswith(_UNSEEN)
    return character.encode("unicode_escape").decode() if unseen else character


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 sample``, ``1,200 samples``."""
    return f"{number:,} {plural(noun, number)}"


def plural(noun: str, number: int) -> str:
    """Return a noun (in the singular, or the name of an entry type) in the form that goes with the number."""
    noun = _NAMES.get(noun, noun)
    if number == 1:
        return noun
    begin = found.start() if (found := _QUALIFIER.search(noun)) else len(noun)
    before, space, last = noun[:begin].rpartition(" ")
    return f"{before}{space}{_PLURALS.get(last, f'{last}s')}{noun[begin:]}"
