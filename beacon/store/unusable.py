"""Why a MongoDB cannot be used, for whoever runs the site: one sentence with its hosts, and never the password.

The driver's own words hold all that it knows of its servers and of the command that failed, pages of it.
"""

from __future__ import annotations

import os
import re
from typing import Final

from pymongo.errors import BulkWriteError, OperationFailure, ProtocolError, PyMongoError
from pymongo.topology_description import TopologyDescription

from beacon.errors import StoreUnavailable

SELECTION_MS: Final = 10_000
"""How long a MongoDB is waited for that is not there, or is just electing its primary."""
_REFUSALS: Final = {
    13: "it asks for a user who may read and write this database, and mongo.uri names none such",
    18: "it does not accept the name or the password of mongo.uri",
}
"""What operators have to mend, by MongoDB's code."""
_ERRNO: Final = re.compile(r"\[Errno (-?\d+)\] ")
_MORE: Final = re.compile(r" \(configured timeouts.*|, Timeout: .*|, full error.*", re.DOTALL)


def unusable(servers: TopologyDescription, error: PyMongoError) -> StoreUnavailable:
    """Return the error to be told; ``servers`` is what the driver has found out about each."""
    where = ", ".join(_addresses(servers))
    return StoreUnavailable(f"the MongoDB at {where} cannot be used: {_reason(servers, error)}")


def _addresses(servers: TopologyDescription) -> list[str]:
    return [host if port is None else f"{host}:{port}" for host, port in servers.server_descriptions()]


def _reason(servers: TopologyDescription, error: PyMongoError) -> str:
    if isinstance(error, BulkWriteError):
        told = error.details.get("writeErrors") or error.details.get("writeConcernErrors")
        return str(told[0]["errmsg"]) if told else "it did not write everything"
    if isinstance(error, OperationFailure):
        return _REFUSALS.get(error.code or 0) or _MORE.sub("", str(error))
    known = zip(_addresses(servers), servers.server_descriptions().values(), strict=True)
    found = {address: _words(address, one.error) for address, one in known if one.error is not None}
    if not found:
        return _MORE.sub("", str(error))
    return "; ".join(text if len(found) == 1 else f"{address}: {text}" for address, text in found.items())


def _words(address: str, error: Exception) -> str:
    if isinstance(error, ProtocolError):
        return "what answers there is no MongoDB"
    text = _MORE.sub("", str(error)).replace(f"{address}: ", "")
    number = _ERRNO.search(text)
    if number and int(number[1]) > 0:  # asyncio has words of its own for some of the system's
        return os.strerror(int(number[1]))
    return _ERRNO.sub("", text)
