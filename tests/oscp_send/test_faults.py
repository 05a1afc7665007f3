"""On a network that fails: what was certainly not taken is said, and nothing else is called so."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
import trustme

from oscp_send.async_client import AsyncSolarUserClient
from oscp_send.client import SolarUserClient
from oscp_send.errors import NotAuthorised, PossiblySent, RateLimited, Refused, Unreachable
from tests.oscp_send.faults import FAULTS, Fault, Says, listening
from tests.oscp_send.sender_world import HANDSHAKE, NOW, SECRET, TO, accepting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHAT = ("Handshake", HANDSHAKE)
PATIENT: dict[str, Any] = {"timeout": 0.5, "clock": lambda: NOW, "checker": accepting}
# A socket on which TLS failed is closed when the error that holds it goes; at the end of each test.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def contexts(authority: trustme.CA) -> dict[str, ssl.SSLContext]:
    made = {}
    for name, issuer in (("trusted", authority), ("untrusted", trustme.CA())):
        made[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert("127.0.0.1").configure_cert(made[name])
    return made


class OverRequests:
    """Sends a message once with `SolarUserClient`, trusting one authority."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self._pem = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self._pem))

    def send(self, url: str, proxies: dict[str, str]) -> None:
        with requests.Session() as session:
            session.verify, session.proxies = str(self._pem), proxies
            SolarUserClient(url, "t", SECRET, session=session, **PATIENT).send(*WHAT, **TO)


class OverHttpx:
    """Sends a message once with `AsyncSolarUserClient`, trusting one authority."""

    def __init__(self, authority: trustme.CA, runner: asyncio.Runner) -> None:
        self._runner, self._context = runner, ssl.create_default_context()
        authority.configure_trust(self._context)

    def send(self, url: str, proxies: dict[str, str]) -> None:
        self._runner.run(self._send(url, *proxies.values()))

    async def _send(self, url: str, proxy: str | None = None) -> None:
        async with httpx.AsyncClient(verify=self._context, proxy=proxy) as client:
            await AsyncSolarUserClient(url, "t", SECRET, client=client, **PATIENT).send(*WHAT, **TO)


@pytest.fixture(scope="module", params=["requests", "httpx"])
def sender(
    request: pytest.FixtureRequest,
    authority: trustme.CA,
    loop: asyncio.Runner,
    tmp_path_factory: pytest.TempPathFactory,
) -> OverRequests | OverHttpx:
    if request.param == "requests":
        return OverRequests(authority, tmp_path_factory.mktemp("authority"))
    return OverHttpx(authority, loop)


@pytest.fixture(autouse=True)
def no_socket_is_left() -> Iterator[None]:
    yield
    # What is left is young: all of it would be a tenth of a second for each row.
    gc.collect(1)


def said(sender: OverRequests | OverHttpx, url: str, proxies: dict[str, str]) -> Says:
    try:
        sender.send(url, proxies)
    except Unreachable:
        return "not sent"
    except (NotAuthorised, Refused, RateLimited):
        return "not queued"
    except PossiblySent:
        return "unknown"
    return "sent"


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_sender_says_what_is_certain(
    fault: Fault, sender: OverRequests | OverHttpx, contexts: dict[str, ssl.SSLContext]
) -> None:
    scheme = "http" if fault.tls == "no" else "https"
    if fault.play is None:
        url = nobody()
        given = ("http://solar.example", {"http": url}) if fault.proxy else (url, {})
        assert said(sender, *given) == fault.says
        return
    reads = fault.tls != "claimed" or fault.proxy
    with listening(fault.play, context=contexts.get(fault.tls), reads=reads) as listener:
        proxies = {scheme: listener.url} if fault.proxy else {}
        url = f"{scheme}://" + ("solar.example" if fault.proxy else f"127.0.0.1:{listener.port}")
        assert said(sender, url, proxies) == fault.says
    whole = [each for each in listener.requests if each.startswith(b"POST ")]
    assert len(whole) <= 1
    # Whoever took a whole request may have queued it, unless it is SolarUser itself that refuses.
    assert not (whole and fault.says == "not sent")


def test_every_kind_of_outcome_is_in_the_table() -> None:
    assert {fault.says for fault in FAULTS} == {"sent", "not sent", "not queued", "unknown"}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
