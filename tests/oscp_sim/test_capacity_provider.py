"""What a simulated Capacity Provider takes and refuses (oscp20.md §9.3, §1.2 and §2.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from tests.cases.table import CASES
from tests.oscp_sim.other_side import PATHS
from tests.oscp_sim.rig import (
    ADJUSTMENT,
    ASSET,
    BLOCK,
    NOW,
    PROVIDER_TOKEN,
    SECRET,
    TOKEN,
    Answer,
    ask,
    ask_over_network,
    encoded,
    measured,
)
from tests.oscp_sim.worlds import group, user, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oscp_sim.entry import Entry
    from tests.cases.case import Case

BASE = "/oscp/cp/2.0"
MESSAGES: dict[str, dict[str, Any]] = {
    "heartbeat": {"offline_mode_at": "2026-05-04T16:30:00Z"},
    "handshake_acknowledge": {},
    "adjust_group_capacity_forecast": ADJUSTMENT,
    "group_capacity_compliance_error": {"message": "too little"},
    "handshake": {"required_behaviour": {"measurement_configuration": []}},
    "update_group_measurements": measured(),
    "update_asset_measurements": {"group_id": "foo-group", "measurements": [ASSET]},
    "update_group_capacity_forecast": ADJUSTMENT,
}
PATHS_OF_ACTIONS = {each: PATHS[each].removeprefix("/") for each in PATHS if each != "Register"}
ADJUST = f"{BASE}/adjust_group_capacity_forecast"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One for all: what is refused leaves no trace but in the journal."""
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        yield simulator


@dataclass(frozen=True)
class Message:
    """A request to a Capacity Provider; None leaves a header out."""

    target: str = ADJUST
    body: bytes = json.dumps(ADJUSTMENT).encode()
    method: str = "POST"
    authorization: str | None = f"Token {PROVIDER_TOKEN}"
    content_type: str | None = "application/json"
    request_id: str | None = "u4"
    more: tuple[tuple[str, str], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        named = {
            "Host": "cp.test",
            "Authorization": self.authorization,
            "Content-Type": self.content_type,
            "X-Request-ID": self.request_id,
        }
        return [(name, value) for name, value in named.items() if value is not None] + list(
            self.more
        )

    def to(self, simulator: Simulator) -> Answer:
        return ask(simulator, self.method, self.target, self.headers(), self.body)


def last(simulator: Simulator) -> Entry:
    return simulator.journal.entries(party="capacity_provider")[-1]


def refused(answer: Answer) -> tuple[int, str]:
    """Status and message of the documented refusal, `{"message": "..."}`."""
    assert answer.header("Content-Type") == "application/json"
    assert answer.json.keys() == {"message"}
    return answer.status, answer.json["message"]


@pytest.mark.parametrize(("path", "message"), MESSAGES.items())
def test_a_message_is_taken_with_204_and_remembered(
    simulator: Simulator, path: str, message: dict[str, Any]
) -> None:
    answer = Message(f"{BASE}/{path}", encoded(message)).to(simulator)
    assert (answer.status, answer.body) == (204, b"")
    entry = last(simulator)
    assert PATHS_OF_ACTIONS[entry.action or ""] == path
    assert entry.request is not None
    assert entry.response is not None
    assert entry.request.target == f"{BASE}/{path}"
    assert json.loads(entry.request.text) == message
    assert dict(entry.request.headers)["x-request-id"] == "u4"
    assert entry.response.status == 204


# --- §9.3 --------------------------------------------------------------------------------------

ROWS: dict[str, tuple[Message, int, str]] = {
    "X1": (Message(authorization=None), 401, "the Authorization header is missing"),
    "X2": (Message(authorization=f"token {PROVIDER_TOKEN}"), 403, "the token is unknown"),
    "X2-upper": (Message(authorization=f"TOKEN {PROVIDER_TOKEN}"), 403, "the token is unknown"),
    "X3": (Message(authorization=f"Token  {PROVIDER_TOKEN}"), 403, "the token is unknown"),
    "X4": (Message(authorization=f"Bearer {PROVIDER_TOKEN}"), 403, "the token is unknown"),
    "X5-token-id": (Message(authorization=f"Token {TOKEN}"), 403, "the token is unknown"),
    "X5-secret": (Message(authorization=f"Token {SECRET}"), 403, "the token is unknown"),
    "X5-empty": (Message(authorization="Token "), 403, "the token is unknown"),
    "X5-bare": (Message(authorization="Token"), 403, "the token is unknown"),
    "X7": (Message(request_id=None), 400, "the X-Request-ID header is missing"),
    "X7-empty": (Message(request_id=""), 400, "the X-Request-ID header is missing"),
    "X14": (Message(content_type="text/plain"), 415, "the Content-Type must be application/json"),
    "X14-none": (Message(content_type=None), 415, "the Content-Type must be application/json"),
    "X17": (
        Message(more=(("Content-Encoding", "gzip"),)),
        415,
        "the body is compressed with gzip: send it as it is",
    ),
    "X19": (
        Message(body=encoded({**ADJUSTMENT, "group_id": "bar"})),
        404,
        'there is no Capacity Group "bar"',
    ),
    "json": (Message(body=b"{'a':1}"), 400, "not JSON: line 1, column 2: "),
    "empty": (Message(body=b""), 400, "not JSON: "),
    "not-utf-8": (Message(body=b'{"a":"\xff"}'), 400, "not JSON: "),
    "array": (Message(body=b"[]"), 400, "/: "),
    "schema": (
        Message(body=encoded({**ADJUSTMENT, "forecasted_blocks": [{**BLOCK, "unit": "kW"}]})),
        400,
        "/forecasted_blocks/0/unit: ",
    ),
    "unknown-message": (Message(f"{BASE}/update_price"), 404, ""),
    "unknown-path": (Message(f"{BASE}/handshake/"), 404, ""),
}


@pytest.mark.parametrize(("message", "status", "begins"), ROWS.values(), ids=ROWS)
def test_refusals(simulator: Simulator, message: Message, status: int, begins: str) -> None:
    got, text = refused(message.to(simulator))
    assert got == status
    assert text.startswith(begins)
    assert last(simulator).response is not None


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", MESSAGES)
def test_x13_another_method(simulator: Simulator, path: str, method: str) -> None:
    answer = Message(f"{BASE}/{path}", method=method).to(simulator)
    assert (answer.status, answer.header("Allow")) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("handshake_acknowledgment", "handshake_acknowledge"),
        ("group_capacity_compliance_errors", "group_capacity_compliance_error"),
        ("Heartbeat", "heartbeat"),
        ("nothing_like_it", None),
    ],
)
def test_a_misspelt_path_says_which_was_meant(
    simulator: Simulator, path: str, meant: str | None
) -> None:
    status, text = refused(Message(f"{BASE}/{path}").to(simulator))
    hint = "" if meant is None else f': is it "{meant}"?'
    said = f'there is no message "{path}" at a Capacity Provider{hint}'
    assert (status, text) == (404, said)
    response = last(simulator).response
    assert response is not None
    assert said in str(json.loads(response.body))


def test_x13_register_has_more_methods(simulator: Simulator) -> None:
    answer = Message(f"{BASE}/register", method="GET").to(simulator)
    assert (answer.status, answer.header("Allow")) == (405, "POST, PUT, DELETE")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON;x=y"]
)
def test_x15_a_content_type_with_parameters(simulator: Simulator, content_type: str) -> None:
    assert Message(content_type=content_type).to(simulator).status == 204


def test_x16_a_chunked_body(simulator: Simulator) -> None:
    body = encoded(ADJUSTMENT)
    answer = ask_over_network(
        simulator.url, "POST", ADJUST, Message().headers(), chunks=[body[:7], body[7:90], body[90:]]
    )
    assert answer.status == 204
    request = last(simulator).request
    assert request is not None
    assert json.loads(request.text) == ADJUSTMENT


def test_x9_a_compliance_error_that_names_no_forecast_is_taken_with_a_finding(
    simulator: Simulator,
) -> None:
    message = Message(f"{BASE}/group_capacity_compliance_error", b'{"message":"x"}')
    assert message.to(simulator).status == 204
    assert "S15" in {finding["rule"] for finding in last(simulator).findings}


def test_a_body_over_the_limit(simulator: Simulator) -> None:
    declared = ("Content-Length", "20971521")
    answer = replace(Message(), body=b"", more=(declared,)).to(simulator)
    assert refused(answer) == (413, "the body is too large")


def test_every_violation_is_told(simulator: Simulator) -> None:
    wrong = {**BLOCK, "unit": "kW", "capacity": -1}
    answer = Message(body=encoded({**ADJUSTMENT, "type": "x", "forecasted_blocks": [wrong]}))
    _, text = refused(answer.to(simulator))
    for pointer in ("/type", "/forecasted_blocks/0/unit", "/forecasted_blocks/0/capacity"):
        assert f"{pointer}: " in text
    assert {finding["pointer"] for finding in last(simulator).findings} >= {
        "/type",
        "/forecasted_blocks/0/unit",
        "/forecasted_blocks/0/capacity",
    }


def test_what_makes_no_sense_is_taken_with_findings(simulator: Simulator) -> None:
    backwards = {**BLOCK, "start_time": BLOCK["end_time"], "end_time": BLOCK["start_time"]}
    message = encoded({**ADJUSTMENT, "forecasted_blocks": [backwards]})
    assert Message(body=message).to(simulator).status == 204
    rules = [finding["rule"] for finding in last(simulator).findings]
    assert "S1" in rules


def test_providers_are_told_apart_by_their_token() -> None:
    """Each knows its own groups; one that listens elsewhere is nobody here."""
    names = [("a", "token-a", {}), ("b", "token-b", {}), ("c", "token-c", {"base_url": None})]
    owner = user(
        capacity_providers=[
            {"id": at, "name": name, "token": token, **more}
            for at, (name, token, more) in enumerate(names, 1)
        ],
        capacity_groups=[group(at, f"group-{each[0]}", at) for at, each in enumerate(names, 1)],
    )
    with Simulator(world(owner), clock=FrozenClock(NOW)) as simulator:

        def status(token: str, group: str) -> int:
            body = encoded({**ADJUSTMENT, "group_id": group})
            return Message(body=body, authorization=f"Token {token}").to(simulator).status

        assert [status("token-a", f"group-{name}") for name in "abc"] == [204, 404, 404]
        assert [status("token-b", f"group-{name}") for name in "abc"] == [404, 204, 404]
        assert [status("token-c", f"group-{name}") for name in "abc"] == [403, 403, 403]


ADDRESSED = [case for case in CASES if case.action in PATHS_OF_ACTIONS]


@pytest.mark.parametrize("case", ADDRESSED, ids=[case.id for case in ADDRESSED])
def test_no_listed_case_breaks_it(simulator: Simulator, case: Case) -> None:
    body = case.text.encode("utf-8", "surrogatepass")
    mark = simulator.journal.last
    answer = Message(f"{BASE}/{PATHS_OF_ACTIONS[case.action]}", body).to(simulator)
    assert answer.status in {204, 400, 404}
    assert len(simulator.journal.entries(kind="exchange", since=mark)) == 1


@given(
    st.sampled_from(sorted(MESSAGES)),
    st.binary(max_size=100),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20),
)
def test_nothing_breaks_it(simulator: Simulator, path: str, body: bytes, header: str) -> None:
    target = f"{BASE}/{path}"
    assert Message(target, body).to(simulator).status == 400
    assert Message(target, body, authorization=f"Token {header}").to(simulator).status == 403
    assert Message(target, body, request_id=header or None).to(simulator).status == 400
    assert Message(target, body, content_type=header).to(simulator).status == 415
