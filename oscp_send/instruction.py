"""The SolarUser instruction that carries an OSCP message, and the cutting of its parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from oscp_send.fields import instant, write_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = [
    "PART_LENGTH",
    "TOPIC",
    "Instruction",
    "join",
    "join_parameters",
    "split",
    "split_parameters",
    "utf16_length",
]

TOPIC: Final = "OSCP_v20"
PART_LENGTH: Final = 256
_UTF16: Final = "utf-16-le"
_UNIT_BYTES: Final = 2


def utf16_length(text: str) -> int:
    """Answers with the length of a text in UTF-16 code units, as SolarUser counts it."""
    return len(text) if text.isascii() else len(_units(text)) // _UNIT_BYTES


def split(value: str) -> list[str]:
    """Cuts a parameter's value into its stored parts, each of at most 256 UTF-16 code units.

    A character outside the Basic Multilingual Plane is two units and may be cut between them; each
    part then holds a lone surrogate. An empty value has no part at all. As observed in
    SolarNetwork.
    """
    if value.isascii():
        return [value[at : at + PART_LENGTH] for at in range(0, len(value), PART_LENGTH)]
    units, step = _units(value), PART_LENGTH * _UNIT_BYTES
    return [_text(units[at : at + step]) for at in range(0, len(units), step)]


def join(parts: Iterable[str]) -> str:
    """Puts the parts of a value together again; a pair of surrogates becomes its character."""
    joined = "".join(parts)
    return joined if joined.isascii() else _text(_units(joined))


def split_parameters(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cuts every parameter, not `msg` alone, and drops those without a name or a value.

    The parts of one value follow one another under its name. As observed in SolarNetwork.
    """
    return [(name, part) for name, value in parameters if name for part in split(value)]


def join_parameters(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Joins parts by name, adjacent or not, in the order of the names' first appearance."""
    parts: dict[str, list[str]] = {}
    for name, part in parameters:
        parts.setdefault(name, []).append(part)
    return {name: join(pieces) for name, pieces in parts.items()}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One OSCP instruction before it is sent.

    Attributes:
        topic: The instruction topic; `OSCP_v20` for OSCP 2.0.
        node_id: The node whose owner's Capacity Optimizers and Groups are meant.
        parameters: Names and whole values, in order. A value that is no text is lost on the way,
            so each is text here, `coId` too.
        expiration_date: When SolarNetwork is to decline the instruction if it is not finished, as
            an aware datetime; None for never. Cut to milliseconds.
    """

    topic: str
    node_id: int
    parameters: tuple[tuple[str, str], ...]
    expiration_date: datetime | None = None

    @classmethod
    def of_message(
        cls,
        action: str,
        text: str,
        *,
        node_id: int,
        co_id: int | str,
        cg_identifier: str,
        correlation_id: str | None = None,
        expires: datetime | None = None,
    ) -> Self:
        """Makes the instruction of the SolarUser OSCP guide for a message, judging nothing.

        Args:
            action: The OSCP message name, such as `AdjustGroupCapacityForecast`.
            text: The message as JSON text; sent as it is.
            node_id: The node that the instruction is associated with.
            co_id: The `configId` of a Capacity Optimizer.
            cg_identifier: The `identifier` of a Capacity Group.
            correlation_id: The request id of the UpdateGroupCapacityForecast that is answered.
            expires: See `expiration_date`.
        """
        named = [
            ("coId", str(co_id)),
            ("cgIdentifier", cg_identifier),
            ("action", action),
            ("msg", text),
        ]
        if correlation_id is not None:
            named.append(("correlationId", correlation_id))
        return cls(TOPIC, node_id, tuple(named), expires)

    def body(self) -> dict[str, Any]:
        """Answers with the request body for `/instr/add/{topic}`.

        A name that appears more than once has its values joined, as SolarUser would do. Nothing
        but the known keys is in it: an unknown one makes SolarUser lose those after it.
        """
        body: dict[str, Any] = {"nodeId": self.node_id, "params": join_parameters(self.parameters)}
        if self.expiration_date is not None:
            moment = instant("expiration_date", self.expiration_date)
            body["expirationDate"] = write_instant(moment)
        return body

    def to_json(self) -> str:
        """Answers with the request body as compact ASCII JSON."""
        return json.dumps(self.body(), separators=(",", ":"))


def _units(text: str) -> bytes:
    return text.encode(_UTF16, "surrogatepass")


def _text(units: bytes) -> str:
    return units.decode(_UTF16, "surrogatepass")
