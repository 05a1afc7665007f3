"""What the framework of SolarNetwork's services refuses before anybody asks who it is.

As observed in SolarNetwork (SolarUser dossier §5.7 and §7.1). Which strings, and how the texts go
on, are those of the framework's own firewall; that the Flexibility Provider has the same one is
(inferred), as its dossier says of a double slash (OSCP dossier §9.3, X20).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["rejection"]

# In the order in which the services list them.
_METHODS = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PATCH", "PUT")
# "//" before anything else: which of several is named is not known.
_ANYWHERE = ("//", ";", "\\", "\0", "\n", "\r")
_ENCODED = re.compile("%(?:2e|3b|2f|5c|00|0a|0d|25)", re.IGNORECASE)
_DECODED = ("%", "\u2028", "\u2029")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_PRINTABLE = re.compile("[^ -~]")


def rejection(request: WireRequest) -> str | None:
    """Answers with why a method, an address or a header looks like an attack; None where none does.

    The text is the service's; it goes with the status 400, whoever asks.
    """
    if request.method not in _METHODS:
        return _rejected(
            f'the HTTP method "{request.method}" was not included within the list of allowed HTTP '
            f"methods [{', '.join(_METHODS)}]"
        )
    return _of_path(request.path) or _of_headers(request)


def _of_path(path: str) -> str | None:
    found = next((text for text in _ANYWHERE if text in path), None)
    encoded = _ENCODED.search(path)
    if found is None and encoded:
        found = encoded[0]
    if found is None and "%" in path:
        decoded = unquote(path)
        found = next((text for text in (*_DECODED, *_ANYWHERE) if text in decoded), None)
    if found is not None:
        return _rejected(f'the URL contained a potentially malicious String "{found}"')
    if {".", ".."} & set(path.split("/")):
        return _rejected("the URL was not normalized.")
    if _NOT_PRINTABLE.search(path):
        # The one text that begins otherwise.
        return "The requestURI was rejected because it can only contain printable ASCII characters."
    return None


def _of_headers(request: WireRequest) -> str | None:
    for name, value in request.headers:
        if _CONTROL.search(name) or _CONTROL.search(value):
            # The service quotes the value; this does not, for it may be a credential.
            shown = _CONTROL.sub("?", name)
            return _rejected(f'the header: "{shown} " has a value that is not allowed.')
    return None


def _rejected(why: str) -> str:
    return f"The request was rejected because {why}"
