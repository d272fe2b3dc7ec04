"""The question as it goes to a member: the same question, for that member's own parser."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.errors import ConfigurationError
from beacon.model.access import Granularity
from beacon.model.query import (
    AlphanumericFilter,
    Anchor,
    CustomFilter,
    Filter,
    Include,
    OntologyFilter,
    Pagination,
    Query,
    VariantQuery,
)
from beacon.query import parse
from beacon.settings import Limits, Peer
from network.fanout import plan
from network.registry import Registry
from network.wording import encode, request_body, request_path

SCOPES = st.none() | st.sampled_from(["individual", "biosample"])
FILTERS: st.SearchStrategy[Filter] = st.one_of(
    st.builds(OntologyFilter, st.just("HP:0001250"), st.booleans(), st.just("exact"), st.booleans(), SCOPES),
    st.builds(AlphanumericFilter, st.just("ageAtLastEncounter"), st.sampled_from("=<>!"), st.text(max_size=5), SCOPES),
    st.builds(CustomFilter, st.just("smoker"), SCOPES),
)
VARIANTS = st.sampled_from(
    [
        VariantQuery("GRCh38", "17", (100,), (), None, "T"),
        VariantQuery("GRCh37", "MT", (100,), (200,), variant_type="DEL", min_length=3, max_length=9),
        VariantQuery("GRCh38", "X", (1, 5), (9, 20), mate="17"),
        VariantQuery(gene="FBN1", aminoacid_change="V600E", short_form="c.1A>G"),
    ]
)
QUERIES = st.builds(
    Query,
    entry_type=st.sampled_from(["individual", "genomicVariant"]),
    anchor=st.none() | st.just(Anchor("cohort", "a/b c")),
    filters=st.lists(FILTERS, max_size=3).map(tuple),
    variant=st.none() | VARIANTS,
    datasets=st.none() | st.just(("ds1", "ds2")),
    granularity=st.sampled_from([Granularity.BOOLEAN, Granularity.COUNT, Granularity.RECORD]),
    pagination=st.builds(Pagination, st.integers(0, 99), st.integers(1, 1000)),
    api_version=st.just("v2.2.0"),
    requested_schemas=st.sampled_from([(), (("individual", "ga4gh-beacon-individual-v2.0.0"),)]),
)


@given(QUERIES)
def test_a_member_reads_exactly_the_question_that_was_asked(query: Query) -> None:
    read = parse.parse_post(query.entry_type, query.anchor, encode(query), {}, Limits())
    assert replace(read, echoed_parameters={}, echoed_filters=()) == replace(query, include=Include.ALL)


def test_all_result_sets_are_asked_for_so_that_nobody_can_withhold_unseen() -> None:
    body = request_body(Query("individual", include=Include.NONE))
    assert body["query"]["includeResultsetResponses"] == "ALL"
    assert orjson.loads(encode(Query("individual")))["meta"]["apiVersion"] == "v2.0"


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (Query("individual"), "/individuals"),
        (Query("individual", Anchor("individual", "P 1/ä?")), "/individuals/P%201%2F%C3%A4%3F"),
        (Query("genomicVariant", Anchor("cohort", "c1")), "/cohorts/c1/g_variants"),
    ],
)
def test_paths_are_the_standards_and_ids_cannot_leave_their_place(query: Query, path: str) -> None:
    assert request_path(query) == path


def registry() -> Registry:
    return Registry([Peer("site-a", "https://a.example/api/"), Peer("site-a:x", "https://x.example/api")])


def test_a_dataset_named_with_its_member_is_asked_for_there_alone() -> None:
    asks = plan(registry(), Query("individual", datasets=("site-a:cases",)))
    assert [ask.member.id for ask in asks] == ["site-a"]
    assert b'"datasetIds":["cases"]' in (asks[0].question.body or b"")
    assert [ask.member.id for ask in plan(registry(), Query("individual", datasets=("site-a:x:cases",)))] == [
        "site-a:x"
    ]
    everybody = plan(registry(), Query("individual", datasets=("cases", "site-a:more")))
    assert b'["cases","more"]' in (everybody[0].question.body or b"")
    assert b'["cases"]' in (everybody[1].question.body or b"")


def test_a_dataset_or_cohort_in_a_path_may_be_named_with_its_member_too() -> None:
    for kind in ("dataset", "cohort"):
        asks = plan(registry(), Query("individual", Anchor(kind, "site-a:cases")))
        assert [(ask.member.id, ask.question.path) for ask in asks] == [("site-a", f"/{kind}s/cases/individuals")]
    assert len(plan(registry(), Query("biosample", Anchor("individual", "site-a:P1")))) == 2


def test_a_member_listed_twice_or_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="same id a"):
        Registry([Peer("a", "https://a.example"), Peer("a", "https://b.example")])
    with pytest.raises(ConfigurationError, match="same address"):
        Registry([Peer("a", "https://a.example/api"), Peer("b", "https://a.example/api/")])
    with pytest.raises(ConfigurationError, match="password"):
        Registry([Peer("a", "https://me:secret@a.example")])
