"""Names of variants: what they mean is decided by the name alone, and tells of nobody below a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from beacon.errors import BadRequest, CannotAnswer
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.entry_types import FREQUENCY, HGVS
from beacon.model.query import AlphanumericFilter, Anchor, Filter, OntologyFilter, Query, VariantQuery
from beacon.model.variant import from_vcf
from beacon.privacy.rules import protect
from beacon.query.execute import execute
from tests.world import Facts, Load, Packet, Sequenced, Site, World, open_world

EVERYBODY = from_vcf("GRCh38", "7", 600, "A", "G")
MEANT = from_vcf("GRCh38", "7", 700, "A", "C")
NAME = "NC_000007.14:g.700A>C"
CHANGED = from_vcf("GRCh38", "7", 101, "AT", "GC")
DELINS = "NC_000007.14:g.101_102delinsGC"
NAMED = AlphanumericFilter(HGVS, "=", DELINS)
FEMALE, MALE = "NCIT:C16576", "NCIT:C20197"
MANY = 8


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def loaded(world: World, *, of_meant: int = 0, of_changed: int = 0) -> str:
    """Eight people, men but for the last; all carry a variant that a file calls by the name of another one."""
    packets = tuple(
        Packet(f"p{at}", Facts(frozenset({("sex", FEMALE if at == MANY - 1 else MALE)}))) for at in range(MANY)
    )
    people = tuple(Sequenced(f"p{at}", f"p{at}-s", None, None) for at in range(MANY))
    sites = [Site(EVERYBODY, ("0/1",) * MANY, hgvs=NAME)]
    for allele, many in ((CHANGED, of_changed), (MEANT, of_meant)):
        if many:
            sites.append(Site(allele, ("0/1",) * many + ("0/0",) * (MANY - many)))
    return world.load(Load(packets), Load(sequenced=people, sites=tuple(sites)))


def told(world: World, dataset: str, query: Query, threshold: int = 0) -> tuple[bool, int | None] | str:
    asker = Asker.REGISTERED if threshold else Asker.GRANTED
    decision = Decision(dataset, Granularity.RECORD, asker, Level.REGISTERED, threshold)
    try:
        (result,) = world.run(execute(world.store, query, [decision]))
    except BadRequest as error:
        return f"{type(error).__name__}: {error.message}".replace(dataset, "it")
    protected = protect(query, decision, result)
    return protected.exists, protected.count


def named(kind: str, *others: Filter, anchor: Anchor | None = None) -> Query:
    name = AlphanumericFilter(HGVS, "=", NAME)
    return Query(kind, anchor, filters=(name, *others), granularity=Granularity.COUNT)


@pytest.mark.parametrize("kind", ["genomicVariant", "individual"])
def test_a_few_carriers_of_what_a_name_means_change_nothing_for_whoever_may_not_know_of_them(
    world: World, kind: str
) -> None:
    nobody, one, many = (loaded(world, of_meant=carriers) for carriers in (0, 1, 5))
    found = told(world, nobody, named(kind), 3)
    assert found == told(world, one, named(kind), 3)
    assert isinstance(found, tuple) and found[0]
    assert told(world, many, named(kind), 3) == (True, 1 if kind == "genomicVariant" else 5)
    assert told(world, one, named(kind)) == (True, 1)


def test_what_a_name_means_does_not_depend_on_what_else_is_asked(world: World) -> None:
    dataset = loaded(world, of_meant=1)
    assert told(world, dataset, named("individual")) == (True, 1)
    assert told(world, dataset, named("individual", OntologyFilter(MALE))) == (True, 1)
    assert told(world, dataset, named("individual", OntologyFilter(FEMALE))) == (False, 0)
    assert told(world, dataset, named("genomicVariant", anchor=Anchor("individual", "p5"))) == (False, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"variant": VariantQuery(gene="BRAF", short_form=DELINS)},
        {"variant": VariantQuery(aminoacid_change="V600E", short_form=DELINS)},
        {"filters": (OntologyFilter("MYLAB:77"),)},
        {"filters": (AlphanumericFilter(FREQUENCY, ">", "0.1"),)},
        {
            "filters": (AlphanumericFilter(HGVS, "=", DELINS), AlphanumericFilter(FREQUENCY, ">", "0.1")),
            "variant": None,
        },
        {"filters": (NAMED,), "variant": VariantQuery(gene="BRAF")},
    ],
    ids=str,
)
@pytest.mark.parametrize("depth", [Granularity.BOOLEAN, Granularity.RECORD])
def test_which_refusal_comes_tells_nothing_of_a_few_carriers(
    world: World, more: dict[str, object], depth: Granularity
) -> None:
    plain = Query("genomicVariant", variant=VariantQuery(short_form=DELINS), granularity=depth)
    query = replace(plain, **more)  # type: ignore[arg-type]
    nobody, one = loaded(world), loaded(world, of_changed=1)
    assert told(world, nobody, query, 3) == told(world, one, query, 3)


def test_a_former_id_of_an_effect_is_known_beside_a_name_that_only_a_file_knows(mongo_uri: str) -> None:
    new, former = "SO:0001583", "SO:0009999"
    with open_world(mongo_uri) as world:
        resource = {"namespacePrefix": "SO", "version": "1"}
        world.admin.replace_ontology(resource, {new: "new", former: "former"}, {new: [], former: [new]}, {former: new})
        site = Site(EVERYBODY, ("0/1",), hgvs=NAME, effects=(new,))
        dataset = world.load(Load(sequenced=(Sequenced("a", "a-s", None, None),), sites=(site,)))
        for term in (new, former):
            assert told(world, dataset, named("genomicVariant", OntologyFilter(term))) == (True, 1)


def test_what_is_told_of_variants_that_nobody_carries_is_known(world: World) -> None:
    bare = Site(MEANT, None, effects=("MYLAB:9",))
    sites = (Site(EVERYBODY, ("0/1",)), bare)
    dataset = world.load(Load(sequenced=(Sequenced("a", "a-s", None, None),), sites=sites))
    for scope in (None, "genomicVariant"):
        query = Query(
            "genomicVariant", filters=(OntologyFilter("MYLAB:9", scope=scope),), granularity=Granularity.COUNT
        )
        assert told(world, dataset, query) == (True, 1)


def test_a_question_about_one_dataset_is_not_refused_for_what_another_does_not_tell(world: World) -> None:
    site = Site(EVERYBODY, ("0/1",), ("FBN1",))
    people = (Sequenced("a", "a-s", None, None),)
    tells = world.load(Load(sequenced=people, sites=(site,)))
    silent = world.load(Load(sequenced=people, sites=(Site(EVERYBODY, ("0/1",)),)))
    alone: Filter = AlphanumericFilter("id", "=", tells, scope="dataset")
    query = Query("individual", filters=(alone,), variant=VariantQuery(gene="FBN1"), granularity=Granularity.COUNT)
    decisions = [Decision(one, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0) for one in (tells, silent)]
    assert [result.count for result in world.run(execute(world.store, query, decisions))] == [1, 0]


@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize("variant", [VariantQuery(gene="BRAF"), VariantQuery(short_form=DELINS)], ids=str)
def test_a_dataset_is_chosen_by_a_former_id_of_its_conditions_of_use_too(
    mongo_uri: str, variant: VariantQuery, *, excluded: bool
) -> None:
    new, former = "DUO:0000042", "DUO:0000999"
    with open_world(mongo_uri) as world:
        resource = {"namespacePrefix": "DUO", "version": "1"}
        world.admin.replace_ontology(resource, {new: "new", former: "former"}, {new: [], former: [new]}, {former: new})
        dataset = loaded(world, of_changed=1)
        (held,) = world.run(world.store.datasets()).values()
        stated = {"dataUseConditions": {"duoDataUse": [{"id": new, "label": "new"}]}}
        decision = Decision(dataset, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0)

        def answer(term: str) -> object:
            use = OntologyFilter(term, excluded=excluded, scope="dataset")
            asked = Query("genomicVariant", variant=variant, filters=(use,), granularity=Granularity.COUNT)
            datasets = {dataset: replace(held, stated=stated, kept={})}
            try:
                return world.run(execute(world.store, asked, [decision], datasets))
            except CannotAnswer as error:
                return error.message

        assert answer(former) == answer(new)
        finds = variant.short_form is not None and not excluded
        assert not finds or "count=1" in str(answer(former))
