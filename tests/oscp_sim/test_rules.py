"""The table of rules has every name that a finding can carry, those of the simulator, too."""

from __future__ import annotations

import ast
import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

import oscp_schemas
import oscp_send
import oscp_sim
from oscp_schemas.catalogue import document, document_names
from oscp_send.fidelity import DIFFERENCES
from oscp_send.request_judgement import RequestStage
from oscp_send.rules import Example, Rule, rules
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.conversation import Conversation
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.conversing import Line, converse, spoken
from tests.oscp_sim.rig import NOW, PROVIDER_TOKEN
from tests.oscp_sim.worlds import group, user, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_send.findings import Finding

_ROOT = Path(__file__).parent.parent.parent
EXAMPLES = {rule: rule.example for rule in rules().values() if isinstance(rule.example, Example)}
TALKS = [(rule, each) for rule, each in EXAMPLES.items() if each.judged_as == "conversation"]
DELIVERIES = [(rule, each) for rule, each in EXAMPLES.items() if each.judged_as == "delivery"]


def by_name(value: object) -> str:
    return value.name if isinstance(value, Rule) else "example"


# --- the examples that need the other side -------------------------------------------------------

_LINE = re.compile(
    r"^((?:Capacity|Flexibility) Provider): (\w+)(?: at (\S+))?(?: \((.*)\))?$", re.MULTILINE
)


def lines_of(text: str) -> Iterator[tuple[Line, datetime | None]]:
    """The lines of a conversation, and when each is said, if the text says so."""
    _, *parts = _LINE.split(text)
    for who, action, at, ids, body in zip(*[iter(parts)] * 5, strict=True):
        named = dict(each.rsplit(" ", 1) for each in ids.split(", ")) if ids else {}
        line = Line(
            action,
            json.loads(body),
            named.get("X-Request-ID"),
            named.get("X-Correlation-ID"),
            sent=who == "Capacity Provider",
        )
        yield line, datetime.fromisoformat(at) if at else None


def said(text: str) -> list[list[Finding]]:
    """The findings of each message of a conversation.

    It begins with Register where that matters, or else after the handshake.
    """
    lines, times = zip(*lines_of(text), strict=True)
    noon = spoken([Line("Heartbeat")])[0].at
    minutes = [None if at is None else (at - noon).total_seconds() / 60 for at in times]
    is_opened = lines[0].action != "Register"
    conversation = Conversation("capacity_provider", registered=is_opened, handshaken=is_opened)
    timed = [
        Line(each.action, each.body, each.id, each.names, minute, each.sent)
        for each, minute in zip(lines, minutes, strict=True)
    ]
    return converse(timed, conversation)


@pytest.mark.parametrize(("rule", "example"), TALKS, ids=by_name)
def test_of_two_conversations_the_wrong_one_ends_with_the_finding(
    rule: Rule, example: Example
) -> None:
    *before, last = said(example.wrong)
    assert not any(before)
    assert {rule.name} <= {name for each in last for name in each.names}
    assert not any(said(example.right))


WORLD = world(user(capacity_groups=[group(5, "depot-7")]))


def delivered(text: str) -> tuple[int, set[str]]:
    """The status of the Capacity Provider's answer, and the names in its findings."""
    head, _, body = text.partition("\n\n")
    for name, value in (
        ("<base URL>", "/oscp/cp/2.0"),
        ("<token>", PROVIDER_TOKEN),
        ("<another token>", "co-token"),
    ):
        head = head.replace(name, value)
    (method, path), *headers = (line.split(" ", 1) for line in head.splitlines())
    named = {name.rstrip(":"): value for name, value in headers}
    with Simulator(WORLD, clock=FrozenClock(NOW)) as simulator, simulator.session() as session:
        answer = session.request(method, IN_PROCESS_URL + path, headers=named, data=body)
        [entry] = simulator.journal.entries(kind="exchange")
    keys = ("rule", "case")
    return answer.status_code, {each[key] for each in entry.findings for key in keys if key in each}


@pytest.mark.parametrize(("rule", "example"), DELIVERIES, ids=by_name)
def test_of_two_deliveries_the_wrong_one_is_refused_or_noted(rule: Rule, example: Example) -> None:
    status, found = delivered(example.right)
    assert status == 204
    assert rule.name not in found
    if example.wrong:
        status, found = delivered(example.wrong)
        assert status >= 400 or rule.name in found


# --- all names, and nothing else ------------------------------------------------------------------


#: Which argument of each call that makes a finding, or notes a case, is the name.
MAKERS = {
    "Finding": 1,
    "MeaningRule": 0,
    "Violation": 1,
    "_found": 0,
    "_of_key": 0,
    "_of_parameter": 0,
    "_warning": 0,
    "check": 0,
    "finding": 0,
}


def sources() -> Iterator[ast.Module]:
    """The modules that may make a finding."""
    for package in (oscp_schemas, oscp_send, oscp_sim):
        for path in Path(package.__path__[0]).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if any(f"{maker}(" in text for maker in MAKERS):
                yield ast.parse(text)


def constants(value: ast.AST | None) -> set[str]:
    """The texts that an expression may be: a constant, or one of two."""
    if isinstance(value, ast.IfExp):
        return constants(value.body) | constants(value.orelse)
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return {value.value} if is_text else set()  # type: ignore[union-attr]


def assigned(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Every variable of a module, and the texts that it may be."""
    for node in ast.walk(module):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, constants(node.value)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                yield from ((of.id, constants(by)) for of, by in pairs if isinstance(of, ast.Name))


def names_in_the_code() -> set[str]:
    """The names that the code writes out where it makes a finding, or keeps in a variable."""
    found: set[str] = set()
    for module in sources():
        known: dict[str, set[str]] = {}
        for name, texts in assigned(module):
            known[name] = known.get(name, set()) | texts
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            called = getattr(function, "id", None) or getattr(function, "attr", "")
            place = MAKERS.get(str(called))
            if place is None or len(node.args) <= max(place, 1):
                continue
            of = node.args[place]
            found |= known.get(of.id, set()) if isinstance(of, ast.Name) else constants(of)
    return found


def keywords() -> set[str]:
    """The keywords of our schemas that can refuse something."""
    found: set[str] = set()
    waiting: list[Any] = [document(name) for name in document_names()]
    while waiting:
        each = waiting.pop()
        found |= each.keys()
        waiting += each.get("properties", {}).values()
        waiting += [each["items"]] if "items" in each else []
    silent = {"$id", "$ref", "$schema", "default", "description", "examples", "items"}
    return found - silent - {"properties", "title", "additionalProperties"}


# A refusal at these stages always has its own finding; at the others it may bear the stage's name.
EXPLAINED_STAGES = {"decode", "schema", "size"}


def stages() -> set[str]:
    return {name for part in get_args(RequestStage) for name in get_args(part) or (part,)}


def numbered() -> set[str]:
    """The rules and cases of oscp20.md §3.13 and §9.3."""
    text = (_ROOT / "docs" / "protocol" / "oscp20.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| ([SX]\d+)(?: \[\w\])? \|", text, re.MULTILINE))


def test_every_name_that_a_finding_can_carry_is_a_rule_and_nothing_else_is() -> None:
    in_code = names_in_the_code()
    assert {"S1", "X14", "blank", "date_times", "elmo-day", "too-early", "same-message"} <= in_code
    assert stages() > EXPLAINED_STAGES
    can_be_found = in_code | keywords() | (stages() - EXPLAINED_STAGES)
    settings = {each.name for each in DIFFERENCES}
    assert set(rules()) == can_be_found | settings | numbered()


def test_every_case_that_the_code_names_is_a_rule() -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for package in (oscp_send, oscp_sim)
        for path in Path(package.__path__[0]).rglob("*.py")
    )
    assert set(re.findall(r'"([SX]\d+)"', text)) <= set(rules())
    assert {name for name in rules() if re.fullmatch(r"[SX]\d+", name)} == numbered()
