"""``skerry audit``: checking, searching and pruning what was written down of answers."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import requests

from beacon.audit.heads import Heads, public_key, public_pem, signing_key
from beacon.audit.place import Place, is_day
from beacon.audit.prune import prune
from beacon.audit.search import about
from beacon.audit.verify import verify
from beacon.client.answers import plain
from beacon.commands.common import site_options, site_settings
from beacon.errors import ConfigurationError
from beacon.login import current_token
from beacon.settings import load_network
from loaders.words import counted, plural


def add_parsers(audit: argparse.ArgumentParser) -> None:
    """Add the actions of ``skerry audit``."""
    actions = audit.add_subparsers(required=True, metavar="ACTION")

    check = actions.add_parser("verify", help="find every edit, removal, reordering or cut of audit lines")
    check.add_argument("--public-key", type=Path, help="key to check the heads with (PEM), kept elsewhere")
    check.add_argument("--heads-copy", type=Path, help="file of heads that was kept elsewhere: all must still be here")
    check.set_defaults(command=_verify)

    who = actions.add_parser("who", help="who asked about a dataset, and what they were told")
    who.add_argument("--dataset", required=True, metavar="ID")
    who.add_argument("--since", default="", metavar="DAY", help="the first day to look at (UTC), as in 2026-01-31")
    who.add_argument("--json", action="store_true", help="whole lines, one JSON object each")
    who.set_defaults(command=_who)

    actions.add_parser("prune", help="remove what is older than audit.retention_days").set_defaults(command=_prune)
    actions.add_parser("key", help="print the public key, to be kept elsewhere").set_defaults(command=_key)
    for one in actions.choices.values():
        site_options(one)
        one.add_argument("--network-config", type=Path, help="settings of a network (TOML): its audit, not a site's")

    mine = actions.add_parser("mine", help="what a Beacon has written down of yourself, after skerry login")
    mine.add_argument("url", metavar="URL", help="root of the Beacon's API")
    mine.add_argument("--since", default="", metavar="DAY", help="the first day to look at (UTC), as in 2026-01-31")
    mine.add_argument("--json", action="store_true", help="whole lines, one JSON object each")
    mine.set_defaults(command=_mine)


def _place(options: argparse.Namespace) -> Place:
    place = Place.of(load_network(options.network_config) if options.network_config else site_settings(options))
    if not place.lines.is_dir():
        raise ConfigurationError(f"There is no audit in {place.lines}; --config or --data-dir says where it lies.")
    return place


def _verify(options: argparse.Namespace) -> int:
    place = _place(options)
    key = public_key(options.public_key) if options.public_key else _own_key(place).public_key()
    found = verify(place, key, options.heads_copy)
    for fault in found.faults:
        print(fault, file=sys.stderr)
    chains, heads = counted(found.chains, "chain"), counted(found.heads, "head")
    print(
        f"Checked {counted(found.lines, 'line')} of {chains} and {heads}; "
        f"newer than the last head of their chain: {counted(found.uncovered, 'line')}."
    )
    if found.torn:
        print(f"Never written whole, at the end of files: {counted(found.torn, 'line')}; their answers never left.")
    print(f"The last head is number {found.last_head[0]:,}, {found.last_head[1]}.")
    print("Something is wrong." if found.faults else "Nothing is wrong.")
    return 1 if found.faults else 0


def _who(options: argparse.Namespace) -> int:
    if options.since and not is_day(options.since):
        raise ConfigurationError(f"--since must be a day such as 2026-01-31, not {options.since!r}.")
    place = _place(options)
    for line in about(place, options.dataset, since=options.since):
        print(orjson.dumps(line).decode() if options.json else _row(line, options.dataset))
    return 0


def _mine(options: argparse.Namespace) -> int:
    token = current_token(options.url)
    if token is None:
        raise ConfigurationError(f"Nobody is logged in for {options.url}; run skerry login {options.url} first.")
    address = options.url.rstrip("/").removesuffix("/api") + "/audit/mine"
    try:
        params = {"since": options.since} if options.since else {}
        answer = requests.get(address, params, auth=_Bearer(token), timeout=60, allow_redirects=False)
        said = answer.json()
        lines = said["response"]["lines"] if answer.status_code == 200 else None
        problem = "" if lines is not None else str(said["error"]["errorMessage"])
    except (requests.RequestException, KeyError, TypeError) as error:
        raise ConfigurationError(f"{address} does not show audit lines: {error}.") from None
    if lines is None:
        raise ConfigurationError(f"{address} refused: {plain(problem)}")
    for line in lines:
        datasets = line.get("datasets", ())
        told = ", ".join(f"{one['dataset']}: {_said(one) or one.get('given', 'none')}" for one in datasets)
        print(orjson.dumps(line).decode() if options.json else f"{_row(line, '')}{plain(told)}")
    return 0


class _Bearer(requests.auth.AuthBase):
    """Sends a token; given in this way, nothing that the machine knows of the host takes its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _row(line: dict[str, Any], dataset: str) -> str:
    """Return a line for people, separated by tabs: when, who, what they asked for, how deep, what they were told."""
    person = line.get("who")
    who = f"{person['subject']} of {person['issuer']}" if person else "a stranger"
    if "node" in line:
        who += f" through {line['node']}"
    asked = line.get("query", {}).get("entry_type") or line.get("path", "")
    told: dict[str, Any] = next((one for one in line.get("datasets", ()) if one["dataset"] == dataset), {})
    depth = f"{line.get('asked', '-')} -> {told.get('given', 'none')}"
    return "\t".join(map(plain, (line["time"], who, asked, depth, _said(told))))


def _said(told: dict[str, Any]) -> str:
    if told.get("withheld"):
        return "withheld"
    if "records" in told:
        return f"{told['records']} {plural('record', told['records'])} of {told.get('count')}"
    if "count" in told:
        return f"{told['count']} counted"
    return {None: "", True: "yes", False: "no"}[told.get("exists")]


def _prune(options: argparse.Namespace) -> int:
    place = _place(options)
    _own_key(place)
    gone = prune(place, Heads(place), now=time.time())
    print(f"Removed {counted(gone, 'file')} older than {counted(place.retention_days, 'day')}.")
    return 0


def _key(options: argparse.Namespace) -> int:
    print(public_pem(_own_key(_place(options)).public_key()), end="")
    return 0


def _own_key(place: Place) -> Any:
    if not place.key.exists():
        raise ConfigurationError(
            f"There is no key {place.key}; name a public one with --public-key.", where=str(place.key)
        )
    return signing_key(place.key)
