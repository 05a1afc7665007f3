"""SNWS2 over httpx: what its clients send has the signatures that the scheme restated gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx

from oscp_send.async_client import SNWS2HttpxAuth
from oscp_sim import Simulator
from tests.oscp_send.test_snws2 import (
    APRIL,
    made_signature,
    restated_date,
    restated_query,
    restated_signature,
    sent,
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
