"""One file judged: what it is, what would become of it, and where in it each finding is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from oscp_schemas import Document, JsonError, read
from oscp_send.findings import Finding, Judgement
from oscp_send.instruction import split
from oscp_send.judgement import INSTRUCTION_ACTIONS, check
from oscp_send.request_findings import GivenParameters
from oscp_send.request_judgement import RequestStage, check_request
from oscp_send.solarnetwork import json_reading, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oscp_schemas.date_time import Fidelity

__all__ = [
    "Examined",
    "Kind",
    "Located",
    "Source",
    "SourceProblem",
    "examine",
    "is_request",
    "message_text",
    "read_file",
    "read_source",
]


# § The files that are named on the command line.

_STANDARD_INPUT = "-"


class SourceProblem(Exception):
    """Raised for a file of which nothing can be said.

    Attributes:
        name: The file, as a person calls it.
        path: The file as it was named; None for the standard input.
        problem: What is wrong, and what to do.
    """

    def __init__(self, name: str, path: str | None, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Source:
    """What a file holds.

    Attributes:
        name: The file, as a person calls it.
        path: The file as it was named; None for the standard input.
        data: Its bytes; never nothing but white space.
    """

    name: str
    path: str | None
    data: bytes

    def problem(self, what: str) -> SourceProblem:
        """Answers with a problem of this file."""
        return SourceProblem(self.name, self.path, what)


def read_source(named: str) -> Source:
    """Answers with what a file holds; `-` is the standard input.

    Raises:
        SourceProblem: It is missing, unreadable or empty.
    """
    if named == _STANDARD_INPUT:
        source = Source("stdin", None, sys.stdin.buffer.read())
    else:
        source = Source(named, named, _bytes_of(named))
    if not source.data.strip():
        raise source.problem("it is empty; expected a message, or a whole request body, as JSON")
    return source


def _bytes_of(named: str) -> bytes:
    path = Path(named)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file"
    except IsADirectoryError:
        problem = f"it is a directory; name the files in it, such as {path / '*.json'}"
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"it cannot be read: {reason[:1].lower()}{reason[1:]}"
    except ValueError:  # a NUL character, which no shell can give
        problem = "no file can have that name"
    raise SourceProblem(named, named, problem) from None


Kind = Literal["refusal", "warning", "note"]

_ORDER: tuple[Kind, ...] = ("refusal", "warning", "note")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OK = 200


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and its place in the file.

    Attributes:
        finding: The finding.
        line: Its line, from 1.
        column: Its column, from 1, in characters. All that is found inside the `msg` parameter of
            a request body is at the beginning of its value.
        is_inside: Whether its pointer is into the message inside a request body.
    """

    finding: Finding
    line: int
    column: int
    is_inside: bool = False

    @property
    def kind(self) -> Kind:
        """What weight it has: only what SolarUser would refuse is a refusal."""
        if self.finding.severity == "info":
            return "note"
        is_refusal = self.finding.severity == "error" and self.finding.layer != "meaning"
        return "refusal" if is_refusal else "warning"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that was judged.

    Attributes:
        source: The file.
        is_request: Whether it is a whole request body, or else a bare message.
        action: The OSCP message name; None where a request body has none.
        status: The HTTP status with which SolarUser would answer.
        stage: Where it would be refused; None when it would be queued.
        error: The service's text for the refusal.
        parts: Into how many parts SolarUser cuts the message.
        findings: Refusals first, then warnings, then notes, each in the order of the file.
    """

    source: Source
    is_request: bool
    action: str | None
    status: int
    stage: RequestStage | None
    error: str | None
    parts: int
    findings: tuple[Located, ...]

    def count(self, kind: Kind) -> int:
        """Answers with how many findings of a kind there are."""
        return sum(each.kind == kind for each in self.findings)


class _Places:
    """Where things stand in a text that was read, or was not."""

    def __init__(self, document: Document | JsonError) -> None:
        self._document = document

    def of(self, pointer: str) -> tuple[int, int]:
        if isinstance(self._document, JsonError):
            return self._document.line, self._document.column
        try:
            return self._document.locate(pointer)
        except LookupError:
            return self._document.locate("")


def examine(source: Source, action: str | None, fidelity: Fidelity) -> Examined:
    """Judges a file: a whole request body, or else a bare message.

    Args:
        source: The file.
        action: The OSCP message name of a bare message; a request body names its own.
        fidelity: Which side to follow where the guide and the service differ.

    Raises:
        SourceProblem: It is a bare message, and no action was given.
    """
    document = read_file(source.data)
    if is_request(document) or (action is None and isinstance(document, JsonError)):
        return _examined_request(source, document, fidelity)
    if action is None:
        raise source.problem(
            "it is no whole request body (a JSON object with nodeId and params), so say with "
            f"--action which OSCP message it is: {', '.join(INSTRUCTION_ACTIONS)}"
        )
    return _examined_message(source, action, fidelity)


def is_request(document: Document | JsonError) -> bool:
    """Tells a whole request body from a bare message, in which none of these keys can be."""
    if isinstance(document, JsonError) or not isinstance(document.value, dict):
        return False
    return not document.value.keys().isdisjoint({"nodeId", "params", "parameters"})


def read_file(data: bytes) -> Document | JsonError:
    """Answers with the JSON of a file, or with why it is none; a byte-order mark is passed over."""
    return _read(data.removeprefix(_BYTE_ORDER_MARK))


def message_text(data: bytes) -> str:
    """Answers with the text of a bare message, without the line end that editors add to a file.

    Raises:
        JsonError: It is not UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        read(data)  # raises, and says where
        raise
    return text.removesuffix("\n").removesuffix("\r")


def _read(text: str | bytes) -> Document | JsonError:
    try:
        return read(text)
    except JsonError as error:
        return error


def _examined_message(source: Source, action: str, fidelity: Fidelity) -> Examined:
    try:
        text = message_text(source.data)
    except JsonError as error:
        return _judged(source, _not_utf8(action, error), _Places(error), "")
    return _judged(source, check(action, text, fidelity), _Places(_read(text)), text)


def _judged(source: Source, judgement: Judgement, places: _Places, text: str) -> Examined:
    return Examined(
        source,
        is_request=False,
        action=judgement.action,
        status=_OK,
        stage=judgement.stage,
        error=judgement.error,
        parts=len(split(text)),
        findings=_ordered(Located(each, *places.of(each.pointer)) for each in judgement.findings),
    )


def _not_utf8(action: str, error: JsonError) -> Judgement:
    text = texts.invalid_json(action, json_reading.parser_message(error))
    finding = Finding("transport", "json", "error", "", f"not JSON: {error}")
    return Judgement(action, accepted=False, stage="json", error=text, findings=(finding,))


def _examined_request(
    source: Source, document: Document | JsonError, fidelity: Fidelity
) -> Examined:
    judgement = check_request(source.data, fidelity)
    places = _Places(document)
    given = GivenParameters.of(document.value if isinstance(document, Document) else None)
    line, column = places.of(given.place("msg"))
    inside = judgement.message.findings if judgement.message else ()
    return Examined(
        source,
        is_request=True,
        action=judgement.action,
        status=judgement.status,
        stage=judgement.stage,
        error=judgement.error,
        parts=sum(len(split(text)) for name, text in given.texts() if name == "msg"),
        findings=_ordered(
            [
                *(Located(each, *places.of(each.pointer)) for each in judgement.findings),
                *(Located(each, line, column, is_inside=True) for each in inside),
            ]
        ),
    )


def _ordered(found: Iterable[Located]) -> tuple[Located, ...]:
    def place(each: Located) -> tuple[int, int, int]:
        return _ORDER.index(each.kind), each.line, each.column

    return tuple(sorted(found, key=place))
