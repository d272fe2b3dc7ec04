"""``skerry query``: asking any Beacon v2 server, one site or a network."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import orjson

from beacon.client import Answer, Arrival, Asked, Beacon, Found, NoAnswer
from beacon.client.answers import plain
from beacon.commands.tables import PLAN_COLUMNS, RowWriter, outcome_row, rows_of, write_csv, write_records
from beacon.errors import ConfigurationError
from beacon.login import current_token
from loaders.words import counted

_PARAMETERS: Final = {
    "gene": ("geneId", "a gene's symbol"),
    "assembly": ("assemblyId", "GRCh38, hg19, ..."),
    "chrom": ("referenceName", "chromosome or its accession"),
    "start": ("start", "0-based; one number, or two with a comma (bracket)"),
    "end": ("end", "exclusive; one number, or two with a comma (bracket)"),
    "ref": ("referenceBases", "bases of the reference"),
    "alt": ("alternateBases", "bases instead"),
    "type": ("variantType", "DEL, DUP, SNP, ..."),
    "protein-change": ("aminoacidChange", "such as V600E"),
    "allele": ("genomicAlleleShortForm", "HGVS or another short form"),
}
"""Options that are genomic parameters of the standard; ``--param`` gives any other one."""


def add_parsers(query: argparse.ArgumentParser) -> None:
    """Add the verbs of ``skerry query``."""
    verbs = query.add_subparsers(required=True, metavar="VERB")
    for verb, says, command in (
        ("exists", "whether there is anything", _exists),
        ("count", "how many there are", _count),
        ("records", "the records themselves, page by page", _records),
    ):
        one = verbs.add_parser(verb, help=says)
        _where(one)
        one.add_argument("path", help="what is asked for: individuals, g_variants, individuals/ID/biosamples, ...")
        one.add_argument("filters", nargs="*", metavar="FILTER", help="HP:0001250, ageOfOnset<P1Y, ...; all must hold")
        for name, (_, told) in _PARAMETERS.items():
            one.add_argument(f"--{name}", help=told)
        one.add_argument(
            "--param", action="append", default=[], metavar="NAME=VALUE", help="another g_variants parameter"
        )
        one.add_argument(
            "--dataset", action="append", default=[], metavar="ID", help="ask this dataset only (repeatable)"
        )
        _what_for(one)
        one.add_argument("--explain", action="store_true", help="show what a network would ask each member, and why")
        one.set_defaults(command=command)
        if verb == "records":
            one.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many (100; 0: all)")
        else:
            one.add_argument("--stream", action="store_true", help="show each member of a network when it answers")
    terms = verbs.add_parser("terms", help="the terms that filters can be made of")
    _where(terms)
    _what_for(terms)
    terms.add_argument("word", nargs="?", default="", help="only those with this in their id or label")
    terms.set_defaults(command=_terms)


def _where(one: argparse.ArgumentParser) -> None:
    one.add_argument("url", help="root of the Beacon's API, such as https://beacon.example.org/api")
    one.add_argument("--format", choices=["table", "json", "csv"], help="default: table on a terminal, else json")
    one.add_argument("--stranger", action="store_true", help="ask without the login that skerry login made")
    one.add_argument("--token-file", metavar="FILE", help="file with a bearer token; - reads it from standard input")
    one.add_argument("--seconds", type=float, default=60.0, help="how long to wait for an answer (default 60)")


def _what_for(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--purpose",
        action="append",
        default=[],
        metavar="TERM",
        help="what the answer is for: a term of DUO or MONDO, such as DUO:0000042 (repeatable)",
    )


def _exists(options: argparse.Namespace) -> int:
    return _run(options, lambda beacon: _answer(beacon, "boolean", options))


def _count(options: argparse.Namespace) -> int:
    return _run(options, lambda beacon: _answer(beacon, "count", options))


def _records(options: argparse.Namespace) -> int:
    return _run(options, lambda beacon: _found(beacon, options))


def _terms(options: argparse.Namespace) -> int:
    return _run(options, lambda beacon: _listed(beacon, options))


def _run(options: argparse.Namespace, ask: Callable[[Beacon], Any]) -> int:
    if options.seconds <= 0:
        raise ConfigurationError(f"--seconds must be above 0, not {options.seconds:g}.")
    options.format = options.format or ("table" if sys.stdout.isatty() else "json")

    async def asking() -> None:
        async with Beacon(options.url, token=_token(options), seconds=options.seconds) as beacon:
            await ask(beacon)

    try:
        asyncio.run(asking())
    except NoAnswer as problem:
        if problem.outcomes and not getattr(options, "stream", False):
            RowWriter(options.format, sys.stderr).write(map(outcome_row, problem.outcomes))
        raise
    return 0


def _token(options: argparse.Namespace) -> str | None:
    """Return the token to ask with: of the login for this Beacon, if there is one, or of a file or standard input.

    It is never on the command line, which others can see.
    """
    file = options.token_file
    if file is None:
        return None if options.stranger else current_token(options.url)
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--token-file {file} cannot be read: {error}.") from None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"--token-file {file} holds no token: one word is expected, and nothing else.")
    return token


def _asked(options: argparse.Namespace) -> Asked:
    variant: dict[str, Any] = {}
    for name, (parameter, _) in _PARAMETERS.items():
        if (value := getattr(options, name.replace("-", "_"))) is not None:
            variant[parameter] = value
    for given in options.param:
        name, sign, value = given.partition("=")
        if not name or not sign:
            raise ConfigurationError(f"--param needs NAME=VALUE, not {given}.")
        variant[name] = value
    for name in ("start", "end", "variantMinLength", "variantMaxLength"):
        if name in variant:
            numbers = _numbers(name, variant[name])
            variant[name] = numbers if name in ("start", "end") else numbers[0]
    return {"filters": options.filters, "variant": variant, "datasets": options.dataset, "purpose": options.purpose}


def _numbers(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"{name} must be a whole number, or two with a comma, not {text}.") from None


async def _answer(beacon: Beacon, granularity: str, options: argparse.Namespace) -> None:
    """Ask once, and show the answer; of a stream, each member as it comes."""
    asked = _asked(options)
    if options.explain:
        await _explained(beacon, granularity, options)
        return
    if options.stream:
        await _streamed(beacon.stream(options.path, granularity, **asked), options)
        return
    ask = beacon.exists if granularity == "boolean" else beacon.count
    answer = await ask(options.path, **asked)
    if options.format == "json":
        _print(orjson.dumps(answer.body, option=orjson.OPT_INDENT_2))
        return
    RowWriter(options.format).write(rows_of(answer.outcomes, answer.sets))
    _conclude(answer, options)


async def _explained(beacon: Beacon, granularity: str, options: argparse.Namespace) -> None:
    """Show what a network would ask its members."""
    plan = await beacon.explain(options.path, granularity, **_asked(options))
    if options.format == "json":
        _print(orjson.dumps(plan, option=orjson.OPT_INDENT_2))
        return
    rows = [(one.peer, one.asked, one.method, one.path, one.outcome, one.reason) for one in plan]
    RowWriter(options.format, columns=PLAN_COLUMNS).write(rows)


async def _streamed(coming: AsyncGenerator[Arrival | Answer], options: argparse.Namespace) -> None:
    rows = RowWriter(options.format, steady=True)
    arrived = False
    async with aclosing(coming) as parts:
        async for part in parts:
            if isinstance(part, Arrival):
                arrived = True
                rows.write(rows_of((part.outcome,), part.sets))
            else:
                if not arrived:
                    rows.write(rows_of(part.outcomes, part.sets))
                _conclude(part, options)


def _conclude(answer: Answer, options: argparse.Namespace) -> None:
    """Say the total below a table; elsewhere, say at least who is missing in what was written."""
    if options.format == "table":
        no = "not known" if any(one.withheld for one in answer.sets) else "no"
        told = ("yes" if answer.exists else no) if answer.total is None else str(answer.total)
        print(f"all: {told}" + (f"; {answer.answered} of {answer.asked} answered" if answer.outcomes else ""))
    elif answer.answered < answer.asked:
        print(f"skerry: {answer.answered} of {counted(answer.asked, 'member')} answered", file=sys.stderr)


async def _found(beacon: Beacon, options: argparse.Namespace) -> None:
    """Show records: one a line as JSON while they come, else when all are read."""
    if options.explain:
        await _explained(beacon, "record", options)
        return
    most = options.limit or None
    last: Answer | None = None
    found: list[Found] = []
    async with aclosing(beacon.pages(options.path, page=min(most or 100, 100), **_asked(options))) as pages:
        async for last in pages:
            for one in last.found:
                if len(found) == most:
                    break
                found.append(one)
                if options.format == "json":
                    _print(orjson.dumps({"beacon": one.beacon, "dataset": one.dataset, "record": one.record}))
            if len(found) == most:
                break
    assert last is not None
    if options.format != "json":
        write_records(options.format, found)
    if last.next_page and len(found) != most:
        print(f"skerry: not every member of {beacon.url} gave all its records; ask again", file=sys.stderr)
    if last.granularity != "record" and last.exists:
        print(f"skerry: {beacon.url} releases no records to you, only {last.granularity}", file=sys.stderr)
    if options.format == "table" or last.answered < last.asked:
        _conclude(last, options)


async def _listed(beacon: Beacon, options: argparse.Namespace) -> None:
    word = options.word.casefold()
    every = await beacon.terms(purpose=options.purpose)
    terms = [one for one in every if word in one.id.casefold() or word in one.label.casefold()]
    if options.format == "json":
        _print(orjson.dumps(terms, option=orjson.OPT_INDENT_2))
    elif options.format == "csv":
        columns = ("id", "label", "type", "scopes", "beacons")
        rows = ((one.id, one.label, one.type, " ".join(one.scopes), " ".join(one.beacons)) for one in terms)
        write_csv(sys.stdout, (columns, *rows))
    else:
        for one in terms:
            print(f"{plain(one.id):<28} {one.label:<50} {' '.join(map(plain, one.beacons or one.scopes))}".rstrip())


def _print(line: bytes) -> None:
    print(line.decode(), flush=True)
