"""What a journal remembers of one thing that happened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, NoneType
from typing import Any, Final, Literal, Self, get_args

from oscp_schemas import ACTIONS
from oscp_schemas.show import nearest, printable, shortened
from oscp_send.instruction import InstructionState
from oscp_send.times import utc_text
from oscp_sim.http import Request, Response
from oscp_sim.redaction import Concealed, Parts, Recorded

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

#: The values that these fields can have; an action may be another that a sender has made up.
VALUES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "party": ALL_PARTIES,
        "peer": ALL_PARTIES,
        "kind": get_args(Kind),
        "state": tuple(map(str, InstructionState)),
        "action": ACTIONS,
    }
)

# Of three digits, as programs read them: a real party may answer any.
_STATUSES: Final = range(100, 1000)


def check_value(name: str, value: object, more: Iterable[str] = ()) -> None:
    """Refuse a value that a field cannot have: nothing would ever fit it.

    Args:
        name: The field; of one whose values are not known, anything is taken.
        value: Only texts are looked at.
        more: Further values that it can have.

    Raises:
        ValueError: It cannot have it; the message names the value that was probably meant.
    """
    __tracebackhide__ = True  # pytest shows the line that asked
    if name not in VALUES or not isinstance(value, str):
        return
    known = dict.fromkeys([*VALUES[name], *more])
    if value in known:
        return
    folded = {each.lower(): each for each in known}
    near = nearest(value.lower(), folded)
    hint = f"did you mean {folded[near]!r}?" if near else f"known: {', '.join(known)}"
    raise ValueError(f"unknown {name} {value!r}; {hint}")


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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read an entry as `to_dict` writes it.

        Raises:
            KeyError: A field is missing.
            TypeError: A field is of another kind.
            ValueError: A field has a value that there is not.
        """
        party, kind = values["party"], values["kind"]
        if party not in ALL_PARTIES or kind not in get_args(Kind):
            message = f'there is no party "{party}", or no kind "{kind}"'
            raise ValueError(message)
        request, response = values["request"], values["response"]
        at = datetime.fromisoformat(values["at"])
        if at.tzinfo is None or (kind == "exchange" and request is None):
            raise ValueError("its time has no offset, or an exchange has no request")
        for name, types in _TYPES.items():
            if not isinstance(values[name], types):
                message = f'"{name}" is {values[name]!r}, which is of another kind'
                raise TypeError(message)
        check_value("state", values["state"])
        _check_detail(values["detail"])
        parts = Parts(
            None if request is None else Request(*_message(request, "method", "target")),
            None if response is None else Response(*_message(response, "status")),
            values["reason"],
            tuple(MappingProxyType(dict(each)) for each in values["findings"]),
            MappingProxyType(dict(values["detail"])),
            is_safe=True,
        )
        return cls(
            int(values["number"]),
            at,
            party,
            kind,
            values["action"],
            values["instruction_id"],
            values["state"],
            values["peer"],
            values["sent"],
            values["exchange_id"],
            Recorded(parts, Concealed()),
        )

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
    def method(self) -> str | None:
        """The method of the request."""
        return self._recorded.method

    @property
    def target(self) -> str | None:
        """The target of the request, its credentials replaced."""
        return self._recorded.target

    @property
    def system(self) -> int | None:
        """The id of the Capacity Provider or Optimizer that the entry is of."""
        return self._recorded.system

    @property
    def is_handed_over(self) -> bool:
        """Whether it is SolarUser's note of what it handed to the Flexibility Provider."""
        return self._recorded.is_handed_over

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

    def __str__(self) -> str:
        at = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        words = [part for part in (self._told(), *_remarks(self)) if part]
        return f"{self.number}  {at}Z  {printable('; '.join(words))}"

    def _told(self) -> str:
        """Return what happened, in a few words."""
        about = "" if self.instruction_id is None else f"instruction {self.instruction_id}"
        if self.kind == "state":
            named = f" ({self.action})" if self.action else ""
            reason = f": {shortened(self.reason)}" if self.reason else ""
            return f"{self.party}: {about}{named} is {self.state}{reason}"
        if self.request is None:
            what = ", ".join(filter(None, (self.action, about)))
            return f"{self.party} notes" + (f" about {what}" if what else "")
        path = self.request.without_host.partition("?")[0]
        way = "sent" if self.sent else "got"
        other = f" {'to' if self.sent else 'from'} {self.peer}" if self.peer else ""
        answer = "unanswered" if self.status is None else f"answered {self.status}"
        beginning = f"{self.party} {way} {self.request.method} {shortened(path)}{other}"
        return ", ".join(filter(None, (beginning, self.action, about, answer)))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, always with the same keys in the same order."""
        return {name: self.shown(name) for name in FIELDS}

    def shown(self, name: str) -> Any:  # noqa: ANN401 - JSON of any kind
        """Return one of its fields as JSON values."""
        value = getattr(self, name)
        if isinstance(value, datetime):
            return utc_text(value)
        if isinstance(value, Request | Response):
            return value.to_dict()
        if isinstance(value, tuple):
            return [dict(each) for each in value]
        return dict(value) if isinstance(value, Mapping) else value


_TEXT: Final = (str, NoneType)
_NUMBER: Final = (int, NoneType)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "action": _TEXT,
    "instruction_id": _NUMBER,
    "state": _TEXT,
    "reason": _TEXT,
    "peer": _TEXT,
    "sent": (bool,),
    "exchange_id": _NUMBER,
}


# In the detail of an entry: what others than people read.
_DETAIL: Final[Mapping[str, tuple[type, ...]]] = {
    "answered_after": (int, float),
    "broker": (str,),
    "fault": (str,),
    "id": (int,),
    "rule": (int,),
    "user": (int,),
    "why": (str,),
}


def _check_detail(detail: Mapping[str, Any]) -> None:
    for name, types in _DETAIL.items():
        if name in detail and not isinstance(detail[name], types):
            message = f'"{name}" of its detail is {detail[name]!r}, which is of another kind'
            raise TypeError(message)
    if "fault" in detail and not {"rule", "why"} <= detail.keys():
        raise ValueError("the detail of a fault needs its rule, and why")


# In the detail of an entry: whose it is.
_OWNERS: Final = frozenset({"user", "id"})


def _remarks(entry: Entry) -> Iterator[str]:
    """Yield what a detail says besides, `why` in its own words."""
    for name, value in entry.detail.items():
        if name == "why":
            yield shortened(str(value))
        elif name not in _OWNERS:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"{name.replace('_', ' ')}: {shortened(text)}"


def _message(values: Mapping[str, Any], *first: str) -> tuple[Any, ...]:
    """Return the first fields of a request or response, its headers and its body."""
    headers = tuple((str(name), str(value)) for name, value in values["headers"])
    given = {name: values[name] for name in first}
    for name, value in given.items():
        is_number = isinstance(value, int) and value in _STATUSES
        if not (is_number if name == "status" else isinstance(value, str)):
            raise TypeError(f'"{name}" is {value!r}, which it cannot be')
    return (*given.values(), headers, values["body"].encode())
