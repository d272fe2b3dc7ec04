"""Page tokens (Beacon v2 ``Pagination``): given with an answer, and good for the same question only.

A token names a page and, by a digest, the question that it is a page of, so that one sent back with another
question is refused and never answered with somebody else's page. It holds no state: any worker reads it, by GET
or POST, today or tomorrow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from beacon.errors import BadRequest
from beacon.model.query import Pagination, Query

TOKENS = ("currentPage", "nextPage", "previousPage")
_PARTS = re.compile(
    r"(?P<skip>\d{1,10})\.(?P<limit>\d{1,10})\.(?P<digest>[0-9a-f]{16})(\.(?P<place>[A-Za-z0-9_-]{1,32000}))?"
)


def token(query: Query, skip: int, place: str = "") -> str:
    """Return the token of a page of this question, ``skip`` pages after the first; ``place`` is a network's."""
    return tokens(query, [skip], place)[0]


def tokens(query: Query, skips: Iterable[int], place: str = "") -> list[str]:
    """Return the tokens of some pages of this question."""
    rest = f".{query.pagination.limit}.{_digest(query)}{'.' if place else ''}{place}"
    return [base64.urlsafe_b64encode(f"{skip}{rest}".encode()).decode().rstrip("=") for skip in skips]


def page_of(query: Query, given: Mapping[str, Any]) -> Pagination | None:
    """Return the page that a request's tokens name, None where it has none. Tokens that are empty count as none.

    ``currentPage`` goes before the other two, so that a pagination sent back whole means the same page again. What
    ``skip`` and ``limit`` say beside a token must be what it says. Raises ``BadRequest`` that names the member.
    """
    named = {name: text for name in TOKENS if (text := given.get(name))}
    if not named:
        return None
    if len(named) > 1 and "currentPage" not in named:
        raise BadRequest(
            "The members nextPage and previousPage name two pages; send the one that is wanted.", where="nextPage"
        )
    where = next(iter(named))
    page = _read(query, str(named[where]), where)
    for name, value in (("skip", page.skip), ("limit", page.limit)):
        if name in given and int(given[name]) != value:
            raise BadRequest(
                f"The {name} is {given[name]}, but the page token in {where} was made with {value}; "
                "send the token alone.",
                where=name,
            )
    return page


def _read(query: Query, text: str, where: str) -> Pagination:
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    parts = _PARTS.fullmatch(plain)
    if parts is None:
        raise BadRequest(
            f"The text in {where} is no page token of this site; take it from an answer's pagination.", where=where
        )
    if parts["digest"] != _digest(query):
        raise BadRequest(
            f"The page token in {where} belongs to another question; send it with the question that it came with.",
            where=where,
        )
    return Pagination(int(parts["skip"]), int(parts["limit"]), parts["place"] or "")


def _digest(query: Query) -> str:
    """What makes it the same question: everything that chooses or orders records, and nothing else."""
    asked = (query.entry_type, query.anchor, query.filters, query.variant, query.datasets, query.test_mode)
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
