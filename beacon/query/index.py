"""What index conditions hold of one segment."""

from __future__ import annotations

from pyroaring import BitMap

from beacon.store.base import KeyCondition, NumberCondition, Segment, Store, TextCondition

IndexCondition = KeyCondition | TextCondition | NumberCondition


async def held(store: Store, segment: Segment, kind: str, condition: IndexCondition) -> BitMap:
    """Return the rows of one kind that a condition is about, whether it is negated or not."""
    match condition:
        case KeyCondition(key=key, others=others):
            return await store.posting(segment, kind, [key, *others])
        case TextCondition(field=field, pattern=pattern):
            return await store.text_posting(segment, kind, field, pattern)
        case NumberCondition(field=field, low=low, high=high):
            return await store.between(segment, kind, field, low, high)
