"""Where the audit of one server lies, and what its files are called.

DAY.CHAIN.jsonl      the lines of one worker process on one day (UTC), in the audit's folder
CHAIN.open           there, and locked, while that process lives
DAY.heads.jsonl      the signed heads of all chains, in the folder of the heads (``heads`` below it)
lock                 held while a head is written
key.pem              the key that signs them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from beacon.errors import ConfigurationError
from beacon.settings import NetworkSettings, SiteSettings

HEADS: Final = "heads"
SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders, the key file, and the times that the settings say."""

    lines: Path
    heads: Path
    key: Path
    fsync_seconds: float = 1.0
    retention_days: int = 365

    @classmethod
    def of(cls, settings: SiteSettings | NetworkSettings) -> Place:
        """Return the place that a server's settings say."""
        audit = settings.audit
        lines = settings.audit_dir
        return cls(
            lines,
            audit.heads_dir or lines / HEADS,
            audit.key_file or lines / "key.pem",
            audit.fsync_seconds,
            audit.retention_days,
        )

    def make(self) -> None:
        """Make the folders, for nobody else to look into. Raises ``ConfigurationError``."""
        for folder in (self.lines, self.heads):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigurationError(
                    f"The audit cannot be kept in {folder} ({error.strerror}): let audit.dir name a folder that the "
                    "server may write to; without an audit it does not answer.",
                    where="audit.dir",
                ) from None

    def line_files(self) -> Iterator[tuple[str, str, Path]]:
        """Yield day, chain and path of every file of lines, in order of days."""
        for path in sorted(self.lines.glob(f"*.*{SUFFIX}")):
            day, chain = path.name.removesuffix(SUFFIX).split(".", 1)
            yield day, chain, path

    def head_files(self) -> list[tuple[str, Path]]:
        """Return day and path of every file of heads, in order."""
        found = sorted(self.heads.glob(f"*.{HEADS}{SUFFIX}"))
        return [(path.name.removesuffix(f".{HEADS}{SUFFIX}"), path) for path in found]

    def line_file(self, day: str, chain: str) -> Path:
        """Return the file of a chain's lines of one day."""
        return self.lines / f"{day}.{chain}{SUFFIX}"

    def head_file(self, day: str) -> Path:
        """Return the file of one day's heads."""
        return self.heads / f"{day}.{HEADS}{SUFFIX}"

    def marker(self, chain: str) -> Path:
        """Return the file that is locked while the chain's process lives."""
        return self.lines / f"{chain}.open"


def day_of(seconds: float) -> str:
    """Return the day (UTC) of seconds since 1970, as files are called."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def is_day(text: str) -> bool:
    """Whether this is a day of the calendar, written as files are called, so that it can be compared with them."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def moment(seconds: float) -> str:
    """Return seconds since 1970 as lines and heads say them: ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
