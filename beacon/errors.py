"""The error tree: every refusal has one HTTP status and one machine-readable code.

    SkerryError
    ├── BadRequest            400 bad_request         the request breaks the standard's schema
    │   ├── UnknownFilter     400 unknown_filter      no such filter, or one that this field cannot take
    │   └── CannotAnswer      400 cannot_answer       well-formed, but this site has no such thing to ask
    │       └── NeedsReference  400 needs_reference   only the reference sequence tells, and it is not loaded here
    ├── Unauthenticated       401 unauthenticated     a bad token, or none where one is needed
    ├── Forbidden             403 forbidden           no dataset here may be asked by this person
    ├── NotFound              404 not_found           no such path, or no such record for this asker
    ├── MethodNotAllowed      405 method_not_allowed
    ├── TooSlow               408 too_slow            the body did not arrive in time
    ├── TooLarge              413 too_large           body, filters or pages above the site's limits
    │   └── LineTooLong       414 too_large           address or header above the site's limits
    ├── TooOften              429 too_often           this asker has asked too much in too short a time
    ├── Overloaded            503 overloaded          every place in the queue is taken
    ├── Loop                  508 loop                the same question has come by another way already
    ├── QueryTimeout          504 query_timeout       the query's deadline passed
    ├── NetworkError          502 network_failed      nobody said yes, somebody failed (504 where too slow)
    ├── ConfigurationError    (command line only)     a setting or file that cannot be used
    ├── AuditUnavailable      503 audit_unavailable   the answer could not be written down, so there is none
    ├── StoreUnavailable      503 store_unavailable   no MongoDB, or it does not answer
    ├── IdentityUnavailable   503 identity_unavailable  the keys to check a token with are out of reach
    └── LoadError             (command line only)     a file that cannot be loaded

The Beacon error envelope carries the status as ``errorCode`` (the standard wants an integer) and the
code as ``error.skerryCode``; ``where`` names the offending parameter.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


class SkerryError(Exception):
    """Base of all refusals; ``str(error)`` is a sentence that may be shown to whoever asked."""

    status = 500
    code = "internal"
    info: Mapping[str, Any] | None = None
    """What the answer's ``info`` adds: what became of every member that a network asked."""
    retry_seconds: int | None = None
    """After how many seconds asking again may help (the header ``Retry-After``)."""

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where


class BadRequest(SkerryError):
    status, code = 400, "bad_request"


class UnknownFilter(BadRequest):
    code = "unknown_filter"


class CannotAnswer(BadRequest):
    code = "cannot_answer"


class NeedsReference(CannotAnswer):
    code = "needs_reference"


class Unauthenticated(SkerryError):
    status, code = 401, "unauthenticated"


class Forbidden(SkerryError):
    status, code = 403, "forbidden"


class NotFound(SkerryError):
    status, code = 404, "not_found"


class MethodNotAllowed(SkerryError):
    status, code = 405, "method_not_allowed"


class TooSlow(SkerryError):
    status, code = 408, "too_slow"


class TooLarge(SkerryError):
    status, code = 413, "too_large"


class LineTooLong(TooLarge):
    status = 414


class TooOften(SkerryError):
    status, code = 429, "too_often"

    def __init__(self, message: str, *, retry_seconds: int, repeated: bool = False) -> None:
        """``repeated``: the asker was refused so already since they were last answered."""
        super().__init__(message)
        self.retry_seconds = retry_seconds
        self.repeated = repeated


class Overloaded(SkerryError):
    status, code = 503, "overloaded"
    retry_seconds = 1


class QueryTimeout(SkerryError):
    status, code = 504, "query_timeout"


class Loop(SkerryError):
    status, code = 508, "loop"


class NetworkError(SkerryError):
    status, code = 502, "network_failed"


class ConfigurationError(SkerryError):
    code = "configuration"


class StoreUnavailable(SkerryError):
    status, code = 503, "store_unavailable"
    retry_seconds = 1


class AuditUnavailable(SkerryError):
    status, code = 503, "audit_unavailable"
    retry_seconds = 1


class IdentityUnavailable(SkerryError):
    status, code = 503, "identity_unavailable"
    retry_seconds = 1


class LoadError(SkerryError):
    code = "load_failed"

    @classmethod
    def no_dataset(cls, id: str) -> LoadError:
        """Return the error for a dataset that a command names and nobody made."""
        message = f"there is no dataset {id!r}; make it with: skerry dataset create {shlex.quote(id)}"
        return cls(message, where=id)
