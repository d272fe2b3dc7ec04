"""``skerry login`` and ``skerry logout``: who asks a Beacon from this machine; ``skerry audit mine`` uses it."""

from __future__ import annotations

import argparse
import webbrowser

from beacon.client.answers import plain
from beacon.errors import ConfigurationError
from beacon.login.flows import by_browser, by_device
from beacon.login.provider import FAILURES, discover, session
from beacon.login.wallet import Login, Wallet, beacon_key


def login(login: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry login``."""
    login.add_argument("url", metavar="URL", help="root of the Beacon's API that the login is for")
    login.add_argument("--issuer", help="OpenID Connect issuer that the Beacon believes (remembered for the next time)")
    login.add_argument("--client-id", help="the client that the issuer knows this program as (remembered)")
    login.add_argument("--device", action="store_true", help="by a code on any device, without a browser here")
    login.add_argument("--port", type=int, default=0, help="port of this machine that the browser comes back to")
    login.add_argument("--scope", help="scopes to ask for (default: what the issuer has of the usual ones)")
    login.add_argument("--resource", help="audience that the token shall have, for issuers that are told (RFC 8707)")
    login.set_defaults(command=_login)


def logout(logout: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry logout``."""
    logout.add_argument("url", metavar="URL")
    logout.set_defaults(command=_logout)


def _login(options: argparse.Namespace) -> int:
    wallet, key = Wallet(), beacon_key(options.url)
    before = found[1] if (found := wallet.find(key)) else None
    issuer = options.issuer or (before and before.issuer)
    client_id = options.client_id or (before and before.client_id)
    if not issuer or not client_id:
        raise ConfigurationError("The first login for a Beacon needs --issuer and --client-id; ask its operator.")
    provider = discover(issuer)
    scope = options.scope or " ".join(provider.scopes)
    resource = options.resource or (before.resource if before and before.issuer == issuer else None)
    extra = {"resource": resource} if resource else {}
    if "offline_access" in scope.split():
        extra["prompt"] = "consent"  # OpenID Connect Core, section 11: else it is not given
    if options.device:
        token = by_device(provider, client_id, scope, extra, _say)
    else:
        token = by_browser(provider, client_id, scope, extra, _say, show=webbrowser.open, port=options.port)
    login = Login(
        issuer, client_id, scope, provider.token_endpoint, "", resource=resource,
        revocation_endpoint=provider.revocation_endpoint,
    )  # fmt: skip
    wallet.keep(key, login.renewed(token))
    lasting = "" if token.get("refresh_token") else " It ends with its token; the issuer gives none to renew it with."
    _say(f"You are logged in for {key}; skerry query uses it there.{lasting}")
    return 0


def _logout(options: argparse.Namespace) -> int:
    login = Wallet().forget(options.url)
    if login is None:
        _say(f"Nobody is logged in for {options.url}.")
        return 0
    _say(f"Forgotten: the login for {options.url}.")
    token = login.refresh_token or login.access_token
    if login.revocation_endpoint:
        try:
            session(login.client_id, login.scope).revoke_token(
                login.revocation_endpoint, token, client_id=login.client_id
            ).raise_for_status()
        except FAILURES:
            _say("The issuer could not be told; its token ends by itself.")
    return 0


def _say(line: str) -> None:
    print(plain(line), flush=True)
