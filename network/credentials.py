"""What goes along for a person: an assertion for the one peer, or a token that was exchanged for it, and visas."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from beacon.auth import fetch, hop, tokens
from beacon.auth.assertion import SigningKey, sign_assertion
from beacon.auth.passports import read_secret
from beacon.auth.visas import CLAIM
from beacon.errors import Unauthenticated
from beacon.model.access import ANONYMOUS, Principal
from beacon.settings import Issuer
from network.outcomes import NoCredential
from network.registry import Member

_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS: Final = "urn:ietf:params:oauth:token-type:access_token"
_MARGIN_SECONDS: Final = 30.0
_MOST_KEPT: Final = 10_000
_MOST_VISAS: Final = 16_384
"""Characters of visas in one header; longer ones many servers refuse."""


@dataclass(frozen=True, slots=True)
class Behalf:
    """For whom members are asked, and of what question that is a part; ``account`` is whose turn it is.

    ``hop`` is where the question has been, as ``beacon.auth.hop.draft`` writes it.
    ``token`` is the person's own, which goes to nobody but its issuer. ``visas`` are compact JWS, unchecked.
    """

    principal: Principal = ANONYMOUS
    account: str = ""
    hop: bytes | None = None
    token: str | None = field(default=None, repr=False)
    visas: tuple[str, ...] = field(default=(), repr=False)


class Exchanger:
    """Has issuers give tokens for one peer in exchange for a person's token (RFC 8693); keeps them while they hold."""

    def __init__(self, issuers: Sequence[Issuer], *, clock: Callable[[], float] = time.time) -> None:
        self._issuers = {one.issuer: one for one in issuers}
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    async def token(self, member: Member, behalf: Behalf) -> str:
        """Return a token for this member's audience. Raises ``NoCredential``."""
        person = behalf.principal.person
        issuer = self._issuers.get(person.issuer) if person else None
        if issuer is None or behalf.token is None or issuer.client_id is None or issuer.client_secret_file is None:
            raise NoCredential
        key = hashlib.sha256(f"{member.audience} {behalf.token}".encode()).digest()
        if (kept := self._kept.get(key)) is not None and kept[1] > self._clock():
            return kept[0]
        form = {
            "grant_type": _GRANT,
            "subject_token": behalf.token,
            "subject_token_type": _ACCESS,
            "requested_token_type": _ACCESS,
            "audience": member.audience,
        }
        try:
            address = fetch.endpoint(await fetch.discovery(issuer.issuer), "token_endpoint")
            answer = await fetch.json(
                address, form=form, basic=(issuer.client_id, read_secret(issuer.client_secret_file))
            )
        except (fetch.Refused, *fetch.FAILURES):
            raise NoCredential from None
        match answer:
            case {"access_token": str(token), "issued_token_type": str(kind)} if (
                kind == _ACCESS and token != behalf.token
            ):
                self._keep(key, token, answer.get("expires_in"))
                return token
            case _:
                raise NoCredential

    def _keep(self, key: bytes, token: str, seconds: object) -> None:
        if isinstance(seconds, int) and seconds > _MARGIN_SECONDS:
            self._kept[key] = token, self._clock() + seconds - _MARGIN_SECONDS
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs for a node. Without ``vouching`` it says nothing about who asks, since nobody knows its key."""

    key: SigningKey
    node: str
    seconds: int
    exchanger: Exchanger
    vouching: bool = True
    clock: Callable[[], float] = time.time

    def asker(self, member: Member, behalf: Behalf) -> bytes:
        """Return what tells apart those who come to this member with different credentials; empty for strangers.

        It is a digest, so that no credential is kept for it.
        """
        principal = behalf.principal
        if principal.person is None or not (member.exchange or self.vouching):
            return b""
        limits = (principal.node, principal.ceiling, principal.max_granularity)
        went = behalf.token if member.exchange else needed(behalf.visas, member.visas)
        return hashlib.sha256(repr((principal.person, limits, went)).encode("utf-8", "surrogatepass")).digest()

    async def headers(self, member: Member, behalf: Behalf, request: str) -> Mapping[str, str]:
        """Return what goes with the one request of this digest to this one member. Raises ``NoCredential``."""
        made: dict[str, str] = {}
        principal = behalf.principal
        if principal.person is not None and member.exchange:
            made["Authorization"] = f"Bearer {await self.exchanger.token(member, behalf)}"
        elif principal.person is not None and self.vouching:
            signed = sign_assertion(
                self.key, self.node, member.audience, principal, request, self.clock(), seconds=self.seconds
            )
            made["Authorization"] = f"Bearer {signed}"
            if visas := needed(behalf.visas, member.visas):
                made[hop.VISAS] = visas
        if behalf.hop is not None:
            made[hop.HEADER] = hop.sign_hop(self.key, member.audience, behalf.hop)
        return made


def needed(visas: Sequence[str], wanted: frozenset[str]) -> str:
    """Return, for the header, those visas that a peer needs, by what they say of themselves."""
    chosen: list[str] = []
    for text in visas if wanted else ():
        try:
            said = tokens.read(text).claims.get(CLAIM)
        except Unauthenticated:
            continue
        if isinstance(said, Mapping) and ("*" in wanted or not wanted.isdisjoint(_names(said))):
            chosen.append(text)
    while sum(map(len, chosen)) > _MOST_VISAS:
        chosen.pop()
    return " ".join(chosen)


def _names(said: Mapping[str, object]) -> list[str]:
    return [name for key in ("value", "type") if isinstance(name := said.get(key), str)]
