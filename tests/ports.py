"""Ports for servers that must be told theirs."""

from __future__ import annotations

import secrets
import socket

_LEAST, _MOST = 10_000, 32_000
"""Below those of outgoing connections, which could take a port between finding it free and using it."""


def free_port(following: int = 0) -> int:
    """Return a port of this machine that nobody listens on, nor on so many that follow it."""
    for _ in range(100):
        first = _LEAST + secrets.randbelow(_MOST - _LEAST - following)
        if all(_is_free(port) for port in range(first, first + following + 1)):
            return first
    raise OSError("no free port was found")


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
