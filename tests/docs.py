"""Write the tables of the documentation that are made of the code: `python -m tests.docs`.

Each stands between two comments that name it; a test holds them to the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from oscp_send.fidelity import DIFFERENCES
from oscp_send.rules import KINDS, Example, Rule, rules
from oscp_send.testing.breaking import WAYS
from oscp_sim.entry import ALL_PARTIES
from oscp_sim.faults import Rule as FaultRule
from oscp_sim.faults.model import KINDS as FAULTS_BY_NAME
from oscp_sim.faults.model import Kind
from oscp_sim.scenario.events import Event, StepFinished
from oscp_sim.scenario.model import Send
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.scenario.timeline import Exchange
from tests.oscp_send.faults import FAULTS

DOCS = Path(__file__).parent.parent / "docs"
_FAULTS = Path(__file__).parent.parent / "scenarios" / "faults"
_SCHEMAS = Path(__file__).parent.parent / "simulator" / "oscp_sim"


def _table(title: str, rows: Iterator[tuple[str, str]]) -> str:
    lines = [f"| {title} | |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows)]
    return "\n".join(lines)


def _fields(schema: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, content in properties.items():
        told = content
        while "description" not in told and "$ref" in told:
            told = _at(schema, told["$ref"])
        text, values = told.get("description", ""), told.get("enum")
        listed = f" One of {', '.join(f'`{each}`' for each in values)}." if values else ""
        yield name, f"{text}{listed}".strip()


def _at(schema: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = schema
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def _of_schema(path: str, *titles: str) -> str:
    schema = json.loads((_SCHEMAS / path).read_text(encoding="utf-8"))
    tables = []
    if "properties" in schema and not titles:
        tables.append(_table("of the file", _fields(schema, schema["properties"])))
    for name in titles or schema["definitions"]:
        content = schema["definitions"][name]
        if "properties" in content:
            tables.append(
                f"### {name}\n\n{content.get('description', '')}\n\n"
                + _table("field", _fields(schema, content["properties"]))
            )
    return "\n\n".join(tables)


def world() -> str:
    """Return the tables of a world file."""
    return _of_schema("world/world.schema.json")


def scenario() -> str:
    """Return the tables of a scenario file."""
    return _of_schema("scenario/scenario.schema.json")


def fidelity() -> str:
    """Return the table of all differences in fidelity."""
    rows = [
        f"| `{each.name}` | {each.documented} | {each.observed} | "
        f"{each.default or 'of the fidelity'} |"
        for each in DIFFERENCES
    ]
    head = ["| difference | documented | observed | default |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


_ENDS = {
    "sent": ("it was queued", 0),
    "not sent": ("it was certainly not sent", 3),
    "not queued": ("it was certainly not queued", 1),
    "unknown": ("it may have been queued", 4),
}


def faults() -> str:
    """Return the table of what can go wrong, and what the sender says of it."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fault in FAULTS:
        status, comma, rest = fault.name.partition(", ")
        of_status = comma and status.isdecimal()
        rows.setdefault((rest if of_status else fault.name, fault.says), []).extend(
            [status] if of_status else []
        )
    lines = ["| what happens | what the sender says | exit code |", "|---|---|---|"]
    for (what, says), statuses in rows.items():
        end, code = _ENDS[says]
        answered = f"answered with {', '.join(statuses)}: " if statuses else ""
        lines.append(f"| {answered}{what} | {end} | {code} |")
    return "\n".join(lines)


_FENCES = {"message": "json", "request": "json", "conversation": "text", "delivery": "http"}


def _messages(label: str, text: str, action: str, example: Example) -> str:
    if not text:
        return ""
    at = f", at {example.now}" if example.now else ""
    fence = _FENCES[example.judged_as]
    return f"\n\n{label} ({action or example.judged_as}{at}):\n\n```{fence}\n{text}\n```"


def _entry(rule: Rule) -> str:
    lines = [
        f'<a id="{rule.name}"></a>\n\n### `{rule.name}`\n\n**{rule.what}.** {rule.why}\n',
        f"- Who objects: {rule.who}",
        f"- Mend: {rule.mend}",
    ]
    if rule.difference is not None:
        lines += [
            f"- Documented: {rule.difference.documented}.",
            f"- Observed: {rule.difference.observed}.",
        ]
    if isinstance(each := rule.example, str):
        return "\n".join([*lines, f"- Example: {each}"])
    wrong = _messages("Wrong", each.wrong, each.action, each)
    right = _messages("Right", each.right, each.right_action, each)
    return "\n".join(lines) + wrong + right


def all_rules() -> str:
    """Return all rules, first their names, then an entry for each."""
    kinds = [(kind, [each for each in rules().values() if each.kind == kind]) for kind in KINDS]
    names = [
        f"- {kind}: {', '.join(f'[`{each.name}`](#{each.name})' for each in found)}"
        for kind, found in kinds
    ]
    parts = [
        f"## {kind.capitalize()}: {KINDS[kind]}\n\n" + "\n\n".join(map(_entry, found))
        for kind, found in kinds
    ]
    return "\n\n".join(["\n".join(names), *parts])


@cache
def reported_faults() -> tuple[Report, ...]:
    """Return what the sender reports in each scenario of a fault, and what was delivered."""
    return tuple(_rehearsed_faults())


def _rehearsed_faults() -> Iterator[Report]:
    finished: list[StepFinished] = []
    scenarios = load_scenarios([_FAULTS])

    def listen(event: Event) -> None:
        if isinstance(event, StepFinished):
            finished.append(event)

    for scenario in scenarios:
        finished.clear()
        run([scenario], Rehearsal(), [listen])
        for step, event in zip(scenario.steps, finished, strict=True):
            if isinstance(step.does, Send) and step is scenario.steps[0]:
                yield Report(scenario.name, scenario.faults[0], event, _deliveries(finished))


@dataclass(frozen=True, slots=True)
class Report:
    """One scenario of a fault: its first rule, how its first step ended, and what was delivered.

    Attributes:
        deliveries: The X-Request-ID of each request that the Capacity Provider accepted, whatever
            its sender saw of the answer.
    """

    scenario: str
    rule: FaultRule
    step: StepFinished
    deliveries: tuple[str | None, ...]

    @property
    def messages(self) -> int:
        """How often the message was delivered: a request that is repeated bears the same id."""
        return len(set(self.deliveries))


def _deliveries(steps: Iterable[StepFinished]) -> tuple[str | None, ...]:
    first, *_ = steps
    return tuple(
        each.request_id
        for step in steps
        for each in step.exchanges
        if each.receiver == "capacity_provider" and each.action == first.name
        if _is_accepted(each)
    )


def _is_accepted(exchange: Exchange) -> bool:
    unseen = any(note.startswith("answered with 2") for note in exchange.notes)
    return unseen or (exchange.status is not None and exchange.status < HTTPStatus.MULTIPLE_CHOICES)


def _of_rule(rule: FaultRule) -> str:
    left = {"where", "fault", "path", "method", "action", "times", "body", "content_type"}
    words = [f"{key} {value}" for key, value in rule.to_dict().items() if key not in left]
    more = f" ({', '.join(words)})" if words else ""
    return f"{rule.where}: `{rule.fault}`{more}"


_IN_PROCESS = re.compile(r'"http://simulator\.invalid[^"]*(/\w+)"')


def _reported(step: StepFinished) -> str:
    """Return the beginning of what the sender says, and what it says of what may have happened."""
    if not step.told:
        return step.outcome
    first, *more = _IN_PROCESS.sub(r'"...\1"', step.told.replace("|", "\\|")).split("\n")
    hints = more[:1] if step.outcome != "PossiblySent" else []
    said = " ".join([first if first.endswith(".") or not hints else f"{first}.", *hints])
    return f"`{step.outcome}`: {said}"


def _delivered(report: Report) -> str:
    count, requests = report.messages, len(report.deliveries)
    return f"{count}, in {requests} requests" if requests > count else str(count)


def _of_kind(name: str, kind: Kind) -> str:
    every = {"method", "path", "action", "instruction"}
    places = "any party" if len(kind.places) == len(ALL_PARTIES) else ", ".join(sorted(kind.places))
    words = ", ".join(f"`{each}`" for each in kind.takes if each not in every)
    return f"| `{name}` | {places} | {kind.does} | {words} |"


def deliberate_faults() -> str:
    """Return the tables of the faults that can be made on purpose."""
    kinds = ["| fault | where | what happens | words of its own |", "|---|---|---|---|"]
    kinds += [_of_kind(name, kind) for name, kind in FAULTS_BY_NAME.items()]
    runs = [
        "| scenario | where: fault | what the sender reports | what it then finds | delivered |",
        "|---|---|---|---|---|",
    ]
    runs += [
        f"| {each.scenario} | {_of_rule(each.rule)} | {_reported(each.step)} | "
        f"{each.step.settled or ''} | {_delivered(each)} |"
        for each in reported_faults()
    ]
    words = _of_schema("faults/faults.schema.json", "rule")
    title = "### What the sender reports"
    return "\n\n".join(["\n".join(kinds), words, title, "\n".join(runs)])


def ways_to_break() -> str:
    """Return the table of the ways in which a message can be broken, by their rules."""
    ways: dict[str, list[str]] = {}
    for way in WAYS:
        ways.setdefault(way.rule, []).append(way.what)
    rows = [f"| [`{rule}`](rules.md#{rule}) | {'; '.join(each)} |" for rule, each in ways.items()]
    return "\n".join(["| rule | the message |", "|---|---|", *rows])


TABLES: Mapping[str, Callable[[], str]] = {
    "world-file.md": world,
    "scenario-file.md": scenario,
    "fidelity.md": fidelity,
    "sender.md": faults,
    "rules.md": all_rules,
    "faults.md": deliberate_faults,
    "strategies.md": ways_to_break,
}
_MADE = re.compile(r"(<!-- made by tests/docs\.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def with_tables(page: str, text: str) -> str:
    """Return a page's text with its tables as they should be."""
    found, count = _MADE.subn(lambda m: f"{m[1]}\n{TABLES[page]()}\n{m[2]}", text)
    if count != 1:
        raise ValueError(f"{page} has {count} places for its tables, one is expected")
    return found


if __name__ == "__main__":
    for name in TABLES:
        path = DOCS / name
        path.write_text(with_tables(name, path.read_text(encoding="utf-8")), encoding="utf-8")
