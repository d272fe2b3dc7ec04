"""What is said of cohorts and datasets: no count of people is left where none may be, and codes of use are written."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beacon.model.collections import data_use, data_use_codes, without_counts

SECRET = 7_654_321
EVENT_MEMBERS = (
    "eventSize", "eventCases", "eventControls", "eventAgeRange", "eventDataTypes", "eventDiseases", "eventGenders",
    "eventTimeline", "eventPhenotypes", "unheardOf",
)  # fmt: skip
INSIDE = st.recursive(
    st.just(SECRET) | st.booleans() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["availability", "availabilityCount", "distribution", "female"]), inner)
    ),
    max_leaves=8,
)
EVENTS = st.lists(st.dictionaries(st.sampled_from(EVENT_MEMBERS), INSIDE) | INSIDE, max_size=3)


@given(events=EVENTS, kept=st.dictionaries(st.sampled_from(["/collectionEvents/0/eventSize", "/cohortDesign"]), INSIDE))
def test_without_counts_an_event_holds_none_whatever_it_held(events: Any, kept: Any) -> None:
    design = {"id": "OMIABIS:0001019"}
    bff = {pointer: value for pointer, value in kept.items() if pointer.startswith("/collectionEvents")}
    told = without_counts({"cohortDesign": design, "collectionEvents": events, "info": {"bff": bff}})
    assert str(SECRET) not in repr(told)
    assert told["cohortDesign"] == design and "info" not in told
    assert without_counts(told) == told
    others = {"/cohortDesign": kept.get("/cohortDesign")}
    assert without_counts({"info": {"bff": others | bff}})["info"] == {"bff": others}


def test_of_an_event_stay_its_number_its_date_and_which_data_there_are() -> None:
    event = {
        "eventNum": 2, "eventDate": "2019-04-23", "eventSize": 3,
        "eventGenders": {"availability": True, "availabilityCount": 3, "distribution": {"genders": {"female": 3}}},
    }  # fmt: skip
    (told,) = without_counts({"collectionEvents": [event]})["collectionEvents"]
    assert told == {"eventNum": 2, "eventDate": "2019-04-23", "eventGenders": {"availability": True}}


def test_conditions_of_use_are_those_of_the_codes_with_labels_that_were_stated() -> None:
    stated = {"duoDataUse": [
        {"id": "DUO:0000007", "label": "disease specific research", "version": "17-07-2016",
         "modifiers": [{"id": "MONDO:0005148", "label": "type 2 diabetes"}]},
        {"id": "DUO:0000042", "label": "general research use", "version": "17-07-2016"},
    ]}  # fmt: skip
    made = data_use({"DUO:0000018", "DUO:0000007"}, {"DUO:0000007": ["MONDO:0005148", "MONDO:0005147"]}, stated)
    assert made == {"duoDataUse": [
        {"id": "DUO:0000007", "label": "disease specific research", "version": "2021-02-23",
         "modifiers": [{"id": "MONDO:0005147"}, {"id": "MONDO:0005148", "label": "type 2 diabetes"}]},
        {"id": "DUO:0000018", "version": "2021-02-23"},
    ]}  # fmt: skip
    wanted = {"DUO:0000007", "DUO:0000018", "MONDO:0005147", "MONDO:0005148"}
    assert data_use_codes({"dataUseConditions": made}) == wanted
    assert data_use_codes({}) == frozenset()
