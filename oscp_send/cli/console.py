"""Text for a person at a terminal, or in the log of a job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["Palette", "count", "printable", "printable_lines"]

Colour = Literal["green", "red", "yellow", "cyan"]


class Palette:
    """Paints on a terminal, unless `NO_COLOR` is set to something.

    Args:
        stream: Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.is_on = stream.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, colour: Colour | None = None, *, dim: bool = False) -> str:
        """Answers with the text, coloured where that is wanted."""
        return click.style(text, fg=colour, dim=dim or None) if self.is_on else text


def printable(text: str) -> str:
    """Answers with a text in which everything is escaped that is not seen or could move a cursor.

    What a file or a service says cannot repaint the terminal.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def printable_lines(text: str) -> str:
    """Answers with a printable text that keeps its lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def count(number: int, thing: str) -> str:
    """Answers with a number and its thing, in the plural where it is due."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
