"""The privacy step, rule by rule."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from beacon.errors import Forbidden
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.query import Query
from beacon.model.result import DatasetResult
from beacon.privacy.rules import Protected, needed, protect, threshold_applies

NONE, BOOLEAN, COUNT, RECORD = Granularity


def query(granularity: Granularity) -> Query:
    return Query("individual", granularity=granularity)


def decision(
    granularity: Granularity,
    *,
    level: Level = Level.REGISTERED,
    asker: Asker = Asker.REGISTERED,
    threshold: int = 5,
    reasons: tuple[str, ...] = (),
) -> Decision:
    return Decision("d", granularity, asker, level, threshold, reasons)


def found(count: int, **info: Any) -> DatasetResult:
    return DatasetResult("d", count > 0, count, tuple(b"{}" for _ in range(min(count, 10))), info)


PUBLIC: Any = {"level": Level.PUBLIC, "asker": Asker.STRANGER}


def test_a_record_answer_holds_everything() -> None:
    answer = protect(query(RECORD), decision(RECORD, **PUBLIC), found(12, people=12))
    assert (answer.granularity, answer.exists, answer.count, answer.withheld) == (RECORD, True, 12, False)
    assert answer.records == (b"{}",) * 10
    assert answer.count_precision == "exact"
    assert answer.count_adjusted_to is None
    assert answer.info == {"returnedGranularity": "record", "people": 12}


def test_a_count_answer_holds_no_record_and_a_boolean_one_no_number() -> None:
    counted = protect(query(COUNT), decision(RECORD, **PUBLIC), found(12, people=12, examples=["I1"]))
    assert (counted.count, counted.records) == (12, None)
    assert counted.info == {"returnedGranularity": "count", "people": 12}
    said = protect(query(RECORD), decision(BOOLEAN, **PUBLIC), found(12, people=12))
    assert (said.exists, said.count, said.records, said.count_precision) == (True, None, None, None)
    assert said.info == {"returnedGranularity": "boolean"}


def test_nothing_found_in_a_public_dataset_is_a_plain_no() -> None:
    answer = protect(query(COUNT), decision(RECORD, **PUBLIC), found(0))
    assert (answer.exists, answer.count, answer.count_precision, answer.withheld) == (False, 0, "exact", False)


def test_a_result_that_holds_less_makes_a_coarser_answer() -> None:
    answer = protect(query(RECORD), decision(RECORD, **PUBLIC), DatasetResult("d", True))
    assert (answer.granularity, answer.exists, answer.count) == (BOOLEAN, True, None)


def test_a_dataset_that_does_not_answer_gives_no_answer() -> None:
    with pytest.raises(Forbidden):
        protect(query(RECORD), decision(NONE, **PUBLIC), found(3))


def test_a_decision_on_another_dataset_is_never_used() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        protect(query(RECORD), decision(RECORD), DatasetResult("other", True, 7))


@pytest.mark.parametrize("asked", [BOOLEAN, COUNT, RECORD])
@pytest.mark.parametrize("decided", [BOOLEAN, COUNT, RECORD])
def test_every_number_below_the_threshold_looks_the_same(asked: Granularity, decided: Granularity) -> None:
    answers = [protect(query(asked), decision(decided), found(n, people=n, note=n)) for n in range(5)]
    assert all(answer == answers[0] for answer in answers)
    first = answers[0]
    assert (first.exists, first.withheld, first.records) == (False, True, None)
    assert first.info["withheld"] is True
    assert first.info["threshold"] == 5
    if min(asked, decided) is BOOLEAN:
        assert first.count is None
    else:
        assert (first.count, first.count_precision, first.count_adjusted_to) == (0, "imprecise", ("<5",))


def test_at_the_threshold_the_truth_is_told() -> None:
    answer = protect(query(COUNT), decision(COUNT), found(5))
    assert (answer.exists, answer.count, answer.withheld) == (True, 5, False)
    assert answer.info == {"returnedGranularity": "count", "threshold": 5}


def test_the_threshold_is_about_people_where_they_are_known() -> None:
    assert protect(query(COUNT), decision(COUNT), found(40, people=4)).withheld
    assert protect(query(COUNT), decision(COUNT), found(2, people=40)).count == 2


def test_public_datasets_and_grantees_have_no_threshold() -> None:
    assert not threshold_applies(decision(COUNT, level=Level.PUBLIC))
    assert not threshold_applies(decision(COUNT, asker=Asker.GRANTED))
    assert not threshold_applies(decision(COUNT, threshold=0))
    assert threshold_applies(decision(COUNT))
    assert protect(query(COUNT), decision(COUNT, asker=Asker.GRANTED), found(1)).count == 1


def test_a_yes_alone_is_not_enough_where_a_threshold_applies() -> None:
    assert needed(BOOLEAN, decision(RECORD)) is COUNT
    assert needed(RECORD, decision(BOOLEAN)) is COUNT
    assert needed(BOOLEAN, decision(RECORD, **PUBLIC)) is BOOLEAN
    assert needed(RECORD, decision(RECORD)) is RECORD
    assert needed(RECORD, decision(NONE)) is NONE
    with pytest.raises(ValueError, match="a count is needed"):
        protect(query(BOOLEAN), decision(BOOLEAN), DatasetResult("d", True))
    assert protect(query(BOOLEAN), decision(BOOLEAN), DatasetResult("d", False)).withheld


def test_the_reasons_of_the_decision_go_with_the_answer() -> None:
    reasons = ("ceiling:stranger=boolean",)
    answer = protect(query(RECORD), decision(BOOLEAN, reasons=reasons, **PUBLIC), found(1))
    assert answer.info["reasons"] == list(reasons)


def test_what_a_cohorts_makers_counted_goes_out_only_where_small_numbers_may_be_told() -> None:
    cohort = {"id": "c", "collectionEvents": [{"eventNum": 1, "eventSize": 3}]}
    result = dataclasses.replace(found(1, people=9), records=(orjson.dumps(cohort),))
    asked = Query("cohort", granularity=RECORD)
    for told in (decision(RECORD, **PUBLIC), decision(RECORD, asker=Asker.GRANTED), decision(RECORD, threshold=0)):
        (record,) = protect(asked, told, result).records or ()
        assert orjson.loads(record) == cohort
    (record,) = protect(asked, decision(RECORD), result).records or ()
    assert orjson.loads(record) == {"id": "c", "collectionEvents": [{"eventNum": 1}]}


def test_the_stores_notes_cannot_pose_as_the_privacy_steps() -> None:
    answer = protect(query(RECORD), decision(RECORD, **PUBLIC), found(1, returnedGranularity="none"))
    assert answer.info["returnedGranularity"] == "record"


def test_nobody_else_makes_changes_copies_or_unpacks_a_protected_answer() -> None:
    answer = protect(query(RECORD), decision(RECORD), found(2))
    fields: dict[str, Any] = {
        name: getattr(answer, name)
        for name in ("count", "count_precision", "count_adjusted_to", "records", "info", "withheld")
    }
    attempts: list[Callable[[], object]] = [
        lambda: Protected("d", RECORD, True, **fields),
        lambda: Protected("d", RECORD, True, **fields, key=object()),
        lambda: dataclasses.replace(answer, count=2),
        lambda: dataclasses.replace(answer),
        lambda: copy.copy(answer),
        lambda: copy.deepcopy(answer),
        lambda: pickle.dumps(answer),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.count = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        answer.info["people"] = 2  # type: ignore[index]


def test_what_could_not_be_looked_at_is_said_at_every_depth_and_shows_no_number_through_a_threshold() -> None:
    def some(count: int) -> DatasetResult:
        return dataclasses.replace(found(count), caveat="Not all.")

    for asked in (BOOLEAN, COUNT, RECORD):
        assert protect(query(asked), decision(RECORD, **PUBLIC), some(7)).info["caveat"] == "Not all."
    hidden = [protect(query(COUNT), decision(COUNT), some(number)) for number in range(5)]
    assert all(one == hidden[0] and one.info["caveat"] == "Not all." for one in hidden)
