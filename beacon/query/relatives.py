"""What people's records say of their relatives: nothing where somebody of the family cannot be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from beacon.privacy.fields import stripped
from beacon.store.base import Dataset, Store

_PATHS: Final = ("pedigrees", "info.family")
_SIGNS: Final = (b'"pedigrees"', b'"family"')
"""What a record has that says anything of relatives."""


async def without_unseen(store: Store, dataset: Dataset, records: Sequence[bytes]) -> Sequence[bytes]:
    """Return individuals' records without families of which somebody withdrew, or is hidden from whoever asks.

    A pedigree says of a disease who is affected, and whose it is; without one of its people it still would.

    Raises ``StoreUnavailable``.
    """
    if not dataset.unseen:
        return records
    families = [frozenset(_named(record)) for record in records]
    if not (everybody := frozenset().union(*families)):
        return records
    ordinals = await store.ordinals(dataset.people, "individual", everybody)
    unseen = {id for id, ordinal in ordinals.items() if ordinal in dataset.unseen}
    return [
        record if unseen.isdisjoint(family) else stripped(record, _PATHS)
        for record, family in zip(records, families, strict=True)
    ]


def _named(record: bytes) -> Iterator[str]:
    """Yield the ids of individuals whom a record names as relatives."""
    if not any(sign in record for sign in _SIGNS):
        return
    body = orjson.loads(record)
    for pedigree in _objects(body.get("pedigrees")):
        yield from _texts(member.get("memberId") for member in _objects(pedigree.get("members")))
    info = body.get("info")
    family = info.get("family") if isinstance(info, dict) else None
    if isinstance(family, dict):
        members = family.get("memberIds")
        yield from _texts(members if isinstance(members, list) else ())
        yield from _texts(person.get("individualId") for person in _objects(family.get("persons")))


def _texts(values: Iterable[Any]) -> Iterator[str]:
    return (one for one in values if isinstance(one, str))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
