"""Whoever needs a higher level, and whatever is withheld, is as if it had never been loaded: no question tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from beacon.errors import SkerryError
from beacon.model.access import (
    Asker,
    DatasetPolicy,
    Decision,
    Granularity,
    Level,
    StricterRecords,
)
from beacon.model.query import Anchor, Query
from beacon.model.result import DatasetResult
from beacon.privacy.rules import protect
from beacon.query.execute import execute
from beacon.query.terms import filtering_terms
from tests.integration.test_model_of_the_standard import CHANGES, FEATURES, GENES, PEOPLE, Dice
from tests.world import CALLS, FEATURE, Case, Facts, Load, Packet, Sample, Site, World, open_world, write

Hidden = frozenset[str]


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        made.admin.store_ontology({"namespacePrefix": "HP", "version": "1"}, dict.fromkeys(FEATURES, "made up"))
        yield made


def annotated(load: Load) -> Load:
    """The load with what is told of each allele the same wherever it is: that says nothing of who carries it.

    Something is told of each: whether a dataset's variants name genes and changes at all is known of the dataset.
    """

    def about(one: Case | Site) -> dict[str, Any]:
        gene = GENES[one.allele.start % 2] if one.allele.placed else one.allele.label.split("\x1f")[0]
        return {"genes": (gene,), "changes": CHANGES[: 1 + one.allele.start % 2]}

    packets = (
        replace(packet, cases=tuple(replace(case, **about(case)) for case in packet.cases)) for packet in load.packets
    )
    sites = (replace(site, **about(site), effects=(), stated=()) for site in load.sites)
    return replace(load, packets=tuple(packets), sites=tuple(sites))


def less(load: Load, hidden: Hidden) -> Load:
    """The load without these people; a variant that they alone carried is not there either."""
    left = [at for at, one in enumerate(load.sequenced) if one.person not in hidden]
    sites = []
    for site in load.sites:
        calls = None if site.calls is None else tuple(site.calls[at] for at in left)
        if calls is None or _carried(calls) or not _carried(site.calls or ()):
            sites.append(replace(site, calls=calls))
    return replace(
        load,
        packets=tuple(packet for packet in load.packets if packet.id not in hidden),
        sequenced=tuple(load.sequenced[at] for at in left),
        sites=tuple(sites),
    )


def _carried(calls: tuple[str, ...]) -> bool:
    return any(CALLS[call][0] for call in calls)


def as_asked(world: World, dataset: str, query: Query, asker: Asker, **more: Any) -> DatasetResult | str:
    """What this asker finds, or the refusal."""
    if query.anchor == Anchor("dataset", "this"):
        query = replace(query, anchor=Anchor("dataset", dataset))
    decision = Decision(dataset, query.granularity, asker, Level.PUBLIC, 0, **more)
    try:
        (result,) = world.run(execute(world.store, query, [decision]))
    except SkerryError as refused:
        return refused.message
    if query.entry_type == "dataset":
        return replace(result, dataset="this", records=None)
    protected = protect(query, decision, result)
    return replace(result, dataset="this", records=protected.records)


def listed(world: World, dataset: str, asker: Asker, **more: Any) -> list[str]:
    """What can be asked here, one line each; the dataset's own id, which it was given here, is called "this".

    That alleles have frequencies is left out: it is listed for everybody in a VCF with counts, whoever carries what.
    """
    decision = Decision(dataset, Granularity.RECORD, asker, Level.PUBLIC, 0, **more)
    found = world.run(filtering_terms(world.store, [decision]))
    return sorted(
        re.sub(rf"\b{dataset}\b", "this", str(one)) for one in (*found["filteringTerms"], *found["resources"])
    )


@settings(max_examples=4, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=True))
def test_people_who_need_a_higher_level_are_as_if_they_had_never_been_loaded(world: World, random: Random) -> None:
    dice = Dice(random)
    loads = [annotated(dice.load()) for _ in range(random.randint(1, 3))]
    # Somebody of each VCF is left: one without samples is another kind of data, of which less is listed where all hide.
    hidden = frozenset(dice.some(PEOPLE, 4, 2)) - {load.sequenced[0].person for load in loads if load.sequenced}
    asker, level = dice.one((Asker.STRANGER, Level.REGISTERED), (Asker.REGISTERED, Level.CONTROLLED))
    full, reduced = world.load(*loads), world.load(*(less(load, hidden) for load in loads))
    world.admin.set_policy(full, DatasetPolicy(stricter=(StricterRecords(level, hidden),)))
    for _ in range(25):
        query = replace(dice.question(), granularity=dice.one(*Granularity.__members__.values()))
        query = replace(query, granularity=max(query.granularity, Granularity.BOOLEAN))
        try:
            assert as_asked(world, full, query, asker) == as_asked(world, reduced, query, asker)
        except BaseException:
            note(f"asked: {query} without {sorted(hidden)}")
            note("\n".join(f"loaded: {load}" for load in loads))
            raise
    assert listed(world, full, asker) == listed(world, reduced, asker)
    for dataset in (full, reduced):
        world.admin.delete_dataset(dataset)


def test_whoever_has_the_level_sees_them_and_others_do_not(world: World) -> None:
    people = tuple(Packet(name, Facts(frozenset({(FEATURE, FEATURES[3])}))) for name in PEOPLE)
    dataset = world.load(Load(people, cohort="minors"), Load((Packet("later", Facts()),)))
    rules = (StricterRecords(Level.REGISTERED, frozenset("a")), StricterRecords(Level.CONTROLLED, frozenset("bc")))
    world.admin.set_policy(dataset, DatasetPolicy(stricter=rules))
    query = Query("individual", granularity=Granularity.COUNT)
    counts = [getattr(as_asked(world, dataset, query, asker), "count", None) for asker in Asker]
    assert counts == [3, 4, 6]


def test_people_are_covered_before_they_are_loaded_and_cohorts_as_they_grow(world: World) -> None:
    dataset = world.load()
    rules = (
        StricterRecords(Level.CONTROLLED, frozenset({"x"})),
        StricterRecords(Level.CONTROLLED, cohorts=frozenset({"minors"})),
    )
    world.admin.set_policy(dataset, DatasetPolicy(stricter=rules))
    query = Query("individual", granularity=Granularity.COUNT)
    for people, cohort, seen in (("xy", None, 1), ("z", "minors", 1), ("vw", None, 3), ("v", "minors", 2)):
        write(world.admin, dataset, Load(tuple(Packet(name, Facts()) for name in people), cohort=cohort))
        found = as_asked(world, dataset, query, Asker.REGISTERED)
        assert isinstance(found, DatasetResult) and found.count == seen


@pytest.mark.parametrize("field", ["phenotypicFeatures", "phenotypicFeatures.featureType", "diseases.diseaseCode"])
def test_a_withheld_property_is_as_if_it_had_never_been_loaded(world: World, field: str) -> None:
    terms = {(FEATURE, FEATURES[3]), ("diseases.diseaseCode", "OMIM:154700"), ("sex", "NCIT:C16576")}
    left = frozenset(one for one in terms if not one[0].startswith(field))
    absent = frozenset({(FEATURE, FEATURES[4])})
    sample = (Sample("s", Facts(frozenset({("sampleOriginType", "UBERON:0000178"), (FEATURE, FEATURES[2])}))),)
    full = world.load(Load((Packet("a", Facts(frozenset(terms), absent), sample),)))
    reduced = world.load(Load((Packet("a", Facts(left, absent if "Features" not in field else frozenset()), sample),)))
    withheld = frozenset({("individual", field)})
    dice = Dice(Random(field))
    for _ in range(60):
        query = replace(dice.question(), granularity=Granularity.RECORD)
        whole = as_asked(world, full, query, Asker.STRANGER, withheld=withheld)
        part = as_asked(world, reduced, query, Asker.STRANGER)
        if isinstance(whole, DatasetResult) and isinstance(part, DatasetResult):
            assert (whole.exists, whole.count, _held(whole)) == (part.exists, part.count, _held(part)), query
        else:
            assert whole == part
    assert listed(world, full, Asker.STRANGER, withheld=withheld) == listed(world, reduced, Asker.STRANGER)


def _held(result: DatasetResult) -> list[Any]:
    """The records without members that hold nothing, whose emptiness is all that is left of what was taken out."""
    return [_filled(orjson.loads(record)) for record in result.records or ()]


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _filled(item) for name, item in value.items() if not isinstance(item, bool)}
        return {name: item for name, item in kept.items() if item not in ({}, [], None)}
    if isinstance(value, list):
        return [item for item in map(_filled, value) if item not in ({}, [], None)]
    return value


def test_a_site_that_only_they_carried_is_not_there(world: World) -> None:
    site = Dice(Random(1)).load()
    while not site.sites or len(site.sequenced) < 2:
        site = Dice(Random()).load()
    one = replace(site, sites=(Site(site.sites[0].allele, ("0/1", *["0/0"] * (len(site.sequenced) - 1))),))
    dataset = world.load(one)
    person = frozenset({one.sequenced[0].person})
    world.admin.set_policy(dataset, DatasetPolicy(stricter=(StricterRecords(Level.CONTROLLED, person),)))
    query = Query("genomicVariant", granularity=Granularity.COUNT)
    found = {asker: as_asked(world, dataset, query, asker) for asker in Asker}
    assert [result.count for result in found.values() if isinstance(result, DatasetResult)] == [0, 0, 1]
