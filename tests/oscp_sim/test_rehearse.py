"""`oscp-sim rehearse`: what is run, what is told, and with which code it ends."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from oscp_sim.cli.main import main
from oscp_sim.scenario.model import JsonText, Send
from oscp_sim.scenario.read import load_scenarios
from tests.oscp_sim.rehearsing import sim, write

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
GOOD = """
scenario: hello
steps:
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
"""
BAD = """
scenario: bad
steps:
  - send: {node: 1, optimizer: 1, group: bar-group, action: Handshake, text: "{}"}
    expect:
      state: Completed
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, text: "{}"}
"""
OTHER_WORLD = """
users:
  - id: 7
    tokens: [{id: t, secret: s}]
    nodes: [1]
    capacity_providers: [{id: 1, name: Grid, token: c}]
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups:
      - {id: 1, identifier: bar-group, capacity_provider: 1, capacity_optimizer: 1}
"""


pytestmark = pytest.mark.usefixtures("folder")


def rehearse(*arguments: str) -> Result:
    return sim("rehearse", *arguments)


def without_times(text: str) -> str:
    return re.sub(r" +\d+(\.\d)? m?s$", " T", text, flags=re.MULTILINE)


def test_0_when_all_pass() -> None:
    write("a.yaml", GOOD)
    result = rehearse("a.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = without_times(result.stdout).splitlines()
    assert lines[0] == "seed 1, fidelity documented"
    assert re.fullmatch(r"  ok    hello +1 part +Completed T", lines[3])
    assert lines[-1] == "1 scenario, 1 passed in T"


def test_a_pattern_is_no_matter_for_python_s_warnings(recwarn: pytest.WarningsRecorder) -> None:
    warnings.simplefilter("always")
    pattern = "[[a]|[b&&c]"
    write("a.yaml", f"{GOOD}    expect: {{reason: {{matches: '{pattern}'}}}}\n")
    assert rehearse("a.yaml").exit_code == 1
    assert not recwarn.list


def test_what_passes_here_alone_is_told_at_the_end() -> None:
    block = "capacity: 1, phase: ALL, unit: KW, start_time: 2031-01-01T00:00:00.5Z"
    write(
        "a.yaml",
        f"""
scenario: forecast
steps:
  - send:
      node: 1
      optimizer: 1
      group: foo-group
      action: UpdateGroupCapacityForecast
      message:
        group_id: foo-group
        type: CONSUMPTION
        forecasted_blocks: [{{{block}, end_time: 2031-01-01T01:00:00Z}}]
    expect: {{state: Completed}}
""",
    )
    result = rehearse("a.yaml")
    assert result.exit_code == 0, result.stdout
    told = "the running service does otherwise, --sequence shows where: date_times, group_forecasts"
    assert told in result.stdout.splitlines()


def test_1_when_one_fails_and_why() -> None:
    write("a.yaml", GOOD)
    write("b.yaml", BAD)
    result = rehearse("a.yaml", "b.yaml")
    assert result.exit_code == 1
    told = without_times(result.stdout)
    assert "FAIL  bad  " in told
    assert "b.yaml:6  state\n      expected  Completed\n" in told
    assert "got       Declined: Unknown group identifier\n" in told
    assert "1 step after that did not run" in told
    assert told.endswith("2 scenarios, 1 passed, 1 failed in T\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("optimizer", "optimiser"), r'4:21: .*did you mean "optimizer"\?'),
        (GOOD.replace("steps", "step"), r'3:1: .*did you mean "steps"\?'),
        (BAD.replace("Completed", "Complete"), r'6:14: .*did you mean "Completed"\?'),
        (GOOD + "    expect: {within: 2}\n", r"5:22: "),
        (GOOD.replace("node: 1", "node: one"), r"4:18: expected a whole number, got a string"),
        (GOOD.replace("hello", "hello there"), r"2:11: .*hello there"),
        ("scenario: a\nsteps: [\n", r"\d:\d+: not YAML: "),
        (GOOD + "world: nowhere.yaml\n", r'5:8: there is no file "nowhere.yaml"'),
        (GOOD.replace("{}", "\\q"), r"4:\d+: not YAML: "),
        (GOOD + 'world: "\\e[2J"\n', r'5:8: there is no file "\\x1b\[2J"'),
    ],
)
def test_2_for_a_typing_mistake_with_its_place_and_a_hint(text: str, told: str) -> None:
    write("a.yaml", text)
    result = rehearse("a.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert any(re.match(f"a.yaml:{told}", line) for line in lines), lines


def test_files_elsewhere_are_read_where_it_is_told() -> None:
    write("payloads/empty.json", "{}")
    write("mine/a.yaml", GOOD.replace('text: "{}"', "file: ../payloads/empty.json"))
    refused = rehearse("mine")
    assert refused.exit_code == 2
    assert '"../payloads/empty.json" is outside of the folder mine: ' in refused.stderr
    assert rehearse("mine", "--include", "payloads").exit_code == 0


def test_every_mistake_of_every_file_is_told_and_nothing_runs() -> None:
    write("s/a.yaml", GOOD.replace("optimizer", "optimiser"))
    write("s/b.yaml", BAD.replace("Completed", "Complete").replace("action", "axtion"))
    write("s/c.yaml", GOOD)
    result = rehearse("s")
    assert (result.exit_code, result.stdout) == (2, "")
    assert {line.partition(":")[0] for line in result.stderr.splitlines() if line} >= {
        "s/a.yaml",
        "s/b.yaml",
    }


@pytest.mark.parametrize("path", ["nothing.yaml", "nothing"])
def test_2_for_a_path_that_is_not_there(path: str) -> None:
    result = rehearse(path)
    assert result.exit_code == 2
    assert f"{path}: no such file or folder" in result.stderr


def test_a_path_that_is_nearly_there_is_suggested() -> None:
    write("scenarios/day-ahead.yaml", GOOD)
    result = rehearse("scenarios/day-ahaed.yml")
    assert (result.exit_code, result.stderr) == (
        2,
        "scenarios/day-ahaed.yml: no such file or folder; did you mean scenarios/day-ahead.yaml?\n",
    )


def test_2_for_a_world_that_is_wrong() -> None:
    write("a.yaml", GOOD)
    write("world.yaml", "users: []\n")
    result = rehearse("a.yaml", "--world", "world.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("world.yaml:1:")


def test_without_a_path_the_folder_scenarios_is_run() -> None:
    write("scenarios/mine.yaml", GOOD)
    result = rehearse()
    assert result.exit_code == 0
    assert "1 scenario, 1 passed" in result.stdout


def test_without_such_a_folder_what_comes_with_the_program_is_run() -> None:
    result = rehearse("-k", "guide")
    assert result.exit_code == 0, result.stdout
    assert "\ninstructions/guide\n  ok    adjust-forecast " in result.stdout


def test_a_world_for_all_scenarios_that_name_none() -> None:
    write("a.yaml", BAD.replace("foo-group", "bar-group"))
    write("world.yaml", OTHER_WORLD)
    assert rehearse("a.yaml").exit_code == 1
    assert rehearse("a.yaml", "--world", "world.yaml").exit_code == 0


def test_a_fidelity_for_all_scenarios_that_name_none() -> None:
    text = """
scenarios:
  - scenario: any
    steps:
      - send: &send
          node: 1
          optimizer: 1
          group: foo-group
          action: Handshake
          text: "{}"
          correlation_id: r
        expect: {received: {headers: {X-Correlation-ID: r}}}
  - scenario: observed
    fidelity: observed
    steps:
      - send: *send
        expect: {received: {headers: {X-Correlation-ID: null}}}
"""
    write("a.yaml", text)
    assert rehearse("a.yaml").exit_code == 0
    result = rehearse("a.yaml", "--fidelity", "observed", "--seed", "5")
    assert result.exit_code == 1
    assert result.stdout.startswith("seed 5, fidelity observed\n")
    assert "FAIL  any" in result.stdout
    assert "ok    observed" in result.stdout


def test_each_scenario_begins_afresh() -> None:
    """A world of a file is that of each of its scenarios, as it stands there."""
    step = '      - send: {node: 1, optimizer: 1, group: g, action: Handshake, text: "{}"}\n'
    world = OTHER_WORLD.replace("bar-group", "g").replace("\n", "\n  ")
    text = f"world:{world}\nscenarios:\n"
    text += "".join(f"  - scenario: {name}\n    steps:\n{step * 2}" for name in "abc")
    write("a.yaml", text)
    result = rehearse("a.yaml")
    assert result.exit_code == 0, result.stdout + result.stderr


def test_the_environment_s_proxies_are_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    write("a.yaml", GOOD)
    assert rehearse("a.yaml").exit_code == 0


def test_nothing_secret_is_told() -> None:
    write("a.yaml", GOOD + "    expect: {received: {headers: {Authorization: x}}}\n")
    result = rehearse("a.yaml")
    assert result.exit_code == 1
    assert "Token [redacted]" in result.stdout
    assert "cp-token" not in result.stdout


def test_colours_where_they_are_wanted() -> None:
    write("a.yaml", BAD)
    assert "\x1b[31mFAIL\x1b[0m" in rehearse("a.yaml", "--color", "always").stdout
    assert "\x1b" not in rehearse("a.yaml", "--color", "never").stdout


@pytest.mark.parametrize(
    "command", [[], *([each] for each in ("init", "lint", "list", "rehearse", "schema", "serve"))]
)
def test_help(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.output


def test_an_unknown_command_is_answered_with_the_one_that_was_meant() -> None:
    result = CliRunner().invoke(main, ["scheme"])
    assert result.exit_code == 2
    assert "No such command 'scheme'. (Did you mean 'schema'?)" in result.stderr


# --- the scenarios that come with the program --------------------------------------------------


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_the_pack_passes_in_either_fidelity(fidelity: str) -> None:
    result = rehearse(str(ROOT / "scenarios"), "--fidelity", fidelity)
    assert result.exit_code == 0, result.stdout + result.stderr
    headings = [line for line in result.stdout.splitlines()[2:] if line and line[0].isalpha()]
    assert [each for each in headings if " " not in each] == [
        "faults/between-the-parties",
        "faults/towards-the-sender",
        "grid-operators/elmo",
        "grid-operators/oscp-sim-cp",
        "instructions/declined",
        "instructions/delivery",
        "instructions/guide",
        "instructions/programs",
        "instructions/requests",
        "instructions/splitting",
        "instructions/verify",
        "parties/adjustments",
        "parties/loop",
        "parties/offline",
        "parties/registration",
        "parties/values",
        "sender/mistakes",
    ]
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert re.search(r"ok    day-ahead-96-blocks +44 parts +Completed", result.stdout)


def test_the_pack_cuts_a_character_where_it_says() -> None:

    sent = {each.name: each.steps[0].does for each in load_scenarios([ROOT / "scenarios"])}

    def text(name: str) -> str:
        does = sent[name]
        assert isinstance(does, Send)
        assert isinstance(does.content, JsonText)
        return does.content.text

    units = text("character-across-a-boundary").encode("utf-16-le")
    assert units[510:514].decode("utf-16-le") == "\U0001f50b"
    for length in (255, 256, 257, 512, 513):
        assert len(text(f"message-of-{length}-units")) == length


REASONS = [
    "Missing OSCP parameters",
    "Missing OSCP action",
    "Missing capacity optimizer ID",
    "Invalid capacity optimizer ID",
    "Missing group identifier",
    "Unknown capacity optimizer",
    "Unknown group identifier",
    "Unknown capacity provider",
    "Unsupported OSCP 2.0 action [Heartbeat]",
    "Missing [msg] parameter for OSCP 2.0 action [Handshake]",
    "Invalid JSON for [Handshake] OSCP action: OSCP msg parameter must be a JSON object.",
    "Invalid JSON for [Handshake] OSCP action: Unexpected end-of-input",
    "JSON schema validation error on [GroupCapacityComplianceError] OSCP action: "
    ": required property 'message' not found.",
    "The AdjustGroupCapacityForecast message group_identifier must match the instruction "
    "cgIdentifier parameter",
]


def test_the_pack_has_each_text_of_a_declined_instruction() -> None:

    expected = {
        step.expect.reason.text
        for scenario in load_scenarios([ROOT / "scenarios" / "instructions" / "declined.yaml"])
        for step in scenario.steps
        if step.expect.reason
    }
    assert not set(REASONS) - expected
