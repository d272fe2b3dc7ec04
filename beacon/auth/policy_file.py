"""The file in which a custodian says who may see what of a dataset.

TOML; the same shape is stored in the database::

    level = "registered"            # public: everyone | registered: researchers | controlled: grantees only
    threshold = 5                   # smallest number of people an answer may be about; 0 switches it off
    visas = ["https://example.org/datasets/7"]   # a ControlledAccessGrants visa of one of these values makes a grantee

    [granularity]                   # the most that each kind of asker gets: none | boolean | count | record
    stranger = "none"               # a kind that is left out gets none
    registered = "count"
    granted = "record"

    [[registered]]                  # people, as their issuer knows them: both values exactly as in the token
    issuer = "https://login.example.org"
    subject = "248289761001"

    [[granted]]
    issuer = "https://login.example.org"
    subject = "90125"

    [[refused]]                     # get nothing, whatever visa or list says otherwise
    issuer = "https://login.example.org"
    subject = "666"

    [[withheld]]                    # a property that only askers of a level see; without level, nobody
    entry_type = "individual"
    field = "ethnicity"
    level = "controlled"

    [[stricter]]                    # people whose records need a higher level than the dataset
    level = "controlled"
    individuals = ["patient-17"]
    cohorts = ["minors"]

    [consent]                       # codes of the Data Use Ontology, matched against what an asker declares
    codes = ["DUO:0000007"]
    diseases = ["MONDO:0007947"]    # what disease specific research may be about; kinds of it included
    fallback = "boolean"            # the most where the codes do not decide, or no purpose is declared

``level`` and ``granularity`` must be there. The threshold does not apply to public datasets, nor to grantees.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from beacon.auth.consent import DISEASE
from beacon.auth.policy import KINDS, LEVELS, ceiling
from beacon.errors import ConfigurationError
from beacon.model.access import Consent, DatasetPolicy, Granularity, Level, Person, StricterRecords, Withheld
from beacon.model.entry_types import ENTRY_TYPES
from beacon.model.properties import MEMBERS, is_property

_LISTS: Final = ("registered", "granted", "refused")
_KEYS: Final = ("level", "threshold", "visas", "granularity", *_LISTS, "withheld", "stricter", "consent")


def policy_from_toml(source: str | Path) -> DatasetPolicy:
    """Read a policy file (a path) or its text (see above).

    Raises ``ConfigurationError`` that names file, key and what is allowed.
    """
    place = str(source) if isinstance(source, Path) else "policy"
    try:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{place}: cannot be read ({error.strerror}).", where=place) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{place}: is not UTF-8 text.", where=place) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{place}: is not TOML: {str(error).rstrip('.')}.", where=place) from None
    return policy_from_dict(table, place=place)


def policy_to_dict(policy: DatasetPolicy) -> dict[str, Any]:
    """Make the plain form that is stored: the shape of the file, all kinds named, people sorted."""
    return {
        "level": policy.level.value,
        "threshold": policy.threshold,
        "granularity": {k.value: ceiling(policy, k).label for k in KINDS},
        "visas": sorted(policy.visas),
        **{
            name: [{"issuer": p.issuer, "subject": p.subject} for p in sorted(getattr(policy, name))] for name in _LISTS
        },
        "withheld": [
            {"entry_type": one.entry_type, "field": one.field} | ({"level": one.level.value} if one.level else {})
            for one in sorted(policy.withheld, key=lambda one: (one.entry_type, one.field))
        ],
        "stricter": [
            {"level": one.level.value, "individuals": sorted(one.individuals), "cohorts": sorted(one.cohorts)}
            for one in policy.stricter
        ],
    } | ({"consent": _consent_to_dict(policy.consent)} if policy.consent else {})


def _consent_to_dict(consent: Consent) -> dict[str, Any]:
    return {
        "codes": sorted(consent.codes),
        "diseases": sorted(consent.diseases),
        "fallback": consent.fallback.label,
    }


def policy_from_dict(table: Mapping[str, Any], *, place: str = "policy") -> DatasetPolicy:
    """Read the plain form, strictly.

    Raises ``ConfigurationError`` that names ``place``, key and what is allowed.
    """
    _only(table, _KEYS, place, "")
    for key in ("level", "granularity"):
        if key not in table:
            raise _wrong(place, key, "is missing, and has no default")
    ceilings = table["granularity"]
    if not isinstance(ceilings, Mapping):
        raise _wrong(place, "granularity", f"must be a table, not {ceilings!r}")
    _only(ceilings, tuple(k.value for k in KINDS), place, "granularity")
    words = tuple(g.label for g in Granularity)
    threshold = table.get("threshold", DatasetPolicy().threshold)
    if not isinstance(threshold, int) or isinstance(threshold, bool) or not 0 <= threshold <= 1_000_000:
        raise _wrong(place, "threshold", f"must be a whole number from 0 to 1000000, not {threshold!r}")
    return DatasetPolicy(
        level=Level(_one_of(table["level"], tuple(LEVELS), place, "level")),
        ceilings={
            kind: Granularity.parse(
                _one_of(ceilings.get(kind.value, "none"), words, place, f"granularity.{kind.value}")
            )
            for kind in KINDS
        },
        registered=frozenset(_people(table, "registered", place)),
        granted=frozenset(_people(table, "granted", place)),
        refused=frozenset(_people(table, "refused", place)),
        threshold=threshold,
        visas=frozenset(_texts(table, "visas", place)),
        withheld=frozenset(_withheld(table, place)),
        stricter=tuple(_stricter(table, place)),
        consent=_consent(table, place),
    )


def difference(old: DatasetPolicy, new: DatasetPolicy) -> list[str]:
    """Say what changes from ``old`` to ``new``, one readable line each; empty where nothing does."""
    lines = []
    if old.level is not new.level:
        lines.append(f"level: {old.level.value} -> {new.level.value}")
    for kind in KINDS:
        before, after = ceiling(old, kind), ceiling(new, kind)
        if before is not after:
            lines.append(f"granularity for {kind.value}: {before.label} -> {after.label}")
    if old.threshold != new.threshold:
        lines.append(f"threshold: {old.threshold or 'off'} -> {new.threshold or 'off'}")
    for name in (*_LISTS, "visas", "withheld", "stricter", "consent"):
        was, will = _listed(old, name), _listed(new, name)
        lines += [f"{name}: + {line}" for line in will if line not in was]
        lines += [f"{name}: - {line}" for line in was if line not in will]
    return lines


def _listed(policy: DatasetPolicy, name: str) -> list[str]:
    """Write the entries of one list as readable texts, sorted."""
    match name:
        case "visas":
            return sorted(policy.visas)
        case "withheld":
            shown = {one: f"to {one.level.value}" if one.level else "to nobody" for one in policy.withheld}
            return sorted(f"{one.entry_type}.{one.field}, shown {to}" for one, to in shown.items())
        case "stricter":
            named = [
                (rule.level, f"{what} {id}")
                for rule in policy.stricter
                for what, ids in (("individual", rule.individuals), ("cohort", rule.cohorts))
                for id in ids
            ]
            return sorted(f"{what} needs {level.value}" for level, what in named)
        case "consent":
            if policy.consent is None:
                return []
            terms = sorted(policy.consent.codes | policy.consent.diseases)
            return [*terms, f"fallback {policy.consent.fallback.label}"]
    return [f"{p.subject} of {p.issuer}" for p in sorted(getattr(policy, name))]


def _people(table: Mapping[str, Any], key: str, place: str) -> Iterator[Person]:
    for here, entry in _tables(table, key, place, ("issuer", "subject")):
        for part in ("issuer", "subject"):
            if part not in entry:
                raise _wrong(place, f"{here}.{part}", "is missing")
            value = entry[part]
            if not isinstance(value, str) or not value or value != value.strip():
                allowed = "must be a text that is not empty and has no spaces at its ends"
                raise _wrong(place, f"{here}.{part}", f"{allowed}, not {value!r}")
        yield Person(entry["issuer"], entry["subject"])


def _tables(table: Mapping[str, Any], key: str, place: str, allowed: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list):
        raise _wrong(place, key, f"must be a list of [[{key}]] tables, not {entries!r}")
    for number, entry in enumerate(entries):
        here = f"{key}[{number}]"
        if not isinstance(entry, Mapping):
            raise _wrong(place, here, f"must be a table with {' and '.join(allowed)}, not {entry!r}")
        _only(entry, allowed, place, here)
        yield here, entry


def _texts(table: Mapping[str, Any], key: str, place: str, inside: str = "") -> list[str]:
    here = f"{inside}.{key}" if inside else key
    listed = table.get(key, [])
    if not isinstance(listed, list):
        raise _wrong(place, here, f"must be a list of texts, not {listed!r}")
    for number, value in enumerate(listed):
        if not isinstance(value, str) or not value or value != value.strip():
            raise _wrong(place, f"{here}[{number}]", f"must be a text that is not empty, not {value!r}")
    return listed


def _withheld(table: Mapping[str, Any], place: str) -> Iterator[Withheld]:
    for here, entry in _tables(table, "withheld", place, ("entry_type", "field", "level")):
        kind = _one_of(entry.get("entry_type"), tuple(ENTRY_TYPES), place, f"{here}.entry_type")
        field = entry.get("field")
        if not isinstance(field, str) or not re.fullmatch(r"\w+(\.\w+)*", field) or not is_property(kind, field):
            allowed = f"must be a property of the record: {', '.join(sorted(MEMBERS[kind]))}, or a part of one"
            raise _wrong(place, f"{here}.field", f"{allowed}, not {field!r}")
        level = entry.get("level")
        known = None if level is None else Level(_one_of(level, tuple(LEVELS), place, f"{here}.level"))
        yield Withheld(kind, field, known)


def _stricter(table: Mapping[str, Any], place: str) -> Iterator[StricterRecords]:
    for here, entry in _tables(table, "stricter", place, ("level", "individuals", "cohorts")):
        level = Level(_one_of(entry.get("level"), tuple(LEVELS), place, f"{here}.level"))
        individuals, cohorts = (frozenset(_texts(entry, key, place, here)) for key in ("individuals", "cohorts"))
        if not individuals and not cohorts:
            raise _wrong(place, here, "names nobody; give individuals or cohorts")
        yield StricterRecords(level, individuals, cohorts)


def _consent(table: Mapping[str, Any], place: str) -> Consent | None:
    given = table.get("consent")
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise _wrong(place, "consent", f"must be a table, not {given!r}")
    _only(given, ("codes", "diseases", "fallback"), place, "consent")
    codes, diseases = (frozenset(_texts(given, key, place, "consent")) for key in ("codes", "diseases"))
    if not codes:
        raise _wrong(place, "consent.codes", "must name at least one code of the Data Use Ontology")
    if "fallback" not in given:
        raise _wrong(place, "consent.fallback", "is missing, and has no default")
    words = tuple(g.label for g in Granularity)
    fallback = Granularity.parse(_one_of(given["fallback"], words, place, "consent.fallback"))
    if (DISEASE in codes) != bool(diseases):
        raise _wrong(place, "consent.diseases", f"and the code {DISEASE} (disease specific research) go together")
    return Consent(codes, diseases, fallback)


def _only(table: Mapping[str, Any], allowed: tuple[str, ...], place: str, inside: str) -> None:
    for key in table:
        if key not in allowed:
            here = f"{inside}.{key}" if inside else str(key)
            raise _wrong(place, here, f"unknown key; allowed here are {', '.join(allowed)}")


def _one_of(value: Any, allowed: tuple[str, ...], place: str, key: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(place, key, f"must be one of {', '.join(allowed)}, not {value!r}")
    return value


def _wrong(place: str, key: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"{place}: {key}: {problem}.", where=key)
