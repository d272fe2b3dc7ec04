"""A world, and one who may take people out of it: a key for withdrawals lies where none was before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beacon.store.admin import Admin
from tests.world import World, open_world


@pytest.fixture(scope="module")
def world(mongo_uri: str) -> Iterator[World]:
    with open_world(mongo_uri) as made:
        yield made


@pytest.fixture(scope="module")
def admin(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    key = tmp_path_factory.mktemp("site") / "keys" / "key"
    with Admin.open(world.uri, world.database, grace=0, key_file=key) as opened:
        yield opened
