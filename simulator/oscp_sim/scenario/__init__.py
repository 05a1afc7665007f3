"""Scenario files: what happens, what to expect of it, and what to tell about it."""

from __future__ import annotations

from oscp_sim.scenario.model import (
    ClockSetting,
    Command,
    Exchanges,
    Expect,
    ExpectedExchange,
    Fidelity,
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
)
from oscp_sim.scenario.read import load_scenarios, scenario_schema
from oscp_sim.scenario.real_parties import RealParties

__all__ = [
    "ClockSetting",
    "Command",
    "Exchanges",
    "Expect",
    "ExpectedExchange",
    "Fidelity",
    "Forecast",
    "JsonText",
    "Message",
    "Parameters",
    "PlayedParty",
    "RealParties",
    "Received",
    "Scenario",
    "Send",
    "Step",
    "Wait",
    "load_scenarios",
    "scenario_schema",
]
