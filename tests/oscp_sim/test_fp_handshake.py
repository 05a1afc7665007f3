"""Handshakes with the Flexibility Provider, and heartbeats: oscp20.md §5.4, §5.5 and §9.3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from oscp_sim.world import SystemSettings
from tests.oscp_sim.fp_callers import (
    ACKNOWLEDGE,
    ADJUST,
    HANDSHAKE,
    HEARTBEAT,
    REGISTER,
    Role,
    behaviour,
    heard,
    registration,
    rules,
    say,
    system,
    token_of,
)
from tests.oscp_sim.peers import CP_URL, ERROR, Peers, group, peers, provider, world
from tests.oscp_sim.rig import shared_of

SAME_MINUTE = 20.0


@pytest.fixture
def there() -> Iterator[Peers]:
    with peers(world()) as found:
        yield found


def settings(there: Peers, role: Role = "provider") -> SystemSettings | None:
    return system(there.simulator, role).settings


@pytest.mark.parametrize("role", ["provider", "optimizer"])
@pytest.mark.parametrize("action", [HANDSHAKE, ACKNOWLEDGE])
def test_what_is_asked_for_is_stored(there: Peers, action: str, role: Role) -> None:
    body = behaviour(60, ["INTERMITTENT", "CONTINUOUS"])
    assert say(there.simulator, action, body, role=role).status == 204
    assert settings(there, role) == SystemSettings(60, ("Intermittent", "Continuous"))


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        (60, 60),
        (None, None),
        (0, 0),
        (-5, -5),
        (0.5, 0),
        (-0.5, 0),
        (1.5, 1),
        ("30", 30),
        ("", None),
        (32767, 32767),
        (32767.9, 32767),
        (-32768, -32768),
    ],
)
def test_the_interval_is_cut(there: Peers, interval: object, seconds: int | None) -> None:
    assert say(there.simulator, HANDSHAKE, behaviour(interval)).status == 204
    found = settings(there)
    assert found is not None
    assert found.heartbeat_seconds == seconds
    assert isinstance(found.heartbeat_seconds, int | None)


@pytest.mark.parametrize(
    ("interval", "stored"),
    [
        (32768, -32768),
        (40000, -25536),
        (65536, 0),
        (65596, 60),
        (-32769, 32767),
        (3e9, -1),
        (-1e300, 0),
        ("Infinity", -1),
        ("NaN", 0),
    ],
)
@pytest.mark.parametrize("action", [HANDSHAKE, ACKNOWLEDGE])
def test_an_interval_of_which_the_database_keeps_16_bits(
    there: Peers, action: str, interval: object, stored: int
) -> None:
    assert say(there.simulator, action, behaviour(interval)).status == 204
    found = settings(there)
    assert found is not None
    assert found.heartbeat_seconds == stored


@pytest.mark.parametrize(
    ("styles", "stored"),
    [
        ([], ()),
        (["CONTINUOUS"], ("Continuous",)),
        (["CONTINUOUS", "CONTINUOUS"], ("Continuous",)),
    ],
)
def test_each_style_once(there: Peers, styles: list[str], stored: tuple[str, ...]) -> None:
    assert say(there.simulator, HANDSHAKE, behaviour(60, styles)).status == 204
    found = settings(there)
    assert found is not None
    assert found.measurement_styles == stored


@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_the_acknowledge(there: Peers, role: Role) -> None:
    say(there.simulator, HANDSHAKE, role=role, request_id="h1")
    assert there.sent == []
    there.clock.advance(0.499)
    assert there.sent == []
    there.clock.advance(1)
    (sent,) = there.sent
    shown = system(there.simulator, role)
    assert sent.url == f"{shown.base_url}/handshake_acknowledge"
    assert sent.headers["Authorization"] == f"Token {shown.token}"
    assert sent.headers["X-Correlation-ID"] == "h1"
    assert sent.headers["X-Request-ID"] not in {"h1", ""}
    assert sent.body == b'{"required_behaviour":{}}'
    (entry,) = there.exchanges
    assert (entry.action, entry.peer) == (ACKNOWLEDGE, f"capacity_{role}")


def test_three_tries_each_with_an_id_of_its_own(there: Peers) -> None:
    there.answers += [ERROR, ERROR, ERROR]
    say(there.simulator, HANDSHAKE, behaviour(None), request_id="h1")
    there.clock.advance(60)
    assert len({sent.headers["X-Request-ID"] for sent in there.sent}) == 3
    assert {sent.headers["X-Correlation-ID"] for sent in there.sent} == {"h1"}
    (note,) = there.notes
    assert note.startswith("HandshakeAcknowledge failed, try 3 of 3: ")
    # What was asked for stays.
    assert settings(there) == SystemSettings(None, ("Continuous",))


@pytest.mark.parametrize("status", ["Pending", "Failed"])
def test_one_that_is_not_registered_is_never_acknowledged(status: str) -> None:
    with peers(world([provider(registration_status=status)])) as there:
        assert say(there.simulator, HANDSHAKE).status == 204
        assert settings(there) == SystemSettings(60, ("Continuous",))
        there.clock.advance(60)
        assert there.sent == []
        assert there.notes == [
            "[HandshakeAcknowledge] task with CapacityProvider (42,3) failed because the "
            f"registration status is {status}, not Registered."
        ]


def test_a_handshake_before_the_register_that_answers_may_come_too_early() -> None:
    with peers(world([provider(registration_status="Pending")])) as there:
        there.answers += [ERROR]
        say(there.simulator, REGISTER, registration())
        say(there.simulator, HANDSHAKE, token=token_of(there.simulator), request_id="h1")
        there.clock.advance(SAME_MINUTE)
        assert [sent.url.rpartition("/")[2] for sent in there.sent] == ["register", "register"]
        assert system(there.simulator).registration_status == "Registered"


@pytest.mark.parametrize("version", ["1.0", None])
def test_one_of_another_version_is_never_acknowledged(version: str | None) -> None:
    more = {} if version is None else {"oscp_version": version}
    with peers(world([provider(**more)])) as there:
        say(there.simulator, HANDSHAKE)
        there.clock.advance(SAME_MINUTE)
        assert len(there.sent) == (version is None)


def test_without_a_base_url_nothing_is_sent() -> None:
    with peers(world([provider(base_url=None)])) as there:
        assert say(there.simulator, HANDSHAKE).status == 204
        there.clock.advance(60)
        assert there.sent == []
        assert "has no base URL" in there.notes[0]


def test_one_that_is_gone_meanwhile(there: Peers) -> None:
    say(there.simulator, HANDSHAKE)
    shared = shared_of(there.simulator)
    (user,) = shared.world.users
    with shared.world_lock:
        shared.replace_world(shared.world.with_user(type(user)(id=user.id)))
    there.clock.advance(60)
    assert there.sent == []
    assert "does not exist any more" in there.notes[0]


def test_another_path_for_the_acknowledge() -> None:
    props = {"url-paths": {"HandshakeAcknowledge": "/thanks"}}
    with peers(world([provider(service_props=props)])) as there:
        say(there.simulator, HANDSHAKE)
        there.clock.advance(SAME_MINUTE)
        assert there.sent[0].url == f"{CP_URL}/3/thanks"


def test_a_second_handshake_overwrites_the_first(there: Peers) -> None:
    say(there.simulator, HANDSHAKE, behaviour(60), request_id="h1")
    say(there.simulator, HANDSHAKE, behaviour(90, []), request_id="h2")
    assert settings(there) == SystemSettings(90, ())
    there.clock.advance(SAME_MINUTE)
    assert {sent.headers["X-Correlation-ID"] for sent in there.sent} == {"h1", "h2"}


@pytest.mark.parametrize("body", ["{}", '{"required_behaviour":null}'])
def test_a_handshake_without_behaviour_is_refused(there: Peers, body: str) -> None:
    told = "Illegal argument: The settings argument must not be null."
    assert say(there.simulator, HANDSHAKE, body).refusal == (422, told)


def test_what_was_acknowledged_is_remembered(there: Peers) -> None:
    say(there.simulator, HANDSHAKE, role="optimizer")
    there.clock.advance(2)
    more = [("X-Correlation-ID", there.sent[0].headers["X-Request-ID"])]
    say(there.simulator, ADJUST, more=more, request_id="a1")
    told = heard(there.simulator).findings[0]["message"]
    assert told.endswith("it belongs to the Flexibility Provider's HandshakeAcknowledge")


@pytest.mark.parametrize(
    "body", ["{}", '{"required_behaviour":null}', behaviour()["required_behaviour"]]
)
def test_an_acknowledge_without_behaviour_changes_nothing(there: Peers, body: object) -> None:
    say(there.simulator, HANDSHAKE, behaviour(60), request_id="h1")
    assert say(there.simulator, ACKNOWLEDGE, body).status == 204
    assert settings(there) == SystemSettings(60, ("Continuous",))


def test_an_acknowledge_is_not_answered(there: Peers) -> None:
    assert say(there.simulator, ACKNOWLEDGE, behaviour(None)).status == 204
    there.clock.advance(60)
    assert there.sent == []


def test_x11_an_acknowledge_without_a_handshake() -> None:
    with peers(world([provider(registration_status="Pending")])) as there:
        say(there.simulator, REGISTER, registration())
        there.clock.advance(2)
        token = token_of(there.simulator)
        answer = say(there.simulator, ACKNOWLEDGE, behaviour(90), token=token, request_id="a1")
        assert answer.status == 204
        assert settings(there) == SystemSettings(90, ("Continuous",))
        assert rules(there.simulator) == ["S17"]


def test_an_acknowledge_of_the_handshake_that_was_sent(there: Peers) -> None:
    party, shown = there.party, system(there.simulator)
    delivery = party.outbox.delivery(shown, HANDSHAKE, behaviour(), "u1")
    assert delivery is not None
    assert list(party.outbox.send(42, shown, delivery)) == []
    more = [("X-Correlation-ID", "u1")]
    assert say(there.simulator, ACKNOWLEDGE, more=more).status == 204
    assert rules(there.simulator) == []
    more = [("X-Correlation-ID", "u2")]
    assert say(there.simulator, ACKNOWLEDGE, more=more, request_id="r2").status == 204
    assert rules(there.simulator) == ["S16"]


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(HANDSHAKE, id="S11: Handshake"),
        pytest.param(ACKNOWLEDGE, id="S11: HandshakeAcknowledge"),
    ],
)
def test_s11_is_told_and_nothing_else_happens(there: Peers, action: str) -> None:
    more = [("X-Correlation-ID", "none")]
    assert say(there.simulator, action, behaviour(0.5), more=more).status == 204
    assert "S11" in rules(there.simulator)


@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_a_heartbeat_is_believed(there: Peers, role: Role) -> None:
    body = {"offline_mode_at": "2026-03-01T20:00:00+08:00"}
    assert say(there.simulator, HEARTBEAT, body, role=role, request_id=None).status == 204
    assert system(there.simulator, role).offline_date == datetime(2026, 3, 1, 12, tzinfo=UTC)
    other: Role = "optimizer" if role == "provider" else "provider"
    assert system(there.simulator, other).offline_date is None


@pytest.mark.parametrize("at", ["2021-03-01T00:00:00Z", "2026-03-01T12:00:05Z"])
def test_s12_a_heartbeat_of_the_past_is_believed_too(there: Peers, at: str) -> None:
    assert say(there.simulator, HEARTBEAT, {"offline_mode_at": at}).status == 204
    assert system(there.simulator).offline_date == datetime.fromisoformat(at)
    (finding,) = heard(there.simulator).findings
    assert (finding["rule"], finding["severity"]) == ("S12", "warning")


def test_the_last_heartbeat_counts_even_if_it_goes_back(there: Peers) -> None:
    for minute in (30, 20):
        body = {"offline_mode_at": f"2026-03-01T13:{minute}:00Z"}
        say(there.simulator, HEARTBEAT, body, request_id=f"b{minute}")
    assert system(there.simulator).offline_date == datetime(2026, 3, 1, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("role", "source"),
    [
        ("provider", "/oscp/cp/Heartbeat/3/depot-7"),
        ("optimizer", "/oscp/co/Heartbeat/1/depot-7"),
    ],
)
def test_a_heartbeat_is_published_for_each_group(role: Role, source: str) -> None:
    others = {"capacity_provider": 4, "capacity_optimizer": 2}
    of = world(
        [provider(3), provider(4)],
        [{"id": 1, "name": "Depot"}, {"id": 2, "name": "Port"}],
        [group(19), group(20, identifier="depot-8"), group(21, identifier="port", **others)],
        settings={"node_id": 1},
    )
    with peers(of) as there:
        say(there.simulator, HEARTBEAT, role=role)
        entries = there.simulator.journal.entries(party="flexibility_provider", kind="note")
        data = [entry.detail["datum"] for entry in entries]
        assert [datum["sourceId"] for datum in data] == [source, source.replace("7", "8")]
        assert data[0]["s"] == {"expires": "2026-03-01 13:00:00Z"}
        assert data[0]["created"] == "2026-03-01 12:00:05Z"


def test_nothing_is_published_without_settings(there: Peers) -> None:
    say(there.simulator, HEARTBEAT)
    assert there.notes == []


def test_a_year_passes_in_silence(there: Peers) -> None:
    say(there.simulator, HEARTBEAT)
    there.clock.advance(timedelta(days=365))
    assert there.sent == []
