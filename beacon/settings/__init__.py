"""The only reader of configuration files and of the environment.

A site or a network is configured by one TOML file (commented examples: ``deploy/site.toml`` and
``deploy/network.toml``) that becomes one frozen value. Reading is strict: an unknown key, a wrong type or
an impossible value is a ``ConfigurationError`` that names the file, the key and what is allowed. Relative
paths count from the file's own folder.

Two environment variables override the file, since containers need them: ``SKERRY_MONGODB_URI`` and
``SKERRY_DATA_DIR``. Nothing in the environment touches who may see what.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from beacon.errors import ConfigurationError
from beacon.settings import toml
from beacon.settings.checks import (
    ID,
    SOME,
    URL,
    assemblies,
    between,
    handover_address,
    matching,
    mongodb_address,
    origins,
    peer_address,
    web_addresses,
)
from beacon.settings.toml import IPNetwork

Algorithm = Literal["RS256", "ES256"]
TokenType = Literal["at+jwt", "jwt", "vnd.ga4gh.passport+jwt"]
REGISTERED_ACCESS = "https://doi.org/10.1038/s41431-018-0219-y"
"""The version of registered access that the GA4GH Passport standard describes."""
MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class Organization:
    """Who answers for a site or a network (the standard's ``BeaconOrganization``)."""

    id: str = field(default="local", metadata=ID)
    name: str = "A Skerry site"
    description: str | None = None
    address: str | None = None
    welcome_url: str | None = field(default=None, metadata=URL)
    contact_url: str | None = None
    logo_url: str | None = field(default=None, metadata=URL)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens: on this machine only, unless told otherwise.

    Forwarded headers are believed from ``trusted_proxies`` alone. ``public_url`` is the address under
    which the outside reaches ``/``, where that is not the one listened on. A connection on which nothing happens
    for ``idle_seconds`` is closed. Answers from ``compress_from_bytes`` on are compressed for clients that
    accept it (0: never). Web pages of ``cors_origins`` may ask; nobody's else.
    """

    host: str = "127.0.0.1"
    port: int = field(default=5050, metadata=between(0, 65535))
    public_url: str | None = field(default=None, metadata=URL)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[IPNetwork, ...] = ()
    idle_seconds: float = field(default=75.0, metadata=between(1, 3600))
    compress_from_bytes: int = field(default=4096, metadata=between(0, 1_000_000_000))
    cors_origins: tuple[str, ...] = field(default=(), metadata={"check": origins})


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where the numbers for monitoring are served (Prometheus text at ``/metrics``): nowhere without ``port``."""

    host: str = "127.0.0.1"
    port: int | None = field(default=None, metadata=between(0, 65535))


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one asker may ask: ``burst`` times at once and ``per_second`` on and on; above it is 429.

    An asker is a person, or an address where nobody says who they are. ``per_second = 0`` switches it off.
    """

    per_second: float = field(default=50.0, metadata=between(0, 1_000_000))
    burst: int = field(default=1000, metadata=between(1, 1_000_000))


@dataclass(frozen=True, slots=True)
class Mongo:
    """The site's database: a MongoDB of its own by ``uri``, else an embedded one below ``data_dir``.

    ``pool_size`` is how many operations run at a time, ``max_waiting`` how many may wait for that before
    the site answers 503. ``cache_gb`` bounds the memory of an embedded MongoDB.
    """

    uri: str | None = field(default=None, metadata={"check": mongodb_address, "secret": True})
    data_dir: Path = Path("skerry-data")
    database: str = field(
        default="skerry", metadata=matching(r"[A-Za-z0-9_-]{1,38}", "1 to 38 letters, digits, - and _")
    )
    cache_gb: float = field(default=1.0, metadata=between(0.25, 10_000))
    pool_size: int = field(default=12, metadata=between(1, 500))
    max_waiting: int = field(default=1000, metadata=between(1, 1_000_000))


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


@dataclass(frozen=True, slots=True)
class Handover:
    """A way on from a dataset's answers (the standard's ``Handover``): htsget, DRS, a person to write to.

    Shown in the dataset's result set to askers whose answer is at least as deep as ``granularity``.
    """

    dataset: str
    url: str = field(metadata={"check": handover_address})
    type_id: str = field(metadata=matching(r"\w[^:\s]*:\S+", "a CURIE such as EDAM:operation_2422 or CUSTOM:contact"))
    type_label: str
    note: str | None = None
    granularity: Literal["boolean", "count", "record"] = "record"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost; above these it is refused.

    ``max_line_bytes`` is for the request line and for each header, ``max_depth`` for objects and lists within each
    other (the deepest meaningful request has 6). Seconds: ``read_seconds`` for a body to arrive, ``query_seconds``
    to find the answer, ``send_seconds`` for the client to take it.
    """

    max_line_bytes: int = field(default=65_536, metadata=between(8_192, 1_000_000))
    max_body_bytes: int = field(default=1_000_000, metadata=between(1_000, 100_000_000))
    max_depth: int = field(default=32, metadata=between(8, 500))
    max_filters: int = field(default=50, metadata=between(1, 10_000))
    max_page_size: int = field(default=1000, metadata=between(1, 100_000))
    read_seconds: float = field(default=20.0, metadata=between(0.1, 3600))
    query_seconds: float = field(default=30.0, metadata=between(0.1, 3600))
    send_seconds: float = field(default=60.0, metadata=between(0.1, 3600))


@dataclass(frozen=True, slots=True)
class Audit:
    """Where every answer is written down before it leaves (``docs/audit.md``).

    ``dir`` holds the lines; without it they are below the data folder. ``heads_dir`` (else ``heads`` in it) may lie on
    another disk, and so may ``key_file`` (else ``key.pem`` in it; made where there is none), which signs the heads.
    What is written reaches the disk after at most ``fsync_seconds``; 0 waits for that before each answer.
    """

    dir: Path | None = None
    heads_dir: Path | None = None
    key_file: Path | None = None
    fsync_seconds: float = field(default=1.0, metadata=between(0, 60))
    retention_days: int = field(default=365, metadata=between(1, 36_500))


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """The key by which people who withdrew their consent are recognised; it must lie outside the database.

    Without ``key_file`` the embedded MongoDB's site keeps it in its ``data_dir``; a site with a MongoDB of its own
    names the file before the first withdrawal.
    """

    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """``auto`` writes plain lines on a terminal and one JSON object per line elsewhere."""

    format: Literal["auto", "plain", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """One site's server. Without any configuration: an embedded MongoDB, this machine only, no issuers.

    With ``network`` it is an entrance to its peers too, under ``/network/api``.
    """

    id: str = field(default="local.skerry", metadata=ID)
    name: str = "Skerry"
    description: str | None = None
    environment: Literal["prod", "test", "dev", "staging"] = "dev"
    organization: Organization = Organization()
    listen: Listen = Listen()
    mongo: Mongo = Mongo()
    issuers: tuple[Issuer, ...] = ()
    visa_issuers: tuple[VisaIssuer, ...] = ()
    registered_access: tuple[str, ...] = (REGISTERED_ACCESS,)
    nodes: tuple[Node, ...] = ()
    handovers: tuple[Handover, ...] = ()
    limits: Limits = Limits()
    withdrawals: Withdrawals = Withdrawals()
    rate: Rate = Rate()
    workers: int = field(default=1, metadata=between(1, MOST_WORKERS))
    metrics: Metrics = Metrics()
    audit: Audit = Audit()
    log: Log = Log()
    network: NetworkRole | None = None

    @property
    def audit_dir(self) -> Path:
        """The folder of the audit's lines."""
        return self.audit.dir or self.mongo.data_dir / "audit"


@dataclass(frozen=True, slots=True)
class Peer:
    """A site that a network asks. ``url`` is the root of its Beacon API; ``audience`` defaults to its id.

    ``beacon_id`` is what it must call itself in ``meta.beaconId``; without it, any name that is not another peer's.

    ``visas`` are those that the peer needs, by their value or type (``"*"``: all), and no others go there. Where
    ``people`` come by ``exchange`` it gets no assertion but a token for its audience, which the person's issuer
    gives for theirs (RFC 8693). ``assemblies`` are those that a peer of another make has, in its own words.
    """

    id: str = field(metadata=ID)
    url: str = field(metadata={"check": peer_address})
    name: str | None = None
    audience: str | None = None
    beacon_id: str | None = None
    visas: tuple[str, ...] = ()
    people: Literal["assertion", "exchange"] = "assertion"
    assemblies: tuple[str, ...] = field(default=(), metadata={"check": assemblies})


@dataclass(frozen=True, slots=True)
class NetworkRole:
    """A Beacon that asks all peers at once, within ``deadline_seconds``.

    ``signing_key_file`` (PEM, RSA or EC P-256) signs the assertions for peers, each valid for ``assertion_seconds``;
    without it people are not vouched for and every peer answers as to a stranger. ``nodes`` are other networks that are
    believed when they ask here for people. A question passes through at most ``max_hops`` further networks.

    Of one peer's answer at most ``max_peer_bytes`` (decompressed), ``max_peer_depth`` objects and lists within each
    other and ``max_peer_rows`` result sets and records are read. At most ``peer_requests`` at a time go to one peer,
    half of them for one asker. A peer that fails ``rest_after`` times in a row (0: never) is rested, up to
    ``rest_seconds`` between two attempts.
    """

    id: str = field(metadata=ID)
    peers: tuple[Peer, ...] = field(metadata=SOME)
    name: str = "Skerry network"
    description: str | None = None
    signing_key_file: Path | None = None
    assertion_seconds: int = field(default=60, metadata=between(5, 300))
    nodes: tuple[Node, ...] = ()
    max_hops: int = field(default=8, metadata=between(0, 100))
    deadline_seconds: float = field(default=5.0, metadata=between(0.1, 300))
    max_peer_bytes: int = field(default=10_000_000, metadata=between(1_000, 1_000_000_000))
    max_peer_depth: int = field(default=64, metadata=between(8, 500))
    max_peer_rows: int = field(default=50_000, metadata=between(100, 10_000_000))
    peer_requests: int = field(default=64, metadata=between(1, 10_000))
    rest_after: int = field(default=5, metadata=between(0, 1_000))
    rest_seconds: float = field(default=30.0, metadata=between(1, 3600))


@dataclass(frozen=True, slots=True)
class NetworkSettings(NetworkRole):
    """A network node of its own, which holds no data."""

    environment: Literal["prod", "test", "dev", "staging"] = "dev"
    organization: Organization = Organization(name="A Skerry network")
    listen: Listen = Listen(port=5060)
    issuers: tuple[Issuer, ...] = ()
    limits: Limits = Limits()
    rate: Rate = Rate()
    metrics: Metrics = Metrics()
    audit: Audit = Audit()
    log: Log = Log()

    @property
    def audit_dir(self) -> Path:
        """The folder of the audit's lines."""
        return self.audit.dir or Path("skerry-data") / "network-audit"


def load_site(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> SiteSettings:
    """Read a site's settings; without ``path`` the defaults. Raises ``ConfigurationError``."""
    settings = SiteSettings() if path is None else toml.load(SiteSettings, path, _RULES)
    mongo = settings.mongo
    if uri := environ.get("SKERRY_MONGODB_URI"):
        if mongodb_address(uri) is not None:
            raise ConfigurationError(f"SKERRY_MONGODB_URI must be {mongodb_address(uri)}.", where="SKERRY_MONGODB_URI")
        mongo = replace(mongo, uri=uri)
    if data_dir := environ.get("SKERRY_DATA_DIR"):
        mongo = replace(mongo, data_dir=Path(data_dir).absolute())
    return replace(settings, mongo=mongo)


def load_network(path: Path, environ: Mapping[str, str] = os.environ) -> NetworkSettings:
    """Read a network's settings. Raises ``ConfigurationError``."""
    settings = toml.load(NetworkSettings, path, _RULES)
    if (data_dir := environ.get("SKERRY_DATA_DIR")) and settings.audit.dir is None:
        audit = replace(settings.audit, dir=Path(data_dir).absolute() / "network-audit")
        return replace(settings, audit=audit)
    return settings


# Rules over several keys of one table: each says what is wrong, or None.


def _listen_rule(listen: Listen) -> str | None:
    if (listen.tls_cert is None) != (listen.tls_key is None):
        return "tls_cert and tls_key belong together: give both or neither"
    return None


def _issuer_rule(issuer: Issuer) -> str | None:
    if issuer.jwks_uri is not None and issuer.jwks_file is not None:
        return "give jwks_uri or jwks_file, not both; without either, the issuer's discovery document names its keys"
    if issuer.visas == "exchange" and (issuer.client_id is None or issuer.client_secret_file is None):
        return 'visas = "exchange" needs client_id and client_secret_file'
    return None


def _node_rule(node: Node) -> str | None:
    if (node.jwks is None) == (node.jwks_file is None):
        return "give exactly one of jwks and jwks_file"
    if node.jwks is not None and not (isinstance(keys := node.jwks.get("keys"), list) and keys):
        return "jwks must be a JSON Web Key Set: a table with the list keys"
    return None


def _site_rule(site: SiteSettings) -> str | None:
    if site.network is not None and site.network.id == site.id:
        return f"the network role and the site have the same id {site.id}; they are two beacons"
    return (
        _twice("issuers", [i.issuer for i in site.issuers])
        or _twice("visa_issuers", [i.issuer for i in site.visa_issuers])
        or _twice("nodes", [n.id for n in site.nodes])
    )


def _role_rule(role: NetworkRole) -> str | None:
    return _twice("peers", [p.id for p in role.peers]) or _twice("nodes", [n.id for n in role.nodes])


def _network_rule(network: NetworkSettings) -> str | None:
    return _twice("issuers", [i.issuer for i in network.issuers]) or _role_rule(network)


def _twice(what: str, names: list[str]) -> str | None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    return None if repeated is None else f"{what} names {repeated} more than once"


_RULES: toml.Rules = {
    Listen: _listen_rule,
    Issuer: _issuer_rule,
    Node: _node_rule,
    SiteSettings: _site_rule,
    NetworkRole: _role_rule,
    NetworkSettings: _network_rule,
}
