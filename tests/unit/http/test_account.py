"""One audit line for each answer, before it leaves; no line, no answer."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

import beacon
from beacon.app import running
from beacon.audit.heads import signing_key
from beacon.audit.place import Place
from beacon.audit.search import about
from beacon.audit.verify import verify
from beacon.auth import assertion
from beacon.cli import main
from beacon.http.endpoints import endpoints
from beacon.login.wallet import Login, Wallet
from beacon.model.access import Person, Principal
from beacon.settings import Audit, Listen, Mongo, Rate, SiteSettings
from tests.integration.cohort import Identity
from tests.unit.http.conftest import SEIZURE, Client, site
from tests.unit.http.test_everywhere import filled as path_of
from tests.unit.http.test_server import post, wire
from tests.unit.test_settings import keys_of


def place_of(folder: Path) -> Place:
    return Place(folder, folder / "heads", folder / "key.pem")


def lines(folder: Path) -> list[dict[str, Any]]:
    files = [path.read_bytes() for _, _, path in place_of(folder).line_files()]
    found = [orjson.loads(line) for file in files for line in file.splitlines()]
    return sorted(found, key=lambda line: str(line["time"]))


@pytest.fixture
async def audited(mongo_uri: str, filled: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with site(mongo_uri, filled, audit=Audit(dir=tmp_path)) as client:
        yield client


async def test_a_line_says_who_asked_what_and_what_each_dataset_told(audited: Client, tmp_path: Path) -> None:
    rosa = audited.as_person("rosa")
    answer = await rosa.post(
        "/individuals", "individual", filters=[{"id": SEIZURE}], requestedGranularity="count",
        includeResultsetResponses="ALL",
    )  # fmt: skip
    (line,) = lines(tmp_path)
    assert line["request"] == answer.headers["X-Request-Id"]
    assert line["who"] == {"issuer": audited.issuer.url, "subject": "rosa"}
    assert abs((datetime.fromisoformat(line["time"]) - datetime.now(UTC)).total_seconds()) < 60
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/individuals", 200)
    assert (line["asked"], line["given"]) == ("count", "count")
    assert line["query"] == {
        "entry_type": "individual", "filters": [{"is": "OntologyFilter", "id": SEIZURE}], "granularity": "count",
        "include": "ALL",
    }  # fmt: skip
    told = {one["dataset"]: one for one in line["datasets"]}
    assert told["asked"] == {
        "dataset": "asked", "rule": "registered:registered=record by list", "given": "count", "exists": True, "count": 7
    }  # fmt: skip
    assert {name: (one["exists"], one["count"]) for name, one in told.items()} == {
        name: (one["exists"], one["resultsCount"]) for name, one in answer.sets.items()
    }
    assert "hidden" not in told


async def test_records_are_counted_and_never_written_down(audited: Client, tmp_path: Path) -> None:
    await audited.post("/individuals", "individual", requestedGranularity="record", pagination={"limit": 3})
    (line,) = lines(tmp_path)
    told = {one["dataset"]: one for one in line["datasets"]}
    assert (told["open"]["given"], told["open"]["count"], told["open"]["records"]) == ("record", 12, 3)
    assert told["counted"]["reasons"] == ["ceiling:stranger=count"]
    assert "open-00" not in orjson.dumps(line).decode()


async def test_what_a_threshold_withholds_is_withheld_from_the_audit_too(audited: Client, tmp_path: Path) -> None:
    await audited.as_person("rosa").get("/individuals", filters="OMIM:612313", requestedGranularity="count")
    told = {one["dataset"]: one for one in lines(tmp_path)[0]["datasets"]}
    assert (told["asked"]["withheld"], told["asked"]["exists"], told["asked"]["count"]) == (True, False, 0)


async def test_every_route_leaves_one_line_for_each_answer_with_its_datasets(audited: Client, tmp_path: Path) -> None:
    asked = 0
    for one in endpoints():
        for send in (audited.get, audited.post):
            assert (await send(path_of(one))).status == 200
            asked += 1
    found = lines(tmp_path)
    assert len(found) == asked
    assert all(line["datasets"] and line["path"].startswith("/api/") for line in found)
    assert all(("query" in line) is not line["path"].endswith("filtering_terms") for line in found)


async def test_refusals_and_errors_leave_a_line_too_and_no_token_does(audited: Client, tmp_path: Path) -> None:
    token = audited.issuer.token("rosa", "test", seconds=-100)
    cases: list[tuple[str, str, int, str, dict[str, Any]]] = [
        ("GET", "/api/individuals", 401, "unauthenticated", {"headers": {"Authorization": f"Bearer {token}"}}),
        ("GET", "/api/individuals", 401, "unauthenticated", {"headers": {"Authorization": "Bearer s3cret.t0k3n.x"}}),
        ("POST", "/api/individuals", 400, "bad_request", {"data": b'{"access_token": "s3cret.t0k3n.x"}'}),
        ("GET", "/api/individuals?access_token=s3cret.t0k3n.x", 400, "bad_request", {}),
        ("GET", "/api/individuals?filters=XYZ:1", 400, "unknown_filter", {}),
        ("GET", "/api/datasets/hidden/individuals", 401, "unauthenticated", {}),
        ("GET", "/api/nowhere", 404, "not_found", {}),
        ("DELETE", "/api/individuals", 405, "method_not_allowed", {}),
    ]
    for method, path, status, _, options in cases:
        assert (await audited.send(method, path, **options)).status == status
    found = lines(tmp_path)
    assert [(line["status"], line["error"]) for line in found] == [(status, code) for _, _, status, code, _ in cases]
    assert "who" not in found[0] and found[2]["who"] is None
    assert all(one["given"] == "none" for line in found for one in line.get("datasets", ()) if "given" in one)
    text = b"".join(path.read_bytes() for path in tmp_path.glob("*.jsonl"))
    assert token.encode() not in text and b"s3cret" not in text and token.split(".")[2].encode() not in text


async def test_health_is_no_answer_about_data(audited: Client, tmp_path: Path) -> None:
    await audited.send("GET", "/health/ready")
    assert lines(tmp_path) == []


async def test_what_never_becomes_a_request_leaves_a_line(mongo_uri: str, database_name: str, tmp_path: Path) -> None:
    settings = SiteSettings(listen=Listen(port=0), mongo=Mongo(database=database_name), audit=Audit(dir=tmp_path))
    async with running(settings, mongo_uri) as address, wire(address) as connection:
        await connection.send(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert (await connection.answer()).status == 400
        (line,) = lines(tmp_path)
        assert (line["status"], line["error"]) == (400, "bad_request")
    place = place_of(tmp_path)
    found = verify(place, signing_key(place.key).public_key())
    assert (found.faults, found.lines, found.uncovered) == ([], 1, 0)


async def test_nobody_can_have_lines_written_without_end(mongo_uri: str, filled: str, tmp_path: Path) -> None:
    rate = Rate(per_second=0.01, burst=2)
    for number, (sent, status) in enumerate(
        (
            (b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\n", 200),
            (b"GET /api/info HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n", 401),
            (b"OPTIONS /api/info HTTP/1.1\r\nHost: x\r\n\r\n", 204),
            (b"GET /api/info HTTP/1.1\r\nHost: x\r\nExpect: zzz\r\n\r\n", 417),
            (b"GARBAGE\r\n\r\n", 400),
        )
    ):
        folder = tmp_path / str(number)
        settings = SiteSettings(listen=Listen(port=0), mongo=Mongo(database=filled), audit=Audit(dir=folder), rate=rate)
        async with running(settings, mongo_uri) as address:
            for expected in (status, status, 429, 429, 429):
                async with wire(address) as connection:
                    await connection.send(sent)
                    answer = await connection.answer()
                    assert answer.status == expected
            assert int(answer.headers["retry-after"]) > 0
        assert [line["status"] for line in lines(folder)] == [status, status, 429]


async def test_the_line_of_a_refusal_for_asking_too_often_says_who_was_refused(
    mongo_uri: str, filled: str, tmp_path: Path
) -> None:
    rate = Rate(per_second=0.01, burst=1)
    async with site(mongo_uri, filled, audit=Audit(dir=tmp_path), rate=rate) as client:
        for asker in (client.as_person("rosa"), client):
            assert [(await asker.get("/info")).status for _ in range(3)] == [200, 429, 429]
        rosa = {"issuer": client.issuer.url, "subject": "rosa"}
    assert [(line["status"], line["who"]) for line in lines(tmp_path)] == [
        (200, rosa), (429, rosa), (200, None), (429, None),
    ]  # fmt: skip


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond a few bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_without_room_to_write_no_answer_leaves(mongo_uri: str, filled: str, tmp_path: Path) -> None:
    settings = SiteSettings(listen=Listen(port=0), mongo=Mongo(database=filled), audit=Audit(dir=tmp_path))
    async with site(mongo_uri, filled, audit=Audit(dir=tmp_path)) as client, running(settings, mongo_uri) as address:
        assert (await client.get("/individuals")).status == 200
        with no_room():
            for person in (client, client.as_person("tomas")):
                for path in ("/individuals", "/g_variants", "/datasets", "/filtering_terms", "/info", "/nowhere"):
                    answer = await person.get(path)
                    assert (answer.status, answer.body["error"]["skerryCode"]) == (503, "audit_unavailable")
                    assert answer.headers["Retry-After"] == "1"
                    assert set(answer.body) == {"meta", "error"}
            assert (await client.send("GET", "/health/live")).status == 200
            assert (await client.send("GET", "/health/ready")).status == 503
            async with wire(address) as connection:
                await connection.send(post(b"{}").replace(b"HTTP/1.1", b"HTTP/x"))
                assert (await connection.answer()).status == 503
        async with asyncio.timeout(20):  # a head that could not be written is tried again every second
            while (await client.get("/individuals")).status != 200:
                await asyncio.sleep(0.1)
        assert (await client.send("GET", "/health/ready")).status == 200
    assert [line["status"] for line in lines(tmp_path)] == [200, 200]
    place = place_of(tmp_path)
    assert verify(place, signing_key(place.key).public_key()).faults == []


def test_nothing_that_can_be_set_switches_the_audit_off() -> None:
    assert {one.name for one in fields(Audit)} == {"dir", "heads_dir", "key_file", "fsync_seconds", "retention_days"}
    assert keys_of(Audit) == {one.name for one in fields(Audit)}
    root = Path(beacon.__file__).parents[1]
    sources = [path for part in ("beacon", "network") for path in (root / part).rglob("*.py")]
    choosing = {path.name for path in sources if "keeping=" in path.read_text()}
    assert choosing == set(), "only code outside of the program may choose another journal"


async def test_people_see_their_own_lines_and_nobody_elses(mongo_uri: str, filled: str, tmp_path: Path) -> None:
    identity = Identity.make(tmp_path, "https://other.example")
    async with site(mongo_uri, filled, audit=Audit(dir=tmp_path / "audit"), nodes=(identity.node,)) as client:
        rosa, tomas = client.as_person("rosa"), client.as_person("tomas")
        for asker in (rosa, tomas, client, rosa):
            await asker.get("/individuals", requestedGranularity="boolean")
        mine = await rosa.send("GET", "/audit/mine")
        assert mine.status == 200
        shown = mine.body["response"]["lines"]
        assert [line["path"] for line in shown] == ["/api/individuals"] * 2
        assert {line["who"]["subject"] for line in shown} == {"rosa"}
        assert shown == sorted(shown, key=lambda line: str(line["time"]), reverse=True)
        assert (await rosa.send("GET", "/audit/mine?since=2999-01-01")).body["response"]["lines"] == []
        assert len((await rosa.send("GET", "/audit/mine?since=2020-01-01")).body["response"]["lines"]) == 4
        for wrong in ("since=yesterday", "since=2026-01-01&since=2026-01-02", "who=tomas"):
            assert (await rosa.send("GET", f"/audit/mine?{wrong}")).status == 400
        for no_day in ("2026-13-01", "2026-02-30", "2026-W05-6", "20260131", "2026-1-31", ""):
            assert (await rosa.send("GET", f"/audit/mine?since={no_day}")).status == 400
        assert (await client.send("GET", "/audit/mine")).status == 401
        many = await asyncio.gather(*(rosa.send("GET", "/audit/mine") for _ in range(8)))
        assert {answer.status for answer in many} <= {200, 503} and 200 in {answer.status for answer in many}
        key = assertion.signing_key(identity.key_file.read_bytes(), place="key")
        rosa_there = Principal(Person("https://other.example", "rosa"))
        request = assertion.request_digest("GET", "/audit/mine", b"")
        word = assertion.sign_assertion(key, identity.node.id, "test.site", rosa_there, request, time.time())
        through_a_node = await client.send("GET", "/audit/mine", headers={"Authorization": f"Bearer {word}"})
        assert (through_a_node.status, through_a_node.body["error"]["skerryCode"]) == (403, "forbidden")


async def test_a_person_who_is_logged_in_asks_and_sees_their_lines_by_command(
    audited: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    url = f"{audited.root}/api"
    token = audited.issuer.token("tomas", "test")
    Wallet().keep(url, Login(audited.issuer.url, "cli", "openid", "https://i.example/token", token))
    assert await asyncio.to_thread(main, ["query", "count", url, "individuals", "--dataset", "hidden"]) == 0
    assert "10" in capsys.readouterr().out
    assert (
        await asyncio.to_thread(main, ["query", "count", url, "individuals", "--dataset", "hidden", "--stranger"]) != 0
    )
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["audit", "mine", url]) == 0
    (row,) = capsys.readouterr().out.splitlines()
    assert row.endswith("hidden: 10 counted") and f"tomas of {audited.issuer.url}" in row
    assert await asyncio.to_thread(main, ["audit", "mine", url, "--since", "yesterday"]) == 2
    assert "since must be one day" in capsys.readouterr().err


async def test_custodians_see_who_asked_about_a_dataset_in_the_command(
    audited: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "site.toml"
    config.write_text(f'[audit]\ndir = "{tmp_path}"\n')
    rosa = audited.as_person("rosa")
    await rosa.get("/individuals", datasets="asked", requestedGranularity="count")
    await audited.get("/individuals", datasets="open", requestedGranularity="record")
    await audited.get("/individuals", datasets="hidden")
    capsys.readouterr()
    assert main(["audit", "who", "--dataset", "asked", "--config", str(config)]) == 0
    (row,) = capsys.readouterr().out.splitlines()
    _, who, what, depth, said = row.split("\t")
    assert who == f"rosa of {audited.issuer.url}"
    assert (what, depth, said) == ("individual", "count -> count", "14 counted")
    assert main(["audit", "who", "--dataset", "open", "--json", "--config", str(config)]) == 0
    (row,) = capsys.readouterr().out.splitlines()
    assert orjson.loads(row)["datasets"][0]["records"] == 10
    assert main(["audit", "who", "--dataset", "hidden", "--config", str(config)]) == 0
    assert capsys.readouterr().out.split("\t")[1:4] == ["a stranger", "individual", "record -> none"]
    assert list(about(place_of(tmp_path), "no-such")) == []
    assert main(["audit", "who", "--dataset", "open", "--since", "2026-02-30", "--config", str(config)]) == 2
    assert "--since must be a day" in capsys.readouterr().err


async def test_the_command_verifies_and_says_what_is_wrong(
    mongo_uri: str, filled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "audit"
    async with site(mongo_uri, filled, audit=Audit(dir=folder)) as client:
        await client.get("/individuals")
        await client.get("/info")
    config = tmp_path / "site.toml"
    config.write_text('[audit]\ndir = "audit"\n')
    key = tmp_path / "public.pem"
    assert main(["audit", "key", "--config", str(config)]) == 0
    key.write_text(capsys.readouterr().out)
    command = ["audit", "verify", "--config", str(config), "--public-key", str(key)]
    assert main(command) == 0
    sound = "Checked 2 lines of 1 chain and 2 heads; newer than the last head of their chain: 0 lines."
    assert sound in capsys.readouterr().out
    ((_, _, path),) = place_of(folder).line_files()
    path.write_bytes(path.read_bytes().replace(b'"given":"record"', b'"given":"nothin"'))
    assert main(command) == 1
    told = capsys.readouterr()
    assert f"{path}:1: line 1" in told.err and "Something is wrong." in told.out
    assert main(["audit", "prune", "--config", str(config)]) == 0
    assert "Removed 0 files" in capsys.readouterr().out
    assert main(["audit", "verify", "--data-dir", str(tmp_path / "nowhere")]) == 2
    assert "There is no audit in" in capsys.readouterr().err
