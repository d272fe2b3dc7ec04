"""Commands about what is in datasets: which loads there were, where a record came from, and taking records out."""

from __future__ import annotations

import argparse
import getpass
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from beacon.commands.common import opened, place, site_options
from beacon.errors import ConfigurationError
from beacon.store.admin import Admin
from beacon.store.journal import SHORT, Entry
from loaders.words import counted, visible


def loads(loads: argparse.ArgumentParser) -> None:
    """Add the actions of ``skerry loads``."""
    actions = loads.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="list all loads, deletions and withdrawals, oldest first")
    listed.add_argument("--dataset", metavar="ID", help="of this dataset only")
    listed.set_defaults(command=_list)
    show = actions.add_parser("show", help="show one, with everything that is known of it")
    show.add_argument("load", metavar="LOAD", help="its id, or how that begins")
    show.set_defaults(command=_show)
    for one in (listed, show):
        site_options(one)


def where(where: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry where``."""
    where.add_argument("id", help="of an individual, biosample, run, analysis or variant")
    where.set_defaults(command=_where)
    site_options(where)


def delete(delete: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry delete``."""
    what = delete.add_mutually_exclusive_group(required=True)
    what.add_argument("--individual", nargs="+", metavar="ID", help="these people, with all that is theirs")
    what.add_argument("--cohort", metavar="COHORT", help="all members of this cohort, with all that is theirs")
    what.add_argument("--load", metavar="LOAD", help="what this load brought and is still shown")
    _of_a_dataset(delete, _delete)


def withdraw(withdraw: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry withdraw``."""
    withdraw.add_argument("individual", metavar="ID")
    withdraw.add_argument("--purge", action="store_true", help="erase their bytes, too, once questions under way ended")
    _of_a_dataset(withdraw, _withdraw)


def compact(compact: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry compact``."""
    _of_a_dataset(compact, _compact)


def readmit(readmit: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry readmit``."""
    readmit.add_argument("individual", metavar="ID")
    readmit.add_argument("--sample", nargs="+", default=[], metavar="ID", help="of these samples too")
    _of_a_dataset(readmit, _readmit)


def sweep(sweep: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry sweep``."""
    sweep.add_argument("--no-wait", action="store_true", help="leave what has to wait for questions under way")
    sweep.set_defaults(command=_sweep)
    site_options(sweep)


def _of_a_dataset(one: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int]) -> None:
    one.add_argument("--dataset", required=True, metavar="ID")
    one.add_argument("--wait", action="store_true", help="wait while another command changes the dataset")
    one.set_defaults(command=command)
    site_options(one)


@contextmanager
def changing(admin: Admin, options: argparse.Namespace, what: str) -> Iterator[None]:
    """Hold the right to change the dataset that the options name, waiting for it where they say so."""
    wait: Callable[[str], None] | None = None
    if options.wait:

        def wait(holder: str) -> None:
            print(f"Waiting: {holder}.", file=sys.stderr)

    with admin.hold(options.dataset, what, getpass.getuser(), wait):
        yield


def cleared(admin: Admin, *, wait: bool) -> None:
    """Clear away what nobody reads any more, waiting until questions under way have ended, and say what remains."""
    told = False
    while left := admin.sweep():
        if not wait:
            print(f"What was deleted is cleared away by the next command after {left:.0f} s, or by: skerry sweep")
            return
        if not told:
            print(f"Clearing it away once questions under way have ended (at most {left:.0f} s) ...", flush=True)
            told = True
        time.sleep(min(left, 1.0))


def _list(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        entries = admin.loads(options.dataset)
    for one in entries:
        begun = f"{one.time:%Y-%m-%d %H:%M:%S}"
        told = (one.id[:SHORT], begun, one.dataset, one.what, one.state, one.who, one.source, _told(one.counts))
        print("\t".join(map(visible, told)))
    if not entries:
        print(f"Nothing was loaded yet; do so with:\n  skerry load phenopackets PATH --dataset ID{place(options)}")
    return 0


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(counted(number, kind) for kind, number in counts.items())


def _show(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        one = admin.load(options.load)
    _print(one)
    return 0


def _print(one: Entry) -> None:
    for name, value in asdict(one).items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {held}" for key, held in value.items())
        if value not in (None, ""):
            print(f"{name:11} {visible(str(value))}")


def _where(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        found = admin.where(options.id)
    for one in found:
        line = f", line {one.line}" if one.line is not None else ""
        print(visible(f"{one.kind} {one.id} of dataset {one.dataset}: {one.file or 'unknown file'}{line}"))
        if one.load is not None:
            load = one.load
            versions = "".join(f", {prefix} {version}" for prefix, version in load.ontologies.items())
            print(f"  load {load.id[:SHORT]}, {load.time:%Y-%m-%d %H:%M} UTC, by {load.who or 'unknown'}: {load.what}")
            print(visible(f"  sha256 {load.sha256}; {load.loader}{versions}"))
    if not found:
        print(f"No dataset shows a record of the id {options.id}.")
    return 0 if found else 1


def _delete(options: argparse.Namespace) -> int:
    who = getpass.getuser()
    with opened(options) as admin, changing(admin, options, "delete"):
        if options.individual:
            counts = admin.delete_people(options.dataset, options.individual, who)
        elif options.cohort:
            counts = admin.delete_cohort(options.dataset, options.cohort, who)
        else:
            counts = admin.delete_load(options.dataset, options.load, who)
    print(f"Deleted from dataset {options.dataset}: {_told(counts) or 'nothing that was still shown'}.")
    return 0


def _withdraw(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        done = admin.withdraw(options.dataset, options.individual, getpass.getuser())
    if done.counts:
        print(f"Withdrawn from every answer of dataset {options.dataset}: {_told(done.counts)}.")
    else:
        print(f"Dataset {options.dataset} showed nothing of this individual.")
    again = f"skerry readmit {shlex.quote(options.individual)} --dataset {shlex.quote(options.dataset)}{place(options)}"
    print(f"No load brings them back, nor {counted(done.samples, 'known sample')} of theirs, until:\n  {again}")
    if options.purge:
        _purge(options)
    return 0


def _purge(options: argparse.Namespace) -> None:
    from loaders.terms import site_ontologies

    def wait(seconds: float) -> None:
        print(f"Waiting for questions under way to end (at most {seconds:.0f} s) ...", flush=True)
        time.sleep(seconds)

    with opened(options) as admin, changing(admin, options, "purge"):
        ancestors = site_ontologies(admin).ancestors
        segments = admin.purge(options.dataset, options.individual, ancestors, getpass.getuser(), wait)
    print(f"Erased from {counted(segments, 'segment')} and from all notes.")
    print("MongoDB's log of changes and backups keep theirs: see docs/curating.md, Withdrawal of consent.")


def _compact(options: argparse.Namespace) -> int:
    from loaders.terms import site_ontologies

    with opened(options) as admin, changing(admin, options, "compact"):
        ancestors = site_ontologies(admin).ancestors
        gone = admin.compact(options.dataset, ancestors, getpass.getuser(), everything=True)
    print(f"Dataset {options.dataset} has {counted(gone, 'segment')} fewer." if gone else "There is nothing to unite.")
    return 0


def _readmit(options: argparse.Namespace) -> int:
    with opened(options) as admin, changing(admin, options, "readmit"):
        lifted = admin.readmit(options.dataset, options.individual, options.sample, getpass.getuser())
        stricter = admin.policy(options.dataset).stricter
    if not lifted:
        raise ConfigurationError(f"Nobody of this id withdrew from dataset {options.dataset}; nothing was changed.")
    ids = counted(lifted, "id")
    print(f"They may come again, {ids} in all (the person's and those of samples): load their files again.")
    for level in sorted({rule.level for rule in stricter if options.individual in rule.individuals}):
        print(f"The dataset's policy names them among its [[stricter]]: their records need the level {level.value}.")
        print("Its file has to name them too, or they are as easy to see as others once it is applied again.")
    print("After a purge nobody knows which samples were theirs; name them with --sample.")
    return 0


def _sweep(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        cleared(admin, wait=not options.no_wait)
    print("Nothing is left to clear away." if not options.no_wait else "Done.")
    return 0
