"""Logging in as a person: tokens of an OpenID Connect issuer for each Beacon, kept where only the person can read them.

``current_token`` is all that a program needs that asks a Beacon in a person's name.
"""

from beacon.login.wallet import current_token

__all__ = ["current_token"]
