"""The `Authorization` header of SNWS2, and which headers it must have signed.

As observed in SolarNetwork (SolarUser dossier §5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oscp_send.snws2 import SCHEME
from simulator.solaruser.refusal import AuthenticationRefused

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["Claim", "anonymous_refused", "check_signed_headers", "is_snws2", "read_claim"]

# HMAC-SHA1; the real service still takes it.
_LEGACY_SCHEME = "SolarNetworkWS"

_SIGNATURE_LENGTH = 64
_FEWEST_SIGNED_HEADERS = 2
_SIGNED_WHERE_PRESENT = ("content-type", "content-md5", "digest")


class Claim(NamedTuple):
    """What an SNWS2 header claims.

    Attributes:
        token_id: Who asks.
        signed: Names of the signed headers, in the order given.
        signature: Of 64 characters, otherwise unchecked.
    """

    token_id: str
    signed: tuple[str, ...]
    signature: str


def is_snws2(request: WireRequest) -> bool:
    """Tells whether a request claims a token; with any other scheme it is anonymous."""
    return (request.header("authorization") or "").startswith(SCHEME)


def anonymous_refused(request: WireRequest) -> AuthenticationRefused:
    """Answers with the refusal of a request that claims no token where one is needed."""
    why = "there is no Authorization header with the scheme SNWS2"
    if (request.header("authorization") or "").startswith(_LEGACY_SCHEME):
        why = f"the scheme {_LEGACY_SCHEME} is not simulated, though the real service takes it"
    return AuthenticationRefused(
        401, "Full authentication is required to access this resource", explanation={"why": why}
    )


def read_claim(request: WireRequest) -> Claim:
    """Answers with what the header of a request claims; nothing in it is trimmed.

    The scheme alone, which makes the real service fail with 500 (inferred), is refused like any
    other header without a credential.

    Raises:
        AuthenticationRefused: A component is missing or bad.
    """
    header = request.header("authorization") or ""
    # One character after the scheme is passed over, whatever it is.
    split = (each.partition("=") for each in header[len(SCHEME) + 1 :].split(","))
    parts = {name: value for name, _, value in split}
    token_id, signature = parts.get("Credential", ""), parts.get("Signature", "")
    if not token_id:
        raise AuthenticationRefused(403, "Invalid Credential value")
    if len(signature) != _SIGNATURE_LENGTH:
        raise AuthenticationRefused(403, "Invalid Signature value")
    # Java's split leaves out what is empty at the end.
    signed = tuple(parts.get("SignedHeaders", "").rstrip(";").split(";"))
    if len(signed) < _FEWEST_SIGNED_HEADERS:
        raise AuthenticationRefused(403, "Invalid SignedHeaders value")
    return Claim(token_id, signed, signature)


def check_signed_headers(request: WireRequest, signed: tuple[str, ...]) -> None:
    """Refuses a signature that leaves out a header which it must cover.

    Names are compared without regard to case here; one in upper case contributes nothing to the
    canonical request all the same.

    Raises:
        AuthenticationRefused: One is left out; the text says which.
    """
    lower = {name.lower() for name in signed}
    if "host" not in lower:
        raise AuthenticationRefused(403, "The 'Host' HTTP header must be included in SignedHeaders")
    if not lower & {"date", "x-sn-date"}:
        raise AuthenticationRefused(
            403,
            "One of the 'Date' or 'X-SN-Date' HTTP headers must be included in SignedHeaders",
        )
    present = dict.fromkeys(name for name, _ in request.headers)
    own = [name for name in present if name.startswith("x-sn-")]
    for name in [name for name in _SIGNED_WHERE_PRESENT if name in present] + own:
        if name not in lower:
            raise AuthenticationRefused(
                403, f"The '{name}' HTTP header must be included in SignedHeaders"
            )
