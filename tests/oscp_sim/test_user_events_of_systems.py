"""What the Flexibility Provider tells owners besides instructions: oscp20.md §5.6."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from tests.oscp_sim.fp_callers import (
    ADJUST,
    HANDSHAKE,
    REGISTER,
    UPDATE,
    Role,
    registration,
    say,
    token_of,
)
from tests.oscp_sim.peers import ERROR, SILENT, Peers, optimizer, peers, provider, world
from tests.oscp_sim.rig import JSON, get

EVENTS = "/solaruser/api/v1/sec/user/events?startDate=2026-01-01&endDate=2027-01-01"
SYSTEM = {"configId": 3, "regStatus": "p", "v": "2.0", "url": "http://cp.test/new"}
CONFIG = {"provider": 3, "optimizer": 1}


def told(there: Peers) -> list[dict[str, Any]]:
    """The owner's events, read the way an owner reads them."""
    accepted = [("Accept", JSON)]
    answer = get(there.simulator, EVENTS, when=there.clock.now(), more=accepted)
    found: list[dict[str, Any]] = answer.json.get("data", [])
    return found


def after(there: Peers, action: str, body: object = None, role: Role | None = None) -> list[Any]:
    """What is told of a message, as tags, text and data."""
    assert say(there.simulator, action, body, role=role).status == 204
    there.clock.advance(50)
    return [
        (",".join(each["tags"]), each.get("message"), each.get("data", {})) for each in told(there)
    ]


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
@pytest.mark.parametrize("role", ["provider", "optimizer"])
def test_a_registration(role: Role, fidelity: Fidelity) -> None:
    with peers(world(), fidelity=fidelity) as there:
        first, second = after(there, REGISTER, role=role)
        system = {**SYSTEM, "configId": CONFIG[role]}
        assert first == ("oscp,cp,reg", None, system)
        tags, text, data = second
        (sent,) = there.sent
        assert (tags, text) == ("oscp,cp,reg,http", "Success")
        assert data == {
            **system,
            "url": "http://cp.test/new/register",
            "method": "POST",
            "requestId": sent.headers["X-Request-ID"],
            "content": {
                "token": sent.json["token"] if fidelity == "observed" else "[redacted]",
                "version_url": sent.json["version_url"],
            },
        }


@pytest.mark.parametrize("accept", [JSON, "text/csv", "text/xml"])
@pytest.mark.parametrize("fidelity", ["documented", "observed"])
def test_no_journal_shows_the_new_token(fidelity: Fidelity, accept: str) -> None:
    with peers(world(), fidelity=fidelity) as there:
        there.answers = [ERROR]
        after(there, REGISTER)
        token = token_of(there.simulator)
        answer = get(there.simulator, EVENTS, when=there.clock.now(), more=[("Accept", accept)])
        is_shown = fidelity == "observed" and accept != "text/xml"
        assert (token.encode() in answer.body) == is_shown
        journal = [entry.to_dict() for entry in there.simulator.journal.entries()]
        assert token not in json.dumps(journal)
        (exchange, *_) = [entry for entry in there.exchanges if entry.action == REGISTER]
        assert "the new token in clear" in exchange.detail["why"]


def test_a_handshake() -> None:
    with peers(world()) as there:
        ((tags, text, data),) = after(there, HANDSHAKE)
        assert (tags, text) == ("oscp,cp,handshake,http", "Success")
        assert (data["regStatus"], data["correlationId"]) == ("r", "r1")
        assert data["content"] == {"required_behaviour": {}}


@pytest.mark.parametrize(
    ("action", "tags", "config"),
    [
        (UPDATE, "oscp,cp,update-group-capacity-forecast", 1),
        (ADJUST, "oscp,co,adjust-group-capacity-forecast", 3),
    ],
)
def test_what_is_passed_on(action: str, tags: str, config: int) -> None:
    with peers(world()) as there:
        ((found, text, data),) = after(there, action)
        assert (found, text) == (f"{tags},http", "Success")
        assert (data["configId"], data["requestId"]) == (config, "r1")
        (block,) = data["content"]["forecasted_blocks"]
        assert block["start_time"] == "2026-05-04T16:00:00.000Z"


@pytest.mark.parametrize(
    ("action", "tags", "task", "config"),
    [
        (REGISTER, "oscp,cp,reg", "CapacityProvider (42,3)", 3),
        (HANDSHAKE, "oscp,cp,handshake", "CapacityProvider (42,3)", 3),
        (UPDATE, "oscp,cp,update-group-capacity-forecast", "CapacityProvider (42,1)", 1),
        (ADJUST, "oscp,co,adjust-group-capacity-forecast", "CapacityOptimizer (42,3)", 3),
    ],
)
def test_tries(action: str, tags: str, task: str, config: int) -> None:
    with peers(world()) as there:
        there.decide = lambda _: ERROR
        found = after(there, action)
        url = there.sent[0].url
    name = "HandshakeAcknowledge" if action == HANDSHAKE else action
    why = f'500 Internal Server Error on POST request for "{url}": [no body]'
    events = [each for each in found if each[1] is not None]
    assert [each[:2] for each in events] == [
        (f"{tags},error,http", "Invalid HTTP status returned: 500 INTERNAL_SERVER_ERROR"),
        (
            f"{tags},error",
            f"[{name}] task with {task} failed; will re-try up to 2 more times: {why}",
        ),
        (f"{tags},error,http", "Invalid HTTP status returned: 500 INTERNAL_SERVER_ERROR"),
        (
            f"{tags},error",
            f"[{name}] task with {task} failed; will re-try up to 1 more times: {why}",
        ),
        (f"{tags},error,http", "Invalid HTTP status returned: 500 INTERNAL_SERVER_ERROR"),
        (f"{tags},error", f"[{name}] task with {task} failed; tried 3 times: {why}"),
    ]
    assert events[1][2].keys() == {"configId", "regStatus", "v", "url"}
    assert events[-1][2] == {"configId": config}


def test_silence() -> None:
    with peers(world()) as there:
        there.answers = [SILENT]
        (_, text, _), *_ = after(there, UPDATE)
    assert text.startswith("Communication error: I/O error on POST request for ")


def test_a_url_that_is_none() -> None:
    with peers(world()) as there:
        found = after(there, REGISTER, registration("http://cp.test/a{}b"))
        assert there.sent == []
    data = {**SYSTEM, "url": "http://cp.test/a{}b"}
    assert found == [("oscp,cp,reg", None, data), ("oscp,cp,reg,error", "Invalid URL", data)]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"registration_status": "Pending"}, "Status not Registered"),
        ({"oscp_version": "1.0"}, "Unsupported OSCP version"),
    ],
)
def test_a_configuration_that_does_not_allow_it(more: dict[str, str], text: str) -> None:
    with peers(world(optimizers=[optimizer(**more)])) as there:
        ((tags, found, _),) = after(there, UPDATE)
    assert (tags, found) == ("oscp,cp,update-group-capacity-forecast,error", text)


@pytest.mark.parametrize(
    ("more", "tags", "text"),
    [
        ({}, "oscp,cp,heartbeat,http", "Success"),
        (
            {"oscp_version": "1.0"},
            "oscp,cp,heartbeat,error",
            "System URI unresolvable: [Heartbeat] task with CapacityProvider (42,3) failed because "
            "the OSCP version 1.0 is not supported.",
        ),
    ],
)
def test_heartbeats(more: dict[str, str], tags: str, text: str) -> None:
    settings = {"heartbeat_seconds": 60, "measurement_styles": []}
    with peers(world(providers=[provider(**more, settings=settings)])) as there:
        there.clock.advance(60)
        (event,) = told(there)
    assert (",".join(event["tags"]), event["message"]) == (tags, text)
