"""What a journal remembers of one thing that happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from oscp_sim.http import Request, Response
from oscp_sim.redaction import Recorded

PartyName = Literal["solaruser", "flexibility_provider", "capacity_provider", "capacity_optimizer"]
Kind = Literal["exchange", "state", "note"]
ALL_PARTIES: Final[tuple[PartyName, ...]] = get_args(PartyName)


#: What an entry has, in the order in which it is shown.
FIELDS: Final = (
    "number",
    "at",
    "party",
    "kind",
    "peer",
    "sent",
    "exchange_id",
    "action",
    "instruction_id",
    "request",
    "response",
    "state",
    "reason",
    "findings",
    "detail",
)


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One thing that happened, as its party saw it.

    Attributes:
        number: From 1, in the order of the journal.
        at: When, in UTC, by the simulator's clock.
        party: Who tells it.
        kind: `exchange` (a request and its response), `state` (an instruction's state changed), or
            `note`.
        action: The OSCP message that it is about.
        instruction_id: The instruction that it is about.
        request: Of an exchange.
        response: Of an exchange; None where no answer came.
        status: Of the response.
        state: Of a state change: the new state.
        reason: Of a state change: why, as the service gives it.
        findings: Judgements of the message, as JSON mappings.
        detail: Whatever else helps, as JSON values.
        peer: Of an exchange: the other party, where it is known.
        sent: Of an exchange: whether the party sent the request, rather than received it.
        exchange_id: Of an exchange: its number, which the entries of its two sides share.
    """

    number: int
    at: datetime
    party: PartyName
    kind: Kind
    action: str | None
    instruction_id: int | None
    state: str | None
    peer: PartyName | None
    sent: bool
    exchange_id: int | None
    _recorded: Recorded = field(compare=False)

    @property
    def request(self) -> Request | None:
        """The request, its credentials replaced."""
        return self._recorded.parts.request

    @property
    def response(self) -> Response | None:
        """The response, its credentials replaced."""
        return self._recorded.parts.response

    @property
    def status(self) -> int | None:
        """The status of the response; None where no answer came."""
        return self._recorded.status

    @property
    def reason(self) -> str | None:
        """Why a state changed."""
        return self._recorded.parts.reason

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """Judgements of the message."""
        return self._recorded.findings

    @property
    def detail(self) -> Mapping[str, Any]:
        """Whatever else helps."""
        return self._recorded.parts.detail

    def __repr__(self) -> str:
        return f"Entry({self.to_dict()})"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {name: self.shown(name) for name in FIELDS}

    def shown(self, name: str) -> Any:  # noqa: ANN401 - JSON of any kind
        """Return one of its fields as JSON values."""
        value = getattr(self, name)
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(value, Request | Response):
            return value.to_dict()
        if isinstance(value, tuple):
            return [dict(each) for each in value]
        return dict(value) if isinstance(value, Mapping) else value
