"""Make scenarios of what a scenario file holds."""

import difflib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from simulator.matching import TextPattern
from simulator.scenario.find import ScenarioFile, shown
from simulator.scenario.model import (
    Expect,
    Forecast,
    JsonText,
    Message,
    Parameters,
    Received,
    Scenario,
    Send,
    Step,
)
from simulator.scenario.values import parse_duration, parse_expression, parse_instant
from simulator.world import World, load_world
from simulator.yaml_source import SourceError, SourceProblem, YamlDocument

__all__ = ["FileReader"]

_Value = TypeVar("_Value")

_OF_FORECASTS = ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast")
_OF_SENDER = ("optimizer", "group", "action", "correlation_id")


class FileReader:
    """Makes scenarios of one file whose shape is right, and collects what else is wrong.

    Args:
        file: The file, which gives paths their beginning and scenarios their group.
        document: What it holds, after the schema found nothing.

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
        value = part.value
        return Scenario(
            name=value["scenario"],
            group=group,
            steps=tuple(self._step(part.at(f"/steps/{at}")) for at in range(len(value["steps"]))),
            about=value.get("about"),
            world=self._world(part if "world" in value else self._document),
            fidelity=value.get("fidelity", self._document.value.get("fidelity")),
            source=part,
        )

    def _world(self, part: YamlDocument) -> World | None:
        """Read the world that a scenario names, or its file for all of them."""
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

    def _step(self, part: YamlDocument) -> Step:
        send = self._send(part.at("/send"))
        pairs = dict(send.content.pairs) if isinstance(send.content, Parameters) else {}
        name = part.value.get("name") or send.action or pairs.get("action") or "instruction"
        expect = self._expect(part.at("/expect")) if "expect" in part.value else Expect(source=part)
        return Step(name=name, send=send, expect=expect, source=part)

    def _send(self, part: YamlDocument) -> Send:
        value = part.value
        optimizer = value.get("optimizer")
        self._check_senders_own(part)
        return Send(
            node=int(value["node"]),
            content=self._content(part),
            optimizer=optimizer
            if optimizer is None or isinstance(optimizer, str)
            else str(int(optimizer)),
            group=value.get("group"),
            action=value.get("action"),
            correlation_id=value.get("correlation_id"),
            checked=value.get("checked", True),
            source=part,
        )

    def _check_senders_own(self, part: YamlDocument) -> None:
        """Either parameters say all, or everything is there of which the sender makes them."""
        for key in _OF_SENDER:
            if "parameters" in part.value and key in part.value:
                self._complain(
                    part, f"/{key}", f'"parameters" says all: leave "{key}" out', key=True
                )
            if "parameters" not in part.value and key not in part.value and key != "correlation_id":
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
            return self._payload(part)
        return Message(value["message"])

    def _forecast(self, part: YamlDocument) -> Forecast:
        value = part.value["forecast"]
        if part.value.get("action", _OF_FORECASTS[0]) not in _OF_FORECASTS:
            wanted = " or ".join(_OF_FORECASTS)
            self._complain(part, "/action", f'"forecast" makes {wanted}; give "message" instead')
        return Forecast(
            group_id=value.get("group_id", part.value.get("group", "")),
            type=value["type"],
            start=self._try(
                part, "/forecast/start", parse_instant, datetime.min.replace(tzinfo=UTC)
            ),
            step=self._try(part, "/forecast/step", parse_duration, timedelta()),
            capacities=tuple(value["capacities"]),
            unit=value.get("unit", "KW"),
            phase=value.get("phase", "ALL"),
        )

    def _payload(self, part: YamlDocument) -> JsonText:
        path = self._beside(part, "/file")
        if path is None:
            return JsonText("")
        try:
            return JsonText(path.read_bytes().decode("utf-8"), shown(path))
        except (OSError, UnicodeDecodeError) as error:
            self._complain(part, "/file", f"{shown(path)} cannot be read as UTF-8 text: {error}")
            return JsonText("")

    def _expect(self, part: YamlDocument) -> Expect:
        value = part.value
        parts = value.get("parts")
        return Expect(
            state=value.get("state"),
            reason=self._reason(part) if "reason" in value else None,
            parts=None if parts is None else int(parts),
            within=(
                self._try(part, "/within", parse_duration, timedelta())
                if "within" in value
                else None
            ),
            received=_received(value["received"]) if "received" in value else None,
            sender=value.get("sender"),
            source=part,
        )

    def _reason(self, part: YamlDocument) -> TextPattern:
        reason = part.value["reason"]
        if isinstance(reason, str):
            return TextPattern("is", reason)
        if "starts_with" in reason:
            return TextPattern("starts_with", reason["starts_with"])
        return TextPattern("matches", self._try(part, "/reason/matches", parse_expression, ""))

    def _beside(self, part: YamlDocument, pointer: str) -> Path | None:
        """Return the file that a path names, relative to the scenario file."""
        named: str = part.value[pointer[1:]]
        path = self._file.path.parent / named
        if path.is_file():
            return path
        there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, set(there) - {path.name}, n=1, cutoff=0.8)
        hint = f'; did you mean "{near[0]}"?' if near else "; the path is relative to this file"
        self._complain(part, pointer, f'there is no file "{named}"{hint}')
        return None

    def _try(
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


def _received(value: str | Mapping[str, Any]) -> Received:
    if isinstance(value, str):
        return Received(nothing=True)
    return Received(
        path=value.get("path"),
        headers=value.get("headers", {}),
        message=Message(value["message"]) if "message" in value else None,
        same_as_sent=value.get("same_as_sent", False),
    )
