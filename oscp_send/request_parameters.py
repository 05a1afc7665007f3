"""What becomes of the parameters of a request: dropped, joined, or never reached, and why.

Only texts survive SolarUser's reader (SolarUser dossier §1.3), and what is empty is dropped behind
it (§2.1); the queue hook then says no more than that something is missing (§3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from oscp_send.findings import Finding, Severity
from oscp_send.schema_hints import near
from oscp_send.solarnetwork.java import parse_long
from schemas import escape_pointer
from schemas.preview import preview

__all__ = ["GivenParameters", "judge_parameters"]

_NEEDED: Final = ("action", "coId", "cgIdentifier", "msg")
_KNOWN: Final = (*_NEEDED, "correlationId")
_DROPPED: Final = "SolarUser drops parameters that are not strings"
_LOST: Final = "SolarUser loses its place there and refuses the request"
_WHAT: Final = {
    "action": "the OSCP message name",
    "coId": "the configId of the Capacity Optimizer",
    "cgIdentifier": "the identifier of the Capacity Group",
    "msg": "the message, as a string that holds JSON",
}


@dataclass(frozen=True, slots=True)
class GivenParameters:
    """The parameters as they stand in a request body.

    Attributes:
        pointer: Where they are: `/params` or `/parameters`; of the two the last one counts. Empty
            where there are none.
        value: The object, the list, or whatever else is there.
    """

    pointer: str
    value: object

    @classmethod
    def of(cls, body: object) -> GivenParameters:
        """Finds them in a parsed body."""
        if isinstance(body, Mapping):
            for key in reversed(body):
                if key in {"params", "parameters"}:
                    return cls(f"/{key}", body[key])
        return cls("", None)

    def places(self) -> list[tuple[str, str, object]]:
        """Answers with pointer, name and value of each parameter that has both, in order."""
        if isinstance(self.value, Mapping):
            return [
                (f"{self.pointer}/{escape_pointer(name)}", name, value)
                for name, value in self.value.items()
            ]
        if not isinstance(self.value, list):
            return []
        return [
            (f"{self.pointer}/{index}/value", element["name"], element["value"])
            for index, element in enumerate(self.value)
            if isinstance(element, Mapping)
            and isinstance(element.get("name"), str)
            and "value" in element
        ]

    def place(self, wanted: str) -> str:
        """Answers with the pointer of a parameter's value, the first of its name."""
        found = (pointer for pointer, name, _ in self.places() if name == wanted)
        return next(found, self.pointer)

    def texts(self) -> list[tuple[str, str]]:
        """Answers with the names and texts as they were probably meant, for a body that is refused.

        SolarUser reads no parameters then; these are what it would, were the rest mended.
        """
        return [(name, value) for _, name, value in self.places() if isinstance(value, str)]


def judge_parameters(
    given: GivenParameters,
    left: Mapping[str, str],
    duplicates: Sequence[str] = (),
    *,
    refused: bool = False,
) -> Iterator[Finding]:
    """Yields what is wrong with the parameters of a request body.

    Args:
        given: As they stand in the body.
        left: What is left of them, joined by name.
        duplicates: Pointers of the properties that the body gives more than once.
        refused: Whether SolarUser refuses the body as a whole.
    """
    if not isinstance(given.value, Mapping | list):
        return
    if isinstance(given.value, list):
        yield from _elements(given.pointer, given.value)
    for pointer, name, value in given.places():
        severity: Severity = "error" if name in _NEEDED and name not in left else "warning"
        yield from _member(pointer, name, value, severity, is_fatal=refused)
    yield from _repeated(duplicates, given.pointer, left)
    for name in left:
        if name not in _KNOWN:
            yield _unknown(given.place(name), name)
    yield from _missing(given, left)
    yield from _unusable(given, left)


def _finding(rule: str, severity: Severity, pointer: str, message: str, hint: str = "") -> Finding:
    return Finding("transport", rule, severity, pointer, message, hint)


def _elements(pointer: str, elements: Sequence[object]) -> Iterator[Finding]:
    """Yields what is odd about the list form, `[{"name": ..., "value": ...}]`."""
    for index, element in enumerate(elements):
        place = f"{pointer}/{index}"
        if not isinstance(element, Mapping):
            what = f"is {preview(element)}: SolarUser passes over all but objects"
            yield _finding("not-object", "warning", place, what, 'give {"name": ..., "value": ...}')
            continue
        for key in ("name", "value"):
            if key not in element:
                what = f"has no {key}: SolarUser gives it that of the element before"
                yield _finding("inherited", "warning", place, what, f'add "{key}"')
        if not isinstance(element.get("name", ""), str):
            what = f"is {preview(element['name'])}: SolarUser passes over the element"
            yield _finding("not-text", "warning", f"{place}/name", what, "give a text")


def _member(
    pointer: str, name: str, value: object, severity: Severity, *, is_fatal: bool
) -> Iterator[Finding]:
    """Yields what becomes of one value; the severity is that of losing it."""
    if isinstance(value, Mapping | list):
        yield _nested(pointer, name, value, "error" if is_fatal else severity, is_fatal=is_fatal)
    elif value == "":
        what = f"{name} is empty: SolarUser drops it"
        yield _finding("empty", severity, pointer, what, f"give {_WHAT.get(name, 'it a text')}")
    elif not isinstance(value, str):
        what = f"{name} is {_kind(value)}: {_DROPPED}"
        yield _finding("not-text", severity, pointer, what, _as_text(value))
    elif "\0" in value:
        what = f"{name} holds a NUL character, which SolarNetwork's database refuses"
        yield _finding("nul", "warning", pointer, what)


def _nested(
    pointer: str, name: str, value: object, severity: Severity, *, is_fatal: bool
) -> Finding:
    hint = "give a string"
    if name == "msg":
        hint = 'give the message as a string that holds JSON: "{\\"group_id\\":...}"'
    what = f"{name} is {preview(value)}: {_LOST if is_fatal else _DROPPED}"
    return _finding("not-text", severity, pointer, what, hint)


def _kind(value: object) -> str:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return f"the number {preview(value)}" if is_number else preview(value)


def _as_text(value: object) -> str:
    return "leave it out, or give a string" if value is None else f'write "{preview(value)}"'


def _repeated(
    duplicates: Sequence[str], pointer: str, left: Mapping[str, str]
) -> Iterator[Finding]:
    for place in duplicates:
        parent, _, name = place.rpartition("/")
        name = name.replace("~1", "/").replace("~0", "~")
        if parent == pointer and name in left:
            what = f"{name} is given twice: SolarUser joins the strings to {preview(left[name])}"
            yield _finding("duplicate-key", "warning", place, what, "give it once")


def _unknown(pointer: str, name: str) -> Finding:
    meant = near(name, _KNOWN)
    hint = f'did you mean "{meant}"?' if meant else f"the parameters are {', '.join(_KNOWN)}"
    what = f"{preview(name)} is no parameter of an OSCP instruction: it is stored and ignored"
    return _finding("unknown-parameter", "warning", pointer, what, hint)


def _missing(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    # One that is there and was dropped has its finding already.
    known = {name for _, name, _ in given.places()} | left.keys()
    for name in _NEEDED:
        if name not in known:
            meant = near(name, [each for each in left if each not in _KNOWN])
            hint = f'"{meant}" is not read: write "{name}"' if meant else f'add "{name}"'
            what = f"{name} is missing: {_WHAT[name]}"
            yield _finding("missing", "error", given.pointer, what, hint)


def _unusable(given: GivenParameters, left: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("action", "cgIdentifier"):
        if name in left and not left[name].strip():
            what, hint = f"{name} is blank", f"give {_WHAT[name]}"
            yield _finding("blank", "error", given.place(name), what, hint)
    try:
        parse_long(left.get("coId", "0"))
    except ValueError:
        what = f"coId is {preview(left['coId'])}, which is no 64-bit whole number"
        hint = f"give {_WHAT['coId']}, in digits and without blanks"
        yield _finding("coId", "error", given.place("coId"), what, hint)
