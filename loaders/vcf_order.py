"""Alleles of a VCF in the order in which they are written, each once."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from beacon.model.records import unite as unite_bodies
from beacon.store.heads import Spelled
from loaders.genotypes import unite as unite_calls
from loaders.report import Problem, Report, Severity
from loaders.vcf_lines import Damaged
from loaders.vcf_records import Record, Site

_Key = tuple[int, int, str]
"""Where an allele begins and ends, and its id: two are the same where the store would take them for the same."""


def in_order(found: Iterable[Record], samples: int, file: str, report: Report, reach: int = 0) -> Iterator[Site]:
    """Yield the alleles of records in order of their start, each once, chromosome by chromosome.

    Trimming can move an allele's start to the right, and left-aligning by up to ``reach`` bases to the left, so alleles
    wait until no later record can come before them;
    there they meet their repetitions, with which they are united. Raises ``Damaged`` where records are out of order.
    """
    waiting: dict[_Key, Site] = {}
    heap: list[_Key] = []
    done: set[str] = set()
    chrom, last = "", 0

    def ready(before: int | None) -> Iterator[Site]:
        while heap and (before is None or heap[0][0] < before):
            yield waiting.pop(heapq.heappop(heap))

    for record in found:
        if record.chrom != chrom:
            yield from ready(None)
            done.add(chrom)
            chrom, last = record.chrom, 0
            if chrom in done:
                raise _misplaced(file, record, "CHROM", f"Records of {record.contig} are in two places.")
        elif record.pos < last:
            raise _misplaced(file, record, "POS", f"POS {record.pos} comes after {last} of the same contig.")
        last = record.pos
        yield from ready(record.pos - 1 - reach)
        for site in record.sites:
            key = site.allele.start, site.allele.end, site.spelled.id
            if key in waiting:
                waiting[key] = _united(waiting[key], site, samples, file, report)
            else:
                waiting[key] = site
                heapq.heappush(heap, key)
    yield from ready(None)


def _misplaced(file: str, record: Record, column: str, message: str) -> Damaged:
    value = record.contig if column == "CHROM" else record.pos
    hint = "Sort the file by contig and position (bcftools sort does) and load it again."
    return Damaged(Problem(file, record.line, column, "vcf-order", Severity.ERROR, message, value, hint))


def _united(held: Site, again: Site, samples: int, file: str, report: Report) -> Site:
    message = f"The allele {again.spelled.id} is in line {held.line} already; its calls there and here were united."
    report.add(Problem(file, again.line, "ALT", "vcf-allele-twice", Severity.WARNING, message, again.allele.alt))
    body = held.body
    unite_bodies(body, again.body)
    calls = held.calls or again.calls
    if held.calls is not None and again.calls is not None:
        calls = unite_calls(held.calls, again.calls, samples)
    return held._replace(spelled=Spelled.of(held.allele, body), calls=calls)
