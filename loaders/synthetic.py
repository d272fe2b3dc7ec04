"""A deterministic synthetic cohort of people with real rare diseases, and the true answers about it.

Diseases, genes, their positions and the features of each disease are real (``rare_diseases.tsv`` and the
annotations in ``hpo3``); the people, their variants and all bases are made up. Phenopackets say so in
``metaData.createdBy``, every VCF record by the flag SYNTHETIC. The same seed gives the same bytes on every
machine that has the same release of ``hpo3``.

What each site gets: phenopackets (ids are unique; about half of the people have a sample of that name in the
VCF, two thirds of these with a variant in the phenopacket, carried in the VCF too), and one VCF, which also has
samples of people without a phenopacket. People belong to one site each; many alleles occur at several sites, so
that counts of distinct variants cannot be added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loaders import synthetic_people, synthetic_truth, synthetic_variants
from loaders.synthetic_truth import Question
from loaders.terms import hpo

__all__ = ["Cohort", "Question", "Site", "generate", "write"]

_MOST_SITES = 26


@dataclass(frozen=True, slots=True)
class Site:
    """One site's files: ``phenopackets`` maps file names to JSON, ``vcf`` is the text of one VCF 4.2 (GRCh38)."""

    id: str
    phenopackets: Mapping[str, bytes]
    vcf: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """All sites with the true answers.

    ``totals`` counts records by entry type id, for each site id and for ``pooled``. ``questions`` hold for
    sites that loaded both their files, and nothing else, each into one dataset.
    """

    seed: int
    sites: tuple[Site, ...]
    totals: Mapping[str, Mapping[str, int]]
    questions: tuple[Question, ...]

    def question(self, id: str) -> Question:
        """Return one question. Raises ``KeyError`` for an unknown id."""
        for question in self.questions:
            if question.id == id:
                return question
        raise KeyError(id)

    def truth(self) -> dict[str, Any]:
        """Return the true answers as ``truth.json`` has them."""
        return {
            "about": "True answers about a synthetic cohort (no real person), per site and for all data together.",
            "seed": self.seed,
            "assembly": "GRCh38",
            "hpo": hpo().version,
            "totals": {name: dict(counts) for name, counts in self.totals.items()},
            "questions": [question.as_dict() for question in self.questions],
        }


def generate(seed: int = 2026, people: int = 90, sites: int = 3) -> Cohort:
    """Make a cohort: ``people`` phenopackets at each of ``sites`` sites (1 to 26), named site-a, site-b and so on.

    With 60 people or more, every list endpoint of every site has at least 40 records. Raises ``ValueError``
    for sizes that make no cohort.
    """
    if people < 1 or not 1 <= sites <= _MOST_SITES:
        raise ValueError(f"a cohort has at least one person at each of 1 to {_MOST_SITES} sites")
    pool = synthetic_variants.population(seed, [row.gene for row in synthetic_people.diseases()])
    made, facts = [], {}
    for number in range(sites):
        name = f"site-{chr(97 + number)}"
        persons = synthetic_people.make_people(seed, number, people)
        samples = [
            synthetic_variants.Sample(person.id, person.sex == "MALE", dict(person.variants))
            for person in persons
            if person.sequenced
        ] + [
            synthetic_variants.Sample(f"SYN-{chr(65 + number)}-S{extra + 1:03d}", False, {})
            for extra in range(max(12, people // 6))
        ]
        records = synthetic_variants.make_records(seed, number, pool, samples)
        files = {f"{person.id}.json": synthetic_people.phenopacket(person) for person in persons}
        made.append(Site(name, files, synthetic_variants.vcf(records, samples, synthetic_people.MARK)))
        facts[name] = synthetic_truth.gather(persons, [sample.name for sample in samples], records)
    return Cohort(seed, tuple(made), synthetic_truth.totals(facts), synthetic_truth.questions(facts))


def write(cohort: Cohort, folder: Path) -> None:
    """Write ``site-a/phenopackets/*.json``, ``site-a/variants.vcf`` and so on, and ``truth.json``, below ``folder``.

    Existing files of these names are replaced. Raises ``OSError`` where the folder cannot be written.
    """
    for site in cohort.sites:
        place = folder / site.id / "phenopackets"
        place.mkdir(parents=True, exist_ok=True)
        for name, content in site.phenopackets.items():
            (place / name).write_bytes(content)
        (folder / site.id / "variants.vcf").write_bytes(site.vcf.encode())
    (folder / "truth.json").write_bytes(orjson.dumps(cohort.truth(), option=orjson.OPT_INDENT_2) + b"\n")
