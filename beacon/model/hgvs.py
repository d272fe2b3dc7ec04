"""Genomic HGVS names: the six simple changes of a ``g.`` (or mitochondrial ``m.``) sequence, read and written.

Positions in the text count from 1 and include both ends. What HGVS has beyond that (uncertain positions, repeats
with counts, alleles in brackets, coding and protein names) is refused by name, never guessed at.
"""

from __future__ import annotations

import re

from beacon.model.edit import Become, Edit, Normal, reverse_complement

_NAME = re.compile(r"([^:\s]+):([a-z])\.(\S*)")
_PLACE = r"(?P<first>[1-9][0-9]{0,9})(?:_(?P<last>[1-9][0-9]{0,9}))?"
_SUBSTITUTION = re.compile(r"(?P<first>[1-9][0-9]{0,9})(?P<ref>[ACGT])>(?P<alt>[ACGT])")
_INSERTION = re.compile(rf"{_PLACE}ins(?P<alt>[ACGT]+)")
_OTHER = re.compile(rf"{_PLACE}(?P<kind>delins|del|dup|inv)(?P<bases>[ACGT]*)(?:ins(?P<alt>[ACGT]+))?")


class NotRead(ValueError):
    """A name that is no HGVS; the text says what is wrong with it."""


class NotTaken(ValueError):
    """A name that HGVS has but that is not taken here; the text says why."""


def is_hgvs(text: str) -> bool:
    """Whether a text looks like an HGVS name at all: ``sequence:letter.change``."""
    return bool(_NAME.fullmatch(text))


def read(text: str) -> tuple[str, Edit]:
    """Return the name of the sequence and the change. Raises ``NotRead`` or ``NotTaken``."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise NotRead("an HGVS name is a sequence, ':g.' and a change, such as NC_000007.14:g.140753336A>T")
    sequence, kind, change = match.groups()
    if kind in "cnr":
        raise NotTaken(f"'{kind}.' counts along a transcript, whose place this site does not know; give the 'g.' name")
    if kind == "p":
        raise NotTaken("'p.' is a change of a protein; ask for it by aminoacidChange")
    if kind not in "gm":
        raise NotRead(f"'{kind}.' is no kind of sequence; genomic names have 'g.', mitochondrial ones 'm.'")
    return sequence, _change(change)


def _change(text: str) -> Edit:
    if match := _SUBSTITUTION.fullmatch(text):
        first = int(match["first"])
        if match["ref"] == match["alt"]:
            raise NotRead(f"{text} changes nothing")
        return Edit(first - 1, first, match["ref"], match["alt"])
    if match := _INSERTION.fullmatch(text):
        first, last = int(match["first"]), int(match["last"] or 0)
        if last != first + 1:
            raise NotRead(f"{text} does not name two neighbouring bases to insert between, such as 100_101ins")
        return Edit(first, first, "", match["alt"])
    if match := _OTHER.fullmatch(text):
        return _other(text, match)
    if any(mark in text for mark in "?()"):
        raise NotTaken("uncertain positions name no single allele; ask for a bracket of start and end")
    if "[" in text:
        raise NotTaken("repeats with counts and several alleles in brackets are not taken; give one plain change")
    if "=" in text:
        raise NotTaken("'=' means that nothing is changed, and only changes are on record")
    if ">" in text:
        raise NotRead(f"{text} is no substitution of one base by another; longer ones are written with delins")
    raise NotRead(f"{text!r} is no change of A, C, G and T by >, del, dup, ins, delins or inv")


def _other(text: str, match: re.Match[str]) -> Edit:
    kind, bases, first = match["kind"], match["bases"], int(match["first"])
    last = int(match["last"] or first)
    if match["last"] and last <= first:
        raise NotRead(f"in {text} the second position is not after the first")
    alt: str | Become = match["alt"] or ""
    if alt and kind != "del":
        raise NotRead(f"{text} has 'ins' where none can be")
    if kind == "delins":
        if not bases:
            raise NotRead(f"{text} does not say which bases are inserted")
        bases, alt = "", bases
    elif kind == "inv":
        if bases or last == first:
            raise NotRead(f"{text} is no inversion: it names two positions, and no bases")
        alt = Become.INVERTED
    elif kind == "dup":
        alt = Become.TWICE
    if bases and len(bases) != last - first + 1:
        raise NotRead(f"{text} names {last - first + 1} positions but {len(bases)} bases")
    if bases and bases == alt:
        raise NotRead(f"{text} changes nothing")
    return Edit(first - 1, last, bases or None, alt)


def write(accession: str, allele: Normal, *, mitochondrial: bool = False) -> str | None:
    """Return the HGVS name of an allele that is known to be movable so far and no further.

    None for an insertion before the first base, which HGVS cannot name.
    """
    start, ref, alt = allele.rightmost
    if not ref and not allele.duplicates and start == 0:
        return None
    if ref and alt:
        if len(ref) == len(alt) == 1:
            change = f"{start + 1}{ref}>{alt}"
        elif alt == reverse_complement(ref):
            change = f"{_span(start, len(ref))}inv"
        else:
            change = f"{_span(start, len(ref))}delins{alt}"
    elif ref:
        change = f"{_span(start, len(ref))}del"
    elif allele.duplicates:
        change = f"{_span(start - len(alt), len(alt))}dup"
    else:
        change = f"{start}_{start + 1}ins{alt}"
    return f"{accession}:{'m' if mitochondrial else 'g'}.{change}"


def _span(start: int, size: int) -> str:
    return f"{start + 1}" if size == 1 else f"{start + 1}_{start + size}"
