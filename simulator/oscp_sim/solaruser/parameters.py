"""Which instructions are meant: the filter parameters (solaruser.md §1.8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict

from oscp_send.solarnetwork.dates import read_form_date
from oscp_send.solarnetwork.json_reading import parse_long
from oscp_send.solarnetwork.request_body import InstructionBody
from oscp_sim.http import Request
from oscp_sim.instructions import STATES, Instruction, State
from oscp_sim.solaruser.call import ApiRefused, Call, NoRoute, declares_digest, media_type_of

__all__ = [
    "FORM",
    "LONG",
    "LONGEST_FORM",
    "MOST_INDEXED_PARAMETERS",
    "MOST_PARAMETERS",
    "STATE",
    "Binding",
    "InstructionFilter",
    "all_longs",
    "is_consumed_form",
    "long_of",
    "optional",
    "read_filter",
    "read_form",
    "refuse_property",
    "request_parameters",
    "required",
    "required_longs",
    "state_of",
]


# § The parameters of a request as the container reads them: those of the query, then of a form.
#
# As observed in SolarNetwork (solaruser.md §5.4, §5.5 and §7.4). A signature covers them and
# the routes read them, so both ask here.

FORM = "application/x-www-form-urlencoded"
# The container's own limits (inferred; solaruser.md §7.4), and what it says beyond them, too.
LONGEST_FORM = 2_097_152
MOST_PARAMETERS = 1000


def is_consumed_form(request: Request) -> bool:
    """Tells whether the container has read the body as parameters, so that nobody sees it as body.

    With a digest the body is read before its fields, which nobody sees then (inferred).
    """
    return (
        request.method == "POST" and media_type_of(request) == FORM and not declares_digest(request)
    )


def request_parameters(request: Request) -> list[tuple[str, str]]:
    """Answers with the decoded names and values, in request order.

    Args:
        request: The request as it was sent.

    Raises:
        NoRoute: A form is too long, or there are too many parameters.
    """
    pairs = _pairs(request.query)
    body = request.body
    if body is not None and is_consumed_form(request):
        if len(body) > LONGEST_FORM:
            raise NoRoute(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        pairs += _pairs(body.decode("utf-8", "replace"))
    if len(pairs) > MOST_PARAMETERS:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    return pairs


def _pairs(text: str) -> list[tuple[str, str]]:
    if text.count("&") >= MOST_PARAMETERS:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    # A value without a name is no parameter to the container (inferred).
    return [pair for pair in parse_qsl(text, keep_blank_values=True) if pair[0]]


# § How SolarUser's framework turns the texts of a query or a form into values.
#
# It is more lenient than the reader of JSON bodies: blanks anywhere in a number do not matter,
# and numbers may be hexadecimal. All of it is inferred from the framework (SolarUser dossier
# §1.5, §7.1).

# Java's name of each type, as it stands in a refusal.
LONG: Final = "java.lang.Long"
STATE: Final = "net.solarnetwork.domain.InstructionStatus$InstructionState"
_HEXADECIMAL: Final = re.compile(r"(-?)(?:0[xX]|#)([0-9a-fA-F]+)")
_LONGEST_HEXADECIMAL: Final = 16

Value = TypeVar("Value")


def optional(
    call: Call, name: str, kind: str, convert: Callable[[str], Value | None]
) -> Value | None:
    """Answers with the value of a parameter; None where it is not given, or empty.

    Of a parameter that is repeated the first counts.

    Raises:
        ApiRefused: It cannot be converted.
    """
    text = call.parameters.get(name)
    if text is None:
        return None
    try:
        return convert(text)
    except ValueError as error:
        raise _unconvertible(name, kind, error) from None


def required(call: Call, name: str, kind: str, convert: Callable[[str], Value | None]) -> Value:
    """Answers with the value of a parameter that must be there.

    Raises:
        ApiRefused: It cannot be converted.
        NoRoute: It is missing, or empty.
    """
    value = optional(call, name, kind, convert)
    if value is None:
        raise NoRoute(HTTPStatus.BAD_REQUEST)
    return value


def required_longs(call: Call, name: str) -> tuple[int, ...]:
    """Answers with the whole numbers of a parameter that the route was chosen by.

    Raises:
        ApiRefused: One of them is none.
    """
    try:
        return all_longs(call.parameters.getlist(name))
    except ValueError as error:
        raise _unconvertible(name, LONG, error) from None


def all_longs(texts: Sequence[str]) -> tuple[int, ...]:
    """Answers with whole numbers, each once, of one text with commas or of several texts without.

    Raises:
        ValueError: One of them is no number; the message is Java's.
    """
    parts = texts[0].split(",") if len(texts) == 1 else texts
    numbers = (long_of(part) for part in parts)
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def long_of(text: str) -> int | None:
    """Answers with a 64-bit whole number; None for a text without any character.

    Raises:
        ValueError: It is no such number; the message is Java's.
    """
    if not text:
        return None
    text = "".join(text.split())
    match = _HEXADECIMAL.fullmatch(text)
    if match and len(match[2].lstrip("0")) <= _LONGEST_HEXADECIMAL:
        text = str(int(f"{match[1]}{match[2]}", 16))
    return parse_long(text)


def state_of(text: str) -> State | None:
    """Answers with a state by its exact name; None for a text without any character.

    Raises:
        ValueError: It is no state; the message is the framework's.
    """
    if not text:
        return None
    name = text.strip()
    if name not in STATES:
        raise ValueError(f"No enum constant {STATE.replace('$', '.')}.{name}")
    return name


def _unconvertible(name: str, kind: str, error: ValueError) -> ApiRefused:
    return ApiRefused(
        422,
        f"Illegal argument: Method parameter '{name}': Failed to convert value of type "
        f"'java.lang.String' to required type '{kind}'; {error}",
    )


# § How SolarUser's framework puts the fields of a query or a form into an object.
#
# The codes are the service's, the texts behind them inferred (solaruser.md §1.5 and §7.2).

_INSTANT: Final = "java.time.Instant"


class Binding:
    """Takes values from fields, and refuses all that cannot be converted at once.

    Args:
        parameters: Of query and form.
    """

    def __init__(self, parameters: MultiDict[str, str]) -> None:
        self._parameters = parameters
        self._errors: list[dict[str, Any]] = []

    def text(self, name: str) -> str | None:
        """Answers with a text; the values of a field that is repeated are joined by commas."""
        return ",".join(self._parameters.getlist(name)) if name in self._parameters else None

    def long(self, name: str) -> int | None:
        """Answers with a whole number, the first one given."""
        return self._first(name, LONG, long_of)

    def longs(self, name: str) -> tuple[int, ...]:
        """Answers with whole numbers, of a list with commas or of a field that is repeated."""
        return self._converted(name, f"{LONG}[]", all_longs) or ()

    def state(self, name: str) -> State | None:
        """Answers with a state, the first one given."""
        return self._first(name, STATE, state_of)

    def states(self, name: str) -> tuple[State, ...]:
        """Answers with states, of a list with commas or of a field that is repeated."""
        return self._converted(name, f"{STATE}[]", _all_states) or ()

    def date(self, name: str) -> datetime | None:
        """Answers with an instant, the first one given; a blank one is none."""
        return self._first(
            name, _INSTANT, lambda text: read_form_date(text) if text.strip() else None
        )

    def refuse(self, name: str, kind: str, reason: str) -> None:
        """Notes that a field cannot be converted."""
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
        """Refuses the request if a field could not be converted.

        Raises:
            ApiRefused: With every such field.
        """
        if self._errors:
            raise ApiRefused(422, "Validation error.", code="VAL.00004", errors=self._errors)

    def _first(self, name: str, kind: str, convert: Callable[[str], Value | None]) -> Value | None:
        return self._converted(name, kind, lambda texts: convert(texts[0]))

    def _converted(
        self, name: str, kind: str, convert: Callable[[Sequence[str]], Value | None]
    ) -> Value | None:
        if name not in self._parameters:
            return None
        try:
            return convert(self._parameters.getlist(name))
        except ValueError as error:
            self.refuse(name, kind, str(error))
            return None


def refuse_property(path: str, reason: str) -> NoReturn:
    """Refuses a field whose name leads nowhere.

    Raises:
        ApiRefused: Always.
    """
    raise ApiRefused(
        422,
        f"Invalid property '{path}' of bean class [net.solarnetwork.central.instructor.domain."
        f"Instruction]: {reason}",
        code="VAL.00005",
    )


def _all_states(texts: Sequence[str]) -> tuple[State, ...]:
    parts = texts[0].split(",") if len(texts) == 1 else texts
    states = (state_of(part) for part in parts)
    return tuple(dict.fromkeys(state for state in states if state is not None))


# § The form that carries an instruction: fields bound to it by their names (SolarUser dossier
# §1.5).
#
# What is not named here is passed over in silence, `params[x]` too: its value goes into a copy.

#: To which length the framework lets a list grow (its default, inferred).
MOST_INDEXED_PARAMETERS: Final = 256
_ELEMENT: Final = "net.solarnetwork.central.instructor.domain.InstructionParameter"
_PARAMETER: Final = re.compile(r"parameters\[([^\]]*)\](.*)", re.DOTALL)


def read_form(parameters: MultiDict[str, str]) -> InstructionBody:
    """Answers with what SolarUser reads from a form, apart from the nodes.

    Args:
        parameters: Of query and form.

    Raises:
        ApiRefused: A field leads nowhere, or cannot be converted.
    """
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
    """Answers with the parameters by ascending index; what has no name or no value is skipped."""
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
        refuse_property(path, f"Invalid list index in property path '{path}'")
    if not 0 <= index < MOST_INDEXED_PARAMETERS:
        refuse_property(path, f"Index out of bounds in property path '{path}'")
    return index


@dataclass(frozen=True, slots=True)
class InstructionFilter:
    """What an instruction must be to be meant; what is empty or None does not restrict.

    Attributes:
        node_ids: For one of these nodes.
        instruction_ids: One of these.
        states: In one of these states.
        start: Dated then or later.
        end: Dated before.
    """

    node_ids: tuple[int, ...] = ()
    instruction_ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    start: datetime | None = None
    end: datetime | None = None

    def fits(self, row: Instruction) -> bool:
        """Tells whether an instruction, found by its node or its id, is meant in all else."""
        return (
            (not self.states or row.state in self.states)
            and (self.start is None or row.instruction_date >= self.start)
            and (self.end is None or row.instruction_date < self.end)
        )


def read_filter(
    parameters: MultiDict[str, str], *, state_is_wanted: bool = False
) -> InstructionFilter:
    """Answers with the filter of a request.

    Of a single name and its plural the plural counts, as the later one in the framework's order.

    Args:
        parameters: Of query and form.
        state_is_wanted: Whether `state` is the state to set rather than the one to look for; then
            `states` alone filters (inferred).

    Raises:
        ApiRefused: A parameter cannot be converted.
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
