"""The public keys that tokens are checked with: given in a file, or fetched from their issuer.

Only RSA (2048 to 8192 bits) and P-256 keys meant for signatures are kept; anything else in a key set
(symmetric keys, private keys, encryption keys, unknown kinds) is passed over.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from beacon.auth import fetch
from beacon.auth.fetch import FETCH_SECONDS
from beacon.errors import IdentityUnavailable

PublicKey = RSAKey | ECKey

UNKNOWN_KEY_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 5.0
FRESH_SECONDS: Final = 600.0
STALE_SECONDS: Final = 3600.0

_LOG = logging.getLogger(__name__)
_RSA_BITS: Final = range(2048, 8193)


class KeySource(Protocol):
    """Where one issuer's keys come from."""

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """Give the key of that id for that algorithm (without an id: the only one), or None.

        Raises ``IdentityUnavailable`` where the keys cannot be had now.
        """


@dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that configuration gives."""

    keys: tuple[PublicKey, ...]

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        return pick(self.keys, kid, algorithm)


def pick(keys: tuple[PublicKey, ...], kid: str | None, algorithm: str) -> PublicKey | None:
    """Choose the one key that fits; where several do, none (guessing helps forgers only)."""
    kind = "RSA" if algorithm.startswith("RS") else "EC"
    fitting = [
        key
        for key in keys
        if key.key_type == kind and key.get("alg") in (None, algorithm) and kid in (None, key.get("kid"))
    ]
    return fitting[0] if len(fitting) == 1 else None


def parse_jwks(document: object) -> tuple[PublicKey, ...]:
    """Read a JSON Web Key Set (RFC 7517), keeping what this program can use.

    Raises ``ValueError`` (a sentence's end: "has no...") where it is not a key set or no usable key is in it.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("is not a JSON Web Key Set, which is an object with the list keys")
    keys = tuple(key for entry in entries if (key := _parse_key(entry)) is not None)
    if not keys:
        raise ValueError("has no public RSA (2048 bits or more) or P-256 key for signatures")
    return keys


def _parse_key(entry: object) -> PublicKey | None:
    if not isinstance(entry, dict) or "d" in entry or entry.get("use") not in (None, "sig"):
        return None
    try:
        if entry.get("kty") == "RSA" and _bits(entry["n"]) in _RSA_BITS:
            return RSAKey.import_key(entry)
        if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
            return ECKey.import_key(entry)
    except (JoseError, KeyError, TypeError, ValueError):
        _LOG.warning("A key of a key set cannot be read and is passed over.")
    return None


def _bits(number: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(number + "=="), "big").bit_length()


class FetchedKeys:
    """Keys that the issuer publishes, cached.

    One fetch serves all that wait for it. Keys are fetched again when they are ten minutes old (kept for up
    to an hour where the issuer does not answer) and on an unknown key id, that at most every 30 s.
    Bodies above 64 kB and redirects are refused; a fetch takes at most 5 s.
    """

    def __init__(
        self, issuer: str, jwks_uri: str | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fetch from ``jwks_uri``, or from what the issuer's discovery document names."""
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._clock = clock
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._failed = False
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        if self._age() > FRESH_SECONDS:
            await self._refresh(RETRY_SECONDS)
        if self._age() > STALE_SECONDS:
            raise self._unavailable()
        if (key := pick(self._keys, kid, algorithm)) is not None:
            return key
        await self._refresh(UNKNOWN_KEY_SECONDS)
        key = pick(self._keys, kid, algorithm)
        if key is None and self._failed:
            raise self._unavailable()
        return key

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _unavailable(self) -> IdentityUnavailable:
        return IdentityUnavailable(
            f"The token cannot be checked now: the keys of {self._issuer} are out of reach; try again soon."
        )

    async def _refresh(self, interval: float) -> None:
        if self._fetch is None:
            if self._clock() - self._tried < interval:
                return
            self._tried = self._clock()
            self._fetch = asyncio.create_task(self._update())
        # Shielded: whoever began the fetch may hang up, the others still wait for it.
        await asyncio.shield(self._fetch)

    async def _update(self) -> None:
        try:
            self._keys = await self._download()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._failed = True
            reason = str(error) or type(error).__name__
            _LOG.warning("The keys of %s cannot be fetched: %s", self._issuer, reason)
        else:
            self._failed = False
            self._fetched = self._clock()
        finally:
            self._fetch = None

    async def _download(self) -> tuple[PublicKey, ...]:
        async with asyncio.timeout(FETCH_SECONDS):
            jwks_uri = self._jwks_uri or fetch.endpoint(await fetch.discovery(self._issuer), "jwks_uri")
            return parse_jwks(await fetch.json(jwks_uri))
