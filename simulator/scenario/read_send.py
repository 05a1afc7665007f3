"""Make the instruction of a step of what a scenario file holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simulator.scenario.expectation import Message
from simulator.scenario.model import Forecast, JsonText, Parameters, Send
from simulator.scenario.values import parse_duration, parse_instant

if TYPE_CHECKING:
    from simulator.scenario.reader import PartReader
    from simulator.yaml_source import YamlDocument

__all__ = ["read_send"]

_OF_FORECASTS = ("AdjustGroupCapacityForecast", "UpdateGroupCapacityForecast")
_OF_SENDER = ("optimizer", "group", "action", "correlation_id")


def read_send(reader: PartReader, part: YamlDocument) -> Send:
    """Answers with the instruction that a part of a file tells of."""
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
