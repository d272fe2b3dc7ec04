"""The cohorts and the dataset of Beacon files: who is in them, and what is said of each as a whole."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from beacon.model.collections import data_use_codes
from beacon.store.admin import Admin
from beacon.store.described import stated
from beacon.store.publish import Saying
from loaders.bff_files import Entry
from loaders.bff_fitting import Fitting
from loaders.bff_shapes import COHORT, DATASET
from loaders.elements import Json
from loaders.words import counted

_MADE_HERE = ("id", "name", "ids", "cohortSize")
"""Members of a cohort that the site has by itself."""


@dataclass(frozen=True, slots=True)
class Members:
    """Who may be in cohorts: the ``individuals`` of the load, and nobody who is ``gone`` with it.

    ``whose`` returns the individual of each sample that has one.
    """

    individuals: Collection[str]
    gone: Set[str]
    whose: Callable[[Iterable[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Collections:
    """The records of cohorts and datasets of some files, as far as they fit."""

    fitting: Fitting
    cohorts: Sequence[tuple[Entry, Json]]
    described: Sequence[tuple[Entry, Json]]

    @classmethod
    def read(cls, read: Callable[[str], Iterator[Entry]], fitting: Fitting) -> Collections:
        """Read everything that ``read`` yields of cohorts and datasets."""
        cohorts, described = (
            [(entry, body) for entry in read(kind) if (body := fitting.fitted(kind, shape, entry))]
            for kind, shape in (("cohort", COHORT), ("dataset", DATASET))
        )
        return cls(fitting, cohorts, described)

    def sayings(self, admin: Admin | None, dataset: str, members: Members) -> list[Saying]:
        """Return what they change once their people have ordinals: nothing without ``admin``."""
        said = [self._cohort(admin, dataset, members, entry, body) for entry, body in self.cohorts]
        if len(self.described) == 1:
            said.append(self._describe(admin, dataset, *self.described[0]))
        elif self.described:
            message = (
                f"The files describe {len(self.described)} datasets; none of them is taken as what is said of this one."
            )
            self.fitting.warn(self.described[1][0], "bff-datasets", message)
        return [one for one in said if one is not None]

    def _cohort(self, admin: Admin | None, dataset: str, who: Members, entry: Entry, body: Json) -> Saying | None:
        id, members = body["id"], self._members(who, entry, body)
        told = {name: value for name, value in body.items() if name not in _MADE_HERE}
        self.fitting.report.count("cohort")
        if admin is None:
            return None
        made = admin.cohort(dataset, id, body.get("name") or id, members, told)
        size, unknown = made.size, made.unknown
        if unknown:
            message = (
                f"The cohort lists {counted(len(unknown), 'member')} whom the dataset has not, such as {unknown[0]!r}."
            )
            self.fitting.warn(entry, "bff-cohort-members", message, "/ids", unknown[0])
        if body.get("cohortSize", size) != size:
            said = counted(body["cohortSize"], "person")
            message = f"The file says {said}; it has {counted(size, 'member')} here, and this is told."
            self.fitting.warn(entry, "bff-cohort-size", message, "/cohortSize", body["cohortSize"])
        return made.saying

    def _members(self, who: Members, entry: Entry, body: Json) -> set[str] | None:
        ids = body.get("ids")
        if not ids:
            taken = "as everybody loaded" if who.individuals else "to have those that it has here"
            message = f"The cohort lists no members; it is taken {taken}."
            self.fitting.warn(entry, "bff-cohort-members", message, "/ids")
            return set(who.individuals) or None
        people, samples = (
            [str(one) for one in listed] if isinstance(listed := ids.get(name), list) else []
            for name in ("individualIds", "biosampleIds")
        )
        owners = who.whose(samples)
        return {*people, *(owners.get(one, one) for one in samples)} - who.gone

    def _describe(self, admin: Admin | None, dataset: str, entry: Entry, body: Json) -> Saying | None:
        """Keep what the file says; who may ask for what is the custodian's to say, so a file decides nothing of it."""
        self.fitting.report.count("dataset")
        if admin is None:
            return None
        codes, consent = data_use_codes(body), admin.policy(dataset).consent
        own = frozenset() if consent is None else consent.codes | consent.diseases
        if codes and codes != own:
            what = "has other codes, and these are shown and decide" if own else "has no consent codes"
            message = (
                f"The file has conditions of use, and the dataset's policy {what}. A file changes no policy: what is "
                "to decide goes into the [consent] of its file "
                f"(skerry dataset policy {shlex.quote(dataset)} --file ...)."
            )
            self.fitting.warn(entry, "bff-data-use", message, "/dataUseConditions", ", ".join(sorted(codes)))
        return stated({name: value for name, value in body.items() if name != "ids"})
