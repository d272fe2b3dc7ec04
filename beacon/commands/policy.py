"""``skerry policy explain``: what a dataset would tell somebody, and why."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from beacon.auth.oidc import Verifier
from beacon.auth.policy import decide_one
from beacon.commands.common import site_options, site_settings
from beacon.errors import ConfigurationError, LoadError
from beacon.model.access import ANONYMOUS, Decision, Granularity, Principal
from beacon.model.entry_types import ENTRY_TYPES, entry_type_id
from beacon.model.query import Anchor, Query
from beacon.privacy.rules import Protected, protect
from beacon.query.execute import execute
from beacon.query.parse import parse_get
from beacon.query.purposes import purposes
from beacon.settings import SiteSettings
from beacon.store.embedded import mongodb
from beacon.store.mongo import MongoStore
from loaders.words import counted

_EVERYBODY = "/individuals?requestedGranularity=record"


def add_parsers(policy: argparse.ArgumentParser) -> None:
    """Add the actions of ``skerry policy``."""
    actions = policy.add_subparsers(required=True, metavar="ACTION")
    explain = actions.add_parser("explain", help="what a dataset would tell somebody, and why")
    explain.add_argument("--dataset", required=True, metavar="ID")
    explain.add_argument(
        "--token", metavar="FILE", help="file with the asker's access token, - for standard input (default: a stranger)"
    )
    explain.add_argument(
        "--query", default=_EVERYBODY, metavar="PATH", help=f"the question, as in {_EVERYBODY} (the default)"
    )
    site_options(explain)
    explain.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    settings = site_settings(options)
    query = _question(options.query, settings)
    token = None if options.token is None else _read(options.token)
    with mongodb(settings.mongo) as uri:
        for line in asyncio.run(_explained(settings, uri, options.dataset, token, query)):
            print(line)
    return 0


def _read(name: str) -> str:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--token {name} cannot be read; it names a file with an access token.") from error
    return text.strip()


def _question(path: str, settings: SiteSettings) -> Query:
    """Read a path below the Beacon's root, with its parameters, as a GET request would be read."""
    split = urlsplit(path)
    parts = [part for part in split.path.split("/") if part]
    kinds = {row.path: row.id for row in ENTRY_TYPES.values()}
    if len(parts) not in (1, 2, 3) or parts[0] not in kinds or parts[-1] not in (kinds if len(parts) != 2 else parts):
        raise ConfigurationError(f"--query {path!r} is no path of a Beacon; one looks like {_EVERYBODY}.")
    anchor = Anchor(kinds[parts[0]], parts[1]) if len(parts) > 1 else None
    kind = entry_type_id(parts[0] if len(parts) < 3 else parts[2])
    assert kind is not None
    return parse_get(kind, anchor, parse_qs(split.query, keep_blank_values=True), settings.limits)


async def _explained(settings: SiteSettings, uri: str, dataset: str, token: str | None, query: Query) -> list[str]:
    store = await MongoStore.open(uri, settings.mongo.database)
    verifier = Verifier(
        settings.issuers, settings.nodes, beacon_id=settings.id, visa_issuers=settings.visa_issuers,
        registered_access=settings.registered_access,
    )  # fmt: skip
    try:
        principal = ANONYMOUS if token is None else await verifier.principal(f"Bearer {token}")
        datasets = await store.datasets()
        if dataset not in datasets:
            raise LoadError(f"there is no dataset {dataset!r}; skerry dataset list shows those that are", where=dataset)
        declared = await purposes(store, query.purpose or principal.purpose)
        decision = decide_one(dataset, datasets[dataset].policy, principal, declared)
        lines = [*_who(principal), *_decided(decision, query)]
        if decision.granularity is Granularity.NONE:
            return [*lines, "answer: as if there were no such dataset"]
        found = await execute(store, query, (decision,))
        return [*lines, *(_told(protect(query, decision, result)) for result in found)]
    finally:
        await verifier.close()
        await store.close()


def _who(principal: Principal) -> Iterator[str]:
    person = principal.person
    yield f"asker: {person.subject} of {person.issuer}" if person else "asker: a stranger"
    if principal.node is not None:
        yield f"through the node: {principal.node}"
    for visa in principal.visas:
        yield f"visa: {visa.type} {visa.value} from {visa.source}"
    for ignored in principal.ignored:
        yield f"visa ignored: {ignored.type or 'of unknown type'} from {ignored.issuer or 'nobody'}: {ignored.reason}"


def _decided(decision: Decision, query: Query) -> Iterator[str]:
    yield f"dataset: {decision.dataset}, level {decision.level.value}"
    yield f"the asker is: {decision.asker.value}, by {decision.rule}"
    yield f"asked: {query.granularity.label}; at most: {decision.granularity.label}"
    if decision.consent is not None:
        because = ", ".join(decision.consent.because)
        yield f"consent: {decision.consent.agreement.value}{f' ({because})' if because else ''}"
    yield from (f"lowered by: {reason}" for reason in decision.reasons)


def _told(answer: Protected) -> str:
    if answer.withheld:
        return f"answer: withheld, below the threshold of {answer.info.get('threshold')} people"
    if answer.granularity is Granularity.BOOLEAN:
        return f"answer: {'yes' if answer.exists else 'no'}"
    records = "" if answer.records is None else f", {counted(len(answer.records), 'record')} on the page"
    return f"answer: {answer.count}{records}"
