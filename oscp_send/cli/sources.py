"""The files that are named on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "SourceProblem", "read_source"]

_STANDARD_INPUT = "-"


class SourceProblem(Exception):
    """Raised for a file of which nothing can be said.

    Attributes:
        name: The file, as a person calls it.
        path: The file as it was named; None for the standard input.
        problem: What is wrong, and what to do.
    """

    def __init__(self, name: str, path: str | None, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """What a file holds.

    Attributes:
        name: The file, as a person calls it.
        path: The file as it was named; None for the standard input.
        data: Its bytes; never nothing but white space.
    """

    name: str
    path: str | None
    data: bytes

    def problem(self, what: str) -> SourceProblem:
        """Answers with a problem of this file."""
        return SourceProblem(self.name, self.path, what)


def read_source(named: str) -> Source:
    """Answers with what a file holds; `-` is the standard input.

    Raises:
        SourceProblem: It is missing, unreadable or empty.
    """
    if named == _STANDARD_INPUT:
        source = Source("stdin", None, sys.stdin.buffer.read())
    else:
        source = Source(named, named, _bytes_of(named))
    if not source.data.strip():
        raise source.problem("it is empty; expected a message, or a whole request body, as JSON")
    return source


def _bytes_of(named: str) -> bytes:
    path = Path(named)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file"
    except IsADirectoryError:
        problem = f"it is a directory; name the files in it, such as {path / '*.json'}"
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"it cannot be read: {reason[:1].lower()}{reason[1:]}"
    except ValueError:  # a NUL character, which no shell can give
        problem = "no file can have that name"
    raise SourceProblem(named, named, problem) from None
