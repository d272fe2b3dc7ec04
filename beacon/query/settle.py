"""The part of a question that only stored sequences, gene tables and ontologies can settle: what an allele's other
spellings are, where a gene lies, which terms are similar.

None of it depends on what the data have, so that an error never tells anything of them, save whether the files that
whoever asks may see something of name their genes, have genotypes and so on. Only which bases an allele of a name has
is looked up in them, and goes into nothing but the allele that is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from pyroaring import BitMap

from beacon.errors import BadRequest, CannotAnswer, NeedsReference, StoreUnavailable, UnknownFilter
from beacon.model import genome
from beacon.model.edit import Contradiction, Edit, Normal, normal
from beacon.model.entry_types import FREQUENCY
from beacon.model.genome import PROTEIN_CHANGES, Reference, naming
from beacon.model.indexing import BELOW, HELD, RECORDED
from beacon.model.vrs import allele_id
from beacon.query.carrying import alive
from beacon.query.filters import SimilarCondition
from beacon.query.index import IndexCondition
from beacon.query.plan import Plan, opened
from beacon.query.short_form import WHERE
from beacon.store.base import COLUMN, AllelePredicate, Dataset, KeyCondition, Naming, Segment, Store

_COUNTED = f"{FREQUENCY}{HELD}"
"""What the columns are posted under among which a segment's alleles were counted."""
_NO_COUNTS = "no genotypes that alleles could be counted among"
LONGEST = 100_000
"""An allele that replaces more bases than this is not moved about."""


async def settled(store: Store, asked: Plan, datasets: Sequence[Dataset]) -> Plan:
    """Return the plan, ``with_terms``, with nothing left open; ``datasets`` are those that will be asked.

    Raises ``NeedsReference`` where a sequence would be needed that is not here, ``BadRequest`` where the short form
    contradicts it, and ``CannotAnswer`` where of no variants of a dataset it is known what is asked.
    """
    if asked.alleles is not None and (digest := genome.sequence_digest(asked.alleles.chrom or "")):
        asked = await _located(store, asked, digest)
    alleles = asked.alleles
    if alleles is None:
        return asked
    # What files cannot tell follows from what is asked alone, and never from what is found of it.
    names, caveats = await _untold(store, alleles, datasets)
    try:
        if asked.edit is not None:
            alleles = await _elsewhere(store, alleles, asked.edit, asked.text)
        elif alleles.vrs is not None:
            await _all_named(store, alleles, datasets)
    except NeedsReference as error:
        if asked.edit is None:
            asked = asked.as_recorded(error)
        else:
            stored = await _as_stored(store, alleles, asked.edit, datasets)
            asked = asked.as_stored(stored or replace(alleles, ids=()), error)
        alleles = asked.alleles
        assert alleles is not None
    caveats = [*((dataset.id, asked.unsure) for dataset in datasets if asked.unsure), *caveats]
    called = None if asked.called is None else replace(asked.called, **names)
    return replace(asked, alleles=replace(alleles, **names), called=called, edit=None, caveats=_joined(caveats))


async def with_terms(store: Store, asked: Plan) -> Plan:
    """Name the similar terms that are meant, and those in whose place others are. Raises ``UnknownFilter``."""

    async def renamed(alleles: AllelePredicate | None) -> AllelePredicate | None:
        if alleles is None or not alleles.told:
            return alleles
        return replace(alleles, told=tuple([await _renamed(store, item) for item in alleles.told]))

    conditions = tuple([await _renamed(store, await _alike(store, item)) for item in asked.conditions])
    alleles, called = await renamed(asked.alleles), await renamed(asked.called)
    return replace(asked, conditions=conditions, alleles=alleles, called=called)


async def _untold(
    store: Store, alleles: AllelePredicate, datasets: Sequence[Dataset]
) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
    """Return a gene's other names and places, and what files of datasets do not tell of what is asked.

    Raises ``CannotAnswer`` where of no variants of a dataset it is known.
    """
    caveats: list[tuple[str, str]] = []
    names: Mapping[str, Any] = {}
    if (asked := alleles.gene) is not None:
        gene = await store.gene(asked)
        names = {} if gene is None else {"gene_names": gene.names, "gene_places": gene.places}
        caveats += _of_gene(replace(alleles, **names), asked, datasets)
    if (change := alleles.aminoacid_change) is not None:
        caveats += _changing(alleles, change, datasets)
    if any(not one.negated for one in alleles.frequency):
        caveats += await _counting(store, alleles, datasets)
    return names, caveats


async def _located(store: Store, asked: Plan, digest: str) -> Plan:
    """Ask for the chromosome that has this sequence. Where none that is loaded has it, the plan's refusal is raised."""
    assert asked.alleles is not None and asked.refusal is not None
    meant = asked.alleles.assembly
    found = [one for one in await store.references() if one.digest == digest and meant in (None, one.assembly)]
    if not found:
        raise asked.refusal
    assembly = found[0].assembly if len(found) == 1 else None
    alleles = replace(asked.alleles, assembly=assembly, chrom=found[0].chrom)
    refusal = asked.refusal if asked.unsure else None  # that of a name, which is of another matter
    return replace(asked, alleles=alleles, edit=opened(alleles), refusal=refusal)


def _of_gene(alleles: AllelePredicate, asked: str, datasets: Sequence[Dataset]) -> Iterator[tuple[str, str]]:
    """Yield the datasets of which some variants may be in a gene though nobody says so, and a sentence about it.

    Raises ``CannotAnswer`` where a dataset has variants, but neither do they name genes in such a way nor does a table
    tell where this one lies: that none of them is found would not mean that there is none.
    """
    names = frozenset(map(naming, {asked, *alleles.gene_names}))
    placed = {place.assembly for place in alleles.gene_places}
    by = " or ".join(sorted(names))
    for dataset in datasets:
        concerned = list(_concerned(dataset, alleles))
        silent = [one for one in concerned if one.by.isdisjoint(names) and _meant(one, alleles) - placed]
        if not silent:
            continue
        missing = frozenset().union(*(_meant(one, alleles) for one in silent)) - placed - {""}
        where = f" that says where it lies in {', '.join(sorted(missing))}" if missing else ""
        if len(silent) == len(concerned):
            raise CannotAnswer(
                f"Which variants of dataset {dataset.id} are in {asked} cannot be told here: they do not name genes by "
                f"{by}, and there is no table of genes{where}. Ask by another name, by position, or in other datasets.",
                where="geneId",
            )
        told = f"Some of its files do not name genes by {by}, and there is no table of genes{where}"
        yield dataset.id, f"{told}; what is in them was not found by gene."


def _changing(alleles: AllelePredicate, asked: str, datasets: Sequence[Dataset]) -> Iterator[tuple[str, str]]:
    """Yield the datasets of some of whose variants nobody says how they change a protein, and a sentence about it.

    Raises ``CannotAnswer`` where a dataset has variants, and of none is told how it changes a protein.
    """
    for dataset in datasets:
        concerned = list(_concerned(dataset, alleles))
        silent = [one for one in concerned if PROTEIN_CHANGES not in one.by]
        if silent and len(silent) == len(concerned):
            raise CannotAnswer(
                f"Which variants of dataset {dataset.id} are {asked} cannot be told here: of none of them is known how "
                "it changes a protein. Ask by position and bases, or in other datasets.",
                where="aminoacidChange",
            )
        if silent:
            yield (
                dataset.id,
                "Some of its files do not tell how variants change proteins; what is in them was not found.",
            )


async def _counting(store: Store, alleles: AllelePredicate, datasets: Sequence[Dataset]) -> list[tuple[str, str]]:
    """Return the datasets in some of whose files nobody was counted, and a sentence about it.

    Raises ``CannotAnswer`` where there are variants, and in none of the datasets anybody was counted.
    """
    await store.prepare([segment for dataset in datasets for segment in dataset.segments], {(COLUMN, _COUNTED)})
    silent: list[tuple[str, str]] = []
    answering = False
    for dataset in datasets:
        concerned = [segment for segment in dataset.segments if any(_telling(segment, alleles))]
        counted = [await _is_counted(store, segment) for segment in concerned]
        answering |= any(counted)
        if any(counted) and not all(counted):
            silent.append((dataset.id, f"Some of its files have {_NO_COUNTS}; what is in no other was not found."))
        elif not all(counted):
            silent.append((dataset.id, f"Its files have {_NO_COUNTS}; nothing in it was found by frequency."))
    if silent and not answering:
        raise CannotAnswer(
            f"How frequent alleles are in {', '.join(id for id, _ in silent)} cannot be told here: the files have "
            f"{_NO_COUNTS}. Ask without alleleFrequency, or in other datasets.",
            where=FREQUENCY,
        )
    return silent


async def _is_counted(store: Store, segment: Segment) -> bool:
    """Whether alleles were counted among somebody who may be seen. Raises ``StoreUnavailable``."""
    counted = await store.posting(segment, COLUMN, [_COUNTED])
    if not counted:
        await store.layout(segment)  # a segment that has just gone is found empty too, but not its layout
    return bool(counted)


def _concerned(dataset: Dataset, alleles: AllelePredicate) -> Iterator[Naming]:
    """Yield what the loads tell that have variants which a question may be about, and of somebody whom it may see."""
    for segment in dataset.segments:
        yield from _telling(segment, alleles)


def _telling(segment: Segment, alleles: AllelePredicate) -> Iterator[Naming]:
    live = segment.live.get(COLUMN, BitMap())
    for one in segment.namings:
        seen = bool(live) if one.columns is None else not live.isdisjoint(one.columns)
        if (seen or segment.uncarried) and _meant(one, alleles):
            yield one


def _meant(naming: Naming, alleles: AllelePredicate) -> Set[str]:
    """Return the assemblies that are meant of those that a load has variants in."""
    return naming.assemblies if alleles.assembly is None else naming.assemblies & {alleles.assembly}


def _joined(caveats: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return all sentences about each dataset as one text."""
    found: dict[str, str] = {}
    for dataset, said in caveats:
        found[dataset] = f"{found[dataset]} {said}" if dataset in found else said
    return found


async def _alike(store: Store, item: IndexCondition | SimilarCondition) -> IndexCondition:
    """Name the terms that a question for similar ones is about. Raises ``UnknownFilter`` where nobody measured that."""
    if not isinstance(item, SimilarCondition):
        return item
    near = await store.neighbours(await store.successor(item.term) or item.term, item.level)
    if near is None:
        raise UnknownFilter(
            f"Which terms are similar to {item.term!r} is not known here: similarity is measured for terms of the "
            "stored ontologies that /filtering_terms names; ask for similarity exact.",
            where=item.term,
        )
    own = f"{BELOW if item.descendants else RECORDED}{item.term}"
    return KeyCondition(item.kinds, own, item.term, others=tuple(f"{RECORDED}{term}" for term in near))


async def _renamed(store: Store, item: IndexCondition) -> IndexCondition:
    """Look for the term in whose place one is that is asked for by a former id, or that is obsolete, as well."""
    if not isinstance(item, KeyCondition) or item.term is None:
        return item
    new = await store.successor(item.term)
    return item if new is None else replace(item, others=(*item.others, f"{item.key.removesuffix(item.term)}{new}"))


async def _elsewhere(store: Store, alleles: AllelePredicate, edit: Edit, text: str | None) -> AllelePredicate:
    """Add the other spellings of an insertion or deletion. ``text`` is the short form, None for position and bases.

    Given by position and bases an allele can be looked for as it is written, without any sequence.
    """
    assert alleles.chrom is not None
    reference = await _reference(store, alleles.assembly, alleles.chrom)
    if reference is None:
        if text is None:
            return alleles
        whose = f" of {alleles.assembly}" if alleles.assembly else ""
        raise NeedsReference(
            f"Which allele {text!r} is, only the sequence of chromosome {alleles.chrom}{whose} tells, and it is not "
            "loaded here; ask by referenceName, start, referenceBases and alternateBases, left-aligned.",
            where=WHERE,
        )
    if edit.end - edit.start > LONGEST:
        if text is None:
            return alleles
        raise CannotAnswer(
            f"The short form {text!r} changes more than {LONGEST} bases; ask by range and variantType.", where=WHERE
        )
    try:
        found = await _normal(store, reference, edit)
    except Contradiction as error:
        if text is None:
            return alleles
        raise BadRequest(
            f"The short form {text!r} does not fit: the sequence has {error.there} there.", where=WHERE
        ) from error
    except ValueError as error:
        if text is None:
            return alleles
        raise BadRequest(f"The short form {text!r} names no change: {error}.", where=WHERE) from error
    start, ref, alt = found.justified
    return replace(
        alleles,
        sequence=alleles.sequence or found.leftmost,
        leftmost=found.leftmost,
        vrs=allele_id(reference.digest, start, start + len(ref), alt) if reference.indexed else None,
    )


async def _as_stored(
    store: Store, alleles: AllelePredicate, edit: Edit, datasets: Sequence[Dataset]
) -> AllelePredicate | None:
    """Ask for the very allele that a change makes, where the data have it: they say which bases are there.

    None where they have no such allele, be it that it is written otherwise or that nobody carries it who may be seen.
    """
    place = AllelePredicate(
        assembly=alleles.assembly, chrom=alleles.chrom, bracket=(edit.start, edit.start, edit.end, edit.end)
    )
    for segment in (segment for dataset in datasets for segment in dataset.segments):
        heads = await store.heads(segment, place)
        heads = heads.pick(await alive(store, segment, heads))
        places = list(zip(heads.block.tolist(), heads.row.tolist(), strict=True))
        for allele in [stored.allele for stored in await store.alleles(segment, places)]:
            if edit.onto(allele.ref).allele == allele.minimal:
                return replace(alleles, sequence=allele.minimal)
    return None


async def _reference(store: Store, assembly: str | None, chrom: str) -> Reference | None:
    """Return the sequence of a chromosome, in one of the assemblies that share it where none is named."""
    for name in [assembly] if assembly else genome.ASSEMBLIES:
        if (found := await store.reference(name, chrom)) is not None:
            return found
    return None


async def _normal(store: Store, reference: Reference, edit: Edit) -> Normal:
    asking = normal(edit, reference.length)
    try:
        start, end = next(asking)
        while True:
            bases = await store.bases(reference, start, end)
            if bases is None:
                raise StoreUnavailable("The reference sequence is just being replaced; ask again.")
            start, end = asking.send(bases)
    except StopIteration as done:
        found: Normal = done.value
        return found


async def _all_named(store: Store, alleles: AllelePredicate, datasets: Sequence[Dataset]) -> None:
    """Raise ``NeedsReference`` unless every allele that could have the id asked for has got its own."""
    held = {name for dataset in datasets for name in dataset.assemblies}
    named = {(part.assembly, part.chrom) for part in await store.references() if part.indexed}
    for assembly in [alleles.assembly] if alleles.assembly else sorted(held):
        missing = [chrom for chrom in genome.CHROMOSOMES if (assembly, chrom) not in named]
        if missing:
            raise NeedsReference(
                f"VRS ids can be looked for once the whole sequence of {assembly} is loaded; here "
                f"{len(missing)} of its chromosomes are not. Ask by HGVS or by position and bases.",
                where=WHERE,
            )
