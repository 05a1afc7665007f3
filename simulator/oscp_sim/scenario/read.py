"""Read scenario files, or say by file, line and column why they cannot be rehearsed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from oscp_schemas.show import nearest
from oscp_sim.clock import parse_duration
from oscp_sim.dataclass_values import DataclassReader
from oscp_sim.matching import TextPattern
from oscp_sim.scenario.model import (
    ClockSetting,
    Command,
    Exchanges,
    Expect,
    ExpectedExchange,
    Forecast,
    JsonText,
    Message,
    Parameters,
    PlayedParty,
    Received,
    Role,
    Scenario,
    Send,
    Step,
    Wait,
    parse_expression,
    parse_instant,
)
from oscp_sim.scenario.real_parties import RealParties, parse_url
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml
from oscp_sim.yaml_violations import validate

_OF_FORECASTS: Final = ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast")
_COMMANDS: Final = (
    "register",
    "handshake",
    "handshake_acknowledge",
    "heartbeat",
    "forecast",
    "adjust",
    "post",
)
# What holds for every scenario of a file that does not say otherwise.
_OF_ALL: Final = ("world", "fidelity", "clock", "seats", "sequence")


def load_scenarios(paths: Iterable[Path | str]) -> tuple[Scenario, ...]:
    """Return all scenarios of files and folders, in the order of paths, files and lines.

    Args:
        paths: Files, and folders to be searched all the way down (see `find_scenario_files`).

    Raises:
        SourceError: Every problem of every file: it cannot be read, is not YAML, breaks the schema,
            names a payload or world that is not there or wrong, or a name that its folder has
            already.
    """
    schema = scenario_schema()
    problems: list[SourceProblem] = []
    scenarios: list[tuple[Path, Scenario]] = []
    for file in find_scenario_files(map(Path, paths)):
        try:
            document = read_yaml(file.path, shown(file.path))
        except SourceError as error:
            problems += error.problems
            continue
        if broken := validate(document, schema):
            problems += broken
            continue
        reader = _FileReader(file, document)
        scenarios += [(file.path.resolve().parent, each) for each in reader.scenarios()]
        problems += reader.problems
    problems += _repeated_names(scenarios)
    if problems:
        raise SourceError(dict.fromkeys(problems))
    return tuple(scenario for _, scenario in scenarios)


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, a fresh copy."""
    text = files("oscp_sim.scenario").joinpath("scenario.schema.json").read_bytes()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _repeated_names(scenarios: Iterable[tuple[Path, Scenario]]) -> list[SourceProblem]:
    first: dict[tuple[Path, str], Scenario] = {}
    problems = []
    for folder, scenario in scenarios:
        known = first.setdefault((folder, scenario.name), scenario)
        if known is not scenario:
            place = known.source.place("/scenario")
            message = f'the name "{scenario.name}" is used in this folder already, at {place}'
            problems.append(scenario.source.problem("/scenario", message))
    return problems


# Finding the files.

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
# Folders of what scenario files name.
_NOT_SCENARIOS: Final = frozenset({"payloads", "worlds"})


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario file and where it was found.

    Attributes:
        path: Of the file.
        folder: Of the file, relative to the path that was named; empty if that is the file itself.
    """

    path: Path
    folder: str


def find_scenario_files(paths: Iterable[Path]) -> list[ScenarioFile]:
    """Return each scenario file once, sorted within each folder named.

    Folders are searched all the way down for `*.yaml` and `*.yml`, except for those called `worlds`
    or `payloads` and hidden ones. A file that is named itself is always taken.

    Raises:
        SourceError: A path that does not exist, or a folder without any scenario file.
    """
    found: dict[Path, ScenarioFile] = {}
    problems = []
    for path in paths:
        files = [ScenarioFile(path, path.resolve().parent.name)] if path.is_file() else []
        files += _below(path)
        if not files:
            nothing = "no scenario file (*.yaml) in here"
            what = nothing if path.is_dir() else "no such file or folder"
            problems.append(SourceProblem(shown(path), what))
        for file in files:
            found.setdefault(file.path.resolve(), file)
    if problems:
        raise SourceError(problems)
    return list(found.values())


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the working directory if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _below(folder: Path) -> Iterator[ScenarioFile]:
    for path in sorted(folder.rglob("*")):
        above = path.relative_to(folder).parent
        hidden = any(part in _NOT_SCENARIOS or part.startswith(".") for part in above.parts)
        if path.suffix in _SUFFIXES and path.is_file() and not hidden:
            yield ScenarioFile(path, "" if above == Path() else above.as_posix())


# Reading one file, and collecting all that is wrong with it.

_Value = TypeVar("_Value")


def _with_message(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**value, "message": Message(value["message"])} if "message" in value else value


def _exchange(value: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {"from": "sender", "to": "receiver"}
    renamed = {names.get(key, key): each for key, each in value.items()}
    return _with_message(renamed | _whole(value, "status"))


def _whole(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    # 204.0 is a whole number to JSON Schema.
    return {key: int(value[key])} if isinstance(value.get(key), float) else {}


#: How a file writes what it expects, where it does not name the fields of the dataclass.
_SHORTHANDS: Final[Mapping[type, Callable[[Any], Mapping[str, Any]]]] = {
    Received: lambda value: {"nothing": True} if value == "nothing" else _with_message(value),
    ExpectedExchange: _exchange,
    Exchanges: lambda value: {"wanted": () if value == "nothing" else value},
}


class _FileReader:
    """Makes scenarios of one file whose shape is right, and collects what else is wrong.

    Attributes:
        problems: What was found wrong so far; with any, the scenarios are of no use.
    """

    def __init__(self, file: ScenarioFile, document: YamlDocument) -> None:
        self.problems: list[SourceProblem] = []
        self._file = file
        self._document = document

    def scenarios(self) -> list[Scenario]:
        """Return the file's scenarios in its order."""
        stem = self._file.path.stem
        if "scenarios" not in self._document.value:
            return [self._scenario(self._document, self._file.folder or stem)]
        group = f"{self._file.folder}/{stem}" if self._file.folder else stem
        parts = range(len(self._document.value["scenarios"]))
        return [self._scenario(self._document.at(f"/scenarios/{at}"), group) for at in parts]

    def _scenario(self, part: YamlDocument, group: str) -> Scenario:
        at = {key: part if key in part.value else self._document for key in _OF_ALL}
        value: Mapping[str, Any] = part.value
        return Scenario(
            name=value["scenario"],
            group=group,
            steps=tuple(self._step(part.at(f"/steps/{n}")) for n in range(len(value["steps"]))),
            about=value.get("about"),
            world=self._world(at["world"]),
            fidelity=at["fidelity"].value.get("fidelity"),
            clock=self._clock(at["clock"]),
            seats=self._seats(at["seats"]),
            sequence=at["sequence"].value.get("sequence", False),
            source=part,
        )

    def _world(self, part: YamlDocument) -> World | None:
        """Return the world that a scenario, or its file for all of them, names or holds."""
        world = part.value.get("world")
        if world is None:
            return None
        path = None if isinstance(world, dict) else self._beside(part, "/world")
        try:
            if isinstance(world, dict):
                return load_world(part.at("/world"))
            return load_world(path, shown(path)) if path else None
        except SourceError as error:
            self.problems += error.problems
            return None

    def _clock(self, part: YamlDocument) -> ClockSetting:
        value = part.value.get("clock")
        if value is None:
            return ClockSetting()
        runs = value.get("runs", "frozen")
        start = None
        if "start" in value:
            start = self._attempt(part, "/clock/start", parse_instant, None)
        if runs == "real" and "start" in value:
            why = "the machine's clock starts nowhere: leave start out"
            self._complain(part, "/clock/start", why, key=True)
        if runs != "fast" and "speed" in value:
            why = f"a {runs} clock has no speed: make it fast"
            self._complain(part, "/clock/speed", why, key=True)
        return ClockSetting(runs, start, value.get("speed"))

    def _seats(self, part: YamlDocument) -> RealParties:
        value = dict(part.value.get("seats", {}))
        for name, given in value.items():
            if isinstance(given, str):
                self._attempt(part, f"/seats/{name}", parse_url, "")
            else:
                for number in given:
                    self._attempt(part, f"/seats/{name}/{number}", parse_url, "")
                value[name] = {int(number): url for number, url in given.items()}
        return RealParties(**value)

    def _step(self, part: YamlDocument) -> Step:
        does = self._does(part)
        expect = Expect(source=part)
        if "expect" in part.value:
            expect = self._expect(part.at("/expect"), does)
        return Step(part.value.get("name") or _name(does), does, expect, part)

    def _does(self, part: YamlDocument) -> Send | Command | Wait:
        if "send" in part.value:
            return self._send(part.at("/send"))
        if "wait" in part.value:
            return Wait(self._attempt(part, "/wait", parse_duration, timedelta()))
        name = next(name for name in _COMMANDS if name in part.value)
        return self._command(name, part.at(f"/{name}"))

    # What a step sends.

    def _send(self, part: YamlDocument) -> Send:
        self._check_sender(part)
        value = part.value
        optimizer = value.get("optimizer")
        if isinstance(optimizer, int | float):
            optimizer = str(int(optimizer))
        return Send(
            node=int(value["node"]),
            content=self._content(part),
            optimizer=optimizer,
            group=value.get("group"),
            action=value.get("action"),
            correlation_id=value.get("correlation_id"),
            checked=value.get("checked", True),
            source=part,
        )

    def _check_sender(self, part: YamlDocument) -> None:
        """Complain unless either parameters say all, or all is there that a sender needs."""
        for key in ("optimizer", "group", "action", "correlation_id"):
            if "parameters" in part.value and key in part.value:
                why = f'"parameters" says all: leave "{key}" out'
                self._complain(part, f"/{key}", why, key=True)
            if {"parameters", key}.isdisjoint(part.value) and key != "correlation_id":
                self._complain(part, "", f'"{key}" is missing; or give "parameters" instead')

    def _content(self, part: YamlDocument) -> Message | JsonText | Forecast | Parameters:
        value = part.value
        if "parameters" in value:
            return Parameters(tuple(value["parameters"].items()))
        if "forecast" in value:
            return self._forecast(part)
        if "text" in value:
            return JsonText(value["text"])
        if "file" in value:
            return JsonText(*self._text_of(part, "/file"))
        return Message(value["message"])

    def _forecast(self, part: YamlDocument) -> Forecast:
        if part.value.get("action", _OF_FORECASTS[0]) not in _OF_FORECASTS:
            wanted = " or ".join(_OF_FORECASTS)
            why = f'"forecast" makes {wanted}; give "message" instead'
            self._complain(part, "/action", why)
        value = part.value["forecast"]
        midnight = datetime.min.replace(tzinfo=UTC)
        return Forecast(
            group_id=value.get("group_id", part.value.get("group", "")),
            type=value["type"],
            start=self._attempt(part, "/forecast/start", parse_instant, midnight),
            step=self._attempt(part, "/forecast/step", parse_duration, timedelta()),
            capacities=tuple(value["capacities"]),
            unit=value.get("unit", "KW"),
            phase=value.get("phase", "ALL"),
        )

    def _command(self, name: str, part: YamlDocument) -> Command:
        fields = dict(part.value)
        role: Role = "capacity_provider" if "provider" in fields else "capacity_optimizer"
        number, user = fields.pop(role.removeprefix("capacity_")), fields.pop("user", None)
        party = PlayedParty(role, int(number), None if user is None else int(user))
        for key in ("start", "offline_mode_at"):
            if key in fields:
                fields[key] = self._attempt(part, f"/{key}", parse_instant, None)
        if "csv" in fields and "\n" not in fields["csv"]:
            # A path is relative to the scenario file, wherever that is run from.
            fields["csv"] = self._beside(part, "/csv")
        if fields.pop("file", None) is not None:
            fields["message"] = self._json_of(part, "/file")
        return Command(name, party, fields, part)

    # What a step expects.

    def _expect(self, part: YamlDocument, does: Send | Command | Wait) -> Expect:
        self._check_expectations(part, does)
        value = dict(part.value) | _whole(part.value, "status")
        if "reason" in value:
            value["reason"] = self._reason(part)
        if "within" in value:
            value["within"] = self._attempt(part, "/within", parse_duration, timedelta())
        if "findings" in value:
            value["findings"] = () if value["findings"] == "nothing" else tuple(value["findings"])
        value["nothing_pending"] = value.pop("pending", None) is not None
        reader = DataclassReader(part, _SHORTHANDS, self.problems)
        if "received" in value:
            value["received"] = reader.read(Received, "/received")
        if "exchanges" in value:
            value["exchanges"] = reader.read(Exchanges, "/exchanges")
        if "exchanges_among_others" in value:
            among = reader.read(Exchanges, "/exchanges_among_others")
            value["exchanges"] = replace(among, complete=False)
            del value["exchanges_among_others"]
        if "parts" in value:
            value["parts"] = int(value["parts"])
        return Expect(**value, source=part)

    def _check_expectations(self, part: YamlDocument, does: Send | Command | Wait) -> None:
        """Complain about an expectation that the step cannot meet."""
        for key in part.value:
            why = _impossible(key, does)
            if why is not None:
                message = f'"{key}" cannot be expected here: {why}'
                self._complain(part, f"/{key}", message, key=True)
        received = part.value.get("received")
        if isinstance(received, dict) and "same_as_sent" in received and not isinstance(does, Send):
            why = 'no instruction is sent here: expect "message"'
            self._complain(part, "/received/same_as_sent", why)

    def _reason(self, part: YamlDocument) -> TextPattern:
        reason = part.value["reason"]
        if isinstance(reason, str):
            return TextPattern("is", reason)
        if "starts_with" in reason:
            return TextPattern("starts_with", reason["starts_with"])
        return TextPattern("matches", self._attempt(part, "/reason/matches", parse_expression, ""))

    # What every part needs.

    def _beside(self, part: YamlDocument, pointer: str) -> Path | None:
        """Return the file that a path names, relative to the scenario file."""
        named: str = part.at(pointer).value
        path = self._file.path.parent / named
        if path.is_file():
            return path
        there = {each.name for each in path.parent.iterdir()} if path.parent.is_dir() else set()
        near = nearest(path.name, sorted(there - {path.name}), cutoff=0.8)
        hint = f'; did you mean "{near}"?' if near else "; the path is relative to this file"
        self._complain(part, pointer, f'there is no file "{named}"{hint}')
        return None

    def _text_of(self, part: YamlDocument, pointer: str) -> tuple[str, str | None]:
        """Return the content of the file that a path names, and how messages name the file."""
        path = self._beside(part, pointer)
        if path is None:
            return "", None
        try:
            return path.read_bytes().decode("utf-8"), shown(path)
        except (OSError, UnicodeDecodeError) as error:
            self._complain(part, pointer, f"{shown(path)} cannot be read as UTF-8 text: {error}")
            return "", None

    def _json_of(self, part: YamlDocument, pointer: str) -> object:
        text, name = self._text_of(part, pointer)
        try:
            return None if name is None else json.loads(text)
        except ValueError as error:
            self._complain(part, pointer, f"{name} is not JSON: {error}")
            return None

    def _attempt(
        self,
        part: YamlDocument,
        pointer: str,
        read: Callable[[str], _Value],
        otherwise: _Value,
    ) -> _Value:
        """Read a text, or note the problem and go on to find more of them."""
        try:
            return read(part.at(pointer).value)
        except ValueError as error:
            self._complain(part, pointer, str(error))
            return otherwise

    def _complain(
        self, part: YamlDocument, pointer: str, message: str, *, key: bool = False
    ) -> None:
        self.problems.append(part.problem(pointer, message, key=key))


def _impossible(key: str, does: Send | Command | Wait) -> str | None:
    """Return why a step cannot be expected to come to something, or None."""
    if key in {"exchanges", "exchanges_among_others", "findings", "pending", "received"}:
        return None
    if isinstance(does, Wait):
        return "a wait step sends nothing"
    if isinstance(does, Command) and key in {"state", "parts", "sender"}:
        return "it is of instructions; the answer to this message has a status"
    if isinstance(does, Send) and key == "status":
        return "an instruction ends in a state; expect that"
    return None


def _name(does: Send | Command | Wait) -> str:
    if isinstance(does, Wait):
        return f"wait {_duration(does.duration)}"
    if isinstance(does, Command):
        action = does.fields.get("action") if does.name == "post" else None
        return action or does.name.replace("_", " ")
    pairs = dict(does.content.pairs) if isinstance(does.content, Parameters) else {}
    return does.action or pairs.get("action") or "instruction"


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
