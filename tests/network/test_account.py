"""A network writes down what each member's answer came to, before it leaves; piece by piece too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from beacon.audit.place import Place
from beacon.settings import Audit
from network.zoo.answers import people
from network.zoo.behaviour import healthy, replying
from tests.network.conftest import Start
from tests.network.members import Group


def lines(folder: Path) -> list[dict[str, Any]]:
    place = Place(folder, folder / "heads", folder / "key.pem")
    files = [path.read_bytes() for _, _, path in place.line_files()]
    return [orjson.loads(line) for file in files for line in file.splitlines()]


async def test_a_networks_line_has_every_members_outcome(start: Start, members: Group, tmp_path: Path) -> None:
    network = await start(await two(members), audit=Audit(dir=tmp_path))
    reply = await network.ask(granularity="count")
    (line,) = lines(tmp_path)
    assert (line["status"], line["asked"], line["given"], line["who"]) == (200, "count", "count", None)
    assert {one["dataset"]: one["rule"] for one in line["datasets"]} == reply.outcomes
    assert line["request"] == reply.headers["X-Request-Id"]


async def test_each_piece_of_a_stream_has_its_line(start: Start, members: Group, tmp_path: Path) -> None:
    network = await start(await two(members), audit=Audit(dir=tmp_path))
    asked = {"meta": {"apiVersion": "v2.0"}, "query": {"requestedGranularity": "count"}}
    headers = {"Accept": "application/x-ndjson"}
    async with network.session.post(f"{network.url}/api/individuals", json=asked, headers=headers) as response:
        events = [orjson.loads(line) for line in (await response.read()).splitlines()]
    whole, *parts = lines(tmp_path)
    assert "datasets" not in whole and "part" not in whole
    told = [(part["datasets"][0]["dataset"], part["datasets"][0]["rule"]) for part in parts]
    assert told == [
        (event["outcome"]["peer"], event["outcome"]["outcome"]) for event in events if event["event"] == "member"
    ]
    assert all(part["part"] and part["request"] == whole["request"] for part in parts)


async def two(members: Group) -> dict[str, str]:
    await members.add("a", healthy({"ds": people("P1")}))
    await members.add("b", replying(b"<html>It works!</html>", content_type="text/html"))
    return {name: member.url for name, member in members.members.items()}
