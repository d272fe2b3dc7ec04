"""Checks of single settings: each returns what is allowed when the value is not, else None."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit


def between(low: float, high: float) -> dict[str, Any]:
    """Metadata of a field that holds a number from ``low`` to ``high``."""

    def check(value: float) -> str | None:
        return None if low <= value <= high else f"a number from {low:g} to {high:g}"

    return {"check": check}


def matching(pattern: str, allowed: str) -> dict[str, Any]:
    """Metadata of a field whose whole text matches; ``allowed`` says so in words."""
    return {"check": lambda value: None if re.fullmatch(pattern, value) else allowed}


def _url_parts(value: str) -> tuple[str, str | None] | None:
    """Scheme and host of a web address without query and fragment; None for anything else."""
    try:
        parts = urlsplit(value)
        valid = parts.port != 0 and not parts.query and not parts.fragment and not re.search(r"\s", value)
    except ValueError:  # a port that is no number, a broken IPv6 address
        return None
    return (parts.scheme, parts.hostname) if valid else None


def web_address(value: str) -> str | None:
    """Https, or plain http to this machine."""
    match _url_parts(value):
        case ("https", str()) | ("http", "localhost" | "127.0.0.1" | "::1"):
            return None
    return "a web address that begins with https:// (http:// for this machine only), without ? and #"


def peer_address(value: str) -> str | None:
    """Https or http: a peer may stand in the same private network."""
    match _url_parts(value):
        case ("https" | "http", str()):
            return None
    return "a web address that begins with https:// or http://, without ? and #"


def handover_address(value: str) -> str | None:
    """Any absolute address: ``https:``, ``drs:``, ``htsget:``, ``mailto:``; nothing that a browser would run."""
    if re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+", value) and not re.match(
        r"(javascript|data|vbscript|file):", value
    ):
        return None
    return "an absolute address such as https://..., drs://... or mailto:..."


def mongodb_address(value: str) -> str | None:
    """A MongoDB connection string."""
    if re.fullmatch(r"mongodb(\+srv)?://.+", value):
        return None
    return "an address that begins with mongodb:// or mongodb+srv://"


def web_addresses(values: tuple[str, ...]) -> str | None:
    """At least one web address."""
    wrong = next((allowed for value in values if (allowed := web_address(value))), None)
    return f"a list with at least one entry, each {wrong or 'a web address'}" if wrong or not values else None


def origins(values: tuple[str, ...]) -> str | None:
    """What a browser sends as ``Origin``: scheme, host and port where it is not the usual one; or all of them."""
    allowed = 'a list of origins such as "https://portal.example.org" (no path, no capital letters), or ["*"] for all'
    if values == ("*",):
        return None
    return None if all(_ORIGIN.fullmatch(value) for value in values) else allowed


def assemblies(values: tuple[str, ...]) -> str | None:
    """Names without blanks."""
    good = all(value.isprintable() and value == value.strip() and "," not in value for value in values)
    return None if good else "a list of names of assemblies, such as hg38"


def some(value: tuple[object, ...]) -> str | None:
    """At least one entry."""
    return None if value else "a list with at least one entry"


_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
ID = matching(
    r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}",
    "1 to 100 letters, digits and . _ : -, beginning with a letter or digit",
)
URL: dict[str, Any] = {"check": web_address}
SOME: dict[str, Any] = {"check": some}


def twice(what: str, names: list[str]) -> str | None:
    """Say which name a list has more than once, or None."""
    repeated = next((name for name in names if names.count(name) > 1), None)
    return None if repeated is None else f"{what} names {repeated} more than once"
