"""Who is believed about who asks: logins, issuers of visas, other networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from beacon.settings.checks import ID, SOME, URL, between, web_addresses
from beacon.settings.server import Rate

Algorithm = Literal["RS256", "ES256"]
TokenType = Literal["at+jwt", "jwt", "vnd.ga4gh.passport+jwt"]
REGISTERED_ACCESS = "https://doi.org/10.1038/s41431-018-0219-y"
"""The version of registered access that the GA4GH Passport standard describes."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID Connect issuer whose access tokens are accepted.

    ``issuer`` is the exact ``iss``, ``audiences`` the ``aud`` values of which a token must carry one. The
    keys come from ``jwks_uri`` or ``jwks_file``; without either, from the address that the issuer's discovery
    document names (OpenID Connect Discovery 1.0).

    ``audience`` says whose names the audiences are: this Beacon's (RFC 9068), or those of the clients that people
    log in with. ``types`` are ``typ`` headers; every one of ``scopes`` must be in the token.

    ``visas`` says where GA4GH visas come from: ``userinfo``, an ``exchange`` of the token for a passport (RFC 8693, as
    the client ``client_id``), the ``token`` itself (claim ``ga4gh_passport_v1``), or nowhere. ``purpose_claim`` is the
    claim in which people say at login what for they ask (terms of DUO and MONDO).
    """

    issuer: str = field(metadata=URL)
    audiences: tuple[str, ...] = field(metadata=SOME)
    jwks_uri: str | None = field(default=None, metadata=URL)
    jwks_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = field(default=("RS256", "ES256"), metadata=SOME)
    audience: Literal["beacon", "client"] = "beacon"
    types: tuple[TokenType, ...] = field(default=("at+jwt", "jwt"), metadata=SOME)
    scopes: tuple[str, ...] = ()
    visas: Literal["none", "userinfo", "exchange", "token"] = "none"
    client_id: str | None = None
    client_secret_file: Path | None = None
    purpose_claim: str | None = None


@dataclass(frozen=True, slots=True)
class VisaIssuer:
    """An issuer whose GA4GH visas count, where they are by one of ``sources`` (Passport 1.2).

    Its keys are at ``jku``, and a visa must name exactly that address. An assertion older than ``max_asserted_days``
    counts for nothing. With ``subjects_of`` its ``sub`` are those of that login's people; without it, only people
    of its own, and those whom a LinkedIdentities visa makes the same.
    """

    issuer: str = field(metadata=URL)
    jku: str = field(metadata=URL)
    sources: tuple[str, ...] = field(metadata=SOME)
    algorithms: tuple[Algorithm, ...] = field(default=("RS256", "ES256"), metadata=SOME)
    max_asserted_days: int = field(default=365, metadata=between(1, 36_500))
    subjects_of: str | None = field(default=None, metadata=URL)


@dataclass(frozen=True, slots=True)
class Node:
    """A network node that this site believes when it vouches for a person, and how far.

    ``id`` is the ``iss`` of its assertions, whose ``aud`` must be this beacon's id. It may speak for people
    of ``issuers`` only, never above ``max_level`` and ``max_granularity`` (words of ``beacon.model.access``).
    All that it asks for people counts against its own ``rate``, beside each person's.
    """

    id: str = field(metadata=ID)
    issuers: tuple[str, ...] = field(metadata={"check": web_addresses})
    jwks: Mapping[str, Any] | None = None
    jwks_file: Path | None = None
    max_level: Literal["public", "registered", "controlled"] = "public"
    max_granularity: Literal["none", "boolean", "count", "record"] = "boolean"
    rate: Rate = Rate(per_second=500.0, burst=5000)


def issuer_rule(issuer: Issuer) -> str | None:
    """Say what is wrong with these keys together, or None."""
    if issuer.jwks_uri is not None and issuer.jwks_file is not None:
        return "give jwks_uri or jwks_file, not both; without either, the issuer's discovery document names its keys"
    if issuer.visas == "exchange" and (issuer.client_id is None or issuer.client_secret_file is None):
        return 'visas = "exchange" needs client_id and client_secret_file'
    return None


def node_rule(node: Node) -> str | None:
    """Say what is wrong with these keys together, or None."""
    if (node.jwks is None) == (node.jwks_file is None):
        return "give exactly one of jwks and jwks_file"
    if node.jwks is not None and not (isinstance(keys := node.jwks.get("keys"), list) and keys):
        return "jwks must be a JSON Web Key Set: a table with the list keys"
    return None
