"""Steps in which others act: programs of the reader's own, and what is awaited."""

from __future__ import annotations

import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from oscp_sim.scenario.console import ConsoleReport
from oscp_sim.scenario.events import Problem, StepFinished
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rehearsing import steps_of, told

PROGRAMS = Path(__file__).parent.parent / "programs"
TO = "node: 1, optimizer: 1, group: foo-group"
HELLO = f"{{{TO}, action: GroupCapacityComplianceError, message: {{message: hello}}}}"
FROZEN = "clock: {start: 2026-05-04T16:00:00Z}\n"


def rehearsed(tmp_path: Path, steps: str, head: str = "") -> list[StepFinished]:
    return steps_of(tmp_path, f"scenario: a\n{head}steps:\n{steps}")


def problems(tmp_path: Path, steps: str, head: str = "") -> list[Problem]:
    return [each for step in rehearsed(tmp_path, steps, head) for each in step.problems]


# Programs of the reader's own.

# By its runtime, as in CI: a job that has none leaves it out.
OWN = {"node": "day-ahead.mjs", "bash": "day-ahead.sh"}
JUDGED = """\
  - run: [{runtime}, {program}, {unit}]
    expect: {{within: 30s, output: {{matches: Completed}}}}
  - await:
      from: flexibility_provider
      to: capacity_provider
      action: AdjustGroupCapacityForecast
      status: 204
      message: {{forecasted_blocks: {blocks}}}
"""
BLOCKS = {"node": "[{unit: KW}, {unit: KW}, {capacity: 35.5}, {}]", "bash": "[{unit: KW}]"}


@pytest.mark.parametrize("runtime", OWN)
@pytest.mark.parametrize("unit", ["kW", "KW"])
def test_a_program_is_red_when_it_sends_another_unit_and_green_when_it_is_mended(
    runtime: str, unit: str, tmp_path: Path
) -> None:
    if not all(map(shutil.which, (runtime, "curl", "openssl"))):
        pytest.skip(f"there is no {runtime}, or no curl and openssl, on this machine")
    shutil.copy(PROGRAMS / OWN[runtime], tmp_path)
    text = JUDGED.format(runtime=runtime, program=OWN[runtime], unit=unit, blocks=BLOCKS[runtime])
    steps = rehearsed(tmp_path, text)
    found = [each for step in steps for each in step.problems]
    if unit == "KW":
        assert (found, [each.outcome for each in steps]) == ([], ["exit 0", "seen"])
        return
    whats = [each.what for each in found]
    assert whats == ["the program", "output", "state"]
    assert found[0].got == "exit 1"
    assert "/forecasted_blocks/0/unit" in found[2].got
    assert "instruction 1 is Declined" in steps[0].output


SLOW = """\
world:
  users:
  - id: 42
    tokens: [{id: rehearsal-token-0001, secret: rehearsal-secret}]
    nodes: [1]
    capacity_providers:
    - {id: 3, name: Grid, token: t, behaviour: {delay: 7s, adjustments: answer}}
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups:
    - {id: 7, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}
"""


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "openssl"))), reason="no curl or openssl")
def test_a_clock_that_stands_lets_a_program_see_its_instruction_completed(
    tmp_path: Path,
) -> None:
    shutil.copy(PROGRAMS / "day-ahead.sh", tmp_path)
    text = "  - run: [./day-ahead.sh, KW]\n    as: mine\n    expect: {pending: nothing}\n"
    text += "  - heartbeat: {provider: 3}\n    name: ${mine.state} ${mine.exit_code}\n"
    first, last = rehearsed(tmp_path, text, FROZEN + SLOW)
    assert (first.problems, first.outcome, last.name) == ((), "exit 0", "Completed 0")
    # No earlier than it could: what takes seven seconds has taken them.
    delivered = next(each for each in first.exchanges if each.receiver == "capacity_provider")
    assert "answered after 7 s" in delivered.notes
    # And what comes of it is awaited, too.
    assert first.exchanges[-1].receiver == "capacity_optimizer"


@pytest.mark.skipif(not all(map(shutil.which, ("curl", "openssl"))), reason="no curl or openssl")
def test_what_a_program_has_sent_is_at_its_end_before_it_is_judged(tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "day-ahead.sh", tmp_path)
    text = "  - run: [./day-ahead.sh, --no-wait]\n"
    text += "    expect: {state: Completed, parts: 1, received: {same_as_sent: true}}\n"
    assert problems(tmp_path, text, SLOW.replace("7s, adjustments: answer", "100ms")) == []


GOOD = {
    "no expectation": "[test, a]",
    "an exit code": "[sh, -c, 'exit 3']\n    expect: {exit_code: 3}",
    "output, whichever": (
        "[sh, -c, 'echo one; echo two >&2']\n    expect: {output: {matches: '^one\\s+two$'}}"
    ),
    "output, without blanks around": "[printf, ' a b \\n']\n    expect: {output: a b}",
    "time": "[test, a]\n    expect: {within: 9s}",
    "nothing sent": (
        "[test, a]\n    expect: {exchanges: nothing, received: nothing, pending: nothing}"
    ),
    "the folder": "[ls, a.yaml]\n    expect: {output: a.yaml}",
    "the variables": (
        '[sh, -c, \'test "$OSCP_SEND_TOKEN" = rehearsal-token-0001 '
        '-a "$OSCP_SEND_URL" = "$OSCP_SIM_URL"\']'
    ),
    "no secret is shown": (
        "[sh, -c, 'echo $OSCP_SEND_SECRET']\n    expect: {output: '[redacted]'}"
    ),
    "one of the package": "[oscp-send, --help]\n    expect: {output: {matches: oscp-send}}",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_program_that_does_as_expected(text: str, tmp_path: Path) -> None:
    (step,) = rehearsed(tmp_path, f"  - run: {text}\n")
    assert step.problems == ()
    assert step.name.startswith("run ")


CURL = (
    "[sh, -c, 'curl -s -X POST -d topic=x $OSCP_SEND_URL/solaruser/api/v1/sec/instr/add/OSCP_v20']"
)
BAD = {
    "another exit code": ("[sh, -c, 'exit 3']", [("the program", "exit 0", "exit 3")]),
    "not the expected one": (
        "[test, a]\n    expect: {exit_code: 3}",
        [("the program", "exit 3", "exit 0")],
    ),
    "a signal": ("[sh, -c, 'kill -9 $$']", [("the program", "exit 0", "signal SIGKILL")]),
    "too long": (
        "[sleep, '60']\n    expect: {within: 50ms}",
        [("the program", "to end within 0.05 s", "it was still running")],
    ),
    "other output": (
        "[echo, a]\n    expect: {output: b}",
        [("output", '"b"', '"a"')],
    ),
    "nothing declined": (
        "[test, a]\n    expect: {state: Declined, reason: no, parts: 1, status: 403}",
        [
            ("state", "Declined", "the program sent no instruction"),
            ("reason", '"no"', "nothing"),
            ("parts of msg", "1", "the program sent no instruction"),
            ("status of its last request", "403", "the program asked nothing"),
        ],
    ),
    "nothing received": (
        "[test, a]\n    expect: {received: {path: /handshake}}",
        [("the Capacity Provider", "a request", "none")],
    ),
}


@pytest.mark.parametrize(("text", "wanted"), BAD.values(), ids=BAD)
def test_a_program_that_does_not(
    text: str, wanted: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    assert told(problems(tmp_path, f"  - run: {text}\n")) == wanted


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_a_program_that_is_refused_and_says_nothing_of_it(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f"  - run: {CURL}\n")
    assert (found.what, found.expected, found.got[:3]) == (
        "status of its last request",
        "2xx",
        "401",
    )
    assert problems(tmp_path, f"  - run: {CURL}\n    expect: {{status: 401}}\n") == []


def test_a_program_that_is_not_there_fails_its_step(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "  - run: [no-such-program, --x]\n")
    assert (found.what, found.where.endswith("a.yaml:3")) == ("run", True)
    assert found.got.startswith("cannot start no-such-program --x: No such file or directory; give")


def test_the_report_shows_what_a_program_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("scenario: a\nsteps:\n- run: [sh, -c, 'seq 30; exit 1']\n")
    run(load_scenarios([path]), Rehearsal(), [ConsoleReport(sys.stdout)])
    out = capsys.readouterr().out
    assert "    the program wrote, its last 20 lines:\n      11\n" in out
    assert "      30\n" in out


WRONG = {
    "a program that is not there": (
        "run: [./day-ahed.sh]",
        'there is no file "./day-ahed.sh"; did you mean "day-ahead.sh"?',
    ),
    "a line": (
        "run: ./day-ahead.sh KW",
        "expected a list, got a string; write it as [./day-ahead.sh, KW]",
    ),
    "a line in brackets": (
        "run: [./day-ahead.sh KW]",
        'there is no program "./day-ahead.sh KW"; write it as [./day-ahead.sh, KW]',
    ),
    "not a program": (
        "run: [./a.yaml]",
        '"./a.yaml" is not a program: make it one with chmod +x, or name what runs it',
    ),
    "the sender's error": (
        "run: [x], expect: {sender: Refused}",
        '"sender" cannot be expected here: a program says itself what is wrong: expect its output',
    ),
    "what its sender settles": (
        "run: [x], expect: {settled: Completed}",
        '"settled" cannot be expected here: a program says itself what is wrong: expect its output',
    ),
    "a name for what is verified": (
        "verify: [{none: true, action: Heartbeat}], as: x",
        "a verify step sends nothing",
    ),
    "an exit code of nobody": (
        "wait: 1s, expect: {exit_code: 1}",
        '"exit_code" cannot be expected here: a wait step sends nothing',
    ),
    "an exit code of a message": (
        "heartbeat: {provider: 3}, expect: {exit_code: 1}",
        '"exit_code" cannot be expected here: it is for programs, with run',
    ),
    "a time elsewhere": (
        "await: {to: solaruser}, expect: {within: 1s}",
        '"within" cannot be expected here: say in await itself what is awaited, and within what '
        "time",
    ),
    "a number": ("pause: 5", "expected a string, got a whole number; write it as 5s"),
    "never": (
        "wait: 1s, expect: {exchanges: [{to: solaruser, times: 0}]}",
        "0 is below 1, the minimum",
    ),
    "how often not": (
        "wait: 1s, expect_none: [{to: solaruser, times: 2}]",
        "does not belong here",
    ),
    "nothing below a key": ("wait: 1s, expect: ", "expected a mapping, got nothing"),
    "what nobody can send": (
        "wait: 1s, expect_none: [{to: capacity_provider, action: Handshak}]",
        "unknown action 'Handshak'; did you mean 'Handshake'?",
    ),
    "a name for the matrix": (
        "run: [x], as: matrix",
        '"matrix" does not have the right form: A name of letters, digits, hyphens and '
        "underscores, but not matrix",
    ),
}


@pytest.mark.parametrize(("step", "message"), WRONG.values(), ids=WRONG)
def test_a_step_that_is_wrong(step: str, message: str, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "day-ahead.sh", tmp_path)
    with pytest.raises(SourceError) as caught:
        rehearsed(tmp_path, f"  - {{{step}}}\n")
    assert [each.message for each in caught.value.problems] == [message]


# What is awaited.

REGISTER = "  - register: {provider: 3}\n"
ANSWER = "from: flexibility_provider, to: capacity_provider, action: Register"


def test_what_comes_later_is_awaited_by_a_clock_that_stands(tmp_path: Path) -> None:
    steps = rehearsed(tmp_path, f"{REGISTER}  - await: {{{ANSWER}, status: 204}}\n", FROZEN)
    assert [each.problems for each in steps] == [(), ()]
    awaited = steps[1].exchanges[0]
    assert 0 < (awaited.at - steps[0].exchanges[0].at).total_seconds() < 2


def test_what_has_come_already_is_awaited_too(tmp_path: Path) -> None:
    send, once = f"  - send: {HELLO}\n", "  - await: {to: capacity_provider}\n"
    assert problems(tmp_path, f"{send}  - pause: 1ms\n{once}", FROZEN) == []
    # But each thing once, and none that came before the last that did something itself.
    (found,) = problems(tmp_path, send + once + once, FROZEN)
    assert found.got.startswith("none; what came: from capacity_optimizer to solaruser POST")
    (found,) = problems(tmp_path, f"{send}  - heartbeat: {{provider: 3}}\n{once}", FROZEN)
    assert "hello" not in found.got


def test_several_are_awaited(tmp_path: Path) -> None:
    twice = "  - await: {to: capacity_provider, times: 2, within: 2s}\n"
    assert problems(tmp_path, f"{REGISTER}{twice}".replace("2,", "1,"), FROZEN) == []
    (found,) = problems(tmp_path, REGISTER + twice, FROZEN)
    assert found.expected == "to capacity_provider, exactly 2 within 2 s"
    assert found.got.startswith("1 of them; ")


def test_what_is_awaited_in_vain_says_what_came_nearest(tmp_path: Path) -> None:
    text = f"  - send: {HELLO}\n  - await:\n      to: capacity_provider\n      status: 500\n"
    text += "      headers: {X-Correlation-ID: r1}\n      message: {message: hullo}\n"
    assert told(problems(tmp_path, text, FROZEN)) == [
        (
            "await",
            "to capacity_provider within 10 s",
            "none; the nearest is from flexibility_provider to capacity_provider POST "
            "/oscp/cp/2.0/group_capacity_compliance_error 204",
        ),
        ("the nearest status", "500", "204"),
        ("the nearest header /X-Correlation-ID", '"r1"', "nothing"),
        ("the nearest message /message", '"hullo"', '"hello"'),
    ]


def test_by_the_machines_clock_it_is_awaited_as_long_as_it_may_take(tmp_path: Path) -> None:
    answered = REGISTER + f"  - await: {{{ANSWER}, within: 30s}}\n"
    assert problems(tmp_path, answered, "clock: {runs: fast, speed: 1000}\n") == []
    (found,) = problems(tmp_path, "  - await: {to: solaruser, within: 10ms}\n")
    assert (found.expected, found.got) == (
        "to solaruser within 0.01 s",
        "none; what came: none",
    )


# How often, and what not.

FORECAST = (
    "{provider: 3, type: CONSUMPTION, start: 2026-05-04T16:00:00Z, step: 1h, capacities: [9]}"
)
# A registration, its answer, and the heartbeats of two minutes.
STEPS = (
    "  - handshake: {provider: 3, heartbeat_interval: 30}\n"
    "  - wait: 2m\n    expect:\n      exchanges"
)
BEAT = "to: capacity_provider, action: Heartbeat"
OFTEN = {
    "exactly": (f": [{{action: HandshakeAcknowledge}}, {{{BEAT}, times: 2}}]", None),
    "at least": (f": [{{times: {{at_least: 1}}}}, {{{BEAT}}}]", "exchange 2"),
    "as many as there are": (": [{times: {at_least: 3}}]", None),
    "none of it": (
        f": [{{times: {{at_most: 5}}, to: solaruser}}, {{}}, {{{BEAT}, times: 2}}]",
        None,
    ),
    "too few": (f": [{{}}, {{{BEAT}, times: 3}}]", "exchange 2"),
    "too many": (f": [{{}}, {{{BEAT}, times: 1}}]", "exchanges"),
    "among others": (f"_among_others: [{{{BEAT}, times: 2}}]", None),
    "others, too few": (f"_among_others: [{{{BEAT}, times: 3}}]", "exchange 1"),
    "others, too many": (f"_among_others: [{{{BEAT}, times: 1}}]", "exchange 1"),
    "others, bounds": (
        f"_among_others: [{{{BEAT}, times: {{at_least: 1, at_most: 2}}}}, {{{BEAT}}}]",
        None,
    ),
    "others, in order": (
        f"_among_others: [{{{BEAT}, times: 2}}, {{action: HandshakeAcknowledge}}]",
        "exchange 2",
    ),
}


@pytest.mark.parametrize(("text", "what"), OFTEN.values(), ids=OFTEN)
def test_how_often_something_is_sent(text: str, what: str | None, tmp_path: Path) -> None:
    text = STEPS + text.replace("{}", "{method: POST}") + "\n"
    found = problems(tmp_path, text, FROZEN)
    assert [each.what for each in found] == ([] if what is None else [what])


def test_what_must_not_be_sent(tmp_path: Path) -> None:
    text = f"  - send: {HELLO}\n    expect_none: [{{to: solaruser, status: 403}}, {{METHOD}}]\n"
    assert problems(tmp_path, text.replace("METHOD", "to: capacity_optimizer")) == []
    (found,) = problems(tmp_path, text.replace("METHOD", "to: capacity_provider, status: 204"))
    assert (found.what, found.expected) == ("expect_none", "nothing to capacity_provider")
    assert found.got.endswith("/group_capacity_compliance_error 204")
    assert found.where.endswith("a.yaml:4")


def test_what_must_not_be_sent_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    none = "expect_none: [{to: capacity_provider, action: Handshak}]"
    send = HELLO.replace("action: GroupCapacityComplianceError", "action: Handshak, checked: false")
    assert send != HELLO
    text = f"  - send: {send}\n    expect: {{state: Declined}}\n    {none}\n"
    assert problems(tmp_path, text, f"{none}\n") == []
    with pytest.raises(SourceError, match=r"a.yaml:.*unknown action 'Handshak'"):
        problems(tmp_path, f"  - send: {HELLO}\n", f"{none}\n")


def test_what_must_not_be_sent_in_any_step(tmp_path: Path) -> None:
    head = f"{FROZEN}expect_none:\n- {{to: capacity_optimizer}}\n- {{{ANSWER}}}\n"
    first, second = rehearsed(tmp_path, f"{REGISTER}  - wait: 2s\n  - wait: 2s\n", head)
    assert first.problems == ()
    (found,) = second.problems
    assert found.where.endswith("a.yaml:5")


def test_real_time_passes_whatever_the_clock_says(tmp_path: Path) -> None:
    (step,) = rehearsed(tmp_path, "  - pause: 30ms\n", FROZEN)
    assert (step.name, step.problems) == ("pause 0.03s", ())
    assert step.duration >= 0.03


def test_tags_of_the_file_hold_for_each_scenario(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    steps = "steps: [{wait: 1s}]"
    path.write_text(
        f"tags: [slow, x.1]\nscenarios:\n- {{scenario: a, tags: [own, slow], {steps}}}\n"
        f"- {{scenario: b, {steps}}}\n"
    )
    assert [each.tags for each in load_scenarios([path])] == [
        ("slow", "x.1", "own"),
        ("slow", "x.1"),
    ]


class _RealProvider(BaseHTTPRequestHandler):
    """Answers at once, and sends a heartbeat of its own a little later."""

    folder: Path

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(204)
        self.end_headers()
        threading.Timer(0.05, self.beat).start()

    def beat(self) -> None:
        url = (self.folder / "url").read_text().strip()
        requests.post(f"{url}/oscp/fp/2.0/heartbeat", json={}, timeout=10)

    def log_message(self, *args: object) -> None:
        pass


def test_a_real_party_has_real_time_by_a_clock_that_stands(tmp_path: Path) -> None:
    handler = type("Handler", (_RealProvider,), {"folder": tmp_path})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        head = f'{FROZEN}seats: {{capacity_provider: {{"3": http://127.0.0.1:{server.server_port}}}}}\n'
        steps = "  - run: [sh, -c, 'echo $OSCP_SIM_URL > url']\n"
        steps += f"  - send: {HELLO}\n"
        steps += "  - await: {to: flexibility_provider, path: /heartbeat, within: 20s}\n"
        found = problems(tmp_path, steps, head)
        server.shutdown()
        thread.join()
    assert found == []
