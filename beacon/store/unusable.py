"""Why a MongoDB cannot be used, for whoever runs the site: one sentence with its hosts, and never the password.

The driver's own words hold all that it knows of its servers and of the command that failed, pages of it.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pymongo.errors import BulkWriteError, OperationFailure, ProtocolError, PyMongoError
from pymongo.topology_description import TopologyDescription

from beacon.errors import ConfigurationError, StoreUnavailable

_log = logging.getLogger("skerry")

SELECTION_MS: Final = 10_000
"""How long a MongoDB is waited for that is not there, or is just electing its primary."""
_REFUSALS: Final = {
    13: "it asks for a user who may read and write this database, and mongo.uri names none such",
    18: "it does not accept the name or the password of mongo.uri",
}
"""What operators have to mend, by MongoDB's code."""
_ERRNO: Final = re.compile(r"\[Errno (-?\d+)\] ")
_CLOSED: Final = re.compile(r"[Cc]onnection (is )?(already )?closed$")
_MORE: Final = re.compile(r" \(configured timeouts.*|, Timeout: .*|, full error.*", re.DOTALL)


@contextmanager
def read_uri() -> Iterator[None]:
    """Make a client within: what the driver says of ``mongo.uri`` becomes one sentence, without the URI.

    It may hold a password. Raises ``ConfigurationError``.
    """
    with warnings.catch_warnings(record=True) as doubts:  # printed by Python, they would quote the program
        warnings.simplefilter("always")
        try:
            yield
        except OSError as error:
            raise unreadable(error) from error
        except (PyMongoError, ValueError) as error:
            if isinstance(error.__context__, OSError):
                raise unreadable(error.__context__) from error
            raise ConfigurationError(
                "the setting mongo.uri is not the address of a MongoDB; one looks like mongodb://localhost:27017",
                where="mongo.uri",
            ) from error
    for doubt in doubts:
        _log.warning("mongo.uri: %s", doubt.message)


def unreadable(error: OSError) -> ConfigurationError:
    """Return the error for a file of certificates or keys that ``mongo.uri`` names."""
    file = f"the file {error.filename}" if error.filename else "a file with certificates or a key"
    return ConfigurationError(
        f"{file}, which mongo.uri names, cannot be used: {error.strerror or error}", where="mongo.uri"
    )


def unusable(
    servers: TopologyDescription, error: PyMongoError, asked: TopologyDescription | None = None
) -> StoreUnavailable:
    """Return the error to be told.

    ``servers`` is what the driver has found out about each, ``asked`` what it began with: it drops those that belong
    to another replica set.
    """
    known = servers.server_descriptions() or (asked or servers).server_descriptions()
    where = ", ".join(_address(*one) for one in known)
    return StoreUnavailable(f"the MongoDB at {where} cannot be used: {_reason(servers, error)}")


def _address(host: str, port: int | None) -> str:
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(servers: TopologyDescription, error: PyMongoError) -> str:
    if isinstance(error, BulkWriteError):
        told = error.details.get("writeErrors") or error.details.get("writeConcernErrors")
        return str(told[0]["errmsg"]) if told else "it did not write everything"
    if isinstance(error, OperationFailure):
        return _REFUSALS.get(error.code or 0) or _MORE.sub("", str(error))
    known = servers.server_descriptions()
    found = {_address(*at): _words(*at, one.error) for at, one in known.items() if one.error is not None}
    if not found:
        return _MORE.sub("", str(error))
    return "; ".join(text if len(found) == 1 else f"{address}: {text}" for address, text in found.items())


def _words(host: str, port: int | None, error: Exception) -> str:
    text = _MORE.sub("", str(error)).replace(f"{host}: " if port is None else f"{host}:{port}: ", "")
    number = _ERRNO.search(text)
    # Which of these it is depends on who is quicker.
    if isinstance(error, ProtocolError) or _CLOSED.search(text) or (number and int(number[1]) == errno.ECONNRESET):
        return "what answers there is no MongoDB, or one that wants TLS"
    if number and int(number[1]) > 0:  # asyncio has words of its own for some of the system's
        return os.strerror(int(number[1]))
    return _ERRNO.sub("", text)
