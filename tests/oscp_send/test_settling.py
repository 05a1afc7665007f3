"""What may have been queued: found, certainly not there, or still unknown."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.errors import NotAuthorised, PossiblySent, Refused
from oscp_send.instruction import (
    TOPIC,
    Instruction,
    InstructionState,
    InstructionStatus,
    split_parameters,
)
from tests.oscp_send.sender_world import (
    ADD,
    BASE,
    HANDSHAKE,
    INSTR,
    NOW,
    TO,
    Service,
    instruction,
    make_client,
)

SENT = Instruction.of_message("Handshake", HANDSHAKE, **TO)
LOST = PossiblySent(SENT, NOW - timedelta(minutes=1), "no answer came in time")
PING = f"{BASE}/solaruser/ping"
PARTS = [{"name": name, "value": part} for name, part in split_parameters(SENT.parameters)]


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "data": list(rows)}


def row(number: int, **changes: object) -> dict[str, Any]:
    return instruction("Queuing", **{"id": number, "parameters": PARTS, **changes})


def at(seconds: float) -> str:
    """Return the timestamp of so much later than the lost one was sent, by our clock."""
    return f"{NOW + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S.%f}Z"


def test_what_is_alike_is_found(service: Service) -> None:
    others = [row(4, nodeId=102), row(5, topic="x"), row(6, parameters=PARTS[:-1])]
    service.get(INSTR, json=listed(row(2), *others))
    found = make_client().settle(LOST)
    assert found is not None
    assert found.id == 2
    asked = service.calls[-1].request.url or ""
    assert "nodeIds=101" in asked
    # Nothing tells SolarUser's clock, which takes a request by one that is 15 minutes behind.
    assert "startDate=2026-01-02T02%3A48%3A05Z&endDate=2026-01-02T03%3A20%3A05Z" in asked


def said(date: str) -> dict[str, Any]:
    return {"json": {"success": True, "data": {"date": date}}}


def ping(seconds: float) -> dict[str, Any]:
    return said(at(seconds)[:-1] + "789Z")


def dated(seconds: float, zone: str = "GMT") -> dict[str, Any]:
    date = format_datetime(NOW + timedelta(seconds=seconds)).replace("+0000", zone)
    return {"status": 404, "body": "<html>", "headers": {"Date": date}}


NOTHING: dict[str, Any] = {"body": '{"data": {"date": 5}}', "headers": {"Date": "x"}}
#: What tells SolarUser's time, from when on it is looked for, when rows that are alike were stored,
#: and whether it is found.
TOLD: dict[str, tuple[dict[str, Any], float, list[float], str]] = {
    "nothing": (NOTHING, -960, [0], "found"),
    "nothing, a little before": (NOTHING, -960, [-30], "doubtful"),
    "nothing, minutes before": (NOTHING, -960, [-600], "doubtful"),
    "nothing, two": (NOTHING, -960, [0, 5], "doubtful"),
    "a ping": (ping(0), -1, [0], "found"),
    "a ping, hardly before": (ping(0), -1, [-0.5], "doubtful"),
    "a ping, two": (ping(0), -1, [0.1, 0.2], "doubtful"),
    "a ping, ahead": (ping(300), 299, [300], "found"),
    "a ping, ahead, before": (ping(300), 299, [299.5], "doubtful"),
    "a ping, behind": (ping(-600), -601, [-600], "found"),
    "a ping, of another clock": (ping(-900), -960, [0], "found"),
    "a ping of a number": ({"json": {"success": True, "data": {"date": 5}}}, -960, [0], "found"),
    "a ping of nothing": ({"json": {"success": True, "data": {}}}, -960, [0], "found"),
    "no ping of SolarUser's": ({"json": {"data": {"date": at(300)}}}, -960, [0], "found"),
    "a ping without a zone": (said(at(300)[:-1]), -960, [0], "found"),
    "no ping, HTTP without a zone": (dated(300, "-0000"), -960, [0], "found"),
    # Where the tests of `make mutate` run, it is 5:45 h later.
    "no ping, HTTP without a zone, as in Nepal": (dated(21000, "-0000"), -960, [0], "found"),
    "no ping, HTTP after all times": (
        {"status": 404, "headers": {"Date": "Fri, 31 Dec 9999 23:59:59 -0100"}},
        -960,
        [0],
        "found",
    ),
    "HTTP, ahead": (dated(30), -30, [30], "found"),
    "HTTP, ahead, before": (dated(30), -30, [20], "doubtful"),
    "HTTP, far ahead": (dated(300), -60, [300], "found"),
    "HTTP, far ahead, of something on the way": (dated(300), -60, [0], "doubtful"),
    "HTTP, far behind": (dated(-300), -360, [-300], "doubtful"),
    "HTTP, far behind, of something on the way": (dated(-300), -360, [0], "found"),
    "HTTP, of another clock": (dated(900), -960, [0], "found"),
}


@pytest.mark.parametrize(("answer", "start", "rows", "verdict"), TOLD.values(), ids=TOLD)
def test_what_was_sent_before_is_not_taken_for_it(
    service: Service, answer: dict[str, Any], start: float, rows: list[float], verdict: str
) -> None:
    service.get(PING, **answer)
    service.get(INSTR, json=listed(*(row(7, created=at(each)) for each in rows)))
    with pytest.raises(PossiblySent) if verdict == "doubtful" else nullcontext() as caught:
        assert make_client().settle(LOST)
    begin = quote(at(start)[:19].replace(" ", "T"))
    assert f"startDate={begin}" in (service.calls[-1].request.url or "")
    if caught is not None:
        assert len(caught.value.alike) == len(rows)


def test_what_cannot_be_told_from_it_is_named(service: Service) -> None:
    service.get(INSTR, json=listed(row(5, created=at(-0.5)), row(6)))
    with pytest.raises(PossiblySent) as caught:
        make_client().settle(LOST)
    assert str(caught.value) == (
        "The instruction may have been queued, and was not sent again: no answer came in time; "
        "what is like it may be something else: instruction 5 of 2026-01-02T03:04:04.500000Z and "
        "6 of 2026-01-02T03:04:05.123456Z\n"
        "One that nobody else sent is this one; if none is, look again. "
        "Look before you send it again: oscp-send list --node-id 101 --start 2026-01-02T02:48:05Z"
    )


def test_what_names_no_parameters_may_be_another_s(service: Service) -> None:
    service.get(INSTR, json=listed(row(5, parameters=[])))
    with pytest.raises(PossiblySent, match="may be something else: instruction 5 of"):
        make_client().settle(LOST)


LOSING: dict[str, Any] = {"status": 504}
QUEUED: dict[str, Any] = {"json": {"success": True, "data": row(1)}}
REFUSED: dict[str, Any] = {"status": 422, "json": {"success": False, "message": "no"}}


@pytest.mark.parametrize(
    ("answers", "later", "is_found"),
    [
        ([LOSING], 0, True),
        ([LOSING, QUEUED, REFUSED], 0, True),
        ([LOSING, LOSING], 0, False),
        ([LOSING, LOSING], 20, False),
        ([LOSING, LOSING], 120, True),
    ],
    ids=["one", "others answered", "two", "two, soon", "two, the other after what is there"],
)
def test_of_two_lost_ones_it_is_not_known_which_is_there(
    service: Service, answers: list[dict[str, Any]], later: int, *, is_found: bool
) -> None:
    for answer in answers:
        service.post(ADD, **answer)
    service.get(PING, **ping(0))
    service.get(INSTR, json=listed(row(7, created=at(60))))
    now = [NOW]
    client = make_client(clock=lambda: now[0])
    lost: list[PossiblySent] = []
    for _ in answers:
        with suppress(Refused):
            try:
                client.submit(SENT)
            except PossiblySent as error:
                lost.append(error)
        now[0] += timedelta(seconds=later)
    now[0] = NOW
    with nullcontext() if is_found else pytest.raises(PossiblySent, match="instruction 7 of"):
        # As often as it is asked.
        assert [client.settle(lost[0]) for _ in range(2)] == [client.settle(lost[0])] * 2


@pytest.mark.parametrize(
    ("minutes", "answer", "certain_from"),
    [
        (16, NOTHING, "03:35:05"),
        (31, NOTHING, "03:35:05"),
        (31.1, NOTHING, ""),
        (17, ping(959), "03:21:06"),
        (15.9, ping(961), ""),
        (16, dated(960), "03:20:05"),
        (17, dated(961), ""),
        (17, dated(720), "03:25:05"),
        (16, dated(1260), "03:20:05"),
    ],
)
def test_that_it_is_not_there_is_certain_once_its_date_is_too_old(
    service: Service, minutes: float, answer: dict[str, Any], certain_from: str
) -> None:
    service.get(PING, **answer)
    service.get(INSTR, json=listed())
    client = make_client(clock=lambda: NOW + timedelta(minutes=minutes))
    if not certain_from:
        assert client.settle(LOST) is None
    else:
        with pytest.raises(PossiblySent, match=f"from 2026-01-02T{certain_from}Z on") as caught:
            client.settle(LOST)
        assert caught.value.instruction is SENT
        assert caught.value.since == LOST.since


@pytest.mark.parametrize("answer", [{"body": requests.ConnectionError("no")}, {"status": 503}])
def test_that_it_cannot_be_looked_for_says_nothing_of_what_was_sent(
    service: Service, answer: dict[str, Any]
) -> None:
    service.get(INSTR, **answer)
    with pytest.raises(PossiblySent, match="it cannot be looked for: SolarUser could") as caught:
        make_client().settle(LOST)
    assert ("A look changes nothing" in caught.value.reason) is ("body" in answer)
    assert "Nothing was sent" not in str(caught.value)


OTHERS: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "another message": ({}, True),
    "another message, declined": ({"state": "Declined"}, False),
    "another action": ({"action": "Other"}, False),
    "another node": ({"nodeId": 102}, False),
    "gone": (None, False),
}


@pytest.mark.parametrize(("changes", "is_doubtful"), OTHERS.values(), ids=OTHERS)
def test_one_that_was_answered_with_and_differs_in_its_message_is_no_certainty(
    service: Service, changes: dict[str, Any] | None, is_doubtful: bool
) -> None:
    given = dict(changes or {})
    names = {**dict(SENT.parameters), "msg": "{}", "action": given.pop("action", "Handshake")}
    parts = [{"name": name, "value": value} for name, value in names.items()]
    data = None if changes is None else {**row(7, parameters=parts), **given}
    service.get(INSTR, json=listed())
    service.get(f"{INSTR}/view", json={"success": True, "data": data})
    service.get(PING, **ping(1020))
    client = make_client(clock=lambda: NOW + timedelta(minutes=17))
    lost = PossiblySent(SENT, LOST.since, "it is about another instruction, 7", other=7)
    if is_doubtful:
        with pytest.raises(PossiblySent, match="instruction 7 is Queuing, and like it but for"):
            client.settle(lost)
    else:
        assert client.settle(lost) is None


def test_that_what_was_answered_with_cannot_be_seen_is_no_certainty(service: Service) -> None:
    service.get(PING, **ping(1020))
    service.get(INSTR, json=listed())
    service.get(f"{INSTR}/view", status=503)
    client = make_client(clock=lambda: NOW + timedelta(minutes=17))
    with pytest.raises(PossiblySent, match=r"it cannot be looked for: .* 503"):
        client.settle(PossiblySent(SENT, LOST.since, "it is about another, 7", other=7))


def test_it_is_looked_for_until_it_is_there(service: Service) -> None:
    service.get(INSTR, status=503)
    service.get(INSTR, status=429, headers={"Retry-After": "7"})
    service.get(INSTR, json=listed())
    service.get(INSTR, json=listed(row(9)))
    pauses: list[float] = []
    found = make_client(sleep=pauses.append).settle(LOST, timeout=60, poll=1)
    assert found is not None
    assert pauses == [1, 7, 2.25]


def test_it_is_looked_for_once_unless_told_otherwise(service: Service) -> None:
    for rows in ((), (), (row(9),)):
        service.get(INSTR, json=listed(*rows))
    pauses: list[float] = []
    client = make_client(sleep=pauses.append)
    with pytest.raises(PossiblySent):
        client.settle(LOST)
    assert pauses == []
    assert client.settle(LOST, timeout=60) is not None
    assert pauses == [0.25]


def test_what_may_not_be_looked_for_is_an_error_of_its_own(service: Service) -> None:
    service.get(INSTR, status=403, json={"success": False, "message": "Bad credentials"})
    with pytest.raises(NotAuthorised):
        make_client().settle(LOST)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=600)
PARAMETERS = st.dictionaries(st.sampled_from(["coId", "msg", "action"]), TEXTS, min_size=1)


def _returned(parameters: dict[str, str], order: Any) -> InstructionStatus:  # noqa: ANN401 - hypothesis's own
    parts = split_parameters(parameters.items())
    stored = list(dict.fromkeys((name, _stored(part)) for name, part in parts))
    order.shuffle(stored)
    return InstructionStatus(1, 101, TOPIC, InstructionState.QUEUING, parameters=tuple(stored))


def _stored(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(parameters=PARAMETERS, order=st.randoms(use_true_random=False))
def test_it_is_known_again_however_its_parts_come_back(
    parameters: dict[str, str],
    order: Any,  # noqa: ANN401 - hypothesis's own
) -> None:
    sent = Instruction(TOPIC, 101, tuple(parameters.items()))
    assert sent.is_carried_by(_returned(parameters, order))


@given(parameters=PARAMETERS, others=PARAMETERS, order=st.randoms(use_true_random=False))
def test_another_is_not_taken_for_it(
    parameters: dict[str, str],
    others: dict[str, str],
    order: Any,  # noqa: ANN401 - hypothesis's own
) -> None:
    sent = Instruction(TOPIC, 101, tuple(parameters.items()))
    parts = {(name, _stored(part)) for name, part in split_parameters(parameters.items())}
    if parts != {(name, _stored(part)) for name, part in split_parameters(others.items())}:
        assert not sent.is_carried_by(_returned(others, order))


LONG = "x" * 255 + "\U0001f600"


@pytest.mark.parametrize(
    ("stored", "is_it"),
    [
        ((("coId", "7"), ("msg", LONG)), True),
        ((("msg", LONG), ("coId", "7"), ("", "")), False),
        ((("coId", "7"), ("msg", "x" * 255 + "?"), ("msg", "?")), True),
        ((("coId", "8"), ("msg", LONG)), False),
        ((), True),
    ],
    ids=["whole", "one more", "cut", "other", "none"],
)
def test_it_is_known_by_its_parts_or_as_a_whole(
    stored: tuple[tuple[str, str], ...], *, is_it: bool
) -> None:
    sent = Instruction(TOPIC, 101, (("coId", "7"), ("cgIdentifier", ""), ("", "x"), ("msg", LONG)))
    found = InstructionStatus(1, 101, TOPIC, InstructionState.QUEUING, parameters=stored)
    assert sent.is_carried_by(found) is is_it
