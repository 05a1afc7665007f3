"""Verifying the digest that a request declares of its own body (SolarUser dossier §5.5)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from simulator.solaruser.refusal import AuthenticationRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.wire import WireRequest

__all__ = ["check_digest", "declares_digest"]

_ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
)
_HEX = re.compile("[0-9A-Fa-f]*")


def declares_digest(request: WireRequest) -> bool:
    """Tells whether a request has a digest of its body that is going to be verified."""
    return _declared(request) is not None


def check_digest(request: WireRequest, body: bytes | None) -> None:
    """Refuses a body that is not the one that `Digest`, or else `Content-MD5`, describes.

    Args:
        request: The request as it was sent.
        body: Its body; None where it is larger than the service takes.

    Raises:
        AuthenticationRefused: The digest differs, cannot be decoded, or the body is too large.
    """
    declared = _declared(request)
    if declared is None:
        return
    if body is None:
        raise AuthenticationRefused(403, "Content too large")
    algorithm, value = declared
    actual = hashlib.new(_ALGORITHMS[algorithm], body, usedforsecurity=False).digest()
    expected = _decoded(algorithm, value, len(actual))
    if expected is None or not hmac.compare_digest(expected, actual):
        raise AuthenticationRefused(403, f"Content {algorithm} digest value mismatch")


def _declared(request: WireRequest) -> tuple[str, str] | None:
    """Answers with the algorithm and value that decide; None where no digest is known."""
    digest = request.header("digest")
    if digest is None:
        md5 = request.header("content-md5")
        return None if md5 is None else ("md5", md5)
    for entry in digest.split(","):
        algorithm, _, value = entry.partition("=")
        if algorithm.lower() in _ALGORITHMS:
            return algorithm.lower(), value
    return None


def _decoded(algorithm: str, value: str, length: int) -> bytes | None:
    if len(value) == 2 * length:
        if not _HEX.fullmatch(value):
            raise AuthenticationRefused(403, f"Invalid Digest {algorithm} encoding")
        return bytes.fromhex(value)
    try:
        return base64.b64decode(value, validate=False)
    except (binascii.Error, ValueError):
        return None
