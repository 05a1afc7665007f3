"""Text for a person at a terminal, or in the log of a job."""

from __future__ import annotations

import os
from typing import Literal, TextIO

import click

Colour = Literal["green", "red", "yellow", "cyan"]


class Palette:
    """Colours for a terminal; without effect elsewhere, or where `NO_COLOR` has a value."""

    def __init__(self, stream: TextIO) -> None:
        self._is_on = stream.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, colour: Colour | None = None, *, dim: bool = False) -> str:
        """Return the text, coloured if colours are on."""
        return click.style(text, fg=colour, dim=dim or None) if self._is_on else text


def printable(text: str) -> str:
    """Return a text with an escape for each character that is invisible or could move a cursor.

    So no file and no service can repaint the terminal.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def printable_lines(text: str) -> str:
    """Return a printable text that keeps its lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def count(number: int, thing: str) -> str:
    """Return a number and its thing, in the plural unless it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def unreadable(error: OSError) -> str:
    """Return why a file cannot be read."""
    reason = error.strerror or type(error).__name__
    return f"it cannot be read: {reason[:1].lower()}{reason[1:]}"
