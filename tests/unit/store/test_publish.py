"""What a load makes visible, what it takes from earlier ones, and what it must leave alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from beacon.errors import LoadError
from beacon.model.access import DatasetPolicy, Granularity
from beacon.model.query import AlphanumericFilter, Anchor, OntologyFilter, Pagination, Query, VariantQuery
from beacon.model.variant import from_vcf
from beacon.store.loading import Beside
from tests.world import Case, Facts, Load, Packet, Sample, Sequenced, Site, World, info, open_world, write

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
OTHER = from_vcf("GRCh38", "1", 201, "C", "T")
FEMALE, MALE, UNKNOWN = "NCIT:C16576", "NCIT:C20197", "NCIT:C17998"


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def packet(person: str, *cases: Case, sex: str = FEMALE, samples: tuple[str, ...] = ()) -> Packet:
    return Packet(person, Facts(terms=frozenset({("sex", sex)})), tuple(Sample(id, Facts()) for id in samples), cases)


def vcf(*people: str, sites: tuple[Site, ...] = (), sample: str = "{}") -> Load:
    return Load(sequenced=tuple(Sequenced(p, sample.format(p), Facts(), None) for p in people), sites=sites)


def ids(world: World, dataset: str, entry_type: str, **asked: Any) -> list[str]:
    query = Query(entry_type, granularity=Granularity.RECORD, pagination=Pagination(limit=0), **asked)
    name = "variantInternalId" if entry_type == "genomicVariant" else "id"
    return sorted(orjson.loads(record)[name] for record in world.ask(dataset, query).records or ())


def variant(world: World, dataset: str, **asked: Any) -> dict[str, Any]:
    query = Query("genomicVariant", granularity=Granularity.RECORD, **asked)
    (record,) = world.ask(dataset, query).records or ()
    return dict(orjson.loads(record))


def test_a_derived_person_gives_way_to_their_phenopacket_and_keeps_samples_and_genotypes(world: World) -> None:
    dataset = world.load(
        vcf("ana", "ben", sites=(Site(SNV, ("0/1", "0/0")),)), Load(packets=(packet("ana", sex=MALE),))
    )
    assert ids(world, dataset, "individual") == ["ana", "ben"]
    assert ids(world, dataset, "individual", filters=(OntologyFilter(MALE),)) == ["ana"]
    assert ids(world, dataset, "individual", filters=(OntologyFilter(UNKNOWN),)) == ["ben"]
    assert ids(world, dataset, "biosample") == ["ana", "ben"]
    assert ids(world, dataset, "genomicVariant", filters=(OntologyFilter(MALE),)) == [SNV.id]


def test_a_vcf_never_replaces_what_a_phenopacket_says_of_a_person_or_a_sample(world: World) -> None:
    told = Packet(
        "ana", Facts(terms=frozenset({("sex", MALE)})), (Sample("ana-s1", Facts(years=(("collectionMoment", 3),))),)
    )
    dataset = world.load(Load(packets=(told,)), vcf("ana", sites=(Site(SNV, ("1/1",)),), sample="{}-s1"))
    assert ids(world, dataset, "individual", filters=(OntologyFilter(MALE),)) == ["ana"]
    collected = AlphanumericFilter("collectionMoment", "=", "P3Y")
    assert ids(world, dataset, "biosample", filters=(collected,)) == ["ana-s1"]
    assert ids(world, dataset, "genomicVariant", filters=(collected,)) == [SNV.id]


def test_a_phenopacket_loaded_anew_replaces_its_own_samples_and_carriers(world: World) -> None:
    first = Load(packets=(packet("ana", Case(SNV, "ana-s1", "het"), samples=("ana-s1",)), packet("ben")))
    dataset = world.load(first, Load(packets=(packet("ana", Case(OTHER, "ana-s2", "hom"), samples=("ana-s2",)),)))
    assert ids(world, dataset, "individual") == ["ana", "ben"]
    assert ids(world, dataset, "biosample") == ["ana-s2"]
    assert ids(world, dataset, "genomicVariant") == [OTHER.id]
    assert ids(world, dataset, "individual", anchor=Anchor("genomicVariant", SNV.id)) == []
    assert ids(world, dataset, "individual", filters=(OntologyFilter("GENO:0000135"),)) == []
    assert ids(world, dataset, "individual", filters=(OntologyFilter("GENO:0000136"),)) == ["ana"]


def test_a_variant_whose_carriers_have_gone_vanishes_and_one_that_nobody_ever_carried_stays(world: World) -> None:
    third = from_vcf("GRCh38", "1", 301, "C", "T")
    sites = vcf("ben", sites=(Site(OTHER, None), Site(third, ("0/0",))))
    dataset = world.load(Load(packets=(packet("ana", Case(SNV, None, "het")),)), sites, Load(packets=(packet("ana"),)))
    assert ids(world, dataset, "genomicVariant") == [OTHER.id, third.id]
    assert ids(world, dataset, "genomicVariant", variant=VariantQuery("GRCh38", "1", (100,), (101,))) == []


def test_one_allele_of_two_loads_is_one_variant_whose_carriers_are_counted_once_each(world: World) -> None:
    cases = Load(packets=(packet("ana", Case(SNV, None, "het")), packet("eve", Case(SNV, None, "hom"))))
    sequenced = vcf("ana", "ben", "cas", "dan", sites=(Site(SNV, ("0/1", "1/1", "./.", "0/0")),))
    dataset = world.load(cases, sequenced)
    assert ids(world, dataset, "individual", variant=VariantQuery("GRCh38", "1", (100,), (101,))) == [
        "ana", "ben", "eve",
    ]  # fmt: skip
    told = variant(world, dataset)
    assert told["info"]["carriers"] == 3
    assert told["info"]["genotypes"] == {"heterozygous": 1, "homozygous": 2, "hemizygous": 0, "missing": 1}
    # Only the genotypes of the VCF are counted: two chromosomes each of ana, ben and dan.
    assert (told["info"]["alleleCount"], told["info"]["alleleNumber"]) == (3, 6)


def test_somebody_called_in_the_second_file_only_is_counted_there(world: World) -> None:
    dataset = world.load(
        vcf("ana", "ben", sites=(Site(SNV, ("./.", "0/0")),)),
        vcf("ana", "ben", sites=(Site(SNV, ("0/1", "0/1")),), sample="{}-2"),
    )
    told = variant(world, dataset)["info"]
    assert (told["alleleCount"], told["alleleNumber"], told["genotypes"]["missing"]) == (1, 4, 0)


def test_what_a_record_says_of_a_variant_does_not_depend_on_how_it_was_asked_for(world: World) -> None:
    one = Load(packets=(packet("ana", Case(SNV, None, "het", ("FBN1",))),))
    two = vcf("ben", "cas", sites=(Site(SNV, ("0/1", "1/1")),))
    dataset = world.load(one, two)
    everything = variant(world, dataset)["info"]
    for asked in (
        {"variant": VariantQuery(gene="FBN1")},
        {"anchor": Anchor("individual", "ana")},
        {"anchor": Anchor("individual", "ben")},
        {"variant": VariantQuery("GRCh38", "1", (100,), (101,))},
    ):
        told = variant(world, dataset, **asked)
        assert told["info"] | {"caseLevelTotal": 0} == everything | {"caseLevelTotal": 0}
        assert told["molecularAttributes"]["geneIds"] == ["FBN1"]
    assert ids(world, dataset, "individual", variant=VariantQuery(gene="FBN1")) == ["ana", "ben", "cas"]


def test_a_sample_returns_where_the_one_that_stood_for_it_went_and_its_genotypes_stayed(world: World) -> None:
    sequenced = vcf("ana", sites=(Site(SNV, ("0/1",)),), sample="{}-s1")
    dataset = world.load(sequenced, Load(packets=(packet("ana", samples=("ana-s1",)),)))
    assert ids(world, dataset, "biosample") == ["ana-s1"]
    write(world.admin, dataset, Load(packets=(packet("ana"),)))
    assert ids(world, dataset, "biosample", anchor=Anchor("genomicVariant", SNV.id)) == ["ana-s1"]


def test_a_load_is_recognised_while_all_it_brought_is_visible_and_no_longer(world: World) -> None:
    dataset = world.load()
    for sha, sex in (("v1", FEMALE), ("v2", MALE)):
        with world.admin.begin(dataset, info(sha256=sha), lambda _: ()) as writer:
            writer.individual({"id": "ana", "sex": {"id": sex}})
            writer.publish()
        assert world.admin.loaded(dataset, sha, "test") == writer.id
    assert world.admin.loaded(dataset, "v1", "test") is None
    assert world.admin.loaded(dataset, "v2", "other") is None


def test_a_vcf_stays_recognised_when_phenopackets_replace_the_people_it_derived(world: World) -> None:
    dataset = world.load()
    with world.admin.begin(dataset, info(sha256="vcf"), lambda _: ()) as writer:
        writer.individual({"id": "ana"}, derived=True)
        writer.record("biosample", {"id": "ana"}, individual="ana", derived=True)
        writer.publish()
    write(world.admin, dataset, Load(packets=(packet("ana"),)))
    assert world.admin.loaded(dataset, "vcf", "test") == writer.id


def test_a_load_says_what_it_added_and_whom_it_replaced(world: World) -> None:
    dataset = world.load(Load(packets=(packet("ana"), packet("ben"))))
    with world.admin.begin(dataset, info(), lambda _: ()) as writer:
        for person in ("ben", "cas"):
            writer.individual({"id": person})
        done = writer.publish()
    assert (done.added["individual"], done.replaced) == (2, 1)
    with world.admin.begin(dataset, info(), lambda _: ()) as writer:
        for person in ("ana", "dan"):
            writer.individual({"id": person}, derived=True)
        done = writer.publish()
    assert (done.added["individual"], done.replaced) == (1, 0)


def test_a_cohort_grows_with_every_load_that_names_it(world: World) -> None:
    dataset = world.load(
        Load(packets=(packet("ana"),), cohort="study"),
        Load(packets=(packet("ana"), packet("ben")), cohort="study"),
        Load(packets=(packet("cas"),), cohort="other"),
    )
    assert ids(world, dataset, "individual", anchor=Anchor("cohort", "study")) == ["ana", "ben"]
    assert dict(world.admin.dataset(dataset).cohorts) == {"study": 2, "other": 1}


def test_two_loads_that_publish_at_the_same_time_are_both_visible(world: World) -> None:
    dataset = world.load()
    start = threading.Barrier(6)
    failures: list[BaseException] = []

    def load(number: int) -> None:
        try:
            with world.admin.begin(dataset, info(cohort="all"), lambda _: ()) as writer:
                for person in range(number, number + 4):
                    writer.individual({"id": f"p{person}"}, derived=True)
                writer.individual({"id": f"own{number}"})
                start.wait(30)
                writer.publish()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=load, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = sorted([f"p{n}" for n in range(9)] + [f"own{n}" for n in range(6)])
    assert ids(world, dataset, "individual") == expected
    assert world.admin.dataset(dataset).cohorts["all"] == len(expected)


def test_a_load_into_a_dataset_that_was_deleted_and_made_anew_publishes_nothing(world: World) -> None:
    dataset = world.load(Load(packets=(packet("old"),)))
    with world.admin.begin(dataset, info(), lambda _: ()) as writer:
        writer.individual({"id": "ana"})
        world.admin.delete_dataset(dataset)
        world.admin.create_dataset(dataset, policy=DatasetPolicy())
        write(world.admin, dataset, Load(packets=(packet("new"),)))
        with pytest.raises(LoadError, match="was deleted while it was loaded into"):
            writer.publish()
    assert ids(world, dataset, "individual") == ["new"]


def test_calls_take_the_place_of_loads_of_their_own_format_alone(world: World) -> None:
    dataset = world.load(Load(packets=(packet("ana"), packet("ben"))))
    (entry,) = world.admin.loads(dataset)
    with world.admin.begin(dataset, replace(info(), format="vcf"), lambda _: ()) as writer:
        writer.individual({"id": "eve"}, derived=True)
        writer.publish(Beside(supersedes=frozenset([entry.id]), entirely=True))
    assert ids(world, dataset, "individual") == ["ana", "ben", "eve"]
