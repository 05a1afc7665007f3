"""`oscp-sim run`: a program of one's own, in any language, judged by what it sends."""

from __future__ import annotations

import json
import os
import pkgutil
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from oscp_sim.cli.main import main
from oscp_sim.program import run_program
from oscp_sim.scenario.events import (
    Event,
    RehearsalFinished,
    RehearsalStarted,
    ScenarioFinished,
    ScenarioStarted,
    StepFinished,
)
from oscp_sim.scenario.model import Expect
from oscp_sim.scenario.objections import problems_of_objections
from oscp_sim.scenario.program_run import ProgramRun, judge_program
from oscp_sim.simulator import Simulator
from tests.oscp_sim.rig import ADD, Provider, ask, instruction, signed_headers

if TYPE_CHECKING:
    from click.testing import Result

    from oscp_sim.clock import FrozenClock

PROGRAMS = Path(__file__).parents[1] / "programs"
IN_BASH = ["bash", str(PROGRAMS / "day-ahead.sh")]
IN_NODE = ["node", str(PROGRAMS / "day-ahead.mjs")]
WORLD = (files("oscp_sim.world") / "default.yaml").read_text()
BOTH = [
    pytest.param(command, marks=pytest.mark.skipif(not shutil.which(command[0]), reason="not here"))
    for command in (IN_BASH, IN_NODE)
]
# Shows what is there without a signature, and is refused.
UNSIGNED = """
import os, urllib.error, urllib.request
try:
    urllib.request.urlopen(os.environ["OSCP_SEND_URL"] + "/solaruser/api/v1/sec/instr/view?id=1")
except urllib.error.HTTPError as error:
    print("answered with", error.code)
"""
REFUSED = [sys.executable, "-c", UNSIGNED]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments], catch_exceptions=False)


def expecting(folder: Path, text: str) -> tuple[str, str]:
    file = folder / "expect.yaml"
    file.write_text(text)
    return "--expect", str(file)


@pytest.mark.parametrize("command", BOTH)
def test_a_program_that_sends_well_passes_and_the_sequence_shows_it(command: list[str]) -> None:
    result = run("--", *command)
    assert result.exit_code == 0
    assert "instruction 1 is Completed" in result.stdout
    assert "FP -> CP 3          POST /oscp/cp/2.0/adjust_group_capacity_forecast" in result.stdout
    assert "ok: all is as expected\n(seed 1, fidelity documented, " in result.stdout


@pytest.mark.parametrize("command", BOTH)
def test_a_unit_in_lower_case_is_red_and_says_how_to_mend_it(command: list[str]) -> None:
    result = run("--", *command, "kW")
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "1. the program expected exit 0 got exit 1 its last line: instruction 1 is" in text
    assert "2. instruction 1 (AdjustGroupCapacityForecast), at " in text
    assert "expected not to be declined got Declined: JSON schema validation error on" in text
    assert (
        '/forecasted_blocks/0/unit: "kW" is not one of A, W, KW, WH, KWH; units are upper case on '
        'the wire: "KW" (schema rule enum: oscp-send explain enum)' in text
    )
    assert "coId 1, cgIdentifier foo-group, action AdjustGroupCapacityForecast, msg of " in text
    assert "FAILED, for 2 reasons" in text


def test_findings_that_differ_in_their_place_alone_are_told_once() -> None:
    result = run("--", *IN_NODE, "kW")
    told = " ".join(result.stdout.partition("2. instruction 1")[2].split())
    assert "(schema rule enum: oscp-send explain enum), and at 3 more places" in told
    assert told.count("oscp-send explain") == 1


def test_what_a_form_asks_for_is_judged_by_both_sides_and_drawn(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert run("--report", f"html={page}", "--", *IN_NODE, "kW").exit_code == 1
    assert "not compatible" in page.read_text()
    assert run("--report", f"html={page}", "--", *IN_NODE).exit_code == 0
    assert "not compatible" not in page.read_text()
    assert "asked by the Capacity Optimizer" in page.read_text()


DECLINED = """
exit_code: 1
declined:
  - action: AdjustGroupCapacityForecast
    reason: {matches: "/forecasted_blocks/0/unit: does not have a value"}
"""


def test_what_the_file_expects_to_be_declined_is_well(tmp_path: Path) -> None:
    assert run(*expecting(tmp_path, DECLINED), "--", *IN_BASH, "kW").exit_code == 0


def test_a_state_and_a_reason_are_expected_as_of_a_step(tmp_path: Path) -> None:
    expected = "{state: Declined, reason: {matches: forecasted_blocks/0/unit}, exit_code: 1}"
    assert run(*expecting(tmp_path, expected), "--", *IN_BASH, "kW").exit_code == 0


def test_what_the_file_expects_to_be_declined_and_is_not_is_red(tmp_path: Path) -> None:
    result = run(*expecting(tmp_path, DECLINED), "--", *IN_BASH)
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert f"1. the program ({tmp_path}/expect.yaml:2) expected exit 1 got exit 0" in text
    assert f"2. declined ({tmp_path}/expect.yaml:4) expected AdjustGroup" in text
    assert 'is declined with a text that matches "/forecasted_blocks/0/unit' in text
    assert "got none" in text


def test_a_request_that_is_refused_is_red_although_the_program_hides_it() -> None:
    result = run("--", *REFUSED)
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert text.startswith("answered with 401")
    assert "GET /solaruser/api/v1/sec/instr/view from capacity_optimizer to solaruser, at " in text
    assert "expected not to be refused got 401: " in text
    assert "there is no Authorization header with the scheme SNWS2" in text


@pytest.mark.parametrize(
    ("expected", "exit_code"),
    [
        ("refused: allowed", 0),
        ("refused: [{status: 401, path: instr/view}]", 0),
        ("refused: nothing", 1),
        ("refused: [{status: 403}]", 1),
        ("{refused: allowed, output: {matches: with 40.}}", 0),
        ("{refused: allowed, output: nothing of it}", 1),
        ("{refused: allowed, exit_code: 1}", 1),
        ("{refused: allowed, within: 60s}", 0),
        ("{refused: allowed, within: 1ms}", 1),
        ("{refused: allowed, exchanges: nothing}", 0),
        ("{refused: allowed, exchanges_among_others: [{action: Register}]}", 1),
        ("{refused: allowed, findings: [S8]}", 1),
        ("{refused: allowed, received: nothing}", 0),
        ("{refused: allowed, received: {path: /heartbeat}}", 1),
    ],
)
def test_the_words_of_a_step_are_expected_of_a_program(
    tmp_path: Path, expected: str, exit_code: int
) -> None:
    result = run(*expecting(tmp_path, expected), "--", *REFUSED)
    assert result.exit_code == exit_code, result.stdout


@pytest.mark.parametrize(
    ("expected", "complaint"),
    [
        ("exit_cod: 1", ':1:1: unknown key "exit_cod"; did you mean "exit_code"?'),
        ("exit_code: x", ":1:12: "),
        ("state: Queued", ":1:8: a program is judged when its instructions have ended"),
        ("parts: 1", ':1:1: "parts" cannot be expected of a program: it may send many'),
        ("settled: Completed", ':1:1: "settled" cannot be expected of a program: its errors are'),
        ("output: {matches: '('}", ":1:19: not a regular expression: "),
        ("- state", ":1:1: "),
        ("{", ":2:1: not YAML: "),
    ],
)
def test_a_file_that_makes_no_sense_is_2_and_says_where(
    tmp_path: Path, expected: str, complaint: str
) -> None:
    result = run(*expecting(tmp_path, expected), "--", *REFUSED)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"expect.yaml{complaint}" in result.stderr


def test_a_program_that_sends_nothing_here_is_red() -> None:
    result = run("--", "true")
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert "does the program send to the address in OSCP_SEND_URL, with the path of" in told
    assert "One that has production's URLs in its source needs --intercept; if it is right" in told


def test_a_program_that_is_right_to_send_nothing(tmp_path: Path) -> None:
    assert run(*expecting(tmp_path, "exchanges: nothing"), "--", "true").exit_code == 0


def test_a_program_that_does_not_end_is_ended() -> None:
    result = run("--timeout", "0.05", "--", "sleep", "60")
    assert result.exit_code == 1
    assert "expected  to end within 0.05 s\n   got       it was still running" in result.stdout


@pytest.mark.parametrize("option", ["--timeout", "--settle"])
def test_a_time_that_is_no_number_is_2(option: str) -> None:
    result = run(option, "nan", "--", "true")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"'{option}': nan is not a number of seconds\n")


def test_a_command_that_is_a_folder_is_2(tmp_path: Path) -> None:
    result = run("--", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"oscp-sim run: cannot start {tmp_path}: it is a folder; give the path of a program in it\n"
    )


def test_a_command_that_is_not_there_is_2() -> None:
    result = run("--", "./no-such-program")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("oscp-sim run: cannot start ./no-such-program: No such file")


def test_a_file_that_is_no_program_says_how_to_make_it_one(tmp_path: Path) -> None:
    (tmp_path / "sender.js").touch(0o600)
    result = run("--", str(tmp_path / "sender.js"))
    assert result.exit_code == 2
    assert "make it executable (chmod +x " in result.stderr


def test_no_command_is_2() -> None:
    assert run().exit_code == 2


def test_a_port_that_is_taken_is_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("--port", str(taken.getsockname()[1]), "--", "true")
    assert result.exit_code == 3
    assert result.stderr.startswith("oscp-sim run: ")


def test_listeners_are_told_of_one_scenario() -> None:
    events: list[Event] = []
    with Simulator(seed=7) as simulator:
        assert not judge_program(ProgramRun(REFUSED), simulator, [events.append])
    started, scenario, step, ended, finished = events
    assert isinstance(started, RehearsalStarted)
    assert started.seed == 7
    assert isinstance(scenario, ScenarioStarted)
    assert isinstance(step, StepFinished)
    assert step.outcome == "exit 0"
    assert [each.got[:3] for each in step.problems] == ["401"]
    assert isinstance(ended, ScenarioFinished)
    assert (ended.scenario, ended.passed) == (scenario.scenario, False)
    assert isinstance(finished, RehearsalFinished)
    assert (finished.passed, finished.failed) == (0, 1)


FORECAST = ["sh", "-c", "curl -s -X POST $OSCP_SIM_URL/_sim/providers/3/forecast -d '{0}'"]
FORECAST[2] = FORECAST[2].replace("{0}", '{"capacities": [1]}')


def test_what_is_on_its_way_is_waited_for() -> None:
    result = run("--", *FORECAST)
    assert result.exit_code == 0, result.stdout
    assert "FP -> CO 1          POST /oscp/co/2.0/update_group_capacity_forecast" in result.stdout


def test_what_is_still_on_its_way_is_red() -> None:
    result = run("--settle", "0", "--", *FORECAST)
    assert result.exit_code == 1
    assert "nothing, 0 s after the program's end got 1 " in " ".join(result.stdout.split())


def error(rule: str, **more: str) -> dict[str, str]:
    known = {"layer": "meaning", "severity": "error", "pointer": "/x", "message": "it is wrong"}
    return {**known, "rule": rule, "hint": "mend it", **more}


@pytest.mark.parametrize(
    ("finding", "expected", "count"),
    [
        (error("S8"), (), 1),
        (error("S8"), ("S8",), 0),
        (error("S8"), ("S9",), 1),
        (error("header", case="X8"), ("X8",), 0),
        (error("S8", severity="warning"), (), 0),
    ],
)
def test_a_finding_that_is_an_error_is_red_unless_it_is_expected(
    simulator: Simulator, finding: dict[str, str], expected: tuple[str, ...], count: int
) -> None:
    for _ in range(2):
        simulator.journal.append("flexibility_provider", "note", findings=[finding])
    expect = Expect(findings=expected)
    problems = list(problems_of_objections(expect, simulator.journal.entries()))
    assert [each.got for each in problems] == ["it is wrong (2 times)"] * count
    assert all(each.hint == "/x: mend it; oscp-send explain S8 says more" for each in problems)


def test_a_cause_is_told_once(clock: FrozenClock) -> None:
    with Provider(status=400) as provider:
        world = {"users": [{**yaml.safe_load(WORLD)["users"][0]}]}
        world["users"][0]["capacity_providers"][0]["base_url"] = provider.url
        with Simulator(world, clock=clock) as simulator:
            body = json.dumps(instruction()).encode()
            ask(simulator, "POST", ADD, signed_headers("POST", ADD, body), body)
            simulator.clock.advance("1m")
            entries = simulator.journal.entries()
    assert any(each.status == 400 for each in entries)
    (problem,) = problems_of_objections(Expect(), entries)
    assert problem.what.startswith("instruction 1 (Handshake), at 03:04:05")
    assert problem.got.startswith("Declined: ")


def test_settled_is_when_nothing_is_on_its_way(simulator: Simulator) -> None:
    assert simulator.settle(0)
    simulator.shared.schedule.after(60, lambda: None)
    assert not simulator.settle(0.01)
    simulator.clock.advance(60)
    assert simulator.settle(0)


def test_a_step_that_runs_a_program_expects_the_same_words(tmp_path: Path) -> None:
    file = tmp_path / "refused.yaml"
    step = {"run": REFUSED, "expect": {"refused": [{"status": 401}]}}
    file.write_text(json.dumps({"scenario": "refused", "steps": [step]}))
    assert CliRunner().invoke(main, ["rehearse", str(file)]).exit_code == 0
    step["expect"] = {"refused": "nothing"}
    file.write_text(json.dumps({"scenario": "refused", "steps": [step]}))
    result = CliRunner().invoke(main, ["rehearse", str(file)])
    assert result.exit_code == 1
    assert "expected  not to be refused" in result.stdout


@pytest.mark.parametrize("program", [REFUSED, ["true"]], ids=["refused", "nothing asked"])
def test_where_nothing_is_said_a_step_is_milder_than_the_command(
    program: list[str], tmp_path: Path
) -> None:
    """As the table in docs/your-program.md has it."""
    file = tmp_path / "program.yaml"
    file.write_text(json.dumps({"scenario": "program", "steps": [{"run": program}]}))
    assert CliRunner().invoke(main, ["rehearse", str(file)]).exit_code == 0
    assert run("--", *program).exit_code == 1


def test_options_of_the_command_are_its_own() -> None:
    result = run("sh", "-c", 'echo "$0 $1"', "--seed", "--record")
    assert result.exit_code == 1
    assert result.stdout.startswith("--seed --record\n")


def test_reports_are_written_of_a_program(tmp_path: Path) -> None:
    junit, page = tmp_path / "junit.xml", tmp_path / "report"
    reports = ["--report", f"junit={junit}", "--report", f"html={page}"]
    assert run(*reports, "--", *REFUSED).exit_code == 1
    assert "not to be refused" in junit.read_text()
    assert "instr/view" in (page / "index.html").read_text()


def test_a_fault_that_never_struck_is_a_warning(tmp_path: Path) -> None:
    world, report = tmp_path / "world.yaml", tmp_path / "report.json"
    world.write_text(f"{WORLD}\nfaults: [{{where: hand_off, fault: lost, action: Heartbeat}}]\n")
    result = run("--world", str(world), "--report", f"json={report}", "--", *REFUSED)
    (warned,) = json.loads(report.read_text())["scenarios"][0]["warnings"]
    assert warned.startswith("fault 1 never struck: {where: hand_off, fault: lost")
    assert f"\nwarning: {warned}\n" in result.stdout


def test_colours_are_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\n\x1b[31mFAILED\x1b[0m\n" in run("--", "true").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\nFAILED\n" in run("--", "true").stdout


def test_a_report_of_a_kind_that_there_is_not_is_2() -> None:
    assert run("--report", "jnuit=file.xml", "--", "true").exit_code == 2


def test_a_secret_that_the_program_writes_is_in_no_report(tmp_path: Path) -> None:
    files = {kind: tmp_path / kind / "report.html" for kind in ("junit", "json", "html")}
    reports = [f"--report={kind}={file}" for kind, file in files.items()]
    result = run(*reports, "--", "sh", "-c", 'echo "it is $OSCP_SEND_SECRET"; exit 3')
    assert result.stdout.startswith("it is [redacted]\n")
    for told in (result.output, *(file.read_text() for file in files.values())):
        assert "it is [redacted]" in told
        assert "rehearsal-secret" not in told


def test_faults_of_the_world_are_real_for_the_program(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    rules = [
        {"where": "solaruser", "fault": "reset_before", "method": "GET", "times": 1},
        {"where": "hand_off", "fault": "lost"},
    ]
    world.write_text(json.dumps({**yaml.safe_load(WORLD), "faults": rules}))
    code = UNSIGNED.replace("urllib.error.HTTPError as error", "ConnectionError")
    code = code.replace('"answered with", error.code', '"reset"')
    result = run("--world", str(world), "--", sys.executable, "-c", code)
    assert result.stdout.startswith("reset\n")
    assert "warning: fault 2 never struck: {where: hand_off, fault: lost}" in result.stdout


def test_what_happened_is_kept_where_a_report_cannot_be_written(tmp_path: Path) -> None:
    journal, folder = tmp_path / "journal.jsonl", tmp_path / "reports"
    program = f"rmdir {folder}; touch {folder}; exit 1"
    options = ["--save-journal", str(journal), "--report", f"json={folder}/report.json"]
    assert run(*options, "--", "sh", "-c", program).exit_code == 2
    assert journal.read_text().startswith('{"format":"oscp-sim journal"')


@pytest.mark.parametrize("state", ["Completed", "Declined"])
def test_a_state_is_that_of_the_last_instruction(tmp_path: Path, state: str) -> None:
    expected = expecting(tmp_path, f"{{state: {state}, refused: allowed}}")
    result = run(*expected, "--", *REFUSED)
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert f"expected {state} got the program sent no instruction FAILED (seed" in text
    assert run(*expected, "--", *IN_BASH).exit_code == (state == "Declined")


@pytest.mark.skipif(shutil.which("setsid") is None, reason="no setsid")
def test_what_a_program_leaves_behind_does_not_count_as_its_time(tmp_path: Path) -> None:
    expected = expecting(tmp_path, "{exchanges: nothing, within: 1s}")
    result = run(*expected, "--", "sh", "-c", "setsid sleep 5 & true")
    assert result.exit_code == 0, result.stdout


def test_colours_obey_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ["--", *REFUSED]
    assert "\x1b" not in CliRunner().invoke(main, ["run", *program], color=True).stdout
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = CliRunner().invoke(main, ["run", *program], color=True)
    assert "\x1b[31mFAILED" in result.stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(main, ["run", *program], color=True).stdout


LEAK = """
import os, urllib.error, urllib.request
for path in (os.environ["OSCP_SEND_SECRET"], "my-own-provider-token"):
    try:
        urllib.request.urlopen(os.environ["OSCP_SEND_URL"] + "/solaruser/api/v1/sec/" + path)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def test_a_secret_that_the_program_sends_by_mistake_is_in_no_file(tmp_path: Path) -> None:
    world = yaml.safe_load(WORLD)
    world["users"][0]["capacity_providers"][0]["token"] = "my-own-provider-token"
    rule = {"where": "capacity_provider", "fault": "garbage", "body": "my-own-provider-token"}
    world["faults"] = [rule]
    file, journal, page = (tmp_path / name for name in ("world.yaml", "journal.jsonl", "a.html"))
    file.write_text(json.dumps(world))
    options = ["--world", str(file), "--save-journal", str(journal), f"--report=html={page}"]
    result = run(*options, "--", sys.executable, "-c", LEAK)
    assert "api/v1/sec/[redacted] from a program" in result.stdout
    for told in (result.output, journal.read_text(), page.read_text()):
        assert "rehearsal-secret" not in told
        assert "my-own-provider-token" not in told


# What a shell has set to be ignored would be ignored by the command, too.
HEARS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from oscp_sim.cli.main import main; main()"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_ends_with_the_command_and_what_happened_is_kept(
    tmp_path: Path, number: signal.Signals
) -> None:
    journal, pid = tmp_path / "journal.jsonl", tmp_path / "pid"
    program = f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 100"
    command = ["run", "--save-journal", str(journal), "--", "sh", "-c", program]
    with subprocess.Popen([sys.executable, "-c", HEARS, *command]) as process:  # noqa: S603 - ours
        while not pid.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert journal.read_text().startswith('{"format":"oscp-sim journal"')


@pytest.mark.parametrize(
    ("number", "usual"),
    [(signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)],
)
@pytest.mark.parametrize("begun", ["subprocess.Popen", "threading.Thread.start"])
def test_a_program_that_has_just_begun_ends_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
    begun: str,
    number: signal.Signals,
    usual: Any,  # noqa: ANN401 - what `signal` takes
    request: pytest.FixtureRequest,
) -> None:
    # A shell may have it ignored in what runs behind it.
    request.addfinalizer(partial(signal.signal, number, signal.signal(number, usual)))
    owner, _, name = begun.rpartition(".")
    begin = getattr(pkgutil.resolve_name(owner), name)
    started = []

    def begins(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - of either
        made = begin(*args, **more)
        signal.raise_signal(number)
        return made

    def keeps(*args: Any, **more: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - of Popen
        started.append(popen(*args, **more))
        return started[0]

    popen = subprocess.Popen
    monkeypatch.setattr("subprocess.Popen", keeps)
    with Simulator() as simulator:
        assert simulator.url
        begin = keeps if name == "Popen" else begin
        monkeypatch.setattr(begun, begins)
        with pytest.raises((SystemExit, KeyboardInterrupt)) as ended:
            run_program(["sleep", "100"], simulator)
    code = getattr(ended.value, "code", 128 + signal.SIGINT)
    assert code == 128 + number
    assert started[0].returncode is not None


def test_what_happened_is_kept_when_its_reader_goes_away(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    command = ["run", "--save-journal", str(journal), "--", "echo", "said"]
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", HEARS, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode != 0
    assert journal.read_text().startswith('{"format":"oscp-sim journal"')


def test_a_mistake_of_the_simulator_is_told() -> None:
    events: list[Event] = []
    command = [sys.executable, "-c", ""]
    nothing = Expect(exchanges=())
    with Simulator() as simulator:
        simulator.journal.mistake(KeyError("x"), "GET /x could not be answered")
        assert not judge_program(ProgramRun(command, nothing), simulator, [events.append])
    (problem,) = next(each for each in events if isinstance(each, StepFinished)).problems
    assert problem.got == "GET /x could not be answered (KeyError)"
