"""A JSON text as the stream of tokens that a hand-written Jackson reader walks along."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NumberText", "Token", "TokenKind", "tokens_of"]

TokenKind = Literal[
    "START_OBJECT",
    "END_OBJECT",
    "START_ARRAY",
    "END_ARRAY",
    "PROPERTY_NAME",
    "VALUE_STRING",
    "VALUE_NUMBER",
    "VALUE_TRUE",
    "VALUE_FALSE",
    "VALUE_NULL",
]


class NumberText(str):
    """A number as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Token:
    """One token, with its text where it has one."""

    kind: TokenKind
    text: str | None = None


class _Members(list[tuple[str, Any]]):
    """The members of an object, in order, repeated names included."""


# Neither the digits nor the repeated names of the text may be lost: the reader sees them all.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=NumberText, parse_float=NumberText
)


def tokens_of(text: str) -> Iterator[Token]:
    """Yields the tokens of a text that is known to be JSON.

    Raises:
        RecursionError: It is nested more deeply than Python can follow.
    """
    waiting: list[Any] = [_DECODER.decode(text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Token):
            yield value
        elif isinstance(value, _Members):
            yield Token("START_OBJECT")
            waiting.append(Token("END_OBJECT"))
            for name, member in reversed(value):
                waiting += (member, Token("PROPERTY_NAME", name))
        elif isinstance(value, list):
            yield Token("START_ARRAY")
            waiting.append(Token("END_ARRAY"))
            waiting += reversed(value)
        else:
            yield _scalar(value)


def _scalar(value: object) -> Token:
    if value is True:
        return Token("VALUE_TRUE")
    if value is False:
        return Token("VALUE_FALSE")
    if isinstance(value, NumberText):
        return Token("VALUE_NUMBER", str(value))
    return Token("VALUE_NULL") if value is None else Token("VALUE_STRING", str(value))
