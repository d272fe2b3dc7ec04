"""Every example of docs/client.md runs as it stands, against a network of real sites."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from beacon.cli import main
from beacon.client import Beacon
from network.issuer import running_issuer
from tests.integration.cohort import AUDIENCE, OPEN, Databases, Identity, serve_network, site_settings
from tests.integration.conftest import serve_site

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
ADDRESS = "http://127.0.0.1:5060/api"
TEXT = DOCUMENT.read_text()
COMMANDS = re.findall(r"^    skerry (query .+)$", TEXT, re.MULTILINE)
PROGRAMS = re.findall(r"^```python\n(.+?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, str]]:
    """The network's address, and a token of rosa."""
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(running_issuer())
        identity = Identity.make(tmp_path_factory.mktemp("keys"), issuer.url)
        urls = {}
        for part in databases.sites:
            databases.govern(part, {part: OPEN})
            settings = site_settings(part, issuer, identity.node)
            site = await stack.enter_async_context(serve_site(databases.uri, databases.name(part), settings))
            urls[part] = site.url
        node = await stack.enter_async_context(serve_network(urls, issuer=issuer, key_file=identity.key_file))
        yield node.url, issuer.token("rosa", AUDIENCE)


async def test_there_are_examples_of_every_verb() -> None:
    assert {shlex.split(command)[1] for command in COMMANDS} == {"exists", "count", "records", "terms"}
    assert len(PROGRAMS) == 3


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_runs(
    command: str,
    network: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = tmp_path / "rosa.token"
    token.write_text(network[1])
    typed = shlex.split(command.partition(" > ")[0].replace(ADDRESS, network[0]).replace(token.name, str(token)))
    assert await asyncio.to_thread(main, typed) == 0
    written, told = capsys.readouterr()
    assert written and not told
    if "--format" not in typed and typed[1] != "records":
        assert orjson.loads(written)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_runs(program: str, network: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(exec, program.replace(ADDRESS, network[0]), {"__name__": "__main__"})
    written, told = capsys.readouterr()
    assert written and not told and "NoAnswer" not in written


async def test_the_client_finds_what_the_cohort_holds(databases: Databases, network: tuple[str, str]) -> None:
    question = next(one for one in databases.cohort.questions if one.path == "individuals" and one.pooled > 20)
    asked = {"filters": list(question.filters), "variant": question.parameters.get("g_variant", {})}
    async with Beacon(network[0]) as beacon:
        answer = await beacon.count(question.path, **asked)
        assert answer.total is not None and (answer.total.exact, answer.total.low) == (True, question.pooled)
        found = [one async for one in beacon.records(question.path, page=7, **asked)]
        assert len({(one.beacon, one.record["id"]) for one in found}) == len(found) == question.pooled
