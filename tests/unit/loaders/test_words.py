from __future__ import annotations

import pytest

from loaders.words import counted, visible


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "individual", "0 individuals"),
        (1, "individual", "1 individual"),
        (2000, "individual", "2,000 individuals"),
        (1, "genomicVariant", "1 genomic variant"),
        (2, "genomicVariant", "2 genomic variants"),
        (2, "derived analysis", "2 derived analyses"),
        (2, "granted person", "2 granted people"),
        (2, "withdrawn individual left out", "2 withdrawn individuals left out"),
        (2, "earlier load that it would replace", "2 earlier loads that it would replace"),
        (2, "record of the reference alone", "2 records of the reference alone"),
        (2, "sample in whose place another stands", "2 samples in whose place another stands"),
        (2, "segment written anew", "2 segments written anew"),
    ],
)
def test_a_noun_goes_with_its_number(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Größe 5 µm, 患者, \\n", "Größe 5 µm, 患者, \\n"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("one\ntwo\rthree\tfour", "one\\ntwo\\rthree\\tfour"),
        ("a\u202eb\u2066c\u200bd\u2028e", "a\\u202eb\\u2066c\\u200bd\\u2028e"),
        ("\x9b2J\udcff", "\\x9b2J\\udcff"),
    ],
)
def test_what_shows_nothing_becomes_an_escape_and_all_else_stays(text: str, seen: str) -> None:
    assert visible(text) == seen
