"""Rules that hold for every policy, every asker and every number: nothing gets out that should not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from beacon.auth.policy import decide, decide_one
from beacon.auth.policy_file import policy_from_dict, policy_to_dict
from beacon.errors import Forbidden, SkerryError, Unauthenticated
from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, Person, Principal
from beacon.model.query import Query
from beacon.model.result import DatasetResult
from beacon.privacy.rules import Protected, needed, protect, threshold_applies

PEOPLE = [Person(f"https://{place}.example.org", name) for place in ("one", "two") for name in ("ana", "ben")]

granularities = st.sampled_from(Granularity)
answering = st.sampled_from([g for g in Granularity if g is not Granularity.NONE])
levels = st.sampled_from(Level)
people = st.sampled_from(PEOPLE)
policies = st.builds(
    DatasetPolicy,
    level=levels,
    ceilings=st.dictionaries(st.sampled_from(Asker), granularities),
    registered=st.frozensets(people),
    granted=st.frozensets(people),
    threshold=st.integers(0, 8),
)
principals = st.one_of(
    st.just(Principal()),
    st.builds(Principal, person=people),
    st.builds(Principal, person=people, node=st.just("net"), ceiling=levels, max_granularity=granularities),
)
queries = st.builds(Query, entry_type=st.just("individual"), granularity=answering)


def look(count: int, depth: Granularity, notes: dict[str, int]) -> DatasetResult:
    """What a store finds when it looks as deeply as it was told, and no deeper."""
    return DatasetResult(
        "d",
        count > 0,
        count if depth >= Granularity.COUNT else None,
        tuple(b'{"id":"%d"}' % n for n in range(count)) if depth is Granularity.RECORD else None,
        notes,
    )


def answer(policy: DatasetPolicy, principal: Principal, query: Query, count: int, **notes: int) -> Protected | None:
    decision = decide_one("d", policy, principal)
    if decision.granularity is Granularity.NONE:
        return None
    return protect(query, decision, look(count, needed(query.granularity, decision), notes))


@given(policies, principals, queries, st.integers(0, 12))
def test_an_answer_is_never_finer_than_the_smallest_of_asked_allowed_and_granted(
    policy: DatasetPolicy, principal: Principal, query: Query, count: int
) -> None:
    told = answer(policy, principal, query, count, people=count)
    if told is None:
        return
    highest = max(policy.ceilings.values(), default=Granularity.NONE)
    limit = min(query.granularity, highest, principal.max_granularity)
    assert Granularity.NONE < told.granularity <= limit
    assert (told.count is None) == (told.granularity < Granularity.COUNT)
    assert told.granularity is Granularity.RECORD or told.records is None
    assert told.granularity >= Granularity.COUNT or "people" not in told.info
    if not told.withheld:
        assert told.exists == (count > 0)
        assert told.count in (None, count)


@given(policies, principals, queries, st.data())
def test_below_the_threshold_no_two_numbers_can_be_told_apart(
    policy: DatasetPolicy, principal: Principal, query: Query, data: st.DataObject
) -> None:
    if not threshold_applies(decide_one("d", policy, principal)):
        return
    below = st.integers(0, policy.threshold - 1)
    few, other = data.draw(below), data.draw(below)
    first = answer(policy, principal, query, few, people=few, note=few)
    second = answer(policy, principal, query, other, people=other, note=other)
    assert first == second
    assert first is None or (first.withheld and not first.exists and first.records is None)


@given(policies, principals, queries, st.integers(0, 12))
def test_withheld_is_said_exactly_where_a_threshold_hid_something(
    policy: DatasetPolicy, principal: Principal, query: Query, count: int
) -> None:
    told = answer(policy, principal, query, count)
    if told is not None:
        hides = threshold_applies(decide_one("d", policy, principal)) and count < policy.threshold
        assert told.withheld == hides == ("withheld" in told.info)


@given(policies, principals, people)
def test_taking_away_a_grant_or_a_registration_never_gives_more(
    policy: DatasetPolicy, principal: Principal, person: Person
) -> None:
    before = decide_one("d", policy, principal)
    for less in (
        replace(policy, granted=policy.granted - {person}),
        replace(policy, registered=policy.registered - {person}),
    ):
        after = decide_one("d", less, principal)
        assert after.granularity <= before.granularity
        assert threshold_applies(after) or not threshold_applies(before)


@given(policies, principals, st.sampled_from(Asker), granularities)
def test_lowering_a_ceiling_or_raising_the_level_never_gives_more(
    policy: DatasetPolicy, principal: Principal, kind: Asker, lower: Granularity
) -> None:
    before = decide_one("d", policy, principal).granularity
    lowered = {**policy.ceilings, kind: min(lower, policy.ceilings.get(kind, Granularity.NONE))}
    assert decide_one("d", replace(policy, ceilings=lowered), principal).granularity <= before
    for higher in list(Level)[list(Level).index(policy.level) :]:
        assert decide_one("d", replace(policy, level=higher), principal).granularity <= before


@given(policies, principals, levels, granularities)
def test_a_node_never_gives_a_person_more_than_the_person_alone_would_get(
    policy: DatasetPolicy, principal: Principal, ceiling: Level, most: Granularity
) -> None:
    alone = Principal(principal.person)
    through = replace(alone, node="net", ceiling=ceiling, max_granularity=most)
    given_alone, given_through = decide_one("d", policy, alone), decide_one("d", policy, through)
    assert given_through.granularity <= min(given_alone.granularity, most)
    assert threshold_applies(given_through) or not threshold_applies(given_alone)


@given(policies, people)
def test_a_person_gets_at_least_what_a_stranger_gets(policy: DatasetPolicy, person: Person) -> None:
    stranger = decide_one("d", policy, Principal()).granularity
    assert decide_one("d", policy, Principal(person)).granularity >= stranger


@given(policies, principals)
def test_every_answer_below_records_has_a_reason(policy: DatasetPolicy, principal: Principal) -> None:
    decision = decide_one("d", policy, principal)
    if decision.granularity < Granularity.RECORD:
        assert decision.reasons


@given(policies)
def test_a_policy_is_stored_without_loss(policy: DatasetPolicy) -> None:
    stored = policy_from_dict(policy_to_dict(policy))
    assert policy_to_dict(stored) == policy_to_dict(policy)
    for person in [None, *PEOPLE]:
        assert decide_one("d", stored, Principal(person)) == decide_one("d", policy, Principal(person))


def outcome(
    every: dict[str, DatasetPolicy], principal: Principal, wanted: tuple[str, ...] | None
) -> tuple[Decision, ...] | tuple[type[SkerryError], str]:
    try:
        return decide(every, principal, wanted=wanted)
    except (Unauthenticated, Forbidden) as error:
        return type(error), error.message


@given(
    st.dictionaries(st.sampled_from("abcd"), policies),
    principals,
    st.none() | st.lists(st.sampled_from("abcdz")).map(tuple),
)
def test_a_dataset_that_one_may_not_know_of_looks_like_one_that_does_not_exist(
    every: dict[str, DatasetPolicy], principal: Principal, wanted: tuple[str, ...] | None
) -> None:
    visible = {
        name: policy
        for name, policy in every.items()
        if decide_one(name, policy, principal).granularity > Granularity.NONE
    }
    assert outcome(every, principal, wanted) == outcome(visible, principal, wanted)
