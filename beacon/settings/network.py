"""A network: whom it asks, what it takes from them, how long it waits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from beacon.settings.checks import ID, SOME, assemblies, between, peer_address, twice
from beacon.settings.identity import Issuer, Node
from beacon.settings.server import Audit, Limits, Listen, Log, Metrics, Organization, Rate


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


def role_rule(role: NetworkRole) -> str | None:
    """Say what is wrong with these keys together, or None."""
    return twice("peers", [p.id for p in role.peers]) or twice("nodes", [n.id for n in role.nodes])


def network_rule(network: NetworkSettings) -> str | None:
    """Say what is wrong with these keys together, or None."""
    return twice("issuers", [i.issuer for i in network.issuers]) or role_rule(network)
