"""``skerry dataset``: making, listing, opening and deleting datasets."""

from __future__ import annotations

import argparse
import getpass
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from beacon.auth.consent import CODES, DISEASE
from beacon.auth.policy import policy_for
from beacon.auth.policy_file import difference, policy_from_toml
from beacon.commands.common import opened, place, site_options
from beacon.commands.data import cleared
from beacon.errors import ConfigurationError
from beacon.model.access import Asker, DatasetPolicy, Granularity, Level
from beacon.model.collections import data_use, data_use_codes
from beacon.store.admin import DatasetSummary
from loaders.words import counted, visible


def add_parsers(dataset: argparse.ArgumentParser) -> None:
    """Add the actions of ``skerry dataset``."""
    actions = dataset.add_subparsers(required=True, metavar="ACTION")

    create = actions.add_parser("create", help="make an empty dataset")
    create.add_argument("id")
    _described_by(create)
    create.add_argument("--level", choices=[level.value for level in Level], help="who may ask (default: controlled)")
    create.add_argument(
        "--granularity", choices=["boolean", "count", "record"], help="the most an answer tells (default: boolean)"
    )
    create.set_defaults(command=_create)

    describe = actions.add_parser("describe", help="change what is said of a dataset; an empty text takes it away")
    describe.add_argument("id")
    _described_by(describe)
    describe.set_defaults(command=_describe)

    actions.add_parser("list", help="list all datasets").set_defaults(command=_list)

    show = actions.add_parser("show", help="show one dataset, its policy and what it holds")
    show.add_argument("id")
    show.set_defaults(command=_show)

    delete = actions.add_parser("delete", help="delete a dataset and everything in it")
    delete.add_argument("id")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.add_argument("--no-wait", action="store_true", help="leave clearing away to the next command")
    delete.set_defaults(command=_delete)

    policy = actions.add_parser("policy", help="show a dataset's policy, or apply one from a file")
    policy.add_argument("id")
    policy.add_argument("--file", type=Path, help="policy to apply (TOML); the difference is shown first")
    policy.add_argument("--yes", action="store_true", help="do not ask")
    policy.set_defaults(command=_policy)
    for one in actions.choices.values():
        site_options(one)


def _described_by(parser: argparse.ArgumentParser) -> None:
    """Add what can be said of a dataset."""
    parser.add_argument("--name")
    parser.add_argument("--description")
    parser.add_argument("--data-version", metavar="TEXT", help="version of the data")
    parser.add_argument("--url", help="address of a page about the dataset")
    parser.add_argument(
        "--data-use",
        action="append",
        metavar="CODE[=TERM,...]",
        help="condition of use to show, such as DUO:0000042 or DUO:0000007=MONDO:0005148 (may be given several times); "
        "the codes that decide are those of the policy",
    )


def _info(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was given of a dataset's record, empty where it is to be taken away."""
    given = {"version": options.data_version, "externalUrl": options.url}
    if options.data_use is not None:
        given["dataUseConditions"] = _data_use([text for text in options.data_use if text])
    return {member: value for member, value in given.items() if value is not None}


def _data_use(texts: Sequence[str]) -> dict[str, Any]:
    modifiers = {}
    for text in texts:
        code, _, terms = text.partition("=")
        listed = [term for term in terms.split(",") if term]
        if code not in CODES or not all(re.fullmatch(r"\w[^:\s]+:\S+", term) for term in listed):
            raise ConfigurationError(
                f"--data-use {text!r} is no condition of use; give a code of the Data Use Ontology that is known here "
                f"({', '.join(sorted(CODES))}), with terms after a = where it needs them"
            )
        if code == DISEASE and not listed:
            raise ConfigurationError(f"--data-use {code} needs the diseases, as in {code}=MONDO:0005148")
        modifiers[code] = listed
    return data_use(modifiers.keys(), modifiers) if modifiers else {}


def _describe(options: argparse.Namespace) -> int:
    changes = _info(options) | {
        member: value
        for member, value in (("name", options.name), ("description", options.description))
        if value is not None
    }
    if not changes:
        raise ConfigurationError("say what to change: --name, --description, --data-version, --url or --data-use")
    with opened(options) as admin:
        admin.set_info(options.id, changes)
        policy = admin.policy(options.id)
    print(f"Dataset {options.id} is described anew.")
    _told_of_use(changes, policy)
    return 0


def _told_of_use(changes: Mapping[str, Any], policy: DatasetPolicy) -> None:
    """Say that what is shown decides nothing."""
    if changes.get("dataUseConditions"):
        own = "has codes of its own, which are shown instead" if policy.consent else "has no [consent] yet"
        print(f"Conditions of use are shown and decide nothing: that does the dataset's policy, which {own}.")


def _create(options: argparse.Namespace) -> int:
    from loaders.terms import site_ontologies

    granularity = Granularity.parse(options.granularity or "boolean")
    policy = policy_for(Level(options.level), granularity) if options.level else DatasetPolicy()
    if options.granularity and not options.level:
        raise ConfigurationError("--granularity needs --level: say who may ask, public, registered or controlled")
    with opened(options) as admin:
        info = {member: value for member, value in _info(options).items() if value}
        admin.create_dataset(options.id, name=options.name, description=options.description, policy=policy, info=info)
        site_ontologies(admin).store(admin)  # some seconds once per site, which no load has to wait for then
    print(f"Made dataset {options.id}: {_described(policy)}.")
    _told_of_use(info, policy)
    if not options.level:
        print(
            "It answers nobody until you say who may ask: write a policy file and apply it with\n"
            f"  skerry dataset policy {shlex.quote(options.id)} --file policy.toml{place(options)}"
        )
    dataset = f"--dataset {shlex.quote(options.id)}{place(options)}"
    print(f"Next, load data into it:\n  skerry load phenopackets PATH {dataset}")
    return 0


def _described(policy: DatasetPolicy) -> str:
    ceilings = ", ".join(f"{asker.value} {policy.ceilings[asker].label}" for asker in Asker if asker in policy.ceilings)
    granted = counted(len(policy.granted), "granted person")
    listed = f"{counted(len(policy.registered), 'registered person')} and {granted}"
    return f"{policy.level.value}; at most {ceilings}; {listed}; threshold {policy.threshold}"


def _list(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        summaries = admin.datasets()
    for summary in summaries:
        print(f"{summary.id}\t{summary.policy.level.value}\t{_counts(summary)}")
    if not summaries:
        print(f"There is no dataset yet; make one with:\n  skerry dataset create ID --level public{place(options)}")
    return 0


def _counts(summary: DatasetSummary) -> str:
    return ", ".join(counted(number, kind) for kind, number in summary.counts.items())


def _show(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        summary = admin.dataset(options.id)
    print(visible(f"{summary.id}: {summary.name}"))
    if summary.description:
        print(visible(summary.description))
    print(f"  holds    {_counts(summary)}")
    cohorts = ", ".join(f"{id} ({size:,})" for id, size in summary.cohorts.items())
    print(f"  cohorts  {visible(cohorts) or 'none'}")
    print(f"  policy   {_described(summary.policy)}")
    for label, text in (
        ("version", summary.record.get("version")),
        ("url", summary.record.get("externalUrl")),
        ("data use", ", ".join(sorted(data_use_codes(summary.record)))),
    ):
        if text:
            print(f"  {label:<8} {visible(str(text))}")
    print(f"  created  {summary.created:%Y-%m-%d %H:%M} UTC, changed {summary.updated:%Y-%m-%d %H:%M} UTC")
    return 0


def _delete(options: argparse.Namespace) -> int:
    with opened(options) as admin:
        summary = admin.dataset(options.id)
        print(f"Dataset {summary.id} holds {_counts(summary)}.")
        if not _agreed(options, "Delete it for good?"):
            return 1
        admin.delete_dataset(options.id, getpass.getuser())
        print(f"Deleted dataset {options.id}; nobody is answered from it any more.", flush=True)
        cleared(admin, wait=not options.no_wait)
    return 0


def _policy(options: argparse.Namespace) -> int:
    with opened(options) as admin:
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
