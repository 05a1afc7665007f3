"""Faults: the words of their rules, when they strike, the doors, and what clients make of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import requests
from click.testing import CliRunner
from requests import exceptions

from oscp_send import PossiblySent, SolarUserClient
from oscp_sim import Simulator
from oscp_sim.cli.main import main
from oscp_sim.clock import FrozenClock
from oscp_sim.entry import PartyName
from oscp_sim.faults import Rule, faults_schema, load_faults
from oscp_sim.faults.model import KINDS, Fault
from oscp_sim.http import Request
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.scenario.console import ConsoleReport
from oscp_sim.scenario.model import Send
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from oscp_sim.world import load_world
from oscp_sim.yaml_source import SourceError
from tests.docs import reported_faults
from tests.oscp_sim.rig import (
    ADJUSTMENT,
    NOW,
    SECRET,
    TOKEN,
    VIEW,
    Answer,
    Provider,
    ask,
    block,
    delivered,
    encoded,
    get,
    instruction,
    post,
    settled,
    signed_headers,
)
from tests.oscp_sim.worlds import GRID, TOKENS, user, world

FOLDER = Path(__file__).parents[2] / "scenarios" / "faults"
HOST = [("Host", "localhost")]


# The words.

BAD = {
    "- {where: solaruser, fault: rest_after}": (
        '2:31: "rest_after" is not known here; did you mean "reset_after"'
    ),
    "- {where: solaruser, fault: status}": '2:5: "status" needs status, which is missing',
    "- {where: solaruser, fault: delay}": '2:5: "delay" needs one of by, between, median',
    "- {where: solaruser, fault: delay, by: 1s, median: 2s}": "not by and median",
    "- {where: solaruser, fault: delay, by: soon}": '"soon" is not a duration above zero',
    "- {where: solaruser, fault: lost}": '"lost" does not happen there: it needs where: hand_off',
    "- {where: hand_off, fault: late, path: /x}": (
        '"path" has no effect with fault: late; beside it there may be action, instruction, by'
    ),
    "- {where: solaruser, fault: reset_before, action: Handshake}": "leaves unread: give path",
    "- {where: solaruser, fault: redirect, location: /x, status: 200}": "from 300 to 399",
    "- {where: solaruser, fault: status, status: 503, retry_after_form: date}": "say how long",
    "- {where: solaruser, fault: delay, by: 1s, sigma: 1}": "log-normal only with both",
    "- {where: solaruser, fault: delay, between: [2s, 1s]}": "the shorter one comes first",
    "- {where: solaruser, fault: delay, by: 1s, times: 0}": "2:53: 0 is below 1",
    "- {where: solaruser}": '"fault"',
    "- {where: sun, fault: delay, by: 1s}": "solaruser",
}


@pytest.mark.parametrize(("rule", "expected"), BAD.items(), ids=BAD)
def test_a_wrong_rule_is_told_with_its_place(tmp_path: Path, rule: str, expected: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(f"faults:\n  {rule}\n")
    with pytest.raises(SourceError) as error:
        load_faults(path)
    assert str(error.value).startswith(f"{path}:2:")
    assert expected in str(error.value)


def test_the_words_are_those_of_the_schema() -> None:
    words = faults_schema()["definitions"]["rule"]["properties"]
    assert set(Rule.__dataclass_fields__) == set(words)
    assert set(words["fault"]["enum"]) == set(get_args(Fault)) == set(KINDS)
    assert {word for kind in KINDS.values() for word in kind.takes} <= set(words)


def test_a_rule_is_shown_in_its_own_words() -> None:
    words = {"where": "solaruser", "fault": "status", "status": 503, "retry_after": "30s"}
    (rule,) = load_faults({"faults": [words]})
    assert rule.to_dict() == words
    assert str(rule) == "{where: solaruser, fault: status, status: 503, retry_after: 30s}"


# When they strike.


def statuses(simulator: Simulator, count: int) -> list[int]:
    return [get(simulator, f"{VIEW}?id=1").status for _ in range(count)]


@pytest.mark.parametrize(
    ("words", "struck"),
    [
        ({}, "xxxxxxxx"),
        ({"times": 2}, "xx......"),
        ({"after": 3}, "...xxxxx"),
        ({"every": 3}, "x..x..x."),
        ({"after": 1, "every": 2, "times": 2}, ".x.x...."),
        ({"path": "/instr/view"}, "xxxxxxxx"),
        ({"path": "/view"}, "xxxxxxxx"),
        ({"path": "iew"}, "........"),
        ({"method": "POST"}, "........"),
        ({"instruction": 1}, "xxxxxxxx"),
        ({"instruction": 2}, "........"),
        ({"action": "Handshake"}, "........"),
    ],
    ids=str,
)
def test_when_a_rule_strikes(simulator: Simulator, words: dict[str, Any], struck: str) -> None:
    armed = simulator.faults.add(where="solaruser", fault="status", status=418, **words)
    came = statuses(simulator, len(struck))
    assert "".join("x" if each == 418 else "." for each in came) == struck
    assert armed.struck == struck.count("x")


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_left_to_chance_goes_by_the_seed(seed: int) -> None:
    def played() -> list[int]:
        with Simulator(clock=FrozenClock(NOW), seed=seed) as simulator:
            words: dict[str, Any] = {"fault": "status", "status": 418, "probability": 0.5}
            simulator.faults.add(where="solaruser", **words)
            return statuses(simulator, 30)

    assert played() == played()
    assert 5 < played().count(418) < 25


def test_seeds_differ() -> None:
    def late(seed: int) -> list[str]:
        with Simulator(clock=FrozenClock(NOW), seed=seed) as simulator:
            simulator.faults.add(where="solaruser", fault="delay", between=["1s", "9s"])
            simulator.faults.add(where="solaruser", fault="delay", median="2s", sigma=1)
            statuses(simulator, 3)
            return whys(simulator)

    assert late(1) == late(1)
    assert late(1) != late(2)


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [({"between": ["2s", "3s"]}, 2.0, 3.0), ({"median": "2s", "sigma": 0}, 2.0, 2.0)],
)
def test_how_late_an_answer_is(
    simulator: Simulator, words: dict[str, Any], least: float, most: float
) -> None:
    simulator.faults.add(where="solaruser", fault="delay", **words)
    began = simulator.clock.now()
    with simulator.session() as session:
        session.get(f"{IN_PROCESS_URL}{VIEW}?id=1")
    assert least <= (simulator.clock.now() - began).total_seconds() <= most


def test_the_first_rule_that_strikes_decides_and_a_delay_comes_on_top(simulator: Simulator) -> None:
    for status in (418, 419):
        simulator.faults.add(where="solaruser", fault="status", status=status, times=1)
    for _ in range(2):
        simulator.faults.add(where="solaruser", fault="delay", by="2s")
    assert statuses(simulator, 3) == [418, 419, 200]
    assert [each.struck for each in simulator.faults.rules] == [1, 1, 3, 3]
    late = simulator.handle(Request("GET", f"{VIEW}?id=1", (("host", "h"),)))
    assert late.after == 4


@pytest.mark.parametrize("form", ["json", "form"])
def test_an_instruction_to_queue_is_known_by_its_action(simulator: Simulator, form: str) -> None:
    simulator.faults.add(where="solaruser", action="Handshake", fault="status", status=418)

    def queue(action: str) -> int:
        if form == "json":
            return post(simulator, instruction(action=action)).status
        body = f"nodeId=1&parameters[0].name=action&parameters[0].value={action}"
        kind = "application/x-www-form-urlencoded"
        return post(simulator, body, content_type=kind).status

    assert queue("Handshake") == 418
    assert queue("GroupCapacityComplianceError") != 418


def test_a_delivery_is_known_by_its_instruction(simulator: Simulator) -> None:
    simulator.faults.add(where="capacity_provider", instruction=2, fault="status", status=500)
    for _ in range(3):
        post(simulator, instruction())
        settled(simulator)
    rows = [simulator.shared.instructions.get(number) for number in (1, 2, 3)]
    assert [row and row.state for row in rows] == ["Completed", "Declined", "Completed"]


def whys(simulator: Simulator) -> list[str]:
    return [each.detail["why"] for each in simulator.journal.entries() if "fault" in each.detail]


def test_each_strike_is_in_the_journal(simulator: Simulator) -> None:
    simulator.faults.add(where="solaruser", fault="status", status=418)
    simulator.faults.add(where="capacity_provider", fault="reset_after")
    post(simulator, instruction())
    simulator.faults.remove(1)
    post(simulator, instruction())
    settled(simulator)
    first, second = (each for each in simulator.journal.entries() if "fault" in each.detail)
    assert (first.party, first.kind, first.status) == ("solaruser", "exchange", 418)
    assert first.action == "Handshake"
    assert first.detail["rule"] == 1
    assert (second.party, second.kind, second.instruction_id) == ("capacity_provider", "note", 1)
    assert second.detail["fault"] == "reset_after"
    assert "after the request was read and carried out" in second.detail["why"]


def test_without_rules_nothing_is_noted(simulator: Simulator) -> None:
    armed = simulator.faults.add(where="solaruser", fault="status", status=418)
    assert simulator.faults.never_struck == (armed,)
    simulator.faults.clear()
    assert not simulator.faults.rules
    assert not simulator.faults.never_struck
    assert post(simulator, instruction()).status == 200
    assert whys(simulator) == []


def test_a_reset_brings_the_first_rules_back() -> None:
    first = load_faults(
        {"faults": [{"where": "solaruser", "fault": "status", "status": 418, "times": 1}]}
    )
    with Simulator(clock=FrozenClock(NOW), faults=first) as simulator:
        assert statuses(simulator, 2) == [418, 200]
        simulator.faults.add(where="solaruser", fault="status", status=419)
        simulator.reset()
        assert statuses(simulator, 2) == [418, 200]
        assert [each.number for each in simulator.faults.rules] == [1]


# The doors.


def control(simulator: Simulator, method: str, query: str = "", body: object = None) -> Answer:
    data = b"" if body is None else encoded(body)
    return ask(simulator, method, f"/_sim/faults{query}", HOST, data)


def test_faults_over_http(simulator: Simulator) -> None:
    rule = {"where": "solaruser", "fault": "status", "status": 418, "times": 1}
    made = control(simulator, "POST", body=rule)
    assert made.json == {"faults": [{**rule, "number": 1, "met": 0, "struck": 0}]}
    more = {"faults": [{"where": "hand_off", "fault": "lost"}, rule]}
    assert len(control(simulator, "POST", body=more).json["faults"]) == 2
    assert statuses(simulator, 1) == [418]
    shown = control(simulator, "GET").json["faults"]
    assert [(each["number"], each["struck"]) for each in shown] == [(1, 1), (2, 0), (3, 0)]
    left = control(simulator, "DELETE", "?number=2").json["faults"]
    assert [each["number"] for each in left] == [1, 3]
    assert control(simulator, "DELETE").json == {"faults": []}
    assert simulator.faults.rules == ()


@pytest.mark.parametrize(
    ("method", "query", "body", "status", "expected"),
    [
        ("POST", "", {"where": "sun", "fault": "lost"}, 400, "/faults/0/where"),
        ("POST", "", {"fault": "lost"}, 400, "faults"),
        ("POST", "", [], 400, "faults"),
        ("POST", "", {"where": "solaruser", "fault": "connection_refused"}, 400, "lasts: 10s"),
        ("DELETE", "?number=7", None, 404, "there is no fault 7"),
        ("DELETE", "?number=x", None, 400, "number is that of a rule"),
        ("DELETE", "?all=1", None, 400, 'unknown parameter "all"'),
    ],
)
def test_what_makes_no_sense_over_http(  # noqa: PLR0917 - a table
    simulator: Simulator, method: str, query: str, body: object, status: int, expected: str
) -> None:
    answer = control(simulator, method, query, body)
    assert answer.status == status
    assert expected in answer.json["error"]


def test_faults_of_a_world() -> None:
    rule = {"where": "solaruser", "fault": "status", "status": 418}
    world = load_world({"users": [{"id": 1}], "faults": [rule]})
    with Simulator(world, clock=FrozenClock(NOW)) as simulator:
        assert statuses(simulator, 1) == [418]
    with pytest.raises(SourceError, match="/faults/0/status"):
        load_world({"users": [{"id": 1}], "faults": [{**rule, "status": 1}]})


SCENARIO = """
clock: {{start: "2026-03-01T12:00:00Z"}}
scenario: one
faults: {faults}
steps:
  - send: {{node: 1, optimizer: 1, group: foo-group, action: Handshake, message: {{}}}}
    expect: {expect}
"""


def rehearsed(tmp_path: Path, faults: str, expect: str = "{state: Completed}") -> tuple[bool, str]:
    path = tmp_path / "one.yaml"
    path.write_text(SCENARIO.format(faults=faults, expect=expect))
    told = io.StringIO()
    return run(load_scenarios([path]), Rehearsal(), [ConsoleReport(told)]), told.getvalue()


def test_faults_of_a_scenario(tmp_path: Path) -> None:
    rule = "{where: solaruser, fault: connection_refused}"
    assert rehearsed(tmp_path, f"[{rule}]", "{sender: Unreachable}")[0]
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / "broken.yaml").write_text(f"faults: [{rule}]")
    assert rehearsed(tmp_path, "worlds/broken.yaml", "{sender: Unreachable}")[0]


def test_a_wrong_rule_of_a_scenario_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'one\.yaml:4:18: "of_hand" is not known here'):
        rehearsed(tmp_path, "[{where: of_hand, fault: lost}]")


def test_a_rule_that_never_struck_is_a_warning(tmp_path: Path) -> None:
    faults = "[{where: solaruser, method: PUT, fault: garbage}]"
    passed, text = rehearsed(tmp_path, faults)
    assert passed
    assert "warning: fault 1 never struck: {where: solaruser, fault: garbage, method: PUT}" in text
    assert "nothing came that it is for" in text
    _, text = rehearsed(tmp_path, "[{where: solaruser, fault: garbage, after: 9}]")
    assert "came that it is for, see after and probability" in text
    assert "warning" not in rehearsed(tmp_path, "[{where: solaruser, fault: delay, by: 1s}]")[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("faults: [{where: hand_off, fault: lots}]", ":1:35: "),
        ("fault: []", '"faults"'),
        ("faults: [{where: solaruser, fault: connection_refused}]", "as lasts: 10s"),
    ],
)
def test_serve_says_what_is_wrong_in_its_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--faults", str(path)])
    assert result.exit_code == 2
    assert expected in result.stderr


# What a client library makes of them: in this process the same as on a socket.

KINDS_OF_END: list[dict[str, Any]] = [
    {"fault": "connection_refused"},
    {"fault": "reset_before"},
    {"fault": "reset_after"},
    {"fault": "half_answer"},
    {"fault": "garbage"},
    {"fault": "content_length", "off_by": 10},
    {"fault": "content_length", "off_by": -10},
    {"fault": "content_type", "content_type": "text/html"},
    {"fault": "slow_answer", "bytes_per_second": 1_000_000},
    {"fault": "slow_answer", "bytes_per_second": 0.1},
    {"fault": "no_answer"},
    {"fault": "delay", "by": "60s"},
    {"fault": "status", "status": 503, "body": "busy"},
    {"fault": "redirect", "location": "/elsewhere"},
    {"fault": "token_revoked"},
]


# Of these, no whole answer comes, however long anybody waits.
NEVER = [{"fault": "no_answer"}, {"fault": "delay", "by": "60s"}, KINDS_OF_END[9]]


def end(session: requests.Session, url: str, patience: float) -> str:
    """What `requests` makes of one exchange, in a line."""
    headers = dict(signed_headers("GET", f"{VIEW}?id=1"))
    try:
        answer = session.get(
            f"{url}{VIEW}?id=1", headers=headers, timeout=(20, patience), allow_redirects=False
        )
    except exceptions.RequestException as error:
        return " < ".join(_chain(error))
    return f"{answer.status_code} {answer.headers.get('Content-Type')} {answer.text}"


def _chain(error: BaseException) -> Iterator[str]:
    yield type(error).__name__
    inner = [each for each in error.args if isinstance(each, BaseException)]
    reason = getattr(error, "reason", None)
    for each in [*inner, *([reason] if isinstance(reason, BaseException) else [])]:
        yield from _chain(each)


@pytest.mark.parametrize("words", KINDS_OF_END, ids=str)
def test_in_process_it_is_as_on_a_socket(words: dict[str, Any]) -> None:
    ends = []
    for on_socket in (True, False):
        with Simulator(clock=FrozenClock(NOW)) as simulator, requests.Session() as plain:
            lasts = {"lasts": "1h"} if words["fault"] == "connection_refused" else {}
            url = simulator.url if on_socket else IN_PROCESS_URL
            armed = simulator.faults.add(where="solaruser", **words, **lasts)
            session = plain if on_socket else simulator.session()
            ends.append(end(session, url, 0.05 if words in NEVER else 20))
            assert armed.struck
    assert ends[0] == ends[1]


def test_the_time_that_a_client_waits_passes(simulator: Simulator, clock: FrozenClock) -> None:
    simulator.faults.add(where="solaruser", fault="no_answer")
    with simulator.session() as session, pytest.raises(exceptions.ReadTimeout):
        session.get(f"{IN_PROCESS_URL}{VIEW}", timeout=(1, 7))
    assert (clock.now() - NOW).total_seconds() == 7


def test_without_patience_no_delay_is_longer_than_on_a_socket(
    simulator: Simulator, clock: FrozenClock
) -> None:
    simulator.faults.add(where="solaruser", fault="delay", by="9999999d")
    with simulator.session() as session:
        assert session.get(f"{IN_PROCESS_URL}{VIEW}").status_code == 401
    assert (clock.now() - NOW).total_seconds() == 60


def test_nobody_listens_in_process_until_it_is_over(
    simulator: Simulator, clock: FrozenClock
) -> None:
    simulator.faults.add(where="solaruser", fault="connection_refused", lasts="10s")
    with simulator.session() as session:
        for _ in range(2):
            with pytest.raises(exceptions.ConnectionError):
                session.get(f"{IN_PROCESS_URL}{VIEW}")
        clock.advance(10)
        assert session.get(f"{IN_PROCESS_URL}{VIEW}").status_code == 401


def test_a_slow_answer_takes_as_long_as_its_bytes(simulator: Simulator, clock: FrozenClock) -> None:
    simulator.faults.add(where="solaruser", fault="slow_answer", bytes_per_second=10)
    with simulator.session() as session:
        length = len(session.get(f"{IN_PROCESS_URL}{VIEW}", timeout=(1, 7)).content)
    assert (clock.now() - NOW).total_seconds() > length / 10


def test_a_provider_that_is_silent_is_so_in_process_too(clock: FrozenClock) -> None:
    world = world_with("")
    world["users"][0]["capacity_providers"] = [
        {"id": 3, "name": "a", "token": "t", "behaviour": "silent"}
    ]
    headers = {"Authorization": "Token t", "X-Request-ID": "r", "X-Correlation-ID": "c"}
    tomorrow = block("2026-01-03T00:00:00Z", "2026-01-03T01:00:00Z", 1)
    message = {**ADJUSTMENT, "forecasted_blocks": [tomorrow]}
    with Simulator(world, clock=clock) as simulator, simulator.session() as session:
        url = f"{IN_PROCESS_URL}/oscp/cp/2.0/adjust_group_capacity_forecast"
        with pytest.raises(exceptions.ReadTimeout):
            session.post(url, json=message, headers=headers, timeout=5)
    assert (clock.now() - NOW).total_seconds() == 5


def test_a_client_without_patience_waits_until_the_server_gives_up(simulator: Simulator) -> None:
    simulator.faults.add(where="solaruser", fault="no_answer")
    with simulator.session() as session, pytest.raises(exceptions.ConnectionError):
        session.get(f"{IN_PROCESS_URL}{VIEW}")


REASONS: dict[str, str] = {
    "connection_refused": "Connect to http://simulator.invalid:80 failed: Connection refused",
    "reset_before": "Connection reset",
    "reset_after": "Connection reset",
    "no_answer": "Read timed out",
    "garbage": "Connection broken",
}


@pytest.mark.parametrize(("fault", "reason"), REASONS.items())
def test_what_the_flexibility_provider_says(
    simulator: Simulator, clock: FrozenClock, fault: str, reason: str
) -> None:
    simulator.faults.add(where="capacity_provider", path="/handshake", fault=fault)
    post(simulator, instruction())
    clock.advance(60)
    row = simulator.shared.instructions.get(1)
    assert row is not None
    assert row.state == "Declined"
    assert str(row.result["error"]).endswith(f'handshake": {reason}')


def test_a_flask_application_says_what_it_cannot_do(simulator: Simulator) -> None:
    client = simulator.application.test_client()
    simulator.faults.add(where="solaruser", fault="reset_after", times=1)
    simulator.faults.add(where="solaruser", fault="status", status=418, times=1)
    simulator.faults.add(where="solaruser", fault="half_answer")
    path = f"{VIEW}?id=1"
    assert client.get(path).status_code == 502
    assert client.get(path).status_code == 418
    half = client.get(path)
    assert len(half.data) == int(half.headers["Content-Length"]) // 2


# Between the parties.


def actions(simulator: Simulator) -> list[str | None]:
    got = [each for each in delivered(simulator) if not each.sent]
    return [each.action for each in got]


def two(simulator: Simulator) -> None:
    post(simulator, instruction())
    post(simulator, instruction(action="GroupCapacityComplianceError", msg='{"message":"m"}'))


ONE, OTHER = "Handshake", "GroupCapacityComplianceError"
HANDED: list[tuple[str, dict[str, Any], float, list[str]]] = [
    ("lost", {}, 60, [OTHER]),
    ("late", {}, 4, [OTHER]),
    ("late", {}, 6, [OTHER, ONE]),
    ("late", {"by": "20s"}, 19, [OTHER]),
    ("late", {"by": "20s"}, 21, [OTHER, ONE]),
    ("doubled", {}, 60, [ONE, OTHER]),
    ("reordered", {}, 0, [OTHER, ONE]),
    ("reordered", {}, 60, [OTHER, ONE]),
]


@pytest.mark.parametrize(("fault", "words", "seconds", "expected"), HANDED)
def test_what_becomes_of_a_hand_off(  # noqa: PLR0917 - a table
    simulator: Simulator,
    clock: FrozenClock,
    fault: str,
    words: dict[str, Any],
    seconds: float,
    expected: list[str],
) -> None:
    simulator.faults.add(where="hand_off", action=ONE, fault=fault, **words)
    two(simulator)
    clock.advance(seconds)
    assert actions(simulator) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(29, []), (31, [ONE])])
def test_who_waits_to_be_overtaken_waits_no_longer_than_it_may(
    simulator: Simulator, clock: FrozenClock, seconds: float, expected: list[str]
) -> None:
    simulator.faults.add(where="hand_off", fault="reordered")
    post(simulator, instruction())
    clock.advance(seconds)
    assert actions(simulator) == expected


TEXT = "".join(f"{number:03d}." for number in range(150))
CUT = f'{{"message":"{TEXT}"}}'
FIRST, SECOND, THIRD = CUT[:256], CUT[256:512], CUT[512:]
DAMAGED: dict[str, tuple[str, int, str]] = {
    "dropped": ("part_dropped", 2, FIRST + THIRD),
    "doubled": ("part_doubled", 2, FIRST + SECOND + SECOND + THIRD),
    "swapped": ("parts_swapped", 2, FIRST + THIRD + SECOND),
    "cut": ("part_cut", 2, FIRST + SECOND[:128] + THIRD),
    "too few": ("part_dropped", 4, CUT),
    "none behind it": ("parts_swapped", 3, CUT),
}


@pytest.mark.parametrize(("fault", "part", "expected"), DAMAGED.values(), ids=DAMAGED)
def test_what_becomes_of_a_part(simulator: Simulator, fault: str, part: int, expected: str) -> None:
    armed = simulator.faults.add(where="solaruser", fault=fault, part=part)
    stored = post(simulator, instruction(action=OTHER, msg=CUT))
    pieces = [each["value"] for each in stored.data["parameters"] if each["name"] == "msg"]
    row = simulator.shared.instructions.get(1)
    assert row is not None
    assert row.parameters["msg"] == expected
    assert len(pieces) in {2, 3}
    assert bool(armed.struck) is (expected != CUT)


def test_a_delivery_that_is_sent_twice_bears_the_same_ids(simulator: Simulator) -> None:
    simulator.faults.add(where="capacity_provider", fault="sent_twice", times=1)
    post(simulator, instruction())
    settled(simulator)
    got = [each for each in delivered(simulator) if not each.sent]
    first, second = (each.request.fields["x-request-id"] for each in got if each.request)
    assert first == second
    assert [each.status for each in got] == [204, 204]


def world_with(url: str) -> dict[str, Any]:
    provider = {**GRID, "token": "t", "base_url": url}
    return world(user(1, tokens=TOKENS, capacity_providers=[provider]))


TO_REAL: list[tuple[dict[str, Any], int, str]] = [
    ({"fault": "sent_twice"}, 2, "Completed"),
    ({"fault": "reset_after"}, 1, "Declined"),
    ({"fault": "reset_before"}, 0, "Declined"),
    ({"fault": "no_answer"}, 1, "Declined"),
    ({"fault": "status", "status": 500}, 0, "Declined"),
    ({"fault": "status", "status": 503}, 1, "Completed"),
    ({"fault": "delay", "by": "2s"}, 1, "Completed"),
    ({"fault": "delay", "by": "30s"}, 1, "Declined"),
    ({"fault": "token_revoked"}, 1, "Completed"),
]


@pytest.mark.parametrize(("words", "asked", "state"), TO_REAL, ids=str)
def test_on_the_way_to_a_real_provider(words: dict[str, Any], asked: int, state: str) -> None:
    clock = FrozenClock(NOW)
    with Provider() as real, Simulator(world_with(real.url), clock=clock) as simulator:
        armed = simulator.faults.add(where="capacity_provider", times=1, **words)
        post(simulator, instruction())
        clock.advance(60)
        row = simulator.shared.instructions.get(1)
        assert row is not None
        assert row.state == state
        assert len(real.asked) == asked
        assert (armed.struck, len(whys(simulator))) == (1, 1)
        shown = [dict(headers)["Authorization"] for _, headers, _ in real.asked]
        assert shown == ["Token t-revoked" if "token" in words["fault"] else "Token t"] * asked


def deliver(simulator: Simulator) -> int | None:
    post(simulator, instruction())
    return [each for each in delivered(simulator) if not each.sent][-1].status


PARTIES: dict[str, Callable[[Simulator], int | None]] = {
    "solaruser": lambda simulator: get(simulator, f"{VIEW}?id=1").status,
    "capacity_provider": deliver,
    "flexibility_provider": lambda simulator: simulator.provider(3).heartbeat().status,
}


@pytest.mark.parametrize(("where", "asked"), PARTIES.items(), ids=PARTIES)
def test_each_party_refuses_a_token_that_was_revoked(
    simulator: Simulator, where: str, asked: Callable[[Simulator], int | None]
) -> None:
    before = asked(simulator)
    assert before is not None
    assert before < 300
    simulator.faults.add(where=where, fault="token_revoked", times=1)
    after = asked(simulator)
    assert after in {401, 403}
    assert asked(simulator) == before


@pytest.mark.parametrize("word", ["ahead", "behind"])
def test_a_wrong_clock_is_one_party_s_alone(
    simulator: Simulator, clock: FrozenClock, word: str
) -> None:
    simulator.faults.add(where="solaruser", fault="clock", times=1, **{word: "20m"})
    assert post(simulator, instruction()).json["message"].startswith("Date skew too large")
    assert clock.now() == NOW
    assert post(simulator, instruction()).status == 200


def rules_of_heartbeat(simulator: Simulator, where: PartyName) -> set[str]:
    if where == "flexibility_provider":
        simulator.provider(3).heartbeat()
    else:
        headers = [
            ("Authorization", "Token cp-token"),
            ("Content-Type", "application/json"),
            ("X-Request-ID", "r1"),
        ]
        body = encoded({"offline_mode_at": "2026-01-02T03:09:05Z"})
        ask(simulator, "POST", "/oscp/cp/2.0/heartbeat", headers, body)
    entries = simulator.journal.entries(party=where, action="Heartbeat", sent=False)
    return {each["rule"] for entry in entries for each in entry.findings}


@pytest.mark.parametrize("where", ["flexibility_provider", "capacity_provider"])
def test_to_a_party_whose_clock_is_ahead_a_heartbeat_is_past(
    simulator: Simulator, where: PartyName
) -> None:
    before = rules_of_heartbeat(simulator, where)
    simulator.faults.add(where=where, fault="clock", ahead="10d")
    assert "S12" not in before
    assert "S12" in rules_of_heartbeat(simulator, where)


@pytest.mark.parametrize("action", ["Heartbeat", "UpdateGroupCapacityForecast"])
def test_a_provider_writes_by_its_own_clock(simulator: Simulator, action: str) -> None:
    provider = simulator.provider(3)

    def written() -> str:
        if action == "Heartbeat":
            provider.heartbeat()
        else:
            provider.forecast(capacities=[1])
        (entry,) = simulator.journal.entries(party="capacity_provider", action=action, sent=True)
        simulator.journal.clear()
        return entry.request.text if entry.request else ""

    right = written()
    simulator.faults.add(where="capacity_provider", action=action, fault="clock", behind="10d")
    assert "2026-01-0" in right
    assert "2025-12-2" in written()


def test_the_flexibility_provider_writes_by_its_own_clock(clock: FrozenClock) -> None:
    world = Path(__file__).parents[2] / "scenarios/parties/worlds/heartbeats.yaml"
    with Simulator(world, clock=clock) as simulator:
        simulator.faults.add(where="flexibility_provider", fault="clock", behind="10d")
        clock.advance("10m")
        sent = simulator.journal.entries(
            party="flexibility_provider", action="Heartbeat", sent=True
        )
        assert sent
        assert all(each.request and "2025-12-2" in each.request.text for each in sent)


# The scenarios.


def test_each_fault_has_a_scenario() -> None:
    shown = {rule.fault for each in load_scenarios([FOLDER]) for rule in each.faults}
    assert shown == set(KINDS)


# What a report has to say where the message was delivered though the sender has no success.
ADMITS = ("may have acted", "was queued before", "was last seen as")


SENT = [each.name for each in load_scenarios([FOLDER]) if isinstance(each.steps[0].does, Send)]


@pytest.mark.parametrize("name", SENT)
def test_the_sender_says_what_is_lost_or_may_come_twice(name: str) -> None:
    [report] = [each for each in reported_faults() if each.scenario == name]
    told, count = report.step.told, report.messages
    assert count <= 1
    if report.step.settled == "PossiblySent":
        assert "about another instruction" in told
    elif report.step.outcome == "PossiblySent":
        assert report.step.settled == ("Completed" if count else "nothing")
    elif not told:
        assert (report.step.outcome, count) == ("Completed", 1)
    elif count:
        assert any(each in told for each in ADMITS)


@pytest.mark.parametrize(("senders", "since"), [(1, "1ms"), (2, "2s"), (2, "500ms")])
def test_an_equal_message_that_was_sent_before_is_not_taken_for_a_lost_one(
    simulator: Simulator, clock: FrozenClock, senders: int, since: str
) -> None:
    where: Any = {"session": simulator.session(), "clock": clock.now}
    clients = [SolarUserClient(IN_PROCESS_URL, TOKEN, SECRET, **where) for _ in range(senders)]
    to: dict[str, Any] = {"node_id": 1, "co_id": 1, "cg_identifier": "foo-group"}
    earlier = clients[0].send("GroupCapacityComplianceError", {"message": "m"}, **to)
    clock.advance(since)
    simulator.faults.add(where="solaruser", path="/instr/add/OSCP_v20", fault="reset_before")
    with pytest.raises(PossiblySent) as lost:
        clients[-1].send("GroupCapacityComplianceError", {"message": "m"}, **to)
    with pytest.raises(PossiblySent) as unknown:
        clients[-1].settle(lost.value)
    doubtful = [earlier.id] if since == "500ms" else []
    assert [each.id for each in unknown.value.alike] == doubtful
    clock.advance("20m")
    assert doubtful or clients[-1].settle(lost.value) is None


def test_time_stands_for_who_is_not_simulated() -> None:
    with Simulator() as simulator:
        simulator.faults.add(where="solaruser", fault="delay", by="1ms", times=1)
        client = SolarUserClient(IN_PROCESS_URL, TOKEN, SECRET, session=simulator.session())
        assert client.view(1) is None
        assert datetime.now(UTC) > NOW
