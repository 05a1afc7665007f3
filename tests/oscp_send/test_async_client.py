"""The asynchronous client where it is not like the other: tasks, cancellations, and httpx."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from oscp_send.async_client import AsyncSolarUserClient
from oscp_send.errors import DeadlinePassed, PossiblySent, Unreachable, possibly_sent
from oscp_send.instruction import Instruction
from oscp_send.settings import load_settings
from oscp_sim import Simulator
from tests.oscp_send.faults import answer, as_json, listening
from tests.oscp_send.sender_world import BASE, HANDSHAKE, NOW, SECRET, TO, accepting, reply

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.oscp_send.faults import Listener

Run = Callable[[Coroutine[Any, Any, Any]], Any]
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PATH = "/solaruser/api/v1/sec/instr/add/OSCP_v20"
SENT = Instruction.of_message("Handshake", HANDSHAKE, **TO)


@pytest.fixture
def run(loop: asyncio.Runner) -> Run:
    return loop.run


def client_of(url: str, http: httpx.AsyncClient | None = None) -> AsyncSolarUserClient:
    return AsyncSolarUserClient(
        url, "the-token", SECRET, client=http, timeout=5, clock=lambda: NOW, checker=accepting
    )


async def submitted(url: str, http: httpx.AsyncClient | None = None) -> None:
    # The authorities of everybody are slow to load, and no test needs them.
    async with http or httpx.AsyncClient(verify=NOBODY) as used:
        await client_of(url, used).submit(SENT)


async def submitted_by_its_own(url: str) -> None:
    async with client_of(url) as client:
        await client.submit(SENT)


def broken_off(connection: socket.socket) -> None:
    connection.close()


class Silent:
    """Never answers, and tells when it was spoken to."""

    def __init__(self) -> None:
        self.spoken_to, self.over = threading.Event(), threading.Event()

    def __call__(self, _: socket.socket) -> None:
        self.spoken_to.set()
        self.over.wait(10)

    def listening(self, *, reads: bool) -> AbstractContextManager[Listener]:
        return listening(self, reads=reads)


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.over.set()


async def cancelled(url: str, silent: Silent) -> BaseException:
    """Return what a task raises that is cancelled once the server was spoken to."""
    task = asyncio.create_task(submitted(url))
    await asyncio.to_thread(silent.spoken_to.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    silent.over.set()
    return caught.value


def test_a_cancellation_after_the_request_was_written_leaves_it_open(
    run: Run, silent: Silent
) -> None:
    with silent.listening(reads=True) as listener:
        error = run(cancelled(listener.url, silent))
        assert len(listener.requests) == 1
    left_open = possibly_sent(error)
    assert left_open is not None
    assert left_open is error.__cause__
    assert left_open.instruction is SENT
    assert left_open.reason == "it was interrupted (CancelledError)"


# httpx leaves a socket to the garbage collector on which TLS was being negotiated.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_cancellation_while_connecting_leaves_nothing_open(run: Run, silent: Silent) -> None:
    with silent.listening(reads=False) as listener:
        error = run(cancelled(listener.url.replace("http:", "https:"), silent))
    assert possibly_sent(error) is None
    del error
    gc.collect()


async def timed_out(url: str, silent: Silent) -> None:
    async with asyncio.timeout(None) as patience:
        task = asyncio.create_task(submitted(url))
        await asyncio.to_thread(silent.spoken_to.wait, 10)
        patience.reschedule(0)
        await task


def test_a_timeout_of_asyncio_says_what_it_left_open(run: Run, silent: Silent) -> None:
    with silent.listening(reads=True) as listener:
        with pytest.raises(TimeoutError) as caught:
            run(timed_out(listener.url, silent))
        silent.over.set()
    left_open = possibly_sent(caught.value)
    assert left_open is not None
    assert left_open.instruction is SENT


class Telling(httpx.AsyncBaseTransport):
    """Fails as it is told, and tells nothing of how far it came."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        raise self._error


def test_of_a_transport_that_tells_nothing_a_cancellation_leaves_it_open(run: Run) -> None:
    http = httpx.AsyncClient(transport=Telling(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError) as caught:
        run(submitted(BASE, http))
    assert possibly_sent(caught.value) is not None


def test_a_look_that_is_cancelled_leaves_nothing_open(run: Run) -> None:
    http = httpx.AsyncClient(transport=Telling(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError) as caught:
        run(client_of(BASE, http).view(1))
    assert possibly_sent(caught.value) is None


def test_what_is_left_open_is_found_below_causes_and_not_beside_them() -> None:
    lost = PossiblySent(SENT, NOW, "no answer came in time")
    assert possibly_sent(lost) is lost
    assert possibly_sent(ValueError()) is None
    early, late = ValueError(), TimeoutError()
    early.__cause__, late.__context__ = lost, early
    assert possibly_sent(late) is lost
    # That one was being handled as something else failed.
    late.__context__ = lost
    assert possibly_sent(late) is None


@pytest.mark.parametrize(
    ("error", "never", "words"),
    [
        (httpx.ConnectError("no"), True, "the exchange failed (ConnectError)"),
        (httpx.ConnectTimeout("late"), True, "no connection was made in time"),
        (httpx.PoolTimeout("late"), True, "no connection was free in time"),
        (httpx.ProxyError("403 No"), True, "the proxy does not connect: 403 No"),
        (httpx.UnsupportedProtocol("x"), True, "the exchange failed (UnsupportedProtocol)"),
        (httpx.ReadTimeout("late"), False, "no answer came in time"),
        (httpx.WriteTimeout("late"), False, "no answer came in time"),
        (httpx.ReadError("lost"), False, "the exchange failed (ReadError)"),
        (httpx.WriteError("lost"), False, "the exchange failed (WriteError)"),
        (httpx.CloseError("lost"), False, "the exchange failed (CloseError)"),
        (httpx.LocalProtocolError("x"), False, "the exchange failed (LocalProtocolError)"),
        (httpx.RemoteProtocolError("x"), False, "the exchange failed (RemoteProtocolError)"),
        (httpx.DecodingError("x"), False, "the exchange failed (DecodingError)"),
        (httpx.StreamClosed(), False, "the exchange failed (StreamClosed)"),
        (OSError(5, "Odd"), False, "odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_certainly_not_have_arrived(
    run: Run, error: Exception, *, never: bool, words: str
) -> None:
    http = httpx.AsyncClient(transport=Telling(error))
    with pytest.raises(Unreachable if never else PossiblySent) as caught:
        run(submitted(BASE, http))
    assert f": {words}\n" in str(caught.value)
    looking = httpx.AsyncClient(transport=Telling(error))
    with pytest.raises(Unreachable):
        run(client_of(BASE, looking).view(1))


class Repeating(httpx.AsyncHTTPTransport):
    """Tries everything twice."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except httpx.TransportError:
            return await super().handle_async_request(request)


def test_a_transport_that_repeats_is_kept_from_it(run: Run) -> None:
    with listening(broken_off) as listener:
        with pytest.raises(PossiblySent):
            run(submitted(listener.url, httpx.AsyncClient(transport=Repeating(verify=NOBODY))))
        assert [each[:4] for each in listener.requests if each] == [b"POST"]


def test_a_client_that_follows_redirects_does_not_here(run: Run) -> None:
    with listening(answer(307, b"", "text/html", "Location: /elsewhere")) as listener:
        with pytest.raises(PossiblySent, match="a redirect to /elsewhere"):
            run(submitted(listener.url, httpx.AsyncClient(verify=NOBODY, follow_redirects=True)))
        assert len(listener.requests) == 1


def test_the_client_s_own_authentication_is_not_used(run: Run) -> None:
    with listening(as_json(200, reply())) as listener:
        http = httpx.AsyncClient(verify=NOBODY, auth=("user", "password"))
        run(submitted(listener.url, http))
        assert b"authorization: snws2 credential=the-token," in listener.requests[0].lower()


def test_many_are_sent_at_once_over_few_connections(run: Run) -> None:
    async def all_sent(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=3)
        async with httpx.AsyncClient(limits=limits, verify=NOBODY) as http:
            client = AsyncSolarUserClient(
                url, "rehearsal-token-0001", "rehearsal-secret", client=http
            )
            to: dict[str, Any] = {"node_id": 1, "co_id": 1, "cg_identifier": "foo-group"}
            sends = [client.send("Handshake", HANDSHAKE, **to) for _ in range(12)]
            sent = await asyncio.gather(*sends)
            done = await asyncio.gather(*(client.wait(each, timeout=30) for each in sent))
            return [each.id for each in done]

    with Simulator() as simulator:
        ids = run(all_sent(simulator.url))
        assert len(set(ids)) == 12
        simulator.verify(party="capacity_provider", action="Handshake", exactly=12)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_proxy_of_the_environment_is_not_asked_for_a_loopback_address(
    host: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(broken_off) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(Unreachable, match="connection refused"):
            run(submitted_by_its_own(f"http://{host}:{port}"))
        assert proxy.requests == []
        with pytest.raises(PossiblySent):
            run(submitted_by_its_own("http://solar.example"))
        assert len(proxy.requests) == 1


def test_an_unknown_host_was_never_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="name is not known"):
        run(submitted("http://nowhere.example"))


@pytest.mark.parametrize("url", ["http://1.2.3.999", "http://xn--"])
def test_an_address_that_cannot_be_used_was_never_asked(run: Run, url: str) -> None:
    client = client_of(url, httpx.AsyncClient(transport=Telling(OSError())))
    with pytest.raises(Unreachable, match="the exchange failed"):
        client.prepare("Handshake", HANDSHAKE, **TO)
    with pytest.raises(Unreachable, match="the exchange failed"):
        run(client.submit(SENT))


def test_a_look_takes_no_longer_than_the_time_that_is_left(run: Run) -> None:
    transport = Telling(httpx.ReadTimeout("late"))

    async def sleep(_: float) -> None:
        """At once."""

    client = AsyncSolarUserClient(
        BASE, "t", SECRET, client=httpx.AsyncClient(transport=transport), timeout=(20, 30),
        clock=lambda: NOW, sleep=sleep,
    )  # fmt: skip
    with pytest.raises(DeadlinePassed):
        run(client.wait(1, timeout=5, poll=4))
    with pytest.raises(PossiblySent):
        run(client.submit(SENT))
    first, *_, last, post = [each.extensions["timeout"] for each in transport.requests]
    assert all(0 < seconds <= 5 for seconds in first.values())
    assert last == {"connect": 1, "read": 1, "write": 1, "pool": 1}
    assert post == {"connect": 20, "read": 30, "write": 30, "pool": None}


def test_pauses_are_those_of_anyio_unless_others_are_given(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    client = client_of(BASE, httpx.AsyncClient(transport=Telling(httpx.ReadTimeout("late"))))
    with pytest.raises(DeadlinePassed):
        run(client.wait(1, timeout=2, poll=1))
    assert paused == [1, pytest.approx(1, abs=0.5)]


def test_each_exchange_is_told_in_the_log_without_its_host(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "oscp_send")
    with listening(broken_off) as listener, pytest.raises(PossiblySent):
        run(submitted(listener.url))
    with listening(as_json(200, reply())) as listener:
        run(submitted(listener.url))
    assert [each.getMessage() for each in caplog.records if each.name == "oscp_send"] == [
        f"POST {PATH}: RemoteProtocolError",
        f"POST {PATH}: HTTP 200",
    ]


def test_a_client_of_httpx_that_was_given_is_left_open_and_another_closed(run: Run) -> None:
    async def closed() -> tuple[bool, AsyncSolarUserClient]:
        http = httpx.AsyncClient(transport=Telling(OSError()))
        async with client_of(BASE, http):
            pass
        async with client_of(BASE) as own:
            pass
        return http.is_closed, own

    given_is_closed, own = run(closed())
    assert not given_is_closed
    with pytest.raises(RuntimeError, match="the client is closed") as caught:
        run(own.submit(SENT))
    assert possibly_sent(caught.value) is None


def test_settings_make_a_client_that_shows_no_secret() -> None:
    settings = load_settings(url=f"{BASE}/solaruser/", token="t", secret=SECRET, environ={})
    http = httpx.AsyncClient(transport=Telling(OSError()))
    client = AsyncSolarUserClient.from_settings(settings, timeout=3, client=http)
    assert client.base_url == BASE
    assert repr(client) == f"AsyncSolarUserClient('{BASE}', token='t')"
    assert "hunter2" not in str(vars(client))
