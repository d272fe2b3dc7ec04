"""How deeply each dataset answers one asker, and the file in which a custodian says so.

A policy file (TOML; the same shape is stored in the database)::

    level = "registered"            # public: everyone | registered: listed people | controlled: grantees only
    threshold = 5                   # smallest number of people an answer may be about; 0 switches it off

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

``level`` and ``granularity`` must be there. The threshold does not apply to public datasets, nor to grantees.

Everything fails closed: what is not said is not allowed. Nobody gets less for being better known: a grantee
gets at least what registered people get, and they at least what strangers get, as far as the level admits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from beacon.errors import ConfigurationError, Forbidden, Unauthenticated
from beacon.model.access import Asker, DatasetPolicy, Decision, Granularity, Level, Person, Principal

_KINDS: Final = (Asker.STRANGER, Asker.REGISTERED, Asker.GRANTED)
_LEVELS: Final = (Level.PUBLIC, Level.REGISTERED, Level.CONTROLLED)
_LISTS: Final = (Asker.REGISTERED, Asker.GRANTED)
_KEYS: Final = ("level", "threshold", "granularity", "registered", "granted")


def decide(
    policies: Mapping[str, DatasetPolicy], principal: Principal, *, wanted: tuple[str, ...] | None
) -> tuple[Decision, ...]:
    """Decide on every dataset that this asker may know of, sorted by id.

    ``wanted`` names the datasets asked for, None means all. A name that does not exist and one that answers
    this asker nothing are the same: passed over, and where nothing is left the same refusal.

    Raises ``Unauthenticated`` (nobody in particular asks) or ``Forbidden`` (a person asks) where no dataset
    is left.
    """
    names = sorted(policies if wanted is None else policies.keys() & set(wanted))
    made = (decide_one(name, policies[name], principal) for name in names)
    if decisions := tuple(d for d in made if d.granularity > Granularity.NONE):
        return decisions
    asked = "No dataset here" if wanted is None else "None of the datasets asked for"
    if principal.person is None:
        raise Unauthenticated(f"{asked} answers without a login; log in and send a bearer token.")
    raise Forbidden(f"{asked} answers you; ask the data's custodian for access.")


def decide_one(dataset: str, policy: DatasetPolicy, principal: Principal) -> Decision:
    """Decide on one dataset; granularity ``NONE`` means that this asker may not even know of it.

    ``reasons`` name everything that kept the answer from being records: ``level:controlled``,
    ``ceiling:stranger=boolean``, ``node:ceiling=public``, ``node:max_granularity=count``.
    """
    reasons: list[str] = []
    asker = _asker(policy, principal.person)
    if principal.node is not None:
        # A node's word reaches as high as its ceiling: it can make nobody a grantee below controlled.
        highest = _KINDS[_LEVELS.index(principal.ceiling)]
        if _KINDS.index(asker) > _KINDS.index(highest):
            asker = highest
            reasons.append(f"node:ceiling={principal.ceiling.value}")
    lowest = _LEVELS.index(policy.level)  # levels and kinds are the same ladder
    admitted = _KINDS[lowest : _KINDS.index(asker) + 1]
    granularity = max((_ceiling(policy, kind) for kind in admitted), default=Granularity.NONE)
    if not admitted:
        reasons.append(f"level:{policy.level.value}")
    elif granularity < Granularity.RECORD:
        reasons.append(f"ceiling:{asker.value}={granularity.label}")
    if principal.max_granularity < granularity:
        granularity = principal.max_granularity
        reasons.append(f"node:max_granularity={granularity.label}")
    return Decision(dataset, granularity, asker, policy.level, policy.threshold, tuple(reasons))


def _asker(policy: DatasetPolicy, person: Person | None) -> Asker:
    if person is None:
        return Asker.STRANGER
    if person in policy.granted:
        return Asker.GRANTED
    return Asker.REGISTERED if person in policy.registered else Asker.STRANGER


def _ceiling(policy: DatasetPolicy, kind: Asker) -> Granularity:
    return policy.ceilings.get(kind, Granularity.NONE)


def policy_for(level: Level, granularity: Granularity) -> DatasetPolicy:
    """Make the policy of a dataset that answers at ``granularity`` everybody whom ``level`` admits."""
    admitted = _KINDS[_LEVELS.index(level) :]
    return DatasetPolicy(
        level=level,
        ceilings={kind: granularity if kind in admitted else Granularity.NONE for kind in _KINDS},
    )


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
        "granularity": {k.value: _ceiling(policy, k).label for k in _KINDS},
        "registered": [{"issuer": p.issuer, "subject": p.subject} for p in sorted(policy.registered)],
        "granted": [{"issuer": p.issuer, "subject": p.subject} for p in sorted(policy.granted)],
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
    _only(ceilings, tuple(k.value for k in _KINDS), place, "granularity")
    words = tuple(g.label for g in Granularity)
    threshold = table.get("threshold", DatasetPolicy().threshold)
    if not isinstance(threshold, int) or isinstance(threshold, bool) or not 0 <= threshold <= 1_000_000:
        raise _wrong(place, "threshold", f"must be a whole number from 0 to 1000000, not {threshold!r}")
    return DatasetPolicy(
        level=Level(_one_of(table["level"], tuple(_LEVELS), place, "level")),
        ceilings={
            kind: Granularity.parse(
                _one_of(ceilings.get(kind.value, "none"), words, place, f"granularity.{kind.value}")
            )
            for kind in _KINDS
        },
        registered=frozenset(_people(table, Asker.REGISTERED.value, place)),
        granted=frozenset(_people(table, Asker.GRANTED.value, place)),
        threshold=threshold,
    )


def difference(old: DatasetPolicy, new: DatasetPolicy) -> list[str]:
    """Say what changes from ``old`` to ``new``, one readable line each; empty where nothing does."""
    lines = []
    if old.level is not new.level:
        lines.append(f"level: {old.level.value} -> {new.level.value}")
    for kind in _KINDS:
        before, after = _ceiling(old, kind), _ceiling(new, kind)
        if before is not after:
            lines.append(f"granularity for {kind.value}: {before.label} -> {after.label}")
    if old.threshold != new.threshold:
        lines.append(f"threshold: {old.threshold or 'off'} -> {new.threshold or 'off'}")
    for name, before_list, after_list in (
        ("registered", old.registered, new.registered),
        ("granted", old.granted, new.granted),
    ):
        lines += [f"{name}: + {p.subject} of {p.issuer}" for p in sorted(after_list - before_list)]
        lines += [f"{name}: - {p.subject} of {p.issuer}" for p in sorted(before_list - after_list)]
    return lines


def _people(table: Mapping[str, Any], key: str, place: str) -> Iterator[Person]:
    entries = table.get(key, [])
    if not isinstance(entries, list):
        raise _wrong(place, key, f"must be a list of [[{key}]] tables, not {entries!r}")
    for number, entry in enumerate(entries):
        here = f"{key}[{number}]"
        if not isinstance(entry, Mapping):
            raise _wrong(place, here, f"must be a table with issuer and subject, not {entry!r}")
        _only(entry, ("issuer", "subject"), place, here)
        for part in ("issuer", "subject"):
            if part not in entry:
                raise _wrong(place, f"{here}.{part}", "is missing")
            value = entry[part]
            if not isinstance(value, str) or not value or value != value.strip():
                allowed = "must be a text that is not empty and has no spaces at its ends"
                raise _wrong(place, f"{here}.{part}", f"{allowed}, not {value!r}")
        yield Person(entry["issuer"], entry["subject"])


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
