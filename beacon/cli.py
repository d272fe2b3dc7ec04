"""The ``skerry`` command: the one place that knows every part of the program.

Commands say what they did and what to do next; what goes wrong is one sentence on standard error and exit
code 2 (1 where a load set records aside). With no configuration at all, everything lies in ``./skerry-data``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

from beacon import __version__
from beacon.errors import SkerryError

COMMANDS: Final = (
    ("loads", "what was done to datasets, by whom and when", "data:loads"),
    ("where", "say where a record came from: load, file, line", "data:where"),
    ("delete", "delete individuals, a cohort's people, or what a load brought", "data:delete"),
    ("withdraw", "withdrawal of consent: take a person out, for good", "data:withdraw"),
    ("compact", "write many small loads of cases as one; answers stay the same", "data:compact"),
    ("readmit", "let a person who withdrew come again with the next load", "data:readmit"),
    ("sweep", "clear away what was deleted or replaced and nobody can be reading", "data:sweep"),
    ("dataset", "make, list, open and delete datasets", "dataset:add_parsers"),
    ("load", "load phenopackets, a VCF, a reference sequence or genes", "load:add_parsers"),
    ("check", "read what would be loaded, and report what is wrong", "load:add_check_parsers"),
    ("export", "write a dataset as Beacon files or Phenopackets", "export:add_parser"),
    ("login", "log in as a person, for asking a Beacon", "login:login"),
    ("logout", "forget a login", "login:logout"),
    ("audit", "check, search and prune what was written down of answers", "audit:add_parsers"),
    ("policy", "what a dataset would tell somebody, and why", "policy:add_parsers"),
    ("serve", "serve this site's Beacon", "serve:site"),
    ("network", "ask many sites at once", "serve:network"),
    ("query", "ask any Beacon v2 server, one site or a network", "query:add_parsers"),
    ("zoo", "misbehaving beacons, to try a network on", "zoo:add_parser"),
    ("demo", "three sites and a network on this machine, asked as three people", "serve:demo"),
)
"""Name, help, and what adds the options: a function of a module of ``beacon.commands``."""
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except SkerryError as error:
        from loaders.words import visible  # files say their names here

        print("\n".join(map(visible, f"skerry: {error.message}".splitlines())), file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="skerry", description="Beacon v2 sites, loaders, and a network of sites.")
    top.add_argument("--version", action="version", version=f"skerry {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    for name, says, options in COMMANDS:
        commands.add_parser(name, help=says, options=options)
    return top


class _Parser(argparse.ArgumentParser):
    """A parser that adds its ``options`` when it is asked to parse: all commands' modules take half a second."""

    def __init__(self, *args: Any, options: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._options = options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._options is not None:
            module, _, function = self._options.partition(":")
            self._options = None
            getattr(import_module(f"beacon.commands.{module}"), function)(self)
        return super().parse_known_args(args, namespace)


if __name__ == "__main__":
    sys.exit(main())
