"""Ways on from a dataset are shown to whoever got an answer deep enough, and tell nothing beyond that answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from beacon.http.handovers import handovers
from beacon.model.access import Asker, Decision, Granularity, Level
from beacon.model.query import Query
from beacon.model.result import DatasetResult
from beacon.privacy.rules import Protected, protect
from beacon.settings import Handover, SiteSettings

HTSGET = Handover("cases", "https://htsget.example.org/variants/cases", "CUSTOM:htsget", "htsget", "Log in first.")
CONTACT = Handover("cases", "mailto:access@example.org", "CUSTOM:contact", "Contact", granularity="boolean")
OTHERS = Handover("hidden", "drs://drs.example.org/1", "CUSTOM:drs", "DRS", granularity="boolean")
SETTINGS = SiteSettings(handovers=(HTSGET, CONTACT, OTHERS))


def answered(granularity: Granularity, count: int, level: Level = Level.PUBLIC) -> Protected:
    """What a dataset answers that has ``count`` of what was asked, to an asker who may look that deep."""
    decision = Decision("cases", granularity, Asker.REGISTERED, level, threshold=5)
    result = DatasetResult("cases", count > 0, count, tuple(b"{}" for _ in range(count)), {"people": count})
    return protect(Query(entry_type="individual", granularity=Granularity.RECORD), decision, result)


@pytest.mark.parametrize(
    ("granularity", "shown"),
    [(Granularity.BOOLEAN, [CONTACT]), (Granularity.COUNT, [CONTACT]), (Granularity.RECORD, [HTSGET, CONTACT])],
)
def test_a_handover_is_shown_from_its_granularity_on(granularity: Granularity, shown: list[Handover]) -> None:
    listed = handovers(SETTINGS, answered(granularity, 7))
    assert [one["url"] for one in listed] == [one.url for one in shown]


def test_a_handover_has_the_standards_form() -> None:
    first, second = handovers(SETTINGS, answered(Granularity.RECORD, 7))
    assert first == {
        "handoverType": {"id": "CUSTOM:htsget", "label": "htsget"},
        "url": "https://htsget.example.org/variants/cases",
        "note": "Log in first.",
    }
    assert "note" not in second


def test_a_plain_no_leads_nowhere() -> None:
    assert handovers(SETTINGS, answered(Granularity.RECORD, 0)) == []


def test_whether_few_or_none_are_withheld_cannot_be_told_from_the_handovers() -> None:
    shown = [handovers(SETTINGS, answered(Granularity.RECORD, few, Level.REGISTERED)) for few in range(5)]
    assert all(one == shown[0] for one in shown)
    assert [one["url"] for one in shown[0]] == [CONTACT.url]


def test_a_dataset_shows_none_of_anothers() -> None:
    alone = replace(SETTINGS, handovers=(OTHERS,))
    assert handovers(alone, answered(Granularity.RECORD, 7)) == []
