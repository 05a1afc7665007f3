"""Valid base messages, and how a payload is made to differ from one."""

from __future__ import annotations

import json
from typing import Any, Final

DROP: Final = object()  # given for a property, leaves it out

START = "2031-03-01T00:00:00Z"
END = "2031-03-01T00:15:00Z"


def text(value: object) -> str:
    """Answers with compact ASCII JSON, as an integrator should send it."""
    return json.dumps(value, separators=(",", ":"))


def changed(base: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    """Answers with a copy of an object in which some properties differ, or are dropped."""
    merged = {**base, **changes}
    return {name: value for name, value in merged.items() if value is not DROP}


def block(**changes: object) -> dict[str, Any]:
    """Answers with a forecasted block."""
    base = {"capacity": 10.5, "phase": "ALL", "unit": "KW", "start_time": START, "end_time": END}
    return changed(base, changes)


def forecast_value(**changes: object) -> dict[str, Any]:
    """Answers with a forecast, update or adjustment, as a value."""
    base = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [block()]}
    return changed(base, changes)


def forecast(**changes: object) -> str:
    """Answers with the text of a forecast."""
    return text(forecast_value(**changes))


def one_block(**changes: object) -> str:
    """Answers with the text of a forecast of one block, which differs."""
    return forecast(forecasted_blocks=[block(**changes)])


def capacity(written: str) -> str:
    """Answers with the text of a forecast whose capacity is written as given."""
    return one_block(capacity="@").replace('"@"', written)


def compliance(**changes: object) -> str:
    """Answers with the text of a compliance error."""
    return text(changed({"message": "Whoops!", "forecasted_blocks": [block()]}, changes))


def handshake(**changes: object) -> str:
    """Answers with the text of a handshake, or its acknowledge, whose behaviour differs."""
    base = {"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]}
    return text({"required_behaviour": changed(base, changes)})


def heartbeat(offline_mode_at: object) -> str:
    """Answers with the text of a heartbeat."""
    return text({"offline_mode_at": offline_mode_at})


def version_url(**changes: object) -> dict[str, Any]:
    """Answers with a version and its base URL."""
    return changed({"version": "2.0", "base_url": "https://cp.example/oscp/cp/2.0"}, changes)


def register(**changes: object) -> str:
    """Answers with the text of a registration."""
    return text(changed({"token": "cp-token", "version_url": [version_url()]}, changes))


def energy(**changes: object) -> dict[str, Any]:
    """Answers with an energy measurement."""
    base = {
        "value": 60.25,
        "phase": "ALL",
        "unit": "KWH",
        "direction": "NET",
        "energy_type": "TOTAL",
        "measure_time": END,
        "initial_measure_time": START,
    }
    return changed(base, changes)


def group_measurements(**changes: object) -> str:
    """Answers with the text of group measurements."""
    return text(changed({"group_id": "foo-group", "measurements": [energy()]}, changes))


def one_energy(**changes: object) -> str:
    """Answers with the text of group measurements of one entry, which differs."""
    return group_measurements(measurements=[energy(**changes)])


def instantaneous(**changes: object) -> dict[str, Any]:
    """Answers with an instantaneous measurement."""
    return changed({"value": 42, "phase": "ALL", "unit": "KW", "measure_time": END}, changes)


def asset(**changes: object) -> dict[str, Any]:
    """Answers with an asset measurement of both kinds."""
    base = {
        "asset_id": "charger-1",
        "asset_category": "CHARGING",
        "energy_measurement": energy(),
        "instantaneous_measurement": instantaneous(),
    }
    return changed(base, changes)


def asset_measurements(**changes: object) -> str:
    """Answers with the text of asset measurements."""
    return text(changed({"group_id": "foo-group", "measurements": [asset()]}, changes))


def one_asset(**changes: object) -> str:
    """Answers with the text of asset measurements of one entry, which differs."""
    return asset_measurements(measurements=[asset(**changes)])
