"""How often one asker may ask: nobody more than the limit, nobody less, and nobody on another one's account."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from beacon.app import running
from beacon.errors import TooOften
from beacon.http.proxies import client_address
from beacon.http.rate import Buckets, charge, network_of
from beacon.model.access import ANONYMOUS, Person, Principal
from beacon.settings import Audit, Issuer, Listen, Mongo, Node, Rate, SiteSettings
from network.issuer import DemonstrationIssuer
from tests.ports import free_port
from tests.unit.http.conftest import site
from tests.unit.http.test_account import lines
from tests.unit.http.test_server import wire

ROSA = Person("https://a.example", "rosa")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    per_second=st.sampled_from([0.5, 1.0, 7.0, 50.0]),
    burst=st.integers(1, 20),
)
def test_in_any_time_an_asker_gets_the_burst_and_the_rate_and_not_one_more(
    pauses: list[float], per_second: float, burst: int
) -> None:
    clock = Clock()
    buckets, rate = Buckets(clock=clock), Rate(per_second, burst)
    given_at: list[float] = []
    tokens, counted_at = float(burst), clock.now  # the same rule, told in the usual way
    for pause in pauses:
        clock.now += pause
        tokens, counted_at = min(burst, tokens + (clock.now - counted_at) * per_second), clock.now
        wait = buckets.take("one", rate)
        if tokens >= 1 + 1e-6:
            assert wait == 0
        elif tokens < 1 - 1e-6:
            assert wait == pytest.approx((1 - tokens) / per_second, abs=1e-6)
        if wait == 0:
            tokens -= 1
            given_at.append(clock.now)
    for first, begin in enumerate(given_at):
        for last, end in enumerate(given_at[first:], first):
            assert last - first + 1 <= burst + (end - begin) * per_second + 1e-6


def test_whoever_waits_as_long_as_told_is_answered() -> None:
    clock = Clock()
    buckets, rate = Buckets(clock=clock), Rate(per_second=3, burst=2)
    assert [buckets.take("one", rate) for _ in range(2)] == [0, 0]
    for _ in range(20):
        wait = buckets.take("one", rate)
        assert wait > 0
        clock.now += wait
        assert buckets.take("one", rate) == 0


def test_of_refusals_the_first_since_the_last_token_is_told_apart() -> None:
    clock = Clock()
    buckets, rate = Buckets(clock=clock), Rate(per_second=1, burst=1)

    def ask(times: int) -> list[bool]:
        repeated = []
        for _ in range(times):
            with pytest.raises(TooOften) as refused:
                charge(buckets, ANONYMOUS, "192.0.2.1", rate, ())
            repeated.append(refused.value.repeated)
        return repeated

    for _ in range(3):
        charge(buckets, ANONYMOUS, "192.0.2.1", rate, ())
        assert ask(3) == [False, True, True]
        clock.now += 1


def test_one_asker_does_not_use_up_what_is_anothers() -> None:
    buckets, rate = Buckets(clock=Clock()), Rate(per_second=1, burst=1)
    assert all(buckets.take(f"asker {number}", rate) == 0 for number in range(1000))
    assert all(buckets.take(f"asker {number}", rate) > 0 for number in range(1000))


def test_memory_is_bounded_and_whoever_is_forgotten_begins_anew() -> None:
    buckets, rate = Buckets(seats=64, clock=Clock()), Rate(per_second=1, burst=1)
    assert all(buckets.take(f"asker {number}", rate) == 0 for number in range(10_000))


def test_a_rate_of_nothing_is_no_limit() -> None:
    buckets = Buckets(clock=Clock())
    assert all(buckets.take("one", Rate(per_second=0, burst=1)) == 0 for _ in range(1000))


def test_a_node_has_a_bucket_of_its_own_and_cannot_empty_that_of_a_person() -> None:
    buckets, rate = Buckets(clock=Clock()), Rate(per_second=1, burst=2)
    node = Node(id="n", issuers=("https://a.example",), jwks={"keys": [{}]}, rate=Rate(per_second=1, burst=3))
    vouched = Principal(ROSA, node="n")

    def ask(principal: Principal) -> None:
        charge(buckets, principal, "192.0.2.1", rate, (node,))

    ask(vouched)
    ask(vouched)
    with pytest.raises(TooOften):  # rosa by way of the node
        ask(vouched)
    ask(Principal(ROSA))
    ask(ANONYMOUS)
    others = [Principal(Person(ROSA.issuer, name), node="n") for name in ("tomas", "ana")]
    ask(others[0])
    with pytest.raises(TooOften) as refused:  # the node has used up its three
        ask(others[1])
    assert refused.value.retry_seconds == 1
    ask(Principal(others[0].person))


@given(st.ip_addresses(v=6, network="2001:db8::/32"), st.integers(0, 2**64 - 1))
def test_all_addresses_of_one_ipv6_network_are_one_asker(address: object, host: int) -> None:
    network = ip_network((str(address), 64), strict=False)
    assert network_of(str(network[host])) == network_of(str(address)) == str(network)


def test_ipv4_addresses_are_told_apart_however_they_are_written() -> None:
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("192.0.2.2") != network_of("192.0.2.1")
    assert network_of("") == network_of("unknown") == network_of("_hidden") == ""


SLOW = Rate(per_second=0.01, burst=3)


async def test_asking_too_often_is_refused_with_the_time_to_wait(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, rate=SLOW) as client:
        for _ in range(3):
            assert (await client.get("/individuals")).status == 200
        answer = await client.get("/individuals")
        assert (answer.status, answer.body["error"]["skerryCode"]) == (429, "too_often")
        assert 90 <= int(answer.headers["Retry-After"]) <= 100
        assert answer.headers["Retry-After"] in answer.body["error"]["errorMessage"]


async def test_each_person_and_each_address_has_a_bucket_of_its_own(mongo_uri: str, filled: str) -> None:
    listen = Listen(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with site(mongo_uri, filled, rate=SLOW, listen=listen) as client:
        for asker in (client, client.as_person("rosa"), client.as_person("tomas")):
            assert [(await asker.get("/info")).status for _ in range(4)] == [200, 200, 200, 429]
        for forwarded in ("192.0.2.1", "192.0.2.2"):
            headers = {"X-Forwarded-For": forwarded}
            statuses = [(await client.send("GET", "/api/info", headers=headers)).status for _ in range(4)]
            assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize(
    "forwarded",
    [
        "192.0.2.1:{}", "[2001:db8::1]:{}", "[2001:db8::{}]", "2001:db8::{}%eth0", "no address {}", "a, 192.0.2.1:{}",
        "[::ffff:192.0.2.1]:{}",
    ],
)  # fmt: skip
async def test_an_asker_is_the_same_from_whichever_port_and_under_no_made_up_name(
    mongo_uri: str, filled: str, forwarded: str
) -> None:
    listen = Listen(trusted_proxies=(ip_network("127.0.0.0/8"),))
    async with site(mongo_uri, filled, rate=SLOW, listen=listen) as client:
        statuses = [
            (await client.send("GET", "/api/info", headers={"X-Forwarded-For": forwarded.format(number)})).status
            for number in range(4001, 4005)
        ]
    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize("remote", ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1:80"])
def test_a_trusted_proxy_is_believed_however_its_address_is_written(remote: str) -> None:
    listen = Listen(trusted_proxies=(ip_network("127.0.0.0/8"),))
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "192.0.2.7, 127.0.0.2:99"}).clone(
        remote=remote
    )
    assert client_address(request, listen) == "192.0.2.7"
    stranger = request.clone(remote="198.51.100.1")
    assert client_address(stranger, listen) == "198.51.100.1"


async def test_nobody_gets_another_bucket_by_forging_an_address(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, rate=SLOW) as client:
        statuses = [
            (await client.send("GET", "/api/info", headers={"X-Forwarded-For": f"192.0.2.{number}"})).status
            for number in range(4)
        ]
    assert statuses == [200, 200, 200, 429]


async def test_bad_tokens_count_against_the_address_that_sends_them(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, rate=SLOW) as client:
        headers = {"Authorization": "Bearer a.b.c"}
        statuses = [(await client.send("GET", "/api/info", headers=headers)).status for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert (await client.as_person("rosa").get("/info")).status == 200


async def test_tokens_whose_keys_are_out_of_reach_count_too(mongo_uri: str, filled: str) -> None:
    gone = DemonstrationIssuer(f"http://127.0.0.1:{free_port()}")
    issuers = (Issuer(gone.url, ("test",), jwks_uri=f"{gone.url}/jwks"),)
    async with site(mongo_uri, filled, rate=SLOW, issuers=issuers) as client:
        headers = {"Authorization": f"Bearer {gone.token('rosa', 'test')}"}
        statuses = [(await client.send("GET", "/api/info", headers=headers)).status for _ in range(4)]
    assert statuses == [503, 503, 503, 429]


async def test_health_is_never_refused_and_an_address_has_only_so_many_preflights(mongo_uri: str, filled: str) -> None:
    async with site(mongo_uri, filled, rate=SLOW) as client:
        preflights = [(await client.send("OPTIONS", "/api/individuals")).status for _ in range(4)]
        assert preflights == [204, 204, 204, 429]
        assert (await client.send("GET", "/health/ready")).status == 200
        assert (await client.as_person("rosa").get("/info")).status == 200


async def test_a_stranger_who_asks_too_often_does_not_cost_neighbours_their_preflights(
    mongo_uri: str, filled: str
) -> None:
    async with site(mongo_uri, filled, rate=SLOW) as client:
        assert [(await client.get("/info")).status for _ in range(4)] == [200, 200, 200, 429]
        assert (await client.send("OPTIONS", "/api/individuals")).status == 204
        assert (await client.as_person("rosa").get("/info")).status == 200


async def test_garbage_by_way_of_a_proxy_costs_nobody_else_there_an_answer(
    mongo_uri: str, filled: str, tmp_path: Path
) -> None:
    listen = Listen(port=0, trusted_proxies=(ip_network("127.0.0.0/8"),))
    settings = SiteSettings(listen=listen, mongo=Mongo(database=filled), audit=Audit(dir=tmp_path), rate=SLOW)
    too_long = b"GET /api/info?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = [(b"GARBAGE\r\n\r\n", 400)] * 7 + [(too_long, 414), (b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\n", 200)]
    async with running(settings, mongo_uri) as address:
        for data, status in sent:
            async with wire(address) as connection:
                await connection.send(data)
                assert (await connection.answer()).status == status
    assert [line["status"] for line in lines(tmp_path)] == [400] * 4 + [200], "the disk is not filled with them either"
