"""A certificate authority made for one session, and the files by which programs come to trust it.

Its key stays in this process: what it has signed is worth nothing once that has ended.
"""

from __future__ import annotations

import re
import ssl
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

#: What Java asks for to open a trust store, which holds nothing secret.
TRUST_STORE_PASSWORD: Final = "changeit"  # noqa: S105 - Java's own, which everybody knows

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
# Where the environment names roots of its own, which stay trusted.
_NAMED_BY: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


class TlsUnavailable(Exception):
    """Raised when there can be no TLS; its text says why and what to do."""


class Authority:
    """A certificate authority, and one certificate of it for all hosts that are played here.

    Args:
        hosts: Names and addresses beside those of the loopback interface.

    Attributes:
        certificate: The authority's own, as PEM.
        context: With what a server here encrypts its connections.

    Raises:
        TlsUnavailable: A library is missing, or a host is one that no certificate can name.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        try:
            import trustme  # noqa: PLC0415 - who serves without TLS does not wait for it
        except ImportError:
            raise TlsUnavailable(
                "TLS needs the library trustme: pip install 'oscp-rehearsal[tls]'"
            ) from None
        authority = trustme.CA(
            organization_name="oscp-sim", organization_unit_name="made for one rehearsal"
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Who just closes does no harm, and who closes nothing is to hear of no mistake; an OpenSSL
        # before 3 has no such option.
        self.context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        names = dict.fromkeys((*_LOOPBACK, *sorted(hosts)))
        try:
            authority.issue_cert(*names).configure_cert(self.context)
        except ValueError as error:
            raise TlsUnavailable(
                f"there is no certificate for such a host: {error}; a host name has letters, "
                "digits and hyphens"
            ) from None
        self.certificate = authority.cert_pem.bytes().decode("ascii")

    def bundle(self, environment: Mapping[str, str]) -> str:
        """Return its certificate and all that were trusted before, as PEM.

        Most variables of an environment that name such a file replace what else is trusted.
        """
        return "".join(dict.fromkeys((self.certificate, *_roots(environment))))


def _roots(environment: Mapping[str, str]) -> Iterator[str]:
    import certifi  # noqa: PLC0415 - as above

    machine = ssl.get_default_verify_paths()
    named = (environment.get(each, "") for each in _NAMED_BY)
    single = sorted(Path(machine.capath).glob("*")) if machine.capath else []
    files = [*map(Path, (*named, certifi.where(), machine.cafile or "")), *single]
    for file in files:
        # A folder, or nothing, where something else is meant.
        with suppress(OSError):
            for found in _PEM.findall(file.read_text(encoding="utf-8", errors="replace")):
                yield found if found.endswith("\n") else f"{found}\n"


def trust_store(bundle: str) -> bytes:
    """Return the certificates of a PEM as a trust store of Java (PKCS12)."""
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        BestAvailableEncryption,
        pkcs12,
    )

    trusted = []
    with warnings.catch_warnings():
        # Of roots that have long been there, and are not ours to judge.
        warnings.simplefilter("ignore")
        for found in _PEM.findall(bundle):
            with suppress(ValueError):
                trusted.append(x509.load_pem_x509_certificate(found.encode()))
    named = [
        pkcs12.PKCS12Certificate(each, f"root {number}".encode())
        for number, each in enumerate(trusted, start=1)
    ]
    encryption = BestAvailableEncryption(TRUST_STORE_PASSWORD.encode())
    return pkcs12.serialize_java_truststore(named, encryption)
