"""What Beacon files are written to: a segment, or nothing where they are only checked."""

# ruff: noqa: ARG002 - a writer that writes nothing has no use for what it is given

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from beacon.model.calls import Calls
from beacon.model.variant import Allele
from beacon.store.base import FROM_SOMEWHERE, Came
from beacon.store.loading import Origin
from loaders.report import Report


class Writer(Protocol):
    """What a load writes to: a segment, or nothing."""

    @property
    def chromosomes(self) -> frozenset[str]: ...
    def comes_from(self, origin: Origin) -> None: ...
    def reserve(self, kind: str, ids: Iterable[str]) -> None: ...
    def individual(
        self, body: Mapping[str, Any], *, derived: bool = False, phenopacket: bytes | None = None
    ) -> None: ...
    def record(self, entry_type: str, body: Mapping[str, Any], *, individual: str, derived: bool = False) -> None: ...
    def column(self, individual: str, biosample: str, run: str | None = None, analysis: str | None = None) -> int: ...
    def allele(
        self, allele: Allele, body: Mapping[str, Any], calls: Calls | None, came: Came = FROM_SOMEWHERE
    ) -> None: ...
    def detail(self, allele: Allele, column: int, told: Mapping[str, Any]) -> None: ...


class Nowhere:
    """Counts what would be written."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._columns: dict[tuple[str, str | None, str | None], int] = {}
        self.people: set[str] = set()
        """Whom the files tell more of than that they have samples."""
        self._chromosomes: set[str] = set()

    @property
    def chromosomes(self) -> frozenset[str]:
        """The chromosomes of all alleles so far."""
        return frozenset(self._chromosomes)

    def comes_from(self, origin: Origin) -> None:
        """Need nothing."""

    def reserve(self, kind: str, ids: Iterable[str]) -> None:
        """Need nothing."""

    def individual(self, body: Mapping[str, Any], *, derived: bool = False, phenopacket: bytes | None = None) -> None:
        """Count a person who is not derived."""
        self._report.count("individual", int(not derived))
        if not derived:
            self.people.add(str(body["id"]))

    def record(self, entry_type: str, body: Mapping[str, Any], *, individual: str, derived: bool = False) -> None:
        """Count a record that is not derived."""
        self._report.count(entry_type, int(not derived))

    def column(self, individual: str, biosample: str, run: str | None = None, analysis: str | None = None) -> int:
        """Number samples as they come."""
        return self._columns.setdefault((biosample, run, analysis), len(self._columns))

    def allele(self, allele: Allele, body: Mapping[str, Any], calls: Calls | None, came: Came = FROM_SOMEWHERE) -> None:
        """Count an allele."""
        self._report.count("genomicVariant")
        self._chromosomes.add(allele.chrom)

    def detail(self, allele: Allele, column: int, told: Mapping[str, Any]) -> None:
        """Need nothing."""
