"""Records on their way from one process to another: all columns of carriers as one array, the rest as plain tuples.

So a record takes a fraction of the time that its objects would take to be packed, and unpacked where there is least
time to spare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from beacon.model.calls import Calls, Columns
from beacon.model.variant import Allele
from beacon.store.heads import Spelled
from loaders.report import Problem
from loaders.vcf_records import Outcome, Record, Site

_NOBODY: Columns = np.empty(0, np.uint32)


class Piece(NamedTuple):
    """What consecutive lines are: problems, and records as tuples; ``columns`` are those of all calls, as bytes."""

    outcomes: list[Problem | tuple[Any, ...]]
    columns: bytes


def pack(outcomes: Iterable[Outcome]) -> Piece:
    """Pack what some lines are."""
    packed: list[Problem | tuple[Any, ...]] = []
    arrays: list[Columns] = [np.empty(0, np.uint32)]
    for one in outcomes:
        if isinstance(one, Problem):
            packed.append(one)
            continue
        sites = []
        for site in one.sites:
            told = None
            if (calls := site.calls) is not None:
                sizes = calls.sizes
                told = sizes, calls.exceptions
                arrays += compress(calls[:6], sizes)
            sites.append((tuple(site.allele), told, tuple(site.spelled)))
        packed.append((one.contig, one.chrom, one.pos, sites, one.doubts))
    return Piece(packed, np.concatenate(arrays).tobytes())


def unpack(piece: Piece, first: int) -> Iterator[Outcome]:
    """Yield what the lines are, with their numbers in the file, of which that of the first is given."""
    columns = np.frombuffer(piece.columns, np.uint32)
    at = 0
    for line, packed in enumerate(piece.outcomes, first):
        if isinstance(packed, Problem):
            yield replace(packed, line=line)
            continue
        contig, chrom, pos, rows, doubts = packed
        sites = []
        for fields, told, written in rows:
            calls = None
            if told is not None:
                sizes, exceptions = told
                groups: list[Columns] = []
                for size in sizes:
                    groups.append(columns[at : at + size] if size else _NOBODY)
                    at += size
                het, hom, hemi, other, missing, haploid = groups
                calls = Calls(het, hom, hemi, other, missing, haploid, exceptions)
            sites.append(Site(line, Allele._make(fields), Spelled._make(written), calls))
        yield Record(line, contig, chrom, pos, tuple(sites), _at(line, doubts))


def renumbered(outcomes: Iterable[Outcome], by: int) -> Iterator[Outcome]:
    """Yield what lines are whose numbers are so much greater."""
    for one in outcomes:
        if isinstance(one, Problem):
            yield replace(one, line=(one.line or 0) + by)
            continue
        line = one.line + by
        sites = tuple(site._replace(line=line) for site in one.sites)
        yield one._replace(line=line, sites=sites, doubts=_at(line, one.doubts))


def _at(line: int, doubts: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(replace(doubt, line=line) for doubt in doubts) if doubts else doubts
