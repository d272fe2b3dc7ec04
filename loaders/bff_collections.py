"""The cohorts and the dataset of Beacon files: who is in them, and what is said of each as a whole."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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
class Collections:
    """What is said of cohorts and the dataset, once their people have ordinals; without ``admin`` only read.

    ``individuals`` are those of the load; ``whose`` returns the individual of each sample that has one.
    """

    admin: Admin | None
    dataset: str
    fitting: Fitting
    individuals: Collection[str]
    whose: Callable[[Iterable[str]], Mapping[str, str]]

    def sayings(self, read: Callable[[str], Iterator[Entry]]) -> list[Saying]:
        """Read everything that ``read`` yields of cohorts and datasets; return what it changes."""
        cohorts = [(entry, body) for entry in read("cohort") if (body := self.fitting.fitted("cohort", COHORT, entry))]
        said = [self._cohort(entry, body) for entry, body in cohorts]
        described = [
            (entry, body) for entry in read("dataset") if (body := self.fitting.fitted("dataset", DATASET, entry))
        ]
        if len(described) == 1:
            said.append(self._describe(*described[0]))
        elif described:
            message = (
                f"The files describe {len(described)} datasets; none of them is taken as what is said of this one."
            )
            self.fitting.warn(described[1][0], "bff-datasets", message)
        return [one for one in said if one is not None]

    def _cohort(self, entry: Entry, body: Json) -> Saying | None:
        id, members = body["id"], self._members(entry, body)
        told = {name: value for name, value in body.items() if name not in _MADE_HERE}
        self.fitting.report.count("cohort")
        if self.admin is None:
            return None
        made = self.admin.cohort(self.dataset, id, body.get("name") or id, members, told)
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

    def _members(self, entry: Entry, body: Json) -> set[str] | None:
        ids = body.get("ids")
        if not ids:
            who = "as everybody loaded" if self.individuals else "to have those that it has here"
            message = f"The cohort lists no members; it is taken {who}."
            self.fitting.warn(entry, "bff-cohort-members", message, "/ids")
            return set(self.individuals) or None
        people, samples = (
            [str(one) for one in listed] if isinstance(listed := ids.get(name), list) else []
            for name in ("individualIds", "biosampleIds")
        )
        owners = self.whose(samples)
        return {*people, *(owners.get(one, one) for one in samples)}

    def _describe(self, entry: Entry, body: Json) -> Saying | None:
        """Keep what the file says; who may ask for what is the custodian's to say, so a file decides nothing of it."""
        self.fitting.report.count("dataset")
        if self.admin is None:
            return None
        codes, consent = data_use_codes(body), self.admin.policy(self.dataset).consent
        own = frozenset() if consent is None else consent.codes | consent.diseases
        if codes and codes != own:
            what = "has other codes, and these are shown and decide" if own else "has no consent codes"
            message = (
                f"The file has conditions of use, and the dataset's policy {what}. A file changes no policy: what is "
                "to decide goes into the [consent] of its file "
                f"(skerry dataset policy {shlex.quote(self.dataset)} --file ...)."
            )
            self.fitting.warn(entry, "bff-data-use", message, "/dataUseConditions", ", ".join(sorted(codes)))
        return stated({name: value for name, value in body.items() if name != "ids"})
