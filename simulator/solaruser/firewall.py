"""What the framework refuses before anybody asks who it is.

As observed in SolarNetwork (SolarUser dossier §5.7 and §7.1). Which strings, and how the texts go
on, are those of the framework's own firewall (inferred).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

from simulator.solaruser.media_type import content_type_problem, media_type_of
from simulator.solaruser.refusal import ApiRefused, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.wire import WireRequest

__all__ = ["check_content", "check_parameter_names", "check_request"]

# In the order in which the service lists them.
_METHODS = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PATCH", "PUT")
# "//" before anything else: which of several is named is not known.
_ANYWHERE = ("//", ";", "\\", "\0", "\n", "\r")
_ENCODED = re.compile("%(?:2e|3b|2f|5c|00|0a|0d|25)", re.IGNORECASE)
_DECODED = ("%", "\u2028", "\u2029")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_PRINTABLE = re.compile("[^ -~]")


def check_request(request: WireRequest) -> None:
    """Refuses a method, an address or a header that looks like an attack.

    Raises:
        ApiRefused: The service would refuse the request, signed or not, with 400.
    """
    if request.method not in _METHODS:
        raise _rejected(
            f'the HTTP method "{request.method}" was not included within the list of allowed HTTP '
            f"methods [{', '.join(_METHODS)}]"
        )
    _check_path(request.path)
    for name, value in request.headers:
        if _CONTROL.search(name) or _CONTROL.search(value):
            # The service quotes the value; this does not, for it may be a credential.
            shown = _CONTROL.sub("?", name)
            raise _rejected(f'the header: "{shown} " has a value that is not allowed.')


def check_content(request: WireRequest, body: bytes | None) -> None:
    """Refuses a content type that is none, and several parts that are too much together.

    Args:
        request: The request as it was sent.
        body: Its body; None where it is larger than the service takes.

    Raises:
        ApiRefused: The content type is none.
        AuthenticationRefused: The body is too large; other kinds of body are looked at later.
    """
    content_type = request.header("content-type")
    problem = content_type_problem(content_type) if content_type else None
    if problem:
        raise ApiRefused(403, problem)
    if body is None and media_type_of(request).startswith("multipart/"):
        raise too_large()


def check_parameter_names(names: Iterable[str]) -> None:
    """Refuses a parameter whose name holds what nobody writes by hand.

    Raises:
        ApiRefused: A name holds a control character or one that Unicode does not know.
    """
    for name in names:
        if any(unicodedata.category(character) in {"Cc", "Cn"} for character in name):
            raise _rejected(f'the parameter name "{name}" is not allowed.')


def _check_path(path: str) -> None:
    found = next((text for text in _ANYWHERE if text in path), None)
    encoded = _ENCODED.search(path)
    if found is None and encoded:
        found = encoded[0]
    if found is None and "%" in path:
        decoded = unquote(path)
        found = next((text for text in (*_DECODED, *_ANYWHERE) if text in decoded), None)
    if found is not None:
        raise _rejected(f'the URL contained a potentially malicious String "{found}"')
    if {".", ".."} & set(path.split("/")):
        raise _rejected("the URL was not normalized.")
    if _NOT_PRINTABLE.search(path):
        # The one text that begins otherwise.
        raise ApiRefused(
            400,
            "The requestURI was rejected because it can only contain printable ASCII characters.",
        )


def _rejected(why: str) -> ApiRefused:
    return ApiRefused(400, f"The request was rejected because {why}")
