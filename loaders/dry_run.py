"""Reading phenopackets as a load does, but into no dataset: everything is checked, and nothing changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from beacon.store.admin import Admin
from loaders.examining import examined
from loaders.mapping import SampleNames, convert, sample_ids
from loaders.phenopackets import Packet
from loaders.pipeline import Told, conclude, digest_of, find_vanished, renamed, source_of, stopping, version_of
from loaders.report import Progress, Report
from loaders.sources import Kept
from loaders.terms import Vocabulary, hpo, site_ontologies
from loaders.there import There
from loaders.words import counted


def check_phenopackets(
    paths: Sequence[Path | str],
    *,
    admin: Admin | None = None,
    dataset: str | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Report:
    """Read phenopackets and report what is wrong with them, and what a load would bring.

    With a ``dataset`` of ``admin`` the report also says what does not go together with what is there, who is new to it,
    would be replaced or is there already, and who came with the same files before and is in them no more. Raises
    ``LoadError`` where there is no such dataset.
    """
    progress = progress or Progress(quiet=True)
    report = report or Report()
    compared = None
    if admin is None:
        vocabulary: Vocabulary = hpo()
    else:
        vocabulary = terms = site_ontologies(admin)
        if dataset is not None:
            compared = _Compared(There.of(admin, dataset, report), version_of(terms))
    items = Kept(paths)
    total = sum(1 for _ in items)
    names = SampleNames()
    with stopping(report), progress.task("Checking", total, "document") as advance:
        told = Told(report, advance)
        for batch in told.packets(examined(items, vocabulary, report.most)):
            if compared is not None:
                compared.compare(batch, report)
                names.know(compared.owners(batch))
            for packet in batch:
                one = convert(packet.body, names.name, packet.group)
                for problem in renamed(packet, one, names):
                    report.add(problem)
                report.count("individual")
                report.count("biosample", len(one.samples))
                report.count("case", len(one.cases))
        if compared is not None:
            find_vanished(compared.there.admin, source_of(paths), report, told.seen, remove=False)
        report.outcome = f"Checked {counted(total, 'document')}; nothing was changed."
    conclude(report, told.counts, total)
    return report


@dataclass(frozen=True, slots=True)
class _Compared:
    """A dataset as it is, and the versions that packets are compared by with what it holds."""

    there: There
    version: str

    def compare(self, packets: Sequence[Packet], report: Report) -> None:
        """Count who is new, who would be replaced or left out, and who is there already as they are."""
        held = self.there.admin.held(self.there.id, (packet.body["id"] for packet in packets))
        for packet in packets:
            if self.there.is_gone("individual", packet.body["id"]):
                report.count("withdrawn individual left out")
                continue
            before = held.get(packet.body["id"])
            is_same = before == digest_of(packet, self.version)
            report.count(f"{'new' if before is None else 'unchanged' if is_same else 'replaced'} individual")

    def owners(self, packets: Sequence[Packet]) -> Mapping[str, str]:
        """Return whose the samples are that are there already."""
        return self.there.admin.owners(self.there.id, (id for packet in packets for id in sample_ids(packet.body)))
