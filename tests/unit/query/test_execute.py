"""Questions put to real datasets: edges, refusals, and what must never be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest

from beacon.errors import CannotAnswer, StoreUnavailable, UnknownFilter
from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import AlphanumericFilter, Anchor, Filter, OntologyFilter, Pagination, Query, VariantQuery
from beacon.model.result import DatasetResult
from beacon.model.variant import from_vcf, unplaced
from beacon.query import parameters
from beacon.query.execute import MAX_PAGE, execute
from beacon.store.admin import Admin
from beacon.store.documents import decode_policy, encode_policy
from beacon.store.mongo import MongoStore
from loaders.terms import site_ontologies
from tests.integration.test_model_of_the_standard import Dice
from tests.world import FEATURE, Case, Facts, Load, Packet, Sample, Sequenced, Site, World, open_world, write

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
NOWHERE = unplaced("GRCh38", "FBN1", "SO:1000029", "exon 3")
LOCAL = "clinic:tall"
"""A term of an ontology that nobody else knows."""


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def feature(*terms: str, absent: tuple[str, ...] = ()) -> Facts:
    return Facts(
        terms=frozenset((FEATURE, term) for term in terms), absent=frozenset((FEATURE, term) for term in absent)
    )


@pytest.fixture(scope="module")
def people(world: World) -> str:
    """Seven people, two of them tall."""
    packets = [Packet(f"p{at}", feature(*([LOCAL, "HP:0000004"] if at < 2 else []), "HP:0000003")) for at in range(7)]
    return world.load(Load(packets=tuple(packets), cohort="study"))


def count(world: World, dataset: str, query: Query) -> int | None:
    return world.ask(dataset, replace(query, granularity=Granularity.COUNT)).count


def ids(result: DatasetResult) -> list[str]:
    return [orjson.loads(record)["id"] for record in result.records or ()]


def registered(dataset: str, threshold: int) -> Decision:
    return Decision(dataset, Granularity.RECORD, Asker.REGISTERED, Level.REGISTERED, threshold)


# --- filters ------------------------------------------------------------------------------------------------------


def test_an_excluded_feature_never_counts_as_observed_and_an_observed_one_never_as_excluded(world: World) -> None:
    packets = (Packet("has", feature("HP:0000003")), Packet("lacks", feature(absent=("HP:0000003",))))
    dataset = world.load(Load(packets=packets))
    for term in ("HP:0000001", "HP:0000002", "HP:0000003"):
        asked = Query("individual", filters=(OntologyFilter(term),), granularity=Granularity.RECORD)
        assert ids(world.ask(dataset, asked)) == ["has"]
    absent = Query("individual", filters=(OntologyFilter("HP:0000003", excluded=True),), granularity=Granularity.RECORD)
    assert ids(world.ask(dataset, absent)) == ["lacks"]


def test_a_term_of_a_known_ontology_that_nobody_has_is_a_no_and_one_of_an_unknown_one_an_error(
    world: World, people: str
) -> None:
    assert count(world, people, Query("individual", filters=(OntologyFilter("MONDO:0000001"),))) == 0
    for asked in (
        OntologyFilter("nowhere:1"),
        OntologyFilter("nowhere:1", excluded=True),
        AlphanumericFilter(FEATURE, "=", "nowhere:1"),
        AlphanumericFilter(FEATURE, "!", "nowhere:1"),
    ):
        with pytest.raises(UnknownFilter) as caught:
            count(world, people, Query("individual", filters=(OntologyFilter("HP:0000003"), asked)))
        assert caught.value.where == "nowhere:1"
        assert "nowhere:1" in caught.value.message


@pytest.mark.parametrize("asked", [OntologyFilter(LOCAL), AlphanumericFilter(FEATURE, "!", LOCAL)], ids=repr)
def test_a_term_of_ones_own_is_known_where_enough_people_have_it_and_to_nobody_else(
    world: World, people: str, asked: Filter
) -> None:
    """Otherwise the error, or its absence, would tell that one or two people have the term."""
    query = Query("individual", filters=(asked,), granularity=Granularity.COUNT)
    assert world.ask(people, query).exists
    assert world.run(execute(world.store, query, [registered(people, 2)]))[0].exists
    closed = Decision(people, Granularity.NONE, Asker.STRANGER, Level.CONTROLLED, 0)
    for decisions in ([registered(people, 3)], [closed], []):
        with pytest.raises(UnknownFilter):
            world.run(execute(world.store, query, decisions))


SMALL, SCORE = "clinic:small", "clinic:score"


@pytest.fixture(scope="module")
def described(world: World) -> str:
    """Two people of whom terms that nobody else knows are told, each in its own way."""
    facts = replace(feature(LOCAL, absent=(SMALL,)), measures=((SCORE, 5.0, "UCUM:kg"),))
    return world.load(Load(packets=(Packet("ana", facts), Packet("ben", facts), Packet("cem", feature()))))


@pytest.mark.parametrize(
    "asked",
    [
        OntologyFilter(LOCAL, excluded=True),
        OntologyFilter(LOCAL, scope="run"),
        OntologyFilter(LOCAL, scope="genomicVariant"),
        OntologyFilter(LOCAL, scope="cohort"),
        AlphanumericFilter("diseases.diseaseCode", "=", LOCAL),
        OntologyFilter(SMALL),
        OntologyFilter(SMALL, scope="biosample", descendants=False),
        AlphanumericFilter(SCORE, ">", "500"),
        OntologyFilter(SCORE, excluded=True),
    ],
    ids=repr,
)
def test_a_term_of_ones_own_is_known_however_it_is_recorded_and_a_no_where_nobody_has_it_as_asked(
    world: World, described: str, asked: Filter
) -> None:
    query = Query("individual", filters=(asked,), granularity=Granularity.COUNT)
    assert world.ask(described, query).count == 0
    assert not world.run(execute(world.store, query, [registered(described, 2)]))[0].exists
    with pytest.raises(UnknownFilter):
        world.run(execute(world.store, query, [registered(described, 3)]))
    hidden = frozenset({("individual", "phenotypicFeatures"), ("individual", "measures")})
    with pytest.raises(UnknownFilter):
        world.run(execute(world.store, query, [replace(registered(described, 0), withheld=hidden)]))


def test_a_term_of_ones_own_that_is_known_of_few_people_in_each_of_several_ways_is_not_known(world: World) -> None:
    """Else who is told that it is known would learn that somebody has it and somebody has not."""
    dataset = world.load(Load((Packet("ana", feature(LOCAL)), Packet("ben", feature(absent=(LOCAL,))))))
    for asked in (OntologyFilter(LOCAL), OntologyFilter(LOCAL, excluded=True), OntologyFilter(LOCAL, scope="run")):
        query = Query("individual", filters=(asked,), granularity=Granularity.COUNT)
        with pytest.raises(UnknownFilter):
            world.run(execute(world.store, query, [registered(dataset, 2)]))


def test_a_term_missing_from_its_own_stored_ontology_is_an_error_unless_the_data_use_it(mongo_uri: str) -> None:
    with open_world(mongo_uri) as world:
        world.admin.store_ontology({"namespacePrefix": "HP", "version": "1"}, {"HP:0000001": "All"})
        dataset = world.load(Load(packets=(Packet("ana", feature("HP:0000777")),)))
        for term, number in (("HP:0000001", 0), ("HP:0000777", 1)):
            assert count(world, dataset, Query("individual", filters=(OntologyFilter(term),))) == number
        with pytest.raises(UnknownFilter):
            count(world, dataset, Query("individual", filters=(OntologyFilter("HP:0000778"),)))


def test_a_former_or_replaced_id_of_a_term_finds_what_its_own_does(mongo_uri: str) -> None:
    new, obsolete, former = "HP:0000003", "HP:0000030", "HP:0000031"
    with open_world(mongo_uri) as world:
        labels = {new: "new", obsolete: "obsolete", former: "new"}
        above = {new: ["HP:0000002"], obsolete: [new, "HP:0000002"], former: [obsolete, new, "HP:0000002"]}
        resource = {"namespacePrefix": "HP", "version": "1"}
        world.admin.replace_ontology(resource, labels, above, {obsolete: new, former: obsolete, "HP:0000032": None})
        has, lacks = Packet("has", feature(new)), Packet("lacks", feature("HP:0000004", absent=(new,)))
        dataset = world.load(Load((has, lacks, Packet("old", feature(former)))))
        for term in (obsolete, former):
            for asked, found in (
                (OntologyFilter(term), {"has"}),
                (OntologyFilter(term, descendants=False), {"has"}),
                (OntologyFilter(term, excluded=True), {"lacks"}),
                (AlphanumericFilter(FEATURE, "=", term), {"has"}),
            ):
                query = Query("individual", filters=(asked,), granularity=Granularity.RECORD)
                assert set(ids(world.ask(dataset, query))) - {"old"} == found
        query = Query("individual", filters=(OntologyFilter(former),), granularity=Granularity.RECORD)
        assert "old" in ids(world.ask(dataset, query)), "what was recorded by that id"


def test_what_replaced_an_obsolete_term_is_known_of_the_programs_own_ontology_too(mongo_uri: str) -> None:
    with open_world(mongo_uri) as world:
        site_ontologies(world.admin).store(world.admin)
        assert world.run(world.store.successor("HP:0006877")) == "HP:0001249"
        assert world.run(world.store.successor("HP:0001249")) is None
        assert world.run(world.store.successor("MONDO:0000001")) is None


def test_an_unscoped_term_is_found_on_any_kind_of_record_and_a_scope_narrows_it(world: World) -> None:
    sampled = Packet("ana", Facts(), (Sample("s1", feature("HP:0000003")),))
    dataset = world.load(Load(packets=(sampled, Packet("ben", feature("HP:0000003")))))
    for scope, found in ((None, ["ana", "ben"]), ("individual", ["ben"]), ("biosample", ["ana"])):
        asked = Query(
            "individual", filters=(OntologyFilter("HP:0000003", scope=scope),), granularity=Granularity.RECORD
        )
        assert ids(world.ask(dataset, asked)) == found


def test_unknown_as_a_sex_is_not_unknown_as_a_tissue(world: World) -> None:
    unknown = "NCIT:C17998"
    tissue = Facts(frozenset({("sampleOriginType", unknown)}))
    packets = (
        Packet("ana", Facts(frozenset({("sex", "NCIT:C16576")})), (Sample("s1", tissue),)),
        Packet("ben", Facts(frozenset({("sex", unknown)}))),
    )
    dataset = world.load(Load(packets=packets))
    query = Query("individual", filters=(OntologyFilter(unknown),), granularity=Granularity.RECORD)
    assert ids(world.ask(dataset, query)) == ["ben"]
    scoped = replace(query, filters=(OntologyFilter(unknown, scope="biosample"),))
    assert ids(world.ask(dataset, scoped)) == ["ana"]


# --- anchors and pages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry_type", list(ENTRY_TYPES))
@pytest.mark.parametrize("anchor_type", list(ENTRY_TYPES))
def test_an_unknown_record_has_nothing_and_is_no_error(
    world: World, people: str, anchor_type: str, entry_type: str
) -> None:
    result = world.ask(people, Query(entry_type, Anchor(anchor_type, "nobody"), granularity=Granularity.RECORD))
    assert (result.exists, result.count, result.records) == (False, 0, ())


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (Pagination(0, 3), ["p0", "p1", "p2"]),
        (Pagination(2, 3), ["p6"]),
        (Pagination(3, 3), []),
        (Pagination(10**12, 1000), []),
        (Pagination(0, 0), [f"p{number}" for number in range(7)]),
        (Pagination(1, 0), []),
    ],
)
def test_a_page_beyond_the_end_is_empty_and_the_count_stays(
    world: World, people: str, page: Pagination, found: list[str]
) -> None:
    result = world.ask(people, Query("individual", granularity=Granularity.RECORD, pagination=page))
    assert (ids(result), result.count, result.exists) == (found, 7, True)


def test_a_limit_of_zero_asks_for_as_many_as_a_page_may_hold(world: World) -> None:
    sites = tuple(Site(from_vcf("GRCh38", "1", 10 + at, "A", "G"), None) for at in range(MAX_PAGE + 1))
    dataset = world.load(Load(sites=sites))
    query = Query("genomicVariant", granularity=Granularity.RECORD, pagination=Pagination(0, 0))
    assert len(world.ask(dataset, query).records or ()) == MAX_PAGE
    assert len(world.ask(dataset, replace(query, pagination=Pagination(1, 0))).records or ()) == 1


@pytest.mark.parametrize("entry_type", list(ENTRY_TYPES))
@pytest.mark.parametrize("granularity", [Granularity.BOOLEAN, Granularity.COUNT, Granularity.RECORD])
def test_an_empty_dataset_has_nothing_but_itself(world: World, entry_type: str, granularity: Granularity) -> None:
    dataset = world.load()
    place = VariantQuery("GRCh38", "1", (0,), (100,))
    for asked in (
        Query(entry_type, granularity=granularity),
        Query(entry_type, filters=(OntologyFilter("HP:0000001"),), granularity=granularity),
        Query(entry_type, filters=(OntologyFilter("GENO:0000135"),), granularity=granularity),
        Query(entry_type, variant=place, granularity=granularity),
    ):
        itself = entry_type == "dataset" and not asked.filters and asked.variant is None
        result = world.ask(dataset, asked)
        assert result.exists is itself
        assert result.count == (None if granularity is Granularity.BOOLEAN else int(itself))


def test_datasets_answer_in_the_order_of_decisions_and_those_that_may_not_answer_are_not_looked_at(
    world: World, people: str
) -> None:
    other = world.load(Load(packets=(Packet("x", Facts()),)))
    closed = Decision(people, Granularity.NONE, Asker.STRANGER, Level.CONTROLLED, 0)
    shallow = Decision(other, Granularity.BOOLEAN, Asker.STRANGER, Level.PUBLIC, 0)
    query = Query("individual", granularity=Granularity.RECORD)
    gone = Decision("deleted-just-now", Granularity.RECORD, Asker.GRANTED, Level.PUBLIC, 0)
    results = world.run(execute(world.store, query, [shallow, closed, gone]))
    assert [(one.dataset, one.exists, one.count, one.records) for one in results] == [(other, True, None, None)]
    both = [registered(people, 0), registered(other, 0)]
    assert [one.dataset for one in world.run(execute(world.store, query, both))] == [people, other]
    assert [one.dataset for one in world.run(execute(world.store, query, both[::-1]))] == [other, people]


# --- variants -----------------------------------------------------------------------------------------------------


def place(assembly: str, chrom: str, start: int = 100, end: int = 101) -> Query:
    return Query("genomicVariant", variant=VariantQuery(assembly, chrom, (start,), (end,)))


def test_assemblies_are_never_crossed(world: World) -> None:
    other = from_vcf("GRCh37", "1", 101, "A", "G")
    cases = (Case(SNV, None, "het"),), (Case(other, None, "hom"),)
    dataset = world.load(Load(packets=(Packet("new", Facts(), (), cases[0]), Packet("old", Facts(), (), cases[1]))))
    for assembly, person in (("GRCh38", "new"), ("GRCh37", "old")):
        for end, bases in (((101,), (None, None)), ((), ("A", "G")), ((), (None, "N"))):
            asked = VariantQuery(assembly, "1", (100,), end, *bases)
            assert count(world, dataset, Query("genomicVariant", variant=asked)) == 1
            found = world.ask(dataset, Query("individual", variant=asked, granularity=Granularity.RECORD))
            assert ids(found) == [person]
    assert count(world, dataset, place("T2T", "1")) == 0
    assert count(world, dataset, Query("genomicVariant", variant=VariantQuery("GRCh37", variant_type="SNP"))) == 1


@pytest.mark.parametrize(
    ("written", "stored"), [("chrX", "X"), ("chrM", "MT"), ("NC_000001.11", "1"), ("GL1.1", "GL1.1")]
)
def test_chromosomes_are_asked_for_by_the_names_that_alleles_are_kept_under(
    world: World, written: str, stored: str
) -> None:
    allele = from_vcf("GRCh38", written, 101, "A", "G")
    dataset = world.load(Load(packets=(Packet("ana", Facts(), (), (Case(allele, None, "het"),)),)))
    for chrom in ("1", "X", "MT", "GL1.1", "Y"):
        assert count(world, dataset, place("GRCh38", chrom)) == (1 if chrom == stored else 0)


def test_a_contig_is_found_by_every_name_that_can_be_mapped_and_refused_by_others(world: World) -> None:
    contig, named = (
        from_vcf("GRCh38", "chrUn_KI270302v1", 101, "A", "G"),
        from_vcf("GRCh38", "NT_113949.2", 101, "A", "G"),
    )
    assert contig == from_vcf("GRCh38", "KI270302.1", 101, "A", "G")
    dataset = world.load(Load(sites=(Site(contig, None), Site(named, None))))

    def asked(name: str, start: int = 100) -> int | None:
        where = {"referenceName": name, "assemblyId": "GRCh38", "start": start, "end": start + 1}
        return count(world, dataset, Query("genomicVariant", variant=parameters.read(where)[0]))

    for name in ("chrUn_KI270302v1", "KI270302.1", "insdc:KI270302.1", "skerry:GRCh38-Un_KI270302v1"):
        assert (asked(name), asked(name, 200)) == (1, 0), name
    assert asked("GL000009.2") == 0
    # What another accession means cannot be told: files may call it so, and otherwise it is no "no".
    assert asked("NT_113949.2") == 1
    for name, start in (("NT_187396.1", 100), ("NT_113949.2", 200), ("ga4gh:SQ." + "x" * 32, 100)):
        with pytest.raises(CannotAnswer) as raised:
            asked(name, start)
        assert raised.value.where == "referenceName"

    def named_so(text: str) -> int | None:
        asked = VariantQuery("GRCh38", short_form=text)
        return count(world, dataset, Query("genomicVariant", variant=asked))

    assert named_so("NT_113949.2:g.101A>G") == named_so("KI270302.1:g.101A>G") == 1
    assert named_so("KI270302.1:g.201A>G") == 0
    for text in ("NT_113949.2:g.201A>G", "NT_187396.1:g.101A>G", "NT_187396.1:100:A:G"):
        with pytest.raises(CannotAnswer) as raised:
            named_so(text)
        assert raised.value.where == "genomicAlleleShortForm"


def test_what_has_no_place_overlaps_nothing_and_is_found_by_gene_type_and_person(world: World) -> None:
    case = Case(NOWHERE, None, "het", ("FBN1",))
    dataset = world.load(Load(packets=(Packet("ana", Facts(), (), (case,)),)))
    for end in (1, 10**9):
        assert count(world, dataset, place("GRCh38", "1", 0, end)) == 0
    for asked in (
        Query("genomicVariant", variant=VariantQuery(gene="FBN1")),
        Query("genomicVariant", variant=VariantQuery(variant_type="DEL")),
        Query("genomicVariant", variant=VariantQuery("GRCh38", variant_type="SO:1000029", gene="FBN1")),
        Query("genomicVariant", Anchor("individual", "ana")),
        Query("individual", Anchor("genomicVariant", NOWHERE.id)),
    ):
        assert count(world, dataset, asked) == 1
    record = world.ask(dataset, Query("genomicVariant", granularity=Granularity.RECORD)).records or ()
    assert orjson.loads(record[0])["info"]["placed"] is False


def test_two_zygosities_may_be_met_by_different_people_of_different_loads(world: World) -> None:
    dataset = world.load(
        Load(packets=(Packet("ana", Facts(), (), (Case(SNV, None, "het"),)),)),
        Load(packets=(Packet("ben", Facts(), (), (Case(SNV, None, "hom"),)),)),
    )
    both = (OntologyFilter("GENO:0000135"), OntologyFilter("GENO:0000136"))
    assert count(world, dataset, Query("genomicVariant", filters=both)) == 1
    assert count(world, dataset, Query("genomicVariant", filters=(*both, OntologyFilter("GENO:0000134")))) == 0
    assert count(world, dataset, Query("individual", filters=both)) == 0


def carried_by(*people: str) -> Load:
    return Load(packets=tuple(Packet(person, Facts(), (), (Case(SNV, None, "het"),)) for person in people))


def test_the_people_behind_variants_are_those_who_carry_what_was_found(world: World) -> None:
    """Six people are homozygous somewhere and heterozygous elsewhere; only two make the one variant that was found."""
    alleles = [from_vcf("GRCh38", "1", 101 + at, "A", "G") for at in range(3)]
    crowd = [
        Packet(f"p{at}", Facts(), (), (Case(alleles[1], None, "het"), Case(alleles[2], None, "hom"))) for at in range(6)
    ]
    pair = [Packet("ana", Facts(), (), (Case(alleles[0], None, "het"),))]
    pair.append(Packet("ben", Facts(), (), (Case(alleles[0], None, "hom"),)))
    dataset = world.load(Load(packets=(*crowd, *pair)))
    both = (OntologyFilter("GENO:0000135"), OntologyFilter("GENO:0000136"))
    result = world.ask(dataset, Query("genomicVariant", filters=both, granularity=Granularity.COUNT), threshold=5)
    assert (result.count, result.info["people"]) == (1, 2)


def test_nobody_is_counted_behind_variants_of_a_dataset_that_has_no_genotypes(world: World) -> None:
    sites = tuple(Site(from_vcf("GRCh38", "1", 101 + at, "A", "G"), None) for at in range(6))
    dataset = world.load(Load(sites=sites))
    for asked in (Query("genomicVariant"), place("GRCh38", "1", 0, 1000)):
        result = world.ask(dataset, replace(asked, granularity=Granularity.COUNT), threshold=5)
        assert (result.count, dict(result.info)) == (6, {})
    told = orjson.loads((world.ask(dataset, replace(asked, granularity=Granularity.RECORD)).records or ())[0])
    assert not {"carriers", "alleleCount", "alleleNumber"} & set(told["info"])
    assert "caseLevelData" not in told


def test_nobody_is_zero_people_behind_variants_of_a_dataset_that_has_genotypes(world: World) -> None:
    dataset = world.load(carried_by("ana"), Load(sites=(Site(from_vcf("GRCh38", "2", 101, "A", "G"), None),)))
    result = world.ask(dataset, replace(place("GRCh38", "2"), granularity=Granularity.COUNT), threshold=5)
    assert (result.count, result.info["people"]) == (1, 0)


def test_a_dataset_holds_a_variant_that_nobody_is_known_to_carry(world: World) -> None:
    dataset = world.load(Load(sites=(Site(SNV, None),)))
    held = VariantQuery("GRCh38", "1", (100,), (101,))
    assert count(world, dataset, Query("dataset", variant=held)) == 1
    assert count(world, dataset, Query("dataset", Anchor("genomicVariant", SNV.id))) == 1
    assert count(world, dataset, Query("dataset", variant=replace(held, chrom="2"))) == 0
    assert count(world, dataset, Query("dataset", variant=held, filters=(OntologyFilter("GENO:0000135"),))) == 0


def test_a_cohorts_record_says_how_large_it_is_whatever_was_asked(world: World, people: str) -> None:
    for filters in ((), (OntologyFilter("HP:0000004"),)):
        query = Query("cohort", filters=filters, granularity=Granularity.RECORD)
        (record,) = world.ask(people, query).records or ()
        assert orjson.loads(record)["cohortSize"] == 7
    few = world.ask(people, replace(query, granularity=Granularity.COUNT), threshold=5)
    assert (few.count, few.info["people"]) == (0, 0)


def test_each_cohort_that_is_listed_must_have_enough_people_of_its_own(world: World) -> None:
    crowd = Load(packets=tuple(Packet(f"p{at}", feature("HP:0000003")) for at in range(9)), cohort="large")
    dataset = world.load(crowd, Load(packets=(Packet("ana", feature("HP:0000003")),), cohort="small"))
    query = Query("cohort", filters=(OntologyFilter("HP:0000003"),), granularity=Granularity.COUNT)
    result = world.ask(dataset, query, threshold=5)
    assert (result.count, result.info["people"]) == (1, 9)
    # That one of the small cohort has a term looks as if nobody there had it.
    crowd = replace(crowd, packets=(*crowd.packets, Packet("bob", feature("HP:0000004"))))
    other = world.load(crowd, Load(packets=(Packet("ana", feature("HP:0000005")),), cohort="small"))
    assert world.ask(other, query, threshold=5) == replace(result, dataset=other)
    assert world.ask(dataset, replace(query, filters=()), threshold=5).count == 1
    assert world.ask(dataset, replace(query, filters=())).count == 2


def test_a_run_and_an_analysis_that_name_no_sample_do_not_belong_together(world: World) -> None:
    def sequenced(person: str, **more: Any) -> Sequenced:
        return Sequenced(person, person, more.get("run"), more.get("analysis"), run_names_sample=False)

    load = Load(sequenced=(sequenced("ana", run=Facts()), sequenced("ben", analysis=Facts())))
    dataset = world.load(load)
    assert count(world, dataset, Query("analysis", Anchor("individual", "ben"))) == 1
    assert count(world, dataset, Query("analysis", Anchor("run", "ana-run"))) == 0
    assert count(world, dataset, Query("run", Anchor("analysis", "ben-analysis"))) == 0


def test_the_policies_of_all_datasets_are_read_as_they_were_set(world: World, people: str) -> None:
    policy = world.run(world.store.datasets())[people].policy
    assert policy == world.admin.dataset(people).policy
    assert decode_policy(encode_policy(policy)) == policy


# --- a dataset that is deleted while it is asked ------------------------------------------------------------------

EVERYBODY = Query("individual", granularity=Granularity.RECORD, pagination=Pagination(limit=10))


def test_a_decision_never_reaches_data_that_came_after_it(world: World) -> None:
    dataset = world.load(Load(packets=(Packet("old", feature()),)))
    decided = world.run(world.store.datasets())
    with Admin.open(world.uri, world.database, grace=60) as admin:
        admin.delete_dataset(dataset)
        admin.create_dataset(dataset, policy=DatasetPolicy())
        write(admin, dataset, Load(packets=(Packet("new", feature()),)))
        (then,) = world.run(execute(world.store, EVERYBODY, [registered(dataset, 0)], decided))
        (now,) = world.run(execute(world.store, EVERYBODY, [registered(dataset, 0)]))
    assert (ids(then), ids(now)) == (["old"], ["new"])


def test_whatever_is_asked_of_data_that_have_just_gone_ends_with_a_clear_answer(world: World) -> None:
    dice, refusals = Dice(Random(1)), set()
    dataset = world.load(dice.load(), dice.load())
    decided = world.run(world.store.datasets())
    world.admin.delete_dataset(dataset)

    async def ask() -> None:
        store = await MongoStore.open(world.uri, world.database)  # one that has nothing of it in memory
        try:
            for at in range(80):
                question = replace(dice.question(), granularity=Granularity.RECORD)
                try:
                    await execute(store, question, [registered(dataset, at % 2)], decided)
                except (StoreUnavailable, UnknownFilter) as refused:
                    refusals.add(refused.message)
        finally:
            await store.close()

    world.run(ask())
    assert "The data asked for have just been replaced; ask again." in refusals
