"""An instruction as a person or a program wants to see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from oscp_send.cli.console import count, printable
from oscp_send.instruction import split, utf16_length
from oscp_send.solarnetwork.dates import timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_send.instruction_status import InstructionStatus

__all__ = ["as_json", "in_full", "on_one_line", "values"]


def values(instruction: InstructionStatus) -> dict[str, Any]:
    """Answers with an instruction as JSON values, its parameters joined."""
    return {
        "id": instruction.id,
        "nodeId": instruction.node_id,
        "topic": instruction.topic,
        "state": str(instruction.state),
        "created": _moment(instruction.created),
        "instructionDate": _moment(instruction.instruction_date),
        "statusDate": _moment(instruction.status_date),
        "expirationDate": _moment(instruction.expiration_date),
        "parameters": instruction.joined_parameters(),
        "resultParameters": dict(instruction.result_parameters),
        "error": instruction.error,
    }


def as_json(value: object) -> str:
    """Answers with JSON text that is easy to read."""
    return json.dumps(value, indent=2)


def on_one_line(instruction: InstructionStatus) -> str:
    """Answers with an instruction in one line: id, state, what it carries, why it failed."""
    given = instruction.joined_parameters()
    action = given.get("action", instruction.topic)
    group = f" to {given['cgIdentifier']}" if "cgIdentifier" in given else ""
    reason = f": {instruction.error}" if instruction.error is not None else ""
    created = _moment(instruction.created) or ""
    return printable(
        f"{instruction.id}  {instruction.state:<9}  {created:<27}  {action}{group}{reason}"
    )


def in_full(instruction: InstructionStatus) -> str:
    """Answers with everything that is known of an instruction, in lines."""
    rows = [
        ("state", str(instruction.state)),
        ("error", instruction.error),
        ("node", str(instruction.node_id)),
        ("topic", instruction.topic),
        ("created", _moment(instruction.created)),
        ("state since", _moment(instruction.status_date)),
        ("expires", _moment(instruction.expiration_date)),
        *((name, _sized(name, text)) for name, text in instruction.joined_parameters().items()),
    ]
    known = [(printable(name), printable(text)) for name, text in rows if text is not None]
    width = max(len(name) for name, _ in known)
    lines = [f"  {name:<{width}}  {text}" for name, text in known]
    return "\n".join([f"instruction {instruction.id}", *lines])


def _sized(name: str, text: str) -> str:
    if name != "msg":
        return text
    size = f"{utf16_length(text)} UTF-16 units, {count(len(split(text)), 'part')}"
    return f"{text}  ({size})"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
