"""Certificates for servers that speak TLS: an authority made when the zoo opens, and three that it signs."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from network.zoo.running import HOST

_DAY = timedelta(days=1)
_AUTHORITY = "Authority of the zoo"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Contexts of servers, and the authority's certificate (PEM), for a network that is to trust it."""

    authority: Path
    right: ssl.SSLContext
    wrong_name: ssl.SSLContext
    expired: ssl.SSLContext


@contextmanager
def certificates() -> Iterator[Certificates]:
    """Make an authority and its certificates; the files are gone with the context."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    here = x509.IPAddress(ip_address(HOST))
    with TemporaryDirectory(prefix="skerry-zoo-") as folder:
        authority = Path(folder) / "authority.pem"
        signed = _certificate(key, key.public_key(), _AUTHORITY, None, now - _DAY, now + _DAY)
        authority.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

        def context(name: x509.GeneralName, begin: datetime, end: datetime) -> ssl.SSLContext:
            own = ec.generate_private_key(ec.SECP256R1())
            leaf = _certificate(key, own.public_key(), "A beacon of the zoo", name, begin, end)
            pem = own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file = Path(folder) / "beacon.pem"  # read at once, and written anew for the next one
            file.touch(mode=0o600)
            file.write_bytes(pem + leaf.public_bytes(serialization.Encoding.PEM))
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(file)
            file.unlink()
            return made

        yield Certificates(
            authority,
            right=context(here, now - _DAY, now + _DAY),
            wrong_name=context(x509.DNSName("elsewhere.invalid"), now - _DAY, now + _DAY),
            expired=context(here, now - 2 * _DAY, now - _DAY),
        )


def _certificate(
    signer: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    subject: str,
    name: x509.GeneralName | None,
    begin: datetime,
    end: datetime,
) -> x509.Certificate:
    """Sign a server's certificate; without ``name``, the authority's own."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if name is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(signer, hashes.SHA256())
