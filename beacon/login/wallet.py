"""The tokens of one person, by the Beacon that they are for, in one file that only the person can read.

It lies in ``$XDG_CONFIG_HOME/skerry/logins.json`` (``~/.config`` without the variable). A token is given out for the
address it was got for and what is below it, and for nothing else. It is renewed while a lock is held, since issuers
take a refresh token that is used twice for a stolen one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from beacon.errors import ConfigurationError
from beacon.login.provider import FAILURES, LoginFailed, refused, session
from beacon.settings.checks import web_address

EARLY_SECONDS: Final = 30.0
"""So long before its end a token is renewed."""


@dataclass(frozen=True, slots=True)
class Login:
    """One login at an issuer, for one Beacon; ``expires_at`` is in seconds since 1970, None where nobody said."""

    issuer: str
    client_id: str
    scope: str
    token_endpoint: str
    access_token: str
    refresh_token: str | None = None
    expires_at: float | None = None
    resource: str | None = None
    revocation_endpoint: str | None = None

    def renewed(self, token: dict[str, Any]) -> Login:
        """Return it with what the token endpoint answered (RFC 6749, section 5.1). Raises ``LoginFailed``."""
        access = token.get("access_token")
        if not isinstance(access, str) or not access.isascii() or str(token.get("token_type", "")).lower() != "bearer":
            raise LoginFailed(f"The issuer {self.issuer} gave no bearer token.")
        expires = token.get("expires_at")
        return replace(
            self, access_token=access, refresh_token=token.get("refresh_token") or self.refresh_token,
            expires_at=float(expires) if expires else None,
        )  # fmt: skip


def folder() -> Path:
    """Return the folder of the person's configuration."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "skerry"


def beacon_key(url: str) -> str:
    """Return a Beacon's address as the file has it: without a slash at its end. Raises ``ConfigurationError``."""
    parts = urlsplit(url.strip())
    key = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
    if "@" in parts.netloc or web_address(key) is not None:
        raise ConfigurationError(f"A login needs {web_address('')}, not {url!r}: a token must not travel readably.")
    return key


class Wallet:
    """The file; every change is one atomic replacement."""

    def __init__(self, place: Path | None = None) -> None:
        self._folder = place or folder()
        self._file = self._folder / "logins.json"

    def find(self, url: str) -> tuple[str, Login] | None:
        """Return the login that is for an address, with its name in the file; None where there is none."""
        try:
            key = beacon_key(url)
        except ConfigurationError:
            return None
        logins = self._read()
        while key.count("/") >= 2:
            if key in logins:
                return key, logins[key]
            key = key.rpartition("/")[0]
        return None

    def keep(self, url: str, login: Login) -> None:
        """Keep a login for an address, in place of the one before."""
        with self._locked():
            self._write({**self._read(), beacon_key(url): login})

    def forget(self, url: str) -> Login | None:
        """Remove the login for an address, and return it."""
        with self._locked():
            if (found := self.find(url)) is None:
                return None
            self._write({key: login for key, login in self._read().items() if key != found[0]})
            return found[1]

    def token(self, url: str) -> str | None:
        """Return a token for an address that holds for a while, renewed where needed; None where nobody logged in.

        Raises ``LoginFailed`` where the login has ended: whoever logged in once never asks as a stranger unawares.
        """
        if (found := self.find(url)) is None:
            return None
        if _fresh(found[1]):
            return found[1].access_token
        with self._locked():
            if (found := self.find(url)) is None:
                return None
            key, login = found
            if _fresh(login):  # another process has just renewed it
                return login.access_token
            again = f"run skerry login {key} again"
            if login.refresh_token is None:
                raise LoginFailed(f"Your login for {key} has ended; {again}.")
            try:
                resource = {} if login.resource is None else {"resource": login.resource}
                speaking = session(login.client_id, login.scope)
                given = speaking.refresh_token(login.token_endpoint, refresh_token=login.refresh_token, **resource)
            except FAILURES as error:
                raise LoginFailed(
                    f"Your login for {key} could not be renewed; {again}. {refused(login.issuer, error).message}"
                ) from None
            login = login.renewed(dict(given))
            self._write({**self._read(), key: login})
            return login.access_token

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._folder / "logins.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, Login]:
        try:
            state = self._file.stat()
            if stat.S_IMODE(state.st_mode) & 0o077 or state.st_uid != os.geteuid():
                raise ConfigurationError(
                    f"{self._file} can be read by others, or is another person's; take that right away (chmod 600)."
                )
            return {key: Login(**one) for key, one in orjson.loads(self._file.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigurationError(f"{self._file}: cannot be read ({error.strerror}).") from None
        except (ValueError, TypeError, AttributeError):
            raise ConfigurationError(f"{self._file}: is not what skerry login wrote; delete it and log in.") from None

    def _write(self, logins: dict[str, Login]) -> None:
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as opened:
            opened.write(orjson.dumps({key: asdict(one) for key, one in logins.items()}, option=orjson.OPT_INDENT_2))
            opened.flush()
            os.fsync(file)
        new.replace(self._file)


def _fresh(login: Login) -> bool:
    return login.expires_at is None or login.expires_at - time.time() > EARLY_SECONDS


def current_token(url: str) -> str | None:
    """Return the person's token for a Beacon, renewed where needed; None where nobody has logged in for it.

    Raises ``ConfigurationError`` where the login has ended or its file cannot be used.
    """
    return Wallet().token(url)
