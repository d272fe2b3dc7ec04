"""A few hundred broken VCFs of fixed seeds; ``make fuzz-vcf`` reads more of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tests.unit.loaders.fuzz_vcf import cases, read


def test_no_broken_file_is_more_than_problems_to_the_reader(tmp_path: Path) -> None:
    reports = [read(path) for _, path in islice(cases(1, tmp_path), 300)]
    rules = {problem.rule for report in reports for problem in report.problems}
    assert {"vcf-columns", "vcf-genotype", "vcf-header", "file-damaged", "vcf-order", "vcf-alt"} <= rules
    assert sum(report.counts.get("genomicVariant", 0) for report in reports) > 500
