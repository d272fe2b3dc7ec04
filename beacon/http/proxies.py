"""Who is at the other end, and by what address we are known there; proxies are believed only if trusted."""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from beacon.settings import Listen

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](?::\d{1,5})?|(?P<v4>[0-9.]+):\d{1,5}", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address as connections and proxies write it, with a port or a zone too; None where it is none."""
    match = _WITH_PORT.fullmatch(text)
    host = text if match is None else match["v6"] or match["v4"]
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def trusted(listen: Listen, address: str) -> bool:
    """Say whether this is the address of a proxy that is believed."""
    one = _address(address)
    # Where both kinds of address are listened to, IPv4 comes in the dress of IPv6.
    forms = [form for form in (one, getattr(one, "ipv4_mapped", None)) if form is not None]
    return any(form in network for form in forms for network in listen.trusted_proxies)


def client_address(request: web.BaseRequest, listen: Listen) -> str:
    """Return the address of whoever asks: of the connection, or what trusted proxies say it is.

    What they forward that is no address ("unknown") cannot be told from others: then it is the proxy's own.
    """
    address = request.remote or ""
    forwarded = [
        part.strip()
        for line in request.headers.getall("X-Forwarded-For", [])
        for part in line.split(",")
        if part.strip()
    ]
    while forwarded and trusted(listen, address):
        if (said := _address(forwarded.pop())) is None:
            break
        address = str(said)
    return address


def base_url(request: web.Request, listen: Listen) -> str:
    """Return the address of the server's root as the outside knows it, without a slash at its end.

    The configured ``public_url``; else what a trusted proxy says; else what the client called us.
    """
    if listen.public_url:
        return listen.public_url.rstrip("/")
    scheme, host = request.scheme, request.headers.get("Host", "")
    if trusted(listen, request.remote or ""):
        said = request.headers.get("X-Forwarded-Proto", "").lower()
        scheme = said if said in ("http", "https") else scheme
        host = request.headers.get("X-Forwarded-Host", host)
    if not _HOST.fullmatch(host):
        host = f"{listen.host}:{listen.port}"
    return f"{scheme}://{host}"
