"""A client of any Beacon v2 server, one site or a whole network; docs/client.md shows it at work.

``Beacon`` asks, ``Answer`` is what it brings, ``NoAnswer`` says why there is none. Nothing here needs the rest of the
program.
"""

from beacon.client.answers import Answer, Arrival, Found, NoAnswer, Outcome, Planned, ResultSet, Term, Total
from beacon.client.beacon import Asked, Beacon

__all__ = [
    "Answer",
    "Arrival",
    "Asked",
    "Beacon",
    "Found",
    "NoAnswer",
    "Outcome",
    "Planned",
    "ResultSet",
    "Term",
    "Total",
]
