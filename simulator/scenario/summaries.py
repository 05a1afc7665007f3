"""One line on what an OSCP message says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.scenario.happened import Exchange

__all__ = ["answer_summary", "summary"]

_MOST_VALUES: Final = 6


def summary(exchange: Exchange) -> str:
    """Answers with what the message of an exchange says; empty where nothing is to be said."""
    message = _json(exchange.body)
    if not isinstance(message, Mapping):
        return ""
    if exchange.is_handed_over:
        return ", ".join(f"{name} {value}" for name, value in message.items())
    tell = _TELLERS.get(exchange.action or "") if exchange.receiver != "solaruser" else _instruction
    try:
        return tell(message) if tell else ""
    except (AttributeError, KeyError, TypeError, ValueError):
        # A message that is wrong is told by its findings and its answer.
        return ""


def answer_summary(exchange: Exchange) -> str:
    """Answers with what the body of an answer says; empty where nothing is to be said."""
    answer = _json(exchange.answer)
    if not isinstance(answer, Mapping):
        return exchange.answer.strip()
    data = answer.get("data")
    if isinstance(data, Mapping) and "state" in data:
        error = (data.get("resultParameters") or {}).get("error")
        return f"instruction {data.get('id')} {data['state']}" + (f": {error}" if error else "")
    return str(answer.get("message") or answer.get("error") or "")


def _json(text: str) -> Any:  # noqa: ANN401 - JSON of any kind
    try:
        return json.loads(text)
    except ValueError:
        return None


def _register(message: Mapping[str, Any]) -> str:
    urls = (f"{each['version']} at {each['base_url']}" for each in message["version_url"])
    return f"a token, and {', '.join(urls)}"


def _behaviour(message: Mapping[str, Any]) -> str:
    wanted = message.get("required_behaviour")
    if not wanted:
        return "asks for nothing"
    interval = wanted.get("heartbeat_interval")
    styles = wanted.get("measurement_configuration")
    told = [] if interval is None else [f"a heartbeat every {interval:g} s"]
    if styles is not None:
        told.append(f"measurements {', '.join(styles) or 'of any kind'}")
    return "asks for " + (", ".join(told) or "nothing")


def _heartbeat(message: Mapping[str, Any]) -> str:
    return f"offline at {_instant(message['offline_mode_at'])}"


def _forecast(message: Mapping[str, Any]) -> str:
    return f"{message['type']} of {message['group_id']}: {_blocks(message['forecasted_blocks'])}"


def _compliance_error(message: Mapping[str, Any]) -> str:
    blocks = message.get("forecasted_blocks")
    return str(message["message"]) + (f": {_blocks(blocks)}" if blocks else "")


def _blocks(blocks: Sequence[Mapping[str, Any]]) -> str:
    values = [f"{float(block['capacity']):g}" for block in blocks]
    if len(values) > _MOST_VALUES:
        values = [*values[: _MOST_VALUES - 2], "...", values[-1]]
    units = " or ".join(dict.fromkeys(str(block["unit"]) for block in blocks))
    begins, ends = blocks[0]["start_time"], blocks[-1]["end_time"]
    count = f"{len(blocks)} blocks, " if len(blocks) > 1 else ""
    return f"{count}{', '.join(values)} {units}, {_span(begins, ends)}"


def _measurements(message: Mapping[str, Any]) -> str:
    measured = message["measurements"]
    if not measured:
        return f"of {message['group_id']}: none"
    values = [_measured(each) for each in measured[:_MOST_VALUES]]
    return f"of {message['group_id']}: {', '.join(values)}" + (
        ", ..." if len(measured) > _MOST_VALUES else ""
    )


def _measured(each: Mapping[str, Any]) -> str:
    value = each.get("energy_measurement") or each.get("instantaneous_measurement") or each
    asset = f"{each['asset_id']} " if "asset_id" in each else ""
    if "value" not in value:
        return asset.strip()
    return f"{asset}{value['value']:g} {value['unit']}"


def _instruction(message: Mapping[str, Any]) -> str:
    given: Any = message.get("params") or message.get("parameters") or {}
    if isinstance(given, Mapping):
        given = [{"name": name, "value": value} for name, value in given.items()]
    named: dict[str, str] = {}
    for each in given:
        named[each["name"]] = named.get(each["name"], "") + str(each["value"])
    msg = named.pop("msg", None)
    told = ", ".join(f"{name} {value}" for name, value in named.items())
    return told if msg is None else f"{told}, msg of {len(msg)} characters"


def _span(begins: str, ends: str) -> str:
    start, end = _instant(begins), _instant(ends)
    # The day is told once where it is the same.
    return f"{start} to {end[11:] if start[:11] == end[:11] else end}"


def _instant(text: str) -> str:
    read = datetime.fromisoformat(text)
    return read.strftime("%Y-%m-%d %H:%M" + (":%S" if read.second else "")) + (
        "Z" if not read.utcoffset() else read.strftime("%z")
    )


_TELLERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Register": _register,
    "Handshake": _behaviour,
    "HandshakeAcknowledge": _behaviour,
    "Heartbeat": _heartbeat,
    "UpdateGroupCapacityForecast": _forecast,
    "AdjustGroupCapacityForecast": _forecast,
    "GroupCapacityComplianceError": _compliance_error,
    "UpdateGroupMeasurements": _measurements,
    "UpdateAssetMeasurement": _measurements,
}
