"""The members of a network, as its operator lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from yarl import URL

from beacon.errors import ConfigurationError
from beacon.settings import Peer


@dataclass(frozen=True, slots=True)
class Member:
    """One beacon that is asked.

    ``id`` is the name under which its answers appear, whatever it calls itself. ``url`` is the root of its
    Beacon API, without a slash at the end. ``audience`` is who the assertions for it are addressed to.
    """

    id: str
    name: str
    url: URL
    audience: str


class Registry:
    """All members, in the order in which they were listed."""

    def __init__(self, peers: Iterable[Peer]) -> None:
        """Read the list. Raises ``ConfigurationError`` for an id or address that occurs twice, or a password in one."""
        self.members = tuple(_member(peer) for peer in peers)
        _refuse_twice("id", [member.id for member in self.members])
        # The same beacon under two names would be counted twice.
        _refuse_twice("address", [str(member.url) for member in self.members])

    def owner(self, dataset: str) -> tuple[Member, str] | None:
        """Split ``site-a:cases`` into the member site-a and its dataset; None where no member's id comes first."""
        named = [member for member in self.members if dataset.startswith(f"{member.id}:")]
        if not named:
            return None
        member = max(named, key=lambda one: len(one.id))
        return member, dataset[len(member.id) + 1 :]


def _member(peer: Peer) -> Member:
    url = URL(peer.url.rstrip("/"))
    if url.user is not None or url.password is not None:
        raise ConfigurationError(
            f"The address of the peer {peer.id} holds a name or password; give it without.", where="peers"
        )
    return Member(peer.id, peer.name or peer.id, url, peer.audience or peer.id)


def _refuse_twice(what: str, values: list[str]) -> None:
    if twice := next((value for value in values if values.count(value) > 1), None):
        raise ConfigurationError(f"Two peers have the same {what} {twice}; list each peer once.", where="peers")
