"""How many requests a page takes; tests/network has the pages themselves."""

from __future__ import annotations

import pytest

from beacon.errors import CannotAnswer
from beacon.model.access import Granularity
from beacon.model.query import Pagination, Query
from network.pages import DONE, MOST_SETS, windows

ASKED = Query("genomicVariant", granularity=Granularity.RECORD, pagination=Pagination(1, 10))


def test_a_page_token_that_somebody_wrote_does_not_make_thousands_of_requests() -> None:
    held = {f"set{number}": 0 for number in range(MOST_SETS)} | {f"done{number}": DONE for number in range(500)}
    assert len(list(windows(ASKED, held))) == MOST_SETS + 1
    with pytest.raises(CannotAnswer, match="name datasets"):
        list(windows(ASKED, held | {"one more": 0}))
