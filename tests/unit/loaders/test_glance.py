"""A glance finds sound what the rules find sound, and leaves everything else to them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest

from loaders import checks
from loaders.glance import Glance, Glances
from loaders.terms import hpo
from tests.unit.loaders.packets import document, packet, read

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BORN = {"id": "x", "dateOfBirth": "2000-01-01T00:00:00Z"}
FEATURE: dict[str, Any] = {"type": {"id": "HP:0001250", "label": "Seizure"}}


def glance(**members: Any) -> Glance:
    """A glance at a sound packet with these members."""
    body = packet(**members)
    return Glances(partial(checks.is_sound_term, terms=hpo())).at(body, orjson.dumps(body).decode(), NOW)


def seen(onset: dict[str, Any]) -> dict[str, Any]:
    """A feature that began then."""
    return FEATURE | {"onset": onset}


def test_a_sound_packet_needs_no_second_look() -> None:
    assert glance() == Glance(terms=True, days=True, times=True)
    old = glance(subject=BORN, phenotypicFeatures=[seen({"timestamp": "2001-01-01T00:00:00Z"})])
    assert old == Glance(terms=True, days=True, times=True)


@pytest.mark.parametrize(
    "term",
    [
        {"id": "HP:0001250"},
        {"label": "Seizure", "id": "HP:0001251"},
        {"id": "HP:0001250", "label": "\\"},
        {"id": "HP:0001250", "label": 'a "quoted" label'},
        {"id": "HP:9999999", "label": "Anfälle"},
        {"id": "UNLISTED:1", "label": "of a resource that is not listed"},
    ],
)
def test_a_term_is_seen_however_it_is_written(term: dict[str, str]) -> None:
    assert not glance(phenotypicFeatures=[FEATURE, {"type": term}]).terms


def test_the_id_of_a_subject_is_no_term() -> None:
    assert glance(subject={"id": "Patient 1"}).terms


@pytest.mark.parametrize(
    ("onset", "days", "times"),
    [
        ({"timestamp": "2023-02-29T00:00:00Z"}, False, True),
        ({"timestamp": "2027-01-01T00:00:00Z"}, True, False),
        ({"timestamp": "1999-12-31T23:59:59Z"}, True, False),
        ({"age": {"iso8601duration": "P151Y"}}, True, False),
        ({"ageRange": {"start": {"iso8601duration": "P2Y"}, "end": {"iso8601duration": "P1Y"}}}, True, False),
    ],
)
def test_days_and_times_that_cannot_be_are_seen(onset: dict[str, Any], days: bool, times: bool) -> None:
    found = glance(subject=BORN, phenotypicFeatures=[seen(onset)])
    assert (found.days, found.times) == (days, times)


def test_a_point_in_time_without_a_zone_is_compared_with_none() -> None:
    """Whoever describes a file may call something "timestamp" and write there what they like."""
    files = [{"uri": "file:///a", "fileAttributes": {"timestamp": "2031-01-01T00:00:00", "created": "2031-01-01"}}]
    found, problems, _ = read(document(packet(files=files)))
    assert len(found) == 1
    assert problems == []


def test_what_is_nested_more_deeply_than_can_be_written_is_a_problem_like_others() -> None:
    found, problems, _ = read(document(b'{"id": "x", "files": ' + b"[" * 400 + b"]" * 400 + b"}"))
    assert found == []
    assert problems
