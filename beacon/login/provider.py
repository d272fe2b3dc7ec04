"""What an OpenID Connect issuer says of itself, and speaking OAuth 2 with it (Authlib)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from beacon.errors import ConfigurationError
from beacon.settings.checks import web_address

SCOPES: Final = ("openid", "offline_access", "ga4gh_passport_v1")
"""What is asked for where the issuer says that it knows it: a login that lasts, and visas."""
SECONDS: Final = 20.0
_MOST_BYTES: Final = 1_000_000


class LoginFailed(ConfigurationError):
    """A login or its renewal was refused; ``reason`` is the code of OAuth 2."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Provider:
    """One issuer's endpoints (OpenID Connect Discovery 1.0, section 3; RFC 8414); None where it has none."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    device_endpoint: str | None = None
    revocation_endpoint: str | None = None
    scopes: tuple[str, ...] = SCOPES
    names_itself: bool = False
    """Whether it says in its answers who it is (RFC 9207)."""


def discover(issuer: str) -> Provider:
    """Ask an issuer for its endpoints. Raises ``LoginFailed`` where that is not what it should be."""
    address = issuer.rstrip("/") + "/.well-known/openid-configuration"
    if web_address(issuer) is not None:
        raise LoginFailed(f"The issuer must be {web_address(issuer)}, not {issuer!r}.")
    try:
        with requests.get(address, timeout=SECONDS, allow_redirects=False, stream=True) as answer:
            text = answer.raw.read(_MOST_BYTES, decode_content=True)
            said = orjson.loads(text) if answer.status_code == 200 else None
    except (requests.RequestException, ValueError, OSError) as error:
        raise LoginFailed(f"The issuer {issuer} cannot be asked at {address}: {error}.") from None
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise LoginFailed(f"{address} is not the document of the issuer {issuer}; give its name exactly as it has it.")
    known = said.get("scopes_supported")
    scopes = SCOPES if not isinstance(known, list) else tuple(one for one in SCOPES if one in known or one == "openid")
    return Provider(
        issuer,
        _endpoint(said, "token_endpoint", issuer) or _missing("token_endpoint", issuer),
        _endpoint(said, "authorization_endpoint", issuer),
        _endpoint(said, "device_authorization_endpoint", issuer),
        _endpoint(said, "revocation_endpoint", issuer),
        scopes,
        said.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(said: Mapping[str, Any], name: str, issuer: str) -> str | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or web_address(value.partition("?")[0]) is not None:
        raise LoginFailed(f"The issuer {issuer} gives {value!r} as its {name}, which is no https address.")
    return value


def _missing(name: str, issuer: str) -> str:
    raise LoginFailed(f"The issuer {issuer} has no {name}.")


def session(client_id: str, scope: str, redirect_uri: str | None = None) -> OAuth2Session:
    """Return what speaks with an issuer as a public client, which has no secret; it follows no redirect."""
    made = OAuth2Session(
        client_id,
        token_endpoint_auth_method="none",  # noqa: S106 - it says that there is no password
        revocation_endpoint_auth_method="none",
        scope=scope,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        default_timeout=SECONDS,
    )
    made.max_redirects = 0
    return made


def refused(issuer: str, error: Exception) -> LoginFailed:
    """Return the one sentence that an error of OAuth 2, or of the way there, becomes."""
    if isinstance(error, OAuthError):
        said = f"{error.error}: {error.description}" if error.description else str(error.error)
        return LoginFailed(f"The issuer {issuer} refused: {said}.", reason=str(error.error))
    return LoginFailed(f"The issuer {issuer} could not be asked: {error}.")


FAILURES: Final = (OAuthError, requests.RequestException, ValueError)
"""What Authlib's session raises where an issuer refuses, is out of reach, or answers nonsense."""
