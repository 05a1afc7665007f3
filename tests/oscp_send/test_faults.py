"""On a network that fails: what was certainly not taken is said, and nothing else is called so."""

from __future__ import annotations

import gc
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import requests
import trustme

from oscp_send.client import SolarUserClient
from oscp_send.errors import NotAuthorised, PossiblySent, RateLimited, Refused, Unreachable
from tests.oscp_send.faults import FAULTS, Fault, Says, listening
from tests.oscp_send.sender_world import HANDSHAKE, NOW, SECRET, TO, accepting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 0.5
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


@pytest.fixture
def session(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[requests.Session]:
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    with requests.Session() as made:
        made.verify = str(pem)
        yield made
    # What is left is young: all of it would be a tenth of a second for each row.
    gc.collect(1)


def said(url: str, session: requests.Session) -> Says:
    client = SolarUserClient(
        url, "t", SECRET, session=session, timeout=PATIENCE, clock=lambda: NOW, checker=accepting
    )
    try:
        client.send("Handshake", HANDSHAKE, **TO)
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
    fault: Fault, session: requests.Session, contexts: dict[str, ssl.SSLContext]
) -> None:
    scheme = "http" if fault.tls == "no" else "https"
    if fault.play is None:
        url = nobody()
        if fault.proxy:
            session.proxies = {"http": url}
        assert said("http://solar.example" if fault.proxy else url, session) == fault.says
        return
    reads = fault.tls != "claimed" or fault.proxy
    with listening(fault.play, context=contexts.get(fault.tls), reads=reads) as listener:
        if fault.proxy:
            session.proxies = {scheme: listener.url}
        url = f"{scheme}://" + ("solar.example" if fault.proxy else f"127.0.0.1:{listener.port}")
        assert said(url, session) == fault.says
    whole = [each for each in listener.requests if each.startswith(b"POST ")]
    assert len(whole) <= 1
    # Whoever took a whole request may have queued it, unless it is SolarUser itself that refuses.
    assert not (whole and fault.says == "not sent")


def test_every_kind_of_outcome_is_in_the_table() -> None:
    assert {fault.says for fault in FAULTS} == {"sent", "not sent", "not queued", "unknown"}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
