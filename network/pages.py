"""Pages over members: no record on two of them, and none lost where a member fails meanwhile.

Every result set has a place: how many of its records earlier pages have shown. Page tokens carry the places, so that
a member that fails is asked on from where it was. Variants are shared by members: there each set is in allele order,
and a page shows of each what comes up to where the first of them would have to be read on, so that all that is known of
an allele is on one page. No page is longer than ``limit`` in any set. The page of variants that a number names is found
by going through the pages before it.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from beacon.errors import BadRequest, CannotAnswer
from beacon.model import genome
from beacon.model.access import Granularity
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.query import Pagination, Query
from beacon.query.execute import MAX_PAGE
from beacon.query.paging import token
from network.outcomes import Outcome, ResultSet

Places = Mapping[str, Mapping[str, int]]
"""By member and result set, how many records were shown; ``DONE`` where that was all."""
DONE: Final = -1
_EMPTY: Final = ""
"""Among the places, under no member's name: how many pages before were empty since only members that fail have more."""
_MOST_EMPTY: Final = 3
_MOST_PLACES: Final = 100_000
MOST_SETS: Final = 200
"""Of one member: each that is not read to its end is a request to it, and a token can be written by anybody."""


def placed(query: Query) -> bool:
    """Say whether pages of this question have places: all but those of collections, which are whole."""
    return query.granularity is Granularity.RECORD and not ENTRY_TYPES[query.entry_type].collection


def shared(query: Query) -> bool:
    """Say whether members may have the same records: variants, of which a page shows all that is known."""
    return query.entry_type == "genomicVariant"


def read_places(query: Query) -> Places | None:
    """Read the places of a page token, None where it has none. Raises ``BadRequest``."""
    text = query.pagination.place
    if not text:
        return None
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = orjson.loads(zlib.decompressobj().decompress(packed, _MOST_PLACES))
    except (binascii.Error, zlib.error, ValueError):
        found = None
    match found:
        case dict() if all(
            isinstance(sets, dict) and all(isinstance(place, int) and place >= DONE for place in sets.values())
            for sets in found.values()
        ):
            return found
        case _:
            raise BadRequest("The page token was changed; take it from an answer as it is.", where="nextPage")


def windows(query: Query, held: Mapping[str, int] | None) -> Iterator[Query]:
    """Yield the questions that bring what the page may need of one member, of whose sets these places are known.

    Raises ``CannotAnswer`` for a page by number so far behind that it cannot be found.
    """
    skip, limit = query.pagination.skip, query.pagination.limit
    if not held and not shared(query):
        yield replace(query, pagination=Pagination(0 if query.pagination.place else skip, limit))
        return
    if not held:
        size = limit if query.pagination.place else (skip + 1) * limit
        if size > MAX_PAGE:
            raise CannotAnswer(
                f"Variants of a network can be had by page number up to the {MAX_PAGE}th; go on by nextPage.",
                where="skip",
            )
        yield replace(query, pagination=Pagination(0, size))
        return
    if sum(place != DONE for place in held.values()) > MOST_SETS:
        raise CannotAnswer(
            f"A page over more than {MOST_SETS} result sets of one member takes too many requests; name datasets.",
            where="datasets",
        )
    done = tuple(sorted(name for name, place in held.items() if place == DONE))
    if done:  # for their numbers
        yield replace(query, datasets=done, pagination=Pagination(0, 1))
    for name, place in sorted(held.items()):
        if place != DONE:
            yield replace(query, datasets=(name,), pagination=_window(place, limit))


def _window(place: int, limit: int) -> Pagination:
    """Return the page that holds the records from ``place`` on, all ``limit`` of them if there is one."""
    for size in range(limit, MAX_PAGE + 1):
        if place // size == (place + limit - 1) // size:
            return Pagination(place // size, size)
    return Pagination(place // limit, limit)


@dataclass(slots=True)
class _Stream:
    """One result set: ``records`` begin at ``place``; ``shown`` of them are on pages so far."""

    peer: str
    name: str
    place: int
    records: Sequence[Mapping[str, Any]]
    total: int | None
    full: bool
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    begun: int = 0
    shown: int = 0

    def ends_at(self, count: int) -> bool:
        """Say whether there is nothing beyond the first ``count`` of these records."""
        if self.total is not None:
            return self.place + count >= self.total
        return not self.full and count >= len(self.records)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows: the outcomes with its records alone, and the places of the next one, None for the last."""

    outcomes: tuple[Outcome, ...]
    following: Places | None


def cut(query: Query, asked: Mapping[str, Sequence[Query]], outcomes: Sequence[Outcome]) -> Page:
    """Cut the page out of what members sent; ``asked`` are the questions that each was asked (``windows``)."""
    places = read_places(query) or {}
    streams = [
        stream
        for outcome in outcomes
        if outcome.finding.granularity is Granularity.RECORD
        for one in outcome.finding.sets
        if (stream := _stream(outcome.peer, one, asked[outcome.peer], places.get(outcome.peer, {}))) is not None
    ]
    if shared(query):
        for _ in range(1 if query.pagination.place else query.pagination.skip + 1):
            _turn(streams, query.pagination.limit)
    else:
        for stream in streams:
            stream.shown = min(query.pagination.limit, len(stream.records))
    following: dict[str, dict[str, int]] = {peer: dict(sets) for peer, sets in places.items()}
    more = False
    for stream in streams:
        ended = stream.ends_at(stream.shown)
        following.setdefault(stream.peer, {})[stream.name] = DONE if ended else stream.place + stream.shown
        more = more or not ended
    came = any(stream.shown > stream.begun for stream in streams)
    return Page(_with_records(outcomes, streams), onward(following, outcomes, came=came, more=more))


def onward(places: Places, outcomes: Collection[Outcome], *, came: bool, more: bool) -> Places | None:
    """Return the places of the next page, after a page on which records ``came`` or not; None where there is none.

    Where nothing came nothing more would, but from members that fail, which are asked again a few times. ``more``:
    members that answered have more.
    """
    empty = 0 if came else places.get(_EMPTY, {}).get(_EMPTY, 0) + 1
    nothing: Places = {outcome.peer: {} for outcome in outcomes if outcome.kind.answered and outcome.peer not in places}
    owing = any(outcome.kind.failed and _owes(places.get(outcome.peer)) for outcome in outcomes)
    if (came and more) or (owing and empty <= _MOST_EMPTY):
        return {**places, **nothing, _EMPTY: {_EMPTY: empty}}
    return None


def _owes(held: Mapping[str, int] | None) -> bool:
    """Say whether a member at these places may have records that no page has shown."""
    return held is None or any(place != DONE for place in held.values())


def sent(
    query: Query, asked: Sequence[Query], outcome: Outcome, held: Mapping[str, int]
) -> tuple[Outcome, dict[str, int], bool]:
    """Return what a stream of results shows of one member, the places after it, and whether there is more.

    ``held`` are the member's places before. A stream does not wait for the others, so it shows up to ``limit`` records
    of each set, whatever theirs are.
    """
    made = (_stream(outcome.peer, one, asked, held) for one in outcome.finding.sets)
    streams = [stream for stream in made if stream is not None]
    for stream in streams:
        stream.shown = min(query.pagination.limit, len(stream.records))
    places = {one.name: DONE if one.ends_at(one.shown) else one.place + one.shown for one in streams}
    more = any(place != DONE and one.shown for one, place in zip(streams, places.values(), strict=True))
    return _with_records([outcome], streams)[0], {**held, **places}, more


def _stream(peer: str, one: ResultSet, asked: Sequence[Query], held: Mapping[str, int]) -> _Stream | None:
    if one.results is None or held.get(one.id) == DONE:
        return None
    page = next((query.pagination for query in asked if query.datasets == (one.id,)), asked[0].pagination)
    begin = page.skip * page.limit
    place = held.get(one.id, begin)  # a page by number begins where it is, and has no places yet
    records = one.results[max(place - begin, 0) :]
    stream = _Stream(
        peer, one.id, place, records, one.bounds.low if one.bounds.exact else None, len(one.results) >= page.limit
    )
    last: tuple[Any, ...] = ()
    for record in records:
        last = max(last, allele_order(record))
        stream.keys.append(last)
    return stream


def _turn(streams: Sequence[_Stream], limit: int) -> None:
    """Go on by one page."""
    bounds = []
    for stream in streams:
        stream.begun = stream.shown
        end = min(stream.shown + limit, len(stream.records))
        if stream.ends_at(end):
            continue
        if end > stream.shown:
            bounds.append(stream.keys[end - 1])
        elif others := [other.keys[-1] for other in streams if other.peer == stream.peer and other.keys]:
            bounds.append(max(others))  # a network among the members shows what comes first in all of its sets
    bound = min(bounds, default=None)
    for stream in streams:
        end = min(stream.shown + limit, len(stream.records))
        stream.shown += sum(bound is None or key <= bound for key in stream.keys[stream.shown : end])


def _with_records(outcomes: Sequence[Outcome], streams: Sequence[_Stream]) -> tuple[Outcome, ...]:
    shown = {(one.peer, one.name): tuple(one.records[one.begun : one.shown]) for one in streams}

    def only(outcome: Outcome) -> Outcome:
        sets = tuple(
            one if one.results is None else replace(one, results=shown.get((outcome.peer, one.id), ()))
            for one in outcome.finding.sets
        )
        return replace(outcome, verdict=replace(outcome.verdict, finding=replace(outcome.finding, sets=sets)))

    return tuple(only(outcome) if outcome.kind.answered else outcome for outcome in outcomes)


def allele_order(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what variants are ordered by, as at every site: assembly, chromosome, start, end; () where unknown."""
    match record.get("variation"):
        case {
            "location": {
                "sequence_id": str(sequence),
                "interval": {"start": {"value": int(start)}, "end": {"value": int(end)}},
            }
        }:
            assembly, chrom = genome.named_by(sequence) or (None, sequence)
            return (assembly or "", chrom, start, end)
        case _:
            return ()


def tokens(query: Query, following: Places | None) -> dict[str, str]:
    """Return the page tokens of an answer with records; that of a page that does not exist is empty."""
    skip = query.pagination.skip
    back = skip > 0 and (not shared(query) or skip * query.pagination.limit <= MAX_PAGE)
    return {
        "currentPage": token(query, skip, query.pagination.place),
        "nextPage": "" if following is None else token(query, skip + 1, _encode(following)),
        "previousPage": token(query, skip - 1) if back else "",
    }


def _encode(places: Places) -> str:
    packed = zlib.compress(orjson.dumps(places, option=orjson.OPT_SORT_KEYS), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
