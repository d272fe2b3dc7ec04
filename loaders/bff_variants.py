"""From one entry of ``genomicVariations`` to an allele, what is known of it, and who carries it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beacon.model import genome, variant
from beacon.model.calls import GROUP_OF_ZYGOSITY, GROUPS, NARROWER_ZYGOSITIES, Calls, group_of
from beacon.model.variant import Allele
from beacon.store.base import Came
from loaders.elements import Json

_HGVS = re.compile(r"(?:HGVSid:)?(?P<sequence>[^:]+):[gm]\..*")
_BASES = re.compile(r"[ACGTUNRYSWKMBDHVacgtunryswkmbdhv]+")
_NOTHING = ("", "-", ".", "N")
_WORDS = ("DEL", "DUP", "INV", "INS", "BND", "TRA", "CNV")
"""What a variant is called of which not all bases are written, the most telling word first: a loss is no gain."""
_DIGITS = re.compile(r"GENO[:_]GENO[_:]")
_RUN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
Columns = NDArray[np.uint32]
EXTENSION = "skerry"
"""The member of ``info`` in which travels what Beacon's model cannot say."""


class Unusable(Exception):
    """A variant that cannot be loaded: where in the record, why, and what to do."""

    def __init__(self, pointer: str, rule: str, message: str, hint: str | None = None, value: Any = None) -> None:
        super().__init__(message)
        self.pointer, self.rule, self.message, self.hint, self.value = pointer, rule, message, hint, value


@dataclass(frozen=True, slots=True)
class Carried:
    """One allele with all that one entry says of it; ``details`` are (column, what its case-level entry says)."""

    allele: Allele
    body: Json
    calls: Calls | None
    details: tuple[tuple[int, Json], ...]
    came: Came


def extension(record: Mapping[str, Any]) -> Json:
    """Return ``info.skerry`` of a record, empty where it has none."""
    info = record.get("info")
    found = info.get(EXTENSION) if isinstance(info, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def without_extension(record: Mapping[str, Any]) -> Json:
    """Return a record without its ``info.skerry``."""
    rest = dict(record)
    info = rest.get("info")
    if isinstance(info, Mapping) and EXTENSION in info:
        rest["info"] = {name: value for name, value in info.items() if name != EXTENSION}
        if not rest["info"]:
            del rest["info"]
    return rest


def allele(record: Mapping[str, Any], stated: str | None) -> Allele | None:
    """Return the allele of an entry; ``stated`` is the assembly that the curator names. Raises ``Unusable``.

    The assembly is what an accession or ``position`` in the entry tells; where nothing tells, the stated one. None is
    what an export has as a variant, and is none any more.
    """
    if isinstance(kept := extension(record).get("allele"), Mapping):
        return _kept(kept)
    made = _written(record, stated)
    length = genome.ASSEMBLIES[made.assembly].lengths.get(made.chrom)
    if length is not None and made.end > length:
        message = f"Chromosome {made.chrom} of {made.assembly} ends at {length}, before this variant does."
        place = "/variation/location/interval"
        raise Unusable(place, "vcf-beyond-end", message, "Is it the right assembly?", made.end)
    return made


def _written(record: Mapping[str, Any], stated: str | None) -> Allele:
    """Return the allele that ``variation`` says. Raises ``Unusable``."""
    said = record.get("variation")
    if not isinstance(said, Mapping):
        raise Unusable("/variation", "bff-variation", "The variant has no variation, so nobody knows which one it is.")
    location = said.get("location")
    location = location if isinstance(location, Mapping) else {}
    assembly, chrom = _sequence(record, location, stated)
    start, end = _interval(location)
    ref, alt = said.get("referenceBases") or "", said.get("alternateBases") or ""
    if not isinstance(ref, str) or not isinstance(alt, str):
        raise Unusable("/variation", "bff-variation", "The bases of a variation are texts.")
    kind = str(said.get("variantType") or "").upper()
    if _BASES.fullmatch(ref) and _BASES.fullmatch(alt):
        if variant.in_dna(ref) == variant.in_dna(alt) and ref.upper() != "N":
            raise Unusable(
                "/variation", "bff-variation", "The alternate bases are the same as the reference's.", value=alt
            )
        if ref.upper() != "N" or alt.upper() != "N":
            return variant.from_vcf(assembly, chrom, start + 1, ref, alt)
    if variant.is_unspecified(alt):
        message = f"{alt!r} stands for whatever else there might be, and is no variant."
        raise Unusable("/variation/alternateBases", "bff-variation", message, "Leave such a record out.", alt)
    if alt and alt not in _NOTHING and not _BASES.fullmatch(alt):
        if not re.fullmatch(r"\*|<[^<>\s,]+>|[^\s,]*[\[\]][^\s,]*", alt):
            raise Unusable("/variation/alternateBases", "bff-variation", f"{alt!r} is no allele.", value=alt)
        reach, length = variant.extent(start + 1, alt, end, None)
        return variant.from_vcf(assembly, chrom, start + 1, _first(ref), alt, end=reach, length=length)
    return _in_words(assembly, chrom, start, end, ref, alt, kind)


def _in_words(assembly: str, chrom: str, start: int, end: int, ref: str, alt: str, kind: str) -> Allele:
    """Return an allele that is not written as in VCF: by its bases where these say all, else by type and extent."""
    types = variant.structural_types(kind) if kind.startswith(("SO:", "EFO:")) else variant.symbolic_types(f"<{kind}>")
    word = next((one for one in _WORDS if one in types), None)
    # What is called a loss or a gain, or a mobile element, is more than the bases that are written.
    plain = word is None or (word in ("DEL", "INS") and (kind == word or types == (kind, word)))
    if plain and (found := _anchored(start, end, ref, alt)):
        return variant.from_vcf(assembly, chrom, *found)
    if word is None and (ref in _NOTHING) != (alt in _NOTHING):
        word = "INS" if ref in _NOTHING else "DEL"
        types = (word,)
    if word is None:
        message = f"The variant has neither bases nor a type that says what it is ({kind or 'none'})."
        hint = "Give referenceBases and alternateBases, or a variantType such as DEL, DUP, INV, INS or CNV."
        raise Unusable("/variation", "bff-variation", message, hint)
    inserted = variant.in_dna(alt) if word == "INS" and alt not in _NOTHING else ""
    length = len(inserted) or end - start
    made = variant.from_vcf(assembly, chrom, start + 1, _first(ref), f"<{word}>", end=end, length=length)
    # Nobody knows where within the interval the bases stand, but other bases are another allele.
    named = f"<{word}:{inserted}>" if inserted else made.alt
    return made._replace(types=tuple(dict.fromkeys((*types, *made.types))), alt=named)


def _anchored(start: int, end: int, ref: str, alt: str) -> tuple[int, str, str] | None:
    """Return position, REF and ALT, as in VCF, of an insertion or deletion all of whose bases are written, else None.

    The base beside them, which VCF wants, is not told: N stands for it, and alleles are found without it.
    """
    gone, come = ("" if bases == "-" else bases.upper() for bases in (ref, alt))
    bases = gone or come
    if bool(gone) == bool(come) or len(gone) != end - start or not _BASES.fullmatch(bases) or bases[-1] == "N":
        return None
    return (start, f"N{gone}", f"N{come}") if start else (1, f"{gone}N", f"{come}N")


def _first(ref: str) -> str:
    return ref[0] if _BASES.fullmatch(ref) else "N"


def _kept(kept: Mapping[str, Any]) -> Allele | None:
    try:
        found = Allele(
            str(kept["assembly"]), str(kept["chrom"]), int(kept["start"]), int(kept["end"]), str(kept["ref"]),
            str(kept["alt"]), tuple(map(str, kept["types"])),
            None if kept.get("length") is None else int(kept["length"]),
            str(kept.get("label", "")), str(kept.get("mate", "")),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        message = f"info.skerry.allele cannot be read ({error})."
        raise Unusable("/info/skerry/allele", "bff-extension", message, "Export the dataset again.") from error
    if variant.is_unspecified(found.alt) or (found.placed and variant.in_dna(found.ref) == variant.in_dna(found.alt)):
        return None
    return variant.as_kept(found)


def _sequence(record: Mapping[str, Any], location: Mapping[str, Any], stated: str | None) -> tuple[str, str]:
    """Return (assembly, chromosome): what the entry tells must agree with itself and with what is stated."""
    named = [str(location.get("sequence_id") or "")]
    identifiers = record.get("identifiers")
    if isinstance(identifiers, Mapping):
        named.append(str(identifiers.get("genomicHGVSId") or ""))
    positions = (record.get(name) for name in ("position", "_position"))
    position: Mapping[str, Any] = next((one for one in positions if isinstance(one, Mapping)), {})
    named.append(str(position.get("refseqId") or ""))
    told, chroms = set(), []
    for text in named:
        match = _HGVS.fullmatch(text)
        sequence = match["sequence"] if match else text.removeprefix("HGVSid:")
        if known := genome.named_by(sequence):
            told |= {known[0]} - {None}
            chroms.append(known[1])
        elif sequence.startswith("skerry:") and sequence.count("-"):
            assembly, _, contig = sequence.removeprefix("skerry:").partition("-")
            told |= {genome.assembly_name(assembly)} - {None}
            chroms.append(contig)
        elif sequence and not sequence.startswith(("ga4gh:", "refseq:", "NC_", "SQ.")):
            chroms.append(genome.chromosome(sequence))
    told |= {genome.assembly_name(str(position.get("assemblyId") or ""))} - {None}
    if not chroms:
        raise Unusable("/variation/location/sequence_id", "bff-sequence", "No chromosome is named.", value=named[0])
    if len(set(chroms)) > 1:
        message = f"The variant is on {' and on '.join(dict.fromkeys(chroms))} at once."
        raise Unusable("/variation/location/sequence_id", "bff-sequence", message, value=named[0])
    wanted = told | ({stated} if stated else set())
    if len(wanted) > 1:
        message = f"The variant's assembly is {' and '.join(sorted(map(str, wanted)))} at once."
        hint = "Correct --assembly, or the accession that says otherwise."
        raise Unusable(
            "/identifiers/genomicHGVSId", "bff-assembly", message, hint, value=named[1] if named[1:] else None
        )
    if not wanted:
        message = "Nothing tells which assembly the variant's position is of."
        raise Unusable("/variation/location/sequence_id", "bff-assembly", message, "Say it with --assembly.", named[0])
    return str(wanted.pop()), chroms[0]


def _interval(location: Mapping[str, Any]) -> tuple[int, int]:
    interval = location.get("interval")
    interval = interval if isinstance(interval, Mapping) else {}
    ends = []
    for name in ("start", "end"):
        value = interval.get(name)
        value = value.get("value") if isinstance(value, Mapping) else value
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
            place = f"/variation/location/interval/{name}"
            raise Unusable(place, "bff-position", f"The {name} is no position, a whole number from 0.", value=value)
        ends.append(int(value))
    if ends[1] < ends[0] or ends[1] > 2**31 - 1:
        raise Unusable("/variation/location/interval", "bff-position", f"{ends[0]} to {ends[1]} is no interval.")
    return ends[0], ends[1]


def zygosity_group(zygosity: Any) -> str | None:
    """Return the group of ``calls.GROUPS`` that a zygosity means; None where there is one that means none of them.

    An id such as GENO:GENO_0000458 is taken as GENO:0000458; the genotype in the label decides nothing.
    """
    if not isinstance(zygosity, Mapping):
        return "other"
    return group_of(_zygosity_id(zygosity))


def narrower_zygosity(zygosity: Any) -> Json | None:
    """Return a zygosity as it is told of a carrier beside the group; None where the group says all of it."""
    if not isinstance(zygosity, Mapping) or (id := _zygosity_id(zygosity)) in GROUP_OF_ZYGOSITY:
        return None
    if id in NARROWER_ZYGOSITIES:  # many files have the genotype in the label
        return {"id": id, "label": NARROWER_ZYGOSITIES[id][1]}
    return dict(zygosity) | ({"id": id} if id else {})


def _zygosity_id(zygosity: Mapping[str, Any]) -> str:
    return _DIGITS.sub("GENO:", str(zygosity.get("id", "")))


@functools.lru_cache(1_000)
def split_group(genotype: str) -> str | None:
    """Return the group of a genotype in the split form (``01``, ``11``, ``1``); None where the allele is not in it.

    Raises ``ValueError`` where it is no genotype.
    """
    alleles = re.sub(r"[/|]", "", genotype)
    if not re.fullmatch(r"[01.]+", alleles):
        raise ValueError(f"{genotype!r} is no genotype")
    if "1" not in alleles:
        return None
    if set(alleles) == {"1"}:
        return "hemi" if len(alleles) == 1 else "hom"
    return "het"


def calls(groups: Mapping[str, Iterable[int]]) -> Calls | None:
    """Return who carries an allele, from columns by group; None where nobody does.

    Nobody knows who was called without the allele, so allele counts would mean nothing. A column in several groups
    stays in the one that tells most.
    """
    if not any(groups.values()):
        return None
    seen: set[int] = set()
    found: dict[str, Columns] = {}
    for group in ("hom", "hemi", "het", "other"):
        mine = sorted(set(groups.get(group, ())) - seen)
        seen.update(mine)
        found[group] = np.array(mine, np.uint32)
    return Calls(found["het"], found["hom"], found["hemi"], found["other"], counted=False)


def kept_calls(kept: Mapping[str, Any], entries: int, total: int) -> Calls:
    """Return the calls that ``info.skerry.calls`` of a variant says, which has so many case-level ``entries``.

    There are ``total`` columns. Raises ``Unusable`` where it cannot be read, or entries were taken away.
    """
    try:
        found = {name: columns(str(kept.get(name, "")), total) for name in (*GROUPS, "missing", "haploid")}
        if entries < sum(len(found[group]) for group in GROUPS):
            raise ValueError("it names more carriers than there are")
        if any(np.intersect1d(found[one], found[other]).size for one, other in combinations((*GROUPS, "missing"), 2)):
            raise ValueError("it has a sample twice")
        exceptions = _exceptions(kept.get("exceptions", ()), total)
        return Calls(
            found["het"], found["hom"], found["hemi"], found["other"], found["missing"], found["haploid"],
            exceptions=exceptions, counted=bool(kept.get("counted", False)),
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        message = f"info.skerry.calls cannot be read ({error})."
        raise Unusable("/info/skerry/calls", "bff-extension", message, "Export the dataset again.") from error


def _exceptions(listed: Iterable[Sequence[int]], total: int) -> tuple[tuple[int, int, int], ...]:
    found = tuple((int(column), int(copies), int(called)) for column, copies, called in listed)
    if any(not 0 <= column < total or not 0 <= copies <= called for column, copies, called in found):
        raise ValueError("an exception is of no column, or has more copies than alleles")
    return found


def columns(text: str, total: int) -> Columns:
    """Read column numbers below ``total``, ascending: ``0-12,15``. Raises ``ValueError``."""
    return np.concatenate([np.empty(0, np.uint32), *_runs(text, total)])


def _runs(text: str, total: int) -> Iterator[Columns]:
    least = 0
    for part in text.split(",") if text else ():
        match = _RUN.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not least <= first <= last < total:
            raise ValueError(f"{part!r} is no range of ascending columns below {total}")
        least = last + 1
        yield np.arange(first, last + 1, dtype=np.uint32)


def written(found: Sequence[int] | NDArray[Any]) -> str:
    """Write ascending column numbers as ``columns`` reads them."""
    listed = np.asarray(found, np.int64)
    if not len(listed):
        return ""
    cuts = np.flatnonzero(np.diff(listed) != 1) + 1
    runs = zip(listed[np.append(0, cuts)].tolist(), listed[np.append(cuts - 1, len(listed) - 1)].tolist(), strict=True)
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
