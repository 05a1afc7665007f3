"""What continuous integration reads: JUnit XML, GitHub's annotations and step summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from oscp_schemas.show import nearest
from oscp_send.cli.main import USAGE, printable, printable_lines

if TYPE_CHECKING:
    from junitparser.xunit2 import TestCase

Level = Literal["error", "warning", "notice"]


# How each kind of report is asked for.
_WAYS: Final[Mapping[str, str]] = {
    "junit": "junit=FILE",
    "json": "json=FILE",
    "html": "html=FOLDER",
    "github": "github",
}


def asked_reports(reports: Iterable[str]) -> Iterator[tuple[str, Path | None]]:
    """Yield the kind of each report that is asked for, and its path; None where it takes none.

    Args:
        reports: Each as `KIND=PATH`, or `github`.

    Raises:
        ValueError: One cannot be written, or is asked for twice; it says what to write instead.
    """
    places = set()
    for report in reports:
        kind, name = _kind_and_name(report)
        path = None
        if name:
            path = page_path(name) if kind == "html" else writable(Path(name))
        place = str(path or kind)
        if place in places:
            raise ValueError(f"{report!r} and a report before it would be written to one place")
        places.add(place)
        yield kind, path


def _kind_and_name(report: str) -> tuple[str, str]:
    kind, equals, name = report.partition("=")
    if kind not in _WAYS:
        meant = nearest(kind, _WAYS)
        hint = f'; did you mean "{meant}"?' if meant else ""
        *first, last = _WAYS.values()
        asked = f"{', '.join(first)} or {last}"
        raise ValueError(f"{report!r} is not a report: write it as {asked}{hint}")
    takes_path = "=" in _WAYS[kind]
    if takes_path and not name:
        raise ValueError(f"{report!r} does not say where to write it: {_WAYS[kind]}")
    if equals and not takes_path:
        raise ValueError(f"{report!r} takes no path: write {kind} alone")
    return kind, name


def writable(path: Path) -> Path:
    """Return a path where a file can be written; its folder is made, which shows that it can be.

    Raises:
        ValueError: It cannot; it says why.
    """
    try:
        return _written_to(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path} cannot be written: {reason[:1].lower()}{reason[1:]}") from None


def _written_to(path: Path) -> Path:
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    folder = next((each for each in path.absolute().parents if each.exists()), path)
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ValueError(f"{path} cannot be written: permission denied")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def page_path(name: str) -> Path:
    """Return where a page can be written: in a folder, or the file that is named.

    Raises:
        ValueError: It cannot; it says why.
    """
    path = Path(name)
    is_file = path.suffix.lower() in {".html", ".htm"}
    return writable(path if is_file else path / "index.html")


class NotWritten(click.ClickException):
    """Raised where a report cannot be written; a command ends with 2."""

    exit_code = USAGE

    @classmethod
    def of(cls, path: object, error: OSError) -> NotWritten:
        """Make one that says why."""
        return cls(f"the report {error.filename or path} cannot be written: {error.strerror}")


def write_report(path: Path, text: str) -> None:
    """Write a report, and its folder if there is none.

    Raises:
        NotWritten: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise NotWritten.of(path, error) from None


@dataclass(frozen=True, slots=True)
class Case:
    """A test case.

    Attributes:
        suite: The suite that it belongs to.
        name: Its name, within the suite.
        duration: Seconds.
        failure: Why it failed, in one line; None where it passed.
        kind: What a failure is, as `expectation`.
        detail: What there is to say of a failure, in lines.
        output: What else there is to read, in lines.
        is_skipped: Whether it did not run.
    """

    suite: str
    name: str
    duration: float = 0.0
    failure: str | None = None
    kind: str = "failure"
    detail: str = ""
    output: str = ""
    is_skipped: bool = False


def junit_xml(cases: Iterable[Case], name: str) -> str:
    """Return test cases as JUnit XML, as Jenkins' schema junit-10.xsd has it.

    Args:
        cases: Those of a suite follow one another.
        name: Of all the suites together.
    """
    from junitparser.xunit2 import JUnitXml, TestSuite

    together = JUnitXml(printable(name))
    for suite_name, members in groupby(cases, key=attrgetter("suite")):
        suite = TestSuite(printable(suite_name))
        suite.add_testcases([_case(each) for each in members])
        together.add_testsuite(suite)
    together.update_statistics()
    return f'<?xml version="1.0" encoding="utf-8"?>\n{together.tostring().decode()}\n'


def _case(case: Case) -> TestCase:
    from junitparser import Failure, Skipped
    from junitparser.xunit2 import TestCase

    # The schema takes milliseconds, and nothing finer.
    made = TestCase(printable(case.name), printable(case.suite), round(case.duration, 3))
    if case.failure is not None:
        failure = Failure(printable(case.failure), case.kind)
        failure.text = printable_lines(case.detail)
        made.result = [failure]
    if case.is_skipped:
        made.result = [Skipped()]
    if case.output:
        made.system_out = printable_lines(case.output)
    return made


def annotation(
    level: Level,
    text: str,
    title: str,
    file: str | None = None,
    line: int | None = None,
    column: int | None = None,
) -> str:
    """Return a workflow command with which GitHub shows a text beside a line of a file."""
    places = {"file": file, "line": line, "col": column, "title": title}
    properties = ",".join(
        f"{name}={_escaped_value(str(value))}"
        for name, value in places.items()
        if value is not None
    )
    return f"::{level} {properties}::{_escaped(printable_lines(text))}"


def _escaped_value(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


_MARKS: Final = frozenset("\\`*_[]>|#~")
_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
# GitHub takes a megabyte of each step, and nothing of one that is longer.
_LONGEST_SUMMARY: Final = 1_000_000
_CUT: Final = "\n\nThe rest is left out here: GitHub takes one megabyte.\n"


def add_to_summary(markdown: str) -> None:
    """Append to the summary of the GitHub step that this runs in, if it does.

    Raises:
        NotWritten: The file that GitHub names cannot be written.
    """
    path = os.environ.get(_SUMMARY)
    if not path:
        return
    text = markdown.encode()
    if len(text) > _LONGEST_SUMMARY:
        text = text[:_LONGEST_SUMMARY].rpartition(b"\n")[0] + _CUT.encode()
    try:
        with Path(path).open("ab") as file:
            file.write(text)
    except OSError as error:
        raise NotWritten.of(path, error) from None


def markdown_text(text: str) -> str:
    """Return a text so that Markdown shows it as it is, also within a cell of a table."""
    shown = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{each}" if each in _MARKS else each for each in shown)


def fenced(text: str) -> str:
    """Return lines as a block of code, whatever they hold."""
    lines = printable_lines(text)
    longest = max((len(each) for each in re.findall("`+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{lines}\n{fence}"
