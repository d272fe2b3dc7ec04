"""What the store found, before anybody decided what of it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DatasetResult:
    """One dataset's findings for one query; never leaves the server except through ``privacy.protect``.

    ``count`` is exact and for the whole query, not the page; None where only existence was asked.
    ``people`` is the number of distinct individuals behind the count, where the store knows it, else
    None. ``records`` are encoded JSON objects (UTF-8), one page of them. ``caveat`` says what could not be looked at,
    in a sentence that depends on the question and on which files the dataset has, never on what is in them.
    """

    dataset: str
    exists: bool
    count: int | None = None
    records: tuple[bytes, ...] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    caveat: str | None = None
