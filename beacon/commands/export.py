"""``skerry export``: a dataset as files, from which it can be loaded again, here or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path

from beacon.commands.common import place, site_options, site_settings
from beacon.store.embedded import mongodb


def add_parser(export: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry export``."""
    export.add_argument("dataset", metavar="DATASET")
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new or empty folder")
    export.add_argument("--format", choices=("bff", "phenopackets"), default="bff", help="default bff")
    site_options(export)
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> int:
    settings = site_settings(options)
    with mongodb(settings.mongo) as uri:
        counts = asyncio.run(_written(options, uri, settings.mongo.database))
    for name, count in counts.items():
        print(f"  {count:>9,}  {name}")
    print(
        f"Wrote dataset {options.dataset} to {options.to}. The files hold everything that is known of its people;\n"
        f"guard them as you guard the database. To load them:\n"
        f"  skerry load {options.format} {shlex.quote(str(options.to))} --dataset ID{place(options)}"
    )
    return 0


async def _written(options: argparse.Namespace, uri: str, database: str) -> Mapping[str, int]:
    from beacon.store.mongo import MongoStore
    from loaders.export import export

    store = await MongoStore.open(uri, database)
    try:
        return await export(store, options.dataset, options.to, packets=options.format == "phenopackets")
    finally:
        await store.close()
