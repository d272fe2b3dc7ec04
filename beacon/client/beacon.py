"""Asking a Beacon v2 server: the same few verbs for one site and for a network.

The token goes to the address it is meant for and nowhere else: only over TLS or to this machine, and no redirect is
followed. An answer is read up to a limit of bytes, and until a deadline.
"""

from __future__ import annotations

import re
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from beacon import __version__
from beacon.client import answers
from beacon.client.answers import Answer, Arrival, Found, NoAnswer, Planned, Term
from beacon.errors import ConfigurationError

Filter = str | Mapping[str, Any]
PAGE: Final = 100
_TRIES: Final = 3
"""So often a page is asked for of which nothing comes, while members of a network have more."""
_API: Final = "v2.0"
_LINES: Final = "application/x-ndjson"
_COMPARISON: Final = re.compile(r"(?P<id>.+?):?(?P<operator>>=|<=|=|<|>|!)(?P<value>.+)")
_HERE: Final = ("127.0.0.1", "::1", "localhost")


class Asked(TypedDict, total=False):
    """What a question asks for, beside its path.

    ``filters``: as text (``HP:0001250``, ``ageOfOnset<P1Y``) or as objects of the standard; all must hold.
    ``variant``: parameters of ``g_variants`` by the standard's names (``{"geneId": "SATB2"}``). ``datasets``: ids.
    ``purpose``: terms of DUO and MONDO that say what the answer is for, which a Skerry site matches with what people
    agreed to; the standard has no place for it, so it is sent only where it is given.
    """

    filters: Iterable[Filter]
    variant: Mapping[str, Any]
    datasets: Iterable[str]
    purpose: Iterable[str]


class Beacon:
    """One Beacon v2 server; an asynchronous context manager.

    ``url`` is the root of its API (often ends in ``/api``). ``token`` is sent as bearer token. Paths are those of the
    standard, percent-encoded: ``individuals``, ``g_variants``, ``individuals/P1/biosamples``. Every verb raises
    ``NoAnswer`` where there is no answer: a refusal, no connection, or something that is no Beacon answer.
    """

    def __init__(
        self, url: str, *, token: str | None = None, seconds: float = 60.0, max_bytes: int = 100_000_000
    ) -> None:
        """Wait at most ``seconds`` for each answer and read at most ``max_bytes`` of it.

        Raises ``ConfigurationError`` for an address that is none, or to which a token must not be sent.
        """
        self.url = url.rstrip("/")
        try:
            address = URL(self.url)
        except ValueError:
            address = URL()
        if address.scheme not in ("http", "https") or not address.host or address.user or address.query_string:
            raise ConfigurationError(
                f"{self.url} is not the address of a Beacon, such as https://beacon.example.org/api."
            )
        if token and address.scheme != "https" and address.host not in _HERE:
            raise ConfigurationError(f"The token would travel readably to {self.url}; give an address with https.")
        self._token = token
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            headers={"User-Agent": f"Skerry/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def exists(self, path: str = "individuals", **asked: Unpack[Asked]) -> Answer:
        """Ask whether there is anything."""
        return await self._ask(path, "boolean", asked)

    async def count(self, path: str = "individuals", **asked: Unpack[Asked]) -> Answer:
        """Ask how many there are; the answer says less where no number is released."""
        return await self._ask(path, "count", asked)

    async def records(
        self, path: str = "individuals", *, most: int | None = None, page: int = PAGE, **asked: Unpack[Asked]
    ) -> AsyncGenerator[Found]:
        """Yield all records, or the first ``most``, page by page.

        Nothing comes of a beacon that releases no records; ``count`` says what it does release. Raises ``NoAnswer``
        after the last one where members of a network did not give all of theirs, though asked again.
        """
        number = 0
        answer: Answer | None = None
        read = _Read()
        async for answer in self.pages(path, page=page, **asked):
            read.add(answer)
            for found in answer.found:
                if number == most:
                    return
                number += 1
                yield found
            if number == most:
                return
        if answer is not None and (answer.next_page or read.lacks(answer)):
            message = f"Not all records of {self.url} could be had: not every member gave all of its own; ask again."
            raise NoAnswer(message, outcomes=answer.outcomes)

    async def pages(
        self, path: str = "individuals", *, page: int = PAGE, **asked: Unpack[Asked]
    ) -> AsyncGenerator[Answer]:
        """Yield answers with up to ``page`` records of each result set, until there are no more.

        The beacon's page tokens are used where it has them, else ``skip``. That counts pages (Beacon v2), in some
        beacons records; which, is seen from the second page. A member of a network that fails keeps its place, and is
        asked again a few times; the last answer has a ``next_page`` where that was in vain.
        """
        held = asked.copy()  # each page asks the same, also where filters came from an iterator
        held["filters"], held["datasets"] = list(asked.get("filters", ())), list(asked.get("datasets", ()))
        held["purpose"] = list(asked.get("purpose", ()))
        answer = await self._ask(path, "record", held, {"skip": 0, "limit": page})
        turn, step, seen, empty = 0, 1, 0, 0
        while True:
            these = {_key(found) for found in answer.found}
            if these or turn == 0 or answer.outcomes:
                yield answer
            turn, seen, empty = turn + 1, seen + len(these), 0 if these else empty + 1
            if answer.next_page:
                following = None if empty > _TRIES else await self._onward(path, held, answer)
                if following is None:
                    return
                answer = following
                continue
            if not these or answer.next_page == "" or _complete(answer, turn, seen, page):
                return
            following = await self._ask(path, "record", held, {"skip": turn * step, "limit": page})
            if turn == 1 and (again := len(these & {_key(found) for found in following.found})):
                widths = [len(one.records) for one in answer.sets]
                if again >= sum(widths) - len(widths):  # each set begins one record later, instead of one page
                    step = max(widths)
                    following = await self._ask(path, "record", held, {"skip": step, "limit": page})
                if these & {_key(found) for found in following.found}:
                    raise NoAnswer(f"{self.url} gives the same records on different pages; only the first can be read.")
            answer = following

    async def _onward(self, path: str, asked: Asked, answer: Answer) -> Answer | None:
        """Return the page after an answer's; None where only members that fail again and again are left."""
        for _ in range(_TRIES):
            try:
                return await self._ask(path, "record", asked, {"nextPage": answer.next_page})
            except NoAnswer as problem:
                if not problem.outcomes:
                    raise
        return None

    async def terms(self, *, purpose: Iterable[str] = ()) -> tuple[Term, ...]:
        """List the terms that filters can be made of; more of them, maybe, for this ``purpose`` (see ``Asked``)."""
        declared = _listed(purpose)
        path = f"filtering_terms?limit=0&purpose={declared}" if declared else "filtering_terms?limit=0"
        return answers.terms(await self._send("GET", path))

    async def info(self) -> Mapping[str, Any]:
        """Return what the beacon says of itself (``response`` of ``/info``)."""
        response = (await self._send("GET", "info")).get("response")
        if not isinstance(response, dict):
            raise NoAnswer(f"{self.url} does not introduce itself as a Beacon v2 server does.")
        return response

    async def stream(
        self, path: str = "individuals", granularity: str = "count", *, page: int = 10, **asked: Unpack[Asked]
    ) -> AsyncGenerator[Arrival | Answer]:
        """Yield what each member of a network says as soon as it says it, and last the joined answer.

        A site, and a network that cannot do this, give the answer alone. Raises ``NoAnswer`` after the last
        member where the network has no answer.
        """
        body = _body(granularity, asked, {"skip": 0, "limit": page})
        sets: list[Any] = []
        collections: list[Any] = []
        async with self._opened("POST", _place(path), body, accept=f"{_LINES}, application/json;q=0.5") as response:
            if response.status != 200 or response.content_type != _LINES:
                yield answers.answer(await self._answered(response))
                return
            async for line in self._lines(response):
                event = answers.decoded(line, self.url)
                if event.get("event") == "member":
                    arrival = answers.arrival(event)
                    sets += event.get("resultSets", ())
                    collections += event.get("collections", ())
                    yield arrival
                elif event.get("event") == "end":
                    if event.get("status") != 200:
                        raise answers.refusal(event, int(event.get("status") or 0), self.url)
                    yield answers.answer({**event, "response": {"resultSets": sets, "collections": collections}})
                    return
        raise NoAnswer(f"{self.url} ended its answer before it was whole.")

    async def explain(
        self, path: str = "individuals", granularity: str = "count", **asked: Unpack[Asked]
    ) -> tuple[Planned, ...]:
        """Say what a network would ask each member, in which words, or why not; nobody is asked the question.

        Raises ``NoAnswer`` with status 404 where it cannot say that, as a site cannot.
        """
        body = _body(granularity, asked, {"skip": 0, "limit": 10})
        return answers.plan(await self._send("POST", f"explain/{_place(path)}", body))

    async def _ask(
        self, path: str, granularity: str, asked: Asked, pagination: Mapping[str, Any] | None = None
    ) -> Answer:
        body = _body(granularity, asked, pagination or {"skip": 0, "limit": 1})
        try:
            answer = await self._send("POST", _place(path), body)
        except NoAnswer as problem:
            if problem.status not in (405, 501):
                raise
            answer = await self._send("GET", f"{_place(path)}?{_parameters(body['query'])}")  # some know GET alone
        return answers.answer(answer)

    async def _send(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        async with self._opened(method, path, body) as response:
            return await self._answered(response)

    async def _answered(self, response: aiohttp.ClientResponse) -> Mapping[str, Any]:
        """Read the JSON of an answer. Raises ``NoAnswer`` for a refusal."""
        content = b"".join([chunk async for chunk in self._read(response)])
        if 300 <= response.status < 400:
            target = answers.plain(response.headers.get("Location", "nowhere"))
            raise NoAnswer(f"{self.url} redirects to {target}; ask there, if you trust it.", status=response.status)
        try:
            body = answers.decoded(content, self.url)
        except NoAnswer:
            if response.status == 200:
                raise
            body = {}
        if response.status != 200 or body.get("error") is not None:
            raise answers.refusal(body, response.status, self.url)
        return body

    async def _read(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        left = self._max_bytes
        async for chunk in response.content.iter_any():
            left -= len(chunk)
            if left < 0:
                raise NoAnswer(f"{self.url} sent more than {self._max_bytes:,} bytes; ask for less.")
            yield chunk

    async def _lines(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
        parts: list[bytes] = []  # of the line that has begun; joined once, however long it is
        async for chunk in self._read(response):
            first, *more = chunk.split(b"\n")
            parts.append(first)
            for begun in more:
                yield b"".join(parts)
                parts = [begun]

    @asynccontextmanager
    async def _opened(
        self, method: str, path: str, body: object = None, *, accept: str = "application/json"
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send one request and give its answer to be read, all within the time that there is."""
        if self._session is None:
            raise RuntimeError("a Beacon is asked within 'async with Beacon(...) as beacon:'")
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        address = URL(f"{self.url}/{path}", encoded=True)
        try:
            async with self._session.request(
                method, address, json=body, headers=headers, allow_redirects=False
            ) as response:
                yield response
        except TimeoutError:
            raise NoAnswer(f"{self.url} did not answer within {self._seconds:g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"{self.url} {_trouble(error)}.") from None


def _trouble(error: Exception) -> str:
    """Say what went wrong on the way; the longer sentences of the library name more than people need."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "cannot be found: there is no such name"
        case aiohttp.ClientConnectorCertificateError():
            return f"cannot be trusted: {answers.plain(str(error.certificate_error))}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "does not speak TLS as it should"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {error.os_error.strerror or 'no connection'}"
        case aiohttp.ClientResponseError():
            return "does not speak HTTP as it should"
        case _:
            return "broke off its answer"


def filter_of(text: str) -> dict[str, Any]:
    """Return a filter as the standard's object: ``HP:0001250``, or a comparison such as ``ageOfOnset<P1Y``."""
    compared = _COMPARISON.fullmatch(text)
    return dict(compared.groupdict()) if compared else {"id": text}


def _place(path: str) -> str:
    return quote(path.strip("/"), safe="/%:,")


def _body(granularity: str, asked: Asked, pagination: Mapping[str, Any]) -> dict[str, Any]:
    """Return the POST body of a question (Beacon v2 ``beaconRequestBody``)."""
    parameters: dict[str, Any] = {}
    if variant := asked.get("variant"):
        parameters["g_variant"] = dict(variant)
    if datasets := list(asked.get("datasets", ())):
        parameters["datasets"] = {"datasetIds": datasets}
    return {
        "meta": {"apiVersion": _API},
        "query": {
            "requestedGranularity": granularity,
            "includeResultsetResponses": "HIT" if granularity == "record" else "ALL",
            "pagination": dict(pagination),
            "filters": [filter_of(one) if isinstance(one, str) else dict(one) for one in asked.get("filters", ())],
            "requestParameters": parameters,
            **({"purpose": purpose} if (purpose := list(asked.get("purpose", ()))) else {}),
        },
    }


def _parameters(query: Mapping[str, Any]) -> str:
    """Return a question as parameters of a GET (Beacon v2: lists are joined by commas)."""
    parameters = query["requestParameters"]
    given: dict[str, Any] = {
        "requestedGranularity": query["requestedGranularity"],
        "includeResultsetResponses": query["includeResultsetResponses"],
        **query["pagination"],
        **parameters.get("g_variant", {}),
    }
    if query["filters"]:
        given["filters"] = [
            f"{one['id']}:{one['operator']}{one['value']}" if "operator" in one else one["id"]
            for one in query["filters"]
        ]
    if "datasets" in parameters:
        given["datasets"] = parameters["datasets"]["datasetIds"]
    if "purpose" in query:
        given["purpose"] = query["purpose"]
    return "&".join(f"{name}={_listed(value if isinstance(value, list) else [value])}" for name, value in given.items())


def _listed(values: Iterable[object]) -> str:
    return quote(",".join(map(str, values)), safe=":,")


class _Read:
    """What was read of each result set, and how many records it was said to have."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], int] = {}
        self._read: Counter[tuple[str, str]] = Counter()
        self._answered: set[str] = set()

    def add(self, answer: Answer) -> None:
        """Add a page."""
        self._answered |= {one.peer for one in answer.outcomes if one.outcome in answers.ANSWERED}
        for one in answer.sets:
            place = one.beacon, one.id
            self._read[place] += len(one.records)
            if self._read[place]:  # of others only numbers are released
                self._counted[place] = max(self._counted.get(place, 0), one.count or 0)

    def lacks(self, last: Answer) -> bool:
        """Say whether a member that failed on the last page has records that were never read."""
        failed = {one.peer for one in last.outcomes if one.outcome in answers.FAILED}
        short = {beacon for (beacon, id), count in self._counted.items() if self._read[beacon, id] < count}
        return any(peer not in self._answered or peer in short for peer in failed)


def _complete(answer: Answer, turn: int, seen: int, page: int) -> bool:
    """Say whether all is read that was counted: in all, or in each set that gives records, none with a full page."""
    if answer.total is not None and answer.total.exact and seen >= answer.total.low:
        return True
    given = [one for one in answer.sets if one.records]
    return bool(answer.outcomes) and all(
        len(one.records) < page and one.count == (turn - 1) * page + len(one.records) for one in given
    )


def _key(found: Found) -> tuple[str, str, bytes]:
    return found.beacon, found.dataset, orjson.dumps(found.record, option=orjson.OPT_SORT_KEYS)
