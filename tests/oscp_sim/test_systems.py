"""Simulated systems: how they are found, what they know, what they never show."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.http import Response
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.system.forecasts import forecast_message
from oscp_sim.system.profile import PROFILES
from tests.oscp_sim.other_side import (
    CO,
    COMPLIANCE,
    HEARTBEAT,
    NEW,
    OtherSide,
    facing,
    notes,
    register,
    rules,
    simulated,
    world,
)
from tests.oscp_sim.rig import ADJUSTMENT, NOW, PROVIDER_TOKEN, ask, shared_of
from tests.oscp_sim.worlds import group, user

if TYPE_CHECKING:
    from collections.abc import Mapping


def users(*tokens: str) -> Mapping[str, Any]:
    """One user after the other, each with a provider 3, an optimizer 1 and a group of its own."""
    return {
        "users": [
            user(
                at,
                nodes=[at],
                capacity_providers=[{"id": 3, "name": f"Grid {at}", "token": token}],
                capacity_groups=[group(19, f"group-{at}")],
            )
            for at, token in enumerate(tokens, 1)
        ]
    }


# --- by id ---------------------------------------------------------------------------------------


def test_a_system_is_the_same_every_time() -> None:
    with simulated() as simulator:
        assert simulator.provider(3) is simulator.provider(3, user=42)
        assert simulator.optimizer(1) is simulator.optimizer(1, 42)


def test_several_users_with_that_id() -> None:
    with Simulator(users("a", "b"), clock=FrozenClock(NOW)) as simulator:
        with pytest.raises(ValueError, match="the users 1, 2 have a Capacity Provider 3 each"):
            simulator.provider(3)
        assert simulator.provider(3, user=2).to_dict()["name"] == "Grid 2"
        assert simulator.optimizer(1, user=1).groups == {"group-1"}


def test_an_unknown_id() -> None:
    with Simulator(users("a", "b"), clock=FrozenClock(NOW)) as simulator:
        expected = "there is no Capacity Provider 9; there is 3 of user 1, 3 of user 2"
        with pytest.raises(LookupError, match=expected):
            simulator.provider(9)
        with pytest.raises(LookupError, match="no Capacity Optimizer 1 of user 7; there is 1 of"):
            simulator.optimizer(1, user=7)


def test_one_that_is_played_elsewhere() -> None:
    with facing(base_url="http://cp.test/oscp") as other:
        with pytest.raises(LookupError, match=r"is at http://cp\.test/oscp: it is not played"):
            other.simulator.provider(3)
        assert other.tell("Heartbeat", HEARTBEAT).status == 403


def test_one_whose_base_url_leads_here() -> None:
    made = dict(world())
    with Simulator(made, clock=FrozenClock(NOW)) as elsewhere:
        url = elsewhere.url
    provider = made["users"][0]["capacity_providers"][0]
    provider["base_url"] = f"{IN_PROCESS_URL}/oscp/cp/2.0"
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        assert OtherSide(simulator).tell("Heartbeat", HEARTBEAT).status == 204
        assert simulator.provider(3).received
    assert url


def test_parties_that_are_not_played() -> None:
    with Simulator(world(), clock=FrozenClock(NOW), plays=["capacity_provider"]) as simulator:
        assert simulator.provider(3)
        with pytest.raises(LookupError, match="does not play the capacity_optimizer, only cap"):
            simulator.optimizer(1)
        other = OtherSide(simulator)
        assert other.tell("Heartbeat", HEARTBEAT, to=CO, token="co-token").status == 404
        assert other.tell("Heartbeat", HEARTBEAT).status == 204


# --- by token ------------------------------------------------------------------------------------


def test_systems_with_the_same_token_are_told_apart_by_what_is_said() -> None:
    """§6.2, 8: the other implementation takes any that has the token."""
    with Simulator(users("same", "same"), clock=FrozenClock(NOW)) as simulator:
        other = OtherSide(simulator)
        first, second = (simulator.provider(3, user=at) for at in (1, 2))
        action = "AdjustGroupCapacityForecast"
        for at in (1, 2):
            message = {**ADJUSTMENT, "group_id": f"group-{at}"}
            assert other.tell(action, message, token="same", request_id=f"u{at}").status == 204
        unknown = {**ADJUSTMENT, "group_id": "group-3"}
        assert other.tell(action, unknown, token="same").status == 404
        second.register(token="same")
        assert other.tell("Register", register(), token="same", request_id="u4").status == 204
        assert second.to_dict()["flexibility_provider"] == "http://fp.test/oscp/fp/2.0"
        second.forecast(message={**ADJUSTMENT, "group_id": "group-2"}, request_id="r2")
        how: dict[str, Any] = {"token": "same", "correlation_id": "r2", "request_id": "u5"}
        assert other.tell("GroupCapacityComplianceError", COMPLIANCE, **how).status == 204
        assert [each.request_id for each in first.received] == ["u1", "u1"]
        assert [each.request_id for each in second.received] == ["u2", "u4", "u5"]


def test_a_group_of_another_system_is_unknown() -> None:
    """§6.2, 12: not one list of groups for all."""
    with Simulator(users("a", "b"), clock=FrozenClock(NOW)) as simulator:
        message = {**ADJUSTMENT, "group_id": "group-2"}
        other = OtherSide(simulator)
        assert other.tell("AdjustGroupCapacityForecast", message, token="a").status == 404


def test_a_change_of_the_world_is_followed(other: OtherSide) -> None:
    shared = shared_of(other.simulator)
    provider = shared.world.users[0].capacity_providers[0]
    assert other.tell("Heartbeat", HEARTBEAT, token="changed").status == 403
    shared.change_system(42, provider, token="changed")
    assert other.tell("Heartbeat", HEARTBEAT, token="changed").status == 204
    assert other.tell("Heartbeat", HEARTBEAT).status == 403
    system = other.provider
    with shared.world_lock:
        shared.replace_world(type(shared.world)(users=()))
    assert other.tell("Heartbeat", HEARTBEAT, token="changed").status == 403
    # It lives on in the hands of who has it.
    assert system.to_dict()["name"] == "Grid"
    assert system.groups == frozenset()


def test_a_system_that_is_configured_no_more_does_nothing_more() -> None:
    with facing({"heartbeat_every": "1m"}) as other:
        shared = shared_of(other.simulator)
        with shared.world_lock:
            shared.replace_world(type(shared.world)(users=()))
        other.simulator.clock.advance(timedelta(minutes=5))
        assert other.got == []


def test_nobody_waits_for_heartbeats_in_its_place(other: OtherSide) -> None:
    shared = shared_of(other.simulator)
    assert other.tell("Heartbeat", {"offline_mode_at": "2026-01-02T03:05:00Z"}).status == 204
    with shared.world_lock:
        shared.replace_world(type(shared.world)(users=()))
    assert other.tell("Heartbeat", HEARTBEAT).status == 403
    other.simulator.clock.advance(timedelta(minutes=5))
    assert notes(other.simulator) == []


@pytest.mark.parametrize("host", ["a.test", *(f"h{at}.test" for at in range(40))])
def test_the_host_does_not_matter_where_no_base_url_leads_anywhere(host: str) -> None:
    with simulated() as simulator:
        headers = [
            ("Host", host),
            ("Authorization", f"Token {PROVIDER_TOKEN}"),
            ("Content-Type", "application/json"),
            ("X-Request-ID", "u"),
        ]
        body = json.dumps(HEARTBEAT).encode()
        assert ask(simulator, "POST", "/oscp/cp/2.0/heartbeat", headers, body).status == 204


def test_the_host_matters_where_a_base_url_may_lead_here() -> None:
    with simulated(base_url="http://cp.test/oscp/cp/2.0") as simulator:

        def status(host: str) -> int:
            headers = [
                ("Host", host),
                ("Authorization", f"Token {PROVIDER_TOKEN}"),
                ("Content-Type", "application/json"),
                ("X-Request-ID", "u"),
            ]
            body = json.dumps(HEARTBEAT).encode()
            return ask(simulator, "POST", "/oscp/cp/2.0/heartbeat", headers, body).status

        assert [status(host) for host in ("cp.test", "CP.test:80", "cp.test:81")] == [204, 204, 403]
        assert {status(f"h{at}.test") for at in range(40)} == {403}
        assert status("cp.test") == 204
        assert simulator.provider(3).received


# --- what is sent --------------------------------------------------------------------------------


def test_a_sent_message_is_in_the_journal() -> None:
    with facing() as other:
        other.answers = [204, 403, None]
        provider = other.provider
        sent = [provider.forecast(capacities=[5], correlation_id="u4") for _ in range(3)]
        assert [(each.status, each.reason) for each in sent] == [
            (204, "as told"),
            (403, "as told"),
            (None, "Connection refused"),
        ]
        entries = other.simulator.journal.entries(sent=True)
        assert [each.number for each in entries] == [each.entry for each in sent]
        assert {(each.party, each.peer, each.action) for each in entries} == {
            ("capacity_provider", "flexibility_provider", "UpdateGroupCapacityForecast")
        }
        assert [each.response and each.response.status for each in entries] == [204, 403, None]
        assert entries[2].detail["why"] == "Connection refused"
        assert other.got[0].header("X-Correlation-ID") == "u4"
        assert [each.to_dict() for each in provider.sent] == provider.to_dict()["sent"]
        # One that was refused is no forecast; one that may have arrived is.
        assert len(provider.forecasts) == 2


def test_ids_come_from_the_seed() -> None:
    def ids(seed: int, party: str) -> list[str]:
        with Simulator(world(), clock=FrozenClock(NOW), seed=seed) as simulator:
            OtherSide(simulator)
            system = simulator.provider(3) if party == "cp" else simulator.optimizer(1)
            return [system.heartbeat().request_id for _ in range(3)]

    assert ids(1, "cp") == ids(1, "cp")
    assert len({*ids(1, "cp"), *ids(2, "cp"), *ids(1, "co")}) == 9


def test_any_message_can_be_sent_sound_or_not(other: OtherSide) -> None:
    how: dict[str, Any] = {
        "request_id": "x1",
        "correlation_id": "y1",
        "headers": [("X-More", "z")],
    }
    assert other.provider.post("Handshake", {"required_behaviour": 7}, **how).status == 204
    other.provider.post("Heartbeat", "{broken")
    other.provider.post("Heartbeat", b"\xff")
    assert [each.body for each in other.got] == [
        b'{"required_behaviour":7}',
        b"{broken",
        b"\xff",
    ]
    sent = [other.got[0].header(name) for name in ("X-Request-ID", "X-Correlation-ID", "X-More")]
    assert sent == ["x1", "y1", "z"]
    with pytest.raises(ValueError, match='there is no message "Nothing"; there are: Register,'):
        other.provider.post("Nothing", {})


def test_a_forecast_is_made_of_fields(other: OtherSide) -> None:
    other.provider.forecast(capacities=[50, 35.5], start="2026-05-04T16:00:00Z", step="30m")
    expected = forecast_message(
        {"capacities": [50, 35.5], "start": "2026-05-04T16:00:00Z", "step": "30m"},
        groups=["foo-group"],
        profile=PROFILES["specification"],
        now=NOW,
    )
    assert other.got[0].json == expected
    with pytest.raises(ValueError, match="capacity"):
        other.provider.forecast(capacitys=[5])
    assert len(other.got) == 1


def test_the_flexibility_provider_of_the_world_is_the_one_that_is_written_to() -> None:
    made = {**world(), "flexibility_provider": {"base_url": "http://elsewhere.test/fp"}}
    with Simulator(made, clock=FrozenClock(NOW)) as simulator:
        other = OtherSide(simulator)
        simulator.provider(3).heartbeat()
        assert other.got[0].url == "http://elsewhere.test/fp/heartbeat"
        assert simulator.provider(3).register().status == 204
        (version,) = other.got[1].json["version_url"]
        assert version["base_url"] == f"{simulator.url}/oscp/cp/2.0"


# --- what it remembers ---------------------------------------------------------------------------


def test_what_it_got_is_at_hand_with_headers_and_findings(other: OtherSide) -> None:
    """§6.2, 2: the other implementation logs a body and nothing else."""
    other.tell("GroupCapacityComplianceError", COMPLIANCE, correlation_id="never")
    (got,) = other.provider.received
    assert (got.action, got.request_id, got.correlation_id) == (
        "GroupCapacityComplianceError",
        "u1",
        "never",
    )
    assert (got.body, got.status, got.at) == (COMPLIANCE, 204, NOW)
    assert dict(got.headers)["x-correlation-id"] == "never"
    assert {each.rule for each in got.findings} == set(rules(other.simulator))
    assert other.simulator.journal.entries()[0].number == got.entry


def test_nothing_shows_a_secret(other: OtherSide) -> None:
    other.provider.register(new_token=True)
    token = other.got[0].json["token"]
    other.tell("Register", register(), token=token)
    other.provider.heartbeat()
    shown = [
        json.dumps(other.provider.to_dict()),
        json.dumps([each.to_dict() for each in other.simulator.journal.entries()]),
        repr([other.provider.received, other.provider.sent, other.provider.registration.issued]),
    ]
    first = other.simulator.world.users[0].capacity_providers[0].flexibility_provider_token
    for text in shown:
        for secret in (token, NEW, first, PROVIDER_TOKEN):
            assert secret is not None
            assert secret not in text


def test_an_answer_that_quotes_a_token_is_redacted(
    other: OtherSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoting = Response(400, (), reason="Bad Request", body=f'{{"token":"{NEW}"}}'.encode())
    monkeypatch.setattr(other, "send", lambda *_, **__: quoting)
    assert other.provider.heartbeat().body == '{"token":"[redacted]"}'
    monkeypatch.undo()
    other.provider.register(new_token=True)
    token = other.got[0].json["token"]
    other.tell("Register", f"not JSON but {token}", token=token)
    assert other.provider.received[-1].body == "not JSON but [redacted]"


def test_what_must_outlive_a_restart_does() -> None:
    with simulated({"token_valid_for": "1h"}, registration_status="Pending") as before:
        other, provider = OtherSide(before), before.provider(3)
        provider.register(new_token=True)
        token = other.got[0].json["token"]
        other.tell("Register", register(), token=token)
        provider.handshake(heartbeat_interval=5)
        asked = {"heartbeat_interval": 30, "measurement_configuration": []}
        other.tell("HandshakeAcknowledge", {"required_behaviour": asked}, token=token)
        kept = json.loads(json.dumps(before.remembered()[42, "capacity_provider", 3]))
    with simulated({"token_valid_for": "1h"}, registration_status="Pending") as after:
        other = OtherSide(after)
        after.recall({(42, "capacity_provider", 3): kept, (7, "capacity_provider", 3): kept})
        state, old = after.provider(3).to_dict(), provider.to_dict()
        for name in ("registered", "handshaken", "required", "asked", "flexibility_provider"):
            assert state[name] == old[name]
        assert other.tell("Heartbeat", HEARTBEAT).status == 403
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204
        after.clock.advance(timedelta(seconds=31))
        assert other.got[0].header("Authorization") == f"Token {NEW}"
        assert token not in json.dumps([each.to_dict() for each in after.journal.entries()])
        after.clock.advance(timedelta(hours=1))
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 403


def test_a_reset_forgets_all_and_begins_anew() -> None:
    with facing({"heartbeat_every": "1m"}) as other:
        before = other.provider
        before.register(token="other")
        other.tell("Heartbeat", HEARTBEAT)
        other.simulator.reset()
        assert other.provider is not before
        assert other.provider.received == ()
        assert other.tell("Heartbeat", HEARTBEAT, token="other").status == 403
        assert other.tell("Heartbeat", HEARTBEAT).status == 204
        other.got.clear()
        other.simulator.clock.advance(timedelta(minutes=2))
        assert other.actions() == ["Heartbeat", "Heartbeat"]


def test_many_at_once_are_all_taken(other: OtherSide) -> None:
    def send(at: int) -> None:
        for number in range(20):
            assert other.tell("Heartbeat", HEARTBEAT, request_id=f"{at}-{number}").status == 204
            other.provider.heartbeat()

    threads = [threading.Thread(target=send, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({each.request_id for each in other.provider.received}) == 160
    assert len({each.request_id for each in other.provider.sent}) == 160
