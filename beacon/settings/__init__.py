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
from dataclasses import replace
from pathlib import Path

from beacon.errors import ConfigurationError
from beacon.settings import identity, network, server, site, toml
from beacon.settings.checks import mongodb_address
from beacon.settings.identity import REGISTERED_ACCESS, Issuer, Node, VisaIssuer
from beacon.settings.network import NetworkRole, NetworkSettings, Peer
from beacon.settings.server import Audit, Limits, Listen, Log, Metrics, Organization, Rate
from beacon.settings.site import MOST_WORKERS, Handover, Mongo, SiteSettings, Withdrawals

__all__ = [
    "MOST_WORKERS",
    "REGISTERED_ACCESS",
    "Audit",
    "Handover",
    "Issuer",
    "Limits",
    "Listen",
    "Log",
    "Metrics",
    "Mongo",
    "NetworkRole",
    "NetworkSettings",
    "Node",
    "Organization",
    "Peer",
    "Rate",
    "SiteSettings",
    "VisaIssuer",
    "Withdrawals",
    "load_network",
    "load_site",
]

_RULES: toml.Rules = {
    Listen: server.listen_rule,
    Issuer: identity.issuer_rule,
    Node: identity.node_rule,
    SiteSettings: site.site_rule,
    NetworkRole: network.role_rule,
    NetworkSettings: network.network_rule,
}
"""What the keys of one table must fulfil together."""


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
