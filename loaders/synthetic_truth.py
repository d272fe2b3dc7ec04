"""The exact answers about a synthetic cohort, counted in plain Python over sets, far from the store.

People of different sites are different people, so their counts add up. A variant may occur at several
sites: what the sites count must then not be added, and the pooled answer is the number of distinct ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beacon.model import genome
from loaders.synthetic_people import ASKED, FOCUS, ONSETS, Person, diseases
from loaders.synthetic_variants import DELETION, CaseVariant, Record, alleles_of
from loaders.terms import hpo

Key = tuple[str, int, str, str]
"""A variant: chromosome, 0-based start, trimmed ref and alt; unplaced ones "", 0, gene and label."""

SEXES = {"FEMALE": "NCIT:C16576", "MALE": "NCIT:C20197", "UNKNOWN_SEX": "NCIT:C17998"}


@dataclass(frozen=True, slots=True)
class Question:
    """One Beacon question with its true answers.

    ``path`` is the endpoint's name; ``filters`` and ``parameters`` are those of the request body. ``sites`` maps
    each site to its count, ``pooled`` is the count over all sites' data together.
    """

    id: str
    text: str
    path: str
    filters: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, Any]
    sites: Mapping[str, int]
    pooled: int

    @property
    def additive(self) -> bool:
        """Whether the sites' counts may be added (all but distinct variants)."""
        return self.path != "g_variants"

    def as_dict(self) -> dict[str, Any]:
        """Return the question as ``truth.json`` has it."""
        return {
            "id": self.id,
            "text": self.text,
            "path": self.path,
            "query": {"filters": list(self.filters), "requestParameters": dict(self.parameters)},
            "sites": dict(self.sites),
            "pooled": self.pooled,
            "additive": self.additive,
        }


@dataclass(slots=True)
class Known:
    """What is known of one individual at one site; ``carried`` maps variants to zygosities."""

    person: Person | None
    biosamples: int = 0
    runs: int = 0
    observed: set[str] = field(default_factory=set)
    genes: set[str] = field(default_factory=set)
    carried: dict[Key, set[str]] = field(default_factory=dict)

    def carry(self, key: Key, zygosity: str) -> None:
        """Note one carried variant."""
        self.carried.setdefault(key, set()).add(zygosity)


@dataclass(slots=True)
class Facts:
    """Everything known at one site. ``variants`` holds all alleles of its files, carried or not, with their genes."""

    individuals: dict[str, Known] = field(default_factory=dict)
    variants: dict[Key, set[str]] = field(default_factory=dict)


Persons = Callable[[Known], bool]
Variants = Callable[[Key], bool]


def gather(people: Sequence[Person], names: Sequence[str], records: Sequence[Record]) -> Facts:
    """Join one site's people and VCF (``names`` are its samples) into what a complete site knows."""
    facts = Facts()
    for person in people:
        known = Known(person, biosamples=int(person.biosample))
        known.observed = {above for term in person.observed for above in (term, *hpo().ancestors(term))}
        for variant, zygosity in person.variants:
            key = _case_key(variant)
            known.carry(key, zygosity)
            known.genes.add(variant.gene.symbol)
            facts.variants.setdefault(key, set()).add(variant.gene.symbol)
        if person.variants and not person.biosample and not person.sequenced:
            known.biosamples = 1  # derived: whoever has a variant has a sample
        facts.individuals[person.id] = known
    for name in names:
        known = facts.individuals.setdefault(name, Known(None))
        known.biosamples += 1
        known.runs += 1
    for record in records:
        keys = [_key(record.chrom, record.pos, record.ref, alt) for alt in record.alts]
        for key in keys:
            facts.variants.setdefault(key, set())
        for name, call in zip(names, record.calls, strict=True):
            for key, zygosity in _zygosities(keys, call):
                facts.individuals[name].carry(key, zygosity)
    return facts


def _case_key(variant: CaseVariant) -> Key:
    if variant.placed:
        return _key(variant.gene.chrom, variant.pos, variant.ref, variant.alt)
    return "", 0, variant.gene.symbol, variant.label


def _key(chrom: str, pos: int, ref: str, alt: str) -> Key:
    """Trim shared bases, end first, and keep one on each side."""
    while min(len(ref), len(alt)) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while min(len(ref), len(alt)) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return chrom, pos - 1, ref, alt


def _zygosities(keys: Sequence[Key], call: str) -> Iterator[tuple[Key, str]]:
    alleles = alleles_of(call)
    for number, key in enumerate(keys, start=1):
        if number in alleles:
            alone = set(alleles) == {number}
            yield key, ("hemi" if len(alleles) == 1 else "hom" if alone else "het")


def totals(sites: Mapping[str, Facts]) -> dict[str, dict[str, int]]:
    """Return the number of records of each entry type, per site and ``pooled``."""
    counts = {
        name: {
            "individual": len(facts.individuals),
            "biosample": sum(known.biosamples for known in facts.individuals.values()),
            "run": sum(known.runs for known in facts.individuals.values()),
            "analysis": sum(known.runs for known in facts.individuals.values()),
            "genomicVariant": len(facts.variants),
        }
        for name, facts in sites.items()
    }
    pooled: Counter[str] = Counter()
    for count in counts.values():
        pooled.update(count)
    pooled["genomicVariant"] = len({key for facts in sites.values() for key in facts.variants})
    return counts | {"pooled": dict(pooled)}


class _Asker:
    """Counts questions over the sites' facts."""

    def __init__(self, sites: Mapping[str, Facts]) -> None:
        self.sites = sites
        self.asked: list[Question] = []

    def ask(
        self,
        id: str,
        text: str,
        path: str = "individuals",
        *,
        persons: Persons | None = None,
        variants: Variants | None = None,
        gene: str | None = None,
        filters: Sequence[Mapping[str, Any]] = (),
        genomic: Mapping[str, Any] | None = None,
    ) -> None:
        """Count one question: people who fit ``persons`` and carry a variant that fits ``variants`` and ``gene``.

        Other paths count what these people have: their samples, runs, or such variants of theirs.
        """
        counts: dict[str, int] = {}
        distinct: set[Key] = set()
        for name, facts in self.sites.items():
            wanted = {
                key
                for key, genes in facts.variants.items()
                if (gene is None or gene in genes) and (variants is None or variants(key))
            }
            fitting = [known for known in facts.individuals.values() if persons is None or persons(known)]
            if path == "g_variants":
                found = wanted if persons is None else {k for k in wanted if any(k in p.carried for p in fitting)}
                distinct |= found
                counts[name] = len(found)
                continue
            if variants is not None or gene is not None:
                fitting = [known for known in fitting if not wanted.isdisjoint(known.carried)]
            counts[name] = sum(_worth(path, known) for known in fitting)
        pooled = len(distinct) if path == "g_variants" else sum(counts.values())
        parameters = {} if genomic is None else {"g_variant": genomic}
        self.asked.append(Question(id, text, path, tuple(filters), parameters, counts, pooled))


def _worth(path: str, known: Known) -> int:
    if path == "biosamples":
        return known.biosamples
    return known.runs if path in {"runs", "analyses"} else 1


def questions(sites: Mapping[str, Facts]) -> tuple[Question, ...]:
    """Return the questions about a cohort with their true answers per site and pooled."""
    asker = _Asker(sites)
    for path in ("individuals", "biosamples", "g_variants", "runs", "analyses"):
        asker.ask(f"all-{path}", f"all {path}", path)
    _about_people(asker)
    for id in FOCUS:
        _about_disease(asker, id)
    _about_variants(asker)
    return tuple(asker.asked)


def _is(test: Callable[[Person], bool]) -> Persons:
    return lambda known: known.person is not None and test(known.person)


def _of_sex(sex: str) -> Persons:
    # Whoever has no phenopacket is of unknown sex.
    return lambda known: (known.person.sex if known.person else "UNKNOWN_SEX") == sex


def _last_seen(low: int, high: int) -> Persons:
    return _is(lambda person: person.age is not None and low <= person.age < high)


def _began_as(term: str) -> Persons:
    return _is(lambda person: person.onset == term)


def _measured_by(assay: str) -> Persons:
    return _is(lambda person: person.measurement is not None and person.measurement[0] == assay)


def _lacks(term: str) -> Persons:
    return _is(lambda person: term in person.excluded)


def _has(term: str) -> Persons:
    return lambda known: term in known.observed


def _carries(zygosity: str) -> Persons:
    return lambda known: any(zygosity in states for states in known.carried.values())


def _about_people(asker: _Asker) -> None:
    for sex, code in SEXES.items():
        asker.ask(f"sex-{sex.lower()}", f"people of sex {sex}", persons=_of_sex(sex), filters=[{"id": code}])
    for name, low, high in (("children", 12, 60), ("adults", 216, 480)):
        asker.ask(
            f"age-{name}",
            f"people seen last at an age from {low // 12} to under {high // 12} years",
            persons=_last_seen(low, high),
            filters=[
                {"id": "ageAtLastEncounter", "operator": ">=", "value": f"P{low // 12}Y"},
                {"id": "ageAtLastEncounter", "operator": "<", "value": f"P{high // 12}Y"},
            ],
        )
    asker.ask(
        "onset-before-10",
        "people whose disease began before 10 years of age",
        persons=_is(lambda person: isinstance(person.onset, int) and person.onset < 120),
        filters=[{"id": "diseases.ageOfOnset.iso8601duration", "operator": "<", "value": "P10Y"}],
    )
    for term in ONSETS:
        asker.ask(
            f"onset-{term}",
            f"people whose disease has {hpo().labels[term]}",
            persons=_began_as(term),
            filters=[{"id": "diseases.ageOfOnset", "operator": "=", "value": term}],
        )
    asker.ask(
        "deceased",
        "people who have died",
        persons=_is(lambda person: person.deceased),
        filters=[{"id": "vitalStatus", "operator": "=", "value": "DECEASED"}],
    )
    for assay in ("LOINC:2157-6", "LOINC:718-7"):
        asker.ask(
            f"assay-{assay}",
            f"people with a measurement by {assay}",
            persons=_measured_by(assay),
            filters=[{"id": assay}],
        )
    for term in ("HP:0001250", "HP:0000707", "HP:0001626", "HP:0000478", "HP:0011842"):
        _about_term(asker, term)
    female, heart = _of_sex("FEMALE"), _has("HP:0001626")
    asker.ask(
        "female-HP:0001626",
        "women and girls with an abnormality of the cardiovascular system",
        persons=lambda known: female(known) and heart(known),
        filters=[{"id": SEXES["FEMALE"]}, {"id": "HP:0001626"}],
    )
    for term in ASKED:
        asker.ask(
            f"excluded-{term}",
            f"people in whom {hpo().labels[term]} was looked for and found absent",
            persons=_lacks(term),
            filters=[{"id": term, "excluded": True}],
        )


def _about_term(asker: _Asker, term: str) -> None:
    what = f"people with {hpo().labels[term]}"
    asker.ask(f"individuals-{term}", what, persons=_has(term), filters=[{"id": term}])
    for path in ("biosamples", "runs"):
        of_people = {"id": term, "scope": "individual"}
        asker.ask(f"{path}-{term}", f"{path} of {what}", path, persons=_has(term), filters=[of_people])


def _about_disease(asker: _Asker, id: str) -> None:
    disease = next(row for row in diseases() if row.id == id)
    gene, term = disease.gene.symbol, FOCUS[id]
    label = hpo().labels[term]
    by_gene = {"geneId": gene}
    with_disease = _is(lambda person: person.disease.id == id)
    itself = _is(lambda person: term in person.observed)
    asker.ask(f"disease-{id}", f"people with {disease.label}", persons=with_disease, filters=[{"id": id}])
    asker.ask(f"gene-{gene}", f"people who carry something in {gene}", gene=gene, genomic=by_gene)
    asker.ask(f"variants-{gene}", f"variants of {gene}", "g_variants", gene=gene, genomic=by_gene)
    asker.ask(
        f"{term}-exact",
        f"people recorded with {label} itself",
        persons=itself,
        filters=[{"id": term, "includeDescendantTerms": False}],
    )
    for path, what in (("individuals", "people"), ("g_variants", "variants")):
        asker.ask(
            f"{path}-{term}-{gene}",
            f"{what}: {label} and something in {gene}",
            path,
            persons=_has(term),
            gene=gene,
            filters=[{"id": term, **({} if path == "individuals" else {"scope": "individual"})}],
            genomic=by_gene,
        )


def _about_variants(asker: _Asker) -> None:
    for group, code, name in (
        ("het", "GENO:0000135", "heterozygous"),
        ("hom", "GENO:0000136", "homozygous"),
        ("hemi", "GENO:0000134", "hemizygous"),
    ):
        asker.ask(
            f"zygosity-{group}",
            f"people with a {name} variant",
            persons=_carries(group),
            filters=[{"id": code}],
        )
    for path, what in (("g_variants", ""), ("individuals", "people with ")):
        asker.ask(
            f"{path}-unplaced-deletions",
            f"{what}deletions known without a place",
            path,
            variants=lambda key: not key[0],
            genomic={"variantType": DELETION},
        )
    for key in _chosen(asker.sites):
        _about_allele(asker, key)
    for gene in sorted({row.gene for row in diseases()}):
        _about_range(asker, gene.symbol, gene.chrom, gene.start, gene.end)
        middle = (gene.start + gene.end) // 2
        _about_range(asker, f"{gene.symbol}-part", gene.chrom, middle, middle + (gene.end - gene.start) // 8)


def _about_allele(asker: _Asker, wanted: Key) -> None:
    chrom, start, ref, alt = wanted
    name = f"{chrom}-{start + 1}-{ref}-{alt}"
    where = {"assemblyId": "GRCh38", "referenceName": chrom, "start": [start]}
    what = where | {"referenceBases": ref, "alternateBases": alt}
    asker.ask(f"carriers-{name}", f"people who carry {name}", variants=lambda key: key == wanted, genomic=what)
    asker.ask(f"variant-{name}", f"the variant {name}", "g_variants", variants=lambda key: key == wanted, genomic=what)


def _about_range(asker: _Asker, name: str, chrom: str, start: int, end: int) -> None:
    def inside(key: Key) -> bool:
        return key[0] == chrom and key[1] < end and key[1] + len(key[2]) > start

    accession = genome.ASSEMBLIES["GRCh38"].accessions[chrom]
    where = {"assemblyId": "GRCh38", "referenceName": accession, "start": [start], "end": [end]}
    asker.ask(f"range-{name}", f"variants in the range of {name}", "g_variants", variants=inside, genomic=where)
    asker.ask(
        f"people-range-{name}",
        f"people who carry something in the range of {name}",
        variants=inside,
        genomic=where,
    )


def _chosen(sites: Mapping[str, Facts]) -> list[Key]:
    """Choose alleles that most sites have: six that phenopackets name, six of the population, one carried by nobody."""
    seen: Counter[Key] = Counter()
    named: set[Key] = set()
    carried: set[Key] = set()
    for facts in sites.values():
        seen.update(key for key in facts.variants if key[0])
        named.update(key for key, genes in facts.variants.items() if genes)
        carried.update(key for known in facts.individuals.values() for key in known.carried)
    ranked = sorted(seen, key=lambda key: (-seen[key], key))
    cases = [key for key in ranked if key in named][:6]
    common = [key for key in ranked if key not in named and key in carried]
    nobody = [key for key in ranked if key not in carried][:1]
    return cases + common[:: max(1, len(common) // 6)][:6] + nobody
