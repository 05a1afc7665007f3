"""SolarNetwork's own Capacity Provider simulator as a profile, beyond what was recorded of it.

`tests/recorded` puts the 98 recorded requests to it (oscp20.md §6).
"""

from __future__ import annotations

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Response
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.oscp_sim.other_side import HEARTBEAT, OtherSide, facing, rules, simulated, world
from tests.oscp_sim.rig import ADJUSTMENT, HOST, NOW, PROVIDER_TOKEN, Answer, ask

NAME = "oscp-sim-cp"
INTERNAL_ERROR = '{"success":false,"message":"Internal error"}'
ADJUST = "AdjustGroupCapacityForecast"
MESSAGES = {
    "Handshake": {"required_behaviour": {}},
    "HandshakeAcknowledge": {"required_behaviour": {}},
    "Heartbeat": HEARTBEAT,
    "UpdateGroupMeasurements": {"group_id": "nope", "measurements": []},
    "Register": {"token": "t", "version_url": [{"version": "2.0", "base_url": "http://x"}]},
    ADJUST: {},
    "GroupCapacityComplianceError": {},
}


def told(action: str, message: object, **how: str | None) -> tuple[Response, list[str]]:
    """What it answers, and the rules of the findings."""
    with facing(profile=NAME) as other:
        answer = other.tell(action, message, **how)  # type: ignore[arg-type]
        return answer, rules(other.simulator)


@pytest.mark.parametrize("action", MESSAGES)
@pytest.mark.parametrize("shown", [None, "Token nope", f"Bearer {PROVIDER_TOKEN}", "Token"])
def test_two_messages_need_no_token(action: str, shown: str | None) -> None:
    how = {"token": None} if shown is None else {"authorization": shown}
    answer, found = told(action, MESSAGES[action], **how)
    is_free = action in {ADJUST, "GroupCapacityComplianceError"}
    assert (answer.status, answer.text) == ((204, "") if is_free else (500, INTERNAL_ERROR))
    assert {"X1", "X4", "X5"} & set(found)


@pytest.mark.parametrize("action", MESSAGES)
def test_what_it_takes_against_the_schema_is_a_finding(action: str) -> None:
    answer, found = told(action, MESSAGES[action], request_id=None)
    assert answer.status == 204
    assert found or action in {"Heartbeat", "Register"}
    assert [name for name, _ in answer.headers] == ["Vary"] * 3


def block(**changed: object) -> dict[str, object]:
    return {**ADJUSTMENT, "forecasted_blocks": [{**ADJUSTMENT["forecasted_blocks"][0], **changed}]}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({**ADJUSTMENT, "forecasted_blocks": [None]}, 204),
        (block(capacity="42"), 204),
        (block(capacity=None), 204),
        (block(capacity=[1]), 500),
        (block(capacity="much"), 500),
        (block(unit="kw"), 500),
        (block(unit=7), 500),
        (block(start_time=1_900_000_000_000), 204),
        (block(start_time="2031-02-30T24:00:00Z"), 204),
        (block(start_time="2031-03-01T16:00:00.1Z"), 500),
        (block(start_time="2031-03-32T16:00:00Z"), 500),
        (block(start_time={}), 500),
        ({"group_id": 7}, 204),
        ({"group_id": {}}, 500),
        ([], 500),
        ("null", 500),
        (" ", 500),
        ("{} {}", 500),
        ("[" * 501 + "]" * 501, 500),
    ],
)
def test_a_body_is_read_as_its_classes_do(message: object, status: int) -> None:
    answer, _ = told(ADJUST, message)
    assert answer.status == status
    assert ("WEB.00200" in answer.text) == (status == 500)


def test_an_enumeration_without_a_name_is_refused_as_others() -> None:
    wrong = {"group_id": "g", "measurements": [{"direction": "UP"}]}
    answer, _ = told("UpdateGroupMeasurements", wrong)
    assert (answer.status, "problem: UP" in answer.text) == (500, True)


def test_a_wrong_time_says_where_reading_stops() -> None:
    answer, _ = told("Heartbeat", {"offline_mode_at": "2031-03-01 16:00:00Z"})
    assert "Text '2031-03-01 16:00:00Z' could not be parsed at index 10\"" in answer.text


def test_a_register_does_not_show_its_token() -> None:
    for body in ('{"token": hush}', '"hush"', '{"token": {"hush": 1}}'):
        answer, _ = told("Register", body)
        assert answer.status == 500
        assert "hush" not in answer.text


@pytest.mark.parametrize(
    ("action", "message", "name"),
    [
        ("Heartbeat", {"offline_mode_at": " "}, "input.offline_mode_at"),
        ("Handshake", {"required_behaviour": None}, "required_behaviour"),
        ("Register", {"version_url": []}, "token"),
    ],
)
def test_it_says_what_it_cannot_do_without(action: str, message: object, name: str) -> None:
    answer, _ = told(action, message)
    text = f"Illegal argument: The {name} argument must not be null."
    assert (answer.status, answer.text) == (422, f'{{"success":false,"message":"{text}"}}')


@pytest.mark.parametrize(
    "versions", [[], [None], [{}], [{"version": "2.1", "base_url": "http://x"}]]
)
def test_without_version_2_0_there_is_no_registration(versions: object) -> None:
    answer, _ = told("Register", {"token": "t", "version_url": versions})
    assert answer.status == 501


def asked(path: str, method: str = "POST", **world_of: object) -> Answer:
    plays = world_of.pop("plays", ["capacity_provider"])
    simulator = Simulator(world(profile=NAME), clock=FrozenClock(NOW), plays=plays)  # type: ignore[arg-type]
    headers = [("Host", HOST), ("Authorization", f"Token {PROVIDER_TOKEN}")]
    body = b'{"group_id": "g", "offline_mode_at": "2031-03-01T16:00:00Z"}'
    return ask(simulator, method, path, [*headers, ("Content-Type", "application/json")], body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/alt/oscp-heartbeat", 204),
        ("POST", "/alt/oscp-update-group-measurements", 204),
        ("POST", "/alt/oscp-update-asset-measurements", 204),
        ("POST", "/oscp/co/2.0/update_asset_measurements", 204),
        ("POST", "/oscp/cp/2.0/alt/oscp-heartbeat", 404),
        ("GET", "/oscp/cp/2.0//heartbeat", 404),
        ("HEAD", "/oscp/cp/2.0/heartbeat", 401),
        ("HEAD", "/oscp/cp/2.0/nope", 401),
        ("PUT", "/alt/oscp-heartbeat", 405),
    ],
)
def test_it_has_paths_elsewhere(method: str, path: str, status: int) -> None:
    assert asked(path, method).status == status


def test_a_misspelt_path_is_told_in_the_journal_alone() -> None:
    with facing(profile=NAME) as other:
        answer = other.tell("Heartbeat", HEARTBEAT, path="/heart_beat")
        (entry,) = other.simulator.journal.entries(kind="exchange")
    assert entry.detail["why"].endswith('is it "heartbeat"?')
    assert "is it" not in answer.text


def test_a_capacity_optimizer_keeps_its_own_path() -> None:
    path = "/oscp/co/2.0/update_asset_measurements"
    answer = asked(path, plays=["capacity_provider", "capacity_optimizer"])
    assert answer.status in {400, 401, 403}
    assert "Vary" not in dict(answer.headers)


def test_it_acknowledges_with_what_it_was_asked_for_and_correlates_nothing() -> None:
    with facing(profile=NAME) as other:
        behaviour = {"heartbeat_interval": 3600, "measurement_configuration": ["CONTINUOUS"]}
        other.tell("Handshake", {"required_behaviour": behaviour})
        other.simulator.clock.advance(2)
        (got,) = other.got
        assert (got.action, got.json) == ("HandshakeAcknowledge", {"required_behaviour": behaviour})
        assert got.header("X-Correlation-ID") is None


def test_a_register_brings_a_token_alone_and_is_not_answered() -> None:
    with facing(profile=NAME) as other:
        before = other.provider.registration.url
        assert other.tell("Register", MESSAGES["Register"]).status == 204
        other.simulator.clock.advance(60)
        assert other.got == []
        other.provider.heartbeat()
        assert other.got[0].header("Authorization") == "Token t"
        assert other.provider.registration.url == before


def test_it_beats_on_the_minute_as_often_as_it_has_asked_for_and_one_interval_ahead() -> None:
    with facing(profile=NAME) as other:
        other.simulator.clock.advance(300)
        assert other.got == []
        other.provider.handshake(heartbeat_interval=100)
        other.simulator.clock.advance(300)
        beats = [each for each in other.got if each.action == "Heartbeat"]
        assert [each.at for each in beats] == ["03:10:00.000", "03:12:00.000", "03:14:00.000"]
        assert beats[0].json == {"offline_mode_at": "2026-01-02T03:12:00.000Z"}


def test_it_tries_once() -> None:
    with facing(profile=NAME) as other:
        other.answers = [500]
        other.tell("Handshake", {"required_behaviour": {}})
        other.simulator.clock.advance(60)
        assert other.actions() == ["HandshakeAcknowledge"]
        (note,) = other.simulator.journal.entries(kind="note")
        assert "not taken in 1 try" in note.detail["why"]


def test_a_number_beyond_64_bits_and_half_a_character_are_echoed_and_shown() -> None:
    with simulated(profile=NAME) as simulator, simulator.session() as session:
        other = OtherSide(simulator)
        many = "9" * 30
        other.tell("Handshake", f'{{"required_behaviour":{{"x":"\\ud800","y":{many}}}}}')
        simulator.clock.advance(2)
        (got,) = other.got
        shown = session.get(f"{IN_PROCESS_URL}/_sim/providers/3")
        assert got.json == {"required_behaviour": {"x": "\ud800", "y": int(many)}}
        # What no reader of UTF-8 could write again is shown escaped.
        (received,) = shown.json()["received"]
        assert received["body"] == {"required_behaviour": {"x": "\\ud800", "y": int(many)}}


@pytest.mark.parametrize("changed", [{"start_time": 5}, {"phase": None}, {"capacity": "42"}])
def test_what_is_against_the_schema_is_not_answered(changed: dict[str, object]) -> None:
    with facing("answer", profile=NAME) as other:
        assert other.tell(ADJUST, block(**changed)).status == 204
        assert other.tell(ADJUST, ADJUSTMENT).status == 204
        other.simulator.clock.advance(5)
        assert other.actions() == ["UpdateGroupCapacityForecast"]
        (note,) = other.simulator.journal.entries(kind="note")
        assert note.detail["why"].startswith("the adjustment is not answered")


@pytest.mark.parametrize("seconds", [-1, 0, 0.5, 1e300])
def test_no_interval_stops_its_clock(seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    with facing(profile=NAME) as other:
        other.provider.handshake(heartbeat_interval=seconds)
        other.simulator.clock.advance(600)
        other.provider.heartbeat()
        assert "Heartbeat" in other.actions()
        assert caplog.messages == []
