"""Reading phenopackets as a load does, but into no dataset: everything is checked, and nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from beacon.store.admin import Admin
from loaders.mapping import SampleNames, convert, sample_ids
from loaders.phenopackets import Reader
from loaders.pipeline import BATCH, conclude, counted, renamed, stopping
from loaders.report import Progress, Report, plural
from loaders.sources import Kept
from loaders.terms import hpo, site_ontologies


def check_phenopackets(
    paths: Sequence[Path | str],
    *,
    admin: Admin | None = None,
    dataset: str | None = None,
    progress: Progress | None = None,
    report: Report | None = None,
) -> Report:
    """Read phenopackets and report what is wrong with them, and what a load would bring.

    With a ``dataset`` of ``admin`` the report also says what does not go together with what is there. Raises
    ``LoadError`` where there is no such dataset.
    """
    progress = progress or Progress(quiet=True)
    report = report or Report()
    if admin is not None and dataset is not None:
        admin.dataset(dataset)
        report.dataset = dataset
    items = Kept(paths)
    total = sum(1 for _ in items)
    reader = Reader(site_ontologies(admin) if admin is not None else hpo(), report.add)
    names = SampleNames()
    with stopping(report), progress.task("Checking", total, "documents") as advance:
        packets = reader.packets(counted(items, advance))
        while batch := list(islice(packets, BATCH)):
            if admin is not None and dataset is not None:
                names.know(admin.owners(dataset, (id for packet in batch for id in sample_ids(packet.body))))
            for packet in batch:
                one = convert(packet.body, names.name, packet.group)
                for problem in renamed(packet, one):
                    report.add(problem)
                report.count("individual")
                report.count("biosample", len(one.samples))
                report.count("case", len(one.cases))
        report.outcome = f"Checked {total:,} {plural('document', total)}; nothing was changed."
    conclude(report, reader, total)
    return report
