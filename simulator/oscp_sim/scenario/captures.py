"""What steps capture under a name, for the references of later steps: `${dayahead.request_id}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from oscp_sim.matching import printable
from oscp_sim.scenario.act import Outcome
from oscp_sim.scenario.references import (
    MATRIX,
    Reference,
    filled,
    references,
    suggestion,
    texts,
    texts_for,
)
from oscp_sim.scenario.timeline import Exchange
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument

# What is captured of something that was sent.
_OF_EXCHANGE: Final[Mapping[str, Callable[[Exchange], object]]] = {
    "action": lambda sent: sent.action,
    "correlation_id": lambda sent: sent.correlation_id,
    "headers": lambda sent: {name.lower(): value for name, value in sent.headers},
    "instruction_id": lambda sent: sent.instruction_id,
    "message": lambda sent: json_value(sent.body),
    "path": lambda sent: sent.path,
    "request_id": lambda sent: sent.request_id,
    "status": lambda sent: sent.status,
}
# And of an instruction, of which the last delivery tells the request id.
_OF_INSTRUCTION: Final[Mapping[str, Callable[[Outcome, Exchange | None], object]]] = {
    "action": lambda sent, _: sent.parameters.get("action"),
    "correlation_id": lambda sent, _: sent.parameters.get("correlationId"),
    "instruction_id": lambda sent, _: sent.instruction_id,
    "message": lambda sent, _: json_value(sent.message or ""),
    "reason": lambda sent, _: sent.reason,
    "request_id": lambda _, delivered: delivered.request_id if delivered else None,
    "state": lambda sent, _: sent.state,
}
# Those of steps that do more than send a message.
_SPECIAL: Final[Mapping[str, tuple[str, ...]]] = {
    "send": tuple(_OF_INSTRUCTION),
    "run": (*_OF_INSTRUCTION, "exit_code", "output"),
    "request": (*_OF_EXCHANGE, "answer", "answer_headers"),
}
# Those that have values of their own.
_DEEP: Final = ("headers", "message", "answer", "answer_headers")
_LISTS: Final = ("exchanges", "exchanges_among_others")

Captured = Mapping[str, Any]


# Before anything runs: is there such a name, and such a value of it?


@dataclass(frozen=True, slots=True)
class _Capture:
    """Where a name gets its value, and which values it has."""

    pointer: str
    step: int
    fields: Iterable[str]


@dataclass(slots=True)
class CaptureCheck:
    """Finds the references of a scenario, at a pointer of its file, that nothing stands for."""

    document: YamlDocument
    at: str
    shared: tuple[str, ...]
    _captures: dict[str, _Capture] = field(default_factory=dict)

    def problems(self) -> Iterator[SourceProblem]:
        """Yield each reference without a value, and each name that is given twice."""
        scenario: Mapping[str, Any] = self.document.at(self.at).value
        for index, step in enumerate(scenario["steps"]):
            for name, capture in self._captures_of(index, step):
                known = self._captures.setdefault(name, capture)
                if known is not capture:
                    place = self.document.place(known.pointer)
                    message = f'"{name}" stands for something else already, at {place}'
                    yield self.document.problem(capture.pointer, message)
        steps = f"{self.at}/steps/"
        for pointer, text in texts_for(self.document, self.at, self.shared):
            is_step, rest = pointer.startswith(steps), pointer.removeprefix(steps)
            step = int(rest.partition("/")[0]) if is_step else None
            for reference in references(text):
                if wrong := self._why_not(reference, step):
                    yield self.document.problem(pointer, wrong)

    def _captures_of(self, index: int, step: Mapping[str, Any]) -> Iterator[tuple[str, _Capture]]:
        pointer = f"{self.at}/steps/{index}"
        if "as" in step:
            special = [fields for key, fields in _SPECIAL.items() if key in step]
            yield step["as"], _Capture(f"{pointer}/as", index, (*special, _OF_EXCHANGE)[0])
        for key in _LISTS:
            listed = step["expect"].get(key) if isinstance(step.get("expect"), dict) else None
            for at, each in enumerate(listed if isinstance(listed, list) else ()):
                if "as" in each:
                    below = f"{pointer}/expect/{key}/{at}/as"
                    yield each["as"], _Capture(below, index, _OF_EXCHANGE)

    def _why_not(self, reference: Reference, step: int | None) -> str | None:
        """Return why there is no value for a reference in a step, or outside of any."""
        if reference.name == MATRIX:
            return f'"{reference}" has no value here: values of a matrix cannot refer to others'
        if step is None:
            return f'"{reference}" has no value here: what is captured is for later steps'
        capture = self._captures.get(reference.name)
        if capture is None:
            none = f"give a step, or an expected exchange, the name with as: {reference.name}"
            earlier = [name for name, each in self._captures.items() if each.step < step]
            near = suggestion(reference.name, earlier, none)
            return f'nothing is captured as "{reference.name}"; {near}'
        if capture.step >= step:
            place = self.document.place(capture.pointer)
            return f'"{reference.name}" has no value before the step after {place}'
        return _why_not_of(reference, capture)


def _why_not_of(reference: Reference, capture: _Capture) -> str | None:
    """Return why something that is captured has no such value, or None if it has."""
    asked, *below = reference.path
    if asked not in capture.fields:
        return f'"{reference.name}" has no "{asked}"; {suggestion(asked, capture.fields)}'
    if below and asked not in _DEEP:
        return f'"{asked}" of "{reference.name}" is a single value: leave .{below[0]} out'
    return None


# While it runs.


def of_exchange(exchange: Exchange) -> Captured:
    """Return what is captured of something that was sent."""
    return {name: read(exchange) for name, read in _OF_EXCHANGE.items()}


def of_instruction(outcome: Outcome, exchanges: Sequence[Exchange]) -> Captured:
    """Return what is captured of an instruction, among all exchanges of its step."""
    own = [each for each in exchanges if each.instruction_id == outcome.instruction_id]
    delivered = [each for each in own if each.receiver == "capacity_provider"]
    last = delivered[-1] if delivered else None
    return {name: read(outcome, last) for name, read in _OF_INSTRUCTION.items()}


def fill(document: YamlDocument, captured: Mapping[str, Captured]) -> YamlDocument:
    """Return a step with what was captured in the place of its references.

    Raises:
        SourceError: Something was captured without that value.
    """
    problems = []
    for pointer, text in texts(document.value):
        for reference in references(text):
            try:
                _value(reference, captured)
            except LookupError as error:
                problems.append(document.problem(pointer, str(error.args[0])))
    if problems:
        raise SourceError(problems)

    def value_of(reference: Reference) -> YamlDocument:
        return YamlDocument.of(_value(reference, captured), reference.text)

    return document.with_texts(lambda text: filled(text, value_of))


def _value(reference: Reference, captured: Mapping[str, Captured]) -> object:
    """Return the value of a reference.

    Raises:
        LookupError: There is none; the message says what there is.
    """
    value: Any = captured.get(reference.name, {})
    above = reference.name
    for step in reference.path:
        # The names of headers are the same in any case.
        found = _below(
            value, step.lower() if above.endswith((".headers", ".answer_headers")) else step
        )
        if found is None:
            message = f'"{reference}" has no value: {above} has no "{step}"'
            if isinstance(value, Mapping) and above != reference.name and value:
                message += f"; {suggestion(step, value)}"
            elif isinstance(value, list):
                message += f"; it is a list of {len(value)}, counted from 0"
            raise LookupError(printable(message))
        value, above = found, f"{above}.{step}"
    return value


def _below(value: object, step: str) -> object:
    if isinstance(value, list):
        return value[int(step)] if step.isdecimal() and int(step) < len(value) else None
    return value.get(step) if isinstance(value, Mapping) else None


def json_value(text: str) -> object:
    """Return what a body says: its JSON value, else the text, or None where there is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text or None
