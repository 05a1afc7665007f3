"""How fast `oscp-sim serve` starts, answers and stops: `python -m tests.bench.serving`.

A bare Flask application on the same server is the reference, in the same run.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response

from oscp_send.client import SolarUserClient
from oscp_sim.server import Server
from oscp_sim.web import through_wsgi
from tests.bench.judging import ACTION, day_ahead

if TYPE_CHECKING:
    from requests import PreparedRequest

_REQUESTS = 1000
_SMALL = '{"required_behaviour":{"measurement_configuration":["CONTINUOUS"]}}'


def main() -> None:
    """Prints one line for each thing measured."""
    with tempfile.TemporaryDirectory() as folder:
        url_file = Path(folder, "url.json")
        began = time.perf_counter()
        command = ["serve", "--port", "0", "--url-file", str(url_file)]
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "oscp_sim", *command], stdout=subprocess.DEVNULL
        )
        while not url_file.exists():
            time.sleep(0.001)
        url = json.loads(url_file.read_text(encoding="utf-8"))["url"]
        _line("serve: started and answering", f"{time.perf_counter() - began:.3f} s")
        _line("serve: small handshake, signed", f"{_rate(_handshake(url)):.0f} requests/s")
        _line("serve: 96 blocks, signed", f"{_rate(_adjustment(url)):.0f} requests/s")
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait()
        _line("serve: stopped by SIGTERM", f"{time.perf_counter() - began:.3f} s")
    _line("reference: bare Flask, threads", f"{_reference():.0f} requests/s")


def _handshake(url: str) -> PreparedRequest:
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    return client.prepare("Handshake", _SMALL, node_id=1, co_id=1, cg_identifier="foo-group")


def _adjustment(url: str) -> PreparedRequest:
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    return client.prepare(ACTION, day_ahead(), node_id=1, co_id=1, cg_identifier="foo-group")


def _reference() -> float:
    application = Flask("reference")
    application.post("/x")(lambda: Response("{}", mimetype="application/json"))
    server = Server(through_wsgi(application))
    try:
        client = SolarUserClient(server.url, "t", "s")
        request = client.prepare("Handshake", _SMALL, node_id=1, co_id=1, cg_identifier="foo-group")
        request.url = f"{server.url}/x"
        return _rate(request, keep_alive=False)
    finally:
        server.close()


def _rate(request: PreparedRequest, *, keep_alive: bool = True) -> float:
    """Answers with requests a second, over one connection or one each."""
    parts = urlsplit(request.url or "")
    body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "Connection"
    )
    raw = f"{request.method} {request.path_url} HTTP/1.1\r\n{headers}\r\n".encode() + body
    address = (str(parts.hostname), parts.port or 80)
    connection = socket.create_connection(address)
    began = time.perf_counter()
    for _ in range(_REQUESTS):
        connection.sendall(raw)
        _read_answer(connection)
        if not keep_alive:
            connection.close()
            connection = socket.create_connection(address)
    connection.close()
    return _REQUESTS / (time.perf_counter() - began)


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(missing))


def _line(what: str, value: str) -> None:
    sys.stdout.write(f"{what:<36}{value:>20}\n")


if __name__ == "__main__":
    main()
