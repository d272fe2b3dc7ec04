"""Amino-acid changes in one spelling: ``V600E``, ``Val600Glu`` and ``NP_004324.2:p.(Val600Glu)`` are the same."""

from __future__ import annotations

import re

_ONE_LETTER = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H",
    "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W",
    "Tyr": "Y", "Val": "V", "Sec": "U", "Pyl": "O", "Ter": "*",
}  # fmt: skip
_RESIDUE = "|".join(_ONE_LETTER)
_PARTS = re.compile(r"(?:([^:\s]+):)?(?:p\.)?(.*)", re.DOTALL)
_ACCESSION = re.compile(r"[NX][MPR]_|ENS[A-Z]*[PT][0-9]|LRG_|[OPQ][0-9][A-Z0-9]{3}[0-9]", re.IGNORECASE)
_CHANGE = re.compile(
    rf"(?:{_RESIDUE}|[A-Z*])\d++(?:_(?:{_RESIDUE}|[A-Z*])\d++)?(?:{_RESIDUE}|[A-Z*=?]|delins|del|ins|dup|fs|ext|-?\d+)+"
)
_THREE = re.compile(_RESIDUE)
_FRAMESHIFT = re.compile(r"([A-Z*]\d+)[A-Z]fs(?:\*(?:\d+|\?))?")
_STOP = re.compile(r"X(?=\d*$)")
"""What older names write for a stop."""


def change(text: str) -> str:
    """Return a change with one-letter residues and without prefix; a text that is no such change as it is, trimmed."""
    _, found = taken_apart(text)
    return found if is_change(found) else text.strip()


def taken_apart(text: str) -> tuple[str, str]:
    """Return what a change is said to be of (a gene or a protein, "" for nothing), and the change."""
    match = _PARTS.fullmatch(text.strip())
    assert match, "whatever is written fits"
    of, bare = match.groups()
    if bare.startswith("(") and bare.endswith(")"):
        bare = bare[1:-1]
    if not _CHANGE.fullmatch(bare):
        return of or "", bare
    return of or "", _STOP.sub("*", _THREE.sub(lambda match: _ONE_LETTER[match[0]], bare))


def shortened(change: str) -> str | None:
    """Return the short form of a frameshift (``I92fs`` of ``I92Nfs*52``), which HGVS allows too; None of all others."""
    match = _FRAMESHIFT.fullmatch(change)
    return f"{match[1]}fs" if match else None


def is_change(bare: str) -> bool:
    """Whether a text without prefix is a change of amino acids."""
    return bool(_CHANGE.fullmatch(bare))


def is_accession(sequence: str) -> bool:
    """Whether a change is said to be of a protein or transcript, by its accession, and not of a gene."""
    return bool(_ACCESSION.match(sequence))
