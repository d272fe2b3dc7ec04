"""Beacons that misbehave, as real servers on loopback, for whoever builds a network of beacons.

    running     a server, and the requests that reached it
    answers     right answers and documents, of a beacon with a few people
    behaviour   what a server does with a question: handlers, healthy and not
    animals     the table: each way to misbehave, and the outcome that a careful network gives it
    tls         certificates of an authority that is made when the zoo opens

``open_zoo`` starts them all; docs/zoo.md shows it, from Python and as ``skerry zoo``.
"""

from network.zoo.animals import ANIMALS, HEALTHY, Animal, Zoo, open_zoo

__all__ = ["ANIMALS", "HEALTHY", "Animal", "Zoo", "open_zoo"]
