"""The ``skerry`` command: the one place that knows every part of the program.

Commands say what they did and what to do next; what goes wrong is one sentence on standard error and exit
code 2 (1 where a load set records aside). With no configuration at all, everything lies in ``./skerry-data``.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from beacon import __version__, telemetry
from beacon.auth.policy import difference, policy_for, policy_from_toml
from beacon.errors import ConfigurationError, SkerryError
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level
from beacon.model.entry_types import ENTRY_TYPES
from beacon.settings import MOST_WORKERS, SiteSettings, load_network, load_site
from beacon.store.admin import Admin, DatasetSummary
from beacon.store.embedded import mongodb

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except SkerryError as error:
        print(f"skerry: {error.message}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="skerry", description="Beacon v2 sites, loaders, and a network of sites.")
    top.add_argument("--version", action="version", version=f"skerry {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _dataset_parsers(commands.add_parser("dataset", help="make, list, open and delete datasets"))
    _load_parsers(commands.add_parser("load", help="load phenopackets or a VCF into a dataset"))

    serve = commands.add_parser("serve", help="serve this site's Beacon")
    _site_options(serve)
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=int, help="port to listen on (default 5050)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes that answer (default 1)")
    serve.set_defaults(command=_serve)

    network = commands.add_parser("network", help="ask many sites at once").add_subparsers(
        required=True, metavar="ACTION"
    )
    serve_network = network.add_parser("serve", help="serve a Beacon that asks its peers")
    serve_network.add_argument("--config", type=Path, required=True, help="settings of the network (TOML)")
    serve_network.set_defaults(command=_serve_network)

    demo = commands.add_parser("demo", help="three sites and a network on this machine, asked as three people")
    demo.add_argument("--data", type=Path, help="folder with real phenopackets/ and vcf/ (default: synthetic people)")
    demo.add_argument("--once", action="store_true", help="end after the answers instead of serving on")
    demo.set_defaults(command=_demo)
    return top


def _site_options(one: argparse.ArgumentParser) -> None:
    one.add_argument("--config", type=Path, help="settings of the site (TOML); without it, the defaults")
    one.add_argument("--data-dir", type=Path, help="folder of the embedded MongoDB (default ./skerry-data)")


def _dataset_parsers(dataset: argparse.ArgumentParser) -> None:
    actions = dataset.add_subparsers(required=True, metavar="ACTION")

    create = actions.add_parser("create", help="make an empty dataset")
    create.add_argument("id")
    create.add_argument("--name")
    create.add_argument("--description")
    create.add_argument("--level", choices=[level.value for level in Level], help="who may ask (default: controlled)")
    create.add_argument(
        "--granularity", choices=["boolean", "count", "record"], help="the most an answer tells (default: boolean)"
    )
    create.set_defaults(command=_dataset_create)

    actions.add_parser("list", help="list all datasets").set_defaults(command=_dataset_list)

    show = actions.add_parser("show", help="show one dataset, its policy and what it holds")
    show.add_argument("id")
    show.set_defaults(command=_dataset_show)

    delete = actions.add_parser("delete", help="delete a dataset and everything in it")
    delete.add_argument("id")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(command=_dataset_delete)

    policy = actions.add_parser("policy", help="show a dataset's policy, or apply one from a file")
    policy.add_argument("id")
    policy.add_argument("--file", type=Path, help="policy to apply (TOML); the difference is shown first")
    policy.add_argument("--yes", action="store_true", help="do not ask")
    policy.set_defaults(command=_dataset_policy)
    for one in actions.choices.values():
        _site_options(one)


def _load_parsers(load: argparse.ArgumentParser) -> None:
    formats = load.add_subparsers(required=True, metavar="FORMAT")
    packets = formats.add_parser("phenopackets", help="files, folders, zip archives, JSON lines (.gz too)")
    packets.add_argument("paths", nargs="+", metavar="PATH")
    packets.set_defaults(command=_load_phenopackets)

    vcf = formats.add_parser("vcf", help="VCF (plain, .gz, .bgz) or BCF")
    vcf.add_argument("file", type=Path)
    vcf.add_argument("--assembly", help="GRCh37, GRCh38 or T2T, where the file does not tell")
    vcf.set_defaults(command=_load_vcf)
    for one in formats.choices.values():
        one.add_argument("--dataset", required=True, metavar="ID")
        one.add_argument("--cohort", metavar="ID", help="make these people members of a cohort")
        one.add_argument("--quiet", action="store_true", help="show no progress")
        one.add_argument("--json", action="store_true", help="print the report as JSON")
        _site_options(one)


def _settings(options: argparse.Namespace) -> SiteSettings:
    settings = load_site(options.config)
    if options.data_dir is not None:
        if settings.mongo.uri is not None:
            raise ConfigurationError("--data-dir is for the embedded MongoDB, but the settings name another one by uri")
        settings = replace(settings, mongo=replace(settings.mongo, data_dir=options.data_dir.absolute()))
    return settings


@contextmanager
def _admin(options: argparse.Namespace) -> Iterator[Admin]:
    settings = _settings(options)
    with mongodb(settings.mongo) as uri, Admin.open(uri, settings.mongo.database) as admin:
        yield admin


def _place(options: argparse.Namespace) -> str:
    """Return the options that say where the data are, for commands to type next."""
    parts = [f"--config {options.config}"] if options.config else []
    parts += [f"--data-dir {options.data_dir}"] if options.data_dir else []
    return "".join(f" {part}" for part in parts)


def _dataset_create(options: argparse.Namespace) -> int:
    granularity = Granularity.parse(options.granularity or "boolean")
    policy = policy_for(Level(options.level), granularity) if options.level else DatasetPolicy()
    if options.granularity and not options.level:
        raise ConfigurationError("--granularity needs --level: say who may ask, public, registered or controlled")
    with _admin(options) as admin:
        admin.create_dataset(options.id, name=options.name, description=options.description, policy=policy)
    print(f"Made dataset {options.id}: {_described(policy)}.")
    if not options.level:
        print(
            "It answers nobody until you say who may ask: write a policy file and apply it with\n"
            f"  skerry dataset policy {options.id} --file policy.toml{_place(options)}"
        )
    print(f"Next, load data into it:\n  skerry load phenopackets PATH --dataset {options.id}{_place(options)}")
    return 0


def _described(policy: DatasetPolicy) -> str:
    ceilings = ", ".join(f"{asker.value} {policy.ceilings[asker].label}" for asker in Asker if asker in policy.ceilings)
    listed = f"{len(policy.registered)} registered and {len(policy.granted)} granted people"
    return f"{policy.level.value}; at most {ceilings}; {listed}; threshold {policy.threshold}"


def _dataset_list(options: argparse.Namespace) -> int:
    with _admin(options) as admin:
        summaries = admin.datasets()
    for summary in summaries:
        print(f"{summary.id}\t{summary.policy.level.value}\t{_counts(summary)}")
    if not summaries:
        print(f"There is no dataset yet; make one with:\n  skerry dataset create ID --level public{_place(options)}")
    return 0


def _counts(summary: DatasetSummary) -> str:
    return ", ".join(f"{number:,} {ENTRY_TYPES[kind].path}" for kind, number in summary.counts.items())


def _dataset_show(options: argparse.Namespace) -> int:
    with _admin(options) as admin:
        summary = admin.dataset(options.id)
    print(f"{summary.id}: {summary.name}")
    if summary.description:
        print(summary.description)
    print(f"  holds    {_counts(summary)}")
    print(f"  cohorts  {', '.join(f'{id} ({size:,})' for id, size in summary.cohorts.items()) or 'none'}")
    print(f"  policy   {_described(summary.policy)}")
    print(f"  created  {summary.created:%Y-%m-%d %H:%M} UTC, changed {summary.updated:%Y-%m-%d %H:%M} UTC")
    return 0


def _dataset_delete(options: argparse.Namespace) -> int:
    with _admin(options) as admin:
        summary = admin.dataset(options.id)
        print(f"Dataset {summary.id} holds {_counts(summary)}.")
        if not _agreed(options, "Delete it for good?"):
            return 1
        admin.delete_dataset(options.id)
    print(f"Deleted dataset {options.id}.")
    return 0


def _dataset_policy(options: argparse.Namespace) -> int:
    with _admin(options) as admin:
        old = admin.dataset(options.id).policy
        if options.file is None:
            print(f"{options.id}: {_described(old)}")
            return 0
        new = policy_from_toml(options.file)
        lines = difference(old, new)
        if not lines:
            print(f"Dataset {options.id} has this policy already; nothing was changed.")
            return 0
        print(f"Policy of {options.id} would change:")
        print("\n".join(f"  {line}" for line in lines))
        if not _agreed(options, "Apply it?"):
            return 1
        admin.set_policy(options.id, new)
    print("Applied. The site's next answer follows it; nothing needs a restart.")
    return 0


def _agreed(options: argparse.Namespace, question: str) -> bool:
    """Ask on a terminal; elsewhere only ``--yes`` agrees."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        print("Nothing was changed; give --yes to do it without being asked.", file=sys.stderr)
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _load_phenopackets(options: argparse.Namespace) -> int:
    from loaders.pipeline import load_phenopackets
    from loaders.report import Progress

    with _admin(options) as admin:
        report = load_phenopackets(
            admin,
            options.paths,
            options.dataset,
            cohort=options.cohort,
            progress=Progress(quiet=options.quiet),
            who=getpass.getuser(),
        )
    return _told(options, report)


def _load_vcf(options: argparse.Namespace) -> int:
    from loaders.report import Progress
    from loaders.vcf import load_vcf

    with _admin(options) as admin:
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


def _told(options: argparse.Namespace, report: object) -> int:
    import json

    from loaders.report import Report

    assert isinstance(report, Report)
    report.ahead = f"Next, serve it:\n  skerry serve{_place(options)}"
    if options.json:
        print(json.dumps(report.to_json(), default=str))
    else:
        report.show()
    return report.exit_code


def _serve(options: argparse.Namespace) -> int:
    from beacon.app import run

    settings = _settings(options)
    if options.workers is not None:
        if not 1 <= options.workers <= MOST_WORKERS:
            raise ConfigurationError(f"--workers must be a number from 1 to {MOST_WORKERS}, not {options.workers}.")
        settings = replace(settings, workers=options.workers)
    listen = settings.listen
    listen = replace(
        listen, host=options.host or listen.host, port=listen.port if options.port is None else options.port
    )
    settings = replace(settings, listen=listen)
    telemetry.set_up(settings.log)
    with mongodb(settings.mongo) as uri:
        return run(settings, uri)


def _serve_network(options: argparse.Namespace) -> int:
    from network.app import run

    settings = load_network(options.config)
    telemetry.set_up(settings.log)
    return run(settings)


def _demo(options: argparse.Namespace) -> int:
    from beacon.demo import run

    return run(options.data, once=options.once, say=lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main())
