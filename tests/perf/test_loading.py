"""The benchmark of loading measures what it says: its floor finds the carriers that the load finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.report import Report
from loaders.vcf import Manner, begin, records
from loaders.vcf_parallel import outcomes
from tests.perf.loading import vcf_floor, write_vcf


@pytest.mark.parametrize("likelihoods", [False, True])
def test_the_floor_reads_the_same_carriers_as_the_loader(likelihoods: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.vcf.gz"
    write_vcf(path, 40, likelihoods=likelihoods, samples=60)
    reader, lines = begin(path, Manner("GRCh38"), None, Report())
    read = records(reader, outcomes(reader, lines), Report(), lambda _: None)
    found = [site.calls for record in read for site in record.sites]
    carriers = sum(len(calls.het) + len(calls.hom) for calls in found if calls is not None)
    assert len(found) == 40 and carriers > 100
    assert vcf_floor(path) == carriers
