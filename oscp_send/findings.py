"""What a judgement is made of: findings, each with its layer, rule, place and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Finding", "Judgement", "Layer", "Severity", "Source", "Stage"]


Layer = Literal["transport", "schema", "meaning"]
Severity = Literal["error", "warning", "info"]
Source = Literal["documented", "observed"]
Stage = Literal["json", "document", "action", "schema-lookup", "schema", "decode"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a message, and what to do about it.

    Attributes:
        layer: Which of the three layers of judgement speaks.
        rule: The rule's short name: a JSON Schema keyword, `S1` to `S19`, or a difference's name.
        severity: `error` where somebody refuses or ought to, `warning`, or `info`.
        pointer: JSON Pointer into the message; the empty text is the whole message.
        message: What is wrong.
        hint: What to do; may be empty.
        source: Whether the guide and the specification say so, or only the running service.
        exchange: Where it concerns an earlier message: the number under which the simulator's
            journal has it.
        case: The case of docs/protocol/oscp20.md §9.3 that it is an instance of, such as `X8`;
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

    def to_dict(self) -> dict[str, Any]:
        """Answers with the finding as JSON values, in a fixed order of keys."""
        values = {name: getattr(self, name) for name in self.__slots__}
        del values["case"]
        if self.exchange is None:
            del values["exchange"]
        return values


@dataclass(frozen=True, slots=True)
class Judgement:
    """What would become of a message.

    Attributes:
        action: The OSCP message name that it was judged as.
        accepted: Would SolarUser queue it?
        stage: Where it is refused; None when it is accepted.
        error: The text that the service would give as `resultParameters.error`.
        findings: Everything there is to say, of all three layers, whatever the verdict.
    """

    action: str
    accepted: bool
    stage: Stage | None
    error: str | None
    findings: tuple[Finding, ...] = ()

    def of_severity(self, *severities: Severity) -> tuple[Finding, ...]:
        """Answers with the findings of these severities, in order."""
        return tuple(finding for finding in self.findings if finding.severity in severities)

    def to_dict(self) -> dict[str, Any]:
        """Answers with the judgement as JSON values, in a fixed order of keys."""
        return {
            "action": self.action,
            "accepted": self.accepted,
            "stage": self.stage,
            "error": self.error,
            "findings": [finding.to_dict() for finding in self.findings],
        }
