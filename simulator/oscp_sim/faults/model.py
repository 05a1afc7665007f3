"""The rules of a rehearsal's faults, as files, HTTP and Python write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from oscp_sim.clock import parse_duration
from oscp_sim.dataclass_values import DataclassReader, show
from oscp_sim.entry import ALL_PARTIES, PartyName
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml
from oscp_sim.yaml_violations import FileSchema

Place = Literal[PartyName, "hand_off"]
Fault = Literal[
    "status",
    "redirect",
    "delay",
    "no_answer",
    "connection_refused",
    "reset_before",
    "reset_after",
    "half_answer",
    "slow_answer",
    "garbage",
    "content_type",
    "content_length",
    "lost",
    "late",
    "doubled",
    "reordered",
    "part_dropped",
    "part_doubled",
    "parts_swapped",
    "part_cut",
    "sent_twice",
    "token_revoked",
    "clock",
]

_PARTIES: Final[frozenset[Place]] = frozenset(ALL_PARTIES)
_HAND_OFF: Final[frozenset[Place]] = frozenset({"hand_off"})
_SOLARUSER: Final[frozenset[Place]] = frozenset({"solaruser"})
_SYSTEMS: Final[frozenset[Place]] = frozenset({"capacity_provider", "capacity_optimizer"})
_ROUTE: Final = ("method", "path")
_ABOUT: Final = ("action", "instruction")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault needs and takes.

    Attributes:
        places: Where it can strike.
        takes: The words that mean something with it, beside those of every rule.
        does: What happens, as the journal says it.
        needs: Of these, exactly one has to be given.
    """

    places: frozenset[Place]
    takes: tuple[str, ...]
    does: str
    needs: tuple[str, ...] = ()


def _of_party(does: str, takes: str = "", needs: str = "") -> Kind:
    return Kind(_PARTIES, (*_ROUTE, *_ABOUT, *takes.split()), does, tuple(needs.split()))


def _of_hand_off(does: str, *takes: str) -> Kind:
    return Kind(_HAND_OFF, (*_ABOUT, *takes), does)


def _of_parts(does: str) -> Kind:
    return Kind(_SOLARUSER, ("action", "part"), does)


_ANSWER: Final = "status headers body content_type carried_out retry_after retry_after_form"
_UNREAD_RESET: Final = "the connection is reset before the body of the request is read"
_READ_RESET: Final = "the connection is reset after the request was read and carried out"
_OTHER_TYPE: Final = "the answer goes out under another content type"
_LEADING: Final = "status location carried_out"
_LATE: Final = "by between median"
#: Every fault, in the order of the documentation.
KINDS: Final[Mapping[Fault, Kind]] = MappingProxyType(
    {
        "status": _of_party("another answer goes out", _ANSWER, "status"),
        "redirect": _of_party("the answer leads elsewhere", _LEADING, "location"),
        "delay": _of_party("the answer is late", f"{_LATE} sigma", _LATE),
        "no_answer": _of_party("no answer goes out", "carried_out"),
        "connection_refused": _of_party("nobody listens", "lasts"),
        "reset_before": _of_party(_UNREAD_RESET),
        "reset_after": _of_party(_READ_RESET),
        "half_answer": _of_party("half of the answer goes out, and the connection is closed"),
        "slow_answer": _of_party("the answer goes out byte by byte", "bytes_per_second"),
        "garbage": _of_party("bytes that are no HTTP go out", "body carried_out"),
        "content_type": _of_party(_OTHER_TYPE, "content_type", "content_type"),
        "content_length": _of_party("the answer is not as long as it says", "off_by"),
        "token_revoked": _of_party("the token was revoked on the way"),
        "clock": _of_party("the clock is wrong", "ahead behind", "ahead behind"),
        "lost": _of_hand_off("the hand-off is lost"),
        "late": _of_hand_off("the hand-off is late", "by"),
        "doubled": _of_hand_off("the hand-off comes twice"),
        "reordered": _of_hand_off("the hand-off waits until another one has overtaken it", "by"),
        "part_dropped": _of_parts("a part of the message is lost"),
        "part_doubled": _of_parts("a part of the message is there twice"),
        "parts_swapped": _of_parts("a part of the message changes places with the next one"),
        "part_cut": _of_parts("the second half of a part of the message is lost"),
        "sent_twice": Kind(_SYSTEMS, _ABOUT, "the delivery is sent twice"),
    }
)
#: What strikes before the body of a request is read, which alone says what it is about at
#: SolarUser.
UNREAD: Final[frozenset[Fault]] = frozenset({"connection_refused", "reset_before"})
#: The words of every rule.
COMMON: Final = frozenset({"where", "fault", "times", "after", "every", "probability"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that shall go wrong; what is None or empty restricts nothing.

    What each word means, and with which fault, is in `faults.schema.json`.
    """

    where: Place
    fault: Fault
    method: str | None = None
    path: str | None = None
    action: str | None = None
    instruction: int | None = None
    times: int | None = None
    after: int = 0
    every: int = 1
    probability: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: str | None = None
    content_type: str | None = None
    retry_after: timedelta | None = None
    retry_after_form: Literal["seconds", "date"] = "seconds"
    location: str | None = None
    carried_out: bool | None = None
    by: timedelta | None = None
    between: tuple[timedelta, ...] = ()
    median: timedelta | None = None
    sigma: float = 0.5
    bytes_per_second: float = 100.0
    off_by: int = 10
    lasts: timedelta | None = None
    part: int = 1
    ahead: timedelta | None = None
    behind: timedelta | None = None

    def __str__(self) -> str:
        """Return the rule on one line, as YAML has it."""
        words = ", ".join(f"{name}: {_short(value)}" for name, value in self.to_dict().items())
        return f"{{{words}}}"

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as JSON values in the shape of its file."""
        return show(self)

    @property
    def party(self) -> PartyName:
        """Who tells it in the journal."""
        return "solaruser" if self.where == "hand_off" else self.where


def _short(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() else json.dumps(value)


def faults_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of faults, a fresh copy."""
    text = files("oscp_sim.faults").joinpath("faults.schema.json").read_bytes()
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _schema() -> FileSchema:
    return FileSchema(faults_schema())


def load_faults(source: Path | Mapping[str, Any]) -> tuple[Rule, ...]:
    """Read a YAML file of faults, or values in the same shape: a mapping with the list `faults`.

    Raises:
        SourceError: Each problem with file, line and column (with a JSON Pointer for values).
    """
    if isinstance(source, Path):
        return _read(read_yaml(source))
    return _read(YamlDocument.of(source, "faults"))


def rules_of(document: YamlDocument) -> tuple[Rule, ...]:
    """Read the rules of a document with the list `faults`, whatever else is in it.

    Raises:
        SourceError: Each problem with its place.
    """
    if "faults" not in document.value:
        return ()
    return _read(document, {"faults": document.value["faults"]})


def _read(document: YamlDocument, value: Mapping[str, Any] | None = None) -> tuple[Rule, ...]:
    part = document if value is None else replace(document, value=value)
    problems = _schema().problems(part)
    if problems:
        raise SourceError(problems)
    reader = DataclassReader(part)
    rules = reader.read(_File).faults
    problems = [*reader.problems, *_idle_words(part)]
    if problems:
        raise SourceError(sorted(problems, key=lambda each: (each.line or 0, each.column or 0)))
    return rules


def impossible_at_a_port(rules: Iterable[Rule]) -> str | None:
    """Return why one of some rules cannot do what it says to who asks at a port, or None."""
    for rule in rules:
        if rule.fault == "connection_refused" and rule.where == "solaruser" and not rule.lasts:
            return (
                f"{rule}: say for how long nobody listens, as lasts: 10s; without, a connection is "
                "refused only inside of the simulator's own process"
            )
    return None


@dataclass(frozen=True, slots=True)
class _File:
    faults: tuple[Rule, ...]


# What no schema says in words that help: what does not go together.


def _idle_words(document: YamlDocument) -> Iterator[SourceProblem]:
    for at, rule in enumerate(document.value["faults"]):
        fault, kind = rule["fault"], KINDS[cast("Fault", rule["fault"])]
        above = f"/faults/{at}"
        if rule["where"] not in kind.places:
            places = " or ".join(sorted(kind.places))
            message = f'"{fault}" does not happen there: it needs where: {places}'
            yield document.problem(f"{above}/where", message)
        for word in rule.keys() - COMMON - set(kind.takes):
            taken = ", ".join(kind.takes)
            message = f'"{word}" has no effect with fault: {fault}; beside it there may be {taken}'
            yield document.problem(f"{above}/{word}", message, key=True)
        given = [word for word in kind.needs if word in rule]
        if kind.needs and len(given) != 1:
            needed = kind.needs[0] if len(kind.needs) == 1 else f"one of {', '.join(kind.needs)}"
            got = f"not {' and '.join(given)}" if given else "which is missing"
            yield document.problem(above, f'"{fault}" needs {needed}, {got}')
        yield from _wrong_values(document, above, rule)


def _wrong_values(
    document: YamlDocument, above: str, rule: Mapping[str, Any]
) -> Iterator[SourceProblem]:
    if rule["fault"] in UNREAD and rule["where"] == "solaruser":
        for word in rule.keys() & set(_ABOUT):
            message = f'"{word}" is in the request, which {rule["fault"]} leaves unread: give path'
            yield document.problem(f"{above}/{word}", message, key=True)
    if rule["fault"] == "redirect" and not 300 <= rule.get("status", 307) <= 399:  # noqa: PLR2004
        yield document.problem(f"{above}/status", "a redirect has a status from 300 to 399")
    least, most = rule.get("between", ("1s", "1s"))
    try:
        is_turned = parse_duration(least) > parse_duration(most)
    except ValueError:
        # Which is said elsewhere.
        is_turned = False
    if is_turned:
        yield document.problem(f"{above}/between", "the shorter one comes first")
    if "retry_after_form" in rule and "retry_after" not in rule:
        message = '"retry_after_form" has no effect without retry_after: say how long'
        yield document.problem(f"{above}/retry_after_form", message, key=True)
    if "sigma" in rule and "median" not in rule:
        message = '"sigma" has no effect without median: a delay is log-normal only with both'
        yield document.problem(f"{above}/sigma", message, key=True)
