"""Make scenarios of what a scenario file holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.scenario.clock_setting import ClockSetting
from simulator.scenario.command import Command, Wait
from simulator.scenario.expectation import Expect
from simulator.scenario.find import ScenarioFile, shown
from simulator.scenario.model import Parameters, Scenario, Send, Step
from simulator.scenario.read_command import COMMANDS, read_command
from simulator.scenario.read_expect import read_expect
from simulator.scenario.read_send import read_send
from simulator.scenario.reader import PartReader
from simulator.scenario.seats import Seats, parse_url
from simulator.scenario.values import parse_duration, parse_instant
from simulator.world import World, load_world
from simulator.yaml_source import SourceError, SourceProblem, YamlDocument

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["FileReader"]

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
