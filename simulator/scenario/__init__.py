"""Scenario files: what to send, what to expect, and what to tell about it."""

from simulator.scenario.load import load_scenarios, scenario_schema
from simulator.scenario.model import (
    Expect,
    Fidelity,
    Forecast,
    JsonText,
    Message,
    Parameters,
    Received,
    Scenario,
    Send,
    Step,
)

__all__ = [
    "Expect",
    "Fidelity",
    "Forecast",
    "JsonText",
    "Message",
    "Parameters",
    "Received",
    "Scenario",
    "Send",
    "Step",
    "load_scenarios",
    "scenario_schema",
]
