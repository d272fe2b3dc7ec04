"""The only reader of configuration files and of the environment.

A site or a network is configured by one TOML file (commented examples: ``deploy/site.toml`` and
``deploy/network.toml``) that becomes one frozen value. Reading is strict: an unknown key, a wrong type or
an impossible value is a ``ConfigurationError`` that names the file, the key and what is allowed. Relative
paths count from the file's own folder.

Two environment variables override the file, since containers need them: ``SKERRY_MONGODB_URI`` and
``SKERRY_DATA_DIR``. Nothing in the environment touches who may see what.
"""

from __future__ import annotations

import collections.abc
import difflib
import ipaddress
import os
import re
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from beacon.errors import ConfigurationError

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Algorithm = Literal["RS256", "ES256"]
T = TypeVar("T")


# Checks of single values: each returns what is allowed when the value is not, else None.


def _between(low: float, high: float) -> dict[str, Any]:
    def check(value: float) -> str | None:
        return None if low <= value <= high else f"a number from {low:g} to {high:g}"

    return {"check": check}


def _matching(pattern: str, allowed: str) -> dict[str, Any]:
    return {"check": lambda value: None if re.fullmatch(pattern, value) else allowed}


def _url_parts(value: str) -> tuple[str, str | None] | None:
    """Scheme and host of a web address without query and fragment; None for anything else."""
    try:
        parts = urlsplit(value)
        valid = parts.port != 0 and not parts.query and not parts.fragment and not re.search(r"\s", value)
    except ValueError:  # a port that is no number, a broken IPv6 address
        return None
    return (parts.scheme, parts.hostname) if valid else None


def _web_address(value: str) -> str | None:
    match _url_parts(value):
        case ("https", str()) | ("http", "localhost" | "127.0.0.1" | "::1"):
            return None
    return "a web address that begins with https:// (http:// for this machine only), without ? and #"


def _peer_address(value: str) -> str | None:
    match _url_parts(value):
        case ("https" | "http", str()):
            return None
    return "a web address that begins with https:// or http://, without ? and #"


def _check_uri(value: str) -> str | None:
    if re.fullmatch(r"mongodb(\+srv)?://.+", value):
        return None
    return "an address that begins with mongodb:// or mongodb+srv://"


def _web_addresses(values: tuple[str, ...]) -> str | None:
    wrong = next((allowed for value in values if (allowed := _web_address(value))), None)
    return f"a list with at least one entry, each {wrong or 'a web address'}" if wrong or not values else None


def _some(value: tuple[object, ...]) -> str | None:
    return None if value else "a list with at least one entry"


_ID = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}",
    "1 to 100 letters, digits and . _ : -, beginning with a letter or digit",
)
_URL: dict[str, Any] = {"check": _web_address}
_SOME: dict[str, Any] = {"check": _some}


@dataclass(frozen=True, slots=True)
class Organization:
    """Who answers for a site or a network (the standard's ``BeaconOrganization``)."""

    id: str = field(default="local", metadata=_ID)
    name: str = "A Skerry site"
    description: str | None = None
    address: str | None = None
    welcome_url: str | None = field(default=None, metadata=_URL)
    contact_url: str | None = None
    logo_url: str | None = field(default=None, metadata=_URL)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens: on this machine only, unless told otherwise.

    Forwarded headers are believed from ``trusted_proxies`` alone. ``public_url`` is the address under
    which the outside reaches ``/``, where that is not the one listened on.
    """

    host: str = "127.0.0.1"
    port: int = field(default=5050, metadata=_between(0, 65535))
    public_url: str | None = field(default=None, metadata=_URL)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class Mongo:
    """The site's database: a MongoDB of its own by ``uri``, else an embedded one below ``data_dir``.

    ``pool_size`` is how many operations run at a time, ``max_waiting`` how many may wait for that before
    the site answers 503. ``cache_gb`` bounds the memory of an embedded MongoDB.
    """

    uri: str | None = field(default=None, metadata={"check": _check_uri, "secret": True})
    data_dir: Path = Path("skerry-data")
    database: str = field(
        default="skerry", metadata=_matching(r"[A-Za-z0-9_-]{1,38}", "1 to 38 letters, digits, - and _")
    )
    cache_gb: float = field(default=1.0, metadata=_between(0.25, 10_000))
    pool_size: int = field(default=12, metadata=_between(1, 500))
    max_waiting: int = field(default=1000, metadata=_between(1, 1_000_000))


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID Connect issuer whose access tokens are accepted.

    ``issuer`` is the exact ``iss``, ``audiences`` the ``aud`` values of which a token must carry one. The
    keys come from ``jwks_uri`` or ``jwks_file`` (exactly one of them).
    """

    issuer: str = field(metadata=_URL)
    audiences: tuple[str, ...] = field(metadata=_SOME)
    jwks_uri: str | None = field(default=None, metadata=_URL)
    jwks_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = field(default=("RS256", "ES256"), metadata=_SOME)


@dataclass(frozen=True, slots=True)
class Node:
    """A network node that this site believes when it vouches for a person, and how far.

    ``id`` is the ``iss`` of its assertions, whose ``aud`` must be this beacon's id. It may speak for people
    of ``issuers`` only, never above ``max_level`` and ``max_granularity`` (words of ``beacon.model.access``).
    """

    id: str = field(metadata=_ID)
    issuers: tuple[str, ...] = field(metadata={"check": _web_addresses})
    jwks: Mapping[str, Any] | None = None
    jwks_file: Path | None = None
    max_level: Literal["public", "registered", "controlled"] = "public"
    max_granularity: Literal["none", "boolean", "count", "record"] = "boolean"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost; above these it is refused with 413, 400 or 504."""

    max_body_bytes: int = field(default=1_000_000, metadata=_between(1_000, 100_000_000))
    max_filters: int = field(default=50, metadata=_between(1, 10_000))
    max_page_size: int = field(default=1000, metadata=_between(1, 100_000))
    query_seconds: float = field(default=30.0, metadata=_between(0.1, 3600))


@dataclass(frozen=True, slots=True)
class Log:
    """``auto`` writes plain lines on a terminal and one JSON object per line elsewhere."""

    format: Literal["auto", "plain", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """One site's server. Without any configuration: an embedded MongoDB, this machine only, no issuers."""

    id: str = field(default="local.skerry", metadata=_ID)
    name: str = "Skerry"
    description: str | None = None
    environment: Literal["prod", "test", "dev", "staging"] = "dev"
    organization: Organization = Organization()
    listen: Listen = Listen()
    mongo: Mongo = Mongo()
    issuers: tuple[Issuer, ...] = ()
    nodes: tuple[Node, ...] = ()
    limits: Limits = Limits()
    log: Log = Log()


@dataclass(frozen=True, slots=True)
class Peer:
    """A site that a network asks. ``url`` is the root of its Beacon API; ``audience`` defaults to its id."""

    id: str = field(metadata=_ID)
    url: str = field(metadata={"check": _peer_address})
    name: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """A network node: asks all peers at once, within ``deadline_seconds``.

    ``signing_key_file`` (PEM, RSA or EC P-256) signs the assertions for peers, each valid for
    ``assertion_seconds``; without it people are not vouched for and every peer answers as to a stranger.
    """

    id: str = field(metadata=_ID)
    peers: tuple[Peer, ...] = field(metadata=_SOME)
    name: str = "Skerry network"
    description: str | None = None
    environment: Literal["prod", "test", "dev", "staging"] = "dev"
    organization: Organization = Organization(name="A Skerry network")
    listen: Listen = Listen(port=5060)
    signing_key_file: Path | None = None
    assertion_seconds: int = field(default=60, metadata=_between(5, 300))
    deadline_seconds: float = field(default=5.0, metadata=_between(0.1, 300))
    max_peer_bytes: int = field(default=10_000_000, metadata=_between(1_000, 1_000_000_000))
    issuers: tuple[Issuer, ...] = ()
    limits: Limits = Limits()
    log: Log = Log()


def load_site(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> SiteSettings:
    """Read a site's settings; without ``path`` the defaults. Raises ``ConfigurationError``."""
    settings = SiteSettings() if path is None else _load(SiteSettings, path)
    mongo = settings.mongo
    if uri := environ.get("SKERRY_MONGODB_URI"):
        if _check_uri(uri) is not None:
            raise ConfigurationError(f"SKERRY_MONGODB_URI must be {_check_uri(uri)}.", where="SKERRY_MONGODB_URI")
        mongo = replace(mongo, uri=uri)
    if data_dir := environ.get("SKERRY_DATA_DIR"):
        mongo = replace(mongo, data_dir=Path(data_dir).absolute())
    return replace(settings, mongo=mongo)


def load_network(path: Path) -> NetworkSettings:
    """Read a network's settings. Raises ``ConfigurationError``."""
    return _load(NetworkSettings, path)


# Rules over several keys of one table: each says what is wrong, or None.


def _listen_rule(listen: Listen) -> str | None:
    if (listen.tls_cert is None) != (listen.tls_key is None):
        return "tls_cert and tls_key belong together: give both or neither"
    return None


def _issuer_rule(issuer: Issuer) -> str | None:
    if (issuer.jwks_uri is None) == (issuer.jwks_file is None):
        return "give exactly one of jwks_uri and jwks_file"
    return None


def _node_rule(node: Node) -> str | None:
    if (node.jwks is None) == (node.jwks_file is None):
        return "give exactly one of jwks and jwks_file"
    if node.jwks is not None and not (isinstance(keys := node.jwks.get("keys"), list) and keys):
        return "jwks must be a JSON Web Key Set: a table with the list keys"
    return None


def _site_rule(site: SiteSettings) -> str | None:
    return _twice("issuers", [i.issuer for i in site.issuers]) or _twice("nodes", [n.id for n in site.nodes])


def _network_rule(network: NetworkSettings) -> str | None:
    return _twice("issuers", [i.issuer for i in network.issuers]) or _twice("peers", [p.id for p in network.peers])


def _twice(what: str, names: list[str]) -> str | None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    return None if repeated is None else f"{what} names {repeated} more than once"


_RULES: Mapping[type, Callable[[Any], str | None]] = {
    Listen: _listen_rule,
    Issuer: _issuer_rule,
    Node: _node_rule,
    SiteSettings: _site_rule,
    NetworkSettings: _network_rule,
}


@dataclass(frozen=True, slots=True)
class _Place:
    """A key of a file, for messages: ``site.toml: listen.port``."""

    file: Path
    key: str = ""

    def child(self, name: str) -> _Place:
        return _Place(self.file, f"{self.key}.{name}" if self.key else name)

    def entry(self, index: int) -> _Place:
        return _Place(self.file, f"{self.key}[{index}]")

    def error(self, problem: str) -> ConfigurationError:
        place = f"{self.file}: {self.key}" if self.key else f"{self.file}"
        return ConfigurationError(f"{place}: {problem}.", where=self.key or str(self.file))


def _load(cls: type[T], path: Path) -> T:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text.", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {str(error).rstrip('.')}.", where=str(path)) from None
    return _table(cls, table, _Place(path))


def _table(cls: type[T], table: Mapping[str, Any], place: _Place, default: object = None) -> T:
    """Build ``cls`` from a TOML table; keys that it leaves out come from ``default``, else the class."""
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}" if close else "allowed here are " + ", ".join(known)
            raise place.child(name).error(f"unknown key; {meant}")
    values: dict[str, Any] = {}
    for name, item in known.items():
        if name in table:
            start = item.default if default is None else getattr(default, name)
            values[name] = _value(hints[name], table[name], place.child(name), start)
            _check(item.metadata, values[name], place.child(name))
        elif default is not None:
            values[name] = getattr(default, name)
        elif item.default is MISSING:
            raise place.child(name).error("is missing, and has no default")
    made = cls(**values)
    if (rule := _RULES.get(cls)) and (problem := rule(made)):
        raise place.error(problem)
    return made


def _check(metadata: Mapping[str, Any], value: Any, place: _Place) -> None:
    check: Callable[[Any], str | None] | None = metadata.get("check")
    if check is not None and (allowed := check(value)) is not None:
        shown = "" if metadata.get("secret") else f", not {value!r}"
        raise place.error(f"must be {allowed}{shown}")


def _value(hint: Any, value: Any, place: _Place, default: object) -> Any:
    """Convert one TOML value to the annotated type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType) and hint != IPNetwork:
        hint = next(kind for kind in get_args(hint) if kind is not type(None))  # TOML has no null
        origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise place.error(f"must be a list, not {value!r}")
        return tuple(_value(get_args(hint)[0], one, place.entry(n), MISSING) for n, one in enumerate(value))
    if origin is Literal:
        if value not in get_args(hint):
            raise place.error(f"must be one of {', '.join(get_args(hint))}, not {value!r}")
        return value
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise place.error(f"must be a table, not {value!r}")
        return _table(hint, value, place, None if default is MISSING else default)  # type: ignore[arg-type]
    return _SCALARS[origin or hint](value, place)


def _text(value: Any, place: _Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise place.error(f"must be a text that is not empty, not {value!r}")
    return value


def _whole(value: Any, place: _Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise place.error(f"must be a whole number, not {value!r}")
    return value


def _number(value: Any, place: _Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise place.error(f"must be a number, not {value!r}")
    return float(value)


def _path(value: Any, place: _Place) -> Path:
    text = _text(value, place)
    if "\0" in text:
        raise place.error("must be a path, without NUL characters")
    return place.file.parent.absolute() / text


def _ip_network(value: Any, place: _Place) -> IPNetwork:
    try:
        return ipaddress.ip_network(_text(value, place))
    except ValueError:
        raise place.error(f"must be an IP address or network (10.0.0.0/8), not {value!r}") from None


def _mapping(value: Any, place: _Place) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise place.error(f"must be a table, not {value!r}")
    return value


_SCALARS: Mapping[Any, Callable[[Any, _Place], Any]] = {
    str: _text,
    int: _whole,
    float: _number,
    Path: _path,
    types.UnionType: _ip_network,
    collections.abc.Mapping: _mapping,
}
