"""The members of a network, as its operator lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from yarl import URL

from beacon.errors import ConfigurationError
from beacon.settings import Peer


@dataclass(frozen=True, slots=True)
class Member:
    """One beacon that is asked.

    ``id`` is the name under which its answers appear, whatever it calls itself. ``url`` is the root of its
    Beacon API, without a slash at the end. ``audience`` is who the assertions for it are addressed to.
    ``beacon_id`` is what it must call itself, where that is known; ``names`` are those that the operator
    knows it by, ``taken`` all names in the network.
    ``visas`` are the values and types of those that it needs. With ``exchange`` people come with a token for it alone.
    ``assemblies`` are the names of those that it has, where the operator knows them.
    """

    id: str
    name: str
    url: URL
    audience: str
    beacon_id: str | None = None
    names: frozenset[str] = frozenset()
    taken: frozenset[str] = field(default=frozenset(), repr=False)
    visas: frozenset[str] = frozenset()
    exchange: bool = False
    assemblies: tuple[str, ...] = ()

    def may_be(self, name: str) -> bool:
        """Say whether a beacon that calls itself so (``meta.beaconId``) can be this one."""
        if self.beacon_id is not None:
            return name == self.beacon_id
        return name in self.names or name not in self.taken


class Registry:
    """All members, in the order in which they were listed."""

    def __init__(self, peers: Iterable[Peer], own_id: str = "") -> None:
        """Read the list; ``own_id`` is who asks, and is no member's name either.

        Raises ``ConfigurationError`` for an id, address or beacon id that occurs twice, or a password in an address.
        """
        peers = tuple(peers)
        taken = frozenset({own_id}.union(*map(_names, peers)))
        self.members = tuple(_member(peer, taken) for peer in peers)
        _refuse_twice("id", [member.id for member in self.members])
        # The same beacon under two names would be counted twice.
        _refuse_twice("address", [str(member.url) for member in self.members])
        _refuse_twice("beacon_id", [member.beacon_id for member in self.members if member.beacon_id is not None])

    def owner(self, dataset: str) -> tuple[Member, str] | None:
        """Split ``site-a:cases`` into the member site-a and its dataset; None where no member's id comes first."""
        named = [member for member in self.members if dataset.startswith(f"{member.id}:")]
        if not named:
            return None
        member = max(named, key=lambda one: len(one.id))
        return member, dataset[len(member.id) + 1 :]


def _names(peer: Peer) -> frozenset[str]:
    return frozenset({peer.id, peer.audience or peer.id, peer.beacon_id or peer.id})


def _member(peer: Peer, taken: frozenset[str]) -> Member:
    url = URL(peer.url.rstrip("/"))
    if url.user is not None or url.password is not None:
        raise ConfigurationError(
            f"The address of the peer {peer.id} holds a name or password; give it without.", where="peers"
        )
    return Member(
        peer.id,
        peer.name or peer.id,
        url,
        peer.audience or peer.id,
        peer.beacon_id,
        _names(peer),
        taken,
        frozenset(peer.visas),
        peer.people == "exchange",
        peer.assemblies,
    )


def _refuse_twice(what: str, values: Iterable[str]) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise ConfigurationError(f"Two peers have the same {what} {value}; list each peer once.", where="peers")
