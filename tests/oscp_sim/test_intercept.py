"""Production's hosts, answered in process for each client library, as if over a socket."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import io
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import httpcore
import httpx
import pytest
import requests
import responses
import urllib3
from requests.adapters import HTTPAdapter
from yarl import URL

from oscp_send import AsyncSolarUserClient, NotAuthorised, SolarUserClient
from oscp_sim import FrozenClock, RealClock, Simulator
from oscp_sim.addresses import PRODUCTION_HOSTS
from oscp_sim.faults import Rule
from tests.oscp_sim.rig import (
    ADD,
    BASE,
    NOW,
    Provider,
    encoded,
    instruction,
    signed_headers,
)
from tests.oscp_sim.worlds import GRID, TOKENS, user, world

if TYPE_CHECKING:
    from oscp_sim.addresses import Others
    from oscp_sim.http import Request

PRODUCTION = "https://data.solarnetwork.net"
VIEW = f"{BASE}/view?id=1"
Pairs = Iterable[tuple[str, str]]
Body = bytes | Iterator[bytes] | io.BytesIO | None


@dataclass(frozen=True)
class Got:
    """What a library makes of an answer."""

    status: int
    reason: str | None
    headers: Mapping[str, str]
    body: bytes
    kind: type


Send = Callable[..., Got]


def by_requests(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    answer = requests.request(
        method, url, headers=dict(headers), data=body, timeout=timeout, stream=True
    )
    body = b"".join(answer.iter_content(1000))
    return Got(answer.status_code, answer.reason, answer.headers, body, type(answer))


def by_urllib3(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    with urllib3.PoolManager(retries=False) as pool:
        told = urllib3.HTTPHeaderDict(list(headers))
        answer = pool.request(
            method, url, headers=told, body=body, timeout=timeout, preload_content=False
        )
        body = b"".join(answer.stream(1000))
        return Got(answer.status, answer.reason, answer.headers, body, type(answer))


def by_httpx(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    with (
        httpx.Client(timeout=timeout, verify=False) as client,  # noqa: S501 - nothing is connected
        client.stream(method, url, headers=list(headers), content=body) as answer,
    ):
        body = b"".join(answer.iter_bytes(1000))
        phrase = answer.reason_phrase
        return Got(answer.status_code, phrase, answer.headers, body, type(answer))


def by_async_httpx(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    async def send() -> Got:
        content = body if body is None or isinstance(body, bytes) else _pieces(body)
        async with (
            httpx.AsyncClient(timeout=timeout, verify=False) as client,  # noqa: S501 - as above
            client.stream(method, url, headers=list(headers), content=content) as answer,
        ):
            whole = b"".join([each async for each in answer.aiter_bytes(1000)])
            phrase = answer.reason_phrase
            return Got(answer.status_code, phrase, answer.headers, whole, type(answer))

    return asyncio.run(send())


def by_aiohttp(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    async def send() -> Got:
        data = _pieces(body) if isinstance(body, Iterator) and not hasattr(body, "read") else body
        patience = aiohttp.ClientTimeout(sock_read=timeout, total=20)
        address = URL(url, encoded=True)
        async with (
            aiohttp.ClientSession(timeout=patience) as session,
            session.request(method, address, headers=list(headers), data=data) as answer,
        ):
            whole = b"".join([each async for each in answer.content.iter_chunked(1000)])
            return Got(answer.status, answer.reason, answer.headers, whole, type(answer))

    return asyncio.run(send())


async def _pieces(body: Iterable[bytes]) -> AsyncIterator[bytes]:
    for each in body:
        yield each


def by_http_client(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname or "", at.port, timeout=timeout)
    target = at.path + (f"?{at.query}" if "?" in url else "")
    given = dict(headers)
    with closing(connection):
        connection.request(method, target, body, given)
        answer = connection.getresponse()
        return _got(answer, answer.status, answer.reason)


def _got(answer: Any, status: int, reason: str) -> Got:  # noqa: ANN401 - as an error, it is alike
    headers = requests.structures.CaseInsensitiveDict(answer.headers.items())
    body = answer.read()
    is_packed = headers.get("Content-Encoding") == "gzip"
    # They leave that to the program.
    whole = gzip.decompress(body) if is_packed else body
    return Got(status, reason, headers, whole, http.client.HTTPResponse)


def by_urllib_request(
    method: str, url: str, headers: Pairs = (), body: Body = None, timeout: float | None = 5
) -> Got:
    # It takes a body for a form, where nothing else is said.
    told = {**({} if body is None else {"Content-Type": "text/plain"}), **dict(headers)}
    asked = urllib.request.Request(url, body, told, method=method)  # noqa: S310 - http(s)
    try:
        answer = urllib.request.urlopen(asked, timeout=timeout)  # noqa: S310 - one of the tests'
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _got(refusal, refusal.code, refusal.reason)
    with answer:
        return _got(answer, answer.status, answer.reason)


CLIENTS: dict[str, Send] = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "httpx": by_httpx,
    "httpx asynchronous": by_async_httpx,
    "aiohttp": by_aiohttp,
    "http.client": by_http_client,
    "urllib.request": by_urllib_request,
}
RESPONSES = {
    "requests": requests.Response,
    "urllib3": urllib3.HTTPResponse,
    "httpx": httpx.Response,
    "httpx asynchronous": httpx.Response,
    "aiohttp": aiohttp.ClientResponse,
    "http.client": http.client.HTTPResponse,
    "urllib.request": http.client.HTTPResponse,
}
every_client = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    with Simulator(clock=FrozenClock(NOW)) as simulator:
        yield simulator


def came(simulator: Simulator) -> Request:
    """The newest request that the simulator got."""
    (*_, entry) = simulator.journal.entries(party="solaruser", kind="exchange")
    assert entry.request is not None
    return entry.request


def world_of(url: str) -> dict[str, Any]:
    """A world whose Capacity Provider is a real one."""
    return world(user(tokens=TOKENS, capacity_providers=[{**GRID, "base_url": url}]))


# --- what comes there, and what comes back -----------------------------------------------------


@every_client
def test_it_is_as_over_a_socket(client: str) -> None:
    """To the byte: the raw target, each header in its order, the body, and the answer."""
    send, target = CLIENTS[client], f"{BASE}/add/caf%C3%A9x?x=%20&y=1+2&y=%2B"
    headers = [("X-Note", "first"), ("X-Other", "b"), ("X-Note", "second")]
    body = "\x00caf\xe9\r\n".encode()
    with Simulator() as simulator:
        over_socket = send("POST", simulator.url + target, headers, body)
        there = came(simulator)
        with simulator.intercept():
            within = send("POST", PRODUCTION + target, headers, body)
        here = came(simulator)

    def bare(pairs: Iterable[tuple[str, str]], *names: str) -> list[tuple[str, str]]:
        return [pair for pair in pairs if pair[0].lower() not in names]

    assert (here.method, here.target, here.body) == ("POST", target, body)
    assert here.target == there.target
    assert bare(here.headers, "host") == bare(there.headers, "host")
    assert [v for name, v in here.headers if name == "host"] == ["data.solarnetwork.net"]
    # One asks for no more than one answer.
    ours = ("date", "connection") if client == "urllib.request" else ("date",)
    assert bare(within.headers.items(), *ours) == bare(over_socket.headers.items(), *ours)
    assert (within.status, within.body) == (over_socket.status, over_socket.body)
    assert within.kind is over_socket.kind
    assert issubclass(within.kind, RESPONSES[client])
    if client not in {"requests", "http.client", "urllib.request"}:
        # These have a dict of headers, so they send none twice.
        assert [v for name, v in here.headers if name == "x-note"] == ["first", "second"]


@every_client
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_host_of_production_and_of_the_world(client: str, scheme: str) -> None:
    world = {"users": [{"id": 1}], "hosts": ["My.net"]}
    hosts = [*PRODUCTION_HOSTS, "DATA.solarnetwork.net", "data.solarnetwork.net:8443", "my.net"]
    with Simulator(world) as simulator, simulator.intercept("refuse"):
        for host in hosts:
            assert CLIENTS[client]("GET", f"{scheme}://{host}{VIEW}").status == 401
            told = [value.lower() for name, value in came(simulator).headers if name == "host"]
            assert told == [host.lower()]


BODIES: dict[str, tuple[Callable[[], Any], bytes]] = {
    "none": (lambda: None, b""),
    "bytes": (lambda: b"abc", b"abc"),
    "a generator": (lambda: iter([b"a", b"", b"0\r\n\r\n", b"c"]), b"a0\r\n\r\nc"),
    "a file": (lambda: io.BytesIO(b"x" * 70_000), b"x" * 70_000),
}


@every_client
@pytest.mark.parametrize("body", BODIES)
def test_bodies_of_every_kind(client: str, body: str, frozen: Simulator) -> None:
    make, whole = BODIES[body]
    with frozen.intercept():
        assert CLIENTS[client]("PUT", PRODUCTION + VIEW, body=make()).status == 401
    assert came(frozen).body == whole


@every_client
def test_a_signer_of_ones_own_and_a_compressed_answer(client: str, frozen: Simulator) -> None:
    """The clock is frozen, and the signature dated by the machine's, as any signer's is."""
    body = encoded(instruction(**{f"note{each}": "x" * 200 for each in range(20)}))
    host = "data.solarnetwork.net"
    more = [("Accept-Encoding", "gzip")]
    headers = signed_headers("POST", ADD, body, host=host, when=datetime.now(UTC), more=more)
    with frozen.intercept():
        got = CLIENTS[client]("POST", PRODUCTION + ADD, headers, body)
    assert got.status == 200, got
    assert got.headers["Content-Encoding"] == "gzip"
    assert json.loads(got.body)["data"]["topic"] == "OSCP_v20"


@pytest.mark.parametrize("host", ["data.solarnetwork.net", "data.solarnetwork.net:443"])
def test_a_host_may_be_signed_with_the_port_that_production_verifies(
    host: str, frozen: Simulator
) -> None:
    """As where production ends TLS before the service; on its way, it has no port."""
    body = encoded(instruction())
    headers = dict(signed_headers("POST", ADD, body, host=host))
    with frozen.intercept():
        del headers["Host"]
        assert by_requests("POST", PRODUCTION + ADD, headers.items(), body).status == 200
        assert ("host", "data.solarnetwork.net") in came(frozen).headers
        other = f"http://oscp.solarnetwork.net{ADD}"
        assert by_requests("POST", other, headers.items(), body).status == 403


@every_client
def test_a_redirect_is_followed(client: str, frozen: Simulator) -> None:
    frozen.faults.add(where="solaruser", fault="redirect", location=f"{BASE}/view?id=2", times=1)
    with frozen.intercept():
        got = CLIENTS[client]("GET", PRODUCTION + VIEW)
    follows = client in {"requests", "aiohttp", "urllib.request"}
    assert got.status == (401 if follows else 307)
    assert came(frozen).query == ("id=2" if follows else "id=1")


def test_it_is_followed_where_the_program_says_so(frozen: Simulator) -> None:
    frozen.faults.add(where="solaruser", fault="redirect", location=f"{BASE}/view?id=2", every=2)
    with frozen.intercept(), httpx.Client(follow_redirects=True, verify=False) as client:  # noqa: S501
        assert client.get(PRODUCTION + VIEW).status_code == 401
        with urllib3.PoolManager() as pool:
            assert pool.request("GET", PRODUCTION + VIEW).status == 401
    assert [e.request.query for e in frozen.journal.entries() if e.status == 401 and e.request] == [
        "id=2",
        "id=2",
    ]


def test_aiohttp_is_told_to_go_on(frozen: Simulator) -> None:
    async def send() -> int:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.put(PRODUCTION + VIEW, data=b"abc", expect100=True) as answer,
        ):
            return answer.status

    with frozen.intercept():
        assert asyncio.run(send()) == 401
    assert came(frozen).body == b"abc"


def test_retries_are_those_of_the_program(frozen: Simulator) -> None:
    frozen.faults.add(where="solaruser", fault="status", status=503, times=2)
    with requests.Session() as session, frozen.intercept():
        session.mount("https://", HTTPAdapter(max_retries=urllib3.Retry(3, status_forcelist=[503])))
        assert session.get(PRODUCTION + VIEW).status_code == 401


@every_client
def test_a_proxy_of_the_environment_is_in_nobodys_way(
    client: str, frozen: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with frozen.intercept("refuse"):
        for scheme in ("http", "https"):
            assert CLIENTS[client]("GET", f"{scheme}://{PRODUCTION_HOSTS[0]}{VIEW}").status == 401
    assert came(frozen).target == VIEW


# --- what goes wrong ---------------------------------------------------------------------------

FAULTS: dict[str, dict[str, Any]] = {
    "connection_refused": {},
    "reset_before": {},
    "reset_after": {},
    "no_answer": {},
    "half_answer": {},
    "garbage": {},
    "slow_answer": {"bytes_per_second": 0.01},
    "delay": {"by": "60s"},
    "content_length": {"off_by": 10},
}
_AIOHTTP_LOST = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
ERRORS: dict[str, dict[str, Any]] = {
    "requests": {
        "connection_refused": requests.ConnectionError,
        "reset": requests.ConnectionError,
        "late": requests.ReadTimeout,
        "half": (requests.exceptions.ChunkedEncodingError, requests.ConnectionError),
        "garbage": requests.ConnectionError,
    },
    "urllib3": {
        "connection_refused": urllib3.exceptions.NewConnectionError,
        "reset": urllib3.exceptions.ProtocolError,
        "late": urllib3.exceptions.ReadTimeoutError,
        "half": urllib3.exceptions.ProtocolError,
        "garbage": urllib3.exceptions.ProtocolError,
    },
    "httpx": {
        "connection_refused": httpx.ConnectError,
        "reset": httpx.ReadError,
        "late": httpx.ReadTimeout,
        "half": httpx.RemoteProtocolError,
        "garbage": httpx.RemoteProtocolError,
    },
    "aiohttp": {
        "connection_refused": aiohttp.ClientConnectorError,
        "reset": aiohttp.ClientOSError,
        "late": aiohttp.SocketTimeoutError,
        "half": (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError),
        "garbage": aiohttp.ClientResponseError,
    },
    "http.client": {
        "connection_refused": ConnectionRefusedError,
        "reset": ConnectionResetError,
        "late": TimeoutError,
        "half": (http.client.IncompleteRead, http.client.RemoteDisconnected),
        "garbage": http.client.BadStatusLine,
    },
    "urllib.request": {
        "connection_refused": urllib.error.URLError,
        "reset": ConnectionResetError,
        "late": TimeoutError,
        "half": (http.client.IncompleteRead, http.client.RemoteDisconnected),
        "garbage": http.client.BadStatusLine,
    },
}
KINDS = {
    "reset_before": "reset",
    "reset_after": "reset",
    "no_answer": "late",
    "slow_answer": "late",
    "delay": "late",
    "half_answer": "half",
    "content_length": "half",
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_in_an_error_of_urllib3_all_names_are_its_own(scheme: str, frozen: Simulator) -> None:
    frozen.faults.add(where="solaruser", fault="connection_refused")
    url = f"{scheme}://data.solarnetwork.net{VIEW}"
    with frozen.intercept(), pytest.raises(requests.ConnectionError) as raised:
        requests.get(url, timeout=5)
    name = f"{scheme.upper()}Connection"
    assert str(raised.value).startswith(f"{name}Pool(host='data.solarnetwork.net', port=")
    assert f'NewConnectionError("{name}(host=' in str(raised.value)


@every_client
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_what_the_library_makes_of_it(
    client: str, fault: str, frozen: Simulator
) -> None:
    """At once, by a clock that stands: the time for which the program waits has passed by it."""
    frozen.faults.add(where="solaruser", fault=fault, **FAULTS[fault])
    expected = ERRORS[client.partition(" ")[0]][KINDS.get(fault, fault)]
    with frozen.intercept(), pytest.raises(expected):
        CLIENTS[client]("GET", PRODUCTION + VIEW, timeout=20)
    if KINDS.get(fault) == "late":
        assert frozen.clock.now() == NOW + timedelta(seconds=20)


@every_client
def test_a_late_answer_comes_late(client: str, frozen: Simulator) -> None:
    frozen.faults.add(where="solaruser", fault="delay", by="10s")
    with frozen.intercept():
        assert CLIENTS[client]("GET", PRODUCTION + VIEW, timeout=20).status == 401
    assert frozen.clock.now() == NOW + timedelta(seconds=10)


@every_client
def test_so_it_does_by_the_clock_of_the_machine(client: str) -> None:
    late = [Rule(where="solaruser", fault="delay", by=timedelta(milliseconds=5))]
    with Simulator(clock=RealClock(), faults=late) as simulator, simulator.intercept():
        began = simulator.clock.monotonic()
        assert CLIENTS[client]("GET", PRODUCTION + VIEW).status == 401
        assert simulator.clock.monotonic() - began >= 0.005


# --- why something is refused, in the text of a test -------------------------------------------


def told_by(client: str, url: str, headers: Pairs) -> str:
    """What an error says that a program raises because of a status."""
    if client == "requests":
        with pytest.raises(requests.HTTPError) as raised:
            requests.get(url, headers=dict(headers), timeout=5).raise_for_status()
        return str(raised.value)
    if client == "httpx":
        with httpx.Client(verify=False) as session, pytest.raises(httpx.HTTPStatusError) as failed:  # noqa: S501
            session.get(url, headers=list(headers)).raise_for_status()
        return str(failed.value)
    if client == "aiohttp":

        async def send() -> None:
            async with aiohttp.ClientSession(raise_for_status=True) as session:
                await session.get(url, headers=list(headers))

        with pytest.raises(aiohttp.ClientResponseError) as told:
            asyncio.run(send())
        return str(told.value)
    return f"{CLIENTS[client]('GET', url, headers).reason}"


REFUSALS: dict[str, tuple[str, str]] = {
    "too old": ("Unauthorized; why: signed at 2026-01-01T", "set the clock right"),
    "another secret": ("Forbidden; why: another signature is expected", "the secret differs"),
    "an unknown token": ("Forbidden; why: there is no enabled token 'unknown-token'", ""),
}


@every_client
@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refusal_says_why_in_its_own_text(client: str, refused: str, frozen: Simulator) -> None:
    host = "data.solarnetwork.net"
    when = NOW - timedelta(days=1) if refused == "too old" else NOW
    token = "unknown-token" if refused == "an unknown token" else "rehearsal-token-0001"
    secret = "another-secret-0001" if refused == "another secret" else "rehearsal-secret"
    headers = signed_headers("GET", VIEW, host=host, when=when, token=token, secret=secret)
    with frozen.intercept():
        text = told_by(client, PRODUCTION + VIEW, headers)
    for each in (*REFUSALS[refused], "see simulator.journal, entry 1"):
        assert each in text
    assert "secret-0001" not in text
    assert "rehearsal-secret" not in text


def refused_node(world: dict[str, Any], query: str) -> str:
    with Simulator(world, clock=FrozenClock(NOW)) as simulator, simulator.intercept():
        url = f"{BASE}/viewPending?{query}"
        headers = signed_headers("GET", url, host="data.solarnetwork.net")
        reply = by_requests("GET", PRODUCTION + url, headers)
    assert reply.status == 403
    return reply.reason or ""


def test_of_a_node_it_says_whose_it_is() -> None:
    token = {"id": "rehearsal-token-0001", "secret": "rehearsal-secret", "type": "User"}
    mine = {"id": 1, "nodes": [1, 2], "tokens": [{**token, "policy": {"node_ids": [1]}}]}
    world = {"users": [mine, {"id": 2, "nodes": [3]}]}
    assert "; why: no user of the world has node 9; " in refused_node(world, "nodeId=9")
    assert "; why: node 3 is of user 2, the token of user 1; " in refused_node(world, "nodeId=3")
    assert "; why: the token's policy does not name node 2" in refused_node(world, "nodeId=2")


def test_what_it_says_is_one_line_of_ascii(frozen: Simulator) -> None:
    token = f"caf\xe9{'x' * 1000}"
    headers = signed_headers("GET", VIEW, host="data.solarnetwork.net", token=token)
    with frozen.intercept():
        reason = by_requests("GET", PRODUCTION + VIEW, headers).reason or ""
    assert reason.startswith("Forbidden; why: there is no enabled token 'caf\\xe9x")
    assert reason.endswith("x; see simulator.journal, entry 1")
    assert len(reason) < 450


@pytest.mark.parametrize("is_asynchronous", [False, True])
def test_our_own_sender_hands_it_on(is_asynchronous: bool, frozen: Simulator) -> None:
    def send() -> None:
        with SolarUserClient(PRODUCTION, "rehearsal-token-0001", "another-secret") as client:
            client.view(1)

    async def send_too() -> None:
        async with AsyncSolarUserClient(PRODUCTION, "rehearsal-token-0001", "another-secret") as it:
            await it.view(1)

    with frozen.intercept(), pytest.raises(NotAuthorised) as raised:
        asyncio.run(send_too()) if is_asynchronous else send()
    assert str(raised.value).endswith(
        "\nBeside the status it says: Forbidden; why: another signature is expected: the secret "
        "differs, or one of these does; see simulator.journal, entry 1"
    )


def test_what_else_it_says_is_on_a_line_of_its_own(frozen: Simulator) -> None:
    client = SolarUserClient(PRODUCTION, "rehearsal-token-0001", "another-secret")
    with frozen.intercept(), client, pytest.raises(NotAuthorised) as raised:
        client.wait(1)
    assert str(raised.value).endswith(
        "see simulator.journal, entry 1\n"
        "Instruction 1 was queued before, and goes on without being seen."
    )


def test_a_session_of_the_simulator_says_it_too(frozen: Simulator) -> None:
    with frozen.session() as session:
        answer = session.get(f"http://simulator.invalid{VIEW}")
    assert answer.reason == (
        "Unauthorized; why: there is no Authorization header with the scheme SNWS2; see "
        "simulator.journal, entry 1"
    )


def test_but_nobody_is_told_over_a_socket(frozen: Simulator) -> None:
    assert by_requests("GET", frozen.url + VIEW).reason == "Unauthorized"


# --- other hosts -------------------------------------------------------------------------------

REFUSED = {
    "requests": requests.ConnectionError,
    "urllib3": urllib3.exceptions.MaxRetryError,
    "httpx": httpx.ConnectError,
    "httpx asynchronous": httpx.ConnectError,
    "aiohttp": aiohttp.ClientConnectorError,
    "http.client": ConnectionRefusedError,
    "urllib.request": urllib.error.URLError,
}


@every_client
def test_other_hosts_are_refused_or_left_alone(client: str, frozen: Simulator) -> None:
    send = CLIENTS[client]
    with Simulator() as other, frozen.intercept("pass"):
        assert send("GET", other.url + VIEW).status == 401
        with frozen.intercept("refuse"):
            with pytest.raises(
                REFUSED[client], match=r"127\.0\.0\.1 is refused inside of simulator"
            ):
                send("GET", other.url + VIEW)
            # Its own address is no other one.
            assert send("GET", frozen.url + VIEW).status == 401
        assert send("GET", other.url + VIEW).status == 401


def test_what_is_neither_is_an_error(frozen: Simulator) -> None:
    with pytest.raises(ValueError, match='others is "pass" or "refuse", not \'passes\''):
        frozen.intercept("passes")  # type: ignore[arg-type]


def test_one_that_nothing_is_done_inside_of_is_warned_about(frozen: Simulator) -> None:
    with pytest.warns(RuntimeWarning, match=r"write `with simulator.intercept\(\):`") as warned:
        frozen.intercept()
    assert warned[0].filename == __file__


def test_where_a_party_is_real_the_simulator_is_not() -> None:
    world = {**world_of("https://my.net/cp"), "hosts": ["my.net"]}
    told = pytest.raises(requests.ConnectionError, match=r"my\.net is refused")
    with Simulator(world) as simulator, simulator.intercept("refuse"), told:
        by_requests("GET", f"https://my.net{VIEW}")


def test_the_simulator_itself_reaches_a_real_party() -> None:
    with (
        Provider() as real,
        Simulator(world_of(real.url), clock=FrozenClock(NOW)) as simulator,
        simulator.intercept("refuse"),
    ):
        body = encoded(instruction())
        headers = signed_headers("POST", ADD, body, host="data.solarnetwork.net")
        assert by_requests("POST", PRODUCTION + ADD, headers, body).status == 200
        assert simulator.settle(5)
        assert [target for target, _, _ in real.asked] == ["/cp/handshake"]


# --- nothing stays, and several at once --------------------------------------------------------


def patched() -> list[object]:
    owners: list[tuple[type, str]] = [
        (HTTPAdapter, "send"),
        (urllib3.HTTPConnectionPool, "urlopen"),
        (responses.RequestsMock, "unbound_on_send"),
        (httpcore.ConnectionPool, "handle_request"),
        (httpcore.AsyncConnectionPool, "handle_async_request"),
        (aiohttp.BaseConnector, "connect"),
        (http.client.HTTPConnection, "connect"),
        (http.client.HTTPConnection, "endheaders"),
        (http.client.HTTPConnection, "getresponse"),
        (http.client.HTTPSConnection, "connect"),
    ]
    return [*(owner.__dict__[name] for owner, name in owners), *sys.meta_path]


@contextmanager
def nothing_stays() -> Iterator[None]:
    before = patched()
    yield
    assert patched() == before


def test_nothing_stays_also_after_an_exception(frozen: Simulator) -> None:
    with nothing_stays():
        with suppress(KeyError), frozen.intercept():
            assert by_requests("GET", PRODUCTION + VIEW).status == 401
            raise KeyError
        with frozen.intercept(), frozen.intercept("refuse"):
            pass


def test_a_connection_that_lives_on_leads_to_the_simulator_no_more(frozen: Simulator) -> None:
    with closing(http.client.HTTPConnection("data.solarnetwork.net")) as connection:
        with nothing_stays(), frozen.intercept():
            for _ in range(2):
                connection.request("GET", VIEW)
                with connection.getresponse() as answer:
                    assert (answer.status, bool(answer.read())) == (401, True)
                assert connection.sock is None
        with Simulator() as other, other.intercept():
            connection.request("GET", VIEW)
            assert connection.getresponse().status == 401
            assert len(other.journal.entries()) == 1
    assert len(frozen.journal.entries()) == 2


def test_a_request_may_be_written_piece_by_piece(frozen: Simulator) -> None:
    connection = http.client.HTTPSConnection("data.solarnetwork.net")
    with closing(connection), frozen.intercept():
        connection.putrequest("POST", VIEW)
        connection.putheader("Content-Length", "6")
        connection.endheaders()
        connection.send(b"abc")
        connection.send(b"def")
        assert connection.getresponse().status == 401
    assert came(frozen).body == b"abcdef"


@every_client
def test_the_innermost_of_two_answers(client: str, frozen: Simulator) -> None:
    send = CLIENTS[client]
    with nothing_stays(), Simulator() as other, frozen.intercept():
        with other.intercept():
            send("GET", PRODUCTION + VIEW)
        assert (other.journal.last, frozen.journal.last) == (1, 0)
        send("GET", PRODUCTION + VIEW)
    assert (other.journal.last, frozen.journal.last) == (1, 1)


def test_an_outer_one_answers_what_an_inner_one_would_refuse(frozen: Simulator) -> None:
    mine = {"users": [{"id": 1}], "hosts": ["my.net"]}
    with Simulator(mine) as other, other.intercept(), frozen.intercept("refuse"):
        by_requests("GET", f"https://my.net{VIEW}")
        by_requests("GET", PRODUCTION + VIEW)
        with pytest.raises(requests.ConnectionError, match=r"my\.net, oscp\.solarnetwork\.net"):
            by_requests("GET", "https://other.net")
    assert (other.journal.last, frozen.journal.last) == (1, 1)


@pytest.mark.parametrize("mocks", [0, 1])
def test_they_may_end_in_any_order(frozen: Simulator, mocks: int) -> None:
    with Simulator() as other, ExitStack() as around:
        for _ in range(mocks):
            around.enter_context(mock(PRODUCTION + VIEW))
        around.enter_context(nothing_stays())
        outer, inner = ExitStack(), ExitStack()
        outer.enter_context(frozen.intercept())
        inner.enter_context(other.intercept())
        outer.close()
        assert by_requests("GET", PRODUCTION + VIEW).status == 401
        inner.close()
    assert (other.journal.last, frozen.journal.last) == (1, 0)


def test_each_thread_has_its_own() -> None:
    meeting = threading.Barrier(4, timeout=5)
    simulators = [Simulator() for _ in range(4)]

    def work(simulator: Simulator) -> None:
        with simulator.intercept():
            meeting.wait()
            by_requests("GET", f"{PRODUCTION}{BASE}/view?id={id(simulator)}")
            meeting.wait()

    threads = [threading.Thread(target=work, args=(each,)) for each in simulators]
    with nothing_stays():
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert [came(each).query for each in simulators] == [f"id={id(each)}" for each in simulators]


def test_each_task_has_its_own_and_a_thread_without_one_the_innermost(frozen: Simulator) -> None:
    async def work(simulator: Simulator, meeting: asyncio.Barrier) -> None:
        with simulator.intercept():
            await meeting.wait()
            async with httpx.AsyncClient(verify=False) as client:  # noqa: S501
                await client.get(f"{PRODUCTION}{BASE}/view?id={id(simulator)}")
            await meeting.wait()

    async def all_of_them() -> None:
        meeting = asyncio.Barrier(2)
        await asyncio.gather(*(work(each, meeting) for each in (frozen, other)))

    with Simulator() as other:
        asyncio.run(all_of_them())
        assert came(frozen).query == f"id={id(frozen)}"
        assert came(other).query == f"id={id(other)}"
        with frozen.intercept():
            url = f"{PRODUCTION}{BASE}/view?id=7"
            thread = threading.Thread(target=by_requests, args=("GET", url))
            thread.start()
            thread.join()
        assert came(frozen).query == "id=7"


@pytest.mark.parametrize("client", ["httpx asynchronous", "aiohttp"])
def test_the_loop_goes_on_meanwhile(client: str, frozen: Simulator) -> None:
    """The simulator answers once something happens in the loop."""
    free = threading.Event()
    waited: list[bool] = []
    frozen.keep_by(lambda: waited.append(free.wait(5)))

    async def send() -> int:
        if client == "aiohttp":
            async with aiohttp.ClientSession() as session, session.get(PRODUCTION + VIEW) as got:
                return got.status
        async with httpx.AsyncClient(verify=False) as http:  # noqa: S501
            return (await http.get(PRODUCTION + VIEW)).status_code

    async def both() -> int:
        asked = asyncio.create_task(send())
        while not (frozen.journal.last or asked.done()):
            await asyncio.sleep(0)
        free.set()
        return await asked

    with frozen.intercept():
        assert asyncio.run(both()) == 401
    assert waited == [True]


def test_a_client_that_outlives_it_leads_to_nothing_of_it(frozen: Simulator) -> None:
    """What is kept of connections belongs to one request alone."""
    with requests.Session() as session, httpx.Client(verify=False) as client:  # noqa: S501
        with frozen.intercept():
            session.get(PRODUCTION + VIEW)
            client.get(PRODUCTION + VIEW)
        with Simulator() as other, other.intercept():
            session.get(PRODUCTION + VIEW)
            client.get(PRODUCTION + VIEW)
    assert (frozen.journal.last, other.journal.last) == (2, 2)


def test_as_a_decorator(frozen: Simulator) -> None:
    @frozen.intercept("refuse")
    def send(query: str) -> int:
        return by_requests("GET", f"{PRODUCTION}{BASE}/view?{query}").status

    @frozen.intercept()
    async def send_too() -> int:
        async with httpx.AsyncClient(verify=False) as client:  # noqa: S501
            return (await client.get(PRODUCTION + VIEW)).status_code

    @frozen.intercept()
    def send_twice(more: int) -> list[int]:
        within = send_twice(more - 1) if more else []
        return [*within, by_requests("GET", PRODUCTION + VIEW).status]

    with nothing_stays():
        assert (send("id=2"), send("id=3"), asyncio.run(send_too())) == (401, 401, 401)
        assert send_twice(1) == [401, 401]
    assert send.__name__ == "send"


def test_one_is_entered_within_itself(frozen: Simulator) -> None:
    twice = frozen.intercept("refuse")
    with nothing_stays(), twice:
        with twice:
            assert by_requests("GET", PRODUCTION + VIEW).status == 401
        assert by_requests("GET", PRODUCTION + VIEW).status == 401


# --- mocks of `responses` ----------------------------------------------------------------------

ELSEWHERE = "https://weather.example/now"


def mock(*urls: str) -> responses.RequestsMock:
    made = responses.RequestsMock(assert_all_requests_are_fired=False)
    for url in urls:
        made.get(url, body=b"mocked")
    return made


def got(url: str) -> bytes | int:
    answer = by_requests("GET", url)
    return answer.body if answer.status == 200 else answer.status


@pytest.mark.parametrize("others", ["pass", "refuse"])
def test_mocks_around_it_go_on_working(frozen: Simulator, others: Others) -> None:
    with nothing_stays(), mock(ELSEWHERE, PRODUCTION + VIEW):
        with frozen.intercept(others):
            assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", 401)
            with pytest.raises(requests.ConnectionError, match="doesn't match any registered"):
                got("https://other.example")
        assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", b"mocked")


@pytest.mark.parametrize("others", ["pass", "refuse"])
def test_mocks_within_it_work_and_pass_on_what_they_do_not_know(
    frozen: Simulator, others: Others
) -> None:
    with nothing_stays(), frozen.intercept(others):
        with mock(ELSEWHERE) as inner:
            assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", 401)
            inner.get(PRODUCTION + VIEW, body=b"mine")
            assert got(PRODUCTION + VIEW) == b"mine"
            with frozen.intercept():
                assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", 401)
            assert got(PRODUCTION + VIEW) == b"mine"
            with pytest.raises(requests.ConnectionError, match="doesn't match any registered"):
                got("https://other.example")
        assert got(PRODUCTION + VIEW) == 401


def test_a_mock_that_outlives_it_passes_nothing_on(frozen: Simulator) -> None:
    with mock(ELSEWHERE) as outer:
        outer.stop()
        with frozen.intercept():
            outer.start()
            assert got(PRODUCTION + VIEW) == 401
            outer.stop()
        outer.start()
        with pytest.raises(requests.ConnectionError, match="doesn't match any registered"):
            got(PRODUCTION + VIEW)
    assert not outer.passthru_prefixes


def test_a_mock_that_begins_inside_and_ends_after_it_leaves_nothing(frozen: Simulator) -> None:
    with nothing_stays(), ExitStack() as last:
        with frozen.intercept():
            last.enter_context(mock(ELSEWHERE))
            assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", 401)
        with pytest.raises(requests.ConnectionError, match="doesn't match any registered"):
            got(PRODUCTION + VIEW)


@responses.activate
def test_the_decorator_of_responses(frozen: Simulator) -> None:
    responses.get(ELSEWHERE, body=b"mocked")
    with frozen.intercept():
        assert (got(ELSEWHERE), got(PRODUCTION + VIEW)) == (b"mocked", 401)


# --- a library that is imported only inside -----------------------------------------------------

PROGRAM = """
import sys
from oscp_sim import Simulator

with Simulator() as simulator:
    with simulator.intercept("refuse"):
        assert not {"httpx", "httpcore", "aiohttp"} & sys.modules.keys()
        import httpcore
        print(httpcore.request("GET", "http://DATA.solarnetwork.net./x").status)
        print(httpcore.ConnectionPool.handle_request.__module__)
    print(httpcore.ConnectionPool.handle_request.__module__)
    print(httpcore.__spec__.loader is httpcore.__loader__)
"""


def test_a_library_imported_inside_is_seen_to_and_no_other_is_imported() -> None:
    done = subprocess.run(  # noqa: S603 - this Python, and the program above
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "404",
        "oscp_sim.intercept.for_httpx",
        "httpcore._sync.connection_pool",
        "True",
    ]
