r"""Reading the text of a search filter; what it means is said in `search_filter`.

`( ) * \` in a value are written `\28 \29 \2a \5c` (RFC 4515 §3). A regular expression keeps its
backslashes instead, and parentheses stand in it in pairs or behind a backslash (inferred).
"""

from __future__ import annotations

import re
from typing import cast

from simulator.solaruser.search_filter import (
    Comparison,
    Every,
    Not,
    Operator,
    SearchFilter,
    Some,
    compiled,
)

__all__ = ["FilterError", "read_search_filter"]

_DEEPEST = 50
_BLANKS = re.compile(r"\s*")
_PATH = re.compile(r"[^()=<>~\\!&|]+")
_OPERATOR = re.compile(r"<>|<=|>=|~=|=|<|>")
_VALUE = re.compile(r"(?:[^()\\]|\\[0-9A-Fa-f]{2})*")
_PATTERN_TOKEN = re.compile(r"\\.|[^\\]", re.DOTALL)
_ESCAPED = re.compile(r"(?:\\[0-9A-Fa-f]{2})+")


class FilterError(ValueError):
    """Raised for a text that is no filter; says where it ceases to be one."""


def read_search_filter(text: str) -> SearchFilter:
    """Answers with the filter that a text describes; `str` of it describes it again.

    Raises:
        FilterError: The text is no filter.
    """
    reader = _Reader(text)
    found = reader.filter(0)
    reader.skip(_BLANKS)
    if reader.at != len(text):
        raise reader.error("nothing more after the filter")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def filter(self, depth: int) -> SearchFilter:
        if depth > _DEEPEST:
            raise self.error(f"at most {_DEEPEST} filters within one another")
        self.expect("(")
        sign = self.peek()
        if sign and sign in "&|!":
            self.at += 1
            found = self._group(sign, depth + 1)
        else:
            found = self._comparison()
        self.expect(")")
        return found

    def _group(self, sign: str, depth: int) -> SearchFilter:
        if sign == "!":
            return Not(self.filter(depth))
        parts = [self.filter(depth)]
        while self.peek() == "(":
            parts.append(self.filter(depth))
        return Every(tuple(parts)) if sign == "&" else Some(tuple(parts))

    def _comparison(self) -> Comparison:
        path = tuple(self.skip(_PATH).strip().removeprefix("/").split("/"))
        if not all(path):
            raise self.error("a path, such as /action, without empty names")
        operator = cast("Operator", self.skip(_OPERATOR))
        if not operator:
            raise self.error("one of = <> < <= > >= ~=")
        if operator == "~=":
            return Comparison(path, operator, (self._pattern(),))
        value = self.skip(_VALUE)
        pieces = value.split("*") if operator in {"=", "<>"} else [value]
        return Comparison(path, operator, tuple(self._unescaped(each) for each in pieces))

    def _pattern(self) -> str:
        start, depth = self.at, 0
        while match := _PATTERN_TOKEN.match(self.text, self.at):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth < 0:
                break
            self.at = match.end()
        pattern = self.text[start : self.at]
        if compiled(pattern) is None:
            raise self.error("a regular expression before this")
        return pattern

    def _unescaped(self, text: str) -> str:
        try:
            return _ESCAPED.sub(lambda run: bytes.fromhex(run[0].replace("\\", "")).decode(), text)
        except UnicodeDecodeError:
            raise self.error("UTF-8 in the escaped characters before this") from None

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[0]

    def peek(self) -> str:
        self.skip(_BLANKS)
        return self.text[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self.error(f'"{character}"')
        self.at += 1

    def error(self, expected: str) -> FilterError:
        found = f'"{self.text[self.at]}"' if self.at < len(self.text) else "the end"
        return FilterError(f"at character {self.at + 1}: expected {expected}, found {found}")
