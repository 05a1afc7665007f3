"""The media type of a request's body, and whether a Content-Type is one at all.

The rules and texts are those of Spring's parser (SolarUser dossier §5.7; the texts are inferred).
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.wire import WireRequest

__all__ = ["content_type_problem", "media_type_of"]

_NO_TOKEN_CHARACTER = re.compile(r"[^!#$%&'*+\-.0-9A-Z^_`a-z{|}~]")
_PARAMETER = re.compile(r';((?:[^;"]|"(?:[^"\\]|\\.)*"?)*)', re.DOTALL)
_CHARSET_NAME = re.compile(r"[0-9A-Za-z][-+.:_0-9A-Za-z]*")


def media_type_of(request: WireRequest) -> str:
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
