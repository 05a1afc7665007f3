"""The pytest plugin, in test suites of their own: what they are given, and what they are told."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from click.testing import CliRunner

# Imported here, so that not each of the suites within does it anew.
from oscp_send import client, snws2
from oscp_sim import pytest_session
from oscp_sim.cli import main, rehearse
from oscp_sim.report import html, json_report, junit
from oscp_sim.simulator import Simulator

_IMPORTED = (client, snws2, pytest_session, rehearse, html, json_report, junit)
pytest_plugins = "pytester"

_ROOT = Path(__file__).parent.parent.parent
_PLUGIN = "oscp_sim.pytest_plugin"
_OPTIONS = (
    "-p",
    _PLUGIN,
    "-p",
    "no:cacheprovider",
    "-W",
    "default::pytest.PytestWarning",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
#: What the suites of these tests begin with: a sender that is given an address.
_HEAD = """
import pytest, requests
from datetime import UTC, datetime
from oscp_send import SNWS2Auth

# As quick as can be.
pytestmark = pytest.mark.oscp(clock="fast")
ADD = "/solaruser/api/v1/sec/instr/add/OSCP_v20"

def send(url, action="Handshake", msg="{}", secret="rehearsal-secret", session=requests):
    values = {"coId": "1", "cgIdentifier": "foo-group", "action": action, "msg": msg}
    params = [{"name": name, "value": value} for name, value in values.items()]
    signed = SNWS2Auth("rehearsal-token-0001", secret)
    return session.post(url + ADD, json={"nodeId": 1, "params": params}, auth=signed).json()
"""
_SCENARIO = """
scenario: handshake
tags: [quick]
matrix: {parts: [1, 2]}
steps:
  - send: {node: 1, optimizer: 1, group: foo-group, action: Handshake, message: {}}
    expect: {state: Completed, parts: "${matrix.parts}"}
"""


def _without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d\.\d{3}|\d{4}-\d\d-\d\d", "T", text)


_BLAME = "neither the test nor the program is to blame: please report it, with the lines above"


class Suite:
    """A test suite of somebody's, in a folder of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")

    def run(self, tests: str = "", *options: str) -> pytest.RunResult:
        if tests:
            self.write("test_it.py", _HEAD + tests)
        return self._pytester.runpytest_inprocess(*_OPTIONS, *options)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    # Whether the package is installed here or not, and quicker without the others.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Suite(pytester)


def test_pytest_finds_it_by_its_entry_point() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"oscp": _PLUGIN}
    assert import_module(_PLUGIN)


def test_a_suite_that_uses_nothing_of_it_imports_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    loaded = "{each for each in sys.modules if each.partition('.')[0] in {'oscp_sim', 'oscp_send'}}"
    pytester.makepyfile(f"import sys\ndef test(): assert {loaded} == {{'oscp_sim', {_PLUGIN!r}}}")
    environment = pytester.runpytest_subprocess("-p", _PLUGIN)
    environment.assert_outcomes(passed=1)


def test_the_examples_work(suite: Suite) -> None:
    for each in ("in_pytest", "in_pytest_server"):
        example = _ROOT / "tests" / "examples" / f"{each}.py"
        suite.write(f"test_{each}.py", example.read_text(encoding="utf-8"))
    suite.run().assert_outcomes(passed=7)


def test_each_test_has_a_simulator_of_its_own(suite: Suite) -> None:
    suite.run("""
seen = []

@pytest.mark.parametrize("time", [1, 2])
def test_in_process(oscp, time):
    oscp.assert_nothing_sent()
    send("http://simulator.invalid", session=oscp.session())
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)
    seen.append(oscp.journal.entries(action="Handshake", party="capacity_provider")[0].request)

def test_by_its_socket(oscp):
    assert send(oscp.url)["data"]["state"] == "Queuing"
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)

def test_the_same_seed_gives_the_same_identifiers():
    first, second = (dict(each.headers)["x-request-id"] for each in seen)
    assert first == second
""").assert_outcomes(passed=4)


def test_the_server_is_one_and_what_is_behind_it_is_not(suite: Suite) -> None:
    suite.run("""
@pytest.fixture(scope="session")
def program(oscp_server):
    return oscp_server.url

@pytest.mark.parametrize("time", [1, 2])
def test_it_is_cleared(program, oscp_server, time):
    assert oscp_server.url == program
    assert send(program)["data"]["id"] == 1
    oscp_server.verify(party="capacity_provider", action="Handshake", exactly=1)

@pytest.mark.oscp(seed=7, clock="frozen", faults=[
    {"where": "solaruser", "fault": "connection_refused", "lasts": "1h"}])
def test_it_is_as_the_marker_says(program, oscp_server):
    assert oscp_server.seed == 7
    with pytest.raises(requests.ConnectionError):
        requests.get(program)

def test_and_only_for_that_test(program, oscp_server):
    assert oscp_server.seed == 1
    send(program)
    oscp_server.verify(party="capacity_provider", action="Handshake", exactly=1)

def test_with_one_of_its_own(oscp, oscp_server):
    assert oscp is not oscp_server
    assert oscp.url != oscp_server.url
    send(oscp.url)
    oscp_server.assert_nothing_sent()
""").assert_outcomes(passed=5)


def test_a_marker_says_how_it_is_made(suite: Suite) -> None:
    world = "users:\n  - {id: 7, tokens: [{id: t, secret: s}], nodes: [8]}\n"
    fault = "{where: solaruser, fault: status, status: 503, times: 1}"
    suite.write("unit/world.yaml", world)
    suite.write("faults.yaml", f"faults:\n  - {fault}\n")
    suite.write(
        "unit/test_unit.py",
        _HEAD
        + """
from oscp_sim.clock import FastClock, FrozenClock
from oscp_sim.faults import Rule

@pytest.mark.oscp(world="world.yaml", faults="faults.yaml")
def test_files_are_named_from_the_test_or_the_root(oscp):
    assert [user.id for user in oscp.world.users] == [7]
    assert [requests.get(f"{oscp.url}/solaruser/x").status_code for _ in (1, 2)] == [503, 403]

@pytest.mark.oscp(seed=2, clock="frozen")
class TestOfAClass:
    @pytest.mark.oscp(fidelity="observed", seed=3)
    def test_the_nearest_word_counts(self, oscp):
        assert (oscp.seed, str(oscp.behaviour)) == (3, "observed")
        assert type(oscp.clock) is FrozenClock
        oscp.clock.advance("1h")

    def test_a_clock_is_not_shared(self, oscp):
        assert abs((datetime.now(UTC) - oscp.clock.now()).total_seconds()) < 600
        assert oscp.seed == 2

@pytest.mark.oscp(clock=datetime(2031, 3, 1, tzinfo=UTC), faults=[
    Rule(where="solaruser", fault="no_answer")])
def test_a_clock_that_stands(oscp):
    assert oscp.clock.now() == datetime(2031, 3, 1, tzinfo=UTC)
    assert [each.rule.fault for each in oscp.faults.rules] == ["no_answer"]

@pytest.mark.oscp(clock={"runs": "fast", "start": "2031-03-01T00:00:00Z", "speed": 60})
def test_a_clock_as_in_a_scenario_file(oscp):
    assert isinstance(oscp.clock, FastClock) and oscp.clock.speed == 60
    assert oscp.clock.now().year == 2031

@pytest.mark.oscp(world={"users": [{"id": 7}]}, plays=["solaruser"])
def test_a_world_in_place(oscp):
    assert oscp.world.users[0].id == 7 and oscp.plays == {"solaruser"}
""",
    )
    suite.run("", "--oscp-seed", "5").assert_outcomes(passed=6)


BAD_MARKERS = {
    "wrold=1": "there is no wrold; did you mean world?",
    "control_token='x'": "there is no control_token; there is world, seed, clock, fidelity",
    "'frozen'": "give 'frozen' a name, as world=... or clock='frozen'",
    "clock='slow'": "clock is 'frozen', 'fast', 'real', an aware datetime",
    "clock=datetime(2031, 3, 1)": "a clock cannot start at 2031-03-01T00:00:00: add an offset",
    "clock={'speed': 3}": "clock: /speed: a frozen clock has no speed: make it fast",
    "clock={'rums': 'fast'}": 'clock: /rums: unknown key "rums"; did you mean "runs"?',
    "seed='x'": "seed is a whole number, not 'x'",
    "fidelity='both'": "fidelity is 'documented' or 'observed', not 'both'",
    "world='w.yaml'": "world: there is no file w.yaml in ",
    "world='users: []'": "; the text of a file ends each of its lines, also a single one",
    "world={'user': []}": 'world: /user: unknown key "user"; did you mean "users"?',
    "faults='f.yaml'": "faults: there is no file f.yaml in ",
    "faults={}": "faults is a list of rules, or the name of a file with one, not {}",
    "faults=[{'where': 'solaruser', 'fault': 'stats'}]": '"stats" is not known here; did you mean',
    "plays=['solarusr']": "unknown party 'solarusr'; did you mean 'solaruser'?",
    "plays='solaruser'": "plays is a list of parties, as ['solaruser']",
    "world=3": "world is the name of a file, its text or values, or a World, not 3",
    "world=True": "world is the name of a file, its text or values, or a World, not True",
    "world=['a']": "world is the name of a file, its text or values, or a World, not a list",
    "world=''": "world: there is no file '' in ",
    "plays=3": "plays is a list of parties, of solaruser, flexibility_provider, capacity_provider",
    "plays=None": "capacity_optimizer, not None",
    "plays={'solaruser': 1}": "capacity_optimizer, not a dict",
    "plays=(each for each in ['solaruser'])": "capacity_optimizer, not a generator",
    "plays=[3]": "plays is a list of names of parties; 3 is not one",
    "limits=3": "limits is a Limits of oscp_sim.shared, as Limits(journal=100), not 3",
    "limits={'journal': 3}": "as Limits(journal=100), not a dict",
    "limits=Limits": "as Limits(journal=100), not the class Limits",
    "limits=Limits(journal='3')": "journal is a whole number from 1, or None for all, not '3'",
    "limits=Limits(events=-1)": "limits: events is a whole number from 1, or None for all, not -1",
    "seed=True": "seed is a whole number, not True",
    "seed=None": "seed is a whole number, not None",
    "seed=1.0": "seed is a whole number, not 1.0",
    "strict_dates='no'": "strict_dates is True or False, not 'no'",
    "strict_dates=1": "strict_dates is True or False, not 1",
    "clock='frosen'": "'frozen', 'fast' or 'real', not 'frosen'; did you mean 'frozen'?",
    "clock={}": "{'runs': 'fast', 'start': '2031-03-01T00:00:00Z', 'speed': 60}, not {}",
    "clock=None": "{'runs': 'fast', 'start': '2031-03-01T00:00:00Z', 'speed': 60}, not None",
    "fidelity=[]": "fidelity is 'documented' or 'observed', or a Behaviour, not []",
    "fidelity=None": "fidelity is 'documented' or 'observed', or a Behaviour, not None",
    "fidelity='observd'": "not 'observd'; did you mean 'observed'?",
    "faults=3": "faults is a list of rules, or the name of a file with one, not 3",
    "faults=b'x'": "faults is a list of rules, or the name of a file with one, not b'x'",
    "faults=[Rule(where='hand_off', fault='doubled'), 3]": "/faults/1: expected a mapping, got",
}


def test_a_marker_that_makes_no_sense_is_an_error_of_its_test(suite: Suite) -> None:
    head = "from oscp_sim.faults import Rule\nfrom oscp_sim.shared import Limits\n"
    tests = [
        f"@pytest.mark.oscp({marker})\ndef test_{at}(oscp): pass\n"
        for at, marker in enumerate(BAD_MARKERS)
    ]
    result = suite.run(head + "\n".join(tests))
    result.assert_outcomes(errors=len(BAD_MARKERS))
    written = (_HEAD + head + "\n".join(tests)).splitlines()
    for marker, said in BAD_MARKERS.items():
        place = f"at test_it.py:{written.index(f'@pytest.mark.oscp({marker})') + 1}: "
        word = "..." if marker[0] == "'" else f"{marker.partition('=')[0]}=..."
        begin = f"@pytest.mark.oscp({word}) {place}"
        (line,) = {each for each in result.outlines if each.startswith(begin)}
        assert said in line
    shown = result.outlines
    assert not any("Traceback" in line or "During handling" in line for line in shown)


def test_a_marker_that_makes_no_sense_says_whose_it_is(suite: Suite) -> None:
    result = suite.run("""
@pytest.mark.oscp(plays=3)
class TestAll:
    def test_it(self, oscp): pass

    @pytest.mark.oscp(plays=["solaruser"])
    def test_with_a_better_one(self, oscp): pass
""")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["@pytest.mark.oscp(plays=...) of TestAll at test_it.py:*: plays*"])


def test_each_word_of_simulator_can_stand_in_a_marker(suite: Suite) -> None:
    words = signature(Simulator).parameters.keys() - {"control_token"}
    result = suite.run(f"""
from oscp_sim.shared import Limits

@pytest.mark.oscp(world=None, seed=2, clock="real", fidelity="observed", plays={{"solaruser"}},
                  limits=Limits(journal=3), faults=(), strict_dates=True)
def test_it(oscp, request):
    marked = [word for each in request.node.iter_markers("oscp") for word in each.kwargs]
    assert {set(words)!r} <= set(marked)
    assert oscp.plays == {{"solaruser"}} and oscp.shared.limits.journal == 3
""")
    result.assert_outcomes(passed=1)


def test_a_bad_marker_of_the_first_test_spares_the_others(suite: Suite) -> None:
    result = suite.run("""
@pytest.mark.oscp(sede=2)
def test_first(oscp_server): pass

def test_second(oscp_server): assert oscp_server.seed == 1
""")
    result.assert_outcomes(errors=1, passed=1)
    said = "@pytest.mark.oscp(sede=...) at test_it.py:*: there is no sede; did you mean seed?"
    result.stdout.fnmatch_lines([said])


class TestAFailure:
    def test_shows_what_the_parties_sent_one_another(self, suite: Suite) -> None:
        result = suite.run(
            """
def test_it(oscp):
    send(oscp.url)
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)
    oscp.verify(action="Heartbeat", exactly=1)
""",
            "--oscp-seed=9",
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "oscp: seed 9",
                "*NotVerified: expected exactly 1 entry, got none",
                "*- oscp: what the parties sent one another -*",
                "seed 9, fidelity documented",
                "CP Capacity Provider, FP Flexibility Provider*",
                "  1 test_it * failed",
                "*CO -> SolarUser * POST /solaruser/api/v1/sec/instr/add/OSCP_v20 *200",
                "*FP -> CP 3 * POST /oscp/cp/2.0/handshake *204",
            ]
        )

    def test_shows_the_line_that_asked_for_what_there_cannot_be(self, suite: Suite) -> None:
        result = suite.run("""
def test_it(oscp):
    oscp.verify(action="Handshke", none=True)
""")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["E *ValueError: unknown action 'Handshke'; did you mean *"])
        result.stdout.no_fnmatch_line("*raise ValueError*")

    def test_shows_why_something_was_declined_or_refused(self, suite: Suite) -> None:
        forecast = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": []}
        result = suite.run(f"""
def test_declined(oscp):
    assert not send(oscp.url, "AdjustGroupCapacityForecast", '{json.dumps(forecast)}')

def test_not_signed_well(oscp):
    assert send(oscp.url, secret="another-secret")["success"]

def test_a_look_that_is_refused(oscp):
    view = oscp.url + "/solaruser/api/v1/sec/instr/view?id=1"
    assert requests.get(view, headers={{"Authorization": "SNWS2 x"}}).status_code == 200

def test_nobody_asked(oscp):
    assert not oscp.journal.entries() is None
    raise AssertionError

def test_another(): raise AssertionError
""")
        result.assert_outcomes(failed=5)
        result.stdout.fnmatch_lines(
            [
                "*instruction 1 is Declined: JSON schema validation error*",
                "instruction 1 (AdjustGroupCapacityForecast), at *",
                "  Declined: JSON schema validation error*",
                "  /forecasted_blocks: *leave the property out*",
                "  *(schema rule minItems: oscp-send explain minItems)",
                "*note: another signature is expected: the secret differs*",
                "GET /solaruser/api/v1/sec/instr/view from * at *",
                "  40?: *",
                "nothing: no party was asked for anything.*",
            ]
        )
        assert str(result.stdout).count("oscp: what the parties") == 4
        result.stdout.no_fnmatch_line("*another*secret*=*")

    def test_of_a_fixture_is_shown_too(self, suite: Suite) -> None:
        result = suite.run("""
@pytest.fixture
def registered(oscp):
    send(oscp.url)
    oscp.settle(10)
    raise LookupError("no registration")

def test_it(registered): pass
""")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["*LookupError: no registration", "*FP -> CP 3 *handshake*204"])

    def test_leaves_out_what_is_too_much_and_tells_of_idle_faults(self, suite: Suite) -> None:
        result = suite.run("""
@pytest.mark.oscp(faults=[{"where": "capacity_provider", "fault": "no_answer"}])
def test_it(oscp):
    for _ in range(205):
        oscp.session().post("http://simulator.invalid" + ADD)
    raise AssertionError
""")
        result.stdout.fnmatch_lines(["the first 5 are left out", "warning: *capacity_provider*"])


class TestAMistakeOfTheSimulator:
    """It is provoked by taking away what a party cannot do without."""

    def test_fails_a_test_that_passed(self, suite: Suite) -> None:
        result = suite.run("""
def test_due(oscp):
    oscp.shared.schedule.soon(lambda: oscp.nothing)
    oscp.settle(10)
    oscp.reset()

def test_after_its_end(oscp):
    oscp.clock.now()
    oscp.__dict__["close"] = lambda close=oscp.close: (
        oscp.shared.schedule.soon(lambda: oscp.nobody), close())

def test_that_fails_anyway(oscp):
    oscp.shared.schedule.soon(lambda: oscp.nothing_else)
    oscp.settle(10)
    raise LookupError("of its own")

def test_that_has_none(oscp): pass
""")
        result.assert_outcomes(failed=2, passed=2, errors=1)
        result.stdout.fnmatch_lines(["a party met a mistake of its own: what was due at * failed*"])

    def test_of_a_party_is_remembered(self, suite: Suite) -> None:
        result = suite.run("""
def only_mistake(simulator):
    (mistake,) = simulator.journal.mistakes
    assert "Traceback" in mistake.traceback
    return mistake.what

@pytest.mark.parametrize(("lacks", "path", "shown"), [
    ("world", "/oscp/fp/2.0/heartbeat", "Token x"),
    ("access_tokens", "/oscp/cp/2.0/heartbeat", "Bearer x")])
def test_of_whom_messages_come_to(oscp, lacks, path, shown):
    setattr(oscp.shared, lacks, None)
    url = "http://simulator.invalid" + path
    assert oscp.session().post(url, headers={"Authorization": shown}).status_code == 500
    assert only_mistake(oscp) == f"POST {path} could not be answered"

def test_of_solaruser(oscp):
    oscp.shared.instructions = None
    assert send("http://simulator.invalid", session=oscp.session())["message"] == "Internal error"
    assert only_mistake(oscp) == f"POST {ADD} could not be answered"

def test_of_a_delivery(oscp, monkeypatch):
    monkeypatch.setattr("oscp_sim.flexibility_provider.instructions.PATHS", None)
    send("http://simulator.invalid", session=oscp.session())
    assert oscp.verify(state="Declined", exactly=1)
    assert only_mistake(oscp) == "instruction 1 could not be handled"

def test_of_the_rest(oscp):
    oscp.__dict__["_pages"] = None
    with pytest.raises(TypeError):
        oscp.session().get("http://simulator.invalid/_sim/")
    assert only_mistake(oscp) == "GET /_sim/ could not be answered"
""")
        result.assert_outcomes(failed=5)
        # Each for this reason alone: what its last lines assert holds.
        # In CI, pytest's summary says it once more.
        assert result.outlines.count(_BLAME) in {5, 10}


class TestScenarioFiles:
    def test_are_tests_and_each_case_of_a_matrix_is_one(self, suite: Suite) -> None:
        suite.write("scenarios/sub/a.yaml", _SCENARIO)
        result = suite.run("", "scenarios", "--oscp-seed=4")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            [
                "sub / handshake[[]parts=2]",
                "  step 1 Handshake  (scenarios/sub/a.yaml:6)",
                "    scenarios/sub/a.yaml:4  parts of msg",
                "      expected  2",
                "      got       1",
                "  1 Handshake *Completed",
                "FAILED scenarios/sub/a.yaml::handshake[[]parts=2]*",
            ]
        )

    def test_fail_as_they_do_in_a_rehearsal(self, suite: Suite) -> None:
        suite.write("scenarios/a.yaml", _SCENARIO.replace("[1, 2]", "[2]"))
        shown = CliRunner().invoke(main, ["rehearse", "scenarios/a.yaml"]).output
        told = _without_times(shown[shown.index("\na / handshake") :]).split("\n\n1 sc")[0]
        assert "expected  2" in told
        assert told.strip() in _without_times(str(suite.run("", "scenarios").stdout))

    def test_can_be_chosen(self, suite: Suite) -> None:
        suite.write("scenarios/a.yaml", _SCENARIO)
        suite.run("", "scenarios", "-k", "quick and not 2").assert_outcomes(passed=1, deselected=1)
        suite.run("", "scenarios/a.yaml::handshake[parts=1]").assert_outcomes(passed=1)

    def test_that_cannot_be_read_say_why(self, suite: Suite) -> None:
        suite.write("a.yaml", "scenario: a\nsteps:\n  - {sned: {}}\n")
        result = suite.run()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(['a.yaml:3:6: unknown key "sned"; did you mean "send"?'])
        result.stdout.no_fnmatch_line("*Traceback*")

    def test_may_name_files_of_the_whole_suite(self, suite: Suite) -> None:
        suite.write("payloads/empty.json", "{}")
        suite.write(
            "scenarios/a.yaml",
            _SCENARIO.replace("[1, 2]", "[1]")
            .replace(": {}}\n", ": {}}\n", 1)
            .replace("message: {}", "file: ../payloads/empty.json"),
        )
        suite.run().assert_outcomes(passed=1)

    def test_with_a_fault_that_never_struck_warn(self, suite: Suite) -> None:
        fault = "faults: [{where: capacity_optimizer, fault: no_answer}]\n"
        suite.write("a.yaml", _SCENARIO.replace("[1, 2]", "[1]") + fault)
        suite.run().assert_outcomes(passed=1, warnings=1)

    def test_nobody_else_s_yaml_is_taken_for_one(self, suite: Suite) -> None:
        others = {
            "molecule.yml": "scenario:\n  name: default\n",
            "artillery.yml": "config: {}\nscenarios:\n  - flow:\n      - get: {url: /}\n",
            "worlds/w.yaml": "users: []\n",
            "compose.yaml": "services: {a: {steps: 1}}\n",
            "broken.yaml": "a: [",
        }
        for name, text in others.items():
            suite.write(name, text)
        assert suite.run().ret == pytest.ExitCode.NO_TESTS_COLLECTED

    @pytest.mark.parametrize(
        ("patterns", "count"), [("never", 0), ("rehearsals/*.yaml", 1), ("*.yaml other/*", 2)]
    )
    def test_are_where_the_configuration_says(
        self, suite: Suite, patterns: str, count: int
    ) -> None:
        suite.write("pytest.ini", f"[pytest]\noscp_scenarios = {patterns}\n")
        text = _SCENARIO.replace("[1, 2]", "[1]")
        suite.write("a.yaml", text)
        suite.write("rehearsals/deep/er/a.yaml", text)
        suite.write("rehearsals/payloads/a.yaml", text)
        suite.run().assert_outcomes(passed=count)


_SUITE_WITH_ALL = """
@pytest.mark.parametrize("time", [1, 2, 3])
def test_sent(oscp, oscp_server, time):
    send(oscp.url)
    send(oscp_server.url)
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)
    oscp_server.verify(party="capacity_provider", action="Handshake", exactly=1)

def test_not_sent(oscp):
    oscp.verify(party="capacity_provider", action="Handshake", exactly=1)

def test_without(): pass
"""


def test_reports_are_of_all_tests_and_scenarios(suite: Suite) -> None:
    suite.write("scenarios/a.yaml", _SCENARIO)
    reports = [f"--oscp-report={each}" for each in ("html=page", "json=all.json", "junit=all.xml")]
    result = suite.run(_SUITE_WITH_ALL, *reports, "--oscp-seed=6")
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(["oscp: wrote html=page, of 6 tests"])
    told = json.loads((suite.folder / "all.json").read_bytes())
    assert (told["seed"], told["passed"], told["failed"]) == (6, 4, 2)
    found = {f"{each['group']} {each['name']}": each for each in told["scenarios"]}
    assert set(found) == {
        "a handshake[parts=1]",
        "a handshake[parts=2]",
        "test_it.py test_not_sent",
        *(f"test_it.py test_sent[{time}]" for time in (1, 2, 3)),
    }
    (problem,) = found["test_it.py test_not_sent"]["steps"][0]["problems"]
    assert problem["got"].startswith("oscp_sim.verify.NotVerified: expected exactly 1 entry")
    both = found["test_it.py test_sent[1]"]["steps"]
    assert all("handshake" in json.dumps(each["timeline"]) for each in both)
    assert len(both) == len(("oscp", "oscp_server"))
    assert "test_not_sent" in (suite.folder / "page" / "index.html").read_text(encoding="utf-8")
    assert "test_not_sent" in (suite.folder / "all.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("pdf=x", "--oscp-report: 'pdf=x' is not a report: write it as junit=FILE"),
        ("html", "--oscp-report: 'html' does not say where to write it: html=FOLDER"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused(suite: Suite, report: str, said: str) -> None:
    result = suite.run("def test(): pass", f"--oscp-report={report}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}*"])


@pytest.mark.parametrize("fixture", ["oscp", "oscp_server"])
def test_a_report_has_a_test_whose_simulator_could_not_be_made(suite: Suite, fixture: str) -> None:
    reports = [f"--oscp-report={each}" for each in ("html=page", "json=all.json", "junit=all.xml")]
    result = suite.run(
        f"""
def test_first({fixture}): pass

@pytest.mark.oscp(clock="frosen")
def test_it({fixture}): pass
""",
        *reports,
    )
    result.assert_outcomes(passed=1, errors=1)
    told = json.loads((suite.folder / "all.json").read_bytes())
    assert (told["passed"], told["failed"]) == (1, 1)
    (problem,) = told["scenarios"][1]["steps"][0]["problems"]
    assert "'frozen', 'fast' or 'real', not 'frosen'; did you mean 'frozen'?" in problem["got"]
    for page in (suite.folder / "page" / "index.html", suite.folder / "all.xml"):
        assert "test_it" in page.read_text(encoding="utf-8")


def test_a_report_whose_place_is_gone_is_told_at_the_end(suite: Suite) -> None:
    result = suite.run(
        """
def test(oscp, pytestconfig):
    (pytestconfig.rootpath / "all.json").mkdir()
""",
        "--oscp-report=json=all.json",
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["oscp: *all.json*"])
