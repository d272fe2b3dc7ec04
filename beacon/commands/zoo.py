"""``skerry zoo``: misbehaving beacons on this machine, to try a network on."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from beacon.commands.common import write_file
from beacon.errors import ConfigurationError
from loaders.words import counted

DEFAULT_PORT = 6100
TEMPTING = "redirect-to-a-stranger"


def add_parser(zoo: argparse.ArgumentParser) -> None:
    """Add the options of ``skerry zoo``."""
    zoo.add_argument("names", nargs="*", metavar="NAME", help="animals to start (default: all; see --list)")
    zoo.add_argument("--list", action="store_true", help="list all animals and the outcome of each, and end")
    zoo.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"first of the ports (default {DEFAULT_PORT}; 0: free ones)"
    )
    zoo.add_argument("--peers", type=Path, metavar="FILE", help="write all members as [[peers]] of network settings")
    zoo.add_argument("--authority", type=Path, metavar="FILE", help="write the certificate that signed the TLS servers")
    zoo.set_defaults(command=_zoo)


def _zoo(options: argparse.Namespace) -> int:
    from network.zoo import ANIMALS

    if unknown := [name for name in options.names if name not in ANIMALS]:
        raise ConfigurationError(f"There is no animal {unknown[0]}; skerry zoo --list names all.")
    if options.list:
        for animal in ANIMALS.values():
            filtered = f" (with filters: {animal.filtered})" if animal.filtered else ""
            print(f"{animal.name:<24} {animal.outcome:<14} {animal.does}{filtered}")
        return 0
    last = 65_535 - len(ANIMALS) - 3
    if not 0 <= options.port <= last:
        raise ConfigurationError(f"--port must be a number from 0 (any free ones) to {last}, not {options.port}.")
    return asyncio.run(_open(options))


async def _open(options: argparse.Namespace) -> int:
    from network.zoo import ANIMALS, open_zoo

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with open_zoo(options.names or None, first_port=options.port) as zoo:
            if options.authority:
                write_file(options.authority, zoo.authority.read_text())
            if options.peers:
                write_file(options.peers, zoo.written())
            for name, member in zoo.members.items():
                animal = ANIMALS.get(name)
                does = f"{animal.outcome:<14} {animal.does}" if animal else f"{'hit':<14} in good order"
                print(f"{name:<24} {member.url:<28} {does}")
            print("Serving until Ctrl-C.", flush=True)
            await stop.wait()
    except OSError as error:
        raise ConfigurationError(f"The zoo cannot open: {error.strerror}; --port names another first port.") from None
    print()
    for name, member in zoo.members.items():
        print(f"{name:<24} got {counted(len(member.seen), 'request')}")
    if zoo.stranger.seen:
        with_credentials = sum("Authorization" in one.headers for one in zoo.stranger.seen)
        print(
            f"The redirect to a stranger was followed {counted(len(zoo.stranger.seen), 'time')}, "
            f"{counted(with_credentials, 'time')} with credentials."
        )
        return 1
    if any(one.seen for name, one in zoo.members.items() if name == TEMPTING):
        print("The redirect to a stranger was not followed.")
    return 0
