"""``skerry serve``, ``network`` and ``demo``: the commands that go on until they are ended."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from beacon import telemetry
from beacon.commands.common import site_options, site_settings
from beacon.errors import ConfigurationError
from beacon.settings import MOST_WORKERS, load_network
from beacon.store.embedded import mongodb

MOST_PORT = 65_535


def site(serve: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry serve``."""
    site_options(serve)
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1, this machine only)")
    serve.add_argument("--port", type=int, help="port to listen on (default 5050)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes that answer (default 1)")
    serve.set_defaults(command=_serve)


def network(network: argparse.ArgumentParser) -> None:
    """Add the actions of ``skerry network``."""
    serve = network.add_subparsers(required=True, metavar="ACTION").add_parser(
        "serve", help="serve a Beacon that asks its peers"
    )
    serve.add_argument("--config", type=Path, required=True, help="settings of the network (TOML)")
    serve.set_defaults(command=_serve_network)


def demo(demo: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry demo``."""
    demo.add_argument("--data", type=Path, help="folder with real phenopackets/ and vcf/ (default: synthetic people)")
    demo.add_argument("--once", action="store_true", help="end after the answers instead of serving on")
    demo.set_defaults(command=_demo)


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
