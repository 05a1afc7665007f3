"""Requests from one party to another over the network: bounded, and exactly as they are made."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from oscp_sim.http import Request
from oscp_sim.outgoing import Outgoing, Unanswered
from tests.oscp_sim.rig import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = (5.0, 0.3)


@contextmanager
def answering(*pieces: bytes, then: threading.Event | None = None) -> Iterator[str]:
    """A server that sends these pieces to whoever comes, and then waits until it is let go."""
    let_go = then or threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)
                let_go.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        let_go.set()
        thread.join(10)


def test_a_header_that_comes_twice_is_sent_twice() -> None:
    headers = (("X-One", "1"), ("X-Request-ID", "a"), ("x-request-id", "b"))
    outgoing = Outgoing()
    with Provider() as provider:
        assert (
            outgoing.send(Request("POST", provider.url, headers, b"{}"), timeout=TIMEOUT).status
            == 204
        )
    ((_, got, _),) = provider.asked
    assert [value for name, value in got if name.lower() == "x-request-id"] == ["a", "b"]
    outgoing.close()


def test_a_body_that_never_ends_holds_up_nobody() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 3_000_000
    outgoing = Outgoing()
    with answering(endless) as url:
        reply = outgoing.send(Request("POST", url, (), b"{}"), timeout=TIMEOUT)
    assert reply.status == 200
    assert 1_048_576 <= len(reply.body) < 2_000_000
    outgoing.close()


@pytest.mark.parametrize("then", [None, "at once"])
def test_a_body_that_stops_half_way_is_none(then: str | None) -> None:
    let_go = threading.Event()
    if then:
        let_go.set()
    outgoing = Outgoing()
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with answering(half, then=let_go) as url:
        reply = outgoing.send(Request("POST", url, (), b"{}"), timeout=TIMEOUT)
    assert (reply.status, reply.body) == (200, b"")
    outgoing.close()


def test_a_connection_that_is_closed_says_who_failed_to_respond() -> None:
    let_go = threading.Event()
    let_go.set()
    outgoing = Outgoing()
    with answering(then=let_go) as url, pytest.raises(Unanswered) as caught:
        outgoing.send(Request("POST", url, (), b"{}"), timeout=TIMEOUT)
    assert str(caught.value) == f"{url.removeprefix('http://')} failed to respond"
    outgoing.close()


def test_plain_http_behind_an_https_url_is_no_ssl_message() -> None:
    outgoing = Outgoing()
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        request = Request("POST", url.replace("http:", "https:"), (), b"{}")
        with pytest.raises(Unanswered) as caught:
            outgoing.send(request, timeout=TIMEOUT)
    assert str(caught.value) == "Unsupported or unrecognized SSL message"
    outgoing.close()


@pytest.mark.parametrize("value", ["a\nb", " x", "a\rb", "\nX-Other: 1"])
def test_what_a_header_cannot_hold_is_not_sent(value: str) -> None:
    outgoing = Outgoing()
    with Provider() as provider, pytest.raises(Unanswered, match="InvalidHeader"):
        outgoing.send(Request("POST", provider.url, (("X-One", value),), b"{}"), timeout=TIMEOUT)
    assert provider.asked == []
    outgoing.close()
