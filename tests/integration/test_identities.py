"""Many people ask at once: everybody gets what they get alone, and nobody more than is their due."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from beacon.model.access import Asker, DatasetPolicy, Granularity, Level, Person
from beacon.model.entry_types import ENTRY_TYPES, entry_type_id
from beacon.settings.server import Rate
from loaders.synthetic import Question
from network.issuer import GRANT, DemonstrationIssuer, running_issuer
from tests.contract import official
from tests.integration.cohort import (
    AUDIENCE,
    HIDDEN,
    Databases,
    Identity,
    body,
    committee,
    each,
    serve_network,
    site_settings,
)
from tests.integration.conftest import Site, serve_site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

REQUESTS = int(os.environ.get("SKERRY_TEST_REQUESTS", "2000"))
"""How many requests are put to one site, 64 at a time; the network gets a quarter of them."""
AT_ONCE = 64
PEOPLE = {"nobody": 0, "noor": 0, "rosa": 1, "tomas": 2}
"""Who asks, and what they are to a dataset: noor has a login and no more, rosa is listed, tomas has a grant."""
NONE, BOOLEAN, COUNT, RECORD = Granularity
THRESHOLD = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """One dataset's policy, and what strangers, listed people and grantees get at most."""

    level: Level
    due: tuple[Granularity, Granularity, Granularity]
    threshold: int = THRESHOLD

    def policy(self, issuer: str) -> DatasetPolicy:
        rosa, tomas = Person(issuer, "rosa"), Person(issuer, "tomas")
        ceilings = dict(zip((Asker.STRANGER, Asker.REGISTERED, Asker.GRANTED), self.due, strict=True))
        both = frozenset({rosa, tomas})
        return DatasetPolicy(self.level, ceilings, both, frozenset({tomas}), self.threshold, visas=frozenset({GRANT}))

    def protects_from(self, person: str) -> bool:
        return self.level is not Level.PUBLIC and person != "tomas"


RULES: Mapping[str, Rule] = {
    "site-a": Rule(Level.PUBLIC, (BOOLEAN, COUNT, RECORD)),
    "site-b": Rule(Level.PUBLIC, (COUNT, RECORD, RECORD)),
    "site-c": Rule(Level.REGISTERED, (NONE, COUNT, RECORD)),
    HIDDEN: Rule(Level.CONTROLLED, (NONE, NONE, RECORD)),
}
LETTERS = {"site-a": "A", "site-b": "B", "site-c": "C", HIDDEN: "D"}
"""People's ids begin with SYN- and the letter of their dataset."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, whoever sends it; ``question`` where the truth about it is known."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    sent: bytes = b""
    granularity: Granularity = RECORD
    include: str = "HIT"
    question: Question | None = field(default=None, compare=False)

    @property
    def entry_type(self) -> str | None:
        """The entry type that the path lists: ``/individuals/{id}/biosamples`` lists biosamples."""
        names = [entry_type_id(part) for part in self.path.strip("/").split("/")[::2]]
        return names[-1] if names else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, without ids of requests and times."""

    status: int
    headers: tuple[tuple[str, str], ...]
    raw: bytes


UNIQUE = ("x-request-id", "date")
PASSING = re.compile(rb'"(?:milliseconds":\d+|requestId":"[^"]*")')
"""What a network says of times and of its members' request ids."""


@dataclass(frozen=True, slots=True)
class World:
    """Something to ask, and a token for each person who has one."""

    target: Site
    tokens: Mapping[str, str]
    databases: Databases

    async def ask(self, ask: Ask, person: str, *, slowly: bool = False) -> Answer:
        """Ask; ``slowly``: the body comes in pieces, so that requests of others come between them."""
        headers = {"Authorization": f"Bearer {self.tokens[person]}"} if person in self.tokens else {}
        if ask.sent:
            headers["Content-Type"] = "application/json"
        async with self.target.session.request(
            ask.method,
            self.target.url + ask.path,
            params=ask.params,
            headers=headers,
            data=in_pieces(ask.sent) if slowly else ask.sent or None,
        ) as response:
            raw = await response.read()
            kept = [(name, value) for name, value in response.headers.items() if name.lower() not in UNIQUE]
            if PASSING.search(raw):
                raw = PASSING.sub(b'"passing":0', raw)
                kept = [(name, value) for name, value in kept if name != "Content-Length"]
            return Answer(response.status, tuple(kept), raw)


async def in_pieces(sent: bytes) -> AsyncIterator[bytes]:
    """Yield a body in four pieces, with pauses."""
    step = len(sent) // 4 + 1
    for begin in range(0, len(sent), step):
        await asyncio.sleep(0.02)
        yield sent[begin : begin + step]


def tokens(issuer: DemonstrationIssuer) -> dict[str, str]:
    return {person: issuer.token(person, AUDIENCE) for person in PEOPLE if person != "nobody"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(databases: Databases) -> AsyncIterator[World]:
    """One site with all four datasets."""
    async with running_issuer() as issuer:
        databases.govern("mixed", {name: rule.policy(issuer.url) for name, rule in RULES.items()})
        # Nobody asks too often: on a fast machine these requests would come quicker than one person may ask.
        settings = replace(site_settings("mixed", issuer), rate=Rate(per_second=0))
        context = serve_site(databases.uri, databases.name("mixed"), settings)
        async with context as target:
            yield World(target, tokens(issuer), databases)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A network over three sites with a dataset each, which believe it on who asks."""
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(running_issuer())
        identity = Identity.make(tmp_path_factory.mktemp("network"), issuer.url)
        peers = {}
        for name in databases.sites:
            databases.govern(name, {name: RULES[name].policy(issuer.url)})
            settings = replace(site_settings(name, node=identity.node), visa_issuers=(committee(issuer),))
            context = serve_site(databases.uri, databases.name(name), settings)
            peers[name] = (await stack.enter_async_context(context)).url
        context = serve_network(peers, issuer=issuer, key_file=identity.key_file)
        yield World(await stack.enter_async_context(context), tokens(issuer), databases)


async def test_two_thousand_requests_of_four_people_at_once_get_what_each_gets_alone(site: World) -> None:
    await check_mixed(site, REQUESTS)


async def test_a_network_does_not_mix_people_up_either(network: World) -> None:
    await check_mixed(network, REQUESTS // 4)


async def check_mixed(world: World, requests: int) -> None:
    """Ask every question as every person alone, then all of them together in disorder, about three times each."""
    chance = random.Random(2026)
    asks = questions(chance, world.databases.cohort.questions, await known_ids(world), requests // (3 * len(PEOPLE)))
    pairs = [(ask, person) for ask in asks for person in PEOPLE]
    alone = {pair: await world.ask(*pair) for pair in pairs}
    for (ask, person), given in alone.items():
        check_due(ask, person, given)
    mixed = (pairs * (requests // len(pairs) + 1))[:requests]
    chance.shuffle(mixed)
    slow = {number for number, (ask, _) in enumerate(mixed) if ask.sent and number % 5 == 0}
    assert len(slow) > requests / 20
    together = await each(list(enumerate(mixed)), lambda one: world.ask(*one[1], slowly=one[0] in slow), AT_ONCE)
    assert len(together) == requests
    wrong = [
        (pair, difference(alone[pair], given))
        for pair, given in zip(mixed, together, strict=True)
        if given != alone[pair]
    ]
    assert not wrong, f"{len(wrong)} answers are others' or wrong; the first: {wrong[0]}"
    differing = sum(len({alone[ask, person].raw for person in PEOPLE}) >= 3 for ask in asks)
    assert differing >= len(asks) / 2, f"of {len(asks)} questions {differing} have three different answers"
    statuses = Counter(given.status for given in alone.values())
    assert statuses[200] > len(alone) / 2 and len(statuses) > 2


def difference(alone: Answer, together: Answer) -> str:
    """Show where two answers part."""
    if (alone.status, alone.headers) != (together.status, together.headers):
        return f"{alone.status} {alone.headers} against {together.status} {together.headers} {together.raw[:500]!r}"
    at = next(n for n, pair in enumerate(zip(alone.raw, together.raw, strict=False)) if len(set(pair)) > 1)
    return f"from byte {at}: {alone.raw[at - 200 : at + 200]!r} against {together.raw[at - 200 : at + 200]!r}"


async def known_ids(world: World) -> dict[str, list[str]]:
    """Return ids of records to ask for, by path; the granted person sees them all."""
    found = {"datasets": [*RULES, "nowhere"], "cohorts": [f"{name}-cases" for name in RULES]}
    page = (("limit", "40"), ("requestedGranularity", "record"))
    for kind in ("individual", "biosample", "genomicVariant", "run", "analysis"):
        path = ENTRY_TYPES[kind].path
        given = await world.ask(Ask("GET", f"/{path}", page), "tomas")
        sets = orjson.loads(given.raw)["response"]["resultSets"]
        records = [record for one in sets for record in one["results"]]
        found[path] = [str(record.get("id") or record["variantInternalId"]) for record in records]
    return found


def questions(
    chance: random.Random, known: Sequence[Question], ids: Mapping[str, Sequence[str]], number: int
) -> list[Ask]:
    """Make ``number`` different requests of all kinds."""
    kinds = {kind: iter(make) for kind, make in (
        ("known", about_known(chance, known)), ("record", about_records(chance, ids)),
        ("list", about_lists(chance)), ("document", iter(DOCUMENTS)), ("bad", iter(BAD)),
    )}  # fmt: skip
    found: dict[Ask, None] = {}
    while len(found) < number:
        kind = chance.choices(("known", "record", "list", "document", "bad"), (50, 30, 12, 4, 4))[0]
        if (ask := next(kinds[kind], None)) is not None:
            found[ask] = None
    return list(found)


DOCUMENTS = [
    Ask("GET", path)
    for path in (
        "/filtering_terms", "/individuals/filtering_terms", "/g_variants/filtering_terms", "/info", "/map",
        "/entry_types", "/configuration", "/service-info", "/datasets/site-c/filtering_terms",
        f"/datasets/{HIDDEN}/filtering_terms", "/cohorts/site-a-cases/filtering_terms",
    )
]  # fmt: skip
BAD = [
    Ask("GET", "/individuals", (("filters", "HP:9999999"),)),
    Ask("GET", "/individuals", (("limit", "-1"),)),
    Ask("GET", "/individuals", (("colour", "red"),)),
    Ask("GET", "/g_variants", (("start", "1"),)),
    Ask("GET", "/nothing/here"),
    Ask("GET", "/individuals/nobody-of-this-name"),
    Ask("GET", "/individuals", (("datasets", HIDDEN),)),
    Ask("GET", "/individuals", (("datasets", "nowhere"),)),
    Ask("POST", "/individuals", sent=b"{"),
    Ask("POST", "/biosamples", sent=b'{"query": {"filters": "x"}}'),
    Ask("PUT", "/individuals", sent=b"{}"),
]


def how(chance: random.Random) -> dict[str, Any]:
    """Choose granularity, result sets and page."""
    return {
        "requestedGranularity": chance.choice(("boolean", "count", "record", "record")),
        "includeResultsetResponses": chance.choice(("ALL", "ALL", "HIT", "HIT", "MISS", "NONE")),
        "pagination": {"skip": chance.choice((0, 0, 0, 1, 3)), "limit": chance.choice((1, 5, 10, 25))},
    }


def ask(path: str, query: Mapping[str, Any], *, post: bool, question: Question | None = None) -> Ask:
    """Make a request of a query, by GET where that can say it."""
    kept = {
        "granularity": Granularity.parse(query["requestedGranularity"]),
        "include": query["includeResultsetResponses"],
        "question": question,
    }
    params = None if post else as_parameters(query)
    if params is None:
        return Ask("POST", path, sent=orjson.dumps(body(query)), **kept)
    return Ask("GET", path, params, **kept)


def as_parameters(query: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """Return the GET parameters of a query; None where it has something that only a body can say."""
    filters = query.get("filters", ())
    if any(set(one) - {"id", "operator", "value"} for one in filters):
        return None
    params = {name: str(query[name]) for name in ("requestedGranularity", "includeResultsetResponses")}
    params |= {name: str(value) for name, value in query["pagination"].items()}
    if filters:
        params["filters"] = ",".join(f"{one['id']}{one.get('operator', '')}{one.get('value', '')}" for one in filters)
    for name, value in query.get("requestParameters", {}).get("g_variant", {}).items():
        params[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return tuple(params.items())


def about_known(chance: random.Random, known: Sequence[Question]) -> Iterator[Ask]:
    """Questions whose true answers are known."""
    while True:
        question = chance.choice(known)
        query = {"filters": list(question.filters), "requestParameters": dict(question.parameters), **how(chance)}
        yield ask(f"/{question.path}", query, post=chance.random() < 0.5, question=question)


def about_records(chance: random.Random, ids: Mapping[str, Sequence[str]]) -> Iterator[Ask]:
    """One record, or what belongs to it."""
    while True:
        row = chance.choice(list(ENTRY_TYPES.values()))
        path = f"/{row.path}/{chance.choice(ids[row.path])}"
        if chance.random() < 0.7:
            path += f"/{ENTRY_TYPES[chance.choice(row.crosses)].path}"
        yield ask(path, how(chance), post=chance.random() < 0.5)


def about_lists(chance: random.Random) -> Iterator[Ask]:
    """Everything of a kind, of all datasets or of some."""
    while True:
        row = chance.choice(list(ENTRY_TYPES.values()))
        query = how(chance)
        if chance.random() < 0.3:
            some = chance.sample(list(RULES), 2)
            query["requestParameters"] = {"datasets": {"datasetIds": some}}
        yield ask(f"/{row.path}", query, post=True)


def check_due(ask: Ask, person: str, given: Answer) -> None:
    """Check that an answer is no finer than this person's due, and true as far as the truth is known."""
    due = {name: rule.due[PEOPLE[person]] for name, rule in RULES.items()}
    answer = orjson.loads(given.raw)
    place = (ask, person, given.raw[:2000])
    asked = " ".join((ask.path, str(ask.params), ask.sent.decode()))
    named = set(re.findall(r"SYN-[A-D]-\w+", given.raw.decode())) - set(re.findall(r"SYN-[A-D]-\w+", asked))
    shown = {name for name, letter in LETTERS.items() if any(one.startswith(f"SYN-{letter}-") for one in named)}
    assert all(due[name] is RECORD for name in shown) and (ask.granularity is RECORD or not named), place
    if official.shared_dir() is not None and ("error" in answer or "responseSummary" in answer):
        assert official.check_answer(answer, ask.entry_type) == [], place
    if "error" in answer:
        # A network says 502 where nobody said yes, and somebody may not say no.
        assert given.status < 500 or answer["error"]["skerryCode"] == "network_inconclusive", place
        assert set(answer) <= {"meta", "error", "info"}, place
        return
    assert given.status == 200, place
    if "responseSummary" not in answer:
        return
    finest = min(ask.granularity, max(due.values()))
    assert Granularity.parse(answer["meta"]["returnedGranularity"]) <= finest, place
    assert finest >= COUNT or "numTotalResults" not in answer["responseSummary"], place
    response = answer.get("response", {})
    for record in response.get("collections", ()):
        assert due[record["id"].removesuffix("-cases")] is ask.granularity is RECORD, place
    for one in response.get("resultSets", ()):
        check_set(ask, person, one, min(ask.granularity, due[one["id"]]), place)


def check_set(ask: Ask, person: str, one: Mapping[str, Any], depth: Granularity, place: object) -> None:
    """Check one result set, of which ``depth`` may be told."""
    assert depth > NONE, place
    assert Granularity.parse(one["info"]["returnedGranularity"]) <= depth, place
    assert depth is RECORD or "results" not in one, place
    assert depth >= COUNT or "resultsCount" not in one, place
    protected = RULES[one["id"]].protects_from(person)
    withheld = one["info"].get("withheld", False)
    assert protected or not withheld, place
    assert not withheld or (one["exists"] is False and one.get("resultsCount", 0) == 0), place
    count = ask.question.sites.get(one["id"]) if ask.question else None
    if count is None:
        return
    if protected and ask.entry_type == "individual":
        assert withheld is (count < THRESHOLD), place
    if not withheld:
        assert one["exists"] is (count > 0), place
        assert one.get("resultsCount", count) == count, place
