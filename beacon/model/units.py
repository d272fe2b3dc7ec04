"""Units of measurement that can be compared with each other: what one unit is in others of its kind.

Factors are those of the International System of Units, and of its accepted units (minute, litre, millimetre of mercury:
133.322 Pa). Mass and amount of a substance are different kinds: without the substance nobody can convert one to the
other. Neither are degrees Celsius, whose zero is not zero, converted to anything. Codes are those of UCUM; ids those of
the Units of Measurement Ontology (UO) and of the NCI Thesaurus.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from beacon.model.ontology import prefix


class Unit(NamedTuple):
    """A unit: what its kind is measured in here, and how much of that it is."""

    base: str
    factor: float


# (kind's base unit, rows of (factor, other names: UCUM codes, ids, words)); the first UCUM code is the usual one.
_KINDS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "g": (
        (1, "g UO:0000021 NCIT:C48155 gram"), (1e3, "kg UO:0000009 NCIT:C28252 kilogram"),
        (1e-3, "mg UO:0000022 NCIT:C28253 milligram"), (1e-6, "ug UO:0000023 NCIT:C48152 microgram"),
        (1e-9, "ng UO:0000024 nanogram"), (1e-12, "pg UO:0000025 picogram"),
    ),
    "m": (
        (1, "m UO:0000008 NCIT:C41139 meter metre"), (1e-2, "cm UO:0000015 NCIT:C49668 centimeter centimetre"),
        (1e-3, "mm UO:0000016 NCIT:C28251 millimeter millimetre"), (1e-6, "um UO:0000017 micrometer micrometre"),
    ),
    "L": (
        (1, "L l UO:0000099 NCIT:C48505 liter litre"), (1e-1, "dL dl deciliter"),
        (1e-3, "mL ml UO:0000098 NCIT:C28254 milliliter millilitre"), (1e-6, "uL ul UO:0000101 microliter microlitre"),
        (1e-15, "fL fl femtoliter"),
    ),
    "g/L": (
        (1, "g/L g/l UO:0000175 gram_per_liter mg/mL mg/ml UO:0000176 milligram_per_milliliter"),
        (10, "g/dL g/dl gram_per_deciliter"), (1e-2, "mg/dL mg/dl NCIT:C67015 milligram_per_deciliter"),
        (1e-3, "mg/L mg/l milligram_per_liter ug/mL ug/ml UO:0000274 microgram_per_milliliter"),
        (1e-5, "ug/dL ug/dl microgram_per_deciliter"),
        (1e-6, "ug/L ug/l microgram_per_liter ng/mL ng/ml UO:0000275 nanogram_per_milliliter"),
        (1e-9, "ng/L ng/l nanogram_per_liter pg/mL pg/ml picogram_per_milliliter"),
    ),
    "mol/L": (
        (1, "mol/L mol/l UO:0000062 mole_per_liter"), (1e-3, "mmol/L mmol/l UO:0000063 millimole_per_liter"),
        (1e-6, "umol/L umol/l UO:0000064 micromole_per_liter"), (1e-9, "nmol/L nmol/l UO:0000065 nanomole_per_liter"),
        (1e-12, "pmol/L pmol/l picomole_per_liter"),
    ),
    "/L": (
        (1, "/L"), (1e12, "10*12/L"), (1e9, "10*9/L 10*3/uL 10*3/mm3"), (1e6, "10*6/L /uL /mm3"),
        (1e3, "/mL"), (1e12, "10*6/uL"),
    ),
    "s": (
        (1, "s UO:0000010 second"), (60, "min UO:0000031 minute"), (3600, "h UO:0000032 hour"),
        (86_400, "d UO:0000033 day"), (604_800, "wk UO:0000034 week"), (1e-3, "ms UO:0000028 millisecond"),
    ),
    "mm[Hg]": (
        (1, "mm[Hg] mmHg UO:0000272 NCIT:C49670 millimeter_of_mercury"), (1000 / 133.322, "kPa kilopascal"),
    ),
    "1": ((1, "1 {ratio} ratio"), (1e-2, "% UO:0000187 NCIT:C25613 percent percentage")),
    "/min": ((1, "/min {beats}/min NCIT:C49673 beats_per_minute"), (60, "/s Hz")),
    "kg/m2": ((1, "kg/m2 NCIT:C49671 kilogram_per_square_meter"),),
    "Cel": ((1, "Cel UO:0000027 degree_celsius"),),
    "U/L": ((1, "U/L"), (1e3, "U/mL"), (1e3, "kU/L")),
    "[iU]/L": ((1, "[iU]/L IU/L"), (1e3, "[iU]/mL IU/mL")),
    "mL/min": ((1, "mL/min milliliter_per_minute"),),
}  # fmt: skip


def _names() -> Iterator[tuple[str, Unit]]:
    for base, rows in _KINDS.items():
        for factor, names in rows:
            for name in names.split():
                yield name.replace("_", " "), Unit(base, factor)


_BY_NAME: Mapping[str, Unit] = dict(_names())
_WORDS: Mapping[str, Unit] = {name.lower(): unit for name, unit in _BY_NAME.items() if len(name) > 4}
_QUANTITY = re.compile(r"\s*(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s+|(?=[^\d.\s]))(?P<unit>\S.*?)\s*")


def unit(name: str) -> Unit | None:
    """Return the unit of a UCUM code (``mg/dL``), an id (``UO:0000022``, ``UCUM:mg/dL``) or a word, None if unknown.

    An id that is not known here is a kind of its own, comparable with itself alone.
    """
    code = name.removeprefix("UCUM:").strip()
    word = code.lower()
    found = _BY_NAME.get(code) or _WORDS.get(word) or _WORDS.get(word.removesuffix("s"))
    if found is None and prefix(name) is not None:
        return Unit(name, 1.0)
    return found


def recorded(id: str, label: str) -> Unit:
    """Return the unit of a record, by its id or, where that is not known, by what it is called."""
    known = unit(id)
    if known is None or known.base == id:
        known = _BY_NAME.get(label) or _WORDS.get(label.lower()) or known
    return known or Unit(id, 1.0)


def comparable(value: float, of: Unit) -> float:
    """Return a value in its kind's base unit, rounded so that the same quantity in two units is the same number."""
    return float(f"{value * of.factor:.12g}")


def read(text: str) -> tuple[float, str] | None:
    """Read a number with a unit (``25 kg/m2``, ``4.5mmol/L``); None where the text is not one."""
    match = _QUANTITY.fullmatch(text)
    if match is None or not math.isfinite(value := float(match["value"])):
        return None
    return value, match["unit"]
