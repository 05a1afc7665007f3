"""A message and where it goes, judged and made into the instruction that carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from oscp_schemas import Document, JsonError, read
from oscp_send.errors import InvalidMessage
from oscp_send.findings import Judgement
from oscp_send.instruction import Instruction
from oscp_send.judgement import accepts, check
from oscp_send.messages import AdjustGroupCapacityForecast, Message, wire_text
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_send.values import InvalidValue, instant, text

#: SolarUser's limit for a request body, in bytes (solaruser.md §7.4).
_LARGEST_BODY: Final = 20_971_520
#: No character takes more bytes in ASCII JSON: two escaped halves of a surrogate pair.
_LARGEST_CHARACTER: Final = 12
#: What a body has around the values of its parameters is shorter.
_LARGEST_REST: Final = 1000
_HEADER_TEXT: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True)
class Order:
    """A message and where it goes, as the caller gives them."""

    action: str
    message: Message | Mapping[str, object] | str
    node_id: int | str
    co_id: int | str
    cg_identifier: str
    correlation_id: str | None
    expires: datetime | None

    def instruction(self, checker: Callable[[str, str], Judgement] | None) -> Instruction:
        """Judge the message, and return the instruction that would carry it.

        Raises:
            InvalidValue: Something is unusable.
            InvalidMessage: SolarUser would decline the message, or its group is not the
                instruction's, or it would not arrive as it is.
        """
        action, written = self.action, self._text()
        instruction = self._of(written)
        document = _read(written)
        if _has_half_a_pair(written, document):
            raise InvalidMessage(
                action,
                "its text has half of a surrogate pair, which is not a character and would arrive "
                "as ?",
            )
        judge, judgement = checker or check, None
        # What is all right needs no findings.
        if checker is not None or not accepts(action, document or written):
            judgement = judge(action, written)
            _raise_refusal(judgement)
        if document is not None and self._is_for_another_group(document.value):
            raise InvalidMessage(
                action,
                f"its group_id {json.dumps(document.value['group_id'])} is not the cg_identifier "
                f"{json.dumps(self.cg_identifier)}: SolarUser asks for the same group in both",
                judgement or judge(action, written),
            )
        if _is_too_large(instruction):
            raise InvalidMessage(
                action, "the request would be over 20 MB: send fewer blocks at once"
            )
        return instruction

    def _text(self) -> str:
        """Return the message as the text to send."""
        if isinstance(self.message, Message) and self.message.action != self.action:
            article = "an" if self.message.action[0] in "AEIOU" else "a"
            raise InvalidMessage(self.action, f"the message is {article} {self.message.action}")
        return wire_text(self.message)

    def _of(self, written: str) -> Instruction:
        """Return the instruction that carries the text."""
        _long("co_id", self.co_id)
        return Instruction.of_message(
            self.action,
            written,
            node_id=_long("node_id", self.node_id),
            # As it was given: SolarUser reads a number sent as a number as if it were missing.
            co_id=str(self.co_id),
            cg_identifier=_group(self.cg_identifier),
            correlation_id=_correlation(self.correlation_id),
            expires=None if self.expires is None else instant("expires", self.expires),
        )

    def _is_for_another_group(self, message: object) -> bool:
        """Return whether an adjustment is for another group than the instruction."""
        if self.action != AdjustGroupCapacityForecast.action or not isinstance(message, dict):
            return False
        group = message.get("group_id")
        return isinstance(group, str) and group != self.cg_identifier


def _long(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        kind = "None" if value is None else type(value).__name__
        raise InvalidValue(f"/{name}", f"an integer is expected, not {kind}")
    try:
        return parse_long(str(value))
    except ValueError:
        shown = json.dumps(str(value))[:40]
        raise InvalidValue(f"/{name}", f"{shown} is not a 64-bit integer") from None


def _group(cg_identifier: str) -> str:
    known = text("cg_identifier", cg_identifier)
    if not known.strip() or "\0" in known:
        raise InvalidValue("/cg_identifier", "it is blank, or has a NUL character in it")
    return known


def _correlation(correlation_id: str | None) -> str | None:
    if correlation_id is None:
        return None
    # It is another message's X-Request-ID, and becomes a header again.
    if not isinstance(correlation_id, str) or not _HEADER_TEXT.fullmatch(correlation_id):
        raise InvalidValue(
            "/correlation_id",
            "it cannot be sent as a header",
            "give the X-Request-ID of the forecast that is answered, or None",
        )
    return correlation_id


def _read(written: str) -> Document | None:
    try:
        return read(written)
    except JsonError:
        return None


def _has_half_a_pair(written: str, document: Document | None) -> bool:
    try:
        written.encode()
    except UnicodeEncodeError:
        return True
    return document is not None and bool(document.lone_surrogates)


def _is_too_large(instruction: Instruction) -> bool:
    # Nearly no instruction has to be written only to be measured.
    characters = sum(len(value) for _, value in instruction.parameters)
    if characters * _LARGEST_CHARACTER + _LARGEST_REST < _LARGEST_BODY:
        return False
    return len(instruction.to_json()) > _LARGEST_BODY


def _raise_refusal(judgement: Judgement) -> None:
    if not judgement.accepted:
        reason = judgement.error or "no reason given"
        stage = f" ({judgement.stage})" if judgement.stage else ""
        what = f"SolarUser would decline it{stage}: {reason}"
        raise InvalidMessage(judgement.action, what, judgement)
