"""How SolarUser reads the JSON body of an instruction, mistakes included.

Its reader is hand-written: it walks along the tokens and expects them in a certain order, so an
unknown property, or a value of an unexpected kind, makes it lose its place
(solaruser.md §1.2 to §1.4). The walk is repeated here step by step, because its
results follow from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from oscp_schemas import Document, JsonError
from oscp_send.solarnetwork import json_reading
from oscp_send.solarnetwork.dates import BeyondDatabase, DateRefused, read_epoch, read_json_date
from oscp_send.solarnetwork.json_reading import (
    JsonToken,
    Unread,
    parse_long,
    read_json,
    tokens,
    trailing,
)

_INSTRUCTION: Final = "net.solarnetwork.central.instructor.domain.NodeInstruction"
_RESULT: Final = f"net.solarnetwork.domain.Result<{_INSTRUCTION}>"
_DEFERRED: Final = "org.springframework.web.context.request.async.DeferredResult"
_CONTROLLER: Final = "net.solarnetwork.central.reg.web.api.v1.NodeInstructionController"
_LONGEST_USUAL_NAME: Final = 1000
_LARGEST_LONG: Final = 2**63
_NOT_STORED: Final = "An invalid query parameter was used, or a required parameter was missing."


class BodyRefused(ValueError):
    """Raised for a body that SolarUser answers with 422.

    Attributes:
        message: The service's text, to the letter where it is known.
        error: The parser's error behind it, where the text is not JSON.
        code: The service's code, if it has one.
    """

    def __init__(
        self, message: str, error: JsonError | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error = error
        self.code = code


@dataclass(slots=True)
class InstructionBody:
    """What SolarUser understands of a body.

    Attributes:
        node_id: The node; None where none was read.
        topic: The body's own topic; the path's replaces it.
        parameters: Names and values in order, a name as often as it was given.
        instruction_date: Given date, UTC.
        expiration_date: Given date, UTC.
    """

    node_id: int | None = None
    topic: str | None = None
    parameters: list[tuple[str, str]] = field(default_factory=list)
    instruction_date: datetime | None = None
    expiration_date: datetime | None = None


def read_body(
    body: bytes | Document,
    charset: str | None = None,
    *,
    executes: bool = False,
    has_topic: bool = True,
) -> InstructionBody:
    """Return what SolarUser reads from the JSON body of `add` or `exec`.

    Args:
        body: The bytes of the body, or the document that was read from them.
        charset: The charset that its Content-Type names.
        executes: Whether it goes to `exec`.
        has_topic: Whether the path has a topic.

    Raises:
        BodyRefused: SolarUser answers the body with 422.
    """
    if isinstance(body, Document):
        source: str | bytes = body.text
        document: Document | JsonError = body
    else:
        source = json_reading.decoded(body, charset)
        document = read_json(source)
    error = document if isinstance(document, JsonError) else None
    if not body or (isinstance(document, Document) and document.value is None):
        raise BodyRefused(_no_body(executes=executes, has_topic=has_topic))
    usual = _of_the_usual_shape(document) if isinstance(document, Document) else None
    if usual is not None:
        return usual
    try:
        return _Reader(tokens(source)).read()
    except Unread as stopped:
        raise BodyRefused(f"Malformed JSON: {stopped}", error) from None


def _of_the_usual_shape(document: Document) -> InstructionBody | None:
    """Return what the walk would read, where a node and texts for `params` are all there is.

    So is nearly every body, and a walk takes as long as everything else that is done with it.
    """
    value, text = document.value, document.text
    if not isinstance(value, dict) or value.keys() != {"nodeId", "params"}:
        return None
    node_id, params = value["nodeId"], value["params"]
    is_usual = (
        type(node_id) is int
        and -_LARGEST_LONG <= node_id < _LARGEST_LONG
        and isinstance(params, dict)
        and all(type(each) is str for each in params.values())
        and all(len(name) < _LONGEST_USUAL_NAME for name in params)
        # Which halves make a character, where not all of them are escaped, only the walk knows.
        and text.isascii()
        and not document.duplicate_keys
    )
    return InstructionBody(node_id, None, list(params.items())) if is_usual else None


def _no_body(*, executes: bool, has_topic: bool) -> str:
    result = f"{_DEFERRED}<{_RESULT}>" if executes else _RESULT
    method = "execInstructionBody" if executes else "queueInstructionBody"
    given = ["java.lang.String"] * has_topic + ["java.lang.Long"] * executes + [_INSTRUCTION]
    return (
        f"Malformed request: Required request body is missing: public {result} "
        f"{_CONTROLLER}.{method}({','.join(given)})"
    )


class _Reader:
    """The walk. Each method leaves the stream where SolarUser's parser would be.

    All but the last step are taken within the object, so there is a token.
    """

    def __init__(self, tokens: Iterator[JsonToken]) -> None:
        self._tokens = tokens
        self._at = next(tokens)
        self._body = InstructionBody()

    def read(self) -> InstructionBody:
        if self._at.kind == "START_OBJECT":
            self._properties()
        elif self._at.kind != "VALUE_NULL":
            raise BodyRefused("Malformed JSON: Unable to parse NodeInstruction (not an object)")
        if (behind := next(self._tokens, None)) is not None:
            raise BodyRefused(f"Malformed JSON: {trailing(behind.kind, _INSTRUCTION)}")
        return self._body

    def _properties(self) -> None:
        while (name := self._next_name()) is not None:
            reader = _READERS.get(name)
            # The value of an unknown property is not skipped: the next search for a name finds it.
            if reader is not None:
                reader(self)
        while self._at.kind != "END_OBJECT":
            self._step()

    def node_id(self) -> None:
        self._body.node_id = self._number()

    def topic(self) -> None:
        self._body.topic = self._next_string()

    def instruction_date(self) -> None:
        self._body.instruction_date = self._stored_date()

    def expiration_date(self) -> None:
        self._body.expiration_date = self._stored_date()

    def ignored_number(self) -> None:
        self._number()

    def ignored_date(self) -> None:
        with contextlib.suppress(BeyondDatabase):
            self._date()

    def _stored_date(self) -> datetime | None:
        try:
            return self._date()
        except BeyondDatabase:
            raise BodyRefused(_NOT_STORED, code="DAO.00103") from None

    def ignored_string(self) -> None:
        self._next_string()

    def ignored_object(self) -> None:
        kind, text = self._step()
        if kind not in {"START_OBJECT", "VALUE_NULL"}:
            raise BodyRefused(f"Malformed JSON: {_no_map(kind, text)}")
        open_containers = int(kind == "START_OBJECT")
        while open_containers:
            kind, _ = self._step()
            open_containers += kind.startswith("START_") - kind.startswith("END_")

    def parameters(self) -> None:
        """Read `params` or `parameters`: the last one counts, and a scalar empties it."""
        self._body.parameters = []
        kind, _ = self._step()
        if kind == "START_OBJECT":
            self._object_parameters()
        elif kind == "START_ARRAY":
            self._listed_parameters()

    def _object_parameters(self) -> None:
        while (name := self._next_name()) is not None:
            value = self._next_string()
            if value is not None:
                self._body.parameters.append((name, value))

    def _listed_parameters(self) -> None:
        # Not reset from element to element: a missing one is inherited from the element before.
        name: str | None = None
        value: str | None = None
        while (token := self._step()).kind != "END_ARRAY":
            if token.kind != "START_OBJECT":
                continue
            while (key := self._next_name()) is not None:
                if key == "name":
                    name = self._next_string()
                elif key == "value":
                    value = self._next_string()
                else:
                    self._step()
            if name is not None and value is not None:
                self._body.parameters.append((name, value))

    def _number(self) -> int | None:
        kind, text = self._step()
        if text is None:
            return None
        if kind != "VALUE_STRING":
            return _truncated(text)
        try:
            return parse_long(text)
        except ValueError as error:
            raise BodyRefused(f"Malformed JSON: {error}") from None

    def _date(self) -> datetime | None:
        kind, text = self._step()
        if text is None:
            raise BodyRefused(_no_date(kind))
        try:
            if kind == "VALUE_NUMBER_INT":
                return read_epoch(str(_truncated(text)))
            if kind == "VALUE_NUMBER_FLOAT":
                return read_epoch(text)
            return read_json_date(text) if text.strip() else None
        except DateRefused as refused:
            message = f"Malformed date string: {refused}"
            if refused.is_out_of_range:
                message = f"Malformed request: JSON parse error: {refused.deserializing}"
            raise BodyRefused(message) from None

    def _step(self) -> JsonToken:
        self._at = next(self._tokens)
        return self._at

    def _next_name(self) -> str | None:
        kind, text = self._step()
        return text if kind == "PROPERTY_NAME" else None

    def _next_string(self) -> str | None:
        kind, text = self._step()
        return text if kind == "VALUE_STRING" else None


_READERS: Mapping[str, Callable[[_Reader], None]] = MappingProxyType(
    {
        "created": _Reader.ignored_date,
        "expirationDate": _Reader.expiration_date,
        "id": _Reader.ignored_number,
        "instructionDate": _Reader.instruction_date,
        "nodeId": _Reader.node_id,
        "parameters": _Reader.parameters,
        "params": _Reader.parameters,
        "resultParameters": _Reader.ignored_object,
        "state": _Reader.ignored_string,
        "statusDate": _Reader.ignored_date,
        "topic": _Reader.topic,
    }
)


def _truncated(text: str) -> int:
    is_whole = text.removeprefix("-").isdigit()
    number = int(text) if is_whole else float(text)
    if not -_LARGEST_LONG <= number < _LARGEST_LONG:
        raise BodyRefused(
            f"Malformed JSON: Numeric value ({text}) out of range of `long` "
            f"(-{_LARGEST_LONG} - {_LARGEST_LONG - 1})"
        )
    return int(number)


def _no_map(kind: str, text: str | None) -> str:
    if kind == "VALUE_STRING" and not (text or "").strip():
        return (
            'Cannot coerce empty String ("") to element of `java.util.LinkedHashMap` '
            "(but could if coercion was enabled using `CoercionConfig`)"
        )
    return (
        f"Cannot deserialize value of type `{_MAP}` from {_WORDS[kind]} value "
        f"(token `JsonToken.{kind}`)"
    )


_MAP: Final = "java.util.LinkedHashMap<java.lang.String,java.lang.Object>"
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "START_ARRAY": "Array",
        "VALUE_FALSE": "Boolean",
        "VALUE_NUMBER_FLOAT": "Floating-point",
        "VALUE_NUMBER_INT": "Integer",
        "VALUE_STRING": "String",
        "VALUE_TRUE": "Boolean",
    }
)


def _no_date(kind: str) -> str:
    if kind == "START_ARRAY":
        return (
            "Malformed JSON: Cannot deserialize value of type `java.time.Instant` from Array "
            "value (token `JsonToken.START_ARRAY`)"
        )
    return (
        f"Malformed JSON: Unexpected token ({kind}), expected one of [VALUE_STRING, "
        "VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT] for `java.time.Instant` value"
    )
