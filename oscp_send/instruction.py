"""The SolarUser instruction that carries an OSCP message: its body, its parts, and its states."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from oscp_send.times import read_timestamp, write_instant
from oscp_send.values import instant

TOPIC: Final = "OSCP_v20"
PART_LENGTH: Final = 256
_UTF16: Final = "utf-16-le"
_UNIT_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class Instruction:
    """One OSCP instruction before it is sent.

    Attributes:
        topic: The instruction topic; `OSCP_v20` for OSCP 2.0.
        node_id: The node whose owner's Capacity Optimizers and Groups are meant.
        parameters: Names and whole values, in order. A value that is not text is lost on the way,
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
        """Make the instruction of the SolarUser OSCP guide for a message's JSON text, unchecked.

        The other arguments are those of `SolarUserClient.build`.
        """
        named = [("coId", str(co_id)), ("cgIdentifier", cg_identifier)]
        named += [("action", action), ("msg", text)]
        if correlation_id is not None:
            named.append(("correlationId", correlation_id))
        return cls(TOPIC, node_id, tuple(named), expires)

    def body(self) -> dict[str, Any]:
        """Return the request body for `/instr/add/{topic}`.

        A name that appears more than once has its values joined, as SolarUser would do. Nothing
        but the known keys is in it: an unknown one makes SolarUser lose those after it.

        Raises:
            InvalidValue: The expiration date has no time zone.
        """
        body: dict[str, Any] = {"nodeId": self.node_id, "params": join_parameters(self.parameters)}
        if self.expiration_date is not None:
            moment = instant("expiration_date", self.expiration_date)
            body["expirationDate"] = write_instant(moment)
        return body

    def is_carried_by(self, status: InstructionStatus) -> bool:
        """Return whether an instruction of SolarUser's has this one's node, topic and parameters.

        One that names no parameters has none that differ. Its parts may come in any order, equal
        ones as one, and a character that was cut as `??` (solaruser.md §2.3).
        """
        if (status.node_id, status.topic) != (self.node_id, self.topic):
            return False
        if not status.parameters:
            return True
        whole = join_parameters(self.parameters)
        cut = split_parameters(whole.items())
        if status.parameters == tuple(cut):  # as nearly always
            return True
        parts = {(name, _readable(part)) for name, part in cut}
        stored = {(name, _readable(part)) for name, part in status.parameters}
        given = {name: value for name, value in whole.items() if name and value}
        return stored == parts or status.joined_parameters() == given

    def to_json(self) -> str:
        """Return the request body as compact ASCII JSON."""
        return json.dumps(self.body(), separators=(",", ":"))


class InstructionState(StrEnum):
    """The states of an instruction (solaruser.md §2.4).

    An OSCP instruction goes from `QUEUING` over `EXECUTING` to `COMPLETED` or `DECLINED`, or is
    `DECLINED` at once. One that is not claimed within about 30 seconds becomes `QUEUED`, and is
    then never delivered. Only a SolarNode sets `RECEIVED`.
    """

    UNKNOWN = "Unknown"
    QUEUED = "Queued"
    QUEUING = "Queuing"
    RECEIVED = "Received"
    EXECUTING = "Executing"
    DECLINED = "Declined"
    COMPLETED = "Completed"

    @property
    def is_final(self) -> bool:
        """Whether the instruction has ended."""
        return self in {InstructionState.COMPLETED, InstructionState.DECLINED}


@dataclass(frozen=True, slots=True)
class InstructionStatus:
    """An instruction as SolarUser returned it.

    Attributes:
        created: When it was stored; like all times here aware, in UTC, to the microsecond.
        instruction_date: When it was queued, or the date that it was given.
        status_date: When the state changed last; may be a little earlier than `created`.
        expiration_date: When it expires; None for never.
        parameters: Names and values, the values in the parts in which they are stored.
        result_parameters: What the service or the handler adds, such as the reason of a decline.
    """

    id: int
    node_id: int
    topic: str
    state: InstructionState
    created: datetime | None = None
    instruction_date: datetime | None = None
    status_date: datetime | None = None
    expiration_date: datetime | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    result_parameters: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}), hash=False
    )

    @property
    def error(self) -> str | None:
        """The service's own reason for a state, if it gave one."""
        for key in ("error", "message"):
            reason = self.result_parameters.get(key)
            if isinstance(reason, str):
                return reason
        return None

    def joined_parameters(self) -> dict[str, str]:
        """Return the parameters by name, their parts joined.

        Two identical parts come back as one, and a character that was cut comes back as `??`,
        though what is delivered is right (solaruser.md §1.6).
        """
        return join_parameters(self.parameters)

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read the instruction of a reply.

        Raises:
            ValueError: It is not one; the message says why.
        """
        if not isinstance(value, Mapping):
            raise ValueError("an instruction is expected, not " + type(value).__name__)  # noqa: TRY004 - the answer's fault, not the caller's
        return cls(
            id=_integer(value, "id"),
            node_id=_integer(value, "nodeId"),
            topic=_string(value, "topic"),
            state=_state(_string(value, "state")),
            created=_moment(value, "created"),
            instruction_date=_moment(value, "instructionDate"),
            status_date=_moment(value, "statusDate"),
            expiration_date=_moment(value, "expirationDate"),
            parameters=_parameters(value.get("parameters") or []),
            result_parameters=_results(value.get("resultParameters") or {}),
        )


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 code units, as SolarUser counts it."""
    return len(text) if text.isascii() else len(_units(text)) // _UNIT_BYTES


def split(value: str) -> list[str]:
    """Cut a parameter's value into its stored parts, each of at most 256 UTF-16 code units.

    A character outside the Basic Multilingual Plane is two units and may be cut between them; each
    part then holds a lone surrogate. An empty value has no parts (solaruser.md §2.1).
    """
    if value.isascii():
        return [value[at : at + PART_LENGTH] for at in range(0, len(value), PART_LENGTH)]
    units, step = _units(value), PART_LENGTH * _UNIT_BYTES
    return [_text(units[at : at + step]) for at in range(0, len(units), step)]


def join(parts: Iterable[str]) -> str:
    """Join the parts of a value; a pair of surrogates becomes its character."""
    joined = "".join(parts)
    return joined if joined.isascii() else _text(_units(joined))


def split_parameters(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cut every parameter, not only `msg`, and drop those without a name or a value.

    The parts of one value follow one another under its name (solaruser.md §2.1).
    """
    return [(name, part) for name, value in parameters if name for part in split(value)]


def join_parameters(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join parts by name, adjacent or not, in the order of the names' first appearance."""
    parts: dict[str, list[str]] = {}
    for name, part in parameters:
        parts.setdefault(name, []).append(part)
    return {name: join(pieces) for name, pieces in parts.items()}


def _units(text: str) -> bytes:
    return text.encode(_UTF16, "surrogatepass")


def _text(units: bytes) -> str:
    return units.decode(_UTF16, "surrogatepass")


def _readable(text: str) -> str:
    """Return a text as it can be stored: each half of a character becomes `?`."""
    return text.encode(errors="replace").decode()


def _integer(value: Mapping[str, object], key: str) -> int:
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"its {key} is not an integer")  # noqa: TRY004 - see from_dict
    return number


def _string(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise ValueError(f"its {key} is not a string")  # noqa: TRY004 - see from_dict
    return text


def _state(text: str) -> InstructionState:
    try:
        return InstructionState(text)
    except ValueError:
        known = ", ".join(InstructionState)
        raise ValueError(f"its state {text!r} is not one of {known}") from None


def _moment(value: Mapping[str, object], key: str) -> datetime | None:
    return read_timestamp(_string(value, key)) if value.get(key) is not None else None


def _parameters(value: object) -> tuple[tuple[str, str], ...]:
    # A dict, as JSON has it, is known much sooner than any Mapping is.
    if not isinstance(value, list) or not all(isinstance(item, (dict, Mapping)) for item in value):
        raise ValueError("its parameters are not a list of objects")
    return tuple((_string(item, "name"), _string(item, "value")) for item in value)


def _results(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("its resultParameters are not an object")  # noqa: TRY004 - see from_dict
    return MappingProxyType(dict(value))
