"""The whole way: what an integrator's program sends arrives with the same meaning, or it is told.

What arrives is held against a restatement of oscp20.md §3.2 and §3.3, made for this test: times
as instants cut to milliseconds, numbers as doubles, unknown properties gone, nothing else changed.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from oscp_send import OscpSendError, SolarUserClient
from oscp_send.errors import InstructionDeclined, InvalidMessage
from oscp_send.messages import MESSAGES
from oscp_send.testing import Sample, correlation_ids, damaged, messages
from oscp_send.times import read_instant
from oscp_send.values import InvalidValue
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.outgoing import IN_PROCESS_URL
from tests.effort import examples
from tests.oscp_sim.rig import NOW, SECRET, TOKEN, delivered, settled
from tests.oscp_sim.worlds import TOKENS, group, user, world

if TYPE_CHECKING:
    from collections.abc import Callable

    from oscp_schemas.date_time import Fidelity
    from oscp_send.messages import Message

NUMBERS, TIMES = {"capacity", "value", "heartbeat_interval"}, "_time"
BLOCK = {"capacity", "phase", "unit", "start_time", "end_time"}
ENERGY = {"value", "phase", "unit", "direction", "energy_type", "measure_time"}
ENERGY |= {"initial_measure_time"}
INSTANTANEOUS = {"value", "phase", "unit", "measure_time"}
ASSET = {"asset_id", "asset_category", "energy_measurement", "instantaneous_measurement"}
FORECAST = {"group_id", "type", "forecasted_blocks"}
# What OSCP 2.0 knows, by the name of the property that holds it; the messages by their action.
KNOWN: dict[str, set[str]] = {
    "AdjustGroupCapacityForecast": FORECAST,
    "GroupCapacityComplianceError": {"message", "forecasted_blocks"},
    "Handshake": {"required_behaviour"},
    "UpdateAssetMeasurement": {"group_id", "measurements"},
    "UpdateGroupCapacityForecast": FORECAST,
    "UpdateGroupMeasurements": {"group_id", "measurements"},
    "forecasted_blocks": BLOCK,
    "required_behaviour": {"heartbeat_interval", "measurement_configuration"},
    "energy_measurement": ENERGY,
    "instantaneous_measurement": INSTANTANEOUS,
}
ACTIONS = [action for action in KNOWN if action[0].isupper()]
WRITTEN_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')


def known_part(name: str, value: Any, action: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """The value without the properties that OSCP 2.0 does not know."""
    if isinstance(value, dict):
        known = KNOWN[action] if name == action else _known(name, action)
        return {key: known_part(key, each, action) for key, each in value.items() if key in known}
    if isinstance(value, list):
        return [known_part(name, each, action) for each in value]
    return value


def comparable(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON of any kind
    """The value with what may be written in several ways as what it means."""
    if isinstance(value, dict):
        return {key: comparable(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(name, each) for each in value]
    if name in NUMBERS:
        return float(value)
    if name.endswith(TIMES):
        when = read_instant(value)
        assert when is not None, value
        return when.replace(microsecond=when.microsecond // 1000 * 1000)
    return value


def assert_same(action: str, received: str, sent: dict[str, Any]) -> None:
    """Holds what arrived against what was sent: nothing is missing, changed or added."""
    expected = known_part(action, sent, action)
    assert comparable(action, json.loads(received)) == comparable(action, expected)


def _known(name: str, action: str) -> set[str]:
    if name == "measurements":
        return ASSET if action == "UpdateAssetMeasurement" else ENERGY
    return KNOWN[name]


def world_with(identifier: str) -> dict[str, Any]:
    return world(user(tokens=TOKENS, capacity_groups=[group(19, identifier)]))


def client_of(simulator: Simulator) -> SolarUserClient:
    def pause(seconds: float) -> None:
        simulator.wait_until_settled(seconds)

    return SolarUserClient(
        IN_PROCESS_URL,
        TOKEN,
        SECRET,
        session=simulator.session(),
        clock=simulator.clock.now,
        sleep=pause,
    )


def send(
    simulator: Simulator,
    action: str,
    message: Message | dict[str, Any] | str,
    group: str,
    correlation_id: str | None = None,
) -> None:
    """Sends a message and follows it to its end, as an integrator's program does."""
    client = client_of(simulator)
    queued = client.send(
        action,
        message,
        node_id=1,
        co_id=1,
        cg_identifier=group,
        correlation_id=correlation_id,
    )
    assert client.wait(queued, timeout=30).state == "Completed"


def arrived(simulator: Simulator) -> tuple[str, dict[str, str]]:
    """Body and headers of the one request that the Capacity Provider took."""
    settled(simulator)
    (exchange,) = delivered(simulator)
    assert exchange.request is not None
    assert exchange.response is not None
    assert exchange.response.status == 204
    return exchange.request.text, dict(exchange.request.headers)


groups = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.just("foo-group")
known_ids = st.none() | correlation_ids() | st.text("ab-_.~ :;=1", min_size=1, max_size=9)


@st.composite
def sendings(draw: st.DrawFn) -> tuple[str, dict[str, Any], str]:
    action, group = draw(st.sampled_from(ACTIONS)), draw(groups)
    _, message = draw(messages(action, st.just(group), sound=False))
    if draw(st.booleans()):
        for items in message.values():
            if isinstance(items, list) and items and isinstance(items[0], dict):
                items[0]["x-unknown"] = [{"a": 1}]
    return action, message, group


def as_text(message: dict[str, Any]) -> str:
    return json.dumps(message, indent=1, ensure_ascii=False)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sendings(), known_ids, st.sampled_from([dict, as_text]))
@example(("Handshake", {}, "foo-group"), None, dict)
@example(("GroupCapacityComplianceError", {"message": "\U0001f50b" * 300}, "g"), "r", as_text)
def test_a_valid_message_arrives_with_the_same_meaning_or_the_sender_raises(
    sending: tuple[str, dict[str, Any], str],
    correlation_id: str | None,
    written: Callable[[dict[str, Any]], dict[str, Any] | str],
) -> None:
    action, message, group = sending
    with Simulator(world_with(group), clock=FrozenClock(NOW)) as simulator:
        try:
            send(simulator, action, written(message), group, correlation_id)
        except (InvalidMessage, InvalidValue):
            assert simulator.journal.entries() == ()
            return
        body, headers = arrived(simulator)
    assert_same(action, body, message)
    assert headers.get("x-correlation-id") == correlation_id


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sendings())
def test_a_typed_message_does_so_too(sending: tuple[str, dict[str, Any], str]) -> None:
    action, message, group = sending
    message = known_part(action, message, action)
    try:
        typed = MESSAGES[action].from_dict(message)
    except InvalidValue:
        assume(False)
    with Simulator(world_with(group), clock=FrozenClock(NOW)) as simulator:
        try:
            send(simulator, action, typed, group)
        except (InvalidMessage, InvalidValue):
            assert simulator.journal.entries() == ()
            return
        body, _ = arrived(simulator)
    assert_same(action, body, message)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sendings())
def test_as_observed_it_arrives_or_the_service_says_why(
    sending: tuple[str, dict[str, Any], str],
) -> None:
    action, message, group = sending
    with Simulator(world_with(group), clock=FrozenClock(NOW), fidelity="observed") as simulator:
        try:
            send(simulator, action, message, group)
        except (InvalidMessage, InvalidValue):
            assert simulator.journal.entries() == ()
            return
        except InstructionDeclined:
            settled(simulator)
            assert action in {"UpdateAssetMeasurement", "UpdateGroupCapacityForecast"}
            assert delivered(simulator) == []
            return
        body, _ = arrived(simulator)
    assert_same(action, body, message)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sendings().flatmap(
        lambda sending: st.tuples(damaged(st.just(Sample(*sending[:2]))), st.just(sending[2]))
    )
)
def test_a_damaged_message_never_arrives_as_another(damage: tuple[Sample, str]) -> None:
    (action, message), group = damage
    with Simulator(world_with(group), clock=FrozenClock(NOW)) as simulator:
        try:
            send(simulator, action, message, group)
        except OscpSendError:
            settled(simulator)
            answers = [each.response for each in delivered(simulator)]
            assert [answer for answer in answers if answer and answer.status == 204] == []
            return
        body, _ = arrived(simulator)
    assert_same(action, body, message)


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
@pytest.mark.parametrize(
    "time",
    [
        "2026-05-04T16:30:00Z",
        "2026-05-04T16:30:00.120Z",
        "2026-05-05T05:30:00+13:00",
        "2026-05-04T16:30:00.123456Z",
        "2026-05-04T16:30:00.1Z",
    ],
)
def test_times_are_written_in_utc_with_milliseconds(fidelity: Fidelity, time: str) -> None:
    block = {"capacity": 1, "phase": "ALL", "unit": "KW", "start_time": time}
    end = datetime.fromisoformat(time) + timedelta(hours=1)
    message = {
        "message": "m",
        "forecasted_blocks": [block | {"end_time": end.isoformat(timespec="milliseconds")}],
    }
    action = "GroupCapacityComplianceError"
    with Simulator(world_with("g"), clock=FrozenClock(NOW), fidelity=fidelity) as simulator:
        if fidelity == "observed" and re.search(r"\.\d(\d{5})?Z", time):
            with pytest.raises(InstructionDeclined, match=r"java\.time\.Instant"):
                send(simulator, action, message, "g")
            return
        send(simulator, action, message, "g")
        body, _ = arrived(simulator)
    assert len(WRITTEN_TIME.findall(body)) == 2
    assert_same(action, body, message)
