"""What people agreed to, and what an asker wants the answer for: terms of the Data Use Ontology, matched.

A purpose is a set of terms: uses (general research, health research, a disease by its MONDO id, origins and ancestry,
clinical care), and what the asker vouches for (no commerce, a genetic study, ethics approval...). Every use must be
allowed by a permission, and every modifier be met. Where the terms do not decide, the custodian's fallback does.

The codes are those of DUO's release of 2021-02-23; a newer code is not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from beacon.model.access import Agreement, Consent, ConsentOutcome, Purpose

UNRESTRICTED, GENERAL, HEALTH, DISEASE = "DUO:0000004", "DUO:0000042", "DUO:0000006", "DUO:0000007"
ORIGINS, CARE, NO_ORIGINS = "DUO:0000011", "DUO:0000043", "DUO:0000044"
NO_COMMERCE, NO_PROFIT, NEITHER = "DUO:0000046", "DUO:0000045", "DUO:0000018"
NO_PURPOSE: Final = "purpose"
_MONDO: Final = "MONDO:"

_ALLOWS: Final[Mapping[str, frozenset[str]]] = {
    UNRESTRICTED: frozenset({UNRESTRICTED, GENERAL, HEALTH, DISEASE, ORIGINS, CARE}),
    GENERAL: frozenset({GENERAL, HEALTH, DISEASE, ORIGINS}),
    HEALTH: frozenset({HEALTH, DISEASE}),
    DISEASE: frozenset(),
    ORIGINS: frozenset({ORIGINS}),
    CARE: frozenset({CARE}),
}
"""The uses that a permission allows; disease-specific research is looked at disease by disease."""

_VOUCHED: Final[Mapping[str, frozenset[str]]] = {
    "DUO:0000015": frozenset({"DUO:0000015"}),  # no general methods research
    "DUO:0000016": frozenset({"DUO:0000016"}),  # genetic studies only
    NEITHER: frozenset({NEITHER}),
    "DUO:0000019": frozenset({"DUO:0000019"}),  # publication required
    "DUO:0000020": frozenset({"DUO:0000020"}),  # collaboration required
    "DUO:0000021": frozenset({"DUO:0000021"}),  # ethics approval required
    "DUO:0000024": frozenset({"DUO:0000024"}),  # publication moratorium
    "DUO:0000029": frozenset({"DUO:0000029"}),  # return to the resource
    NO_PROFIT: frozenset({NO_PROFIT, NEITHER}),
    NO_COMMERCE: frozenset({NO_COMMERCE, NEITHER}),
}
"""Modifiers that are met where the asker declares any of these. Others name a person, a place, a project, an
institution, a time or a kind of study that only the custodian knows, and are never met by a declaration."""

_CUSTODIAN_ALONE: Final = frozenset(
    {"DUO:0000012", "DUO:0000022", "DUO:0000025", "DUO:0000026", "DUO:0000027", "DUO:0000028"}
)
CODES: Final = frozenset({*_ALLOWS, *_VOUCHED, *_CUSTODIAN_ALONE, NO_ORIGINS})
"""The codes that a dataset can carry with a meaning here."""


def consented(consent: Consent, purpose: Purpose) -> ConsentOutcome:
    """Match a dataset's consent with a purpose; the outcome names the codes, or the asker's terms, that decided."""
    uses = _uses(purpose.terms)
    if not uses:
        return ConsentOutcome(Agreement.UNDECIDED, (NO_PURPOSE,))
    if NO_ORIGINS in consent.codes and ORIGINS in uses:
        return ConsentOutcome(Agreement.REFUSED, (NO_ORIGINS,))
    if unknown := sorted((consent.codes - CODES) | {term for term in purpose.terms if not _known(term)}):
        return ConsentOutcome(Agreement.UNDECIDED, tuple(unknown))
    permissions = sorted(consent.codes & _ALLOWS.keys())
    answers = {use: _allowed(use, consent, permissions, purpose) for use in uses}
    if refused := sorted(use for use, allowed in answers.items() if allowed is False):
        return ConsentOutcome(Agreement.REFUSED if permissions else Agreement.UNDECIDED, tuple(refused))
    unmet = [code for code in sorted(consent.codes - _ALLOWS.keys() - {NO_ORIGINS}) if not _met(code, purpose.terms)]
    if open_ := [*sorted(use for use, allowed in answers.items() if allowed is None), *unmet]:
        return ConsentOutcome(Agreement.UNDECIDED, tuple(open_))
    return ConsentOutcome(Agreement.PERMITTED, tuple(sorted(consent.codes)))


def diseases(terms: Iterable[str]) -> frozenset[str]:
    """Return the diseases among the terms of a purpose, whose ancestors are needed for matching."""
    return frozenset(term for term in terms if term.startswith(_MONDO))


def _uses(terms: frozenset[str]) -> frozenset[str]:
    """Return what the answer is wanted for; diseases stand in place of the code that stands for them."""
    named = diseases(terms)
    uses = terms & _ALLOWS.keys()
    return (uses - {DISEASE}) | named if named else uses


def _known(term: str) -> bool:
    return term in CODES or term.startswith(_MONDO)


def _allowed(use: str, consent: Consent, permissions: list[str], purpose: Purpose) -> bool | None:
    """Say whether any permission allows a use; None where only MONDO, which is not here, could tell."""
    kind = DISEASE if use.startswith(_MONDO) else use
    if any(kind in _ALLOWS[code] for code in permissions):
        return True
    if DISEASE not in permissions or kind != DISEASE or use == DISEASE:
        return False
    if use in consent.diseases:
        return True
    above = purpose.above.get(use)
    return None if above is None else not consent.diseases.isdisjoint(above)


def _met(code: str, terms: frozenset[str]) -> bool:
    return not _VOUCHED.get(code, frozenset()).isdisjoint(terms)
