"""Registration and handshake of a simulated system (oscp20.md §3.4, §3.5, §4 and §11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.world import World, load_world
from tests.oscp_sim.other_side import (
    CO,
    CP,
    FP,
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
from tests.oscp_sim.rig import NOW, PROVIDER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture
def pending() -> Iterator[Simulator]:
    """A Capacity Provider that has not registered yet."""
    with simulated(registration_status="Pending") as simulator:
        yield simulator


# --- opening -------------------------------------------------------------------------------------


def test_register_tells_where_it_is_and_which_token_to_show(pending: Simulator) -> None:
    other, provider = OtherSide(pending), pending.provider(3)
    sent = provider.register(request_id="a1")
    (got,) = other.got
    assert (sent.action, sent.request_id, sent.status) == ("Register", "a1", 204)
    assert got.url == f"{IN_PROCESS_URL}/oscp/fp/2.0/register"
    assert got.json == register(PROVIDER_TOKEN, IN_PROCESS_URL + CP)
    assert got.header("X-Request-ID") == "a1"
    assert got.header("X-Correlation-ID") is None
    first = pending.world.users[0].capacity_providers[0].flexibility_provider_token
    assert got.header("Authorization") == f"Token {first}"
    state = provider.to_dict()
    assert (state["registered"], state["awaits_register"]) == (False, True)


@pytest.mark.parametrize("correlated", [True, False])
def test_the_register_that_comes_next_is_its_answer(pending: Simulator, correlated: bool) -> None:
    """SolarNetwork names no Register in its answer: state alone tells (§11.11)."""
    other, provider = OtherSide(pending), pending.provider(3)
    provider.register(request_id="a1")
    how: dict[str, Any] = {"correlation_id": "a1"} if correlated else {}
    assert other.tell("Register", register(), **how).status == 204
    assert rules(pending) == []
    state = provider.to_dict()
    assert (state["registered"], state["awaits_register"]) == (True, False)
    pending.clock.advance(60)
    assert len(other.got) == 1
    provider.heartbeat()
    assert other.got[1].url == f"{FP}/heartbeat"
    assert other.got[1].header("Authorization") == f"Token {NEW}"


def test_old_tokens_end_when_the_registration_is_complete(pending: Simulator) -> None:
    """X6: and not before, so that there is no gap on this side."""
    other, provider = OtherSide(pending), pending.provider(3)
    provider.register(new_token=True)
    token = other.got[0].json["token"]
    assert (len(token), token != PROVIDER_TOKEN) == (64, True)
    for each in (PROVIDER_TOKEN, token):
        assert other.tell("Heartbeat", HEARTBEAT, token=each, request_id=each).status == 204
    assert other.tell("Register", register(), token=token).status == 204
    assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204
    assert other.tell("Heartbeat", HEARTBEAT, token=PROVIDER_TOKEN).status == 403


def test_old_tokens_end_at_once_where_that_is_the_profiles_way() -> None:
    with facing(profile="solarnetwork") as other:
        other.provider.register(token="chosen")
        assert other.tell("Heartbeat", HEARTBEAT).status == 403
        assert other.tell("Heartbeat", HEARTBEAT, token="chosen").status == 204


@pytest.mark.parametrize("status", [403, 500])
def test_a_register_that_is_refused_changes_nothing(pending: Simulator, status: int) -> None:
    other, provider = OtherSide(pending, answers=[status]), pending.provider(3)
    assert provider.register(new_token=True).status == status
    token = other.got[0].json["token"]
    assert provider.to_dict()["awaits_register"] is False
    assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 403
    assert other.tell("Heartbeat", HEARTBEAT).status == 204


def test_a_register_without_an_answer_may_have_arrived(pending: Simulator) -> None:
    other, provider = OtherSide(pending, answers=[None]), pending.provider(3)
    sent = provider.register(new_token=True)
    assert (sent.status, sent.reason) == (None, "Connection refused")
    token = other.got[0].json["token"]
    assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204
    assert other.tell("Register", register(), token=token).status == 204
    assert provider.to_dict()["registered"] is True


def test_a_token_that_expires() -> None:
    with facing({"token_valid_for": "1h"}) as other:
        other.provider.register(new_token=True)
        token = other.got[0].json["token"]
        other.tell("Register", register(), token=token)
        other.simulator.clock.advance(3599)
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204
        other.simulator.clock.advance(1)
        refused = other.tell("Heartbeat", HEARTBEAT, token=token)
        assert (refused.status, refused.text) == (403, '{"message": "the token has expired"}')
        other.provider.register()
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204


def test_a_token_told_out_of_band_is_shown(pending: Simulator) -> None:
    other = OtherSide(pending)
    pending.provider(3).register(show="told", token="mine", base_url="http://x", version="1.0")
    assert other.got[0].header("Authorization") == "Token told"
    assert other.got[0].json == register("mine", "http://x", "1.0")


def test_a_provider_without_a_token_is_called_without_until_it_gives_one() -> None:
    configured = load_world(world(registration_status="Pending"))
    (user,) = configured.users
    nameless = replace(user.capacity_providers[0], token=None)
    with Simulator(World((user.with_system(nameless),)), clock=FrozenClock(NOW)) as simulator:
        other, provider = OtherSide(simulator), simulator.provider(3)
        assert other.tell("Heartbeat", HEARTBEAT, token=None).status == 204
        provider.register()
        token = other.got[0].json["token"]
        assert len(token) == 64
        assert other.tell("Heartbeat", HEARTBEAT, token=None).status == 401
        assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204


# --- answering -----------------------------------------------------------------------------------


def test_an_opening_register_is_answered_a_second_later(other: OtherSide) -> None:
    assert other.tell("Register", register(), request_id="u1").status == 204
    assert (other.got, other.simulator.pending) == ([], 1)
    other.simulator.clock.advance(1)
    (got,) = other.got
    assert (got.at, got.url) == ("03:04:06.123", f"{FP}/register")
    assert got.header("Authorization") == f"Token {NEW}"
    assert got.header("X-Correlation-ID") == "u1"
    token = got.json["token"]
    assert token != PROVIDER_TOKEN
    assert other.tell("Heartbeat", HEARTBEAT, token=PROVIDER_TOKEN).status == 403
    assert other.tell("Heartbeat", HEARTBEAT, token=token).status == 204
    assert other.provider.to_dict()["registered"] is True


def test_an_answering_register_is_not_correlated_where_that_is_the_profiles_way() -> None:
    with facing(profile="solarnetwork") as other:
        other.tell("Register", register())
        other.simulator.clock.advance(1)
        assert other.got[0].header("X-Correlation-ID") is None


def test_two_sides_that_answer_every_register_come_to_an_end(other: OtherSide) -> None:
    other.tell("Register", register())
    other.simulator.clock.advance(1)
    token = other.got[0].json["token"]
    assert other.tell("Register", register("B" * 64), token=token).status == 204
    other.simulator.clock.advance(60)
    assert len(other.got) == 1
    assert other.provider.heartbeat().status == 204
    assert other.got[-1].header("Authorization") == f"Token {'B' * 64}"


def test_a_register_that_is_repeated_is_not_answered(other: OtherSide) -> None:
    """SolarNetwork tries again with the same token where no answer came (§5.3)."""
    other.provider.register()
    for number in range(2):
        assert other.tell("Register", register(), request_id=f"u{number}").status == 204
    other.simulator.clock.advance(60)
    assert len(other.got) == 1
    assert "repeated-register" in rules(other.simulator)
    other.tell("Register", register("B" * 64), request_id="u9")
    other.simulator.clock.advance(1)
    assert other.actions() == ["Register", "Register"]


def test_an_answer_that_is_not_taken_is_tried_three_times() -> None:
    with facing() as other:
        other.answers = [500, None, 403]
        other.tell("Register", register())
        other.simulator.clock.advance(60)
        assert [each.at for each in other.got] == ["03:04:06.123", "03:04:11.123", "03:04:21.123"]
        (note,) = notes(other.simulator)
        assert "given up: 403" in note.detail["why"]
        assert other.tell("Heartbeat", HEARTBEAT).status == 204


def test_without_version_2_there_is_nothing_to_talk_about(other: OtherSide) -> None:
    assert other.tell("Register", register(version="1.0")).status == 501
    other.simulator.clock.advance(60)
    assert other.got == []
    assert other.provider.to_dict()["flexibility_provider"].startswith(IN_PROCESS_URL)


def test_put_changes_url_and_token_and_is_not_answered(other: OtherSide) -> None:
    assert other.tell("Register", register(), method="PUT").status == 204
    other.simulator.clock.advance(60)
    assert other.got == []
    other.provider.heartbeat()
    assert other.got[0].url == f"{FP}/heartbeat"
    assert other.got[0].header("Authorization") == f"Token {NEW}"


def test_put_of_another_version_is_refused(other: OtherSide) -> None:
    assert other.tell("Register", register(version="2.1"), method="PUT").status == 501


def test_delete_unregisters() -> None:
    with facing({"heartbeat_every": "1m"}) as other:
        assert other.tell("Register", method="DELETE", content_type=None).status == 204
        state = other.provider.to_dict()
        assert (state["registered"], state["handshaken"]) == (False, False)
        other.simulator.clock.advance(300)
        assert other.got == []
        assert other.tell("Heartbeat", HEARTBEAT, request_id="u2").status == 204
        assert "S17" in rules(other.simulator)
        # It can come back.
        assert other.tell("Register", register(), request_id="u3").status == 204
        other.simulator.clock.advance(61)
        assert other.actions() == ["Register", "Heartbeat"]


def test_who_has_unregistered_has_to_answer_a_register_again(other: OtherSide) -> None:
    other.tell("Register", method="DELETE")
    other.provider.register()
    assert other.tell("Heartbeat", HEARTBEAT, request_id="u2").status == 204
    assert "S17" in rules(other.simulator)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_solarnetwork_knows_post_alone(method: str) -> None:
    with facing(profile="solarnetwork") as other:
        assert other.tell("Register", register(), method=method).status == 405


# --- handshake -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "behaviour"),
    [
        ({}, {"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]}),
        ({"heartbeat_interval": None}, {"measurement_configuration": ["CONTINUOUS"]}),
        ({"measurement_configuration": None}, {"heartbeat_interval": 60}),
        (
            {"heartbeat_interval": 5, "measurement_configuration": ["INTERMITTENT"]},
            {"heartbeat_interval": 5, "measurement_configuration": ["INTERMITTENT"]},
        ),
        ({"heartbeat_interval": None, "measurement_configuration": None}, {}),
    ],
)
def test_handshake_asks_for_a_behaviour(
    other: OtherSide, fields: dict[str, Any], behaviour: object
) -> None:
    assert other.provider.handshake(**fields, request_id="h1").request_id == "h1"
    assert other.got[0].json == {"required_behaviour": behaviour}
    assert other.provider.to_dict()["required"] == behaviour


def test_an_acknowledge_is_taken_and_belongs_to_the_handshake(pending: Simulator) -> None:
    other, provider = OtherSide(pending), pending.provider(3)
    provider.register()
    other.tell("Register", register())
    provider.handshake(request_id="h1")
    answer: dict[str, Any] = {"required_behaviour": {}}
    assert other.tell("HandshakeAcknowledge", answer, correlation_id="h1").status == 204
    assert "S16" not in rules(pending)
    assert provider.to_dict()["handshaken"] is True
    assert other.tell("HandshakeAcknowledge", answer, request_id="u2").status == 204
    assert "S16" in rules(pending)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, {}),
        (
            {"heartbeat_seconds": 60, "measurement_styles": ["Intermittent"]},
            {
                "required_behaviour": {
                    "heartbeat_interval": 60,
                    "measurement_configuration": ["INTERMITTENT"],
                }
            },
        ),
    ],
)
def test_a_handshake_is_acknowledged_with_its_request_id(own: object, expected: object) -> None:
    """What this side has asked for goes along, because an acknowledge overwrites it (§5.4)."""
    more = {} if own is None else {"settings": own}
    with facing(**more) as other:
        message: dict[str, Any] = {"required_behaviour": {"measurement_configuration": []}}
        assert other.tell("Handshake", message, request_id="h9").status == 204
        assert (other.got, other.simulator.pending) == ([], 1)
        other.simulator.clock.advance(1)
        (got,) = other.got
        assert got.action == "HandshakeAcknowledge"
        assert got.header("X-Correlation-ID") == "h9"
        assert got.json == expected


def test_an_acknowledge_that_is_not_taken_is_sent_again_under_the_same_id() -> None:
    with facing() as other:
        other.answers = [503]
        other.tell("Handshake", {"required_behaviour": {"measurement_configuration": []}})
        other.simulator.clock.advance(60)
        ids = [each.header("X-Request-ID") for each in other.got]
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert other.simulator.pending == 0


def test_a_quick_acknowledge_may_come_before_the_answer_to_its_handshake() -> None:
    """Over the network, the other side may write before it has answered."""
    with simulated({"strict": ["S16", "S17", "X11"]}) as simulator:
        other, provider = OtherSide(simulator), simulator.provider(3)
        send = other.send

        def quick(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            assert other.tell("HandshakeAcknowledge", {}, correlation_id="h1").status == 204
            return send(*arguments, **named)

        other.send = quick  # type: ignore[method-assign]
        assert provider.handshake(request_id="h1").status == 204


# --- the Capacity Optimizer does the same --------------------------------------------------------


def test_a_capacity_optimizer_registers_and_shakes_hands_alike() -> None:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        other, optimizer = OtherSide(simulator), simulator.optimizer(1)
        optimizer.register(new_token=True)
        token = other.got[0].json["token"]
        assert other.got[0].json == register(token, IN_PROCESS_URL + CO)
        assert other.tell("Register", register(), to=CO, token=token).status == 204
        optimizer.handshake(request_id="h1")
        how: dict[str, Any] = {"to": CO, "token": token, "correlation_id": "h1", "request_id": "u2"}
        assert other.tell("HandshakeAcknowledge", {"required_behaviour": {}}, **how).status == 204
        assert optimizer.to_dict()["handshaken"] is True
        assert other.actions() == ["Register", "Handshake"]
        assert [entry.party for entry in simulator.journal.entries()] == ["capacity_optimizer"] * 4


# --- X6 ------------------------------------------------------------------------------------------

REPLACED = '{"message": "a newer token has replaced this one"}'


def replaced(simulator: Simulator) -> OtherSide:
    """The other side of a provider whose first token a registration has ended."""
    other = OtherSide(simulator)
    simulator.provider(3).register(new_token=True)
    assert other.tell("Register", register(), token=other.got[0].json["token"]).status == 204
    return other


def test_x6_a_token_that_a_registration_has_ended() -> None:
    with simulated({"statuses": {"X6": 401}}, registration_status="Pending") as simulator:
        other = replaced(simulator)
        refused = other.tell("Heartbeat", HEARTBEAT)
        assert (refused.status, refused.text) == (401, REPLACED)
        assert other.tell("Heartbeat", HEARTBEAT, token="unknown").status == 403


def test_x6_is_one_that_a_world_may_take() -> None:
    with simulated({"statuses": {"X6": 204}}, registration_status="Pending") as simulator:
        other = replaced(simulator)
        assert other.tell("Heartbeat", HEARTBEAT).status == 204
        assert "X6" in rules(simulator)


def test_x6_where_the_new_token_ends_the_old_one_at_once() -> None:
    behaviour = {"statuses": {"X6": 401}}
    with facing(behaviour, profile="solarnetwork") as other:
        other.provider.register(token="chosen")
        assert other.tell("Heartbeat", HEARTBEAT).status == 401


def test_x6_is_remembered_over_a_restart_and_old_files_know_of_none() -> None:
    behaviour = {"statuses": {"X6": 401}}
    with simulated(behaviour, registration_status="Pending") as before:
        replaced(before)
        kept = before.remembered()[42, "capacity_provider", 3]
    older = {name: value for name, value in kept.items() if name != "ended_tokens"}
    for each, status in ((kept, 401), (older, 403)):
        with simulated(behaviour, registration_status="Pending") as after:
            after.recall({(42, "capacity_provider", 3): each})
            assert OtherSide(after).tell("Heartbeat", HEARTBEAT).status == status


def test_an_ended_token_that_is_given_out_again_is_good() -> None:
    with facing(profile="solarnetwork") as other:
        other.provider.register(token="another")
        assert other.tell("Heartbeat", HEARTBEAT).status == 403
        other.provider.register(token=PROVIDER_TOKEN)
        assert other.tell("Heartbeat", HEARTBEAT).status == 204
        assert other.provider.registration.ended == ("another",)


def test_ended_tokens_are_not_remembered_without_end() -> None:
    with simulated(profile="solarnetwork") as simulator:
        provider = simulator.provider(3)
        for _ in range(40):
            provider.register(new_token=True)
        assert len(provider.registration.ended) == 16
        assert PROVIDER_TOKEN not in provider.registration.ended


def test_an_ended_token_of_one_system_may_be_good_for_another() -> None:
    of: dict[str, Any] = {"users": [{**world()["users"][0], "capacity_groups": []}]}
    of["users"][0]["capacity_providers"] = [
        {"id": number, "name": "Grid", "token": "shared-token"} for number in (3, 4)
    ]
    with Simulator(of, clock=FrozenClock(NOW)) as simulator:
        system = simulator.provider(3)
        system.registration.issue("another", simulator.clock.now(), None)
        system.registration.end_old_tokens()
        assert OtherSide(simulator).tell("Heartbeat", HEARTBEAT, token="shared-token").status == 204
        assert len(simulator.provider(4).received) == 1
        assert system.received == ()


def test_a_token_that_is_shown_from_now_on_is_concealed() -> None:
    with simulated() as simulator:
        simulator.provider(3).register(show="told-out-of-band", token="chosen-by-hand")
        told = simulator.journal.append(
            "solaruser", "note", reason="told-out-of-band, chosen-by-hand"
        )
        assert told.reason == "[redacted], [redacted]"


def test_after_a_restart_no_token_is_given_out_a_second_time() -> None:
    systems = [{"id": id_, "name": "P", "token": f"cp-token-{id_}"} for id_ in (3, 4)]
    users = {"users": [{"id": 42, "capacity_providers": systems}]}
    kept: Mapping[tuple[int, str, int], Mapping[str, Any]] = {}
    given: list[str | None] = []
    for id_ in (3, 4, 3):
        with Simulator(users, clock=FrozenClock(NOW)) as simulator:
            simulator.recall(kept)
            simulator.provider(id_).register(new_token=True)
            simulator.clock.advance(2)
            kept = simulator.remembered()
            system = simulator.world.users[0].provider(id_)
            assert system is not None
            given += [system.token, system.flexibility_provider_token]
            assert simulator.provider(id_).heartbeat().status == 204
    assert len(set(given)) == 6
