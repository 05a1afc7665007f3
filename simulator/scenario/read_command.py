"""Make the step of a simulated party of what a scenario file holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from simulator.scenario.command import Command, PlayedParty
from simulator.scenario.values import parse_instant

if TYPE_CHECKING:
    from simulator.scenario.reader import PartReader
    from simulator.yaml_source import YamlDocument

__all__ = ["COMMANDS", "read_command"]

COMMANDS: Final = (
    "register",
    "handshake",
    "handshake_acknowledge",
    "heartbeat",
    "forecast",
    "adjust",
    "post",
)
_WHO: Final = frozenset({"provider", "optimizer", "user"})


def read_command(reader: PartReader, name: str, part: YamlDocument) -> Command:
    """Answers with the message that a simulated party is to send, as a part of a file tells."""
    value = part.value
    role = "provider" if "provider" in value else "optimizer"
    user = value.get("user")
    return Command(
        name,
        PlayedParty(
            "capacity_provider" if role == "provider" else "capacity_optimizer",
            int(value[role]),
            None if user is None else int(user),
        ),
        _fields(reader, part),
        part,
    )


def _fields(reader: PartReader, part: YamlDocument) -> dict[str, Any]:
    fields = {key: value for key, value in part.value.items() if key not in _WHO}
    for key in ("start", "offline_mode_at"):
        if key in fields:
            fields[key] = reader.attempt(part, f"/{key}", parse_instant, None)
    if "csv" in fields and "\n" not in fields["csv"]:
        # A path is relative to the scenario file, wherever that is run from.
        fields["csv"] = reader.beside(part, "/csv")
    if "file" in fields:
        del fields["file"]
        fields["message"] = _message(reader, part)
    return fields


def _message(reader: PartReader, part: YamlDocument) -> object:
    text, name = reader.text_of(part, "/file")
    if name is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        reader.complain(part, "/file", f"{name} is not JSON: {error}")
        return None
