"""People log in by device code or in a browser; tokens stay in a file of theirs and go to one Beacon alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
import requests

from beacon.cli import main
from beacon.errors import ConfigurationError
from beacon.login import current_token
from beacon.login.flows import by_browser, by_device
from beacon.login.provider import LoginFailed, discover
from beacon.login.wallet import Login, Wallet
from tests.unit.login.issuer import Script, running

BEACON = "https://beacon.example/api"


@pytest.fixture
def issuer() -> Iterator[Script]:
    with running() as script:
        yield script


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "skerry"


def browse(address: str) -> bool:
    """Be a browser: open the address, and go where it leads, meanwhile."""

    def go() -> None:
        asked = requests.get(address, timeout=10, allow_redirects=False)
        back = asked.headers["Location"]
        here = f"http://{urlsplit(back).netloc}"
        assert requests.get(f"{here}/favicon.ico", timeout=10).status_code == 404
        assert requests.get(f"{here}/callback?code=x&state=guessed", timeout=10).status_code == 404
        requests.get(back, timeout=10)

    threading.Thread(target=go).start()
    return True


def test_a_login_in_a_browser_brings_a_token_that_queries_use(
    issuer: Script, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", browse)
    assert main(["login", BEACON, "--issuer", issuer.url, "--client-id", "cli", "--resource", "https://b.example"]) == 0
    assert "You are logged in for https://beacon.example/api" in capsys.readouterr().out
    assert current_token(BEACON) == current_token(BEACON + "/individuals") == "access-1"
    assert issuer.asked[0]["client_id"] == "cli" and issuer.asked[0]["resource"] == "https://b.example"
    assert (home / "logins.json").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_token_goes_to_the_beacon_it_is_for_and_to_nobody_else() -> None:
    Wallet().keep(BEACON, a_login("https://i.example"))
    assert current_token("https://BEACON.example/api/") == "token"
    for other in (
        "https://beacon.example", "https://beacon.example/apis", "https://beacon.example:444/api",
        "http://beacon.example/api", "https://beacon.example.evil.example/api", "https://x@beacon.example/api",
        "https://evil.example/https://beacon.example/api", "nonsense",
    ):  # fmt: skip
        assert current_token(other) is None, other
    with pytest.raises(ConfigurationError, match="must not travel readably"):
        Wallet().keep("http://beacon.example/api", a_login("https://i.example"))


def a_login(issuer: str, **changes: object) -> Login:
    return replace(Login(issuer, "cli", "openid", f"{issuer}/token", "token"), **changes)  # type: ignore[arg-type]


def test_a_device_code_is_waited_for_as_the_issuer_wants(issuer: Script) -> None:
    issuer.before = ["authorization_pending", "slow_down", "authorization_pending"]
    said: list[str] = []
    waits: list[float] = []
    token = by_device(discover(issuer.url), "cli", "openid", {}, said.append, sleep=waits.append)
    assert token["access_token"] == "access-5"
    assert waits == [1, 1, 6, 6]
    assert f"{issuer.url}/activate" in said[0] and "ABCD-EFGH" in said[1]


@pytest.mark.parametrize("reason", ["access_denied", "expired_token", "invalid_client"])
def test_a_refused_device_code_ends_the_login(issuer: Script, reason: str) -> None:
    issuer.before = [reason]
    with pytest.raises(LoginFailed, match=reason) as caught:
        by_device(discover(issuer.url), "cli", "openid", {}, print, sleep=lambda _: None)
    assert caught.value.reason == reason


def test_scopes_are_those_that_the_issuer_has(issuer: Script) -> None:
    assert discover(issuer.url).scopes == ("openid", "offline_access")


@pytest.mark.parametrize(
    "callback", [{"iss": "https://evil.example"}, {"iss": ""}, {"code": "another"}, {"error": "access_denied"}]
)
def test_an_answer_from_somebody_else_is_not_taken(issuer: Script, callback: dict[str, str]) -> None:
    issuer.callback = callback
    with pytest.raises(LoginFailed):
        by_browser(discover(issuer.url), "cli", "openid", {}, print, show=browse)


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"}, {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"}, {"device_authorization_endpoint": 7},
    ],
)  # fmt: skip
def test_an_issuer_that_is_not_what_it_says_is_refused(issuer: Script, discovery: dict[str, object]) -> None:
    issuer.discovery = discovery
    with pytest.raises(LoginFailed):
        discover(issuer.url)


def test_an_issuer_that_is_not_there_is_one_sentence(issuer: Script) -> None:
    for address in ("http://127.0.0.1:1", "http://evil.example", "https://user@:x"):
        with pytest.raises(LoginFailed):
            discover(address)


def test_a_token_endpoint_that_leads_elsewhere_is_not_followed(issuer: Script) -> None:
    issuer.discovery = {"token_endpoint": f"{issuer.url}/moved"}
    with pytest.raises(LoginFailed):
        by_device(discover(issuer.url), "cli", "openid", {}, print, sleep=lambda _: None)
    assert len(issuer.asked) == 1


def test_a_token_is_renewed_once_by_however_many_ask(issuer: Script) -> None:
    Wallet().keep(BEACON, a_login(issuer.url, refresh_token="first", expires_at=time.time() + 5))
    found: list[str | None] = []
    askers = [threading.Thread(target=lambda: found.append(current_token(BEACON))) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert found == ["access-1"] * 8
    assert len(issuer.asked) == 1
    kept = Wallet().find(BEACON)
    assert kept is not None and kept[1].refresh_token == "first+"


def test_a_login_that_has_ended_is_an_error_and_never_a_stranger(issuer: Script) -> None:
    for refresh in (None, "stolen"):
        Wallet().keep(BEACON, a_login(issuer.url, refresh_token=refresh, expires_at=time.time() - 5))
        with pytest.raises(LoginFailed, match=f"run skerry login {BEACON} again"):
            current_token(BEACON)


def test_a_token_that_is_no_bearer_token_is_not_kept(issuer: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", browse)
    for lie in ({"token_type": "mac"}, {"access_token": None}, {"access_token": "schlüssel"}):
        issuer.token = dict(lie)
        assert main(["login", BEACON, "--issuer", issuer.url, "--client-id", "cli"]) == 2
    assert current_token(BEACON) is None


def test_a_file_that_others_can_read_is_not_used(home: Path) -> None:
    Wallet().keep(BEACON, a_login("https://i.example"))
    (home / "logins.json").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        current_token(BEACON)
    (home / "logins.json").chmod(0o600)
    (home / "logins.json").write_bytes(orjson.dumps({BEACON: 7}))
    with pytest.raises(ConfigurationError, match="delete it"):
        current_token(BEACON)


def test_issuer_and_client_are_remembered_and_a_logout_forgets(
    issuer: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", browse)
    assert main(["login", BEACON]) == 2
    assert "needs --issuer and --client-id" in capsys.readouterr().err
    assert main(["login", BEACON, "--issuer", issuer.url, "--client-id", "cli"]) == 0
    assert main(["login", BEACON]) == 0
    assert current_token(BEACON) == "access-2"
    assert main(["logout", BEACON]) == 0
    assert current_token(BEACON) is None
    assert main(["logout", BEACON]) == 0
    assert "Nobody is logged in" in capsys.readouterr().out
    assert main(["audit", "mine", BEACON]) == 2
    assert f"run skerry login {BEACON} first" in capsys.readouterr().err
