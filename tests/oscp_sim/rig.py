"""What the tests of the simulator have in common: requests made by hand, and a real provider.

The signing here restates solaruser.md §5.3 to §5.6; nothing of `oscp_send` is used, so
that one mistake cannot hide on both sides.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote, unquote_plus, urlsplit

from oscp_sim.http import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ssl import SSLContext
    from types import TracebackType
    from typing import Unpack

    from oscp_sim import Simulator
    from oscp_sim.entry import Entry
    from oscp_sim.shared import Shared

TOKEN = "rehearsal-token-0001"
SECRET = "rehearsal-secret"
PROVIDER_TOKEN = "cp-token"
NOW = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
HOST = "solaruser.test"
BASE = "/solaruser/api/v1/sec/instr"
ADD = f"{BASE}/add/OSCP_v20"
VIEW = f"{BASE}/view"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Headers = list[tuple[str, str]]


def block(start: str, end: str, capacity: float = 42) -> dict[str, Any]:
    times = {"start_time": start, "end_time": end}
    return {"capacity": capacity, "phase": "ALL", "unit": "KW", **times}


BLOCK = block("2026-05-04T16:30:00Z", "2026-05-04T17:00:00Z")
ADJUSTMENT: dict[str, Any] = {
    "group_id": "foo-group",
    "type": "CONSUMPTION",
    "forecasted_blocks": [BLOCK],
}
MEASUREMENT = {
    "value": 1,
    "phase": "ALL",
    "unit": "KWH",
    "direction": "NET",
    "measure_time": "2026-05-04T16:30:00Z",
}
ASSET = {"asset_id": "a", "asset_category": "CHARGING", "energy_measurement": MEASUREMENT}


def measured(**changes: object) -> dict[str, Any]:
    """Group measurements of one entry, which differs as said."""
    return {"group_id": "foo-group", "measurements": [{**MEASUREMENT, **changes}]}


class Signing(TypedDict, total=False):
    """What a test may want to sign with, or to send besides."""

    content_type: str | None
    more: Iterable[tuple[str, str]]
    host: str
    token: str
    secret: str
    when: datetime


@dataclass(frozen=True)
class Answer:
    """What came back, as bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON of any kind
        return json.loads(self.body)

    @property
    def data(self) -> Any:  # noqa: ANN401 - JSON of any kind
        assert self.status == 200, self.body
        return self.json["data"]

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and message of a body that holds nothing else."""
        assert self.json.keys() == {"success", "message"}
        assert self.json["success"] is False
        return self.status, self.json["message"]


def http_date(when: datetime) -> str:
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return (
        f"{days[when.weekday()]}, {when.day:02d} {months[when.month - 1]} {when.year} "
        f"{when:%H:%M:%S} GMT"
    )


def canonical(  # noqa: PLR0917 - the parts in the order in which they are signed
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    signed: Iterable[str],
    body: bytes,
    fields: str = "",
) -> str:
    """The canonical request of ASCII parameters; `fields` is a form's body, hashed as empty."""
    path, _, query = target.partition("?")
    parts = [part for text in (query, fields) for part in text.split("&") if part]
    pairs = [tuple(map(unquote_plus, part.partition("=")[::2])) for part in parts]
    pairs.sort(key=lambda pair: pair[0])
    encoded = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
    names = sorted(signed)
    if "x-sn-date" in names and "date" in names:
        names.remove("date")
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name.lower(), value)
    lines = [f"{name}:{' '.join(first.get(name, '').split())}" for name in names]
    digest = hashlib.sha256(b"" if fields else body).hexdigest()
    return "\n".join([method, path, encoded, *lines, ";".join(names), digest])


def signature(secret: str, when: datetime, canonical_request: str, day: date | None = None) -> str:
    def keyed(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    key = keyed(f"SNWS2{secret}".encode(), f"{day or when.date():%Y%m%d}")
    hashed = hashlib.sha256(canonical_request.encode()).hexdigest()
    text = f"SNWS2-HMAC-SHA256\n{when:%Y%m%dT%H%M%SZ}\n{hashed}"
    return keyed(keyed(key, "snws2_request"), text).hex()


def authorization(token: str, signed: Sequence[str], made: str) -> str:
    return f"SNWS2 Credential={token},SignedHeaders={';'.join(signed)},Signature={made}"


def signed_headers(
    method: str,
    target: str,
    body: bytes = b"",
    *,
    content_type: str | None = JSON,
    more: Iterable[tuple[str, str]] = (),
    host: str = HOST,
    token: str = TOKEN,
    secret: str = SECRET,
    when: datetime = NOW,
) -> Headers:
    """Every header of a request that the service takes, the signature last."""
    headers = [("Host", host), ("X-SN-Date", http_date(when))]
    if body and content_type is not None:
        headers.append(("Content-Type", content_type))
    headers += more
    must = {"host", "x-sn-date", "content-type", "digest", "content-md5"}
    signed = sorted({name.lower() for name, _ in headers} & must)
    fields = body.decode() if content_type == FORM and "digest" not in signed else ""
    made = signature(secret, when, canonical(method, target, headers, signed, body, fields))
    return [*headers, ("Authorization", authorization(token, signed, made))]


def ask(
    simulator: Simulator, method: str, target: str, headers: Headers, body: bytes = b""
) -> Answer:
    """Puts a request to a simulator in this process, exactly as it stands here."""
    sent = [(name.lower(), value) for name, value in headers]
    if body and not any(name == "content-length" for name, _ in sent):
        sent.append(("content-length", str(len(body))))
    response = simulator.handle(Request(method, target, tuple(sent), body))
    return Answer(response.status, response.headers, response.body)


def ask_over_network(
    url: str,
    method: str,
    target: str,
    headers: Headers,
    body: bytes = b"",
    *,
    chunks: Iterable[bytes] | None = None,
    declared: int | None = None,
) -> Answer:
    """Puts a request to a server, with the target and the headers exactly as they stand here.

    Args:
        chunks: Sent as a chunked body, instead of `body`.
        declared: A Content-Length that may be a lie.
    """
    address = urlsplit(url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=20)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if chunks is not None:
            connection.putheader("Transfer-Encoding", "chunked")
        elif body or declared is not None:
            connection.putheader("Content-Length", str(len(body) if declared is None else declared))
        connection.endheaders()
        for chunk in chunks or ():
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.send(b"0\r\n\r\n" if chunks is not None else body)
        response = connection.getresponse()
        return Answer(response.status, tuple(response.getheaders()), response.read())
    finally:
        connection.close()


def post(
    simulator: Simulator, body: object, target: str = ADD, **signing: Unpack[Signing]
) -> Answer:
    """Posts a signed JSON body: bytes and texts as they are, anything else as JSON."""
    data = encoded(body)
    return ask(simulator, "POST", target, signed_headers("POST", target, data, **signing), data)


def get(simulator: Simulator, target: str, **signing: Unpack[Signing]) -> Answer:
    return ask(simulator, "GET", target, signed_headers("GET", target, **signing))


def encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def instruction(node: int = 1, /, **parameters: str) -> dict[str, Any]:
    """A body: a Handshake for the built-in world, where nothing else is said."""
    usual = {"action": "Handshake", "coId": "1", "cgIdentifier": "foo-group", "msg": "{}"}
    return {"nodeId": node, "params": usual | parameters}


def shared_of(simulator: Simulator) -> Shared:
    """What the simulator's parties share, for tests of one of them alone."""
    return simulator.shared


def settled(simulator: Simulator) -> None:
    assert simulator.wait_until_settled(10), "an instruction is still on its way after 10 s"


def delivered(simulator: Simulator) -> list[Entry]:
    """What the simulated Capacity Provider was asked."""
    return list(simulator.journal.entries(party="capacity_provider", kind="exchange"))


def body_of(handler: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, chunked or not."""
    if "chunked" not in handler.headers.get("Transfer-Encoding", ""):
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


@dataclass
class Provider:
    """A real HTTP server in a Capacity Provider's place, which answers as it is told.

    Attributes:
        status: Of each answer.
        body: Of each answer.
        headers: Of each answer, besides Content-Length.
        asked: Each request: its target, its headers and its body.
        tls: With what it encrypts its connections.
    """

    status: int = 204
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, list[tuple[str, str]], bytes]] = field(default_factory=list)
    tls: SSLContext | None = None

    def __enter__(self) -> Provider:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = body_of(self)
                provider.asked.append((self.path, list(self.headers.items()), body))
                self.send_response(provider.status)
                for name, value in provider.headers.items():
                    self.send_header(name, value)
                if provider.status != 204:
                    self.send_header("Content-Length", str(len(provider.body)))
                self.end_headers()
                self.wfile.write(provider.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Says nothing of who is not let in."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            # A handshake that fails ends its own connection alone.
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}/cp"
