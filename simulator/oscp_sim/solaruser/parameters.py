"""How SolarUser's framework turns the texts of a query or a form into values, and refuses others.

It is more lenient than the reader of JSON bodies: blanks anywhere in a number do not matter, and
numbers may be hexadecimal. Texts and conversions as measured (solaruser.md §1.5 and §7.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

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
_REQUESTED: Final = "@org.springframework.web.bind.annotation.RequestParam "
#: Stands for an empty element of a list of ids: no node and no instruction has it.
NO_ID: Final = -(2**63)

_HEXADECIMAL: Final = re.compile(r"(-?)(?:0[xX]|#)([0-9a-fA-F]+)")
_LONGEST_HEXADECIMAL: Final = 16

Given = TypeVar("Given")
Value = TypeVar("Value")


# Single parameters, which a handler asks for by name. Of a repeated one the first counts.


def optional_long(call: Call, name: str) -> int | None:
    """Return the whole number of a parameter, or None where it is not given, or empty."""
    return _converted(name, call.parameters.get(name), _LONG, long_of)


def required_long(call: Call, name: str) -> int:
    """Return the whole number of a parameter that must be given."""
    return _given(optional_long(call, name))


def required_state(call: Call) -> State:
    """Return the state that the parameter `state` names; it must be given."""
    return _given(_converted("state", call.parameters.get("state"), _STATE, _requested_state))


def required_longs(call: Call, name: str) -> tuple[int, ...]:
    """Return the whole numbers of a parameter by which the route was chosen."""
    return _converted(name, call.parameters.getlist(name), "java.util.Set", _set_of_longs) or ()


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
    """Return a 64-bit whole number, or None for a blank text.

    Raises:
        ValueError: It is not such a number; the message is Java's.
    """
    text = "".join(text.split())
    if not text:
        return None
    match = _HEXADECIMAL.fullmatch(text)
    if match and len(match[2].lstrip("0")) <= _LONGEST_HEXADECIMAL:
        text = str(int(f"{match[1]}{match[2]}", 16))
    return parse_long(text)


def all_longs(texts: Sequence[str]) -> tuple[int, ...]:
    """Return whole numbers, each once, of one text with commas or of several texts without.

    An empty element, as behind a comma at the end, is `NO_ID`.

    Raises:
        ValueError: One of them is not a whole number; the message is Java's.
    """
    values = (long_of(text) for text in _elements(texts))
    return tuple(dict.fromkeys(NO_ID if value is None else value for value in values))


def _set_of_longs(texts: Sequence[str]) -> tuple[int, ...]:
    try:
        return all_longs(texts)
    except ValueError:
        raise ValueError(f'For input string: "{",".join(texts)}"') from None


def state_of(text: str) -> State | None:
    """Return a state by its exact name, or None for an empty text.

    Raises:
        ValueError: It is not a state; the message is the framework's.
    """
    return _state(text, _STATE)


def _requested_state(text: str) -> State | None:
    return _state(text, _REQUESTED + _STATE)


def _state(text: str, kind: str) -> State | None:
    name = text.strip()
    if text and name not in STATES:
        raise ValueError(_unreadable(text, kind))
    return name or None  # type: ignore[return-value]


def _all_states(texts: Sequence[str]) -> tuple[State, ...]:
    values = (state_of(text) for text in _elements(texts))
    return tuple(dict.fromkeys(value for value in values if value is not None))


def _elements(texts: Sequence[str]) -> Sequence[str]:
    if len(texts) > 1:
        return texts
    return texts[0].split(",") if texts[0] else ()


def _form_date(text: str) -> datetime | None:
    try:
        return read_form_date(text) if text.strip() else None
    except ValueError:
        raise ValueError(_unreadable(text, _INSTANT)) from None


def _unreadable(text: str, kind: str) -> str:
    return f"Failed to convert from type [java.lang.String] to type [{kind}] for value [{text}]"


class Binding:
    """Puts fields into an object, and refuses all those together that cannot be converted.

    The first letter of a field has any case, and `!field` is a default for `field`. The object's
    name stands before that of a field in a refusal (measured; solaruser.md §1.5 and §7.2).
    """

    def __init__(self, parameters: MultiDict[str, str], target: str) -> None:
        self._parameters = _fields(parameters)
        self._target = target
        self._errors: dict[str, dict[str, Any]] = {}

    @property
    def names(self) -> Sequence[str]:
        """The fields, in the order in which the framework goes through them."""
        return sorted(self._parameters)

    def text(self, name: str) -> str | None:
        """Return a text; the values of a repeated field are joined by commas."""
        return ",".join(self._parameters.getlist(name)) if name in self._parameters else None

    def long(self, name: str, kind: str = _LONG) -> int | None:
        """Return a whole number, the first one given."""
        return self._first(name, kind, long_of)

    def longs(self, name: str) -> tuple[int, ...]:
        """Return whole numbers, of a list with commas or of a repeated field."""
        return self._bound(name, f"{_LONG}[]", all_longs) or ()

    def state(self, name: str) -> State | None:
        """Return a state, the first one given."""
        return self._first(name, _STATE, state_of)

    def states(self, name: str) -> tuple[State, ...]:
        """Return states, of a list with commas or of a repeated field."""
        return self._bound(name, "java.util.List", _all_states) or ()

    def date(self, name: str) -> datetime | None:
        """Return an instant, the first one given; a blank one counts as absent."""
        return self._first(name, _INSTANT, _form_date)

    def refuse_kind(self, name: str, kind: str, inner: str = "") -> None:
        """Record that no text makes a field of this kind, or an element of it of the inner one."""
        if name in self._parameters:
            at = f"{name}[0]" if inner else name
            reason = (
                f"Cannot convert value of type '{self._given_kind(name)}' to required type "
                f"'{inner or kind}' for property '{at}': no matching editors or conversion "
                "strategy found"
            )
            self._refuse(name, kind, reason)

    def refuse(self, name: str, message: str) -> None:
        """Record that a field cannot be set."""
        given = self._parameters.getlist(name)
        self._errors[name] = {
            "location": f"{self._target}.{name}",
            "rejectedValue": given[0] if len(given) == 1 else given,
            "message": message,
        }

    def refuse_empty(self, name: str) -> None:
        """Record that a list which needs an element has none, unless it is refused already."""
        if name not in self._errors:
            why = "java.lang.IllegalArgumentException: Collection is empty"
            self.refuse(name, f"Property '{name}' threw exception: {why}")

    def check(self) -> None:
        """Refuse the request if a field could not be converted, with every such field."""
        if self._errors:
            errors = [self._errors[name] for name in sorted(self._errors)]
            message = " ".join(error["message"] for error in errors)
            raise ApiRefused(422, message, code="VAL.00004", errors=errors)

    def _refuse(self, name: str, kind: str, reason: str) -> None:
        self.refuse(
            name,
            f"Failed to convert property value of type '{self._given_kind(name)}' to required "
            f"type '{kind}' for property '{name}'; {reason}",
        )

    def _given_kind(self, name: str) -> str:
        return "java.lang.String" + "[]" * (len(self._parameters.getlist(name)) > 1)

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
            self._refuse(name, kind, str(error))
            return None


def _fields(parameters: MultiDict[str, str]) -> MultiDict[str, str]:
    found = MultiDict[str, str]()
    for name, value in parameters.items(multi=True):
        found.add(name[:1].lower() + name[1:], value)
    for name in [name for name in found if name.startswith("!")]:
        if name[1:] not in found:
            found.setlist(name[1:], found.getlist(name))
    return found


def path_refused() -> ApiRefused:
    """Return the refusal of a field whose path leads nowhere (measured)."""
    return ApiRefused(422, "Invalid request syntax", code="VAL.00005")


# The form that carries an instruction (solaruser.md §1.5). A field that is not named here is
# ignored, `params[x]` too: its value goes into a copy.

#: How long the framework lets a list grow (measured).
MOST_INDEXED_PARAMETERS: Final = 256
_ELEMENT: Final = "net.solarnetwork.central.instructor.domain.InstructionParameter"
_PARAMETER: Final = re.compile(r"parameters\[([^\]]*)\](.*)", re.DOTALL)


def read_form(parameters: MultiDict[str, str]) -> InstructionBody:
    """Return what SolarUser reads from a form, apart from the nodes."""
    binding = Binding(parameters, "instruction")
    pairs = _form_pairs(binding)
    # These are ignored, but not before they are converted.
    binding.long("id")
    binding.date("created")
    binding.date("statusDate")
    binding.state("state")
    binding.refuse_kind("parameters", "java.util.List", _ELEMENT)
    binding.refuse_kind("params", "java.util.Map")
    binding.refuse_kind("resultParameters", "java.util.Map")
    body = InstructionBody(
        topic=binding.text("topic"),
        parameters=pairs,
        instruction_date=binding.date("instructionDate"),
        expiration_date=binding.date("expirationDate"),
    )
    binding.check()
    return body


def _form_pairs(binding: Binding) -> list[tuple[str, str]]:
    """Return the parameters by ascending index, without those that lack a name or a value."""
    elements: dict[int, dict[str, str]] = {}
    for name in binding.names:
        match = _PARAMETER.fullmatch(name)
        if match is None:
            continue
        element = elements.setdefault(_index(match[1]), {})
        if not match[2]:
            binding.refuse_kind(name, _ELEMENT)
        element[match[2]] = binding.text(name) or ""
    found = (element for _, element in sorted(elements.items()))
    return [
        (element[".name"], element[".value"])
        for element in found
        if ".name" in element and ".value" in element
    ]


def _index(text: str) -> int:
    try:
        index = parse_long(text)
    except ValueError:
        raise path_refused() from None
    if not 0 <= index < MOST_INDEXED_PARAMETERS:
        raise path_refused()
    return index


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


def read_filter(parameters: MultiDict[str, str], *, states_only: bool = False) -> InstructionFilter:
    """Return the filter of a request.

    Of a single name and its plural the plural counts, as the later one in the framework's order.
    With `states_only`, `state` does not filter.
    """
    binding = Binding(parameters, "simpleInstructionFilter")
    node, state = binding.long("nodeId"), binding.state("state")
    nodes, states = binding.longs("nodeIds"), binding.states("states")
    if not states and "states" in binding.names:
        # An empty list is refused; of one that cannot be read, the refusal stands already.
        binding.refuse_empty("states")
    found = InstructionFilter(
        node_ids=nodes if "nodeIds" in binding.names or node is None else (node,),
        instruction_ids=binding.longs("instructionIds"),
        states=states if states or states_only or state is None else (state,),
        start=binding.date("startDate"),
        end=binding.date("endDate"),
    )
    binding.check()
    return found
