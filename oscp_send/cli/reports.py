"""The reports of `check`: for a person, for a program, and for continuous integration."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from oscp_schemas import Fidelity
from oscp_send.cli.ci import (
    Case,
    Level,
    add_to_summary,
    annotation,
    asked_reports,
    junit_xml,
    markdown_text,
    write_report,
)
from oscp_send.cli.files import Examined, Kind, Located, SourceProblem
from oscp_send.cli.main import Colour, Colours, Palette, count, printable


def fails(kind: Kind, *, is_strict: bool) -> bool:
    """Return whether a finding of this kind makes `check` fail."""
    return kind == "refusal" or (is_strict and kind == "warning")


def _headline(examined: Examined) -> str:
    """Return what SolarUser would do with a file, in one sentence."""
    if examined.status != 200:  # noqa: PLR2004 - an HTTP status
        return f"SolarUser would answer this with HTTP {examined.status} ({examined.stage})"
    if examined.stage is not None:
        return f"SolarUser would decline this ({examined.stage})"
    parts = count(examined.parts, "part")
    what = f"{examined.action}, {parts}" if examined.is_request else parts
    return f"SolarUser would queue it ({what})"


def _pointer(located: Located) -> str:
    """Return what a finding is about: a JSON Pointer, or nothing for the whole."""
    pointer = located.finding.pointer
    return f"msg {pointer}".rstrip() if located.is_inside else pointer


_WIDEST_PLACE: Final = 44
_WIDEST_MESSAGE: Final = 60
_MOST_NAMES: Final = 5
_KINDS: Final[tuple[tuple[Kind, Colour], ...]] = (
    ("refusal", "red"),
    ("warning", "yellow"),
    ("note", "cyan"),
)


class TextReport:
    """For a person: each file's verdict, its findings below, and at the end their number.

    What is in brackets behind a finding is for `oscp-send explain`.
    """

    def __init__(
        self, stream: TextIO, *, is_strict: bool = False, colours: Colours = "auto"
    ) -> None:
        self._stream = stream
        self._palette = Palette(stream, colours)
        self._is_strict = is_strict
        self._found: Counter[Kind] = Counter()
        self._names: dict[str, None] = {}
        self._files = 0
        self._unread = 0

    def add(self, examined: Examined) -> None:
        """Write about a file."""
        self._files += 1
        self._found.update(each.kind for each in examined.findings)
        for each in examined.findings:
            self._names |= dict.fromkeys(each.finding.names)
        self._line(f"{printable(examined.source.name)}: {self._verdict(examined)}")
        if examined.findings:
            self._line("")
            self._write_findings(examined)
            self._line("")

    def add_problem(self, problem: SourceProblem) -> None:
        """Write that a file could not be judged, where errors are written."""
        self._files += 1
        self._unread += 1
        problem.show()

    def finish(self) -> None:
        """Write how many findings there were, and what explains them.

        Nothing for a single good file.
        """
        totals = [
            self._palette.paint(count(self._found[kind], kind), colour)
            for kind, colour in _KINDS
            if self._found[kind]
        ]
        if self._unread and self._files > 1:
            totals.append(f"{count(self._unread, 'file')} not read")
        if not totals and self._files > 1:
            totals = ["all good"]
        if totals:
            files = f"{self._files} files: " if self._files > 1 else ""
            self._line(files + ", ".join(totals))
        if self._names:
            names = " ".join(list(self._names)[:_MOST_NAMES])
            self._line(self._palette.paint(f"oscp-send explain {names} says more", dim=True))

    def _verdict(self, examined: Examined) -> str:
        sentence = printable(_headline(examined))
        if examined.stage is not None:
            return self._palette.paint(sentence, "red")
        if not examined.count("warning"):
            return f"{self._palette.paint('good', 'green')}: {sentence}"
        if fails("warning", is_strict=self._is_strict):
            sentence += ", --strict does not let it pass"
        return self._palette.paint(sentence, "yellow")

    def _write_findings(self, examined: Examined) -> None:
        rows = [(each, *_left(each, examined)) for each in examined.findings]
        fitting = [len(text) for _, *left in rows for text in left if len(text) <= _WIDEST_PLACE]
        left_width = max(fitting, default=0)
        texts = [len(printable(each.finding.message)) for each, *_ in rows]
        text_width = max([text for text in texts if text <= _WIDEST_MESSAGE], default=0)
        for each, pointer, place in rows:
            tag = self._palette.paint(_tag(each), dim=True)
            message = f"{printable(each.finding.message):<{text_width}}   {tag}"
            self._write_row(pointer, message, left_width, dict(_KINDS)[each.kind])
            self._write_row(place, printable(each.finding.hint), left_width)

    def _write_row(
        self, left: str, right: str, left_width: int, colour: Colour | None = None
    ) -> None:
        painted = self._palette.paint(left, colour, dim=colour is None)
        if len(left) > left_width:
            # It has a line of its own, and nothing is left of the text below.
            self._line(f"  {painted}")
            left = painted = ""
        padding = " " * (left_width - len(left))
        self._line(f"  {painted}{padding}   {right}".rstrip())

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")


def _left(located: Located, examined: Examined) -> tuple[str, str]:
    """Return what is to the left of a message, and to the left of its hint."""
    whole = "the request" if examined.is_request else "the message"
    name = printable(examined.source.name)
    return printable(_pointer(located)) or whole, f"{name}:{located.line}:{located.column}"


def _tag(located: Located) -> str:
    """Return what distinguishes a finding from a plain refusal, and its names in brackets."""
    finding = located.finding
    words: list[str] = []
    if located.kind == "note" or (located.kind == "warning" and finding.layer != "meaning"):
        words.append(located.kind)
    if finding.layer == "meaning":
        words.append("meaning")
    if finding.source == "observed":
        words.append("as observed")
    return f"{', '.join(words)} [{', '.join(finding.names)}]".lstrip()


class JsonReport:
    """For a program: one JSON object, written at the end."""

    def __init__(self, stream: TextIO, fidelity: Fidelity, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._fidelity = fidelity
        self._is_strict = is_strict
        self._files: list[dict[str, Any]] = []

    def add(self, examined: Examined) -> None:
        """Keep a file."""
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
                "findings": [_values(each) for each in examined.findings],
            }
        )

    def add_problem(self, problem: SourceProblem) -> None:
        """Keep a file that could not be judged."""
        self._files.append({"file": problem.name, "passed": False, "problem": problem.problem})

    def finish(self) -> None:
        """Write everything."""
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


def _values(located: Located) -> dict[str, Any]:
    return {
        "kind": located.kind,
        "line": located.line,
        "column": located.column,
        "inside": "message" if located.is_inside else None,
        **located.finding.to_dict(),
    }


class JunitReport:
    """For continuous integration: JUnit XML with a test case a file, written at the end."""

    def __init__(self, stream: TextIO, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._is_strict = is_strict
        self._cases: list[Case] = []

    def add(self, examined: Examined) -> None:
        """Keep a file."""
        kinds = [each.kind for each in examined.findings]
        has_failed = any(fails(each, is_strict=self._is_strict) for each in kinds)
        told = "\n".join(_told(each, examined) for each in examined.findings)
        failure = _headline(examined) if has_failed else None
        detail, output = (told, "") if has_failed else ("", told)
        name = examined.source.name
        self._cases.append(Case(_SUITE, name, 0.0, failure, "finding", detail, output))

    def add_problem(self, problem: SourceProblem) -> None:
        """Keep a file that could not be judged."""
        text = problem.problem
        self._cases.append(Case(_SUITE, problem.name, 0.0, text, "not read", str(problem)))

    def finish(self) -> None:
        """Write everything."""
        self._stream.write(junit_xml(self._cases, _SUITE))


_SUITE: Final = "oscp-send check"


def _told(located: Located, examined: Examined) -> str:
    """Return a finding in lines, which end with the name of its rule."""
    pointer, place = _left(located, examined)
    finding = located.finding
    hint = f"\n  {finding.hint}" if finding.hint else ""
    return f"{place}  {located.kind}  {pointer}: {finding.message} ({finding.rule}){hint}"


class GithubReport:
    """For GitHub: a workflow command for each finding, and a plain line for each file.

    What makes the check fail is an error, other warnings are warnings, and notes are notices. The
    summary of the step, if there is one, has a row for each file.
    """

    def __init__(self, stream: TextIO, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._is_strict = is_strict
        self._rows: list[str] = []

    def add(self, examined: Examined) -> None:
        """Write about a file."""
        kinds = [each.kind for each in examined.findings]
        has_failed = any(fails(each, is_strict=self._is_strict) for each in kinds)
        self._add_row(examined.source.name, _headline(examined), is_good=not has_failed)
        self._line(f"{printable(examined.source.name)}: {printable(_headline(examined))}")
        for each in examined.findings:
            self._annotate(each, examined.source.path)

    def add_problem(self, problem: SourceProblem) -> None:
        """Write that a file could not be judged."""
        self._add_row(problem.name, problem.problem, is_good=False)
        self._line(annotation("error", str(problem), "not read", problem.path))

    def finish(self) -> None:
        """Write the summary; GitHub counts the annotations itself."""
        head = ["## oscp-send check", "", "| file | | |", "|---|---|---|"]
        add_to_summary("\n".join([*head, *self._rows, ""]))

    def _add_row(self, name: str, text: str, *, is_good: bool) -> None:
        sign = "\N{WHITE HEAVY CHECK MARK}" if is_good else "\N{CROSS MARK}"
        self._rows.append(f"| {markdown_text(name)} | {sign} | {markdown_text(text)} |")

    def _annotate(self, located: Located, path: str | None) -> None:
        finding = located.finding
        level: Level = "notice" if located.kind == "note" else "warning"
        if fails(located.kind, is_strict=self._is_strict):
            level = "error"
        place = (None, None) if path is None else (located.line, located.column)
        pointer = _pointer(located)
        what = f"{pointer}: {finding.message}" if pointer else finding.message
        text = "\n".join(printable(part) for part in (what, finding.hint) if part)
        title = f"OSCP {finding.layer}, {finding.rule}"
        self._line(annotation(level, text, title, path, *place))

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")


@dataclass(frozen=True, slots=True)
class _File:
    """A file as the page shows it."""

    name: str
    is_good: bool
    headline: str
    findings: tuple[Located, ...] = ()


class HtmlReport:
    """For people who run nothing: one page, written at the end."""

    def __init__(self, stream: TextIO, fidelity: Fidelity, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._fidelity = fidelity
        self._is_strict = is_strict
        self._files: list[_File] = []

    def add(self, examined: Examined) -> None:
        """Keep a file."""
        is_good = not any(fails(each.kind, is_strict=self._is_strict) for each in examined.findings)
        name, headline = examined.source.name, _headline(examined)
        self._files.append(_File(name, is_good, headline, examined.findings))

    def add_problem(self, problem: SourceProblem) -> None:
        """Keep a file that could not be judged."""
        self._files.append(_File(problem.name, is_good=False, headline=problem.problem))

    def finish(self) -> None:
        """Write everything."""
        from oscp_send.cli.page import render

        page = render(
            Path(__file__).with_name("check.html"),
            files=self._files,
            fidelity=self._fidelity,
            is_strict=self._is_strict,
            version=version("oscp-rehearsal"),
        )
        self._stream.write(page)


class Report(Protocol):
    """What is told about each file, and at the end."""

    def add(self, examined: Examined) -> None:
        """Take a file that was judged."""

    def add_problem(self, problem: SourceProblem) -> None:
        """Take a file that could not be judged."""

    def finish(self) -> None:
        """Write what is left."""


class FileReport:
    """A report that is written to a file at the end."""

    def __init__(self, kind: str, path: Path, fidelity: Fidelity, *, is_strict: bool) -> None:
        self._path = path
        self._written = StringIO()
        self._report = report_of(kind, self._written, fidelity, is_strict=is_strict)

    def add(self, examined: Examined) -> None:
        """Take a file that was judged."""
        self._report.add(examined)

    def add_problem(self, problem: SourceProblem) -> None:
        """Take a file that could not be judged."""
        self._report.add_problem(problem)

    def finish(self) -> None:
        """Write the file."""
        self._report.finish()
        write_report(self._path, self._written.getvalue())


def report_of(
    kind: str, stream: TextIO, fidelity: Fidelity, *, is_strict: bool, colours: Colours = "auto"
) -> Report:
    """Return a report of a kind, `text` where it is none of the others, that writes to a stream."""
    match kind:
        case "json":
            return JsonReport(stream, fidelity, is_strict=is_strict)
        case "github":
            return GithubReport(stream, is_strict=is_strict)
        case "html":
            return HtmlReport(stream, fidelity, is_strict=is_strict)
        case "junit":
            return JunitReport(stream, is_strict=is_strict)
        case _:
            return TextReport(stream, is_strict=is_strict, colours=colours)


def asked_for(reports: Iterable[str], fidelity: Fidelity, *, is_strict: bool) -> Iterator[Report]:
    """Yield the reports that are asked for, each as `KIND=FILE`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    for kind, path in asked_reports(reports):
        if path is None:
            yield report_of(kind, sys.stdout, fidelity, is_strict=is_strict)
        else:
            yield FileReport(kind, path, fidelity, is_strict=is_strict)
