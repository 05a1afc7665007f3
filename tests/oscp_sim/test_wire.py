"""The request as it was sent, by whatever server it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from oscp_sim.http import Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL, SimulatorAdapter
from oscp_sim.web import RAW_HEADERS, RAW_TARGET, environment, received
from tests.oscp_sim.rig import (
    BASE,
    JSON,
    NOW,
    SECRET,
    TOKEN,
    ask,
    ask_over_network,
    authorization,
    canonical,
    encoded,
    http_date,
    instruction,
    signature,
    signed_headers,
)

if TYPE_CHECKING:
    from oscp_sim import Simulator

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8)


@given(st.lists(st.tuples(names, values), max_size=5))
def test_headers_are_kept_in_order_repeated_ones_included(pairs: list[tuple[str, str]]) -> None:
    pairs = [pair for pair in pairs if pair[0] not in {"content-length", "transfer-encoding"}]
    sent = Request("POST", "/a%2Fb?x=%20", tuple(pairs), b"body")
    assert received(environment(sent)) == sent
    assert (sent.path, sent.query) == ("/a%2Fb", "x=%20")


def test_a_repeated_header_is_one_for_wsgi() -> None:
    headers = (("x-a", "1"), ("content-type", "t"), ("x-a", "2"), ("content-length", "3"))
    environ = environment(Request("GET", "/", headers, b"123"))
    assert environ["HTTP_X_A"] == "1,2"
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("t", "3")


def test_of_a_server_that_keeps_nothing_raw_as_much_as_there_is() -> None:
    builder = EnvironBuilder(
        path="/caf\u00e9 b",
        query_string="a=%20b",
        method="PUT",
        headers=[("X-Some-Name", "v"), ("Host", "h")],
        content_type="text/plain",
        data=b"123",
    )
    wire = received(builder.get_environ())
    assert (wire.method, wire.path, wire.query) == ("PUT", "/caf%C3%A9%20b", "a=%20b")
    assert set(wire.headers) == {
        ("host", "h"),
        ("x-some-name", "v"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://h:80/a?b=c", "/a", "b=c"),
        ("http://h", "/", ""),
        ("*", "/", ""),
        ("/a??b", "/a", "?b"),
        ("/", "/", ""),
    ],
)
def test_targets_of_every_form(target: str, path: str, query: str) -> None:
    environ = {**environment(Request("GET", "/")), RAW_TARGET: target, RAW_HEADERS: ()}
    wire = received(environ)
    assert (wire.path, wire.query) == (path, query)


# --- the same request, in process and over a socket --------------------------------------------


@pytest.mark.parametrize("over_network", [False, True])
@pytest.mark.parametrize(
    ("target", "topic"),
    [
        (f"{BASE}/add/OSCP%5Fv20", "OSCP_v20"),
        (f"{BASE}/add/caf%c3%A9", "caf\u00e9"),
        (f"{BASE}/add/a%20b?x=%7e&y=1+2&y=%2B", "a b"),
    ],
)
def test_the_raw_target_is_verified(
    simulator: Simulator, target: str, topic: str, over_network: bool
) -> None:
    body = encoded(instruction())
    headers = signed_headers("POST", target, body)
    if over_network:
        answer = ask_over_network(simulator.url, "POST", target, headers, body)
    else:
        answer = ask(simulator, "POST", target, headers, body)
    assert answer.data["topic"] == topic


@pytest.mark.parametrize("over_network", [False, True])
def test_of_repeated_headers_the_first_is_signed(simulator: Simulator, over_network: bool) -> None:
    target, body = f"{BASE}/add/x", encoded(instruction())
    headers = [
        *(("Host", "h"), ("X-SN-Date", http_date(NOW)), ("Content-Type", JSON)),
        *(("X-Note", "first"), ("X-Note", "second")),
    ]
    signed = ["content-type", "host", "x-note", "x-sn-date"]
    made = signature(SECRET, NOW, canonical("POST", target, headers, signed, body))
    headers.append(("Authorization", authorization(TOKEN, signed, made)))
    if over_network:
        answer = ask_over_network(simulator.url, "POST", target, headers, body)
    else:
        answer = ask(simulator, "POST", target, headers, body)
    assert answer.data["topic"] == "x"


def test_a_chunked_body_over_a_socket(simulator: Simulator) -> None:
    target, body = f"{BASE}/add/x", encoded(instruction())
    headers = signed_headers("POST", target, body)
    answer = ask_over_network(
        simulator.url, "POST", target, headers, chunks=[body[:1], body[1:40], body[40:]]
    )
    assert len(answer.data["parameters"]) == 4


# --- the adapter between the parties -----------------------------------------------------------


def echo(request: Request) -> Response:
    headers = (("X-Target", request.target), ("X-Host", request.headers[0][1]))
    return Response(418, headers, f"{request.method} {request.text}".encode())


def test_the_adapter_answers_with_what_the_application_says() -> None:
    with requests.Session() as session:
        session.mount(IN_PROCESS_URL, SimulatorAdapter(echo))
        response = session.post(f"{IN_PROCESS_URL}/a%2Fb?c=%20d", data=b"body")
        assert (response.status_code, response.reason) == (418, "I'm a Teapot")
        assert response.content == b"POST body"
        assert response.headers["x-target"] == "/a%2Fb?c=%20d"
        assert response.headers["X-Host"] == "simulator.invalid"
        assert response.url == f"{IN_PROCESS_URL}/a%2Fb?c=%20d"
        assert session.get(IN_PROCESS_URL).content == b"GET "
