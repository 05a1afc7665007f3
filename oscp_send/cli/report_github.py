"""The report of `check` as annotations of a GitHub workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from oscp_send.cli.console import printable
from oscp_send.cli.report import fails, headline, place_of

if TYPE_CHECKING:
    from oscp_send.cli.examination import Examined, Located
    from oscp_send.cli.sources import SourceProblem

__all__ = ["GithubReport"]


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
