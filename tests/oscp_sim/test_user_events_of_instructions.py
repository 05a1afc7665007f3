"""The user events of an instruction, by the rows of solaruser.md §9.1."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oscp_schemas.date_time import Fidelity
from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.entry import Entry, Kind, PartyName
from oscp_sim.world import CapacityProvider, User, World, load_world
from tests.oscp_sim.rig import (
    BASE,
    JSON,
    NOW,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    Provider,
    block,
    get,
    instruction,
    post,
    settled,
    shared_of,
)

LATER = NOW + timedelta(days=1)
EVENTS = "/solaruser/api/v1/sec/user/events?startDate=2026-01-01&endDate=2026-02-01"
BLOCK = block("2022-10-08T18:00:00Z", "2022-10-09T08:00:00+13:00", 10)
FORECAST = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [BLOCK]}
# Numbers are doubles and times those of SolarNetwork, in UTC.
DECODED = {
    "group_id": "foo-group",
    "type": "CONSUMPTION",
    "forecasted_blocks": [
        BLOCK
        | {
            "capacity": 10.0,
            "start_time": "2022-10-08T18:00:00.000Z",
            "end_time": "2022-10-08T19:00:00.000Z",
        }
    ],
}
WORLD = """
users:
  - id: 42
    tokens: [{id: rehearsal-token-0001, secret: rehearsal-secret}]
    nodes: [1, 11]
    capacity_providers:
      - {id: 3, name: Grid, token: cp-token}
      - {id: 4, name: Off, token: cp-token-off, enabled: false}
      - {id: 5, name: Nowhere, token: cp-token-nowhere, base_url: null}
      - {id: 6, name: Old, token: cp-token-old, base_url: "http://127.0.0.1:9", oscp_version: "1.0"}
    capacity_optimizers:
      - {id: 1, name: Depot}
      - {id: 2, name: Off, enabled: false}
    capacity_groups:
      - {id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}
      - {id: 20, identifier: off, capacity_provider: 3, capacity_optimizer: 1, enabled: false}
      - {id: 21, identifier: dark, capacity_provider: 4, capacity_optimizer: 1}
      - {id: 22, identifier: nowhere, capacity_provider: 5, capacity_optimizer: 1}
      - {id: 23, identifier: old, capacity_provider: 6, capacity_optimizer: 1}
  - id: 43
    tokens: [{id: rehearsal-token-0002, secret: rehearsal-secret}]
    nodes: [2]
    capacity_providers: [{id: 1, name: Theirs, token: cp-token-theirs}]
    capacity_optimizers: [{id: 1, name: Theirs}]
    capacity_groups: [{id: 1, identifier: foo-group, capacity_provider: 1, capacity_optimizer: 1}]
"""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(WORLD, clock=FrozenClock(NOW)) as simulator:
        yield simulator


def events(simulator: Simulator, token: str = TOKEN, secret: str = SECRET) -> list[dict[str, Any]]:
    """The user's events, read the way a user reads them."""
    answer = get(simulator, EVENTS, token=token, secret=secret, more=[("Accept", JSON)])
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json.get("data", [])
    return found


def told(simulator: Simulator, body: object, token: str = TOKEN) -> list[dict[str, Any]]:
    """A user's events about one instruction, from its posting to its end."""
    assert post(simulator, body, token=token).status == 200
    settled(simulator)
    return events(simulator, token)


def essence(event: Mapping[str, Any]) -> tuple[tuple[str, ...], str, dict[str, Any] | None]:
    return tuple(event["tags"]), event["message"], event.get("data")


def msg(text: str) -> dict[str, Any]:
    return {"action": "AdjustGroupCapacityForecast", "msg": text}


ERROR = ("oscp", "instruction", "error")
AT_LEAST = {"action": "Handshake"}
NAMED = {"action": "Handshake", "coId": 1, "cgIdentifier": "foo-group"}

# Each row's id: the check of §3.1, and what is wrong.
LOOKED_UP = [
    pytest.param({"nodeId": 1}, "Missing OSCP parameters", None, id="check 2"),
    pytest.param(
        {"nodeId": 1, "params": {"coId": "1"}}, "Missing OSCP action", None, id="check 3: absent"
    ),
    pytest.param(instruction(action=" "), "Missing OSCP action", None, id="check 3: blank"),
    pytest.param(
        instruction(coId=""), "Missing capacity optimizer ID", AT_LEAST, id="check 4: empty"
    ),
    pytest.param(
        instruction(coId="x"),
        "Invalid capacity optimizer ID",
        AT_LEAST | {"coId": "x"},
        id="check 5: text",
    ),
    pytest.param(
        instruction(coId="7.0"),
        "Invalid capacity optimizer ID",
        AT_LEAST | {"coId": "7.0"},
        id="check 5: fraction",
    ),
    pytest.param(
        instruction(cgIdentifier=""),
        "Missing group identifier",
        AT_LEAST | {"coId": 1},
        id="check 6",
    ),
    pytest.param(
        instruction(coId="+007"),
        "Unknown capacity optimizer",
        NAMED | {"coId": 7},
        id="check 7: unknown, and its number",
    ),
    pytest.param(
        instruction(coId="2"),
        "Unknown capacity optimizer",
        NAMED | {"coId": 2},
        id="check 7: not enabled",
    ),
    pytest.param(
        instruction(cgIdentifier="depot-x"),
        "Unknown group identifier",
        NAMED | {"cgIdentifier": "depot-x"},
        id="check 8: unknown",
    ),
    pytest.param(
        instruction(cgIdentifier="off"),
        "Unknown group identifier",
        NAMED | {"cgIdentifier": "off"},
        id="check 8: not enabled",
    ),
    pytest.param(
        instruction(cgIdentifier="dark"),
        "Unknown capacity provider",
        NAMED | {"cgIdentifier": "dark"},
        id="check 9",
    ),
    pytest.param(
        instruction(action="Nonsense", coId="9"),
        "Unknown capacity optimizer",
        {"action": "Nonsense", "coId": 9, "cgIdentifier": "foo-group"},
        id="check 9 comes before 10",
    ),
]


@pytest.mark.parametrize(("body", "message", "data"), LOOKED_UP)
def test_9_1_what_is_missing_or_unknown(
    simulator: Simulator, body: object, message: str, data: dict[str, Any] | None
) -> None:
    (event,) = told(simulator, body)
    assert essence(event) == (ERROR, message, data)
    # `no data` means no key at all.
    assert ("data" in event) is (data is not None)


INVALID, FAILED = "Invalid OSCP message", "Error handling OSCP message"
# The event as documented and as observed: only a text that is not JSON makes a difference.
MESSAGES = [
    pytest.param({"action": "Register"}, INVALID, INVALID, id="check 10"),
    pytest.param({"msg": ""}, INVALID, INVALID, id="check 11"),
    pytest.param({"msg": " "}, INVALID, INVALID, id="check 12, 3.3: blank"),
    pytest.param({"msg": "[]"}, INVALID, INVALID, id="check 12, 3.3: array"),
    pytest.param({"msg": "7"}, INVALID, INVALID, id="check 12, 3.3: number"),
    pytest.param({"msg": "null"}, FAILED, FAILED, id="check 12, 3.3: null"),
    pytest.param({"msg": "{bad"}, INVALID, FAILED, id="check 12, 3.3: malformed"),
    pytest.param({"msg": "{} {}"}, INVALID, FAILED, id="check 12, 3.3: two values"),
    pytest.param(msg("{}"), INVALID, INVALID, id="check 12, 3.3: schema violation"),
    pytest.param(
        msg(
            json.dumps(
                FORECAST | {"forecasted_blocks": [BLOCK | {"capacity": 1e308 * 10}]}
            ).replace("Infinity", "1" + "0" * 400)
        ),
        FAILED,
        FAILED,
        id="check 12, 3.3: valid but not bindable",
    ),
    pytest.param(
        msg(json.dumps(FORECAST | {"group_id": "another"})), INVALID, INVALID, id="check 13"
    ),
]


@pytest.mark.parametrize("fidelity", ["documented", "observed"])
@pytest.mark.parametrize(("changes", "documented", "observed"), MESSAGES)
def test_9_1_checks_10_to_13(
    changes: dict[str, Any], documented: str, observed: str, fidelity: Fidelity
) -> None:
    body = instruction(**changes)
    with Simulator(WORLD, clock=FrozenClock(NOW), fidelity=fidelity) as simulator:
        reason = post(simulator, body).data["resultParameters"]["error"]
        (event,) = events(simulator)
    expected = NAMED | {"action": body["params"]["action"], "message": reason}
    message = documented if fidelity == "documented" else observed
    assert essence(event) == (ERROR, message, expected)


def test_9_1_a_schema_that_the_service_does_not_find_is_an_error_of_its_own(
    observed: Simulator,
) -> None:
    body = instruction(action="UpdateAssetMeasurement")
    (event,) = told(observed, body)
    assert event["message"] == FAILED
    assert event["data"]["message"].startswith("java.io.FileNotFoundException: ")


def test_9_1_published(simulator: Simulator) -> None:
    event = told(simulator, instruction(**msg(json.dumps(FORECAST))))[0]
    assert essence(event) == (
        ("oscp", "instruction", "in"),
        "Queued instruction",
        {
            "instructionId": 1,
            "action": "AdjustGroupCapacityForecast",
            "coId": 1,
            "cgIdentifier": "foo-group",
            "content": DECODED,
        },
    )


@pytest.mark.parametrize("correlation", [{}, {"correlationId": "abc"}], ids=["without", "with"])
def test_9_1_handler_claimed_and_done(simulator: Simulator, correlation: dict[str, Any]) -> None:
    body = instruction(**msg(json.dumps(FORECAST)), **correlation)
    _, claimed, _, done = told(simulator, body)
    data = {
        "instructionId": 1,
        "action": "AdjustGroupCapacityForecast",
        "coId": 1,
        "cgIdentifier": "foo-group",
        "content": DECODED,
        **correlation,
    }
    assert essence(claimed) == (("oscp", "instruction"), "Processing queued instruction", data)
    assert essence(done) == (("oscp", "instruction", "out"), "Posted instruction", data)


def test_9_1_as_observed_the_handler_never_hears_of_the_correlation_id(
    observed: Simulator,
) -> None:
    found = told(observed, instruction(correlationId="abc"))
    assert len(found) == 4
    assert not any("correlationId" in event["data"] for event in found)


@pytest.mark.parametrize("correlation", [{}, {"correlationId": "abc"}], ids=["without", "with"])
def test_9_1_http_client_ok(simulator: Simulator, correlation: dict[str, Any]) -> None:
    body = instruction(**msg(json.dumps(FORECAST)), **correlation)
    answered = told(simulator, body)[2]
    sent = simulator.journal.entries(party="capacity_provider")[0].request
    assert sent is not None
    headers = {name.lower(): value for name, value in sent.headers}
    url = "http://simulator.invalid/oscp/cp/2.0/adjust_group_capacity_forecast"
    assert essence(answered) == (
        ("oscp", "instruction", "http"),
        "Success",
        {
            "configId": 3,
            "regStatus": "r",
            "v": "2.0",
            "url": url,
            "method": "POST",
            "requestId": headers["x-request-id"],
            "content": DECODED,
            **correlation,
        },
    )
    assert headers.get("x-correlation-id") == correlation.get("correlationId")


def with_provider(url: str, token: str = PROVIDER_TOKEN, **headers: str) -> World:
    """A world whose first Capacity Provider listens there."""
    world = load_world(WORLD)
    user = world.users[0]
    first, *others = user.capacity_providers
    changed = replace(first, base_url=url, token=token, service_props={"http-headers": headers})
    return replace(
        world,
        users=(replace(user, capacity_providers=(changed, *others)), *world.users[1:]),
    )


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, " BAD_REQUEST"),
        (403, " FORBIDDEN"),
        (404, " NOT_FOUND"),
        (499, ""),
        (500, " INTERNAL_SERVER_ERROR"),
    ],
)
def test_9_1_http_client_failed_by_status(status: int, name: str) -> None:
    with (
        Provider(status=status, body=b"no") as provider,
        Simulator(with_provider(provider.url), clock=FrozenClock(NOW)) as simulator,
    ):
        found = told(simulator, instruction())
        url = f"{provider.url}/handshake"
    _, _, answered, failed = found
    tags, message, data = essence(answered)
    assert tags == ("oscp", "instruction", "error", "http")
    assert message == f"Invalid HTTP status returned: {status}{name}"
    assert data is not None
    assert data.keys() == {"configId", "regStatus", "v", "url", "method", "requestId", "content"}
    assert (data["url"], data["content"]) == (url, {})
    assert failed["message"] == "Error sending OSCP message to capacity provider"


def test_9_1_http_client_failed_to_reach_it() -> None:
    with Provider() as provider:
        url = provider.url
    with Simulator(with_provider(url), clock=FrozenClock(NOW)) as simulator:
        _, _, answered, _ = told(simulator, instruction())
    assert answered["tags"] == ["oscp", "instruction", "error", "http"]
    assert answered["message"].startswith("Communication error: I/O error on POST request for ")


def test_9_1_handler_failed_to_send() -> None:
    with (
        Provider(status=500, body=b"down") as provider,
        Simulator(with_provider(provider.url), clock=FrozenClock(NOW)) as simulator,
    ):
        *_, failed = told(simulator, instruction(correlationId="abc"))
        shown = get(simulator, "/solaruser/api/v1/sec/instr/view?id=1").data
    assert essence(failed) == (
        ERROR,
        "Error sending OSCP message to capacity provider",
        NAMED
        | {
            "instructionId": 1,
            "content": {},
            "correlationId": "abc",
            "message": shown["resultParameters"]["error"],
        },
    )


def test_9_1_handler_failed_for_another_version_of_oscp(simulator: Simulator) -> None:
    *before, failed = told(simulator, instruction(cgIdentifier="old"))
    # Nothing went over HTTP, so nothing is told of HTTP.
    assert [event["message"] for event in before] == [
        "Queued instruction",
        "Processing queued instruction",
    ]
    assert failed["message"] == "Error sending OSCP message to capacity provider"
    assert "OSCP version 1.0 is not supported" in failed["data"]["message"]


def test_9_1_handler_failed_for_an_action_without_a_path(observed: Simulator) -> None:
    body = instruction(action="UpdateGroupCapacityForecast", msg=json.dumps(FORECAST))
    *_, failed = told(observed, body)
    assert failed["message"] == "Error sending OSCP message to capacity provider"
    assert failed["data"]["message"] == "Unsupported OSCP 2.0 action [UpdateGroupCapacityForecast]"


def test_4_2_without_a_base_url_all_seems_well(simulator: Simulator) -> None:
    found = told(simulator, instruction(cgIdentifier="nowhere"))
    assert [event["message"] for event in found] == [
        "Queued instruction",
        "Processing queued instruction",
        "Posted instruction",
    ]


def without_optimizer(user: User) -> User:
    return replace(user, capacity_optimizers=())


def without_group(user: User) -> User:
    return replace(user, capacity_groups=())


def without_provider(user: User) -> User:
    def off(provider: CapacityProvider) -> CapacityProvider:
        return replace(provider, enabled=False)

    return replace(user, capacity_providers=tuple(map(off, user.capacity_providers)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_optimizer, "Unknown capacity optimizer"),
        (without_group, "Unknown group identifier"),
        (without_provider, "Unknown capacity provider"),
    ],
)
def test_4_1_what_is_gone_when_the_handler_looks_again(
    change: Callable[[User], User], message: str
) -> None:
    simulator = Simulator(WORLD, clock=FrozenClock(NOW))
    assert post(simulator, instruction()).data["state"] == "Queuing"
    world = simulator.world
    shared_of(simulator).world = replace(world, users=(change(world.users[0]), *world.users[1:]))
    with simulator:
        settled(simulator)
        _, failed = events(simulator)
    assert essence(failed) == (ERROR, message, NAMED | {"instructionId": 1, "message": message})


def test_4_1_an_instruction_that_somebody_else_claimed_is_told_of_no_further() -> None:
    simulator = Simulator(WORLD, clock=FrozenClock(NOW))
    post(simulator, instruction())
    shared_of(simulator).instructions.change("solaruser", 1, "Queuing", "Declined")
    with simulator:
        simulator.close()
        assert [event["message"] for event in events(simulator)] == ["Queued instruction"]


def test_6_another_topic_is_told_of_to_nobody(simulator: Simulator) -> None:
    for target in (f"{BASE}/add/Other", f"{BASE}/add/oscp_v20"):
        assert post(simulator, instruction(), target).data["state"] == "Queuing"
    assert events(simulator) == []


def test_9_2_token_authentication_is_told_of_to_nobody(simulator: Simulator) -> None:
    assert events(simulator) == []
    assert get(simulator, EVENTS, secret="wrong", more=[("Accept", JSON)]).status == 403
    assert events(simulator) == []


def test_an_instruction_that_is_refused_outright_is_told_of_to_nobody(
    simulator: Simulator,
) -> None:
    assert post(simulator, instruction(2)).status == 403
    assert post(simulator, instruction(77)).status == 403
    assert post(simulator, "{").status == 422
    assert events(simulator) == []
    assert events(simulator, token="rehearsal-token-0002") == []


def test_the_owner_is_told_and_nobody_else(simulator: Simulator) -> None:
    mine = told(simulator, instruction())
    theirs = told(simulator, instruction(2), token="rehearsal-token-0002")
    assert {event["userId"] for event in mine} == {42}
    assert {event["userId"] for event in theirs} == {43}
    assert len(mine) == len(theirs) == 4
    assert events(simulator) == mine


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("foo-group", [("Queuing", 0), ("Executing", 1), ("Completed", 4)]),
        ("old", [("Queuing", 0), ("Executing", 1), ("Declined", 3)]),
    ],
)
def test_each_event_is_told_before_the_state_that_goes_with_it(
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    expected: list[tuple[str, int]],
) -> None:
    seen: list[tuple[str, int]] = []
    append = simulator.journal.append

    def spy(
        party: PartyName,
        kind: Kind,
        *,
        state: str | None = None,
        **fields: Any,  # noqa: ANN401 - whatever else an entry has
    ) -> Entry:
        if state is not None:
            seen.append((state, len(shared_of(simulator).events.find(42, NOW, LATER))))
        return append(party, kind, state=state, **fields)

    monkeypatch.setattr(simulator.journal, "append", spy)
    told(simulator, instruction(cgIdentifier=group))
    assert seen == expected


def test_the_same_seed_and_clock_tell_the_same(simulator: Simulator) -> None:
    def run(seed: int) -> list[dict[str, Any]]:
        with Simulator(WORLD, clock=FrozenClock(NOW), seed=seed) as another:
            told(another, instruction())
            return told(another, instruction(cgIdentifier="nope"))

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_no_secret_is_told_even_where_an_answer_quotes_its_request() -> None:
    secrets = ["cp-token-of-mine", "pass-of-mine", "api-key-of-mine", SECRET]
    body = b"Authorization: Token cp-token-of-mine\nX-Key: api-key-of-mine"
    with Provider(status=500, body=body) as provider:
        url = provider.url.replace("http://", "http://me:pass-of-mine@")
        headers = {"X-Key": "api-key-of-mine", "X-Short": "e"}
        world = with_provider(url, token="cp-token-of-mine", **headers)
        with Simulator(world, clock=FrozenClock(NOW)) as simulator:
            found = told(simulator, instruction(correlationId="abc"))
    text = json.dumps(found)
    assert "Error sending" in text
    assert [secret for secret in secrets if secret in text] == []
