"""One request on its way through SolarUser: its parts, its sender, and how it may be refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import MultiDict

from oscp_send.findings import Finding
from oscp_send.snws2 import SCHEME
from oscp_sim.http import LONGEST_BODY, Request
from oscp_sim.instructions import Instruction, QueuedMessage
from oscp_sim.world import Token, User

#: Every path of SolarUser begins with it.
CONTEXT_PATH: Final = "/solaruser"
FORM: Final = "application/x-www-form-urlencoded"
#: By HMAC-SHA1; the service still accepts it (measured).
LEGACY_SCHEME: Final = "SolarNetworkWS"

# The container's own limits (solaruser.md §7.4).
_LONGEST_FORM: Final = 2_097_152
_MOST_PARAMETERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """The sender of a request: a verified security token and its user."""

    token: Token
    user: User


@dataclass(slots=True)
class Call:
    """One request on its way through SolarUser, and what the journal records about it.

    Attributes:
        parameters: Of the query, then of a form body.
        verified: The sender; None until, or unless, the signature has been verified.
        variables: The variable parts of the path.
        is_routed: Whether a route has been found: what is answered from then on varies by `Accept`.
        response_headers: Headers of the response, whatever it is.
        instruction: The instruction that the request is about, for the journal.
        queued: Messages to hand over to the Flexibility Provider once the journal has the exchange:
            then the journal's order does not depend on threads.
        explanation: What the simulator knows beyond the answer, for the journal; no secret.
        findings: Where the fidelities part.
        judge: Yields the findings about the message, for those who read the journal.
    """

    request: Request
    parameters: MultiDict[str, str] = field(default_factory=MultiDict)
    verified: Actor | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    is_routed: bool = False
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    instruction: Instruction | None = None
    queued: Sequence[QueuedMessage] = ()
    explanation: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    judge: Callable[[], Iterable[Finding]] = tuple

    @property
    def actor(self) -> Actor:
        """The sender, who is always known below `/sec/`."""
        if self.verified is None:
            raise AssertionError("a route below /sec/ was reached without a verified token")
        return self.verified


class AuthenticationRefused(Exception):
    """Raised for a request that is refused before anything looks at what it asks for.

    Attributes:
        with_headers: Whether the authentication headers go with the service's message.
        explanation: What the simulator knows beyond that, for its journal; no secret.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        with_headers: bool = True,
        explanation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.with_headers = with_headers
        self.explanation = explanation or {}

    def headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the authentication headers of the response to a request."""
        if not self.with_headers:
            return []
        scheme = claimed_scheme(request) or SCHEME
        return [("WWW-Authenticate", scheme), ("X-SN-ErrorMessage", self.message)]


class ApiRefused(Exception):
    """Raised for a request that the API itself refuses, with the service's message and code.

    Attributes:
        errors: Each field that is wrong, as `location`, `code`, `rejectedValue` and `message`.
        explanation: What the simulator knows beyond that, for its journal; no secret.
    """

    def __init__(
        self,
        status: int,
        message: str | None,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        explanation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.errors = errors
        self.explanation = explanation or {}


class NoRoute(Exception):
    """Raised for a request that the container refuses, most often because it fits no route.

    `headers` are those the container sets: `Allow` or `Accept`.
    """

    def __init__(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.headers = headers or {}


def too_large() -> AuthenticationRefused:
    """Return the refusal of a body that is over the limit and declares no digest."""
    message = f"Maximum upload size of {LONGEST_BODY} bytes exceeded"
    return AuthenticationRefused(403, message, with_headers=False)


def claimed_scheme(request: Request) -> str | None:
    """Return the scheme by which a request claims a token; with any other it is anonymous."""
    given = request.fields.get("authorization", "")
    return next((each for each in (LEGACY_SCHEME, SCHEME) if given.startswith(each)), None)


def anonymous_refused() -> AuthenticationRefused:
    """Return the refusal of a request that claims no token where one is needed."""
    why = f"there is no Authorization header with the scheme {SCHEME}"
    return AuthenticationRefused(
        401, "Full authentication is required to access this resource", explanation={"why": why}
    )


# The body, and the digest that a request declares of it (solaruser.md §5.5).

_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
)
_HEX: Final = re.compile("[0-9A-Fa-f]*")
_NOT_BASE64: Final = re.compile("[^A-Za-z0-9+/]")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def media_type_of(request: Request) -> str:
    """Return the media type of a body in lower case, without parameters; empty for none."""
    return request.fields.get("content-type", "").partition(";")[0].strip().lower()


def charset_of(request: Request) -> str | None:
    """Return the charset that a body is said to be in."""
    match = _CHARSET.search(request.fields.get("content-type", ""))
    return match[1] if match else None


_CHARSET: Final = re.compile(r"""; *charset *= *["']?([^\s"';]+)""", re.IGNORECASE)


def check_digest(request: Request) -> None:
    """Refuse a body that is not the one that `Digest`, or else `Content-MD5`, describes."""
    declared = _declared_digest(request)
    if declared is None:
        return
    if request.body is None:
        raise AuthenticationRefused(403, "Content too large")
    algorithm, value = declared
    body = b"" if is_consumed(request) else request.body
    actual = hashlib.new(_ALGORITHMS[algorithm], body, usedforsecurity=False).digest()
    if not hmac.compare_digest(_decoded_digest(algorithm, value, len(actual)), actual):
        raise AuthenticationRefused(403, f"Content {algorithm} digest value mismatch")


def _declared_digest(request: Request) -> tuple[str, str] | None:
    """Return the algorithm and value that decide, or None where no known digest is declared."""
    digest = request.fields.get("digest")
    if digest is None:
        md5 = request.fields.get("content-md5")
        return None if md5 is None else ("md5", md5)
    for entry in digest.split(","):
        algorithm, equals, value = entry.partition("=")
        if equals and algorithm.lower() in _ALGORITHMS:
            return algorithm.lower(), value
    return None


def _decoded_digest(algorithm: str, value: str, length: int) -> bytes:
    if len(value) == 2 * length:
        if not _HEX.fullmatch(value):
            raise AuthenticationRefused(403, f"Invalid Digest {algorithm} encoding")
        return bytes.fromhex(value)
    # What is not Base64 is passed over, and padding is not missed (measured).
    digits = _NOT_BASE64.sub("", value.translate(_URL_SAFE))
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


# The parameters, as the container reads them: those of the query, then of a form. A signature
# covers them and the routes read them (solaruser.md §5.4, §5.5 and §7.4).


_MULTIPART: Final = "multipart/form-data"
_FORM_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NO_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def is_consumed(request: Request) -> bool:
    """Return whether the container has read the body, so that it is seen as empty (measured)."""
    media_type = media_type_of(request)
    return media_type == _MULTIPART or (media_type == FORM and request.method in _FORM_METHODS)


def request_parameters(request: Request) -> list[tuple[str, str]]:
    """Return the decoded names and values, in request order.

    What cannot be decoded, or comes beyond the limit, is passed over, so that a signature which
    covers it does not verify (measured). The fields of a multipart body are not read here.
    """
    body, media_type = request.body, media_type_of(request)
    text = request.query
    if media_type == _MULTIPART and "boundary=" not in request.fields.get("content-type", ""):
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    if body is not None and media_type == FORM and is_consumed(request):
        if len(body) > _LONGEST_FORM:
            raise NoRoute(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        text += f"&{body.decode('utf-8', 'surrogateescape')}"
    # A value without a name is not a parameter to the container (inferred).
    pairs = [piece for piece in text.split("&") if piece.partition("=")[0]]
    decoded = (_pair(piece) for piece in pairs[:_MOST_PARAMETERS])
    return [pair for pair in decoded if pair is not None]


def _pair(text: str) -> tuple[str, str] | None:
    """Return a decoded name and value, or None where one of them cannot be decoded."""
    if _NO_ESCAPE.search(text):
        return None
    name, _, value = text.replace("+", " ").partition("=")
    try:
        return _decoded(name), _decoded(value)
    except UnicodeDecodeError:
        return None


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
