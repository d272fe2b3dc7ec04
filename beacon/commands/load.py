"""``skerry load``: bringing data into datasets, and sequences and genes into the site."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from beacon.commands.common import opened, place, site_options


def add_parsers(load: argparse.ArgumentParser) -> None:
    """Add the formats of ``skerry load``."""
    formats = load.add_subparsers(required=True, metavar="FORMAT")
    packets = formats.add_parser("phenopackets", help="files, folders, zip archives, JSON lines (.gz too)")
    packets.add_argument("paths", nargs="+", metavar="PATH")
    packets.set_defaults(command=_phenopackets)

    vcf = formats.add_parser("vcf", help="VCF (plain, .gz, .bgz) or BCF")
    vcf.add_argument("file", type=Path)
    vcf.add_argument("--assembly", help="GRCh37, GRCh38 or T2T, where the file does not tell")
    vcf.set_defaults(command=_vcf)
    for one in (packets, vcf):
        one.add_argument("--dataset", required=True, metavar="ID")
        one.add_argument("--cohort", metavar="ID", help="make these people members of a cohort")
        one.add_argument("--json", action="store_true", help="print the report as JSON")

    reference = formats.add_parser("reference", help="the sequence of an assembly (FASTA), for names of indels")
    reference.add_argument("file", type=Path, metavar="FASTA")
    reference.add_argument("--partial", action="store_true", help="take sequences of any length (for tests)")
    reference.set_defaults(command=_reference)

    genes = formats.add_parser("genes", help="where genes lie in an assembly (GFF3 or GTF)")
    genes.add_argument("file", type=Path)
    genes.set_defaults(command=_genes)
    for one in (reference, genes):
        one.add_argument("--assembly", required=True, help="GRCh37, GRCh38 or T2T")
    for one in formats.choices.values():
        one.add_argument("--quiet", action="store_true", help="show no progress")
        site_options(one)


def _phenopackets(options: argparse.Namespace) -> int:
    from loaders.pipeline import load_phenopackets
    from loaders.report import Progress

    with opened(options) as admin:
        report = load_phenopackets(
            admin,
            options.paths,
            options.dataset,
            cohort=options.cohort,
            progress=Progress(quiet=options.quiet),
            who=getpass.getuser(),
        )
    return _told(options, report)


def _vcf(options: argparse.Namespace) -> int:
    from loaders.report import Progress
    from loaders.vcf import load_vcf

    with opened(options) as admin:
        report = load_vcf(
            admin,
            options.file,
            options.dataset,
            assembly=options.assembly,
            cohort=options.cohort,
            progress=Progress(quiet=options.quiet),
            who=getpass.getuser(),
        )
    return _told(options, report)


def _reference(options: argparse.Namespace) -> int:
    from loaders.reference import load_reference
    from loaders.report import Progress

    with opened(options) as admin:
        progress = Progress(quiet=options.quiet)
        report = load_reference(admin, options.file, options.assembly, partial=options.partial, progress=progress)
    print(report.render())
    return 0


def _genes(options: argparse.Namespace) -> int:
    from loaders.genes import load_genes

    with opened(options) as admin:
        report = load_genes(admin, options.file, options.assembly)
    print(report.render())
    return 0


def _told(options: argparse.Namespace, report: object) -> int:
    import json

    from loaders.report import Report

    assert isinstance(report, Report)
    report.ahead = f"Next, serve it:\n  skerry serve{place(options)}"
    if options.json:
        print(json.dumps(report.to_json(), default=str))
    else:
        report.show()
    return report.exit_code
