"""What is said of a cohort or a dataset as a whole, and of it what counts people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

DUO_RELEASE: Final = "2021-02-23"
"""The release of the Data Use Ontology whose codes are known here."""

_PLAIN: Final = ("eventNum", "eventDate")
"""What a collection event says that was not worked out from people."""
_EVENTS: Final = "collectionEvents"


def without_counts(cohort: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cohort's record (default model ``cohorts``) without what those who made the cohort counted.

    Of its collection events stay number, date, and of which kinds there are data; also where a member could not be
    kept as it was, under ``info.bff``.
    """
    told = dict(cohort)
    if isinstance(events := told.get(_EVENTS), list):
        told[_EVENTS] = [_uncounted(event) for event in events if isinstance(event, Mapping)]
    info = told.get("info")
    if isinstance(info, Mapping) and isinstance(info.get("bff"), Mapping):
        kept = {pointer: value for pointer, value in info["bff"].items() if not pointer.startswith(f"/{_EVENTS}")}
        told["info"] = {name: value for name, value in info.items() if name != "bff"} | ({"bff": kept} if kept else {})
        if not told["info"]:
            del told["info"]
    return told


def _uncounted(event: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: event[name] for name in _PLAIN if name in event}
    return plain | {
        name: {"availability": value["availability"]}
        for name, value in event.items()
        if isinstance(value, Mapping) and isinstance(value.get("availability"), bool)
    }


def data_use(
    codes: Collection[str], modifiers: Mapping[str, Collection[str]], stated: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return ``dataUseConditions`` of these codes of the Data Use Ontology, with terms that narrow some of them.

    Labels are those of ``stated`` conditions, where they name the same terms.
    """
    listed = [one for one in (stated or {}).get("duoDataUse", ()) if isinstance(one, Mapping)]
    named = [*listed, *(term for one in listed for term in one.get("modifiers", ()) if isinstance(term, Mapping))]
    labels = {one.get("id"): one["label"] for one in named if "label" in one}

    def term(id: str) -> dict[str, Any]:
        return {"id": id, "label": labels[id]} if id in labels else {"id": id}

    return {
        "duoDataUse": [
            term(code)
            | ({"modifiers": [term(one) for one in sorted(modifiers[code])]} if modifiers.get(code) else {})
            | {"version": DUO_RELEASE}
            for code in sorted(codes)
        ]
    }


def data_use_codes(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the codes that a dataset's record names as conditions of its use, and the terms that narrow them."""
    listed = (record.get("dataUseConditions") or {}).get("duoDataUse", ())
    return frozenset(term["id"] for one in listed for term in (one, *one.get("modifiers", ())))
