"""Findings, each with its layer, rule, place and remedy, and the judgement that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from oscp_schemas.validate import MOST_VIOLATIONS

Layer = Literal["transport", "schema", "meaning"]
Severity = Literal["error", "warning", "info"]
Source = Literal["documented", "observed"]
Stage = Literal["json", "document", "action", "schema-lookup", "schema", "decode", "size"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a message, and what to do about it.

    Attributes:
        layer: The layer of judgement that found it.
        rule: The rule's short name, one of `oscp_send.rules`: a JSON Schema keyword, `S1` to `S19`,
            a difference's name or another one.
        severity: `error` for what is refused or should be, `warning`, or `info`.
        pointer: JSON Pointer into the message; empty for the whole message.
        message: What is wrong.
        hint: What to do; may be empty.
        source: `documented` for a rule of the guide or the specification, `observed` for one that
            only the running service has.
        exchange: The number of the earlier exchange in the simulator's journal that it is about.
        case: The case of oscp20.md §9.3 that it is an instance of, such as `X8`;
            None for most findings. Not part of `to_dict`.
    """

    layer: Layer
    rule: str
    severity: Severity
    pointer: str
    message: str
    hint: str = ""
    source: Source = "documented"
    exchange: int | None = None
    case: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that `oscp-send explain` knows: the rule's, then the case's."""
        return (self.rule,) if self.case is None else (self.rule, self.case)

    def __str__(self) -> str:
        """Return a line for people: where, what, and in brackets the names."""
        return f"{self.pointer or 'the message'}: {self.message} [{', '.join(self.names)}]"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values, in a fixed order of keys."""
        values = {name: getattr(self, name) for name in self.__slots__}
        del values["case"]
        if self.exchange is None:
            del values["exchange"]
        return values


def bounded(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield as many findings as violations are listed, the first of each rule, and a last one.

    That has the rule `more`, and says how many are left out, if any.
    """
    rules: set[str] = set()
    left_out = 0
    layer: Layer = "meaning"
    for number, each in enumerate(findings):
        if number < MOST_VIOLATIONS or each.rule not in rules:
            rules.add(each.rule)
            yield each
        else:
            left_out += 1
            layer = each.layer
    if left_out:
        what = f"{left_out:,} more findings are not listed: correct these first"
        yield Finding(layer, "more", "info", "", what)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What SolarUser would do with a message.

    Attributes:
        action: The OSCP message name that it was judged as.
        accepted: Whether SolarUser would queue it.
        stage: The check that refuses it; None when it is accepted.
        error: The service's text for the refusal, as in `resultParameters.error`.
        findings: All findings of all three layers, for accepted messages too.
    """

    action: str
    accepted: bool
    stage: Stage | None
    error: str | None
    findings: tuple[Finding, ...] = ()

    @property
    def status(self) -> int:
        """The HTTP status of SolarUser's answer: 200 also for a refusal, unless by size."""
        return 422 if self.stage == "size" else 200

    def of_severity(self, *severities: Severity) -> tuple[Finding, ...]:
        """Return the findings of these severities, in order."""
        return tuple(finding for finding in self.findings if finding.severity in severities)

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON values, in a fixed order of keys."""
        return {
            "action": self.action,
            "accepted": self.accepted,
            "stage": self.stage,
            "error": self.error,
            "findings": [finding.to_dict() for finding in self.findings],
        }
