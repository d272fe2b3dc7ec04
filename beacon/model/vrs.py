"""Identifiers of the GA4GH Variation Representation Specification 1.3, computed from the alleles themselves.

A digest is the first 24 bytes of SHA-512, in URL-safe base64 (GA4GH sha512t24u). An allele's is taken over
canonical JSON in which the location stands as its own digest, and that over the digest of the sequence itself
(refget), upper case. The allele has to be fully justified first (``edit.Normal.justified``).
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

_ALLELE = re.compile(r"ga4gh:VA\.[A-Za-z0-9_-]{32}")
DIGEST = re.compile(r"[A-Za-z0-9_-]{32}")


def sha512t24u(data: bytes) -> str:
    """Return the GA4GH digest of bytes."""
    return digest_of(hashlib.sha512(data).digest())


def digest_of(sha512: bytes) -> str:
    """Return the GA4GH digest that belongs to a whole SHA-512, for data hashed piece by piece."""
    return base64.urlsafe_b64encode(sha512[:24]).decode()


def is_allele_id(text: str) -> bool:
    """Whether a text is the computed identifier of an allele."""
    return bool(_ALLELE.fullmatch(text))


def allele_id(sequence: str, start: int, end: int, alt: str) -> str:
    """Return ``ga4gh:VA.`` and the digest of a fully justified allele on the sequence with this digest."""
    # Written out: keys in order, no spaces, numbers and bases as they are. This is done for every allele of a load.
    location = sha512t24u(
        f'{{"interval":{{"end":{{"type":"Number","value":{end}}},"start":{{"type":"Number","value":{start}}},'
        f'"type":"SequenceInterval"}},"sequence_id":"{sequence}","type":"SequenceLocation"}}'.encode()
    )
    state = f'{{"sequence":"{alt}","type":"LiteralSequenceExpression"}}'
    return "ga4gh:VA." + sha512t24u(f'{{"location":"{location}","state":{state},"type":"Allele"}}'.encode())


def allele(sequence_id: str, start: int, end: int, alt: str, id: str | None = None) -> dict[str, Any]:
    """Return a VRS 1.3 Allele; ``sequence_id`` is a CURIE (``ga4gh:SQ.…`` or ``refseq:…``)."""
    made: dict[str, Any] = {
        "type": "Allele",
        "location": {
            "type": "SequenceLocation",
            "sequence_id": sequence_id,
            "interval": {
                "type": "SequenceInterval",
                "start": {"type": "Number", "value": start},
                "end": {"type": "Number", "value": end},
            },
        },
        "state": {"type": "LiteralSequenceExpression", "sequence": alt},
    }
    return made if id is None else {"_id": id} | made
