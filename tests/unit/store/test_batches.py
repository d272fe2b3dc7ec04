"""Batches on their way into MongoDB: all arrive, a failure is told, and after the end nothing comes any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from beacon.store.batches import MOST_BYTES, MOST_DOCUMENTS, Batches, insert


@pytest.fixture
def db(mongo_uri: str, database_name: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client[database_name]


def test_everything_that_was_added_is_there_after_flushing(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    many = 3 * MOST_DOCUMENTS + 7
    for number in range(many):
        batches.add("some", {"_id": number})
        batches.add("others", {"_id": number})
    batches.flush()
    batches.close()
    assert db["some"].count_documents({}) == db["others"].count_documents({}) == many


def test_documents_that_are_read_together_lie_side_by_side(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    for number in range(10):
        batches.add("some", {"_id": number}, apart=number % 2 == 0)
    batches.flush()
    batches.close()
    lying = [found["_id"] % 2 for found in db["some"].find().sort("$natural", 1)]
    assert sorted(lying) in (lying, lying[::-1])


def test_large_documents_are_sent_before_there_are_many(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    for number in range(12):
        batches.add("some", {"_id": number, "data": b"x" * (MOST_BYTES // 3)}, MOST_BYTES // 3)
    batches.flush()
    batches.close()
    assert db["some"].count_documents({}) == 12


def test_a_document_as_large_as_any_may_be_is_sent_alone(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    largest = 16 * 1024 * 1024 - 100
    for data in (b"x" * (MOST_BYTES - 1), b"y" * largest, b"z"):
        batches.add("some", {"data": data}, len(data))
    batches.flush()
    batches.close()
    assert sorted(len(found["data"]) for found in db["some"].find()) == [1, MOST_BYTES - 1, largest]


def test_documents_that_are_too_much_for_one_command_are_inserted_all_the_same(db: Database[dict[str, Any]]) -> None:
    insert(db["some"], [{"_id": number, "text": "x" * 6_000_000} for number in range(5)])
    assert db["some"].count_documents({}) == 5


def test_a_write_concern_that_cannot_be_met_is_told(mongo_uri: str, database_name: str) -> None:
    with MongoClient[dict[str, Any]](mongo_uri, w=7) as client, pytest.raises((BulkWriteError, OperationFailure)):
        insert(client[database_name]["some"], [{"_id": 1}])


def test_a_batch_that_failed_is_told_at_the_latest_when_flushing(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    for number in (1, 2, 1):
        batches.add("some", {"_id": number})
    with pytest.raises(BulkWriteError):
        batches.flush()
    batches.close()


def test_nothing_arrives_after_closing(db: Database[dict[str, Any]]) -> None:
    batches = Batches(db)
    for number in range(8 * MOST_DOCUMENTS + 1):
        batches.add("some", {"_id": number})
    batches.close()
    arrived = db["some"].count_documents({})
    assert arrived <= 8 * MOST_DOCUMENTS
    db["some"].delete_many({})
    assert db["some"].count_documents({}) == 0
