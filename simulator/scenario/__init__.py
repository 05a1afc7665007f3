"""Scenario files: what happens, what to expect of it, and what to tell about it."""

from simulator.scenario.clock_setting import ClockSetting
from simulator.scenario.command import Command, PlayedParty, Wait
from simulator.scenario.expectation import (
    Exchanges,
    Expect,
    ExpectedExchange,
    Message,
    Received,
)
from simulator.scenario.load import load_scenarios, scenario_schema
from simulator.scenario.model import (
    Fidelity,
    Forecast,
    JsonText,
    Parameters,
    Scenario,
    Send,
    Step,
)
from simulator.scenario.seats import Seats

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
    "Received",
    "Scenario",
    "Seats",
    "Send",
    "Step",
    "Wait",
    "load_scenarios",
    "scenario_schema",
]
