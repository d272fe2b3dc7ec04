"""Genotypes from the bytes of a VCF line to arrays of carriers, without an object per sample.

Most samples of most records carry nothing. So the first step finds, in one comparison over the whole line, the
samples that are anything but diploid reference, and only those are looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from beacon.model.calls import Calls

Alleles = NDArray[np.int32] | NDArray[np.uint8]
Columns = NDArray[np.uint32]
Mask = NDArray[np.bool_]
Words = NDArray[np.uint32]

MISSING, NONE = -1, -2
"""An allele that was not called; an allele that a haploid call does not have."""

_TAB, _COLON, _SLASH, _PIPE, _DOT, _ZERO, _NINE = b"\t:/|.09"
_CALL = re.compile(rb"[/|]?(\d{1,9}|\.)((?:[/|](?:\d{1,9}|\.))*)")
# What each byte is: the mark between two alleles, the end of a genotype, or an allele's number (99 where it is none).
_FOUR = np.dtype("<u4")
_SHAPE = np.uint32(0xFF00FF00)
_ZEROS = np.uint32(0x00300030)
_UNCALLED = _DOT ^ _ZERO
_FIRST, _SECOND, _HOM = np.uint32(0x000001), np.uint32(0x010000), np.uint32(0x010001)
_MARKS = np.isin(np.arange(256), [_SLASH, _PIPE])
_ENDS = np.isin(np.arange(256), [_TAB, _COLON])
_VALUES = np.full(256, 99, np.int32)
_VALUES[_ZERO : _NINE + 1] = range(10)
_VALUES[_DOT] = MISSING


class GenotypeError(Exception):
    """A genotype that cannot be; ``sample`` is its number from 0, ``text`` what is written there."""

    def __init__(self, sample: int, text: str, message: str) -> None:
        super().__init__(message)
        self.sample, self.text, self.message = sample, text, message


class WrongColumns(Exception):
    """There are more or fewer samples than the header names; the argument is how many there are."""


@dataclass(frozen=True, slots=True)
class Genotypes:
    """The calls of one record that are not plain diploid reference.

    ``columns`` are sample numbers, ascending; ``first`` and ``second`` their alleles, ``MISSING`` where not called;
    ``second`` is ``NONE`` in haploid calls. ``longer`` are calls of ploidy over 2 as (column, alleles). ``plain`` says
    that all are diploid and called.
    """

    columns: Columns
    first: Alleles
    second: Alleles
    plain: bool
    longer: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def calls(self, allele: int) -> Calls:
        """Return who carries one ALT (numbered from 1), as ``Calls`` defines it."""
        columns, first, second = self.columns, self.first, self.second
        one, two = first == allele, second == allele
        if self.plain:
            return Calls(columns[one ^ two], columns[one & two])
        haploid = second == NONE
        groups = {
            "het": columns[(one ^ two) & ~haploid],
            "hom": columns[one & two],
            "hemi": columns[one & haploid],
        }
        missing = columns[(first == MISSING) & (second < 0)]
        half = ((first == MISSING) & (second >= 0)) | ((first >= 0) & (second == MISSING))
        exceptions: list[tuple[int, int, int]] = []
        if half.any():
            copies = one[half] | two[half]
            exceptions = [(c, int(n), 1) for c, n in zip(columns[half].tolist(), copies.tolist(), strict=True)]
        if self.longer:
            missing = self._add_longer(allele, groups, exceptions, missing)
        return Calls(
            groups["het"],
            groups["hom"],
            groups["hemi"],
            missing=missing,
            haploid=columns[haploid & (first >= 0)],
            exceptions=tuple(sorted(exceptions)),
        )

    def _add_longer(
        self, allele: int, groups: dict[str, Columns], exceptions: list[tuple[int, int, int]], missing: Columns
    ) -> Columns:
        """Sort calls of ploidy over 2 into the groups; return the columns with nothing called."""
        added: dict[str, list[int]] = {"het": [], "hom": [], "missing": []}
        for column, alleles in self.longer:
            copies, called = alleles.count(allele), len(alleles) - alleles.count(MISSING)
            if called == 0:
                added["missing"].append(column)
                continue
            group = "hom" if copies == len(alleles) else "het"
            if copies:
                added[group].append(column)
            usual = (2 if group == "hom" else 1) if copies else 0
            if (copies, called) != (usual, 2):
                exceptions.append((column, copies, called))
        for name in ("het", "hom"):
            groups[name] = _join(groups[name], added[name])
        return _join(missing, added["missing"])


def _shapes(ends: str) -> frozenset[int]:
    """Return what genotypes of three bytes, and one that ends them, are as words, without the two alleles."""
    return frozenset(int.from_bytes(f"\0{mark}\0{end}".encode(), "little") for mark in "|/" for end in ends)


_BARE, _USUAL = _shapes("\t"), _shapes("\t:")
_ALL_REFERENCE = Genotypes(np.empty(0, np.uint32), np.empty(0, np.int32), np.empty(0, np.int32), plain=True)


def _join(columns: Columns, more: list[int]) -> Columns:
    return np.union1d(columns, np.array(more, np.uint32)) if more else columns


def decode(cells: bytes, samples: int, index: int, alts: int) -> Genotypes:
    """Decode the sample columns of one record, which are all bytes after FORMAT and its tab.

    ``index`` is the place of GT among FORMAT's keys, ``alts`` the number of ALT alleles. Trailing fields may be left
    out. Raises ``GenotypeError`` and ``WrongColumns``.
    """
    if index == 0 and len(cells) == 4 * samples - 1:
        even = _diploid(np.frombuffer(cells + b"\t", _FOUR), _BARE, alts)
        if even is not None:
            return even
    found = _any(cells, samples, index, alts)
    if len(found.columns) and max(found.first.max(), found.second.max()) > alts:
        worst = int(np.flatnonzero((found.first > alts) | (found.second > alts))[0])
        _refuse(cells, int(found.columns[worst]), index, alts)
    for column, alleles in found.longer:
        if max(alleles) > alts:
            _refuse(cells, column, index, alts)
    return found


def usual_calls(cells: Sequence[bytes], samples: int) -> list[Calls | None]:
    """Return the calls of the only ALT of each record, where all its samples are diploid and called; else None.

    All have GT first. Whatever None stands for, ``decode`` tells; most records of most files are usual, and many
    together cost a fraction of what each costs alone.
    """
    bare = all(len(one) == 4 * samples - 1 for one in cells)
    words = np.zeros((len(cells), samples), _FOUR)
    for row, one in enumerate(cells):
        if bare:
            words[row] = np.frombuffer(one + b"\t", _FOUR)
        elif len(tabs := (np.frombuffer(one, np.uint8) == _TAB).nonzero()[0]) == samples - 1:
            words[row, 0], words[row, 1:] = (found := _words(one + b"\t\t\t\t"))[0], found[1:][tabs]
    return _usual(words, _BARE if bare else _USUAL)


def _usual(table: Words, shapes: frozenset[int]) -> list[Calls | None]:
    """Return the calls of each row of genotypes as words."""
    rows, samples = table.shape
    words = table.ravel()
    reference = np.uint32(int(words[0]) & _SHAPE) | _ZEROS
    others = (words != reference).nonzero()[0]
    differing = words[others] ^ reference
    alleles = differing & ~_SHAPE
    hom = alleles == _HOM
    het = (alleles == _FIRST) | (alleles == _SECOND)
    wrong = ~(hom | het | (alleles == 0))
    if int(reference ^ _ZEROS) not in shapes:
        return [None] * rows
    if np.bitwise_or.reduce(differing) & _SHAPE:
        wrong |= ~np.isin(words[others] & _SHAPE, list(shapes))
    unusual = set((others[wrong] // samples).tolist()) if wrong.any() else ()
    edges = np.arange(rows + 1) * samples
    groups = []
    for group in (others[het], others[hom]):
        columns = (group % samples).astype(np.uint32)
        at = np.searchsorted(group, edges).tolist()
        groups.append([columns[begin:stop] for begin, stop in pairwise(at)])
    return [None if row in unusual else Calls(*pair) for row, pair in enumerate(zip(*groups, strict=True))]


def _words(data: bytes) -> Words:
    """Return every four bytes as one word, wherever they begin."""
    return np.ndarray(len(data) - 3, _FOUR, data, strides=(1,))


def count_columns(cells: bytes, samples: int) -> None:
    """Check the number of sample columns where there are no genotypes to decode. Raises ``WrongColumns``."""
    if (columns := cells.count(b"\t") + 1) != samples:
        raise WrongColumns(columns)


def _refuse(cells: bytes, sample: int, index: int, alts: int) -> None:
    text = _text(cells, sample, index)
    raise GenotypeError(sample, text, f"The genotype {text} names an allele that is not there; ALT has {alts}.")


def _text(cells: bytes, sample: int, index: int) -> str:
    return cells.split(b"\t")[sample].split(b":")[index].decode(errors="replace")


def _diploid(words: Words, shapes: frozenset[int], alts: int) -> Genotypes | None:
    """Decode genotypes of four bytes each, the last of which ends them; None where any is of another kind, or wrong.

    Most are what the reference would be in the shape of the first; of the others, what differs from it is looked at.
    """
    shape = int(words[0] & _SHAPE)
    if shape not in shapes:
        return None
    reference = np.uint32(shape) | _ZEROS
    others = (words != reference).nonzero()[0]
    if not len(others):
        return _ALL_REFERENCE
    picked = words[others]
    differing = picked ^ reference  # digits become their numbers
    if np.bitwise_or.reduce(differing) & _SHAPE:
        if not shapes.issuperset(np.unique(picked & _SHAPE).tolist()):
            return None
        differing &= ~_SHAPE
    four = differing.view(np.uint8)
    first, second = four[0::4], four[2::4]
    if four.max() <= min(alts, 9):
        return Genotypes(others.astype(np.uint32), first, second, plain=True)
    numbers = np.where(four == _UNCALLED, MISSING, four.astype(np.int32))
    if numbers.max() > min(alts, 9):
        return None
    return Genotypes(others.astype(np.uint32), numbers[0::4], numbers[2::4], plain=False)


def _any(cells: bytes, samples: int, index: int, alts: int) -> Genotypes:
    """Decode cells of any shape: the usual ones as arrays, the few others one by one."""
    padded = cells + b"\t\t\t\t"
    data = np.frombuffer(padded, np.uint8)
    tabs = (data[: len(cells)] == _TAB).nonzero()[0]
    if len(tabs) != samples - 1:
        raise WrongColumns(len(tabs) + 1)
    starts = np.zeros(samples, np.int64)
    np.add(tabs, 1, out=starts[1:])
    left_out = np.zeros(samples, np.bool_)
    if index:
        starts, left_out = _field_starts(data, starts, np.append(tabs, len(cells)), index)
    words = _words(padded)[starts]
    found = _diploid(words, _USUAL, alts)
    if found is not None:
        return found
    one, two, three, four = words.view(np.uint8).reshape(-1, 4).T
    first, second = _VALUES[one], _VALUES[three]
    begun = first < 99
    diploid = begun & _MARKS[two] & (second < 99) & _ENDS[four]
    haploid = begun & _ENDS[two]
    second[~diploid] = NONE
    reference = (first == 0) & (second == 0)
    first[left_out] = MISSING
    longer = []
    for sample in np.flatnonzero(~(diploid | haploid | left_out)).tolist():
        alleles = _parse(cells, int(starts[sample]), sample)
        if len(alleles) > 2:
            longer.append((sample, alleles))
            reference[sample] = True  # it is kept in ``longer`` instead
        else:
            first[sample], second[sample] = alleles if len(alleles) == 2 else (alleles[0], NONE)
    others = np.flatnonzero(~reference)
    first, second = first[others], second[others]
    plain = not longer and bool(((first >= 0) & (second >= 0)).all())
    return Genotypes(others.astype(np.uint32), first, second, plain, tuple(longer))


def _field_starts(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], index: int
) -> tuple[NDArray[np.int64], Mask]:
    """Return where GT begins in each cell, and which cells end before it; those point at their end."""
    beyond = len(data)
    colons = np.append(np.flatnonzero(data == _COLON), beyond)
    found = colons[np.minimum(np.searchsorted(colons, starts) + index - 1, len(colons) - 1)] + 1
    left_out = found > ends
    return np.where(left_out, ends, found), left_out


def _parse(cells: bytes, start: int, sample: int) -> tuple[int, ...]:
    end = start
    while end < len(cells) and cells[end] not in b"\t:":
        end += 1
    text = cells[start:end]
    match = _CALL.fullmatch(text)
    if not match:
        shown = text.decode(errors="replace")
        raise GenotypeError(sample, shown, f"{shown!r} is no genotype.")
    return tuple(MISSING if part == b"." else int(part) for part in re.split(rb"[/|]", text.lstrip(b"/|")))


def unite(one: Calls, other: Calls, samples: int) -> Calls:
    """Return the union of two sets of calls of one allele: whoever carries it in either carries it.

    Of a sample's two calls the one with more copies counts, then the one with more alleles called.
    """
    (copies, called, group), (copies2, called2, group2) = _table(one, samples), _table(other, samples)
    second = (copies2 > copies) | ((copies2 == copies) & (called2 > called))
    copies, called = np.where(second, copies2, copies), np.where(second, called2, called)
    group = np.where(second, group2, group)
    haploid = np.where(second, _mask(other.haploid, samples), _mask(one.haploid, samples))
    usual_copies = np.array([0, 1, 2, 1, 1])[group]
    odd = (called > 0) & ((copies != usual_copies) | (called != np.where(haploid, 1, 2)))
    het, hom, hemi, unstated = (np.flatnonzero(group == number).astype(np.uint32) for number in range(1, 5))
    return Calls(
        het,
        hom,
        hemi,
        unstated,
        missing=np.flatnonzero(called == 0).astype(np.uint32),
        haploid=np.flatnonzero(haploid).astype(np.uint32),
        exceptions=tuple((int(c), int(copies[c]), int(called[c])) for c in np.flatnonzero(odd)),
    )


def _mask(columns: Columns, samples: int) -> Mask:
    mask = np.zeros(samples, np.bool_)
    mask[columns] = True
    return mask


def _table(calls: Calls, samples: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (copies, alleles called, group) of every sample; group 0 carries nothing, then as in ``GROUPS``."""
    copies, group = np.zeros(samples, np.int64), np.zeros(samples, np.int64)
    called = np.full(samples, 2)
    called[calls.haploid] = 1
    called[calls.missing] = 0
    for number, (columns, usual) in enumerate(
        ((calls.het, 1), (calls.hom, 2), (calls.hemi, 1), (calls.other, 1)), start=1
    ):
        copies[columns], group[columns] = usual, number
    for column, some, all_called in calls.exceptions:
        copies[column], called[column] = some, all_called
    return copies, called, group
