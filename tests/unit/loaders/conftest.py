from __future__ import annotations

from collections.abc import Iterator

import pytest

from beacon.store.admin import Admin


@pytest.fixture
def admin(mongo_uri: str, database_name: str) -> Iterator[Admin]:
    """A database of the test's own, with the empty dataset ``d``."""
    with Admin.open(mongo_uri, database_name) as opened:
        opened.create_dataset("d")
        yield opened
