"""Who carries an allele: genotype calls over a segment's columns.

A column is one sample of one person in one load. The four carrier groups are disjoint; whoever is in none
of them, nor ``missing``, was called without the allele.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.uint32]

_NOBODY: Columns = np.empty(0, np.uint32)


class Calls(NamedTuple):
    """The calls of one allele, as sorted arrays of column numbers.

    ``het``: at least one copy and at least one other or missing allele, ploidy 2 or more. ``hom``: all
    called alleles are this one, ploidy 2 or more. ``hemi``: a haploid call of this allele. ``other``:
    carriers whose zygosity is not stated. ``missing``: nothing called at all. ``haploid``: columns whose
    call has ploidy 1, carriers or not. ``exceptions``: (column, copies, alleles called) wherever these are not
    the usual 2 called (1 if haploid), with 1 copy for het, 2 for hom, 1 for hemi: half-calls and ploidy over 2.
    ``counted`` is False where AC and AN mean nothing (cases from phenopackets).
    """

    het: Columns = _NOBODY
    hom: Columns = _NOBODY
    hemi: Columns = _NOBODY
    other: Columns = _NOBODY
    missing: Columns = _NOBODY
    haploid: Columns = _NOBODY
    exceptions: tuple[tuple[int, int, int], ...] = ()
    counted: bool = True

    @property
    def sizes(self) -> tuple[int, int, int, int, int, int]:
        """How many columns are in each of the carrier groups, missing and haploid."""
        return len(self.het), len(self.hom), len(self.hemi), len(self.other), len(self.missing), len(self.haploid)


GROUPS = ("het", "hom", "hemi", "other")
GROUP_OF_ZYGOSITY = {"GENO:0000135": "het", "GENO:0000136": "hom", "GENO:0000134": "hemi"}
NARROWER_ZYGOSITIES = {
    "GENO:0000402": ("het", "compound heterozygous"), "GENO:0000458": ("het", "simple heterozygous"),
    "GENO:0000604": ("hemi", "hemizygous X-linked"), "GENO:0000605": ("hemi", "hemizygous Y-linked"),
    "GENO:0000606": ("hemi", "hemizygous insertion-linked"),
}  # fmt: skip
"""Group and label of zygosities that say more than their group, so that they are told of the carrier as well."""


def group_of(zygosity: str) -> str | None:
    """Return the group of carriers that a zygosity, by its id, means; None where it means none of them."""
    group, _ = NARROWER_ZYGOSITIES.get(zygosity, (None, ""))
    return group or GROUP_OF_ZYGOSITY.get(zygosity)
