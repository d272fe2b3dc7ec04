"""Two ways to log in: in a browser on this machine, or by a code that is typed in on any other device.

browser   authorization code with PKCE, to an address on loopback (RFC 6749, 7636, 8252, 9207)
device    device authorization (RFC 8628)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from beacon.login.provider import FAILURES, LoginFailed, Provider, refused, session

Say = Callable[[str], None]
DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
PATH: Final = "/callback"
WAIT_SECONDS: Final = 300.0
_SLOWER_SECONDS: Final = 5.0
_DONE: Final = b"<!doctype html><title>skerry</title><p>The terminal says how it went. You can close this page."


def by_device(
    provider: Provider,
    client_id: str,
    scope: str,
    extra: Mapping[str, str],
    say: Say,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Log in by a code on another device; ``extra`` are further parameters. Raises ``LoginFailed``."""
    if provider.device_endpoint is None:
        raise LoginFailed(f"The issuer {provider.issuer} has no login by device code; leave out --device.")
    speaking = session(client_id, scope)
    try:
        asked = {"client_id": client_id, "scope": scope, **extra}
        answer = speaking.post(provider.device_endpoint, data=asked, withhold_token=True)
        begun = answer.json()
        if answer.status_code != 200:
            raise LoginFailed(
                f"The issuer {provider.issuer} refused: {begun.get('error_description') or begun.get('error')}.",
                reason=str(begun.get("error")),
            )
        code, interval = str(begun["device_code"]), max(float(begun.get("interval", 5)), 0.1)
        until = time.monotonic() + min(float(begun["expires_in"]), 3600.0)
        say(f"Open {begun.get('verification_uri_complete') or begun['verification_uri']}")
        say(f"and check that it shows the code {begun['user_code']}. Waiting for you...")
        while time.monotonic() < until:
            sleep(interval)
            try:
                given = speaking.fetch_token(
                    provider.token_endpoint, grant_type=DEVICE, device_code=code, **_resource(extra)
                )
                return dict(given)
            except FAILURES as error:
                reason = refused(provider.issuer, error)
                if reason.reason == "slow_down":
                    interval += _SLOWER_SECONDS
                elif reason.reason != "authorization_pending":
                    raise reason from None
    except (KeyError, TypeError, AttributeError) as error:
        raise LoginFailed(f"The issuer {provider.issuer} answered without {error}.") from None
    except LoginFailed:
        raise
    except FAILURES as error:
        raise refused(provider.issuer, error) from None
    raise LoginFailed("The code has expired; run the command again.")


def by_browser(
    provider: Provider,
    client_id: str,
    scope: str,
    extra: Mapping[str, str],
    say: Say,
    *,
    show: Callable[[str], bool],
    port: int = 0,
) -> dict[str, Any]:
    """Log in with a browser that comes back to a port of this machine (0: a free one). Raises ``LoginFailed``.

    ``show`` opens an address, and says whether it could.
    """
    if provider.authorization_endpoint is None:
        raise LoginFailed(f"The issuer {provider.issuer} has no login in a browser; give --device.")
    try:
        server = _Callback(("127.0.0.1", port), _Handler)
    except OSError as error:
        raise LoginFailed(f"Port {port} cannot be listened on ({error.strerror}); give another --port.") from None
    with server:
        here = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        speaking = session(client_id, scope, here)
        verifier = secrets.token_urlsafe(64)
        address, state = speaking.create_authorization_url(
            provider.authorization_endpoint, code_verifier=verifier, **extra
        )
        if not show(address):
            say("No browser could be opened here.")
        say(f"Log in at {address}")
        came = server.wait(state, WAIT_SECONDS)
    given = {name: values[0] for name, values in parse_qs(urlsplit(came).query).items()}
    if ("iss" in given or provider.names_itself) and given.get("iss") != provider.issuer:
        raise LoginFailed(f"The answer came from {given.get('iss')!r}, and not from {provider.issuer}.")
    if "error" in given:
        said = given.get("error_description") or given["error"]
        raise LoginFailed(f"The issuer {provider.issuer} refused: {said}.", reason=given["error"])
    try:
        return dict(
            speaking.fetch_token(
                provider.token_endpoint, authorization_response=here + "?" + urlsplit(came).query, state=state,
                code_verifier=verifier, redirect_uri=here, **_resource(extra),
            )
        )  # fmt: skip
    except FAILURES as error:
        raise refused(provider.issuer, error) from None


def _resource(extra: Mapping[str, str]) -> dict[str, str]:
    """Return what the token endpoint is told too (RFC 8707, section 2.2)."""
    return {name: value for name, value in extra.items() if name == "resource"}


class _Callback(HTTPServer):
    """Waits for the one request that brings our state back; all others are not for us."""

    came: str | None = None
    state: str = ""

    def wait(self, state: str, seconds: float) -> str:
        """Return the path with the answer in it. Raises ``LoginFailed`` after ``seconds``."""
        self.state = state
        until = time.monotonic() + seconds
        while self.came is None:
            self.timeout = until - time.monotonic()
            if self.timeout <= 0:
                raise LoginFailed(f"Nobody logged in within {seconds:g} seconds; run the command again.")
            self.handle_request()
        return self.came


class _Handler(BaseHTTPRequestHandler):
    server: _Callback
    server_version = "skerry"
    sys_version = ""
    timeout = 5.0

    def do_GET(self) -> None:
        """Take the answer, if it is that to our own question."""
        parts = urlsplit(self.path)
        states = parse_qs(parts.query).get("state", [])
        ours = (
            parts.path == PATH
            and len(states) == 1
            and secrets.compare_digest(states[0].encode(), self.server.state.encode())
        )
        body = _DONE if ours else b"Not here."
        self.send_response(200 if ours else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)
        if ours:
            self.server.came = self.path

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the address holds the code."""
