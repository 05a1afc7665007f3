"""Waiting: until the end of an instruction or the deadline, without ever sleeping here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses

from oscp_send.errors import (
    DeadlinePassed,
    InstructionDeclined,
    NotAuthorised,
    NotUnderstood,
    RateLimited,
    Refused,
    Unreachable,
)
from oscp_send.instruction import InstructionState, InstructionStatus
from oscp_send.values import InvalidValue
from tests.oscp_send.sender_world import NOW, VIEW, Service, make_client, reply

if TYPE_CHECKING:
    from oscp_send.client import SolarUserClient


class Naps:
    """A clock that advances only by pauses."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.now = NOW

    def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.now += timedelta(seconds=seconds)

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(naps: Naps) -> SolarUserClient:
    return make_client(sleep=naps.sleep, clock=naps.clock)


def known(state: str) -> InstructionStatus:
    return InstructionStatus.from_dict(reply(state)["data"])


def test_an_instruction_is_followed_to_its_completion(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    for state in ("Queuing", "Executing", "Executing", "Completed"):
        service.get(VIEW, json=reply(state))
    done = client.wait(known("Queuing"), poll=1)
    assert done.state is InstructionState.COMPLETED
    assert naps.taken == [1, 1.5, 2.25]


def test_an_instruction_may_be_named_by_its_id(service: Service, client: SolarUserClient) -> None:
    query = responses.matchers.query_param_matcher({"id": "77"})
    service.get(VIEW, json=reply("Completed", id=77), match=[query])
    assert client.wait(77).id == 77


@pytest.mark.parametrize("state", ["Completed", "Declined"])
def test_a_known_end_is_not_looked_up(
    service: Service, client: SolarUserClient, state: str
) -> None:
    if state == "Completed":
        assert client.wait(known(state)) == known(state)
    else:
        with pytest.raises(InstructionDeclined):
            client.wait(known(state))


def test_a_decline_on_delivery_is_raised_with_its_reason(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    service.get(VIEW, json=reply("Executing"))
    service.get(VIEW, json=reply("Declined", resultParameters={"error": "500 x"}))
    with pytest.raises(InstructionDeclined, match="500 x") as caught:
        client.wait(5012345)
    assert caught.value.instruction.state == "Declined"
    # A first look that comes a little too early costs little.
    assert naps.taken == [0.05]


def test_a_minute_is_waited_unless_told_otherwise(
    service: Service, client: SolarUserClient
) -> None:
    service.get(VIEW, json=reply("Queuing"))
    with pytest.raises(DeadlinePassed, match="for 60 s"):
        client.wait(5012345)


def test_pauses_grow_to_ten_seconds_and_end_at_the_deadline(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    service.get(VIEW, json=reply("Queuing"))
    with pytest.raises(DeadlinePassed):
        client.wait(5012345, timeout=60, poll=4)
    # A little real time passes beside the naps, so the last one is a little shorter.
    assert naps.taken[:-1] == [4, 6, 9, 10, 10, 10, 10]
    assert 0 < naps.taken[-1] <= 1
    assert sum(naps.taken) <= 60


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("Queuing", "has not claimed it"),
        ("Queued", "will not be delivered any more"),
        ("Executing", "may have acted"),
        ("Received", "SolarNode"),
        ("Unknown", "view"),
    ],
)
def test_a_passed_deadline_names_the_last_state_and_what_it_means(
    service: Service, client: SolarUserClient, state: str, words: str
) -> None:
    service.get(VIEW, json=reply(state))
    with pytest.raises(DeadlinePassed) as caught:
        client.wait(5012345, timeout=2)
    assert caught.value.instruction == known(state)
    assert caught.value.trouble is None
    assert f"last seen as {state}" in str(caught.value)
    assert words in str(caught.value)
    assert "for 2 s" in str(caught.value)


def test_a_timeout_of_nothing_looks_once(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    service.get(VIEW, json=reply("Queuing"))
    with pytest.raises(DeadlinePassed):
        client.wait(5012345, timeout=0)
    assert len(service.calls) == 1
    assert naps.taken == []


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 429, "json": {"success": False, "code": "DAO.00200"}},
        {"status": 503, "body": "x"},
        {"body": requests.ConnectionError("lost")},
        {"body": requests.ReadTimeout("late")},
    ],
    ids=["429", "503", "lost", "late"],
)
def test_trouble_on_the_way_is_tolerated(
    service: Service, client: SolarUserClient, trouble: dict[str, Any]
) -> None:
    service.get(VIEW, **trouble)
    service.get(VIEW, **trouble)
    service.get(VIEW, json=reply("Completed"))
    assert client.wait(5012345).state == "Completed"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"X-SN-Rate-Limit-Retry-After": f"{int(NOW.timestamp()) + 7}000"}),
        (429, {"Retry-After": "7"}),
        (503, {"Retry-After": "7"}),
    ],
    ids=["rate limit", "rate limit as HTTP has it", "unavailable"],
)
def test_who_says_when_to_come_back_is_heard(
    service: Service, client: SolarUserClient, naps: Naps, status: int, headers: dict[str, str]
) -> None:
    service.get(VIEW, status=status, json={"success": False}, headers=headers)
    service.get(VIEW, json=reply("Completed"))
    client.wait(5012345, poll=0.5)
    assert naps.taken == [7]


def test_a_rate_limit_does_not_stretch_the_deadline(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    retry_at = NOW + timedelta(hours=1)
    headers = {"X-SN-Rate-Limit-Retry-After": str(int(retry_at.timestamp() * 1000))}
    service.get(VIEW, status=429, json={"success": False}, headers=headers)
    with pytest.raises(DeadlinePassed) as caught:
        client.wait(5012345, timeout=5)
    assert isinstance(caught.value.trouble, RateLimited)
    assert "Nothing was queued" not in str(caught.value)
    assert "Try again at" in str(caught.value.trouble)
    assert sum(naps.taken) <= 5


def test_trouble_to_the_end_is_named(service: Service, client: SolarUserClient) -> None:
    service.get(VIEW, body=requests.ConnectionError("lost"))
    with pytest.raises(DeadlinePassed) as caught:
        client.wait(5012345, timeout=1)
    assert caught.value.instruction is None
    assert isinstance(caught.value.trouble, Unreachable)
    assert "never seen" in str(caught.value)
    assert "The last look failed" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 403, "json": {"success": False, "message": "Access denied"}}, NotAuthorised),
        ({"status": 403, "json": {"success": False, "message": "ACCESS_DENIED"}}, Refused),
        ({"json": {"success": True}}, Refused),
        ({"body": "<html>"}, NotUnderstood),
    ],
    ids=["policy", "foreign", "unknown", "strange"],
)
def test_what_waiting_cannot_remedy_is_raised_at_once(
    service: Service,
    client: SolarUserClient,
    naps: Naps,
    answer: dict[str, Any],
    kind: type[Exception],
) -> None:
    service.get(VIEW, **answer)
    with pytest.raises(kind):
        client.wait(5012345)
    assert naps.taken == []


def test_what_is_no_instruction_is_not_waited_for(client: SolarUserClient) -> None:
    with pytest.raises(TypeError, match="not for <coroutine>: is send awaited"):
        client.wait("<coroutine>")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeout", "poll"), [(-1, 1), (float("nan"), 1), (1, 0), (1, -1), (1, float("nan"))]
)
def test_impossible_patience_is_refused(
    client: SolarUserClient, timeout: float, poll: float
) -> None:
    with pytest.raises(InvalidValue, match="positive seconds"):
        client.wait(1, timeout=timeout, poll=poll)


def test_a_look_takes_no_longer_than_the_time_that_is_left(
    client: SolarUserClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[tuple[float, float]] = []

    def late(*_: object, timeout: tuple[float, float], **__: object) -> requests.Response:
        allowed.append(timeout)
        raise requests.ReadTimeout

    monkeypatch.setattr(requests.Session, "send", late)
    with pytest.raises(DeadlinePassed):
        client.wait(1, timeout=5, poll=4)
    assert all(connect <= 5 and read <= 5 for connect, read in allowed)
    assert allowed[-1] == (1.0, 1.0)


def test_a_service_in_trouble_is_not_asked_again_at_once(
    service: Service, client: SolarUserClient, naps: Naps
) -> None:
    service.get(VIEW, status=429)
    service.get(VIEW, status=503)
    service.get(VIEW, json=reply("Completed"))
    client.wait(5012345)
    assert naps.taken == [0.25, 0.25]
