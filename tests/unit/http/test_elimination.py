"""A dataset that somebody may not know of cannot be found out: all that they get is what they get without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from beacon.auth.policy import decide_one
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level, Person, Principal
from beacon.store.admin import Admin
from tests.unit.http.conftest import RARE, SEIZURE, Client, fill, site

DATABASE = "test_elimination"
ASKERS = (None, "rosa", "tomas")
KINDS = ("individuals", "biosamples", "g_variants", "runs", "analyses", "datasets", "cohorts")
QUESTIONS = (
    "/info", "/map", "/entry_types", "/configuration", "/filtering_terms", "/individuals/filtering_terms",
    *(f"/{kind}?requestedGranularity={granularity}&includeResultsetResponses=ALL"
      for kind in KINDS for granularity in ("boolean", "count", "record")),
    f"/individuals?filters={SEIZURE}&requestedGranularity=count&includeResultsetResponses=MISS",
    f"/individuals?filters={RARE}&requestedGranularity=count", "/individuals?filters=ZZ:0000001",
    "/individuals?datasetIds=secret", "/individuals?datasetIds=secret,open&requestedGranularity=count",
    "/datasets/secret", "/datasets/secret/individuals", "/datasets/secret/filtering_terms", "/cohorts/secret-cohort",
    "/individuals/secret-00", "/individuals/secret-00/biosamples", "/individuals/secret-00/filtering_terms",
    "/biosamples/secret-00-s", "/runs/secret-00-r", "/analyses/secret-00-a?requestedGranularity=record",
    "/g_variants?geneId=SATB2&requestedGranularity=record", "/g_variants/GRCh38-2-199300000-G-A",
)  # fmt: skip
"""Asked of both: every kind, depth and scope, and the secret one by every name that it and its records have."""

ceilings = st.dictionaries(st.sampled_from(Asker), st.sampled_from(Granularity))
listed = st.frozensets(st.sampled_from(("rosa", "tomas")))


@st.composite
def policies(draw: st.DrawFn) -> Any:
    """A policy, once it is known who issues the tokens."""
    level, most, threshold = draw(st.sampled_from(Level)), draw(ceilings), draw(st.integers(0, 11))
    registered, granted, refused = (
        draw(listed),
        draw(listed),
        draw(st.frozensets(st.sampled_from(ASKERS[1:]), max_size=1)),
    )

    def made(issuer: str) -> DatasetPolicy:
        people = (frozenset(Person(issuer, name) for name in names) for names in (registered, granted, refused))
        first, second, third = people
        return DatasetPolicy(level, most, first, second, threshold, refused=third)

    return made


@pytest.fixture(scope="module")
def others(mongo_uri: str) -> Iterator[str]:
    """The database with the two datasets that are always there."""
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(DATABASE)
        with Admin.open(mongo_uri, DATABASE) as admin:
            for dataset, people in (("open", 12), ("asked", 7)):
                admin.create_dataset(dataset, policy=DatasetPolicy())
                fill(admin, dataset, people)
        yield DATABASE
        client.drop_database(DATABASE)


async def everything(client: Client, who: str | None) -> list[tuple[int, bytes, dict[str, str]]]:
    """All answers to one asker, apart from ids and times."""
    asker = client if who is None else client.as_person(who)
    found = []
    for question in QUESTIONS:
        async with asker.session.get(f"{asker.root}/api{question}", headers=asker.headers) as response:
            body = await response.read()
            headers = {name.lower(): value for name, value in response.headers.items()}
            del headers["date"], headers["x-request-id"]
            assert response.status < 500, question
            found.append((response.status, body, headers))
    return found


async def with_and_without(uri: str, database: str, made: dict[str, Any]) -> None:
    async with site(uri, database) as client:
        issuer = client.issuer.url
        chosen = {name: make(issuer) for name, make in made.items()}
        blind = [
            who
            for who in ASKERS
            if not decide_one("secret", chosen["secret"], Principal(Person(issuer, who) if who else None)).granularity
        ]
        with Admin.open(uri, database) as admin:
            for name in ("open", "asked"):
                admin.set_policy(name, chosen[name])
            without = {who: await everything(client, who) for who in blind}
            admin.create_dataset("secret", policy=chosen["secret"])
            fill(admin, "secret", 6)
            try:
                for who in blind:
                    there = await everything(client, who)
                    for question, before, after in zip(QUESTIONS, without[who], there, strict=True):
                        assert before == after, (who, question)
            finally:
                admin.delete_dataset("secret")


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example loads data: what fails is shown as it is
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.fixed_dictionaries({"open": policies(), "asked": policies(), "secret": policies()}))
def test_whoever_may_not_know_of_a_dataset_gets_what_they_get_without_it(
    mongo_uri: str, others: str, made: dict[str, Any]
) -> None:
    asyncio.run(with_and_without(mongo_uri, others, made))
