"""What index conditions hold of one segment."""

from __future__ import annotations

from collections.abc import Iterable

from pyroaring import BitMap

from beacon.store.base import Bound, KeyCondition, NumberCondition, Segment, Store, TextCondition

IndexCondition = KeyCondition | TextCondition | NumberCondition


def keys_of(conditions: Iterable[IndexCondition]) -> set[tuple[str, str]]:
    """Return every (kind, index key) that some conditions look up."""
    asked = [one for one in conditions if isinstance(one, KeyCondition)]
    return {(kind, key) for one in asked for kind in one.kinds for key in (one.key, *one.others)}


async def held(store: Store, segment: Segment, kind: str, condition: IndexCondition) -> BitMap:
    """Return the rows of one kind that a condition is about, whether it is negated or not."""
    match condition:
        case KeyCondition(key=key, others=others):
            return await store.posting(segment, kind, [key, *others])
        case TextCondition(field=field, pattern=pattern):
            return await store.text_posting(segment, kind, field, pattern)
        case NumberCondition(field=field, low=low, high=high, others=others):
            ranges = [(low, high), *((Bound(one, True), Bound(one, True)) for one in others)]
            return BitMap().union(*[await store.between(segment, kind, field, *one) for one in ranges])
