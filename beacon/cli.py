"""The ``skerry`` command: the one place that knows every part of the program.

Commands say what they did and what to do next; what goes wrong is one sentence on standard error and exit
code 2 (1 where a load set records aside). With no configuration at all, everything lies in ``./skerry-data``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from beacon import __version__, telemetry
from beacon.commands import audit, data, dataset, export, load, login, policy, query, zoo
from beacon.commands.common import site_options, site_settings
from beacon.errors import ConfigurationError, SkerryError
from beacon.settings import MOST_WORKERS, load_network
from beacon.store.embedded import mongodb

MOST_PORT = 65_535
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
    data.add_parsers(commands)
    dataset.add_parsers(commands.add_parser("dataset", help="make, list, open and delete datasets"))
    load.add_parsers(commands.add_parser("load", help="load phenopackets, a VCF, a reference sequence or genes"))
    load.add_check_parsers(commands.add_parser("check", help="read what would be loaded, and report what is wrong"))
    export.add_parser(commands.add_parser("export", help="write a dataset as Beacon files or Phenopackets"))
    login.add_parsers(
        commands.add_parser("login", help="log in as a person, for asking a Beacon"),
        commands.add_parser("logout", help="forget a login"),
    )
    audit.add_parsers(commands.add_parser("audit", help="check, search and prune what was written down of answers"))
    policy.add_parsers(commands.add_parser("policy", help="what a dataset would tell somebody, and why"))
    serve = commands.add_parser("serve", help="serve this site's Beacon")
    site_options(serve)
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

    query.add_parsers(commands.add_parser("query", help="ask any Beacon v2 server, one site or a network"))
    zoo.add_parser(commands.add_parser("zoo", help="misbehaving beacons, to try a network on"))

    demo = commands.add_parser("demo", help="three sites and a network on this machine, asked as three people")
    demo.add_argument("--data", type=Path, help="folder with real phenopackets/ and vcf/ (default: synthetic people)")
    demo.add_argument("--once", action="store_true", help="end after the answers instead of serving on")
    demo.set_defaults(command=_demo)
    return top


def _serve(options: argparse.Namespace) -> int:
    from beacon.app import run

    settings = site_settings(options)
    if options.workers is not None:
        if not 1 <= options.workers <= MOST_WORKERS:
            raise ConfigurationError(f"--workers must be a number from 1 to {MOST_WORKERS}, not {options.workers}.")
        settings = replace(settings, workers=options.workers)
    if options.port is not None and not 0 <= options.port <= MOST_PORT:
        raise ConfigurationError(f"--port must be a number from 0 (any free one) to {MOST_PORT}, not {options.port}.")
    listen = settings.listen
    listen = replace(
        listen, host=options.host or listen.host, port=listen.port if options.port is None else options.port
    )
    settings = replace(settings, listen=listen)
    telemetry.set_up(settings.log)
    extend = None
    if settings.network is not None:
        from network.app import mount

        extend = mount
    with mongodb(settings.mongo) as uri:
        return run(settings, uri, extend)


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
