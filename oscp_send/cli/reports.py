"""The report of `check` as annotations of a GitHub workflow."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

import click

if TYPE_CHECKING:
    from oscp_schemas.date_time import Fidelity
    from oscp_send.cli.files import Examined, Kind, Located, SourceProblem

__all__ = [
    "GithubReport",
    "JsonReport",
    "Palette",
    "Report",
    "TextReport",
    "count",
    "fails",
    "headline",
    "place_of",
    "printable",
    "printable_lines",
]


# § Text for a person at a terminal, or in the log of a job.

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


# § What a report of `check` is told, whatever it makes of it.


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


# § The report of `check` for a person.

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


# § The report of `check` for a program.


class JsonReport:
    """Writes one JSON object at the end.

    Args:
        stream: Any text stream.
        fidelity: The side that was followed.
        is_strict: Whether warnings fail.
    """

    def __init__(self, stream: TextIO, fidelity: Fidelity, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._fidelity = fidelity
        self._is_strict = is_strict
        self._files: list[dict[str, Any]] = []

    def tell(self, examined: Examined) -> None:
        """Keeps a file."""
        passed = not any(fails(each.kind, is_strict=self._is_strict) for each in examined.findings)
        self._files.append(
            {
                "file": examined.source.name,
                "is": "request" if examined.is_request else "message",
                "action": examined.action,
                "passed": passed and examined.stage is None,
                "accepted": examined.stage is None,
                "status": examined.status,
                "stage": examined.stage,
                "error": examined.error,
                "parts": examined.parts,
                "findings": [_finding(each) for each in examined.findings],
            }
        )

    def tell_problem(self, problem: SourceProblem) -> None:
        """Keeps a file that could not be judged."""
        self._files.append({"file": problem.name, "passed": False, "problem": problem.problem})

    def finish(self) -> None:
        """Writes everything."""
        kinds = [each["kind"] for file in self._files for each in file.get("findings", ())]
        report = {
            "fidelity": self._fidelity,
            "strict": self._is_strict,
            "passed": all(file["passed"] for file in self._files),
            "refusals": kinds.count("refusal"),
            "warnings": kinds.count("warning"),
            "notes": kinds.count("note"),
            "files": self._files,
        }
        self._stream.write(json.dumps(report, indent=2) + "\n")


def _finding(located: Located) -> dict[str, Any]:
    return {
        "kind": located.kind,
        "line": located.line,
        "column": located.column,
        "inside": "message" if located.is_inside else None,
        **located.finding.to_dict(),
    }


class GithubReport:
    """Writes a workflow command for each finding, and a plain line for each file.

    What makes the check fail is an error, other warnings are warnings, and notes are notices.

    Args:
        stream: Any text stream.
        is_strict: Whether warnings fail.
    """

    def __init__(self, stream: TextIO, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._is_strict = is_strict

    def tell(self, examined: Examined) -> None:
        """Writes about a file."""
        self._line(f"{printable(examined.source.name)}: {printable(headline(examined))}")
        for each in examined.findings:
            self._annotate(each, examined.source.path)

    def tell_problem(self, problem: SourceProblem) -> None:
        """Writes that a file could not be judged."""
        file = _property("file", problem.path)
        self._line(f"::error {file}title={_value('not read')}::{_data(str(problem))}")

    def finish(self) -> None:
        """Writes nothing: GitHub counts the annotations."""

    def _annotate(self, located: Located, path: str | None) -> None:
        finding = located.finding
        level = "notice" if located.kind == "note" else "warning"
        if fails(located.kind, is_strict=self._is_strict):
            level = "error"
        place = f"line={located.line},col={located.column}," if path is not None else ""
        title = _value(f"OSCP {finding.layer}, {finding.rule}")
        pointer = place_of(located)
        said = f"{pointer}: {finding.message}" if pointer else finding.message
        text = "\n".join(printable(part) for part in (said, finding.hint) if part)
        self._line(f"::{level} {_property('file', path)}{place}title={title}::{_data(text)}")

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")


def _property(name: str, value: str | None) -> str:
    return "" if value is None else f"{name}={_value(value)},"


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
