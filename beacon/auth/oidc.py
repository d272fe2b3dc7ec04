"""Who asks: the ``Authorization`` header of a request becomes a ``Principal``, or a refusal.

Two kinds of bearer token are believed: access tokens of configured OpenID Connect issuers (RFC 9068 and the
common JWT form), and assertions of configured network nodes (``beacon.auth.assertion``). Both say only who
asks. What that person may see is the policy's business: no claim grants anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from beacon.auth import assertion, tokens
from beacon.auth.keys import FetchedKeys, FixedKeys, PublicKey, parse_jwks
from beacon.errors import ConfigurationError
from beacon.model.access import ANONYMOUS, Granularity, Level, Person, Principal
from beacon.settings import Issuer, Node

_ACCESS_TOKENS: Final = frozenset({"at+jwt", "jwt"})
_ASSERTIONS: Final = frozenset({assertion.TYPE})


class Verifier:
    """Checks bearer tokens for one site; made once, used by all requests of one event loop."""

    def __init__(
        self,
        issuers: Sequence[Issuer] = (),
        nodes: Sequence[Node] = (),
        *,
        beacon_id: str,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare for these issuers and nodes; ``beacon_id`` is the audience of nodes' assertions.

        ``clock`` gives seconds since 1970. Raises ``ConfigurationError`` where a key file cannot be used, or
        where one name stands for two parties.
        """
        names = [i.issuer for i in issuers] + [n.id for n in nodes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"{twice[0]} is configured twice among issuers and nodes.", where=twice[0])
        self._clock = clock
        self._fetched: list[FetchedKeys] = []
        self._issuers: dict[str, tokens.Terms] = {}
        for issuer in issuers:
            keys: FixedKeys | FetchedKeys
            if issuer.jwks_file is not None:
                keys = FixedKeys(parse_keys(read_jwks(issuer.jwks_file), str(issuer.jwks_file)))
            else:
                keys = FetchedKeys(issuer.issuer, issuer.jwks_uri, clock=monotonic)
                self._fetched.append(keys)
            self._issuers[issuer.issuer] = tokens.Terms(
                keys, frozenset(issuer.audiences), issuer.algorithms, _ACCESS_TOKENS
            )
        self._nodes = {n.id: (n, _node_terms(n, beacon_id)) for n in nodes}

    async def principal(self, authorization: str | None) -> Principal:
        """Say who asks; ``authorization`` is the header's value, None where the request has none.

        Raises ``Unauthenticated`` for anything present that is not one valid token of a known issuer (never
        "anonymous"), ``IdentityUnavailable`` where its issuer's keys cannot be had.
        """
        if authorization is None:
            return ANONYMOUS
        token = tokens.read(tokens.bearer(authorization))
        issuer = token.claims.get("iss")
        if isinstance(issuer, str):
            if (terms := self._issuers.get(issuer)) is not None:
                claims = await tokens.check(token, terms, self._clock())
                return Principal(Person(issuer, tokens.text_claim(claims, "sub")))
            if issuer in self._nodes:
                node, terms = self._nodes[issuer]
                claims = await tokens.check(token, terms, self._clock())
                return Principal(
                    assertion.asserted_person(claims, frozenset(node.issuers)),
                    node=node.id,
                    ceiling=Level(node.max_level),
                    max_granularity=Granularity.parse(node.max_granularity),
                )
        raise tokens.refused("is from an issuer that this site does not know")

    async def close(self) -> None:
        """Stop fetches that are under way."""
        await asyncio.gather(*(keys.close() for keys in self._fetched))


def read_jwks(path: Path) -> Any:
    """Read a JSON file of keys. Raises ``ConfigurationError`` naming the file."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
    except ValueError:
        raise ConfigurationError(f"{path}: is not JSON.", where=str(path)) from None


def parse_keys(document: Any, place: str) -> tuple[PublicKey, ...]:
    """Read a key set that configuration gives. Raises ``ConfigurationError`` naming ``place``."""
    try:
        return parse_jwks(document)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}.", where=place) from None


def _node_terms(node: Node, beacon_id: str) -> tokens.Terms:
    if node.jwks_file is not None:
        keys = FixedKeys(parse_keys(read_jwks(node.jwks_file), str(node.jwks_file)))
    else:
        keys = FixedKeys(parse_keys(node.jwks, f"nodes: {node.id}: jwks"))
    return tokens.Terms(keys, frozenset({beacon_id}), tokens.ALGORITHMS, _ASSERTIONS)
