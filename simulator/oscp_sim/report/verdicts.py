"""Two verdicts on a scenario: by the documentation, and by what the running service was seen to do.

Each looks at what the parties sent that are not SolarNetwork's own: instructions to SolarUser, and
messages of Capacity Providers and Optimizers. A message is judged by both sides, whichever of the
two the scenario ran under; that it failed counts for the side alone that it ran under.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from oscp_schemas import ACTIONS, Fidelity, judge
from oscp_send.findings import Finding
from oscp_send.request_judgement import check_request
from oscp_sim.report.result import ScenarioResult
from oscp_sim.report.session import SESSION
from oscp_sim.scenario.timeline import Exchange

#: From best to worst; nothing was sent that could be looked at where it is `none`.
Grade = Literal["kept", "warned", "broken", "failed", "none"]

_SERVICES: Final = frozenset({"solaruser", "flexibility_provider"})
_INSTRUCTIONS: Final = ("/instr/add", "/instr/exec")
_MOST_REASONS: Final = 8
# A warning before it is sent; the service declines it all the same.
_DECLINED_LATER: Final = frozenset({"group_forecasts"})
_FIELDS: Final = frozenset(Finding.__slots__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of a scenario by one side.

    Attributes:
        grade: `kept`, `warned`, `broken`; `failed` where the scenario ran under this side and did
            not go as expected; `none` where it sent nothing that this side can be asked about.
        ran: Whether the scenario ran under this side; if not, its messages alone were judged.
        reasons: Why, a sentence each with the name of its rule, the worst first.
        is_expected: Whether what is broken was meant to be: it was refused, and the scenario,
            which ran so, passed.
    """

    side: Fidelity
    grade: Grade
    ran: bool
    reasons: tuple[str, ...] = ()
    is_expected: bool = False

    @property
    def text(self) -> str:
        """The verdict, for people."""
        documented, observed = _TEXTS[self.grade]
        told = documented if self.side == "documented" else observed
        return told + (", as expected" if self.is_expected else "")


# By the documentation, and by the observed service.
_TEXTS: Final[Mapping[Grade, tuple[str, str]]] = {
    "kept": ("conforms", "compatible"),
    "warned": ("conforms, with warnings", "compatible, with warnings"),
    "broken": ("does not conform", "not compatible"),
    "failed": ("failed", "failed"),
    "none": ("not looked at", "not looked at"),
}


def verdicts(result: ScenarioResult) -> tuple[Verdict, Verdict]:
    """Return the verdict by the documentation and that by the observed service, in that order."""
    documented, observed = (_verdict(result, side) for side in get_args(Fidelity))
    return documented, observed


def _verdict(result: ScenarioResult, side: Fidelity) -> Verdict:
    ran = result.started.fidelity.startswith(side)
    asked = [each for each in result.exchanges if _is_asked_about(each)]
    found = [(each, finding) for each in asked for finding in _judged(each, side, ran=ran)]
    # A stable sort: errors first.
    found.sort(key=lambda pair: pair[1].severity != "error")
    reasons = tuple(dict.fromkeys(_reason(*each) for each in found))
    if len(reasons) > _MOST_REASONS:
        reasons = (*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more")
    errors = [finding for _, finding in found if finding.severity == "error"]
    if ran and not result.finished.passed:
        first = tuple(f"{each.what}: expected {each.expected}" for each in result.all_problems[:1])
        return Verdict(side, "failed", ran, (*first, *reasons))
    grade: Grade = "broken" if errors else "warned" if found else "kept" if asked else "none"
    # What no service refuses need not have been meant.
    is_refused = bool(errors) and all(each.layer != "meaning" for each in errors)
    # Of a live session nothing is expected.
    is_meant = ran and is_refused and result.id != SESSION
    return Verdict(side, grade, ran, reasons, is_meant)


def _is_asked_about(each: Exchange) -> bool:
    if each.sender in _SERVICES:
        # What a receiver says of a delivery is about the instruction behind it.
        return each.instruction_id is not None and not each.is_handed_over
    # To SolarUser, any other request looks at an instruction, or changes one.
    return _is_instruction(each) or (each.receiver != "solaruser" and each.action in ACTIONS)


def _is_instruction(exchange: Exchange) -> bool:
    return exchange.receiver == "solaruser" and any(a in exchange.path for a in _INSTRUCTIONS)


def _judged(exchange: Exchange, side: Fidelity, *, ran: bool) -> Iterator[Finding]:
    """Yield the findings of one side about what was sent, errors and warnings."""
    journaled = [each for each in map(_finding, exchange.findings) if each.source == side]
    if exchange.sender in _SERVICES:
        # What is delivered depends on the side that the services followed.
        yield from _of_meaning(journaled) if ran else ()
    elif _is_instruction(exchange):
        yield from _of_instruction(exchange, side, journaled, ran=ran)
    else:
        for each in judge(exchange.action or "", exchange.body, fidelity=side):
            yield Finding("schema", each.rule, "error", each.pointer, each.message)
        yield from _of_meaning(journaled)


def _finding(values: Mapping[str, Any]) -> Finding:
    return Finding(**{name: value for name, value in values.items() if name in _FIELDS})


def _of_meaning(journaled: Iterable[Finding]) -> Iterator[Finding]:
    for each in journaled:
        if each.layer == "meaning" and each.severity != "info":
            yield each


def _of_instruction(
    exchange: Exchange, side: Fidelity, journaled: Iterable[Finding], *, ran: bool
) -> Iterator[Finding]:
    content = exchange.content.lstrip()
    is_form = content != exchange.body.lstrip()
    is_read_by_its_receiver = is_form and (ran or not content.startswith('{"nodeId"'))
    if is_read_by_its_receiver or not content.startswith("{"):
        # Its receiver alone has read it: another media type, or a form as its own side reads it.
        yield from (each for each in journaled if each.severity != "info")
        return
    judgement = check_request(content.encode(), side, now=exchange.at)
    for found in judgement.of_severity("error", "warning"):
        is_refusal = found.severity == "error" and found.layer != "meaning"
        if is_refusal or found.source == side:
            yield replace(found, severity="error") if found.rule in _DECLINED_LATER else found


def _reason(exchange: Exchange, finding: Finding) -> str:
    place = f" {finding.pointer}" if finding.pointer else ""
    return f"{exchange.action or 'request'}{place}: {finding.message} ({finding.rule})"
