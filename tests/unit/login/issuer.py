"""A small OAuth 2 server on loopback that does what a test tells it: the ways to log in that go wrong."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from beacon.login.flows import DEVICE


@dataclass(slots=True)
class Script:
    """What the issuer does: answers of the token endpoint before the good one, and lies that it tells."""

    url: str = ""
    before: list[str] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    callback: dict[str, str] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    challenges: dict[str, str] = field(default_factory=dict)
    refresh: str = "first"

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/token",
            "authorization_endpoint": f"{self.url}/authorize",
            "device_authorization_endpoint": f"{self.url}/device",
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["openid", "offline_access", "email"],
            **self.discovery,
        }

    def authorize(self, params: dict[str, str]) -> str:
        code = secrets.token_urlsafe(8)
        self.challenges[code] = params["code_challenge"]
        assert params["code_challenge_method"] == "S256"
        back = {"code": code, "state": params["state"], "iss": self.url, **self.callback}
        return f"{params['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(form)
        if self.before:
            return 400, {"error": self.before.pop(0), "error_description": "as told"}
        match form["grant_type"]:
            case "authorization_code":
                wanted = self.challenges.pop(form["code"], None)
                if wanted is None or create_s256_code_challenge(form["code_verifier"]) != wanted:
                    return 400, {"error": "invalid_grant"}
            case "refresh_token":
                if form["refresh_token"] != self.refresh:
                    return 400, {"error": "invalid_grant"}
                self.refresh = f"{self.refresh}+"
            case other:
                assert (other, form["device_code"]) == (DEVICE, "the-device")
        return 200, {
            "access_token": f"access-{len(self.asked)}", "token_type": "Bearer", "expires_in": 600,
            "refresh_token": self.refresh, **self.token,
        }  # fmt: skip


@contextmanager
def running() -> Iterator[Script]:
    """Run it until the end of the block."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            params = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/.well-known/openid-configuration":
                self.reply(200, script.document())
            else:
                self.reply(302, {}, script.authorize(params))

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(text).items()}
            if self.path == "/device":
                script.asked.append(form)
                self.reply(200, {
                    "device_code": "the-device", "user_code": "ABCD-EFGH", "interval": 1, "expires_in": 60,
                    "verification_uri": f"{script.url}/activate",
                })  # fmt: skip
            elif self.path == "/moved":
                self.reply(307, {}, f"{script.url}/token")
            else:
                self.reply(*script.exchange(form))

        def reply(self, status: int, body: dict[str, Any], location: str | None = None) -> None:
            sent = orjson.dumps(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
