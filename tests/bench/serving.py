"""How much one request costs, beside others who do less: `python -m tests.bench.serving`.

The load: 8 connections that stay open and ask again as soon as they are answered, from a process of
their own. Small is a Handshake, day an adjustment of 96 blocks, 13 KB. All servers are asked in
turn, for some rounds; the figures are the medians of the rounds, memory is that at the end.

- bare Flask answers `{}` to everything, on the server behind `oscp-sim serve`;
- Prism (`make bench` installs it, where npm is) is sent the bare message, and judges it by the JSON
  Schema of its action;
- SolarUser alone verifies the signature, judges the request, splits and queues it;
- the whole way also joins the parts, judges the message, and delivers it to the Capacity Provider.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response

from oscp_send.client import SolarUserClient
from oscp_sim.server import Server
from oscp_sim.web import through_wsgi
from tests.bench.judging import ACTION, day_ahead

CLIENTS = 8
MESSAGES = {
    "small": (
        "Handshake",
        '{"required_behaviour":{"measurement_configuration":["CONTINUOUS"]}}',
    ),
    "day": (ACTION, day_ahead()),
}
_ROOT = Path(__file__).parent.parent.parent
_PRISM = _ROOT / "build/prism/node_modules/.bin/prism"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Peer:
    """A server under load: what is sent to it, and what was measured.

    Attributes:
        name: Who it is.
        pid: Of its process, whose children count, too.
        requests: The bytes of a request of each size.
        rounds: For each size, of each round: CPU in ms and requests a second, p50 and p99 in ms.
    """

    name: str
    pid: int
    requests: dict[str, tuple[tuple[str, int], bytes]]
    rounds: dict[str, list[tuple[float, float, float, float]]] = field(default_factory=dict)

    def load(self, size: str, seconds: float) -> None:
        """Ask for so many seconds, and note the figures."""
        address, raw = self.requests[size]
        before = cpu(self.pid)
        command = [sys.executable, "-m", "tests.bench.serving", "--ask", json.dumps(address)]
        asked = subprocess.run(  # noqa: S603 - this program
            [*command, "--seconds", str(seconds)],
            input=raw,
            capture_output=True,
            check=True,
            cwd=_ROOT,
        )
        count, took, p50, p99 = json.loads(asked.stdout)
        spent = (cpu(self.pid) - before) * 1000 / count
        self.rounds.setdefault(size, []).append((spent, count / took, p50, p99))

    def median(self, size: str) -> tuple[float, float, float, float]:
        """Return the median of each figure."""
        cpu, rate, p50, p99 = (median(each) for each in zip(*self.rounds[size], strict=True))
        return cpu, rate, p50, p99


def ask(
    address: tuple[str, int], raw: bytes, seconds: float, most: int | None = None
) -> tuple[int, float, float, float]:
    """Send a request over and over; return how many, in how long, and p50 and p99 in ms.

    Args:
        address: Where to.
        raw: Its bytes.
        seconds: How long.
        most: How many, but for those under way; no limit unless given.

    Raises:
        ValueError: An answer is not one of success.
    """
    waiting: dict[socket.socket, float] = {}
    times: list[float] = []
    selector = selectors.DefaultSelector()
    for _ in range(CLIENTS):
        connection = socket.create_connection(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        selector.register(connection, selectors.EVENT_READ, connection)
        waiting[connection] = time.perf_counter()
        connection.sendall(raw)
    began = now = time.perf_counter()
    while now - began < seconds and (most is None or len(times) < most):
        for key, _ in selector.select():
            connection = key.data
            _read_answer(connection)
            now = time.perf_counter()
            times.append(now - waiting[connection])
            waiting[connection] = now
            connection.sendall(raw)
    took = now - began
    for connection in waiting:
        _read_answer(connection)
        connection.close()
    times.sort()
    return len(times), took, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000


def _read_answer(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ValueError(f"the server hung up, after {data!r}")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise ValueError(f"not what was asked for: {data[:500]!r}")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    while missing > 0:
        missing -= len(connection.recv(missing))


@contextmanager
def ours(name: str, *options: str) -> Iterator[Peer]:
    """Serve a simulator in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        url_file = Path(folder, "url.json")
        command = [sys.executable, "-m", "oscp_sim", "serve", "--port", "0"]
        with _running([*command, "--url-file", str(url_file), *options]) as process:
            while not url_file.exists():
                time.sleep(0.001)
            url = json.loads(url_file.read_text(encoding="utf-8"))["url"]
            yield Peer(name, process.pid, signed(url))


def signed(url: str) -> dict[str, tuple[tuple[str, int], bytes]]:
    """Return requests to SolarUser; their signature is good for a quarter of an hour."""
    client = SolarUserClient(url, "rehearsal-token-0001", "rehearsal-secret")
    requests = {}
    for size, (action, text) in MESSAGES.items():
        made = client.prepare(action, text, node_id=1, co_id=1, cg_identifier="foo-group")
        body = made.body if isinstance(made.body, bytes) else str(made.body).encode()
        headers = {**made.headers, "Connection": "keep-alive"}
        requests[size] = _request(url, made.path_url, headers, body)
    return requests


@contextmanager
def bare_flask() -> Iterator[Peer]:
    """Serve a Flask application that does nothing."""
    command = [sys.executable, "-m", "tests.bench.serving", "--flask"]
    with _running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        yield Peer("bare Flask", process.pid, _plain(url))


@contextmanager
def prism() -> Iterator[Peer]:
    """Serve the JSON Schemas of OSCP 2.0 by Prism."""
    paths = {f"/{action}": {"post": _operation(action)} for action, _ in MESSAGES.values()}
    document = {"openapi": "3.1.0", "info": {"title": "OSCP", "version": "2.0"}, "paths": paths}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "oscp.json")
        path.write_text(json.dumps(document), encoding="utf-8")
        command = [str(_PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), "--errors"]
        with _running([*command, "--verboseLevel", "error", str(path)], cwd=folder) as process:
            while not _answers(port):
                time.sleep(0.05)
            yield Peer("Prism", process.pid, _plain(f"http://127.0.0.1:{port}"))


def _operation(action: str) -> dict[str, Any]:
    whole = json.loads(
        subprocess.check_output(  # noqa: S603 - our own program
            [sys.executable, "-m", "oscp_send", "schema", "--bundle", action]
        )
    )
    definitions = whole.pop("definitions", {})
    schema = _inlined(whole, definitions)
    content = {"application/json": {"schema": schema}}
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"204": {"description": "It was taken."}},
    }


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema without references, examples and names of its own."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
    dropped = {"$id", "$schema", "examples"}
    return {key: _inlined(each, definitions) for key, each in schema.items() if key not in dropped}


def _plain(url: str) -> dict[str, tuple[tuple[str, int], bytes]]:
    """Return requests that have the message itself as their body."""
    kind = {"Content-Type": "application/json"}
    return {
        size: _request(url, f"/{action}", kind, text.encode())
        for size, (action, text) in MESSAGES.items()
    }


def _request(
    url: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[tuple[str, int], bytes]:
    place = urlsplit(url)
    given = {"Host": place.netloc, **headers, "Content-Length": str(len(body))}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return (str(place.hostname), place.port or 80), "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def _running(
    command: Sequence[str], stdout: int = subprocess.DEVNULL, cwd: str | Path = _ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=stdout, cwd=cwd)  # noqa: S603 - a server
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process and its children have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS + sum(map(cpu, _children(pid)))


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in children.split()]


def memory(pid: int) -> float:
    """Return the MB of memory that a process and its children hold."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    own = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return own + sum(map(memory, _children(pid)))


def compare(rounds: int, seconds: float) -> None:
    """Print the table of all servers."""
    with ExitStack() as stack:
        servers = [bare_flask()]
        if _PRISM.exists():
            servers.append(prism())
        servers += [ours("SolarUser alone", "--play", "solaruser"), ours("the whole way")]
        peers = [stack.enter_context(server) for server in servers]
        for at in range(rounds + 1):
            for peer in peers:
                for size in MESSAGES:
                    peer.load(size, seconds)
                    if at == 0:
                        # The first round warms up.
                        peer.rounds[size].clear()
        sys.stdout.write(
            f"{CLIENTS} clients, {rounds} rounds of {seconds:g} s each, medians\n"
            f"{'':17}{'ms of CPU a request':>21}{'requests/s':>18}{'p99/p50':>14}{'memory':>9}\n"
            f"{'':17}{'small':>12}{'day':>9}{'small':>9}{'day':>9}{'small':>7}{'day':>7}{'MB':>9}\n"
        )
        by_name = {peer.name: {size: peer.median(size) for size in MESSAGES} for peer in peers}
        for peer in peers:
            sys.stdout.write(_row(peer.name, by_name[peer.name], f"{memory(peer.pid):9.0f}"))
        for reference in ("Prism", "bare Flask"):
            if reference not in by_name:
                sys.stdout.write(f"{reference} is not here: without npm, it is not measured\n")
                continue
            for name in ("SolarUser alone", "the whole way"):
                sys.stdout.write(_ratios(name, reference, by_name))


def _row(name: str, figures: dict[str, tuple[float, float, float, float]], end: str) -> str:
    small, day = figures["small"], figures["day"]
    return (
        f"{name:<17}{small[0]:12.2f}{day[0]:9.2f}{small[1]:9.0f}{day[1]:9.0f}"
        f"{small[3] / small[2]:7.1f}{day[3] / day[2]:7.1f}{end}\n"
    )


def _ratios(
    name: str,
    reference: str,
    by_name: dict[str, dict[str, tuple[float, float, float, float]]],
) -> str:
    cpu = [by_name[name][size][0] / by_name[reference][size][0] for size in MESSAGES]
    rate = [by_name[name][size][1] / by_name[reference][size][1] for size in MESSAGES]
    return (
        f"{name}: {cpu[0]:.2f} (small) and {cpu[1]:.2f} (day) times the CPU of {reference}, "
        f"{rate[0]:.2f} and {rate[1]:.2f} times as many requests\n"
    )


def _serve_flask() -> None:
    application = Flask("reference")
    answer = Response("{}", mimetype="application/json")
    application.post("/<action>")(lambda action: answer)  # noqa: ARG005 - Flask names it
    server = Server(through_wsgi(application))
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    threading.Event().wait()


def main() -> None:
    """Compare the servers, or be one of the processes that it takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving")
    parser.add_argument("--rounds", type=int, default=5, help="of each server (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round (default: 2)")
    parser.add_argument("--flask", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flask:
        _serve_flask()
    elif given.ask:
        found = ask(tuple(json.loads(given.ask)), sys.stdin.buffer.read(), given.seconds)
        sys.stdout.write(json.dumps(found))
    else:
        compare(given.rounds, given.seconds)


if __name__ == "__main__":
    main()
