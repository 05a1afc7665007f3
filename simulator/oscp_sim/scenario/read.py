"""Read scenario files, or say by file, line and column why they cannot be rehearsed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any, Final, TypeVar

from oscp_sim.clock import parse_duration
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
    Scenario,
    Send,
    Step,
    Wait,
    parse_expression,
    parse_instant,
)
from oscp_sim.scenario.real_parties import Seats, parse_url
from oscp_sim.world import World, load_world
from oscp_sim.yaml_source import SourceError, SourceProblem, YamlDocument, read_yaml
from oscp_sim.yaml_violations import validate

# § Find the scenario files below the paths that somebody names.

_SUFFIXES = frozenset({".yaml", ".yml"})
# What scenario files name lies beside them, and is none itself.
_NOT_SCENARIOS = frozenset({"payloads", "worlds"})


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario file and where it was found.

    Attributes:
        path: Of the file.
        folder: Of the file, relative to what was named; empty where it is that itself.
    """

    path: Path
    folder: str


def find_scenario_files(paths: Iterable[Path]) -> list[ScenarioFile]:
    """Return each scenario file once, sorted within each folder named.

    Folders are searched all the way down for `*.yaml` and `*.yml`, but for those called `worlds` or
    `payloads` and hidden ones. A file that is named itself is always taken.

    Raises:
        SourceError: A path that is not there, or a folder without any scenario file.
    """
    found: dict[Path, ScenarioFile] = {}
    problems = []
    for path in paths:
        files = [ScenarioFile(path, path.resolve().parent.name)] if path.is_file() else []
        files += _below(path)
        if not files:
            what = (
                "no scenario file (*.yaml) in here" if path.is_dir() else "no such file or folder"
            )
            problems.append(SourceProblem(shown(path), what))
        for file in files:
            found.setdefault(file.path.resolve(), file)
    if problems:
        raise SourceError(problems)
    return list(found.values())


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the working directory where it is below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _below(folder: Path) -> Iterator[ScenarioFile]:
    for path in sorted(folder.rglob("*")):
        above = path.relative_to(folder).parent
        if path.suffix in _SUFFIXES and path.is_file() and not _left_out(above):
            yield ScenarioFile(path, "" if above == Path() else above.as_posix())


def _left_out(folder: PurePath) -> bool:
    return any(part in _NOT_SCENARIOS or part.startswith(".") for part in folder.parts)


# § Reading one scenario file part by part, collecting all that is wrong with it.

_Value = TypeVar("_Value")


class PartReader:
    """What reading any part of a scenario file needs.

    Args:
        file: The file, which gives paths their beginning.

    Attributes:
        problems: What was found wrong so far; with any, what is read is of no use.
    """

    def __init__(self, file: ScenarioFile) -> None:
        self.problems: list[SourceProblem] = []
        self._file = file

    def beside(self, part: YamlDocument, pointer: str) -> Path | None:
        """Return the file that a path names, relative to the scenario file."""
        named: str = part.at(pointer).value
        path = self._file.path.parent / named
        if path.is_file():
            return path
        there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, set(there) - {path.name}, n=1, cutoff=0.8)
        hint = f'; did you mean "{near[0]}"?' if near else "; the path is relative to this file"
        self.complain(part, pointer, f'there is no file "{named}"{hint}')
        return None

    def text_of(self, part: YamlDocument, pointer: str) -> tuple[str, str | None]:
        """Return what a file that a path names holds, and the name that messages give it."""
        path = self.beside(part, pointer)
        if path is None:
            return "", None
        try:
            return path.read_bytes().decode("utf-8"), shown(path)
        except (OSError, UnicodeDecodeError) as error:
            problem = f"{shown(path)} cannot be read as UTF-8 text: {error}"
            self.complain(part, pointer, problem)
            return "", None

    def attempt(
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
            self.complain(part, pointer, str(error))
            return otherwise

    def complain(
        self, part: YamlDocument, pointer: str, message: str, *, key: bool = False
    ) -> None:
        """Note a problem."""
        self.problems.append(part.problem(pointer, message, key=key))


# § Make the step of a simulated party of what a scenario file holds.

COMMANDS: Final = (
    "register",
    "handshake",
    "handshake_acknowledge",
    "heartbeat",
    "forecast",
    "adjust",
    "post",
)
_WHO: Final = frozenset({"provider", "optimizer", "user"})


def read_command(reader: PartReader, name: str, part: YamlDocument) -> Command:
    """Return the message that a simulated party is to send, as a part of a file tells."""
    value = part.value
    role = "provider" if "provider" in value else "optimizer"
    user = value.get("user")
    return Command(
        name,
        PlayedParty(
            "capacity_provider" if role == "provider" else "capacity_optimizer",
            int(value[role]),
            None if user is None else int(user),
        ),
        _fields(reader, part),
        part,
    )


def _fields(reader: PartReader, part: YamlDocument) -> dict[str, Any]:
    fields = {key: value for key, value in part.value.items() if key not in _WHO}
    for key in ("start", "offline_mode_at"):
        if key in fields:
            fields[key] = reader.attempt(part, f"/{key}", parse_instant, None)
    if "csv" in fields and "\n" not in fields["csv"]:
        # A path is relative to the scenario file, wherever that is run from.
        fields["csv"] = reader.beside(part, "/csv")
    if "file" in fields:
        del fields["file"]
        fields["message"] = _message(reader, part)
    return fields


def _message(reader: PartReader, part: YamlDocument) -> object:
    text, name = reader.text_of(part, "/file")
    if name is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        reader.complain(part, "/file", f"{name} is not JSON: {error}")
        return None


# § Make the expectations of a step of what a scenario file holds.

_OF_INSTRUCTIONS: Final = ("state", "parts", "sender")
_OF_ANY: Final = frozenset(
    {"exchanges", "exchanges_among_others", "findings", "pending", "received"}
)


def read_expect(reader: PartReader, part: YamlDocument, does: Send | Command | Wait) -> Expect:
    """Return what a part of a file expects of a step that does this."""
    _check_keys(reader, part, does)
    value = part.value
    parts = value.get("parts")
    return Expect(
        state=value.get("state"),
        reason=_reason(reader, part) if "reason" in value else None,
        parts=None if parts is None else int(parts),
        within=(
            reader.attempt(part, "/within", parse_duration, timedelta())
            if "within" in value
            else None
        ),
        received=_received(value["received"]) if "received" in value else None,
        sender=value.get("sender"),
        status=_whole(value.get("status")),
        exchanges=_exchanges(value),
        findings=_findings(value.get("findings")),
        nothing_pending="pending" in value,
        source=part,
    )


def _check_keys(reader: PartReader, part: YamlDocument, does: Send | Command | Wait) -> None:
    """An expectation that a step cannot come to is a mistake."""
    for key in part.value:
        if key in _OF_ANY:
            continue
        if isinstance(does, Wait):
            why = "nobody sends anything in a step that waits"
        elif isinstance(does, Command) and key in _OF_INSTRUCTIONS:
            why = "it is of instructions; the answer to this message has a status"
        elif not isinstance(does, Command) and key == "status":
            why = "an instruction ends in a state; expect that"
        else:
            continue
        reader.complain(part, f"/{key}", f'"{key}" cannot be expected here: {why}', key=True)
    if "same_as_sent" in _mapping(part.value.get("received")) and isinstance(does, Command | Wait):
        reader.complain(
            part, "/received/same_as_sent", 'no instruction is sent here: expect "message"'
        )


def _reason(reader: PartReader, part: YamlDocument) -> TextPattern:
    reason = part.value["reason"]
    if isinstance(reason, str):
        return TextPattern("is", reason)
    if "starts_with" in reason:
        return TextPattern("starts_with", reason["starts_with"])
    return TextPattern("matches", reader.attempt(part, "/reason/matches", parse_expression, ""))


def _received(value: str | Mapping[str, Any]) -> Received:
    if isinstance(value, str):
        return Received(nothing=True)
    return Received(
        path=value.get("path"),
        headers=value.get("headers", {}),
        message=Message(value["message"]) if "message" in value else None,
        same_as_sent=value.get("same_as_sent", False),
    )


def _exchanges(value: Mapping[str, Any]) -> Exchanges | None:
    for key, complete in (("exchanges", True), ("exchanges_among_others", False)):
        if key in value:
            listed: str | Sequence[Mapping[str, Any]] = value[key]
            wanted = () if isinstance(listed, str) else tuple(map(_exchange, listed))
            return Exchanges(wanted, complete)
    return None


def _exchange(value: Mapping[str, Any]) -> ExpectedExchange:
    return ExpectedExchange(
        sender=value.get("from"),
        receiver=value.get("to"),
        action=value.get("action"),
        path=value.get("path"),
        method=value.get("method"),
        status=_whole(value.get("status")),
        headers=value.get("headers", {}),
        message=Message(value["message"]) if "message" in value else None,
    )


def _findings(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return () if isinstance(value, str) else tuple(value)


def _whole(value: Any) -> Any:  # noqa: ANN401 - 204.0 is a whole number to JSON Schema
    return int(value) if isinstance(value, float) else value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# § Make the instruction of a step of what a scenario file holds.

_OF_FORECASTS = ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast")
_OF_SENDER = ("optimizer", "group", "action", "correlation_id")


def read_send(reader: PartReader, part: YamlDocument) -> Send:
    """Return the instruction that a part of a file tells of."""
    value = part.value
    optimizer = value.get("optimizer")
    _check_senders_own(reader, part)
    return Send(
        node=int(value["node"]),
        content=_content(reader, part),
        optimizer=optimizer
        if optimizer is None or isinstance(optimizer, str)
        else str(int(optimizer)),
        group=value.get("group"),
        action=value.get("action"),
        correlation_id=value.get("correlation_id"),
        checked=value.get("checked", True),
        source=part,
    )


def _check_senders_own(reader: PartReader, part: YamlDocument) -> None:
    """Either parameters say all, or everything is there of which the sender makes them."""
    for key in _OF_SENDER:
        if "parameters" in part.value and key in part.value:
            reader.complain(part, f"/{key}", f'"parameters" says all: leave "{key}" out', key=True)
        if "parameters" not in part.value and key not in part.value and key != "correlation_id":
            reader.complain(part, "", f'"{key}" is missing; or give "parameters" instead')


def _content(reader: PartReader, part: YamlDocument) -> Message | JsonText | Forecast | Parameters:
    value = part.value
    if "parameters" in value:
        return Parameters(tuple(value["parameters"].items()))
    if "forecast" in value:
        return _forecast(reader, part)
    if "text" in value:
        return JsonText(value["text"])
    if "file" in value:
        return JsonText(*reader.text_of(part, "/file"))
    return Message(value["message"])


def _forecast(reader: PartReader, part: YamlDocument) -> Forecast:
    value = part.value["forecast"]
    if part.value.get("action", _OF_FORECASTS[0]) not in _OF_FORECASTS:
        wanted = " or ".join(_OF_FORECASTS)
        reader.complain(part, "/action", f'"forecast" makes {wanted}; give "message" instead')
    return Forecast(
        group_id=value.get("group_id", part.value.get("group", "")),
        type=value["type"],
        start=reader.attempt(
            part, "/forecast/start", parse_instant, datetime.min.replace(tzinfo=UTC)
        ),
        step=reader.attempt(part, "/forecast/step", parse_duration, timedelta()),
        capacities=tuple(value["capacities"]),
        unit=value.get("unit", "KW"),
        phase=value.get("phase", "ALL"),
    )


# § Make scenarios of what a scenario file holds.

_OF_ALL = ("world", "fidelity", "clock", "seats", "sequence")


class FileReader:
    """Makes scenarios of one file whose shape is right, and collects what else is wrong.

    Args:
        file: The file, which gives paths their beginning and scenarios their group.
        document: What it holds, after the schema found nothing.
    """

    def __init__(self, file: ScenarioFile, document: YamlDocument) -> None:
        self._reader = PartReader(file)
        self._file = file
        self._document = document

    @property
    def problems(self) -> list[SourceProblem]:
        """What was found wrong so far; with any, the scenarios are of no use."""
        return self._reader.problems

    def scenarios(self) -> list[Scenario]:
        """Return the file's scenarios in its order."""
        stem = self._file.path.stem
        if "scenarios" not in self._document.value:
            return [self._scenario(self._document, self._file.folder or stem)]
        group = f"{self._file.folder}/{stem}" if self._file.folder else stem
        parts = range(len(self._document.value["scenarios"]))
        return [self._scenario(self._document.at(f"/scenarios/{at}"), group) for at in parts]

    def _scenario(self, part: YamlDocument, group: str) -> Scenario:
        # What stands beside the list of scenarios holds for each that does not say otherwise.
        said = {key: part if key in part.value else self._document for key in _OF_ALL}
        value: Mapping[str, Any] = part.value
        return Scenario(
            name=value["scenario"],
            group=group,
            steps=tuple(self._step(part.at(f"/steps/{at}")) for at in range(len(value["steps"]))),
            about=value.get("about"),
            world=self._world(said["world"]),
            fidelity=said["fidelity"].value.get("fidelity"),
            clock=self._clock(said["clock"]),
            seats=self._seats(said["seats"]),
            sequence=said["sequence"].value.get("sequence", False),
            source=part,
        )

    def _world(self, part: YamlDocument) -> World | None:
        """Read the world that a scenario names, or its file for all of them."""
        world = part.value.get("world")
        if world is None:
            return None
        path = None if isinstance(world, dict) else self._reader.beside(part, "/world")
        try:
            if isinstance(world, dict):
                return load_world(part.at("/world"))
            return load_world(path, shown(path)) if path else None
        except SourceError as error:
            self._reader.problems += error.problems
            return None

    def _clock(self, part: YamlDocument) -> ClockSetting:
        value = part.value.get("clock")
        if value is None:
            return ClockSetting()
        runs = value.get("runs", "frozen")
        start = None
        if "start" in value:
            start = self._reader.attempt(part, "/clock/start", parse_instant, None)
        if runs == "real" and "start" in value:
            self._reader.complain(
                part,
                "/clock/start",
                "the machine's clock starts nowhere: leave start out",
                key=True,
            )
        if runs != "fast" and "speed" in value:
            self._reader.complain(
                part, "/clock/speed", f"a {runs} clock has no speed: make it fast", key=True
            )
        return ClockSetting(runs, start, value.get("speed"))

    def _seats(self, part: YamlDocument) -> Seats:
        value = part.value.get("seats", {})
        for name in ("solaruser", "flexibility_provider"):
            if name in value:
                self._reader.attempt(part, f"/seats/{name}", parse_url, "")
        for name in ("capacity_provider", "capacity_optimizer"):
            for key in value.get(name, {}):
                self._reader.attempt(part, f"/seats/{name}/{key}", parse_url, "")
        return Seats(
            value.get("solaruser"),
            value.get("flexibility_provider"),
            _by_id(value.get("capacity_provider", {})),
            _by_id(value.get("capacity_optimizer", {})),
        )

    def _step(self, part: YamlDocument) -> Step:
        does = self._does(part)
        expect = (
            read_expect(self._reader, part.at("/expect"), does)
            if "expect" in part.value
            else Expect(source=part)
        )
        return Step(
            name=part.value.get("name") or _name(does), does=does, expect=expect, source=part
        )

    def _does(self, part: YamlDocument) -> Send | Command | Wait:
        if "send" in part.value:
            return read_send(self._reader, part.at("/send"))
        if "wait" in part.value:
            return Wait(self._reader.attempt(part, "/wait", parse_duration, timedelta()))
        name = next(name for name in COMMANDS if name in part.value)
        return read_command(self._reader, name, part.at(f"/{name}"))


def _name(does: Send | Command | Wait) -> str:
    if isinstance(does, Wait):
        return f"wait {_shown(does.duration)}"
    if isinstance(does, Command):
        action = does.fields.get("action") if does.name == "post" else None
        return action or does.name.replace("_", " ")
    pairs = dict(does.content.pairs) if isinstance(does.content, Parameters) else {}
    return does.action or pairs.get("action") or "instruction"


def _shown(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _by_id(named: Mapping[str, str]) -> Mapping[int, str]:
    return {int(key): url for key, url in named.items()}


def load_scenarios(paths: Iterable[Path | str]) -> tuple[Scenario, ...]:
    """Read all scenarios of files and folders, in the order of paths, files and lines.

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
        reader = FileReader(file, document)
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
            message = f'the name "{scenario.name}" stands in this folder already, at {place}'
            problems.append(scenario.source.problem("/scenario", message))
    return problems
