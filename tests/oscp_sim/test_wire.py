"""The request as it was sent, by whatever server it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from oscp_sim.http import RAW_HEADERS, RAW_TARGET, WireRequest, environment
from oscp_sim.outgoing import IN_PROCESS_URL, WsgiAdapter
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
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from oscp_sim import Simulator

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8)


@given(st.lists(st.tuples(names, values), max_size=5))
def test_headers_are_kept_in_order_repeated_ones_included(pairs: list[tuple[str, str]]) -> None:
    shouted = [(name.upper(), value) for name, value in pairs]
    wire = WireRequest.of(environment("POST", "/a%2Fb?x=%20", shouted, path="/a/b"))
    assert wire.headers == tuple(pairs)
    assert (wire.method, wire.path, wire.query) == ("POST", "/a%2Fb", "x=%20")
    assert wire.target == "/a%2Fb?x=%20"


def test_a_repeated_header_is_one_for_wsgi() -> None:
    headers = [("X-A", "1"), ("Content-Type", "t"), ("x-a", "2"), ("Content-Length", "3")]
    environ = environment("GET", "/", headers, path="/")
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
    wire = WireRequest.of(builder.get_environ())
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
    wire = WireRequest.of({"REQUEST_METHOD": "GET", RAW_TARGET: target, RAW_HEADERS: ()})
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


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    wire = WireRequest.of(environ)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("418 I'm a teapot", [("X-Target", wire.target), ("X-Host", wire.headers[0][1])])
    return [wire.method.encode(), b" ", body]


def test_the_adapter_answers_with_what_the_application_says() -> None:
    with requests.Session() as session:
        session.mount(IN_PROCESS_URL, WsgiAdapter(echo))
        response = session.post(f"{IN_PROCESS_URL}/a%2Fb?c=%20d", data=b"body")
        assert (response.status_code, response.reason) == (418, "I'm a teapot")
        assert response.content == b"POST body"
        assert response.headers["x-target"] == "/a%2Fb?c=%20d"
        assert response.headers["X-Host"] == "simulator.invalid"
        assert response.url == f"{IN_PROCESS_URL}/a%2Fb?c=%20d"
        assert session.get(IN_PROCESS_URL).content == b"GET "
