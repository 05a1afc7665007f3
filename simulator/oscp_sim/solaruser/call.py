"""Verifying the digest that a request declares of its own body (solaruser.md §5.5)."""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from werkzeug.datastructures import MultiDict

from oscp_sim.http import LONGEST_BODY, Request
from oscp_sim.instructions import Instruction
from oscp_sim.world import Token, User

__all__ = [
    "Actor",
    "ApiRefused",
    "AuthenticationRefused",
    "Call",
    "NoRoute",
    "anonymous_refused",
    "check_digest",
    "content_type_problem",
    "declares_digest",
    "media_type_of",
    "too_large",
]


# § The media type of a request's body, and whether a Content-Type is one at all.
#
# The rules and texts are those of Spring's parser (solaruser.md §5.7; the texts are
# inferred).

_NO_TOKEN_CHARACTER = re.compile(r"[^!#$%&'*+\-.0-9A-Z^_`a-z{|}~]")
_PARAMETER = re.compile(r';((?:[^;"]|"(?:[^"\\]|\\.)*"?)*)', re.DOTALL)
_CHARSET_NAME = re.compile(r"[0-9A-Za-z][-+.:_0-9A-Za-z]*")


def media_type_of(request: Request) -> str:
    """Answers with the media type of a body in lower case, without parameters; empty for none."""
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def content_type_problem(text: str) -> str | None:
    """Answers with what is wrong with a Content-Type; None where it is one.

    Args:
        text: The header's value.
    """
    full, _, parameters = text.partition(";")
    problem = _type_problem(full.strip()) or _parameter_problem(";" + parameters)
    return problem and f'Invalid mime type "{text}": {problem}'


def _type_problem(full: str) -> str | None:
    if not full:
        return "'mimeType' must not be empty"
    kind, slash, subtype = ("*/*" if full == "*" else full).partition("/")
    if not slash:
        return "does not contain '/'"
    if not subtype:
        return "does not contain subtype after '/'"
    if kind == "*" and subtype != "*":
        return "wildcard type is legal only in '*/*' (all mime types)"
    if not kind:
        return "'type' must not be empty"
    return _token_problem(kind) or _token_problem(subtype)


def _parameter_problem(text: str) -> str | None:
    for match in _PARAMETER.finditer(text):
        name, equals, value = (part.strip() for part in match[1].partition("="))
        if equals:
            problem = _name_problem(name) or _value_problem(name, value)
            if problem:
                return problem
    return None


def _name_problem(name: str) -> str | None:
    return _token_problem(name) if name else "'attribute' must not be empty"


def _value_problem(name: str, value: str) -> str | None:
    if not value:
        return "'value' must not be empty"
    quoted = len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
    if name.lower() == "charset":
        return _charset_problem(value[1:-1] if quoted else value)
    return None if quoted else _token_problem(value)


def _charset_problem(name: str) -> str | None:
    if not _CHARSET_NAME.fullmatch(name):
        return name
    try:
        codecs.lookup(name)
    except LookupError:
        return f"unsupported charset '{name}'"
    return None


def _token_problem(text: str) -> str | None:
    wrong = _NO_TOKEN_CHARACTER.search(text)
    return wrong and f"Invalid token character '{wrong[0]}' in token \"{text}\""


# § A refusal before a request reaches the API: status, text, headers, and why, for ourselves.


# HMAC-SHA1; the real service still takes it.
_LEGACY_SCHEME = "SolarNetworkWS"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a verified security token and its user."""

    token: Token
    user: User


@dataclass(slots=True)
class Call:
    """One request on its way through SolarUser, and what the journal is to know of it.

    Attributes:
        request: As it was sent.
        media_type: Of the body, lower case, without parameters.
        parameters: Of the query, then of a form body.
        verified: Who asks; None until that is known.
        variables: The variable parts of the path.
        instruction: The instruction that it is about, for the journal.
        explanation: What the simulator knows beyond the answer, for the journal; no secret.
        afterwards: What is to be done once the exchange stands in the journal.
        headers: What stands on the response, whatever it is.
    """

    request: Request
    media_type: str
    parameters: MultiDict[str, str]
    verified: Actor | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    instruction: Instruction | None = None
    explanation: Mapping[str, Any] = field(default_factory=dict)
    afterwards: Callable[[], None] | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        """Who asks; there is always somebody below `/sec/`."""
        if self.verified is None:
            raise AssertionError("a route below /sec/ was reached without a verified token")
        return self.verified


class AuthenticationRefused(Exception):
    """Raised for a request that is refused before anything looks at what it asks for.

    Attributes:
        status: HTTP status.
        message: The service's text.
        with_headers: Whether the authentication headers go with it.
        explanation: What the simulator knows beyond that, for its journal; holds no secret.
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

    def headers(self) -> list[tuple[str, str]]:
        """Answers with the headers that the service sets besides."""
        if not self.with_headers:
            return []
        return [("WWW-Authenticate", "SNWS2"), ("X-SN-ErrorMessage", self.message)]


class ApiRefused(Exception):
    """Raised for a request that the API itself refuses.

    Attributes:
        status: HTTP status.
        message: The service's text; None where it gives a code alone.
        code: The service's code; most refusals have none.
        errors: Each field that is wrong, as `location`, `code`, `rejectedValue` and `message`.
        explanation: What the simulator knows beyond that, for its journal; holds no secret.
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


def too_large() -> AuthenticationRefused:
    """Answers with the refusal of a body that is over the limit and declares no digest."""
    message = f"Maximum upload size of {LONGEST_BODY} bytes exceeded"
    return AuthenticationRefused(403, message, with_headers=False)


def anonymous_refused(request: Request) -> AuthenticationRefused:
    """Answers with the refusal of a request that claims no token where one is needed."""
    why = "there is no Authorization header with the scheme SNWS2"
    if (request.header("authorization") or "").startswith(_LEGACY_SCHEME):
        why = f"the scheme {_LEGACY_SCHEME} is not simulated, though the real service takes it"
    return AuthenticationRefused(
        401, "Full authentication is required to access this resource", explanation={"why": why}
    )


class NoRoute(Exception):
    """Raised for a request that fits no route.

    Attributes:
        status: What the container has inside.
        headers: What it sets besides: `Allow` or `Accept`.
    """

    def __init__(self, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status.phrase)
        self.status = status
        self.headers = headers or {}


_ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
)
_HEX = re.compile("[0-9A-Fa-f]*")


def declares_digest(request: Request) -> bool:
    """Tells whether a request has a digest of its body that is going to be verified."""
    return _declared(request) is not None


def check_digest(request: Request) -> None:
    """Refuses a body that is not the one that `Digest`, or else `Content-MD5`, describes.

    Args:
        request: As it was sent.

    Raises:
        AuthenticationRefused: The digest differs, cannot be decoded, or the body is too large.
    """
    declared = _declared(request)
    if declared is None:
        return
    if request.body is None:
        raise AuthenticationRefused(403, "Content too large")
    algorithm, value = declared
    actual = hashlib.new(_ALGORITHMS[algorithm], request.body, usedforsecurity=False).digest()
    expected = _decoded(algorithm, value, len(actual))
    if expected is None or not hmac.compare_digest(expected, actual):
        raise AuthenticationRefused(403, f"Content {algorithm} digest value mismatch")


def _declared(request: Request) -> tuple[str, str] | None:
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
