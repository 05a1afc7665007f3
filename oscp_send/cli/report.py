"""What a report of `check` is told, whatever it makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from oscp_send.cli.examination import Examined, Kind, Located
    from oscp_send.cli.sources import SourceProblem

__all__ = ["Report", "fails", "headline", "place_of"]


class Report(Protocol):
    """Is told of each file in turn, and then that there are no more."""

    def tell(self, examined: Examined) -> None:
        """Takes a file that was judged."""

    def tell_problem(self, problem: SourceProblem) -> None:
        """Takes a file of which nothing can be said."""

    def finish(self) -> None:
        """Writes what remains to be written."""


def fails(kind: Kind, *, is_strict: bool) -> bool:
    """Tells whether a finding of this kind makes `check` fail."""
    return kind == "refusal" or (is_strict and kind == "warning")


def headline(examined: Examined) -> str:
    """Answers with what would become of a file, in one sentence."""
    if examined.status != 200:  # noqa: PLR2004 - an HTTP status
        return f"SolarUser would answer this with HTTP {examined.status} ({examined.stage})"
    if examined.stage is not None:
        return f"SolarUser would decline this ({examined.stage})"
    parts = f"{examined.parts} part" + ("" if examined.parts == 1 else "s")
    what = f"{examined.action}, {parts}" if examined.is_request else parts
    return f"SolarUser would queue it ({what})"


def place_of(located: Located) -> str:
    """Answers with what a finding is about: a JSON Pointer, or the whole of something."""
    pointer = located.finding.pointer
    if located.is_inside:
        return f"msg {pointer}".rstrip()
    return pointer
