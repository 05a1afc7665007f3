"""The reports of `check`: for a person, for a program, and for continuous integration."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TextIO

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
    judgement = examined.judgement
    if judgement.status != 200:  # noqa: PLR2004 - an HTTP status
        return f"SolarUser would answer this with HTTP {judgement.status} ({judgement.stage})"
    if not judgement.accepted:
        return f"SolarUser would decline this ({judgement.stage})"
    parts = count(examined.parts, "part")
    what = f"{judgement.action}, {parts}" if examined.is_request else parts
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


class _Told(NamedTuple):
    """What a page or a table tells of a file."""

    name: str
    headline: str
    is_good: bool
    findings: tuple[Located, ...] = ()


class Report:
    """What is told about each file as it is judged, and at the end.

    Args:
        stream: Where it is written.
        fidelity: What the files are judged by.
        is_strict: Whether warnings make `check` fail.
        colours: Whether to colour it, where it may be.
        path: The file to write it to at the end, in the stream's place.
    """

    def __init__(
        self,
        stream: TextIO,
        fidelity: Fidelity = "documented",
        *,
        is_strict: bool = False,
        colours: Colours = "auto",
        path: Path | None = None,
        is_beside: bool = False,
    ) -> None:
        self._path = path
        self._is_beside = is_beside
        self._stream = stream if path is None else StringIO()
        self._fidelity = fidelity
        self._is_strict = is_strict
        self._palette = Palette(stream, colours)
        self._files: list[Examined | SourceProblem] = []

    def add(self, examined: Examined) -> None:
        """Take a file that was judged."""
        self._files.append(examined.without_content())

    def add_problem(self, problem: SourceProblem) -> None:
        """Take a file that could not be judged."""
        self._files.append(problem)

    def finish(self) -> None:
        """Write what is left, and the file if it is to be one."""
        self._end()
        self._stream.flush()
        if self._path is not None:
            self._stream.seek(0)
            write_report(self._path, self._stream.read())

    def _end(self) -> None:
        raise NotImplementedError

    def _passes(self, examined: Examined) -> bool:
        return not any(fails(each.kind, is_strict=self._is_strict) for each in examined.findings)

    def _told(self, file: Examined | SourceProblem) -> _Told:
        if isinstance(file, SourceProblem):
            return _Told(file.name, file.problem, is_good=False)
        name = file.source.name
        return _Told(name, _headline(file), self._passes(file), file.findings)

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")


class TextReport(Report):
    """For a person: each file's verdict, its findings below, and at the end their number.

    What is in brackets behind a finding is for `oscp-send explain`.
    """

    def add(self, examined: Examined) -> None:
        """Write about a file."""
        super().add(examined)
        self._line(f"{printable(examined.source.name)}: {self._verdict(examined)}")
        if examined.findings:
            self._line("")
            self._write_findings(examined)
            self._line("")

    def add_problem(self, problem: SourceProblem) -> None:
        """Write that a file could not be judged, where errors are written."""
        super().add_problem(problem)
        problem.show()

    def _end(self) -> None:
        """Write how many findings there were, and what explains them.

        Nothing for a single good file.
        """
        read = [each for each in self._files if isinstance(each, Examined)]
        findings = [found for each in read for found in each.findings]
        counted = Counter(each.kind for each in findings)
        totals = [
            self._palette.paint(count(counted[kind], kind), colour)
            for kind, colour in _KINDS
            if counted[kind]
        ]
        unread, are_many = len(self._files) - len(read), len(self._files) > 1
        if unread and are_many:
            totals.append(f"{count(unread, 'file')} not read")
        if are_many:
            self._line(f"{len(self._files)} files: {', '.join(totals or ['all good'])}")
        elif totals:
            self._line(", ".join(totals))
        if findings:
            names = dict.fromkeys(name for each in findings for name in each.finding.names)
            shown = " ".join(list(names)[:_MOST_NAMES])
            self._line(self._palette.paint(f"oscp-send explain {shown} says more", dim=True))

    def _verdict(self, examined: Examined) -> str:
        sentence = printable(_headline(examined))
        if not examined.judgement.accepted:
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


class JsonReport(Report):
    """For a program: one JSON object, written at the end."""

    def _end(self) -> None:
        files = [self._file(each) for each in self._files]
        kinds = [each["kind"] for file in files for each in file.get("findings", ())]
        report = {
            "fidelity": self._fidelity,
            "strict": self._is_strict,
            "passed": all(file["passed"] for file in files),
            "refusals": kinds.count("refusal"),
            "warnings": kinds.count("warning"),
            "notes": kinds.count("note"),
            "files": files,
        }
        self._line(json.dumps(report, indent=2))

    def _file(self, file: Examined | SourceProblem) -> dict[str, Any]:
        if isinstance(file, SourceProblem):
            return {"file": file.name, "passed": False, "problem": file.problem}
        judgement = file.judgement
        return {
            "file": file.source.name,
            "is": "request" if file.is_request else "message",
            "action": judgement.action,
            "passed": self._passes(file) and judgement.accepted,
            "accepted": judgement.accepted,
            "status": judgement.status,
            "stage": judgement.stage,
            "error": judgement.error,
            "parts": file.parts,
            "findings": [_values(each) for each in file.findings],
        }


def _values(located: Located) -> dict[str, Any]:
    return {
        "kind": located.kind,
        "line": located.line,
        "column": located.column,
        "inside": "message" if located.is_inside else None,
        **located.finding.to_dict(),
    }


class JunitReport(Report):
    """For continuous integration: JUnit XML with a test case a file, written at the end."""

    def _end(self) -> None:
        self._stream.write(junit_xml(map(self._case, self._files), _SUITE))

    def _case(self, file: Examined | SourceProblem) -> Case:
        if isinstance(file, SourceProblem):
            return Case(_SUITE, file.name, 0.0, file.problem, "not read", str(file))
        told = "\n".join(_in_lines(each, file) for each in file.findings)
        if self._passes(file):
            return Case(_SUITE, file.source.name, output=told)
        return Case(_SUITE, file.source.name, 0.0, _headline(file), "finding", told)


_SUITE: Final = "oscp-send check"


def _in_lines(located: Located, examined: Examined) -> str:
    """Return a finding in lines, which end with the name of its rule."""
    pointer, place = _left(located, examined)
    finding = located.finding
    hint = f"\n  {finding.hint}" if finding.hint else ""
    return f"{place}  {located.kind}  {pointer}: {finding.message} ({finding.rule}){hint}"


class GithubReport(Report):
    """For GitHub: a workflow command for each finding, and a plain line for each file.

    Beside another report, which has such a line, there is none.

    What makes the check fail is an error, other warnings are warnings, and notes are notices. The
    summary of the step, if there is one, has a row for each file.
    """

    def add(self, examined: Examined) -> None:
        """Write about a file."""
        super().add(examined)
        if not self._is_beside:
            self._line(f"{printable(examined.source.name)}: {printable(_headline(examined))}")
        for each in examined.findings:
            self._annotate(each, examined.source.path)

    def add_problem(self, problem: SourceProblem) -> None:
        """Write that a file could not be judged."""
        super().add_problem(problem)
        self._line(annotation("error", str(problem), "not read", problem.path))

    def _end(self) -> None:
        # GitHub counts the annotations itself.
        head = ["## oscp-send check", "", "| file | | |", "|---|---|---|"]
        add_to_summary("\n".join([*head, *map(self._row, self._files), ""]))

    def _row(self, file: Examined | SourceProblem) -> str:
        told = self._told(file)
        sign = "\N{WHITE HEAVY CHECK MARK}" if told.is_good else "\N{CROSS MARK}"
        return f"| {markdown_text(told.name)} | {sign} | {markdown_text(told.headline)} |"

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


class HtmlReport(Report):
    """For people who run nothing: one page, written at the end."""

    def _end(self) -> None:
        from oscp_send.cli.page import render

        page = render(
            Path(__file__).with_name("check.html"),
            files=list(map(self._told, self._files)),
            fidelity=self._fidelity,
            is_strict=self._is_strict,
            version=version("oscp-rehearsal"),
        )
        self._stream.write(page)


#: What writes each kind of report.
REPORTS: Final[Mapping[str, type[Report]]] = MappingProxyType(
    {
        "github": GithubReport,
        "html": HtmlReport,
        "json": JsonReport,
        "junit": JunitReport,
        "text": TextReport,
    }
)


def asked_for(reports: Iterable[str], fidelity: Fidelity, *, is_strict: bool) -> Iterator[Report]:
    """Yield the reports that are asked for, each as `KIND=FILE`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    for kind, path in asked_reports(reports):
        report = REPORTS[kind]
        yield report(sys.stdout, fidelity, is_strict=is_strict, path=path, is_beside=True)
