"""Whether the audit is whole: every line in its place, unchanged, as far as signed heads say how far it came.

What is found: a line or head that was changed, left out, added or put elsewhere; a chain or file that is missing; a
tail cut before the last head. What cannot be found without more: that lines after the last head of a chain (of at most
about a second) were changed, and that heads *and* the lines they cover were cut off from the end together; for that,
keep copies of the heads elsewhere, and give them to ``verify``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from beacon.audit.heads import NOTHING, hash_of, unsign
from beacon.audit.lines import first, sealed_hash, unseal
from beacon.audit.place import Place

MOST_FAULTS = 100


@dataclass(slots=True)
class Findings:
    """What was looked at, and what is wrong with it; ``uncovered`` lines come after the last head of their chain."""

    heads: int = 0
    chains: int = 0
    lines: int = 0
    uncovered: int = 0
    torn: int = 0
    last_head: tuple[int, str] = (0, NOTHING)
    faults: list[str] = field(default_factory=list)

    def fault(self, place: object, problem: str) -> None:
        """Note something wrong; of very many the first ones."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(f"{place}: {problem}.")


@dataclass(slots=True)
class _Known:
    """What heads say of one chain: hashes of lines, and with which lines removed parts ended."""

    checkpoints: dict[int, str] = field(default_factory=dict)
    pruned: dict[int, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.checkpoints, default=0)


def verify(place: Place, key: Ed25519PublicKey, copy: Path | None = None) -> Findings:
    """Check everything that is there; ``copy`` is a file of heads kept elsewhere, which must be among those here.

    Servers may go on writing meanwhile.
    """
    findings = Findings()
    known, here = _heads(place, key, findings)
    if copy is not None:
        _compare(copy, key, here, findings)
    files: dict[str, list[Path]] = {chain: [] for chain in known}
    for _, chain, path in place.line_files():
        if chain not in files:
            findings.fault(path, "no signed head knows of this chain")
        files.setdefault(chain, []).append(path)
    for chain, paths in files.items():
        findings.chains += 1
        _chain(chain, paths, known.get(chain, _Known()), findings)
    return findings


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield place and bytes of each line; a last one without its end too."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield f"{path}:{number}", line


def _heads(place: Place, key: Ed25519PublicKey, findings: Findings) -> tuple[dict[str, _Known], dict[int, str]]:
    known: dict[str, _Known] = {}
    here: dict[int, str] = {}
    said: list[tuple[str, dict[str, Any], str]] = []
    for _, path in place.head_files():
        for where, line in _lines(path):
            if not line.endswith(b"\n"):
                findings.torn += 1
                continue
            try:
                said.append((where, unsign(line[:-1], key), hash_of(line[:-1])))
            except ValueError as problem:
                findings.fault(where, f"this head is not as it was signed: {problem}")
    pruned = [tuple(head["heads"]) for _, head, _ in said if head["kind"] == "pruned" and "heads" in head]
    expected: tuple[int, str] | None = None
    for where, head, digest in said:
        number, previous = int(head["head"]), str(head["previous"])
        before = (number - 1, previous)
        if expected is None:
            if before != (0, NOTHING) and before not in pruned:
                findings.fault(where, f"the heads before number {number} are missing")
        elif before != expected:
            findings.fault(where, f"head {number} does not follow number {expected[0]}: heads are missing or moved")
        expected = (number, digest)
        here[number] = digest
        _learn(known, head)
    findings.heads = len(said)
    findings.last_head = expected or (0, NOTHING)
    if not said:
        findings.fault(place.heads, "there is no signed head")
    return known, here


def _learn(known: dict[str, _Known], head: dict[str, Any]) -> None:
    if head["kind"] == "pruned":
        for chain, (line, digest) in head["chains"].items():
            known.setdefault(chain, _Known()).pruned[line] = digest
        return
    chain = known.setdefault(head["chain"], _Known())
    if head.get("line"):
        chain.checkpoints[head["line"]] = head["hash"]


def _compare(copy: Path, key: Ed25519PublicKey, here: dict[int, str], findings: Findings) -> None:
    """Check that the heads of a copy are still here, but for those that were pruned."""
    oldest = min(here, default=0)
    for where, line in _lines(copy):
        try:
            number = int(unsign(line.rstrip(b"\n"), key)["head"])
        except ValueError as problem:
            findings.fault(where, f"this head is not as it was signed: {problem}")
            continue
        if number >= oldest and here.get(number) != hash_of(line.rstrip(b"\n")):
            findings.fault(where, f"head {number} is in the copy and not here: the end was cut off, or replaced")


def _chain(chain: str, paths: list[Path], known: _Known, findings: Findings) -> None:
    number, digest = 0, first(chain)
    began = False
    for path in paths:
        for where, line in _lines(path):
            if not line.endswith(b"\n"):
                findings.torn += 1
                continue
            try:
                body, stated = unseal(line[:-1])
                said = orjson.loads(body)
                here = int(said["line"])
            except (ValueError, KeyError, TypeError) as problem:
                findings.fault(where, f"this is no line of an audit: {problem}")
                return
            if not began and here != 1 and here - 1 in known.pruned:
                number, digest = here - 1, bytes.fromhex(known.pruned[here - 1])
            began = True
            if here != number + 1:
                findings.fault(where, f"line {here} of its chain follows line {number}: lines are missing or moved")
                return
            if said.get("chain") != chain:
                findings.fault(where, "the line belongs to another chain")
                return
            number, digest = here, sealed_hash(digest, body)
            findings.lines += 1
            if digest != stated:
                findings.fault(where, f"line {here} or what came before it was changed: its hash does not fit")
                return
            if known.checkpoints.get(number, digest.hex()) != digest.hex():
                findings.fault(where, f"line {here} is not the one that was signed")
                return
    last = known.last
    if not began and last and last <= max(known.pruned, default=0):
        return
    if number < last:
        findings.fault(
            paths[-1] if paths else f"chain {chain}",
            f"it ends with line {number}, but line {last} was signed: its end was cut off",
        )
    findings.uncovered += max(number - last, 0)
