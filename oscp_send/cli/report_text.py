"""The report of `check` for a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TextIO

import click

from oscp_send.cli.console import Colour, Palette, count, printable
from oscp_send.cli.report import fails, headline, place_of

if TYPE_CHECKING:
    from oscp_send.cli.examination import Examined, Kind, Located
    from oscp_send.cli.sources import SourceProblem

__all__ = ["TextReport"]

_WIDEST_PLACE = 44
_WIDEST_MESSAGE = 60
_KINDS: tuple[tuple[Kind, Colour], ...] = (
    ("refusal", "red"),
    ("warning", "yellow"),
    ("note", "cyan"),
)
_COLOURS: dict[Kind, Colour] = dict(_KINDS)


class TextReport:
    """Writes each file's verdict, its findings below, and at the end how many there were.

    Args:
        stream: Any text stream; colours are for terminals.
        is_strict: Whether warnings fail.
    """

    def __init__(self, stream: TextIO, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._palette = Palette(stream)
        self._is_strict = is_strict
        self._found: Counter[Kind] = Counter()
        self._files = 0
        self._unread = 0

    def tell(self, examined: Examined) -> None:
        """Writes about a file."""
        self._files += 1
        self._found.update(each.kind for each in examined.findings)
        self._line(f"{printable(examined.source.name)}: {self._verdict(examined)}")
        if examined.findings:
            self._line("")
            self._tell_findings(examined)
            self._line("")

    def tell_problem(self, problem: SourceProblem) -> None:
        """Writes that a file could not be judged, where errors are written."""
        self._files += 1
        self._unread += 1
        click.echo(printable(str(problem)), err=True)

    def finish(self) -> None:
        """Writes how many findings there were; of a single good file there is nothing to add."""
        said = [
            self._palette.paint(count(self._found[kind], kind), colour)
            for kind, colour in _KINDS
            if self._found[kind]
        ]
        if self._unread and self._files > 1:
            said.append(f"{count(self._unread, 'file')} not read")
        if not said and self._files > 1:
            said = ["all good"]
        if said:
            files = f"{self._files} files: " if self._files > 1 else ""
            self._line(files + ", ".join(said))

    def _verdict(self, examined: Examined) -> str:
        sentence = printable(headline(examined))
        if examined.stage is not None:
            return self._palette.paint(sentence, "red")
        if not examined.count("warning"):
            return f"{self._palette.paint('good', 'green')}: {sentence}"
        if fails("warning", is_strict=self._is_strict):
            sentence += ", --strict does not let it pass"
        return self._palette.paint(sentence, "yellow")

    def _tell_findings(self, examined: Examined) -> None:
        rows = [(each, *_left(each, examined)) for each in examined.findings]
        fitting = [len(text) for _, *left in rows for text in left if len(text) <= _WIDEST_PLACE]
        left_width = max(fitting, default=0)
        texts = [len(printable(each.finding.message)) for each, *_ in rows]
        text_width = max([text for text in texts if text <= _WIDEST_MESSAGE], default=0)
        for each, place, where in rows:
            self._tell_finding(each, place, where, (left_width, text_width))

    def _tell_finding(
        self, located: Located, place: str, where: str, widths: tuple[int, int]
    ) -> None:
        left_width, text_width = widths
        finding, paint = located.finding, self._palette.paint
        message, tag = printable(finding.message), _tag(located)
        if tag:
            message = f"{message:<{text_width}}   {paint(tag, dim=True)}"
        pairs = [(place, _COLOURS[located.kind], message), (where, None, printable(finding.hint))]
        for left, colour, right in pairs:
            painted = paint(left, colour, dim=colour is None)
            if len(left) > left_width:
                self._line(f"  {painted}")
                left = painted = ""  # noqa: PLW2901 - what is left of it
            padding = " " * (left_width - len(left))
            self._line(f"  {painted}{padding}   {right}".rstrip())

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")


def _left(located: Located, examined: Examined) -> tuple[str, str]:
    """Answers with what stands to the left of a message, and to the left of its hint."""
    whole = "the request" if examined.is_request else "the message"
    name = printable(examined.source.name)
    return printable(place_of(located)) or whole, f"{name}:{located.line}:{located.column}"


def _tag(located: Located) -> str:
    """Answers with what sets a finding apart from a plain refusal."""
    finding = located.finding
    said: list[str] = []
    if located.kind == "note" or (located.kind == "warning" and finding.layer != "meaning"):
        said.append(located.kind)
    if finding.layer == "meaning":
        said.append(f"meaning, {finding.rule}")
    if finding.source == "observed":
        said.append("as observed")
    return ", ".join(said)
