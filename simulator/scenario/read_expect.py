"""Make the expectations of a step of what a scenario file holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from simulator.matching import TextPattern
from simulator.scenario.command import Command, Wait
from simulator.scenario.expectation import (
    Exchanges,
    Expect,
    ExpectedExchange,
    Message,
    Received,
)
from simulator.scenario.values import parse_duration, parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.scenario.model import Send
    from simulator.scenario.reader import PartReader
    from simulator.yaml_source import YamlDocument

__all__ = ["read_expect"]

_OF_INSTRUCTIONS: Final = ("state", "parts", "sender")
_OF_ANY: Final = frozenset(
    {"exchanges", "exchanges_among_others", "findings", "pending", "received"}
)


def read_expect(reader: PartReader, part: YamlDocument, does: Send | Command | Wait) -> Expect:
    """Answers with what a part of a file expects of a step that does this."""
    _check_keys(reader, part, does)
    value = part.value
    parts = value.get("parts")
    return Expect(
        state=value.get("state"),
        reason=_reason(reader, part) if "reason" in value else None,
        parts=None if parts is None else int(parts),
        within=(
            reader.attempt(part, "/within", parse_duration, timedelta())
            if "within" in value
            else None
        ),
        received=_received(value["received"]) if "received" in value else None,
        sender=value.get("sender"),
        status=_whole(value.get("status")),
        exchanges=_exchanges(value),
        findings=_findings(value.get("findings")),
        nothing_pending="pending" in value,
        source=part,
    )


def _check_keys(reader: PartReader, part: YamlDocument, does: Send | Command | Wait) -> None:
    """An expectation that a step cannot come to is a mistake."""
    for key in part.value:
        if key in _OF_ANY:
            continue
        if isinstance(does, Wait):
            why = "nobody sends anything in a step that waits"
        elif isinstance(does, Command) and key in _OF_INSTRUCTIONS:
            why = "it is of instructions; the answer to this message has a status"
        elif not isinstance(does, Command) and key == "status":
            why = "an instruction ends in a state; expect that"
        else:
            continue
        reader.complain(part, f"/{key}", f'"{key}" cannot be expected here: {why}', key=True)
    if "same_as_sent" in _mapping(part.value.get("received")) and isinstance(does, Command | Wait):
        reader.complain(
            part, "/received/same_as_sent", 'no instruction is sent here: expect "message"'
        )


def _reason(reader: PartReader, part: YamlDocument) -> TextPattern:
    reason = part.value["reason"]
    if isinstance(reason, str):
        return TextPattern("is", reason)
    if "starts_with" in reason:
        return TextPattern("starts_with", reason["starts_with"])
    return TextPattern("matches", reader.attempt(part, "/reason/matches", parse_expression, ""))


def _received(value: str | Mapping[str, Any]) -> Received:
    if isinstance(value, str):
        return Received(nothing=True)
    return Received(
        path=value.get("path"),
        headers=value.get("headers", {}),
        message=Message(value["message"]) if "message" in value else None,
        same_as_sent=value.get("same_as_sent", False),
    )


def _exchanges(value: Mapping[str, Any]) -> Exchanges | None:
    for key, complete in (("exchanges", True), ("exchanges_among_others", False)):
        if key in value:
            listed: str | Sequence[Mapping[str, Any]] = value[key]
            wanted = () if isinstance(listed, str) else tuple(map(_exchange, listed))
            return Exchanges(wanted, complete)
    return None


def _exchange(value: Mapping[str, Any]) -> ExpectedExchange:
    return ExpectedExchange(
        sender=value.get("from"),
        receiver=value.get("to"),
        action=value.get("action"),
        path=value.get("path"),
        method=value.get("method"),
        status=_whole(value.get("status")),
        headers=value.get("headers", {}),
        message=Message(value["message"]) if "message" in value else None,
    )


def _findings(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return () if isinstance(value, str) else tuple(value)


def _whole(value: Any) -> Any:  # noqa: ANN401 - 204.0 is a whole number to JSON Schema
    return int(value) if isinstance(value, float) else value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
