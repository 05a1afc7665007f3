"""oscp20.md §7.1: the twelve exchanges as scenario files have them, and what a person sees."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from oscp_sim.scenario.console import ConsoleReport
from oscp_sim.scenario.events import Event, ScenarioFinished
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run

_FILES = Path(__file__).parent.parent.parent / "scenarios"


def rehearsed(name: str) -> tuple[dict[str, bool], str]:
    """Answers with which scenarios of a file passed, and with the report of them."""
    passed: dict[str, bool] = {}
    stream = StringIO()

    def listen(event: Event) -> None:
        if isinstance(event, ScenarioFinished):
            passed[event.scenario.name] = event.passed

    report = ConsoleReport(stream, colours="never")
    run(load_scenarios([_FILES / name]), Rehearsal(), [report, listen])
    return passed, stream.getvalue()


@pytest.fixture(scope="module")
def loop() -> tuple[dict[str, bool], str]:
    return rehearsed("parties/loop.yaml")


def _shown(report: str, scenario: str) -> str:
    """What the report shows of one scenario."""
    return report.partition(f"  ok    {scenario} ")[2].partition("\n  ok    ")[0]


@pytest.mark.parametrize(
    "file",
    [
        "parties/loop.yaml",
        "parties/adjustments.yaml",
        "parties/registration.yaml",
        "parties/offline.yaml",
        "grid-operators/elmo.yaml",
        "grid-operators/oscp-sim-cp.yaml",
    ],
)
def test_each_scenario_of_the_loop_passes(file: str) -> None:
    passed, report = rehearsed(file)
    assert passed
    assert all(passed.values()), report


# As §7.1 numbers them; 11 is the end of the instruction.
EXCHANGES = (
    ("1", "CP 3 -> FP", "POST /oscp/fp/2.0/register"),
    ("2", "FP -> CP 3", "POST /oscp/cp/2.0/register"),
    ("3", "CP 3 -> FP", "POST /oscp/fp/2.0/handshake"),
    ("4", "FP -> CP 3", "POST /oscp/cp/2.0/handshake_acknowledge"),
    ("5", "FP -> CP 3", "POST /oscp/cp/2.0/heartbeat"),
    ("6", "CP 3 -> FP", "POST /oscp/fp/2.0/update_group_capacity_forecast"),
    ("7", "FP -> CO 12", "POST /oscp/co/2.0/update_group_capacity_forecast"),
    ("8", "CO -> SolarUser", "POST /solaruser/api/v1/sec/instr/add/OSCP_v20"),
    ("9", "SolarUser -> FP", "MQTT instr/OSCP_v20"),
    ("10", "FP -> CP 3", "POST /oscp/cp/2.0/adjust_group_capacity_forecast"),
    ("11", "FP", "instruction 1 is Completed"),
    ("12", "CP 3 -> FP", "POST /oscp/fp/2.0/update_group_capacity_forecast"),
)


@pytest.mark.parametrize("scenario", ["loop", "loop-observed"])
def test_the_twelve_exchanges_are_shown_in_their_order(
    loop: tuple[dict[str, bool], str], scenario: str
) -> None:
    shown = _shown(loop[1], scenario)
    at = 0
    for number, who, what in EXCHANGES:
        found = next(
            (
                i
                for i, line in enumerate(shown.splitlines())
                if i >= at and who in line and what in line
            ),
            None,
        )
        assert found is not None, f"{number}: {who} {what} is not shown after line {at}:\n{shown}"
        at = found + 1


def test_as_documented_the_correlation_id_arrives(loop: tuple[dict[str, bool], str]) -> None:
    delivered = _shown(loop[1], "loop").partition("adjust_group_capacity_forecast  ")[2]
    assert delivered.splitlines()[2].strip() == "X-Correlation-ID r1"


def test_as_observed_it_is_missing_and_the_report_says_why(
    loop: tuple[dict[str, bool], str],
) -> None:
    shown = _shown(loop[1], "loop-observed")
    assert "no X-Correlation-ID" in shown
    assert "correlationId r1 stays behind: the running SolarUser never puts it into" in shown
