"""Whatever is loaded and whatever is asked, MongoDB's bitmaps answer as plain Python lists do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from beacon.errors import CannotAnswer
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES, FREQUENCY, ZYGOSITY
from beacon.model.query import AlphanumericFilter, Anchor, Filter, OntologyFilter, Pagination, Query, VariantQuery
from beacon.model.similarity import encode
from beacon.model.variant import from_vcf, unplaced
from tests.integration.plain_model import GROUP, GROUPS, SIMILAR, Answer, Model
from tests.world import (
    AGE,
    CALLS,
    COLLECTED,
    EFFECT,
    FEATURE,
    ONSET,
    ORIGIN,
    RELEVANCE,
    STATED,
    VALUE,
    Case,
    Facts,
    Load,
    Packet,
    Sample,
    Sequenced,
    Site,
    World,
    ancestors,
    open_world,
)  # fmt: skip

WORLDS = int(os.environ.get("SKERRY_MODEL_WORLDS", "8"))
QUESTIONS = int(os.environ.get("SKERRY_MODEL_QUESTIONS", "25"))
pytestmark = pytest.mark.timeout(300 + WORLDS * QUESTIONS)

T = TypeVar("T")

# --- a small world ------------------------------------------------------------------------------------------------

PEOPLE = tuple("abcde")
SEXES = ("NCIT:C16576", "NCIT:C20197", "NCIT:C17998")
FEATURES = ("HP:0000001", "HP:0000002", "HP:0000003", "HP:0000004", "HP:0000009")
DISEASES = ("OMIM:154700", "OMIM:219700")
TISSUES = ("UBERON:0000178", "NCIT:C17998")
MODELS = ("OBI:0002012", "OBI:0002630")
STATUSES = ("ALIVE", "DECEASED (100%)")
DAYS = ("2020-01-31", "2021-06-01")
GENES = ("FBN1", "BRCA1")
EFFECTS = ("SO:0001583", "SO:0001587")
ORIGINS = ("GENO:0000882", "GENO:0000888", "OMIM:154700", "NCIT:C170518")
"""Of alleles; one is a disease, which nobody here would expect."""
RELEVANCES = ("pathogenic", "likely pathogenic", "benign")
STATED_SHARES = (0.001, 0.01, 0.5)
GLUCOSE = "LOINC:2345-7"
ASSAYS = {
    "LOINC:3141-9": ("UO:0000009", "UO:0000021"),
    "LOINC:3137-7": ("UO:0000015",),
    GLUCOSE: ("UCUM:mg/dL", "UCUM:mg/dL", "UCUM:mg/dL", "UCUM:mmol/L"),
}
"""Weight, in kg or g, height, and glucose, by mass or rarely by amount, which cannot be compared."""
CHANGES = ("p.Arg1Cys",)
TYPES = ("SNP", "DEL", "INDEL", "INS", "DUP", "SO:1000029", "SO:1000037", "STAR")
UNPLACED = (unplaced("GRCh38", "FBN1", "SO:1000029", "exon 3"), unplaced("GRCh37", "BRCA1", "SO:1000037", "exon 5"))
ALLELES = (
    from_vcf("GRCh38", "1", 101, "A", "G"),
    from_vcf("GRCh38", "1", 101, "A", "T"),
    from_vcf("GRCh38", "1", 101, "AC", "A"),
    from_vcf("GRCh38", "1", 101, "A", "AT"),
    from_vcf("GRCh38", "1", 101, "A", "AGG"),
    from_vcf("GRCh38", "1", 102, "CG", "TT"),
    from_vcf("GRCh38", "1", 103, "GTA", "GC"),
    from_vcf("GRCh38", "1", 90, "G", "<DEL>", end=120, length=-30),
    from_vcf("GRCh38", "1", 102, "C", "<DUP>", end=105, length=3),
    from_vcf("GRCh38", "1", 103, "T", "*"),
    from_vcf("GRCh38", "1", 1, "A", "C"),
    from_vcf("GRCh37", "1", 101, "A", "G"),
    from_vcf("GRCh38", "2", 101, "A", "G"),
    from_vcf("GRCh38", "X", 101, "A", "G"),
    *UNPLACED,
)


class Dice:
    """Draws loads and questions; one seed gives one world, evenly spread, which is what finds rare meetings."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def one(self, *values: T) -> T:
        return self.random.choice(values)

    def some(self, values: Sequence[T], most: int, least: int = 0) -> list[T]:
        return self.random.sample(values, self.random.randint(least, min(most, len(values))))

    def chance(self, probability: float = 0.5) -> bool:
        return self.random.random() < probability

    # --- loads

    def terms(self, **fields: tuple[Sequence[str], int]) -> frozenset[tuple[str, str]]:
        """Return (field, term) pairs; double underscores in the names stand for dots."""
        return frozenset(
            (name.replace("__", "."), value)
            for name, (values, most) in fields.items()
            for value in self.some(values, most)
        )

    def years(self, field: str, probability: float) -> list[tuple[str, int]]:
        return [(field, self.random.randint(1, 4))] if self.chance(probability) else []

    def person(self) -> Facts:
        said = self.terms(phenotypicFeatures__featureType=(FEATURES, 2), diseases__diseaseCode=(DISEASES, 2))
        onsets = [age for name, _ in said if name.startswith("diseases") for age in self.years(ONSET, 0.7)]
        return Facts(
            terms=said | {("sex", self.one(*SEXES))},
            absent=self.terms(phenotypicFeatures__featureType=(FEATURES, 2)) - said,
            texts=tuple(("vitalStatus", status) for status in self.some(STATUSES, 1)),
            years=(*onsets, *self.years(AGE, 0.5)),
            measures=tuple(
                (assay, self.one(0.5, 1.0, 2.0, 2000.0), self.one(*ASSAYS[assay]))
                for assay in self.some([*ASSAYS, *ASSAYS], 3)
            ),
        )

    def packet(self, person: str) -> Packet:
        names = self.some((f"{person}-s1", f"{person}-s2"), 2)
        samples = [
            Sample(
                name,
                Facts(
                    terms=self.terms(sampleOriginType=(TISSUES, 1), phenotypicFeatures__featureType=(FEATURES, 1)),
                    texts=(("individualId", person),),
                    years=tuple(self.years(COLLECTED, 0.5)),
                ),
            )
            for name in names
        ]
        return Packet(person, self.person(), tuple(samples), tuple(self.case(names) for _ in self.some("1234", 4)))

    def case(self, samples: list[str]) -> Case:
        allele = self.one(*ALLELES, *ALLELES[:6], *ALLELES[:4])
        genes = self.some(GENES, 1) if allele.placed else [allele.label.split("\x1f")[0]]
        return Case(
            allele, self.one(*samples, None), self.one(*GROUPS), tuple(genes), tuple(self.some(CHANGES, 1)),
            self.one(None, *ORIGINS), self.one(None, *RELEVANCES),
        )  # fmt: skip

    def sequenced(self, person: str) -> Sequenced:
        sample = self.one(person, f"{person}-s1")
        named = self.chance(0.8)
        texts = [("individualId", person), *([("biosampleId", sample)] if named else [])]
        run = Facts(
            terms=self.terms(platformModel=(MODELS, 1)),
            texts=(*texts, *(("platform", name) for name in self.some(("Illumina", "PacBio"), 1))),
            dates=tuple(("runDate", day) for day in self.some(DAYS, 1)),
        )
        analysis = Facts(texts=(*texts, *(("aligner", name) for name in self.some(("bwa", "minimap2"), 1))))
        return Sequenced(person, sample, self.one(None, run, run), self.one(None, analysis, analysis), named)

    def load(self) -> Load:
        people = self.some(PEOPLE, len(PEOPLE), self.one(0, 2, 4))
        cohort = self.one(None, "cases", "controls")
        if self.chance(0.6):
            return Load(packets=tuple(map(self.packet, people)), cohort=cohort)
        found = self.some([allele for allele in ALLELES if allele.placed], 9, 2)
        sites = tuple(
            Site(
                allele,
                tuple(self.one("0/0", *CALLS) for _ in people) if self.chance(0.8) else None,
                tuple(self.some(GENES, 1)),
                tuple(self.some(CHANGES, 1)),
                tuple(self.some(EFFECTS, 1)),
                tuple(self.some(STATED_SHARES, 1)),
            )
            for allele in sorted(found, key=lambda a: (a.assembly, a.chrom, a.start, a.end))
        )
        return Load(sequenced=tuple(map(self.sequenced, people)), sites=sites, cohort=cohort)

    # --- questions

    def question(self) -> Query:
        parts = self.one("", "f", "f", "f", "v", "v", "v", "v", "a", "a", "fv", "fv", "fa", "av", "ff", "favf")
        anchor = self.anchor() if "a" in parts else None
        alone = anchor is not None and anchor.entry_type == "genomicVariant"
        return Query(
            self.one(*ENTRY_TYPES, "individual", "genomicVariant", "genomicVariant"),
            anchor,
            tuple(self.filter() for _ in range(parts.count("f"))),
            self.variant() if "v" in parts and not alone else None,
            granularity=Granularity.RECORD,
            pagination=Pagination(limit=self.random.randint(1, 4)),
        )

    def filter(self) -> Filter:
        kinds = (*[self.term] * 6, *[self.comparison] * 4, *[self.zygosity] * 2, self.frequency, *[self.told] * 4)
        made: Callable[[], Filter] = self.one(*kinds, self.quantity, self.quantity)
        return made()

    def told(self) -> Filter:
        """Ask for what is told of a variant or of its carriers."""
        equality = self.one("=", "=", "!")
        choices: tuple[Filter, ...] = (
            OntologyFilter(self.one(*EFFECTS), scope=self.one(None, "genomicVariant")),
            OntologyFilter(self.one(*ORIGINS, *EFFECTS), scope="genomicVariant", excluded=self.chance(0.1)),
            OntologyFilter(self.one(*ORIGINS)),
            AlphanumericFilter(EFFECT, equality, self.one(*EFFECTS, "SO:%")),
            AlphanumericFilter(ORIGIN, equality, self.one(*ORIGINS)),
            AlphanumericFilter(RELEVANCE, equality, self.one(*RELEVANCES, "%pathogenic")),
            AlphanumericFilter(STATED, self.one("=", "!", "<", "<=", ">"), str(self.one(*STATED_SHARES))),
        )
        return self.one(*choices)

    def quantity(self) -> Filter:
        """Compare what was measured, by assay or whatever it was, in some unit or as it was written."""
        weight, height = ("LOINC:3141-9", ("kg", "g")), ("LOINC:3137-7", ("cm", "m"))
        assay, (unit, other) = self.one(weight, height, (GLUCOSE, ("mg/dL", "mmol/L")))
        value = self.one("0.5", "1", "2", "2000", "0.02", f"2 {unit}", f"2000 {other}", f"0.5 {unit}", f"0.02 {other}")
        return AlphanumericFilter(self.one(VALUE, assay), self.one("=", "!", "<", ">", "<=", ">="), value)

    def frequency(self) -> Filter:
        share = self.one("0", "0.1", "0.25", "0.5", "0.75", "1")
        return AlphanumericFilter(FREQUENCY, self.one("=", "!", "<", ">", "<=", ">=", "<=", ">"), share)

    def zygosity(self) -> Filter:
        term = self.one(*GROUP)
        scope = self.one(None, "genomicVariant")
        return AlphanumericFilter(ZYGOSITY, "=", term) if self.chance() else OntologyFilter(term, scope=scope)

    def term(self) -> Filter:
        id = self.one(*SEXES, *FEATURES, *FEATURES, *FEATURES, *DISEASES, *TISSUES, *MODELS, "HP:0099999")
        excluded = self.chance(0.2)
        alike = id.startswith("HP:") and not excluded and self.chance(0.3)
        return OntologyFilter(
            id,
            descendants=self.chance(),
            similarity=self.one("high", "medium", "low") if alike else "exact",
            excluded=excluded,
            scope=self.one(*[None] * 7, "individual", "individual", "biosample", "run"),
        )

    def comparison(self) -> Filter:
        operator, equality = self.one("=", "!", "<", ">", "<=", ">="), self.one("=", "!")
        texts = (*STATUSES, "Illumina", "bwa", "a", "b-s1", "%", "%l%", "A%", "%(100\\%)", "%(100%)", "%D%", "_")
        return self.one(
            AlphanumericFilter(self.one(ONSET, AGE, COLLECTED), operator, f"P{self.random.randint(1, 4)}Y"),
            AlphanumericFilter("runDate", operator, self.one(*DAYS)),
            AlphanumericFilter(
                self.one("vitalStatus", "platform", "aligner", "individualId", "biosampleId"),
                equality,
                self.one(*texts),
            ),
            AlphanumericFilter(FEATURE, equality, self.one(*FEATURES), self.one(None, "individual", "biosample")),
        )

    def anchor(self) -> Anchor:
        kind = self.one("individual", "biosample", "run", "analysis", "genomicVariant", "cohort", "dataset")
        person, sample = self.one(*PEOPLE), self.one("", "", "-s1", "-s2", "-sample")
        ids = {
            "individual": self.one(person, person, "nobody"),
            "genomicVariant": self.one(*(allele.id for allele in ALLELES), "GRCh38-1-1-G-T"),
            "cohort": self.one("cases", "controls", "others"),
            "dataset": self.one("this", "other"),
        }
        suffix = "" if kind == "biosample" else f"-{kind}"
        return Anchor(kind, ids.get(kind, f"{person}{sample}{suffix}"))

    def variant(self) -> VariantQuery:
        shape = self.one("allele", "allele", "bases", "range", "range", "bracket", "gene", "gene", "kind")
        if shape == "allele":
            return self.allele()
        kind: dict[str, Any] = {}
        if shape == "kind" or self.chance(0.3):
            kind = {
                "variant_type": self.one(None, *TYPES),
                "min_length": self.one(None, None, None, 1, 2, 3, 30),
                "max_length": self.one(None, None, None, 1, 2, 30, 31),
            }
        if shape == "kind":
            return VariantQuery(assembly=self.one(None, "GRCh37", "GRCh38"), **kind)
        if shape == "gene":
            if self.chance(0.3):
                kind |= {"reference_bases": self.bases(), "alternate_bases": self.bases()}
            return VariantQuery(gene=self.one(*GENES), aminoacid_change=self.one(None, None, *CHANGES), **kind)
        assembly, chrom = self.one(*["GRCh38"] * 4, "GRCh37"), self.one(*["1"] * 6, "2", "X", "MT")
        if shape == "bracket":
            low, high = sorted((self.start(), self.one(100, 101, 102, 110)))
            first, last = sorted((self.start(), self.one(101, 102, 104, 119, 120)))
            return VariantQuery(assembly, chrom, (low, high), (first, last), **kind)
        start = self.start()
        if shape == "range":
            end, alternate = start + self.one(1, 2, 5, 20), self.one(None, None, None, self.bases())
            return VariantQuery(assembly, chrom, (start,), (end,), None, alternate, **kind)
        return VariantQuery(assembly, chrom, (start,), (), self.bases(), self.bases())

    def allele(self) -> VariantQuery:
        """Ask for one of the alleles in any notation: with shared bases around it, or with none at all."""
        allele = self.one(*(allele for allele in (*ALLELES, *ALLELES[:4]) if allele.placed and allele.alt.isalpha()))
        start, ref, alt = self.one((allele.start, allele.ref, allele.alt), allele.minimal)
        head, tail = self.one("", "A", "CT"), self.one("", "G", "AC")
        ref, alt = head + ref + tail, head + alt + tail
        if alt and self.chance(0.3):
            at = self.random.randrange(len(alt))
            alt = alt[:at] + self.one("N", "R", "Y") + alt[at + 1 :]
        return VariantQuery(allele.assembly, allele.chrom, (start - len(head),), (), ref, alt)

    def start(self) -> int:
        return self.one(0, 88, 89, 99, 119, *[100] * 6, 101, 101, 102, 102, 103, 104)

    def bases(self) -> str | None:
        return self.one(None, "A", "G", "T", "N", "AC", "AN", "", "R", "NN", "AGG", "NNN")


# --- and their answers --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        near = {
            term: encode([(share, int(other[3:])) for other, share in SIMILAR.get(term, {}).items()])
            for term in (*FEATURES, "HP:0099999")
        }
        resource = {"namespacePrefix": "HP", "version": "1"}
        made.admin.store_ontology(resource, dict.fromkeys(near, "made up"), neighbours=lambda: near)
        yield made


def told(record: dict[str, Any]) -> dict[str, Any]:
    """What a variant's record says of genes and carriers, in the model's words."""
    info, cases = record["info"], record.get("caseLevelData", [])
    zygosity = {None: "other"} | GROUP
    said: dict[str, Any] = {
        "placed": info["placed"],
        "genes": set(record["molecularAttributes"]["geneIds"]),
        "cases": {
            (case["individualId"], case["biosampleId"], zygosity[case.get("zygosity", {}).get("id")]) for case in cases
        },
    }
    assert info.get("caseLevelTotal", 0) == len(cases)
    if "carriers" in info:
        names = {"heterozygous": "het", "homozygous": "hom", "hemizygous": "hemi", "zygosityNotStated": "other"}
        groups = {group: info["genotypes"].get(name, 0) for name, group in names.items()}
        said |= {"carriers": info["carriers"], "groups": groups}
    if "alleleCount" in info:
        missing = info["genotypes"]["missing"]
        said |= {"count": info["alleleCount"], "number": info["alleleNumber"], "missing": missing}
    return said


THRESHOLD = 2


def check(world: World, dataset: str, query: Query, expected: Answer, guarded: Answer) -> bool:
    """Ask at every depth, page by page and at once, with and without a threshold, and compare.

    ``guarded`` is expected where what too few people have is not told. Returns whether the answer says that some files
    could not tell.
    """
    if query.anchor == Anchor("dataset", "this"):
        query = replace(query, anchor=Anchor("dataset", dataset))
    records = world.pages(dataset, query)
    variants = query.entry_type == "genomicVariant"
    ids = [record["variantInternalId" if variants else "id"] for record in records]
    assert sorted(ids) == [dataset if id == "this" else id for id in expected.ids]
    if query.entry_type == "cohort":
        guarded = guarded.guarded(THRESHOLD)
    everything = world.ask(dataset, replace(query, pagination=Pagination(limit=0)), threshold=THRESHOLD)
    shown = [orjson.loads(record) for record in everything.records or ()]
    if variants and guarded.ids != expected.ids:
        assert sorted(record["variantInternalId"] for record in shown) == list(guarded.ids)
    else:
        cohorts = query.entry_type == "cohort"
        assert shown == [one for one, id in zip(records, ids, strict=True) if not cohorts or id in guarded.ids]
    assert (everything.count, everything.exists) == (len(shown), bool(shown))
    assert everything.info.get("people") == guarded.people
    for depth, count in ((Granularity.COUNT, len(ids)), (Granularity.BOOLEAN, None)):
        shallow = world.ask(dataset, replace(query, granularity=depth))
        assert (shallow.count, shallow.exists, shallow.records) == (count, bool(ids), None)
        assert shallow.caveat == everything.caveat
    if variants:
        assert {id: told(record) for id, record in zip(ids, records, strict=True)} == dict(expected.variants)
    return everything.caveat is not None


@settings(max_examples=WORLDS, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=True))
def test_every_answer_is_the_one_that_plain_lists_give(world: World, random: Random) -> None:
    dice = Dice(random)
    loads = [dice.load() for _ in range(random.randint(1, 4))]
    dataset, model = world.load(*loads), Model("this", loads)
    if compacted := dice.chance(0.4):
        world.admin.compact(dataset, ancestors, "me", everything=True)
    for _ in range(QUESTIONS):
        query = dice.question()
        try:
            try:
                caveat = check(world, dataset, query, model.answer(query), model.answer(query, THRESHOLD))
                assert not model.must_refuse(query)
                assert model.may_have_caveat(query) if caveat else not model.must_have_caveat(query)
            except CannotAnswer:
                assert model.may_refuse(query)
        except BaseException:
            note(f"asked: {query}" + ("; compacted" if compacted else ""))
            note("\n".join(f"loaded: {load}" for load in loads))
            raise
    world.admin.delete_dataset(dataset)
