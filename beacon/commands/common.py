"""What several commands share: where a site's data are, and how to get at them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from beacon.errors import ConfigurationError
from beacon.settings import SiteSettings, load_site
from beacon.store.admin import Admin
from beacon.store.embedded import mongodb

AFTER_QUERY = 5.0
"""Seconds beyond the longest question for which what a dataset shows no more is kept."""


def site_options(one: argparse.ArgumentParser) -> None:
    """Add the options that say where the data are."""
    one.add_argument("--config", type=Path, help="settings of the site (TOML); without it, the defaults")
    one.add_argument("--data-dir", type=Path, help="folder of the embedded MongoDB (default ./skerry-data)")


def site_settings(options: argparse.Namespace) -> SiteSettings:
    """Return the settings that the options name. Raises ``ConfigurationError``."""
    settings = load_site(options.config)
    if options.data_dir is not None:
        if settings.mongo.uri is not None:
            raise ConfigurationError("--data-dir is for the embedded MongoDB, but the settings name another one by uri")
        settings = replace(settings, mongo=replace(settings.mongo, data_dir=options.data_dir.absolute()))
    return settings


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Admin]:
    """Open the database for managing it."""
    settings = site_settings(options)
    grace = settings.limits.query_seconds + AFTER_QUERY
    key_file = settings.withdrawals.key_file
    if key_file is None and settings.mongo.uri is None:
        key_file = settings.mongo.data_dir / "withdrawals.key"
    with (
        mongodb(settings.mongo) as uri,
        Admin.open(uri, settings.mongo.database, grace=grace, key_file=key_file) as admin,
    ):
        yield admin


def place(options: argparse.Namespace) -> str:
    """Return the options that say where the data are, for commands to type next."""
    named = ("--config", options.config), ("--data-dir", options.data_dir)
    parts = [part for option, value in named if value for part in (option, value)]
    return "".join(f" {shlex.quote(str(part))}" for part in parts)


def write_file(path: Path, text: str) -> None:
    """Write a file, whatever was there. Raises ``ConfigurationError`` where that cannot be."""
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror}).") from None
