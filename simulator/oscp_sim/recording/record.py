"""Write a scenario file of a journal, and place in it what followed by playing it once."""

from __future__ import annotations

import json
import re
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

import yaml

from oscp_send.fidelity import Behaviour
from oscp_send.times import utc_text
from oscp_sim.entry import Entry
from oscp_sim.matching import match, printable
from oscp_sim.recording.acts import Act, LeftOut, acts_of, header
from oscp_sim.recording.requests import REDACTED, in_common, value_of
from oscp_sim.saved_journal import SavedJournal, Setting
from oscp_sim.scenario.events import Event, StepFinished
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.references import literal
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.scenario.timeline import Exchange, exchange_of, timeline
from oscp_sim.yaml_source import SourceError

# Shorter ones are not waited for, but added up.
_SHORTEST_WAIT: Final = timedelta(seconds=1)
# What comes sooner after a step is taken for a part of it.
_AT_ONCE: Final = timedelta(milliseconds=100)
_MOST_COMPARED: Final = 10
# Of the body of an answer that is not JSON.
_LONGEST_TEXT: Final = 200
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Recording:
    """A scenario file that was made of a journal.

    Attributes:
        left_out: What happened and is not in it, each with the reason.
        problems: What came otherwise when it was played once.
    """

    text: str
    steps: int
    left_out: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Unrecordable(Exception):
    """Raised for a journal of which no scenario, or no step, can be made; its text says why."""


def record(journal: SavedJournal, name: str) -> Recording:
    """Return a scenario file that does again what was done, and expects what followed.

    Args:
        journal: What happened.
        name: Of the scenario; characters that a name cannot have become hyphens.

    Raises:
        Unrecordable: Nothing was done for which a scenario has a step, or with what none can have.
    """
    found = list(acts_of(journal.entries, journal.setting.world))
    acts = [each for each in found if isinstance(each, Act)]
    left_out = [*_forgotten(journal), *_faults(journal.entries)]
    left_out += [str(each) for each in found if isinstance(each, LeftOut)]
    if not acts:
        why = "; ".join(left_out) or "the journal has no message from outside"
        message = f"there is nothing to record: {why}"
        raise Unrecordable(message)
    named = _NAME.sub("-", name).strip("-.") or "recorded"
    content = _scenario(journal, named, acts)
    unplayed = {each.entry.number for each in found if isinstance(each, LeftOut)}
    asked = {each.asked.exchange_id for each in acts if each.asked}
    came = [
        each
        for each in timeline(journal.entries, asked)
        if isinstance(each, Exchange) and each.number not in unplayed
    ]
    placed = _place(content, journal.setting, came, acts)
    left_out += [f"{_told(each)}: it did not come when played" for each in placed.missing]
    left_out += [f"the message of {_told(each)}: another when played" for each in placed.changed]
    _capture(acts, placed.expected)
    text = "".join(_comments(journal.setting, left_out, placed.problems)) + _written(content)
    return Recording(text, len(content["steps"]), tuple(left_out), tuple(placed.problems))


def step_of(journal: SavedJournal, number: int) -> str:
    """Return the step that does again what an entry of a journal is about, as a file has it.

    Raises:
        Unrecordable: It was not done from outside, or cannot be done again.
    """
    about = next((each for each in journal.entries if each.number == number), None)
    for act in acts_of(journal.entries, journal.setting.world):
        is_it = isinstance(act, Act) and about is not None and _is_about(act, about)
        if isinstance(act, Act) and is_it:
            return _written(
                {"steps": [{**act.step, **({"expect": act.expect} if act.expect else {})}]}
            )
    message = f"entry {number} is not about something that was done from outside"
    raise Unrecordable(message)


def _is_about(act: Act, entry: Entry) -> bool:
    if act.asked is not None:
        return act.asked.exchange_id == entry.exchange_id
    if act.instruction_id is not None:
        return act.instruction_id == entry.instruction_id
    return act.number == entry.number


def _forgotten(journal: SavedJournal) -> Iterator[str]:
    first = journal.entries[0].number if journal.entries else 1
    if first > 1:
        yield f"what was before entry {first}: forgotten, before a reset, or not chosen"


def _faults(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield each fault that struck: what came of it does not come again without its rule."""
    struck: dict[int, Entry] = {}
    for each in entries:
        if "fault" in each.detail:
            struck.setdefault(each.detail["rule"], each)
    for _, each in sorted(struck.items()):
        told = f"{each.detail['why']}, at {each.party} from {each.at:%H:%M:%S}"
        yield f"{told}: add its rule to faults"


# The scenario, without what is expected of the parties.


def _scenario(journal: SavedJournal, name: str, acts: Sequence[Act]) -> dict[str, Any]:
    start = min(acts[0].at, journal.entries[0].at)
    content: dict[str, Any] = {
        "scenario": name,
        "about": f"Recorded on {start:%Y-%m-%d}.",
        "fidelity": journal.setting.behaviour.fidelity,
        "seed": journal.setting.seed,
        "clock": {"start": utc_text(start), "runs": "frozen"},
    }
    if journal.setting.world is not None:
        content["world"] = with_named_secrets(journal.setting.world)
    content["steps"] = list(_steps(journal, acts, start))
    return content


def _steps(journal: SavedJournal, acts: Sequence[Act], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the steps, and the time that passes between them as it passed."""
    entries, at = journal.entries, 0
    numbers = [each.number for each in entries]
    for act in acts:
        until = bisect_left(numbers, act.number)
        if act.at - now >= _SHORTEST_WAIT or _follows(entries[at:until], now):
            yield {"wait": _duration(act.at - now)}
            now = act.at
        at = until + 1
        if act.expect:
            act.step["expect"] = act.expect
        yield act.step
    if _follows(entries[at:], now):
        # What follows last may be planned a little later by another clock.
        passed = entries[-1].at - now
        yield {"wait": _duration(_SHORTEST_WAIT * (passed // _SHORTEST_WAIT + 2))}


def _follows(entries: Iterable[Entry], now: datetime) -> bool:
    """Return whether something followed that was not a part of a step."""
    return any(each.at > now + _AT_ONCE for each in entries)


def _duration(passed: timedelta) -> str:
    milliseconds = round(passed.total_seconds() * 1000)
    seconds, rest = divmod(milliseconds, 1000)
    return f"{milliseconds}ms" if rest else f"{seconds}s"


_CLIENT: Final = "flexibility_provider_client"


def with_named_secrets(world: Mapping[str, Any]) -> dict[str, Any]:
    """Return a world without secrets with a name in the place of each, and all parties played."""
    users = []
    for user in world["users"]:
        tokens = [{**each, "secret": f"secret-of-{each['id']}"} for each in user.get("tokens", [])]
        systems = {
            kind: [_system(each, word) for each in user[kind]]
            for kind, word in (
                ("capacity_providers", "provider"),
                ("capacity_optimizers", "optimizer"),
            )
            if kind in user
        }
        users.append({**user, **({"tokens": tokens} if tokens else {}), **systems})
    kept = {k: v for k, v in world.items() if k not in {"solaruser", "flexibility_provider"}}
    return {**kept, "users": users}


def _system(system: Mapping[str, Any], word: str) -> dict[str, Any]:
    kept = {key: each for key, each in system.items() if key != "base_url"}
    token = {"token": f"token-of-{word}-{system['id']}"} if word == "provider" else {}
    client = kept.pop(_CLIENT, None)
    named = {_CLIENT: {**client, "secret": f"secret-of-{client['id']}"}} if client else {}
    return {**kept, **token, **named}


# What followed, where it follows again.


@dataclass(frozen=True, slots=True)
class _Placed:
    """What came of the steps when they were played.

    Attributes:
        expected: What was recorded and came again, each with what is expected of it.
        missing: What did not come again.
        changed: What came again with another message.
        problems: What ended otherwise.
    """

    expected: Sequence[tuple[Exchange, dict[str, Any]]]
    missing: Sequence[Exchange]
    changed: Sequence[Exchange]
    problems: Sequence[str]


def _place(
    content: dict[str, Any], setting: Setting, came: Sequence[Exchange], acts: Iterable[Act]
) -> _Placed:
    """Play the steps, and expect of each what came of it."""
    changed: list[Exchange] = []
    left = _Came(came)
    placed: list[tuple[Exchange, dict[str, Any]]] = []
    problems: list[str] = []
    asked = {id(each.step): each.asked for each in acts if each.asked}
    start = datetime.fromisoformat(content["clock"]["start"])
    for step, played in zip(content["steps"], _played(content, setting), strict=False):
        pairs = [(each, left.take(each)) for each in played.exchanges]
        if id(step) in asked:
            _expect_answer(step, asked[id(step)], played, start)
        expected = [_expected(then, now, step) for now, then in pairs if then is not None]
        placed += zip((then for _, then in pairs if then is not None), expected, strict=True)
        # Of a request alone, the step says already how it was answered.
        if expected and not (id(step) in asked and len(played.exchanges) == 1):
            is_all = all(then is not None for _, then in pairs)
            key = "exchanges" if is_all else "exchanges_among_others"
            step["expect"] = {**step.get("expect", {}), key: expected}
        changed += [
            then for now, then in pairs if then is not None and not _is_same_message(then, now)
        ]
        problems += [
            f"step {played.number} {played.name}: {each.what}: recorded {each.expected}, "
            f"played {each.got}"
            for each in played.problems
        ]
    return _Placed(placed, left.left(), changed, problems)


def _expect_answer(
    step: dict[str, Any], then: Entry, played: StepFinished, start: datetime
) -> None:
    """Expect of the answer to a request what it says each time."""
    now = next((each for each in played.exchanges if each.answer), None)
    answer = then.response
    if now is None or answer is None or now.status != answer.status:
        return
    there = dict(exchange_of(then).telling_headers)
    same = {name: value for name, value in now.telling_headers if there.get(name) == value}
    same = {name: value for name, value in same.items() if REDACTED not in value}
    try:
        is_same, body = in_common(json.loads(answer.text), json.loads(now.answer), start)
    except (ValueError, RecursionError):
        is_same = answer.text == now.answer and len(now.answer) <= _LONGEST_TEXT
        body = answer.text
    headers = {"headers": same} if same else {}
    step["expect"] |= {**headers, **({"body": body} if is_same and body else {})}


def _played(content: Mapping[str, Any], setting: Setting) -> list[StepFinished]:
    """Return what comes of each step, up to one that ends otherwise than it is expected to."""
    finished: list[StepFinished] = []

    def keep(event: Event) -> None:
        if isinstance(event, StepFinished):
            finished.append(event)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recorded.yaml"
        file.write_text(_written(content), encoding="utf-8")
        try:
            scenarios = load_scenarios([file])
        except SourceError as error:
            # Nobody has that file.
            why = "; ".join(each.message for each in error.problems)
            raise Unrecordable(f"what was done makes no scenario: {why}") from None
        run(scenarios, Rehearsal(setting.seed, setting.behaviour), [keep])
    return finished


class _Came:
    """The exchanges that were recorded, and have not come again yet."""

    def __init__(self, came: Iterable[Exchange]) -> None:
        self._alike: dict[tuple[object, ...], list[Exchange]] = {}
        for each in came:
            self._alike.setdefault(_kind(each), []).append(each)

    def take(self, played: Exchange) -> Exchange | None:
        """Take out what is most like an exchange that was played: the first, or the same message.

        Only the first few are looked through: after that, they are in no order any more.
        """
        alike = self._alike.get(_kind(played), [])
        first = [
            each
            for each in alike[:_MOST_COMPARED]
            if each.system == played.system or None in {each.system, played.system}
        ]
        found = next((each for each in first if _is_same_message(each, played)), None)
        found = found or next(iter(first), None)
        if found is not None:
            alike.remove(found)
        return found

    def left(self) -> list[Exchange]:
        """Return the others, in order."""
        return sorted(chain.from_iterable(self._alike.values()), key=lambda each: each.number)


def _kind(exchange: Exchange) -> tuple[object, ...]:
    path = exchange.path if exchange.action is None else None
    parties = (exchange.sender, exchange.receiver)
    return (*parties, exchange.method, exchange.action, exchange.status, path)


def _is_same_message(one: Exchange, other: Exchange) -> bool:
    if one.body == other.body or not _has_message(one):
        return True
    first, second = value_of(one.body), value_of(other.body)
    if first is None or second is None:
        return False
    return match(first, second)[0] and match(second, first)[0]


def _expected(then: Exchange, now: Exchange, step: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is expected of an exchange: what was recorded of it, where it is played so."""
    told = {"from": then.sender, "to": then.receiver, "action": then.action}
    expected: dict[str, Any] = {key: each for key, each in told.items() if each is not None}
    if then.action is None:
        expected["path"] = then.path
    if then.is_handed_over:
        return {**expected, "method": then.method}
    expected["status"] = "unanswered" if then.status is None else then.status
    if not _has_message(then):
        return expected
    named = then.correlation_id
    if named is not None and named == now.correlation_id:
        expected["headers"] = {"X-Correlation-ID": named}
    value = value_of(then.body)
    is_shown = value is not None and value != {} and REDACTED not in then.body
    if is_shown and _is_same_message(then, now) and not _says(step, value):
        expected["message"] = value
    return expected


def _has_message(exchange: Exchange) -> bool:
    """Return whether it carries a message of its own, rather than that of the instruction."""
    return exchange.receiver != "solaruser" and not exchange.is_handed_over


def _says(step: Mapping[str, Any], value: object) -> bool:
    """Return whether the step itself has the message already."""
    return any(isinstance(each, Mapping) and each.get("message") == value for each in step.values())


# Ids that were invented, and that somebody has named later.


def _capture(acts: Sequence[Act], placed: Sequence[tuple[Exchange, dict[str, Any]]]) -> None:
    """Have what made an id capture it, for those that name it; an invented one differs by seed."""
    sent = {then.request_id: expected for then, expected in placed if then.request_id}
    sent |= {act.request_id: act.step for act in acts if act.request_id}
    # What a request says itself was not invented here.
    own = {header(each.asked.request, "X-Request-ID") for each in acts if each.asked}
    names = _Names(sent, [each for each in sent if len(each) >= _SHORTEST_ID and each not in own])
    for act in acts:
        if act.instruction_id is not None:
            names.instructions[act.instruction_id] = act.step
        for fields in act.step.values():
            named = fields.get("correlation_id", "") if isinstance(fields, Mapping) else ""
            if named in sent and sent[named] is not act.step:
                fields["correlation_id"] = names.reference(named)
        if act.asked:
            act.step["request"] = names.within(act.step["request"], act.step)
    for _, expected in placed:
        named = expected.get("headers", {}).get("X-Correlation-ID", "")
        if named in names.given:
            expected["headers"] = {"X-Correlation-ID": names.reference(named)}
        elif named in sent:
            del expected["headers"]
    names.insert()


# A shorter one may be a part of any text.
_SHORTEST_ID: Final = 16
_ID_IN_QUERY: Final = re.compile(r"(?<=[?&]id=)[0-9]{1,18}(?![^&])")


@dataclass(slots=True)
class _Names:
    """What captures an id, and the name by which others refer to it.

    Attributes:
        sent: What sent each request id.
        invented: Those that are looked for in texts.
        given: The names of those that somebody refers to.
        instructions: What made each instruction.
        of_instructions: The names of those that somebody refers to.
    """

    sent: Mapping[str, dict[str, Any]]
    invented: Sequence[str]
    given: dict[str, str] = field(default_factory=dict)
    instructions: dict[int, dict[str, Any]] = field(default_factory=dict)
    of_instructions: dict[int, str] = field(default_factory=dict)

    def reference(self, request_id: str) -> _Reference:
        """Return the reference to a request id."""
        name = self.given.setdefault(request_id, f"message{len(self.given) + 1}")
        return _Reference(f"${{{name}.request_id}}")

    def within(self, value: Any, step: object) -> Any:  # noqa: ANN401 - a part of a step
        """Return a part of a request with references in the place of the ids that it names."""
        if isinstance(value, dict):
            return {key: self.within(each, step) for key, each in value.items()}
        if isinstance(value, list):
            return [self.within(each, step) for each in value]
        return self._in_text(value, step) if isinstance(value, str) else value

    def _in_text(self, text: str, step: object) -> str:
        made = literal(text)
        for each in self.invented:
            if each in made and self.sent[each] is not step:
                made = made.replace(each, self.reference(each))
        made = _ID_IN_QUERY.sub(self._instruction, made)
        return text if made == literal(text) else _Reference(made)

    def _instruction(self, found: re.Match[str]) -> str:
        number = int(found[0])
        if number not in self.instructions:
            return found[0]
        count = len(self.of_instructions) + 1
        name = self.of_instructions.setdefault(number, f"instruction{count}")
        return f"${{{name}.instruction_id}}"

    def insert(self) -> None:
        """Give the names to what captures the ids."""
        for request_id, name in self.given.items():
            _insert(self.sent[request_id], "as", name)
        for number, name in self.of_instructions.items():
            _insert(self.instructions[number], "as", name)


class _Reference(str):
    """A text that stands for what a step captured; in any other, the same characters do not."""

    __slots__ = ()


def _insert(step: dict[str, Any], key: str, value: str) -> None:
    """Set a key before what is expected."""
    expect = step.pop("expect", None)
    step[key] = value
    if expect is not None:
        step["expect"] = expect


# As text.


class _Dumper(yaml.SafeDumper):
    """Writes YAML that every reader takes for the same: each text that could be more is quoted."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - a message is written out
        """Return True."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if not isinstance(value, _Reference):
        value = literal(value)
    style = None if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*|[0-9]+m?s")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Reference, _text)
# A status of the service may be an HTTPStatus.
_Dumper.add_multi_representer(int, lambda dumper, value: dumper.represent_int(int(value)))


def _written(content: Mapping[str, Any]) -> str:
    try:
        return yaml.dump(
            dict(content),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=10_000,
            default_flow_style=None,
        )
    except RecursionError:
        raise Unrecordable("what was done is nested too deeply to be written") from None


def _comments(setting: Setting, left_out: Iterable[str], problems: Iterable[str]) -> Iterator[str]:
    settings = " ".join(f"--set {name}={side}" for name, side in setting.behaviour.settings.items())
    rest = f", {settings}" if settings else ""
    yield f"# Recorded with seed {setting.seed}, fidelity {setting.behaviour.fidelity}{rest}.\n"
    for each in problems:
        yield f"# Otherwise when played: {printable(each)}\n"
    for each in left_out:
        yield f"# Left out: {printable(each)}\n"


_COMMENT: Final = re.compile(
    r"# Recorded with seed (-?\d+), fidelity (\w+)((?:, --set \S+)?.*)\.\n"
)


def setting_of(text: str) -> Setting:
    """Return what a scenario file says in its first line that it was recorded with.

    Raises:
        ValueError: It says what there is not.
    """
    found = _COMMENT.match(text)
    if found is None:
        return Setting()
    settings = dict(each.split("=", 1) for each in found[3].split() if "=" in each)
    return Setting(int(found[1]), Behaviour(found[2], settings))  # type: ignore[arg-type] # checked


def _told(exchange: Exchange) -> str:
    what = exchange.action or f"{exchange.method} {exchange.path}"
    parties = f"from {exchange.sender or 'a program'} to {exchange.receiver}"
    return f"{what} {parties} at {exchange.at:%H:%M:%S}"
