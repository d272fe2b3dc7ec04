"""Signed heads: how far each chain had come, in one chain of their own that joins all workers.

A head says that a chain's line N had a hash; whoever holds the key signs it (Ed25519), and it names the hash of the
head before it. So neither lines nor whole chains nor heads in between can go without being missed, as long as the
last head is known. Kinds of heads:

    begin    a process begins its chain
    head     the chain has come to ``line``, whose hash is ``hash``
    end      the same, and there will be no more
    pruned   files up to a day were removed: ``chains`` says for each with what line and hash the removed part ended,
             ``heads`` the number and hash of the last head that was removed
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from beacon.audit.place import Place, day_of, moment
from beacon.errors import ConfigurationError

NOTHING: Final = "0" * 64
"""The hash that the first of all heads names as the one before it."""
_SIGNATURE: Final = b',"signature":"'
_BASE64: Final = 88
_TAIL: Final = len(_SIGNATURE) + _BASE64 + len(b'"}')


class Heads:
    """Appends heads, one writer at a time, whichever process it is in."""

    def __init__(self, place: Place, *, clock: Callable[[], float] = time.time) -> None:
        """Take the key, or make one. Raises ``ConfigurationError``."""
        place.make()
        self._place = place
        self._clock = clock
        with self.locked():
            self._key = signing_key(place.key)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that all processes share. Raises ``OSError``."""
        lock = os.open(self._place.heads / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def append(self, kind: str, **facts: Any) -> None:
        """Sign and write one head, and hand it to the disk. Raises ``OSError`` where it could not be written whole."""
        with self.locked():
            self.append_locked(kind, **facts)

    def append_locked(self, kind: str, **facts: Any) -> None:
        """Write a head while the lock is held."""
        now = self._clock()
        number, previous = self._last()
        path = self._place.head_file(max(day_of(now), self._newest()))
        body = orjson.dumps({"head": number + 1, "time": moment(now), "kind": kind, **facts, "previous": previous})
        signature = base64.b64encode(self._key.sign(body))
        line = b'%b%b%b"}\n' % (body[:-1], _SIGNATURE, signature)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            try:
                if os.write(file, line) != len(line):
                    raise OSError(0, "no room for the whole head")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)

    def _newest(self) -> str:
        files = self._place.head_files()
        return files[-1][0] if files else ""

    def _last(self) -> tuple[int, str]:
        """Return number and hash of the last head; what a writer that died left half-written is removed."""
        for _, path in reversed(self._place.head_files()):
            whole = last_line(path)
            torn = path.stat().st_size - whole[1]
            if torn:
                os.truncate(path, whole[1])
            if whole[0]:
                try:
                    return int(orjson.loads(whole[0])["head"]), hash_of(whole[0])
                except (ValueError, KeyError, TypeError):
                    raise OSError(
                        0, f"{path} does not end with a head: run skerry audit verify, then move it away"
                    ) from None
        return 0, NOTHING


def last_line(path: Path) -> tuple[bytes, int]:
    """Return the last whole line of a file without its end (empty: there is none), and where the next one begins."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        reach = 4096
        while True:
            begin = max(size - reach, 0)
            file.seek(begin)
            tail = file.read(size - begin)
            end = tail.rfind(b"\n")
            start = tail.rfind(b"\n", 0, max(end, 0))
            if end >= 0 and (start >= 0 or begin == 0):
                return tail[start + 1 : end], begin + end + 1
            if begin == 0:
                return b"", 0
            reach *= 4


def hash_of(line: bytes) -> str:
    """Return the hash of a head (without its end), as the next one names it."""
    return hashlib.sha256(line).hexdigest()


def unsign(line: bytes, key: Ed25519PublicKey) -> dict[str, Any]:
    """Return what a head says, if the key signed it. Raises ``ValueError``."""
    mark = len(line) - _TAIL
    if line[mark : mark + len(_SIGNATURE)] != _SIGNATURE or line[-2:] != b'"}':
        raise ValueError("it does not end with its signature")
    body = line[:mark] + b"}"
    try:
        key.verify(base64.b64decode(line[-_BASE64 - 2 : -2], validate=True), body)
    except (InvalidSignature, ValueError):
        raise ValueError("its signature is not that of the key") from None
    said: dict[str, Any] = orjson.loads(body)
    return said


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Read the key that signs heads; make it where there is none. Raises ``ConfigurationError``."""
    try:
        if not path.exists():
            _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigurationError(
                f"{path}: others than its owner may read or write it; take that right away (chmod 600).",
                where=str(path),
            )
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read or made ({error.strerror}).", where=str(path)) from None
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{path}: is no private key in PEM form without a password.", where=str(path)
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path}: is not an Ed25519 key.", where=str(path))
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, made)
        os.fsync(file)
    finally:
        os.close(file)
    new.rename(path)


def public_pem(key: Ed25519PublicKey) -> str:
    """Return a public key as text (PEM)."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key from its file (PEM). Raises ``ConfigurationError``."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
    except ValueError:
        raise ConfigurationError(f"{path}: is no public key in PEM form.", where=str(path)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path}: is not an Ed25519 key.", where=str(path))
    return key
