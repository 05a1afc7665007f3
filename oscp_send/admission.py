"""What must hold of a message and its instruction before it is sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from oscp_send.errors import InvalidMessage, InvalidValue
from oscp_send.fields import instant, text
from oscp_send.instruction import Instruction
from oscp_send.messages import Message, wire_text
from oscp_send.solarnetwork.java import parse_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from oscp_send.findings import Judgement

    Checker = Callable[[str, str], Judgement]

__all__ = ["admit"]

#: SolarUser's limit for a request body, in bytes (as observed in SolarNetwork).
_LARGEST_BODY: Final = 20_971_520
_ADJUST: Final = "AdjustGroupCapacityForecast"
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HEADER_TEXT: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


def admit(
    action: str,
    message: Message | Mapping[str, object] | str,
    *,
    node_id: int | str,
    co_id: int | str,
    cg_identifier: str,
    correlation_id: str | None,
    expires: datetime | None,
    checker: Checker,
) -> Instruction:
    """Judges a message and makes its instruction.

    Raises:
        InvalidValue: An argument is unusable.
        InvalidMessage: SolarUser would decline the message, or its meaning would change on the way.
    """
    if isinstance(message, Message) and message.action != action:
        raise InvalidMessage(action, f"the message is a {message.action}")
    written = wire_text(message)
    instruction = Instruction.of_message(
        action,
        written,
        node_id=_long("node_id", node_id),
        co_id=_optimizer(co_id),
        cg_identifier=_group(cg_identifier),
        correlation_id=_correlation(correlation_id),
        expires=None if expires is None else instant("expires", expires),
    )
    _refuse_lone_surrogates(action, written)
    judgement = checker(action, written)
    if not judgement.accepted:
        said = judgement.error or "no reason given"
        stage = f" ({judgement.stage})" if judgement.stage else ""
        raise InvalidMessage(action, f"SolarUser would decline it{stage}: {said}", judgement)
    _refuse_other_group(action, written, cg_identifier, judgement)
    if len(instruction.to_json()) > _LARGEST_BODY:
        raise InvalidMessage(action, "the request would be over 20 MB: send fewer blocks at once")
    return instruction


def _long(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        kind = "None" if value is None else type(value).__name__
        raise InvalidValue(f"/{name}", f"a whole number is expected, not {kind}")
    try:
        return parse_long(str(value))
    except ValueError:
        shown = json.dumps(str(value))[:40]
        raise InvalidValue(f"/{name}", f"{shown} is no 64-bit whole number") from None


def _optimizer(co_id: int | str) -> str:
    _long("co_id", co_id)
    # As it was given: SolarUser reads a number sent as a number as if it were missing.
    return str(co_id)


def _group(cg_identifier: str) -> str:
    known = text("cg_identifier", cg_identifier)
    if not known.strip() or "\0" in known:
        raise InvalidValue("/cg_identifier", "it is blank, or has a NUL character in it")
    return known


def _correlation(correlation_id: str | None) -> str | None:
    if correlation_id is None:
        return None
    # It is another message's X-Request-ID, and to become a header again.
    if not isinstance(correlation_id, str) or not _HEADER_TEXT.fullmatch(correlation_id):
        raise InvalidValue(
            "/correlation_id",
            "it cannot be sent as a header",
            "give the X-Request-ID of the forecast that is answered, or None",
        )
    return correlation_id


def _refuse_lone_surrogates(action: str, written: str) -> None:
    try:
        written.encode()
        if _SURROGATE.search(written):
            json.dumps(_read(written), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidMessage(
            action,
            "half of a surrogate pair is in its text, which is no character and would arrive as ?",
        ) from None


def _refuse_other_group(
    action: str, written: str, cg_identifier: str, judgement: Judgement
) -> None:
    if action != _ADJUST:
        return
    message = _read(written)
    group = message.get("group_id") if isinstance(message, dict) else None
    if isinstance(group, str) and group != cg_identifier:
        raise InvalidMessage(
            action,
            f"its group_id {json.dumps(group)} is not the cg_identifier "
            f"{json.dumps(cg_identifier)}: SolarUser asks for the same group in both",
            judgement,
        )


def _read(written: str) -> Any:  # noqa: ANN401 - JSON of any kind
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None
