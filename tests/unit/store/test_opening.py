"""Opening a database: what cannot be used is refused with a sentence, and nothing is left open behind it."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
from pymongo import MongoClient

from beacon.errors import ConfigurationError
from beacon.store.mongo import MongoStore


async def test_a_database_of_another_data_model_is_refused_and_closed(mongo_uri: str, database_name: str) -> None:
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client[database_name]["meta"].insert_one({"_id": "model", "version": 99})
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(ConfigurationError, match="data model 99"):
            await MongoStore.open(mongo_uri, database_name)
        gc.collect()
    assert [str(one.message) for one in caught if "Client" in str(one.message)] == []


async def test_the_gate_counts_what_the_database_has(mongo_uri: str, database_name: str) -> None:
    store = await MongoStore.open(mongo_uri, database_name, pool_size=1)
    try:
        async with store.gate:
            waiting = asyncio.create_task(store.ontologies())
            await asyncio.sleep(0)
            assert (store.gate.running, store.gate.waiting) == (1, 1)
        await waiting
        assert (store.gate.running, store.gate.waiting) == (0, 0)
    finally:
        await store.close()
