"""The files that are named on the command line: read, judged, and each finding placed in them."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Literal

import click

from oscp_schemas import Document, Fidelity, JsonError, read
from oscp_send.cli.main import USAGE, printable, unreadable
from oscp_send.findings import Finding, Judgement
from oscp_send.instruction import split
from oscp_send.judgement import INSTRUCTION_ACTIONS, check
from oscp_send.queue_size import MQTT_LIMIT
from oscp_send.request_findings import GivenParameters
from oscp_send.request_judgement import RequestJudgement, check_request
from oscp_send.solarnetwork import json_reading, texts
from oscp_send.solarnetwork.json_reading import read_json


class SourceProblem(click.ClickException):
    """Raised for a file that cannot be judged: what is wrong, and what to do."""

    exit_code = USAGE

    def __init__(self, name: str, path: str | None, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.path = path
        self.problem = problem

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - as click has it
        """Print the problem to the standard error."""
        click.echo(printable(str(self)), err=True)


@dataclass(frozen=True, slots=True)
class Source:
    """The content of a file, never white space alone; the standard input has no path."""

    name: str
    path: str | None
    data: bytes

    def problem(self, what: str) -> SourceProblem:
        """Return a problem of this file."""
        return SourceProblem(self.name, self.path, what)


def read_source(named: str, *, among_others: bool = False) -> Source:
    """Return the content of a file; `-` is the standard input.

    Args:
        named: As on the command line.
        among_others: Whether the command takes several files.

    Raises:
        SourceProblem: It is missing, unreadable or empty.
    """
    if named == "-":
        source = Source("stdin", None, sys.stdin.buffer.read())
    else:
        source = Source(named, named, _bytes_of(named, among_others=among_others))
    if not source.data.strip():
        raise source.problem("it is empty; expected a message, or a whole request body, as JSON")
    return source


def _bytes_of(named: str, *, among_others: bool) -> bytes:
    path = Path(named)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file"
    except IsADirectoryError:
        meant = f"the files in it, such as {path / '*.json'}" if among_others else "a file in it"
        problem = f"it is a directory; name {meant}"
    except OSError as error:
        problem = unreadable(error)
    except ValueError:  # a NUL character, which no shell can give
        problem = "no file can have that name"
    raise SourceProblem(named, named, problem) from None


def read_file(data: bytes) -> Document | JsonError:
    """Return the JSON of a file, in any encoding of Unicode, or why it is not JSON."""
    return read_json(json_reading.decoded(data))


def is_request(document: Document | JsonError) -> bool:
    """Return whether a file is a whole request body: no bare message has one of these keys."""
    if isinstance(document, JsonError) or not isinstance(document.value, dict):
        return False
    return not document.value.keys().isdisjoint({"nodeId", "params", "parameters"})


def message_text(data: bytes) -> str:
    """Return the text of a bare message, without the line end that editors add to a file.

    Raises:
        JsonError: It is not UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        read(data)  # raises, and says where
        raise
    return text.removesuffix("\n").removesuffix("\r")


Kind = Literal["refusal", "warning", "note"]

_ORDER: Final[tuple[Kind, ...]] = ("refusal", "warning", "note")


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and its place in the file: line and column, in characters, both from 1.

    One whose pointer is into the message inside a request body (`is_inside`) is placed at the
    beginning of the `msg` parameter's value.
    """

    finding: Finding
    line: int
    column: int
    is_inside: bool = False

    @property
    def kind(self) -> Kind:
        """How much it matters: only what SolarUser would refuse is a refusal."""
        if self.finding.severity == "info":
            return "note"
        is_refusal = self.finding.severity == "error" and self.finding.layer != "meaning"
        return "refusal" if is_refusal else "warning"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was judged: a whole request body, or else a bare message.

    Attributes:
        document: Its JSON; None where it is not JSON.
        parts: How many parts SolarUser cuts the message into.
        findings: Refusals first, then warnings, then notes, each in the order of the file.
    """

    source: Source
    document: Document | None
    judgement: Judgement | RequestJudgement
    parts: int
    findings: tuple[Located, ...]

    @property
    def is_request(self) -> bool:
        """Whether it is a whole request body."""
        return isinstance(self.judgement, RequestJudgement)

    def without_content(self) -> Examined:
        """Return it without what is in the file, which takes much more room than its findings."""
        return replace(self, source=replace(self.source, data=b""), document=None)

    def count(self, kind: Kind) -> int:
        """Return how many findings of a kind there are."""
        return sum(each.kind == kind for each in self.findings)


def examine(
    source: Source,
    action: str | None,
    fidelity: Fidelity,
    mqtt_limit: int = MQTT_LIMIT,
    now: datetime | None = None,
) -> Examined:
    """Judge a file: a whole request body, which names its action, or else a bare message.

    Blocks are past only where `now` is given.

    Raises:
        SourceProblem: It is a bare message, and no action was given.
    """
    document = read_file(source.data)
    body = document if isinstance(document, Document) else None
    if is_request(document) or (action is None and body is None):
        asked = check_request(body or source.data, fidelity, now=now, mqtt_limit=mqtt_limit)
        return _examined_request(source, document, asked)
    if action is None:
        raise source.problem(
            "it is not a whole request body (a JSON object with nodeId and params): say with "
            f"--action which OSCP message it is: {', '.join(INSTRUCTION_ACTIONS)}"
        )
    try:
        text = message_text(source.data)
    except JsonError as error:
        return _examined_message(source, error, "", _not_utf8(action, error, source.data))
    if body is None or source.data.startswith(BOM_UTF8):
        # The line end is not part of the message, and a byte-order mark is.
        document = read_json(text)
    message = document if isinstance(document, Document) else text
    judgement = check(action, message, fidelity, now=now, mqtt_limit=mqtt_limit)
    return _examined_message(source, document, text, judgement)


def _examined_request(
    source: Source, document: Document | JsonError, judgement: RequestJudgement
) -> Examined:
    body = document if isinstance(document, Document) else None
    given = GivenParameters.of(body.value if body else None)
    line, column = _place(document, given.place("msg"))
    inside = judgement.message.findings if judgement.message else ()
    found = [Located(each, *_place(document, each.pointer)) for each in judgement.findings]
    found += [Located(each, line, column, is_inside=True) for each in inside]
    parts = sum(len(split(text)) for name, text in given.texts() if name == "msg")
    return Examined(source, body, judgement, parts, _ordered(found))


def _examined_message(
    source: Source, document: Document | JsonError, text: str, judgement: Judgement
) -> Examined:
    placed = (Located(each, *_place(document, each.pointer)) for each in judgement.findings)
    message = document if isinstance(document, Document) else None
    return Examined(source, message, judgement, len(split(text)), _ordered(placed))


def _not_utf8(action: str, error: JsonError, data: bytes) -> Judgement:
    said = json_reading.mistake(error, data)
    text = texts.invalid_json(action, said.text if said else error.reason)
    finding = Finding("transport", "json", "error", "", f"not JSON: {error}")
    return Judgement(action, accepted=False, stage="json", error=text, findings=(finding,))


def _place(document: Document | JsonError, pointer: str) -> tuple[int, int]:
    """Return line and column of a value, or of the mistake in a file that is not JSON."""
    if isinstance(document, JsonError):
        return document.line, document.column
    try:
        return document.locate(pointer)
    except LookupError:
        return document.locate("")


def _ordered(found: Iterable[Located]) -> tuple[Located, ...]:
    def place(each: Located) -> tuple[int, int, int]:
        return _ORDER.index(each.kind), each.line, each.column

    return tuple(sorted(found, key=place))
