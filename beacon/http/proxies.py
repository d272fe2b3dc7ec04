"""Who is at the other end, and by what address we are known there; proxies are believed only if trusted."""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from beacon.settings import Listen

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def _trusted(listen: Listen, address: str | None) -> bool:
    try:
        one = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(one in network for network in listen.trusted_proxies if one.version == network.version)


def client_address(request: web.Request, listen: Listen) -> str:
    """Return the address of whoever asks: of the connection, or what trusted proxies say it is."""
    address = request.remote or ""
    forwarded = [
        part.strip()
        for line in request.headers.getall("X-Forwarded-For", [])
        for part in line.split(",")
        if part.strip()
    ]
    while forwarded and _trusted(listen, address):
        address = forwarded.pop()
    return address


def base_url(request: web.Request, listen: Listen) -> str:
    """Return the address of the server's root as the outside knows it, without a slash at its end.

    The configured ``public_url``; else what a trusted proxy says; else what the client called us.
    """
    if listen.public_url:
        return listen.public_url.rstrip("/")
    scheme, host = request.scheme, request.headers.get("Host", "")
    if _trusted(listen, request.remote):
        said = request.headers.get("X-Forwarded-Proto", "").lower()
        scheme = said if said in ("http", "https") else scheme
        host = request.headers.get("X-Forwarded-Host", host)
    if not _HOST.fullmatch(host):
        host = f"{listen.host}:{listen.port}"
    return f"{scheme}://{host}"
