"""What is listed is counted once for a dataset as it stands, and is never what it was before a change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, StricterRecords
from beacon.query.terms import MAX_VALUES, filtering_terms
from beacon.store.admin import Admin
from beacon.store.described import stated
from beacon.store.mongo import MongoStore
from tests.integration.test_model_of_the_standard import PEOPLE, Dice
from tests.world import Facts, Load, Packet, Sample, World, open_world, write

WITHHELD = frozenset({("individual", "diseases"), ("biosample", "individualId")})
WHO = ((Asker.STRANGER, 2), (Asker.REGISTERED, 3), (Asker.GRANTED, 0))

ABOUT: tuple[dict[str, Any], ...] = ({}, {"scope": "biosample"}, {"cohort": "some"})


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def decisions(*datasets: str) -> Iterator[list[Decision]]:
    """What many askers may see of these datasets."""
    for asker, threshold in WHO:
        for withheld in (frozenset[tuple[str, str]](), WITHHELD):
            yield [
                Decision(one, Granularity.RECORD, asker, Level.REGISTERED, threshold, withheld=withheld)
                for one in datasets
            ]


async def listings(store: MongoStore, *datasets: str) -> list[dict[str, Any]]:
    """All that many askers are told, one after the other."""
    return [await filtering_terms(store, asked, **about) for asked in decisions(*datasets) for about in ABOUT]


async def as_new(world: World, *datasets: str) -> list[dict[str, Any]]:
    """The same, by a server that has just started."""
    store = await MongoStore.open(world.uri, world.database)
    try:
        return await listings(store, *datasets)
    finally:
        await store.close()


def ids(listing: dict[str, Any]) -> set[str]:
    return {row["id"] for row in listing["filteringTerms"]}


def test_after_every_change_everybody_is_told_what_a_new_server_would_tell_them(world: World, tmp_path: Path) -> None:
    dice = Dice(Random(7))
    first, second = world.load(dice.load()), world.load(dice.load())
    told = world.run(listings(world.store, first, second))
    different = 0

    def withdraw() -> None:
        with Admin.open(world.uri, world.database, grace=0, key_file=tmp_path / "key") as admin:
            admin.withdraw(first, somebody(world, first), "test")

    def stricter() -> None:
        with Admin.open(world.uri, world.database, grace=0, key_file=tmp_path / "key") as admin:
            admin.set_policy(first, DatasetPolicy(stricter=(StricterRecords(Level.CONTROLLED, frozenset("ab")),)))

    changes = (
        lambda: world.admin.say(first, [world.admin.cohort(first, "some", "some", ["a", "b", "c"]).saying]),
        withdraw,
        lambda: world.admin.delete_people(second, [somebody(world, second)], "test"),
        lambda: write(world.admin, second, dice.load()),
        stricter,
        lambda: world.admin.set_policy(first, DatasetPolicy()),
    )
    for change in changes:
        change()
        before, told = told, world.run(listings(world.store, first, second))
        assert told == world.run(as_new(world, first, second))
        assert told == world.run(listings(world.store, first, second)), "told again"
        different += before != told
    assert different >= 4


def somebody(world: World, dataset: str) -> str:
    return next(one for one in PEOPLE if world.admin.individuals(dataset, [one]))


def test_what_was_counted_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (world.load(Load((Packet("a", Facts(texts=(("vitalStatus", "ALIVE"),))),))) for _ in "12")
    read: list[str] = []
    terms = MongoStore.terms

    async def counted(store: MongoStore, segment: Any) -> Any:
        read.append(segment.id)
        await asyncio.sleep(0.01)  # long enough for the others to come
        return await terms(store, segment)

    monkeypatch.setattr(MongoStore, "terms", counted)

    async def together() -> list[dict[str, Any]]:
        asked = next(decisions(first, second))
        return list(await asyncio.gather(*(filtering_terms(world.store, asked) for _ in range(5))))

    at_once = world.run(together())
    assert len(read) == 2
    assert all(one == at_once[0] for one in at_once)
    world.run(listings(world.store, first, second))
    read.clear()
    world.admin.say(second, [stated({"name": "another name"})])
    world.run(together())
    assert len(read) == 1, "only what has changed is counted anew"


def test_a_field_with_a_value_for_each_record_is_listed_without_reading_them(world: World) -> None:
    samples = tuple(Sample(f"s{at}", Facts(texts=(("individualId", "a"),))) for at in range(2))
    dataset = world.load(Load((Packet("a", Facts(), samples), Packet("b", Facts()))))
    grantee = [Decision(dataset, Granularity.RECORD, Asker.GRANTED, Level.REGISTERED, 0)]
    (row,) = (
        row for row in world.run(filtering_terms(world.store, grantee))["filteringTerms"] if row["id"] == "individualId"
    )
    assert row == {
        "type": "alphanumeric", "id": "individualId", "label": "Individual the sample is from", "scopes": ["biosample"],
    }  # fmt: skip

    async def keys() -> set[str]:
        (segment,) = (await world.store.datasets())[dataset].segments
        return {term.key for term in await world.store.terms(segment) if term.kind == "biosample"}

    assert world.run(keys()) == {"individualId?"}
    few = [Decision(dataset, Granularity.RECORD, Asker.REGISTERED, Level.REGISTERED, 2)]
    assert "individualId" not in ids(world.run(filtering_terms(world.store, few))), "it is known of one person only"


WEIGHT = "LOINC:3141-9"


def weighed(person: str, *values: float, unit: str = "UCUM:kg") -> Packet:
    return Packet(person, Facts(measures=tuple((WEIGHT, value, unit) for value in values)))


def weights(world: World, decisions: list[Decision]) -> Any:
    rows = world.run(filtering_terms(world.store, decisions))["filteringTerms"]
    return next(row for row in rows if (row["type"], row["id"]) == ("alphanumeric", WEIGHT)).get("values")


def may_ask(dataset: str, threshold: int = 0) -> Decision:
    asker = Asker.REGISTERED if threshold else Asker.GRANTED
    return Decision(dataset, Granularity.RECORD, asker, Level.REGISTERED, threshold)


def test_a_field_with_too_many_values_lists_none_of_them_whichever_load_or_unit_they_are_of(world: World) -> None:
    few, many = weighed("few", 1, 2), weighed("many", *range(10, MAX_VALUES + 11))
    assert weights(world, [may_ask(world.load(Load((few,))))]) == ["1000 g", "2000 g"]
    assert weights(world, [may_ask(world.load(Load((few,)), Load((many,))))]) is None
    litres = weighed("few", 1, 2, unit="UCUM:L")
    assert weights(world, [may_ask(world.load(Load((litres,)), Load((many,))))]) is None
    apart = [may_ask(world.load(Load((one,)))) for one in (few, many)]
    assert weights(world, apart) is None


def test_that_somebody_has_too_many_values_is_told_to_nobody_whom_small_numbers_are_kept_from(world: World) -> None:
    open_to_all = world.load(Load((weighed("few", 1, 2),)))
    protected = world.load(Load((weighed("many", *range(10, MAX_VALUES + 11)),)))
    assert weights(world, [may_ask(open_to_all), may_ask(protected, 2)]) == ["1000 g", "2000 g"]
