"""An amino-acid change is the same in one letter and in three."""

from __future__ import annotations

import pytest

from beacon.model.protein import change, shortened


@pytest.mark.parametrize(
    ("short", "others"),
    [
        ("V600E", ("V600E", "Val600Glu", "p.Val600Glu", "p.V600E", "p.(Val600Glu)", "NP_004324.2:p.(Val600Glu)")),
        ("V600E", (" V600E ", "ENSP00000493543.1:p.Val600Glu")),
        ("R123*", ("R123*", "R123X", "Arg123Ter", "p.Arg123*", "p.(Arg123Ter)")),
        ("R97Pfs*23", ("p.Arg97ProfsTer23", "R97PfsX23", "p.(Arg97Profs*23)")),
        ("R97fs", ("p.Arg97fs", "R97fs")),
        ("K23_V25del", ("p.Lys23_Val25del", "K23_V25del")),
        ("C28delinsWV", ("p.Cys28delinsTrpVal", "C28delinsWV")),
        ("M1?", ("p.Met1?", "M1?")),
        ("L54=", ("p.Leu54=", "L54=")),
        ("*110Qext*17", ("p.Ter110GlnextTer17", "p.*110Glnext*17")),
    ],
)  # fmt: skip
def test_all_spellings_of_a_change_are_one(short: str, others: tuple[str, ...]) -> None:
    assert {change(other) for other in others} == {short}


@pytest.mark.parametrize("text", ["", "p.0?", "p.(=)", "BRAF", "600", "Xyz600Glu", "c.1799T>A", "V600 E"])
def test_what_is_no_such_change_stays_as_it_is(text: str) -> None:
    assert change(text) == text


@pytest.mark.parametrize(
    ("whole", "short"),
    [("I92Nfs*52", "I92fs"), ("I92Nfs*?", "I92fs"), ("I92Nfs", "I92fs"), ("I92fs", None), ("V600E", None)],
)
def test_a_frameshift_has_a_short_form_too(whole: str, short: str | None) -> None:
    assert shortened(whole) == short
