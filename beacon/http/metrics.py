"""The counted numbers for monitoring, in the Prometheus text format, served on an address of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from aiohttp import web
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from beacon import __version__
from beacon.http.meter import GAUGES, METHODS, SECONDS, STATES, STATUSES, TEMPLATES, TIMES, Board, labels
from beacon.http.middleware import HEADERS


class _Collector:
    """What the table says, as families of metrics."""

    def __init__(self, board: Board, templates: Iterable[str]) -> None:
        self._board = board
        self._labels = labels(templates)

    def collect(self) -> Iterator[Metric]:
        cells = self._board.sums()
        gauges = dict(zip(GAUGES, cells, strict=False))
        yield _gauge("skerry_start_time_seconds", "When the server was started, in seconds since 1970.",
                     self._board.began)  # fmt: skip
        info = GaugeMetricFamily("skerry_build_info", "The version that runs.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        yield _gauge("skerry_workers", "Processes that answer.", self._board.alive or self._board.workers)
        yield CounterMetricFamily("skerry_worker_starts", "Starts of workers, the first ones too.", gauges["starts"])
        yield _gauge("skerry_connections", "Open connections.", gauges["connections"])
        yield _gauge("skerry_requests_in_flight", "Requests under way.", gauges["in_flight"])
        yield _gauge("skerry_database_operations_running", "Operations that the database has.", gauges["running"])
        yield _gauge("skerry_database_operations_waiting", "Operations that wait for their turn.", gauges["waiting"])
        yield from self._requests(cells[len(GAUGES) :].reshape(TEMPLATES, STATES + TIMES))

    def _requests(self, table: NDArray[np.float64]) -> Iterator[Metric]:
        requests = CounterMetricFamily("skerry_requests", "Requests answered.", labels=["route", "method", "status"])
        seconds = HistogramMetricFamily("skerry_request_seconds", "From request to answer.", labels=["route"])
        for place, label in enumerate(self._labels):
            row = table[place]
            for state in np.flatnonzero(row[:STATES]):
                method, status = divmod(int(state), len(STATUSES))
                requests.add_metric([label, METHODS[method], STATUSES[status]], row[state])
            counts = np.cumsum(row[STATES:-1])
            if counts[-1]:
                limits = (*map(str, SECONDS), "+Inf")
                seconds.add_metric([label], list(zip(limits, counts.tolist(), strict=True)), row[-1])
        yield requests
        yield seconds


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value)


def render(board: Board, templates: Iterable[str]) -> bytes:
    """Return all numbers in the Prometheus text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(board, templates))
    return generate_latest(registry)


def create_metrics(board: Board, templates: tuple[str, ...]) -> web.Application:
    """Make the server of ``/metrics``, whose routes are none of the Beacon's."""

    async def metrics(_request: web.Request) -> web.StreamResponse:
        headers = {**HEADERS, "Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=render(board, templates), headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app
