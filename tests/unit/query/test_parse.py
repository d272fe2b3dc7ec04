"""The same question is the same value, however it was sent; anything else is refused with its place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon.errors import BadRequest, CannotAnswer, TooLarge, UnknownFilter
from beacon.model.access import Granularity
from beacon.model.query import (
    AlphanumericFilter,
    Anchor,
    CustomFilter,
    Include,
    OntologyFilter,
    Pagination,
    Query,
    VariantQuery,
)
from beacon.query.documents import depth
from beacon.query.parse import TermsRequest, parse_get, parse_post, parse_terms
from beacon.settings import Limits

LIMITS = Limits()


def get(**params: str) -> Query:
    return parse_get("individual", None, {name: [value] for name, value in params.items()}, LIMITS)


def post(query: Any = None, **rest: Any) -> Query:
    document = rest | ({} if query is None else {"query": query})
    return parse_post("individual", None, orjson.dumps(document), {}, LIMITS)


def asked(**parameters: Any) -> VariantQuery:
    variant = post({"requestParameters": {"g_variant": parameters}}).variant
    assert variant is not None
    return variant


def test_a_bare_get_asks_for_ten_records_of_hits() -> None:
    query = get()
    assert (query.granularity, query.include, query.pagination) == (Granularity.RECORD, Include.HIT, Pagination(0, 10))
    assert query == post() == post({})
    assert (query.variant, query.datasets, query.filters, query.test_mode) == (None, None, (), False)


def test_the_anchor_and_the_entry_type_are_kept() -> None:
    anchor = Anchor("individual", "P:1")
    query = parse_get("biosample", anchor, {}, LIMITS)
    assert (query.entry_type, query.anchor) == ("biosample", anchor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HP:0001250", OntologyFilter("HP:0001250")),
        ("HP_0001250", OntologyFilter("HP:0001250")),
        ("NCIT_C6975", OntologyFilter("NCIT:C6975")),
        ("LOINC_3141-9:>70 kg", AlphanumericFilter("LOINC:3141-9", ">", "70 kg")),
        ("diseases.ageOfOnset.iso8601duration:>=P1Y",
         AlphanumericFilter("diseases.ageOfOnset.iso8601duration", ">=", "P1Y")),
        ("PATO_0000011:>P70Y", AlphanumericFilter("PATO:0000011", ">", "P70Y")),
        ("PATO:0000011:>P70Y", AlphanumericFilter("PATO:0000011", ">", "P70Y")),
        ("HP_0032443:!text", AlphanumericFilter("HP:0032443", "!", "text")),
        ("libraryStrategy:=%WGS%", AlphanumericFilter("libraryStrategy", "=", "%WGS%")),
        ("diseases.ageOfOnset:=HP:0003593", AlphanumericFilter("diseases.ageOfOnset", "=", "HP:0003593")),
        ("ageAtLastEncounter<P5Y", AlphanumericFilter("ageAtLastEncounter", "<", "P5Y")),
        ("something", CustomFilter("something")),
    ],
)  # fmt: skip
def test_each_get_form_of_a_filter_is_understood(text: str, expected: Any) -> None:
    assert get(filters=text).filters == (expected,)


def test_filters_come_joined_by_commas_or_repeated() -> None:
    joined = get(filters="HP:0001250,NCIT:C16576")
    repeated = parse_get("individual", None, {"filters": ["HP:0001250", "NCIT:C16576"]}, LIMITS)
    assert joined == repeated
    assert joined.echoed_filters == ("HP:0001250", "NCIT:C16576")


@pytest.mark.parametrize(
    ("text", "id", "operator", "value"),
    [
        (r"libraryStrategy=WGS\, PCR-free", "libraryStrategy", "=", "WGS, PCR-free"),
        ("libraryStrategy=W>S", "libraryStrategy", "=", "W>S"),
        ("libraryStrategy==x", "libraryStrategy", "=", "=x"),
        (r"libraryStrategy>\=x", "libraryStrategy", ">", "=x"),
        (r"local\=field=a", "local=field", "=", "a"),
        (r"libraryStrategy=a\b\\c\%", "libraryStrategy", "=", r"a\b\c\%"),
        ("libraryStrategy=a\\", "libraryStrategy", "=", "a\\"),
    ],
)
def test_a_backslash_makes_what_would_end_a_filter_part_of_it(text: str, id: str, operator: str, value: str) -> None:
    expected = (AlphanumericFilter(id, operator, value), OntologyFilter("HP:0001250"))
    assert parse_get("run", None, {"filters": [text, "HP:0001250"]}, LIMITS).filters == expected


@pytest.mark.parametrize("value", ["W>S", "a=b", "not!", "a<=b"])
def test_the_value_of_a_custom_filter_may_have_any_characters(value: str) -> None:
    assert get(filters=f"libraryStrategy:{value}").filters == (CustomFilter(f"libraryStrategy:{value}"),)
    assert get(filters=f"libraryStrategy:\\={value}").filters == (CustomFilter(f"libraryStrategy:={value}"),)


def test_a_filter_that_was_looked_for_and_found_absent_is_our_extension() -> None:
    query = post({"filters": [{"id": "HP:0001250", "excluded": True}]})
    assert query == get(filters="HP:0001250", excluded="true")
    assert query.filters == (OntologyFilter("HP:0001250", excluded=True),)
    assert query.echoed_filters == ("HP:0001250 excluded",)


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (5.0, "5"), (0.25, "0.25"), ("P1Y", "P1Y"), (-3, "-3")])
def test_the_value_of_a_comparison_is_a_text_or_a_number(value: Any, text: str) -> None:
    query = post({"filters": [{"id": "measures", "operator": ">", "value": value}]})
    assert query.filters == (AlphanumericFilter("measures", ">", text),)


def test_a_value_without_an_operator_is_compared_for_equality() -> None:
    query = post({"filters": [{"id": "vitalStatus", "value": "DECEASED"}]})
    assert query.filters == (AlphanumericFilter("vitalStatus", "=", "DECEASED"),)


@pytest.mark.parametrize("scope", ["individual", "individuals", "Individual", ["individuals"]])
@pytest.mark.parametrize("name", ["scope", "scopes"])
def test_a_scope_is_singular_or_plural(name: str, scope: Any) -> None:
    assert post({"filters": [{"id": "HP:1", name: scope}]}).filters == (OntologyFilter("HP:1", scope="individual"),)


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"id": "HP:1", "scope": "person"}, BadRequest),
        ({"id": "HP:1", "scope": ["individuals", "biosamples"]}, CannotAnswer),
        ({"id": "age", "operator": ">", "value": 1, "excluded": True}, UnknownFilter),
        ({"id": "age", "operator": ">", "value": 1, "similarity": "high"}, UnknownFilter),
        ({"id": "custom", "excluded": True}, UnknownFilter),
        ({"id": "age", "operator": "~", "value": 1}, BadRequest),
        ({"id": "age", "operator": "="}, BadRequest),
        ({"id": "HP:1", "includeDescendants": False}, BadRequest),
        ({"id": ""}, BadRequest),
        ({}, BadRequest),
        ("HP:1", BadRequest),
    ],
)
def test_a_filter_that_says_two_things_or_none_is_refused(item: Any, error: type[BadRequest]) -> None:
    with pytest.raises(BadRequest) as caught:
        post({"filters": [item]})
    assert type(caught.value) is error


@pytest.mark.parametrize("key", ["g_variant", "g_variants", "genomicVariant", "genomicVariation", "genomicVariations"])
def test_parameters_may_be_nested_under_any_name_of_the_entity_or_flat(key: str) -> None:
    flat = post({"requestParameters": {"geneId": "FBN1", "variantType": "DEL"}})
    nested = post({"requestParameters": {key: {"geneId": "FBN1", "variantType": "DEL"}}})
    assert nested == flat == get(geneId="FBN1", variantType="DEL") == get(geneid="FBN1", variantType="DEL")
    assert flat.echoed_parameters == {"g_variant": {"geneId": "FBN1", "variantType": "DEL"}}


def test_members_of_a_body_may_be_written_as_clients_in_python_write_them() -> None:
    snake = {
        "meta": {"api_version": "v2.0.0", "requested_schemas": []},
        "query": {
            "test_mode": True,
            "requested_granularity": "count",
            "include_resultset_responses": "ALL",
            "request_parameters": {"geneId": "SATB2"},
        },
    }
    camel = {
        "meta": {"apiVersion": "v2.0.0", "requestedSchemas": []},
        "query": {
            "testMode": True,
            "requestedGranularity": "count",
            "includeResultsetResponses": "ALL",
            "requestParameters": {"geneId": "SATB2"},
        },
    }
    read = [parse_post("genomicVariant", None, orjson.dumps(body), {}, Limits()) for body in (snake, camel)]
    assert read[0] == read[1]
    assert (read[0].test_mode, read[0].granularity, read[0].api_version) == (True, Granularity.COUNT, "v2.0.0")
    with pytest.raises(BadRequest, match="'test_mode' is not known here"):
        post({"testMode": True, "test_mode": False})


def test_a_parameter_given_twice_must_say_the_same() -> None:
    post({"requestParameters": {"geneId": "FBN1", "g_variant": {"geneId": "FBN1"}}})
    with pytest.raises(BadRequest, match="geneId is given twice"):
        post({"requestParameters": {"geneId": "FBN1", "g_variant": {"geneId": "FBN2"}}})


@pytest.mark.parametrize(
    "scoping",
    [
        {"datasets": {"datasetIds": ["a", "b"]}}, {"datasetIds": ["a", "b"]}, {"datasets": ["a", "b"]},
        {"datasets": "a,b"}, {"g_variant": {"datasetIds": ["a", "b"]}}, {"datasets": ["a", "b", "a"]},
    ],
)  # fmt: skip
def test_datasets_are_named_in_three_spellings(scoping: Any) -> None:
    assert post({"requestParameters": scoping}).datasets == ("a", "b")
    assert get(datasetIds="a,b") == get(datasets="a,b") == get(dataset="a,b") == post({"requestParameters": scoping})


def test_lists_come_joined_by_commas_repeated_or_with_brackets() -> None:
    place = {"referenceName": ["17"], "assemblyId": ["GRCh38"]}
    forms: list[dict[str, list[str]]] = [
        {"start": ["5,6"], "end": ["9,12"], "datasets": ["a,b"]},
        {"start": ["5", "6"], "end": ["9", "12"], "datasets": ["a", "b"]},
        {"start[]": ["5", "6"], "end[]": ["9", "12"], "datasetIds[]": ["a", "b"]},
    ]
    queries = [parse_get("genomicVariant", None, place | form, LIMITS) for form in forms]
    assert queries[0] == queries[1] == queries[2]
    assert queries[0].variant and queries[0].variant.start == (5, 6) and queries[0].datasets == ("a", "b")
    texts = {"referenceName": "17", "assemblyId": "GRCh38", "start": ["5", "6"], "end": ["9", 12]}
    assert asked(**texts) == queries[0].variant


def test_the_names_of_the_openapi_files_mean_those_of_the_schemas() -> None:
    assert get(allele="NM_1:c.1A>T").variant == get(genomicAlleleShortForm="NM_1:c.1A>T").variant
    assert asked(allele="x", geneid="A") == asked(genomicAlleleShortForm="x", geneId="A")


def test_a_parameter_repeated_with_the_same_value_is_one() -> None:
    assert parse_get("run", None, {"limit": ["5", "5"]}, LIMITS) == parse_get("run", None, {"limit": ["5"]}, LIMITS)


@pytest.mark.parametrize("value", ["true", "True", "TRUE"])
def test_test_mode_is_a_truth_value(value: str) -> None:
    assert get(testMode=value).test_mode is True
    assert post({"testMode": True}) == get(testMode=value)
    assert get(testMode="false") == get() == post({"testMode": False})


def test_terms_are_asked_for_by_get_and_post_alike() -> None:
    body = b'{"meta": {"apiVersion": "v2.0"}, "query": {"testMode": true, "pagination": {"skip": 2, "limit": 3}}}'
    by_get = parse_terms(None, {"skip": ["2"], "limit": ["3"], "testMode": ["true"]}, LIMITS)
    assert by_get == parse_terms(body, {}, LIMITS) == TermsRequest(2, 3, True)
    assert parse_terms(None, {}, LIMITS) == parse_terms(b"{}", {}, LIMITS) == TermsRequest(0, 0, False)
    for wrong in ({"filters": ["HP:1"]}, {"geneId": ["A"]}, {"nextPage": ["x"]}):
        with pytest.raises(CannotAnswer):
            parse_terms(None, wrong, LIMITS)


@pytest.mark.parametrize("name", ["skip", "limit", "start", "variantMinLength"])
def test_a_number_too_large_for_anything_is_told_as_one(name: str) -> None:
    with pytest.raises(BadRequest, match=rf"In the parameter {name}: 9{{22}} is above 2147483647"):
        get(**{name: "9" * 22})


def test_what_says_nothing_of_terms_is_refused_and_not_swallowed() -> None:
    for name, value in (
        ("requestedGranularity", "boolean"), ("includeResultsetResponses", "NONE"), ("requestedSchema", "x"),
    ):  # fmt: skip
        with pytest.raises(CannotAnswer, match=name):
            parse_terms(None, {name: [value]}, LIMITS)
    with pytest.raises(CannotAnswer, match="requestedSchemas"):
        parse_terms(b'{"meta": {"requestedSchemas": [{"schema": "x"}]}}', {}, LIMITS)
    assert parse_terms(b'{"meta": {"requestedSchemas": []}}', {}, LIMITS) == TermsRequest()
    with pytest.raises(BadRequest, match="0 asks for all of them"):
        parse_terms(None, {"limit": [str(LIMITS.max_page_size + 1)]}, LIMITS)


@given(
    st.recursive(
        st.text(alphabet='"\\\\[]{}a', max_size=8) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\\\{a'), inner, max_size=3),
    )
)
def test_depth_is_told_from_the_bytes_whatever_is_in_texts(document: Any) -> None:
    def measured(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(measured, inner), default=0)

    assert depth(orjson.dumps(document)) == measured(document)


def test_the_depth_of_a_large_body_takes_no_longer_than_reading_it() -> None:
    body = b"[" + b"[]," * 300_000 + b"[]]"
    began = time.process_time()
    orjson.loads(body)
    read = time.process_time() - began
    began = time.process_time()
    assert depth(body) == 2
    assert time.process_time() - began < read


def test_datasets_named_differently_in_two_places_are_refused() -> None:
    with pytest.raises(BadRequest, match="named twice"):
        post({"requestParameters": {"datasetIds": ["a"], "datasets": {"datasetIds": ["b"]}}})


PLACE = {"referenceName": "17", "assemblyId": "GRCh38"}


@pytest.mark.parametrize("position", [5, [5], "5"])
def test_a_position_is_a_number_a_list_or_a_text(position: Any) -> None:
    assert asked(**PLACE, start=position, alternateBases="A").start == (5,)


def test_a_sequence_query() -> None:
    assert asked(**PLACE, start=5, referenceBases="g", alternateBases="u") == VariantQuery(
        "GRCh38", "17", (5,), (), "G", "T"
    )


def test_what_is_said_of_terms_by_get_holds_for_all_of_them() -> None:
    said = {"scope": ["individuals"], "similarity": ["high"]} | {"includeDescendantTerms": ["false"]}
    query = parse_get("biosample", None, {"filters": ["HP:0001250,NCIT:C16576"], **said}, LIMITS)
    assert query.filters == tuple(
        OntologyFilter(term, descendants=False, similarity="high", scope="individual")
        for term in ("HP:0001250", "NCIT:C16576")
    )
    for name, values in said.items():
        with pytest.raises(BadRequest, match=f"The parameter {name} says how filters are meant, and there are none"):
            parse_get("biosample", None, {name: values}, LIMITS)
    for name in ("similarity", "includeDescendantTerms", "excluded", "scope"):
        with pytest.raises(BadRequest) as caught:
            parse_get("biosample", None, {"filters": ["HP:0001250"], name: ["much"]}, LIMITS)
        assert caught.value.where == name


def test_an_empty_text_of_bases_is_not_the_same_as_none() -> None:
    variant = asked(**PLACE, start=5, referenceBases="GG", alternateBases="")
    assert variant.alternate_bases == ""
    assert (
        get(referenceName="17", assemblyId="hg38", start="5", referenceBases="GG", alternateBases="").variant == variant
    )


def test_a_range_and_a_bracket() -> None:
    assert asked(**PLACE, start=[5], end=[9]).end == (9,)
    bracket = asked(**PLACE, start=[5, 6], end="9,12", variantType="DUP")
    assert (bracket.start, bracket.end, bracket.variant_type) == ((5, 6), (9, 12), "DUP")


@pytest.mark.parametrize("name", ["17", "chr17", "Chr17", "NC_000017.11", "refseq:NC_000017.11"])
@pytest.mark.parametrize("assembly", ["GRCh38", "hg38", "GRCh38.p13", "GCF_000001405.40"])
def test_chromosomes_and_assemblies_have_many_names(name: str, assembly: str) -> None:
    variant = asked(referenceName=name, assemblyId=assembly, start=1, end=2)
    assert (variant.assembly, variant.chrom) == ("GRCh38", "17")


def test_an_accession_names_its_assembly() -> None:
    assert asked(referenceName="NC_000017.10", start=1, end=2).assembly == "GRCh37"


def test_an_accession_that_assemblies_share_asks_all_of_them() -> None:
    variant = asked(referenceName="NC_012920.1", start=1, end=2)
    assert (variant.assembly, variant.chrom) == (None, "MT")
    contig = asked(referenceName="chrUn_KI270302v1", start=1, end=2)
    assert (contig.assembly, contig.chrom) == (None, "KI270302.1")
    own = asked(referenceName="skerry:GRCh38-KI270302.1", start=1, end=2)
    assert (own.assembly, own.chrom) == ("GRCh38", "KI270302.1")
    assert asked(referenceName="J01415.2", assemblyId="GRCh37", start=1, end=2).assembly == "GRCh37"


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"referenceName": "17", "start": 1, "end": 2}, "assemblyId", "says nothing without an assembly"),
    (
        {"referenceName": "NC_000017.10", "assemblyId": "GRCh38", "start": 1, "end": 2},
        "assemblyId",
        "belongs to GRCh37",
    ),
    ({"referenceName": "NC_000017", "start": 1, "end": 2}, "referenceName", "with its version"),
    ({"assemblyId": "mm10", "referenceName": "1", "start": 1, "end": 2}, "assemblyId", "mm10"),
    ({"start": 1, "end": 2}, "referenceName", "needs referenceName"),
    (PLACE, "start", "0 start and 0 end"),
    (PLACE | {"end": 2}, "start", "0 start and 1 end"),
    (PLACE | {"start": [1, 2]}, "end", "2 start and 0 end"),
    (PLACE | {"start": [1, 2], "end": 5}, "start", "2 start and 1 end"),
    (PLACE | {"start": 1, "end": [4, 5]}, "end", "1 start and 2 end"),
    (PLACE | {"start": 5, "end": 5}, "end", "is not after the start"),
    (PLACE | {"start": 1}, "alternateBases", "asks for an allele"),
    (PLACE | {"start": 1, "alternateBases": ""}, "referenceBases", "needs bases"),
    (PLACE | {"start": 1, "alternateBases": "-"}, "alternateBases", "empty text"),
    (PLACE | {"start": [9, 5], "end": [10, 12]}, "start", "after the second"),
    (PLACE | {"start": [5, 9], "end": [12, 10]}, "end", "after the second"),
    (PLACE | {"start": [5, 9], "end": [3, 4]}, "end", "not after the first start"),
    ({"alternateBases": "A"}, "alternateBases", "needs a place"),
    ({"geneId": "A", "variantMinLength": 9, "variantMaxLength": 2}, "variantMinLength", "above the variantMaxLength"),
    (PLACE | {"start": -1, "end": 2}, "/query/requestParameters/g_variant/start", "below 0"),
    (PLACE | {"start": 2**40, "end": 2}, "/query/requestParameters/g_variant/start", "above"),
    (PLACE | {"start": "five", "end": 2}, "/query/requestParameters/g_variant/start", "five"),
    (PLACE | {"start": 1, "alternateBases": "XYZ"}, "/query/requestParameters/g_variant/alternateBases", "XYZ"),
    (PLACE | {"referenceName": "CM000663.9", "start": 1, "end": 2}, "referenceName", "'CM000663.9' is not known"),
    (PLACE | {"referenceName": "skerry:unplaced", "start": 1, "end": 2}, "referenceName", "is not known here"),
    (PLACE | {"referenceName": "skerry:GRCh37-1", "start": 1, "end": 2}, "assemblyId", "belongs to GRCh37"),
    (PLACE | {"referenceName": "GRCh38", "start": 1, "end": 2}, "referenceName", "is not known here"),
    (PLACE | {"start": 1, "end": 2, "mateName": "NC_000002.11"}, "assemblyId", "mateName .* belongs to GRCh37"),
    (PLACE | {"start": 1, "end": 2, "mateName": "ga4gh:SQ.abc"}, "mateName", "is not known here"),
    ({"aminoacidChange": "P311"}, "aminoacidChange", "no change of amino acids"),
    ({"aminoacidChange": "R93stop"}, "aminoacidChange", "no change of amino acids"),
    ({"aminoacidChange": "NP_004289.1:p.Arg93Ter"}, "aminoacidChange", "proteinHGVSIds"),
    ({"geneId": "FBN1", "aminoacidChange": "ABCB7:p.Arg93Ter"}, "geneId", "is of ABCB7"),
    ({"geneId": " "}, "geneId", "empty"),
    ({"gene": "FBN1"}, "/query/requestParameters/g_variant/gene", "geneId"),
]


@pytest.mark.parametrize(("parameters", "where", "words"), WRONG)
def test_parameters_that_make_no_question_are_refused_by_name(
    parameters: dict[str, Any], where: str, words: str
) -> None:
    with pytest.raises(BadRequest, match=words) as caught:
        asked(**parameters)
    assert caught.value.where == where


def test_genes_are_named_in_any_case_and_by_the_change_itself() -> None:
    assert asked(geneId=" c1orf112 ") == asked(geneId="C1orf112")
    assert asked(geneId="ensg00000012048.3") == asked(geneId="ENSG00000012048")
    assert asked(geneId="ncbigene:672") == asked(geneId="NCBIGene:672")
    assert asked(aminoacidChange="ABCB7:p.(Arg93Ter)") == asked(geneId="ABCB7", aminoacidChange="R93*")


@pytest.mark.parametrize("name", ["CM000679.2", "17", "chr17", "insdc:CM000679.2", "NC_000017.11"])
def test_a_chromosome_has_many_names(name: str) -> None:
    assert asked(referenceName=name, assemblyId="GRCh38", start=1, end=2) == asked(**PLACE, start=1, end=2)


def test_a_get_names_the_parameter_not_a_pointer() -> None:
    with pytest.raises(BadRequest, match="In the parameter start") as caught:
        get(referenceName="17", assemblyId="GRCh38", start="x")
    assert caught.value.where == "start"


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"granularity": ["count"]}, "granularity"),
        ({"skip": ["1", "2"]}, "skip"),
        ({"geneId": ["A"], "geneid": ["B"]}, "geneId"),
        ({"skip": ["-1"]}, "skip"),
        ({"limit": ["ten"]}, "limit"),
        ({"limit": ["1001"]}, "limit"),
        ({"requestedGranularity": ["aggregated"]}, "requestedGranularity"),
        ({"includeResultsetResponses": ["hit"]}, "includeResultsetResponses"),
        ({"testMode": ["maybe"]}, "testMode"),
        ({"requestedSchema": ["ga4gh-beacon-run-v2.0.0"]}, "requestedSchemas"),
        ({"nextPage": ["abc"]}, "nextPage"),
        ({"geneId": [""]}, "geneId"),
        ({"filters": [""]}, "filters"),
        ({"filters": [","]}, "filters"),
        ({"filters": ["HP:0001250", " "]}, "filters"),
    ],
)
def test_a_get_parameter_that_cannot_be_taken_is_named(params: dict[str, list[str]], where: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_get("individual", None, params, LIMITS)
    assert caught.value.where == where


def test_pages_count_from_skip_and_zero_means_the_most() -> None:
    assert get(skip="2", limit="8").pagination == Pagination(2, 8)
    assert get(limit="0").pagination == post({"pagination": {"limit": 0}}).pagination == Pagination(0, 1000)
    assert parse_get("run", None, {}, Limits(max_page_size=5)).pagination.limit == 5


def test_too_many_filters_and_too_long_a_body_are_too_large() -> None:
    with pytest.raises(TooLarge):
        get(filters=",".join(f"HP:{number}" for number in range(51)))
    with pytest.raises(TooLarge):
        parse_post("run", None, b" " * 1_000_001, {}, LIMITS)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"), (b"{", "line 1 column 2"), (b"[1,2]", "a list"), (b"NaN", "not JSON"), (b"\xff{}", "not JSON"),
        (b'{"query": []}', "/query"), (b"[" * 40 + b"]" * 40, "deep"), (b"[" * 5000, "not JSON"),
        (b"1e999", "not JSON"),
        (b'{"query": {"filters": [{"id": "HP:1"}], "filters": []}}', "'filters' twice"),
        (b'{"filters": []}', "/filters"), (b'{"query": {"filter": []}}', "/query/filter"),
        (b'{"query": {"pagination": {"page": 1}}}', "/query/pagination/page"),
        (b'{"query": {"pagination": {"limit": 123456789012345678901234567890}}}', "/query/pagination/limit"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_with_its_place(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_post("individual", None, body, {}, LIMITS)


def test_parameters_in_the_address_of_a_post_are_refused() -> None:
    with pytest.raises(BadRequest, match="put it into the body"):
        parse_post("individual", None, b"{}", {"limit": ["1"]}, LIMITS)


def test_null_is_read_as_not_specified() -> None:
    assert post({"includeResultsetResponses": None, "filters": None, "requestParameters": None}) == post()


def test_the_version_and_schemas_asked_for_are_kept_for_the_summary() -> None:
    schemas = [{"entityType": "individual", "schema": "ga4gh-phenopacket-v2.0"}, {"entityType": "run", "schema": "x"}]
    query = post(meta={"apiVersion": "2.0", "requestedSchemas": schemas})
    pairs = (("individual", "ga4gh-phenopacket-v2.0"), ("run", "x"))
    assert (query.api_version, query.requested_schemas) == ("2.0", pairs)


@pytest.mark.parametrize("name", ["requestedSchema", "requestedSchemas"])
@pytest.mark.parametrize(
    "schema",
    ["ga4gh-phenopacket-v2.0", "ga4gh-phenopacket-individual-v0.1", "ga4gh-beacon-individual-v2.0.0",
     "./ga4gh-beacon-individual-v2.1.0", "https://example.org/schemas/ga4gh-beacon-individual-v2.0.0.json"],
)  # fmt: skip
def test_a_schema_may_be_named_in_many_ways(name: str, schema: str) -> None:
    by_get = get(**{name: schema})
    assert by_get.requested_schemas == (("individual", schema),)
    assert by_get == post(meta={name: schema}) == post(meta={name: [schema]})
    assert by_get == post(meta={name: {"entityType": "individual", "schema": schema}})


@pytest.mark.parametrize("kind", ["individual", "Individual", "individuals", None])
def test_a_schema_that_its_entry_type_has_not_is_refused_with_those_it_has(kind: str | None) -> None:
    asked = {"schema": "ga4gh-phenopacket-v1"} | ({"entityType": kind} if kind else {})
    with pytest.raises(CannotAnswer, match=r"ga4gh-beacon-individual-v2\.0\.0, ga4gh-phenopacket-v2\.0") as caught:
        post(meta={"requestedSchemas": [asked]})
    assert caught.value.where == "requestedSchemas"
    known = {"entityType": "individual", "schema": "ga4gh-phenopacket-v2.0"}
    assert post(meta={"requestedSchemas": [asked, known]}).requested_schemas[1] == ("individual", known["schema"])


def test_the_official_example_of_a_request_is_understood(shared: Path) -> None:
    folder = shared / "spec" / "beacon-v2" / "framework" / "json" / "requests" / "examples-fullDocuments"
    examples = sorted(folder.glob("*.json"))
    queries = [parse_post("biosample", None, path.read_bytes(), {}, LIMITS) for path in examples]
    assert [query.datasets for query in queries] == [("DatasetXYZ", "Dataset123"), None]
    assert queries[0].filters == (OntologyFilter("EFO:0001212", scope="biosample"),)


# --- for all questions and for all bodies

NAME = st.text(
    st.characters(codec="utf-8", exclude_characters=",", exclude_categories=["Z", "C"]), min_size=1, max_size=9
)
BASES = st.text("ACGTUNRYSWKMBDHV", max_size=6)
POSITION = st.integers(0, 2**30)
PATH = st.sampled_from(["diseases.ageOfOnset.iso8601duration", "vitalStatus", "PATO:0000011", "libraryStrategy"])


@st.composite
def places(draw: st.DrawFn) -> dict[str, Any]:
    place: dict[str, Any] = {"referenceName": draw(st.sampled_from(["17", "chrX", "MT", "GL000220.1"]))}
    place["assemblyId"] = draw(st.sampled_from(["GRCh38", "hg19", "T2T"]))
    start = sorted(draw(st.lists(POSITION, min_size=1, max_size=2)))
    if len(start) == 2:
        ends = draw(st.lists(st.integers(start[0] + 1, 2**31 - 1), min_size=2, max_size=2))
        return place | {"start": start, "end": sorted(ends)}
    place["start"] = start
    if draw(st.booleans()):
        return place | {"referenceBases": draw(BASES.filter(bool)), "alternateBases": draw(BASES)}
    return place | {"end": [draw(st.integers(start[0] + 1, 2**31 - 1))]}


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    """A question that both GET and POST can ask, in the body's shape."""
    genomic: dict[str, Any] = draw(st.one_of(st.just({}), places()))
    of_names = {
        "aminoacidChange": st.sampled_from(["V600E", "p.Arg97fs", "BRAF:p.(Val600Glu)"]),
        "mateName": st.sampled_from(["7", "chrX", "GL000192.1"]),
    }
    for name in ("geneId", "variantType", "aminoacidChange", "genomicAlleleShortForm", "mateName"):
        if draw(st.booleans()):
            genomic[name] = draw(of_names.get(name, NAME))
    if "BRAF" in genomic.get("aminoacidChange", ""):
        genomic["geneId"] = "braf"
    if draw(st.booleans()):
        genomic |= {"variantMinLength": draw(st.integers(0, 50)), "variantMaxLength": draw(st.integers(50, 99))}
    operator = st.sampled_from(["=", "<", ">", "!", ">=", "<="])
    value = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=9)
    item = st.one_of(
        st.fixed_dictionaries({"id": st.from_regex(r"[A-Z]{2,5}:[0-9]{1,7}", fullmatch=True)}),
        st.fixed_dictionaries({"id": PATH, "operator": operator, "value": st.one_of(value, st.integers(-9, 99))}),
    )
    query: dict[str, Any] = {"filters": draw(st.lists(item, max_size=4))}
    if draw(st.booleans()):
        query["requestedGranularity"] = draw(st.sampled_from(["boolean", "count", "record"]))
    if draw(st.booleans()):
        query["includeResultsetResponses"] = draw(st.sampled_from(list(Include)))
    if draw(st.booleans()):
        query["pagination"] = {"skip": draw(st.integers(0, 9**9)), "limit": draw(st.integers(0, 1000))}
    datasets = draw(st.lists(NAME, max_size=3))
    return {"query": query, "genomic": genomic, "datasets": datasets}


def escaped(value: str) -> str:
    return "".join(f"\\{one}" if one in ",<>=!\\" else one for one in value)


def as_get(question: dict[str, Any], draw: st.DataObject) -> dict[str, list[str]]:
    query = question["query"]
    params = {name: str(query[name]) for name in ("requestedGranularity", "includeResultsetResponses") if name in query}
    params |= {name: str(value) for name, value in query.get("pagination", {}).items()}
    for name, value in question["genomic"].items():
        params[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if question["datasets"]:
        params[draw.draw(st.sampled_from(["datasets", "datasetIds"]))] = ",".join(question["datasets"])
    filters = [
        f"{item['id']}:{item['operator']}{escaped(str(item['value']))}" if "operator" in item else item["id"]
        for item in query["filters"]
    ]
    if filters:
        params["filters"] = ",".join(filters)
    return {name: [value] for name, value in params.items()}


def as_post(question: dict[str, Any], draw: st.DataObject) -> bytes:
    key = draw.draw(st.sampled_from([None, "g_variant", "genomicVariations"]))
    genomic = question["genomic"]
    parameters: dict[str, Any] = dict(genomic) if key is None else {key: genomic}
    if question["datasets"]:
        spellings = [{"datasets": {"datasetIds": question["datasets"]}}, {"datasetIds": question["datasets"]}]
        parameters |= draw.draw(st.sampled_from(spellings))
    document = {"meta": {"apiVersion": "v2.0"}, "query": question["query"] | {"requestParameters": parameters}}
    return orjson.dumps(document)


@given(questions(), st.data())
@settings(max_examples=300, deadline=None)
def test_get_and_post_of_the_same_question_are_the_same_query(question: dict[str, Any], data: st.DataObject) -> None:
    by_get = parse_get("genomicVariant", None, as_get(question, data), LIMITS)
    by_post = parse_post("genomicVariant", None, as_post(question, data), {}, LIMITS)
    assert by_get == by_post


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
WORDS = st.sampled_from([
    "meta", "query", "filters", "id", "operator", "value", "scope", "excluded", "requestParameters", "g_variant",
    "start", "end", "referenceName", "assemblyId", "alternateBases", "referenceBases", "geneId", "datasets",
    "datasetIds", "pagination", "skip", "limit", "testMode", "requestedSchemas", "apiVersion", "variantMinLength",
    "mateName",
])  # fmt: skip
NEARLY = st.recursive(
    JSON | st.sampled_from(["17", "GRCh38", "A", "HP:0001250", "individual", "=", "count", "1,2", 5, [1, 2]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@given(st.one_of(JSON, NEARLY, NEARLY.map(lambda query: {"query": query})))
@settings(max_examples=500, deadline=None)
def test_any_json_is_a_query_or_a_bad_request(document: Any) -> None:
    try:
        query = parse_post("individual", None, orjson.dumps(document), {}, LIMITS)
    except (BadRequest, TooLarge) as error:
        assert error.message.endswith((".", "deep; no request needs that."))
    else:
        hash(query.filters), hash(query.variant)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_query_or_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_post("individual", None, b"\x00" + body, {}, LIMITS)


@given(st.dictionaries(st.one_of(WORDS, st.text()), st.lists(st.text(), min_size=1, max_size=2), max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_get_parameters_are_a_query_or_a_bad_request(params: dict[str, list[str]]) -> None:
    try:
        parse_get("individual", None, params, LIMITS)
    except (BadRequest, TooLarge) as error:
        assert error.message
