"""The numbers for monitoring: true, understood by Prometheus, served apart, and without a word of anybody's data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from beacon.app import Shared, running
from beacon.errors import ConfigurationError
from beacon.http.meter import METHODS, SECONDS, STATUSES, Board, Meter
from beacon.http.metrics import render
from beacon.settings import Listen, Metrics, SiteSettings

ROUTES = ("/api/individuals", "/api/individuals/{id}", "/api/info")


def read(board: Board, templates: tuple[str, ...] = ROUTES) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    return parsed(render(board, templates).decode())


def parsed(text: str) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([*ROUTES, "", "/somebody/else"]),
        st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "DELETE", "BREW"]),
        st.sampled_from([200, 204, 400, 401, 404, 418, 429, 499, 500, 599]),
        st.floats(0, 100),
    ),
    max_size=40,
)


@given(REQUESTS, st.integers(1, 3))
def test_every_request_is_counted_once_whichever_worker_answered(requests: list[Any], workers: int) -> None:
    board = Board(workers)
    meters = [Meter(board, worker) for worker in range(workers)]
    for meter in meters:
        meter.know(ROUTES)
    for number, (route, method, status, seconds) in enumerate(requests):
        meters[number % workers].begin()
        meters[number % workers].end(route, method, status, seconds)
    found = read(board)
    assert sum(value for _, value in found.get("skerry_requests_total", [])) == len(requests)
    for labels, value in found.get("skerry_requests_total", []):
        assert value == sum(
            (route if route in ROUTES else "", method if method in METHODS else "other",
             str(status) if str(status) in STATUSES else "other")
            == (labels["route"], labels["method"], labels["status"])
            for route, method, status, _ in requests
        )  # fmt: skip
    for labels, value in found.get("skerry_request_seconds_bucket", []):
        times = [seconds for route, _, _, seconds in requests if (route if route in ROUTES else "") == labels["route"]]
        assert value == sum(seconds <= float(labels["le"]) for seconds in times)
    total = sum(value for _, value in found.get("skerry_request_seconds_sum", []))
    assert total == pytest.approx(sum(seconds for *_, seconds in requests))
    assert found["skerry_requests_in_flight"] == [({}, 0)]
    assert found["skerry_worker_starts_total"] == [({}, workers)]


def test_limits_of_time_are_those_of_the_text() -> None:
    board = Board()
    meter = Meter(board)
    meter.know(ROUTES)
    meter.begin()
    meter.end("/api/info", "GET", 200, 0.005)
    limits = [labels["le"] for labels, _ in read(board)["skerry_request_seconds_bucket"]]
    assert [float(limit) for limit in limits] == [*SECONDS, float("inf")]


def test_a_worker_in_the_place_of_a_killed_one_counts_on_and_forgets_what_was_under_way() -> None:
    board = Board()
    killed = Meter(board)
    killed.know(ROUTES)
    killed.begin()
    killed.end("/api/info", "GET", 200, 0.1)
    killed.begin()
    killed.connected(1)
    next_one = Meter(board)
    next_one.know(ROUTES)
    found = read(board)
    assert found["skerry_requests_in_flight"] == found["skerry_connections"] == [({}, 0)]
    assert found["skerry_requests_total"] == [({"route": "/api/info", "method": "GET", "status": "200"}, 1)]
    assert found["skerry_worker_starts_total"] == [({}, 2)]


def test_what_one_process_counts_another_one_tells() -> None:
    board = Board(2)
    pid = os.fork()
    if pid == 0:
        meter = Meter(board, 1)
        meter.know(ROUTES)
        meter.begin()
        meter.end("/api/info", "GET", 200, 0.1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert sum(value for _, value in read(board)["skerry_requests_total"]) == 1


def test_a_worker_knows_whether_another_has_fewer_connections() -> None:
    board = Board(2)
    one, other = Meter(board, 0), Meter(board, 1)
    assert [one.crowded, other.crowded] == [False, False]
    one.connected(1)
    assert [one.crowded, other.crowded] == [True, False]


def ask(settings: SiteSettings, database: str) -> SiteSettings:
    return replace(settings, listen=Listen(port=0), mongo=replace(settings.mongo, database=database))


async def test_numbers_are_served_on_an_address_of_their_own(mongo_uri: str, database_name: str) -> None:
    settings = ask(SiteSettings(id="test.site", metrics=Metrics(port=0)), database_name)
    with Shared.open(settings) as shared:
        assert shared.metrics is not None
        own = f"http://127.0.0.1:{shared.metrics.getsockname()[1]}"
        async with running(settings, mongo_uri, shared) as address, aiohttp.ClientSession() as session:
            for path in ("/individuals/somebody", "/nowhere", "/individuals?filters=HP:0001250"):
                async with session.get(address + path, headers={"Authorization": "Bearer secret"}) as response:
                    assert response.status == 401
            async with session.get(address + "/info", headers={"Expect": "miracles"}) as response:
                assert response.status == 417
            async with session.get(own + "/metrics") as response:
                assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                assert "Python" not in response.headers.get("Server", "")
                text = await response.text()
            async with session.get(address.removesuffix("/api") + "/metrics") as response:
                assert response.status == 404
            async with session.get(own + "/api/info") as response:
                assert (response.status, response.headers["Server"]) == (404, "skerry")
    found = parsed(text)
    routes = {labels["route"] for labels, _ in found["skerry_requests_total"]}
    assert routes == {"/api/individuals/{id}", "/api/individuals", ""}
    assert ({"route": "", "method": "GET", "status": "417"}, 1) in found["skerry_requests_total"]
    for word in ("somebody", "HP:", "secret", "127.0.0.1"):
        assert word not in text


async def test_numbers_are_served_nowhere_unless_told(mongo_uri: str, database_name: str) -> None:
    with Shared.open(ask(SiteSettings(), database_name)) as shared:
        assert shared.metrics is None


def test_an_address_that_is_taken_is_named() -> None:
    with Shared.open(SiteSettings(listen=Listen(port=0))) as shared:
        port = shared.listening.getsockname()[1]
        settings = SiteSettings(listen=Listen(port=0), metrics=Metrics(port=port))
        with pytest.raises(ConfigurationError, match=f"port {port}"), Shared.open(settings):
            pass
