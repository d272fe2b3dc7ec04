"""What is told of variants, of their carriers, of datasets and cohorts, and what was measured, as filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from beacon.errors import BadRequest, CannotAnswer, NeedsReference, UnknownFilter
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.entry_types import HGVS, OTHER_IDS, ZYGOSITY
from beacon.model.query import AlphanumericFilter, CustomFilter, Filter, OntologyFilter, Pagination, Query
from beacon.model.variant import from_vcf, unplaced
from beacon.query.execute import execute
from beacon.query.terms import filtering_terms
from beacon.store.described import stated
from tests.world import (
    EFFECT,
    FEATURE,
    ORIGIN,
    RELEVANCE,
    STATED,
    VALUE,
    Case,
    Facts,
    Load,
    Packet,
    Sequenced,
    Site,
    World,
    open_world,
)  # fmt: skip

SNP, OTHER = from_vcf("GRCh38", "1", 101, "A", "G"), from_vcf("GRCh38", "1", 201, "A", "G")
SEIZURE, GERMLINE = "HP:0001250", "GENO:0000888"
CASES = Load(
    packets=(
        Packet(
            "a",
            Facts(frozenset({(FEATURE, SEIZURE)}), measures=(("LOINC:2345-7", 5.0, "UCUM:mmol/L"),)),
            cases=(
                Case(SNP, None, "het", relevance="pathogenic", origin=GERMLINE),
                Case(OTHER, None, "hom", relevance="benign"),
            ),
        ),
        Packet(
            "b",
            Facts(measures=(("LOINC:2345-7", 90.0, "UCUM:mg/dL"), ("LOINC:3141-9", 70.0, "UCUM:kg"))),
            cases=(Case(SNP, None, "hom", relevance="benign"),),
        ),
    ),
    cohort="sick",
)
SITES = Load(
    sequenced=(Sequenced("c", "c", None, None),),
    sites=(Site(SNP, ("0/1",), ("FBN1",), ("p.Arg1Cys",), ("SO:0001583",)), Site(OTHER, None, stated=(0.25,))),
)


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture(scope="module")
def dataset(world: World) -> str:
    return world.load(CASES, SITES)


def found(world: World, dataset: str, kind: str, *filters: Filter) -> set[str]:
    query = Query(kind, filters=filters, granularity=Granularity.RECORD, pagination=Pagination(limit=10))
    return {record.get("variantInternalId") or record["id"] for record in world.pages(dataset, query)}


def test_what_is_told_of_one_carrier_holds_for_that_carrier_alone(world: World, dataset: str) -> None:
    pathogenic = AlphanumericFilter(RELEVANCE, "=", "pathogenic")
    assert found(world, dataset, "individual", pathogenic) == {"a"}
    assert found(world, dataset, "genomicVariant", pathogenic) == {SNP.id}
    # a carries it, but heterozygous; b is homozygous, but for b it is benign.
    homozygous = AlphanumericFilter(ZYGOSITY, "=", "GENO:0000136")
    assert found(world, dataset, "individual", pathogenic, homozygous) == set()
    assert found(world, dataset, "individual", AlphanumericFilter(RELEVANCE, "=", "benign"), homozygous) == {"a", "b"}
    assert found(world, dataset, "individual", pathogenic, OntologyFilter(GERMLINE, scope="genomicVariant")) == {"a"}
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(RELEVANCE, "!", "pathogenic")) == {OTHER.id}


def test_what_any_load_tells_of_a_variant_holds_for_all_its_carriers(world: World, dataset: str) -> None:
    assert found(world, dataset, "individual", OntologyFilter("SO:0001583")) == {"a", "b", "c"}
    assert found(world, dataset, "individual", OntologyFilter("SO:0001583"), OntologyFilter(SEIZURE)) == {"a"}
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(EFFECT, "!", "SO:0001583")) == {OTHER.id}
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(STATED, "<=", "0.25")) == {OTHER.id}
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(ORIGIN, "=", GERMLINE)) == {SNP.id}


def test_several_things_may_be_told_of_a_variant_by_several_loads(world: World, dataset: str) -> None:
    pathogenic, missense = AlphanumericFilter(RELEVANCE, "=", "pathogenic"), OntologyFilter("SO:0001583")
    assert found(world, dataset, "individual", pathogenic, missense) == {"a"}
    assert found(world, dataset, "genomicVariant", pathogenic, missense) == {SNP.id}
    assert found(world, dataset, "individual", AlphanumericFilter(RELEVANCE, "=", "benign"), missense) == {"b"}
    assert found(world, dataset, "individual", pathogenic, AlphanumericFilter(EFFECT, "=", "SO:0001587")) == set()


def test_names_of_variants_are_compared_as_a_whole(world: World, dataset: str) -> None:
    change = "molecularAttributes.aminoacidChanges"
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(change, "=", "p.Arg1Cys")) == {SNP.id}
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(change, "!", "p.Arg1Cys")) == {OTHER.id}
    named = AlphanumericFilter(HGVS, "=", "NC_000001.11:g.101A>G")
    assert found(world, dataset, "genomicVariant", named) == {SNP.id}
    assert found(world, dataset, "individual", named) == {"a", "b", "c"}


def test_a_name_that_cannot_be_understood_finds_what_a_file_calls_so_or_is_refused(world: World) -> None:
    dup, short = from_vcf("GRCh38", "1", 301, "A", "AA"), "22:g.401A>G"
    sequenced = tuple(Sequenced(name, name, None, None) for name in "abc")
    sites = (
        Site(dup, ("0/1", "0/1", "0/0"), hgvs="NC_000001.11:g.301dup"),
        Site(OTHER, ("0/0", "1/1", "0/0"), hgvs=short),
    )
    dataset = world.load(Load(sequenced=sequenced, sites=sites))
    for text, id, people in (("NC_000001.11:g.301dup", dup.id, {"a", "b"}), (short, OTHER.id, {"b"})):
        named = AlphanumericFilter(HGVS, "=", text)
        assert found(world, dataset, "genomicVariant", named) == {id}
        assert found(world, dataset, "individual", named) == people
    for text in ("NC_000001.11:g.302dup", "22:g.402A>G"):
        with pytest.raises(BadRequest, match=r"402A|302dup"):
            found(world, dataset, "genomicVariant", AlphanumericFilter(HGVS, "=", text))
    # Whom a threshold keeps few people from learns no more than if there were none.
    query = Query("individual", filters=(AlphanumericFilter(HGVS, "=", short),), granularity=Granularity.COUNT)
    with pytest.raises(BadRequest, match="401A"):
        world.ask(dataset, query, threshold=2)
    assert world.ask(dataset, query).caveat


def test_a_variant_is_found_by_every_id_that_its_record_shows(world: World) -> None:
    spdi, vrs = "NC_000001.11:100:A:G", "ga4gh:VA." + "x" * 32
    unplaced_, moved = unplaced("GRCh38", "FBN1", "SO:0000159", "exon 3"), "NC_000001.11:400:A:G"
    dataset = world.load(
        Load(
            sequenced=(Sequenced("a", "a", None, None), Sequenced("b", "b", None, None)),
            sites=(
                Site(SNP, ("0/1", "0/0"), ids=("dbSNP:rs5", "clinvar:7")),
                Site(OTHER, ("0/0", "1/1"), ids=("rs6", vrs, moved)),
            ),
        ),
        Load(sites=(Site(unplaced_, None, hgvs="NC_000001.11:g.301_302del", ids=("NC_000001.11:300:2:",)),)),
    )

    def by(field: str, id: str, kind: str = "genomicVariant") -> set[str]:
        return found(world, dataset, kind, AlphanumericFilter(field, "=", id))

    for id in (spdi, f"refseq:{spdi}", "rs5", "dbSNP:rs5", "RS5", "clinvar:7"):
        assert by(OTHER_IDS, id) == {SNP.id}, id
        assert by(OTHER_IDS, id, "individual") == {"a"}, id
    # What a file says counts where its meaning cannot be told, and where nothing has what it means.
    for id in ("rs6", "dbSNP:rs6", vrs, moved):
        assert by(OTHER_IDS, id) == {OTHER.id}, id
    assert by(OTHER_IDS, "NC_000001.11:300:2:") == by(HGVS, "NC_000001.11:g.301_302del") == {unplaced_.id}
    assert by(OTHER_IDS, "rs7") == by(OTHER_IDS, "NC_000001.11:100:A:T") == set()
    for id, error in (("ga4gh:VA." + "y" * 32, NeedsReference), ("NC_000001.9:100:A:T", CannotAnswer)):
        with pytest.raises(error):
            by(OTHER_IDS, id)
    with pytest.raises(UnknownFilter, match="with ="):
        found(world, dataset, "genomicVariant", AlphanumericFilter(OTHER_IDS, "!", spdi))
    both = AlphanumericFilter(OTHER_IDS, "=", spdi), AlphanumericFilter(HGVS, "=", "NC_000001.11:g.101A>G")
    with pytest.raises(CannotAnswer, match="ask for one"):
        found(world, dataset, "genomicVariant", *both)
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(OTHER_IDS, "!", "rs5")) == {
        OTHER.id,
        unplaced_.id,
    }


def test_filters_on_datasets_and_cohorts_choose_their_people(world: World, dataset: str) -> None:
    assert found(world, dataset, "individual", CustomFilter("cohortType:user-defined")) == {"a", "b"}
    assert found(world, dataset, "individual", AlphanumericFilter("name", "!", "sick", scope="cohort")) == {"c"}
    assert found(world, dataset, "cohort", AlphanumericFilter("name", "=", "si%")) == {"sick"}
    assert found(world, dataset, "cohort", AlphanumericFilter("name", "=", "well")) == set()
    assert found(world, dataset, "individual", AlphanumericFilter("id", "=", dataset, scope="dataset")) == set("abc")
    assert found(world, dataset, "dataset", AlphanumericFilter("createDateTime", "<", "2000-01-01")) == set()


def test_a_term_of_a_cohort_or_dataset_is_found_there_without_a_scope(world: World) -> None:
    marfan, own = OntologyFilter("OMIM:154700"), OntologyFilter("OMIABIS:000101")
    having = Packet("d", Facts(frozenset({("diseases.diseaseCode", marfan.id)})))
    dataset = world.load(Load((*(Packet(id, Facts()) for id in "abc"), having)))
    use = {"dataUseConditions": {"duoDataUse": [{"id": "local:use"}]}}
    criteria = {"inclusionCriteria": {"diseaseConditions": [{"diseaseCode": {"id": marfan.id}}]}}
    nothing: dict[str, object] = {}
    cohorts = (
        ("there", "ab", criteria | {"cohortDataTypes": [{"id": own.id}]}),
        ("beside", "bc", nothing),
        ("having", "cd", nothing),
        ("planned", "", criteria),
    )
    said = [world.admin.cohort(dataset, id, id, tuple(members), body).saying for id, members, body in cohorts]
    world.admin.say(dataset, [*said, stated(use)])
    assert found(world, dataset, "cohort", marfan) == {"there", "having", "planned"}, (
        "nothing of one that shares people"
    )
    assert found(world, dataset, "cohort", own) == {"there"}
    assert found(world, dataset, "cohort", marfan, own) == {"there"}
    assert found(world, dataset, "individual", marfan) == {"d"}
    assert found(world, dataset, "individual", own) == set(), "known, but none of people"
    assert found(world, dataset, "dataset", OntologyFilter("local:use")) == {dataset}
    query = Query("cohort", filters=(marfan,), granularity=Granularity.COUNT)
    assert world.ask(dataset, query, threshold=2).count == 1, "two are in it; of the others one or nobody is asked for"
    withheld = frozenset({("cohort", "inclusionCriteria")})
    decision = Decision(dataset, Granularity.COUNT, Asker.GRANTED, Level.REGISTERED, 0, withheld=withheld)
    assert world.run(execute(world.store, query, [decision]))[0].count == 1


def test_what_was_measured_is_compared_across_units_of_one_kind_only(world: World, dataset: str) -> None:
    assert found(world, dataset, "individual", AlphanumericFilter("LOINC:3141-9", ">=", "70000 g")) == {"b"}
    assert found(world, dataset, "individual", AlphanumericFilter(VALUE, ">", "69.9")) == {"b"}
    with pytest.raises(CannotAnswer, match=r"LOINC:2345-7.*units that cannot be compared with mol/L"):
        found(world, dataset, "individual", AlphanumericFilter("LOINC:2345-7", ">", "4 mmol/L"))


def test_a_value_that_cannot_be_compared_is_noticed_beside_one_that_can(world: World) -> None:
    glucose = "LOINC:2345-7"
    both = Packet("both", Facts(measures=((glucose, 100.0, "UCUM:mg/dL"), (glucose, 20.0, "UCUM:mmol/L"))))
    dataset = world.load(Load((both, Packet("one", Facts(measures=((glucose, 110.0, "UCUM:mg/dL"),))))))
    for operator, value in ((">", "105 mg/dL"), ("!", "100 mg/dL"), ("<", "10 mmol/L")):
        with pytest.raises(CannotAnswer, match="units that cannot be compared"):
            found(world, dataset, "individual", AlphanumericFilter(glucose, operator, value))
    assert found(world, dataset, "individual", AlphanumericFilter(glucose, ">", "50")) == {"both", "one"}
    # One person's unit is told to nobody from whom small numbers are kept.
    query = Query("individual", filters=(AlphanumericFilter(glucose, ">", "9 mg/dL"),), granularity=Granularity.COUNT)
    assert world.ask(dataset, query, threshold=2).count == 2


def test_similarity_that_nobody_measured_is_an_error(world: World, dataset: str) -> None:
    with pytest.raises(UnknownFilter, match="similar") as raised:
        found(world, dataset, "individual", OntologyFilter(SEIZURE, similarity="low"))
    assert raised.value.where == SEIZURE


def listed(
    world: World, dataset: str, threshold: int = 0, withheld: frozenset[tuple[str, str]] = frozenset()
) -> dict[str, object]:
    asker = Asker.REGISTERED if threshold else Asker.GRANTED
    decision = Decision(dataset, Granularity.RECORD, asker, Level.REGISTERED, threshold, withheld=withheld)
    rows = world.run(filtering_terms(world.store, [decision]))["filteringTerms"]
    return {row["id"]: row.get("values") for row in rows}


def test_fields_are_listed_with_the_values_that_enough_people_have(world: World, dataset: str) -> None:
    everything = listed(world, dataset)
    assert everything[RELEVANCE] == ["benign", "pathogenic"]
    assert everything["LOINC:2345-7"] == ["0.005 mol/L", "0.9 g/L"]
    assert everything[EFFECT] == ["SO:0001583"]
    assert everything["alleleFrequency"] is None
    assert {"SO:0001583", f"{RELEVANCE}:benign", "cohortType:user-defined"} <= everything.keys()
    protected = listed(world, dataset, threshold=2)
    assert protected[RELEVANCE] == ["benign"]
    assert GERMLINE in everything
    assert GERMLINE not in protected


def test_where_nobody_was_genotyped_variants_are_listed(world: World) -> None:
    dataset = world.load(Load(sites=(Site(OTHER, None, effects=("SO:0001583",), stated=(0.25,)),)))
    assert {STATED, "SO:0001583", EFFECT} <= listed(world, dataset).keys()
    assert STATED not in listed(world, dataset, threshold=2)
    assert found(world, dataset, "genomicVariant", AlphanumericFilter(STATED, ">=", "0")) == {OTHER.id}


def test_a_variants_term_of_ones_own_is_known_by_its_carriers_or_where_there_are_none_by_its_variants(
    world: World,
) -> None:
    local = OntologyFilter("clinic:mild", scope="genomicVariant")
    carried = Packet("a", Facts(), cases=(Case(SNP, None, "het", origin="clinic:mild"),))
    site = Site(SNP, None, effects=("clinic:mild",))
    for load in (Load((carried,)), Load(sites=(site,))):
        dataset = world.load(load)
        assert "clinic:mild" in listed(world, dataset)
        assert found(world, dataset, "genomicVariant", local) == {SNP.id}
        query = Query("genomicVariant", filters=(local,), granularity=Granularity.COUNT)
        with pytest.raises(UnknownFilter):
            world.ask(dataset, query, threshold=2)


def test_a_term_that_is_told_of_variants_alone_is_found_among_them_without_a_scope(world: World) -> None:
    mild, germline = OntologyFilter("MONDO:0008765"), OntologyFilter("NCIT:C170518")
    packets = (
        Packet("a", Facts(), cases=(Case(SNP, None, "het", origin=germline.id),)),
        Packet("b", Facts(), cases=(Case(OTHER, None, "het"),)),
    )
    dataset = world.load(Load(packets), Load(sites=(Site(SNP, None, effects=(mild.id,)),)))
    for asked in (mild, germline):
        assert found(world, dataset, "genomicVariant", asked) == {SNP.id}
        assert found(world, dataset, "genomicVariant", asked, OntologyFilter("GENO:0000135")) == {SNP.id}
        assert found(world, dataset, "individual", asked) == set(), "a term of variants is none of people"
    assert found(world, dataset, "genomicVariant", mild, germline) == {SNP.id}
    # Where somebody has it, it is about those people, and about variants with the scope.
    having = Packet("c", Facts(frozenset({("diseases.diseaseCode", mild.id)})), cases=(Case(OTHER, None, "het"),))
    world.admin.delete_dataset(dataset)
    dataset = world.load(Load((*packets, having)), Load(sites=(Site(SNP, None, effects=(mild.id,)),)))
    assert found(world, dataset, "genomicVariant", mild) == {OTHER.id}
    scoped = OntologyFilter(mild.id, scope="genomicVariant")
    assert found(world, dataset, "genomicVariant", scoped) == {SNP.id}
    # That one person has it is not to be seen where small numbers are kept from somebody: then it is as if nobody had.
    query = Query("genomicVariant", filters=(mild,), granularity=Granularity.COUNT)
    bare = replace(query, filters=(scoped,))
    assert world.ask(dataset, query, threshold=2) == world.ask(dataset, bare, threshold=2)


def test_a_term_of_variants_that_is_withheld_is_not_found_without_a_scope_either(world: World) -> None:
    germline = OntologyFilter("NCIT:C170518")
    dataset = world.load(Load((Packet("a", Facts(), cases=(Case(SNP, None, "het", origin=germline.id),)),)))
    withheld = frozenset({("genomicVariant", "caseLevelData.alleleOrigin")})
    decision = Decision(dataset, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0, withheld=withheld)
    (result,) = world.run(execute(world.store, Query("genomicVariant", filters=(germline,)), [decision]))
    assert not result.exists


def test_what_is_withheld_is_neither_listed_nor_found(world: World, dataset: str) -> None:
    withheld = frozenset({("genomicVariant", "caseLevelData.clinicalInterpretations"), ("individual", "measures")})
    seen = listed(world, dataset, withheld=withheld)
    assert not {RELEVANCE, VALUE, "LOINC:2345-7"} & seen.keys()
    assert EFFECT in seen
    decision = Decision(dataset, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0, withheld=withheld)
    for item in (
        AlphanumericFilter(RELEVANCE, "=", "pathogenic"),
        AlphanumericFilter("LOINC:3141-9", ">", "1"),
        AlphanumericFilter(VALUE, ">", "1 kg"),
    ):
        (result,) = world.run(execute(world.store, Query("individual", filters=(item,)), [decision]))
        assert not result.exists
