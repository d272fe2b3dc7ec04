"""Amino-acid changes in one spelling: ``V600E``, ``Val600Glu`` and ``NP_004324.2:p.(Val600Glu)`` are the same."""

from __future__ import annotations

import re

_ONE_LETTER = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H",
    "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W",
    "Tyr": "Y", "Val": "V", "Sec": "U", "Pyl": "O", "Ter": "*",
}  # fmt: skip
_RESIDUE = "|".join(_ONE_LETTER)
_PREFIX = re.compile(r"(?:[^:\s]+:)?(?:p\.)?")
_CHANGE = re.compile(
    rf"(?:{_RESIDUE}|[A-Z*])\d+(?:_(?:{_RESIDUE}|[A-Z*])\d+)?(?:{_RESIDUE}|[A-Z*=?]|delins|del|ins|dup|fs|ext|-?\d+)*"
)
_THREE = re.compile(_RESIDUE)
_STOP = re.compile(r"X(?=\d*$)")
"""What older names write for a stop."""


def change(text: str) -> str:
    """Return a change with one-letter residues and without prefix; a text that is no such change as it is, trimmed."""
    written = text.strip()
    bare = written[_prefix_length(written) :]
    if bare.startswith("(") and bare.endswith(")"):
        bare = bare[1:-1]
    if not _CHANGE.fullmatch(bare):
        return written
    return _STOP.sub("*", _THREE.sub(lambda match: _ONE_LETTER[match[0]], bare))


def _prefix_length(text: str) -> int:
    match = _PREFIX.match(text)
    return match.end() if match else 0
