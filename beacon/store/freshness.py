"""For how long readers may go on with what they know of the datasets, and what every change waits for.

A reader that has just read the datasets' documents answers from them for ``SECONDS`` without asking again: one
operation of the database costs as much as all else that a small question takes. So that nobody sees an old state
after a change is said to be done (a policy, a load, a withdrawal), whoever changes something waits for as long as
the oldest such reading may still be in use.
"""

from __future__ import annotations

import time
from typing import Final

SECONDS: Final = 0.05


def wait() -> None:
    """Wait until no reader answers any more from what it read before this moment."""
    time.sleep(SECONDS)
