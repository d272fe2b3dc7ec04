"""A person logs in at a certified OpenID provider, in a browser and by device code, and a site believes the token."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import requests

from beacon.auth.oidc import Verifier
from beacon.cli import main
from beacon.login import current_token
from beacon.login.flows import by_device
from beacon.login.provider import LoginFailed, discover
from beacon.login.wallet import Login, Wallet
from beacon.model.access import Person
from beacon.settings import Issuer
from tests.provider.broker import running_broker

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEACON, OTHER = "https://beacon.example", "https://portal.example"
SCOPE = "openid offline_access"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer() -> AsyncIterator[str]:
    """The provider's ``iss``; nobody asks it for visas here."""
    async with running_broker("http://127.0.0.1:1", (BEACON, OTHER)) as running:
        yield running.issuer


async def person_of(issuer: str, token: str) -> Person | None:
    """Return whom a site takes the bearer of a token for."""
    verifier = Verifier((Issuer(issuer, (BEACON,)),), beacon_id="test.site")
    try:
        return (await verifier.principal(f"Bearer {token}")).person
    finally:
        await verifier.close()


def browse(address: str) -> bool:
    """Be the browser of somebody whom the provider knows."""
    threading.Thread(target=requests.Session().get, args=(f"{address}&login_hint=logged-in",)).start()
    return True


async def test_a_login_in_a_browser_is_renewed_and_revoked(
    issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", browse)
    command = ["login", BEACON, "--issuer", issuer, "--client-id", "portal", "--resource", BEACON]
    assert await asyncio.to_thread(main, [*command, "--scope", SCOPE]) == 0
    first = current_token(BEACON)
    assert first is not None and await person_of(issuer, first) == Person(issuer, "logged-in")
    found = Wallet().find(BEACON)
    assert found is not None and found[1].refresh_token
    Wallet().keep(BEACON, ended(found[1]))
    second = await asyncio.to_thread(current_token, BEACON)
    assert second is not None and second != first
    assert await person_of(issuer, second) == Person(issuer, "logged-in")
    assert await asyncio.to_thread(main, ["logout", BEACON]) == 0
    assert current_token(BEACON) is None


def ended(login: Login) -> Login:
    return login.renewed({"access_token": login.access_token, "token_type": "bearer", "expires_at": 1})


async def test_a_login_by_device_code_ends_once_the_person_has_agreed(issuer: str) -> None:
    def say(line: str) -> None:
        if line.startswith("Open "):
            threading.Thread(target=agree, args=(line.removeprefix("Open "),)).start()

    extra = {"resource": BEACON, "login_hint": "bona-fide", "prompt": "consent"}
    token = await asyncio.to_thread(by_device, discover(issuer), "portal", SCOPE, extra, say, sleep=pause)
    assert await person_of(issuer, token["access_token"]) == Person(issuer, "bona-fide")


def pause(_seconds: float) -> None:
    """Wait less than people need."""
    time.sleep(0.3)


def agree(address: str) -> None:
    """Be the person who opens the address on another device, and agrees."""
    with requests.Session() as browser:
        page = browser.get(address)
        for _ in range(3):
            form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
            if "xsrf" not in form:
                return
            page = browser.post(address.partition("?")[0], {**form, "confirm": "yes"})


async def test_a_client_that_the_provider_does_not_know_is_refused(issuer: str) -> None:
    with pytest.raises(LoginFailed, match="refused"):
        await asyncio.to_thread(by_device, discover(issuer), "nobody", SCOPE, {}, print)
