"""``skerry query`` as people type it, against real servers that run beside it."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from beacon.cli import main
from beacon.settings import Audit, Listen, NetworkSettings
from network.app import running as running_network
from network.zoo import open_zoo
from network.zoo.answers import answer
from network.zoo.behaviour import healthy, replying
from network.zoo.running import serving

Typed = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    """Type a command while the servers of the test run; gives its exit code and what it wrote."""

    async def type_it(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["query", *arguments])
        return code, *capsys.readouterr()

    return type_it


async def test_a_network_is_shown_as_a_table_as_csv_and_as_json(typed: Typed, tmp_path: Path) -> None:
    async with open_zoo(["boolean-only", "html"]) as zoo:
        settings = NetworkSettings(
            "n", zoo.peers, listen=Listen(port=0), deadline_seconds=20, audit=Audit(dir=tmp_path)
        )
        async with running_network(settings) as url:
            code, table, _ = await typed("count", url, "individuals", "NCIT:C16576", "--format", "table")
            lines = [line.split() for line in table.splitlines()]
            assert code == 0
            assert lines[0] == ["beacon", "dataset", "outcome", "exists", "count", "ms", "reason"]
            assert [line[:5] for line in lines[1:4]] == [
                ["healthy-a", "ds1", "hit", "yes", "2"],
                ["healthy-a", "ds2", "hit", "yes", "1"],
                ["healthy-b", "ds1", "hit", "yes", "2"],
            ]
            assert lines[4][:4] == ["boolean-only", "ds", "hit", "yes"]
            assert lines[5][:2] == ["html", "invalid"]
            assert table.splitlines()[-1] == "all: at least 6; 3 of 4 answered"

            code, text, told = await typed("count", url, "individuals", "--format", "csv")
            rows = list(csv.DictReader(io.StringIO(text)))
            assert [(row["beacon"], row["dataset"], row["outcome"], row["exists"], row["count"]) for row in rows] == [
                ("healthy-a", "ds1", "hit", "true", "2"),
                ("healthy-a", "ds2", "hit", "true", "1"),
                ("healthy-b", "ds1", "hit", "true", "2"),
                ("boolean-only", "ds", "hit", "true", ""),
                ("html", "", "invalid", "", ""),
            ]
            assert told == "skerry: 3 of 4 members answered\n"

            _, text, _ = await typed("exists", url, "individuals")  # not a terminal: the answer as it came
            assert orjson.loads(text)["responseSummary"] == {"exists": True}

            _, text, told = await typed("count", url, "individuals", "--stream")
            streamed = [orjson.loads(line) for line in text.splitlines()]
            assert {(row["beacon"], row["dataset"], row["count"]) for row in streamed} == {
                ("healthy-a", "ds1", 2), ("healthy-a", "ds2", 1), ("healthy-b", "ds1", 2),
                ("boolean-only", "ds", None), ("html", None, None),
            }  # fmt: skip
            assert told == "skerry: 3 of 4 members answered\n"

            code, text, _ = await typed("count", url, "individuals", "NCIT:C16576", "--explain", "--format", "csv")
            plan = {row["beacon"]: row for row in csv.DictReader(io.StringIO(text))}
            assert list(plan) == ["healthy-a", "healthy-b", "boolean-only", "html"]
            assert plan["healthy-a"]["path"].endswith("/individuals")
            assert (plan["html"]["asked"], plan["html"]["outcome"]) == ("false", "invalid")
            _, text, _ = await typed("records", url, "individuals", "NCIT:C16576", "--explain")
            asked = {row["peer"]: row["body"] for row in orjson.loads(text) if row["asked"]}
            assert asked["healthy-a"]["query"]["requestedGranularity"] == "record"

            code, text, told = await typed("count", url, "biosamples", "--format", "table")
            assert (code, text) == (2, "")
            assert "html" in told and "invalid" in told and told.splitlines()[-1].startswith("skerry: ")


async def test_records_come_a_line_each_or_as_columns(typed: Typed) -> None:
    record = {
        "id": "=1+1",
        "sex": {"id": "NCIT:C16576"},
        "measures": [1, 2],
        "info": {"deep": {"note": "a\x1b[1mb"}},
    }
    async with serving(healthy({"ds": [record]})) as site:
        _, lines, _ = await typed("records", site.url, "individuals")
        assert [orjson.loads(line)["record"] for line in lines.splitlines()] == [record]
        _, text, _ = await typed("records", site.url, "individuals", "--format", "csv")
        assert list(csv.reader(io.StringIO(text))) == [
            ["beacon", "dataset", "id", "sex.id", "measures", "info.deep.note"],
            ["org.example.member", "ds", "'=1+1", "NCIT:C16576", "[1,2]", "a\x1b[1mb"],
        ]
        _, text, _ = await typed("records", site.url, "individuals", "--format", "table")
        assert "\x1b" not in text and "sex.id NCIT:C16576" in text
    async with serving(healthy({"ds": [{"id": str(n)} for n in range(250)]})) as site:
        for limit, number in (("0", 250), ("120", 120), ("7", 7)):
            _, lines, _ = await typed("records", site.url, "individuals", "--limit", limit)
            assert [orjson.loads(line)["record"]["id"] for line in lines.splitlines()] == [
                str(n) for n in range(number)
            ]
    async with serving(healthy({"ds": [record]}, most="count")) as site:
        code, lines, told = await typed("records", site.url, "individuals")
        assert (code, lines) == (0, "") and "releases no records to you, only count" in told


async def test_genomic_parameters_are_options(typed: Typed) -> None:
    arguments = [
        "--gene",
        "SATB2",
        "--start",
        "100,200",
        "--end",
        "300",
        "--param",
        "variantMinLength=50",
        "--dataset",
        "d",
    ]
    async with serving(healthy({"ds": []})) as site:
        assert (await typed("count", site.url, "g_variants", *arguments))[0] == 0
        asked = orjson.loads(site.seen[0].body)["query"]["requestParameters"]
    assert asked == {
        "g_variant": {"geneId": "SATB2", "start": [100, 200], "end": [300], "variantMinLength": 50},
        "datasets": {"datasetIds": ["d"]},
    }


async def test_terms_are_searched_by_a_word(typed: Typed) -> None:
    async with serving(healthy({"ds": []})) as site:
        assert (await typed("terms", site.url, "FEMALE", "--format", "table"))[1].split() == [
            "NCIT:C16576", "female", "individual",
        ]  # fmt: skip
        assert (await typed("terms", site.url, "--format", "csv"))[1].splitlines() == [
            "id,label,type,scopes,beacons", "NCIT:C16576,female,ontologyTerm,individual,",
        ]  # fmt: skip
        assert orjson.loads((await typed("terms", site.url, "nothing-like-it"))[1]) == []


async def test_a_token_comes_from_a_file(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    async with serving(healthy({"ds": []})) as site:
        assert (await typed("exists", site.url, "individuals", "--token-file", str(file)))[0] == 0
        assert site.seen[0].headers["Authorization"] == "Bearer secret"
        for content in ("", "two words", "naïve"):
            file.write_text(content)
            code, _, told = await typed("exists", site.url, "individuals", "--token-file", str(file))
            assert code == 2 and "holds no token" in told
        assert (await typed("exists", site.url, "individuals", "--token-file", str(tmp_path / "none")))[0] == 2
        assert len(site.seen) == 1


async def test_what_goes_wrong_is_one_sentence_and_exit_code_2(typed: Typed) -> None:
    async with serving(replying(answer({"ds": []}) | {"responseSummary": {"exists": "no"}})) as site:
        for arguments in (
            ("count", site.url, "individuals"),
            ("count", "nowhere", "individuals"),
            ("count", "http://127.0.0.1:1/api", "individuals"),
            ("count", site.url, "individuals", "--start", "x"),
            ("count", site.url, "individuals", "--param", "x"),
            ("count", site.url, "individuals", "--seconds", "0"),
        ):
            code, text, told = await typed(*arguments)
            assert (code, text) == (2, "")
            assert told.startswith("skerry: ") and told.count("\n") == 1 and told.endswith(".\n")
