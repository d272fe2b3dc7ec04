"""Consent: the codes of a dataset, matched against what an asker declares."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beacon.auth.consent import CODES, consented
from beacon.auth.policy import decide_one, policy_for
from beacon.model.access import Agreement, Consent, Granularity, Level, Principal, Purpose

NRES, GRU, HMB, DS, POA, CC = (
    f"DUO:{code}" for code in ("0000004", "0000042", "0000006", "0000007", "0000011", "0000043")
)  # fmt: skip
NPOA, NCU, NPU, NPUNCU, GSO, IRB = (
    f"DUO:{code}" for code in ("0000044", "0000046", "0000045", "0000018", "0000016", "0000021")
)  # fmt: skip
US, ABSTRACT, NEWER = "DUO:0000026", "DUO:0000001", "DUO:9999999"
MARFAN, AORTA, FLU = "MONDO:0007947", "MONDO:0005160", "MONDO:0005812"
ABOVE = {MARFAN: frozenset({MARFAN, AORTA, "MONDO:0000001"}), FLU: frozenset({FLU, "MONDO:0000001"})}
YES, OPEN, NO = Agreement.PERMITTED, Agreement.UNDECIDED, Agreement.REFUSED


def purpose(*terms: str, mondo: bool = True) -> Purpose:
    named = (term for term in terms if term.startswith("MONDO:"))
    return Purpose(frozenset(terms), {term: ABOVE.get(term, frozenset({term})) if mondo else None for term in named})


@pytest.mark.parametrize(
    ("codes", "declared", "expected"),
    [
        # what each permission allows
        ([NRES], [CC], YES), ([NRES], [GRU], YES), ([NRES], [POA], YES), ([NRES], [MARFAN], YES),
        ([GRU], [GRU], YES), ([GRU], [HMB], YES), ([GRU], [POA], YES), ([GRU], [FLU], YES), ([GRU], [CC], NO),
        ([HMB], [HMB], YES), ([HMB], [MARFAN], YES), ([HMB], [DS], YES), ([HMB], [GRU], NO), ([HMB], [POA], NO),
        ([POA], [POA], YES), ([POA], [HMB], NO), ([POA], [MARFAN], NO),
        ([CC], [CC], YES), ([CC], [HMB], NO), ([HMB, CC], [CC], YES), ([HMB, CC], [CC, MARFAN], YES),
        # every use must be allowed
        ([HMB], [MARFAN, GRU], NO), ([HMB], [MARFAN, FLU], YES),
        # diseases, with those below them
        ([DS], [AORTA], YES), ([DS], [MARFAN], YES), ([DS], [FLU], NO), ([DS], [MARFAN, FLU], NO), ([DS], [DS], NO),
        ([DS], [DS, MARFAN], YES), ([DS], [HMB], NO), ([DS, HMB], [FLU], YES),
        # modifiers are met by declaring them
        ([HMB, NCU], [HMB], OPEN), ([HMB, NCU], [HMB, NCU], YES), ([HMB, NCU], [HMB, NPUNCU], YES),
        ([HMB, NPU], [HMB, NPUNCU], YES), ([HMB, NPUNCU], [HMB, NCU], OPEN), ([HMB, GSO, IRB], [HMB, GSO], OPEN),
        ([HMB, GSO, IRB], [HMB, GSO, IRB], YES), ([GRU, NPOA], [HMB], YES), ([GRU, NPOA], [POA], NO),
        # what only the custodian knows
        ([HMB, US], [HMB], OPEN), ([HMB, US], [HMB, US], OPEN),
        # unknown codes on either side, and no purpose
        ([HMB, NEWER], [HMB], OPEN), ([HMB], [HMB, NEWER], OPEN), ([ABSTRACT], [HMB], OPEN), ([NEWER], [POA], OPEN),
        ([NPOA, NEWER], [POA], NO), ([HMB], [], OPEN), ([NRES], [], OPEN), ([HMB], [NCU], OPEN), ([HMB], ["X:1"], OPEN),
        ([NCU], [HMB, NCU], OPEN),
    ],
)  # fmt: skip
def test_codes_and_purposes(codes: list[str], declared: list[str], expected: Agreement) -> None:
    consent = Consent(frozenset(codes), frozenset({AORTA}) if DS in codes else frozenset())
    assert consented(consent, purpose(*declared)).agreement is expected


def test_without_mondo_only_the_very_disease_is_known() -> None:
    consent = Consent(frozenset({DS}), frozenset({AORTA}))
    assert consented(consent, purpose(AORTA, mondo=False)).agreement is YES
    assert consented(consent, purpose(MARFAN, mondo=False)).agreement is OPEN


@pytest.mark.parametrize(
    ("declared", "fallback", "granularity", "reasons"),
    [
        ([HMB], Granularity.BOOLEAN, Granularity.RECORD, ()),
        ([], Granularity.BOOLEAN, Granularity.BOOLEAN, ("consent:undecided=purpose",)),
        ([], Granularity.NONE, Granularity.NONE, ("consent:undecided=purpose",)),
        ([], Granularity.RECORD, Granularity.RECORD, ()),
        ([HMB, NEWER], Granularity.COUNT, Granularity.COUNT, (f"consent:undecided={NEWER}",)),
        ([POA], Granularity.RECORD, Granularity.NONE, (f"consent:refused={POA}",)),
    ],
)
def test_the_outcome_lowers_the_answer_and_is_told(
    declared: list[str], fallback: Granularity, granularity: Granularity, reasons: tuple[str, ...]
) -> None:
    policy = policy_for(Level.PUBLIC, Granularity.RECORD)
    policy = type(policy)(policy.level, policy.ceilings, consent=Consent(frozenset({HMB}), fallback=fallback))
    decision = decide_one("d", policy, Principal(), purpose(*declared))
    assert (decision.granularity, decision.reasons) == (granularity, reasons)
    assert decision.consent is not None


TERMS = st.frozensets(st.sampled_from([NRES, GRU, HMB, DS, POA, CC, NPOA, NCU, NPUNCU, US, NEWER, MARFAN, FLU]))


@given(TERMS, TERMS)
def test_one_more_use_never_makes_a_refusal_a_permission(codes: frozenset[str], declared: frozenset[str]) -> None:
    consent = Consent(codes - {MARFAN, FLU} or frozenset({NEWER}), frozenset({AORTA}))
    before = consented(consent, purpose(*declared))
    if before.agreement is NO:
        assert all(consented(consent, purpose(*declared, use)).agreement is not YES for use in (HMB, POA, CC, GRU))


def test_every_code_of_the_ontology_has_a_meaning_but_its_classes(shared: Path) -> None:
    with (shared / "data" / "ontologies" / "duo_2021.csv").open(encoding="utf-8") as file:
        listed = {row["id"] for row in csv.DictReader(file)}
    assert listed - CODES == {"DUO:0000001", "DUO:0000017"}
    assert CODES - listed == set()
