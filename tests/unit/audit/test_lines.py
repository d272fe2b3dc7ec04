"""What a line says: the question, whichever way it was asked, and nothing else of the request."""

from __future__ import annotations

import orjson

from beacon.audit.lines import Told, canonical, first, seal, sealed_hash, unseal
from beacon.model.access import Granularity
from beacon.model.query import Anchor, Query
from beacon.query.parse import parse_get, parse_post
from beacon.settings import Limits


def posted(query: object) -> Query:
    return parse_post("individual", None, orjson.dumps({"meta": {"apiVersion": "v2.0"}, "query": query}), {}, Limits())


def test_one_question_has_one_form_by_get_and_post_and_in_any_order() -> None:
    by_get = parse_get(
        "individual",
        None,
        {"filters": ["HP:0001250"], "geneId": ["SATB2"], "requestedGranularity": ["count"]},
        Limits(),
    )
    by_post = posted(
        {"requestedGranularity": "count", "requestParameters": {"g_variant": {"geneId": "SATB2"}},
         "filters": [{"id": "HP:0001250"}]}
    )  # fmt: skip
    assert canonical(by_get) == canonical(by_post) == {
        "entry_type": "individual", "filters": [{"is": "OntologyFilter", "id": "HP:0001250"}],
        "variant": {"gene": "SATB2"}, "granularity": "count",
    }  # fmt: skip


def test_what_differs_in_meaning_differs_in_form() -> None:
    forms = [
        canonical(posted(query))
        for query in (
            {}, {"filters": [{"id": "HP:0001250"}]},
            {"filters": [{"id": "HP:0001250", "includeDescendantTerms": False}]},
            {"filters": [{"id": "ageAtLastEncounter", "operator": ">", "value": "P1Y"}]},
            {"filters": [{"id": "ageAtLastEncounter", "operator": "<", "value": "P1Y"}]},
            {"pagination": {"skip": 1}}, {"requestedGranularity": "count"}, {"testMode": True},
            {"requestParameters": {"datasets": {"datasetIds": ["a"]}}},
        )
    ]  # fmt: skip
    assert len({orjson.dumps(form) for form in forms}) == len(forms)


def test_a_record_and_its_belongings_are_named() -> None:
    query = Query("biosample", Anchor("individual", "p-1"))
    assert canonical(query) == {"entry_type": "biosample", "anchor": {"entry_type": "individual", "id": "p-1"}}


def test_what_is_told_says_a_released_no_and_a_zero() -> None:
    told = Told("d", "public:stranger=count", "count", exists=False, count=0)
    assert told.facts() == {
        "dataset": "d", "rule": "public:stranger=count", "given": "count", "exists": False, "count": 0
    }  # fmt: skip


def test_a_line_states_the_hash_that_seals_it() -> None:
    line, digest = seal(first("c"), {"line": 1, "text": 'a "quoted" word'})
    body, stated = unseal(line[:-1])
    assert stated == digest == sealed_hash(first("c"), body)
    assert orjson.loads(line) == {**orjson.loads(body), "hash": digest.hex()}


def test_a_declared_purpose_is_written_in_one_order() -> None:
    asked = Query("individual", granularity=Granularity.COUNT, purpose=frozenset({"DUO:0000042", "DUO:0000006"}))
    assert orjson.loads(orjson.dumps(canonical(asked)))["purpose"] == ["DUO:0000006", "DUO:0000042"]
