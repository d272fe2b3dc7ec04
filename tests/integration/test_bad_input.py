"""Bad input gets a clear error that names the place, never a 500 or a traceback, and changes no published data."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from yarl import URL

from beacon.app import running
from beacon.settings import Listen, Mongo
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb
from loaders.vcf import load_vcf
from tests.contract import official
from tests.integration.cohort import OPEN, Databases, body, serve_network, site_settings
from tests.integration.conftest import Site, serve_site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
CODES = {400: {"bad_request", "unknown_filter", "cannot_answer", "needs_reference"}, 401: {"unauthenticated"},
         404: {"not_found"}, 405: {"method_not_allowed"}, 413: {"too_large"}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad request: what it gets, and words that its error must say."""

    name: str
    status: int
    says: str
    path: str = "/individuals"
    method: str = "POST"
    sent: bytes | None = None
    headers: Mapping[str, str] | None = None


def query(name: str, says: str, path: str = "/individuals", **parts: Any) -> Bad:
    """A body that is JSON, and wrong within its query."""
    return Bad(name, 400, says, path, sent=json.dumps(body(parts)).encode())


def variant(name: str, says: str, **parameters: Any) -> Bad:
    return query(name, says, "/g_variants", requestParameters={"g_variant": parameters})


def get(name: str, says: str, address: str, status: int = 400) -> Bad:
    return Bad(name, status, says, address, "GET")


def post(name: str, says: str, sent: bytes, status: int = 400) -> Bad:
    return Bad(name, status, says, sent=sent)


_SENTENCE = re.compile(r"[A-Z][^\n]* [^\n]*[^\s.]\.")
DEEP = b'{"query":' * 100_000 + b"1" + b"}" * 100_000
BAD = [
    post("cut JSON", "line 1 column", b'{"meta": {"apiVersion": "v2.0"}, "query": {"filters": [{"id": "HP:00'),
    post("no body", "empty", b""),
    post("not JSON", "JSON", b"<query/>"),
    post("not UTF-8", "JSON", b'{"query": "\xff\xfe"}'),
    post("a list", "", b"[]"),
    post("a number", "", b"7"),
    post("NaN", "JSON", b'{"query": {"pagination": {"skip": NaN}}}'),
    post("infinity", "", b'{"query": {"filters": [{"id": "ageAtLastEncounter", "operator": ">", "value": 1e999}]}}'),
    post("nested too deep", "dep", b'{"query": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    post("nested far too deep", "", DEEP, 413 if len(DEEP) > 1_000_000 else 400),
    post("two megabytes", "1000000 bytes", b'{"meta": {}, "pad": "' + b"x" * 2_000_000 + b'"}', 413),
    post("the same key twice, then cut", "JSON", b'{"query": {}, "query": '),
    post("meta is a text", "/meta", b'{"meta": "v2.0"}'),
    post("query is a list", "/query", b'{"meta": {}, "query": []}'),
    post("unknown member", "/queri", b'{"meta": {}, "queri": {}}'),
    query("filters are a text", "/query/filters", filters="HP:0001250"),
    query("a filter without id", "/query/filters/1", filters=[{"id": "HP:0001250"}, {"value": "x"}]),
    query("a filter whose id is a number", "/query/filters/0/id", filters=[{"id": 1250}]),
    query("a filter that is null", "/query/filters/0", filters=[None]),
    query("an operator that is none", "/query/filters/0/operator", filters=[{"id": "a", "operator": "~", "value": 1}]),
    query("an unknown term", "HP:9999999", filters=[{"id": "HP:9999999"}]),
    query("an unknown ontology", "FOO:1", filters=[{"id": "FOO:1"}]),
    query("an unknown field", "shoeSize", filters=[{"id": "shoeSize", "operator": ">", "value": 40}]),
    query("an unknown word", "tall", filters=[{"id": "tall"}]),
    query("no duration", "long", filters=[{"id": "ageAtLastEncounter", "operator": ">", "value": "long"}]),
    query("an unknown scope", "scope", filters=[{"id": "HP:0001250", "scope": "shoe"}]),
    post("a thousand filters", "filters", orjson.dumps(body({"filters": [{"id": "HP:0001250"}] * 1000})), 413),
    query("negative skip", "/query/pagination/skip", pagination={"skip": -1}),
    query("negative limit", "/query/pagination/limit", pagination={"limit": -5}),
    query("skip as text", "/query/pagination/skip", pagination={"skip": "1"}),
    query("skip as a fraction", "/query/pagination/skip", pagination={"skip": 0.5}),
    query("skip beyond reason", "/query/pagination/skip", pagination={"skip": 10**30}),
    query("a page too long", "limit", pagination={"limit": 1_000_000}),
    query("an unknown granularity", "/query/requestedGranularity", requestedGranularity="everything"),
    query("granularity as a number", "/query/requestedGranularity", requestedGranularity=3),
    query("an unknown choice of sets", "/query/includeResultsetResponses", includeResultsetResponses="SOME"),
    query("an unknown parameter", "colour", requestParameters={"colour": "red"}),
    variant("a start below zero", "start", assemblyId="GRCh38", referenceName="1", start=[-1]),
    variant("a start as words", "start", assemblyId="GRCh38", referenceName="1", start="here"),
    variant("a start beyond reason", "start", assemblyId="GRCh38", referenceName="1", start=[10**30], end=[10**31]),
    variant("three starts", "start", assemblyId="GRCh38", referenceName="1", start=[1, 2, 3]),
    variant("an end before the start", "end", assemblyId="GRCh38", referenceName="1", start=[100], end=[10]),
    variant("no chromosome", "referenceName", assemblyId="GRCh38", start=[100], end=[200]),
    variant("an unknown assembly", "assemblyId", assemblyId="GRCh99", referenceName="1", start=[1], end=[2]),
    variant("bases that are none", "alternateBases", assemblyId="GRCh38", referenceName="1", start=[1],
            referenceBases="A", alternateBases="Q"),
    variant("an unknown type", "variantType", variantType="SHOE"),
    variant("a gene as a list", "geneId", geneId=["FBN1"]),
    variant("lengths the wrong way", "variantM", geneId="FBN1", variantMinLength=10, variantMaxLength=1),
    query("two scopes", "scope", filters=[{"id": "HP:0001250", "scope": ["individual", "biosample"]}]),
    query("a similarity that is none", "similarity", filters=[{"id": "HP:0001250", "similarity": "very"}]),
    query("a similarity of nothing", "FOO:1", filters=[{"id": "FOO:1", "similarity": "low"}]),
    query("a text that is compared", "vitalStatus", filters=[{"id": "vitalStatus", "operator": ">", "value": "A"}]),
    query("a word for a term", "sex", filters=[{"id": "sex", "operator": "=", "value": "feminine"}]),
    query("a unit nobody has", "shoes", filters=[{"id": "LOINC:3141-9", "operator": ">", "value": "7 shoes"}]),
    query("no quantity", "LOINC:3141-9", filters=[{"id": "LOINC:3141-9", "operator": ">", "value": "x"}]),
    query("a date that is none", "runDate", filters=[{"id": "runDate", "operator": ">", "value": "soon"}]),
    query("all but a name", "genomicHGVSId", filters=[
        {"id": "identifiers.genomicHGVSId", "operator": "!", "value": "NC_000001.11:g.5A>T"}]),
    query("a part of a name", "aminoacidChanges", filters=[
        {"id": "molecularAttributes.aminoacidChanges", "operator": "=", "value": "p.%"}]),
    query("all but a zygosity", "zygosity", filters=[
        {"id": "caseLevelData.zygosity", "operator": "!", "value": "GENO:0000135"}]),
    query("a custom field nobody has", "shoe:big", filters=[{"id": "shoe:big"}]),
    query("an unknown member of a filter", "colour", filters=[{"id": "HP:0001250", "colour": "red"}]),
    query("an unknown member of pages", "colour", pagination={"colour": 1}),
    query("a page token that is none", "currentPage", pagination={"currentPage": "abc"}),
    query("two page tokens", "nextPage", pagination={"nextPage": "a", "previousPage": "b"}),
    query("datasets named twice", "datasetIds", requestParameters={
        "datasets": {"datasetIds": ["a"]}, "datasetIds": ["b"]}),
    query("a gene named twice", "geneId", requestParameters={"g_variant": {"geneId": "FBN1"}, "geneId": "BRCA1"}),
    post("an unknown schema", "requestedSchemas", orjson.dumps(
        {"meta": {"apiVersion": "v2.0", "requestedSchemas": [{"entityType": "individual", "schema": "shoe"}]}})),
    variant("a place without a chromosome's assembly", "assemblyId", referenceName="1", start=[1], end=[2]),
    variant("a chromosome of another assembly", "assemblyId", assemblyId="GRCh37", referenceName="NC_000001.11",
            start=[1], end=[2]),
    variant("a start alone", "alternateBases", assemblyId="GRCh38", referenceName="1", start=[1]),
    variant("an allele of nothing", "referenceBases", assemblyId="GRCh38", referenceName="1", start=[1],
            alternateBases=""),
    variant("bases without a place", "referenceName", alternateBases="A"),
    variant("a dash for bases", "alternateBases", assemblyId="GRCh38", referenceName="1", start=[1],
            alternateBases="-"),
    variant("two starts and one end", "start", assemblyId="GRCh38", referenceName="1", start=[1, 2], end=[3]),
    variant("starts the wrong way", "start", assemblyId="GRCh38", referenceName="1", start=[9, 2], end=[12, 13]),
    variant("a bracket that ends before it starts", "end", assemblyId="GRCh38", referenceName="1", start=[9, 10],
            end=[1, 2]),
    variant("too many codes", "alternateBases", assemblyId="GRCh38", referenceName="1", start=[1],
            referenceBases="A", alternateBases="N" * 900),
    variant("a short form and a place", "referenceName", genomicAlleleShortForm="NC_000001.11:g.5A>T", start=[4],
            referenceName="1", assemblyId="GRCh38", alternateBases="T"),
    variant("a short form of a transcript", "NM_000001.1:c.5A>T", genomicAlleleShortForm="NM_000001.1:c.5A>T"),
    variant("a short form that is none", "'shoe'", genomicAlleleShortForm="shoe"),
    variant("a short form cut off", "NC_000001.11:g.", genomicAlleleShortForm="NC_000001.11:g."),
    variant("an SPDI of no number", "NC_000001.11:x:A:T", genomicAlleleShortForm="NC_000001.11:x:A:T"),
    variant("an SPDI that changes nothing", "NC_000001.11:5:A:A", genomicAlleleShortForm="NC_000001.11:5:A:A"),
    variant("a sequence nobody has", "NC_999999.1", genomicAlleleShortForm="NC_999999.1:g.5A>T"),
    variant("a place beyond the end", "beyond the end", genomicAlleleShortForm="NC_000001.11:g.999999999A>T"),
    variant("a short form without an assembly", "assemblyId", genomicAlleleShortForm="1:g.5A>T"),
    variant("a short form of another assembly", "assemblyId", assemblyId="GRCh37",
            genomicAlleleShortForm="NC_000001.11:g.5A>T"),
    variant("an indel that only a reference places", "5del", genomicAlleleShortForm="NC_000001.11:g.5del"),
    variant("a VRS id of a location", "ga4gh:SL.", genomicAlleleShortForm="ga4gh:SL.x"),
    variant("a VRS id that is none", "ga4gh:VA.", genomicAlleleShortForm="ga4gh:VA.x"),
    get("terms that are filtered", "filters", "/filtering_terms?filters=HP:0001250"),
    get("terms by token", "currentPage", "/filtering_terms?currentPage=abc"),
    get("information in a schema of its own", "requestedSchema", "/info?requestedSchema=shoe"),
    get("an unknown parameter of GET", "colour", "/individuals?colour=red"),
    get("a parameter twice", "limit", "/individuals?limit=1&limit=2"),
    get("a negative page of GET", "skip", "/individuals?skip=-1"),
    get("a page of NaN", "limit", "/individuals?limit=NaN"),
    get("another digit", "limit", "/individuals?limit=%D9%A3"),
    get("an unknown term of GET", "HP:9999999", "/individuals?filters=HP:9999999"),
    get("an operator for a term", "", "/individuals?filters=%00"),
    get("an unknown granularity of GET", "requestedGranularity", "/individuals?requestedGranularity=all"),
    get("a start that is a word", "start", "/g_variants?assemblyId=GRCh38&referenceName=1&start=x&end=2"),
    get("a test mode that is neither", "testMode", "/individuals?testMode=perhaps"),
    get("terms of a negative page", "skip", "/filtering_terms?skip=-1"),
    get("an unknown path", "path", "/individualz", 404),
    get("a path too deep", "path", "/individuals/SYN-A-0001/biosamples/x", 404),
    get("nothing between slashes", "path", "/individuals//biosamples", 404),
    get("out of the root", "path", "/../../etc/passwd", 404),
    get("out of the root in disguise", "path", "/%2e%2e/%2e%2e/etc/passwd", 404),
    Bad("a method for others", 405, "DELETE", method="DELETE"),
    Bad("a method of others", 405, "PROPFIND", method="PROPFIND"),
    Bad("a body for information", 405, "POST", "/info", sent=b"{}"),
    Bad("a parameter of POST", 400, "limit", "/individuals?limit=3", sent=b"{}"),
    Bad("a deadline that is none", 400, "Skerry-Deadline", method="GET", headers={"Skerry-Deadline": "soon"}),
    Bad("a password", 401, "", headers={"Authorization": "Basic dXNlcjpwYXNz"}, method="GET"),
    Bad("an empty token", 401, "", headers={"Authorization": "Bearer "}, method="GET"),
    Bad("a token that is none", 401, "", headers={"Authorization": "Bearer x.y.z"}, method="GET"),
    Bad("a token of no algorithm", 401, "", method="GET", headers={
        "Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb3NhIn0."}),
    Bad("a token without end", 401, "", headers={"Authorization": "Bearer " + "a" * 30_000}, method="GET"),
]  # fmt: skip
HARMLESS = [
    "/individuals/..%2f..%2fetc%2fpasswd",
    "/individuals/%00",
    "/individuals/a%00b/biosamples",
    "/individuals/%ff%fe",
    "/individuals/%24where",
    "/individuals/%5B%24gt%5D=",
    "/g_variants/'%20OR%201=1--",
    "/individuals/" + "x" * 5000,
    "/biosamples/%F0%9F%92%A5%0D%0AX-Injected:%20yes",
    "/individuals?filters=" + ",".join(["HP:0001626"] * 50),
    "/individuals?skip=2147483647&limit=1000",
    "/g_variants?geneId=" + "A" * 900,
]
"""Ids that nobody has, however strange, find nothing; long addresses that mean something are answered."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: Databases) -> AsyncIterator[Site]:
    databases.govern("site-a", {"site-a": OPEN})
    settings = replace(
        site_settings("site-a"), listen=Listen(port=0), mongo=Mongo(databases.uri, database=databases.name("site-a"))
    )
    async with running(settings, databases.uri) as url, aiohttp.ClientSession() as session:
        yield Site(url, session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(site: Site) -> AsyncIterator[Site]:
    """A network with the one site."""
    async with serve_network({"site-a": site.url}) as target:
        yield target


async def ask(target: Site, bad: Bad) -> tuple[int, dict[str, Any]]:
    """Send a request just as it is written."""
    url = URL(target.url + bad.path, encoded=True)
    headers = {"Content-Type": "application/json", **(bad.headers or {})}
    sent = None if bad.sent is None else io.BytesIO(bad.sent)
    async with target.session.request(bad.method, url, data=sent, headers=headers) as response:
        given = await response.read()
        assert response.content_type == "application/json", (bad.name, response.status, given)
        assert response.headers["X-Request-Id"]
        return response.status, orjson.loads(given)


async def published(site: Site) -> str:
    """Return a digest of everything that a site shows."""
    digest = hashlib.sha256()
    for path in ("individuals", "biosamples", "runs", "analyses", "g_variants", "datasets", "cohorts"):
        answer = await site.get(f"/{path}", {"limit": "1000", "requestedGranularity": "record"})
        digest.update(orjson.dumps(answer))
    async with site.session.get(f"{site.url}/filtering_terms") as terms:
        digest.update(await terms.read())
    return digest.hexdigest()


@pytest.mark.parametrize("kind", ["site", "network"])
async def test_bad_requests_get_an_error_that_names_the_place(kind: str, site: Site, network: Site) -> None:
    before = await published(site)
    wrong = []
    for bad in BAD:
        status, answer = await ask({"site": site, "network": network}[kind], bad)
        if fault := fault_of(bad, status, answer):
            wrong.append((bad.name, fault, status, answer.get("error")))
    assert not wrong, "\n".join(map(str, wrong))
    assert await published(site) == before


def fault_of(bad: Bad, status: int, answer: dict[str, Any]) -> str | None:
    """Say what is wrong with an error; None where nothing is."""
    error = answer.get("error")
    if status != bad.status or not error:
        return f"not {bad.status}"
    if error["errorCode"] != status or error["skerryCode"] not in CODES[status]:
        return "its codes"
    message = error["errorMessage"]
    if bad.says not in message and bad.says not in str(error.get("where")):
        return f"does not say {bad.says!r}"
    if not _SENTENCE.fullmatch(message) or len(message) > 1500:
        return "is no sentence"
    if status == 400 and not error.get("where") and not re.search("body|site-a", message):
        return "does not name its place"
    if re.search(r'Traceback|File "|\bself\b|0x[0-9a-f]{6}|NoneType|pymongo|site-packages', json.dumps(answer)):
        return "shows the program's inside"
    if official.shared_dir() is not None and (faults := official.check_answer(answer)):
        return str(faults)
    return None


@pytest.mark.parametrize("path", HARMLESS)
async def test_strange_but_proper_questions_find_what_there_is(path: str, site: Site, network: Site) -> None:
    for target in (site, network):
        status, answer = await ask(target, Bad("", 200, "", path, "GET"))
        assert status == 200, answer
        assert isinstance(answer["responseSummary"]["exists"], bool)
        assert answer["responseSummary"]["exists"] is ("HP:0001626" in path or "skip" in path)


async def test_a_wrong_page_number_is_only_an_empty_page(site: Site) -> None:
    answer = await site.post("/individuals", {"pagination": {"skip": 10**6, "limit": 10}})
    assert answer["responseSummary"]["numTotalResults"] == 105
    assert answer["response"]["resultSets"][0]["results"] == []


def raw(first: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request as bytes."""
    return b"\r\n".join([first + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers, b"", body])


GET, POST = b"GET /api/individuals", b"POST /api/individuals"
RAW = {
    "two authorization headers": (raw(GET, b"Authorization: Bearer a", b"Authorization: Bearer b"), 401),
    "an address beyond all reason": (raw(b"GET /api/info?x=" + b"a" * 200_000), 414),
    "a header beyond all reason": (raw(GET, b"X: " + b"a" * 200_000), 414),
    "a NUL in the address": (raw(b"GET /api/individuals/\x00"), 400),
    "a NUL in a header": (raw(GET, b"X: a\x00b"), 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a method that nobody knows": (raw(b"FROBNICATE /api/individuals"), 400),
    "a length that is none": (raw(POST, b"Content-Length: -1", body=b"{}"), 400),
    "two lengths": (raw(POST, b"Content-Length: 2", b"Content-Length: 9", body=b"{}"), 400),
    "a broken chunk": (raw(POST, b"Transfer-Encoding: chunked", body=b"ZZ\r\n{}\r\n0\r\n\r\n"), 400),
    "a packing that it is not": (raw(POST, b"Content-Encoding: gzip", b"Content-Length: 2", body=b"{}"), 400),
    "a packing that is not taken": (raw(POST, b"Content-Encoding: br", b"Content-Length: 2", body=b"{}"), 400),
}


@pytest.mark.parametrize("name", RAW)
async def test_bytes_that_are_hardly_http_are_refused_and_the_site_answers_on(
    name: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    sent, status = RAW[name]
    before = await published(site)
    answer = await exchange(site, sent)
    assert answer.startswith((f"HTTP/1.1 {status} ".encode(), f"HTTP/1.0 {status} ".encode())), answer[:1000]
    assert b"Traceback" not in answer
    assert not [entry for entry in caplog.records if entry.exc_info]  # whoever sends such could fill the log
    assert (b"Content-Encoding" in answer) == (b": br" in sent)
    assert await published(site) == before


async def test_a_body_that_breaks_off_changes_nothing(site: Site) -> None:
    before = await published(site)
    assert await exchange(site, raw(POST, b"Content-Length: 50", body=b"{}"), end=True) == b""
    assert await published(site) == before


async def exchange(site: Site, sent: bytes, *, end: bool = False) -> bytes:
    """Send bytes, then perhaps close that side, and return all that comes back."""
    url = URL(site.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    if end:
        writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with an embedded MongoDB that runs, and one dataset with data in it."""

    folder: Path
    uri: str

    def load(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``skerry load`` as a command of its own."""
        command = [sys.executable, "-m", "beacon.cli", "load", *arguments, "--dataset", "cases"]
        return subprocess.run(
            [*command, "--data-dir", "data"], cwd=self.folder, capture_output=True, text=True, timeout=60,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Check that what the dataset shows is the same at the end."""
        async with serve_site(self.uri, "skerry", site_settings("here")) as site:
            before = await published(site)
            yield
            assert await published(site) == before


@pytest.fixture(scope="module")
def place(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    with mongodb(Mongo(data_dir=folder / "data", cache_gb=0.25)) as uri:
        with Admin.open(uri, "skerry") as admin:
            admin.create_dataset("cases", policy=OPEN)
            assert load_vcf(admin, databases.folder / "site-b" / "variants.vcf", "cases").errors == 0
        yield Place(folder, uri)


def check_refusal(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """A refusal names the file and the place, and shows nothing of the program."""
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert all(word in said for word in words), said
    assert "Traceback" not in said and 'File "' not in said


@pytest.mark.parametrize("packing", ["plain", "gzip"])
async def test_a_vcf_cut_in_half_is_refused_and_loads_nothing(packing: str, place: Place, databases: Databases) -> None:
    whole = (databases.folder / "site-a" / "variants.vcf").read_bytes()
    if packing == "plain":
        name, cut = "cut.vcf", whole[: len(whole) // 2]
    else:
        packed = gzip.compress(whole)
        name, cut = "cut.vcf.gz", packed[: len(packed) // 2]
    (place.folder / name).write_bytes(cut)
    async with place.unchanged():
        done = await asyncio.to_thread(place.load, "vcf", name)
    check_refusal(done, name, "cut short", "nothing was changed")
    assert re.search(rf"{re.escape(name)}:\d+", done.stdout), done.stdout
    if packing == "plain":
        line = cut.count(b"\n") + 1
        assert f"{name}:{line}" in done.stdout


PACKET = {"id": "p1", "subject": {"id": "s"}, "metaData": {"created": "2026-01-01T00:00:00Z", "createdBy": "t",
          "resources": [], "phenopacketSchemaVersion": "2.0"}}  # fmt: skip
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.json": (orjson.dumps(PACKET | {"id": ""}), "empty.json:1 /id"),
    "number.json": (orjson.dumps(PACKET | {"id": 7}), "number.json:1 /id"),
    "cut.json": (orjson.dumps(PACKET)[:40], "cut.json"),
    "list.json": (b"[1, 2]", "list.json"),
    "bytes.json": (b'{"id": "\xff\xfe"}', "bytes.json"),
    "lines.jsonl": (b'{"id": 7}\n{"id"\n', "lines.jsonl:2"),
    "deep.json": (b'{"id": "x", "subject": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep.json"),
    "no.zip": (b"PK\x03\x04 and no more", "no.zip"),
    "no.jsonl.gz": (b"\x1f\x8b\x08\x00 and no more", "no.jsonl.gz"),
}
"""File name, content, and the place that the report must name."""


async def test_a_phenopacket_without_id_is_refused_by_file_and_place(place: Place) -> None:
    (place.folder / "no-id.json").write_bytes(orjson.dumps({key: PACKET[key] for key in PACKET if key != "id"}))
    async with place.unchanged():
        done = await asyncio.to_thread(place.load, "phenopackets", "no-id.json")
    check_refusal(done, "no-id.json:1 /id", "was not changed")


async def test_every_broken_file_is_named_with_its_place(place: Place) -> None:
    for name, (content, _) in BROKEN.items():
        (place.folder / name).write_bytes(content)
    async with place.unchanged():
        done = await asyncio.to_thread(place.load, "phenopackets", "--json", *BROKEN)
    check_refusal(done)
    problems = json.loads(done.stdout)["problems"]
    errors = [problem for problem in problems if problem["severity"] == "error" and problem["message"]]
    lines = [f"{one['file']}:{one['line']}" if one["line"] else one["file"] for one in errors]
    found = [f"{line} {one['pointer'] or ''}" for line, one in zip(lines, errors, strict=True)]
    missing = [says for _, says in BROKEN.values() if not any(one.startswith(says) for one in found)]
    assert not missing, found


async def test_what_is_not_there_is_one_sentence(place: Place) -> None:
    (place.folder / "words.vcf").write_text("Dear custodian,\nthe file follows.\n")
    (place.folder / "nothing").mkdir()
    async with place.unchanged():
        for kind, name in (("vcf", "absent.vcf"), ("phenopackets", "absent.json"), ("phenopackets", "nothing"),
                           ("vcf", "words.vcf")):  # fmt: skip
            done = await asyncio.to_thread(place.load, kind, name)
            check_refusal(done, name)
