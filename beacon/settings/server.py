"""What every server has, be it a site's or a network's: where it listens, what a request may cost, where it writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from beacon.settings.checks import ID, URL, between, origins
from beacon.settings.toml import IPNetwork


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
class Log:
    """``auto`` writes plain lines on a terminal and one JSON object per line elsewhere."""

    format: Literal["auto", "plain", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


def listen_rule(listen: Listen) -> str | None:
    """Say what is wrong with these keys together, or None."""
    if (listen.tls_cert is None) != (listen.tls_key is None):
        return "tls_cert and tls_key belong together: give both or neither"
    return None
