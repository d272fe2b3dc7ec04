"""``skerry load``: bringing data into datasets, and sequences and genes into the site."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from beacon.commands.common import opened, place, site_options
from beacon.commands.data import changing

if TYPE_CHECKING:
    from beacon.store.admin import Admin
    from loaders.report import Report
    from loaders.workers import Workers

    Formats = argparse._SubParsersAction[argparse.ArgumentParser]

FORMATS = ("text", "json", "jsonl", "sarif", "junit")
"""How a report can be printed; ``loaders.formats`` has a row for each."""
MOST_WORKERS = 64


def add_parsers(load: argparse.ArgumentParser) -> None:
    """Add the formats of ``skerry load``."""
    formats = load.add_subparsers(required=True, metavar="FORMAT")
    for one in data_formats(formats):
        if one.get_default("remove_vanished") is not None:
            vanished = "remove what an earlier load of the same files brought and this one has not"
            one.add_argument("--remove-vanished", action="store_true", help=vanished)
        if one.get_default("replaces") is not None:
            one.add_argument("--replaces", nargs="+", metavar="LOAD", help="these loads' calls of the same samples go")
            one.add_argument("--keep-earlier", action="store_true", help="add to an earlier file of the same name")
        one.add_argument("--dataset", required=True, metavar="ID")
        one.add_argument("--cohort", metavar="ID", help="make these people members of a cohort")
        one.add_argument("--wait", action="store_true", help="wait while another command changes the dataset")
        one.add_argument("--dry-run", action="store_true", help="only check, like skerry check; change nothing")

    reference = formats.add_parser("reference", help="the sequence of an assembly (FASTA), for names of indels")
    reference.add_argument("file", type=Path, metavar="FASTA")
    reference.add_argument("--partial", action="store_true", help="take sequences of any length (for tests)")
    reference.set_defaults(command=_reference)

    genes = formats.add_parser("genes", help="where genes lie in an assembly (GFF3 or GTF)")
    genes.add_argument("file", type=Path)
    genes.set_defaults(command=_genes)

    ontology = formats.add_parser("ontology", help="the terms of an ontology (OBO, OBO graph as JSON)")
    ontology.add_argument("file", type=Path)
    ontology.add_argument("--release", metavar="VERSION", help="which version it is, where the file does not tell")
    ontology.set_defaults(command=_ontology)
    for one in (reference, genes):
        one.add_argument("--assembly", required=True, help="GRCh37, GRCh38 or T2T")
    for one in formats.choices.values():
        one.add_argument("--quiet", action="store_true", help="show no progress")
        site_options(one)


def add_check_parsers(check: argparse.ArgumentParser) -> None:
    """Add the formats of ``skerry check``."""
    formats = check.add_subparsers(required=True, metavar="FORMAT")
    for one in data_formats(formats):
        one.add_argument("--dataset", metavar="ID", help="compare with what is in this dataset, too")
        one.add_argument("--quiet", action="store_true", help="show no progress")
        one.set_defaults(dry_run=True, cohort=None)
        site_options(one)


def data_formats(formats: Formats) -> Iterator[argparse.ArgumentParser]:
    """Add the formats that datasets are made of, with what checking and loading them have in common."""
    packets = formats.add_parser("phenopackets", help="files, folders, zip archives, JSON lines (.gz too)")
    packets.add_argument("paths", nargs="+", metavar="PATH")
    packets.set_defaults(command=_phenopackets, remove_vanished=False)

    tables = formats.add_parser("tables", help="people in CSV or TSV, by a TOML file that says what the columns mean")
    tables.add_argument("paths", nargs=1, metavar="MAPPING")
    tables.set_defaults(command=_phenopackets, remove_vanished=False)

    vcf = formats.add_parser("vcf", help="VCF (plain, .gz, .bgz) or BCF")
    vcf.add_argument("file", type=Path, help="- is standard input")
    vcf.add_argument("--fasta", type=Path, help="sequence of the assembly: REF is compared, indels are left-aligned")
    vcf.add_argument("--region", action="append", default=[], help="only chr1:1000-2000, by the index; may be repeated")
    vcf.add_argument("--samples", type=Path, metavar="TABLE", help="whose the samples are: sample and individual")
    vcf.add_argument("--sample-rule", metavar="REGEX", help="whose they are: the first group is the individual's id")
    vcf.add_argument("--assembly", help="GRCh37, GRCh38 or T2T, where the file does not tell")
    vcf.set_defaults(command=_vcf, remove_vanished=False, replaces=[], keep_earlier=False)

    bff = formats.add_parser("bff", help="Beacon files (BFF): .json or .json.gz, named after entry types, or folders")
    bff.add_argument("paths", nargs="+", metavar="PATH")
    bff.add_argument("--assembly", help="GRCh37, GRCh38 or T2T, for variants that do not tell")
    bff.set_defaults(command=_bff, remove_vanished=False)
    for one in (packets, tables, vcf):
        workers = "processes that work on it (default: 2 for much data where there are two processors, else 1)"
        one.add_argument("--workers", type=_count, metavar="N", help=workers)
    for one in (packets, tables, vcf, bff):
        one.add_argument("--max-errors", type=_count, metavar="N", help="stop at the Nth error and change nothing")
        one.add_argument("--format", choices=FORMATS, default="text", help="how to print the report (default text)")
        one.add_argument("--json", action="store_const", const="json", dest="format", help="short for --format json")
        yield one


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "number from 1"


def _phenopackets(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _check_phenopackets(options)
    # One at most: what is an error in a phenopacket depends on those before it.
    with _working(options, options.paths, "loaders.examining", most=2) as workers:
        from loaders.pipeline import load_phenopackets
        from loaders.report import Progress

        report = _begun(options)
        with opened(options) as admin, changing(admin, options, "load phenopackets"):
            load_phenopackets(
                admin,
                options.paths,
                options.dataset,
                cohort=options.cohort,
                progress=Progress(quiet=options.quiet),
                who=getpass.getuser(),
                report=report,
                remove_vanished=options.remove_vanished,
                workers=workers,
            )
        return _told(options, report)


def _check_phenopackets(options: argparse.Namespace) -> int:
    from loaders.dry_run import check_phenopackets
    from loaders.report import Progress

    progress, report = Progress(quiet=options.quiet), _begun(options)
    with _compared(options) as admin:
        check_phenopackets(options.paths, admin=admin, dataset=options.dataset, progress=progress, report=report)
    return _told(options, report)


def _working(
    options: argparse.Namespace, paths: Sequence[Path | str], module: str, most: int = MOST_WORKERS
) -> AbstractContextManager[Workers | None]:
    """Begin the processes that help with these files: as many as asked for, else as are worth while."""
    from loaders.workers import fitting, working

    return working(min(options.workers or fitting(paths), most) - 1, module)


@contextmanager
def _compared(options: argparse.Namespace) -> Iterator[Admin | None]:
    """Open the database for a check that compares with a dataset; without one a check needs none."""
    if options.dataset is None:
        yield None
    else:
        with opened(options) as admin:
            yield admin


def _vcf(options: argparse.Namespace) -> int:
    with _working(options, [options.file], "loaders.vcf_parallel") as workers:
        from loaders.report import Progress
        from loaders.vcf import Manner, check_vcf, load_vcf
        from loaders.vcf_samples import sample_rules

        progress, report = Progress(quiet=options.quiet), _begun(options)
        rules = sample_rules(options.samples, options.sample_rule)
        manner = Manner(options.assembly, options.fasta, tuple(options.region), rules, workers)
        if options.dry_run:
            with _compared(options) as admin:
                check_vcf(
                    options.file,
                    manner=manner,
                    progress=progress,
                    report=report,
                    admin=admin,
                    dataset=options.dataset,
                    replaces=options.replaces,
                    keep_earlier=options.keep_earlier,
                    remove_vanished=options.remove_vanished,
                    cohort=options.cohort,
                )
            return _told(options, report)
        with opened(options) as admin, changing(admin, options, "load vcf"):
            load_vcf(
                admin,
                options.file,
                options.dataset,
                manner=manner,
                cohort=options.cohort,
                progress=progress,
                who=getpass.getuser(),
                report=report,
                replaces=options.replaces,
                keep_earlier=options.keep_earlier,
                remove_vanished=options.remove_vanished,
            )
        return _told(options, report)


def _bff(options: argparse.Namespace) -> int:
    from loaders.bff import check_bff, load_bff
    from loaders.report import Progress

    progress, report = Progress(quiet=options.quiet), _begun(options)
    if options.dry_run:
        with _compared(options) as admin:
            check_bff(
                options.paths,
                assembly=options.assembly,
                progress=progress,
                report=report,
                admin=admin,
                dataset=options.dataset,
                cohort=options.cohort,
                remove_vanished=options.remove_vanished,
            )
        return _told(options, report)
    with opened(options) as admin, changing(admin, options, "load bff"):
        load_bff(
            admin,
            options.paths,
            options.dataset,
            assembly=options.assembly,
            cohort=options.cohort,
            progress=progress,
            who=getpass.getuser(),
            report=report,
            remove_vanished=options.remove_vanished,
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


def _ontology(options: argparse.Namespace) -> int:
    from loaders.ontologies import load_ontology
    from loaders.report import Progress

    with opened(options) as admin:
        progress = Progress(quiet=options.quiet)
        report = load_ontology(admin, options.file, version=options.release, progress=progress, who=getpass.getuser())
    print(report.render())
    return 0


def _begun(options: argparse.Namespace) -> Report:
    """Return an empty report; in JSON lines each problem is printed as soon as it is found."""
    from loaders.formats import json_line
    from loaders.report import Report

    report = Report(most=options.max_errors)
    if options.format == "jsonl":
        report.heard = lambda problem: print(json_line(problem))
    return report


def _told(options: argparse.Namespace, report: Report) -> int:
    from loaders import formats

    if report.changed:
        report.ahead = f"Next, serve it:\n  skerry serve{place(options)}"
    if options.format == "text":
        report.show()
    else:
        print(formats.FORMATS[options.format](report))
    return report.exit_code
