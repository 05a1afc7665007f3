"""How SolarUser's framework turns the texts of a query or a form into values, and refuses others.

It is more lenient than the reader of JSON bodies: blanks anywhere in a number do not matter, and
numbers may be hexadecimal. All of it is inferred from the framework (solaruser.md §1.5 and §7.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NoReturn, TypeVar

from werkzeug.datastructures import MultiDict

from oscp_send.solarnetwork.dates import read_form_date
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_send.solarnetwork.request_body import InstructionBody
from oscp_sim.instructions import STATES, Instruction, State
from oscp_sim.solaruser.call import ApiRefused, Call, NoRoute

# Java's name of each type, as it stands in a refusal.
_LONG: Final = "java.lang.Long"
_STATE: Final = "net.solarnetwork.domain.InstructionStatus$InstructionState"
_INSTANT: Final = "java.time.Instant"

_HEXADECIMAL: Final = re.compile(r"(-?)(?:0[xX]|#)([0-9a-fA-F]+)")
_LONGEST_HEXADECIMAL: Final = 16

Given = TypeVar("Given")
Value = TypeVar("Value")


# Single parameters, which a handler asks for by name. Of a repeated one the first counts.


def optional_long(call: Call, name: str, kind: str = _LONG) -> int | None:
    """Return the whole number of a parameter, or None where it is not given, or empty."""
    return _converted(name, call.parameters.get(name), kind, long_of)


def required_long(call: Call, name: str) -> int:
    """Return the whole number of a parameter that must be given."""
    return _given(optional_long(call, name))


def required_state(call: Call) -> State:
    """Return the state that the parameter `state` names; it must be given."""
    return _given(_converted("state", call.parameters.get("state"), _STATE, state_of))


def required_longs(call: Call, name: str) -> tuple[int, ...]:
    """Return the whole numbers of a parameter by which the route was chosen."""
    return _converted(name, call.parameters.getlist(name), _LONG, all_longs) or ()


def path_long(call: Call, name: str) -> int:
    """Return the whole number of a variable of the path."""
    found = _converted(name, call.variables[name], _LONG, long_of)
    if found is None:
        raise _unconvertible(name, _LONG, "it is empty")
    return found


def _given(value: Value | None) -> Value:
    if value is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    return value


def _converted(
    name: str, given: Given | None, kind: str, convert: Callable[[Given], Value | None]
) -> Value | None:
    if given is None:
        return None
    try:
        return convert(given)
    except ValueError as error:
        raise _unconvertible(name, kind, str(error)) from None


def _unconvertible(name: str, kind: str, reason: str) -> ApiRefused:
    return ApiRefused(
        422,
        f"Illegal argument: Method parameter '{name}': Failed to convert value of type "
        f"'java.lang.String' to required type '{kind}'; {reason}",
    )


def long_of(text: str) -> int | None:
    """Return a 64-bit whole number, or None for an empty text.

    Raises:
        ValueError: It is not such a number; the message is Java's.
    """
    if not text:
        return None
    text = "".join(text.split())
    match = _HEXADECIMAL.fullmatch(text)
    if match and len(match[2].lstrip("0")) <= _LONGEST_HEXADECIMAL:
        text = str(int(f"{match[1]}{match[2]}", 16))
    return parse_long(text)


def all_longs(texts: Sequence[str]) -> tuple[int, ...]:
    """Return whole numbers, each once, of one text with commas or of several texts without.

    Raises:
        ValueError: One of them is not a whole number; the message is Java's.
    """
    return _all(texts, long_of)


def state_of(text: str) -> State | None:
    """Return a state by its exact name, or None for an empty text.

    Raises:
        ValueError: It is not a state; the message is the framework's.
    """
    if not text:
        return None
    name = text.strip()
    if name not in STATES:
        raise ValueError(f"No enum constant {_STATE.replace('$', '.')}.{name}")
    return name


def _all_states(texts: Sequence[str]) -> tuple[State, ...]:
    return _all(texts, state_of)


def _all(texts: Sequence[str], convert: Callable[[str], Value | None]) -> tuple[Value, ...]:
    parts = texts[0].split(",") if len(texts) == 1 else texts
    values = (convert(part) for part in parts)
    return tuple(dict.fromkeys(value for value in values if value is not None))


class Binding:
    """Puts fields into an object, and refuses all those together that cannot be converted.

    The codes of a refusal are the service's, its texts are inferred (solaruser.md §1.5 and §7.2).
    """

    def __init__(self, parameters: MultiDict[str, str]) -> None:
        self._parameters = parameters
        self._errors: list[dict[str, Any]] = []

    def text(self, name: str) -> str | None:
        """Return a text; the values of a repeated field are joined by commas."""
        return ",".join(self._parameters.getlist(name)) if name in self._parameters else None

    def long(self, name: str) -> int | None:
        """Return a whole number, the first one given."""
        return self._first(name, _LONG, long_of)

    def longs(self, name: str) -> tuple[int, ...]:
        """Return whole numbers, of a list with commas or of a repeated field."""
        return self._bound(name, f"{_LONG}[]", all_longs) or ()

    def state(self, name: str) -> State | None:
        """Return a state, the first one given."""
        return self._first(name, _STATE, state_of)

    def states(self, name: str) -> tuple[State, ...]:
        """Return states, of a list with commas or of a repeated field."""
        return self._bound(name, f"{_STATE}[]", _all_states) or ()

    def date(self, name: str) -> datetime | None:
        """Return an instant, the first one given; a blank one counts as absent."""
        return self._first(
            name, _INSTANT, lambda text: read_form_date(text) if text.strip() else None
        )

    def refuse(self, name: str, kind: str, reason: str) -> None:
        """Record that a field cannot be converted."""
        given = self._parameters.getlist(name)
        self._errors.append(
            {
                "location": name,
                "code": "typeMismatch",
                "rejectedValue": given[0] if len(given) == 1 else given,
                "message": f"Failed to convert property value of type 'java.lang.String' to "
                f"required type '{kind}' for property '{name}'; {reason}",
            }
        )

    def check(self) -> None:
        """Refuse the request if a field could not be converted, with every such field."""
        if self._errors:
            raise ApiRefused(422, "Validation error.", code="VAL.00004", errors=self._errors)

    def _first(self, name: str, kind: str, convert: Callable[[str], Value | None]) -> Value | None:
        return self._bound(name, kind, lambda texts: convert(texts[0]))

    def _bound(
        self, name: str, kind: str, convert: Callable[[Sequence[str]], Value | None]
    ) -> Value | None:
        if name not in self._parameters:
            return None
        try:
            return convert(self._parameters.getlist(name))
        except ValueError as error:
            self.refuse(name, kind, str(error))
            return None


# The form that carries an instruction (solaruser.md §1.5). A field that is not named here is
# ignored, `params[x]` too: its value goes into a copy.

#: How long the framework lets a list grow (its default, inferred).
MOST_INDEXED_PARAMETERS: Final = 256
_ELEMENT: Final = "net.solarnetwork.central.instructor.domain.InstructionParameter"
_PARAMETER: Final = re.compile(r"parameters\[([^\]]*)\](.*)", re.DOTALL)


def read_form(parameters: MultiDict[str, str]) -> InstructionBody:
    """Return what SolarUser reads from a form, apart from the nodes."""
    binding = Binding(parameters)
    pairs = _form_pairs(parameters, binding)
    # These are ignored, but not before they are converted.
    binding.long("id")
    binding.date("created")
    binding.date("statusDate")
    binding.state("state")
    body = InstructionBody(
        topic=binding.text("topic"),
        parameters=pairs,
        instruction_date=binding.date("instructionDate"),
        expiration_date=binding.date("expirationDate"),
    )
    binding.check()
    return body


def _form_pairs(parameters: MultiDict[str, str], binding: Binding) -> list[tuple[str, str]]:
    """Return the parameters by ascending index, without those that lack a name or a value."""
    elements: dict[int, dict[str, str]] = {}
    # The framework goes through the fields in the order of their names.
    for name in sorted(parameters):
        match = _PARAMETER.fullmatch(name)
        if match is None:
            continue
        element = elements.setdefault(_index(match[1]), {})
        if not match[2]:
            binding.refuse(name, _ELEMENT, "no matching editors or conversion strategy found")
        element[match[2]] = binding.text(name) or ""
    found = (element for _, element in sorted(elements.items()))
    return [
        (element[".name"], element[".value"])
        for element in found
        if ".name" in element and ".value" in element
    ]


def _index(text: str) -> int:
    path = f"parameters[{text}]"
    try:
        index = parse_long(text)
    except ValueError:
        _refuse_property(path, f"Invalid list index in property path '{path}'")
    if not 0 <= index < MOST_INDEXED_PARAMETERS:
        _refuse_property(path, f"Index out of bounds in property path '{path}'")
    return index


def _refuse_property(path: str, reason: str) -> NoReturn:
    raise ApiRefused(
        422,
        f"Invalid property '{path}' of bean class [net.solarnetwork.central.instructor.domain."
        f"Instruction]: {reason}",
        code="VAL.00005",
    )


# The filter of instructions (solaruser.md §1.8).


@dataclass(frozen=True, slots=True)
class InstructionFilter:
    """Which instructions are meant; what is empty or None does not restrict.

    Of `instruction_date`, `start` is the earliest value and `end` the first that is too late.
    """

    node_ids: tuple[int, ...] = ()
    instruction_ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    start: datetime | None = None
    end: datetime | None = None

    def fits(self, row: Instruction) -> bool:
        """Return whether state and date fit an instruction that was found by node or id."""
        return (
            (not self.states or row.state in self.states)
            and (self.start is None or row.instruction_date >= self.start)
            and (self.end is None or row.instruction_date < self.end)
        )


def read_filter(
    parameters: MultiDict[str, str], *, state_is_wanted: bool = False
) -> InstructionFilter:
    """Return the filter of a request.

    Of a single name and its plural the plural counts, as the later one in the framework's order.
    Where `state` is the state to set, only `states` filters (inferred).
    """
    binding = Binding(parameters)
    node, state = binding.long("nodeId"), None if state_is_wanted else binding.state("state")
    nodes, states = binding.longs("nodeIds"), binding.states("states")
    found = InstructionFilter(
        node_ids=nodes if "nodeIds" in parameters or node is None else (node,),
        instruction_ids=binding.longs("instructionIds"),
        states=states if "states" in parameters or state is None else (state,),
        start=binding.date("startDate"),
        end=binding.date("endDate"),
    )
    binding.check()
    return found
