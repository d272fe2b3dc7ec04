"""What all tests share: one real MongoDB for the session, a database of its own for each test, the shared data."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from beacon.settings import Mongo, load_site
from beacon.store.embedded import mongodb


@pytest.fixture(scope="session", autouse=True)
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder that the whole session runs in: servers without settings keep their audit below it."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("work")
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a writable replica set: the one of SKERRY_MONGODB_URI, else an embedded one, empty at first."""
    folder = tmp_path_factory.mktemp("data")
    with mongodb(Mongo(uri=load_site().mongo.uri, data_dir=folder, cache_gb=0.25)) as uri:
        yield uri


@pytest.fixture
def database_name(mongo_uri: str) -> Iterator[str]:
    """The name of a database that nobody else uses; dropped after the test."""
    name = f"test_{secrets.token_hex(8)}"
    yield name
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared specifications and data beside the checkout (or SKERRY_SHARED); skips without it."""
    folder = Path(os.environ.get("SKERRY_SHARED") or Path(__file__).parents[1].parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"the shared data are not here ({folder}); SKERRY_SHARED names another place")
    return folder
