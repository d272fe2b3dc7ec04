"""A site: its name, its database, whom it answers and what it shows beside the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from beacon.settings.checks import ID, between, handover_address, matching, mongodb_address, twice
from beacon.settings.identity import REGISTERED_ACCESS, Issuer, Node, VisaIssuer
from beacon.settings.network import NetworkRole
from beacon.settings.server import Audit, Limits, Listen, Log, Metrics, Organization, Rate

MOST_WORKERS = 256


@dataclass(frozen=True, slots=True)
class Mongo:
    """The site's database: a MongoDB of its own by ``uri``, else an embedded one below ``data_dir``.

    ``pool_size`` is how many operations run at a time, ``max_waiting`` how many may wait for that before
    the site answers 503. ``keep_mb`` bounds what each worker keeps in its memory of what it read, ``cache_gb`` the
    memory of an embedded MongoDB.
    """

    uri: str | None = field(default=None, metadata={"check": mongodb_address, "secret": True})
    data_dir: Path = Path("skerry-data")
    database: str = field(
        default="skerry", metadata=matching(r"[A-Za-z0-9_-]{1,38}", "1 to 38 letters, digits, - and _")
    )
    cache_gb: float = field(default=1.0, metadata=between(0.25, 10_000))
    keep_mb: int = field(default=192, metadata=between(8, 100_000))
    pool_size: int = field(default=12, metadata=between(1, 500))
    max_waiting: int = field(default=1000, metadata=between(1, 1_000_000))


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
class Withdrawals:
    """The key by which people who withdrew their consent are recognised; it must lie outside the database.

    Without ``key_file`` the embedded MongoDB's site keeps it in its ``data_dir``; a site with a MongoDB of its own
    names the file before the first withdrawal.
    """

    key_file: Path | None = None


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


def site_rule(site: SiteSettings) -> str | None:
    """Say what is wrong with these keys together, or None."""
    if site.network is not None and site.network.id == site.id:
        return f"the network role and the site have the same id {site.id}; they are two beacons"
    return (
        twice("issuers", [i.issuer for i in site.issuers])
        or twice("visa_issuers", [i.issuer for i in site.visa_issuers])
        or twice("nodes", [n.id for n in site.nodes])
    )
