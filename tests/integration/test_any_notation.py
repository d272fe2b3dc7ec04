"""An allele is found in whatever notation it is asked for; what only the sequence tells is never guessed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.errors import BadRequest, CannotAnswer, LoadError, NeedsReference
from beacon.model import genome, hgvs, vrs
from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, StricterRecords
from beacon.model.edit import Edit, Normal, normal, reverse_complement
from beacon.model.entry_types import HGVS, OTHER_IDS
from beacon.model.genome import CHROMOSOMES
from beacon.model.query import AlphanumericFilter, Anchor, Pagination, Query, VariantQuery
from beacon.model.representations import VRS
from beacon.model.variant import Allele, from_vcf
from beacon.query import case_level, parameters
from beacon.query.execute import execute
from loaders.reference import load_reference
from schemas import validator
from tests.world import Load, Sequenced, Site, World, open_world, write

ACCESSION = genome.ASSEMBLIES["GRCh38"].accessions["1"]


def made_up(seed: int, size: int) -> str:
    """A sequence with many short repeats."""
    drawn = random.Random(seed)
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        parts.append("".join(drawn.choices("ACGT", k=drawn.choice((1, 1, 2, 3)))) * drawn.choice((1, 2, 5, 9)))
    return "".join(parts)[:size]


SEQUENCES = {chrom: made_up(number, 60 + number) for number, chrom in enumerate(CHROMOSOMES)}
# Repeats that reach further than what is read at first, up to both ends.
SEQUENCES["1"] = "CA" * 100 + made_up(1000, 120) + "G" * 150


def write_fasta(path: Path, sequences: dict[str, str], width: int = 60) -> Path:
    lines = []
    for chrom, bases in sequences.items():
        lines.append(f">chr{chrom} made up")
        written = bases[: len(bases) // 2].lower() + bases[len(bases) // 2 :]
        lines += [written[begin : begin + width] for begin in range(0, len(bases), width)]
    path.write_text("\n".join(lines))
    return path


def settled(edit: Edit, sequence: str) -> Normal:
    asking = normal(edit, len(sequence))
    try:
        start, end = next(asking)
        while True:
            start, end = asking.send(sequence[start:end])
    except StopIteration as done:
        found: Normal = done.value
        return found


def as_in_vcf(sequence: str, edit: Edit) -> tuple[int, str, str] | None:
    """Return (POS, REF, ALT), left-aligned, as a VCF has it; None where nothing is changed."""
    try:
        start, ref, alt = settled(edit, sequence).leftmost
    except ValueError:
        return None
    if ref and alt:
        return start + 1, ref, alt
    if start == 0:
        after = sequence[len(ref)]
        return 1, ref + after, alt + after
    before = sequence[start - 1]
    return start, before + ref, before + alt


def all_small_changes(sequence: str, every: int) -> dict[str, tuple[Allele, Edit]]:
    """Return alleles by id, with the edit they came from: short deletions, insertions and others all over it."""
    drawn = random.Random(7)
    found: dict[str, tuple[Allele, Edit]] = {}
    for start in range(0, len(sequence) - 4, every):
        for size in (0, 1, 2, 3):
            alt = "".join(drawn.choices("ACGT", k=drawn.choice((0, 1, 2, 3))))
            unit = sequence[start : start + size] or sequence[start]
            for other in (alt, "", unit + unit, reverse_complement(unit)):
                edit = Edit(start, start + size, sequence[start : start + size], other)
                if written := as_in_vcf(sequence, edit):
                    allele = from_vcf("GRCh38", "1", *written)
                    found[allele.id] = (allele, edit)
    return found


ALLELES = all_small_changes(SEQUENCES["1"], 3)


def sites(alleles: list[Allele]) -> Load:
    return Load(sites=tuple(Site(allele, None, (), ()) for allele in sorted(alleles, key=lambda a: (a.start, a.end))))


@dataclass(frozen=True)
class Asked:
    world: World
    dataset: str

    def ids(self, variant: VariantQuery) -> set[str]:
        query = Query("genomicVariant", variant=variant, granularity=Granularity.RECORD, pagination=Pagination(0, 1000))
        result = self.world.ask(self.dataset, query)
        assert result.records is not None
        return {orjson.loads(record)["variantInternalId"] for record in result.records}

    def filtered(self, field: str, text: str) -> set[str]:
        query = Query("genomicVariant", filters=(AlphanumericFilter(field, "=", text),), granularity=Granularity.RECORD)
        return {
            orjson.loads(record)["variantInternalId"] for record in self.world.ask(self.dataset, query).records or ()
        }

    def short(self, text: str, assembly: str | None = None) -> set[str]:
        return self.ids(VariantQuery(assembly=assembly, short_form=text))


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as opened:
        yield opened


@pytest.fixture(scope="module")
def asked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Half of the alleles are loaded before the sequence, half after it."""
    listed = [allele for allele, _ in ALLELES.values()]
    dataset = world.load(sites(listed[::2]))
    fasta = write_fasta(tmp_path_factory.mktemp("fasta") / "small.fa", SEQUENCES)
    report = load_reference(world.admin, fasta, "hg38", partial=True)
    assert sorted(report.loaded) == sorted(CHROMOSOMES)
    assert (report.named, report.unnamed, report.missing) == (len(listed[::2]), 0, [])
    write(world.admin, dataset, sites(listed[1::2]))
    return Asked(world, dataset)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, Edit]:
    """One of the alleles, and an edit that makes it: moved within its repeat, with bases around it or without."""
    sequence = SEQUENCES["1"]
    allele, _ = ALLELES[draw(st.sampled_from(sorted(ALLELES)))]
    found = settled(Edit(allele.start, allele.end, allele.ref, allele.alt), sequence)
    by = draw(st.integers(0, found.left + found.right))
    start, ref, alt = found.start, found.ref, found.alt
    if by != found.left:
        bases = ref or alt
        start, turn = found.start - found.left + by, (by - found.left) % len(bases)
        moved = bases[turn:] + bases[:turn]
        ref, alt = (moved, "") if ref else ("", moved)
    before = draw(st.integers(0, min(3, start)))
    after = draw(st.integers(0, min(3, len(sequence) - start - len(ref))))
    head, tail = sequence[start - before : start], sequence[start + len(ref) : start + len(ref) + after]
    return allele.id, Edit(start - before, start + len(ref) + after, head + ref + tail, head + alt + tail)


@given(spellings())
@settings(max_examples=150, deadline=None)
def test_every_spelling_finds_the_very_allele(asked: Asked, spelling: tuple[str, Edit]) -> None:
    id, edit = spelling
    assert isinstance(edit.alt, str)
    by_bases = VariantQuery("GRCh38", "1", (edit.start,), (), edit.ref, edit.alt)
    assert asked.ids(by_bases) == {id}
    assert asked.short(f"{ACCESSION}:{edit.start}:{edit.ref}:{edit.alt}") == {id}
    if edit.ref:
        assert asked.short(f"{ACCESSION}:{edit.start}:{len(edit.ref)}:{edit.alt}") == {id}
        if edit.alt:
            place = f"{edit.start + 1}_{edit.end}" if len(edit.ref) > 1 else f"{edit.end}"
            assert asked.short(f"chr1:g.{place}delins{edit.alt}", "GRCh38") == {id}


@given(st.sampled_from(sorted(ALLELES)))
@settings(max_examples=60, deadline=None)
def test_the_names_in_an_answer_find_the_variant_again(asked: Asked, id: str) -> None:
    query = Query("genomicVariant", anchor=Anchor("genomicVariant", id), granularity=Granularity.RECORD)
    (record,) = asked.world.ask(asked.dataset, query).records or ()
    identifiers = orjson.loads(record)["identifiers"]
    names = [one["id"] for one in identifiers["variantAlternativeIds"]]
    assert [name.partition(":")[0] for name in names] == [ACCESSION, "ga4gh"]
    for name in [*names, *([identifiers["genomicHGVSId"]] if "genomicHGVSId" in identifiers else [])]:
        if hgvs.is_hgvs(name) and hgvs.read(name)[1].end >= len(SEQUENCES["1"]):
            continue  # between the last base and nothing
        assert asked.short(name) == asked.filtered(HGVS if hgvs.is_hgvs(name) else OTHER_IDS, name) == {id}, name


def test_vrs_ids_are_those_of_the_fully_justified_allele(asked: Asked) -> None:
    digest = vrs.sha512t24u(SEQUENCES["1"].encode())
    for id, (_, edit) in list(ALLELES.items())[:40]:
        start, ref, alt = settled(edit, SEQUENCES["1"]).justified
        assert asked.short(vrs.allele_id(digest, start, start + len(ref), alt)) == {id}
    assert asked.short("ga4gh:VA." + "x" * 32) == set()


def test_inversions_and_duplications_are_read_from_the_sequence(asked: Asked) -> None:
    sequence = SEQUENCES["1"]
    found = 0
    for id, (_, edit) in ALLELES.items():
        size = edit.end - edit.start
        place = f"{edit.start + 1}_{edit.end}" if size > 1 else f"{edit.end}"
        there = sequence[edit.start : edit.end]
        if size and edit.alt == there * 2:
            assert asked.short(f"{ACCESSION}:g.{place}dup") == asked.short(f"{ACCESSION}:g.{place}dup{there}") == {id}
            found += 1
        if size > 1 and edit.alt == reverse_complement(there):
            assert asked.short(f"{ACCESSION}:g.{place}inv") == {id}
            found += 1
        if found > 40:
            break
    assert found > 20


def test_answers_in_vrs_say_the_allele_and_fit_its_schema(asked: Asked) -> None:
    fits = validator("vrs13")
    for id in list(ALLELES)[:30]:
        query = Query(
            "genomicVariant", anchor=Anchor("genomicVariant", id), granularity=Granularity.RECORD,
            requested_schemas=(("genomicVariant", VRS.id),),
        )  # fmt: skip
        (record,) = asked.world.ask(asked.dataset, query).records or ()
        variation = orjson.loads(record)["variation"]
        assert fits.errors(variation) == ()
        location, interval = variation["location"], variation["location"]["interval"]
        assert location["sequence_id"] == f"ga4gh:SQ.{vrs.sha512t24u(SEQUENCES['1'].encode())}"
        start, end = interval["start"]["value"], interval["end"]["value"]
        digest = location["sequence_id"].removeprefix("ga4gh:SQ.")
        assert variation["_id"] == vrs.allele_id(digest, start, end, variation["state"]["sequence"])
        assert asked.short(variation["_id"]) == {id}


def test_the_sequence_that_a_record_names_is_a_reference_name(asked: Asked) -> None:
    digest = vrs.sha512t24u(SEQUENCES["1"].encode())
    for id, (_, edit) in list(ALLELES.items())[:20]:
        for name in (f"ga4gh:SQ.{digest}", f"SQ.{digest}"):
            given = {"referenceName": name, "start": edit.start, "referenceBases": edit.ref, "alternateBases": edit.alt}
            variant, _ = parameters.read(given)
            assert variant is not None
            assert asked.ids(variant) == {id}
    for wrong in ({"assemblyId": "GRCh37"}, {"referenceName": "ga4gh:SQ." + digest[::-1]}):
        variant, _ = parameters.read({"referenceName": f"ga4gh:SQ.{digest}", "start": 1, "end": 2} | wrong)
        assert variant is not None
        with pytest.raises(CannotAnswer, match="none of those that are loaded here"):
            asked.ids(variant)


def test_what_vrs_cannot_say_exactly_stays_in_the_legacy_form(world: World) -> None:
    substitution, deletion = (from_vcf("GRCh37", "2", 100, ref, alt) for ref, alt in (("A", "G"), ("AG", "A")))
    large = from_vcf("GRCh37", "2", 200, "N", "<DEL>", end=900)
    dataset = world.load(sites([substitution, deletion, large]))
    query = Query("genomicVariant", granularity=Granularity.RECORD, requested_schemas=(("g_variant", VRS.id),))
    records = [orjson.loads(record) for record in world.ask(dataset, query).records or ()]
    said = {record["variantInternalId"]: record["variation"] for record in records}
    accession = genome.ASSEMBLIES["GRCh37"].accessions["2"]
    assert said[substitution.id] == vrs.allele(f"refseq:{accession}", 99, 100, "G")
    assert said[deletion.id]["variantType"] == said[large.id]["variantType"] == "DEL"
    named = {record["variantInternalId"]: record.get("identifiers", {}) for record in records}
    assert named[substitution.id]["genomicHGVSId"] == f"{accession}:g.100A>G"
    assert named[substitution.id]["variantAlternativeIds"] == [{"id": f"{accession}:99:A:G", "notes": "SPDI"}]
    assert named[deletion.id] == named[large.id] == {}


def test_carriers_beyond_the_cap_are_counted_and_where_they_are_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    allele = from_vcf("GRCh38", "3", 100, "A", "G")
    people = tuple(Sequenced(f"p{number}", f"s{number}", None, None, False) for number in range(8))
    calls = ("1/1", "0/1", "0/0", "0/1", "./.", "1/1", "0/1", "0/1")
    dataset = world.load(Load(sequenced=people, sites=(Site(allele, calls, (), ()),)))
    monkeypatch.setattr(case_level, "MAX_CASES", 4)
    query = Query("genomicVariant", granularity=Granularity.RECORD)
    (record,) = world.ask(dataset, query).records or ()
    found = orjson.loads(record)
    assert {case["individualId"] for case in found["caseLevelData"]} == {"p0", "p1", "p3", "p5"}
    assert found["info"]["caseLevelTotal"] == found["info"]["carriers"] == 6
    assert found["info"]["caseLevelIndividuals"] == f"g_variants/{allele.id}/individuals"
    carriers = Query("individual", anchor=Anchor("genomicVariant", allele.id), granularity=Granularity.COUNT)
    assert world.ask(dataset, carriers).count == 6


def test_what_contradicts_the_sequence_is_refused(asked: Asked) -> None:
    with pytest.raises(BadRequest, match="does not fit: the sequence has CACA"):
        asked.short(f"{ACCESSION}:g.1_4delTTTT")
    with pytest.raises(BadRequest, match="names no change"):
        asked.short(f"{ACCESSION}:g.1_4delinsCACA")
    with pytest.raises(BadRequest, match="bases only"):
        asked.short(f"{ACCESSION}:g.100000del")
    with pytest.raises(CannotAnswer, match="more than 100000 bases"):
        asked.short(f"{ACCESSION}:g.1_200000del")
    # Asked by position and bases it is just another allele, which nobody has.
    assert asked.ids(VariantQuery("GRCh38", "1", (0,), (), "TTTT", "")) == set()


def test_without_the_sequence_only_what_it_cannot_change_is_answered(world: World) -> None:
    alleles = [from_vcf("GRCh37", "1", *written) for written in ((100, "A", "G"), (200, "AC", "TG"), (300, "CAG", "C"))]
    asked = Asked(world, world.load(sites(alleles)))
    substitution, both, deletion = (allele.id for allele in alleles)
    accession = genome.ASSEMBLIES["GRCh37"].accessions["1"]
    assert asked.short(f"{accession}:g.100A>G") == asked.short(f"{accession}:99:A:G") == {substitution}
    assert asked.short(f"{accession}:99:1:G") == asked.short("1:g.100delinsG", "GRCh37") == {substitution}
    assert asked.short("chr1:g.100A>G", "GRCh37") == {substitution}
    assert asked.short("chr1:g.100A>T", "GRCh37") == set()
    assert asked.short(f"{accession}:g.200_201delACinsTG") == asked.short(f"{accession}:199:AC:TG") == {both}
    assert asked.ids(VariantQuery("GRCh37", "1", (300,), (), "AG", "")) == {deletion}
    forms = (
        "g.301_302del", "g.301_302delAG", "g.100_101insT", "g.100dup", "g.200_201delinsTT", "g.200_201inv", "300:AG:",
        "300:2:",
    )  # fmt: skip
    for text in (*(f"{accession}:{form}" for form in forms), "ga4gh:VA." + "x" * 32):
        with pytest.raises(NeedsReference) as raised:
            asked.short(text)
        assert raised.value.code == "needs_reference"
        assert raised.value.status == 400


def test_the_mitochondrion_is_asked_for_in_every_assembly_that_shares_it(asked: Asked, world: World) -> None:
    alleles = [
        from_vcf(assembly, "MT", *written)
        for assembly in ("GRCh37", "GRCh38")
        for written in ((73, "A", "G"), (80, "AC", "A"))
    ]
    dataset = Asked(world, world.load(sites(alleles)))
    (first, second), (third, fourth) = ([allele.id for allele in alleles][at : at + 2] for at in (0, 2))
    for name in ("NC_012920.1:m.73A>G", "J01415.2:72:A:G"):
        assert dataset.short(name) == {first, third}
        assert dataset.short(name, "GRCh37") == {first}
    assert dataset.filtered(HGVS, "NC_012920.1:m.73A>G") == {first, third}
    assert dataset.ids(VariantQuery(None, "MT", (72,), (73,))) == {first, third}
    assert dataset.ids(VariantQuery(None, "MT", (80,), (), "C", "")) == {second, fourth}
    # One assembly's sequence tells for all of them where else a change can be written.
    held = SEQUENCES["MT"]
    at = next(at for at in range(5, len(held)) if held[at - 1] == held[at] != held[at - 2])
    deletion = from_vcf("GRCh37", "MT", at - 1, held[at - 2 : at], held[at - 2])
    assert Asked(world, world.load(sites([deletion]))).short(f"NC_012920.1:m.{at + 1}del") == {deletion.id}


def test_a_computed_name_finds_its_allele_without_the_sequence_and_tells_of_nobody_hidden(world: World) -> None:
    writings = ((234, "A", "TGTGC"), (300, "AC", "TG"), (400, "AC", "GT"), (500, "ACA", "TGG"))
    alleles = [from_vcf("GRCh37", "1", *written) for written in writings]
    people = tuple(Sequenced(name, name, None, None) for name in "ab")
    calls = [("0/1", "1/1")] * 3 + [("0/0", "0/1")]
    load = Load(sequenced=people, sites=tuple(Site(*one) for one in zip(alleles, calls, strict=True)))
    asked = Asked(world, world.load(load))
    accession = genome.ASSEMBLIES["GRCh37"].accessions["1"]
    named = ("g.234delinsTGTGC", "g.300_301delinsTG", "g.400_401inv", "g.500_502delinsTGG")
    for allele, name in zip(alleles, named, strict=True):
        query = Query("genomicVariant", anchor=Anchor("genomicVariant", allele.id), granularity=Granularity.RECORD)
        (record,) = world.ask(asked.dataset, query).records or ()
        name = f"{accession}:{name}"
        assert orjson.loads(record)["identifiers"]["genomicHGVSId"] == name
        assert asked.short(name) == asked.filtered(HGVS, name) == {allele.id}
    # An allele of too few people does not even show in how another dataset's answer, by what a file says, is qualified.
    called = sites([substitution := from_vcf("GRCh37", "1", 900, "A", "G")])
    called = replace(called, sites=(replace(called.sites[0], hgvs=f"{accession}:{named[3]}"),))
    others, filters = world.load(called), (AlphanumericFilter(HGVS, "=", f"{accession}:{named[3]}"),)
    query = Query("genomicVariant", filters=filters, granularity=Granularity.RECORD)
    alone = world.ask(others, query)
    decisions = [
        Decision(others, Granularity.RECORD, Asker.GRANTED, Level.PUBLIC, 0),
        Decision(asked.dataset, Granularity.COUNT, Asker.REGISTERED, Level.PUBLIC, 2),
    ]
    assert world.run(execute(world.store, query, decisions))[0] == alone
    assert alone.caveat
    assert [orjson.loads(record)["variantInternalId"] for record in alone.records or ()] == [substitution.id]
    world.admin.set_policy(asked.dataset, DatasetPolicy(stricter=(StricterRecords(Level.CONTROLLED, frozenset("b")),)))
    for name, seen in zip(named, (1, 1, 1, 0), strict=True):
        query = Query(
            "individual", variant=VariantQuery(short_form=f"{accession}:{name}"), granularity=Granularity.COUNT
        )
        assert world.ask(asked.dataset, query).count == 1 + seen
        # To whom nobody shows who carries it, the name tells no more than one that nobody has.
        for threshold in (1, 2):
            if seen and threshold == 1:
                assert world.ask(asked.dataset, query, threshold=threshold).count == 1
            else:
                with pytest.raises(NeedsReference):
                    world.ask(asked.dataset, query, threshold=threshold)


@pytest.mark.parametrize(
    ("text", "assembly", "error", "says"),
    [
        ("rs113488022", None, BadRequest, "no short form"),
        ("NC_000001.11:g.100", None, BadRequest, "cannot be read"),
        ("NC_000001.11:g.100a>t", None, BadRequest, "cannot be read"),
        ("NC_000001.11:100:A", None, BadRequest, "no short form"),
        ("NC_000001.11:100:A:B", None, BadRequest, "cannot be read"),
        ("NC_000001.11:g.300000000A>T", None, BadRequest, "beyond the end of chromosome 1"),
        ("NC_000001.11:g.100A>T", "GRCh37", BadRequest, "belongs to GRCh38"),
        ("NC_000001.99:g.100A>T", None, CannotAnswer, "not known here"),
        ("NM_004333.6:c.1799T>A", None, CannotAnswer, "transcript"),
        ("NP_004324.2:p.Val600Glu", None, CannotAnswer, "aminoacidChange"),
        ("chr1:g.100A>T", None, BadRequest, "add assemblyId"),
        ("NC_012920.1:m.16570A>G", None, BadRequest, "beyond the end of chromosome MT, which has 16569 bases."),
        ("ga4gh:VA.short", None, BadRequest, "no VRS id"),
        ("ga4gh:VSL.QrRSuBj-VScAGV_gEdxNgsnh41jYH1Kg", None, CannotAnswer, "not that of an allele"),
    ],
)
def test_a_badly_written_short_form_is_named(
    asked: Asked, text: str, assembly: str | None, error: type[BadRequest], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        asked.short(text, assembly)
    assert type(raised.value) is error
    assert raised.value.where in ("genomicAlleleShortForm", "assemblyId")


def test_a_short_form_and_a_position_are_not_both_taken(asked: Asked) -> None:
    with pytest.raises(BadRequest, match="give one of them"):
        asked.ids(VariantQuery("GRCh38", "1", (99,), (), "A", "T", short_form=f"{ACCESSION}:g.100A>T"))


def test_a_sequence_of_another_length_or_assembly_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="248,956,422 in GRCh38"):
        load_reference(world.admin, write_fasta(tmp_path / "a.fa", {"1": "ACGT"}), "GRCh38")
    (tmp_path / "b.fa").write_text(f">{ACCESSION}\nACGT\n")
    with pytest.raises(LoadError, match=r"NC_000001\.11 belongs to GRCh38"):
        load_reference(world.admin, tmp_path / "b.fa", "GRCh37", partial=True)
    (tmp_path / "c.fa").write_text("ACGT\n")
    with pytest.raises(LoadError, match="no FASTA"):
        load_reference(world.admin, tmp_path / "c.fa", "GRCh37", partial=True)
    (tmp_path / "d.fa").write_text(">1\nACGT\nAC*T\n")
    with pytest.raises(LoadError, match=r"'\*' in it"):
        load_reference(world.admin, tmp_path / "d.fa", "GRCh37", partial=True)
    (tmp_path / "e.fa").write_text(">1\nACGT\n>chr1\nACGT\n")
    with pytest.raises(LoadError, match="two sequences of chromosome 1"):
        load_reference(world.admin, tmp_path / "e.fa", "T2T", partial=True)


def test_the_same_sequence_again_changes_nothing_and_another_renames(world: World, tmp_path: Path) -> None:
    allele = from_vcf("T2T", "22", 3, "G", "GA")
    asked = Asked(world, world.load(sites([allele])))
    name = f"{genome.ASSEMBLIES['T2T'].accessions['22']}:g"
    first = load_reference(world.admin, write_fasta(tmp_path / "a.fa", {"22": "CCGAAAACC"}), "T2T", partial=True)
    again = load_reference(world.admin, write_fasta(tmp_path / "b.fa", {"22": "ccGAAAACC"}, 4), "T2T", partial=True)
    assert (first.loaded, again.loaded, again.unchanged) == (["22"], [], ["22"])
    assert asked.short(f"{name}.7dup") == {allele.id}
    load_reference(world.admin, write_fasta(tmp_path / "c.fa", {"22": "CCGAACACC"}), "T2T", partial=True)
    assert asked.short(f"{name}.5dup") == {allele.id}
    assert asked.short(f"{name}.7dup") == set()


def mates(world: World) -> Any:
    alts = {"G]chr17:198982]": "17", "]13:123456]T": "13", "[<ctg1>:7[A": "ctg1", "G.": "", "<DEL>": ""}
    alleles = [from_vcf("GRCh38", "2", 321_000 + at, "G", alt) for at, alt in enumerate(alts)]
    alleles.append(from_vcf("GRCh38", "2", 321_500, "N", "<TRA>", mate="chr5"))
    return Asked(world, world.load(sites(alleles))), alleles


def test_breakends_are_found_by_the_chromosome_of_their_other_end(world: World) -> None:
    asked, alleles = mates(world)
    assert asked.ids(VariantQuery("GRCh38", "2", mate="17")) == {alleles[0].id}
    assert asked.ids(VariantQuery(mate="13")) == {alleles[1].id}
    assert asked.ids(VariantQuery("GRCh38", "2", (320_000,), (330_000,), mate="ctg1")) == {alleles[2].id}
    assert asked.ids(VariantQuery("GRCh38", mate="5")) == {alleles[5].id}
    assert asked.ids(VariantQuery("GRCh38", "3", mate="17")) == set()
    assert asked.ids(VariantQuery("GRCh37", mate="17")) == set()


def test_an_amino_acid_change_is_found_in_one_letter_and_in_three(world: World) -> None:
    allele = from_vcf("GRCh38", "7", 140_753_336, "A", "T")
    other = from_vcf("GRCh38", "7", 140_753_337, "C", "T")
    load = Load(sites=(Site(allele, None, ("BRAF",), ("V600E",)), Site(other, None, ("BRAF",), ("p.Val600Met",))))
    asked = Asked(world, world.load(load))
    for spelling in ("V600E", "Val600Glu", "p.Val600Glu", "p.(Val600Glu)", "NP_004324.2:p.Val600Glu"):
        assert asked.ids(VariantQuery(aminoacid_change=spelling)) == {allele.id}
        assert asked.ids(VariantQuery(gene="BRAF", aminoacid_change=spelling)) == {allele.id}
        assert asked.ids(VariantQuery(gene="KRAS", aminoacid_change=spelling)) == set()
    assert asked.ids(VariantQuery(aminoacid_change="V600M")) == {other.id}
