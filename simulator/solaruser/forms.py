"""The form that carries an instruction: fields bound to it by their names (SolarUser dossier §1.5).

What is not named here is passed over in silence, `params[x]` too: its value goes into a copy.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from oscp_send.solarnetwork.java import parse_long
from oscp_send.solarnetwork.request_body import InstructionBody
from simulator.solaruser.binding import Binding, refuse_property

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

__all__ = ["MOST_PARAMETERS", "read_form"]

#: To which length the framework lets a list grow (its default, inferred).
MOST_PARAMETERS: Final = 256
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
    pairs = _pairs(parameters, binding)
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


def _pairs(parameters: MultiDict[str, str], binding: Binding) -> list[tuple[str, str]]:
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
    if not 0 <= index < MOST_PARAMETERS:
        refuse_property(path, f"Index out of bounds in property path '{path}'")
    return index
