"""Policies: what a custodian writes, and what each asker gets from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beacon.auth.policy import decide, decide_one, policy_for
from beacon.auth.policy_file import difference, policy_from_dict, policy_from_toml, policy_to_dict
from beacon.errors import ConfigurationError, Forbidden, SkerryError, Unauthenticated
from beacon.model.access import (
    ANONYMOUS,
    Asker,
    DatasetPolicy,
    Granularity,
    Level,
    Person,
    Principal,
    Visa,
    Withheld,
)

ROSA = Person("https://login.example.org", "rosa")
TOMAS = Person("https://login.example.org", "tomas")
NOBODY = Person("https://login.example.org", "noor")
NONE, BOOLEAN, COUNT, RECORD = Granularity

TOML = """
level = "registered"
threshold = 7
[granularity]
registered = "count"
granted = "record"
[[registered]]
issuer = "https://login.example.org"
subject = "rosa"
[[granted]]
issuer = "https://login.example.org"
subject = "tomas"
"""


def policy(level: Level, stranger: Granularity, registered: Granularity, granted: Granularity) -> DatasetPolicy:
    return DatasetPolicy(
        level=level,
        ceilings={Asker.STRANGER: stranger, Asker.REGISTERED: registered, Asker.GRANTED: granted},
        registered=frozenset({ROSA}),
        granted=frozenset({TOMAS}),
    )


@pytest.mark.parametrize(
    ("level", "stranger", "registered", "granted"),
    [
        (Level.PUBLIC, BOOLEAN, COUNT, RECORD),
        (Level.REGISTERED, NONE, COUNT, RECORD),
        (Level.CONTROLLED, NONE, NONE, RECORD),
    ],
)
def test_the_level_admits_and_the_ceiling_limits(
    level: Level, stranger: Granularity, registered: Granularity, granted: Granularity
) -> None:
    rules = policy(level, BOOLEAN, COUNT, RECORD)
    given = [
        decide_one("d", rules, principal).granularity
        for principal in (ANONYMOUS, Principal(NOBODY), Principal(ROSA), Principal(TOMAS))
    ]
    assert given == [stranger, stranger, registered, granted]


def test_every_lowering_has_a_reason() -> None:
    public = policy(Level.PUBLIC, BOOLEAN, COUNT, RECORD)
    controlled = policy(Level.CONTROLLED, BOOLEAN, COUNT, RECORD)
    assert decide_one("d", public, ANONYMOUS).reasons == ("ceiling:stranger=boolean",)
    assert decide_one("d", public, Principal(TOMAS)).reasons == ()
    assert decide_one("d", controlled, Principal(ROSA)).reasons == ("level:controlled",)
    node = Principal(TOMAS, node="net", ceiling=Level.REGISTERED, max_granularity=BOOLEAN)
    assert decide_one("d", public, node).reasons == (
        "node:no_visa",
        "ceiling:registered=count",
        "node:max_granularity=boolean",
    )


@pytest.mark.parametrize(
    ("ceiling", "level", "given"),
    [
        (Level.PUBLIC, Level.PUBLIC, BOOLEAN),
        (Level.PUBLIC, Level.REGISTERED, NONE),
        (Level.PUBLIC, Level.CONTROLLED, NONE),
        (Level.REGISTERED, Level.PUBLIC, COUNT),
        (Level.REGISTERED, Level.REGISTERED, COUNT),
        (Level.REGISTERED, Level.CONTROLLED, NONE),
        (Level.CONTROLLED, Level.REGISTERED, COUNT),
        (Level.CONTROLLED, Level.CONTROLLED, NONE),
    ],
)
def test_a_nodes_word_about_a_grantee_reaches_to_its_ceiling_and_never_to_controlled_access(
    ceiling: Level, level: Level, given: Granularity
) -> None:
    principal = Principal(TOMAS, node="net", ceiling=ceiling)
    assert decide_one("d", policy(level, BOOLEAN, COUNT, RECORD), principal).granularity == given


def test_a_ceiling_that_is_not_written_is_none() -> None:
    for level in Level:
        rules = DatasetPolicy(level=level, ceilings={}, registered=frozenset({ROSA}), granted=frozenset({TOMAS}))
        assert decide_one("d", rules, Principal(TOMAS)).granularity is NONE


def test_the_default_policy_answers_nobody() -> None:
    for principal in (ANONYMOUS, Principal(ROSA), Principal(TOMAS)):
        assert decide_one("d", DatasetPolicy(), principal).granularity is NONE


def test_nobody_gets_less_for_being_better_known() -> None:
    rules = policy(Level.PUBLIC, RECORD, BOOLEAN, NONE)
    assert decide_one("d", rules, Principal(ROSA)).granularity is RECORD
    assert decide_one("d", rules, Principal(TOMAS)).granularity is RECORD


def test_the_same_subject_of_another_issuer_is_another_person() -> None:
    twin = Person("https://login.example.net", "tomas")
    assert decide_one("d", policy(Level.CONTROLLED, NONE, NONE, RECORD), Principal(twin)).granularity is NONE


POLICIES = {
    "zebra": policy(Level.PUBLIC, BOOLEAN, COUNT, RECORD),
    "adder": policy(Level.PUBLIC, COUNT, COUNT, RECORD),
    "hidden": policy(Level.CONTROLLED, NONE, NONE, RECORD),
}


def test_only_datasets_that_answer_are_decided_on_sorted_by_id() -> None:
    assert [d.dataset for d in decide(POLICIES, ANONYMOUS, wanted=None)] == ["adder", "zebra"]
    assert [d.dataset for d in decide(POLICIES, Principal(TOMAS), wanted=None)] == ["adder", "hidden", "zebra"]


def test_wanted_datasets_are_the_only_ones() -> None:
    assert [d.dataset for d in decide(POLICIES, ANONYMOUS, wanted=("zebra", "zebra"))] == ["zebra"]


def refusal(policies: dict[str, DatasetPolicy], principal: Principal, wanted: tuple[str, ...] | None) -> Any:
    with pytest.raises(SkerryError) as caught:
        decide(policies, principal, wanted=wanted)
    return type(caught.value), caught.value.message, caught.value.where


@pytest.mark.parametrize("principal", [ANONYMOUS, Principal(ROSA)])
def test_a_hidden_dataset_looks_like_none(principal: Principal) -> None:
    without = {name: rules for name, rules in POLICIES.items() if name != "hidden"}
    for wanted in (None, ("zebra",), ("zebra", "hidden")):
        assert decide(POLICIES, principal, wanted=wanted) == decide(without, principal, wanted=wanted)
    assert refusal(POLICIES, principal, ("hidden",)) == refusal(without, principal, ("hidden",))
    assert refusal(POLICIES, principal, ("hidden",)) == refusal(POLICIES, principal, ("missing",))
    assert refusal({"hidden": POLICIES["hidden"]}, principal, None) == refusal({}, principal, None)


def test_where_nothing_is_left_a_stranger_is_asked_to_log_in_and_a_person_is_refused() -> None:
    assert refusal({}, ANONYMOUS, None)[0] is Unauthenticated
    assert refusal({}, Principal(ROSA), None)[0] is Forbidden


@pytest.mark.parametrize(
    ("level", "admitted"),
    [
        (Level.PUBLIC, {"stranger", "registered", "granted"}),
        (Level.REGISTERED, {"registered", "granted"}),
        (Level.CONTROLLED, {"granted"}),
    ],
)
def test_a_short_policy_opens_for_all_whom_the_level_admits(level: Level, admitted: set[str]) -> None:
    made = policy_for(level, COUNT)
    assert {k.value for k, granularity in made.ceilings.items() if granularity is COUNT} == admitted
    assert {k.value for k, granularity in made.ceilings.items() if granularity is NONE} == {
        k.value for k in Asker
    } - admitted


def test_a_policy_file_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TOML, encoding="utf-8")
    expected = DatasetPolicy(
        level=Level.REGISTERED,
        ceilings={Asker.STRANGER: NONE, Asker.REGISTERED: COUNT, Asker.GRANTED: RECORD},
        registered=frozenset({ROSA}),
        granted=frozenset({TOMAS}),
        threshold=7,
    )
    assert policy_from_toml(path) == policy_from_toml(TOML) == expected


def test_the_example_of_the_documentation_is_a_policy() -> None:
    from beacon.auth import policy_file as module

    assert module.__doc__ is not None
    example = module.__doc__.split("::\n", 1)[1].split("``level`` and", 1)[0]
    read = policy_from_toml("\n".join(line.removeprefix("    ") for line in example.splitlines()))
    assert read.level is Level.REGISTERED
    assert len(read.registered | read.granted) == 2


MINIMAL = 'level = "public"\ngranularity = {}\n'


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("granularity = {}", "level", "missing"),
        ('level = "public"', "granularity", "missing"),
        ('level = "open"\ngranularity = {}', "level", "public, registered, controlled"),
        ('level = "Public"\ngranularity = {}', "level", "public, registered, controlled"),
        ("level = 1\ngranularity = {}", "level", "public, registered, controlled"),
        ('level = "public"\ngranularity = "count"', "granularity", "table"),
        ('level = "public"\ngranularity = {stranger = "all"}', "granularity.stranger", "none, boolean, count"),
        ('level = "public"\ngranularity = {strangers = "count"}', "granularity.strangers", "stranger, registered"),
        ("treshold = 5\n" + MINIMAL, "treshold", "threshold"),
        ("threshold = -1\n" + MINIMAL, "threshold", "from 0"),
        ("threshold = true\n" + MINIMAL, "threshold", "whole number"),
        ('threshold = "5"\n' + MINIMAL, "threshold", "whole number"),
        ("threshold = 2.5\n" + MINIMAL, "threshold", "whole number"),
        ('granted = "rosa"\n' + MINIMAL, "granted", "list"),
        ('granted = ["rosa"]\n' + MINIMAL, "granted[0]", "issuer and subject"),
        (MINIMAL + '[[granted]]\nsubject = "rosa"', "granted[0].issuer", "missing"),
        (MINIMAL + '[[granted]]\nissuer = "https://x"\nsubject = 7', "granted[0].subject", "text"),
        (MINIMAL + '[[granted]]\nissuer = "https://x"\nsubject = ""', "granted[0].subject", "empty"),
        (MINIMAL + '[[granted]]\nissuer = "https://x"\nsubject = " a"', "granted[0].subject", "spaces"),
        (MINIMAL + '[[granted]]\nissuer="https://x"\nsubject="a"\nrole="b"', "granted[0].role", "issuer, subject"),
    ],
)
def test_a_wrong_policy_is_refused_by_key_with_what_is_allowed(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_from_toml(text)
    assert caught.value.where == key
    assert f": {key}: " in caught.value.message
    assert words in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        policy_from_toml(path)
    path.write_bytes(b"level = ")
    with pytest.raises(ConfigurationError, match=r"policy\.toml: is not TOML"):
        policy_from_toml(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        policy_from_toml(path)


def test_a_policy_comes_back_from_its_stored_form() -> None:
    made = policy_from_toml(TOML)
    assert policy_from_dict(policy_to_dict(made)) == made
    assert policy_to_dict(DatasetPolicy(ceilings={}))["granularity"]["granted"] == "none"


def test_a_difference_reads_like_a_list_of_changes() -> None:
    old = DatasetPolicy()
    assert difference(old, old) == []
    assert difference(old, policy_from_toml(TOML)) == [
        "level: controlled -> registered",
        "granularity for registered: none -> count",
        "threshold: 5 -> 7",
        "registered: + rosa of https://login.example.org",
        "granted: + tomas of https://login.example.org",
    ]
    assert "granted: - tomas of https://login.example.org" in difference(policy_from_toml(TOML), old)
    assert difference(old, DatasetPolicy(threshold=0)) == ["threshold: 5 -> off"]


def grants(*values: str, **more: Any) -> Principal:
    visas = tuple(Visa("ControlledAccessGrants", value, "https://u", "dac", NOBODY, 0, 1e12) for value in values)
    return Principal(NOBODY, visas=visas, **more)


def test_a_visa_of_the_very_value_makes_a_grantee_and_nothing_like_it_does() -> None:
    rules = replace(policy(Level.CONTROLLED, NONE, NONE, RECORD), visas=frozenset({"https://dac/7"}))
    given = decide_one("d", rules, grants("https://dac/7"))
    assert (given.asker, given.granularity, given.rule) == (Asker.GRANTED, RECORD, "visa")
    for value in ("https://dac/7/", "https://dac/70", "HTTPS://DAC/7", "https://dac/", ""):
        assert decide_one("d", rules, grants(value)).granularity is NONE
    assert decide_one("d", replace(rules, visas=frozenset()), grants("https://dac/7")).granularity is NONE
    assert decide_one("d", rules, Principal(NOBODY, bona_fide=True)).granularity is NONE


def test_registered_access_comes_from_visas_too() -> None:
    rules = policy(Level.REGISTERED, NONE, COUNT, RECORD)
    given = decide_one("d", rules, Principal(NOBODY, bona_fide=True))
    assert (given.asker, given.granularity, given.rule) == (Asker.REGISTERED, COUNT, "visa")


def test_a_local_refusal_beats_lists_and_visas_under_every_name_of_the_person() -> None:
    rules = policy(Level.PUBLIC, RECORD, RECORD, RECORD)
    rules = replace(rules, visas=frozenset({"https://dac/7"}), refused=frozenset({NOBODY, TOMAS}))
    for principal in (
        grants("https://dac/7", bona_fide=True),
        Principal(TOMAS),
        Principal(ROSA, identities=frozenset({NOBODY})),
        Principal(NOBODY, node="a.node"),
    ):
        given = decide_one("d", rules, principal)
        assert (given.granularity, given.rule, given.reasons) == (NONE, "refused", ("refused",))
    assert decide_one("d", rules, Principal(ROSA)).granularity is RECORD


def test_properties_are_withheld_below_their_level() -> None:
    rules = replace(
        policy(Level.PUBLIC, RECORD, RECORD, RECORD),
        withheld=frozenset({Withheld("individual", "ethnicity", Level.REGISTERED), Withheld("individual", "info")}),
    )
    both = {("individual", "ethnicity"), ("individual", "info")}
    assert decide_one("d", rules, Principal()).withheld == both
    assert decide_one("d", rules, Principal(ROSA)).withheld == {("individual", "info")}
    assert decide_one("d", rules, Principal(TOMAS)).reasons == ("withheld:individual.info",)


@pytest.mark.parametrize(
    ("kind", "field", "place"),
    [
        ("individual", "vitalStatus", "info.vitalStatus.status"),
        ("individual", "ageAtLastEncounter", "info.timeAtLastEncounter.iso8601duration"),
        ("individual", "diseases", "info.excludedDiseases.diseaseCode"),
        ("genomicVariant", "caseLevelData", "info.genotypes"),
    ],
)
def test_what_is_withheld_is_so_wherever_it_lies_in_a_record(kind: str, field: str, place: str) -> None:
    rules = replace(policy(Level.PUBLIC, RECORD, RECORD, RECORD), withheld=frozenset({Withheld(kind, field)}))
    decision = decide_one("d", rules, Principal())
    assert {(kind, field), (kind, place)} <= decision.withheld
    assert decision.reasons == (f"withheld:{kind}.{field}",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("visas = 7\n" + MINIMAL, "visas"), ('visas = [""]\n' + MINIMAL, "visas[0]"),
        (MINIMAL + '[[refused]]\nissuer = "https://x"', "refused[0].subject"),
        (MINIMAL + '[[withheld]]\nentry_type = "person"\nfield = "x"', "withheld[0].entry_type"),
        (MINIMAL + '[[withheld]]\nentry_type = "individual"\nfield = "id"', "withheld[0].field"),
        (MINIMAL + '[[withheld]]\nentry_type = "individual"\nfield = "a..b"', "withheld[0].field"),
        (MINIMAL + '[[withheld]]\nentry_type = "individual"\nfield = "etnicity"', "withheld[0].field"),
        (MINIMAL + '[[withheld]]\nentry_type = "genomicVariant"\nfield = "variation"', "withheld[0].field"),
        (MINIMAL + '[[withheld]]\nentry_type = "individual"\nfield = "sex"\nlevel = "secret"', "withheld[0].level"),
        (MINIMAL + '[[stricter]]\nlevel = "controlled"', "stricter[0]"),
        (MINIMAL + '[[stricter]]\nindividuals = ["a"]', "stricter[0].level"),
        (MINIMAL + '[[stricter]]\nlevel = "controlled"\nindividuals = "a"', "stricter[0].individuals"),
        (MINIMAL + "[consent]\nfallback = \"none\"", "consent.codes"),
        (MINIMAL + '[consent]\ncodes = ["DUO:0000042"]', "consent.fallback"),
        (MINIMAL + '[consent]\ncodes = ["DUO:0000042"]\nfallback = "some"', "consent.fallback"),
        (MINIMAL + '[consent]\ncodes = ["DUO:0000007"]\nfallback = "none"', "consent.diseases"),
        (MINIMAL + '[consent]\ncodes = ["DUO:0000042"]\ndiseases = ["MONDO:1"]\nfallback = "none"', "consent.diseases"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_from_toml(text)
    assert caught.value.where == key
