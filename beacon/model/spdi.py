"""SPDI, NCBI's notation: ``sequence:position:deleted:inserted``, the position 0-based (Holmes et al. 2020)."""

from __future__ import annotations

import re

from beacon.model.edit import Edit, Normal

_SPDI = re.compile(r"([^:\s]+):([0-9]{1,10}):([ACGT]*|0|[1-9][0-9]{0,9}):([ACGT]*)")


def is_spdi(text: str) -> bool:
    """Whether a text is written as an SPDI, of whatever sequence."""
    return bool(_SPDI.fullmatch(text))


def read(text: str) -> tuple[str, Edit]:
    """Return the name of the sequence and the change. Raises ``ValueError`` with what is wrong."""
    match = _SPDI.fullmatch(text)
    if match is None:
        raise ValueError(
            "an SPDI is a sequence, a position counted from 0, the bases deleted (or how many) and the bases inserted, "
            "such as NC_000007.14:140753335:A:T"
        )
    sequence, position, deleted, inserted = match.groups()
    start = int(position)
    if deleted.isdigit():
        edit = Edit(start, start + int(deleted), "" if deleted == "0" else None, inserted)
    else:
        edit = Edit(start, start + len(deleted), deleted, inserted)
    if edit.ref == inserted:
        raise ValueError("the bases deleted and inserted are the same")
    return sequence, edit


def write(accession: str, allele: Normal) -> str:
    """Return the canonical SPDI of an allele: one that covers the whole stretch in which it can be moved."""
    start, ref, alt = allele.justified
    return f"{accession}:{start}:{ref}:{alt}"
