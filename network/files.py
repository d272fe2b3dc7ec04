"""Room for open connections: each is an open file, and most systems begin with 1,024 of them for a process."""

from __future__ import annotations

import logging
import resource
from typing import Final

_log = logging.getLogger("skerry.network")

_OTHERS: Final = 1_000
"""Files and connections beside those to members: of askers, the audit, issuers, the libraries."""


def make_room(members: int, connections: int) -> int:
    """Raise this process's limit of open files so that all members can have that many connections at a time.

    It is raised no further than the hard limit, which is the administrator's. Returns the limit that now holds.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = members * connections + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    limit = wanted if hard == resource.RLIM_INFINITY else max(min(wanted, hard), soft)
    if limit > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):  # some systems have a further limit that they do not tell
            limit = soft
    if limit < members + _OTHERS:
        _log.warning(
            "%d open files are too few for %d members: raise the hard limit (ulimit -Hn, LimitNOFILE) to %d",
            limit,
            members,
            wanted,
        )
    elif limit > soft:
        _log.info("raised the limit of open files from %d to %d, for %d members", soft, limit, members)
    return limit
