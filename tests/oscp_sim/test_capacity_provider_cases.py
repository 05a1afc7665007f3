"""The cases beyond the payload, and what a world may choose for them (oscp20.md §9.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Request
from oscp_sim.shared import Limits
from tests.oscp_sim.other_side import (
    CO,
    COMPLIANCE,
    CP,
    HEARTBEAT,
    OtherSide,
    facing,
    rules,
    simulated,
    world,
)
from tests.oscp_sim.rig import (
    ADJUSTMENT,
    BLOCK,
    NOW,
    PROVIDER_TOKEN,
    ask_over_network,
    encoded,
    shared_of,
)


def status(simulator: Simulator, action: str, message: object, **how: Any) -> int:  # noqa: ANN401
    return OtherSide(simulator).tell(action, message, **how).status


# --- cases of which only the world can tell ------------------------------------------------------

CHOSEN = {
    "X1: 403": ({"X1": 403}, {"token": None}, 403),
    "X2 accepted": ({"X2": 204}, {"authorization": f"token {PROVIDER_TOKEN}"}, 204),
    "X3: 401": ({"X3": 401}, {"token": f" {PROVIDER_TOKEN}"}, 401),
    "X4: 401": ({"X4": 401}, {"authorization": "Bearer opaque"}, 401),
    "X5: 401": ({"X5": 401}, {"token": "co-token"}, 401),
    "X7 accepted": ({"X7": 204}, {"request_id": None}, 204),
    "X13: 404": ({"X13": 404}, {"method": "PUT"}, 404),
    "X14: 400": ({"X14": 400}, {"content_type": "text/plain"}, 400),
    "X14 accepted": ({"X14": 204}, {"content_type": "text/plain"}, 204),
    "X17: 400": ({"X17": 400}, {"more": [("Content-Encoding", "gzip")]}, 400),
    "X20: 404": ({"X20": 404}, {"path": "//adjust_group_capacity_forecast"}, 404),
}


@pytest.mark.parametrize(("statuses", "how", "expected"), CHOSEN.values(), ids=CHOSEN)
def test_a_world_chooses_the_status_of_a_case(
    statuses: dict[str, int], how: dict[str, Any], expected: int
) -> None:
    with simulated({"statuses": statuses}) as simulator:
        got = status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT, **how)
        assert got == expected
        assert expected != 204 or set(statuses) <= set(rules(simulator))


@pytest.mark.parametrize(("chosen", "expected"), [(404, 404), (403, 403), (204, 204)])
def test_x19_an_unknown_group(chosen: int, expected: int) -> None:
    with simulated({"statuses": {"X19": chosen}}) as simulator:
        message = {**ADJUSTMENT, "group_id": "bar"}
        assert status(simulator, "AdjustGroupCapacityForecast", message) == expected
        assert ("X19" in rules(simulator)) == (expected == 204)


@pytest.mark.parametrize("encoding", ["identity", "Identity ", ""])
def test_x17_a_body_that_is_not_compressed(encoding: str) -> None:
    with simulated() as simulator:
        more = [("Content-Encoding", encoding)]
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT, more=more) == 204


@pytest.mark.parametrize(("longest", "expected"), [(-1, 413), (0, 204)])
def test_x18_the_longest_body_is_a_setting(longest: int, expected: int) -> None:
    limit = len(encoded(ADJUSTMENT)) + longest
    with simulated({"longest_body": limit}) as simulator:
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT) == expected
        (entry,) = simulator.journal.entries()
        assert entry.request is not None
        assert ("not read" in entry.request.text) == (expected == 413)


def test_x18_a_chunked_body_that_is_too_long() -> None:
    with simulated({"longest_body": 100}) as simulator:
        headers = [
            ("Host", "cp.test"),
            ("Authorization", f"Token {PROVIDER_TOKEN}"),
            ("Content-Type", "application/json"),
            ("X-Request-ID", "u"),
        ]
        answer = ask_over_network(
            simulator.url, "POST", f"{CP}/heartbeat", headers, chunks=[b" " * 60] * 3
        )
        assert answer.status == 413


def test_x8_the_same_request_id_twice_is_taken_and_recorded_as_a_duplicate(
    other: OtherSide,
) -> None:
    for _ in range(2):
        assert other.tell("AdjustGroupCapacityForecast", ADJUSTMENT, request_id="u1").status
    first, second = other.simulator.journal.entries(kind="exchange")
    found = [each for each in second.findings if each["rule"] == "S19"]
    assert [each["exchange"] for each in found] == [first.number]
    assert "S19" not in {each["rule"] for each in first.findings}


STRICT = {
    "X8": ("AdjustGroupCapacityForecast", ADJUSTMENT, {}, True),
    "X9": ("GroupCapacityComplianceError", COMPLIANCE, {}, False),
    "X10": ("GroupCapacityComplianceError", COMPLIANCE, {"correlation_id": "never"}, False),
    "X11": ("HandshakeAcknowledge", {}, {"correlation_id": "never"}, False),
    "X20": ("Heartbeat", HEARTBEAT, {"path": "//heartbeat"}, False),
    "S15": ("GroupCapacityComplianceError", COMPLIANCE, {}, False),
    "S1": (
        "AdjustGroupCapacityForecast",
        {**ADJUSTMENT, "forecasted_blocks": [{**BLOCK, "end_time": BLOCK["start_time"]}]},
        {},
        False,
    ),
}


@pytest.mark.parametrize(("action", "message", "how", "twice"), STRICT.values(), ids=STRICT)
@pytest.mark.parametrize("strict", [[], "own", True])
def test_a_flagged_case_is_refused_where_the_world_is_strict(  # noqa: PLR0917 - a table's columns
    request: pytest.FixtureRequest,
    action: str,
    message: dict[str, Any],
    how: dict[str, Any],
    twice: bool,
    strict: object,
) -> None:
    case = request.node.callspec.id.rpartition("-")[2]
    chosen = [case] if strict == "own" else strict
    settings = {"heartbeat_seconds": 60, "measurement_styles": ["Continuous"]}
    with facing({"strict": chosen}, settings=settings) as other:
        if twice and strict is not True:
            assert other.tell(action, message, **how).status == 204
        got = other.tell(action, message, **how)
        assert got.status == (204 if strict == [] else 400)
        if strict != []:
            assert other.provider.received[-1].status == 400
            assert b'"message"' in got.body


def test_information_is_never_a_refusal_where_all_findings_are_to_be() -> None:
    settings = {"heartbeat_seconds": 60, "measurement_styles": ["Continuous"]}
    with facing({"strict": True}, settings=settings) as other:
        energy = {**ADJUSTMENT, "forecasted_blocks": [{**BLOCK, "unit": "KWH"}]}
        other.provider.forecast(message=energy, request_id="r1")
        how: dict[str, Any] = {"correlation_id": "r1"}
        assert other.tell("AdjustGroupCapacityForecast", energy, **how).status == 204
        assert rules(other.simulator) == ["S7"]


def test_a_case_with_a_status_of_its_own_is_refused_with_that() -> None:
    with simulated({"statuses": {"X10": 404}}) as simulator:
        how: dict[str, Any] = {"correlation_id": "never"}
        assert status(simulator, "GroupCapacityComplianceError", COMPLIANCE, **how) == 404


def test_x10_is_no_case_where_the_forecast_was_sent() -> None:
    with facing({"strict": ["X9", "X10", "S15", "S18"]}) as other:
        assert other.provider.forecast(message=ADJUSTMENT, request_id="r1").status == 204
        how: dict[str, Any] = {"correlation_id": "r1"}
        assert other.tell("GroupCapacityComplianceError", COMPLIANCE, **how).status == 204
        # One that the Flexibility Provider has refused was never given.
        other.answers = [403]
        assert other.provider.forecast(message=ADJUSTMENT, request_id="r2").status == 403
        how = {"correlation_id": "r2"}
        assert other.tell("GroupCapacityComplianceError", COMPLIANCE, **how).status == 400


def test_x12_a_message_before_the_handshake_is_flagged() -> None:
    with simulated(registration_status="Pending") as simulator:
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT) == 204
        assert "S17" in rules(simulator)
    with simulated() as simulator:
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT) == 204
        assert "S17" not in rules(simulator)


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_x20_a_double_slash_is_taken_and_flagged(slashes: str) -> None:
    with simulated() as simulator:
        assert status(simulator, "Heartbeat", HEARTBEAT, path=f"{slashes}heartbeat") == 204
        assert "X20" in rules(simulator)
        assert simulator.provider(3).received[-1].action == "Heartbeat"


@pytest.mark.parametrize("depth", range(940, 1010, 10))
def test_what_is_almost_too_deep_can_be_read_afterwards(depth: int) -> None:
    measured = (
        '{"value": 1, "phase": "ALL", "unit": "KWH", "direction": "IMPORT", '
        f'"measure_time": "2026-05-04T16:30:00Z", "asset_id": {"[" * depth + "]" * depth}}}'
    )
    with simulated() as simulator:
        body = f'{{"group_id": "foo-group", "measurements": [{measured}]}}'.encode()
        assert status(simulator, "UpdateGroupMeasurements", body) in {204, 500}
        assert simulator.journal.entries()[-1].findings == ()
        assert (
            simulator.handle(Request("GET", "/_sim/journal", (("host", "localhost"),))).status
            == 200
        )


def test_a_journal_with_a_limit_holds_as_much_of_what_is_yet_to_be_judged() -> None:
    held = []
    message = {**ADJUSTMENT, "a": "x" * 1_000_000}
    for behaviour in None, {"strict": ["S12"]}:
        limits = Limits(journal=1000)
        with Simulator(world(behaviour), clock=FrozenClock(NOW), limits=limits) as simulator:
            for _ in range(40):
                assert status(simulator, "AdjustGroupCapacityForecast", message) == 204
            held.append(len(simulator.journal.entries()))
    assert held[0] == held[1] < 40


def test_findings_have_one_order_whatever_is_refused() -> None:
    found = []
    for behaviour in None, {"strict": ["S19"]}:
        with facing(behaviour) as other:
            message = {**ADJUSTMENT, "forecasted_blocks": [BLOCK, BLOCK]}
            assert other.tell("AdjustGroupCapacityForecast", message).status == 204
            found.append(rules(other.simulator))
    assert found[0] == found[1]
    assert len(set(found[0])) > 1


# --- X21 -----------------------------------------------------------------------------------------


def segment(index: int, count: int) -> dict[str, Any]:
    return {"more": [("X-Segment-Index", str(index)), ("X-Segment-Count", str(count))]}


LATER = {**BLOCK, "start_time": BLOCK["end_time"], "end_time": "2026-05-04T17:30:00Z"}


@pytest.mark.parametrize("profile", ["specification", "solarnetwork"])
def test_x21_segments_are_put_together_or_flagged(profile: str) -> None:
    with facing({"adjustments": "answer"}, profile=profile) as other:
        action = "AdjustGroupCapacityForecast"
        second = {**ADJUSTMENT, "forecasted_blocks": [LATER]}
        assert other.tell(action, ADJUSTMENT, request_id="u1", **segment(1, 2)).status == 204
        assert "X21" in rules(other.simulator)
        whole = profile == "solarnetwork"
        assert other.simulator.pending == whole
        how: dict[str, Any] = {"request_id": "u2", "correlation_id": "u1"}
        assert other.tell(action, second, **how, **segment(2, 2)).status == 204
        got = other.provider.received[-1].body["forecasted_blocks"]
        assert got == ([LATER] if whole else [BLOCK, LATER])
        other.simulator.clock.advance(1)
        assert len(other.got) == 1 + whole
        assert other.got[0].header("X-Correlation-ID") == "u1"


def test_x21_what_is_put_together_is_judged_as_a_whole(other: OtherSide) -> None:
    action = "AdjustGroupCapacityForecast"
    assert other.tell(action, ADJUSTMENT, request_id="u1", **segment(1, 2)).status == 204
    assert "S2" not in rules(other.simulator)
    how: dict[str, Any] = {**segment(2, 2), "request_id": "u2", "correlation_id": "u1"}
    assert other.tell(action, ADJUSTMENT, **how).status == 204
    assert "S2" in rules(other.simulator)
    assert "S2" in {each.rule for each in other.provider.received[-1].findings}


def test_x21_a_segment_that_belongs_to_nothing_is_flagged_and_not_acted_on() -> None:
    with simulated("answer") as simulator:
        how: dict[str, Any] = {**segment(2, 2), "correlation_id": "never"}
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT, **how) == 204
        assert "X21" in rules(simulator)
        assert simulator.pending == 0


def test_x21_a_capacity_optimizer_flags_them(other: OtherSide) -> None:
    how: dict[str, Any] = {**segment(1, 2), "token": "co-token", "to": CO}
    assert other.tell("UpdateGroupCapacityForecast", ADJUSTMENT, **how).status == 204
    assert "X21" in rules(other.simulator)
    assert other.simulator.optimizer(1).received[-1].body == ADJUSTMENT


# --- what SolarNetwork itself does wrong ---------------------------------------------------------

EMPTY = {"group_id": "foo-group", "measurements": []}
LENIENT = {
    "acknowledge": ("HandshakeAcknowledge", {"required_behaviour": {}}, 204),
    "handshake": ("Handshake", {"required_behaviour": {}}, 422),
    "group measurements": ("UpdateGroupMeasurements", EMPTY, 422),
    "asset measurements": ("UpdateAssetMeasurement", EMPTY, 422),
}


@pytest.mark.parametrize(("action", "message", "by_service"), LENIENT.values(), ids=LENIENT)
@pytest.mark.parametrize("profile", ["specification", "solarnetwork"])
def test_what_solarnetwork_sends_against_its_schema_is_taken_with_a_finding(
    action: str, message: object, by_service: int, profile: str
) -> None:
    with simulated(profile=profile) as simulator:
        expected = by_service if profile == "solarnetwork" else 204
        assert status(simulator, action, message) == expected
        (entry,) = simulator.journal.entries(kind="exchange")
        layers = [(each["layer"], each["severity"]) for each in entry.findings]
        assert ("schema", "error" if expected == 422 else "warning") in layers


def test_other_violations_are_refused_beside_what_is_lenient() -> None:
    with simulated() as simulator:
        message = {"required_behaviour": {"heartbeat_interval": "60"}}
        assert status(simulator, "HandshakeAcknowledge", message) == 400
        wrong = {"group_id": 7, "measurements": []}
        assert status(simulator, "UpdateGroupMeasurements", wrong) == 400


@pytest.mark.parametrize("group", [["foo-group"], {}, None, 7, "nope"])
def test_a_group_where_none_belongs_may_be_anything(group: object) -> None:
    with simulated() as simulator:
        expected = 404 if isinstance(group, int | str) else 204
        assert status(simulator, "Heartbeat", {**HEARTBEAT, "group_id": group}) == expected


def test_a_number_beyond_a_double_is_taken_and_shown_as_text() -> None:
    with simulated() as simulator:
        body = encoded(ADJUSTMENT).replace(b"42", b"1e400")
        assert status(simulator, "AdjustGroupCapacityForecast", body) == 204
        shown = simulator.provider(3).to_dict()["received"][0]["body"]
        assert shown["forecasted_blocks"][0]["capacity"] == "1E+400"


def test_a_profile_has_its_own_envelope_and_statuses() -> None:
    with facing(profile="solarnetwork") as other:
        action = "AdjustGroupCapacityForecast"
        reply = other.tell(action, {**ADJUSTMENT, "group_id": "bar"})
        assert (reply.status, reply.text) == (403, '{"success": false, "message": "ACCESS_DENIED"}')
        assert other.tell(action, "{}").status == 422
        assert other.tell(action, "{", request_id="b").status == 422
        assert other.tell(action, ADJUSTMENT, token=None).status == 403
        assert other.tell("Heartbeat", HEARTBEAT, request_id=None).status == 204
        assert other.tell(action, ADJUSTMENT, request_id=None).status == 400
        assert other.tell("Handshake", {}).status == 422
        assert other.tell("Heartbeat", HEARTBEAT, path="//heartbeat").status == 400


# --- url-paths -----------------------------------------------------------------------------------


def test_alternative_paths_are_served() -> None:
    paths = {"Heartbeat": "/alt/oscp-heartbeat", "UpdateAssetMeasurements": "/alt/assets"}
    with facing(service_props={"url-paths": paths}) as other:
        assert other.tell("Heartbeat", HEARTBEAT, path="/alt/oscp-heartbeat").status == 204
        assert other.tell("Heartbeat", HEARTBEAT).status == 204
        assert other.tell("Heartbeat", HEARTBEAT, path="/alt/other").status == 404
        assert other.tell("Heartbeat", method="GET", path="/alt/oscp-heartbeat").status == 405
        assert other.tell("UpdateAssetMeasurement", EMPTY, path="/alt/assets").status == 204
        actions = [each.action for each in other.provider.received]
        assert actions[:2] == ["Heartbeat"] * 2
        assert actions[-1] == "UpdateAssetMeasurement"


# --- Bearer --------------------------------------------------------------------------------------


def test_an_access_token_is_as_good_as_a_token() -> None:
    props = {
        "oauth-token-url": "http://simulator.invalid/oauth/token",
        "oauth-client-id": "fp",
        "oauth-client-secret": "very-secret",
    }
    with facing(service_props=props) as other:
        granted = shared_of(other.simulator).access_tokens.issue("fp", "very-secret")
        assert granted is not None
        bearer = f"Bearer {granted.text}"
        assert other.tell("Heartbeat", HEARTBEAT, authorization=bearer).status == 204
        assert other.tell("Heartbeat", HEARTBEAT).status == 204
        assert (
            other.tell("Heartbeat", HEARTBEAT, authorization=f"Token {granted.text}").status == 403
        )
        assert other.tell("Heartbeat", HEARTBEAT, authorization="Bearer x").status == 403
        other.simulator.clock.advance(timedelta(hours=2))
        assert other.tell("Heartbeat", HEARTBEAT, authorization=bearer).status == 403


def test_an_access_token_of_another_system_is_good_for_nothing() -> None:
    def provider(number: int) -> dict[str, Any]:
        props = {
            "oauth-token-url": "http://simulator.invalid/oauth/token",
            "oauth-client-id": f"fp-{number}",
            "oauth-client-secret": f"secret-{number}",
        }
        return {"id": number, "name": "x", "token": f"token-{number}", "service_props": props}

    made = {"users": [{"id": 42, "capacity_providers": [provider(1), provider(2)]}]}
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        other = OtherSide(simulator)
        granted = shared_of(simulator).access_tokens.issue("fp-2", "secret-2")
        assert granted is not None
        bearer = f"Bearer {granted.text}"
        assert other.tell("Heartbeat", HEARTBEAT, authorization=bearer).status == 204
        assert simulator.provider(1).received == ()
        assert len(simulator.provider(2).received) == 1


# --- what is allowed, and nearly always a mistake -------------------------------------------------


def test_blocks_are_past_by_the_clock_of_the_simulator() -> None:
    clock = FrozenClock(NOW)
    with Simulator(world(), clock=clock) as simulator:
        assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT) == 204
        assert "past-blocks" not in rules(simulator)
        clock.advance(timedelta(days=200))
        later = {**ADJUSTMENT, "type": "GENERATION"}
        assert status(simulator, "AdjustGroupCapacityForecast", later, request_id="u2") == 204
        assert "past-blocks" in rules(simulator)


def test_a_message_that_came_before_is_told_apart_from_a_duplicate() -> None:
    with simulated() as simulator:
        for request_id in ("u1", "u2", "u2"):
            tell = {"request_id": request_id}
            assert status(simulator, "AdjustGroupCapacityForecast", ADJUSTMENT, **tell) == 204
        entries = simulator.journal.entries(kind="exchange", sent=False)
        found = [{each["rule"] for each in entry.findings} for entry in entries]
        assert [sorted(each & {"S19", "same-message"}) for each in found] == [
            [],
            ["same-message"],
            ["S19"],
        ]
