"""Reading the JSON of a request's body as SolarNetwork's parser does.

The beginnings of the texts are known, their rest is inferred (OSCP dossier §2.5, §5.1 and §9.1).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from oscp_send.solarnetwork import jackson
from schemas import Document, JsonError, read
from simulator.flexibility_provider.envelope import ContainerRefused, Refused

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["malformed", "read_json", "written_number"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONG_NUMBER: Final = re.compile(rf"[-+.eE0-9]{{{jackson.MAXIMUM_NUMBER_LENGTH + 1}}}")
# What such an error quotes may be a token that lacks its quotes.
_QUOTING: Final = frozenset({"unrecognized-token", "bad-number"})


def read_json(body: bytes) -> Document:
    """Answers with what a body holds; a byte-order mark before it does no harm.

    Raises:
        Refused: It is no JSON, nested too deeply, or holds too long a number.
        ContainerRefused: There is none, or it is `null`, which is the same to the framework.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    if not text.strip():
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="there is no body")
    try:
        document = read(text)
    except JsonError as error:
        raise malformed(
            "Unrecognized token" if error.kind in _QUOTING else jackson.parser_message(error),
            why=f"no JSON at line {error.line}, column {error.column}",
        ) from None
    _check_limits(document)
    if document.value is None:
        raise ContainerRefused(HTTPStatus.BAD_REQUEST, why="the body is null, which is none")
    return document


def malformed(text: str, why: str | None = None) -> Refused:
    """Answers with the refusal of what is no JSON, or of another JSON type than is needed."""
    return Refused(422, f"Malformed JSON: {text}", code="VAL.00005", why=why)


def written_number(document: Document, path: tuple[str | int, ...]) -> str:
    """Answers with a number as it is written, which the parsed value does not tell.

    Args:
        document: Where it stands.
        path: The names and indexes that lead to it.
    """
    value: Any = _AS_WRITTEN.decode(document.text)
    for step in path:
        value = value[step]
    return str(value)


def _check_limits(document: Document) -> None:
    text, most = document.text, jackson.MAXIMUM_DEPTH
    # To count brackets is quick; where each of them stands is asked only when there are too many.
    if text.count("{") + text.count("[") > most and document.depth > most:
        raise malformed(jackson.too_deep(most + 1))
    if _LONG_NUMBER.search(text) and document.longest_number > jackson.MAXIMUM_NUMBER_LENGTH:
        raise malformed(jackson.too_long_a_number(document.longest_number))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_AS_WRITTEN: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=str, parse_int=str
)
