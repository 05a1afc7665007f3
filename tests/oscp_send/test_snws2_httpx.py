"""SNWS2 over httpx: what its clients send has the signatures that the scheme restated gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.httpx_transport import SNWS2HttpxAuth
from oscp_sim import Simulator
from tests.oscp_send.test_snws2 import (
    APRIL,
    AUGUST,
    VECTORS,
    moments,
    pairs_of_texts,
    restated_date,
    restated_query,
    restated_signature,
)

if TYPE_CHECKING:
    from datetime import datetime

CLIENT = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(204)))


def sent(
    method: str,
    url: str,
    *,
    secret: str = "s",  # noqa: S107 - not one
    when: datetime = APRIL,
    **more: Any,  # noqa: ANN401 - passed on to httpx
) -> httpx.Request:
    auth = SNWS2HttpxAuth("t", secret, clock=lambda: when)
    return CLIENT.request(method, url, auth=auth, **more).request


def made_signature(request: httpx.Request) -> str:
    return request.headers["Authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("url", "host", "vector"),
    [
        ("http://localhost:8080", "localhost:8080", "U7"),
        ("https://localhost", "localhost:443", "U8"),
        ("https://localhost:443", "localhost:443", "U8"),
        ("https://localhost:8443", "localhost:8443", "U9"),
        ("http://localhost", "localhost", "U10"),
        ("http://localhost:80", "localhost", "U10"),
    ],
)
def test_the_host_is_sent_and_signed_as_the_service_verifies_it(
    url: str, host: str, vector: str
) -> None:
    request = sent("GET", f"{url}/mock/path/here", secret="lsdjfpse9jfoeijfe09j", when=AUGUST)
    assert [value for name, value in request.headers.raw if name.lower() == b"host"] == [
        host.encode()
    ]
    assert made_signature(request) == VECTORS[vector][-1]


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://[::1]/x", "[::1]:443"), ("https://Data.Example/x", "data.example:443")],
)
def test_hosts_of_every_kind(url: str, host: str) -> None:
    assert sent("GET", url).headers["Host"] == host


def test_a_host_that_was_given_is_kept_and_signed() -> None:
    given_host = {"Host": "localhost"}
    request = sent(
        "GET", "http://127.0.0.1:9/api/test", secret="test-token-secret", headers=given_host
    )
    assert made_signature(request) == VECTORS["U2"][-1]


@given(st.text(min_size=1, max_size=20), pairs_of_texts, st.binary(max_size=60), moments)
def test_a_json_request_has_the_restated_signature(
    secret: str, pairs: list[tuple[str, str]], body: bytes, when: datetime
) -> None:
    request = sent(
        "POST",
        "https://example.com/add",
        secret=secret,
        when=when,
        params=pairs,
        content=body,
        headers={"Content-Type": "application/json"},
    )
    headers = {
        "host": "example.com:443",
        "x-sn-date": restated_date(when),
        "content-type": "application/json",
    }
    if body:
        headers["digest"] = request.headers["Digest"]
    assert made_signature(request) == restated_signature(
        secret, ("POST", "/add", restated_query(pairs)), headers, body, when
    )


def test_a_form_has_its_fields_signed_after_the_query_and_an_empty_body() -> None:
    request = sent("POST", "http://example.com/add?b=1", data={"b": "2", "a": " "})
    assert "Digest" not in request.headers
    headers = {
        "host": "example.com",
        "x-sn-date": restated_date(APRIL),
        "content-type": "application/x-www-form-urlencoded",
    }
    query = restated_query([("b", "1"), ("b", "2"), ("a", " ")])
    assert made_signature(request) == restated_signature(
        "s", ("POST", "/add", query), headers, b"", APRIL
    )


def test_the_path_is_signed_as_it_is_sent() -> None:
    request = sent("GET", "http://h/a%2fb/\u00e9 c")
    path = request.url.raw_path.decode()
    assert "%" in path
    headers = {"host": "h", "x-sn-date": restated_date(APRIL)}
    assert made_signature(request) == restated_signature(
        "s", ("GET", path, ""), headers, b"", APRIL
    )


def test_of_a_repeated_header_the_first_value_is_signed() -> None:
    request = sent("GET", "http://h/", headers=[("X-SN-Extra", "1"), ("X-SN-Extra", "2")])
    headers = {"host": "h", "x-sn-date": restated_date(APRIL), "x-sn-extra": "1"}
    assert made_signature(request) == restated_signature("s", ("GET", "/", ""), headers, b"", APRIL)


def test_a_stream_is_read_whole_and_signed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"te"
        yield b"xt"

    async def later() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    async def sent_later() -> httpx.Request:
        auth = SNWS2HttpxAuth("t", "s", clock=lambda: APRIL)
        transport = httpx.MockTransport(lambda _: httpx.Response(204))
        async with httpx.AsyncClient(transport=transport, auth=auth) as client:
            return (await client.post("http://h/", content=later())).request

    whole = sent("POST", "http://h/", content=b"text")
    for request in (sent("POST", "http://h/", content=pieces()), asyncio.run(sent_later())):
        assert request.content == b"text"
        assert request.headers["Digest"] == whole.headers["Digest"]
        assert made_signature(request) == made_signature(whole)


def test_the_service_takes_what_is_signed_and_nobody_sees_the_secret() -> None:
    auth = SNWS2HttpxAuth("rehearsal-token-0001", "rehearsal-secret")
    assert repr(auth).startswith("SNWS2HttpxAuth(token='rehearsal-token-0001', secret=")
    assert "rehearsal-secret" not in repr(auth)
    path = "/solaruser/api/v1/sec/instr"
    wanted = {"nodeIds": "1", "states": "Queuing,Executing", "startDate": "2026-01-02T03:04:05Z"}
    with Simulator() as simulator:
        found = httpx.get(simulator.url + path, params=wanted, auth=auth)
        refused = httpx.get(simulator.url + path, params=wanted)
    assert (found.status_code, refused.status_code) == (200, 401)
