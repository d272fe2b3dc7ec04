"""Purging and readmitting people never makes anybody see more than before."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from beacon.auth.policy import decide, policy_for
from beacon.auth.policy_file import policy_from_toml
from beacon.errors import Forbidden
from beacon.model.access import DatasetPolicy, Granularity, Level, Person, Principal, StricterRecords
from beacon.model.query import Pagination, Query
from beacon.query.execute import execute
from beacon.store.admin import Admin
from tests.world import Facts, Load, Packet, World, ancestors, write

PUBLIC = policy_for(Level.PUBLIC, Granularity.RECORD)
STRANGER = Principal()
NAMED = """
level = "public"
visas = ["x"]
granularity = {stranger = "record", registered = "record", granted = "record"}
[[registered]]
issuer = "x"
subject = "x"
[[granted]]
issuer = "i"
subject = "x"
[[refused]]
issuer = "i"
subject = "x"
[[withheld]]
entry_type = "individual"
field = "info.x"
[[stricter]]
level = "controlled"
individuals = ["x", "y"]
cohorts = ["x"]
[[stricter]]
level = "registered"
individuals = ["x"]
[consent]
codes = ["x"]
fallback = "none"
"""


def people(*ids: str, cohort: str | None = None) -> Load:
    return Load(packets=tuple(Packet(id, Facts()) for id in ids), cohort=cohort)


def needing(level: Level, *ids: str, cohort: str | None = None) -> DatasetPolicy:
    rule = StricterRecords(level, frozenset(ids), frozenset([cohort] if cohort else ()))
    return replace(PUBLIC, stricter=(rule,))


def seen(world: World, admin: Admin, dataset: str, who: Principal = STRANGER) -> list[str]:
    decisions = decide({dataset: admin.policy(dataset)}, who, wanted=None)
    query = Query("individual", granularity=Granularity.RECORD, pagination=Pagination(limit=0))
    (result,) = world.run(execute(world.store, query, decisions))
    return sorted(str(orjson.loads(record)["id"]) for record in result.records or ())


def withdrawn(admin: Admin, dataset: str, id: str, *, purged: bool = True) -> None:
    admin.withdraw(dataset, id, "")
    if purged:
        admin.purge(dataset, id, ancestors, "")


def test_whoever_was_refused_is_refused_after_a_patient_of_the_same_name_was_purged(world: World, admin: Admin) -> None:
    dataset = world.load(people("666", "a"))
    person = Person("https://login.example.org", "666")
    admin.set_policy(dataset, replace(PUBLIC, refused=frozenset([person])))
    withdrawn(admin, dataset, "666")
    with pytest.raises(Forbidden):
        decide({dataset: admin.policy(dataset)}, Principal(person), wanted=None)


def test_of_a_policy_a_purge_takes_the_name_from_individuals_and_nothing_else(world: World, admin: Admin) -> None:
    dataset = world.load(people("x", "y"))
    policy = policy_from_toml(NAMED)
    admin.set_policy(dataset, policy)
    withdrawn(admin, dataset, "x")
    left = StricterRecords(Level.CONTROLLED, frozenset(["y"]), frozenset(["x"]))
    assert admin.policy(dataset) == replace(policy, stricter=(left,))


@pytest.mark.parametrize("purged", [True, False])
def test_whoever_is_readmitted_is_no_easier_to_see_than_before(world: World, admin: Admin, purged: bool) -> None:
    dataset = world.load(people("x", "a"))
    admin.set_policy(dataset, needing(Level.CONTROLLED, "x"))
    withdrawn(admin, dataset, "x", purged=purged)
    admin.readmit(dataset, "x", (), "")
    write(admin, dataset, people("x"))
    assert seen(world, admin, dataset) == ["a"]
    assert admin.dataset(dataset).counts["individual"] == 2
    assert admin.policy(dataset) == needing(Level.CONTROLLED, "x")


def test_a_member_of_a_stricter_cohort_needs_its_level_without_it_too(world: World, admin: Admin) -> None:
    dataset = world.load(people("x", cohort="minors"), people("a"))
    admin.set_policy(dataset, needing(Level.REGISTERED, cohort="minors"))
    withdrawn(admin, dataset, "x")
    admin.readmit(dataset, "x", (), "")
    write(admin, dataset, people("x"))
    assert seen(world, admin, dataset) == ["a"]


def test_a_policy_applied_meanwhile_names_nobody_who_withdrew_and_lowers_nobodys_level(
    world: World, admin: Admin
) -> None:
    dataset = world.load(people("x", "a"))
    withdrawn(admin, dataset, "x")
    for policy in (needing(Level.CONTROLLED, "x"), needing(Level.REGISTERED, "x", "y"), PUBLIC):
        admin.set_policy(dataset, policy)
        assert "x" not in str(admin.policy(dataset))
        assert admin._db["people"].find_one({"d": admin.home(dataset).people, "i": "x"}) is None
    admin.readmit(dataset, "x", (), "")
    write(admin, dataset, people("x"))
    assert seen(world, admin, dataset) == ["a"]
    assert admin.policy(dataset) == needing(Level.CONTROLLED, "x")
    admin.set_policy(dataset, PUBLIC)
    assert seen(world, admin, dataset) == ["a", "x"]


def test_a_purge_that_was_interrupted_and_done_again_forgets_no_level(world: World, admin: Admin) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    dataset = world.load(people("x", "a"))
    admin.set_policy(dataset, needing(Level.CONTROLLED, "x"))
    admin.withdraw(dataset, "x", "")
    with (
        Admin.open(world.uri, world.database, grace=3600, key_file=admin._key_file) as patient,
        pytest.raises(KeyboardInterrupt),
    ):
        patient.purge(dataset, "x", ancestors, "", wait=interrupt)
    admin.purge(dataset, "x", ancestors, "")
    admin.readmit(dataset, "x", (), "")
    write(admin, dataset, people("x"))
    assert seen(world, admin, dataset) == ["a"]


def test_readmitting_somebody_who_did_not_withdraw_changes_no_policy(world: World, admin: Admin) -> None:
    dataset = world.load(people("x", "a"))
    withdrawn(admin, dataset, "a")
    admin.set_policy(dataset, needing(Level.CONTROLLED, "a"))
    assert admin.readmit(dataset, "x", (), "") == 0
    assert admin.policy(dataset) == PUBLIC
