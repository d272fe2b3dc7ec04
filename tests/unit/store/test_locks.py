"""One change of a dataset at a time, and what a dead command's right is worth."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from beacon.errors import LoadError
from beacon.store import locks
from beacon.store.admin import Admin
from tests.world import World, info, open_world


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


def test_a_second_change_is_refused_with_who_is_at_it_and_what_helps(world: World) -> None:
    dataset = world.load()
    with (
        world.admin.hold(dataset, "load vcf", "ada"),
        Admin.open(world.uri, world.database) as other,
        pytest.raises(LoadError, match=r"ada has been changing dataset .*load vcf.*--wait"),
        other.hold(dataset, "delete", "bob"),
    ):
        pass
    with world.admin.hold(dataset, "delete", "bob"):
        pass


def test_a_second_change_that_waits_comes_next(world: World) -> None:
    dataset = world.load()
    told: list[str] = []
    order: list[str] = []
    waiting = threading.Event()

    def tell(holder: str) -> None:
        told.append(holder)
        waiting.set()

    def second() -> None:
        with Admin.open(world.uri, world.database) as other, other.hold(dataset, "delete", "bob", tell):
            order.append("second")

    thread = threading.Thread(target=second)
    with world.admin.hold(dataset, "load vcf", "ada"):
        thread.start()
        assert waiting.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert len(told) == 1


def _die_holding(uri: str, database: str, dataset: str) -> None:
    import signal

    with Admin.open(uri, database) as admin, admin.hold(dataset, "load vcf", "ada"):
        admin.begin(dataset, info(), lambda _: ()).individual({"id": "half"})
        os.kill(os.getpid(), signal.SIGKILL)


linux_only = pytest.mark.skipif(not locks.place(), reason="only Linux tells whose process ids these are")


@linux_only
@pytest.mark.parametrize("reaped", [True, False])
def test_who_died_holding_it_is_followed_at_once_and_what_they_left_is_cleared_away(world: World, reaped: bool) -> None:
    dataset = world.load()
    process = multiprocessing.get_context("spawn").Process(
        target=_die_holding, args=(world.uri, world.database, dataset)
    )
    process.start()
    assert process.pid is not None
    # A shell may not have asked yet what became of its command.
    os.waitid(os.P_PID, process.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))
    with MongoClient[dict[str, object]](world.uri) as client, world.admin.hold(dataset, "load vcf", "bob"):
        assert client[world.database]["segments"].count_documents({"d": dataset}) == 0
    process.join(60)
    assert [entry.state for entry in world.admin.loads(dataset)] == ["rolled back"]


@linux_only
def test_who_has_the_number_of_one_that_died_does_not_hold_it(world: World) -> None:
    dataset = world.load()
    with (
        MongoClient[dict[str, object]](world.uri) as client,
        Admin.open(world.uri, world.database) as other,
        world.admin.hold(dataset, "load vcf", "ada"),
    ):
        with pytest.raises(LoadError, match="ada"), other.hold(dataset, "delete", "bob"):
            pass
        client[world.database]["datasets"].update_one({"_id": dataset}, {"$set": {"lock.begun": "before"}})
        with other.hold(dataset, "delete", "bob"):
            pass


def test_who_lost_the_right_publishes_nothing(world: World) -> None:
    dataset = world.load()
    with world.admin.hold(dataset, "load vcf", "ada"), world.admin.begin(dataset, info(), lambda _: ()) as writer:
        writer.individual({"id": "late"})
        with MongoClient[dict[str, object]](world.uri) as client:
            client[world.database]["datasets"].update_one({"_id": dataset}, {"$set": {"lock.token": "other"}})
        with pytest.raises(LoadError, match="taken over"):
            writer.publish()
    assert world.admin.dataset(dataset).counts["individual"] == 0
