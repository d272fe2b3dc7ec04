"""Nucleotide codes, with the IUPAC codes that stand for several bases."""

from __future__ import annotations

import re

_STANDS_FOR = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AGR", "Y": "CTY", "S": "CGS", "W": "ATW", "K": "GTK",
    "M": "ACM", "B": "CGTB", "D": "AGTD", "H": "ACTH", "V": "ACGV", "N": "ACGTURYSWKMBDHVN",
}  # fmt: skip
_WILDCARDS = frozenset("RYSWKMBDHVN")


def ambiguous(bases: str) -> bool:
    """Whether some code in upper-case ``bases`` stands for several bases."""
    return not _WILDCARDS.isdisjoint(bases)


def may_agree(one: str, other: str) -> bool:
    """Whether two codes can stand for the same base."""
    return not set(_STANDS_FOR.get(one, one)).isdisjoint(_STANDS_FOR.get(other, other))


def pattern(bases: str) -> re.Pattern[str]:
    """Return a pattern that matches every sequence that ``bases`` can stand for, and nothing else."""
    return re.compile("^" + "".join(f"[{_STANDS_FOR.get(base, re.escape(base))}]" for base in bases) + r"$")
