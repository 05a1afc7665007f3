"""An instruction as SolarUser gives it back, and the states that it goes through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from oscp_send.instruction import join_parameters

__all__ = ["InstructionState", "InstructionStatus", "read_timestamp"]

_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z",
    re.ASCII,
)


class InstructionState(StrEnum):
    """The states of an instruction (as observed in SolarNetwork).

    An OSCP instruction goes from `QUEUING` over `EXECUTING` to `COMPLETED` or `DECLINED`, or is
    `DECLINED` at once. One that is not claimed within about 30 seconds becomes `QUEUED`, and is
    then never delivered. `RECEIVED` is set by a SolarNode alone.
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
        """Tells whether the instruction has come to its end."""
        return self in {InstructionState.COMPLETED, InstructionState.DECLINED}


@dataclass(frozen=True, slots=True)
class InstructionStatus:
    """An instruction as it stood when SolarUser was asked.

    Attributes:
        id: The instruction's number.
        node_id: The node that it is associated with.
        topic: Its topic.
        state: Its state.
        created: When it was stored; like all times here aware, in UTC, to the microsecond.
        instruction_date: When it was queued, or the date that it was given.
        status_date: When the state changed last; may be a little earlier than `created`.
        expiration_date: When it expires; None for never.
        parameters: Names and values, the values in the parts in which they are stored.
        result_parameters: What the service or the handler has to say.
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
        """Answers with the parameters by name, their parts joined.

        Two identical parts come back as one, and a character that was cut comes back as `??`,
        though what is delivered is right (as observed in SolarNetwork).
        """
        return join_parameters(self.parameters)

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Reads the instruction of a reply.

        Raises:
            ValueError: It is none; the message says why.
        """
        if not isinstance(value, Mapping):
            raise ValueError("an instruction is expected, not " + type(value).__name__)  # noqa: TRY004 - the answer's fault, not the caller's
        return cls(
            id=_number(value, "id"),
            node_id=_number(value, "nodeId"),
            topic=_text(value, "topic"),
            state=_state(_text(value, "state")),
            created=_moment(value, "created"),
            instruction_date=_moment(value, "instructionDate"),
            status_date=_moment(value, "statusDate"),
            expiration_date=_moment(value, "expirationDate"),
            parameters=_parameters(value.get("parameters") or []),
            result_parameters=_results(value.get("resultParameters") or {}),
        )


def read_timestamp(text: str) -> datetime:
    """Reads SolarNetwork's timestamps: `2026-01-02 03:04:05.123456Z`, with 0 to 6 fraction digits.

    Raises:
        ValueError: It is no such text.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a timestamp such as 2026-01-02 03:04:05.123456Z")
    day, time, fraction = match.groups()
    moment = datetime.fromisoformat(f"{day}T{time}.{fraction or '0':0<6}")
    return moment.replace(tzinfo=UTC)


def _number(value: Mapping[str, object], key: str) -> int:
    number = value.get(key)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"its {key} is no whole number")  # noqa: TRY004 - see from_dict
    return number


def _text(value: Mapping[str, object], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise ValueError(f"its {key} is no text")  # noqa: TRY004 - see from_dict
    return text


def _state(text: str) -> InstructionState:
    try:
        return InstructionState(text)
    except ValueError:
        raise ValueError(f"its state {text!r} is none of {', '.join(InstructionState)}") from None


def _moment(value: Mapping[str, object], key: str) -> datetime | None:
    return read_timestamp(_text(value, key)) if value.get(key) is not None else None


def _parameters(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError("its parameters are no list of objects")
    return tuple((_text(item, "name"), _text(item, "value")) for item in value)


def _results(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("its resultParameters are no object")  # noqa: TRY004 - see from_dict
    return MappingProxyType(dict(value))
