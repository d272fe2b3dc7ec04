"""The questions that are timed: how each is asked, by what it is measured, and what its right answer is.

Each is a row of ``QUESTIONS``. ``make`` draws one with parameters that were not asked before and knows what is true;
``Asked.wrong`` says what is wrong with an answer, None where it is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from beacon.model import genome
from beacon.model.entry_types import ZYGOSITIES
from tests.perf.alleles import ASSEMBLY, RARE
from tests.perf.floor import CARRIED, MOST
from tests.perf.people import disease_id
from tests.perf.truth import Indices, Truth

Json = dict[str, Any]
Check = Callable[[Json], str | None]

RARE_FILTERS = ("alleleFrequency", "frequencyInPopulations.frequencies.alleleFrequency")
"""What a site may call the filter on an allele's frequency among its people; the first that it knows is used."""

_ZYGOSITY = {label: id for id, label in ZYGOSITIES.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its right answer; ``key`` tells it from others of the same question.

    ``records`` names the documents that floor B finds: a collection's kind and ids. ``carried`` are the alleles among
    them that it finds with their carriers.
    """

    path: str
    body: bytes
    key: tuple[Any, ...]
    check: Check
    records: tuple[str, tuple[str, ...]] | None = None
    carried: tuple[int, ...] = ()

    def wrong(self, status: int, answer: bytes) -> str | None:
        """Say what is wrong with an answer."""
        if status != 200:
            return f"status {status}: {answer[:300].decode(errors='replace')}"
        try:
            said = self.check(orjson.loads(answer))
        except (KeyError, TypeError, IndexError, orjson.JSONDecodeError) as error:
            said = f"not the expected shape: {error!r}"
        return f"{said} (asked {self.body.decode()} at {self.path})" if said else None


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the table: ``limit`` is the largest multiple of the floor, A or B, that is promised, if any."""

    name: str
    says: str
    floor: str
    limit: float | None
    make: Callable[[Asking], Asked]
    alleles: bool = True


@dataclass(frozen=True, slots=True)
class Asking:
    """What questions are made of: the truth, luck, and the site's name for the filter on frequency."""

    truth: Truth
    luck: np.random.Generator
    rare_filter: str = RARE_FILTERS[0]

    def whole(self, below: int) -> int:
        """Draw a number from 0 to before ``below``."""
        return int(self.luck.integers(below))

    def pick(self, among: Sequence[Any]) -> Any:
        """Draw one of several."""
        return among[self.whole(len(among))]


def unlike(question: Question, asking: Asking, many: int) -> list[Asked]:
    """Draw ``many`` requests of a question, no two the same (fewer where the cohort has no more)."""
    found: dict[tuple[Any, ...], Asked] = {}
    for _ in range(many * 4):
        if len(found) == many:
            break
        asked = question.make(asking)
        found.setdefault(asked.key, asked)
    return list(found.values())


def _post(granularity: str, filters: Sequence[Json] = (), limit: int = 10, skip: int = 0, **variant: Any) -> bytes:
    query: Json = {
        "requestedGranularity": granularity,
        "includeResultsetResponses": "HIT",
        "pagination": {"skip": skip, "limit": limit},
    }
    if variant:
        query["requestParameters"] = {"g_variant": variant}
    if filters:
        query["filters"] = list(filters)
    return orjson.dumps({"meta": {"apiVersion": "v2.0"}, "query": query})


def counts(expected: int) -> Check:
    """Check that an answer counts this many."""

    def check(answer: Json) -> str | None:
        summary = answer["responseSummary"]
        found = summary.get("numTotalResults"), summary["exists"]
        return None if found == (expected, expected > 0) else f"{found} instead of {expected}"

    return check


def says(exists: bool) -> Check:
    """Check that an answer says yes or no, and nothing more."""

    def check(answer: Json) -> str | None:
        summary = answer["responseSummary"]
        if "numTotalResults" in summary:
            return "a count where only yes or no was asked"
        return None if summary["exists"] is exists else f"exists is {summary['exists']}"

    return check


def _results(answer: Json) -> list[Json]:
    listed: list[Json] = [record for part in answer["response"]["resultSets"] for record in part["results"]]
    return listed


def _allele(asking: Asking, granularity: str) -> Asked:
    truth = asking.truth
    at = asking.whole(len(truth.places))
    allele = truth.places.allele(at)
    while allele.alt.startswith("<"):
        at = asking.whole(len(truth.places))
        allele = truth.places.allele(at)
    alt = allele.alt
    if asking.whole(5) == 0:  # one in five asks for an allele that most likely is not there
        alt = "ACGT".replace(allele.ref[0], "")[asking.whole(3)]
    found = truth.same_allele(allele.chrom, allele.start, allele.ref, alt)
    body = _post(
        granularity, referenceName=allele.chrom, assemblyId=ASSEMBLY, start=[allele.start],
        referenceBases=allele.ref, alternateBases=alt,
    )  # fmt: skip
    check = counts(len(found)) if granularity == "count" else says(len(found) > 0)
    return Asked("/g_variants", body, (allele.chrom, allele.start, allele.ref, alt), check)


def _range(asking: Asking, length: int) -> tuple[str, int, int]:
    """Draw a range that lies where alleles are."""
    chrom, first, stop = asking.pick(asking.truth.places.bounds)
    low, high = int(asking.truth.places.start[first]), int(asking.truth.places.start[stop - 1])
    # Ranges longer than what there is begin anywhere in its first half or before it.
    begin = (
        low + asking.whole(high - low - length)
        if high - low > length
        else max(0, high - length + asking.whole(max((high - low) // 2, 2)))
    )
    return chrom, begin, begin + length


def _whole_chromosome(asking: Asking) -> tuple[str, int, int]:
    chrom, first, _ = asking.pick(asking.truth.places.bounds)
    low = int(asking.truth.places.start[first])
    return chrom, asking.whole(low), genome.ASSEMBLIES[ASSEMBLY].lengths[chrom] - asking.whole(10_000)


def _placed(chrom: str, start: int, end: int) -> Json:
    return {"referenceName": chrom, "assemblyId": ASSEMBLY, "start": [start], "end": [end]}


def _overlap(asking: Asking, length: int | None) -> Asked:
    where = _whole_chromosome(asking) if length is None else _range(asking, length)
    found = asking.truth.overlapping(*where)
    return Asked("/g_variants", _post("count", **_placed(*where)), where, counts(len(found)))


def _gene(asking: Asking) -> Asked:
    gene = asking.pick(asking.truth.places.genes)
    # There are few genes in a small cohort, so the same one is asked with other words, which changes nothing.
    granularity, luck = "count", asking.whole(1_000)
    body = _post(granularity, limit=luck, geneId=gene.symbol)
    return Asked("/g_variants", body, (gene.symbol, luck), counts(gene.stop - gene.first))


def _individuals(asking: Asking, many: int) -> Asked:
    people = asking.truth.people
    terms = tuple(asking.pick(people.asked_terms) for _ in range(many))
    if many > 1:  # the second one is of somebody who has the first
        having = people.having(terms[0])
        person = int(asking.pick(having.tolist())) if len(having) else 0
        own = people.terms[people.terms_at[person] : people.terms_at[person + 1]].tolist()
        terms = (terms[0], people.vocabulary[asking.pick(own)]) if own else terms
    found = people.having(terms[0])
    for term in terms[1:]:
        found = np.intersect1d(found, people.having(term))
    filters = [{"id": term, "scope": "individual"} for term in terms]
    return Asked("/individuals", _post("count", filters), terms, counts(len(found)))


def _joined(asking: Asking) -> tuple[int, list[Json]]:
    """Draw a disease, and make the filters on it and on the frequency."""
    disease = asking.whole(int(asking.truth.people.disease.max()) + 1)
    rare = {"id": asking.rare_filter, "operator": "<=", "value": str(RARE), "scope": "genomicVariant"}
    return disease, [{"id": disease_id(disease), "scope": "individual"}, rare]


def _ill_carriers(asking: Asking, where: str) -> Asked:
    disease, filters = _joined(asking)
    variant, alleles, key = _part(asking, where)
    ill = asking.truth.ill(disease)
    rare = asking.truth.rare_among(alleles)
    carriers = [asking.truth.rare_carriers(at) for at in rare.tolist()]
    found = np.intersect1d(ill, np.concatenate(carriers)) if carriers else np.empty(0, np.int64)
    body = _post("count", filters, **variant)
    return Asked("/individuals", body, (disease, *key), counts(len(found)))


def _part(asking: Asking, where: str) -> tuple[Json, Indices, tuple[Any, ...]]:
    """Draw a gene or a 100 kb range: its parameters, its alleles, and what tells it from others."""
    if where == "gene":
        number = asking.whole(len(asking.truth.places.genes))
        symbol = asking.truth.places.genes[number].symbol
        return {"geneId": symbol}, asking.truth.within_gene(number), (symbol,)
    span = _range(asking, 100_000)
    return _placed(*span), asking.truth.overlapping(*span), span


def _carried_by_ill(asking: Asking) -> Asked:
    disease, filters = _joined(asking)
    variant, alleles, key = _part(asking, "range")
    ill = np.zeros(asking.truth.size.people, np.bool_)
    ill[asking.truth.ill(disease)] = True
    found = sum(bool(ill[asking.truth.rare_carriers(at)].any()) for at in asking.truth.rare_among(alleles).tolist())
    return Asked("/g_variants", _post("count", filters, **variant), (disease, *key), counts(found))


def _variant_page(asking: Asking, *, carried: bool) -> Asked:
    """Draw a page; ``carried`` says whether the floor finds the documents of that page with all carriers."""
    truth = asking.truth
    where = _range(asking, 10_000)
    found = truth.in_order(truth.overlapping(*where))
    skip = asking.whole(max(len(found) // 10, 1))
    body = _post("record", limit=10, skip=skip, **_placed(*where))
    page = tuple(found[10 * skip : 10 * skip + 10].tolist())
    asked = Asked("/g_variants", body, (*where, skip), _describes(truth, found, skip, len(found)))
    if not carried:
        return replace(asked, records=("variant", _neighbours(asking, len(page))))
    return replace(asked, records=(CARRIED, tuple(truth.places.allele(at).id for at in page)), carried=page)


def _neighbours(asking: Asking, many: int) -> tuple[str, ...]:
    """Draw variants side by side among those that floors know, as many as a page has."""
    at = asking.whole(max(min(len(asking.truth.places), MOST) - many, 1))
    return tuple(asking.truth.places.allele(number).id for number in range(at, at + many))


def _describes(truth: Truth, found: Indices, skip: int, total: int | None, person: int | None = None) -> Check:
    """Check that a page of ten holds these alleles with everybody who carries them (or one person alone), and how."""
    page = found[10 * skip : 10 * skip + 10]

    def check(answer: Json) -> str | None:
        if total is not None and (counted := answer["responseSummary"]["numTotalResults"]) != total:
            return f"{counted} in all instead of {total}"
        results = _results(answer)
        near = found[max(10 * skip - 5, 0) : 10 * skip + 15].tolist()
        by_id = {truth.places.allele(at).id: at for at in near}
        listed = [by_id.get(record["variantInternalId"], -1) for record in results]
        places = [(truth.places.start[at], truth.places.end[at]) for at in listed]
        expected = [(truth.places.start[at], truth.places.end[at]) for at in page.tolist()]
        if -1 in listed or len(set(listed)) < len(listed) or places != expected:
            return f"other variants: {[record['variantInternalId'] for record in results]}"
        for at, record in zip(listed, results, strict=True):
            if wrong := _misdescribed(truth, at, record, person):
                return f"{record['variantInternalId']}: {wrong}"
        return None

    return check


def _misdescribed(truth: Truth, at: int, record: Json, person: int | None) -> str | None:
    calls = truth.calls(at)
    groups = {"heterozygous": calls.het.tolist(), "homozygous": calls.hom.tolist()}
    expected = {
        (truth.people.id(who), truth.people.sample(who), _ZYGOSITY[zygosity])
        for zygosity, whose in groups.items()
        for who in whose
        if person is None or who == person
    }
    cases = record.get("caseLevelData", [])
    found = {(case["individualId"], case["biosampleId"], case["zygosity"]["id"]) for case in cases}
    total = record["info"].get("caseLevelTotal", len(cases))
    if len(found) != len(cases) or total != len(expected):
        return f"{len(found)} of {len(cases)} carriers listed, {total} stated, {len(expected)} in truth"
    if found != expected and not (found < expected and len(cases) < total):
        return f"other carriers: {sorted(found ^ expected)[:5]}"
    counted = record["info"]["alleleCount"], record["info"]["alleleNumber"]
    if person is None and counted != (int(truth.count[at]), int(truth.number[at])):
        return f"counts {counted}"
    return None


def _person_page(asking: Asking) -> Asked:
    people = asking.truth.people
    for _ in range(200):
        term = asking.pick(people.asked_terms)
        found = people.having(term)
        if len(found) >= 100:
            break
    skip = asking.whole(max(len(found) // 100, 1))
    page = found[100 * skip : 100 * skip + 100].tolist()
    bodies = [people.body(person) for person in page]

    def check(answer: Json) -> str | None:
        if answer["responseSummary"]["numTotalResults"] != len(found):
            return f"{answer['responseSummary']['numTotalResults']} in all instead of {len(found)}"
        return None if _results(answer) == bodies else "other people, or described otherwise"

    body = _post("record", [{"id": term, "scope": "individual"}], limit=100, skip=skip)
    return Asked("/individuals", body, (term, skip), check, ("individual", tuple(people.id(person) for person in page)))


def _own_variants(asking: Asking) -> Asked:
    truth = asking.truth
    person = asking.whole(truth.size.people)
    found = truth.first_carried(person)
    skip = asking.whole(min(5, max(len(found) // 10, 1)))
    body = _post("record", limit=10, skip=skip)
    ids = _neighbours(asking, len(found[10 * skip : 10 * skip + 10]))
    path = f"/individuals/{truth.people.id(person)}/g_variants"
    return Asked(path, body, (person, skip), _describes(truth, found, skip, None, person), ("variant", ids))


QUESTIONS: Mapping[str, Question] = {
    question.name: question
    for question in (
        Question("allele-exists", "exact allele, yes or no", "A", 1.6, lambda a: _allele(a, "boolean")),
        Question("allele-count", "exact allele, count", "A", 1.6, lambda a: _allele(a, "count")),
        Question("overlap-1bp", "any overlap with 1 bp", "A", 2, lambda a: _overlap(a, 1)),
        Question("overlap-10kb", "any overlap with 10 kb", "A", 2, lambda a: _overlap(a, 10_000)),
        Question("overlap-1mb", "any overlap with 1 Mb", "A", 3, lambda a: _overlap(a, 1_000_000)),
        Question("chromosome", "any overlap with a whole chromosome", "A", 3, lambda a: _overlap(a, None)),
        Question("gene", "gene of about 1,000 variants", "A", 3, _gene),
        Question("one-term", "individuals by one HPO term", "A", 2, lambda a: _individuals(a, 1), alleles=False),
        Question("two-terms", "individuals by two HPO terms", "A", 2.5, lambda a: _individuals(a, 2), alleles=False),
        Question("ill-gene", "individuals by disease and rare variant in a gene", "A", 6,
                 lambda a: _ill_carriers(a, "gene")),
        Question("ill-range", "individuals by disease and rare variant in 100 kb", "A", 8,
                 lambda a: _ill_carriers(a, "range")),
        Question("rare-of-ill", "rare variants in 100 kb among people by disease", "A", 10, _carried_by_ill),
        Question("variant-page", "page of 10 variants with case-level data", "B", 2,
                 lambda a: _variant_page(a, carried=True)),
        Question("variant-page-bare", "the same, of a floor that finds no carriers", "B", None,
                 lambda a: _variant_page(a, carried=False)),
        Question("person-page", "page of 100 individuals", "B", 2, _person_page, alleles=False),
        Question("own-variants", "page of 10 variants of one individual", "B", 2, _own_variants),
    )
}  # fmt: skip


def chosen(names: Sequence[str], truth: Truth) -> Iterator[Question]:
    """Yield the questions of these names (all, where none is named) that a cohort has data for."""
    unknown = set(names) - QUESTIONS.keys()
    if unknown:
        raise SystemExit(f"There is no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}.")
    for question in QUESTIONS.values():
        if (not names or question.name in names) and (truth.size.alleles or not question.alleles):
            yield question
