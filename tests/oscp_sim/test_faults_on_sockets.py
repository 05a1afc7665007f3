"""Faults on the wire, as a raw client sees them from outside."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from oscp_sim import Simulator
from oscp_sim.clock import FrozenClock
from oscp_sim.faults import load_faults
from tests.oscp_sim.rig import ADD, NOW, encoded, instruction, signed_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20


@pytest.fixture
def served() -> Iterator[Simulator]:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        assert simulator.url
        yield simulator


def request() -> bytes:
    body = encoded(instruction())
    headers = [*signed_headers("POST", ADD, body), ("Content-Length", str(len(body)))]
    head = [f"POST {ADD} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*head, "", ""]).encode() + body


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)


def told(url: str, data: bytes) -> tuple[bytes, str]:
    """What comes back, and how the connection ends."""
    got = b""
    with connect(url) as connection:
        connection.sendall(data)
        # A reset may have come already.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        try:
            while piece := connection.recv(65_536):
                got += piece
        except ConnectionResetError:
            return got, "reset"
    return got, "closed"


def parts(got: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, {k.lower(): v for k, _, v in (line.partition(b": ") for line in lines)}, body


def is_queued(simulator: Simulator) -> bool:
    return bool(simulator.shared.instructions.find(lambda _: True))


def whys(simulator: Simulator) -> list[str]:
    return [each.detail["why"] for each in simulator.journal.entries() if "fault" in each.detail]


@pytest.mark.parametrize(
    ("words", "ends", "queued"),
    [
        ({"fault": "reset_before"}, "reset", False),
        ({"fault": "connection_refused"}, "reset", False),
        ({"fault": "reset_after"}, "reset", True),
        ({"fault": "no_answer"}, "closed", True),
        ({"fault": "no_answer", "carried_out": False}, "closed", False),
    ],
    ids=lambda each: "-".join(map(str, each.values())) if isinstance(each, dict) else "",
)
def test_nothing_comes_back(
    served: Simulator, words: dict[str, Any], ends: str, queued: bool
) -> None:
    armed = served.faults.add(where="solaruser", **words)
    assert told(served.url, request()) == (b"", ends)
    assert is_queued(served) is queued
    assert armed.struck == 1
    assert len(whys(served)) == 1


def test_a_reset_comes_before_the_body_is_read(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="reset_before")
    head, _, _ = request().partition(b"\r\n\r\n")
    with connect(served.url) as connection:
        connection.sendall(head + b"\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_half_of_an_answer(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="half_answer")
    got, ends = told(served.url, request())
    first, headers, body = parts(got)
    assert (first, ends) == (b"HTTP/1.1 200 OK", "closed")
    assert len(body) == int(headers[b"content-length"]) // 2
    assert is_queued(served)


def test_an_answer_byte_by_byte(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="slow_answer", bytes_per_second=1_000_000)
    got, _ = told(served.url, request())
    first, headers, body = parts(got)
    assert first == b"HTTP/1.1 200 OK"
    assert len(body) == int(headers[b"content-length"])


def test_an_answer_takes_as_long_as_its_bytes(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="slow_answer", bytes_per_second=0.02)
    with connect(served.url) as connection:
        connection.sendall(request())
        assert connection.recv(100) == b"H"
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(100)


@pytest.mark.parametrize(
    ("words", "expected"),
    [({}, b"\x00\x01\x02 this is no HTTP\r\n\r\n"), ({"body": "\x07?"}, b"\x07?")],
)
def test_garbage(served: Simulator, words: dict[str, str], expected: bytes) -> None:
    served.faults.add(where="solaruser", fault="garbage", **words)
    assert told(served.url, request()) == (expected, "closed")
    assert is_queued(served)


@pytest.mark.parametrize("off_by", [10, -10])
def test_a_length_that_is_wrong(served: Simulator, off_by: int) -> None:
    served.faults.add(where="solaruser", fault="content_length", off_by=off_by)
    _, headers, body = parts(told(served.url, request())[0])
    assert int(headers[b"content-length"]) == len(body) + off_by
    assert json.loads(body)["success"] is True


def test_another_content_type(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="content_type", content_type="text/html")
    _, headers, body = parts(told(served.url, request())[0])
    assert headers[b"content-type"] == b"text/html"
    assert json.loads(body)["success"] is True


def test_a_redirect(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="redirect", location="http://elsewhere.test/")
    first, headers, _ = parts(told(served.url, request())[0])
    assert first == b"HTTP/1.1 307 Temporary Redirect"
    assert headers[b"location"] == b"http://elsewhere.test/"
    assert not is_queued(served)


@pytest.mark.parametrize(
    ("form", "expected"), [("seconds", b"90"), ("date", b"Fri, 02 Jan 2026 03:05:35 GMT")]
)
def test_a_status_with_both_forms_of_retry_after(
    served: Simulator, form: str, expected: bytes
) -> None:
    served.faults.add(
        where="solaruser",
        fault="status",
        status=503,
        retry_after="90s",
        retry_after_form=form,
        headers={"X-Why": "busy"},
        body="later",
    )
    first, headers, body = parts(told(served.url, request())[0])
    assert (first, body) == (b"HTTP/1.1 503 Service Unavailable", b"later")
    assert headers[b"retry-after"] == expected
    assert (headers[b"x-why"], headers[b"content-type"]) == (b"busy", b"text/plain")
    assert not is_queued(served)


def test_a_late_answer_is_whole(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="delay", by="10ms")
    first, _, body = parts(told(served.url, request())[0])
    assert first == b"HTTP/1.1 200 OK"
    assert json.loads(body)["success"] is True
    assert whys(served) == ["fault 1: the answer is late: 0.01 s"]


def test_others_on_the_same_port_are_let_alone(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="reset_before")
    health = b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert told(served.url, health)[0].startswith(b"HTTP/1.1 200 OK")


def gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def refused(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_nobody_listens_until_it_is_over(served: Simulator) -> None:
    with connect(served.url) as waiting:
        armed = served.faults.add(where="solaruser", fault="connection_refused", lasts="1h")
        assert refused(served.url)
        # Who had a connection already has none any more.
        assert gone(waiting)
    assert armed.struck == 1
    assert whys(served) == ["fault 1: nobody listens for 3600 s"]
    served.faults.clear()
    while refused(served.url):
        pass
    assert told(served.url, request())[0].startswith(b"HTTP/1.1 200 OK")


def test_who_serves_later_is_closed_as_well() -> None:
    rules = load_faults(
        {"faults": [{"where": "solaruser", "fault": "connection_refused", "lasts": "1h"}]}
    )
    with Simulator(clock=FrozenClock(NOW), faults=rules) as simulator:
        assert simulator.faults.never_struck
        assert refused(simulator.url)
        assert not simulator.faults.never_struck
        assert whys(simulator) == ["fault 1: nobody listens for 3600 s"]


def test_a_port_opens_by_itself(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="connection_refused", lasts="20ms")
    while refused(served.url):
        pass
    served.faults.clear()
    assert told(served.url, request())[0].startswith(b"HTTP/1.1 200 OK")


def test_a_simulator_closes_while_its_port_is_closed(served: Simulator) -> None:
    url = served.url
    served.faults.add(where="solaruser", fault="connection_refused", lasts="1h")
    served.close()
    assert refused(url)


def test_a_request_counts_once_for_what_is_decided_before_it_is_read(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="reset_before", after=1)
    assert told(served.url, request())[0].startswith(b"HTTP/1.1 200 ")
    assert told(served.url, request())[0] == b""
    (armed,) = served.faults.rules
    assert (armed.met, armed.struck) == (2, 1)


def test_of_two_rules_that_close_a_port_the_longer_one_holds(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="connection_refused", lasts="1h")
    served.faults.add(where="solaruser", fault="connection_refused", lasts="1ms")
    time.sleep(0.1)
    assert refused(served.url)
    # Without it, the other one's time counts, which is over.
    served.clock.advance(1)
    served.faults.remove(1)
    until = time.monotonic() + PATIENCE
    while refused(served.url):
        assert time.monotonic() < until


def test_a_closed_port_opens_when_the_shorter_rule_is_left(served: Simulator) -> None:
    served.faults.add(where="solaruser", fault="connection_refused", lasts="1h")
    served.faults.add(where="solaruser", fault="connection_refused", lasts="20ms")
    served.faults.remove(1)
    until = time.monotonic() + PATIENCE
    while refused(served.url):
        assert time.monotonic() < until
