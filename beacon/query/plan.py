"""From a question to store-neutral conditions, before any data are touched; what cannot be asked is refused here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from beacon.errors import BadRequest, CannotAnswer
from beacon.model import genome, protein
from beacon.model.bases import ambiguous
from beacon.model.calls import GROUPS
from beacon.model.edit import Edit
from beacon.model.entry_types import ENTRY_TYPES, FREQUENCY
from beacon.model.indexing import plain
from beacon.model.query import Anchor, Query, VariantQuery
from beacon.model.variant import matching_types
from beacon.query import short_form
from beacon.query.filters import NameCondition, SimilarCondition, ZygosityCondition, conditions
from beacon.query.index import IndexCondition
from beacon.query.short_form import WHERE, ShortForm
from beacon.store.base import ALLELE, AllelePredicate, KeyCondition, NumberCondition, TextCondition

MAX_WILD = 50
"""The most bases on a side where either side has codes that stand for several bases."""


_AS_RECORDED = "Which variant has this name could not be told; found is what records call so."


@dataclass(frozen=True, slots=True)
class Plan:
    """A question in terms of the store.

    ``conditions`` choose rows of records; ``alleles`` is None where variants play no part. ``groups`` holds one
    tuple of carrier groups per zygosity asked for: somebody must carry the allele in each.

    ``edit`` is what is left open until a reference sequence has been looked at (``beacon.query.settle``): a change
    that can be written in several places, or whose bases are not written; ``text`` the short form that it comes from.
    ``caveats`` say of datasets (by id) what cannot be looked at, settled there too.

    ``refusal`` is the answer where nothing is found, since what was asked could mean something else, and ``unsure`` a
    sentence about that. Where filters name the allele, ``named_in`` are the fields of that name and ``called`` the
    alleles that a file calls so, asked for where there are none of what the name means, and at once where nobody can
    tell what it means.
    """

    target: str
    anchor: Anchor | None
    conditions: tuple[IndexCondition | SimilarCondition, ...]
    alleles: AllelePredicate | None
    groups: tuple[tuple[str, ...], ...]
    edit: Edit | None = None
    text: str | None = None
    caveats: Mapping[str, str] = field(default_factory=dict)
    named_in: tuple[str, ...] = ()
    called: AllelePredicate | None = None
    refusal: BadRequest | None = None
    unsure: str = ""

    def as_recorded(self, refusal: BadRequest) -> Plan:
        """Ask for what files call so, where what a name means cannot be told; where none does, that is the answer.

        Raises ``refusal`` where it was no filter that named the allele.
        """
        if self.called is None:
            raise refusal
        return replace(self, alleles=self.called, called=None, edit=None, refusal=refusal, unsure=_AS_RECORDED)

    def as_stored(self, alleles: AllelePredicate, refusal: BadRequest) -> Plan:
        """Ask for the alleles of which the data tell that they have the name.

        Nothing in an answer but what is found may say that there are any: somebody else's may be too few to be told of.
        """
        return replace(self, alleles=alleles, edit=None, refusal=refusal, unsure=_AS_RECORDED)

    @property
    def choosing(self) -> tuple[IndexCondition, ...]:
        """The conditions that choose people; those on a dataset alone, or on the cohorts asked for, choose these."""
        apart = {("dataset",), (self.target,) if self.target == "cohort" else ()}
        return tuple(one for one in self.indexed if one.kinds not in apart)

    def about(self, kind: str) -> tuple[IndexCondition, ...]:
        """Return the conditions on records of one kind alone."""
        return tuple(one for one in self.indexed if one.kinds == (kind,))

    @property
    def undecided(self) -> tuple[IndexCondition, ...]:
        """The conditions on records or, where nobody has what they are about, on the variants that are asked for."""
        return tuple(one for one in self.indexed if ALLELE in one.kinds)

    def decided(self, had: Collection[IndexCondition]) -> Plan:
        """Put to records what is undecided and somebody ``had``, and the rest to variants."""
        undecided = self.undecided
        if not undecided or self.alleles is None:
            return self
        told = tuple(replace(one, kinds=(ALLELE,)) for one in undecided if one not in had)
        kept = tuple(
            replace(one, kinds=tuple(kind for kind in one.kinds if kind != ALLELE))
            for one in self.conditions
            if one in had or one not in undecided
        )
        called = None if self.called is None else replace(self.called, told=(*self.called.told, *told))
        alleles = replace(self.alleles, told=(*self.alleles.told, *told))
        return replace(self, conditions=kept, alleles=alleles, called=called)

    @property
    def indexed(self) -> tuple[IndexCondition, ...]:
        """The conditions, once it is settled which terms are similar."""
        return tuple(one for one in self.conditions if not isinstance(one, SimilarCondition))


def plan(query: Query) -> Plan:
    """Translate a question. Raises ``UnknownFilter`` and ``CannotAnswer``."""
    # A dataset or cohort is asked for by its people, so a field that several entry types have is theirs.
    target = "individual" if ENTRY_TYPES[query.entry_type].collection else query.entry_type
    found = conditions(query.filters, query.entry_type, target)
    groups = tuple((item.group,) for item in found if isinstance(item, ZygosityCondition))
    named = [item for item in found if isinstance(item, NameCondition)]
    variant = query.variant if not named else _with_name(query.variant, named)
    form = edit = text = None
    alleles = None
    refusal = None
    if variant is not None:
        try:
            form = _short_form(variant)
        except BadRequest as error:
            form, refusal = None, error
        text = form.text if form else None
        alleles = predicate(variant) if form is None else _named(variant, form)
        edit = opened(alleles, form)
    anchor = query.anchor
    if anchor is not None and anchor.entry_type == "genomicVariant":
        if alleles is not None:
            raise CannotAnswer(
                "Variant parameters cannot be combined with one variant's id; leave out either.", where="g_variant"
            )
        alleles = AllelePredicate(ids=(anchor.id,))
    if alleles is None and (groups or query.entry_type == "genomicVariant"):
        alleles = AllelePredicate()
    told = tuple(
        item
        for item in found
        if isinstance(item, KeyCondition | TextCondition | NumberCondition) and item.kinds == (ALLELE,)
    )
    if told:
        alleles = _telling(alleles or AllelePredicate(), told)
    called = None
    if variant is not None and named:
        called = _telling(predicate(variant), (*told, *(item.recorded for item in named)))
    asked = Plan(
        query.entry_type,
        anchor,
        tuple(
            item
            for item in found
            if not isinstance(item, ZygosityCondition | NameCondition) and item.kinds != (ALLELE,)
        ),
        alleles,
        groups or (GROUPS,),
        edit,
        text,
        named_in=tuple(plain(item.recorded.field) for item in named),
        called=called,
    )
    if refusal is not None:
        return asked.as_recorded(refusal)
    if (unmapped := _unmapped(variant, form)) is not None:
        return replace(asked, refusal=unmapped[0], unsure=unmapped[1])
    return asked


def _unmapped(variant: VariantQuery | None, form: ShortForm | None) -> tuple[CannotAnswer, str] | None:
    """Return the refusal, and a sentence, for a sequence of which only the data or the store can tell what it is."""
    named = (
        ("referenceName", variant and variant.chrom), ("mateName", variant and variant.mate),
        (WHERE, form and form.chrom),
    )  # fmt: skip
    for where, name in named:
        if name and genome.sequence_digest(name):
            said = f"The sequence {name!r} is none of those that are loaded here; name it by its chromosome."
            return CannotAnswer(said, where=where), ""
        if name and genome.is_of_elsewhere(name):
            said = f"What else the sequence {name!r} is called is not known here"
            refusal = f"{said}, and nothing was found on one called so; name it by its chromosome or as INSDC does."
            return CannotAnswer(refusal, where=where), f"{said}; found is what lies on one that files call so."
    return None


def _telling(
    alleles: AllelePredicate, told: Iterable[KeyCondition | TextCondition | NumberCondition]
) -> AllelePredicate:
    """Ask for alleles of which this is told as well; their frequency is counted."""
    told = tuple(told)
    counted = [item for item in told if isinstance(item, NumberCondition) and item.field == FREQUENCY]
    return replace(
        alleles,
        told=tuple(item for item in told if item not in counted),
        frequency=tuple(item.range for item in counted),
    )


def _with_name(asked: VariantQuery | None, named: Sequence[NameCondition]) -> VariantQuery:
    """Ask for the variant of a name in a filter, a request's short form in all but the place where it stands."""
    asked = asked or VariantQuery()
    forms = {*(item.text for item in named), *([asked.short_form] if asked.short_form is not None else [])}
    if len(forms) > 1:
        names = " and ".join(sorted(forms))
        raise CannotAnswer(
            f"The names {names} would have to be looked up to see whether they are one variant's; ask for one.",
            where=plain(named[0].recorded.field),
        )
    return replace(asked, short_form=named[0].text)


def _short_form(asked: VariantQuery) -> ShortForm | None:
    if asked.short_form is None:
        return None
    for name, given in (
        ("referenceName", asked.chrom), ("start", asked.start), ("end", asked.end),
        ("referenceBases", asked.reference_bases), ("alternateBases", asked.alternate_bases),
    ):  # fmt: skip
        if given not in (None, ()):
            raise BadRequest(
                f"The parameters {name} and genomicAlleleShortForm both say which allele is meant; give one of them.",
                where=name,
            )
    return short_form.read(asked.short_form, asked.assembly)


def _named(asked: VariantQuery, form: ShortForm) -> AllelePredicate:
    """Translate a question by short form, as far as no sequence is needed for it."""
    alleles = replace(predicate(asked), assembly=form.assembly, chrom=form.chrom, vrs=form.vrs)
    if form.edit is None:
        return alleles
    if form.edit.one_base:
        return replace(alleles, start_bases=(form.edit.start, "N", form.edit.one_base))
    return replace(alleles, sequence=form.edit.allele)


def opened(alleles: AllelePredicate, form: ShortForm | None = None) -> Edit | None:
    """Return what is changed where that can be written in more places than one, or nobody knows."""
    if form is not None:
        known = alleles.sequence is not None or alleles.start_bases is not None
        return None if known else form.edit
    if alleles.sequence is None or not alleles.chrom:
        return None
    start, ref, alt = alleles.sequence
    given = Edit(start, start + len(ref), ref, alt)
    return given if given.allele is None and ref != alt else None


def predicate(asked: VariantQuery) -> AllelePredicate:
    """Translate the genomic part. Raises ``CannotAnswer`` for what this site cannot look for."""
    types = None
    if asked.variant_type is not None:
        types = matching_types(asked.variant_type)
        if types is None:
            raise CannotAnswer(
                f"The variantType {asked.variant_type!r} is of no sort known here; ask by a word such as DEL, or "
                "an SO id that says no more and no less, one after the other where there are several.",
                where="variantType",
            )
    if asked.chrom == "":
        raise CannotAnswer("The referenceName is empty; name a chromosome.", where="referenceName")
    for name, given in (("referenceBases", asked.reference_bases), ("alternateBases", asked.alternate_bases)):
        if given and len(given) > MAX_WILD and ambiguous((asked.reference_bases or "") + (asked.alternate_bases or "")):
            raise CannotAnswer(
                f"The {name} has {len(given)} bases; with codes for several bases {MAX_WILD} is the most here.",
                where=name,
            )
    overlap = bracket = sequence = start_bases = None
    bases = (asked.reference_bases, asked.alternate_bases)
    if len(asked.start) == 2 and len(asked.end) == 2:
        bracket = (*asked.start, *asked.end)
    elif asked.start and asked.end:
        overlap = (asked.start[0], asked.end[0])
    elif asked.start and bases == (None, None):
        overlap = (asked.start[0], asked.start[0] + 1)
    elif asked.start:
        ref, alt = bases
        if ref is None or alt is None or ambiguous(ref + alt):
            start_bases = (asked.start[0], ref, alt)
        else:
            sequence = (asked.start[0], ref, alt)
    alone = sequence is None and start_bases is None
    return AllelePredicate(
        assembly=asked.assembly,
        chrom=asked.chrom,
        overlap=overlap,
        bracket=bracket,
        sequence=sequence,
        start_bases=start_bases,
        reference_bases=asked.reference_bases if alone else None,
        alternate_bases=asked.alternate_bases if alone else None,
        types=types,
        min_length=asked.min_length,
        max_length=asked.max_length,
        gene=asked.gene,
        aminoacid_change=None if asked.aminoacid_change is None else protein.change(asked.aminoacid_change),
        mate=asked.mate,
    )
